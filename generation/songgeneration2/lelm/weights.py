"""Names and shapes of a LeLM checkpoint, and what they say about it."""

import torch
from torch import Tensor

from evalkit.errors import ModelError
from generation.songgeneration2.checkpoint import Checkpoint
from generation.songgeneration2.lelm.config import LelmConfig
from generation.songgeneration2.lelm.pattern import CODE_SIZE
from generation.songgeneration2.text.tokenizer import LYRIC_ROWS, STYLE_ROWS, Version

PREFIX = "audiolm."
_CONDITION = "condition_provider.conditioners."
STYLE_TABLE = f"{_CONDITION}type_info.output_proj.weight"
LYRIC_TABLE = f"{_CONDITION}description.output_proj.weight"
STRUCTURE_TABLE = f"{_CONDITION}description.structure_emb.weight"
PROMPT = f"{_CONDITION}prompt_audio."

UNUSED = (
    "layer2_emb.0.weight",
    "transformer.model.embed_tokens.weight",
    "transformer2.model.embed_tokens.weight",
    "transformer2.lm_head.weight",
    "out_norm.weight",
    "out_norm.bias",
)
"""Tensors of the official file that no result depends on."""


def used_shapes(config: LelmConfig, version: Version) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor the model reads, by official name without the prefix."""
    dim, inter, heads_out, rows = config.dim, config.inter_dim, CODE_SIZE + 1, CODE_SIZE + 2
    shapes: dict[str, tuple[int, ...]] = {
        LYRIC_TABLE: (LYRIC_ROWS, dim),
        STRUCTURE_TABLE: (200, dim),
        STYLE_TABLE: (STYLE_ROWS[version], dim),
        f"{PROMPT}EOT_emb": (1, dim),
        f"{PROMPT}layer2_EOT_emb": (1, dim),
        **{f"{PROMPT}emb.{stream}.weight": (rows, dim) for stream in range(3)},
        "emb.0.weight": (rows, dim),
        "layer2_emb.1.weight": (rows, dim),
        "layer2_emb.2.weight": (rows, dim),
        "mlp.0.weight": (dim, 2 * dim),
        "mlp.0.bias": (dim,),
        "mlp.2.weight": (dim, dim),
        "mlp.2.bias": (dim,),
        "transformer.lm_head.weight": (heads_out, dim),
        "linears.0.weight": (heads_out, dim),
        "linears.1.weight": (heads_out, dim),
    }
    for tower, n_layers in (("transformer", config.n_layers1), ("transformer2", config.n_layers2)):
        shapes[f"{tower}.model.norm.weight"] = (dim,)
        for layer in range(n_layers):
            stem = f"{tower}.model.layers.{layer}."
            shapes |= {f"{stem}self_attn.{name}_proj.weight": (dim, dim) for name in "qkvo"}
            shapes |= {f"{stem}mlp.{name}_proj.weight": (inter, dim) for name in ("gate", "up")}
            shapes[f"{stem}mlp.down_proj.weight"] = (dim, inter)
            shapes[f"{stem}input_layernorm.weight"] = (dim,)
            shapes[f"{stem}post_attention_layernorm.weight"] = (dim,)
    return shapes


def unused_shapes(config: LelmConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors in the official file that are not read."""
    dim, heads_out = config.dim, CODE_SIZE + 1
    shapes: dict[str, tuple[int, ...]] = {name: (heads_out, dim) for name in UNUSED[1:4]}
    return {UNUSED[0]: (CODE_SIZE + 2, dim), **shapes, UNUSED[4]: (dim,), UNUSED[5]: (dim,)}


class LelmCheckpoint:
    """A checkpoint that was found to fit: strict on everything used.

    Args:
        checkpoint: The file.
        config: What it must fit.

    Raises:
        ModelError: tensors are missing, unknown or misshapen; the message names them.
    """

    def __init__(self, checkpoint: Checkpoint, config: LelmConfig) -> None:
        self._checkpoint = checkpoint
        # With the prefix in use, keys without it belong to other modules of the training program.
        self._prefix = PREFIX if any(name.startswith(PREFIX) for name in checkpoint.names) else ""
        self.version = self._detect_version(config)
        self.config = config
        expected = {self._prefix + name: shape for name, shape in used_shapes(config, self.version).items()}
        ignored = [self._prefix + name for name in UNUSED]
        if self._prefix:
            ignored += [name for name in checkpoint.names if not name.startswith(PREFIX)]
        checkpoint.check(expected, ignored=ignored)

    def _detect_version(self, config: LelmConfig) -> Version:
        """Tell the version by the rows of the style table; the folder's name proves nothing."""
        name = self._prefix + STYLE_TABLE
        if name not in self._checkpoint:
            raise ModelError(
                f"{self._checkpoint.title} is no SongGeneration language model: {name} is missing.",
                "Check that the path points to model.pt of a variant.",
            )
        rows = self._checkpoint.shape(name)[0]
        for version, expected in STYLE_ROWS.items():
            if rows == expected:
                return version
        raise ModelError(
            f"{self._checkpoint.title}: {name} has {rows:,} rows, expected {STYLE_ROWS['v1']:,} (v1) or "
            f"{STYLE_ROWS['v2']:,} (v2).",
            "This release of evalkit does not know the variant's vocabulary.",
        )

    def tensor(self, name: str, *, dtype: torch.dtype | None = None, device: str | torch.device = "cpu") -> Tensor:
        """Read a tensor by its official name without the prefix; options as in `Checkpoint.tensor`."""
        return self._checkpoint.tensor(self._prefix + name, dtype=dtype, device=device)
