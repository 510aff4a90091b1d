"""Sets of songs whose spread and whose copies are known, with an embedding that tests choose."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalkit.derived import Derived
from evalkit.errors import AudioError, ConfigError
from evalkit.evaluators import _similar, _spread
from evalkit.evaluators.diversity import DiversityEvaluator
from evalkit.models.embedding import stored_windows
from evalkit.signal.fingerprint import Match
from evalkit.types import Audio, Clip, Prompt, SetScore, SetSong, Song

RATE = 16_000


class Bands:
    """Energies of sixteen bands of pitch for every two seconds: crude, but it hears what is played."""

    name, licence = "bands", "MIT"
    signature_parts: Mapping[str, str | int | float] = {"embed": "bands"}

    def __init__(self) -> None:
        self.heard: list[str] = []

    def windows(self, song, source="mix"):
        def compute(clip: Clip) -> np.ndarray:
            self.heard.append(clip.song.id)
            samples = clip.mix.samples[0]
            pieces = samples[: len(samples) // (2 * RATE) * 2 * RATE].reshape(-1, 2 * RATE)
            power = np.abs(np.fft.rfft(pieces, axis=1))[:, 200:4200].reshape(len(pieces), 16, -1).sum(axis=2)
            return (power / power.sum(axis=1, keepdims=True)).astype(np.float32)

        return stored_windows(song, source, "bands", compute)


def music(seed: int, duration_s: float = 24.0, low: int = 48, high: int = 84) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.arange(round(duration_s * RATE)) / RATE
    samples = 1e-3 * rng.standard_normal(len(time))
    for start in np.arange(0.0, duration_s - 0.5, 0.25):
        hz = 440.0 * 2 ** ((rng.integers(low, high) - 69) / 12)
        own = time[(time >= start) & (time < start + 0.5)] - start
        tone = sum(np.sin(2 * np.pi * n * hz * own) / n for n in range(1, 6) if n * hz < 7000)
        samples[round(start * RATE) : round(start * RATE) + len(own)] += 0.1 * np.exp(-6 * own) * tone
    return samples.astype(np.float32)


def set_song(samples: np.ndarray, prompt_id: str, take: int = 0, language: str = "en", **changes) -> SetSong:
    prompt = Prompt(id=prompt_id, language=language, **changes)
    song = Song(prompt_id=prompt_id, system="s", take=take, seed=take, status="ok", duration_s=len(samples) / RATE)
    derived = Derived()
    clip = Clip(prompt=prompt, song=song, mix=Audio(samples=samples[None], sample_rate=RATE), derived=derived)
    return SetSong(prompt=prompt, song=song, derived=derived, open=lambda: clip)


def scores(songs, embedder=None, **options) -> dict[tuple[str, str], SetScore]:
    evaluator = DiversityEvaluator(options, lambda name: Path(name), embedder or Bands())
    return {(score.group, score.metric): score for score in evaluator.score_set(songs)}


def vector_songs(vectors: Mapping[tuple[str, int], list[float]], languages: Mapping[str, str] | None = None):
    """Songs whose embedding is given."""

    class Given:
        name, licence = "given", "MIT"
        signature_parts: Mapping[str, str | int | float] = {"embed": "given"}

        def windows(self, song, source="mix"):
            return np.array([vectors[song.prompt.id, song.song.take]], dtype=np.float32)

    silent = np.zeros(6 * RATE, np.float32)
    songs = [set_song(silent, name, take, (languages or {}).get(name, "en")) for name, take in vectors]
    return songs, Given()


def test_known_angles_give_known_diversity() -> None:
    songs, given = vector_songs({("p", 0): [1, 0], ("p", 1): [0, 1], ("q", 0): [1, 0], ("q", 1): [5, 0]})
    found = scores(songs, given)
    assert found["all", "div_intra"].value == pytest.approx(0.5)  # 1 for p, 0 for q
    assert found["all", "div_intra"].details["least_diverse"] == {"q": 0.0, "p": 1.0}
    assert found["all", "div_inter"].value == pytest.approx(0.5)  # p's takes against q's: 0, 0, 1, 1
    assert found["all", "div_intra"].n == 2
    assert "embed:given" in found["all", "div_intra"].signature


def test_a_collapsed_system_has_no_diversity_and_order_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    free = {(f"p{i}", take): rng.standard_normal(8).tolist() for i in range(6) for take in range(3)}
    same = dict.fromkeys(free, [1.0] * 8)
    one, two = scores(*vector_songs(free)), scores(*vector_songs(same))
    assert two["all", "div_intra"].value == pytest.approx(0.0, abs=1e-6)
    assert two["all", "div_inter"].value == pytest.approx(0.0, abs=1e-6)
    for metric in ("div_intra", "div_inter"):
        score = one["all", metric]
        assert score.ci_low < score.value < score.ci_high
    songs, given = vector_songs(free)
    assert scores(songs[::-1], given)["all", "div_inter"].value == pytest.approx(one["all", "div_inter"].value)
    longer = {key: [3.0 * x for x in vector] for key, vector in free.items()}
    assert scores(*vector_songs(longer))["all", "div_intra"].value == pytest.approx(one["all", "div_intra"].value)


def test_languages_have_their_own_diversity() -> None:
    vectors = {("p", 0): [1, 0], ("q", 0): [0, 1], ("r", 0): [1, 0]}
    found = scores(*vector_songs(vectors, {"r": "zh"}))
    assert found["en", "div_inter"].value == pytest.approx(1.0)
    assert found["zh", "div_inter"].reason == "There are songs of fewer than two prompts."
    assert found["all", "div_inter"].value == pytest.approx(2 / 3)
    assert "No prompt has two takes" in found["all", "div_intra"].reason


def test_pairs_are_averaged_as_a_plain_loop_does() -> None:
    rng = np.random.default_rng(0)
    square = rng.random((7, 7))
    square = square + square.T
    found = _spread.pairwise(square, 1)
    assert found.value == pytest.approx(np.mean([square[i, j] for i in range(7) for j in range(7) if i != j]))
    assert found.interval[0] < found.value < found.interval[1]
    flat = _spread.pairwise(np.ones((5, 5)), 1)
    assert flat.value == flat.interval[0] == flat.interval[1] == 1.0
    assert _spread.pairwise(np.ones((2, 2)), 1).interval is None


@pytest.fixture(scope="module")
def given_audio(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("prompt") / "prompt.ogg"
    soundfile.write(path, 0.5 * music(1, 12.0), RATE, format="OGG", subtype="VORBIS")
    return path


def test_a_song_that_holds_its_prompt_audio_is_found_and_another_is_not(given_audio: Path) -> None:
    copying = np.concatenate([music(2, 7.3), music(1, 12.0), music(3, 6.0)])
    songs = [
        set_song(copying, "p", 0, prompt_audio_path=str(given_audio)),
        set_song(music(4), "p", 1, prompt_audio_path=str(given_audio)),
        set_song(music(5), "q", 0, prompt_audio_path=str(given_audio)),
        set_song(music(6), "r", 0),
    ]
    score = scores(songs, min_cosine=0.999)["all", "prompt_copy"]
    assert score.value == pytest.approx(0.25), "half of p's takes, none of q's; r has no prompt audio"
    assert score.n == 2
    first = score.details["songs"][0]
    assert first["song"] == "s/p.take0"
    assert first["similar_segment"]
    assert {"harmony", "fingerprint"} <= set(first["agreeing"])
    assert first["start_s"] - first["other_start_s"] == pytest.approx(7.3, abs=0.3)
    assert not any(told["similar_segment"] for told in score.details["songs"][1:])
    assert "plagiar" not in str(score).lower()


def test_one_kind_of_evidence_is_not_enough() -> None:
    nothing = Match(hits=0, share=0.0, start_s=0.0, other_start_s=0.0)
    much = replace(nothing, hits=100, share=0.3)

    def similar(cosine: float, passage_s: float, prints: Match) -> bool:
        return _similar.Evidence(cosine=cosine, passage_s=passage_s, prints=prints, min_cosine=0.95).is_similar

    assert not similar(0.99, 0.0, nothing)
    assert not similar(0.2, 20.0, nothing)
    assert not similar(0.2, 0.0, much)
    assert not similar(0.2, 0.0, replace(much, share=0.05))
    assert similar(0.96, 8.0, nothing)
    assert similar(0.2, 9.0, much)
    assert similar(0.96, 0.0, much)


def test_missing_prompt_audio_is_counted(tmp_path: Path) -> None:
    found = scores([set_song(music(1), "p", prompt_audio_path=str(tmp_path / "gone.wav"))])
    assert found["all", "prompt_copy"].reason == "No prompt has audio to compare with."
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    assert scores([set_song(music(1), "p", prompt_audio_path=str(broken))])["all", "prompt_copy"].value is None


def test_the_nearest_song_of_a_catalogue(tmp_path: Path) -> None:
    for seed in (1, 11, 12):
        soundfile.write(tmp_path / f"{seed}.flac", 0.3 * music(seed), RATE)
    songs = [set_song(music(1)[RATE * 3 :], "p"), set_song(music(21, low=70), "q")]
    found = scores(songs, catalogue=str(tmp_path), min_cosine=0.999)
    nearest = found["all", "nn_train"]
    assert nearest.details["songs"][0]["catalogue"] == "1.flac"
    assert nearest.details["songs"][0]["cosine"] > 0.99
    assert nearest.details["n_catalogue"] == 3
    assert nearest.details["catalogue_nn"] < nearest.details["songs"][0]["cosine"]
    copies = found["all", "catalogue_copy"]
    assert copies.value == 0.5
    assert copies.details["songs"][0]["catalogue"] == "1.flac"
    assert found["all", "div_inter"].details["catalogue_div_inter"] > 0.0
    assert "catalogue:3songs@" in nearest.signature
    without = scores(songs)["all", "nn_train"]
    assert without.status == "not_applicable"
    assert "names no catalogue" in without.reason


def test_a_song_is_decoded_once_and_only_if_nothing_is_stored(given_audio: Path) -> None:
    opened = []
    song = set_song(music(2), "p", prompt_audio_path=str(given_audio))
    counted = SetSong(
        prompt=song.prompt, song=song.song, derived=song.derived, open=lambda: opened.append(1) or song.open()
    )
    scores([counted])
    assert len(opened) == 1
    scores([counted])
    assert len(opened) == 1


def test_a_song_that_cannot_be_read_is_counted_not_dropped() -> None:
    def fail() -> Clip:
        raise AudioError("The file is gone.")

    good = [set_song(music(seed), f"p{seed}") for seed in (1, 2, 3)]
    bad = SetSong(prompt=good[0].prompt, song=replace(good[0].song, take=1), derived=Derived(), open=fail)
    found = scores([*good, bad])["all", "div_inter"]
    assert found.details["n_songs"] == 3
    assert found.details["n_unreadable"] == 1
    assert "gone" in found.details["unreadable"][0]


def test_options_are_checked(tmp_path: Path) -> None:
    for options, message in (
        ({"x": 1}, "no option 'x'"),
        ({"min_cosine": "high"}, "min_cosine"),
        ({"catalogue": str(tmp_path / "no")}, "no reference folder"),
        ({"embedding": "nothing"}, "Unknown embedder"),
        ({"embedding_options": 3}, "embedding_options"),
    ):
        with pytest.raises(ConfigError, match=message):
            DiversityEvaluator(options, lambda name: Path(name)).signature("div_intra")


def test_no_song_at_all() -> None:
    assert {score.status for score in scores([]).values()} == {"not_applicable"}


@pytest.mark.models
def test_with_the_real_embedding(given_audio: Path, model_dir) -> None:
    model_dir("musicnn")
    copying = np.concatenate([music(2, 6.3), music(1, 12.0)])
    songs = [
        set_song(copying, "p", 0, prompt_audio_path=str(given_audio)),
        set_song(copying, "p", 1, prompt_audio_path=str(given_audio)),
        set_song(music(4, 18.0, low=70), "q", 0, prompt_audio_path=str(given_audio)),
    ]
    evaluator = DiversityEvaluator({}, model_dir)
    found = {score.metric: score for score in evaluator.score_set(songs)}
    assert found["div_intra"].value == pytest.approx(0.0, abs=1e-6)
    assert found["div_inter"].value > 0.0
    assert found["prompt_copy"].value == 0.5
    assert "embed:musicnn-msd@" in found["div_intra"].signature
    assert found["prompt_copy"].details["songs"][0]["agreeing"][-2:] == ["harmony", "fingerprint"]
