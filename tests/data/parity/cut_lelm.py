"""Cuts the compact language-model records of this folder out of the whole set.

    python tests/data/parity/cut_lelm.py WHOLE_SET_FOLDER

The three output heads keep only the rows some record needs: best codes of the greedy runs, the candidates of the
sampled run, the eight best of the forward, the end code. The other rows read as zero; their logit 0 never wins.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

HEADS = ("transformer.lm_head.weight", "linears.0.weight", "linears.1.weight")
TOP_K = 200


def main(whole: Path) -> None:
    here = Path(__file__).parent
    for name in ("lelm_tokenizer_a", "delay_pattern_a", "lelm_sampling_a"):
        for suffix in (".json", ".safetensors"):
            shutil.copyfile(whole / (name + suffix), here / (name + suffix))
    tensors = {name: load_file(whole / f"lelm_{name}_a.safetensors") for name in ("forward", "generate", "weights")}
    forward, generate, weights = tensors["forward"], tensors["generate"], tensors["weights"]

    rows = [{16384} for _ in HEADS]
    for head in range(3):
        for name, values in generate.items():
            if name.endswith(".argmax"):
                rows[head] |= set(values[:, head].tolist())
            elif name.endswith(".codes"):
                rows[head] |= {code for code in values[0, head].tolist() if code < 16385}
        rows[head] |= set(forward["logits_top8_ids"][:, head].flatten().tolist())
    rows[0] |= _sampled_candidates(whole)
    sampled = load_file(whole / "lelm_sampling_a.safetensors")["sampled.codes"][0]
    for head in (1, 2):
        rows[head] |= {code for code in sampled[head].tolist() if code < 16385}
    for head, name in enumerate(HEADS):
        index = torch.tensor(sorted(rows[head]))
        weights[f"{name}|rows"], weights[f"{name}|index"] = weights.pop(name)[index].clone(), index.int()
    save_file(weights, here / "lelm_weights_a.safetensors")
    meta = json.loads((whole / "lelm_weights_a.json").read_text(encoding="utf-8"))
    kept = {key: meta[key] for key in ("tiled_tables", "config", "versions")}
    (here / "lelm_weights_a.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")

    del forward["logits"]
    save_file(forward, here / "lelm_forward_a.safetensors")
    shutil.copyfile(whole / "lelm_forward_a.json", here / "lelm_forward_a.json")

    kept = {name: values for name, values in generate.items() if "guided_logits" not in name}
    save_file(kept, here / "lelm_generate_a.safetensors")
    shutil.copyfile(whole / "lelm_generate_a.json", here / "lelm_generate_a.json")

    conditions = load_file(whole / "lelm_conditions_a.safetensors")
    for name in [name for name in conditions if name.endswith(".mask")]:
        del conditions[name]
    for name in [name for name in conditions if name.endswith((".stream1", ".stream2"))]:
        conditions[f"{name}.every3"] = conditions.pop(name)[:, ::3].clone()
    save_file(conditions, here / "lelm_conditions_a.safetensors")
    shutil.copyfile(whole / "lelm_conditions_a.json", here / "lelm_conditions_a.json")


def _sampled_candidates(whole: Path) -> set[int]:
    """Ids among the best ``TOP_K`` at any step of the recorded sampled run, found by running the model on its codes."""
    from generation.songgeneration2.checkpoint import Checkpoint
    from generation.songgeneration2.lelm.config import LelmConfig
    from generation.songgeneration2.lelm.model import Lelm, teacher_forced
    from generation.songgeneration2.lelm.sampling import guide

    meta = json.loads((whole / "lelm_weights_a.json").read_text(encoding="utf-8"))
    weights = load_file(whole / "lelm_weights_a.safetensors")
    for name in [name for name in weights if name.endswith("|tile")]:
        count = meta["tiled_tables"][name.removesuffix("|tile")][0]
        tile = weights.pop(name)
        weights[name.removesuffix("|tile")] = tile[torch.arange(count) % len(tile)]
    c = meta["config"]
    config = LelmConfig(
        dim=c["dim"], inter_dim=c["inter"], n_heads=c["heads"], n_layers1=c["layers"], n_layers2=c["sub"],
        rope_theta1=c["th"], rope_theta2=c["th2"], lyric_len=c["desc_len"], style_len=c["type_len"],
    )  # fmt: skip
    conditions = load_file(whole / "lelm_conditions_a.safetensors")
    names = ("description", "prompt_audio", "type_info")
    prefix = torch.cat([conditions[f"full.{name}.stream1"] for name in names], dim=1)
    mixed = load_file(whole / "lelm_sampling_a.safetensors")["sampled.codes"][0, 0]
    sequence = torch.full((3, 30), 16385)
    sequence[0, 1:] = mixed[:29]
    result = teacher_forced(Lelm(Checkpoint.from_tensors(weights), config), prefix, prefix, sequence)
    guided = guide(result.logits[0, 0], result.logits[1, 0], 1.5)
    # Bans and penalties take some candidates away; a margin covers those that move up.
    return set(guided.topk(TOP_K + 200, dim=-1).indices.flatten().tolist())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
