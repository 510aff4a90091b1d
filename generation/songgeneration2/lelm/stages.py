"""The two passes that make a song: first the mixed stream alone, then vocals and accompaniment.

The first tower never sees what the second one sings, so it can finish first; its 250 last slots are known in advance
and take one parallel step. The second tower then reads its prefix and the 250 slots of the delay in one parallel step
and never sings a frame behind the end of the mixed stream. The codes are those of the joint loop.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from generation.songgeneration2.lelm.conditions import banned_codes
from generation.songgeneration2.lelm.model import FirstStage, Lelm, NullPrefix, SecondStage
from generation.songgeneration2.lelm.pattern import CODE_SIZE, EOS, SPECIAL
from generation.songgeneration2.lelm.sampling import choose_mixed, choose_stems, guide, penalise, pick
from generation.songgeneration2.lelm.songs import Choir, Song
from generation.songgeneration2.lelm.tower import KvCache

Advance = Callable[[int, int], None]
"""Called with frames sung and frames no longer needed since the last call."""

_CHECK_EVERY = 16
"""Frames between looks at the end codes on a GPU, where each look waits for the device."""


def sing_mixed(model: Lelm, first: FirstStage, songs: Sequence[Song], advance: Advance) -> None:
    """Sing the mixed stream of several songs; fills ``mixed`` and ``states``.

    Args:
        model: The model.
        first: Its first stage.
        songs: Songs with their own lengths and seeds.
        advance: Told about progress.
    """
    config, device = model.config, model.precision.device
    prefix, delay = config.prefix_len, config.delay
    frames = max(song.max_frames for song in songs)
    positions = prefix + frames + delay
    cache = KvCache(first.tower, 2 * len(songs), positions)
    store = torch.empty(len(songs), 2, positions, config.dim, dtype=model.precision.activations, device=device)
    for row, song in enumerate(songs):
        _prefill_mixed(model, first, song, cache, row, store[row])
    banned = torch.zeros(len(songs), CODE_SIZE + 1, dtype=torch.bool, device=device)
    for row, song in enumerate(songs):
        banned[row, banned_codes(song.prompt).to(device)] = True
    uniforms = torch.zeros(len(songs), frames, dtype=torch.float64, device=device)
    for row, song in enumerate(songs):
        uniforms[row, : song.max_frames] = song.uniforms[0].to(device)

    choir = Choir(songs, 1, frames, cache, device)
    states = store[:, :, prefix].flatten(0, 1)
    checked = 0
    for frame in range(frames):
        logits = first.logits(states).view(len(choir.songs), 2, -1)
        places = choir.places[: len(choir.songs)]
        codes = torch.empty(len(places), dtype=torch.int64, device=device)
        for params, rows, members in choir.groups():
            guided = guide(logits[rows, 0], logits[rows, 1], params.cfg_coef)
            guided = penalise(guided, choir.window(frame)[rows, 0], params)
            guided = guided.masked_fill(banned[places[rows]], -torch.inf)
            numbers = uniforms[places[rows], frame]
            codes[rows] = choose_mixed(guided, params, partial(_draw_mixed, numbers, members, frame))
        choir.write(frame, codes[:, None])
        advance(len(choir.songs), 0)

        full = any(frame + 1 == song.max_frames for song in choir.songs)
        if full or device.type == "cpu" or (frame + 1) % _CHECK_EVERY == 0:
            ends = choir.ended(checked, frame + 1)
            checked = frame + 1
            for row in reversed(range(len(ends))):
                end, song = ends[row], choir.songs[row]
                if end is None and frame + 1 < song.max_frames:
                    continue
                length = frame + 1 if end is None else end
                song.mixed = choir.read(row, length)[0]
                advance(0, song.max_frames - (frame + 1) + song.max_frames - length)
                place = int(choir.places[row])
                if length:
                    _run_tail(model, first, song, ended=end is not None, cache=cache, row=row, states=store[place])
                    song.states = store[place, :, : prefix + length + delay]
                choir.dismiss(row, prefix + frame + 1)
            if not choir.songs:
                return
        latest = choir.latest(frame)[:, 0]
        embedded = first.embed(latest).repeat_interleave(2, dim=0)[:, None]
        states = first.tower.forward(embedded, cache, prefix + frame + 1, choir.rows)[:, 0]
        store[choir.places[: len(choir.songs)], :, prefix + frame + 1] = states.view(len(choir.songs), 2, -1)


def _prefill_mixed(model: Lelm, first: FirstStage, song: Song, cache: KvCache, row: int, states: Tensor) -> None:
    count = model.config.prefix_len + 1
    null = _null_prefix(model, first, song.text.null_style_ids)
    text = song.text
    segments = model.conditioner.embed(text.lyric_ids, text.structure, text.style_ids, song.prompt)
    inputs = _with_first_slot(first, segments.prefix(1).to(model.precision.device))
    states[0, :count] = first.tower.forward(inputs, cache, 0, slice(2 * row, 2 * row + 1))[0]
    states[1, :count] = null.states1
    cache.copy_row(null.cache1, 0, 2 * row + 1, count)


def _with_first_slot(first: FirstStage, prefix: Tensor) -> Tensor:
    slot = first.embed(torch.tensor([SPECIAL], device=prefix.device))
    return torch.cat([prefix, slot])[None]


def _null_prefix(model: Lelm, first: FirstStage, style_ids: tuple[int, ...]) -> NullPrefix:
    found = model.null_prefixes.get(style_ids)
    if found is None:
        segments = model.conditioner.embed_null(style_ids)
        inputs = _with_first_slot(first, segments.prefix(1).to(model.precision.device))
        cache = KvCache(first.tower, 1, inputs.shape[1])
        states = first.tower.forward(inputs, cache, 0, slice(0, 1))[0]
        found = model.null_prefixes[style_ids] = NullPrefix(states, cache)
    return found


def _run_tail(
    model: Lelm, first: FirstStage, song: Song, *, ended: bool, cache: KvCache, row: int, states: Tensor
) -> None:
    """States of the slots behind the mixed stream: their codes are known, so one parallel step makes them all."""
    prefix, length = model.config.prefix_len, len(song.mixed)
    start = length + 1 if ended else length
    codes = torch.full((length + model.config.delay - start,), SPECIAL, device=model.precision.device)
    if len(codes) == 0:
        return
    codes[0] = EOS if ended else song.mixed[-1]
    inputs = first.embed(codes).expand(2, -1, -1)
    at = prefix + start
    states[:, at : at + len(codes)] = first.tower.forward(inputs, cache, at, slice(2 * row, 2 * row + 2))


def sing_stems(model: Lelm, second: SecondStage, songs: Sequence[Song], advance: Advance) -> None:
    """Sing vocals and accompaniment to finished mixed streams; fills ``codes`` and frees ``states``.

    Args:
        model: The model.
        second: Its second stage.
        songs: Songs whose mixed stream has at least one frame.
        advance: Told about progress.
    """
    config, device = model.config, model.precision.device
    first_slot = config.prefix_len + config.delay
    frames = max(len(song.mixed) for song in songs)
    cache = KvCache(second.tower, 2 * len(songs), first_slot + frames)
    projected = torch.zeros(len(songs), 2, frames, config.dim, dtype=model.precision.activations, device=device)
    states = torch.empty(2 * len(songs), config.dim, dtype=model.precision.activations, device=device)
    uniforms = torch.zeros(len(songs), 2, frames, dtype=torch.float64, device=device)
    for row, song in enumerate(songs):
        whole = second.project_states(song.states.to(device)) if song.states is not None else None
        assert whole is not None, "stems are sung after the mixed stream"
        song.states = None
        states[2 * row : 2 * row + 2] = _prefill_stems(model, second, song, cache, row, whole)
        projected[row, :, : len(song.mixed)] = whole[:, first_slot : first_slot + len(song.mixed)]
        uniforms[row, :, : len(song.mixed)] = song.uniforms[1:, : len(song.mixed)].to(device)

    choir = Choir(songs, 2, frames, cache, device)
    checked = 0
    for frame in range(frames):
        logits = second.logits(states).view(len(choir.songs), 2, 2, -1)
        places = choir.places[: len(choir.songs)]
        codes = torch.empty(len(places), 2, dtype=torch.int64, device=device)
        for params, rows, members in choir.groups():
            guided = guide(logits[rows, 0], logits[rows, 1], params.cfg_coef)
            guided = penalise(guided, choir.window(frame)[rows], params)
            numbers = uniforms[places[rows], :, frame]
            codes[rows] = choose_stems(guided, params, partial(_draw_stems, numbers, members, frame + config.delay))
        choir.write(frame, codes)
        advance(len(choir.songs), 0)

        full = any(frame + 1 == len(song.mixed) for song in choir.songs)
        if full or device.type == "cpu" or (frame + 1) % _CHECK_EVERY == 0:
            ends = choir.ended(checked, frame + 1)
            checked = frame + 1
            for row in reversed(range(len(ends))):
                end, song = ends[row], choir.songs[row]
                if end is None and frame + 1 < len(song.mixed):
                    continue
                length = frame + 1 if end is None else end
                advance(0, len(song.mixed) - (frame + 1))
                song.codes = torch.cat([song.mixed[None, :length], choir.read(row, length)]).cpu()
                choir.dismiss(row, first_slot + frame + 1)
            if not choir.songs:
                return
        latest = choir.latest(frame)
        embedded = second.embed(latest[:, 0], latest[:, 1]).repeat_interleave(2, dim=0)
        inputs = second.bridge(embedded, projected[choir.places[: len(choir.songs)], :, frame + 1].flatten(0, 1))
        states = second.tower.forward(inputs[:, None], cache, first_slot + frame + 1, choir.rows)[:, 0]


def _prefill_stems(model: Lelm, second: SecondStage, song: Song, cache: KvCache, row: int, projected: Tensor) -> Tensor:
    """Run prefix and delay slots; gives the states that predict the first frame [2, dim]."""
    device, prefix, delay = model.precision.device, model.config.prefix_len, model.config.delay
    null = model.null_prefixes[song.text.null_style_ids]
    special = torch.tensor([SPECIAL], device=device)
    slot = second.embed(special, special)
    if null.cache2 is None:
        null_inputs = torch.cat([model.conditioner.embed_null(song.text.null_style_ids).prefix(2).to(device), slot])
        bridged = second.bridge(null_inputs, second.project_states(null.states1))
        null.cache2 = KvCache(second.tower, 1, prefix + 1)
        second.tower.forward(bridged[None], null.cache2, 0, slice(0, 1))
    text = song.text
    segments = model.conditioner.embed(text.lyric_ids, text.structure, text.style_ids, song.prompt)
    inputs = torch.cat([segments.prefix(2).to(device), slot.expand(delay + 1, -1)])
    bridged = second.bridge(inputs, projected[0, : prefix + delay + 1])
    conditional = second.tower.forward(bridged[None], cache, 0, slice(2 * row, 2 * row + 1))[0, -1]
    cache.copy_row(null.cache2, 0, 2 * row + 1, prefix + 1)
    bridged = second.bridge(slot.expand(delay, -1), projected[1, prefix + 1 : prefix + delay + 1])
    unconditional = second.tower.forward(bridged[None], cache, prefix + 1, slice(2 * row + 1, 2 * row + 2))[0, -1]
    return torch.stack([conditional, unconditional])


def _draw_mixed(uniforms: Tensor, songs: Sequence[Song], step: int, weights: Tensor) -> Tensor:
    official = [song.official.pick_mixed(row, step) for song, row in zip(songs, weights, strict=True) if song.official]
    return torch.stack(official) if official else pick(weights, uniforms)


def _draw_stems(uniforms: Tensor, songs: Sequence[Song], step: int, weights: Tensor) -> Tensor:
    official = [song.official.pick_stems(row, step) for song, row in zip(songs, weights, strict=True) if song.official]
    return torch.stack(official) if official else pick(weights, uniforms)
