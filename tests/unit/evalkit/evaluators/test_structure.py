"""Structure of songs whose structure is known, with a recogniser that hears what a test says."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from evalkit.errors import AudioError, ConfigError
from evalkit.evaluators import _annotations, _endings, _places
from evalkit.evaluators.structure import StructureEvaluator
from evalkit.models.transcript import Segment, Transcript, Word
from evalkit.signal.frames import NotMeasurable
from evalkit.text.compare import compare
from evalkit.text.tokens import TimedText, lyric_tokens, transcript_tokens
from evalkit.types import Audio, Clip, Prompt, Score, Section, Song

RATE = 16_000
VERSE = Section(label="verse", lines=("silver river slow and deep",))
OTHER = Section(label="verse", lines=("coffee growing cold at midnight",))
CHORUS = Section(label="chorus", lines=("we are dancing over bridges",))
SECTIONS = (Section(label="intro-short"), VERSE, CHORUS, Section(label="inst-medium"), OTHER, CHORUS)
STARTS = {1: 4.0, 2: 10.0, 4: 30.0, 5: 36.0}
TUNES = {"verse": (60, 64, 67, 72, 69), "other": (62, 65, 69, 74, 70), "chorus": (69, 73, 76, 81, 78)}


class Fake:
    """Hears words at given times."""

    signature_parts: Mapping[str, str | int | float] = {"engine": "fake1"}

    def __init__(self, words: Sequence[tuple[str, float]]) -> None:
        self.words = words
        self.calls = 0

    def knows(self, language: str) -> bool:
        return language != "xx"

    def transcribe(self, audio: Audio, language: str, *, voice: object = None) -> Transcript:
        self.calls += 1
        words = tuple(Word(text=" " + w, start_s=t, end_s=t + 0.8, probability=1.0) for w, t in self.words)
        segment = Segment(text="".join(w.text for w in words), start_s=0.0, end_s=45.0, words=words)
        return Transcript(language=language, segments=(segment,) if words else ())


def words_at(starts: Mapping[int, float], sections: Sequence[Section] = SECTIONS) -> list[tuple[str, float]]:
    """The words of some sections, one a second."""
    return [
        (word, start + k)
        for index, start in starts.items()
        for k, word in enumerate(" ".join(sections[index].lines).split())
    ]


def song(tunes: Mapping[int, str], starts: Mapping[int, float] = STARTS, duration_s: float = 45.0) -> Audio:
    """Each section plays its tune, five notes of a second with three overtones; in between a low drone."""
    time = np.arange(round(duration_s * RATE)) / RATE
    samples = 0.05 * np.sin(2 * np.pi * 130.8 * time)
    samples *= np.clip((duration_s - 2.0 - time) / 1.0, 0.0, 1.0)
    for index, name in tunes.items():
        for k, midi in enumerate(TUNES[name]):
            hz = 440.0 * 2 ** ((midi - 69) / 12)
            part = (time >= starts[index] + k) & (time < starts[index] + k + 1)
            tone = sum(np.sin(2 * np.pi * n * hz * time[part]) / n for n in (1, 2, 3))
            samples[part] += 0.2 * tone
    return Audio(samples=samples[None].astype(np.float32), sample_rate=RATE)


RECURRING = {1: "verse", 2: "chorus", 4: "other", 5: "chorus"}
WANDERING = {1: "verse", 2: "chorus", 4: "chorus", 5: "other"}


def clip(audio: Audio, sections: Sequence[Section] = SECTIONS, **changes: object) -> Clip:
    return Clip(
        prompt=Prompt(id="p", language=str(changes.pop("language", "en")), sections=tuple(sections)),
        song=Song(prompt_id="p", system="s", take=0, seed=1, status="ok", **changes),  # type: ignore[arg-type]
        mix=audio,
    )


def scores(given: Clip, words: Sequence[tuple[str, float]], **options: object) -> dict[str, Score]:
    evaluator = StructureEvaluator(options, lambda name: Path("/nowhere") / name, Fake(words))
    return {score.metric: score for score in evaluator.score(given)}


def comparison(words: Sequence[tuple[str, float]], sections: Sequence[Section] = SECTIONS):
    timed = (TimedText(text=" " + word, start_s=at, end_s=at + 0.8) for word, at in words)
    return compare(lyric_tokens(sections, "en"), transcript_tokens(timed, "en"))


def test_sections_are_where_their_words_are() -> None:
    found = _places.find_places(SECTIONS, comparison(words_at(STARTS)))
    assert [(p.index, p.label, p.start_s, p.end_s, p.hits) for p in found] == [
        (1, "verse", 4.0, 8.8, 5),
        (2, "chorus", 10.0, 14.8, 5),
        (4, "verse", 30.0, 34.8, 5),
        (5, "chorus", 36.0, 40.8, 5),
    ]
    # One stray word does not place a section, and what was not sung is not found.
    stray = [*words_at({1: 4.0}), ("dancing", 12.0)]
    assert [p.index for p in _places.find_places(SECTIONS, comparison(stray))] == [1]


def test_what_was_prepared_is_not_heard_again() -> None:
    def subject() -> tuple[StructureEvaluator, Fake]:
        fake = Fake(words_at(STARTS))
        return StructureEvaluator({}, lambda name: Path("/nowhere") / name, fake), fake

    def songs() -> list[Clip]:
        instrumental = (Section(label="intro-short"),)
        return [clip(song(RECURRING)), clip(song(RECURRING), instrumental), clip(song({}, duration_s=3.0))]

    wanted = [subject()[0].score(one) for one in songs()]
    (evaluator, fake), group = subject(), songs()
    evaluator.prepare(group)
    assert fake.calls == 1
    assert [evaluator.score(one) for one in group] == wanted
    assert fake.calls == 1


def test_gaps_are_judged_by_their_class_with_two_seconds_tolerance() -> None:
    places = _places.find_places(SECTIONS, comparison(words_at(STARTS)))
    gaps = _places.find_gaps(SECTIONS, places, 45.0)
    assert [(g.labels, round(g.end_s - g.start_s, 2), g.fits) for g in gaps] == [
        (("intro-short",), 4.0, True),
        (("inst-medium",), 15.2, True),
    ]

    def fits(label: str, length_s: float) -> bool:
        gap = _places.Gap(
            labels=(label,), start_s=1.0, end_s=1.0 + length_s, wanted_s=_places._wanted([label]) or (0, 0)
        )
        return gap.fits

    assert [fits("inst-short", s) for s in (0.0, 10.0, 12.0, 12.1)] == [True, True, True, False]
    assert [fits("outro-medium", s) for s in (7.9, 8.0, 22.0, 22.1)] == [False, True, True, False]
    assert [fits("intro-long", s) for s in (17.9, 18.0, 300.0)] == [False, True, True]
    both = (Section(label="inst-short"), Section(label="outro-medium"))
    (run,) = _places.find_gaps(
        (VERSE, *both), [_places.Place(index=0, label="verse", start_s=0, end_s=5, hits=5)], 40.0
    )
    assert run.wanted_s == (10.0, 30.0), "a run of sections wants the sum"


def test_a_gap_beside_a_lost_section_or_of_no_class_is_not_judged() -> None:
    places = _places.find_places(SECTIONS, comparison(words_at({1: 4.0, 2: 10.0, 5: 36.0})))
    assert [g.labels for g in _places.find_gaps(SECTIONS, places, 45.0)] == [("intro-short",)]
    quiet = (VERSE, Section(label="silence"), OTHER)
    places = _places.find_places(quiet, comparison(words_at({0: 0.0, 2: 9.0}, quiet), quiet))
    assert len(places) == 2
    assert _places.find_gaps(quiet, places, 20.0) == []
    # Sung in the other order: nothing lies between.
    swapped = [
        place if place.index else place.__class__(index=0, label="verse", start_s=15.0, end_s=19.0, hits=5)
        for place in places
    ]
    assert _places.find_gaps((VERSE, Section(label="inst-short"), OTHER), swapped, 20.0) == []


def test_a_chorus_that_comes_back_is_told_from_one_that_does_not() -> None:
    back = scores(clip(song(RECURRING)), words_at(STARTS))
    away = scores(clip(song(WANDERING)), words_at(STARTS))
    assert back["chorus_sim"].value > 0.5
    assert back["chorus_sim"].details["same"] > 0.9
    assert away["chorus_sim"].value < 0.1
    assert back["ssm_contrast"].value > away["ssm_contrast"].value


def test_gain_and_a_copy_change_nothing() -> None:
    one = song(RECURRING)
    half = Audio(samples=one.samples * np.float32(0.5), sample_rate=RATE)
    first, again, soft = (scores(clip(audio), words_at(STARTS)) for audio in (one, song(RECURRING), half))
    for name, score in first.items():
        assert again[name] == score
        assert soft[name].value == (pytest.approx(score.value, abs=1e-3) if score.value is not None else None)


def test_all_values_of_a_song_as_asked() -> None:
    found = scores(clip(song(RECURRING)), words_at(STARTS))
    assert found["sung_section_time"].value == pytest.approx(4.8)
    assert found["sung_section_time"].details["sections"][0] == {
        "index": 1, "label": "verse", "start_s": 4.0, "end_s": 8.8, "hits": 5,
    }  # fmt: skip
    assert found["inst_dur_ok"].value == 1.0
    assert found["inst_dur_ok"].details["denominator"] == 2
    assert found["ending_cut"].value == 0.0
    assert found["intro_vocal_time"].status == "not_applicable"
    assert "no vocal stem" in found["intro_vocal_time"].reason
    assert found["label_f1"].reason == "The structure of the song is not annotated."


def test_what_cannot_be_told_has_a_reason() -> None:
    one = scores(clip(song(RECURRING)), words_at({1: 4.0, 2: 10.0}))
    assert one["chorus_sim"].reason == "Fewer than two choruses were found (1)."
    assert one["ssm_contrast"].reason == "No label of a section that was found comes twice."
    nothing = scores(clip(song(RECURRING)), [])
    assert nothing["sung_section_time"].reason == "No section of the lyric was heard."
    assert nothing["ending_cut"].status == "ok", "an ending needs no words"
    wordless = scores(clip(song(RECURRING), (Section(label="inst-short"),)), [])
    assert wordless["inst_dur_ok"].reason == "The prompt has no words to sing."
    assert wordless["ending_cut"].status == "ok"
    foreign = scores(clip(song(RECURRING), language="xx"), words_at(STARTS))
    assert "does not know the language" in foreign["sung_section_time"].reason
    short = scores(clip(Audio(samples=np.ones((1, RATE), np.float32), sample_rate=RATE)), [])
    assert {score.status for score in short.values()} == {"failed"}


def powers(*levels_db: float | tuple[float, float]) -> np.ndarray:
    """Milliseconds of power: each entry is a second at a level, or on a line between two levels."""
    parts = [np.linspace(*((x, x) if isinstance(x, float) else x), 1000) for x in levels_db]
    return 10.0 ** (np.concatenate(parts) / 10.0)


@pytest.mark.parametrize(
    ("levels", "last_word_s", "kind"),
    [
        ([-20.0] * 10, None, "cut"),  # stops at full level
        ([-20.0] * 10, 9.8, "cut"),
        ([-20.0] * 10 + [-120.0] * 3, None, "cut"),  # silence behind it changes nothing
        ([-20.0] * 9 + [(-20.0, -29.0)], 9.8, "cut"),  # inside a word, though a little softer at the very end
        ([-20.0] * 9 + [(-20.0, -29.0)], 8.0, "complete"),
        ([-20.0] * 9 + [(-20.0, -60.0)], 8.0, "complete"),  # a last chord dies away
        ([-20.0] * 9 + [-40.0], 9.8, "complete"),  # the last word sounds over nothing else
        ([-20.0] * 8 + [(-20.0 - 8 * k, -28.0 - 8 * k) for k in range(5)], None, "fade"),
    ],
)
def test_endings(levels: list[float], last_word_s: float | None, kind: str) -> None:
    assert _endings.find_ending(powers(*levels), last_word_s).kind == kind


def test_a_linear_fade_is_a_fade_and_silence_has_no_end() -> None:
    gain = np.concatenate([np.ones(10_000), np.linspace(1.0, 0.0, 8_000)])
    assert _endings.find_ending((0.1 * gain) ** 2, 10.0).kind == "fade"
    with pytest.raises(NotMeasurable, match="silent"):
        _endings.find_ending(np.zeros(9_000), None)
    with pytest.raises(NotMeasurable, match="two seconds"):
        _endings.find_ending(powers(-20.0, -120.0), None)


def test_a_song_cut_off_is_counted_and_says_if_the_system_ran_out() -> None:
    whole = song(RECURRING)
    cut = Audio(samples=whole.samples[:, : round(39.5 * RATE)], sample_rate=RATE)
    found = scores(clip(cut, params={"reached_max_frames": True}), words_at(STARTS)[:-2])
    assert found["ending_cut"].value == 1.0
    assert found["ending_cut"].details["kind"] == "cut"
    assert found["ending_cut"].details["flags"] == ["reached_max_frames"]
    assert scores(clip(whole), words_at(STARTS))["ending_cut"].details["flags"] == []


MARKS = [[0.0, 4.0, "intro"], [4.0, 8.8, "Verse 1"], [10.0, 14.8, "chorus"], [14.8, 30.0, "inst"],
         [30.0, 34.8, "verse"], [36.0, 40.8, "chorus"]]  # fmt: skip


def test_an_annotation_that_says_the_same_agrees() -> None:
    found = scores(clip(song(RECURRING), params={"sections": MARKS}), words_at(STARTS))
    assert found["boundary_hr_05"].value == 1.0
    assert found["boundary_hr_3"].value == 1.0
    assert found["label_f1"].value > 0.95
    assert found["label_seq_er"].value == 0.0
    shifted = [[start + 1.0, end + 1.0, label] for start, end, label in MARKS]
    moved = scores(clip(song(RECURRING), params={"sections": shifted}), words_at(STARTS))
    assert moved["boundary_hr_05"].value < 0.5
    assert moved["boundary_hr_3"].value > 0.9
    assert moved["label_f1"].value < found["label_f1"].value
    fewer = scores(clip(song(RECURRING), params={"sections": MARKS[:-1]}), words_at(STARTS))
    assert fewer["label_seq_er"].value == pytest.approx(1 / 6)
    assert fewer["label_seq_er"].details == {"numerator": 1, "denominator": 6}


def test_agreement_is_mir_evals_own_on_whole_intervals() -> None:
    from mir_eval import segment

    ours = [(0.0, 10.0, "verse"), (10.0, 20.0, "chorus"), (20.0, 30.0, "verse")]
    theirs = [(0.0, 11.0, "verse"), (11.0, 24.0, "chorus"), (24.0, 30.0, "verse")]
    found = _annotations.compare(ours, theirs, 30.0)
    a, b = (np.array([mark[:2] for mark in marks]) for marks in (theirs, ours))
    labels = ["verse", "chorus", "verse"]
    assert found.boundary_hr_3 == pytest.approx(segment.detection(a, b, window=3.0, trim=True)[2])
    assert found.boundary_hr_05 == pytest.approx(segment.detection(a, b, window=0.5, trim=True)[2])
    assert found.label_f1 == pytest.approx(segment.pairwise(a, labels, b, labels)[2])
    assert _annotations.compare(ours, ours, 30.0) == _annotations.Agreement(
        boundary_hr_05=1.0, boundary_hr_3=1.0, label_f1=1.0
    )


def test_annotations_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    text = "\n".join(f"{start}\t{end}\t{label}" for start, end, label in MARKS)
    (tmp_path / "s" / "p.take0.lab").write_text(text + "\n\n")
    found = scores(clip(song(RECURRING)), words_at(STARTS), annotations=str(tmp_path))
    assert found["boundary_hr_05"].value == 1.0
    assert "annotation:folder" in found["label_f1"].signature
    (tmp_path / "s" / "p.take0.lab").rename(tmp_path / "s" / "q.take0.lab")
    found = scores(clip(song(RECURRING)), words_at(STARTS), annotations=str(tmp_path))
    assert found["label_f1"].reason == "There is no annotation s/p.take0.lab."


@pytest.mark.parametrize(
    "text", ["", "0 1\n", "a b verse\n", "0 5 verse\n4 6 chorus\n", "3 2 verse\n", "0 inf verse\n"]
)
def test_broken_annotations_name_the_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.lab"
    path.write_text(text)
    with pytest.raises(AudioError, match=r"x\.lab"):
        _annotations.load(path)


def test_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no option 'x'"):
        StructureEvaluator({"x": 1}, lambda name: Path(name))
    with pytest.raises(ConfigError, match="not a folder"):
        StructureEvaluator({"annotations": str(tmp_path / "no")}, lambda name: Path(name))


def test_the_transcript_is_heard_once_with_the_lyrics_evaluator() -> None:
    from evalkit.evaluators.lyrics import LyricsEvaluator

    ears = Fake(words_at(STARTS))
    given = clip(song(RECURRING))
    LyricsEvaluator({}, lambda name: Path(name), ears).score(given)
    StructureEvaluator({}, lambda name: Path(name), ears).score(given)
    assert ears.calls == 1
