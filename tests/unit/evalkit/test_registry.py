"""Names to things, without importing them."""

import subprocess
import sys

import pytest

from evalkit.errors import ConfigError
from evalkit.evaluators.base import EVALUATORS, make_signature
from evalkit.registry import suggestion
from generation.base import SYSTEMS


def test_files_are_the_registered_names_and_helpers_are_not() -> None:
    assert {"lyrics", "technical"} <= set(EVALUATORS.names())
    assert {"singer", "tone", "folder", "command"} <= set(SYSTEMS.names())
    assert not [name for name in (*EVALUATORS.names(), *SYSTEMS.names()) if name.startswith("-") or name == "base"]


def test_each_evaluator_declares_what_a_report_needs() -> None:
    seen: set[str] = set()
    for name in EVALUATORS.names():
        cls = EVALUATORS.get(name)
        assert cls.name == name
        for metric in cls.metrics:
            assert metric.name not in seen, "a metric belongs to one evaluator"
            seen.add(metric.name)
            assert metric.title
            assert metric.source
            assert metric.licence
            low, high = metric.bounds
            assert low is None or high is None or low < high
            assert metric.direction != "target" or metric.good is not None


def test_each_system_has_a_title() -> None:
    assert all(SYSTEMS.get(name).title for name in SYSTEMS.names())


def test_unknown_names_suggest() -> None:
    with pytest.raises(
        ConfigError, match=r"Unknown evaluator 'lirics'\. Did you mean 'lyrics'\? Available: .*technical"
    ):
        EVALUATORS.get("lirics")
    assert suggestion("x", []) == "Available: none."


def test_listing_names_imports_no_entry() -> None:
    code = (
        "import sys; from evalkit.evaluators.base import EVALUATORS; EVALUATORS.names(); "
        "sys.exit('evalkit.evaluators.lyrics' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_signature_keeps_the_order_of_its_parts() -> None:
    assert make_signature("wer", "2", {"b": 1, "a": "x"}) == "wer|b:1|a:x|v:2"
