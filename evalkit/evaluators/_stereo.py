"""Width and mono compatibility of two channels."""

import numpy as np

from evalkit.signal.frames import Array, CellSums, NotMeasurable, group, to_db
from evalkit.signal.loudness import ABSOLUTE_GATE_LUFS, integrated_loudness

FRAME_MS = 400
ACTIVE_DBFS = -60.0
LIMIT_DB = 120.0


def frame_correlations(sums: CellSums) -> Array:
    """Pearson correlation of left and right in each active frame of 400 ms.

    Frames below -60 dBFS, or in which a channel is constant, have no correlation and are left out.

    Returns:
        In [-1, 1]; 1 = the same shape in both, -1 = opposite phase [frames].

    Raises:
        NotMeasurable: no frame has a correlation.
    """
    counts = group(sums.lengths, FRAME_MS, whole=True)
    squares = group(sums.squares, FRAME_MS, whole=True)
    totals = group(sums.totals, FRAME_MS, whole=True)
    variance = squares / counts - (totals / counts) ** 2
    covariance = group(sums.products, FRAME_MS, whole=True) / counts - totals[0] * totals[1] / counts**2
    active = to_db(squares.mean(axis=0) / counts) > ACTIVE_DBFS
    # A channel 120 dB below full scale is rounding noise, not a partner.
    active &= variance.min(axis=0) > 1e-12
    if not active.any():
        raise NotMeasurable("no frame has sound in both channels")
    found = covariance[active] / np.sqrt(variance[0] * variance[1])[active]
    return np.asarray(np.clip(found, -1.0, 1.0))


def side_mid_ratio(sums: CellSums) -> float:
    """Energy of the side signal (L - R) / 2 over that of the mid signal (L + R) / 2.

    Returns:
        dB in [-120, 120]; 0 = as in uncorrelated channels, very negative = nearly mono, positive = phase trouble.

    Raises:
        NotMeasurable: digital silence, or both channels are equal (mono).
    """
    both = float(sums.squares.sum())
    product = float(sums.products.sum())
    if both <= 0.0:
        raise NotMeasurable("digital silence")
    side, mid = both - 2.0 * product, both + 2.0 * product
    # The difference of sums is exact to about 1e-14 of them; below that the channels are equal.
    if side <= both * 1e-13:
        raise NotMeasurable("both channels are equal (mono)")
    if mid <= both * 1e-13:
        return LIMIT_DB
    return float(to_db(side / mid))


def mono_loss(squares: Array, products: Array) -> float:
    """Loudness lost when the channels are summed: loudness in stereo less loudness of the mono sum played on both.

    A mono sum below -70 LUFS counts as -70, so that cancellation gives a large finite value.

    Args:
        squares: K-weighted mean squares [2, blocks].
        products: K-weighted mean of left times right [blocks].

    Returns:
        LU, about 0 (equal channels) to 3 (uncorrelated); more than 3 means that parts cancel.

    Raises:
        NotMeasurable: see `integrated_loudness`.
    """
    stereo = squares.sum(axis=0)
    loudness = integrated_loudness(stereo)
    try:
        mono = integrated_loudness(np.maximum(0.0, (stereo + 2.0 * products) / 2.0))
    except NotMeasurable:
        mono = ABSOLUTE_GATE_LUFS
    return loudness - mono
