from collections.abc import Mapping

import pytest

from evalkit.evaluators._lyric_language import GROUPS, group, language_measures
from evalkit.models.transcript import ChunkLanguage


def chunk(active_s: float, probabilities: Mapping[str, float], start_s: float = 0.0) -> ChunkLanguage:
    return ChunkLanguage(start_s=start_s, end_s=start_s + 28.0, active_s=active_s, probabilities=probabilities)


def values(chunks: list[ChunkLanguage], language: str) -> tuple[float | None, float | None]:
    found = language_measures(chunks, language)
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
    found = language_measures([chunk(0.0, {"en": 0.9})], "en")
    assert found["lang_acc"].value is found["lang_purity"].value is None
    assert "No voice" in found["lang_acc"].reason
    assert language_measures([], "en")["lang_acc"].value is None


def test_what_was_heard_stands_in_the_details() -> None:
    details = language_measures([chunk(5.0, {"es": 0.6, "pt": 0.2, "en": 0.2}, 3.0)], "en")["lang_acc"].details
    assert details["majority"] == "es/gl/pt"
    assert details["chunks"] == [{"start_s": 3.0, "end_s": 31.0, "active_s": 5.0, "language": "es", "probability": 0.6}]


def test_groups_do_not_overlap() -> None:
    names = [name for names in GROUPS for name in names]
    assert len(names) == len(set(names))
    assert group("fi") == "fi"
