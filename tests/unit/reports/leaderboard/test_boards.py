"""Boards: what may stand beside each other, and what must not."""

import random
from collections.abc import Callable
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports.leaderboard import Source, wording
from reports.leaderboard.boards import Board, make_boards
from reports.leaderboard.entry import Entry, distinct, make_entries

METRICS = ("wer", "clap_ta", "lufs_i", "dur_s")


def entries_of(*sources: Source) -> list[Entry]:
    return distinct([entry for source in sources for entry in make_entries(source)])


def shape(boards: list[Board]) -> list[tuple[str, list[str]]]:
    return [(board.name, [entry.run_id for entry in board.entries]) for board in boards]


protocols = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(METRICS), st.sampled_from(("a", "b", "c")), min_size=1),
        st.sampled_from(("cd", "ef")),
        st.integers(1, 2),
    ),
    min_size=1,
    max_size=8,
)


@given(found=protocols, shuffler=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_different_signatures_never_share_a_column(
    make_source: Callable[..., Source], found: list[tuple[dict[str, str], str, int]], shuffler: random.Random
) -> None:
    sources = [
        make_source(
            f"s{place}",
            languages=("en", "de"),
            prompts_each=n,
            sha256=digest * 32,
            signatures={name: f"{name}|asr:{which}|v:1" for name, which in signatures.items()},
            created=f"2026-01-{place + 1:02d}T00:00:00Z",
        )
        for place, (signatures, digest, n) in enumerate(found)
    ]
    entries = entries_of(*sources)
    boards = make_boards(entries)
    assert sorted(e.run_id for b in boards for e in b.entries) == sorted(e.run_id for e in entries), "none is lost"
    for board in boards:
        assert len({(e.suite.sha256, *sorted(e.languages)) for e in board.entries}) == 1, "one suite, the same prompts"
        for column in board.columns:
            signatures = {
                e.metrics[column.metric.name].measure.signature
                for e in board.entries
                if column.metric.name in e.metrics
            }
            assert signatures == {column.measure.signature}
    shuffler.shuffle(entries)
    assert shape(make_boards(entries)) == shape(boards), "the order of the runs does not matter"


def test_an_entry_with_fewer_metrics_joins_the_board_it_agrees_with(make_source: Callable[..., Source]) -> None:
    signature = "wer|sep:none|asr:whisper-base@753752d2|beam:5|norm:evalkit-lyrics-1|agg:pooled|v:1"
    whole, part = make_source("whole"), make_source("part", signatures={"wer": signature})
    stranger = make_source("stranger", signatures={"wer": signature.replace("beam:5", "beam:1")})
    boards = make_boards(entries_of(whole, part, stranger))
    assert [[entry.system for entry in board.entries] for board in boards] == [["part", "whole"], ["stranger"]]
    assert [column.metric.name for column in boards[0].columns] == ["wer", "clap_ta", "lufs_i", "dur_s", "songeval"]


def test_differences_are_told_in_words(make_source: Callable[..., Source]) -> None:
    other = {
        "wer": "wer|sep:none|asr:whisper-large-v3@1|beam:1|norm:evalkit-lyrics-1|agg:pooled|v:1",
        "lufs_i": "lufs_i|branch:raw|rate:native|v:1",
    }
    older = make_source("two", signatures=other, created="2026-10-01T12:00:00Z")
    first, second = make_boards(entries_of(make_source("one"), older))
    assert wording.differences(second, first) == [
        "Speech recogniser: whisper-large-v3@1 here, whisper-base@753752d2 there (wer).",
        "Beam size: 1 here, 5 there (wer).",
    ]
    limited = make_boards(entries_of(make_source("one"), make_source("two", languages=("en",))))
    assert wording.differences(limited[1], limited[0]) == ["Other prompts were sung: 4 here, 40 there, 4 in both."]


def test_the_same_run_twice_is_one_entry(make_source: Callable[..., Source]) -> None:
    run, later = make_source(seed=1), make_source(seed=2, created="2026-12-01T00:00:00Z")
    assert len(entries_of(run, run, later)) == 2
    (board,) = make_boards(entries_of(later, run))
    assert [entry.created for entry in board.lines["singer", False]] == [
        "2026-11-01T12:00:00Z",
        "2026-12-01T00:00:00Z",
    ]


def test_what_was_sent_in_never_mixes_with_what_was_measured(make_source: Callable[..., Source]) -> None:
    (board,) = make_boards(entries_of(make_source(), make_source(version="1.0", made="somehow", seed=3)))
    assert list(board.lines) == [("singer", False), ("singer", True)]


def test_one_run_with_two_signatures_keeps_the_declared_one(make_source: Callable[..., Source]) -> None:
    from dataclasses import replace

    source = make_source(prompts_each=2, languages=("en",))
    scores = list(source.run.scores)
    changed = next(place for place, score in enumerate(scores) if score.metric == "wer")
    scores[changed] = replace(scores[changed], signature="wer|asr:other|v:1")
    (entry,) = make_entries(replace(source, run=replace(source.run, scores=tuple(scores))))
    measured = entry.metrics["wer"]
    assert measured.measure.signature.startswith("wer|sep:none")
    assert measured.values is not None
    assert (len(measured.values.prompt_ids), measured.values.n_missing) == (1, 1)
    assert [(item.label, item.count) for item in measured.missing["all"]] == [("measured otherwise", 1)]


def test_calibration_systems_have_no_entry(make_source: Callable[..., Source]) -> None:
    source = make_source("chance")
    run = source.run
    kept = replace(run.info.systems[0], name="other")
    calibration = replace(run.info.systems[0], calibration="floor")
    run = replace(run, info=replace(run.info, systems=(kept, calibration)))
    assert [entry.system for entry in make_entries(replace(source, run=run))] == ["other"]
