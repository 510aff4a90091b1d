"""The door of the language model: requests in, codes out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from evalkit.errors import ConfigError
from generation.songgeneration2.lelm.conditions import fit_prompt
from generation.songgeneration2.lelm.model import Lelm
from generation.songgeneration2.lelm.sampling import SamplingParams
from generation.songgeneration2.lelm.songs import Song, make_song
from generation.songgeneration2.lelm.stages import Advance, sing_mixed, sing_stems
from generation.songgeneration2.text.bpe import BytePairEncoder
from generation.songgeneration2.text.wording import EncodedText, TextEncoder, compose_lyric, compose_style

Progress = Callable[[int, int], None]
"""Called with frames done and frames in all. Each frame counts twice, once for each tower; the total shrinks when a
song ends before its longest length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LelmRequest:
    """One song to sing.

    Attributes:
        lyric: Lyric in the official one-line spelling.
        tags: Style tags, comma-separated; None for none.
        prompt: Prompt codes [3, frames]; None for no prompt.
        max_frames: Longest result, 25 frames a second; None for the longest the model knows.
        seed: Everything random follows from it.
        sampling: How codes are chosen.
        instrumental: No singing: the lyric is left out.
    """

    lyric: str
    tags: str | None = None
    prompt: Tensor | None = None
    max_frames: int | None = None
    seed: int = 0
    sampling: SamplingParams = field(default_factory=SamplingParams)
    instrumental: bool = False


def encode_request(request: LelmRequest, encoder: TextEncoder) -> EncodedText:
    """Word and encode a request; `EncodedText.excess` then tells what is too long, before anything is generated."""
    return encoder.encode(
        compose_lyric(request.lyric, instrumental=request.instrumental),
        compose_style(request.tags, encoder.version, instrumental=request.instrumental),
    )


def generate(
    model: Lelm,
    encoder: BytePairEncoder,
    requests: Sequence[LelmRequest],
    *,
    batch_size: int = 8,
    allow_cut: bool = False,
    progress: Progress | None = None,
) -> list[Tensor]:
    """Sing songs; in company or alone, each has the same codes.

    Args:
        model: The language model.
        encoder: The Qwen2 vocabulary.
        requests: The songs.
        batch_size: Songs sung together; more cost memory and save time.
        allow_cut: Cut lyrics and styles that are too long instead of refusing them.
        progress: Called after every frame.

    Returns:
        Codes of each request, int64 [3, frames] (mixed, vocals, accompaniment), cut before the first end code. A song
        that ends at once has no frames.

    Raises:
        GenerationError: a text is too long.
        ConfigError: a length is outside what the model knows.
        ShapeError: prompt codes do not fit.
    """
    text_encoder = TextEncoder(encoder, model.version)
    songs = []
    for request in requests:
        text = encode_request(request, text_encoder)
        if not allow_cut:
            text.check_lengths(model.config.lyric_len, model.config.style_len)
        frames = model.config.max_frames if request.max_frames is None else request.max_frames
        if not 1 <= frames <= model.config.max_frames:
            raise ConfigError(
                f"A song of {frames} frames was asked for; the model sings 1 to {model.config.max_frames}.",
                f"Ask for at most {model.config.max_frames / 25:g} seconds.",
            )
        prompt = fit_prompt(request.prompt, model.config.prompt_frames)
        songs.append(make_song(text, prompt, frames, request.seed, request.sampling, delay=model.config.delay))
    sing(model, songs, batch_size=batch_size, progress=progress)
    return [song.codes for song in songs]


@torch.inference_mode()
def sing(model: Lelm, songs: Sequence[Song], *, batch_size: int = 8, progress: Progress | None = None) -> None:
    """Sing prepared songs: all mixed streams, then all stems, so that each tower is needed once. Fills ``codes``."""
    if batch_size < 1:
        raise ConfigError(f"Batch size is {batch_size}, expected 1 or more.")
    done, total = 0, 2 * sum(song.max_frames for song in songs)

    def advance(sung: int, spared: int) -> None:
        nonlocal done, total
        done, total = done + sung, total - spared
        if progress is not None and sung:
            progress(done, total)

    # Each stage has a function of its own: its tower is out of reach, and so freed, when the next one is loaded.
    _sing_all_mixed(model, _groups(songs, batch_size), advance)
    _sing_all_stems(model, _groups([song for song in songs if len(song.mixed)], batch_size), advance)
    if progress is not None:
        progress(done, total)


def _sing_all_mixed(model: Lelm, groups: Sequence[Sequence[Song]], advance: Advance) -> None:
    with model.first_stage() as first:
        for group in groups:
            sing_mixed(model, first, group, advance)
            if len(groups) > 1:  # the states wait outside the device
                for song in group:
                    song.states = None if song.states is None else song.states.to("cpu", copy=True)


def _sing_all_stems(model: Lelm, groups: Sequence[Sequence[Song]], advance: Advance) -> None:
    with model.second_stage() as second:
        for group in groups:
            sing_stems(model, second, group, advance)


def _groups(songs: Sequence[Song], size: int) -> list[Sequence[Song]]:
    return [songs[start : start + size] for start in range(0, len(songs), size)]
