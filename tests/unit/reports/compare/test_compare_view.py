"""What a comparison decides and prints."""

import json
import re
from dataclasses import replace

import pandas as pd
import pytest

from evalkit.baseline import load_baseline, save_baseline
from evalkit.store import EvaluatorInfo
from evalkit.types import Metric, SetScore
from reports import compare, numbers
from reports.compare.listening import swapped
from reports.compare.wording import p_value, signed


def older(run, **changes):
    environment = {**run.info.environment, "git_commit": "aaaa111", "packages": {"numpy": "2.3.0", "scipy": "1.0"}}
    return replace(run, info=replace(run.info, run_id="older", seed=9, environment=environment, **changes))


@pytest.fixture(scope="module")
def runs(make_shared_run):
    """Many prompts of two languages; ``other`` errs about twice as often as ``singer``."""
    run = make_shared_run(prompts_each=30, languages=("en", "fr"), audio=False)
    return run, older(make_shared_run(prompts_each=30, languages=("en", "fr"), audio=False, seed=8))


@pytest.fixture(scope="module")
def found(runs, tmp_path_factory):
    candidate, opponents = compare.choose(runs, "singer", ["other"])
    return compare.compare(candidate, opponents, tmp_path_factory.mktemp("out"), resamples=2000)


@pytest.fixture(scope="module")
def duel(found):
    return found.page.duels[1]


def view_of(duel, name):
    return next(view for view in duel.metrics if view.measure.name == name)


def test_a_better_system_is_called_better_with_its_numbers(found, duel):
    view = view_of(duel, "wer")
    row = view.all
    assert (row.tone, row.verdict) == ("better", "Better")
    contrast = found.fights[1][1].row("wer")
    difference = 100 * contrast.paired.difference
    assert row.difference == numbers.number(difference, 1) + numbers.NBSP + "points"
    assert row.sentence.startswith(f"Better by {numbers.number(-difference, 1)}{numbers.NBSP}points (")
    assert row.candidate.endswith("%")
    assert row.settle == numbers.MISSING, "what is settled needs no more songs"
    assert row.span.low > 50, "right is better, and the interval excludes no difference"
    assert row.span.low < row.span.at < row.span.high


def test_every_metric_and_language_has_a_row(found, duel):
    assert [view.measure.name for view in duel.metrics] == list(found.candidate.run.metrics)
    for view in duel.metrics:
        assert [row.language for row in view.rows] == ["", "en", "fr"]


def test_no_difference_says_what_would_have_been_seen_and_what_would_settle_it(duel):
    row = view_of(duel, "bandwidth_hz").all
    assert row.tone == "same"
    assert row.sentence.startswith("No difference is shown on ")
    assert row.mde != numbers.MISSING
    assert re.fullmatch(r"[\d,]+", row.settle)


def test_a_metric_nobody_has_is_not_comparable(duel):
    row = view_of(duel, "clap_ta").all
    assert (row.tone, row.difference, row.span) == ("apart", numbers.MISSING, None)
    assert row.sentence == "Not comparable: no song of the candidate has a value."


def test_lead_counts_all_metrics(duel):
    words = {"better": "better", "worse": "worse", "same": "no difference shown", "apart": "not comparable"}
    assert duel.lead.startswith("Better on “Word error rate, vocal stem” and “Word error rate, mix”")
    for tone, _, n in duel.tally:
        assert f"{n} {words[tone]}" in duel.lead
    assert sum(n for _, _, n in duel.tally) == len(duel.metrics)


def test_swapping_the_two_turns_every_verdict(runs, found, tmp_path):
    candidate, opponents = compare.choose([runs[1], runs[0]], "other", ["singer"])
    turned = compare.compare(candidate, opponents[1:], tmp_path, resamples=2000)
    for view in turned.page.duels[0].metrics:
        before = view_of(found.page.duels[1], view.measure.name).all
        other = {"better": "worse", "worse": "better"}
        assert view.all.tone == other.get(before.tone, before.tone)


def test_what_changed_is_told_and_what_did_not_too(found):
    inside, across = found.page.duels
    assert [table.title for table in inside.changes] == ["System", "Models behind the system"]
    lines = {(table.title, line[0]): line[1:] for table in across.changes for line in table.rows}
    assert lines["Packages", "numpy"] == ("2.4.0", "2.3.0")
    assert lines["Packages", "scipy"] == (numbers.MISSING, "1.0")
    assert lines["Suite and request", "Seed"] == ("0", "9")
    assert lines["Code and machine", "commit"] == ("d743dc7 with changes", "aaaa111 with changes")
    assert "signatures" in across.same
    assert not any(line[1] == line[2] for table in across.changes for line in table.rows)


def test_unequal_signatures_are_marked_and_their_parts_told(runs, tmp_path):
    ours, theirs = runs
    changed = replace(
        theirs,
        scores=tuple(replace(s, signature=s.signature.replace("beam:5", "beam:1")) for s in theirs.scores),
    )
    candidate, opponents = compare.choose([ours, changed], "singer", ["singer"])
    for allow in (False, True):
        page = compare.compare(candidate, opponents, tmp_path, allow_mismatch=allow, resamples=1000).page
        view = view_of(page.duels[0], "wer_vocals")
        assert view.all.tone == "apart"
        assert view.all.span is None, "nothing to rank by is drawn"
        assert (view.all.difference == numbers.MISSING) != allow, "numbers stand side by side only on request"
        assert not view.all.order
        rows = next(table for table in page.duels[0].changes if table.title == "Signatures").rows
        assert ("wer_vocals", "beam:5", "beam:1") in rows


def test_a_prompt_decides_which_system_is_a():
    order = [swapped(f"en-{k:03d}") for k in range(400)]
    assert order == [swapped(f"en-{k:03d}") for k in range(400)]
    assert 150 < sum(order) < 250


