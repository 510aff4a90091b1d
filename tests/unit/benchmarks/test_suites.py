"""What the bundled suites promise."""

import unicodedata
from collections import Counter
from importlib.resources import files

import pytest
import yaml

from benchmarks import loader, vocabulary
from evalkit.lyrics import parse
from evalkit.types import Suite

SINGLE_DIMENSIONS = ("genre", "emotion")


@pytest.fixture(scope="module")
def multilingual() -> Suite:
    return loader.load("multilingual")


@pytest.mark.parametrize("name", ["multilingual", "smoke"])
def test_bundled_suite_is_named_as_its_file_and_has_no_issue(name: str) -> None:
    suite = loader.load(name)
    assert (suite.name, suite.version, suite.licence) == (name, "1", "MIT")
    assert loader.check(name) == []


def test_every_bundled_file_is_listed() -> None:
    stems = {item.name[:-5] for item in (files("benchmarks") / "suites").iterdir() if item.name.endswith(".yaml")}
    assert {"multilingual", "smoke"} <= stems <= set(loader.names())


def test_four_prompts_in_each_of_ten_languages(multilingual: Suite) -> None:
    languages = Counter(prompt.language for prompt in multilingual.prompts)
    assert languages == dict.fromkeys(vocabulary.CORE_LANGUAGES, 4)
    ids = [prompt.id for prompt in multilingual.prompts]
    assert ids == [f"{language}-{number:02}" for language in vocabulary.CORE_LANGUAGES for number in range(1, 5)]


def test_voices_are_balanced_over_languages_and_genres(multilingual: Suite) -> None:
    by_language = Counter((prompt.language, prompt.tags.gender) for prompt in multilingual.prompts)
    by_genre = Counter((prompt.tags.genre, prompt.tags.gender) for prompt in multilingual.prompts)
    assert set(by_language.values()) == {2}
    assert len(by_language) == 20
    assert set(by_genre.values()) == {2}
    assert len(by_genre) == 20


def test_genres_emotions_and_instruments_are_balanced(multilingual: Suite) -> None:
    tags = [prompt.tags for prompt in multilingual.prompts]
    assert Counter(tag.genre for tag in tags) == dict.fromkeys(vocabulary.GENRES[:10], 4)
    assert Counter(tag.emotion for tag in tags) == dict.fromkeys(vocabulary.EMOTIONS[:8], 5)
    assert {len(set(tag.instruments)) for tag in tags} == {2}
    instruments = Counter(name for tag in tags for name in tag.instruments)
    assert set(instruments) == set(vocabulary.INSTRUMENTS[:12])
    assert set(instruments.values()) <= {6, 7}


def test_tempo_spreads_and_fits_the_genre(multilingual: Suite) -> None:
    tempi = {prompt.id: prompt.tags.bpm or 0 for prompt in multilingual.prompts}
    assert (min(tempi.values()), max(tempi.values())) == (72, 140)
    by_genre = {
        genre: [p.tags.bpm or 0 for p in multilingual.prompts if p.tags.genre == genre] for genre in ("ballad", "rock")
    }
    assert max(by_genre["ballad"]) < min(by_genre["rock"])


@pytest.mark.parametrize(
    ("name", "n_lines", "durations"),
    [("multilingual", range(4, 7), range(16, 21)), ("smoke", range(2, 3), range(8, 11))],
)
def test_songs_are_short(name: str, n_lines: range, durations: range) -> None:
    for prompt in loader.load(name).prompts:
        lines = [line for section in prompt.sections for line in section.lines]
        assert len(lines) in n_lines, prompt.id
        assert prompt.duration_s in durations, prompt.id


def test_lyrics_suit_their_language(multilingual: Suite) -> None:
    for prompt in multilingual.prompts:
        words = " ".join(line for section in prompt.sections for line in section.lines)
        assert unicodedata.is_normalized("NFC", words), prompt.id
        assert not any(char.isdigit() for char in words), prompt.id
        by_script = prompt.language if prompt.language in ("zh", "ja", "ko", "ru") else "en"
        assert vocabulary.detect_language(prompt.lyrics) == by_script, prompt.id
        for line in (line for section in prompt.sections for line in section.lines):
            if prompt.language == "zh":
                assert 6 <= len(line) <= 9, line
                assert line.isalpha(), line
            elif prompt.language == "ja":
                assert 6 <= len(line) <= 14, line
            else:
                assert 2 <= len(line.split()) <= 8, line


def test_no_line_stands_twice(multilingual: Suite) -> None:
    lines = [line for prompt in multilingual.prompts for section in prompt.sections for line in section.lines]
    assert len(lines) == len(set(lines))


def test_structures_vary(multilingual: Suite) -> None:
    structures = {tuple(section.label for section in prompt.sections) for prompt in multilingual.prompts}
    labels = {label for structure in structures for label in structure}
    assert len(structures) >= 6
    assert {"verse", "chorus", "bridge", "intro-short", "inst-short", "outro-short"} <= labels


def test_official_lyrics_and_sections_are_the_same_thing(multilingual: Suite) -> None:
    for prompt in multilingual.prompts:
        assert parse(prompt.lyrics) == prompt.sections
        assert prompt.description == prompt.tags.description


def test_description_lines_can_be_read_back(multilingual: Suite) -> None:
    for prompt in multilingual.prompts:
        assert vocabulary.parse_description(prompt.description) == prompt.tags, prompt.id


def test_bundled_text_is_plain_yaml() -> None:
    text = (files("benchmarks") / "suites" / "multilingual.yaml").read_text(encoding="utf-8")
    assert len(yaml.safe_load(text)["prompts"]) == 40
