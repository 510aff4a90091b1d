"""The words suites may use: languages, tag values, reference genres. Unknown tag values are allowed, with a warning."""

import re

from evalkit.types import Tags

BPM_RANGE = (40.0, 240.0)
DURATION_RANGE_S = (5.0, 360.0)

GENDERS = ("female", "male")
GENRES = (
    "pop", "rock", "folk", "jazz", "electronic", "ballad", "r&b", "country", "latin", "funk",
    "blues", "classical", "hip-hop", "hip hop", "rap", "metal", "reggae", "soul", "disco", "dance", "house", "techno",
    "indie", "punk", "gospel", "world", "ambient", "soundtrack", "bossa nova", "swing", "opera", "edm", "trap", "lo-fi",
    "chinese style", "k-pop", "j-pop", "synth-pop", "synthpop", "new age",
)  # fmt: skip
EMOTIONS = (
    "happy", "sad", "romantic", "calm", "energetic", "hopeful", "melancholic", "playful",
    "angry", "angst", "anger", "dreamy", "emotional", "inspirational", "intense", "joyful", "lonely", "loving",
    "nostalgic", "passionate", "peaceful", "relaxed", "sentimental", "tender", "uplifting", "epic", "fear",
)  # fmt: skip
INSTRUMENTS = (
    "piano", "acoustic guitar", "electric guitar", "strings", "synthesizer", "drums", "bass", "organ", "saxophone",
    "flute", "trumpet", "accordion",
    "guitar", "synthesiser", "violin", "viola", "cello", "double bass", "bass guitar", "harp", "harmonica", "clarinet",
    "trombone", "brass", "percussion", "drum machine", "electric piano", "keyboard", "banjo", "mandolin", "ukulele",
    "guzheng", "erhu", "pipa", "dizi", "sitar", "choir", "marimba", "vibraphone", "bells", "orchestra",
)  # fmt: skip

AUTO_PROMPT_TYPES = (
    "Pop", "Latin", "Rock", "Electronic", "Metal", "Country", "R&B/Soul", "Ballad", "Jazz", "World", "Hip-Hop", "Funk",
    "Soundtrack", "Auto",
)  # fmt: skip
"""SongGeneration's built-in reference genres."""

TAG_VALUES = {"gender": GENDERS, "genre": GENRES, "emotion": EMOTIONS, "instruments": INSTRUMENTS}

CORE_LANGUAGES = ("en", "zh", "es", "ja", "fr", "de", "pt", "it", "ko", "ru")
"""Those of the suite ``multilingual``."""

LANGUAGES = {
    "en": "english", "zh": "chinese", "es": "spanish", "ja": "japanese", "fr": "french", "de": "german",
    "pt": "portuguese", "it": "italian", "ko": "korean", "ru": "russian",
    "af": "afrikaans", "ar": "arabic", "az": "azerbaijani", "be": "belarusian", "bg": "bulgarian", "bn": "bengali",
    "bs": "bosnian", "ca": "catalan", "cs": "czech", "cy": "welsh", "da": "danish", "el": "greek", "et": "estonian",
    "eu": "basque", "fa": "persian", "fi": "finnish", "gl": "galician", "gu": "gujarati", "he": "hebrew", "hi": "hindi",
    "hr": "croatian", "hu": "hungarian", "hy": "armenian", "id": "indonesian", "is": "icelandic", "ka": "georgian",
    "kk": "kazakh", "km": "khmer", "kn": "kannada", "la": "latin", "lt": "lithuanian", "lv": "latvian",
    "mi": "maori", "mk": "macedonian", "ml": "malayalam", "mn": "mongolian", "mr": "marathi", "ms": "malay",
    "my": "burmese", "ne": "nepali", "nl": "dutch", "no": "norwegian", "oc": "occitan", "pa": "punjabi", "pl": "polish",
    "ro": "romanian", "sk": "slovak", "sl": "slovenian", "so": "somali", "sq": "albanian", "sr": "serbian",
    "sv": "swedish", "sw": "swahili", "ta": "tamil", "te": "telugu", "th": "thai", "tl": "tagalog", "tr": "turkish",
    "uk": "ukrainian", "ur": "urdu", "uz": "uzbek", "vi": "vietnamese", "yo": "yoruba", "yue": "cantonese",
}  # fmt: skip
"""BCP-47 primary tag to English name; the recogniser knows these."""

_LABEL = re.compile(r"\[[^\[\]]*\]")
_BPM = re.compile(r"(?:the )?bpm is (\d{1,4}(?:\.\d{1,3})?)\.?\Z")


def detect_language(lyrics: str) -> str:
    """Language of a lyric from its script alone, for formats that do not name it.

    Kana gives ``ja``, Hangul ``ko``, Cyrillic ``ru``, Han ``zh``, each from a fifth of the letters on (SongGeneration
    uses the same share for Chinese); everything else counts as ``en``, so other languages must be named.
    """
    letters = [char for char in _LABEL.sub(" ", lyrics) if char.isalpha()]
    kana = sum("\u3040" <= char <= "\u30ff" for char in letters)
    han = sum("\u3400" <= char <= "\u9fff" for char in letters)
    hangul = sum("\uac00" <= char <= "\ud7a3" for char in letters)
    cyrillic = sum("\u0400" <= char <= "\u04ff" for char in letters)
    share = max(1, len(letters)) / 5
    # Japanese lyrics mix kana with Han, Chinese ones have no kana but perhaps one in a loan.
    if kana + han >= share and kana * 10 >= han and kana:
        return "ja"
    for count, language in ((hangul, "ko"), (cyrillic, "ru"), (han, "zh")):
        if count >= share:
            return language
    return "en"


def parse_description(description: str) -> Tags:
    """Sort SongGeneration's comma-separated style line into tags.

    Args:
        description: E.g. ``"female, dark, pop, sad, piano and drums, the bpm is 125"``.

    Returns:
        The tags, lower-case; parts that fit no dimension, or a second value for one, stand in ``other``.
    """
    single: dict[str, str] = {}
    instruments: list[str] = []
    other: list[str] = []
    bpm: float | None = None
    for raw in description.split(","):
        part = raw.strip().rstrip(".").strip().lower()
        if not part:
            continue
        match = _BPM.match(part)
        pieces = [piece.strip() for piece in part.split(" and ")]
        dimension = next((name for name in ("gender", "genre", "emotion") if part in TAG_VALUES[name]), None)
        if match and bpm is None and BPM_RANGE[0] <= float(match.group(1)) <= BPM_RANGE[1]:
            bpm = float(match.group(1))
        elif dimension and dimension not in single:
            single[dimension] = part
        elif not instruments and any(piece in INSTRUMENTS for piece in pieces):
            instruments = pieces
        else:
            other.append(part)
    return Tags(**single, instruments=tuple(instruments), bpm=bpm, other=tuple(other))
