from collections.abc import Mapping

import pytest

from evalkit.evaluators._lyric_language import GROUPS, Expected, group, heard_language, language_measures, text_measure
from evalkit.models.transcript import ChunkLanguage, Segment
from evalkit.text.tokens import Token


def chunk(active_s: float, probabilities: Mapping[str, float], start_s: float = 0.0) -> ChunkLanguage:
    return ChunkLanguage(start_s=start_s, end_s=start_s + 28.0, active_s=active_s, probabilities=probabilities)


def values(chunks: list[ChunkLanguage], language: str) -> tuple[float | None, float | None]:
    found = language_measures(chunks, Expected(language))
    return found["lang_acc"].value, found["lang_purity"].value


def test_chunks_weigh_by_their_voice_not_by_their_number() -> None:
    chunks = [chunk(2.0, {"zh": 0.9}), chunk(3.0, {"zh": 0.8}), chunk(20.0, {"en": 0.6, "zh": 0.3})]
    assert values(chunks, "en") == (1.0, 0.8)
    assert values(chunks, "zh") == (0.0, 0.2)


@pytest.mark.parametrize(("heard", "wanted"), [("pt", "es"), ("nn", "da"), ("sr", "hr"), ("ms", "id"), ("zh", "yue")])
def test_languages_confused_even_in_speech_count_as_one(heard: str, wanted: str) -> None:
    assert values([chunk(10.0, {heard: 0.9})], wanted) == (1.0, 1.0)


def test_the_shares_of_a_group_add_up() -> None:
    assert values([chunk(10.0, {"en": 0.4, "es": 0.3, "pt": 0.3})], "es") == (1.0, 1.0)


def test_chunks_without_voice_say_nothing() -> None:
    found = language_measures([chunk(0.0, {"en": 0.9})], Expected("en"))
    assert found["lang_acc"].value is found["lang_purity"].value is None
    assert "No voice" in found["lang_acc"].reason
    assert language_measures([], Expected("en"))["lang_acc"].value is None


def test_what_was_heard_stands_in_the_details() -> None:
    heard = [chunk(5.0, {"es": 0.6, "pt": 0.2, "en": 0.2}, 3.0)]
    details = language_measures(heard, Expected("en"))["lang_acc"].details
    assert details["majority"] == "es/gl/pt"
    assert details["chunks"] == [{"start_s": 3.0, "end_s": 31.0, "active_s": 5.0, "language": "es", "probability": 0.6}]


def test_groups_do_not_overlap() -> None:
    names = [name for names in GROUPS for name in names]
    assert len(names) == len(set(names))
    assert group("fi") == "fi"


def word(line: int, start_s: float) -> Token:
    return Token(text="x", surface="x", line=line, start_s=start_s, end_s=start_s + 1.0)


class TestALyricThatSwitchesLanguages:
    expected = Expected("ko", ["ko", "en", "ko"], [word(0, 1.0), word(1, 30.0), word(2, 60.0)])

    def test_each_stretch_has_the_languages_of_its_lines(self) -> None:
        assert self.expected.during(0.0, 28.0) == {"ko"}
        assert self.expected.during(28.0, 56.0) == {"en"}
        assert self.expected.during(20.0, 70.0) == {"en", "ko"}

    def test_where_no_line_is_known_any_of_its_languages_will_do(self) -> None:
        assert self.expected.during(100.0, 120.0) == {"en", "ko"}

    def test_the_voice_is_judged_line_by_line(self) -> None:
        right = [chunk(20.0, {"ko": 0.9}), chunk(20.0, {"en": 0.9}, 28.0), chunk(10.0, {"ko": 0.8}, 56.0)]
        found = language_measures(right, self.expected)
        assert (found["lang_acc"].value, found["lang_purity"].value) == (1.0, 1.0)
        assert found["lang_acc"].details["majority"] == "en+ko"
        swapped = [chunk(20.0, {"en": 0.9}), chunk(20.0, {"ko": 0.9}, 28.0), chunk(10.0, {"ko": 0.8}, 56.0)]
        found = language_measures(swapped, self.expected)
        assert (found["lang_acc"].value, found["lang_purity"].value) == (0.0, 0.2)

    def test_without_the_declaration_the_other_language_is_wrong(self) -> None:
        heard = [chunk(20.0, {"ko": 0.9}), chunk(20.0, {"en": 0.9}, 28.0)]
        assert language_measures(heard, Expected("ko"))["lang_purity"].value == 0.5


def segment(text: str, start_s: float = 0.0) -> Segment:
    return Segment(text=text, start_s=start_s, end_s=start_s + 4.0)


def spoken(text: str) -> str | None:
    return {"e": "en", "g": "gl", "k": "ko"}.get(text[0])


def test_text_counts_by_characters_of_lines_that_are_long_enough() -> None:
    lines = [segment("e" * 30), segment(" " + "g" * 10), segment("k" * 10), segment("k" * 15), segment("?" * 40)]
    found = text_measure(lines, Expected("en"), spoken)
    assert found.value == 30 / 45
    assert [line["language"] for line in found.details["lines"]] == ["en", "ko"]
    assert text_measure([segment("g" * 20)], Expected("es"), spoken).value == 1.0, "confused even in speech"


def test_text_of_a_lyric_that_switches_is_judged_line_by_line() -> None:
    expected = Expected("ko", ["ko", "en"], [word(0, 1.0), word(1, 6.0)])
    right = [segment("k" * 20), segment("e" * 20, 5.0)]
    assert text_measure(right, expected, spoken).value == 1.0
    swapped = [segment("e" * 20), segment("k" * 20, 5.0)]
    assert text_measure(swapped, expected, spoken).value == 0.0


def test_no_text_no_number() -> None:
    found = text_measure([segment("short")], Expected("en"), spoken)
    assert found.value is None
    assert "12 characters" in found.reason


def test_the_language_heard_is_that_of_most_of_the_voice() -> None:
    assert heard_language([chunk(2.0, {"zh": 0.9}), chunk(9.0, {"pt": 0.4, "es": 0.3, "en": 0.3})]) == "pt"
    assert heard_language([chunk(0.0, {"zh": 0.9})]) is None
    assert heard_language([]) is None
