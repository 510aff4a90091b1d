"""Hand-counted alignments, agreement with jiwer and rapidfuzz, and properties."""

import time

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from evalkit.text import align as align_module
from evalkit.text.align import Counts, Pair, align, count

V1 = ["the", "night", "is", "young", "and", "bright"]
CHORUS = ["shine", "on", "my", "golden", "sun"]
V2 = ["we", "walk", "along", "the", "shore"]
SONG = V1 + CHORUS + V2 + CHORUS  # 6 + 5 + 5 + 5 = 21 tokens
TOKENS = st.lists(st.sampled_from("abcd"), max_size=24)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected", "rate", "mer", "wil"),
    [
        ("la la la love me tonight", "la la love me right", (4, 1, 1, 0), 1 / 3, 1 / 3, 0.4667),
        ("shine on", "shine on shine on shine on", (2, 0, 0, 4), 2.0, 0.6667, 0.6667),
        ("a b c", "a b c", (3, 0, 0, 0), 0.0, 0.0, 0.0),
        ("a b c", "", (0, 0, 3, 0), 1.0, 1.0, 1.0),
        ("a b c", "x y z", (0, 3, 0, 0), 1.0, 1.0, 1.0),
    ],
)
def test_worked_examples(
    reference: str, hypothesis: str, expected: tuple[int, ...], rate: float, mer: float, wil: float
) -> None:
    counts = count(align(reference.split(), hypothesis.split()))
    assert (counts.hits, counts.substitutions, counts.deletions, counts.insertions) == expected
    assert counts.rate == pytest.approx(rate)
    assert counts.match_error_rate == pytest.approx(mer, abs=1e-4)
    assert counts.information_lost == pytest.approx(wil, abs=1e-4)


def test_rates_add_up() -> None:
    counts = Counts(hits=4, substitutions=1, deletions=1, insertions=3)
    parts = (counts.substitution_rate, counts.deletion_rate, counts.insertion_rate)
    assert parts == (1 / 6, 1 / 6, 0.5)
    assert counts.n_ref == 6
    assert counts.n_hyp == 8


def test_empty_reference_has_no_rate() -> None:
    counts = count(align([], ["a", "b"]))
    assert counts == Counts(insertions=2)
    assert counts.rate is None
    assert counts.information_lost is None
    assert count(align([], [])).match_error_rate is None


def test_a_skipped_chorus_is_five_deletions_in_it() -> None:
    pairs = align(SONG, V1 + V2 + CHORUS)
    assert count(pairs) == Counts(hits=16, deletions=5)
    assert [pair.ref for pair in pairs if pair.op == "del"] == [6, 7, 8, 9, 10]


def test_an_extra_chorus_is_one_run_of_five_insertions() -> None:
    pairs = align(SONG, SONG + CHORUS)
    inserted = [index for index, pair in enumerate(pairs) if pair.op == "ins"]
    assert count(pairs) == Counts(hits=21, insertions=5)
    assert inserted == list(range(21, 26))


def test_a_moved_section_costs_its_length_twice() -> None:
    assert count(align(SONG, V1 + CHORUS + CHORUS + V2)).errors == 10


def test_a_song_that_stops_early_is_not_forgiven() -> None:
    words = [f"w{index}" for index in range(22)]
    counts = count(align(words, words[:12]))
    assert counts.rate == pytest.approx(0.4545, abs=1e-4)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "ops"),
    [
        ("a", "a a", "hit ins"),
        ("a a", "a", "hit del"),
        ("a b", "c", "sub del"),
        ("a", "b c", "sub ins"),
        ("a b", "b a", "sub sub"),
        ("b c", "a b c", "ins hit hit"),
    ],
)
def test_ties_are_broken_from_the_left(reference: str, hypothesis: str, ops: str) -> None:
    assert [pair.op for pair in align(reference.split(), hypothesis.split())] == ops.split()


