"""Slips of the tongue on purpose: every sixth word with other vowels and consonants.

A singer that is known to be worse by a known amount is what a gate is tried with.
"""

from generation.singing.phrase import find_nuclei

EVERY = 6

_OTHER = str.maketrans(
    {
        **dict(zip("aɑɐɒæeɛəɚɜiɪyoɔøœuʊɯʌɨAIOQWY", "uiiiuɔuoiiaɔaiiaaeɛeiaWOIIAI", strict=True)),
        **dict(zip("ptkbdɡmnŋfvszʃʒhlɹrɾwjθðxçʤʧʦʨʣɕʂʁɲ", "sfmnlvkblthpdhkʃzvvvdɡkblmpnmmnkkms", strict=True)),
    }
)


class Slips:
    """Counts the words of a song and alters every sixth; one for each song.

    Where a line has no blanks between words (Chinese), each syllable counts.
    """

    def __init__(self, every: int = EVERY) -> None:
        self._every = every
        self._n_words = 0

    def __call__(self, symbols: tuple[str, ...], *, by_syllable: bool = False) -> tuple[str, ...]:
        """Alter the symbols of one line; marks of stress, length and tone stay."""
        ends = {end for _, end in find_nuclei(symbols)} if by_syllable else set()
        out = []
        for place, symbol in enumerate(symbols):
            if symbol == " " or (place in ends and place > 0):
                self._n_words += 1
            slips = self._n_words % self._every == self._every - 1
            out.append(symbol.translate(_OTHER) if slips else symbol)
        self._n_words += 1
        return tuple(out)