def test_values_of_the_page_are_those_of_the_runs(found, duel):
    values = duel.data["values"][0]
    contrast = found.fights[1][1].row("wer_vocals")
    for side, column in zip((contrast.candidate_values, contrast.baseline_values), values, strict=True):
        known = {p: 100 * a / b for p, a, b in zip(side.prompt_ids, side.numerators, side.denominators, strict=True)}
        for pair, shown in zip(duel.data["rows"], column, strict=True):
            prompt_id = found.page.prompts[pair["p"]]["p"]
            if prompt_id in known:
                assert shown == pytest.approx(known[prompt_id], abs=1e-3)
            else:
                assert shown is None


def test_files_agree_and_repeat(found, tmp_path):
    first = compare.write(found, tmp_path)
    before = {path: path.read_bytes() for path in (first.html, first.markdown, first.csv, first.json)}
    again = compare.write(found, tmp_path)
    assert before == {path: path.read_bytes() for path in (again.html, again.markdown, again.csv, again.json)}
    frame = pd.read_csv(first.csv)
    rows = json.loads(first.json.read_text())["rows"]
    assert len(frame) == len(rows) == 2 * 9 * 3
    row = frame[(frame.opponent_run == "older") & (frame.metric == "wer") & (frame.language == "all")].iloc[0]
    paired = found.fights[1][1].row("wer").paired
    assert row.difference == pytest.approx(paired.difference)
    assert row.verdict == "better"
    text = first.markdown.read_text()
    assert "## Against other" in text
    assert "| Word error rate, vocal stem ↓ |" in text
    assert "### What changed" in text


def test_a_baseline_file_stands_for_its_run(runs, tmp_path):
    save_baseline(runs[1], tmp_path / "old.evalkit")
    kept = load_baseline(tmp_path / "old.evalkit")
    verdicts = []
    for other in (runs[1], kept):
        candidate, opponents = compare.choose([runs[0], other], "singer", ["singer"])
        page = compare.compare(candidate, opponents, tmp_path, resamples=1000).page
        verdicts.append([(view.measure.name, view.rows) for view in page.duels[0].metrics])
    assert verdicts[0] == verdicts[1]
    candidate, opponents = compare.choose([kept, runs[0]], "singer", ["singer"])
    page = compare.compare(candidate, opponents, tmp_path, resamples=1000).page
    assert page.prompts[0]["y"], "the text comes from the side that has it"
    assert page.songs[0]["a"] == []


def test_a_positive_difference_has_its_sign():
    assert [signed(value, 1) for value in (1.25, -1.25, 0.0, 0.04)] == ["+1.2", numbers.MINUS + "1.2", "0.0", "0.0"]
    assert p_value(0.00004) == f"<{numbers.NBSP}0.001"


def test_audio_is_linked_from_wherever_the_page_lies(make_run, tmp_path):
    run = make_run("a run", prompts_each=1, languages=("en",))
    candidate, opponents = compare.choose([run], "singer")
    for out, prefix in ((run.folder, ""), (tmp_path / "out", "../a%20run/")):
        page = compare.compare(candidate, opponents, out, resamples=1000).page
        assert page.songs[0]["a"][0] == ("Mix", f"{prefix}audio/singer/en-01.take0.wav")
    (run.folder / "audio/singer/en-01.take0.wav").unlink()
    page = compare.compare(candidate, opponents, run.folder, resamples=1000).page
    assert page.songs[0]["a"][0] == ("Mix", None)


def with_sets(run, level, signature):
    metric = Metric(name="fad", title="Distance", unit="", direction="lower", source="x")
    evaluator = EvaluatorInfo(
        name="distance", version="1", metrics=(metric,), signatures={"fad": signature}, scope="set"
    )
    scores = tuple(
        SetScore(system=system, group=group, evaluator="distance", metric="fad", value=level + place, ci_low=level,
                 ci_high=level + 2, n=60, status="ok", signature=signature)
        for place, system in enumerate(("singer", "other"))
        for group in ("all", "en")
    )  # fmt: skip
    return replace(run, info=replace(run.info, evaluators=(*run.info.evaluators, evaluator)), set_scores=scores)


@pytest.mark.parametrize("signature", ["fad|v:1", "fad|v:2"])
def test_whole_sets_stand_side_by_side_without_a_verdict(runs, tmp_path, signature):
    pair = [with_sets(runs[0], 2.0, "fad|v:1"), with_sets(runs[1], 5.0, signature)]
    candidate, opponents = compare.choose(pair, "singer", ["singer"])
    found = compare.compare(candidate, opponents, tmp_path, resamples=1000)
    rows = found.page.duels[0].sets
    assert [(row.group, row.candidate.value, row.opponent.value) for row in rows] == [
        ("All songs", 2.0, 5.0),
        ("English", 2.0, 5.0),
    ]
    assert {row.apart for row in rows} == (
        {""} if signature == "fad|v:1" else {"not comparable: the signatures differ"}
    )
    assert all(view.measure.name != "fad" for view in found.page.duels[0].metrics)
    text = compare.write(found, tmp_path).markdown.read_text()
    assert "### Whole sets" in text


def test_text_that_no_file_can_hold_is_replaced(make_run, tmp_path):
    run = make_run(audio=False, prompts_each=1, languages=("en",), systems=("singer", "other\ud83d"))
    candidate, opponents = compare.choose([run], "singer", ["other\ud83d"])
    written = compare.write(compare.compare(candidate, opponents, tmp_path, resamples=1000), tmp_path)
    assert "other?" in written.csv.read_text(encoding="utf-8")
    assert "other?" in written.html.read_text(encoding="utf-8")
