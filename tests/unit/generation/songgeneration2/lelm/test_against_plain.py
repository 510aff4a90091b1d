"""Songs of random models against the model written once more: whole codes, wherever no record reaches.

`PlainModel` is written from the description of the model, not from the package: no cache, one joint loop, float64.
Other sizes than the recorded ones, texts that are cut, ties, ends of every kind, every sampling parameter.
"""

import math

import numpy as np
import pytest
import torch

from generation.songgeneration2.checkpoint import Checkpoint
from generation.songgeneration2.lelm.conditions import fit_prompt
from generation.songgeneration2.lelm.config import LelmConfig
from generation.songgeneration2.lelm.generate import sing
from generation.songgeneration2.lelm.model import Lelm, teacher_forced
from generation.songgeneration2.lelm.official_draws import OfficialDraws
from generation.songgeneration2.lelm.random_weights import random_weights
from generation.songgeneration2.lelm.sampling import SamplingParams
from generation.songgeneration2.lelm.songs import make_song
from generation.songgeneration2.text.bpe import BytePairEncoder, byte_ranks
from generation.songgeneration2.text.wording import TextEncoder, compose_lyric, compose_style

EOS, SPECIAL, PAD, START = 16384, 16385, 151_643, 151_644


def rms_norm(x, weight, eps):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * weight


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class PlainModel:
    def __init__(self, weights, config):
        self.w = {name: tensor.double().numpy() for name, tensor in weights.items()}
        self.c = config

    def tower(self, stem, n_layers, theta, x):
        heads, size, w = self.c.n_heads, self.c.head_dim, self.w
        angles = np.arange(len(x))[:, None] * theta ** (-2 * np.arange(size // 2) / size)

        def rotated(y):
            out = np.empty_like(y)
            half = size // 2
            out[:, :half] = y[:, :half] * np.cos(angles) - y[:, half:] * np.sin(angles)
            out[:, half:] = y[:, half:] * np.cos(angles) + y[:, :half] * np.sin(angles)
            return out

        for layer in range(n_layers):
            p = f"{stem}.model.layers.{layer}."
            y = rms_norm(x, w[p + "input_layernorm.weight"], self.c.norm_eps)
            q, k, v = (y @ w[f"{p}self_attn.{n}_proj.weight"].T for n in "qkv")
            attended = np.empty_like(q)
            for head in range(heads):
                at = slice(head * size, (head + 1) * size)
                scores = rotated(q[:, at]) @ rotated(k[:, at]).T / np.sqrt(size)
                scores[np.triu_indices(len(x), 1)] = -np.inf
                attended[:, at] = softmax(scores) @ v[:, at]
            x = x + attended @ w[p + "self_attn.o_proj.weight"].T
            y = rms_norm(x, w[p + "post_attention_layernorm.weight"], self.c.norm_eps)
            gate = y @ w[p + "mlp.gate_proj.weight"].T
            up = y @ w[p + "mlp.up_proj.weight"].T
            x = x + (gate / (1 + np.exp(-gate)) * up) @ w[p + "mlp.down_proj.weight"].T
        return rms_norm(x, w[f"{stem}.model.norm.weight"], self.c.norm_eps)

    def prefixes(self, lyric_ids, style_ids, prompt):
        """Prefix of both towers; ``prompt`` [3, frames] as asked for, any length; None is the null condition."""
        w, c = self.w, self.c
        conditioner = "condition_provider.conditioners."
        section, structure = 0, []
        for token in lyric_ids:
            section = token - 151_645 if 151_646 <= token <= 151_658 else section
            structure.append(section)
        lyric_ids = (list(lyric_ids) + [PAD] * c.lyric_len)[: c.lyric_len]
        structure = (structure + [0] * c.lyric_len)[: c.lyric_len]
        style_ids = (list(style_ids) + [PAD] * c.style_len)[: c.style_len]
        lyric = w[conditioner + "description.output_proj.weight"][lyric_ids]
        lyric = lyric + w[conditioner + "description.structure_emb.weight"][structure]
        style = w[conditioner + "type_info.output_proj.weight"][style_ids]
        rows = []
        for row in range(3):
            codes = [] if prompt is None else list(prompt[row])[: c.prompt_frames]
            codes = codes + [SPECIAL] * (c.prompt_frames - len(codes))
            rows.append([EOS, *codes] if codes[0] != SPECIAL else [SPECIAL] * (c.prompt_frames + 1))
        tables = [w[f"{conditioner}prompt_audio.emb.{row}.weight"] for row in range(3)]
        first = np.vstack([w[conditioner + "prompt_audio.EOT_emb"], tables[0][rows[0]]])
        second = np.vstack([w[conditioner + "prompt_audio.layer2_EOT_emb"], tables[1][rows[1]] + tables[2][rows[2]]])
        return np.vstack([lyric, first, style]), np.vstack([lyric, second, style])

    def logits(self, prefixes, sequence):
        """Logits [3, 16385] behind the last slot of a sequence [3, slots]."""
        w, c = self.w, self.c
        x1 = np.vstack([prefixes[0], w["emb.0.weight"][sequence[0]]])
        h1 = self.tower("transformer", c.n_layers1, c.rope_theta1, x1)
        x2 = np.vstack([prefixes[1], w["layer2_emb.1.weight"][sequence[1]] + w["layer2_emb.2.weight"][sequence[2]]])
        y = torch.from_numpy(np.hstack([x2, h1]) @ w["mlp.0.weight"].T + w["mlp.0.bias"])
        y = torch.nn.functional.gelu(y).numpy() @ w["mlp.2.weight"].T + w["mlp.2.bias"]
        h2 = self.tower("transformer2", c.n_layers2, c.rope_theta2, y)
        return np.stack(
            [
                w["transformer.lm_head.weight"] @ h1[-1],
                w["linears.0.weight"] @ h2[-1],
                w["linears.1.weight"] @ h2[-1],
            ]
        )

    def sing(self, conditional, null, prompt, frames, params, draw):
        """The joint loop to its very end; ``draw(stream, frame, weights)`` is asked for every code that counts."""
        delays = [0, self.c.delay, self.c.delay]
        slots = frames + self.c.delay + 1
        sequence = np.full((3, slots), SPECIAL)
        ban = [] if prompt is None else [code for code in prompt[0][: self.c.prompt_frames] if code < EOS]
        ended = [False] * 3
        for slot in range(1, slots):
            with_text, without = (self.logits(p, sequence[:, :slot]) for p in (conditional, null))
            logits = without + params.cfg_coef * (with_text - without)
            for stream in range(3):
                window = sequence[stream, max(1, slot - params.record_window) : slot] if params.record_window else []
                for code in {int(code) for code in window if code < EOS}:
                    rises = params.penalty_rule == "corrected" and logits[stream, code] < 0
                    logits[stream, code] *= params.penalty if rises else 1 / params.penalty
            logits[0, ban] = -np.inf
            for stream in range(3):
                frame = slot - 1 - delays[stream]
                if not 0 <= frame < frames or ended[stream]:
                    continue
                code = self.choose(logits[stream], stream, frame, params, draw)
                sequence[stream, slot] = code
                ended[stream] = code == EOS
            if all(ended):
                break
        codes = np.stack([sequence[q, 1 + d : 1 + d + frames] for q, d in enumerate(delays)])
        ends = np.flatnonzero((codes == EOS).any(0))
        return codes[:, : ends[0]] if len(ends) else codes

    @staticmethod
    def choose(logits, stream, frame, params, draw):
        if params.temperature == 0:
            return int(logits.argmax())
        p = softmax(logits / params.temperature)
        if params.top_p > 0:
            order = np.argsort(-p, kind="stable")
            larger = np.cumsum(p[order]) - p[order]
            p[order[larger > params.top_p]] = 0
        else:
            k = min(params.top_k if stream == 0 else 1, len(p))
            p[p < np.sort(p)[-k]] = 0
        return draw(stream, frame, p / p.sum())


LYRICS = (
    "[verse] la  la.Oh no ; [chorus] so it goes. ; [outro-short]",
    "[intro-medium] ; [bridge] 再见",
    ".",
    "no label at all",
)
TAGS = ("Female, dark, POP, piano and drums", None, "jazz")
PARAMS = (
    {"temperature": 0.0},
    {"temperature": 0.0, "record_window": 3, "penalty": 2.0},
    {"temperature": 0.0, "record_window": 0, "cfg_coef": 3.0},
    {"temperature": 0.0, "penalty": 1.5, "penalty_rule": "corrected"},
    {"top_k": 7, "temperature": 0.9},
    {"top_k": 5000},
    {"top_p": 0.4, "temperature": 1.3},
    {"top_k": 40, "draws": "official"},
    {"top_p": 0.8, "draws": "official"},
)


def random_config(rng):
    heads = int(rng.integers(1, 4))
    return LelmConfig(
        dim=heads * int(rng.choice([4, 6, 10])),
        inter_dim=int(rng.integers(5, 40)),
        n_heads=heads,
        n_layers1=int(rng.integers(1, 4)),
        n_layers2=int(rng.integers(1, 3)),
        rope_theta1=float(rng.choice([1e2, 1e5])),
        rope_theta2=float(rng.choice([5e1, 5e5])),
        lyric_len=int(rng.choice([5, 70])),
        style_len=int(rng.choice([4, 60])),
        prompt_frames=int(rng.integers(2, 9)),
        delay=int(rng.integers(1, 8)),
        max_frames=30,
    )


def random_prompt(rng, frames):
    """None, or codes [3, n]: shorter or longer than the prompt, now and then a stream that is empty."""
    if rng.random() < 0.3:
        return None
    codes = rng.integers(0, EOS, (3, int(rng.integers(1, 2 * frames))))
    if rng.random() < 0.3:
        codes[rng.integers(3)] = SPECIAL
    return codes


class Case:
    """A random model with ends that come now and then, and songs for it."""

    def __init__(self, seed, *, ends=True):
        rng = np.random.default_rng(seed)
        self.config = random_config(rng)
        version = "v2" if seed % 3 else "v1"
        self.weights = random_weights(self.config, version, seed)
        for name, tensor in self.weights.items():
            if name.endswith("norm.weight"):
                tensor += 0.3 * torch.from_numpy(rng.standard_normal(tensor.shape)).float()
            elif ends and ("lm_head" in name or name.startswith("linears.")):
                tensor[EOS] = torch.from_numpy(rng.standard_normal(self.config.dim)) * 12 / math.sqrt(self.config.dim)
        self.text = TextEncoder(BytePairEncoder(byte_ranks()), version)
        self.rng = rng

    def model(self, **options):
        return Lelm(Checkpoint.from_tensors(self.weights), self.config, **options)

    def request(self, **params):
        rng = self.rng
        lyric, tags = LYRICS[rng.integers(len(LYRICS))], TAGS[rng.integers(len(TAGS))]
        text = self.text.encode(compose_lyric(lyric), compose_style(tags, self.text.version))
        prompt = random_prompt(rng, self.config.prompt_frames)
        return text, prompt, int(rng.integers(3, 16)), int(rng.integers(2**31)), SamplingParams(**params)

    def song(self, request):
        text, prompt, frames, seed, params = request
        fitted = fit_prompt(None if prompt is None else torch.from_numpy(prompt), self.config.prompt_frames)
        return make_song(text, fitted, frames, seed, params, delay=self.config.delay)

    def expected(self, request):
        text, prompt, frames, seed, params = request
        plain, delay = PlainModel(self.weights, self.config), self.config.delay
        null_style = (
            self.text.encode(None, "[Musicality-very-low], .").style_ids if self.text.version == "v2" else [151_644]
        )
        conditional = plain.prefixes(text.lyric_ids, text.style_ids, prompt)
        null = plain.prefixes([151_644], null_style, None)
        uniforms = torch.rand(3, frames, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        official = OfficialDraws(seed, frames + delay)
        waiting = {}

        def draw(stream, frame, weights):
            if params.draws == "uniform":
                cumulative = np.cumsum(weights)
                return int(np.searchsorted(cumulative, float(uniforms[stream, frame]) * cumulative[-1], side="right"))
            weights = torch.from_numpy(weights).float()
            if stream == 0:
                return int(official.pick_mixed(weights, frame))
            # One call draws both stems; the other one's weights change nothing in this one's numbers.
            both = torch.ones(2, len(weights))
            both[stream - 1] = weights
            waiting[stream] = official.pick_stems(both, frame + delay)
            return int(waiting[stream][stream - 1])

        return plain.sing(conditional, null, prompt, frames, params, draw)


@pytest.mark.parametrize("seed", range(12))
def test_codes_of_random_models_alone_and_in_company(seed):
    case = Case(seed)
    requests = [case.request(**PARAMS[(seed + number) % len(PARAMS)]) for number in (0, 4, 7)]
    songs = [case.song(request) for request in requests]
    sing(case.model(), songs)
    for song, request in zip(songs, requests, strict=True):
        np.testing.assert_array_equal(song.codes.numpy(), case.expected(request))


def test_the_cases_above_end_in_every_way():
    ends = set()
    for seed in range(12):
        case = Case(seed)
        for number in (0, 4, 7):
            request = case.request(**PARAMS[(seed + number) % len(PARAMS)])
            song = case.song(request)
            sing(case.model(), [song])
            stems = song.codes.shape[1] < len(song.mixed)
            ends.add("a stem" if stems else "mixed" if len(song.mixed) < request[2] else "nothing")
            ends |= {"at once"} if not song.codes.shape[1] else set()
    assert ends == {"a stem", "mixed", "nothing", "at once"}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("options", [{"staged": True}, {"fixed_steps": True}], ids=["staged", "fixed shapes"])
def test_ways_of_running_change_nothing(seed, options):
    case = Case(seed)
    requests = [case.request(temperature=0.0), case.request(top_k=9)]
    songs = [case.song(request) for request in requests]
    sing(case.model(**options), songs)
    for song, request in zip(songs, requests, strict=True):
        np.testing.assert_array_equal(song.codes.numpy(), case.expected(request))


@pytest.mark.parametrize("stepwise", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_logits_of_random_models(seed, stepwise):
    case = Case(seed)
    text, prompt, *_ = case.request()
    plain = PlainModel(case.weights, case.config)
    prefixes = plain.prefixes(text.lyric_ids, text.style_ids, prompt)
    sequence = case.rng.integers(0, SPECIAL + 1, (3, 6))
    sequence[:, 0] = SPECIAL
    as_rows = [torch.from_numpy(prefix).float()[None] for prefix in prefixes]
    found = teacher_forced(case.model(), *as_rows, torch.from_numpy(sequence), stepwise=stepwise).logits[0]
    for slots in (1, 4, 6):
        expected = plain.logits(prefixes, sequence[:, :slots])
        assert float(np.abs(found[:, slots - 1].numpy() - expected).max()) <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("draws", ["uniform", "official"])
def test_exact_ties_are_drawn(draws):
    """Codes with equal rows in the heads are exact equals at every step; which one is sung is left to chance."""
    case = Case(5, ends=False)
    for name in ("transformer.lm_head.weight", "linears.0.weight", "linears.1.weight"):
        # Every code has seven twins, far from it.
        case.weights[name][:EOS] = case.weights[name][: EOS // 8].repeat(8, 1)
    text, prompt, _, seed, _ = case.request()
    request = (text, prompt, 12, seed, SamplingParams(top_k=3, draws=draws, record_window=0))
    song = case.song(request)
    sing(case.model(), [song])
    twins = song.codes // (EOS // 8)
    assert all(len(row.unique()) > 2 for row in twins), "twins take turns"
    np.testing.assert_array_equal(song.codes.numpy(), case.expected(request))
