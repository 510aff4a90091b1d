"""The codec's networks against plain float64 versions written from their description, at other sizes than recorded.

Also what no record reaches: the channel limiter, the order of limiting and cutting, mono prompts, exact ties.
"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from generation.songgeneration2.codec.config import CodecConfig, FlowConfig, MusicFMConfig, RvqConfig, VaeConfig
from generation.songgeneration2.codec.flow import FlowRequest
from generation.songgeneration2.codec.stages import empty_stage
from generation.songgeneration2.codec.tiny import random_weights
from generation.songgeneration2.codec.vae import split_posterior

SIZES = {
    "one": CodecConfig(
        rvq=RvqConfig(input_dim=12, codebook_size=50, codebook_dim=3),
        musicfm=MusicFMConfig(conv_dim=3, dim=12, depth=4, heads=3, inner=20, depthwise_kernel=7),
        flow=FlowConfig(
            mask_dim=2, latent_dim=5, condition_dim=12, layers=2, heads=2, inner=9, positions=40, time_frequencies=8
        ),
        vae=VaeConfig(channels=3, multipliers=(1, 3), strides=(6, 2), latent_dim=5),
        mixed_layer=4,
        vocal_layer=2,
        bgm_layer=0,
    ),
    "other": CodecConfig(
        rvq=RvqConfig(input_dim=8, codebook_size=33, codebook_dim=4),
        musicfm=MusicFMConfig(conv_dim=2, dim=8, depth=3, heads=1, inner=5, depthwise_kernel=31),
        flow=FlowConfig(
            mask_dim=4, latent_dim=3, condition_dim=8, layers=1, heads=13, inner=30, positions=25, time_frequencies=256
        ),
        vae=VaeConfig(channels=2, multipliers=(2, 1, 4), strides=(2, 4, 10), latent_dim=3),
        mixed_layer=1,
        vocal_layer=1,
        bgm_layer=3,
    ),
}


@pytest.fixture(params=SIZES)
def config(request):
    return SIZES[request.param]


def stage(name, config, seed=1):
    """A stage whose norms and statistics are not trivial, and its tensors as float64."""
    module = random_weights(empty_stage(name, config), seed, name).eval()
    generator = torch.Generator().manual_seed(seed)
    for key, tensor in module.state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator)
        if "norm" in key or ".bn" in key or key.startswith("normfeat.sum") or key.endswith((".alpha", ".beta")):
            if key == "normfeat.sum_x":
                tensor.copy_(0.3 * noise * module.normfeat.counts)
            elif tensor.is_floating_point():
                tensor.mul_((0.2 * noise).exp()).add_(0.0 if "var" in key or "sum_x2" in key else 0.1 * noise)
    return module, {key: tensor.double() for key, tensor in module.state_dict().items()}


def near(found, expected):
    assert found.shape == expected.shape
    assert float((found.double() - expected).abs().max()) <= 1e-4 * max(float(expected.abs().max()), 1e-3)


def layer_norm(w, name, x):
    y = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    return y * w[name + ".weight"] + w[name + ".bias"]


def folded(w, name):
    v = w[name + ".weight_v"]
    return w[name + ".weight_g"] * v / v.flatten(1).norm(dim=1).view(-1, *[1] * (v.dim() - 1))


def attention(q, k, v, mask=None):
    scores = q @ k.T / math.sqrt(q.shape[1])
    if mask is not None:
        scores = scores + (1 - mask) * torch.finfo(torch.float32).min
    return scores.softmax(-1) @ v


def quantised(w, name, codes):
    rows = w[f"{name}.quantizers.0.codebook.weight"][codes]
    out = f"{name}.quantizers.0.out_proj"
    return rows @ folded(w, out)[:, :, 0].T + w[out + ".bias"]


def velocity(w, c, x, time, mask):
    """The estimator on one row [T, width]."""
    flow, length = c.flow, len(x)
    size, p = flow.width // flow.heads, "cfm_wrapper.estimator."
    frequencies = torch.exp(-math.log(10_000) * torch.arange(flow.time_frequencies).double() / flow.time_frequencies)
    sinusoid = torch.cat([torch.cos(1000 * time * frequencies), torch.sin(1000 * time * frequencies)])

    def affine(name, y):
        return y @ w[p + name + ".weight"].T + w[p + name + ".bias"]

    def projected(name, y):  # stored [in, out]
        return y @ w[p + name + ".weight"] + w[p + name + ".bias"]

    embedded = affine(
        "adaln_single.emb.timestep_embedder.linear_2",
        F.silu(affine("adaln_single.emb.timestep_embedder.linear_1", sinusoid)),
    )
    modulation = affine("adaln_single.linear", F.silu(embedded)).view(6, -1)
    angles = torch.arange(length)[:, None] * 10_000.0 ** (-torch.arange(0, size, 2).double() / size)

    def rotated(y):
        out = torch.empty_like(y)
        out[:, 0::2] = y[:, 0::2] * angles.cos() - y[:, 1::2] * angles.sin()
        out[:, 1::2] = y[:, 1::2] * angles.cos() + y[:, 0::2] * angles.sin()
        return out

    x = x + w[p + "wpe.weight"][:length]
    for layer in range(flow.layers):
        h = f"h.{layer}."
        shift1, scale1, gate1, shift2, scale2, gate2 = w[f"{p}{h}scale_shift_table"] + modulation
        y = layer_norm(w, f"{p}{h}ln_1", x) * (1 + scale1) + shift1
        q, k, v = projected(h + "attn.c_attn", y).chunk(3, dim=1)
        heads = [slice(i * size, (i + 1) * size) for i in range(flow.heads)]
        y = torch.cat([attention(rotated(q[:, i]), rotated(k[:, i]), v[:, i], mask) for i in heads], dim=1)
        x = x + gate1 * projected(h + "attn.c_proj", y)
        y = layer_norm(w, f"{p}{h}ln_2", x) * (1 + scale2) + shift2
        y = projected(h + "mlp.c_fc", y)
        y = 0.5 * y * (1 + torch.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y**3)))
        x = x + gate2 * projected(h + "mlp.c_proj", y)
    shift, scale = w[p + "scale_shift_table"] + embedded
    return affine("proj_out", layer_norm(w, p + "ln_f", x) * (1 + scale) + shift)[:, -flow.latent_dim :]


def plain_latents(w, c, vocal, bgm, noise, context, given, exist, steps, guidance):
    """Latents [latent, T] of one window."""
    length = len(vocal)
    mean = w["normfeat.sum_x"] / w["normfeat.counts"]
    std = (w["normfeat.sum_x2"] / w["normfeat.counts"] - mean**2).clamp(min=0).sqrt()
    kind = torch.tensor([0 if i >= exist else 1 if i < given else 2 for i in range(length)])
    latents = ((context.T - mean) / std.clamp(min=1e-12)) * (kind == 1)[:, None]
    mu = torch.cat([quantised(w, "rvq_bestrq_emb", vocal), quantised(w, "rvq_bestrq_bgm_emb", bgm)], dim=1)
    mu[kind == 0] = w["zero_cond_embedding1"].repeat(2)
    visible = (kind > 0).double()
    mask = visible[:, None] * visible[None]
    x = noise.clone()
    for step in range(steps):
        time = step / steps
        x[kind == 1] = ((1 - (1 - 1e-4) * time) * noise + time * latents)[kind == 1]
        rows = [torch.cat([w["mask_emb.weight"][kind], latents, m, x], dim=1) for m in (torch.zeros_like(mu), mu)]
        free, bound = (velocity(w, c, row, time, mask) for row in rows)
        x = x + (free + guidance * (bound - free) if guidance > 1 else bound) / steps
    x[kind == 1] = latents[kind == 1]
    return (x * std + mean).T


@pytest.mark.parametrize(("steps", "guidance"), [(4, 1.5), (3, 1.0), (10, 2.5)])
def test_codes_to_latents(config, steps, guidance):
    module, w = stage("flow", config)
    rng = torch.Generator().manual_seed(7)
    rows, length, latent = 3, config.flow.positions - 2, config.flow.latent_dim
    codes = torch.randint(config.rvq.codebook_size, (2, rows, length), generator=rng)
    noise = torch.randn(rows, length, latent, generator=rng)
    context = torch.randn(rows, latent, length, generator=rng)
    given, exist = torch.tensor([0, 5, 9]), torch.tensor([length, length - 6, length])
    request = FlowRequest(
        vocal=codes[0], bgm=codes[1], noise=noise, context=context, context_frames=given, frames=exist
    )
    with torch.inference_mode():
        found = module.latents(request, steps=steps, guidance=guidance)
    for row in range(rows):
        expected = plain_latents(
            w, config, codes[0, row], codes[1, row], noise[row].double(), context[row].double(),
            int(given[row]), int(exist[row]), steps, guidance,
        )  # fmt: skip
        near(found[row], expected)


def snake(w, name, x):
    return x + torch.sin(x * w[name + ".alpha"].exp()[:, None]) ** 2 / (w[name + ".beta"].exp()[:, None] + 1e-9)


def conv(w, name, x, padding, *, dilation=1, stride=1):
    weight, bias = folded(w, name), w.get(name + ".bias")
    x = F.pad(x, (padding, padding))
    taps = (weight.shape[2] - 1) * dilation + 1
    count = (x.shape[1] - taps) // stride + 1
    out = sum(
        weight[:, :, k] @ x[:, k * dilation : k * dilation + (count - 1) * stride + 1 : stride]
        for k in range(weight.shape[2])
    )
    return out if bias is None else out + bias[:, None]


def upsample(w, name, x, stride):
    """Each input lays its kernel down at its place; the overhang is cut."""
    weight = folded(w, name)
    out = torch.zeros(weight.shape[1], (x.shape[1] + 1) * stride, dtype=x.dtype)
    for at in range(x.shape[1]):
        out[:, at * stride : (at + 2) * stride] += torch.einsum("i,iok->ok", x[:, at], weight)
    cut = -(-stride // 2)
    return out[:, cut : out.shape[1] - cut] + w[name + ".bias"][:, None]


def unit(w, name, x, dilation):
    y = conv(w, name + ".layers.1", snake(w, name + ".layers.0", x), 3 * dilation, dilation=dilation)
    return x + conv(w, name + ".layers.3", snake(w, name + ".layers.2", y), 0)


def test_latents_to_sound(config):
    module, w = stage("decoder", config)
    x = torch.randn(2, config.vae.latent_dim, 9, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        found = module(x)
    for row in range(2):
        y = conv(w, "layers.0", x[row].double(), 3)
        for number, stride in enumerate(reversed(config.vae.strides), start=1):
            name = f"layers.{number}.layers"
            y = upsample(w, name + ".1", snake(w, name + ".0", y), stride)
            for place, dilation in ((2, 1), (3, 3), (4, 9)):
                y = unit(w, f"{name}.{place}", y, dilation)
        last = len(config.vae.strides) + 1
        near(found[row], conv(w, f"layers.{last + 1}", snake(w, f"layers.{last}", y), 3))
        assert found.shape[2] == 9 * config.vae.ratio


def test_sound_to_latents(config):
    module, w = stage("encoder", config)
    x = torch.randn(1, 2, 11 * config.vae.ratio, generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        mean, std = split_posterior(module(x))
    y = conv(w, "layers.0", x[0].double(), 3)
    for number, stride in enumerate(config.vae.strides, start=1):
        name = f"layers.{number}.layers"
        for place, dilation in ((0, 1), (1, 3), (2, 9)):
            y = unit(w, f"{name}.{place}", y, dilation)
        y = conv(w, name + ".4", snake(w, name + ".3", y), -(-stride // 2), stride=stride)
    last = len(config.vae.strides) + 1
    y = conv(w, f"layers.{last + 1}", snake(w, f"layers.{last}", y), 1)
    near(mean[0], y[: config.vae.latent_dim])
    near(std[0], torch.log1p(y[config.vae.latent_dim :].exp()) + 1e-4)


def halved(wave):
    """48 to 24 kHz, sample by sample."""
    time = (0.99 * (torch.arange(28).double() - 13) / 2).clamp(-6, 6)
    kernel = torch.sinc(time) * torch.cos(math.pi * time / 12) ** 2 * 0.495
    padded = F.pad(wave, (13, 15))
    return torch.stack([padded[2 * i : 2 * i + 28] @ kernel for i in range((len(wave) + 1) // 2)])


def mel(wave):
    """Decibels [128, frames] of a wave at 24 kHz."""
    padded = np.pad(wave[: len(wave) // 960 * 960].numpy(), 1024, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    count = (len(padded) - 2048) // 240
    power = np.stack([np.abs(np.fft.rfft(padded[i * 240 : i * 240 + 2048] * window)) ** 2 for i in range(count)])
    top = 2595 * math.log10(1 + 12_000 / 700)
    corners = 700 * (10 ** (np.linspace(0, top, 130) / 2595) - 1)
    bins = np.linspace(0, 12_000, 1025)
    bank = np.stack([np.interp(bins, corners[b : b + 3], [0, 1, 0], left=0, right=0) for b in range(128)], axis=1)
    return torch.from_numpy(10 * np.log10(np.maximum(power @ bank, 1e-10)).T)


def batch_norm(w, name, x):
    shape = (-1, *[1] * (x.dim() - 1))
    y = (x - w[name + ".running_mean"].view(shape)) / (w[name + ".running_var"].view(shape) + 1e-5).sqrt()
    return y * w[name + ".weight"].view(shape) + w[name + ".bias"].view(shape)


def hidden_states(w, c, wave, count):
    """States 0 to ``count`` [frames, dim] of a wave at 24 kHz."""
    p, m = "bestrq.model.", c.musicfm

    def affine(name, y):
        return y @ w[p + name + ".weight"].T + w[p + name + ".bias"]

    x = ((mel(wave) - 6.768444971712967) / 18.417922652295623)[None]
    for block in range(2):
        name = f"{p}conv.conv.{block}."

        def conv2d(number, y, stride, name=name):
            return F.conv2d(y[None], w[f"{name}conv{number}.weight"], w[f"{name}conv{number}.bias"], stride, 1)[0]

        y = batch_norm(w, name + "bn1", conv2d(1, x, 2)).relu()
        x = (batch_norm(w, name + "bn2", conv2d(2, y, 1)) + batch_norm(w, name + "bn3", conv2d(3, x, 2))).relu()
    x = affine("conv.linear", x.flatten(0, 1).T)
    states, size = [x], m.dim // m.heads
    angles = torch.arange(len(x))[:, None] * 10_000.0 ** (-torch.arange(0, size, 2).double() / size)

    def rotated(y):
        a, b = y[:, : size // 2], y[:, size // 2 :]
        return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], dim=1)

    for layer in range(count):
        n = f"conformer.layers.{layer}."

        def feed_forward(number, y, n=n):
            y = layer_norm(w, f"{p}{n}ffn{number}_layer_norm", y)
            return affine(f"{n}ffn{number}.output_dense", F.silu(affine(f"{n}ffn{number}.intermediate_dense", y)))

        x = x + feed_forward(1, x) / 2
        y = layer_norm(w, f"{p}{n}self_attn_layer_norm", x)
        heads = [slice(i * size, (i + 1) * size) for i in range(m.heads)]
        turned = torch.cat([rotated(y[:, i]) for i in heads], dim=1)
        q, k, v = (affine(f"{n}self_attn.linear_{name}", z) for name, z in (("q", turned), ("k", turned), ("v", y)))
        x = x + affine(f"{n}self_attn.linear_out", torch.cat([attention(q[:, i], k[:, i], v[:, i]) for i in heads], 1))
        y = layer_norm(w, f"{p}{n}conv_module.layer_norm", x).T
        first, second = (w[f"{p}{n}conv_module.pointwise_conv1.weight"][:, :, 0] @ y).chunk(2)
        y = first * torch.sigmoid(second)
        taps = w[f"{p}{n}conv_module.depthwise_conv.weight"][:, 0]
        padded = F.pad(y, (m.depthwise_kernel // 2, m.depthwise_kernel // 2))
        y = sum(taps[:, t, None] * padded[:, t : t + y.shape[1]] for t in range(m.depthwise_kernel))
        y = F.silu(batch_norm(w, f"{p}{n}conv_module.batch_norm", y))
        x = x + (w[f"{p}{n}conv_module.pointwise_conv2.weight"][:, :, 0] @ y).T
        x = layer_norm(w, f"{p}{n}final_layer_norm", x + feed_forward(2, x) / 2)
        states.append(x)
    if count == m.depth:
        states[-1] = layer_norm(w, p + "conformer.layer_norm", states[-1])
    return states


def plain_codes(w, c, name, features):
    level = f"{name}.quantizers.0"
    z = features @ folded(w, level + ".in_proj")[:, :, 0].T + w[level + ".in_proj.bias"]
    z = z / z.norm(dim=1, keepdim=True).clamp(min=1e-12)
    book = w[level + ".codebook.weight"]
    return (z @ (book / book.norm(dim=1, keepdim=True).clamp(min=1e-12)).T).argmax(-1)


@pytest.mark.parametrize("loud", [1.0, 3.0], ids=["quiet", "over the channel limit"])
@pytest.mark.parametrize("name", ["mixed", "stems"])
def test_sound_to_features_and_codes(config, name, loud):
    module, w = stage(name, config)
    wave = 0.2 * torch.randn(1, 2, 9700, generator=torch.Generator().manual_seed(5))
    wave[:, 1] *= loud  # above 0.9 this channel alone is scaled down
    assert (float(wave[0, 1].abs().max()) > 0.9) == (loud > 1)
    peaks = wave[0].double().abs().amax(1, keepdim=True)
    limited = torch.where(peaks > 0.9, wave[0].double() * 0.9 / peaks, wave[0].double())
    for stream in module.streams:
        expected = hidden_states(w, config, halved(limited.mean(0)), stream.layer)[stream.layer]
        with torch.inference_mode():
            found = module.features(wave, stream)[0]
            codes = module.encode_segments(wave, stream)[0]
        near(found, expected)
        assert torch.equal(codes, plain_codes(w, config, stream.quantiser, expected))
        varied = torch.randn(40, config.musicfm.dim, generator=torch.Generator().manual_seed(9))
        with torch.inference_mode():
            codes = module.get_submodule(stream.quantiser).encode(varied.T[None])[0]
        assert torch.equal(codes, plain_codes(w, config, stream.quantiser, varied.double()))
        assert len(codes.unique()) > 5


def test_limited_first_and_cut_afterwards():
    """A peak in the tail that is cut off still quietens its clip, not the other one."""
    module, _ = stage("stems", SIZES["other"])
    rng = torch.Generator().manual_seed(6)
    vocal, bgm = (0.2 * torch.randn(2, 9700, generator=rng) for _ in range(2))
    loud = vocal.clone()
    loud[:, 9650] = 4.0
    cut = bgm[:, :9600]
    seen = []
    module.encode_segments = lambda segments, stream: seen.append(segments) or torch.zeros(1, 1000, dtype=torch.int64)
    module.encode({"vocal": loud, "bgm": cut})
    torch.testing.assert_close(seen[0][0, :, :9600], vocal[:, :9600] * 0.8 / 4.0)
    factor = min(1.0, 0.8 / float(cut.abs().max()))
    torch.testing.assert_close(seen[1][0, :, :9600], cut * factor)
    torch.testing.assert_close(seen[1][0, :, 9600:19200], cut * factor, msg="filled by repetition")


def test_of_equal_codes_the_first_is_taken():
    module, _ = stage("mixed", SIZES["one"])
    quantiser = module.rvq_bestrq_emb
    book = quantiser.level.codebook.weight.data
    features = torch.randn(1, 12, 30, generator=torch.Generator().manual_seed(8))
    with torch.inference_mode():
        before = quantiser.encode(features)[0]
        book[25:] = book[:25]  # every code twice
        book[:25] = book[torch.arange(25)]
        after = quantiser.encode(features)[0]
    assert int(after.max()) < 25
    assert torch.equal(after[before < 25], before[before < 25])
