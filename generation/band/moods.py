"""How an emotion bends a style: loudness of touch, density, register, drums."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """Deviation from the style.

    Attributes:
        touch: Factor on velocities.
        energy: Added to each section's energy, which decides density.
        shift: Semitones added to the register of chord and melody instruments.
        is_calm: Drums stay out unless asked for, chords are held.
        legato: Factor on the length of struck chords.
    """

    touch: float = 1.0
    energy: float = 0.0
    shift: int = 0
    is_calm: bool = False
    legato: float = 1.0


MOODS: dict[str, Mood] = {
    "happy": Mood(touch=1.06, energy=0.1, shift=3, legato=0.85),
    "playful": Mood(touch=1.0, energy=0.05, shift=5, legato=0.6),
    "energetic": Mood(touch=1.14, energy=0.25, shift=1, legato=0.9),
    "angry": Mood(touch=1.18, energy=0.3, shift=-4),
    "hopeful": Mood(touch=1.0, energy=0.05, shift=2),
    "romantic": Mood(touch=0.88, energy=-0.1, legato=1.3),
    "sad": Mood(touch=0.78, energy=-0.2, shift=-3, legato=1.4),
    "melancholic": Mood(touch=0.8, energy=-0.2, shift=-2, legato=1.4),
    "calm": Mood(touch=0.74, energy=-0.3, shift=-1, is_calm=True, legato=1.6),
}

ALIASES = {
    "joyful": "happy",
    "cheerful": "happy",
    "uplifting": "hopeful",
    "inspiring": "hopeful",
    "excited": "energetic",
    "powerful": "energetic",
    "intense": "angry",
    "aggressive": "angry",
    "dark": "sad",
    "lonely": "sad",
    "sorrowful": "sad",
    "nostalgic": "melancholic",
    "wistful": "melancholic",
    "tender": "romantic",
    "warm": "romantic",
    "love": "romantic",
    "peaceful": "calm",
    "relaxed": "calm",
    "relaxing": "calm",
    "gentle": "calm",
    "dreamy": "calm",
    "fun": "playful",
    "humorous": "playful",
    "quirky": "playful",
}

NEUTRAL = Mood()


def find(emotion: str) -> Mood:
    """The mood of the first known word of a tag; neutral if there is none."""
    for word in re.findall(r"[a-z]+", emotion.lower()):
        name = ALIASES.get(word, word)
        if name in MOODS:
            return MOODS[name]
    return NEUTRAL
