"""Which Kokoro voice sings which language."""

# Female and male. Where Kokoro has no voice of a language or sex, the one best understood in it stands in; "a+b" is the
# voice halfway between two. French has no male voice: an Italian one alone is misread far more often.
VOICES: dict[str, tuple[str, str]] = {
    "en": ("af_heart", "am_michael"),
    "zh": ("zf_xiaoxiao", "zm_yunxi"),
    "es": ("ef_dora", "em_alex"),
    "ja": ("jf_alpha", "jm_kumo"),
    "fr": ("ff_siwis", "im_nicola+ff_siwis"),
    "de": ("ff_siwis", "bm_george"),
    "pt": ("pf_dora", "pm_alex"),
    "it": ("if_sara", "im_nicola"),
    "ko": ("jf_alpha", "jm_kumo"),
    "ru": ("if_sara", "im_nicola"),
}


def choose_voice(language: str, *, is_male: bool) -> str:
    """Name of the vendored voice for a language."""
    return VOICES[language][int(is_male)]
