"""The door of this room: a song plan in, the accompaniment out."""

from pathlib import Path

import numpy as np

from evalkit.types import Audio
from generation.band import effects, player
from generation.band.arrange import arrange
from generation.band.soundfont import load
from generation.singing.plan import SongPlan

TAIL_S = 1.5
FADE_S = 0.8


def render(plan: SongPlan, *, seed: int, soundfont: Path) -> Audio:
    """Arrange and play the accompaniment of a song.

    Args:
        plan: Tempo, key, style and chords.
        seed: Of everything that is chosen; the same seed gives the same samples.
        soundfont: A SoundFont 2 file with the General MIDI programs.

    Returns:
        48 kHz stereo, ``plan.duration_s`` plus a tail of 1.5 s, peak below 0.9.

    Raises:
        ModelError: the soundfont is missing or damaged.
    """
    font = load(soundfont)
    n_samples = round((plan.duration_s + TAIL_S) * player.SAMPLE_RATE)
    mix = player.play(font, arrange(plan, seed=seed), n_samples=n_samples)
    mix = effects.master(mix, player.SAMPLE_RATE)
    n_fade = round(FADE_S * player.SAMPLE_RATE)
    mix[:, -n_fade:] *= (0.5 + 0.5 * np.cos(np.linspace(0, np.pi, n_fade))).astype(np.float32)
    return Audio(samples=np.ascontiguousarray(mix), sample_rate=player.SAMPLE_RATE)
