"""Style classes, sentences and distractors: known answers, and that the sets are closed."""

import doctest
from collections import Counter

import pytest
from pydantic import ValidationError

from benchmarks import loader, vocabulary
from evalkit.style import classes, distractors, sentences
from evalkit.style.classes import wanted
from evalkit.types import Tags

CLASSES = classes.load()


def test_examples_in_the_docstrings() -> None:
    assert [doctest.testmod(module).failed for module in (classes, sentences, distractors)] == [0, 0, 0]


def test_the_sets_have_the_agreed_sizes() -> None:
    assert {name: len(entry.classes) for name, entry in CLASSES.dimensions.items()} == {
        "gender": 3,
        "genre": 20,
        "emotion": 8,
        "instrument": 16,
    }
    assert all(len(entry.templates) == 3 for entry in CLASSES.dimensions.values())


@pytest.mark.parametrize(
    ("dimension", "tag", "name"),
    [
        ("gender", "Female", "female"),
        ("gender", "male and female", "mixed"),
        ("gender", "warm female voice", "female"),
        ("gender", "robot", None),
        ("genre", "Hip-Hop", "hip hop"),
        ("genre", "R&B/Soul", "r&b"),
        ("genre", "folk rock", "rock"),
        ("genre", "rock folk", "folk"),
        ("genre", "dark synth-pop", "pop"),
        ("genre", "bossa nova", "latin"),
        ("genre", "zydeco", None),
        ("genre", "popcorn", None),
        ("emotion", "melancholic", "sad"),
        ("emotion", "deeply sad", "sad"),
        ("emotion", "sad but hopeful", None),
        ("emotion", "emotional", None),
        ("instrument", "violin", "strings"),
        ("instrument", "guitar", None),
        ("instrument", "electric guitar", "electric guitar"),
        ("instrument", "kazoo", None),
    ],
)
def test_a_tag_means_a_class_or_none(dimension: classes.DimensionName, tag: str, name: str | None) -> None:
    assert CLASSES.dimensions[dimension].classify(tag) == name


def test_nearly_every_word_suites_may_use_means_a_class() -> None:
    known = {"gender": "gender", "genre": "genre", "emotion": "emotion", "instruments": "instrument"}
    lost = {
        word
        for field, dimension in known.items()
        for word in vocabulary.TAG_VALUES[field]
        if CLASSES.dimensions[dimension].classify(word) is None  # type: ignore[index]
        and not CLASSES.dimensions[dimension].undecided(word)  # type: ignore[index]
    }
    assert lost == {"emotional", "choir"}, "words that say too little to be a class"


@pytest.mark.parametrize("suite", ["smoke", "multilingual"])
def test_all_tags_of_the_shipped_suites_mean_classes(suite: str) -> None:
    for prompt in loader.load(suite).prompts:
        for dimension in classes.DIMENSIONS:
            found = wanted(prompt.tags, dimension)
            assert found.classes, f"{prompt.id}: {dimension} {found.tags}"
            assert not found.unmapped, f"{prompt.id}: {dimension} {found.unmapped}"


def test_an_ambiguous_instrument_is_neither_right_nor_wrong_unless_another_word_settles_it() -> None:
    found = wanted(Tags(instruments=("guitar", "kazoo", "drums")), "instrument")
    assert found.classes == ("drums",)
    assert found.undecided == ("acoustic guitar", "electric guitar")
    assert found.unmapped == ("kazoo",)
    assert wanted(Tags(instruments=("guitar", "electric guitar")), "instrument").undecided == ("acoustic guitar",)


def test_a_tag_of_two_classes_is_refused() -> None:
    text = """
version: x
dimensions:
  gender:
    templates: ["{x}"]
    classes: {female: {text: a, tags: [lady]}, male: {text: b, tags: [Lady]}}
"""
    with pytest.raises(ValidationError, match="stands for 'female' and for 'male'"):
        classes.parse(text)


def test_nothing_specified_gives_no_sentence() -> None:
    assert sentences.sentence(Tags(bpm=120.0, other=("dark",))) == ""


def test_distractors_cover_every_genre_twice() -> None:
    counts = Counter(name for name, _ in distractors.load().styles)
    assert counts == dict.fromkeys(CLASSES.dimensions["genre"].classes, 2)


@pytest.mark.parametrize("genre", vocabulary.GENRES)
def test_distractors_never_share_the_genre_and_look_like_the_prompt(genre: str) -> None:
    tags = Tags(genre=genre, gender="female")
    chosen = distractors.choose("en-1", tags)
    own = wanted(tags, "genre").classes
    genres = [wanted(other, "genre").classes for other in chosen]
    assert len(chosen) == len(set(genres)) == 9
    assert own not in genres
    assert len({sentences.sentence(other) for other in chosen}) == 9
    assert all(other.gender and not other.emotion and not other.instruments for other in chosen)


def test_distractors_depend_on_the_prompt_alone() -> None:
    tags = Tags(genre="pop")
    assert distractors.choose("en-1", tags) == distractors.choose("en-1", tags)
    assert distractors.choose("en-1", tags) != distractors.choose("en-2", tags)
    assert distractors.choose("en-1", Tags(emotion="sad")) == []
