"""Whisper's rules on tokens, and the two ways to choose them, against counting by hand."""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.models.whisper_search import BeamSearch, Found, Rules, Sampling, Search

torch = pytest.importorskip("torch")

END, NO_TIMES, FIRST_TIME, N_VOCABULARY = 4, 5, 6, 12
"""Words are 0 to 3, timestamps 6 to 11."""

PLAIN = Rules(end_of_text=END, no_timestamps=NO_TIMES, has_timestamps=False)
TIMED = Rules(end_of_text=END, no_timestamps=NO_TIMES, max_initial_timestamp=2)
Text = tuple[int, ...]


def allowed(rules: Rules, text: Sequence[int], logits: Any = None) -> set[int]:
    """Tokens that may follow; all are equally likely unless ``logits`` says otherwise, and timestamps are never due."""
    if logits is None:
        logits = torch.zeros(N_VOCABULARY)
        logits[FIRST_TIME:] = -20.0
    (found,) = rules.log_probs(logits[None], [text])
    assert torch.logsumexp(found, 0) == pytest.approx(0.0, abs=1e-5), "they sum to 1"
    return set(torch.nonzero(found > -torch.inf).flatten().tolist())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ((), {6, 7, 8}),  # a text begins with a time, not later than the third
        ((6,), {0, 1, 2, 3, 4}),  # after the begin, words
        ((6, 0), {0, 1, 2, 3, 4, 7, 8, 9, 10, 11}),  # a segment has a length
        ((6, 0, 9), {4, 9, 10, 11}),  # an end: the next begin, or nothing more
        ((6, 0, 9, 9), {0, 1, 2, 3, 4}),  # and then words
        ((6, 0, 9, 9, 1), {0, 1, 2, 3, 4, 10, 11}),
    ],
)
def test_times_come_in_pairs_and_run_forward(text: Text, expected: set[int]) -> None:
    assert allowed(TIMED, text) == expected


def test_a_time_is_due_where_all_together_are_likelier_than_any_word() -> None:
    logits = torch.full((N_VOCABULARY,), -9.0)
    logits[1], logits[7:] = 0.0, -1.0  # each time less likely than word 1, five of them more
    assert allowed(TIMED, (6, 0), logits) == {7, 8, 9, 10, 11}
    logits[1] = 1.0
    assert 1 in allowed(TIMED, (6, 0), logits)


def test_tokens_that_are_suppressed() -> None:
    everything = set(range(N_VOCABULARY))
    rules = Rules(
        end_of_text=END, no_timestamps=NO_TIMES, has_timestamps=False, suppressed=(2,), suppressed_first=(0, END)
    )
    assert allowed(rules, ()) == everything - {0, 2, END}
    assert allowed(rules, (1,)) == everything - {2}


@pytest.mark.parametrize(
    ("size", "text", "banned"),
    [
        (2, (0, 1, 0), {1}),
        (2, (0, 1, 0, 2, 0), {1, 2}),
        (3, (0, 1, 2, 0, 1), {2}),
        (3, (0, 1), set()),
        (1, (3,), {3}),
        (0, (0, 0, 0), set()),
    ],
)
def test_runs_of_tokens_do_not_repeat(size: int, text: Text, banned: set[int]) -> None:
    rules = Rules(end_of_text=END, no_timestamps=NO_TIMES, has_timestamps=False, no_repeat_ngram=size)
    assert allowed(rules, text) == set(range(N_VOCABULARY)) - banned


def test_rows_do_not_see_each_other() -> None:
    logits = torch.randn(3, N_VOCABULARY, generator=torch.Generator().manual_seed(1))
    texts = [(), (6, 0), (6, 0, 9)]
    together = TIMED.log_probs(logits, texts)
    for row, text in enumerate(texts):
        assert torch.equal(TIMED.log_probs(logits[row : row + 1], [text])[0], together[row])
    assert torch.equal(logits, torch.randn(3, N_VOCABULARY, generator=torch.Generator().manual_seed(1))), "unchanged"


def made_up(seed: int) -> Callable[[Text], Any]:
    """Logits that are a fixed function of the text."""

    def logits(text: Text) -> Any:
        draws = np.random.default_rng([seed, *text, len(text)]).standard_normal(N_VOCABULARY)
        return torch.from_numpy(2.0 * draws).float()

    return logits


