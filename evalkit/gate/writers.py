"""JUnit XML, Markdown and GitHub annotations, all from one `GateResult`."""

import xml.etree.ElementTree as ET

from evalkit.gate import wording
from evalkit.gate.result import Check, GateResult
from reports.tables import cell, table

HEAD = ("Check", "Verdict", "Baseline", "Candidate", "Worse by", "95 % interval", "Margin", "MDE", "n", "Unit")
"""Columns of the table, on the terminal and in Markdown."""

_LEGEND = (
    "*Worse by* is the paired difference over songs, turned so that positive is worse; of wanted ranges the distance "
    "outside is compared. A check passes if its whole interval lies below the margin, and fails if a loss beyond the "
    "margin is shown after correcting for the number of checks. *MDE* is the smallest true loss that this "
    "gate fails with 80 % power, margin and correction included, with this many songs (*n*; missing in brackets)."
)


def row(check: Check) -> tuple[str, ...]:
    """The cells of a check, in the order of `HEAD`, not escaped."""
    limited = check.limit is not None
    return (
        wording.plain(check.id),
        wording.verdict(check),
        wording.bare(check, check.baseline),
        wording.bare(check, check.candidate),
        wording.bare(check, check.difference, signed=True),
        wording.bare_interval(check),
        f"limit {wording.bare(check, check.limit)}" if limited else wording.bare(check, check.margin),
        wording.bare(check, check.mde),
        wording.counted(check),
        wording.unit(check),
    )


def mark(check: Check) -> str:
    """One sign: passes, lets through with a warning, or blocks."""
    return "✗" if check.blocks else "!" if check.warns else "✓"


def headline(result: GateResult) -> str:
    """Who was held against whom."""
    against = f"{result.baseline_system} of {result.baseline_run}" if result.baseline_run else "no baseline"
    return wording.plain(
        f"{result.candidate_system} of {result.candidate_run} against {against}, suite {result.suite}, {result.rules}"
    )


def to_junit(result: GateResult) -> str:
    """JUnit XML: one test case a check; a failure or an error exactly where the check blocks."""
    blocking = [check for check in result.checks if check.blocks]
    errors = [check for check in blocking if check.verdict in ("insufficient_data", "incomplete")]
    counts = {
        "tests": str(len(result.checks)),
        "failures": str(len(blocking) - len(errors)),
        "errors": str(len(errors)),
        "skipped": "0",
    }
    root = ET.Element("testsuites", {"name": "evalkit gate", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": headline(result), **counts})
    properties = ET.SubElement(suite, "properties")
    for name, value in (("exit_code", str(result.exit_code)), ("conclusion", result.conclusion)):
        ET.SubElement(properties, "property", {"name": name, "value": wording.plain(value)})
    for check in result.checks:
        case = ET.SubElement(suite, "testcase", {"classname": "evalkit.gate", "name": wording.plain(check.id)})
        text = wording.plain(check.reason)
        if check.blocks:
            tag = "error" if check in errors else "failure"
            found = ET.SubElement(case, tag, {"type": check.verdict, "message": text})
            found.text = facts(check)
        else:
            # JUnit knows no warning; the word stands in the output of a test that passed.
            prefix = "WARNING " if check.warns else ""
            ET.SubElement(case, "system-out").text = f"{prefix}{check.verdict}: {text}\n{facts(check)}"
    if result.notices:
        ET.SubElement(suite, "system-out").text = "\n".join(map(wording.plain, result.notices))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def to_markdown(result: GateResult) -> str:
    """A summary for a pull request."""
    lines = [f"## evalkit gate: {cell(result.conclusion)}", "", cell(headline(result)), ""]
    lines += [f"- {cell(wording.plain(notice))}" for notice in result.notices] + ([""] if result.notices else [])
    lines += table(HEAD, [row(check) for check in result.checks])
    open_checks = [check for check in result.checks if check.blocks or check.warns]
    if open_checks:
        lines += ["", "### What needs a look", ""]
        lines += [
            f"- {'❌' if check.blocks else '⚠️'} **{cell(wording.name(check))}** — {cell(wording.plain(check.reason))}"
            for check in open_checks
        ]
    lines += ["", f"<sub>{_LEGEND} Seed {result.seed}, exit code {result.exit_code}.</sub>", ""]
    # Names from a run must not call anybody into the pull request.
    return "\n".join(lines).replace("@", "&#64;")


def to_annotations(result: GateResult) -> list[str]:
    """GitHub workflow commands: an error for each check that blocks, a warning for each that is inconclusive."""
    lines = []
    for check in result.checks:
        if check.blocks or check.warns:
            kind = "error" if check.blocks else "warning"
            title = _escape(f"evalkit gate: {wording.name(check)}: {check.verdict}").replace(":", "%3A")
            lines.append(f"::{kind} title={title.replace(',', '%2C')}::{_escape(wording.plain(check.reason))}")
    return lines


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def provenance(check: Check) -> list[str]:
    """How the numbers of a check came about, one fact a line."""
    facts = [f"Method: {check.method}"] if check.method else []
    for who, signature in (("Candidate", check.candidate_signature), ("Baseline", check.baseline_signature)):
        facts += [f"{who} signature: {signature}"] if signature else []
    return [wording.plain(fact) for fact in facts]


def facts(check: Check) -> str:
    """All numbers of a check and how they came about, one a line."""
    found = [f"{name}: {value}" for name, value in zip(HEAD, row(check), strict=True) if value not in ("", "—")]
    return "\n".join([wording.plain(fact) for fact in found] + provenance(check))
