"""The whole generator with small random networks: songs, stems, kept codes, batches, failures."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, islice, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmarks import loader
from evalkit.audio import save_flac
from evalkit.errors import ConfigError, EvalkitError, GenerationError, ModelError
from evalkit.types import Audio, Prompt, Section
from generation.base import BatchSystem, Generated, Request
from generation.songgeneration2 import pipeline as pipelines
from generation.songgeneration2.codec.config import TINY as TINY_CODEC
from generation.songgeneration2.codec.stages import STAGES
from generation.songgeneration2.codec.tiny import tiny_source
from generation.songgeneration2.codec.weights import check_files, official_codec, stage_file
from generation.songgeneration2.folders import find_tokenizer, find_variant, identity
from generation.songgeneration2.lelm.config import tiny_config
from generation.songgeneration2.lelm.generate import LelmRequest, encode_request, generate
from generation.songgeneration2.lelm.load import make_tiny_lelm
from generation.songgeneration2.lelm.random_weights import random_weights
from generation.songgeneration2.options import parse_options
from generation.songgeneration2.pipeline import TINY_SEED, Pipeline
from generation.songgeneration2.text.bpe import N_RANKS, RANKS_FILE, BytePairEncoder, byte_ranks
from generation.songgeneration2.text.wording import TextEncoder
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


@pytest.fixture(scope="module")
def quick() -> Iterator[Pipeline]:
    """Renders the mix only."""
    pipeline = Pipeline(parse_options("tiny-random,mode=mixed"), no_models)
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
    assert "of 1024 tokens" in texts[0], "lengths are told before anything is generated"
    assert any(text.startswith("frame ") and "s in 1 songs" in text for text in texts)


def test_seed_decides_and_company_does_not(quick: Pipeline, tmp_path: Path) -> None:
    other = replace(PROMPT, id="p1", duration_s=0.9, description="male, rock")
    alone = song(sing(quick, request(tmp_path / "a"))[0])
    together = sing(quick, request(tmp_path / "b", other), request(tmp_path / "b"))
    np.testing.assert_array_equal(samples(song(together[1]).mix), samples(alone.mix))
    assert samples(song(together[0]).mix).shape[1] == round(0.92 * 48_000)
    different = song(sing(quick, request(tmp_path / "c", seed=6))[0])
    assert not np.array_equal(samples(different.mix), samples(alone.mix))


def test_kept_codes_spare_the_language_model(quick: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = song(sing(quick, request(tmp_path))[0])
    assert tokens_path(tmp_path / "p0").is_file()
    assert not list(tmp_path.glob("*.partial"))

    def forbidden(*arguments: object, **options: object) -> None:
        raise AssertionError("the language model was run again")

    monkeypatch.setattr(pipelines, "generate", forbidden)
    again = song(sing(quick, request(tmp_path))[0])
    np.testing.assert_array_equal(samples(again.mix), samples(first.mix))
    # Another seed is another song, so its codes are not taken from there.
    with pytest.raises(AssertionError, match="run again"):
        sing(quick, request(tmp_path, seed=6))


def test_damaged_codes_are_made_again(quick: Pipeline, tmp_path: Path) -> None:
    first = song(sing(quick, request(tmp_path))[0])
    path = tokens_path(tmp_path / "p0")
    path.write_bytes(path.read_bytes()[:-7])
    assert read_tokens(path, "whatever") is None
    np.testing.assert_array_equal(samples(song(sing(quick, request(tmp_path))[0]).mix), samples(first.mix))


def test_one_impossible_song_does_not_end_the_batch(quick: Pipeline, tmp_path: Path) -> None:
    long = replace(PROMPT, id="long", lyrics="[verse] " + "endless words " * 200)
    both = replace(PROMPT, id="both", prompt_audio_path="x.wav", auto_prompt_audio_type="Pop")
    audio = replace(PROMPT, id="audio", prompt_audio_path="x.wav")
    made = sing(quick, *(request(tmp_path, prompt) for prompt in (long, PROMPT, both, audio)))
    assert isinstance(made[1], Generated)
    assert isinstance(made[0], GenerationError)
    assert "tokens, the model reads 1024" in str(made[0])
    assert isinstance(made[2], ConfigError)
    assert isinstance(made[3], EvalkitError)


def test_an_instrumental_prompt_asks_for_no_singing(quick: Pipeline, tmp_path: Path) -> None:
    prompt = replace(PROMPT, id="inst", lyrics="[inst-short]", sections=(Section(label="inst-short"),))
    assert song(sing(quick, request(tmp_path, prompt))[0]).params["instrumental"] is True


def test_modes_and_limits(tmp_path: Path) -> None:
    pipeline = Pipeline(parse_options("tiny-random,mode=mixed,max_s=0.4,temperature=0"), no_models)
    made = song(sing(pipeline, request(tmp_path))[0])
    assert dict(made.stems) == {}
    assert samples(made.mix).shape[1] == round(0.4 * 48_000)
    assert made.params["reached_max_frames"] is True


def test_staged_loading_changes_no_sample(quick: Pipeline, tmp_path: Path) -> None:
    staged = Pipeline(parse_options("tiny-random,mode=mixed,staged=true"), no_models)
    np.testing.assert_array_equal(
        samples(song(sing(staged, request(tmp_path / "a"))[0]).mix),
        samples(song(sing(quick, request(tmp_path / "b"))[0]).mix),
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
    with pytest.raises(ModelError, match=r"holds no model\.pt of v2-fast"):
        SongGeneration2System.required_models(f"v2-fast@{tmp_path}")
    (tmp_path / "model.pt").touch()
    brought = f"v2-fast@{tmp_path}"
    assert SongGeneration2System.required_models(brought) == ("songgeneration2-runtime", "qwen2-ranks")
    (tmp_path / "ckpt/model_septoken").mkdir(parents=True)
    (tmp_path / "ckpt/model_septoken/model_2.safetensors").touch()
    assert SongGeneration2System.required_models(brought) == ("qwen2-ranks",)
    (tmp_path / "third_party/Qwen2-7B").mkdir(parents=True)
    assert SongGeneration2System.required_models(brought) == ()
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


def recording(path: Path, seed: int = 0) -> Path:
    noise = np.random.default_rng(seed).standard_normal((2, 48_000)).astype(np.float32) * np.float32(0.1)
    save_flac(Audio(samples=noise, sample_rate=48_000), path)
    return path


def test_prompts_by_recording_and_by_genre(quick: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    made = sing(
        quick,
        request(tmp_path),
        request(tmp_path, replace(PROMPT, id="audio", prompt_audio_path=str(recording(tmp_path / "a.flac")))),
        request(tmp_path, replace(PROMPT, id="again", prompt_audio_path=str(recording(tmp_path / "b.flac")))),
        request(tmp_path, replace(PROMPT, id="other", prompt_audio_path=str(recording(tmp_path / "c.flac", 1)))),
        request(tmp_path, replace(PROMPT, id="genre", auto_prompt_audio_type="Jazz")),
        request(tmp_path, replace(PROMPT, id="polka", auto_prompt_audio_type="Polka")),
    )
    plain, audio, again, other, genre = (samples(song(made[number]).mix) for number in range(5))
    np.testing.assert_array_equal(audio, again, err_msg="the sound counts, not the name")
    assert len({sound.tobytes() for sound in (plain, audio, other, genre)}) == 4
    assert len(list((tmp_path / "cache").rglob("*.tiny-random.npy"))) == 2, "vocals are kept by content"
    assert "Soundtrack" in str(made[5])
    assert song(made[4]).params["prompt_audio"] == "Jazz"


def official_folder(root: Path) -> Path:
    """The tiny model as a weights folder in the official layout, with every file the pipeline may want."""
    tiny_files(root)
    folder = root / "ckpt" / "songgeneration_v2_large"
    folder.mkdir(parents=True)
    weights = {f"audiolm.{name}": tensor for name, tensor in random_weights(tiny_config(), "v2", 0).items()}
    torch.save(weights | {"other.module": torch.zeros(2)}, folder / "model.pt")
    (folder / "config.yaml").write_text(CONFIG)
    (root / "tools").mkdir()
    torch.save({"Jazz": {"en": [torch.full((1, 3, 250), 7)]}}, root / "tools/new_auto_prompt.pt")
    singles = list(byte_ranks())
    longer = (bytes(parts) for parts in product(range(256), repeat=3))
    with (root / RANKS_FILE).open("wb") as file:
        for rank, token in enumerate(islice(chain(singles, longer), N_RANKS)):
            file.write(base64.b64encode(token) + b" %d\n" % rank)
    return root


CONFIG = """
max_dur: 30
prompt_len: 10
delays: [0, 250, 250]
lm: {dim: 32, intermediate_size: 64, num_heads: 2, num_layers: 2, num_layers_sub: 1,
     rope_theta: 1e5, rope_theta_sub: 5e5}
