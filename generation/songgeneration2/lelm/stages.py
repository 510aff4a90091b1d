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
from generation.songgeneration2.lelm.fused import can_choose, choose_codes
from generation.songgeneration2.lelm.model import FirstStage, Lelm, NullPrefix, SecondStage
from generation.songgeneration2.lelm.pattern import CODE_SIZE, EOS, SPECIAL
from generation.songgeneration2.lelm.sampling import choose_mixed, choose_stems, guide, penalise, pick
from generation.songgeneration2.lelm.songs import Choir, Song
from generation.songgeneration2.lelm.tower import KvCache

Advance = Callable[[int, int], None]
"""Called with frames sung and frames no longer needed since the last call."""

_CHECK_EVERY = 64
"""Frames between looks at the end codes on a GPU, where each look waits for the device."""


class MixedPass:
    """The mixed stream of several songs, frame by frame.

    Args:
        model: The model.
        first: Its first stage.
        songs: Songs with their own lengths and seeds.
    """

    def __init__(self, model: Lelm, first: FirstStage, songs: Sequence[Song]) -> None:
        self._model, self._first = model, first
        config, device = model.config, model.precision.device
        self._prefix = config.prefix_len
        self.frames = max(song.max_frames for song in songs)
        positions = self._prefix + self.frames + config.delay
        self.cache = KvCache(first.tower, 2 * len(songs), positions)
        self._step = model.stepper(first.tower, self.cache)
        self._store = torch.empty(
            len(songs), 2, positions, config.dim, dtype=model.precision.activations, device=device
        )
        self._banned = torch.zeros(len(songs), CODE_SIZE + 1, dtype=torch.bool, device=device)
        self._uniforms = torch.zeros(len(songs), self.frames, dtype=torch.float64, device=device)
        for row, song in enumerate(songs):
            _prefill_mixed(model, first, song, self.cache, row, self._store[row])
            self._banned[row, banned_codes(song.prompt).to(device)] = True
            self._uniforms[row, : song.max_frames] = song.uniforms[0].to(device)
        if (null := _common_null(model, songs)) is not None:
            self.cache.share(null.cache1, self._prefix + 1)
        self.choir = Choir(songs, 1, self.frames, self.cache, device)
        self._states = self._store[:, :, self._prefix].flatten(0, 1)
        self._fused = can_choose(songs, device)

    def choose(self, frame: int) -> None:
        """Choose a frame's codes from the states of the slot before."""
        choir = self.choir
        logits = self._first.logits(self._states)
        if self._fused:
            choose_codes(logits, choir, frame, uniforms=self._uniforms, banned=self._banned)
            return
        logits = logits.view(len(choir.songs), 2, -1)
        codes = torch.empty(len(choir.songs), dtype=torch.int64, device=logits.device)
        for params, rows, members in choir.groups():
            places = choir.places[: len(choir.songs)][rows]
            guided = guide(logits[rows, 0], logits[rows, 1], params.cfg_coef)
            guided = penalise(guided, choir.window(frame)[rows, 0], params)
            guided = guided.masked_fill(self._banned[places], -torch.inf)
            draw = partial(_draw_mixed, self._uniforms[places, frame], members, frame)
            codes[rows] = choose_mixed(guided, params, draw)
        choir.write(frame, codes[:, None])

    def advance(self, frame: int) -> None:
        """Feed a frame's codes to the tower."""
        choir, at = self.choir, self._prefix + frame + 1
        embedded = self._first.embed(choir.latest(frame)[:, 0]).repeat_interleave(2, dim=0)
        self._states = self._step(embedded[:, None], at, 2 * len(choir.songs))[:, 0]
        self._store[choir.places[: len(choir.songs)], :, at] = self._states.view(len(choir.songs), 2, -1)

    def finish(self, row: int, frame: int, end: int | None) -> None:
        """Hand a song its mixed stream and states, and let it go."""
        song = self.choir.songs[row]
        length = frame + 1 if end is None else end
        song.mixed = self.choir.read(row, length)[0]
        if length:
            states = self._store[int(self.choir.places[row])]
            _run_tail(self._model, self._first, song, ended=end is not None, cache=self.cache, row=row, states=states)
            song.states = states[:, : self._prefix + length + self._model.config.delay]
        self.choir.dismiss(row, self._prefix + frame + 1)


def sing_mixed(model: Lelm, first: FirstStage, songs: Sequence[Song], advance: Advance) -> None:
    """Sing the mixed stream of several songs; fills ``mixed`` and ``states``.

    Args:
        model: The model.
        first: Its first stage.
        songs: Songs with their own lengths and seeds.
        advance: Told about progress.
    """
    run = MixedPass(model, first, songs)
    checked = 0
    for frame in range(run.frames):
        run.choose(frame)
        advance(len(run.choir.songs), 0)
        if _time_to_look(frame, [song.max_frames for song in run.choir.songs], model.precision.device):
            ends = run.choir.ended(checked, frame + 1)
            checked = frame + 1
            for row in reversed(range(len(ends))):
                end, song = ends[row], run.choir.songs[row]
                if end is not None or frame + 1 == song.max_frames:
                    run.finish(row, frame, end)
                    advance(0, song.max_frames - (frame + 1) + song.max_frames - len(song.mixed))
            if not run.choir.songs:
                return
        run.advance(frame)


