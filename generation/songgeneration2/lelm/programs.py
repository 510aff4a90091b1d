"""What our kernels do on a GPU, in Triton; `kernels` launches them.

Rows are those of the cache: a song's conditional row is even, its unconditional one odd. Rounding is that of the plain
step: statistics, rotations and sums in float32, everything that is handed on in the dtype of the states.
"""

import triton
import triton.language as tl

_ONCE = ["stride", "codes_stride", "column", "n_frames", "frame", "top_k"]
"""Whole numbers whose value makes no program faster: one is compiled for all of them."""


@triton.jit
def norm_program(x, delta, weight, out, dim, eps, HAS_DELTA: tl.constexpr, BLOCK: tl.constexpr):
    """Add to a row in place, then RMS norm."""
    at = tl.arange(0, BLOCK)
    inside = at < dim
    here = tl.program_id(0).to(tl.int64) * dim + at
    value = tl.load(x + here, inside, 0.0)
    if HAS_DELTA:
        value = value + tl.load(delta + here, inside, 0.0)
        tl.store(x + here, value, inside)
    wide = value.to(tl.float32)
    scale = tl.rsqrt(tl.sum(wide * wide) / dim + eps)
    normed = (wide * scale).to(value.dtype) * tl.load(weight + at, inside, 0.0)
    tl.store(out + here, normed, inside)


