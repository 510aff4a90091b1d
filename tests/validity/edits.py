"""Damage done to songs on purpose, by a known amount."""

from collections.abc import Sequence

import numpy as np
from validity.songs import SungSong, make_clip

from evalkit.types import Clip

FADE_S = 0.01


def unchanged(song: SungSong) -> Clip:
    return _clip(song, song.vocals.samples, song.accompaniment.samples)


def without_lines(song: SungSong, indices: Sequence[int]) -> Clip:
    """The voice is silent in some lines; the band plays on."""
    time = np.arange(song.vocals.samples.shape[1]) / song.rate
    mask = np.ones(len(time))
    for index in indices:
        start_s, end_s = song.lines[index]
        inside = np.minimum(time - (start_s - 0.1), (end_s + 0.1) - time)
        mask = np.minimum(mask, 1.0 - np.clip(inside / FADE_S, 0.0, 1.0))
    return _clip(song, song.vocals.samples * mask.astype(np.float32), song.accompaniment.samples)


def reordered(song: SungSong, order: Sequence[int]) -> Clip:
    """The sung sections in another order, or some of them several times."""
    sections = song.sections()
    pieces = [(0.0, sections[0][0]), *(sections[index] for index in order), (sections[-1][1], float("inf"))]
    return _clip(song, *(_joined(stem.samples, pieces, song.rate) for stem in (song.vocals, song.accompaniment)))


def replaced(song: SungSong, section: int, by: int, share: float) -> Clip:
    """The first part of one section's place is taken by the begin of another, again and again."""
    start_s, end_s = song.sections()[section]
    other_start_s, other_end_s = song.sections()[by]
    stop_s = start_s + share * (end_s - start_s)
    pieces, at = [(0.0, start_s)], start_s
    while at < stop_s - 1e-6:
        length_s = min(stop_s - at, other_end_s - other_start_s)
        pieces.append((other_start_s, other_start_s + length_s))
        at += length_s
    pieces.append((stop_s, float("inf")))
    return _clip(song, *(_joined(stem.samples, pieces, song.rate) for stem in (song.vocals, song.accompaniment)))


def stuck(song: SungSong, loop_s: float, seconds: float) -> Clip:
    """From the middle on, one stretch is repeated for so many seconds; then the song goes on."""
    middle = song.vocals.samples.shape[1] / song.rate / 2
    # Pieces that follow each other must join without a fade, as a decoder's do.
    pieces = [(0.0, middle + loop_s)]
    left = seconds
    while left > 1e-6:
        pieces.append((middle, middle + min(loop_s, left)))
        left -= loop_s
    pieces.append((middle + loop_s, float("inf")))
    stems = (song.vocals, song.accompaniment)
    return _clip(song, *(_joined(stem.samples, pieces, song.rate, fade_s=0.0) for stem in stems))


def ended(song: SungSong, end_s: float, fade_s: float = 0.0) -> Clip:
    """The song stops at a moment, at once or faded out before it."""
    stop = round(end_s * song.rate)
    gain = np.ones(stop, dtype=np.float32)
    if fade_s:
        n = round(fade_s * song.rate)
        gain[-n:] = 10.0 ** (np.linspace(0.0, -60.0, n) / 20.0)
    return _clip(song, *(stem.samples[:, :stop] * gain for stem in (song.vocals, song.accompaniment)))


def delayed(song: SungSong, seconds: float) -> Clip:
    """The band plays its first bars over and over before the song begins."""
    length_s = max(1.0, song.lines[0][0] - 0.3)
    pieces, left = [], seconds
    while left > 1e-6:
        pieces.append((0.0, min(length_s, left)))
        left -= length_s
    pieces.append((0.0, float("inf")))
    band = _joined(song.accompaniment.samples, pieces, song.rate)
    voice = np.zeros_like(band)
    voice[:, band.shape[1] - song.vocals.samples.shape[1] :] = song.vocals.samples
    return _clip(song, voice, band)


def _joined(
    samples: np.ndarray, pieces: Sequence[tuple[float, float]], rate: int, fade_s: float = FADE_S
) -> np.ndarray:
    """Stretches of a recording one after the other, crossfaded where they do not follow each other."""
    n_fade = round(fade_s * rate)
    out: np.ndarray | None = None
    last_stop = 0
    for start_s, end_s in pieces:
        start, stop = round(start_s * rate), min(samples.shape[1], round(min(end_s, 1e6) * rate))
        piece = samples[:, start:stop].astype(np.float32)
        if out is None:
            out = piece
        elif start == last_stop or not n_fade or min(out.shape[1], piece.shape[1]) <= n_fade:
            out = np.concatenate([out, piece], axis=1)
        else:
            ramp = np.linspace(0.0, 1.0, n_fade, dtype=np.float32)
            head = out[:, -n_fade:] * (1.0 - ramp) + piece[:, :n_fade] * ramp
            out = np.concatenate([out[:, :-n_fade], head, piece[:, n_fade:]], axis=1)
        last_stop = stop
    assert out is not None
    return out


def _clip(song: SungSong, vocals: np.ndarray, accompaniment: np.ndarray) -> Clip:
    return make_clip(song.prompt, vocals, accompaniment, song.rate)
