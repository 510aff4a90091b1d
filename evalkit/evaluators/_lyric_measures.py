"""The refined numbers of one song, each from its `Diagnosis`; what each means is in `_lyric_metrics`."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalkit.evaluators._lyric_errors import Diagnosis, overlap_s
from evalkit.models.transcript import Stretch
from evalkit.types import Section

COLLAPSED = 0.40
"""A take whose phone error rate exceeds this did not sing the lyric."""

MIN_VOICE_S = 1.0
MIN_WINDOW_S = 1.0
MARGIN_S = 0.5
"""Word times and vocal activity are uncertain by about this much at the edge of an instrumental section."""

SING_RATE_RANGE = (0.5, 7.0)
LAST_LINES = 2
NO_VOICE = "There is no voice on its own (a vocal stem or a separator), so its activity is not known."


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One number of one song, or why there is none."""

    value: float | None
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def ratio(numerator: float, denominator: float, reason: str, **details: Any) -> Measured:
    """A rate with the counts it is pooled by."""
    if not denominator:
        return Measured(value=None, reason=reason)
    details = {"numerator": numerator, "denominator": denominator, **details}
    return Measured(value=numerator / denominator, details=details)


def nothing(reason: str) -> Measured:
    """No number."""
    return Measured(value=None, reason=reason)


def word_measures(diagnosis: Diagnosis) -> dict[str, Measured]:
    """Rates of the alignment that need no audio but the times of words."""
    counts, kinds = diagnosis.words.counts, diagnosis.kinds
    n_ref = counts.n_ref
    no_words = "The lyric has no words."

    def per_word(numerator: float) -> Measured:
        return ratio(numerator, n_ref, no_words)

    n_near, n_adlib = sum(diagnosis.near), kinds.count("adlib")
    n_backing = diagnosis.backing_deleted()
    lead_errors = counts.errors - n_backing - n_adlib
    lost = counts.information_lost
    order = diagnosis.order_error()
    return {
        "sub_rate": per_word(counts.substitutions),
        "del_rate": per_word(counts.deletions),
        "ins_rate": per_word(counts.insertions),
        "mer": ratio(counts.errors, counts.hits + counts.errors, no_words),
        "wil": nothing(no_words) if lost is None else Measured(value=lost),
        "near_miss_rate": per_word(n_near),
        "wer_lenient": per_word(counts.errors - n_near),
        "wer_lead": ratio(lead_errors, n_ref - n_backing, "All words of the lyric are backing vocals."),
        "adlib_ins_rate": per_word(n_adlib),
        "del_nonlexical": per_word(diagnosis.syllables_deleted()),
        "line_omission_rate": ratio(
            len(diagnosis.omitted_lines),
            len(diagnosis.lines),
            no_words,
            lines=[list(line) for line in diagnosis.omitted_lines],
        ),
        "section_omission_rate": ratio(
            len(diagnosis.omitted_sections),
            len(diagnosis.words.by_section),
            no_words,
            sections=list(diagnosis.omitted_sections),
        ),
        "repeat_ins_rate": per_word(kinds.count("repeat")),
        "order_error": (
            nothing("Fewer than two sections were heard.")
            if order is None
            else Measured(value=order, details={"section_times_s": _rounded(diagnosis.section_times)})
        ),
    }


def voice_measures(diagnosis: Diagnosis) -> dict[str, Measured]:
    """Rates that also need to know where somebody sings."""
    names = ("halluc_asr_rate", "extra_vocal_rate", "sing_rate")
    if diagnosis.voice is None:
        return dict.fromkeys(names, nothing(NO_VOICE))
    counts, kinds = diagnosis.words.counts, diagnosis.kinds
    active_s = sum(stop - start for start, stop in diagnosis.voice)
    return {
        "halluc_asr_rate": ratio(kinds.count("halluc"), counts.n_hyp, "Nothing was heard."),
        "extra_vocal_rate": ratio(kinds.count("extra") + kinds.count("moved"), counts.n_ref, "The lyric has no words."),
        "sing_rate": sing_rate(counts.hits, active_s),
    }


def sing_rate(n_hits: int, active_s: float) -> Measured:
    """Words of the lyric that were heard, per second of voice."""
    if active_s < MIN_VOICE_S:
        return nothing(f"The voice sounds for {active_s:.1f} s; at least {MIN_VOICE_S:g} s are needed.")
    low, high = SING_RATE_RANGE
    value = n_hits / active_s
    flags = ["too_slow"] if value < low else ["too_fast"] if value > high else []
    return Measured(value=value, details={"hits": n_hits, "active_s": round(active_s, 2), "flags": flags})


