"""How Whisper's next tokens are chosen: its rules on logits, beam search, and sampling from a seed.

Searches are small state machines. They are given log-probabilities and say which tokens to read next; what computes
the logits, and for how many searches at once, is none of their business.

Source: Radford et al. 2023, section 4.5; the order of candidates and the end of the search are those of CTranslate2, so
that both engines write the same text.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What may not be written.

    Attributes:
        end_of_text: Token that ends a text.
        no_timestamps: Token that turns timestamps off; those of times follow it.
        suppressed: Tokens that are never written.
        suppressed_first: Those that may not begin a text.
        has_timestamps: Whether the rules on timestamps hold.
        max_initial_timestamp: Last timestamp, in steps of 20 ms, that may begin a text.
        no_repeat_ngram: So many tokens may not occur twice in the same order; 0 for no such rule.
    """

    end_of_text: int
    no_timestamps: int
    suppressed: tuple[int, ...] = ()
    suppressed_first: tuple[int, ...] = ()
    has_timestamps: bool = True
    max_initial_timestamp: int = 50
    no_repeat_ngram: int = 0

    def log_probs(self, logits: Tensor, texts: Sequence[Sequence[int]]) -> Tensor:
        """Natural log-probabilities of what may follow, -inf for what may not.

        Args:
            logits: Float32 [texts, vocabulary].
            texts: Tokens written so far, without the prompt.
        """
        logits = logits.clone()
        logits[:, list(self.suppressed)] = -torch.inf
        for row, text in enumerate(texts):
            if not text:
                logits[row, list(self.suppressed_first)] = -torch.inf
            logits[row, _repeating(text, self.no_repeat_ngram)] = -torch.inf
        if not self.has_timestamps:
            return torch.log_softmax(logits, dim=-1)
        for row, text in enumerate(texts):
            self._restrict_times(logits[row], text)
        found = torch.log_softmax(logits, dim=-1)
        # A timestamp is due where all of them together are more probable than any word.
        first_time = self.no_timestamps + 1
        times = torch.logsumexp(found[:, first_time:], dim=-1)
        for row in torch.nonzero(times > found[:, :first_time].amax(dim=-1)).flatten().tolist():
            found[row, :first_time] = -torch.inf
            found[row, first_time:] -= times[row]
        return found

    def _restrict_times(self, logits: Tensor, text: Sequence[int]) -> None:
        first_time = self.no_timestamps + 1
        logits[self.no_timestamps] = -torch.inf
        if not text:
            logits[:first_time] = -torch.inf
            logits[first_time + self.max_initial_timestamp + 1 :] = -torch.inf
            return
        was_time = text[-1] >= first_time
        if was_time and (len(text) < 2 or text[-2] >= first_time):
            logits[first_time:] = -torch.inf  # an end and a begin: now a word
        elif was_time:
            logits[: self.end_of_text] = -torch.inf  # an end: now a begin, or nothing more
        times = [token for token in text if token >= first_time]
        if times:
            opens = was_time and len(text) > 1 and text[-2] < first_time
            # Time runs forward, and a segment has a length.
            logits[first_time : times[-1] + (0 if opens else 1)] = -torch.inf


