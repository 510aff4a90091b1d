"""Tags to musical decisions: tempo, mode, chord progression and register.

Unknown tags change nothing and are listed.
"""

from dataclasses import dataclass

import numpy as np

from evalkit.types import Tags
from generation.singing.plan import Chord, Mode

MIN_BPM, MAX_BPM = 40.0, 240.0

_DEFAULT_GENRE = "pop"

# Usual tempo in quarter notes per minute. The first name found inside the tag counts, so the special come first.
_GENRE_BPM = {
    "hip hop": 88,
    "hip-hop": 88,
    "rap": 90,
    "trap": 84,
    "r&b": 84,
    "rnb": 84,
    "rockabilly": 160,
    "metal": 132,
    "punk": 160,
    "rock": 120,
    "folk": 96,
    "country": 104,
    "jazz": 112,
    "blues": 84,
    "soul": 88,
    "funk": 104,
    "disco": 116,
    "house": 122,
    "techno": 126,
    "edm": 124,
    "electro": 120,
    "dance": 122,
    "reggae": 80,
    "latin": 100,
    "bossa": 120,
    "classical": 88,
    "ballad": 76,
    "ambient": 72,
    "lullaby": 76,
    "chinese": 84,
    "indie": 104,
    "pop": 104,
}

_MINOR_MOODS = (
    "sad",
    "melanchol",
    "lonel",
    "heartbr",
    "dark",
    "myster",
    "tense",
    "angry",
    "anger",
    "nostalg",
    "intense",
    "gloom",
    "grief",
    "longing",
    "fear",
    "moody",
    "brooding",
    "somber",
    "sombre",
    "wistful",
    "bitter",
    "emotional",
)
_MAJOR_MOODS = (
    "happy",
    "joy",
    "uplift",
    "romantic",
    "energ",
    "warm",
    "peace",
    "hope",
    "calm",
    "bright",
    "cheer",
    "tender",
    "playful",
    "triumph",
    "relax",
    "love",
    "gentle",
    "dream",
    "excit",
    "inspir",
    "confident",
    "sweet",
    "fun",
)

# Scale degree in semitones above the tonic, and the triad's mode.
_Progression = tuple[tuple[int, Mode], ...]
_MAJOR_POOL: tuple[_Progression, ...] = (
    ((0, "major"), (7, "major"), (9, "minor"), (5, "major")),
    ((0, "major"), (9, "minor"), (5, "major"), (7, "major")),
    ((0, "major"), (5, "major"), (9, "minor"), (7, "major")),
)
_MINOR_POOL: tuple[_Progression, ...] = (
    ((0, "minor"), (8, "major"), (3, "major"), (10, "major")),
    ((0, "minor"), (5, "minor"), (8, "major"), (10, "major")),
    ((0, "minor"), (10, "major"), (8, "major"), (10, "major")),
)
_GENRE_POOL: dict[tuple[str, Mode], tuple[_Progression, ...]] = {
    ("rock", "major"): (((0, "major"), (5, "major"), (7, "major"), (5, "major")),),
    ("folk", "major"): (((0, "major"), (5, "major"), (0, "major"), (7, "major")),),
    ("country", "major"): (((0, "major"), (5, "major"), (0, "major"), (7, "major")),),
    ("jazz", "major"): (((2, "minor"), (7, "major"), (0, "major"), (9, "minor")),),
    ("jazz", "minor"): (((0, "minor"), (5, "minor"), (10, "major"), (3, "major")),),
    ("blues", "major"): (((0, "major"), (5, "major"), (0, "major"), (7, "major")),),
    ("chinese", "major"): (((0, "major"), (9, "minor"), (2, "minor"), (7, "major")),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Musical decisions for a song.

    Attributes:
        bpm: Quarter notes per minute.
        key: Pitch class of the tonic.
        mode: Of the key.
        progression: One chord a bar, repeated.
        is_male: Register and voice.
        genre: Lower-case tag as given, or ``"pop"``.
        emotion: Lower-case tag as given, or empty.
        ignored_tags: Tags that had no effect.
    """

    bpm: float
    key: int
    mode: Mode
    progression: tuple[Chord, ...]
    is_male: bool
    genre: str
    emotion: str
    ignored_tags: tuple[str, ...]


def choose_style(tags: Tags, rng: np.random.Generator) -> Style:
    """Decide what the tags leave open.

    Args:
        tags: Of the prompt.
        rng: Draws key, progression and, if no tempo is asked for, a tempo near the genre's usual one.

    Returns:
        The style; the same tags and generator state give the same one.
    """
    ignored: list[str] = []
    genre = (tags.genre or "").strip().lower()
    family = next((name for name in _GENRE_BPM if name in genre), "")
    if genre and not family:
        ignored.append(f"genre: {tags.genre}")
    emotion = (tags.emotion or "").strip().lower()
    mode = _mode(emotion)
    if emotion and mode is None:
        ignored.append(f"emotion: {tags.emotion}")
    gender = (tags.gender or "").strip().lower()
    if gender and gender not in ("female", "male", "woman", "man"):
        ignored.append(f"gender: {tags.gender}")
    ignored.extend(tags.other)

    jitter = int(rng.integers(-4, 5))
    bpm = float(_GENRE_BPM[family or _DEFAULT_GENRE] + jitter)
    if tags.bpm is not None and MIN_BPM <= tags.bpm <= MAX_BPM:
        bpm = float(tags.bpm)
    elif tags.bpm is not None:
        ignored.append(f"bpm: {tags.bpm:g}")

    mode = mode or ("minor" if "metal" in genre or "trap" in genre else "major")
    key = int(rng.integers(12))
    pool = _GENRE_POOL.get((family, mode)) or (_MAJOR_POOL if mode == "major" else _MINOR_POOL)
    degrees = pool[int(rng.integers(len(pool)))]
    return Style(
        bpm=bpm,
        key=key,
        mode=mode,
        progression=tuple(Chord(root=(key + degree) % 12, mode=chord_mode) for degree, chord_mode in degrees),
        is_male=gender in ("male", "man"),
        genre=genre or _DEFAULT_GENRE,
        emotion=emotion,
        ignored_tags=tuple(ignored),
    )


def _mode(emotion: str) -> Mode | None:
    # A tag may name several moods; the first one mentioned decides.
    found = [(emotion.index(word), "minor") for word in _MINOR_MOODS if word in emotion]
    found += [(emotion.index(word), "major") for word in _MAJOR_MOODS if word in emotion]
    if not found:
        return None
    return "minor" if min(found)[1] == "minor" else "major"