def time_measures(diagnosis: Diagnosis, duration_s: float) -> dict[str, Measured]:
    """When the lyric begins and ends."""
    words = diagnosis.words
    heard = [words.hypothesis[pair.hyp] for pair in words.pairs if pair.op == "hit" and pair.hyp is not None]
    starts = [token.start_s for token in heard if token.start_s is not None]
    ends = [token.end_s for token in heard if token.end_s is not None]
    if not starts or not ends:
        return dict.fromkeys(("late_start", "early_end"), nothing("No word of the lyric was heard."))
    truncated = is_truncated(diagnosis)
    return {
        "late_start": Measured(value=min(starts)),
        "early_end": Measured(
            value=max(0.0, duration_s - max(ends)), details={"flags": ["lyrics_truncated"] if truncated else []}
        ),
    }


def is_truncated(diagnosis: Diagnosis) -> bool:
    """Whether the last two lines are omitted."""
    last = list(diagnosis.lines)[-LAST_LINES:]
    return bool(last) and set(last) <= set(diagnosis.omitted_lines)


def leak(
    sections: Sequence[Section], diagnosis: Diagnosis | None, voice: Sequence[Stretch] | None, duration_s: float
) -> Measured:
    """Share of the instrumental time in which somebody sings.

    Instrumental time is the whole song if the prompt has no words; else what lies between the words of the sung
    sections before and after an instrumental section.
    """
    if voice is None:
        return nothing(NO_VOICE)
    if diagnosis is None or not diagnosis.words.reference:
        windows: list[Stretch] = [(0.0, duration_s)]
    else:
        windows = instrumental_windows(sections, diagnosis, duration_s)
        if not windows:
            return nothing("No instrumental section could be placed between sung words.")
    spoken = overlap_s(windows, voice)
    seconds = sum(stop - start for start, stop in windows)
    rounded = [[round(start, 2), round(stop, 2)] for start, stop in windows]
    return ratio(round(spoken, 3), round(seconds, 3), "The song has no length.", windows_s=rounded)


def instrumental_windows(sections: Sequence[Section], diagnosis: Diagnosis, duration_s: float) -> list[Stretch]:
    """Where the instrumental sections are: between the words around them, less a margin for words not heard there."""
    spans = _section_spans(diagnosis)
    windows: list[Stretch] = []
    for before, after in _instrumental_runs(sections):
        if (before is not None and before not in spans) or (after is not None and after not in spans):
            continue  # the words beside it were not heard, so nobody knows where it is
        start = 0.0 if before is None else spans[before][1]
        stop = duration_s if after is None else spans[after][0]
        if stop - start >= MIN_WINDOW_S:
            windows.append((start, stop))
    return windows


def _instrumental_runs(sections: Sequence[Section]) -> Iterable[tuple[int | None, int | None]]:
    """The sung sections before and after each unbroken run of instrumental ones."""
    before: int | None = None
    pending = False
    for index, section in enumerate(sections):
        if not section.is_sung:
            pending = True
            continue
        if pending:
            yield before, index
        before, pending = index, False
    if pending and before is not None:
        yield before, None


def _section_spans(diagnosis: Diagnosis) -> dict[int, Stretch]:
    """Begin and end of the words of each section, widened by a margin for words at its edges that were not heard."""
    words = diagnosis.words
    timed: dict[int, list[tuple[float, float]]] = {}
    edges: dict[int, list[bool]] = {}
    for pair in words.pairs:
        if pair.ref is None:
            continue
        section = words.reference[pair.ref].section
        token = words.hypothesis[pair.hyp] if pair.hyp is not None else None
        edges.setdefault(section, []).append(token is not None)
        if token is not None and token.start_s is not None and token.end_s is not None:
            timed.setdefault(section, []).append((token.start_s, token.end_s))
    lengths = [stop - start for spans in timed.values() for start, stop in spans]
    word_s = statistics.median(lengths) if lengths else 0.0
    found = {}
    for section, spans in timed.items():
        aligned = edges[section]
        first, last = aligned.index(True), aligned[::-1].index(True)
        start = min(start for start, _ in spans) - MARGIN_S - first * word_s
        stop = max(stop for _, stop in spans) + MARGIN_S + last * word_s
        found[section] = (max(0.0, start), stop)
    return found


def collapse(rate: float | None, why: str) -> Measured:
    """1 if the phone error rate says that the lyric was not sung, else 0."""
    return nothing(why) if rate is None else Measured(value=float(rate > COLLAPSED))


def section_details(clip_sections: Sequence[Section], by_section: Mapping[int, Any]) -> list[dict[str, Any]]:
    """Counts and rate of each sung section."""
    return [
        {
            "index": index,
            "label": clip_sections[index].label,
            "hits": part.hits,
            "substitutions": part.substitutions,
            "deletions": part.deletions,
            "insertions": part.insertions,
            "rate": part.rate,
        }
        for index, part in by_section.items()
    ]


def _rounded(times: Mapping[int, float]) -> dict[str, float]:
    return {str(section): round(time, 2) for section, time in times.items()}
