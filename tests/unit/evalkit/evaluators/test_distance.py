"""The evaluator of distances to a reference set: refusals, caching, reference folders, intervals."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from evalkit.audio import save_flac
from evalkit.cache import ResultCache
from evalkit.derived import Derived
from evalkit.errors import AudioError, ConfigError
from evalkit.evaluators import distance as module
from evalkit.evaluators._reference import ReferenceSet
from evalkit.evaluators.distance import DistanceEvaluator
from evalkit.models import embedding
from evalkit.types import Audio, Prompt, SetSong, Song


class SeededEmbedder:
    """Vectors from the digest of a song: songs of a system lie where its name says."""

    name, licence = "seeded", "MIT"
    signature_parts: Mapping[str, str] = {"embed": "seeded"}

    def __init__(self):
        self.opened = 0

    def windows(self, song, source="mix"):
        self.opened += 1
        if song.song.sha256 == "broken":
            raise AudioError("The file is gone.")
        shift = {"far": 1.0, "near": 0.0, "reference": 0.0}[song.song.system]
        seed = int.from_bytes(str(song.song.sha256).encode()[:8], "little")
        return (shift + np.random.default_rng(seed).standard_normal((3, 8))).astype(np.float32)


def songs(system, n, takes=1):
    found = []
    for index in range(n):
        for take in range(takes):
            digest = f"{index:04d}{take:02d}{system}"
            song = Song(prompt_id=f"p{index}", system=system, take=take, seed=0, status="ok", sha256=digest)
            prompt = Prompt(id=song.prompt_id, language="en")
            found.append(SetSong(prompt=prompt, song=song, derived=Derived(), open=lambda: pytest.fail("opened")))
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    place = tmp_path / "reference"
    place.mkdir()

    def fill(n):
        for index in range(n):
            (place / f"{index:04d}.wav").write_bytes(f"song {index}".encode())
        (place / "notes.txt").write_text("no audio")
        return place

    return fill


def measure(place, these, **options):
    evaluator = DistanceEvaluator({"reference": str(place), **options}, lambda name: Path(name), SeededEmbedder())
    return {score.metric: score for score in evaluator.score_set(these)}


def test_near_songs_are_near_and_far_songs_far(folder):
    place = folder(240)
    near, far = measure(place, songs("near", 220)), measure(place, songs("far", 220))
    for metric in ("fad", "fad_inf", "kad"):
        assert near[metric].status == far[metric].status == "ok"
        assert near[metric].n == 220
        assert near[metric].ci_low <= near[metric].value <= near[metric].ci_high
        assert near[metric].ci_high < far[metric].ci_low
    # Eight dimensions, each shifted by 1.
    assert far["fad_inf"].ci_low < 8.0 < far["fad_inf"].ci_high
    assert near["kad"].ci_low < 0.0 < near["kad"].ci_high
    assert near["fad_inf"].value < near["fad"].value
    assert len(near["fad_inf"].details["sizes"]) >= 15
    assert far["fad_inf"].details["r2"] <= 1.0
    assert near["fad"].details["n_songs"] == 220
    assert near["fad"].details["n_reference"] == 240
    assert near["fad"].details["n_windows"] == 660
    assert measure(place, songs("near", 220)) == near


@pytest.mark.parametrize(("n", "ok"), [(49, set()), (50, {"kad"}), (199, {"kad"}), (200, {"kad", "fad", "fad_inf"})])
def test_small_sets_are_refused_with_the_number(folder, n, ok):
    found = measure(folder(210), songs("near", n))
    assert {name for name, score in found.items() if score.status == "ok"} == ok
    for name in found.keys() - ok:
        assert found[name].status == "not_applicable"
        least = 50 if name == "kad" else 200
        assert f"at least {least} songs on both sides; there are {n} here and 210 in" in found[name].reason.replace(
            "fad_inf", "fad"
        )


def test_a_small_reference_is_refused_without_embedding_anything(folder):
    place = folder(30)
    embedder = SeededEmbedder()
    evaluator = DistanceEvaluator({"reference": str(place)}, lambda name: Path(name), embedder)
    found = evaluator.score_set(songs("near", 300))
    assert {score.status for score in found} == {"not_applicable"}
    assert {score.metric for score in found} == {"fad", "fad_inf", "kad"}
    assert embedder.opened == 0


def test_without_a_reference_it_says_so():
    evaluator = DistanceEvaluator({}, lambda name: pytest.fail(name))
    found = evaluator.score_set(songs("near", 3))
    assert [score.status for score in found] == ["not_applicable"] * 3
    assert "names no reference folder" in found[0].reason
    assert evaluator.signature("kad") == "kad|reference:none|v:1"
    assert DistanceEvaluator.required_models({}) == ()
    assert DistanceEvaluator.required_models({"reference": "x"}) == ("musicnn",)


def test_takes_of_a_prompt_belong_together(folder):
    found = measure(folder(60), songs("near", 30, takes=2))
    assert found["kad"].n == 30
    assert found["kad"].details["n_songs"] == 60


def test_a_broken_song_is_counted_and_the_rest_measured(folder):
    these = songs("near", 60)
    broken = Song(prompt_id="p0", system="near", take=9, seed=0, status="ok", sha256="broken")
    these.append(SetSong(prompt=these[0].prompt, song=broken, derived=Derived(), open=these[0].open))
    found = measure(folder(60), these)["kad"]
    assert found.status == "ok"
    assert found.details["n_unreadable"] == 1
    assert "gone" in found.details["unreadable"][0]


def test_a_set_without_full_rank_is_warned_about(folder, monkeypatch):
    monkeypatch.setitem(module.MIN_SONGS, "fad", 2)
    found = measure(folder(60), songs("near", 2))
    assert "3 directions fewer than the 8" in found["fad"].details["warning"]


def test_the_reference_is_known_by_content(folder, tmp_path):
    place = folder(5)
    before = ReferenceSet(place)
    assert before.signature.startswith("5songs@")
    moved = tmp_path / "elsewhere"
    shutil.copytree(place, moved / "deep")
    (moved / "deep" / "copy.wav").write_bytes(b"song 3")
    assert ReferenceSet(moved).signature == before.signature, "names and copies do not matter"
    digests = [song.song.sha256 for song in ReferenceSet(moved).songs(Derived())]
    assert digests == sorted(set(digests))
    assert len(digests) == 5
    (place / "0001.wav").write_bytes(b"other")
    assert ReferenceSet(place).signature != before.signature


def test_what_is_no_reference_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no reference folder"):
        DistanceEvaluator({"reference": str(tmp_path / "none")}, lambda name: Path(name))
    with pytest.raises(ConfigError, match="holds no audio"):
        DistanceEvaluator({"reference": str(tmp_path)}, lambda name: Path(name))
    with pytest.raises(ConfigError, match=r"no option 'refrence'.*reference"):
        DistanceEvaluator({"refrence": "x"}, lambda name: Path(name))
    with pytest.raises(ConfigError, match="embedding_options"):
        DistanceEvaluator({"embedding_options": 3}, lambda name: Path(name))


def test_signatures_tell_embedding_and_reference_apart(folder):
    place = folder(5)
    evaluator = DistanceEvaluator({"reference": str(place)}, lambda name: Path(name))
    one = evaluator.signature("fad")
    assert "|embed:musicnn-msd@" in one
    other = DistanceEvaluator(
        {"reference": str(place), "embedding_options": {"training": "mtt"}}, lambda name: Path(name)
    )
    assert other.signature("fad") != one
    (place / "0001.wav").write_bytes(b"other")
    assert DistanceEvaluator({"reference": str(place)}, lambda name: Path(name)).signature("fad") != one


def test_reference_vectors_are_kept_beside_those_of_the_run(folder, tmp_path, make_noise):
    place = folder(0)
    save_flac(make_noise(6.0), place / "a.flac")
    store = ResultCache()
    (song,) = ReferenceSet(place).songs(Derived({}, store))
    clip = song.open()
    assert isinstance(clip.mix, Audio)
    first = embedding.stored_windows(song, "mix", "x", lambda clip: clip.mix.samples[:, :4])
    (again,) = ReferenceSet(place).songs(Derived({}, store))
    assert np.array_equal(embedding.stored_windows(again, "mix", "x", lambda clip: pytest.fail("again")), first)


@pytest.mark.models
def test_real_songs_are_embedded_by_musicnn(model_dir, tmp_path, make_sine, make_noise, monkeypatch):
    root = model_dir("musicnn")
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    place, noise = tmp_path / "tones", tmp_path / "noise"
    for index in range(4):
        save_flac(make_sine(200.0 + 50 * index, 6.2), place / f"{index}.flac")
    for metric in module.MIN_SONGS:
        monkeypatch.setitem(module.MIN_SONGS, metric, 2)
    evaluator = DistanceEvaluator({"reference": str(place)}, lambda name: root)
    tones = ReferenceSet(place).songs(Derived())
    found = {score.metric: score for score in evaluator.score_set(tones)}
    assert found["fad"].value == pytest.approx(0.0, abs=1e-2)
    assert found["kad"].value < 5.0
    for index in range(3):
        save_flac(make_noise(6.2, seed=index), noise / f"{index}.flac")
    far = {score.metric: score for score in evaluator.score_set(ReferenceSet(noise).songs(Derived()))}
    assert far["fad"].value > found["fad"].value + 1.0
    assert far["kad"].value > found["kad"].value + 10.0
