"""The lyric view: one alignment as sections and lines of tokens.

This is the only place that knows the form of the lyrics evaluator's details. A score takes part if its details hold an
``alignment``: a list of ``{"op", "ref", "hyp", "section", "line", "start", "end", "backing"}``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evalkit.types import Score
from reports import numbers

UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "km", "my"})
"""Languages whose tokens are characters and stand without spaces."""

INPUT_LABELS = {"mix": "Mix", "vocals": "Vocal stem"}

_OPS = {"hit": "h", "sub": "s", "del": "d", "ins": "i"}


def edit_counts(scores: Iterable[Score]) -> tuple[int, int, int, int] | None:
    """Hits, substitutions, deletions and insertions of the first score that was aligned; None if there is none."""
    for score in scores:
        if score.details.get("alignment"):
            keys = ("hits", "substitutions", "deletions", "insertions")
            found = tuple(score.details.get(key) for key in keys)
            if all(isinstance(n, int) for n in found):
                return found  # type: ignore[return-value]
    return None


def transcripts(scores: Iterable[Score], language: str) -> list[dict[str, Any]]:
    """Everything the page draws of the alignments of a song, ready for JSON, one entry for each input (mix, vocals).

    Each has ``label``, ``metric`` (its index is put in by the caller), ``spaced``, ``sections``, ``transcript``,
    ``decoding`` (what the recogniser had to repeat or drop) and ``flags``. A section has ``label``, ``counts`` in words
    and ``lines`` of tokens ``[op, reference, heard, start_s, end_s, backing]`` with op one of h(it), s(ubstituted),
    d(eleted), i(nserted).
    """
    found = []
    for score in scores:
        alignment = _alignment(score)
        if alignment is None:
            continue
        name = str(score.details.get("input", "mix"))
        spaced = str(score.details.get("language", language)).split("-")[0].lower() not in UNSPACED
        found.append(
            {
                "label": INPUT_LABELS.get(name, name),
                "metric": score.metric,
                "spaced": spaced,
                "sections": _sections(alignment, score.details.get("sections"), spaced),
                "transcript": str(score.details.get("transcript") or ""),
                "decoding": _decoding(score.details.get("decoding")),
                "flags": [str(flag).replace("_", " ") for flag in score.details.get("flags") or ()],
            }
        )
    return found


def _alignment(score: Score) -> Sequence[Mapping[str, Any]] | None:
    found = score.details.get("alignment")
    if isinstance(found, Sequence) and not isinstance(found, str) and all(isinstance(item, Mapping) for item in found):
        return found or None
    return None


def _sections(alignment: Sequence[Mapping[str, Any]], declared: Any, spaced: bool) -> list[dict[str, Any]]:
    labels = {}
    if isinstance(declared, Sequence):
        labels = {item.get("index"): str(item.get("label", "")) for item in declared if isinstance(item, Mapping)}
    sections: list[dict[str, Any]] = []
    section: Any = None
    line: Any = None
    for item in alignment:
        # An inserted word may stand in no line; it is shown where the singing had got to.
        here = section if item.get("section") is None and sections else item.get("section")
        row = line if item.get("line") is None and sections else item.get("line")
        if not sections or here != section:
            sections.append({"label": labels.get(here, ""), "lines": [[]]})
        elif row != line:
            sections[-1]["lines"].append([])
        section, line = here, row
        sections[-1]["lines"][-1].append(_token(item))
    for entry in sections:
        entry["counts"] = _counts([token[0] for row in entry["lines"] for token in row], spaced)
    return sections


def _token(item: Mapping[str, Any]) -> list[Any]:
    op = _OPS.get(str(item.get("op")), "h")
    reference = str(item.get("ref") or "")
    heard = str(item.get("hyp") or "")
    token: list[Any] = [op, reference, "" if op in "hd" else heard, _time(item, "start"), _time(item, "end")]
    return [*token, 1] if item.get("backing") else token


def _decoding(counts: Any) -> str:
    if not isinstance(counts, Mapping):
        return ""
    unusual = [(str(name), n) for name, n in counts.items() if name not in ("chunks", "segments")]
    return ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in unusual if isinstance(n, int) and n)


def _time(item: Mapping[str, Any], key: str) -> float | None:
    value = item.get(key)
    return round(float(value), 2) if isinstance(value, int | float) else None


def _counts(ops: Sequence[str], spaced: bool) -> str:
    n_reference = sum(op != "i" for op in ops)
    parts = [numbers.count(n_reference, "word" if spaced else "character")]
    names = (("s", "substituted"), ("d", "missing"), ("i", "added"))
    parts += [f"{ops.count(op)} {name}" for op, name in names if op in ops]
    if len(parts) == 1 and n_reference:
        parts.append("all heard")
    return " · ".join(parts)