def _brute_force(reference: list[str], hypothesis: list[str]) -> list[str]:
    """All cheapest alignments by recursion; the first in the order hit, sub, del, ins."""
    order = {"hit": 0, "sub": 1, "del": 2, "ins": 3}
    best: list[tuple[int, list[int]]] = []

    def walk(i: int, j: int, cost: int, ops: list[int]) -> None:
        if i == len(reference) and j == len(hypothesis):
            best.append((cost, ops))
            return
        if i < len(reference) and j < len(hypothesis):
            same = reference[i] == hypothesis[j]
            walk(i + 1, j + 1, cost + (not same), [*ops, order["hit" if same else "sub"]])
        if i < len(reference):
            walk(i + 1, j, cost + 1, [*ops, order["del"]])
        if j < len(hypothesis):
            walk(i, j + 1, cost + 1, [*ops, order["ins"]])

    walk(0, 0, 0, [])
    names = list(order)
    return [names[op] for op in min(best)[1]]


@given(st.lists(st.sampled_from("ab"), max_size=5), st.lists(st.sampled_from("ab"), max_size=5))
@settings(max_examples=60, deadline=None)
def test_the_path_is_the_canonical_one(reference: list[str], hypothesis: list[str]) -> None:
    assert [pair.op for pair in align(reference, hypothesis)] == _brute_force(reference, hypothesis)


@given(TOKENS, TOKENS)
@settings(max_examples=200, deadline=None)
def test_properties(reference: list[str], hypothesis: list[str]) -> None:
    pairs = align(reference, hypothesis)
    counts = count(pairs)
    assert counts.errors == Levenshtein.distance(reference, hypothesis)
    assert counts.n_ref == len(reference)
    assert counts.n_hyp == len(hypothesis)
    assert [pair.ref for pair in pairs if pair.ref is not None] == list(range(len(reference)))
    assert [pair.hyp for pair in pairs if pair.hyp is not None] == list(range(len(hypothesis)))
    for pair in pairs:
        equal = pair.ref is not None and pair.hyp is not None and reference[pair.ref] == hypothesis[pair.hyp]
        assert equal == (pair.op == "hit")
    assert align(reference, hypothesis) == pairs


@given(TOKENS)
def test_a_text_against_itself_has_no_error(tokens: list[str]) -> None:
    assert count(align(tokens, tokens)) == Counts(hits=len(tokens))


@given(TOKENS.filter(bool), TOKENS.filter(bool))
@settings(max_examples=100, deadline=None)
def test_agrees_with_jiwer(reference: list[str], hypothesis: list[str]) -> None:
    counts = count(align(reference, hypothesis))
    theirs = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    assert counts.rate == pytest.approx(theirs.wer)
    # Among equally cheap alignments jiwer may choose another, so the kinds are compared by their sum and difference.
    assert counts.errors == theirs.substitutions + theirs.deletions + theirs.insertions
    assert counts.deletions - counts.insertions == theirs.deletions - theirs.insertions
    if counts.hits == theirs.hits:
        assert counts.match_error_rate == pytest.approx(theirs.mer)
        assert counts.information_lost == pytest.approx(theirs.wil)


@given(
    st.lists(st.text("abé語", min_size=1, max_size=4), min_size=1), st.lists(st.text("abé語", min_size=1, max_size=4))
)
@settings(max_examples=100, deadline=None)
def test_characters_agree_with_jiwer(reference: list[str], hypothesis: list[str]) -> None:
    one, other = "".join(reference), "".join(hypothesis)
    theirs = jiwer.process_characters(one, other) if other else None
    assert count(align(one, other)).rate == pytest.approx(theirs.cer if theirs else 1.0)


def test_the_fast_path_for_huge_texts_has_the_same_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, hypothesis = SONG * 3, (V1 + CHORUS + V2) * 4
    slow = count(align(reference, hypothesis))
    monkeypatch.setattr(align_module, "MAX_CELLS", 10)
    pairs = align(reference, hypothesis)
    assert count(pairs).errors == slow.errors
    assert [pair.ref for pair in pairs if pair.ref is not None] == list(range(len(reference)))


def test_a_hundred_thousand_characters_do_not_explode() -> None:
    reference = [chr(97 + index * index % 23) for index in range(100_000)]
    hypothesis = reference[:50_000] + reference[50_300:]
    started = time.monotonic()
    assert count(align(reference, hypothesis)).errors == 300
    assert time.monotonic() - started < 60


def test_pairs_of_an_all_deleted_song() -> None:
    assert align(["a", "b"], []) == [Pair("del", 0, None), Pair("del", 1, None)]
