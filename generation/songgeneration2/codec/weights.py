"""The codec's stages from the official files, only the tensors that are used, each checked by name and shape.

A file also holds what only training needs; names outside the parts a stage reads are left alone, names inside them must
match exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from evalkit.errors import ModelError
from generation.songgeneration2.checkpoint import Checkpoint, open_checkpoint
from generation.songgeneration2.codec.config import OFFICIAL, CodecConfig
from generation.songgeneration2.codec.stages import Source, StageName, Stages, empty_stage

_QUANTISERS = ("rvq_bestrq_emb.", "rvq_bestrq_bgm_emb.")
_TRAINING_ONLY = (
    "*.stale_counter",
    "bestrq.model.cls_token",
    "bestrq.model.linear.*",
    "bestrq.model.conformer.pos_conv_embed.*",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageFile:
    """Where a stage lies.

    Attributes:
        path: Below the weights folder, in the official layout.
        owned: Beginnings of the names this stage reads; inside them every name must be known.
        unused: Patterns of names inside them that this stage does not need.
        entry: Key of the inner dictionary of a PyTorch file.
        prefix: What the file puts in front of the stage's names.
    """

    path: str
    owned: tuple[str, ...]
    unused: tuple[str, ...] = ()
    entry: str | None = None
    prefix: str = ""


SEPARATE_FILE = "ckpt/model_septoken/model_2.safetensors"
MIXED_FILE = "ckpt/model_1rvq/model_2_fixed.safetensors"
VAE_FILE = "ckpt/vae/autoencoder_music_1320k.ckpt"


def stage_file(name: StageName, config: CodecConfig) -> StageFile:
    """Describe where a stage lies and which of its file's names are its own."""
    if name == "flow":
        return StageFile(
            path=SEPARATE_FILE,
            owned=(*_QUANTISERS, "mask_emb.", "zero_cond_embedding1", "normfeat.", "cfm_wrapper.estimator."),
            unused=("*.in_proj.*", "*.stale_counter", "normfeat.sum_target_x2", "cfm_wrapper.estimator.wte.weight"),
        )
    if name in ("encoder", "decoder"):
        return StageFile(path=VAE_FILE, owned=(f"{name}.",), entry="state_dict", prefix=f"{name}.")
    depth = config.mixed_layer if name == "mixed" else max(config.vocal_layer, config.bgm_layer)
    unread = [f"bestrq.model.conformer.layers.{layer}.*" for layer in range(depth, config.musicfm.depth)]
    if depth < config.musicfm.depth:
        unread.append("bestrq.model.conformer.layer_norm.*")
    quantisers = _QUANTISERS[:1] if name == "mixed" else _QUANTISERS
    return StageFile(
        path=MIXED_FILE if name == "mixed" else SEPARATE_FILE,
        owned=(*quantisers, "bestrq.", "rsq48tobestrq."),
        unused=(*_TRAINING_ONLY, *unread),
    )


def check_stage(name: StageName, config: CodecConfig, checkpoint: Checkpoint) -> nn.Module:
    """Compare a checkpoint with what a stage needs.

    Returns:
        The stage, still on the meta device.

    Raises:
        ModelError: naming every missing, unknown and misshapen tensor.
    """
    file = stage_file(name, config)
    stage = empty_stage(name, config)
    expected = {file.prefix + key: tuple(tensor.shape) for key, tensor in stage.state_dict().items()}
    foreign = [key for key in checkpoint.names if not key.startswith(file.owned)]
    checkpoint.check(expected, ignored=[*foreign, *file.unused])
    return stage


def load_stage(
    name: StageName, config: CodecConfig, checkpoint: Checkpoint, device: str | torch.device = "cpu"
) -> nn.Module:
    """Fill a stage from a checkpoint, tensor by tensor, in float32.

    Raises:
        ModelError: the checkpoint does not fit.
    """
    stage = check_stage(name, config, checkpoint)
    prefix = stage_file(name, config).prefix
    state: dict[str, Tensor] = {}
    for key, tensor in stage.state_dict().items():
        # Counters are the only integers; whatever precision a weight is stored in becomes float32.
        dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
        state[key] = checkpoint.tensor(prefix + key, dtype=dtype, device=device)
    stage.load_state_dict(state, strict=True, assign=True)
    return stage


def find_file(root: Path, path: str) -> Path:
    """A file of the official layout below `root`, which may also be its ``ckpt`` folder.

    Raises:
        ModelError: it is in neither place.
    """
    for candidate in (root / path, root / path.removeprefix("ckpt/")):
        if candidate.is_file():
            return candidate
    raise ModelError(f"{root} has no {path}.", "Give the folder of the official layout, which holds ckpt/.")


def official_source(root: Path, config: CodecConfig = OFFICIAL) -> Source:
    """A source of stages from the official files below `root`."""

    def load(name: StageName) -> nn.Module:
        file = stage_file(name, config)
        return load_stage(name, config, open_checkpoint(find_file(root, file.path), entry=file.entry))

    return load


def official_codec(
    root: Path,
    *,
    device: str | torch.device = "cpu",
    flow_dtype: torch.dtype = torch.float32,
    keep: bool = True,
    config: CodecConfig = OFFICIAL,
) -> Stages:
    """The codec from the official files; nothing is read before it is needed.

    Args:
        root: Folder of the official layout.
        device: Where it runs.
        flow_dtype: As in `Stages`.
        keep: As in `Stages`.
        config: Dimensions.
    """
    return Stages(official_source(root, config), config, device=device, flow_dtype=flow_dtype, keep=keep)


def check_files(root: Path, names: Sequence[StageName], config: CodecConfig = OFFICIAL) -> None:
    """Check the files of several stages by names and shapes, reading no values.

    Raises:
        ModelError: a file is absent or does not fit.
    """
    for name in names:
        file = stage_file(name, config)
        check_stage(name, config, open_checkpoint(find_file(root, file.path), entry=file.entry))
