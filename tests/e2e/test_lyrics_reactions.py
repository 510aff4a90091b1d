"""Lyric measures move when, and only when, what they name happens. On real transcripts of the real singer.

What was sung stays; what should have been sung is changed, or words that were heard are repeated. So each dose is known
exactly, and nothing has to be sung anew.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from scipy.stats import spearmanr

from benchmarks import loader
from evalkit.derived import Derived
from evalkit.errors import EvalkitError
from evalkit.evaluators._ears import Ears
from evalkit.evaluators.lyrics import LyricsEvaluator
from evalkit.models.files import ModelFiles
from evalkit.models.transcript import Stretch, Transcript
from evalkit.types import Audio, Clip, Section, Song
from generation.systems.singer import SYSTEM

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.models, pytest.mark.timeout(900)]

PROMPTS = ("en-01", "es-01")
MIN_SPEARMAN = 0.9
ENDINGS = ("ollo", "attu", "imme", "urra", "epso", "undi", "ikka", "ovva")


@dataclass(frozen=True)
class Replay:
    """Hears what was heard before."""

    transcript: Transcript
    signature_parts = {"engine": "replay"}  # noqa: RUF012

    def knows(self, language: str) -> bool:
        return True

    def transcribe(self, audio: Audio, language: str, *, voice: Sequence[Stretch] | None = None) -> Transcript:
        return self.transcript


@pytest.fixture(scope="module")
def sung() -> Mapping[str, tuple[Clip, Transcript]]:
    """Each song with the transcript of its mix."""

    def locate(name: str) -> Path:
        try:
            return ModelFiles().locate(name)
        except EvalkitError as error:
            pytest.skip(f"needs the model files of {name}: {error}")

    for name in (*SYSTEM.required_models(""), "whisper-base"):
        locate(name)
    singer, ears = SYSTEM("", locate), Ears({}, locate)
    prompts = {prompt.id: prompt for prompt in loader.load("multilingual").prompts}
    found = {}
    for name in PROMPTS:
        made = singer.generate(prompts[name], take=0, seed=11)
        song = Song(prompt_id=name, system="singer", take=0, seed=11, status="ok")
        clip = Clip(prompt=prompts[name], song=song, mix=made.mix, stems={"vocals": made.stems["vocals"]})
        transcript = ears.transcript(clip, "mix")
        assert transcript is not None
        found[name] = clip, transcript
    return found


def measure(clip: Clip, transcript: Transcript, sections: Sequence[Section] | None = None) -> dict[str, float | None]:
    """All values, with the lyric given instead of the prompt's."""
    prompt = clip.prompt if sections is None else replace(clip.prompt, sections=tuple(sections))
    subject = LyricsEvaluator({}, lambda name: Path(name), Replay(transcript))
    return {s.metric: s.value for s in subject.score(replace(clip, prompt=prompt, derived=Derived()))}


Sung = Mapping[str, tuple[Clip, Transcript]]


@pytest.mark.parametrize("name", PROMPTS)
def test_lines_that_are_not_sung_are_omitted_lines(sung: Sung, name: str) -> None:
    clip, transcript = sung[name]
    strange = [" ".join(f"{'bcdfg'[k]}{ending}" for ending in ENDINGS) for k in range(5)]
    doses, omitted, deleted, others = range(6), [], [], []
    n_lines = sum(len(section.lines) for section in clip.prompt.sections)
    for k in doses:
        first, *rest = [section for section in clip.prompt.sections if section.lines]
        longer = [first, *([Section(label="bridge", lines=tuple(strange[:k]))] if k else []), *rest]
        values = measure(clip, transcript, longer)
        omitted.append(values["line_omission_rate"] or 0.0)
        deleted.append(values["del_rate"] or 0.0)
        others.append((values["repeat_ins_rate"], values["order_error"]))
    assert spearmanr(doses, omitted).statistic >= MIN_SPEARMAN
    assert spearmanr(doses, deleted).statistic >= MIN_SPEARMAN
    # A word heard where none was written may stand for one of a line; so a line may be missed now and then.
    assert [abs(rate * (n_lines + k) - k) <= 1.0 for k, rate in zip(doses, omitted, strict=True)] == [True] * len(doses)
    assert len(set(others)) == 1


@pytest.mark.parametrize("name", PROMPTS)
def test_lines_sung_again_are_repeats(sung: Sung, name: str) -> None:
    clip, transcript = sung[name]
    words = transcript.words
    written = " ".join(line for section in clip.prompt.sections for line in section.lines).split()
    doses, repeated, others = (0, 6, 9, 12, 15), [], []
    for n_again in doses:
        # As written, at times when somebody does sing.
        later = tuple(replace(words[k], text=f" {written[k]}") for k in range(n_again))
        again = replace(transcript.segments[-1], words=(*transcript.segments[-1].words, *later))
        values = measure(clip, replace(transcript, segments=(*transcript.segments[:-1], again)))
        repeated.append(values["repeat_ins_rate"] or 0.0)
        others.append((values["line_omission_rate"], values["order_error"], values["del_rate"]))
    assert repeated[0] == 0.0
    assert spearmanr(doses, repeated).statistic >= MIN_SPEARMAN
    assert len(set(others)) == 1


@pytest.mark.parametrize("name", PROMPTS)
def test_swapped_sections_are_an_order_error(sung: Sung, name: str) -> None:
    clip, transcript = sung[name]
    sections = [section for section in clip.prompt.sections if section.lines]
    assert len(sections) >= 2
    plain, swapped = measure(clip, transcript, sections), measure(clip, transcript, sections[::-1])
    assert (plain["order_error"], swapped["order_error"]) == (0.0, 1.0)
    assert (swapped["wer"] or 0.0) > (plain["wer"] or 0.0)


def test_another_song_is_near_chance_and_collapses(sung: Sung) -> None:
    clip, transcript = sung["en-01"]
    others = [p for p in loader.load("multilingual").prompts if p.language == "en" and p.id != "en-01"]
    own = measure(clip, transcript)
    assert own["collapse_rate"] == 0.0
    for other in others:
        values = measure(clip, transcript, other.sections)
        assert (values["per"] or 0.0) > 0.6
        assert values["collapse_rate"] == 1.0
        assert (values["section_omission_rate"] or 0.0) >= 0.5


@pytest.mark.parametrize("name", PROMPTS)
def test_words_replaced_at_random_raise_every_rate_with_the_dose(sung: Sung, name: str) -> None:
    clip, transcript = sung[name]
    doses = (0, 2, 4, 6, 8, 10)
    rates: dict[str, list[float]] = {"wer": [], "cer": [], "per": [], "sub_rate": [], "wil": []}
    (first, *rest) = transcript.segments
    assert len(first.words) >= 10
    for n_wrong in doses:
        changed: Callable[[int, str], str] = lambda k, text, n=n_wrong: " wugwug" if k < n else text  # noqa: E731
        words = tuple(replace(word, text=changed(k, word.text)) for k, word in enumerate(first.words))
        values = measure(clip, replace(transcript, segments=(replace(first, words=words), *rest)))
        for metric, found in rates.items():
            found.append(values[metric] or 0.0)
    for metric, found in rates.items():
        assert spearmanr(doses, found).statistic >= MIN_SPEARMAN, metric
