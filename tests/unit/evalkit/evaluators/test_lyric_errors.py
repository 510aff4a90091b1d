"""What kind of error each error is: worked songs first, then what holds for any song."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.evaluators import _lyric_measures as measures
from evalkit.evaluators._lyric_errors import Diagnosis, _within, overlap_s
from evalkit.text.compare import compare
from evalkit.text.tokens import TimedText, Token, lyric_tokens, transcript_tokens
from evalkit.types import Section

V1 = "silver river slow and deep carry"
C = "shine on my golden sun"
V2 = "morning finds us far away"
CHORUS2 = "shine on my golden sun"
SONG = (
    Section(label="intro-short"),
    Section(label="verse", lines=(V1,)),
    Section(label="chorus", lines=(C,)),
    Section(label="verse", lines=(V2,)),
    Section(label="chorus", lines=(CHORUS2 + " tonight",)),
    Section(label="outro-short"),
)
"""22 words in four sung sections."""


def sung(text: str, *, step_s: float = 0.5, gaps: dict[int, float] | None = None) -> list[Token]:
    """One word every half second; ``gaps`` adds seconds of pause before a word."""
    timed, now = [], 0.0
    for index, word in enumerate(text.split()):
        now += (gaps or {}).get(index, 0.0)
        timed.append(TimedText(text=f" {word}", start_s=now, end_s=now + 0.8 * step_s))
        now += step_s
    return transcript_tokens(timed, "en")


def diagnose(
    text: str,
    sections: Sequence[Section] = SONG,
    voice: Sequence[tuple[float, float]] | None = ((0.0, 1e4),),
    **timing: dict[int, float],
) -> Diagnosis:
    words = compare(lyric_tokens(sections, "en"), sung(text, **timing))
    return Diagnosis(words=words, language="en", voice=voice)


def numbers(diagnosis: Diagnosis, duration_s: float = 60.0) -> dict[str, float | None]:
    found = {
        **measures.word_measures(diagnosis),
        **measures.voice_measures(diagnosis),
        **measures.time_measures(diagnosis, duration_s),
    }
    return {name: measured.value for name, measured in found.items()}


def kinds(diagnosis: Diagnosis) -> dict[str, list[str]]:
    """Words of each kind, as heard or as written."""
    found: dict[str, list[str]] = {}
    words = diagnosis.words
    for pair, kind in zip(words.pairs, diagnosis.kinds, strict=True):
        if kind is not None:
            token = words.hypothesis[pair.hyp] if pair.hyp is not None else words.reference[pair.ref or 0]
            found.setdefault(kind, []).append(token.text)
    return found


FULL = f"{V1} {C} {V2} {CHORUS2} tonight"


def test_the_worked_song_has_22_words() -> None:
    assert len(lyric_tokens(SONG, "en")) == 22
    assert kinds(diagnose(FULL)) == {}


def test_a_skipped_chorus_is_an_omitted_section() -> None:
    diagnosis = diagnose(f"{V1} {V2} {CHORUS2} tonight")
    assert diagnosis.words.counts.deletions == diagnosis.words.by_section[2].deletions == 5
    found = numbers(diagnosis)
    assert found["section_omission_rate"] == 1 / 4
    assert found["line_omission_rate"] == 1 / 4
    assert found["order_error"] == 0.0
    assert found["del_rate"] == 5 / 22


def test_an_extra_chorus_is_a_repeat_and_nothing_invented() -> None:
    diagnosis = diagnose(f"{FULL} {C}")
    assert kinds(diagnosis) == {"repeat": C.split()}
    found = numbers(diagnosis)
    assert found["repeat_ins_rate"] == found["ins_rate"] == 5 / 22
    assert found["extra_vocal_rate"] == found["section_omission_rate"] == 0.0


def test_v1_c_c_v2_looks_like_45_per_cent_and_is_an_order_error() -> None:
    sections = (SONG[1], SONG[3], SONG[2], Section(label="outro", lines=("we are home again love good",)))
    moved = diagnose(f"{V1} {C} {V2} we are home again love good", sections)
    counts = moved.words.counts
    assert (counts.errors, counts.n_ref) == (10, 22)
    # Three of the six pairs of sections that could be swapped: only verse 2 and chorus are.
    assert numbers(moved)["order_error"] == 1 / 6
    assert numbers(moved)["repeat_ins_rate"] == 0.0


def test_two_sections_swapped_is_all_wrong() -> None:
    sections = (Section(label="verse", lines=(V1,)), Section(label="chorus", lines=(C,)))
    assert numbers(diagnose(f"{C} {V1}", sections))["order_error"] == 1.0
    assert numbers(diagnose(f"{V1} {C}", sections))["order_error"] == 0.0
    assert numbers(diagnose(V1, sections))["order_error"] is None


def test_of_two_equal_choruses_in_a_row_the_pause_tells_which_was_left_out() -> None:
    sections = (SONG[1], SONG[2], SONG[2], SONG[3])
    second = diagnose(f"{V1} {C} {V2}", sections, gaps={11: 4.0})
    assert second.omitted_sections == [2]
    first = diagnose(f"{V1} {C} {V2}", sections, gaps={6: 4.0})
    assert first.omitted_sections == [1]
    assert first.words.counts == second.words.counts


@pytest.mark.parametrize(
    ("text", "near"), [("silver rivers slow", 1), ("silver liver slow", 1), ("silver boat slow", 0)]
)
def test_near_misses_are_forgiven_by_the_lenient_rate_only(text: str, near: int) -> None:
    found = numbers(diagnose(text, (Section(label="verse", lines=("silver river slow",)),)))
    assert found["sub_rate"] == 1 / 3
    assert found["near_miss_rate"] == near / 3
    assert found["wer_lenient"] == (1 - near) / 3


def test_a_spelling_of_two_words_is_near_as_a_whole() -> None:
    sections = (Section(label="verse", lines=("i am going to fly",)),)
    diagnosis = diagnose("i am gonna fly", sections)
    assert diagnosis.words.counts.errors == 2
    found = numbers(diagnosis)
    assert (found["near_miss_rate"], found["wer_lenient"]) == (2 / 5, 0.0)


def test_backing_vocals_may_be_left_out_by_the_lead() -> None:
    sections = (Section(label="verse", lines=("carry me (carry me now) past the fields",)),)
    diagnosis = diagnose("carry me past the fields", sections)
    assert kinds(diagnosis) == {"backing": ["carry", "me", "now"]}
    found = numbers(diagnosis)
    assert (found["wer_lead"], found["del_rate"]) == (0.0, 3 / 8)
    # What the lead leaves out still counts.
    assert numbers(diagnose("carry me (carry me now) past", sections))["wer_lead"] == 2 / 8
    silent = diagnose("", (Section(label="verse", lines=("(carry me)",)),))
    assert numbers(silent)["wer_lead"] is None


def test_ad_libs_cost_the_lead_nothing() -> None:
    diagnosis = diagnose(f"ooh {FULL} yeah yeah")
    assert kinds(diagnosis) == {"adlib": ["ooh", "yeah", "yeah"]}
    found = numbers(diagnosis)
    assert (found["adlib_ins_rate"], found["wer_lead"], found["extra_vocal_rate"]) == (3 / 22, 0.0, 0.0)


def test_missing_syllables_are_told_from_missing_words() -> None:
    sections = (Section(label="verse", lines=("la la la love me tonight",)),)
    diagnosis = diagnose("love me", sections)
    assert numbers(diagnosis)["del_nonlexical"] == 3 / 6
    assert numbers(diagnosis)["del_rate"] == 4 / 6
    assert kinds(diagnosis) == {"nonlexical": ["la", "la", "la"]}


def test_la_la_la() -> None:
    counts = diagnose("la la love me right", (Section(label="v", lines=("la la la love me tonight",)),)).words.counts
    assert (counts.substitutions, counts.deletions, counts.insertions) == (1, 1, 0)
    assert (counts.rate, counts.information_lost) == (pytest.approx(1 / 3), pytest.approx(1 - 16 / 30))


def test_shine_on_three_times_has_a_rate_of_two() -> None:
    diagnosis = diagnose("shine on shine on shine on", (Section(label="v", lines=("shine on",)),))
    assert diagnosis.words.counts.rate == 2.0
    found = numbers(diagnosis)
    assert found["mer"] == pytest.approx(2 / 3)
    assert found["repeat_ins_rate"] == 2.0


def test_nothing_is_truncated() -> None:
    """Cutting both sides to the shorter one would give 0 %."""
    assert numbers(diagnose(" ".join(FULL.split()[:12])))["del_rate"] == pytest.approx(10 / 22)


def test_words_heard_where_nobody_sings_are_the_rulers_error() -> None:
    voice = [(0.0, 11.0)]
    text = f"{FULL} thank you for watching"  # the last four words begin at 11.0 s
    diagnosis = diagnose(text, voice=voice)
    assert kinds(diagnosis) == {"halluc": ["thank", "you", "for", "watching"]}
    found = numbers(diagnosis)
    assert (found["halluc_asr_rate"], found["extra_vocal_rate"]) == (4 / 26, 0.0)
    inside = numbers(diagnose(text, voice=[(0.0, 20.0)]))
    assert (inside["halluc_asr_rate"], inside["extra_vocal_rate"]) == (0.0, 4 / 22)
    unknown = numbers(diagnose(text, voice=None))
    assert unknown["halluc_asr_rate"] is unknown["extra_vocal_rate"] is unknown["sing_rate"] is None


def test_a_word_is_unvoiced_below_a_fifth_of_its_span() -> None:
    for voiced_s, count in ((0.079, 1), (0.081, 0)):  # of 0.4 s
        diagnosis = diagnose(f"{FULL} watching", voice=[(0.0, 11.0 + voiced_s)])
        assert diagnosis.kinds.count("halluc") == count


def test_three_repeated_words_are_no_repeated_line() -> None:
    assert kinds(diagnose(f"{FULL} golden sun shine")) == {"extra": ["golden", "sun", "shine"]}


def test_what_was_not_sung_before_is_no_repeat() -> None:
    sections = (Section(label="verse", lines=(V1,)), Section(label="chorus", lines=(C,)))
    diagnosis = diagnose(f"{C} {V1} {C}", sections)
    assert "repeat" not in kinds(diagnosis)
    assert kinds(diagnosis) == {"extra": C.split()}


def test_a_repeat_may_be_a_little_wrong() -> None:
    assert kinds(diagnose(f"{FULL} shine on my golden son"))["repeat"] == ["shine", "on", "my", "golden", "son"]
    assert "repeat" not in kinds(diagnose(f"{FULL} shine upon thy golden son"))


def test_a_song_without_its_last_two_lines_is_cut_short() -> None:
    sections = (Section(label="verse", lines=(V1, C, V2)),)
    assert measures.is_truncated(diagnose(V1, sections))
    assert not measures.is_truncated(diagnose(f"{V1} {C}", sections))
    cut = measures.time_measures(diagnose(V1, sections), 30.0)
    assert cut["early_end"].value == pytest.approx(30.0 - 2.9)
    assert cut["early_end"].details == {"flags": ["lyrics_truncated"]}


def test_begin_and_end_of_the_lyric_are_its_hits() -> None:
    found = numbers(diagnose(f"hello {FULL}", gaps={1: 7.0}))
    assert found["late_start"] == 7.5
    assert found["early_end"] == pytest.approx(60.0 - (7.5 + 21 * 0.5 + 0.4))
    nothing = numbers(diagnose("zip zap"))
    assert nothing["late_start"] is nothing["early_end"] is None


@pytest.mark.parametrize(("active_s", "flags"), [(10.0, []), (50.0, ["too_slow"]), (2.0, ["too_fast"])])
def test_the_singing_rate_counts_words_of_the_lyric(active_s: float, flags: list[str]) -> None:
    found = measures.voice_measures(diagnose(f"{FULL} and more", voice=[(0.0, active_s)]))["sing_rate"]
    assert found.value == 22 / active_s
    assert found.details["flags"] == flags
    assert measures.sing_rate(3, 0.9).value is None


def test_singing_in_the_intro_leaks() -> None:
    late = diagnose(FULL, gaps={0: 10.0}, voice=[(10.0, 21.0)])
    clean = measures.leak(SONG, late, [(10.0, 21.0)], 40.0)
    assert clean.value == 0.0
    # Half a second beside the words is nobody's: 9.5 s before, 18.6 s after.
    assert clean.details["windows_s"] == [[0.0, 9.5], [21.4, 40.0]]
    leaking = measures.leak(SONG, late, [(2.0, 4.0), (10.0, 21.0), (30.0, 35.0)], 40.0)
    assert leaking.value == pytest.approx(7.0 / (9.5 + 18.6))
    assert measures.leak(SONG, late, None, 40.0).value is None


def test_an_instrumental_prompt_leaks_over_its_whole_length() -> None:
    assert measures.leak((Section(label="inst-short"),), None, [(5.0, 10.0)], 40.0).value == 5 / 40


def test_an_instrumental_section_is_found_between_the_words_beside_it() -> None:
    sections = (SONG[1], Section(label="inst-medium"), SONG[2])
    diagnosis = diagnose(f"{V1} {C}", sections, gaps={6: 8.0})
    assert measures.instrumental_windows(sections, diagnosis, 60.0) == [(pytest.approx(3.4), pytest.approx(10.5))]
    unheard = diagnose(V1, sections)
    assert measures.leak(sections, unheard, [(0.0, 5.0)], 60.0).reason.startswith("No instrumental section")


def test_collapse() -> None:
    assert [measures.collapse(rate, "").value for rate in (0.40, 0.41, 1.7)] == [0.0, 1.0, 1.0]
    assert measures.collapse(None, "no phones").reason == "no phones"


def test_overlaps() -> None:
    assert overlap_s([(0.0, 2.0), (5.0, 6.0)], [(1.0, 5.5)]) == 1.5
    assert overlap_s([], [(0.0, 1.0)]) == 0.0


VOCABULARY = ["sun", "moon", "oh", "la", "golden", "river"]
TEXTS = st.lists(st.sampled_from(VOCABULARY), max_size=16)


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=6), min_size=1, max_size=5), TEXTS)
def test_every_word_has_one_kind_and_all_rates_add_up(lyric: list[list[str]], heard: list[str]) -> None:
    sections = [Section(label="verse", lines=(" ".join(line),)) for line in lyric]
    diagnosis = diagnose(" ".join(heard), sections, voice=[(0.0, 5.0)])
    counts, found = diagnosis.words.counts, numbers(diagnosis)
    assert len(diagnosis.kinds) == len(diagnosis.words.pairs)
    for pair, kind in zip(diagnosis.words.pairs, diagnosis.kinds, strict=True):
        assert (pair.op != "hit") or kind is None
        assert (pair.op != "ins") or kind in {"near", "halluc", "repeat", "adlib", "moved", "extra"}
    n = counts.n_ref
    parts = [found[name] or 0.0 for name in ("repeat_ins_rate", "extra_vocal_rate", "adlib_ins_rate")]
    near = sum(k == "near" and p.op == "ins" for p, k in zip(diagnosis.words.pairs, diagnosis.kinds, strict=True))
    assert sum(parts) * n + diagnosis.kinds.count("halluc") + near == pytest.approx(counts.insertions)
    rate = counts.rate
    assert rate is not None
    assert 0.0 <= (found["wer_lenient"] or 0.0) <= rate
    assert (found["wer_lead"] or 0.0) >= 0.0
    for name in ("mer", "wil", "line_omission_rate", "section_omission_rate", "del_nonlexical"):
        assert 0.0 <= (found[name] or 0.0) <= 1.0
    assert found["order_error"] is None or 0.0 <= found["order_error"] <= 1.0


@settings(max_examples=50, deadline=None)
@given(TEXTS.filter(bool))
def test_what_is_sung_as_written_has_no_error_of_any_kind(words: list[str]) -> None:
    sections = [Section(label="verse", lines=(" ".join(words),))]
    diagnosis = diagnose(" ".join(words), sections)
    assert set(diagnosis.kinds) == {None}
    zero = set(numbers(diagnosis)) - {"late_start", "early_end", "sing_rate", "order_error"}
    assert {numbers(diagnosis)[name] for name in zero} == {0.0}


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 4), st.randoms(use_true_random=False))
def test_omitted_lines_are_counted_exactly(n_omitted: int, rng: random.Random) -> None:
    lines = [["abcdef"[line] * 4 + "ghijk"[k] for k in range(5)] for line in range(6)]
    left_out = rng.sample(range(6), n_omitted)
    text = " ".join(" ".join(line) for index, line in enumerate(lines) if index not in left_out)
    sections = [Section(label="verse", lines=tuple(" ".join(line) for line in lines))]
    found = measures.word_measures(diagnose(text, sections))["line_omission_rate"]
    assert found.details["numerator"] == n_omitted
    assert [line for _, line in found.details["lines"]] == sorted(left_out)


@settings(max_examples=40, deadline=None)
@given(TEXTS.filter(bool), TEXTS)
def test_a_passage_is_found_where_it_fits_best(pattern: list[str], text: list[str]) -> None:
    similarity, start, stop = _within(pattern, text)
    best = min(
        compare(
            [Token(text=w, surface=w) for w in pattern], [Token(text=w, surface=w) for w in text[i:j]]
        ).counts.errors
        for i in range(len(text) + 1)
        for j in range(i, len(text) + 1)
    )
    assert similarity == pytest.approx(1 - best / len(pattern))
    here = compare(
        [Token(text=w, surface=w) for w in pattern], [Token(text=w, surface=w) for w in text[start:stop]]
    ).counts.errors
    assert here == best
