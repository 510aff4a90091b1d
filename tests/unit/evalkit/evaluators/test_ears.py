"""One transcript for all who listen with the same options, and a voice that no gain can make."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evalkit.derived import Derived, Record
from evalkit.errors import AudioError, ConfigError
from evalkit.evaluators._ears import Ears, check_options
from evalkit.models.transcript import Recording, Segment, Stretch, Transcript, Word
from evalkit.types import Audio, Clip, Prompt, Section, Song

RATE = 16_000
SECTIONS = (Section(label="verse", lines=("Silver river, slow and deep",)),)


class Recogniser:
    """Hears the lyric; remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[Audio, object]] = []

    @property
    def signature_parts(self) -> Mapping[str, str | int | float]:
        return {"engine": "fake1"}

    def knows(self, language: str) -> bool:
        return language != "xx"

    def transcribe(self, audio: Audio, language: str, *, voice: Sequence[Stretch] | None = None) -> Transcript:
        self.given.append((audio, voice))
        words = tuple(
            Word(text=f" {word}", start_s=float(index), end_s=index + 0.5, probability=0.9)
            for index, word in enumerate(["Silver", "river", "slow", "deep"])
        )
        segment = Segment(text=" Silver river slow deep", start_s=0.0, end_s=4.0, words=words)
        return Transcript(language=language, segments=(segment,), decoding={"chunks": 1}, raw_text="x")


class Shelf(dict[str, Record]):
    def put(self, key: str, record: Record) -> None:
        self[key] = record


def tone(level_db: float, *spans: tuple[float, float], duration_s: float = 8.0, f0_hz: float = 220.0) -> Audio:
    time = np.arange(round(duration_s * RATE)) / RATE
    gate = sum(((time >= start) & (time < stop)).astype(float) for start, stop in spans)
    wave = 10 ** (level_db / 20) * np.sqrt(2) * gate * np.sin(2 * np.pi * f0_hz * time)
    return Audio(samples=wave.astype(np.float32)[None], sample_rate=RATE)


def clip(mix: Audio, vocals: Audio | None = None, *, store: Shelf | None = None, language: str = "en") -> Clip:
    return Clip(
        prompt=Prompt(id="p", language=language, sections=SECTIONS),
        song=Song(prompt_id="p", system="s", take=0, seed=1, status="ok"),
        mix=mix,
        stems={"vocals": vocals} if vocals else {},
        derived=Derived({"mix": "m", "vocals": "v"}, store),
    )


def ears(recogniser: Recogniser | None = None, **options: object) -> Ears:
    return Ears(options, lambda name: Path("/nowhere") / name, recogniser or Recogniser())


BAND = tone(-20.0, (0.0, 8.0), f0_hz=500.0)


def test_two_listeners_share_one_transcript_and_a_store_keeps_it() -> None:
    shelf, recogniser = Shelf(), Recogniser()
    song = clip(BAND, store=shelf)
    first = ears(recogniser).transcript(song, "mix")
    assert ears(recogniser).transcript(song, "mix") == first
    assert ears(recogniser).transcript(clip(BAND, store=shelf), "mix") == first
    assert len(recogniser.given) == 1
    assert ears(recogniser).transcript(clip(BAND), "mix") == first
    assert len(recogniser.given) == 2


def test_what_the_recogniser_hears_is_mono_at_16_khz_and_at_the_common_level() -> None:
    stereo = Audio(samples=np.repeat(BAND.samples, 2, axis=0), sample_rate=RATE)
    quiet = replace(stereo, samples=stereo.samples * np.float32(0.1))
    recogniser = Recogniser()
    ears(recogniser).transcript(clip(quiet), "mix")
    ears(recogniser).transcript(clip(stereo), "mix")
    (soft, voice), (loud, _) = recogniser.given
    assert (soft.channels, soft.sample_rate, voice) == (1, RATE, None)
    assert np.sqrt(np.mean(soft.samples**2)) == pytest.approx(np.sqrt(np.mean(loud.samples**2)), rel=0.01)


def test_words_are_aligned_with_times() -> None:
    found = ears().words(clip(BAND), "mix")
    assert found is not None
    assert [pair.op for pair in found.pairs] == ["hit", "hit", "hit", "del", "hit"]
    assert found.hypothesis[-1].start_s == 3.0


def test_an_unknown_language_has_no_transcript() -> None:
    assert ears().transcript(clip(BAND, language="xx"), "mix") is None
    assert ears().words(clip(BAND, language="xx"), "mix") is None


@pytest.mark.parametrize("gain_db", [-20.0, 0.0, 6.0])
def test_a_voice_is_where_it_sounds_at_any_gain(gain_db: float) -> None:
    factor = np.float32(10 ** (gain_db / 20))
    mix, vocals = (
        replace(audio, samples=audio.samples * factor) for audio in (BAND, tone(-20.0, (1.0, 3.0), (5.0, 7.0)))
    )
    found = ears().voice(clip(mix, vocals))
    assert found == ((0.8, 3.2), (4.8, 7.2))


