"""Loads and checks ``references/*.yaml``: numbers that others have published.

One file is one table with one protocol; its name is the protocol's id. Every file says where its numbers come from,
when, how they were made and on what terms they are repeated.
"""

import math
import re
from collections.abc import Iterable
from importlib.resources import files
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from benchmarks.nodes import Document, dotted, parse
from evalkit.errors import SuiteError
from evalkit.published import PublishedMetric, PublishedRow, PublishedTable

_Text = Annotated[str, Field(min_length=1)]


class _Metric(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: _Text
    unit: str = ""
    direction: Literal["higher", "lower", "none"]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    system: _Text
    known_as: str = ""
    values: dict[str, float] = Field(min_length=1)
    approximate: list[str] = []

    @field_validator("values")
    @classmethod
    def _finite(cls, values: dict[str, float]) -> dict[str, float]:
        for key, value in values.items():
            if not math.isfinite(value):
                raise ValueError(f"{key} is {value}; leave out what is not known")
        return values

    @model_validator(mode="after")
    def _approximate_values_exist(self) -> "_Row":
        if unknown := sorted(set(self.approximate) - set(self.values)):
            raise ValueError(f"approximate names {', '.join(unknown)}, which has no value here")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: _Text
    title: _Text
    source: _Text
    url: Annotated[str, Field(pattern=r"^https://[^\s\"'<>]+$")]
    date: Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])(-[0-3]\d)?$")]
    licence: _Text
    languages: list[str] = []
    protocol: _Text
    caveats: list[str] = []
    metrics: dict[str, _Metric] = Field(min_length=1)
    rows: list[_Row] = Field(min_length=1)

    @model_validator(mode="after")
    def _rows_fit(self) -> "_File":
        seen: set[str] = set()
        for row in self.rows:
            if row.system in seen:
                raise ValueError(f"{row.system!r} has two rows")
            seen.add(row.system)
            if unknown := sorted(set(row.values) - set(self.metrics)):
                raise ValueError(f"{row.system!r} has a value for {', '.join(unknown)}, which is no metric here")
        return self


def available() -> list[str]:
    """Ids of the bundled tables."""
    found = files("benchmarks").joinpath("references").iterdir()
    return sorted(entry.name.removesuffix(".yaml") for entry in found if entry.name.endswith(".yaml"))


def load_all() -> tuple[PublishedTable, ...]:
    """All bundled tables, newest first."""
    return tuple(sorted((load(name) for name in available()), key=lambda table: (_newest_first(table.date), table.id)))


def load(name: str) -> PublishedTable:
    """A bundled table.

    Raises:
        SuiteError: there is none of that name, or it has errors.
    """
    if name not in available():
        raise SuiteError(f"There are no published numbers {name!r}.", f"Known: {', '.join(available())}")
    text = files("benchmarks").joinpath("references", f"{name}.yaml").read_text(encoding="utf-8")
    return parse_table(text, name)


def parse_table(text: str, name: str) -> PublishedTable:
    """Check the text of a file.

    Args:
        text: YAML.
        name: Of the file, without its ending; must be the table's id.

    Raises:
        SuiteError: the first problem, with line and field.
    """
    problems: list[str] = []
    document = parse(text, lambda line, field, message, _: problems.append(_place(name, line, field) + message))
    if problems or document is None:
        raise SuiteError(problems[0] if problems else f"{name}.yaml is empty.")
    try:
        content = _File.model_validate(document.value)
    except ValidationError as error:
        raise SuiteError(_first(error, document, name)) from error
    if content.id != name:
        raise SuiteError(f"{name}.yaml: id is {content.id!r}.", "A file is named after its id.")
    return PublishedTable(
        id=content.id,
        title=content.title,
        source=content.source,
        url=content.url,
        date=content.date,
        protocol=content.protocol,
        licence=content.licence,
        languages=tuple(content.languages),
        caveats=tuple(content.caveats),
        metrics={key: PublishedMetric(**metric.model_dump()) for key, metric in content.metrics.items()},
        rows=tuple(_rows(content, document)),
    )


def _rows(content: _File, document: Document) -> Iterable[PublishedRow]:
    for place, row in enumerate(content.rows):
        written = {key: document.scalars["rows", place, "values", key].text for key in row.values}
        yield PublishedRow(
            system=row.system,
            known_as=row.known_as or row.system,
            values=row.values,
            # A source that writes 2.50 means more than one that writes 2.5.
            decimals={key: len(text.partition(".")[2]) for key, text in written.items()},
            approximate=frozenset(row.approximate),
            protocol=content.id,
        )


def _first(error: ValidationError, document: Document, name: str) -> str:
    # A mistyped field is reported twice, as unknown and as missing; the first says more.
    first: Any = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    path = first["loc"]
    return f"{_place(name, document.line(path), dotted(path))}{first['msg']}."


def _place(name: str, line: int, field: str) -> str:
    return f"{name}.yaml{f':{line}' if line else ''}{f', {field}' if field else ''}: "


def _newest_first(date: str) -> tuple[int, ...]:
    return tuple(-int(part) for part in re.findall(r"\d+", date))
