"""The whole generator with small random networks: songs, stems, kept codes, batches, failures."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evalkit.errors import ConfigError, EvalkitError, GenerationError, ModelError
from evalkit.types import Audio, Prompt, Section
from generation.base import BatchSystem, Generated, Request
from generation.songgeneration2 import pipeline as pipelines
from generation.songgeneration2.options import parse_options
from generation.songgeneration2.pipeline import Pipeline, find_tokenizer, find_variant
from generation.songgeneration2.tokens import read_tokens, tokens_path
from generation.systems.songgeneration2 import SongGeneration2System

PROMPT = Prompt(
    id="p0",
    language="en",
    lyrics="[verse] Hello there.It is me.",
    sections=(Section(label="verse", lines=("Hello there", "It is me")),),
    description="female, pop",
    duration_s=0.6,
)


def no_models(name: str) -> Path:
    raise ModelError(f"asked for {name}")


def request(folder: Path, prompt: Prompt = PROMPT, seed: int = 5) -> Request:
    return Request(prompt=prompt, take=0, seed=seed, keep=folder / prompt.id)


@pytest.fixture(scope="module")
def tiny() -> Iterator[Pipeline]:
    pipeline = Pipeline(parse_options("tiny-random"), no_models)
    yield pipeline
    pipeline.close()


def sing(pipeline: Pipeline, *requests: Request) -> dict[int, Generated | EvalkitError]:
    return dict(pipeline.sing(requests, lambda index, share, text: None))


def song(made: Generated | EvalkitError) -> Generated:
    assert isinstance(made, Generated), made
    return made


def samples(audio: Audio | Path) -> np.ndarray:
    assert isinstance(audio, Audio)
    return audio.samples


def test_a_song_with_stems_and_a_record_of_how_it_was_made(tiny: Pipeline, tmp_path: Path) -> None:
    steps: list[tuple[int, float, str]] = []
    ((index, result),) = tiny.sing([request(tmp_path)], lambda *step: steps.append(step))
    made = song(result)
    assert index == 0
    assert samples(made.mix).shape == (2, round(0.6 * 48_000))
    assert set(made.stems) == {"vocals", "accompaniment"}
    assert float(np.abs(samples(made.mix)).max()) > 1e-4
    assert made.params["frames"] == 15
    assert made.params["sampling"]["top_k"] == 5000
    assert 0 < made.params["lyric_tokens"] <= made.params["lyric_token_limit"]
    shares = [share for _, share, _ in steps]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    texts = [text for _, _, text in steps]
    assert "of 300 tokens" in texts[0], "lengths are told before anything is generated"
    assert any(text.startswith("frame ") and "s in 1 songs" in text for text in texts)


def test_seed_decides_and_company_does_not(tiny: Pipeline, tmp_path: Path) -> None:
    other = replace(PROMPT, id="p1", duration_s=0.9, description="male, rock")
    alone = song(sing(tiny, request(tmp_path / "a"))[0])
    together = sing(tiny, request(tmp_path / "b", other), request(tmp_path / "b"))
    np.testing.assert_array_equal(samples(song(together[1]).mix), samples(alone.mix))
    assert samples(song(together[0]).mix).shape[1] == round(0.92 * 48_000)
    different = song(sing(tiny, request(tmp_path / "c", seed=6))[0])
    assert not np.array_equal(samples(different.mix), samples(alone.mix))


def test_kept_codes_spare_the_language_model(tiny: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = song(sing(tiny, request(tmp_path))[0])
    assert tokens_path(tmp_path / "p0").is_file()
    assert not list(tmp_path.glob("*.partial"))

    def forbidden(*arguments: object, **options: object) -> None:
        raise AssertionError("the language model was run again")

    monkeypatch.setattr(pipelines, "generate", forbidden)
    again = song(sing(tiny, request(tmp_path))[0])
    np.testing.assert_array_equal(samples(again.mix), samples(first.mix))
    # Another seed is another song, so its codes are not taken from there.
    with pytest.raises(AssertionError, match="run again"):
        sing(tiny, request(tmp_path, seed=6))


def test_damaged_codes_are_made_again(tiny: Pipeline, tmp_path: Path) -> None:
    first = song(sing(tiny, request(tmp_path))[0])
    path = tokens_path(tmp_path / "p0")
    path.write_bytes(path.read_bytes()[:-7])
    assert read_tokens(path, "whatever") is None
    np.testing.assert_array_equal(samples(song(sing(tiny, request(tmp_path))[0]).mix), samples(first.mix))


def test_one_impossible_song_does_not_end_the_batch(tiny: Pipeline, tmp_path: Path) -> None:
    long = replace(PROMPT, id="long", lyrics="[verse] " + "endless words " * 200)
    both = replace(PROMPT, id="both", prompt_audio_path="x.wav", auto_prompt_audio_type="Pop")
    audio = replace(PROMPT, id="audio", prompt_audio_path="x.wav")
    made = sing(tiny, *(request(tmp_path, prompt) for prompt in (long, PROMPT, both, audio)))
    assert isinstance(made[1], Generated)
    assert isinstance(made[0], GenerationError)
    assert "tokens, the model reads 300" in str(made[0])
    assert isinstance(made[2], ConfigError)
    assert isinstance(made[3], EvalkitError)


def test_an_instrumental_prompt_asks_for_no_singing(tiny: Pipeline, tmp_path: Path) -> None:
    prompt = replace(PROMPT, id="inst", lyrics="[inst-short]", sections=(Section(label="inst-short"),))
    assert song(sing(tiny, request(tmp_path, prompt))[0]).params["instrumental"] is True


def test_modes_and_limits(tmp_path: Path) -> None:
    pipeline = Pipeline(parse_options("tiny-random,mode=mixed,max_s=0.4,temperature=0"), no_models)
    made = song(sing(pipeline, request(tmp_path))[0])
    assert dict(made.stems) == {}
    assert samples(made.mix).shape[1] == round(0.4 * 48_000)
    assert made.params["reached_max_frames"] is True


def test_staged_loading_changes_no_sample(tiny: Pipeline, tmp_path: Path) -> None:
    staged = Pipeline(parse_options("tiny-random,staged=true"), no_models)
    np.testing.assert_array_equal(
        samples(song(sing(staged, request(tmp_path / "a"))[0]).mix),
        samples(song(sing(tiny, request(tmp_path / "b"))[0]).mix),
    )


def test_the_system_is_a_batch_system_and_also_makes_single_songs() -> None:
    assert issubclass(SongGeneration2System, BatchSystem)
    system = SongGeneration2System("tiny-random,mode=mixed", no_models)
    shares: list[float] = []
    made = system.generate(PROMPT, take=0, seed=5, progress=shares.append)
    assert samples(made.mix).shape == (2, round(0.6 * 48_000))
    assert shares
    system.close()


def test_required_models(tmp_path: Path) -> None:
    assert SongGeneration2System.required_models("tiny-random") == ()
    assert SongGeneration2System.required_models("v2-large") == (
        "songgeneration2-v2-large",
        "songgeneration2-runtime",
        "qwen2-ranks",
    )
    assert SongGeneration2System.required_models(f"v2-fast@{tmp_path}") == ("qwen2-ranks",)
    (tmp_path / "third_party/Qwen2-7B").mkdir(parents=True)
    assert SongGeneration2System.required_models(f"v2-fast@{tmp_path}") == ()
    assert find_tokenizer(tmp_path) == tmp_path / "third_party/Qwen2-7B"


def test_variant_folders_in_the_official_layout(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no model\.pt of v2-large"):
        find_variant(tmp_path, "v2-large")
    folder = tmp_path / "ckpt" / "songgeneration_v2_large"
    folder.mkdir(parents=True)
    (folder / "model.pt").touch()
    assert find_variant(tmp_path, "v2-large") == folder
    assert find_variant(folder, "v2-large") == folder


def test_without_weights_the_message_says_what_is_missing() -> None:
    with pytest.raises(ModelError, match="asked for"):
        Pipeline(parse_options("v2-large"), no_models)
