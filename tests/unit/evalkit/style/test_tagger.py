"""The tagger's words: real outputs only, no word twice in a dimension, the right classes for prompts."""

import pytest

from evalkit.models import musicnn
from evalkit.style import classes, tagger
from evalkit.types import Tags


@pytest.mark.parametrize("dimension", classes.DIMENSIONS)
def test_every_word_is_an_output_of_its_network_and_speaks_for_one_class(dimension: classes.DimensionName) -> None:
    seen: set[tuple[str, str]] = set()
    for words in tagger.load().dimensions[dimension].values():
        assert words.msd or words.mtt
        for training in musicnn.TRAININGS:
            for word in getattr(words, training):
                assert word in musicnn.TAGS[training], word
                assert (training, word) not in seen, word
                seen.add((training, word))


@pytest.mark.parametrize(
    ("tags", "dimension", "wanted"),
    [
        (Tags(genre="indie rock"), "genre", ("rock",)),
        (Tags(genre="reggae"), "genre", ()),
        (Tags(), "genre", ()),
        (Tags(gender="female vocal"), "gender", ("female",)),
        (Tags(gender="mixed"), "gender", ()),
        (Tags(emotion="melancholic"), "emotion", ("sad",)),
        (Tags(emotion="angry"), "emotion", ()),
        (Tags(instruments=("violin", "grand piano")), "instrument", ("piano", "strings")),
        (Tags(instruments=("guitar",)), "instrument", ("guitar",)),
        (Tags(instruments=("keyboard",)), "instrument", ()),
        (Tags(instruments=("acoustic guitar", "electric guitar", "bass")), "instrument", ("guitar",)),
    ],
)
def test_what_a_prompt_asks_for(tags: Tags, dimension: classes.DimensionName, wanted: tuple[str, ...]) -> None:
    assert tagger.load().wanted(tags, dimension) == wanted
