"""English: gruut's American lexicon (from CMUdict) and, for other words, its trained letter-to-sound model."""

import sqlite3
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit.text.g2p import ipa
from evalkit.text.tokens import Token


class English:
    """Words to phones without stress; the first pronunciation of a word, so that both sides get the same."""

    def __init__(self) -> None:
        import gruut_lang_en  # type: ignore[import-untyped, unused-ignore]

        self._folder = Path(gruut_lang_en.__file__).parent
        self._lexicon = self._read(self._folder / "lexicon.db")
        self._model: Any = None
        self._known: dict[str, tuple[str, ...]] = {}

    @staticmethod
    def _read(path: Path) -> dict[str, str]:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            rows = connection.execute(
                "SELECT word, phonemes FROM word_phonemes ORDER BY word, pron_order DESC, id DESC"
            )
            return {str(word): str(phonemes) for word, phonemes in rows}
        finally:
            connection.close()

    def __call__(self, words: Sequence[Token]) -> list[tuple[str, ...]]:
        """Phones of each word of a line."""
        return [self._word(word.text) for word in words]

    def _word(self, text: str) -> tuple[str, ...]:
        if text not in self._known:
            self._known[text] = self._read_out(text)
        return self._known[text]

    def _read_out(self, text: str) -> tuple[str, ...]:
        if text in self._lexicon:
            return _phones(self._lexicon[text].split())
        stem, apostrophe, ending = text.rpartition("'")
        if apostrophe and ending in _ENDINGS and stem:
            return (*self._word(stem), *_ENDINGS[ending])
        plain = "".join(c for c in unicodedata.normalize("NFD", text) if c.isascii() and c.isalpha())
        if not plain:
            return ()
        if plain in self._lexicon:
            return _phones(self._lexicon[plain].split())
        if self._model is None:
            from gruut.g2p import GraphemesToPhonemes

            self._model = GraphemesToPhonemes(self._folder / "g2p" / "model.crf")
        return _phones(self._model(plain))


_ENDINGS = {
    "s": ("z",),
    "ll": ("ə", "l"),
    "ve": ("v",),
    "d": ("d",),
    "re": ("ɹ",),
    "m": ("m",),
    "t": ("t",),
}


def _phones(units: Sequence[str]) -> tuple[str, ...]:
    # gruut's units are phones already, diphthongs and affricates included; only stress and length are taken off.
    return tuple(phone for unit in units if (phone := "".join(ipa.split(unit))))