@triton.jit
def _rotated(vector, rotations, at, channel, WIDTH: tl.constexpr):
    """A vector [WIDTH] in memory, its neighbouring channels rotated as pairs, in its own dtype."""
    own, other = tl.load(vector + channel), tl.load(vector + (channel ^ 1))
    angle = rotations + (at * (WIDTH // 2) + channel // 2) * 2
    sine = tl.where(channel % 2 == 0, -tl.load(angle + 1), tl.load(angle + 1))
    return (own.to(tl.float32) * tl.load(angle) + other.to(tl.float32) * sine).to(own.dtype)


@triton.jit
def attend_program(
    qkv, rotations, keys, values, position, sums, tops, totals, n_shared, heads, positions, scale,
    SPLITS: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Attention of one head of one row over one share of the positions before the current one."""
    row, head, split = tl.program_id(0) // heads, tl.program_id(0) % heads, tl.program_id(1)
    now = tl.load(position)
    stop = now.to(tl.int32)
    span = tl.cdiv(tl.cdiv(stop, SPLITS), BLOCK) * BLOCK
    first = split * span
    last = tl.minimum(first + span, stop)
    channel = tl.arange(0, WIDTH)
    query = _rotated(qkv + (row * 3 * heads + head) * WIDTH, rotations, now, channel, WIDTH).to(tl.float32) * scale
    top = float("-inf")
    total = 0.0
    attended = tl.zeros([WIDTH], tl.float32)
    for begin in range(first, last, BLOCK):
        at = begin + tl.arange(0, BLOCK)
        inside = at < last
        # The first positions of every odd row are the same: all read those of row 1, which then lie in the cache.
        source = tl.where((row % 2 == 1) & (at < n_shared), 1, row)
        there = ((source * heads + head).to(tl.int64) * positions + at)[:, None] * WIDTH + channel[None, :]
        key = tl.load(keys + there, inside[:, None], 0.0).to(tl.float32)
        value = tl.load(values + there, inside[:, None], 0.0).to(tl.float32)
        scores = tl.where(inside, tl.sum(key * query[None, :], 1), float("-inf"))
        new_top = tl.maximum(top, tl.max(scores, 0))
        weights = tl.exp(scores - new_top)
        shrink = tl.exp(top - new_top)
        total = total * shrink + tl.sum(weights, 0)
        attended = attended * shrink + tl.sum(weights[:, None] * value, 0)
        top = new_top
    part = tl.program_id(0) * SPLITS + split
    tl.store(sums + part * WIDTH + channel, attended)
    tl.store(tops + part, top)
    tl.store(totals + part, total)


@triton.jit
def merge_program(
    qkv, rotations, keys, values, position, sums, tops, totals, out, heads, positions, scale,
    SPLITS: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Join the shares of a head with the current position, whose key and value go into the cache."""
    number = tl.program_id(0)
    row, head = number // heads, number % heads
    now = tl.load(position)
    channel = tl.arange(0, WIDTH)
    own = qkv + (row * 3 * heads + head) * WIDTH
    query = _rotated(own, rotations, now, channel, WIDTH).to(tl.float32) * scale
    key = _rotated(own + heads * WIDTH, rotations, now, channel, WIDTH)
    value = tl.load(own + 2 * heads * WIDTH + channel)
    there = (number.to(tl.int64) * positions + now) * WIDTH + channel
    tl.store(keys + there, key)
    tl.store(values + there, value)
    score = tl.sum(query * key.to(tl.float32), 0)
    part = number * SPLITS + tl.arange(0, SPLITS)
    before = tl.load(tops + part)
    top = tl.maximum(tl.max(before, 0), score)
    weights, weight = tl.exp(before - top), tl.exp(score - top)
    total = tl.sum(tl.load(totals + part) * weights, 0) + weight
    attended = tl.sum(tl.load(sums + part[:, None] * WIDTH + channel[None, :]) * weights[:, None], 0)
    attended = (attended + weight * value.to(tl.float32)) / total
    tl.store(out + number * WIDTH + channel, attended.to(out.dtype.element_ty))


@triton.jit
def product_program(
    x, weight, out, norm, eps, n_out,
    N_IN: tl.constexpr, NORM: tl.constexpr, GATE: tl.constexpr, ADD: tl.constexpr,
    BLOCK_OUT: tl.constexpr, BLOCK_IN: tl.constexpr,
):  # fmt: skip
    """A few outputs of a matrix for two rows, with norm before, gate or sum after."""
    output = tl.program_id(0) * BLOCK_OUT + tl.arange(0, BLOCK_OUT)
    asked = output < n_out
    scale0 = 1.0
    scale1 = 1.0
    if NORM:
        square0 = tl.zeros([BLOCK_IN], tl.float32)
        square1 = tl.zeros([BLOCK_IN], tl.float32)
        for begin in tl.static_range(0, N_IN, BLOCK_IN):
            at = begin + tl.arange(0, BLOCK_IN)
            value0 = tl.load(x + at, at < N_IN, 0.0).to(tl.float32)
            value1 = tl.load(x + N_IN + at, at < N_IN, 0.0).to(tl.float32)
            square0 += value0 * value0
            square1 += value1 * value1
        scale0 = tl.rsqrt(tl.sum(square0, 0) / N_IN + eps)
        scale1 = tl.rsqrt(tl.sum(square1, 0) / N_IN + eps)
    sum0 = tl.zeros([BLOCK_OUT, BLOCK_IN], tl.float32)
    sum1 = tl.zeros([BLOCK_OUT, BLOCK_IN], tl.float32)
    up0 = tl.zeros([BLOCK_OUT, BLOCK_IN], tl.float32)
    up1 = tl.zeros([BLOCK_OUT, BLOCK_IN], tl.float32)
    for begin in range(0, N_IN, BLOCK_IN):
        at = begin + tl.arange(0, BLOCK_IN)
        there = output[:, None].to(tl.int64) * N_IN + at[None, :]
        inside = asked[:, None] & (at < N_IN)[None, :]
        part = tl.load(weight + there, inside, 0.0).to(tl.float32)
        row0 = tl.load(x + at, at < N_IN, 0.0)
        row1 = tl.load(x + N_IN + at, at < N_IN, 0.0)
        if NORM:
            factor = tl.load(norm + at, at < N_IN, 0.0)
            row0 = (row0.to(tl.float32) * scale0).to(row0.dtype) * factor
            row1 = (row1.to(tl.float32) * scale1).to(row1.dtype) * factor
        wide0, wide1 = row0.to(tl.float32)[None, :], row1.to(tl.float32)[None, :]
        sum0 += part * wide0
        sum1 += part * wide1
        if GATE:
            part = tl.load(weight + n_out * N_IN + there, inside, 0.0).to(tl.float32)
            up0 += part * wide0
            up1 += part * wide1
    kind = out.dtype.element_ty
    result0, result1 = tl.sum(sum0, 1).to(kind), tl.sum(sum1, 1).to(kind)
    if GATE:
        gate0, gate1 = result0.to(tl.float32), result1.to(tl.float32)
        result0 = (gate0 / (1.0 + tl.exp(-gate0))).to(kind) * tl.sum(up0, 1).to(kind)
        result1 = (gate1 / (1.0 + tl.exp(-gate1))).to(kind) * tl.sum(up1, 1).to(kind)
    if ADD:
        result0 += tl.load(out + output, asked, 0.0)
        result1 += tl.load(out + n_out + output, asked, 0.0)
    tl.store(out + output, result0, asked)
    tl.store(out + n_out + output, result1, asked)


@triton.jit
def gate_program(gate_up, out, width, BLOCK: tl.constexpr):
    """SiLU of the first half of a row times the second half."""
    row = tl.program_id(0)
    at = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = at < width
    gate = tl.load(gate_up + row * 2 * width + at, inside, 0.0)
    up = tl.load(gate_up + row * 2 * width + width + at, inside, 0.0)
    wide = gate.to(tl.float32)
    tl.store(out + row * width + at, (wide / (1.0 + tl.exp(-wide))).to(gate.dtype) * up, inside)


@triton.jit
def _punished(values, seen, penalty, CORRECTED: tl.constexpr):
    """Divide what was sung lately."""
    punished = tl.div_rn(values, penalty)
    if CORRECTED:
        punished = tl.where(values < 0, values * penalty, punished)
    return tl.where(seen, punished, values)


@triton.jit
def _guided(row, stride, ids, cfg_coef):
    """Classifier-free guidance from a conditional row and the one after it."""
    conditional, free = tl.load(row + ids).to(tl.float32), tl.load(row + stride + ids).to(tl.float32)
    return free + cfg_coef * (conditional - free)


@triton.jit
def _seen(ids, window, WINDOW: tl.constexpr):
    """Which ids occur in a window."""
    seen = ids < 0
    for back in tl.static_range(WINDOW):  # unrolled, so that no load waits for the one before
        seen = seen | (ids == tl.load(window + back))
    return seen


@triton.jit(do_not_specialize=_ONCE)
def mixed_program(
    logits, stride, codes, codes_stride, column, banned, uniforms, n_frames, frame, places,
    cfg_coef, temperature, penalty, top_k,
    SIZE: tl.constexpr, WINDOW: tl.constexpr, CORRECTED: tl.constexpr,
):  # fmt: skip
    """Choose one song's code of the mixed stream."""
    song = tl.program_id(0)
    place = tl.load(places + song)
    own = logits + 2 * song.to(tl.int64) * stride
    cell = codes + song * codes_stride + column
    ids = tl.arange(0, SIZE)
    values = _punished(_guided(own, stride, ids, cfg_coef), _seen(ids, cell - WINDOW, WINDOW), penalty, CORRECTED)
    forbidden = banned + place * (SIZE + 1)
    values = tl.where(tl.load(forbidden + ids) != 0, float("-inf"), values) / temperature
    end = tl.where(tl.load(forbidden + SIZE) != 0, float("-inf"), _guided(own, stride, SIZE, cfg_coef)) / temperature
    top = tl.maximum(tl.max(values, 0), end)
    chances, end_chance = tl.exp(values - top), tl.exp(end - top)
    # The bits of numbers from 0 to 1 are ordered as the numbers: find those of the k-th best, one by one.
    bits, end_bits = chances.to(tl.int32, bitcast=True), end_chance.to(tl.int32, bitcast=True)
    threshold = end_bits * 0
    for step in range(30):
        trial = threshold | (1 << (29 - step))
        at_least = tl.sum((bits >= trial).to(tl.int32), 0) + (end_bits >= trial).to(tl.int32)
        threshold = tl.where(at_least >= top_k, trial, threshold)
    cumulative = tl.cumsum(tl.where(bits >= threshold, chances, 0.0).to(tl.float64), 0)
    total = tl.max(cumulative, 0) + tl.where(end_bits >= threshold, end_chance, 0.0).to(tl.float64)
    target = tl.load(uniforms + place * n_frames + frame) * total
    tl.store(cell, tl.sum((cumulative <= target).to(tl.int64), 0))


@triton.jit(do_not_specialize=_ONCE)
def stems_program(
    logits, stride, codes, codes_stride, column, uniforms, n_frames, frame, places, cfg_coef, penalty,
    SIZE: tl.constexpr, WINDOW: tl.constexpr, CORRECTED: tl.constexpr,
):  # fmt: skip
    """Choose one song's code of one stem: the best, at random among exact equals."""
    song, stream = tl.program_id(0), tl.program_id(1)
    own = logits + 2 * song.to(tl.int64) * stride + stream * (SIZE + 1)
    cell = codes + (2 * song + stream) * codes_stride + column
    ids = tl.arange(0, SIZE)
    values = _punished(_guided(own, stride, ids, cfg_coef), _seen(ids, cell - WINDOW, WINDOW), penalty, CORRECTED)
    end = _guided(own, stride, SIZE, cfg_coef)
    best = tl.maximum(tl.max(values, 0), end)
    equals = (values == best).to(tl.int32)
    count = tl.sum(equals, 0) + (end == best).to(tl.int32)
    place = tl.load(places + song) * 2 + stream
    target = tl.load(uniforms + place * n_frames + frame) * count.to(tl.float64)
    tl.store(cell, tl.sum((tl.cumsum(equals, 0).to(tl.float64) <= target).to(tl.int64), 0))
