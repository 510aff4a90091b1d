"""The recorded model, compact (in tests/data) and whole (folder named by EVALKIT_PARITY_DIR)."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from generation.songgeneration2.checkpoint import Checkpoint
from generation.songgeneration2.lelm.conditions import fit_prompt
from generation.songgeneration2.lelm.config import LelmConfig
from generation.songgeneration2.lelm.model import Lelm
from generation.songgeneration2.lelm.songs import make_song
from generation.songgeneration2.text.bpe import BytePairEncoder, read_ranks
from generation.songgeneration2.text.wording import TextEncoder

DATA = Path(__file__).parents[4] / "data" / "parity"
WHOLE = os.environ.get("EVALKIT_PARITY_DIR")


class Records:
    """Reads records and builds the recorded model."""

    def __init__(self, folder, ranks):
        self.folder = folder
        self.encoder = BytePairEncoder(ranks)
        self.text = TextEncoder(self.encoder, "v2")
        self.meta_conditions, self.conditions = self.load("lelm_conditions_a")
        meta, weights = self.load("lelm_weights_a")
        self.weights = {}
        for name, values in weights.items():
            stem, _, kind = name.partition("|")
            if kind == "tile":
                values = values[torch.arange(meta["tiled_tables"][stem][0]) % len(values)]
            elif kind == "rows":
                values = torch.zeros(16385, values.shape[1]).index_copy(0, weights[f"{stem}|index"].long(), values)
            if kind != "index":
                self.weights[stem] = values
        c = meta["config"]
        self.config = LelmConfig(
            dim=c["dim"],
            inter_dim=c["inter"],
            n_heads=c["heads"],
            n_layers1=c["layers"],
            n_layers2=c["sub"],
            rope_theta1=c["th"],
            rope_theta2=c["th2"],
            lyric_len=c["desc_len"],
            style_len=c["type_len"],
        )
        self.model = self.model_with({})

    @property
    def whole(self):
        return self.folder != DATA

    def load(self, name):
        meta = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        return meta, load_file(self.folder / f"{name}.safetensors")

    def model_with(self, changes, **options):
        return Lelm(Checkpoint.from_tensors(self.weights | changes), self.config, **options)

    def encoded(self, case):
        texts = self.meta_conditions["cases"][case]
        return self.text.encode(texts["lyric"], texts["description"])

    def prompt(self, case):
        return fit_prompt(self.conditions[f"{case}.prompt_tokens"][0], 250)

    def segments(self, case):
        text = self.encoded(case)
        conditional = self.model.conditioner.embed(text.lyric_ids, text.structure, text.style_ids, self.prompt(case))
        return conditional, self.model.conditioner.embed_null(text.null_style_ids)

    def prefixes(self, case):
        return [torch.stack([segments.prefix(tower) for segments in self.segments(case)]) for tower in (1, 2)]

    def song(self, case, frames, params, seed=0):
        return make_song(self.encoded(case), self.prompt(case), frames, seed, params)


@pytest.fixture(scope="session")
def ranks():
    return read_ranks(DATA / "qwen_ranks_subset.tiktoken")


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(DATA, id="compact"),
        pytest.param(
            WHOLE and Path(WHOLE),
            id="whole",
            marks=pytest.mark.skipif(not WHOLE, reason="EVALKIT_PARITY_DIR is not set"),
        ),
    ],
)
def records(request, ranks):
    return Records(request.param, ranks)


@pytest.fixture(scope="session")
def compact(ranks):
    return Records(DATA, ranks)
