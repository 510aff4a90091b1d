import json
import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from evalkit.errors import GenerationError, ModelError
from generation.songgeneration2.text.bpe import BytePairEncoder, byte_ranks, load_encoder, read_folder, read_ranks
from generation.songgeneration2.text.tokenizer import (
    LYRIC_ROWS,
    STYLE_ROWS,
    STYLE_TOKENS,
    lyric_tokenizer,
    structure_indices,
    style_tokenizer,
)
from generation.songgeneration2.text.wording import TextEncoder, compose_lyric, compose_style, null_style

DATA = Path(__file__).parents[4] / "data" / "parity"
WHOLE = os.environ.get("EVALKIT_PARITY_DIR")


@pytest.fixture(scope="module")
def ranks():
    """The part of the Qwen2 vocabulary that the texts of these tests can reach, with the real ids."""
    return read_ranks(DATA / "qwen_ranks_subset.tiktoken")


@pytest.fixture(scope="module")
def encoder(ranks):
    return BytePairEncoder(ranks)


@pytest.mark.parametrize(
    "folder",
    [DATA, pytest.param(WHOLE, marks=pytest.mark.skipif(not WHOLE, reason="EVALKIT_PARITY_DIR is not set"))],
    ids=["compact", "whole"],
)
def test_parity_ids_exact(encoder, folder):
    meta = json.loads((Path(folder) / "lelm_tokenizer_a.json").read_text(encoding="utf-8"))
    tensors = load_file(Path(folder) / "lelm_tokenizer_a.safetensors")
    for name, record in meta["texts"].items():
        make = lyric_tokenizer if ".lyric" in name else style_tokenizer
        tokenizer = make(encoder, name[:2])
        for row, text in enumerate(record["texts"]):
            real = tensors[f"{name}.attention_mask"][row].bool()
            assert tokenizer.encode(text) == tensors[f"{name}.input_ids"][row][real].tolist(), (name, row)
    for version in ("v1", "v2"):
        assert meta["by_version"][version]["embedding_rows"] == {
            "description": LYRIC_ROWS,
            "type_info": STYLE_ROWS[version],
        }


def test_known_anchors(encoder):
    assert style_tokenizer(encoder, "v2").encode("[Musicality-very-low], .") == [151644, 151650, 11, 220, 13]
    assert lyric_tokenizer(encoder, "v2").encode(".") == [151644, 13]
    assert lyric_tokenizer(encoder, "v1").encode(None) == [151644]
    assert lyric_tokenizer(encoder, "v1").encode(" it.Yes...ok")[1:] == [432, 40798, 1112, 562]
    assert lyric_tokenizer(encoder, "v2").encode(" it.Yes...ok")[1:] == [432, 13, 9454, 13, 13, 13, 562]


# Ids made once with tiktoken and the whole vocabulary.
@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("café e\u0301té", [924, 58858, 23639]),
        ("don't you'LL  2026\n\n\tx", [15007, 944, 498, 6, 4086, 220, 220, 17, 15, 17, 21, 271, 10225]),
        ("안녕 サクラ Ωmega ", [126246, 144370, 17587, 113, 126015, 7851, 102, 42510, 220]),
        ("🎵🎶 la-la", [145202, 145234, 1187, 52826]),
        ("ſ's", [144815, 594]),
    ],
)
def test_agrees_with_tiktoken(encoder, text, ids):
    assert encoder.encode(unicodedata.normalize("NFC", text)) == ids


def test_official_folder_gives_the_same_ids(encoder, ranks, tmp_path):
    visible = {rank: chr(byte[0]) for byte, rank in byte_ranks().items() if rank < 188}
    order = {byte: (visible.get(rank) or chr(256 + rank - 188)) for byte, rank in byte_ranks().items()}

    def shown(token):
        return "".join(order[token[i : i + 1]] for i in range(len(token)))

    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1:
            parts = next(
                (token[:i], token[i:]) for i in range(1, len(token)) if encoder._priority(token[:i], token[i:]) == rank
            )
            merges.append(" ".join(map(shown, parts)))
    (tmp_path / "vocab.json").write_text(json.dumps({shown(t): r for t, r in ranks.items()}), encoding="utf-8")
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    from_folder = BytePairEncoder(*read_folder(tmp_path))
    texts = json.loads((DATA / "lelm_tokenizer_a.json").read_text(encoding="utf-8"))["texts"].values()
    for text in (text for record in texts for text in record["texts"] if text):
        assert from_folder.encode(text) == encoder.encode(text)


@given(st.text(max_size=60))
def test_bytes_survive(text):
    text = text.encode("utf-8", errors="replace").decode()
    ids = BytePairEncoder(byte_ranks()).encode(text)
    back = {rank: byte for byte, rank in byte_ranks().items()}
    assert b"".join(back[token] for token in ids).decode() == text


def test_byte_ranks_are_the_real_ids(ranks):
    assert all(ranks[byte] == rank for byte, rank in byte_ranks().items())


def test_long_word_is_not_quadratic(encoder):
    assert len(encoder.encode("我" * 20_000)) == 20_000


def test_structure_indices_follow_the_last_label(encoder):
    ids = lyric_tokenizer(encoder, "v2").encode(". [verse] a ; [silence] ; [chorus]")
    indices = structure_indices(ids)
    assert indices[:3] == [0, 0, 0]
    assert indices[3] == 1
    assert sorted(set(indices)) == [0, 1, 2, 13]
    assert indices[-1] == 2


def test_wording_by_version_and_mode():
    assert compose_style("Rock, LOUD", "v1") == "rock, loud"
    assert compose_style(None, "v1") is None
    assert compose_style(" ", "v2") == "[Musicality-very-high], ."
    assert compose_style(None, "v2", instrumental=True) == "[Musicality-very-high], [Pure-Music], ."
    assert compose_style("Rock", "v2", instrumental=True) == "[Musicality-very-high], [Pure-Music], rock"
    # Users cannot inject the tags: their text is lower-cased first.
    assert STYLE_TOKENS[0] not in compose_style("[Musicality-very-high]", "v1")
    assert compose_lyric("[verse] a  b", instrumental=False) == "[verse] a b"
    assert compose_lyric("[verse] a", instrumental=True) == "."
    assert null_style("[Musicality-very-high], x") == "[Musicality-very-low], ."
    assert null_style("x") is None
    assert null_style(None) is None


def test_lengths_are_reported_before_generating(encoder):
    text = TextEncoder(encoder, "v2").encode("[verse] " + "a " * 400, compose_style("pop", "v2"))
    assert len(text.lyric_ids) == len(text.structure)
    sentences = text.excess(300, 50)
    assert len(sentences) == 1
    assert f"{len(text.lyric_ids)} tokens, the model reads 300" in sentences[0]
    with pytest.raises(GenerationError, match="lyric has"):
        text.check_lengths(300, 50)
    text.check_lengths(len(text.lyric_ids), 50)


def test_wrong_vocabularies_are_refused(tmp_path):
    with pytest.raises(ModelError, match="holds no tokenizer data"):
        load_encoder(tmp_path)
    with pytest.raises(ModelError, match="expected the 151,643"):
        load_encoder(DATA / "qwen_ranks_subset.tiktoken")
    (tmp_path / "qwen.tiktoken").write_text("IQ== 0\nnonsense\n")
    with pytest.raises(ModelError, match="line 2"):
        load_encoder(tmp_path)
    (tmp_path / "vocab.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        load_encoder(tmp_path)
    with pytest.raises(ModelError, match="255 of the 256"):
        BytePairEncoder({b"a": 0})
