"""Published numbers stand apart on every page and in no ranking."""

import json

import pytest

from benchmarks import references
from reports import compare, leaderboard, write
from reports.leaderboard import Source
from reports.published import make_published


@pytest.fixture(scope="module")
def tables():
    return references.load_all()


def test_rows_stand_in_alphabetical_order_as_text(tables):
    published = make_published(tables)
    for view in published.views:
        names = [row[0].casefold() for row in view.table.rows]
        assert names == sorted(names)
        assert all(isinstance(value, str) for row in view.table.rows for value in row)


def test_values_from_a_chart_are_marked(tables):
    published = make_published(tables)
    view = next(view for view in published.views if view.table.title == "SongGeneration 2 README")
    rows = {row[0]: row[1:] for row in view.table.rows}
    assert rows["SongGeneration 2"][:2] == ("8.55\u00a0%", "5.48")
    assert rows["Suno v5"][:2] == ("12.4\u00a0%", "≈5.7")
    assert rows["YuE"][0] == "—"


def test_one_system_by_several_rulers(tables):
    rulers = make_published(tables).rulers
    line = dict(zip(rulers.columns, next(row for row in rulers.rows if row[0] == "SongGeneration 2"), strict=True))
    assert line["SongGeneration 2 README"] == "8.55\u00a0%"
    assert line["WildSongBench"] == "26.12\u00a0%"
    assert line["HeartMuLa benchmark chart, Chinese"] == "≈14.7\u00a0%"
    systems = {row[0] for row in rulers.rows}
    assert {"Suno v4.5", "Suno v5", "YuE 1", "ACE-Step 1.5", "DiffRhythm 2"} <= systems
    assert "Udio v1.5" not in systems, "two languages of one source are one ruler"


def test_decimals_are_those_of_the_source(tables):
    view = next(view for view in make_published(tables).views if view.table.title == "LeVo paper")
    rows = {row[0]: row[1:] for row in view.table.rows}
    assert rows["Mureka O1"][0] == "2.50"
    assert rows["Mureka O1"][3] == "7.2\u00a0%"


def section(text: str) -> tuple[str, str]:
    """The section of published numbers, and the page without it."""
    begin = text.index('<section id="published"')
    end = text.index("</section>", begin)
    return text[begin:end], text[:begin] + text[end:]


def test_report_and_comparison_show_them_apart(make_run, tables):
    run = make_run(audio=False, prompts_each=2)
    pages = [write(run, published=tables).html]
    candidate, opponents = compare.choose([run], "singer")
    found = compare.compare(candidate, opponents, run.folder, resamples=1000)
    pages.append(compare.write(found, run.folder, published=tables).html)
    for page in pages:
        inside, outside = section(page.read_text())
        assert "Published elsewhere, other protocol" in inside
        assert "Mureka v8" in inside
        assert "Mureka v8" not in outside
        assert "sortable" not in inside
        assert "data-v" not in inside
    assert "Mureka" not in json.dumps(found.to_json())


def test_they_never_enter_a_ranking(make_run, tables, tmp_path):
    run = make_run(audio=False, prompts_each=2)
    plain = leaderboard.write([Source(run=run, path=run.folder)], tmp_path / "plain")
    shown = leaderboard.write([Source(run=run, path=run.folder)], tmp_path / "shown", published=tables)
    assert (plain.n_entries, plain.n_systems, plain.n_boards) == (shown.n_entries, shown.n_systems, shown.n_boards)
    for path in sorted((tmp_path / "plain").rglob("*.*")):
        name = path.relative_to(tmp_path / "plain")
        if str(name) != "index.html":
            assert path.read_bytes() == (tmp_path / "shown" / name).read_bytes()
    inside, outside = section((tmp_path / "shown" / "index.html").read_text())
    assert "entry" not in inside, "no row that filters, tiers or scripts look at"
    assert "tier" not in inside
    assert "Mureka" not in outside