def _repeating(text: Sequence[int], size: int) -> list[int]:
    """Tokens that would end a run of ``size`` tokens that occurred before."""
    if not size or len(text) < size:
        return []
    last = list(text[len(text) - size + 1 :])
    return [text[i + size - 1] for i in range(len(text) - size + 1) if list(text[i : i + size - 1]) == last]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Texts, the best first.

    Attributes:
        texts: Tokens without the one that ends a text.
        scores: Mean log-probability of a token of each.
    """

    texts: tuple[tuple[int, ...], ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Next:
    """What to read next.

    Attributes:
        parents: Which text each one goes on from.
        tokens: The last token of each.
    """

    parents: tuple[int, ...]
    tokens: tuple[int, ...]


class Search(Protocol):
    """Chooses tokens step by step."""

    found: Found | None

    def advance(self, logits: Tensor) -> Next | None:
        """Take the logits of what follows each text, float32 [texts, vocabulary]; None when `found` is there.

        The first time only row 0 is looked at: all texts are still empty.
        """
        ...


@dataclass(slots=True)
class _Texts:
    """Finished texts."""

    n_wanted: int
    texts: list[tuple[tuple[int, ...], float]] = field(default_factory=list)

    def add(self, tokens: Sequence[int], log_prob: float) -> None:
        self.texts.append((tuple(tokens), log_prob / max(1, len(tokens))))

    def best(self) -> Found:
        order = sorted(self.texts, key=lambda text: -text[1])[: self.n_wanted]
        return Found(texts=tuple(tokens for tokens, _ in order), scores=tuple(score for _, score in order))


class BeamSearch:
    """The most probable text, by looking at several at a time.

    Args:
        rules: What may be written.
        n_beams: Texts looked at.
        max_tokens: Longest text.
    """

    def __init__(self, rules: Rules, n_beams: int, max_tokens: int) -> None:
        self.found: Found | None = None
        self._rules, self._n_beams, self._max_tokens = rules, n_beams, max_tokens
        self._texts: list[list[int]] = [[] for _ in range(n_beams)]
        self._scores: Tensor | None = None
        self._finished = _Texts(1)

    def advance(self, logits: Tensor) -> Next | None:
        """See `Search`."""
        if self._scores is None:
            sums = self._rules.log_probs(logits[:1], self._texts[:1])
        else:
            sums = self._rules.log_probs(logits, self._texts) + self._scores[:, None]
        n_vocabulary = logits.shape[-1]
        # Twice as many candidates as beams: each beam may propose an end besides a word.
        best, places = torch.topk(sums.flatten(), min(2 * self._n_beams, sums.numel()))
        candidates = [
            (*divmod(place, n_vocabulary), score) for place, score in zip(places.tolist(), best.tolist(), strict=True)
        ]
        is_last = len(self._texts[0]) + 1 >= self._max_tokens
        spare = iter([other for other in candidates[self._n_beams :] if other[1] != self._rules.end_of_text])
        chosen = []
        for candidate in candidates[: self._n_beams]:
            parent, token, score = candidate
            ends = token == self._rules.end_of_text
            if ends or is_last:
                if score > -math.inf:
                    self._finished.add(self._texts[parent] + ([] if ends else [token]), score)
                candidate = next(spare, (parent, token, -math.inf))
            chosen.append(candidate)
        if is_last or len(self._finished.texts) >= self._n_beams:
            self.found = self._finished.best()
            return None
        self._texts = [[*self._texts[parent], token] for parent, token, _ in chosen]
        self._scores = sums.new_tensor([score for _, _, score in chosen])
        return Next(tuple(parent for parent, _, _ in chosen), tuple(token for _, token, _ in chosen))


class Sampling:
    """Texts drawn at a temperature; the most probable first.

    Every text has its own random numbers, so that it does not matter which of them end early.

    Args:
        rules: What may be written.
        n_texts: Texts drawn.
        max_tokens: Longest text.
        temperature: Above 0.
        seed: Of the draws.
    """

    def __init__(self, rules: Rules, n_texts: int, max_tokens: int, *, temperature: float, seed: int) -> None:
        self.found: Found | None = None
        self._rules, self._max_tokens, self._temperature = rules, max_tokens, temperature
        self._texts: list[list[int]] = [[] for _ in range(n_texts)]
        self._sums = [0.0] * n_texts
        self._ended = [False] * n_texts
        self._draws = [np.random.Generator(np.random.PCG64([seed, number])) for number in range(n_texts)]

    def advance(self, logits: Tensor) -> Next | None:
        """See `Search`."""
        if not any(self._texts):
            logits = logits[:1].expand(len(self._texts), -1)
        log_probs = self._rules.log_probs(logits, self._texts).double().cpu().numpy()
        tokens = []
        for number, text in enumerate(self._texts):
            token = self._draw(log_probs[number], self._draws[number])
            if not self._ended[number]:
                self._sums[number] += float(log_probs[number, token])
                self._ended[number] = token == self._rules.end_of_text
                text += [] if self._ended[number] else [token]
                self._ended[number] |= len(text) >= self._max_tokens
            tokens.append(token)
        if all(self._ended):
            finished = _Texts(len(self._texts))
            for text, log_prob in zip(self._texts, self._sums, strict=True):
                finished.add(text, log_prob)
            self.found = finished.best()
            return None
        return Next(tuple(range(len(self._texts))), tuple(tokens))

    def _draw(self, log_probs: np.ndarray, draws: np.random.Generator) -> int:
        weights = np.exp((log_probs - log_probs.max()) / self._temperature)
        up_to = np.cumsum(weights)
        place = int(np.searchsorted(up_to, draws.random() * up_to[-1], side="right"))
        return min(place, int(np.flatnonzero(weights)[-1]))
