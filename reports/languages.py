"""English names of languages, for people; an unknown tag stands for itself."""

NAMES = {
    "ar": "Arabic",
    "bn": "Bengali",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sv": "Swedish",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "und": "Unknown",
    "vi": "Vietnamese",
    "yue": "Cantonese",
    "zh": "Chinese",
}


def title_of(code: str) -> str:
    """The name of a BCP-47 tag.

    >>> title_of("pt"), title_of("pt-BR"), title_of("tlh")
    ('Portuguese', 'Portuguese (pt-BR)', 'tlh')
    """
    if code in NAMES:
        return NAMES[code]
    base = NAMES.get(code.split("-")[0].lower())
    return f"{base} ({code})" if base else code
