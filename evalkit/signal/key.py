"""The key of a song: which of 24 rotated profiles its pitch classes resemble most.

Source: Krumhansl, "Cognitive foundations of musical pitch", 1990 (profiles from listeners' ratings); the weighting of
near misses is MIREX's, as in mir_eval.key.
"""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evalkit.signal.frames import NotMeasurable
from evalkit.signal.harmony import chroma
from evalkit.signal.spectra import Array, power_spectra
from evalkit.types import FloatArray

NAME = "chroma-krumhansl1"
"""Name of the rule, for signatures."""

SAMPLE_RATE = 16_000
N_FFT = 8192
HOP_LENGTH = 2048

Mode = Literal["major", "minor"]
MODES: tuple[Mode, Mode] = ("major", "minor")
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_LETTERS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "sharp": 1, "b": -1, "♭": -1, "flat": -1}
_WRITTEN = re.compile(
    r"(?:\b|(?<=key of ))(?P<letter>[A-G]|(?<=key of )[a-g]|^[a-g](?=[^ ]* ?[^ ]* ?(?:major|minor|maj|min)$))"
    r"(?:[ -]?(?P<accidental>#|♯|♭|b(?![a-z])|sharp|flat))?[ -]?(?P<mode>major|minor|maj|min)\b"
)
_PROFILES: dict[Mode, tuple[float, ...]] = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A tonic, as its pitch class from C, and a mode."""

    tonic: int
    mode: Mode

    def __str__(self) -> str:
        return f"{NAMES[self.tonic]} {self.mode}"


def written(text: str) -> Key | None:
    """The key named in a text, if there is one.

    >>> str(written("slow, in B flat minor, with piano"))
    'A# minor'
    >>> str(written("c# major"))
    'C# major'
    >>> written("in a minor role") is None
    True
    """
    found = _WRITTEN.search(text)
    if found is None:
        return None
    tonic = _LETTERS[found["letter"].lower()] + _ACCIDENTALS[found["accidental"] or ""]
    return Key(tonic=tonic % 12, mode="major" if found["mode"].startswith("maj") else "minor")


def find_key(samples: FloatArray) -> tuple[Key, float]:
    """The key of a song, and how much better it fits than the next (difference of correlations, 0 to 2).

    Args:
        samples: One channel at 16 kHz [time].

    Raises:
        NotMeasurable: silence, or no pitch class stands out.
    """
    classes = chroma(power_spectra(samples, N_FFT, HOP_LENGTH), N_FFT, SAMPLE_RATE)
    totals = classes.sum(axis=0)
    if totals.max(initial=0.0) <= 0.0 or np.ptp(totals) < 1e-9 * totals.max():
        raise NotMeasurable("no pitch class stands out: there is no key")
    fits = correlations(totals)
    order = np.argsort(-fits, axis=None, kind="stable")
    mode, tonic = divmod(int(order[0]), 12)
    return Key(tonic=tonic, mode=MODES[mode]), float(fits.flat[order[0]] - fits.flat[order[1]])


def correlations(totals: Array) -> Array:
    """Correlation of pitch classes [12] with the profile of each key [2 modes, 12 tonics]."""
    return np.array(
        [[np.corrcoef(totals, np.roll(_PROFILES[mode], tonic))[0, 1] for tonic in range(12)] for mode in MODES]
    )


def closeness(estimate: Key, reference: Key) -> float:
    """1 for the same key, .5 for a fifth above, .3 for the relative and .2 for the parallel key, else 0.

    >>> closeness(Key(tonic=7, mode="major"), Key(tonic=0, mode="major"))
    0.5
    >>> closeness(Key(tonic=9, mode="minor"), Key(tonic=0, mode="major"))
    0.3
    """
    steps = (estimate.tonic - reference.tonic) % 12
    if estimate.mode == reference.mode:
        return {0: 1.0, 7: 0.5}.get(steps, 0.0)
    if steps == 0:
        return 0.2
    return 0.3 if steps == (9 if reference.mode == "major" else 3) else 0.0
