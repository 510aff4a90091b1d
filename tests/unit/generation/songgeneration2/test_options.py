"""What follows songgeneration2/ on the command line."""

from pathlib import Path

import pytest

from evalkit.errors import ConfigError
from generation.songgeneration2.options import parse_options
from generation.spec import check_unique, parse, with_weights


def test_defaults_and_everything_else(tmp_path: Path) -> None:
    plain = parse_options("v2-large")
    assert (plain.variant, plain.weights, plain.mode, plain.sampling.top_k) == ("v2-large", None, "separate", 5000)
    full = parse_options(
        f"base@{tmp_path},precision=bf16,mode=bgm,max_s=30.5,staged=true,top_k=50,temperature=0.9,penalty_rule=corrected"
    )
    assert (full.weights, full.precision, full.mode, full.max_s, full.staged) == (tmp_path, "bf16", "bgm", 30.5, True)
    assert (full.sampling.top_k, full.sampling.temperature, full.sampling.penalty_rule) == (50, 0.9, "corrected")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("v2-lrge", "Did you mean 'v2-large'"),
        ("v2-large@/not/there", "weights folder '/not/there' does not exist"),
        ("v2-large,tpo_k=3", "Did you mean 'top_k'"),
        ("v2-large,top_k=many", "top_k is 'many', expected a whole number"),
        ("v2-large,top_k=0", "top_k is 0, expected 1 or more"),
        ("v2-large,mode=loud", "mode is 'loud'"),
        ("v2-large,precision=fp8", "precision is 'fp8'"),
        ("v2-large,staged", "staged is ''"),
        ("v2-large,draws=lots", "draws is 'lots'"),
    ],
)
def test_mistakes_are_explained(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse_options(text)


def test_specs_with_options(tmp_path: Path) -> None:
    (tmp_path / "model.pt").touch()
    spec = parse(f"songgeneration2/v2-large@{tmp_path},top_k=50")
    assert spec.system == "songgeneration2"
    assert spec.name == "songgeneration2/v2-large,top_k=50"
    assert spec.folder == "songgeneration2-v2-large-top_k-50"
    assert parse(spec.text) == spec, "a resumed run reads its own string"
    check_unique([spec, parse("songgeneration2/tiny-random")])
    with pytest.raises(ConfigError, match="Unknown variant"):
        parse("songgeneration2/huge")


def test_a_weights_folder_goes_to_bundled_generators_that_have_none(tmp_path: Path) -> None:
    assert with_weights("songgeneration2/base,top_k=5", tmp_path) == f"songgeneration2/base@{tmp_path},top_k=5"
    assert with_weights("songgeneration2/base@/x", tmp_path) == "songgeneration2/base@/x"
    assert with_weights("singer", tmp_path) == "singer"
    assert with_weights("songgeneration2/base", None) == "songgeneration2/base"