@pytest.mark.parametrize("gain_db", [-20.0, 0.0, 6.0])
def test_bleed_is_no_voice_at_any_gain(gain_db: float) -> None:
    factor = np.float32(10 ** (gain_db / 20))
    bleed = replace(BAND, samples=BAND.samples * np.float32(0.01) * factor)  # 40 dB below the song
    recogniser = Recogniser()
    song = clip(replace(BAND, samples=BAND.samples * factor), bleed)
    assert ears(recogniser).voice(song) == ()
    ears(recogniser).transcript(song, "vocals")
    assert recogniser.given[0][1] == ()


def test_inputs_depend_on_the_separation() -> None:
    song = clip(BAND, BAND)
    assert ears(separation="native").has(song, "vocals")
    assert not ears(separation="none").has(song, "vocals")
    assert not ears().has(clip(BAND), "vocals")
    assert ears(separation="htdemucs").has(clip(BAND), "vocals")
    assert [ears(separation=name).primary for name in ("none", "native", "htdemucs_ft")] == ["mix", "mix", "vocals"]
    assert Ears.required_models({"separation": "htdemucs_ft"}) == ["whisper-base", "htdemucs_ft"]
    assert ears().signature_parts("vocals")["sep"] == "native"
    assert ears(separation="htdemucs").signature_parts("mix")["sep"] == "none"
    with pytest.raises(AudioError, match="gives no vocal stem"):
        ears().transcript(clip(BAND), "vocals")
    assert ears().voice(clip(BAND)) is None


def test_a_separated_voice_is_made_once_and_takes_the_place_of_the_stem() -> None:
    class Half:
        name = "half"
        calls = 0

        def vocals(self, mix: Audio) -> Audio:
            self.calls += 1
            return tone(-20.0, (2.0, 4.0))

    separator, recogniser, shelf = Half(), Recogniser(), Shelf()
    subject = Ears({"separation": "htdemucs"}, lambda name: Path(name), recogniser, separator)
    song = clip(BAND, BAND, store=shelf)
    assert subject.voice(song) == ((1.8, 4.2),)
    subject.transcript(song, "vocals")
    assert recogniser.given[0][1] == ((1.8, 4.2),)
    assert separator.calls == 1
    subject.transcript(clip(BAND, BAND, store=shelf), "vocals")
    assert separator.calls == 1


class Crowd(Recogniser):
    """Listens to several recordings at once."""

    def __init__(self) -> None:
        super().__init__()
        self.together: list[int] = []

    def transcribe_all(self, recordings: Sequence[Recording]) -> list[Transcript]:
        self.together.append(len(recordings))
        return [self.transcribe(one.audio, one.language, voice=one.voice) for one in recordings]


def songs(shelf: Shelf | None = None) -> list[Clip]:
    voice = tone(-20.0, (1.0, 3.0))
    named = [clip(tone(-20.0 - 3 * n, (0.0, 8.0)), voice, language=tag) for n, tag in enumerate(("en", "xx", "de"))]
    return [replace(one, derived=Derived({"mix": f"m{n}", "vocals": f"v{n}"}, shelf)) for n, one in enumerate(named)]


@pytest.mark.parametrize("recogniser", [Recogniser(), Crowd()])
def test_what_is_heard_together_is_what_is_heard_one_by_one(recogniser: Recogniser) -> None:
    apart, together = Shelf(), Shelf()
    one_by_one = [ears().transcript(song, source) for song in songs(apart) for source in ("mix", "vocals")]
    subject, group = ears(recogniser), songs(together)
    inputs = [(song, source, None) for song in group for source in ("mix", "vocals")]
    subject.prepare(inputs)
    assert len(recogniser.given) == 4, "the language xx is not known"
    assert [voice for _, voice in recogniser.given] == [None, ((0.8, 3.2),)] * 2
    subject.prepare(inputs)
    assert [subject.transcript(song, source) for song, source, _ in inputs] == one_by_one
    assert len(recogniser.given) == 4, "nothing is heard twice"
    assert together == apart, "the same records under the same keys"
    if isinstance(recogniser, Crowd):
        assert recogniser.together == [4]


def test_what_was_heard_before_is_not_heard_again() -> None:
    shelf, recogniser = Shelf(), Crowd()
    first, _, second = songs(shelf)
    ears(recogniser).transcript(first, "mix")
    ears(recogniser).prepare([(first, "mix", None), (second, "mix", None), (second, "mix", "de"), (first, "mix", "es")])
    assert recogniser.together == [2], "the second song once, and the first in another language"
    again = songs(shelf)
    ears(recogniser).prepare([(again[0], "mix", None), (again[2], "mix", None)])
    assert recogniser.together == [2]


def test_nothing_is_loaded_for_nothing() -> None:
    silent = Ears({}, lambda name: pytest.fail("loaded"))
    silent.prepare([])


def test_wrong_options_are_named() -> None:
    with pytest.raises(ConfigError, match="Unknown separation 'spleeter'"):
        ears(separation="spleeter")
    with pytest.raises(ConfigError, match="Evaluator structure has no option 'modle'"):
        check_options("structure", {"modle": "x", "device": "cpu"})
