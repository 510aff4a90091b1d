"""Every example in a docstring is true."""

import doctest
import importlib
from pathlib import Path

import pytest

import benchmarks
import evalkit
import generation
import reports

ROOT = Path(evalkit.__file__).parent.parent
FILES = sorted(
    path
    for package in (benchmarks, evalkit, generation, reports)
    for path in Path(package.__file__).parent.rglob("*.py")
    if ">>>" in path.read_text("utf-8")
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_are_true(path):
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted
    assert not found.failed
