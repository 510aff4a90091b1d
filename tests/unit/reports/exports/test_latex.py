"""LaTeX: numbers of the report, and nothing from a run that LaTeX would obey."""

import doctest
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import ConfigError
from reports.exports import latex
from reports.index import make_index
from reports.view import make_report


def test_examples_in_the_docstrings():
    assert doctest.testmod(latex).failed == 0


def test_numbers_are_those_of_the_report(make_run):
    index = make_index(make_run(audio=False, prompts_each=2))
    report = make_report(index)
    text = latex.to_latex(index)
    estimate = report.cards[0].estimates[0]
    expected = latex.escape(f"{estimate.text} [{estimate.interval}]")
    assert rf"Word error rate, vocal stem $\downarrow$ & {expected} &" in text
    assert "~\\%" in text, "number and unit stay together"
    assert text.count(r"\begin{tabular}") == 2
    assert r"\caption{multilingual 1.0.0, by language. Fewer than 20 prompts: no claim.}" in text


def test_metrics_can_be_chosen(make_run):
    index = make_index(make_run(audio=False, prompts_each=2, languages=("en",)))
    text = latex.to_latex(index, ["bandwidth_hz"])
    assert "Bandwidth" in text
    assert "Word error rate" not in text
    assert text.count(r"\begin{tabular}") == 1, "one language needs no second table"
    with pytest.raises(ConfigError, match="no metric 'bandwith_hz'"):
        latex.to_latex(index, ["bandwith_hz"])


def test_what_has_no_value_is_a_dash(make_run):
    index = make_index(make_run(audio=False, prompts_each=1, languages=("en",)))
    assert r"Tags heard in the audio $\uparrow$ & --- & --- \\" in latex.to_latex(index, ["clap_ta"])


SPECIAL = re.compile(r"(?<!\\)[{}$&#%_^~]|\\(?![{}$&#%_]|text[a-z]+\{\})")


def loose(text: str) -> list[str]:
    """Characters that LaTeX would obey, after those that this package wrote are taken away."""
    for known in (*latex._ESCAPES.values(), "~"):
        if known not in (r"\{", r"\}", r"\$", r"\&", r"\#", r"\%", r"\_"):
            text = text.replace(known, "")
    return SPECIAL.findall(text)


@given(st.text())
def test_no_text_is_obeyed(text):
    escaped = latex.escape(text)
    assert loose(escaped) == []
    assert "\n" not in escaped
    escaped.encode("utf-8")


def test_hostile_names_stay_in_their_cells(make_run):
    name = r"a & \input{/etc/passwd} % $x_1$" + "\n" + r"\end{tabular}"
    run = make_run(audio=False, prompts_each=1, languages=("en",), systems=("singer", "x"))
    systems = (*run.info.systems[:1], type(run.info.systems[1])(name=name, spec="x", title="x"))
    from dataclasses import replace

    run = replace(
        run,
        info=replace(run.info, systems=systems),
        songs=tuple(replace(song, system=name) if song.system == "x" else song for song in run.songs),
        scores=(),
    )
    text = latex.to_latex(make_index(run))
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    assert [line for line in lines if "input" in line] == [
        r"Metric & singer & a \& \textbackslash{}input\{/etc/passwd\} \% \$x\_1\$ \textbackslash{}end\{tabular\} \\"
    ]
    for line in lines:
        if line.endswith(r" \\"):
            assert len(re.findall(r"(?<!\\)&", line)) == 2
