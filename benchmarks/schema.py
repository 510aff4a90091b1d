"""The fields of the two suite formats, as pydantic sees them, and its complaints in our words."""

import difflib
import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from benchmarks import vocabulary
from benchmarks.issues import quote
from evalkit.errors import SuiteError
from evalkit.types import check_id

MAX_TEXT = 2000
"""Longest text of any field but the lyrics, in characters."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z")


def _fail(message: str, hint: str = "") -> PydanticCustomError:
    # The texts travel as context: a brace in a user's value must not be taken for a template.
    return PydanticCustomError("evalkit", "{text}", {"text": message, "hint": hint})


def _text(value: str) -> str:
    value = value.strip()
    bad = _CONTROL.search(value)
    if bad:
        raise _fail(f"{quote(value)} holds the control character U+{ord(bad.group()):04X}.", "Remove it.")
    if not value:
        raise _fail("the text is empty.", "Fill it in or leave the field out.")
    if len(value) > MAX_TEXT:
        raise _fail(f"the text has {len(value):,} characters; at most {MAX_TEXT:,} are accepted.")
    return value


def _id(value: str) -> str:
    try:
        return check_id(value, "id")
    except SuiteError as error:
        shown = quote(value) if len(value) <= 120 else f"{quote(value)} ({len(value)} characters)"
        raise _fail(f"{shown} is not usable as a file name.", error.hint) from error


def _language(value: str) -> str:
    if not _LANGUAGE.match(value):
        codes = {name: code for code, name in vocabulary.LANGUAGES.items()}
        near = difflib.get_close_matches(value.lower(), codes, n=1, cutoff=0.8)
        hint = f"Use {codes[near[0]]!r}." if near else "Use a code such as 'en', 'zh' or 'pt-BR'."
        raise _fail(f"{quote(value)} is not a language code.", hint)
    primary, _, rest = value.partition("-")
    return f"{primary.lower()}-{rest}" if rest else primary.lower()


def _auto_prompt(value: str) -> str:
    if value not in vocabulary.AUTO_PROMPT_TYPES:
        known = {name.lower(): name for name in vocabulary.AUTO_PROMPT_TYPES}
        near = difflib.get_close_matches(value.lower(), known, n=1)
        hint = f"Did you mean {known[near[0]]!r}? " if near else ""
        hint += f"Known: {', '.join(vocabulary.AUTO_PROMPT_TYPES)}."
        raise _fail(f"{quote(value)} is no reference genre of SongGeneration.", hint)
    return value


def _lower(value: str) -> str:
    return value.lower()


def _whole_number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _empty_as_absent(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


Text = Annotated[str, AfterValidator(_text)]
TagText = Annotated[str, AfterValidator(_text), AfterValidator(_lower)]
Identifier = Annotated[str, AfterValidator(_id)]
Language = Annotated[str, AfterValidator(_text), AfterValidator(_language)]
AutoPrompt = Annotated[str, AfterValidator(_auto_prompt)]
Duration = Annotated[float, Field(ge=vocabulary.DURATION_RANGE_S[0], le=vocabulary.DURATION_RANGE_S[1])]
Bpm = Annotated[float, Field(ge=vocabulary.BPM_RANGE[0], le=vocabulary.BPM_RANGE[1])]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class TagsModel(_Model):
    """``tags`` of a prompt."""

    gender: TagText | None = None
    genre: TagText | None = None
    emotion: TagText | None = None
    instruments: list[TagText] = []
    bpm: Bpm | None = None
    other: list[TagText] = []


class PromptModel(_Model):
    """One item of ``prompts``."""

    id: Identifier
    language: Language
    lyrics: str = ""
    tags: TagsModel = TagsModel()
    description: Text | None = None
    duration_s: Duration | None = None
    prompt_audio_path: Text | None = None
    auto_prompt_audio_type: AutoPrompt | None = None
    line_languages: list[Language] = []


class SuiteModel(_Model):
    """A YAML suite; its prompts are validated one by one."""

    name: Identifier
    version: Text
    licence: Text = "unspecified"
    description: Text | None = None
    prompts: Annotated[list[Any], Field(min_length=1)]


class OfficialModel(_Model):
    """One line of SongGeneration's JSONL; ``language``, ``duration_s`` and ``line_languages`` are our own."""

    idx: Annotated[Identifier, BeforeValidator(_whole_number_as_text)]
    gt_lyric: str
    descriptions: Annotated[Text | None, BeforeValidator(_empty_as_absent)] = None
    prompt_audio_path: Annotated[Text | None, BeforeValidator(_empty_as_absent)] = None
    auto_prompt_audio_type: Annotated[AutoPrompt | None, BeforeValidator(_empty_as_absent)] = None
    language: Language | None = None
    duration_s: Duration | None = None
    line_languages: list[Language] = []


def explain(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Put pydantic's errors into our words.

    Yields:
        Path of the field inside the model, message, hint.
    """
    for item in error.errors(include_url=False):
        location, kind, found = item["loc"], item["type"], quote(item.get("input"))
        context = item.get("ctx", {})
        if kind == "evalkit":
            yield location, str(context["text"]), str(context["hint"])
        elif kind == "missing":
            yield location, f"the field {location[-1]!r} is missing.", ""
        elif kind == "extra_forbidden":
            yield location, f"unknown field {quote(location[-1])}.", _known_fields(location, model)
        elif kind in _RANGES:
            bound = context["ge"] if kind == "greater_than_equal" else context["le"]
            yield location, f"found {found}, expected {_RANGES[kind]} {bound:g}.", ""
        elif kind == "too_short":
            yield location, "the list is empty.", "Give at least one item."
        else:
            expected, hint = _EXPECTED.get(kind, (f"something else ({item['msg']})", ""))
            yield location, f"found {found}, expected {expected}.", hint


_RANGES = {"greater_than_equal": "at least", "less_than_equal": "at most"}
_EXPECTED = {
    "string_type": ("text", "Put it in quotes if it is meant as text."),
    "string_unicode": ("valid Unicode text", "Remove the broken character."),
    "float_type": ("a number", "Write it without quotes and without a unit."),
    "finite_number": ("a finite number", ""),
    "list_type": ("a list", "For example: [piano, drums]"),
    "model_type": ("a mapping of fields", ""),
    "model_attributes_type": ("a mapping of fields", ""),
    "dict_type": ("a mapping of fields", ""),
}


def _known_fields(location: tuple[str | int, ...], model: type[BaseModel]) -> str:
    owner = TagsModel if len(location) > 1 and location[-2] == "tags" else model
    known = list(owner.model_fields)
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    return (f"Did you mean {near[0]!r}? " if near else "") + f"Known: {', '.join(known)}."
