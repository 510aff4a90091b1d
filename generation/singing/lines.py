"""Long lyric lines divided into pieces one can sing in a breath."""

import re

_MAX_CHARACTERS = {"zh": 24, "ja": 30, "ko": 36}
_DEFAULT_MAX_CHARACTERS = 80
_AFTER_PUNCTUATION = re.compile(r"(?<=[,;:.!?，。、；：！？…])\s*")


def split_text(text: str, language: str) -> list[str]:
    """Divide a line, first after punctuation, then at blanks, and only then anywhere.

    Args:
        text: One lyric line.
        language: Chinese, Japanese and Korean write more sound in a character and are divided earlier.

    Returns:
        Pieces in order, no longer than the language's limit; joined they hold every character but blanks.
    """
    limit = _MAX_CHARACTERS.get(language, _DEFAULT_MAX_CHARACTERS)
    text = text.strip()
    if len(text) <= limit:
        return [text] if text else []
    pieces: list[str] = []
    for clause in _AFTER_PUNCTUATION.split(text):
        for word in _words(clause, limit):
            if pieces and len(pieces[-1]) + 1 + len(word) <= limit:
                pieces[-1] = f"{pieces[-1]} {word}" if " " in text else pieces[-1] + word
            else:
                pieces.append(word)
    return pieces


def _words(clause: str, limit: int) -> list[str]:
    if len(clause) <= limit:
        return [clause] if clause else []
    return [word[start : start + limit] for word in clause.split() for start in range(0, len(word), limit)]
