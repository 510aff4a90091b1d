"""The decoding rule, with an engine whose answers depend on nothing but what it is given."""

from pathlib import Path

import numpy as np
import pytest

from evalkit.errors import ConfigError, ModelError
from evalkit.models.transcript import Segment, Transcript, Word
from evalkit.models.whisper import MIN_SPLIT_S, WhisperTranscriber, make_transcriber
from evalkit.types import Audio, FloatArray

RATE = 16_000


def voice(duration_s: float, level: float = 0.3) -> Audio:
    time = np.arange(round(duration_s * RATE)) / RATE
    samples = (level * np.sin(2 * np.pi * 220 * time)).astype(np.float32)
    return Audio(samples=samples[None], sample_rate=RATE)


def heard(text: str, *, ratio: float = 1.2, logprob: float = -0.3, no_speech: float = 0.0) -> Segment:
    word = Word(text=text, start_s=0.1, end_s=0.4, probability=0.9)
    return Segment(
        text=text, start_s=0.0, end_s=0.5, words=(word,),
        avg_logprob=logprob, compression_ratio=ratio, no_speech_prob=no_speech,
    )  # fmt: skip


class FakeEngine:
    """Answers by the length of the chunk; keeps a log of what it was asked."""

    description = "fake1"

    def __init__(self, answers: dict[str, Segment], *, limit_s: float = 1e9, can_forbid_repeats: bool = True) -> None:
        self.answers = answers
        self.limit_s = limit_s
        self.can_forbid_repeats = can_forbid_repeats
        self.log: list[str] = []

    def knows(self, language: str) -> bool:
        return language == "en"

    def languages(self, samples: FloatArray) -> dict[str, float]:
        return {"en": 0.9, "cy": 0.095, "de": 0.005}

    def _answer(self, kind: str, samples: FloatArray) -> list[Segment]:
        self.log.append(kind)
        key = "short" if kind == "decode" and len(samples) <= self.limit_s * RATE else kind
        return [self.answers.get(key, self.answers["decode"])]

    def decode(self, samples: FloatArray, language: str, *, no_repeat_ngram: int = 0) -> list[Segment]:
        return self._answer("no_repeat" if no_repeat_ngram else "decode", samples)

    def sample(self, samples: FloatArray, language: str, *, temperature: float, seed: int) -> list[Segment]:
        return self._answer(f"sample{temperature:g}", samples)


def run(engine: FakeEngine, audio: Audio, **options: object) -> Transcript:
    return WhisperTranscriber(engine).transcribe(audio, "en", **options)


def test_a_good_first_answer_is_taken() -> None:
    engine = FakeEngine({"decode": heard(" fine")})
    transcript = run(engine, voice(18.0))
    assert transcript.text == "fine"
    assert engine.log == ["decode"]
    assert transcript.decoding["retries"] == 0


def test_a_loop_is_decoded_again_in_two_pieces() -> None:
    engine = FakeEngine({"decode": heard(" la la la la", ratio=3.0), "short": heard(" good")}, limit_s=14.0)
    transcript = run(engine, voice(18.0))
    assert transcript.text == "good good"
    assert engine.log == ["decode"] * 3
    assert transcript.decoding["split"] == 1
    assert transcript.segments[1].start_s > 4.0  # times are those of the song, not of the piece
    assert transcript.words[1].start_s == pytest.approx(transcript.segments[1].start_s + 0.1)


def test_a_loop_in_a_short_piece_is_decoded_without_repeats_then_sampled() -> None:
    loop = heard(" la la", ratio=3.0)
    engine = FakeEngine({"decode": loop, "no_repeat": heard(" better")})
    assert run(engine, voice(5.0)).text == "better"
    assert engine.log == ["decode", "no_repeat"]
    engine = FakeEngine({"decode": loop, "no_repeat": loop, "sample0.8": heard(" at last")})
    transcript = run(engine, voice(5.0))
    assert transcript.text == "at last"
    assert engine.log == ["decode", "no_repeat", "sample0.4", "sample0.8"]
    assert (transcript.decoding["retries"], transcript.decoding["sampled"]) == (3, 2)


