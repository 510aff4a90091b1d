"""Lyrics and transcripts as tokens that keep how they were written and where they stand."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from evalkit.text import normalise, numbers
from evalkit.text.script import UNSPACED, CharClass, char_class, graphemes
from evalkit.types import Section

_TAG = re.compile(r"\[[^\[\]]*\]|［[^［］]*］")
_PARENTHESES = re.compile(r"\([^()]*\)|（[^（）]*）")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One unit of comparison.

    Attributes:
        text: Normalised form; two tokens are equal if this is.
        surface: As written.
        section: Index of the lyric section; of a transcript, filled in by the alignment.
        line: Index of the line inside the whole lyric.
        backing: Stood in parentheses.
        start_s: Begin of the word in the audio, None if unknown.
        end_s: Its end.
    """

    text: str
    surface: str
    section: int = 0
    line: int = 0
    backing: bool = False
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A token found in a text: ``start`` and ``end`` are offsets into the prepared text."""

    text: str
    surface: str
    start: int
    end: int
    backing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedText:
    """A stretch of a transcript with its time; blanks between words are part of ``text``."""

    text: str
    start_s: float | None = None
    end_s: float | None = None


def tokenise(text: str, language: str) -> list[Piece]:
    """Split a prepared text (`normalise.prepare`) into normalised words; unspaced writing into single characters.

    Section labels and other ``[tags]`` are dropped; words in parentheses are kept and marked.
    """
    language = normalise.base_language(language)
    masked = _TAG.sub(lambda match: " " * len(match.group()), text)
    backing = [False] * len(masked)
    for match in _PARENTHESES.finditer(masked):
        backing[match.start() : match.end()] = [True] * (match.end() - match.start())
    plain = normalise.simplify_chinese(masked, language)
    pieces: list[Piece] = []
    for start, end, kind in _runs(plain, language):
        found = _words_of_run(plain, start, end, kind, language, pieces)
        pieces.extend(
            Piece(text=word, surface=surface or masked[left:right], start=left, end=right, backing=backing[left])
            for word, left, right, surface in found
            if word
        )
    return pieces


def lyric_tokens(sections: Sequence[Section], language: str) -> list[Token]:
    """Tokens of a lyric, in order; sections count from 0 including instrumental ones, lines over the whole lyric."""
    tokens: list[Token] = []
    line_index = 0
    for section_index, section in enumerate(sections):
        for line in section.lines:
            tokens.extend(
                Token(
                    text=piece.text,
                    surface=piece.surface,
                    section=section_index,
                    line=line_index,
                    backing=piece.backing,
                )
                for piece in tokenise(normalise.prepare(line), language)
            )
            line_index += 1
    return tokens


def transcript_tokens(words: Iterable[TimedText], language: str) -> list[Token]:
    """Tokens of a transcript with times; inside a word of several tokens the time is shared out by characters."""
    prepared = [replace(word, text=normalise.prepare(word.text)) for word in words]
    owners = [index for index, word in enumerate(prepared) for _ in word.text]
    first = [0]
    for word in prepared:
        first.append(first[-1] + len(word.text))
    tokens = []
    for piece in tokenise("".join(word.text for word in prepared), language):
        left, right = owners[piece.start], owners[piece.end - 1]
        start_s = _time_at(prepared[left], piece.start - first[left])
        end_s = _time_at(prepared[right], piece.end - first[right])
        tokens.append(
            Token(text=piece.text, surface=piece.surface, backing=piece.backing, start_s=start_s, end_s=end_s)
        )
    return tokens


def characters(tokens: Iterable[Token]) -> list[Token]:
    """Written characters of the normalised words, without blanks, each where its word stood."""
    return [replace(token, text=char, surface=char) for token in tokens for char in graphemes(token.text)]


def _time_at(word: TimedText, offset: int) -> float | None:
    if word.start_s is None or word.end_s is None:
        return None
    written = len(word.text) - len(word.text.lstrip())  # the blank before a word takes no time
    length = len(word.text.rstrip()) - written
    share = min(1.0, max(0.0, (offset - written) / length)) if length else 0.0
    return round(word.start_s + share * (word.end_s - word.start_s), 3)


def _runs(text: str, language: str) -> Iterable[tuple[int, int, CharClass]]:
    """Stretches of one kind of writing; marks and inner apostrophes belong to the stretch around them."""
    index, size = 0, len(text)
    while index < size:
        kind = _class_at(text, index)
        if kind in ("space", "punctuation", "apostrophe", "mark"):
            index += 1
            continue
        end = index + 1
        while end < size:
            following = _class_at(text, end)
            inner = following == "apostrophe" and end + 1 < size and _class_at(text, end + 1) == kind == "alphabetic"
            point = kind == "digit" and text[end] in ".," and end + 1 < size and _class_at(text, end + 1) == "digit"
            eojeol = language == "ko" and {kind, following} <= {"digit", "hangul"}
            if eojeol:
                kind = "hangul"
            elif not (following in (kind, "mark") or inner or point or text[end] in "\u200c\u200d\u00ad"):
                break
            end += 1
        yield index, end, kind
        index = end


def _class_at(text: str, index: int) -> CharClass:
    return char_class(normalise.fold_width(text[index]))


_Found = tuple[str, int, int, str | None]  # normalised, start, end, surface if it is not the text between


def _words_of_run(text: str, start: int, end: int, kind: CharClass, language: str, before: list[Piece]) -> list[_Found]:
    run = text[start:end].replace("\u00ad", "")
    if kind == "digit":
        return _read_number(text, start, end, language)
    if kind == "hangul":
        return [(_read_inside(normalise.word(run, language), language), start, end, None)]
    if kind in UNSPACED:
        return _single_characters(text, start, end, kind, before)
    if _is_ordinal_suffix(text, start, end, language):
        return []
    word = normalise.word(re.sub(r"[\u2018\u2019\u201b\u02bc\u00b4\u0060\uff07\u2032]", "'", run), language)
    if word in normalise.ELISIONS.get(language, ()) and char_class(text[end : end + 1] or " ") == "apostrophe":
        return [(word + "'", start, end + 1, None)]  # written apart: l' amour
    head, apostrophe, tail = word.partition("'")
    if apostrophe and tail and head in normalise.ELISIONS.get(language, ()):
        cut = start + next(i for i, char in enumerate(text[start:end]) if char_class(char) == "apostrophe") + 1
        return [(head + "'", start, cut, None), *_words_of_run(text, cut, end, kind, language, before)]
    return [(word, start, end, None)]


def _single_characters(text: str, start: int, end: int, kind: CharClass, before: list[Piece]) -> list[_Found]:
    found: list[_Found] = []
    # A repetition mark may open the run of another kind (時々): look at what stands directly before it.
    previous = before[-1].text if before and before[-1].end == start else ""
    index = start
    for char in graphemes(text[start:end]):
        repeated = previous if char == "々" else ""
        written = normalise.kana(char, previous) if kind == "kana" else repeated or char
        found.append((written, index, index + len(char), None))
        previous = written
        index += len(char)
    return found


def _digits(text: str) -> str:
    folded = map(normalise.fold_width, text)
    return "".join(str(int(c)) if c.isdecimal() else c for c in folded if c.isdecimal() or c in ".,")


def _read_number(text: str, start: int, end: int, language: str) -> list[_Found]:
    digits = _digits(text[start:end])
    suffix = re.match(r"[a-zA-Z]*", text[end:])
    words = numbers.ordinal_to_words(digits, suffix.group() if suffix else "", language)
    if words is None and language in ("zh", "yue") and len(digits) == 4 and text[end : end + 1] == "年":
        words = "".join(numbers.to_words(digit, language) or "" for digit in digits)  # years are read digit by digit
    words = words or numbers.to_words(digits, language)
    if words is None:
        return [(digits, start, end, None)]
    pieces = tokenise(normalise.prepare(words), language)
    only = len(pieces) == 1
    return [(piece.text, start, end, None if only else piece.surface) for piece in pieces]


def _is_ordinal_suffix(text: str, start: int, end: int, language: str) -> bool:
    match = re.search(r"\d+\Z", text[max(0, start - 16) : start])
    return match is not None and numbers.ordinal_to_words(match.group(), text[start:end], language) is not None


def _read_inside(word: str, language: str) -> str:
    """Korean writes numbers together with their counters: 24시간."""

    def read(match: re.Match[str]) -> str:
        return (numbers.to_words(_digits(match.group()), language) or match.group()).replace(" ", "")

    return re.sub(r"\d+(?:[.,]\d+)*", read, word)
