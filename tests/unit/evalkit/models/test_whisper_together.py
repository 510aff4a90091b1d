"""Whisper on our own network: the texts of CTranslate2, and the same bits whatever is computed beside it."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_whisper
from tiny_whisper import token

from evalkit.errors import ConfigError, ModelError
from evalkit.models.transcript import Recording
from evalkit.models.whisper import WhisperTranscriber
from evalkit.models.whisper_engines import FasterWhisper, TogetherWhisper
from evalkit.models.whisper_network import TRACKS, WhisperNetwork
from evalkit.models.whisper_together import MULTILINGUAL_VOCABULARY, TogetherModel, load
from evalkit.models.whisper_weights import read_weights
from evalkit.types import Audio, FloatArray

torch = pytest.importorskip("torch")
ctranslate2 = pytest.importorskip("ctranslate2")

RATE = 16_000
PROMPT = [token("<|startoftranscript|>"), token("<|en|>"), token("<|transcribe|>")]
Job = Callable[[], Any]


@pytest.fixture(scope="module")
def original() -> Any:
    return tiny_whisper.make_original()


@pytest.fixture(scope="module")
def folder(original: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_whisper.save(original, tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def whisper(folder: Path) -> Any:
    return load(folder, "float32", "cpu")


@pytest.fixture(scope="module")
def model(whisper: Any) -> TogetherModel:
    found: TogetherModel = whisper.model
    return found


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Any:
    return ctranslate2.models.Whisper(str(folder), compute_type="float32", intra_threads=1)


def tone(number: int, duration_s: float = 6.0) -> FloatArray:
    time = np.arange(round(duration_s * RATE)) / RATE
    noise = np.random.default_rng(number).standard_normal(len(time))
    sweep = np.sin(2 * np.pi * (150 * (number + 1) + (20 + 30 * number) * time) * time)
    return (0.3 * sweep + 0.02 * noise).astype(np.float32)


@pytest.fixture(scope="module")
def mels(whisper: Any) -> list[FloatArray]:
    from faster_whisper.audio import pad_or_trim

    return [pad_or_trim(whisper.feature_extractor(tone(number))[:, :-1])[None].copy() for number in range(6)]


def encoded(theirs: Any, mel: FloatArray) -> Any:
    return theirs.encode(ctranslate2.StorageView.from_array(mel))


def test_logits_are_those_of_transformers(original: Any, model: TogetherModel, mels: list[FloatArray]) -> None:
    text = [*PROMPT, token("<|notimestamps|>"), 5, 17, 300, 4, 4, 9]
    logits, attention = model._network.trace(model.encode(mels[0]), text)
    with torch.no_grad():
        expected = original(torch.from_numpy(mels[0]), decoder_input_ids=torch.tensor([text])).logits[0]
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=2e-4)
    assert attention.shape == (3, len(text), 1500)


def test_windows_do_not_all_sound_alike(model: TogetherModel, mels: list[FloatArray]) -> None:
    texts = {tuple(written(model, mel).sequences_ids[0]) for mel in mels}
    assert len(texts) > 2, "or else the tests below would compare one text with itself"


def written(model: TogetherModel, mel: FloatArray, prompt: list[int] = PROMPT, **options: Any) -> Any:
    return model.generate(model.encode(mel), [prompt], **{"max_length": 60, "suppress_tokens": [-1], **options})[0]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"no_repeat_ngram_size": 2},
        {"max_length": 12},
        {"max_length": 180},  # beyond what the cache holds at first
        {"beam_size": 2},
        {"suppress_blank": False},
        {"suppress_tokens": [3, 4, 5]},
        {"max_initial_timestamp_index": 3},
        {"prompt": [token("<|startofprev|>"), 7, 8, 9, 10, 11, 12, *PROMPT]},
        {"prompt": [*PROMPT, token("<|notimestamps|>")]},
    ],
    ids=str,
)
def test_texts_are_those_of_ctranslate2(
    model: TogetherModel, theirs: Any, mels: list[FloatArray], options: dict[str, Any]
) -> None:
    options = {"max_length": 60, "beam_size": 5, "suppress_tokens": [-1], **options}
    prompt = options.pop("prompt", PROMPT)
    for mel in mels[:4]:
        expected = theirs.generate(
            encoded(theirs, mel), [prompt], return_scores=True, return_no_speech_prob=True, **options
        )[0]
        found = written(model, mel, prompt, **options)
        assert found.sequences_ids == expected.sequences_ids
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
        assert found.no_speech_prob == pytest.approx(expected.no_speech_prob, abs=1e-5)


def test_times_are_those_of_ctranslate2(model: TogetherModel, theirs: Any, mels: list[FloatArray]) -> None:
    for mel, frames in zip(mels, (600, 600, 301, 3000, 40, 600), strict=True):
        text = [number for number in written(model, mel).sequences_ids[0] if number < token("<|endoftext|>")]
        expected = theirs.align(encoded(theirs, mel), PROMPT, [text], frames)[0]
        found = model.align(model.encode(mel), PROMPT, [text], frames)[0]
        assert found.alignments == expected.alignments
        np.testing.assert_allclose(found.text_token_probs, expected.text_token_probs, atol=1e-4)


def test_languages_are_the_softmax_of_their_tokens(original: Any, model: TogetherModel, mels: list[FloatArray]) -> None:
    for mel in mels[:2]:
        with torch.no_grad():
            logits = original(torch.from_numpy(mel), decoder_input_ids=torch.tensor([PROMPT[:1]])).logits[0, 0]
        ids = range(PROMPT[0] + 1, token("<|translate|>"))
        expected = torch.softmax(logits[list(ids)], 0).tolist()
        found = model.detect_language(model.encode(mel))[0]
        names = tiny_whisper.special_tokens()[2 : 2 + len(ids)]
        assert [p for _, p in found] == sorted((p for _, p in found), reverse=True)
        assert dict(found) == pytest.approx(dict(zip(names, expected, strict=True)), abs=1e-5)


def test_languages_are_known_by_their_place_where_the_file_names_none(folder: Path) -> None:
    weights = read_weights(folder)
    tokens = {name: token(name) for name in tiny_whisper.special_tokens()}
    network = WhisperNetwork(weights)
    assert not TogetherModel(network, tokens, {}, 0).is_multilingual, "so small a vocabulary is English"
    network.n_vocab = MULTILINGUAL_VOCABULARY
    by_place, by_name = TogetherModel(network, tokens, {}, 0), TogetherModel(network, tokens, weights.config, 0)
    assert by_place._languages == by_name._languages
    assert by_place.is_multilingual


def everything(model: TogetherModel, mel: FloatArray, kind: str) -> Any:
    """What one job computes: some write, some draw, some also ask again and align."""
    heard = model.encode(mel)
    if kind == "draw":
        with model.seeded(7):
            drawn = model.generate(
                heard, [PROMPT], beam_size=1, num_hypotheses=5, sampling_topk=0, sampling_temperature=0.7, max_length=30
            )
        return drawn[0].sequences_ids, drawn[0].scores
    found = model.generate(heard, [PROMPT], max_length=50 if kind == "short" else 100)[0]
    text = [number for number in found.sequences_ids[0] if number < token("<|endoftext|>")]
    times = model.align(heard, PROMPT, [text], 600)[0]
    again = model.generate(heard, [PROMPT], max_length=20, no_repeat_ngram_size=2)[0] if kind == "again" else None
    return found, times, again, model.detect_language(heard)


def jobs(model: TogetherModel, mels: list[FloatArray], n_jobs: int) -> list[Job]:
    kinds = itertools.cycle(("short", "draw", "again", "long"))
    made: list[Job] = []
    for number in range(n_jobs):
        mel, kind = mels[number % len(mels)], next(kinds)
        made.append(lambda mel=mel, kind=kind: everything(model, mel, kind))  # type: ignore[misc]
    return made


@pytest.fixture(scope="module")
def alone(model: TogetherModel, mels: list[FloatArray]) -> list[Any]:
    return [job() for job in jobs(model, mels, TRACKS + 4)]


@pytest.mark.parametrize("n_jobs", [1, 2, 5, TRACKS, TRACKS + 4])
def test_no_bit_depends_on_what_is_computed_beside_it(
    model: TogetherModel, mels: list[FloatArray], alone: list[Any], n_jobs: int
) -> None:
    assert model.together(jobs(model, mels, n_jobs)) == alone[:n_jobs]


@pytest.mark.parametrize("seed", [1, 2])
def test_no_bit_depends_on_the_order(model: TogetherModel, mels: list[FloatArray], alone: list[Any], seed: int) -> None:
    made = jobs(model, mels, TRACKS + 4)
    order = np.random.default_rng(seed).permutation(len(made)).tolist()
    found = model.together([made[number] for number in order])
    assert found == [alone[number] for number in order]


@pytest.mark.parametrize("n_windows", [2, TRACKS])
def test_no_bit_depends_on_how_many_windows_memory_allows_or_where_it_lies(
    folder: Path, mels: list[FloatArray], alone: list[Any], n_windows: int
) -> None:
    weights = read_weights(folder)
    network = WhisperNetwork(weights)
    names = tiny_whisper.special_tokens()
    tokens = {name: token(name) for name in names}
    other = TogetherModel(network, tokens, weights.config, n_windows * network.window_bytes)
    assert (other.n_places(0), other.n_places(2 * network.window_bytes), other.n_places(10**12)) == (1, 2, TRACKS)
    assert other.together(jobs(other, mels, 6)) == alone[:6]


def test_draws_come_from_the_seed(model: TogetherModel, mels: list[FloatArray]) -> None:
    def draw(seed: int) -> Any:
        with model.seeded(seed):
            return written(model, mels[0], beam_size=1, num_hypotheses=5, sampling_topk=0, sampling_temperature=1.0)

    assert draw(3) == draw(3)
    assert draw(3) != draw(4)
    assert draw(3).scores == sorted(draw(3).scores, reverse=True)


def test_an_error_meets_the_job_that_made_it(model: TogetherModel, mels: list[FloatArray]) -> None:
    def wrong() -> Any:
        return model.encode(mels[0][:, :7])  # seven bands of the spectrogram

    with pytest.raises(RuntimeError):
        model.together([wrong, *jobs(model, mels, 3)])
    assert len(model.together(jobs(model, mels, 3))) == 3, "the model goes on"


def test_options_that_are_not_built_are_refused(model: TogetherModel, mels: list[FloatArray]) -> None:
    for options in ({"patience": 2}, {"length_penalty": 0.5}, {"beam_size": 6}, {"num_hypotheses": 2}):
        with pytest.raises(ValueError, match="are built"):
            written(model, mels[0], **options)


def test_our_whisper_model_has_all_that_theirs_has(folder: Path, whisper: Any) -> None:
    """So that an upgrade of faster-whisper that needs more is noticed."""
    import faster_whisper

    real = vars(faster_whisper.WhisperModel(str(folder), device="cpu", compute_type="float32", local_files_only=True))
    ours = vars(whisper)
    assert set(ours) == set(real)
    assert {name: value for name, value in real.items() if isinstance(value, int | float | str | dict)} == {
        name: value for name, value in ours.items() if isinstance(value, int | float | str | dict)
    }


def test_recordings_together_give_what_each_gives_alone(folder: Path) -> None:
    transcriber = WhisperTranscriber(TogetherWhisper(folder))
    recordings = [
        Recording(audio=Audio(samples=tone(number, length_s)[None], sample_rate=RATE), language="en", voice=voice)
        for number, (length_s, voice) in enumerate(
            [(1.0, None), (31.0, [(0.0, 1.5), (29.5, 31.0)]), (2.0, None), (2.0, [])]
        )
    ]
    together = transcriber.transcribe_all(recordings)
    assert together == [transcriber.transcribe(one.audio, one.language, voice=one.voice) for one in recordings]
    assert [one.decoding["chunks"] for one in together] == [1, 2, 1, 0]
    assert together[0].raw_text
    assert together[0].raw_text != together[2].raw_text


@pytest.mark.models
@pytest.mark.slow
def test_the_real_model_reads_as_on_ctranslate2_in_any_company(model_dir: Callable[[str], Path]) -> None:
    pytest.importorskip("espeakng_loader", reason="needs espeak-ng for spoken sentences")
    from generation.singing import espeak

    texts = ("Shine on through the quiet morning light.", "We are walking on the water all night.", "Silver river.")
    spoken = [espeak.speak(text, "en-us") for text in texts]
    audio = [Audio(samples=np.asarray(one.samples, np.float32)[None], sample_rate=one.sample_rate) for one in spoken]
    folder = model_dir("whisper-base")
    ours, theirs = WhisperTranscriber(TogetherWhisper(folder)), WhisperTranscriber(FasterWhisper(folder))
    found = ours.transcribe_all([Recording(audio=one, language="en") for one in audio])
    assert found == [ours.transcribe(one, "en") for one in audio]
    for transcript, one in zip(found, audio, strict=True):
        expected = theirs.transcribe(one, "en")
        assert transcript.text == expected.text
        assert [(word.text, word.start_s, word.end_s) for word in transcript.words] == [
            (word.text, word.start_s, word.end_s) for word in expected.words
        ]
        for segment, other in zip(transcript.segments, expected.segments, strict=True):
            assert segment.avg_logprob == pytest.approx(other.avg_logprob, abs=1e-4)
        for language, other in zip(transcript.languages, expected.languages, strict=True):
            assert dict(language.probabilities) == pytest.approx(dict(other.probabilities), abs=2e-4)
    assert "quiet morning light" in found[0].text.lower()


def test_what_cannot_be_loaded_is_a_sentence(original: Any, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no tokenizer\.json"):
        TogetherWhisper(tmp_path)
    quantised = tiny_whisper.save(original, tmp_path / "int8", "int8")
    with pytest.raises(ModelError, match="quantised"):
        TogetherWhisper(quantised)
    broken = tiny_whisper.save(original, tmp_path / "broken")
    data = (broken / "model.bin").read_bytes()
    (broken / "model.bin").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match="bytes are missing"):
        TogetherWhisper(broken)
    with pytest.raises(ConfigError, match="no compute_type 'int8' on cpu"):
        TogetherWhisper(folder, "int8")
