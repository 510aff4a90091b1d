"""From logits to the next code: guidance, repetition penalty, bans, and the draw.

The rules are the official ones. Two of them can be replaced: the penalty, which officially divides negative logits too
and so makes those codes likelier, and the source of chance, which officially is one generator for all streams.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from evalkit.errors import ConfigError
from generation.songgeneration2.lelm.pattern import CODE_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingParams:
    """How codes are chosen; all of it belongs into the record of a song.

    Attributes:
        cfg_coef: Classifier-free guidance: unconditional + cfg_coef · (conditional - unconditional).
        temperature: Divides the logits; 0 takes the best code everywhere.
        top_k: Mixed stream: draw among this many best codes. The other streams always take their best code.
        top_p: Above 0 it replaces top_k and draws all streams from the smallest set of codes with this probability.
        record_window: Frames of the same stream whose codes are penalised; 0 switches the penalty off.
        penalty: Divisor of penalised logits.
        penalty_rule: ``official`` divides whatever the sign; ``corrected`` multiplies negative logits instead.
        draws: ``uniform`` takes one number a code from the song's generator, the same on every device;
            ``official`` draws as the official program does on a CPU, to reproduce its songs from their seeds.
    """

    cfg_coef: float = 1.5
    temperature: float = 0.8
    top_k: int = 5000
    top_p: float = 0.0
    record_window: int = 50
    penalty: float = 1.1
    penalty_rule: Literal["official", "corrected"] = "official"
    draws: Literal["uniform", "official"] = "uniform"

    def __post_init__(self) -> None:
        for name, value, good, expected in (
            ("temperature", self.temperature, self.temperature >= 0, "0 or more"),
            ("top_k", self.top_k, self.top_k >= 1, "1 or more"),
            ("top_p", self.top_p, 0 <= self.top_p <= 1, "between 0 and 1"),
            ("record_window", self.record_window, self.record_window >= 0, "0 or more"),
            ("penalty", self.penalty, self.penalty > 0, "more than 0"),
        ):
            if not good:
                raise ConfigError(f"Sampling: {name} is {value}, expected {expected}.")

    @property
    def greedy(self) -> bool:
        """Whether no chance is involved."""
        return self.temperature == 0


def guide(conditional: Tensor, unconditional: Tensor, cfg_coef: float) -> Tensor:
    """Classifier-free guidance, elementwise."""
    return unconditional + cfg_coef * (conditional - unconditional)


def penalise(logits: Tensor, window: Tensor, params: SamplingParams) -> Tensor:
    """Penalise codes that occur in the window, each once however often it occurs.

    Args:
        logits: Logits [..., 16385].
        window: Latest ids of the same stream [..., frames]; the end code and the special id are exempt.
        params: Window, divisor and rule.

    Returns:
        New logits.
    """
    window = window[..., max(0, window.shape[-1] - params.record_window) :]
    if params.record_window == 0 or window.shape[-1] == 0:
        return logits
    # Exempt ids all point at the end code, which is written back unchanged.
    index = window.clamp(max=CODE_SIZE)
    before = logits.gather(-1, index)
    after = before / params.penalty
    if params.penalty_rule == "corrected":
        after = torch.where(before < 0, before * params.penalty, after)
    return logits.scatter(-1, index, torch.where(index < CODE_SIZE, after, before))


def keep_top_k(probabilities: Tensor, k: int) -> Tensor:
    """Keep what is at least as likely as the k-th (ties stay) and normalise again [..., vocabulary]."""
    size = probabilities.shape[-1]
    if k >= size:
        return probabilities
    threshold = probabilities.kthvalue(size - k + 1, dim=-1, keepdim=True).values
    kept = torch.where(probabilities < threshold, 0.0, probabilities)
    return kept / kept.sum(-1, keepdim=True)


def keep_top_p(probabilities: Tensor, p: float) -> Tensor:
    """Drop what lies behind more than p of probability, and normalise again [..., vocabulary]."""
    values, order = probabilities.sort(dim=-1, descending=True, stable=True)
    before = values.cumsum(-1) - values
    kept = torch.where(before > p, 0.0, values)
    kept = kept / kept.sum(-1, keepdim=True)
    return torch.zeros_like(probabilities).scatter(-1, order, kept)


def pick(weights: Tensor, uniforms: Tensor) -> Tensor:
    """Draw by inverting the cumulative distribution.

    Args:
        weights: Non-negative weights [..., vocabulary].
        uniforms: Numbers in [0, 1), float64 [...].

    Returns:
        Ids [...]; never one of weight zero.
    """
    cumulative = weights.cumsum(-1, dtype=torch.float64)
    target = uniforms.to(cumulative)[..., None] * cumulative[..., -1:]
    ids = torch.searchsorted(cumulative, target.contiguous(), right=True).squeeze(-1)
    return ids.clamp(max=weights.shape[-1] - 1)


Draw = Callable[[Tensor], Tensor]
"""Draws ids [...] from weights [..., vocabulary]."""


def choose_mixed(logits: Tensor, params: SamplingParams, draw: Draw) -> Tensor:
    """Choose the mixed stream's next codes.

    Args:
        logits: Guided, penalised logits with bans at minus infinity [songs, 16385].
        params: Sampling parameters.
        draw: Source of chance.

    Returns:
        Codes [songs].
    """
    if params.greedy:
        return logits.argmax(-1)
    probabilities = (logits / params.temperature).softmax(-1)
    if params.top_p > 0:
        return draw(keep_top_p(probabilities, params.top_p))
    return draw(keep_top_k(probabilities, params.top_k))


def choose_stems(logits: Tensor, params: SamplingParams, draw: Draw) -> Tensor:
    """Choose the next codes of vocals and accompaniment: the best, at random among exact equals.

    Args:
        logits: Guided, penalised logits [songs, 2, 16385].
        params: Sampling parameters.
        draw: Source of chance.

    Returns:
        Codes [songs, 2].
    """
    if params.top_p > 0 and not params.greedy:
        return draw(keep_top_p((logits / params.temperature).softmax(-1), params.top_p))
    if params.greedy:
        return logits.argmax(-1)
    best, codes = logits.max(-1, keepdim=True)
    equals = logits == best
    if logits.device.type == "cpu" and int(equals.sum()) == codes.numel():
        return codes.squeeze(-1)  # nothing to draw, as nearly always in float32
    return draw(equals.float())
