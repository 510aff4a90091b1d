"""Whisper's rules on tokens, and the two ways to choose them, against counting by hand."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
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


def test_times_that_are_due_share_all_there_is_and_keep_their_ratios() -> None:
    logits = torch.full((N_VOCABULARY,), -9.0)
    logits[7:] = torch.tensor([3.0, 2.0, 1.0, 0.0, -1.0])
    (found,) = TIMED.log_probs(logits[None], [(6, 0)])
    torch.testing.assert_close(found[7:], torch.log_softmax(logits[7:], 0))
    assert torch.all(found[:7] == -torch.inf)


@pytest.mark.parametrize("last", [0, 1, 5])
def test_the_first_time_is_not_later_than_allowed(last: int) -> None:
    rules = Rules(end_of_text=END, no_timestamps=NO_TIMES, max_initial_timestamp=last)
    assert allowed(rules, ()) == set(range(FIRST_TIME, FIRST_TIME + last + 1))


def test_without_timestamps_nothing_is_forbidden() -> None:
    for text in [(), (6,), (6, 0, 9), (9, 0, 6)]:
        assert allowed(PLAIN, text) == set(range(N_VOCABULARY))


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


def score_of(rules: Rules, logits: Callable[[Text], Any], text: Text, longest: int) -> float:
    """Mean log-probability of a text's tokens, and of its end unless it was cut."""
    steps = text if len(text) == longest else (*text, END)
    total = 0.0
    for place, token in enumerate(steps):
        total += float(rules.log_probs(logits(text[:place])[None], [text[:place]])[0, token])
    return total / max(1, len(text))


def all_texts(rules: Rules, logits: Callable[[Text], Any], longest: int, text: Text = ()) -> Iterator[Text]:
    """Every text that the rules let be written."""
    if len(text) == longest:
        yield text
        return
    (found,) = rules.log_probs(logits(text)[None], [text])
    for token in torch.nonzero(found > -torch.inf).flatten().tolist():
        if token == END:
            yield text
        else:
            yield from all_texts(rules, logits, longest, (*text, token))


WORDS = Rules(end_of_text=END, no_timestamps=NO_TIMES, has_timestamps=False, suppressed=tuple(range(5, 12)))
FEW_TIMES = Rules(end_of_text=END, no_timestamps=NO_TIMES, max_initial_timestamp=1, suppressed=(0, 1, 8, 9))


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([(WORDS, 3), (FEW_TIMES, 4)]))
def test_with_many_beams_the_best_of_all_texts_is_found(seed: int, case: tuple[Rules, int]) -> None:
    rules, longest = case
    logits = made_up(seed)
    found = follow(BeamSearch(rules, 100, longest), 100, logits)
    scores = {text: score_of(rules, logits, text, longest) for text in all_texts(rules, logits, longest)}
    best = max(scores, key=scores.__getitem__)
    assert found.texts[0] == best
    assert found.scores[0] == pytest.approx(scores[best], abs=1e-4)


@given(st.integers(0, 1000), st.integers(1, 5), st.integers(1, 6), st.sampled_from([PLAIN, TIMED]))
@settings(max_examples=40, deadline=None)
def test_the_score_is_that_of_the_text_however_few_the_beams(seed: int, n: int, longest: int, rules: Rules) -> None:
    found = follow(BeamSearch(rules, n, longest), n, made_up(seed))
    (text,), (score,) = found.texts, found.scores
    assert END not in text
    assert len(text) <= longest
    assert score == pytest.approx(score_of(rules, made_up(seed), text, longest), abs=1e-4)


def test_one_beam_takes_the_likeliest_token_each_time() -> None:
    text: Text = ()
    while len(text) < 6 and (token := int(made_up(2)(text).argmax())) != END:
        text = (*text, token)
    assert follow(BeamSearch(PLAIN, 1, 6), 1, made_up(2)).texts[0] == text


def test_a_text_may_be_empty() -> None:
    logits = torch.zeros(N_VOCABULARY)
    logits[END] = 30.0
    for search in (BeamSearch(PLAIN, 1, 5), Sampling(PLAIN, 2, 5, temperature=0.5, seed=0)):
        found = follow(search, 2, lambda text: logits)
        assert set(found.texts) == {()}
        assert found.scores == pytest.approx([0.0] * len(found.texts), abs=1e-5)


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


def drawn(n_texts: int, seed: int) -> Found:
    return follow(Sampling(PLAIN, n_texts, 8, temperature=1.0, seed=seed), n_texts, made_up(5))


def test_draws_come_from_the_seed_and_each_text_has_its_own() -> None:
    assert drawn(4, 1) == drawn(4, 1)
    assert drawn(4, 1) != drawn(4, 2)
    assert len(set(drawn(5, 1).texts)) > 1


@pytest.mark.parametrize("seed", range(4))
def test_what_a_text_draws_does_not_depend_on_how_many_others_there_are(seed: int) -> None:
    alone, some, all_of_them = (Counter(drawn(n, seed).texts) for n in (1, 2, 5))
    assert alone <= some <= all_of_them


@pytest.mark.parametrize("seed", range(4))
def test_the_likeliest_of_the_drawn_is_first(seed: int) -> None:
    scores = drawn(5, seed).scores
    assert list(scores) == sorted(scores, reverse=True)


@pytest.mark.parametrize("rules", [PLAIN, TIMED])
def test_scores_are_mean_log_probabilities_whatever_the_temperature(rules: Rules) -> None:
    logits = made_up(9)
    found = follow(Sampling(rules, 5, 8, temperature=0.5, seed=4), 5, logits)
    for text, score in zip(found.texts, found.scores, strict=True):
        assert score == pytest.approx(score_of(rules, logits, text, 8), abs=1e-4)
