import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit import cache
from evalkit.cache import ResultCache
from evalkit.errors import ConfigError

KEY = "ab" + "0" * 62


def json_values():
    plain = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False)
    return st.recursive(plain | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3), max_leaves=5)


@settings(max_examples=40, deadline=None)
@given(
    values=st.dictionaries(st.text("abcxyz", min_size=1, max_size=5), json_values(), max_size=4),
    shape=st.tuples(st.integers(0, 4), st.integers(0, 4)),
)
def test_what_is_put_is_got(tmp_path_factory, values, shape):
    folder = tmp_path_factory.mktemp("cache")
    rows = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    ResultCache(folder).put(KEY, {**values, "rows_": rows})
    found = ResultCache(folder).get(KEY)
    assert found is not None
    assert {name: found[name] for name in values} == values
    np.testing.assert_array_equal(found["rows_"], rows)
    assert found["rows_"].dtype == np.float32


def test_what_is_not_there_is_none(tmp_path):
    assert ResultCache(tmp_path).get(KEY) is None


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 nonsense", None])
def test_a_damaged_record_is_dropped(tmp_path, damage):
    store = ResultCache(tmp_path)
    store.put(KEY, {"text": "la" * 500})
    path = tmp_path / "ab" / f"{KEY}.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert store.get(KEY) is None
    assert not path.exists(), "so that it is written again"


def test_a_pickled_record_is_not_loaded(tmp_path):
    path = tmp_path / "ab" / f"{KEY}.npz"
    path.parent.mkdir()
    np.savez(path, json=np.frombuffer(b"{}", dtype=np.uint8), evil=np.array([object()], dtype=object))
    assert ResultCache(tmp_path).get(KEY) is None


def test_only_numbers_are_cached(tmp_path):
    with pytest.raises(ValueError, match="numeric"):
        ResultCache(tmp_path).put(KEY, {"x": np.array(["a"])})


def test_trim_drops_what_was_used_longest_ago(tmp_path):
    store = ResultCache(tmp_path, limit=10**9)
    keys = [f"{number:02d}" + "f" * 62 for number in range(4)]
    for age, key in enumerate(keys):
        store.put(key, {"data": np.random.default_rng(age).normal(size=1000)})
        os.utime(tmp_path / key[:2] / f"{key}.npz", (1_000_000 + age, 1_000_000 + age))
    assert store.get(keys[0]) is not None  # the oldest becomes the youngest
    size = store.info().size_bytes
    assert ResultCache(tmp_path, limit=size * 5 // 8).trim() > 0
    assert [store.get(key) is not None for key in keys] == [True, False, False, True]
    assert store.clear() > 0
    assert store.info().n_records == 0


def test_an_unwritable_folder_costs_only_the_record(tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    ResultCache(blocked).put(KEY, {"x": 1})
    assert "could not be cached" in caplog.text


@pytest.mark.parametrize("text", ["five", "-1", "nan", "inf"])
def test_a_wrong_limit_is_a_sentence(monkeypatch, text):
    monkeypatch.setenv("EVALKIT_CACHE_LIMIT_GB", text)
    with pytest.raises(ConfigError, match="EVALKIT_CACHE_LIMIT_GB"):
        cache.limit_bytes()


HAMMER = """
import sys
from pathlib import Path
import numpy as np
from evalkit.cache import ResultCache

store = ResultCache(Path(sys.argv[1]))
for step in range(60):
    key = f"{step % 7:02d}" + "e" * 62
    found = store.get(key)
    assert found is None or np.all(found["x"] == step % 7), found
    store.put(key, {"x": np.full(2000, step % 7)})
"""


def test_two_processes_share_a_folder(tmp_path):
    command = [sys.executable, "-c", HAMMER, str(tmp_path)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    assert not list(tmp_path.rglob("*.partial"))
    assert ResultCache(tmp_path).info().n_records == 7
