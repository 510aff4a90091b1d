"""The records of the official modules, reproduced: 1e-4 relative in float32, codes exact."""

import pytest
import torch

from generation.songgeneration2.lelm.conditions import banned_codes
from generation.songgeneration2.lelm.generate import sing
from generation.songgeneration2.lelm.model import teacher_forced
from generation.songgeneration2.lelm.pattern import SPECIAL, build, cut_at_end, revert, revert_logits
from generation.songgeneration2.lelm.sampling import (
    SamplingParams,
    choose_mixed,
    choose_stems,
    guide,
    keep_top_k,
    keep_top_p,
    penalise,
)

GREEDY = SamplingParams(temperature=0.0)
SEGMENTS = {
    "description.stream1": "lyric",
    "type_info.stream1": "style",
    "prompt_audio.stream1": "prompt1",
    "prompt_audio.stream2": "prompt2",
}


def assert_near(found, expected):
    scale = expected.abs().max().clamp(min=1.0)
    assert float((found - expected).abs().max()) <= 1e-4 * float(scale)


@pytest.mark.parametrize("case", ["full", "partial", "none"])
def test_conditions(records, case):
    conditional, null = records.segments(case)
    for key, part in SEGMENTS.items():
        found = torch.stack([getattr(conditional, part), getattr(null, part)])
        name = f"{case}.{key}"
        if name in records.conditions:
            torch.testing.assert_close(found, records.conditions[name], rtol=0, atol=0)
        else:
            torch.testing.assert_close(found[:, ::3], records.conditions[f"{name}.every3"], rtol=0, atol=0)


def test_conditions_long_lyric_and_untagged_style(records):
    conditioner, prompt = records.model.conditioner, records.prompt("none")
    text = records.text.encode(
        records.meta_conditions["long_lyric"], "[Musicality-low], female, dark, hip hop, sad, piano and drums"
    )
    ids = records.conditions["long_lyric.input_ids"]
    assert ids[0].tolist() == list(text.lyric_ids)
    assert records.conditions["short_desc.input_ids"][0].tolist() == list(text.style_ids)
    found = conditioner.embed(text.lyric_ids, text.structure, text.style_ids, prompt)
    null = conditioner.embed_null(text.null_style_ids)
    lyric = torch.stack([found.lyric, null.lyric])[:, ::3]
    torch.testing.assert_close(lyric, records.conditions["long_lyric.stream1.every3"], rtol=0, atol=0)
    torch.testing.assert_close(found.style[None, ::3], records.conditions["short_desc.stream1.every3"], rtol=0, atol=0)
    untagged = records.text.encode(None, records.meta_conditions["untagged"]["description"])
    found = conditioner.embed(untagged.lyric_ids, untagged.structure, untagged.style_ids, prompt)
    styles = torch.stack([found.style, conditioner.embed_null(untagged.null_style_ids).style])[:, ::3]
    torch.testing.assert_close(styles, records.conditions["untagged.type_info.stream1.every3"], rtol=0, atol=0)


@pytest.mark.parametrize("stepwise", [False, True], ids=["at once", "step by step"])
def test_forward(records, stepwise):
    _, expected = records.load("lelm_forward_a")
    prefixes = records.prefixes("full")
    result = teacher_forced(records.model, *prefixes, expected["sequence"][0], stepwise=stepwise)
    prefix = records.config.prefix_len
    for found, name in ((result.hidden1, "hidden1"), (result.bridged, "mlp_out"), (result.hidden2, "hidden2")):
        assert_near(found[:, prefix:], expected[f"{name}.codes"])
        assert_near(found[:, :prefix:7], expected[f"{name}.prefix_every7"])
    inputs1 = torch.cat([prefixes[0], records.weights["emb.0.weight"][expected["sequence"][:, 0]].expand(2, -1, -1)], 1)
    assert_near(inputs1[:, ::5], expected["fused_input1.every5"])
    top = result.logits.topk(8)
    stem = "stream" if stepwise else "logits"
    assert_near(top.values, expected[f"{stem}_top8_values"])
    assert torch.equal(top.indices, expected[f"{stem}_top8_ids"])
    assert_near(result.logits[..., 16384], expected["logits_eos"])
    if records.whole:
        assert_near(result.logits[:, :, expected["logits_at"]], expected["logits"])
        assert_near(result.logits.logsumexp(-1), expected[f"{stem}_logsumexp"])


def overrides(records, expected, run):
    """Output heads of the run whose end code wins now and then."""
    changes, stem = {}, f"{run}.override_row16384."
    for name in [name for name in expected if name.startswith(stem)]:
        head = records.weights[name.removeprefix(stem)].clone()
        head[16384] = expected[name]
        changes[name.removeprefix(stem)] = head
    return changes


@pytest.mark.parametrize("run", ["greedy_partial", "greedy_noprompt", "greedy_eos"])
def test_greedy_generation_code_for_code(records, run):
    meta, expected = records.load("lelm_generate_a")
    settings = meta["runs"][run]
    model = records.model_with(overrides(records, expected, run))
    song = records.song(settings["conditions"], settings["max_gen_len"], GREEDY)
    sing(model, [song])
    assert torch.equal(song.codes, cut_at_end(expected[f"{run}.codes"][0]))


