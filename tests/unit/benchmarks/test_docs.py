"""What docs/suites.md shows is true."""

import re
from pathlib import Path

import pytest

from benchmarks import loader, schema, vocabulary

DOCS = (Path(__file__).parents[3] / "docs" / "suites.md").read_text(encoding="utf-8")


def test_the_example_suite_and_the_example_request_load(tmp_path: Path) -> None:
    for suffix, block in (("yaml", re.findall(r"```yaml\n(.*?)```", DOCS, re.S)[0]), ("jsonl", _request_block())):
        path = tmp_path / f"example.{suffix}"
        path.write_text(block, encoding="utf-8")
        assert loader.check(str(path)) == []
        assert loader.load(str(path)).prompts


@pytest.mark.parametrize(
    "model",
    [schema.SuiteModel, schema.PromptModel, schema.TagsModel, schema.OfficialModel],
    ids=lambda model: model.__name__,
)
def test_every_field_is_explained(model: type[schema.SuiteModel]) -> None:
    rows = "\n".join(line for line in DOCS.splitlines() if line.startswith("|"))
    assert [name for name in model.model_fields if f"`{name}`" not in rows] == []


def test_every_reference_genre_and_core_language_is_named() -> None:
    assert [name for name in vocabulary.AUTO_PROMPT_TYPES if name not in DOCS] == []
    assert [name for name in vocabulary.CORE_LANGUAGES if not re.search(rf"\b{name}\b", DOCS)] == []


def _request_block() -> str:
    return str(re.findall(r"```json\n(.*?)```", DOCS, re.S)[0])
