"""Published numbers: every file loads and is complete, known values are right, mistakes are named."""

import re
from pathlib import Path

import pytest

from benchmarks import references
from evalkit.errors import SuiteError

EXPECTED = {
    "heartmula-chart-en",
    "heartmula-chart-zh",
    "levo-paper",
    "songgeneration-readme-en",
    "songgeneration-readme-zh",
    "songgeneration2-readme",
    "wildsongbench",
}

GOOD = """
id: some
title: Some table
source: A page
url: https://example.org/page
date: 2026-03
licence: Facts with their source.
protocol: A hundred songs.
metrics:
  per: {title: Phone error rate, unit: "%", direction: lower}
rows:
  - system: One
    values: {per: 8.5}
"""


def value(table: str, system: str, key: str) -> float:
    return next(row for row in references.load(table).rows if row.system == system).values[key]


def test_all_tables_are_there_and_say_where_they_come_from():
    assert set(references.available()) == EXPECTED
    for table in references.load_all():
        for text in (table.title, table.source, table.protocol, table.licence):
            assert len(text) > 8
        assert table.url.startswith("https://")
        assert re.match(r"\d{4}-\d\d", table.date)
        assert len(table.rows) >= 7
        assert {row.protocol for row in table.rows} == {table.id}
        assert len({key for row in table.rows for key in row.values}) == len(table.metrics)


@pytest.mark.parametrize(
    ("table", "system", "key", "expected"),
    [
        ("songgeneration2-readme", "SongGeneration 2", "per", 8.55),
        ("songgeneration2-readme", "Suno v5", "per", 12.4),
        ("songgeneration2-readme", "Mureka v8", "per", 9.96),
        ("songgeneration2-readme", "SongGeneration 2", "overall", 5.48),
        ("songgeneration2-readme", "SongGeneration 2", "melody", 6.12),
        ("songgeneration2-readme", "SongGeneration 2", "arrangement", 6.42),
        ("songgeneration2-readme", "SongGeneration 2", "sound_instrument", 7.10),
        ("songgeneration2-readme", "SongGeneration 2", "sound_vocal", 6.53),
        ("songgeneration2-readme", "SongGeneration 2", "structure", 6.11),
        ("songgeneration-readme-zh", "SongGeneration-large", "per", 5.1),
        ("songgeneration-readme-en", "Haimian", "per", 26.6),
        ("levo-paper", "LeVo", "fad", 2.68),
        ("levo-paper", "Suno V4.5", "mos_lyrics", 3.17),
        ("wildsongbench", "LeVo 2 (SongGeneration 2)", "per", 26.12),
        ("wildsongbench", "Suno v5", "q3o", 4.591),
        ("heartmula-chart-en", "LeVo 2", "per", 14.5),
        ("heartmula-chart-zh", "LeVo 2", "per", 14.7),
        ("heartmula-chart-zh", "HeartMuLa-3b-HNY", "songeval", 4.66),
    ],
)  # fmt: skip
def test_known_values(table, system, key, expected):
    assert value(table, system, key) == pytest.approx(expected)


def test_values_read_from_a_chart_say_so():
    rows = {row.system: row for row in references.load("songgeneration2-readme").rows}
    assert not rows["SongGeneration 2"].approximate, "labelled in the source"
    assert "overall" in rows["Suno v5"].approximate
    assert "per" not in rows["Suno v5"].approximate, "stands in the text"
    assert not next(r for r in references.load("heartmula-chart-en").rows if r.system == "HeartMuLa").approximate


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("8.5", "eight", r"some.yaml:13, rows\[1\].values.per: .*number"),
        ("8.5", ".nan", "leave out what is not known"),
        ("{per: 8.5}", "{pr: 8.5}", "pr, which is no metric here"),
        ("{per: 8.5}", "{}", "at least 1"),
        ("https:", "javascript:", "some.yaml:5, url"),
        ("2026-03", "last spring", "some.yaml:6, date"),
        ("licence: Facts with their source.\n", "", "licence"),
        ("id: some", "id: other", "id is 'other'"),
        ("  - system: One\n    values: {per: 8.5}\n", "  []\n", "at least 1"),
        ("{per: 8.5}", "{per: 8.5}\n    approximate: [ce]", "ce, which has no value here"),
        ("{per: 8.5}", "{per: 8.5}\n  - system: One\n    values: {per: 1}", "two rows"),
        ("title: Some", "tilte: Some", "tilte"),
    ],
)
def test_mistakes_are_named(old, new, message):
    assert references.parse_table(GOOD, "some").rows[0].known_as == "One"
    with pytest.raises(SuiteError, match=message):
        references.parse_table(GOOD.replace(old, new), "some")


def test_an_unknown_table_is_answered():
    with pytest.raises(SuiteError, match="no published numbers 'levo'"):
        references.load("levo")


def test_no_run_reader_takes_a_table_for_a_run():
    from evalkit.baseline import load_run_or_baseline
    from evalkit.errors import EvalkitError
    from reports.leaderboard.sources import read

    folder = Path(references.__file__).parent / "references"
    for path in sorted(folder.glob("*.yaml")):
        for reader in (load_run_or_baseline, read):
            with pytest.raises(EvalkitError):
                reader(path)