audio_tokenizer_frame_rate: 25
conditioners:
  prompt_audio: {qwtokenizer: {max_len: "${eval:${prompt_len}*${audio_tokenizer_frame_rate}+2}"}}
  description: {QwTokenizer: {max_len: 1024}}
  type_info: {QwTextTokenizer: {max_len: 256}}
"""


def tiny_files(root: Path) -> None:
    """The renderer's files with the tiny model's weights."""
    source, states = tiny_source(TINY_SEED), dict[str, dict[str, torch.Tensor]]()
    for name in STAGES:
        file = stage_file(name, TINY_CODEC)
        state = {file.prefix + key: tensor.clone() for key, tensor in source(name).state_dict().items()}
        states.setdefault(file.path, {}).update(state)
    for path, state in states.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if path.endswith(".ckpt"):
            torch.save({"state_dict": state}, root / path)
        else:
            save_file(state, str(root / path))


def test_a_weights_folder_sings_what_was_put_into_it(
    quick: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is read from files of the official layout; only the sizes of the renderer are the tiny ones."""
    monkeypatch.setattr(pipelines, "official_codec", partial(official_codec, config=TINY_CODEC))
    monkeypatch.setattr(pipelines, "check_files", partial(check_files, config=TINY_CODEC))
    root = official_folder(tmp_path / "weights")
    pipeline = Pipeline(parse_options(f"v2-large@{root},max_s=0.6,mode=mixed,staged=true"), no_models)
    jazz = replace(PROMPT, id="genre", auto_prompt_audio_type="Jazz")
    made = sing(pipeline, request(tmp_path / "a"), request(tmp_path / "a", jazz))
    # The vocabulary has longer tokens, which the lyric does not contain: the same song as without files.
    expected = song(sing(quick, request(tmp_path / "b"))[0])
    np.testing.assert_array_equal(samples(song(made[0]).mix), samples(expected.mix))
    assert not np.array_equal(samples(song(made[1]).mix), samples(expected.mix))
    assert song(made[0]).params["weights"].startswith("songgeneration_v2_large/model.pt:")
    assert song(made[0]).params["staged"] is True
    before = identity(root / "ckpt" / "songgeneration_v2_large")
    weights = root / "ckpt" / "songgeneration_v2_large" / "model.pt"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert identity(root / "ckpt" / "songgeneration_v2_large") != before, "other weights of the same size"


