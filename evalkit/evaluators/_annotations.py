"""Structure that somebody else marked in a song: by ear, or by a structure model.

A file has one section a line, ``start end label`` in seconds, separated by blanks (the ``.lab`` files of MIREX).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evalkit.errors import AudioError
from evalkit.text.align import align, count

Mark = tuple[float, float, str]
"""Begin, end and label of a section."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How well sections found by their words agree with an annotation, 0 to 1.

    Attributes:
        boundary_hr_05: F-measure of the boundaries between sections, within 0.5 s.
        boundary_hr_3: The same within 3 s.
        label_f1: Pairwise F-measure of the labels, by frames of 0.1 s.
    """

    boundary_hr_05: float
    boundary_hr_3: float
    label_f1: float


def load(path: Path) -> list[Mark]:
    """Read an annotation.

    Raises:
        AudioError: a line is not ``start end label``, or sections overlap; the line is named.
    """
    marks: list[Mark] = []
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AudioError(f"The annotation {path.name} cannot be read ({error}).") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        parts = line.split(maxsplit=2)
        try:
            start_s, end_s, label = float(parts[0]), float(parts[1]), parts[2].strip()
        except (ValueError, IndexError):
            raise AudioError(f"{path.name}, line {number}: expected 'start end label', not {line!r}.") from None
        if not (0.0 <= start_s < end_s < float("inf")) or (marks and start_s < marks[-1][1] - 1e-6):
            raise AudioError(
                f"{path.name}, line {number}: a section must begin after the one before it and have a length."
            )
        marks.append((start_s, end_s, label))
    if not marks:
        raise AudioError(f"The annotation {path.name} has no sections.")
    return marks


def base_label(label: str) -> str:
    """The kind of a section: ``Verse 2`` and ``[verse]`` are ``verse``, ``inst-short`` is ``inst``.

    >>> base_label("Chorus_2"), base_label("[intro-short]")
    ('chorus', 'intro')
    """
    kind = "".join(char if char.isalpha() else " " for char in label.lower()).split()
    return kind[0] if kind else ""


def compare(found: Sequence[Mark], annotated: Sequence[Mark], duration_s: float) -> Agreement:
    """Measure the agreement; what neither side labels counts as a section without label.

    Source: mir_eval (Raffel et al. 2014), segment.detection and segment.pairwise.
    """
    from mir_eval import segment

    ours, our_labels = _whole(found, duration_s)
    theirs, their_labels = _whole(annotated, duration_s)
    half, three = (
        float(segment.detection(theirs, ours, window=window, trim=True)[2]) if min(len(theirs), len(ours)) > 1 else 0.0
        for window in (0.5, 3.0)
    )
    pairwise = float(segment.pairwise(theirs, their_labels, ours, our_labels)[2])
    return Agreement(boundary_hr_05=half, boundary_hr_3=three, label_f1=pairwise)


def label_errors(annotated: Sequence[Mark], wanted: Sequence[str]) -> tuple[int, int]:
    """Edits that turn the wanted labels into the annotated ones, and how many are wanted; silence is left out."""
    heard = [kind for _, _, label in annotated if (kind := base_label(label)) not in ("", "silence", "end", "start")]
    asked = [kind for label in wanted if (kind := base_label(label)) != "silence"]
    return count(align(asked, heard)).errors, len(asked)


def _whole(marks: Sequence[Mark], duration_s: float) -> tuple[np.ndarray, list[str]]:
    """Intervals that fill the song from 0 to its end, and their labels."""
    intervals, labels = [], []
    at = 0.0
    for start_s, end_s, label in marks:
        start_s, end_s = max(start_s, at), min(end_s, duration_s)
        if end_s - start_s <= 1e-3:
            continue
        if start_s - at > 1e-3:
            intervals.append([at, start_s])
            labels.append("")
        intervals.append([start_s if start_s - at > 1e-3 else at, end_s])
        labels.append(base_label(label))
        at = end_s
    if duration_s - at > 1e-3:
        intervals.append([at, duration_s])
        labels.append("")
    return np.array(intervals), labels
