"""How a request is worded for the model, and how long the words are in tokens."""

from dataclasses import dataclass

from evalkit.errors import GenerationError
from generation.songgeneration2.text.bpe import BytePairEncoder
from generation.songgeneration2.text.tokenizer import Version, lyric_tokenizer, structure_indices, style_tokenizer

BEST_TAG = "[Musicality-very-high]"
INSTRUMENTAL_TAG = "[Pure-Music]"
NULL_STYLE = "[Musicality-very-low], ."


def compose_lyric(lyric: str, *, instrumental: bool = False) -> str:
    """The lyric as the model reads it: double spaces made single once; instrumental songs have the lyric ``.``."""
    return "." if instrumental else lyric.replace("  ", " ")


def compose_style(tags: str | None, version: Version, *, instrumental: bool = False) -> str | None:
    """The style description as the model reads it.

    Args:
        tags: Comma-separated style tags; None or blank if the request has none.
        version: What the checkpoint speaks.
        instrumental: Ask for music without singing.

    Returns:
        The text; None is the empty condition (v1 without tags).
    """
    style = tags.strip().lower() if tags else ""
    if version == "v1":
        return style or None
    wanted = f"{BEST_TAG}, {INSTRUMENTAL_TAG}, " if instrumental else f"{BEST_TAG}, "
    return wanted + (style or ".")


def null_style(style: str | None) -> str | None:
    """The style of the unconditional row that belongs to a style description."""
    return NULL_STYLE if style is not None and BEST_TAG in style else None


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedText:
    """Ids of one request, before they are padded or cut to the model's lengths.

    Attributes:
        lyric_ids: Lyric with its start token.
        structure: Section index of each lyric token, 0 to 13.
        style_ids: Style description with its start token.
        null_style_ids: Style description of the unconditional row.
    """

    lyric_ids: tuple[int, ...]
    structure: tuple[int, ...]
    style_ids: tuple[int, ...]
    null_style_ids: tuple[int, ...]

    def excess(self, lyric_limit: int, style_limit: int) -> list[str]:
        """What would be cut off, one sentence for each part that is too long; empty if all fits."""
        parts = (("lyric", len(self.lyric_ids), lyric_limit), ("style description", len(self.style_ids), style_limit))
        return [
            f"The {name} has {length} tokens, the model reads {limit}; the last {length - limit} would be cut."
            for name, length, limit in parts
            if length > limit
        ]

    def check_lengths(self, lyric_limit: int, style_limit: int) -> None:
        """Refuse what would be cut silently.

        Raises:
            GenerationError: lyric or style is too long.
        """
        if sentences := self.excess(lyric_limit, style_limit):
            raise GenerationError(" ".join(sentences), "Shorten the text, or allow cutting explicitly.")


class TextEncoder:
    """Encodes requests for one version of the model.

    Args:
        encoder: The Qwen2 vocabulary.
        version: What the checkpoint speaks.
    """

    def __init__(self, encoder: BytePairEncoder, version: Version) -> None:
        self.version = version
        self._lyric = lyric_tokenizer(encoder, version)
        self._style = style_tokenizer(encoder, version)

    def encode(self, lyric: str | None, style: str | None) -> EncodedText:
        """Encode composed texts (`compose_lyric`, `compose_style`); None is the empty condition."""
        lyric_ids = self._lyric.encode(lyric)
        return EncodedText(
            lyric_ids=tuple(lyric_ids),
            structure=tuple(structure_indices(lyric_ids)),
            style_ids=tuple(self._style.encode(style)),
            null_style_ids=tuple(self._style.encode(null_style(style))),
        )