def test_memory_decides_how_many_sing_together(
    quick: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sizes: list[int] = []

    def counted(*arguments: Any, **options: Any) -> list[torch.Tensor]:
        sizes.append(options["batch_size"])
        return generate(*arguments, **options)

    monkeypatch.setattr(pipelines, "generate", counted)
    songs = [replace(PROMPT, id=f"p{number}", duration_s=0.1) for number in range(3)]
    plenty = sing(quick, *(request(tmp_path / "a", prompt) for prompt in songs))
    monkeypatch.setattr(pipelines, "device_memory", lambda device: 6.1e9)
    little = sing(quick, *(request(tmp_path / "b", prompt) for prompt in songs))
    assert sizes == [3, 1]
    for one, other in zip(plenty.values(), little.values(), strict=True):
        np.testing.assert_array_equal(samples(song(one).mix), samples(song(other).mix))


@pytest.mark.parametrize("name", ["smoke", "multilingual"])
def test_tiny_random_reads_the_whole_texts_of_the_suites(name: str) -> None:
    lelm = make_tiny_lelm()
    encoder = TextEncoder(BytePairEncoder(byte_ranks()), lelm.version)
    for prompt in loader.load(name).prompts:
        wanted = LelmRequest(lyric=prompt.lyrics, tags=prompt.description)
        assert encode_request(wanted, encoder).excess(lelm.config.lyric_len, lelm.config.style_len) == []
