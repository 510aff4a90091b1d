from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import torch

from evalkit.errors import ConfigError, ModelError
from generation.songgeneration2.codec.prompt_library import PromptLibrary, library_language


def entry(value, frames=250):
    return torch.full((1, 3, frames), value)


@pytest.fixture
def path(tmp_path):
    table = {
        "Pop": {"en": [entry(1), entry(2), entry(3)], "zh": [entry(4)]},
        "Jazz": {"en": [entry(5, 100)], "zh": []},
        "R&B/Soul": {"en": torch.stack([entry(6), entry(7)])},
    }
    torch.save(table, tmp_path / "library.pt")
    return tmp_path / "library.pt"


def test_language_of_lyrics():
    assert library_language("[verse] 你好世界再见朋友") == "zh"
    assert library_language("[verse] hello 你") == "en"
    assert library_language("") == "en"
    assert library_language("a" * 8 + "你好") == "zh"
    assert library_language("a" * 9 + "你好"[:1]) == "en"


def test_a_prompt_is_drawn_evenly_from_genre_and_language(path):
    library = PromptLibrary.load(path)
    rng = np.random.default_rng(0)
    drawn = Counter(int(library.pick("Pop", "hello", rng)[0, 0]) for _ in range(600))
    assert set(drawn) == {1, 2, 3}
    assert min(drawn.values()) > 150
    assert int(library.pick("Pop", "你好", rng)[0, 0]) == 4


def test_codes_are_padded_to_ten_seconds(path):
    codes = PromptLibrary.load(path).pick("Jazz", "hello", np.random.default_rng(0))
    assert codes.shape == (3, 250)
    assert codes[:, :100].unique().tolist() == [5]
    assert codes[:, 100:].unique().tolist() == [16385]


def test_a_stack_of_prompts_is_one_list(path):
    library = PromptLibrary.load(path)
    rng = np.random.default_rng(0)
    assert {int(library.pick("R&B/Soul", "x", rng)[0, 0]) for _ in range(40)} == {6, 7}


def test_auto_draws_from_every_genre(path):
    library = PromptLibrary.load(path)
    rng = np.random.default_rng(0)
    assert {int(library.pick("Auto", "x", rng)[0, 0]) for _ in range(300)} == {1, 2, 3, 5, 6, 7}


def test_the_same_seed_draws_the_same_prompt(path):
    library = PromptLibrary.load(path)
    one, two = (library.pick("Auto", "x", np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one, two)


def test_unknown_genres_and_empty_languages_are_named(path):
    library = PromptLibrary.load(path)
    with pytest.raises(ConfigError, match=r"'Polka'.*Jazz, Pop, R&B/Soul"):
        library.pick("Polka", "x", np.random.default_rng(0))
    with pytest.raises(ConfigError, match="Jazz in language zh"):
        library.pick("Jazz", "你好", np.random.default_rng(0))


@pytest.mark.parametrize("content", [{"Pop": {"en": [torch.zeros(3, 250)]}}, {"Pop": [entry(1)]}, [entry(1)]])
def test_another_layout_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "library.pt")
    with pytest.raises(ModelError):
        PromptLibrary.load(tmp_path / "library.pt")


def test_python_objects_are_refused(tmp_path):
    torch.save({"Pop": {"en": Fraction(1, 2)}}, tmp_path / "library.pt")
    with pytest.raises(ModelError, match="objects"):
        PromptLibrary.load(tmp_path / "library.pt")


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"nothing\.pt"):
        PromptLibrary.load(tmp_path / "nothing.pt")
