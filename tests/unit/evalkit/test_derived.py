import json

import numpy as np
import pytest

from evalkit.derived import Derived, array, record_key


class Shelf:
    """A store that goes through JSON for everything but arrays, as a real one would."""

    def __init__(self):
        self.records = {}

    def get(self, key):
        return self.records.get(key)

    def put(self, key, record):
        self.records[key] = record


class Counter:
    def __init__(self, value):
        self.value = value
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return self.value


def test_a_value_is_made_once_for_each_key():
    derived, make = Derived(), Counter(3)
    assert [derived.once("a", make), derived.once("a", make)] == [3, 3]
    assert make.calls == 1
    derived.once("b", make)
    assert make.calls == 2


def test_records_are_found_again_by_audio_and_signature():
    shelf = Shelf()
    make = Counter({"text": "la", "embedding": np.ones(3, np.float32)})
    first = Derived({"mix": "d1"}, shelf)
    assert first.stored("mix", "asr|v:1", make)["text"] == "la"
    assert Derived({"mix": "d1"}, shelf).stored("mix", "asr|v:1", make)["text"] == "la"
    assert make.calls == 1
    for digests, signature in (({"mix": "d2"}, "asr|v:1"), ({"mix": "d1"}, "asr|v:2")):
        Derived(digests, shelf).stored("mix", signature, make)
    assert make.calls == 3, "other audio and another signature are other records"
    assert set(shelf.records) == {
        record_key("d1", "asr|v:1"), record_key("d2", "asr|v:1"), record_key("d1", "asr|v:2")
    }  # fmt: skip


def test_what_is_known_is_read_once_and_made_by_nobody():
    class Counting(Shelf):
        n_read = 0

        def get(self, key):
            self.n_read += 1
            return super().get(key)

    shelf, make = Counting(), Counter({"text": "la"})
    assert not Derived({"mix": "d1"}, shelf).knows("mix", "asr")
    Derived({"mix": "d1"}, shelf).stored("mix", "asr", make)
    shelf.n_read = 0
    again = Derived({"mix": "d1"}, shelf)
    assert again.knows("mix", "asr")
    assert again.knows("mix", "asr")
    assert again.stored("mix", "asr", make) == {"text": "la"}
    assert (shelf.n_read, make.calls) == (1, 1)
    assert not again.knows("mix", "other")
    alone = Derived()
    assert not alone.knows("mix", "asr")
    alone.stored("mix", "asr", make)
    assert alone.knows("mix", "asr"), "memory is enough"


def test_without_a_digest_nothing_is_stored():
    shelf, make = Shelf(), Counter({})
    derived = Derived({}, shelf)
    derived.stored("vocals", "s", make)
    derived.stored("vocals", "s", make)
    assert make.calls == 1
    assert shelf.records == {}


def test_key_keeps_digest_and_signature_apart():
    assert record_key("ab", "c") != record_key("a", "bc")
    assert len(record_key("a", "b")) == 64
    json.dumps(record_key("a", "b"))


def test_arrays_come_back_as_float32():
    assert array({"x": np.arange(3)}, "x").dtype == np.float32
    with pytest.raises(KeyError):
        array({}, "x")