def _time_to_look(frame: int, limits: Sequence[int], device: torch.device) -> bool:
    """Whether to look for songs that ended: when one is full; else each frame on a CPU, now and then on a GPU."""
    return frame + 1 in limits or device.type == "cpu" or (frame + 1) % _CHECK_EVERY == 0


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


def _common_null(model: Lelm, songs: Sequence[Song]) -> NullPrefix | None:
    """The unconditional prefix that all songs have, if it is one."""
    styles = {song.text.null_style_ids for song in songs}
    return model.null_prefixes[styles.pop()] if len(styles) == 1 else None


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


class StemPass:
    """Vocals and accompaniment of several songs, frame by frame.

    Args:
        model: The model.
        second: Its second stage.
        songs: Songs whose mixed stream has at least one frame; their ``states`` are freed.
    """

    def __init__(self, model: Lelm, second: SecondStage, songs: Sequence[Song]) -> None:
        self._second, self._delay = second, model.config.delay
        config, device, dtype = model.config, model.precision.device, model.precision.activations
        self._start = config.prefix_len + config.delay
        self.frames = max(len(song.mixed) for song in songs)
        self.cache = KvCache(second.tower, 2 * len(songs), self._start + self.frames)
        self._step = model.stepper(second.tower, self.cache)
        self._projected = torch.zeros(len(songs), 2, self.frames, config.dim, dtype=dtype, device=device)
        self._states = torch.empty(2 * len(songs), config.dim, dtype=dtype, device=device)
        self._uniforms = torch.zeros(len(songs), 2, self.frames, dtype=torch.float64, device=device)
        for row, song in enumerate(songs):
            assert song.states is not None, "stems are sung after the mixed stream"
            projected, length = second.project_states(song.states.to(device)), len(song.mixed)
            song.states = None
            self._states[2 * row : 2 * row + 2] = _prefill_stems(model, second, song, self.cache, row, projected)
            self._projected[row, :, :length] = projected[:, self._start : self._start + length]
            self._uniforms[row, :, :length] = song.uniforms[1:, :length].to(device)
        null = _common_null(model, songs)
        if null is not None and null.cache2 is not None:
            self.cache.share(null.cache2, config.prefix_len + 1)
        self.choir = Choir(songs, 2, self.frames, self.cache, device)
        self._fused = can_choose(songs, device)

    def choose(self, frame: int) -> None:
        """Choose a frame's codes from the states of the slot before."""
        choir = self.choir
        logits = self._second.logits(self._states)
        if self._fused:
            choose_codes(logits.flatten(1), choir, frame, uniforms=self._uniforms)
            return
        logits = logits.view(len(choir.songs), 2, 2, -1)
        codes = torch.empty(len(choir.songs), 2, dtype=torch.int64, device=logits.device)
        for params, rows, members in choir.groups():
            places = choir.places[: len(choir.songs)][rows]
            guided = guide(logits[rows, 0], logits[rows, 1], params.cfg_coef)
            guided = penalise(guided, choir.window(frame)[rows], params)
            draw = partial(_draw_stems, self._uniforms[places, :, frame], members, frame + self._delay)
            codes[rows] = choose_stems(guided, params, draw)
        choir.write(frame, codes)

    def advance(self, frame: int) -> None:
        """Feed a frame's codes to the tower."""
        choir, latest = self.choir, self.choir.latest(frame)
        embedded = self._second.embed(latest[:, 0], latest[:, 1]).repeat_interleave(2, dim=0)
        projected = self._projected[choir.places[: len(choir.songs)], :, frame + 1].flatten(0, 1)
        inputs = self._second.bridge(embedded, projected)[:, None]
        self._states = self._step(inputs, self._start + frame + 1, 2 * len(choir.songs))[:, 0]

    def finish(self, row: int, frame: int, end: int | None) -> None:
        """Hand a song its codes and let it go."""
        song = self.choir.songs[row]
        length = frame + 1 if end is None else end
        song.codes = torch.cat([song.mixed[None, :length], self.choir.read(row, length)]).cpu()
        self.choir.dismiss(row, self._start + frame + 1)


def sing_stems(model: Lelm, second: SecondStage, songs: Sequence[Song], advance: Advance) -> None:
    """Sing vocals and accompaniment to finished mixed streams; fills ``codes`` and frees ``states``.

    Args:
        model: The model.
        second: Its second stage.
        songs: Songs whose mixed stream has at least one frame.
        advance: Told about progress.
    """
    run = StemPass(model, second, songs)
    checked = 0
    for frame in range(run.frames):
        run.choose(frame)
        advance(len(run.choir.songs), 0)
        if _time_to_look(frame, [len(song.mixed) for song in run.choir.songs], model.precision.device):
            ends = run.choir.ended(checked, frame + 1)
            checked = frame + 1
            for row in reversed(range(len(ends))):
                end, song = ends[row], run.choir.songs[row]
                if end is not None or frame + 1 == len(song.mixed):
                    run.finish(row, frame, end)
                    advance(0, len(song.mixed) - (frame + 1))
            if not run.choir.songs:
                return
        run.advance(frame)


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
