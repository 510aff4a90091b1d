"""Who is compared with whom."""

from dataclasses import replace

import pytest

from evalkit.errors import ConfigError
from reports.compare import choose


def named(run, run_id, references=()):
    systems = tuple(replace(system, reference=system.name in references) for system in run.info.systems)
    return replace(run, info=replace(run.info, run_id=run_id, systems=systems))


@pytest.fixture
def two(make_run):
    return [
        named(make_run(name, audio=False, systems=("singer", "tone")), name, references=("tone",))
        for name in ("new", "old")
    ]


def pairs(found):
    candidate, opponents = found
    return candidate.system, [(opponent.run.info.run_id, opponent.system) for opponent in opponents]


def test_one_run_compares_its_systems(two):
    assert pairs(choose(two[:1])) == ("singer", [("new", "tone")])


def test_other_runs_bring_the_system_of_the_same_name(two):
    assert pairs(choose(two)) == ("singer", [("old", "singer")])


def test_other_runs_without_that_name_bring_what_is_no_reference(two, make_run):
    other = named(make_run("x", audio=False, systems=("suno", "mureka", "chance")), "x", references=("chance",))
    assert pairs(choose([two[0], other])) == ("singer", [("x", "suno"), ("x", "mureka")])


def test_references_are_found_wherever_they_are(two):
    assert pairs(choose(two, references=["tone"])) == ("singer", [("new", "tone"), ("old", "tone")])
    assert pairs(choose(two, references=["singer"])) == ("singer", [("old", "singer")]), "never itself"
    assert pairs(choose(two, "tone", ["singer"])) == ("tone", [("new", "singer"), ("old", "singer")])


def test_what_is_not_clear_is_asked(two, make_run):
    with pytest.raises(ConfigError, match="no system 'signer'"):
        choose(two, "signer")
    with pytest.raises(ConfigError, match="another system 'tome'"):
        choose(two, references=["tome"])
    with pytest.raises(ConfigError, match="holds nothing but 'a'"):
        choose([named(make_run("y", audio=False, systems=("a",)), "y")])
    with pytest.raises(ConfigError, match="has 2 systems: a, b"):
        choose([named(make_run("z", audio=False, systems=("a", "b")), "z")])