def test_an_engine_without_that_option_goes_on_to_sampling() -> None:
    engine = FakeEngine({"decode": heard(" la", ratio=3.0), "sample0.4": heard(" ok")}, can_forbid_repeats=False)
    assert run(engine, voice(5.0)).text == "ok"
    assert engine.log == ["decode", "sample0.4"]


def test_an_improbable_text_is_retried_shorter_but_not_by_chance() -> None:
    engine = FakeEngine({"decode": heard(" mumble", logprob=-1.5)})
    transcript = run(engine, voice(MIN_SPLIT_S - 1))
    assert engine.log == ["decode"]
    assert transcript.text == "mumble"
    assert transcript.decoding["gave_up"] == 1


def test_the_whole_is_kept_if_the_pieces_are_worse() -> None:
    engine = FakeEngine({"decode": heard(" whole", logprob=-1.2), "short": heard(" piece", logprob=-2.0)}, limit_s=14.0)
    assert run(engine, voice(14.5)).text == "whole"


def test_long_songs_are_cut_into_chunks() -> None:
    transcript = run(FakeEngine({"decode": heard(" x")}), voice(70.0))
    assert transcript.decoding["chunks"] >= 3
    assert transcript.segments[-1].start_s > 40.0


@pytest.mark.parametrize(
    ("segment", "count"),
    [
        (heard(" Thanks for watching!"), "dropped_boilerplate"),
        (heard(" hm", logprob=-1.4, no_speech=0.9), "dropped_silence"),
    ],
)
def test_filters_drop_and_count(segment: Segment, count: str) -> None:
    transcript = run(FakeEngine({"decode": segment}), voice(5.0))
    assert transcript.text == ""
    assert transcript.decoding[count] == 1
    assert transcript.raw_text == segment.text.strip()


def test_text_outside_vocal_activity_is_dropped_on_the_stem_only() -> None:
    late = Segment(text=" ghost", start_s=4.0, end_s=4.5)
    audio = voice(2.0)
    quiet = np.zeros((1, 4 * RATE), np.float32)
    song = Audio(samples=np.concatenate([audio.samples, quiet], axis=1), sample_rate=RATE)
    engine = FakeEngine({"decode": late})
    assert run(engine, song, voice=[(0.0, 2.0)]).decoding["dropped_inactive"] == 1
    assert run(engine, song).text == "ghost"


def test_silence_is_not_decoded() -> None:
    engine = FakeEngine({"decode": heard(" x")})
    silence = Audio(samples=np.zeros((2, 5 * RATE), np.float32), sample_rate=RATE)
    assert run(engine, silence).segments == ()
    stem = run(engine, silence, voice=[])
    assert (stem.segments, stem.active_share) == ((), 0.0)
    assert engine.log == []


def test_a_quiet_mix_is_still_heard() -> None:
    assert run(FakeEngine({"decode": heard(" soft")}), voice(5.0, level=0.001)).text == "soft"


def test_order_and_repetition_change_nothing() -> None:
    engine = FakeEngine({"decode": heard(" la", ratio=3.0), "short": heard(" good")}, limit_s=6.0)
    transcriber = WhisperTranscriber(engine)
    songs = [voice(5.0), voice(18.0), voice(9.0)]
    forward = [transcriber.transcribe(song, "en") for song in songs]
    backward = [transcriber.transcribe(song, "en") for song in reversed(songs)]
    assert forward == backward[::-1]


def test_wrong_engines_and_options_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Unknown Whisper engine 'wisper'"):
        make_transcriber("wisper", tmp_path)
    with pytest.raises(ConfigError, match="no option 'beam'"):
        make_transcriber("faster-whisper", tmp_path, {"beam": 3})
    with pytest.raises(ConfigError, match="no option 'compute_type'"):
        make_transcriber("openai-whisper", tmp_path, {"compute_type": "int8"})


def test_an_empty_folder_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        make_transcriber("faster-whisper", tmp_path)