def follow(search: Search, n_texts: int, logits: Callable[[Text], Any]) -> Found:
    """Give a search the logits of the texts it follows."""
    texts: list[Text] = [()] * n_texts
    for _ in range(100):
        step = search.advance(torch.stack([logits(text) for text in texts]))
        if step is None:
            assert search.found is not None
            return search.found
        texts = [(*texts[parent], token) for parent, token in zip(step.parents, step.tokens, strict=True)]
    raise AssertionError("it never ends")


def best_by_counting(rules: Rules, logits: Callable[[Text], Any], longest: int) -> tuple[Text, float]:
    """The text of the best mean log-probability among all there are."""

    @functools.cache
    def log_prob(text: Text, token: int) -> float:
        return float(rules.log_probs(logits(text)[None], [text])[0, token])

    found: list[tuple[float, Text]] = []
    tokens = [token for token in range(N_VOCABULARY) if token != END]
    for length in range(longest + 1):
        for text in itertools.product(tokens, repeat=length):
            total = sum(log_prob(text[:place], token) for place, token in enumerate(text))
            if length < longest:
                total += log_prob(text, END)
            if math.isfinite(total):
                found.append((total / max(1, length), text))
    score, text = max(found)
    return text, score


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_with_many_beams_the_best_of_all_texts_is_found(seed: int) -> None:
    rules = Rules(end_of_text=END, no_timestamps=NO_TIMES, has_timestamps=False, suppressed=tuple(range(5, 12)))
    found = follow(BeamSearch(rules, 100, 3), 100, made_up(seed))
    text, score = best_by_counting(rules, made_up(seed), 3)
    assert found.texts[0] == text
    assert found.scores[0] == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("longest", [1, 2, 7])
def test_a_text_ends_at_its_longest(longest: int) -> None:
    rules = Rules(end_of_text=END, no_timestamps=NO_TIMES, has_timestamps=False, suppressed=(END,))
    assert len(follow(BeamSearch(rules, 5, longest), 5, made_up(0)).texts[0]) == longest
    drawn = follow(Sampling(rules, 3, longest, temperature=1.0, seed=1), 3, made_up(0))
    assert {len(text) for text in drawn.texts} == {longest}


def test_more_beams_never_find_a_worse_text_here() -> None:
    few, many = (follow(BeamSearch(PLAIN, n, 6), n, made_up(3)).scores[0] for n in (1, 50))
    assert many >= few


def test_first_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -torch.inf, -torch.inf, *[-torch.inf] * 7])
    expected = torch.softmax(logits / 2.0, 0).numpy()
    counts = np.zeros(N_VOCABULARY)
    for seed in range(300):
        search = Sampling(PLAIN, 5, 1, temperature=2.0, seed=seed)
        search.advance(logits[None])
        assert search.found is not None
        for (token,) in search.found.texts:
            counts[token] += 1
    spread = np.sqrt(1500 * expected * (1 - expected))
    assert np.all(np.abs(counts - 1500 * expected) <= 4 * spread + 1e-9)


def test_draws_come_from_the_seed_and_each_text_has_its_own() -> None:
    def draw(n_texts: int, seed: int) -> Found:
        return follow(Sampling(PLAIN, n_texts, 8, temperature=1.0, seed=seed), n_texts, made_up(5))

    assert draw(4, 1) == draw(4, 1)
    assert draw(4, 1) != draw(4, 2)
    assert set(draw(2, 1).texts) <= set(draw(5, 1).texts), "others do not change what a text draws"
    assert list(draw(5, 1).scores) == sorted(draw(5, 1).scores, reverse=True)


def test_scores_are_mean_log_probabilities_whatever_the_temperature() -> None:
    logits = made_up(9)
    found = follow(Sampling(PLAIN, 3, 8, temperature=0.5, seed=4), 3, logits)
    for text, score in zip(found.texts, found.scores, strict=True):
        steps = [*text, END] if len(text) < 8 else list(text)
        total = sum(float(torch.log_softmax(logits(text[:place]), 0)[token]) for place, token in enumerate(steps))
        assert score == pytest.approx(total / max(1, len(text)), abs=1e-4)
