import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import reports
from evalkit.errors import StoreError
from evalkit.store import RunData
from reports.html import to_json


def test_the_same_run_gives_the_same_bytes(make_run: Callable[..., RunData]) -> None:
    run = make_run(hostile=True)
    first = [path.read_bytes() for path in paths(reports.write(run))]
    assert first == [path.read_bytes() for path in paths(reports.write(run))]


def test_finishing_in_another_order_changes_nothing(make_run: Callable[..., RunData]) -> None:
    run = make_run()
    first = [path.read_bytes() for path in paths(reports.write(run))]
    shuffled = replace(run, songs=run.songs[::-1], scores=run.scores[::-1])
    assert first == [path.read_bytes() for path in paths(reports.write(shuffled))]


def paths(written: reports.Written) -> list[Path]:
    return [written.html, written.markdown, written.csv, written.parquet]


def test_nothing_else_is_left_in_the_folder(make_run: Callable[..., RunData]) -> None:
    run = make_run()
    reports.write(run)
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "audio",
        "report.html",
        "report.md",
        "scores.csv",
        "scores.parquet",
    ]


def test_a_failed_write_leaves_the_old_report(
    make_run: Callable[..., RunData], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    before = reports.write(run).html.read_bytes()

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match=r"scores\.csv cannot be written \(No space left on device\)"):
        reports.write(run)
    assert (run.folder / "report.html").read_bytes() == before
    assert not list(run.folder.glob(".*partial"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_gives_a_sentence(make_run: Callable[..., RunData]) -> None:
    run = make_run()
    run.folder.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            reports.write(run)
    finally:
        run.folder.chmod(0o700)


def test_nothing_is_loaded_from_outside(make_run: Callable[..., RunData]) -> None:
    page = reports.write(make_run()).html.read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page)
    assert "@import" not in page
    assert "default-src 'none'" in page


def test_hostile_text_never_becomes_markup(make_run: Callable[..., RunData]) -> None:
    page = reports.write(make_run(hostile=True)).html.read_text(encoding="utf-8")
    assert page.count("<script") == page.count("</script>")
    assert "<script>window.hacked" not in page
    assert "<img" not in page


def test_json_in_the_page_is_escaped_and_reads_back() -> None:
    value = {"a": "</script><!-- & \u2028\u2029 <img>"}
    text = to_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


def test_half_a_surrogate_pair_is_replaced(make_run: Callable[..., RunData]) -> None:
    run = make_run(audio=False)
    songs = tuple(replace(s, reason="broken \ud800") if s.status == "failed" else s for s in run.songs)
    written = reports.write(replace(run, songs=songs))
    assert "broken ?" in written.html.read_text(encoding="utf-8")


def test_audio_outside_the_run_is_not_embedded(make_run: Callable[..., RunData]) -> None:
    run = make_run(systems=("singer",), languages=("en",))
    (run.folder.parent / "secret.wav").write_bytes(b"secret")
    # A path with parts that lead out is no song at all; a link on the disk has none.
    (run.folder / "link.wav").symlink_to(run.folder.parent / "secret.wav")
    songs = (replace(run.songs[0], path="link.wav"), *run.songs[1:])
    with pytest.raises(StoreError, match="leads out of the run folder"):
        reports.write(replace(run, songs=songs), embed_audio=True)


def test_csv_and_parquet_hold_every_score(make_run: Callable[..., RunData]) -> None:
    run = make_run(hostile=True)
    written = reports.write(run)
    csv = pd.read_csv(written.csv, keep_default_na=False, na_values={"value": [""]})
    parquet = pq.read_table(written.parquet).to_pandas()
    for table in (csv, parquet):
        assert len(table) == len(run.scores)
        for score in run.scores:
            rows = table[(table.song_id == score.song_id) & (table.metric == score.metric)]
            assert len(rows) == 1
            row = rows.iloc[0]
            assert row.status == score.status
            assert row.reason == score.reason
            assert row.signature == score.signature
            assert (pd.isna(row.value) and score.value is None) or row.value == score.value
    assert parquet["take"].dtype == "int64"
    assert parquet.value.dtype == "float64"


def test_songs_without_scores_do_not_vanish_from_the_table(make_run: Callable[..., RunData]) -> None:
    run = make_run(audio=False)
    table = pd.read_csv(reports.write(replace(run, scores=())).csv, keep_default_na=False)
    assert sorted(table.song_id) == sorted(song.id for song in run.songs)
    assert sorted(set(table.status)) == ["failed", "not_evaluated"]


def test_markdown_says_the_same_as_the_page(make_run: Callable[..., RunData]) -> None:
    run = make_run(audio=False)
    text = reports.write(run).markdown.read_text(encoding="utf-8")
    assert text.startswith("# multilingual 1.0.0: singer · other\n")
    row = next(line for line in text.splitlines() if line.startswith("| Word error rate, vocal stem ↓ | singer |"))
    page = reports.write(run).html.read_text(encoding="utf-8")
    assert row.split("|")[4].strip() in page
    assert "| song failed | singer | all | 1 |" in text
    assert "evalkit run --suite multilingual" in text


def test_hostile_markdown_stays_in_its_cell(make_run: Callable[..., RunData]) -> None:
    text = reports.write(make_run(hostile=True)).markdown.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "<img" not in text
    assert max(len(line) for line in text.splitlines()) < 2_000