@pytest.mark.parametrize("run", ["greedy_partial", "greedy_noprompt", "greedy_eos"])
def test_guided_logits_of_every_step(records, run):
    meta, expected = records.load("lelm_generate_a")
    settings = meta["runs"][run]
    model = records.model_with(overrides(records, expected, run))
    codes = expected[f"{run}.codes"]
    # After its end a stream is fed the special id, and what was never reached is special too: as the record has it.
    sequence, _ = build(codes, records.config.delays)
    steps = len(expected[f"{run}.argmax"])
    sequence = sequence[0, :, :steps]
    result = teacher_forced(model, *records.prefixes(settings["conditions"]), sequence)
    ban = banned_codes(records.prompt(settings["conditions"]))
    maxima, best = [], []
    for step in range(steps):
        logits = guide(result.logits[0, :, step], result.logits[1, :, step], settings["cfg_coef"])
        logits = penalise(logits, sequence[:, 1 : step + 1], GREEDY)
        logits[0, ban] = -torch.inf
        maxima.append(logits.amax(-1))
        best.append(logits.argmax(-1))
        name = f"{run}.guided_logits_step{step}"
        if name in expected:
            finite = expected[name].isfinite()
            assert torch.equal(finite, logits.isfinite())
            assert_near(logits[finite], expected[name][finite])
    assert_near(torch.stack(maxima), expected[f"{run}.max"])
    assert torch.equal(torch.stack(best), expected[f"{run}.argmax"])


def test_one_step_penalty_ban_and_filters(records):
    _, expected = records.load("lelm_sampling_a")
    before = expected["one_step.logits_before_penalty"][0]
    logits = penalise(before, expected["one_step.pool"], GREEDY)
    assert torch.equal(banned_codes(records.prompt("partial")), expected["one_step.ignore_tokens"].unique())
    logits[0, expected["one_step.ignore_tokens"]] = -torch.inf
    reference = expected["one_step.logits"][0]
    assert torch.equal(logits.isfinite(), reference.isfinite())
    torch.testing.assert_close(logits, reference, rtol=1e-6, atol=0)
    greedy = torch.cat([choose_mixed(logits[:1], GREEDY, None), choose_stems(logits[None, 1:], GREEDY, None)[0]])
    assert torch.equal(greedy, expected["one_step.next_token_greedy"][0, :, 0])
    for k, temperature in ((50, 0.9), (5000, 0.8)):
        kept = keep_top_k((logits / temperature).softmax(-1)[0], k)
        stem = f"topk{k}_temp{temperature}"
        ids = expected[f"{stem}.codebook0.ids"]
        assert torch.equal(kept.nonzero()[:, 0].sort().values, ids.sort().values)
        torch.testing.assert_close(kept[ids], expected[f"{stem}.codebook0.probs"], rtol=1e-4, atol=0)
        assert torch.equal(logits[1:].argmax(-1), expected[f"{stem}.codebook12.argmax"])
    kept = keep_top_p((logits / 0.9).softmax(-1), 0.6)
    assert torch.equal((kept > 0).sum(-1), expected["topp0.6_temp0.9.sorted_probs_nonzero_counts"][0])
    first = kept.sort(descending=True).values[:, :32]
    torch.testing.assert_close(first, expected["topp0.6_temp0.9.first_probs"][0], rtol=1e-4, atol=0)


def test_one_step_logits_from_the_model(records):
    _, expected = records.load("lelm_sampling_a")
    result = teacher_forced(records.model, *records.prefixes("partial"), expected["one_step.sequence"][0])
    guided = guide(result.logits[0, :, -1], result.logits[1, :, -1], 1.5)
    columns = slice(None) if records.whole else records.weights["transformer.lm_head.weight"].abs().sum(-1) > 0
    assert_near(guided[0, columns], expected["one_step.logits_before_penalty"][0, 0, columns])


def test_sampled_run_from_its_official_seed(records):
    _, expected = records.load("lelm_sampling_a")
    params = SamplingParams(top_k=200, temperature=0.9, draws="official")
    song = records.song("full", 30, params, seed=2037)
    sing(records.model, [song])
    assert torch.equal(song.codes, cut_at_end(expected["sampled.codes"][0]))


def test_delay_pattern(records):
    meta, expected = records.load("delay_pattern_a")
    for name in meta["cases"]:
        delays = [int(delay) for delay in name.split(".")[0][1:].split("_")]
        codes = expected[f"{name}.codes"]
        frames = codes.shape[-1]
        sequence, mask = build(codes, delays)
        assert torch.equal(sequence, expected[f"{name}.sequence"])
        assert torch.equal(mask, expected[f"{name}.mask"].bool())
        for stem in ("", "_cut"):
            found, found_mask = revert(expected[f"{name}.sequence{stem}"], delays, frames, special=-1)
            assert torch.equal(found, expected[f"{name}.reverted{stem}"])
            assert torch.equal(found_mask, expected[f"{name}.reverted{stem}_mask"].bool())
        if f"{name}.logits_in" in expected:
            found, found_mask = revert_logits(expected[f"{name}.logits_in"], delays, frames, fill=-77.0)
            assert torch.equal(found, expected[f"{name}.logits_reverted"])
            assert torch.equal(found_mask, expected[f"{name}.logits_mask"].bool())
        if f"{name}.sequence_valid_only" in expected:
            assert torch.equal(sequence[..., : frames + 1], expected[f"{name}.sequence_valid_only"])
    assert SPECIAL == 16385
