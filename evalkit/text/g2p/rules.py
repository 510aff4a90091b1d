"""Rule-based converters of Epitran, for languages whose spelling tells the sound.

Source: Mortensen, Dalmia and Littell, "Epitran: Precision G2P for Many Languages", LREC 2018.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from evalkit.text.g2p import ipa
from evalkit.text.g2p.lines import share_out
from evalkit.text.tokens import Token

CODES = {
    "es": "spa-Latn", "fr": "fra-Latn", "de": "deu-Latn", "pt": "por-Latn", "it": "ita-Latn", "ru": "rus-Cyrl",
    "ko": "kor-Hang", "nl": "nld-Latn", "pl": "pol-Latn", "sv": "swe-Latn", "tr": "tur-Latn", "vi": "vie-Latn",
    "id": "ind-Latn", "hi": "hin-Deva", "ar": "ara-Arab", "th": "tha-Thai",
}  # fmt: skip

# Elided words are cut from what follows, which decides how their last consonant is read; and the most frequent French
# words whose last consonant is mute against the rules, without which "et", "est" and "es" would not be homophones.
_READY: dict[str, dict[str, tuple[str, ...]]] = {
    "fr": {
        "c'": ("s",), "est": ("ɛ",), "es": ("ɛ",), "mais": ("m", "ɛ"), "temps": ("t", "ɑ̃"),
        "les": ("l", "ɛ"), "des": ("d", "ɛ"), "mes": ("m", "ɛ"), "tes": ("t", "ɛ"),
        "ses": ("s", "ɛ"), "ces": ("s", "ɛ"),
    },
    "it": {"c'": ("t͡ʃ",), "gl'": ("ʎ",), "ch'": ("k",), "dov'": ("d", "o", "v")},
}  # fmt: skip


class Rules:
    """One language of Epitran.

    Args:
        language: A key of `CODES`.
    """

    def __init__(self, language: str) -> None:
        self._rules = _load(CODES[language])
        self._whole_lines = language == "th"
        self._ready = _READY.get(language, {})
        self._known: dict[str, tuple[str, ...]] = {}

    def __call__(self, words: Sequence[Token]) -> list[tuple[str, ...]]:
        """Phones of each word of a line; of Thai, whose tokens are letters, of the line, shared out over them."""
        if self._whole_lines:
            phones = ipa.split(self._rules.transliterate("".join(word.text for word in words)))
            return share_out(phones, len(words))
        return [self._word(word.text) for word in words]

    def _word(self, text: str) -> tuple[str, ...]:
        if text not in self._known:
            ready = self._ready.get(text)
            self._known[text] = ready or ipa.split(self._rules.transliterate(text.replace("'", "")))
        return self._known[text]


def _load(code: str) -> Any:
    """The converter without Epitran's three feature tables, which take seconds to read and are not used here."""
    from epitran.ppprocessor import PrePostProcessor
    from epitran.puncnorm import PuncNorm
    from epitran.simple import SimpleEpitran
    from epitran.stripdiacritics import StripDiacritics

    class Light(SimpleEpitran):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rev = False
            self.tones = False
            self.preproc = self.postproc = True
            self.ligatures = False
            self.nils: defaultdict[str, int] = defaultdict(int)
            self.g2p = self._load_grapheme_to_phoneme_map(code, False)
            self.regexp = self._build_greedy_match_regex(self.g2p.keys())
            self.puncnorm = PuncNorm()
            self.preprocessor = PrePostProcessor(code, "pre", False)
            self.postprocessor = PrePostProcessor(code, "post", False)
            self.strip_diacritics = StripDiacritics(code)

    return Light()
