"""gates.toml: what it may say, and what a wrong one is answered."""

import contextlib
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.errors import ConfigError
from evalkit.gate import rules as rule_files
from evalkit.gate.rules import EXPECTED, Rule, Rules


@pytest.fixture
def load(tmp_path: Path):
    def read(text: str) -> Rules:
        path = tmp_path / "gates.toml"
        path.write_text(text, encoding="utf-8")
        return rule_files.load(path)

    return read


def test_everything_a_file_may_say(load):
    found = load("""
version = 1
policy = "extend"
max_failed_songs = 2
sample_rate = 48000

[[rule]]
metric = "per"
title = "Words"
languages = "each"
margin = 0.01
policy = "fail"

[[rule]]
metric = "lufs_i"
languages = ["en", "zh"]
prompts = ["en-*", "zh-0?"]
good = [-16, -9.5]
threshold = 1

[[rule]]
metric = "clip_rate"
max = 3
min = 0.0
each_song = true
direction = "lower"
""")
    assert (found.policy, found.max_failed_songs, found.sample_rate) == ("extend", 2, 48_000)
    words, loudness, clips = found.rules
    assert (words.languages, words.margin, words.policy, words.tested_margin) == ("each", 0.01, "fail", 0.01)
    assert (loudness.languages, loudness.prompts) == (("en", "zh"), ("en-*", "zh-0?"))
    assert (loudness.good, loudness.tested_margin) == ((-16.0, -9.5), None), "a threshold alone asks for no test"
    assert (clips.max, clips.min, clips.each_song, clips.tested_margin) == (3.0, 0.0, True, None)
    assert Rule(metric="per").tested_margin == 0.0, "a rule that asks nothing else must not get worse at all"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "there is no [[rule]]"),
        ("policy = 'warn'", "there is no [[rule]]"),
        ("[[rule]]\nmargin = 1.0", "rule 1, metric: is missing, expected the name of a metric"),
        ("[[rule]]\nmetric = ''", "rule 1, metric: expected the name of a metric, found ''"),
        ("[[rule]]\nmetric = 'a'\n[[rule]]\nmetric = 'per'\nmargin = '1 %'", "rule 2, margin: expected a number"),
        ("[[rule]]\nmetric = 'per'\nmargin = true", "rule 1, margin: expected a number, 0 or more"),
        ("[[rule]]\nmetric = 'per'\nmargin = -0.1", "0 or more, in the metric's own unit, found -0.1"),
        ("[[rule]]\nmetric = 'per'\nmargin = nan", "found nan"),
        ("[[rule]]\nmetric = 'per'\nmax = inf", "rule 1, max: expected a number, found inf"),
        ("[[rule]]\nmetric = 'per'\nmargn = 0.1", "rule 1: the key 'margn' is unknown. Did you mean 'margin'?"),
        ("margin = 0.1\n[[rule]]\nmetric = 'per'", "the key 'margin' is unknown. "),
        ("rules = 1\n[[rule]]\nmetric = 'per'", "Did you mean 'rule'?"),
        ("[rule]\nmetric = 'per'", "rule: expected one or more [[rule]] tables"),
        ("rule = ['per']", "rule 1: expected a table with a metric, found 'per'"),
        (
            "policy = 'ignore'\n[[rule]]\nmetric = 'per'",
            'policy: expected "fail", "warn" or "extend", found \'ignore\'',
        ),
        ("version = 2\n[[rule]]\nmetric = 'per'", "version: expected 1, found 2"),
        ("max_failed_songs = true\n[[rule]]\nmetric = 'per'", "max_failed_songs: expected a whole number"),
        ("sample_rate = 44100.0\n[[rule]]\nmetric = 'per'", "sample_rate: expected a whole number of Hz"),
        ("[[rule]]\nmetric = 'per'\nlanguages = 'all'", 'languages: expected "each" or a list of languages'),
        ("[[rule]]\nmetric = 'per'\nlanguages = []", "languages is empty"),
        ("[[rule]]\nmetric = 'per'\nlanguages = [1]", 'languages: expected "each" or a list'),
        ("[[rule]]\nmetric = 'per'\nprompts = 'en-*'", "prompts: expected a list of patterns"),
        ("[[rule]]\nmetric = 'x'\ngood = [2, 1]", "good is no range"),
        ("[[rule]]\nmetric = 'x'\ngood = [nan, 1]", "good is no range"),
        ("[[rule]]\nmetric = 'x'\ngood = [1]", "good: expected two numbers"),
        ("[[rule]]\nmetric = 'x'\ngood = [0, 1]\ndirection = 'lower'", "exclude each other"),
        ("[[rule]]\nmetric = 'x'\ndirection = 'down'", 'direction: expected "lower" or "higher", found \'down\''),
        ("[[rule]]\nmetric = 'x'\nmin = 2\nmax = 1", "min 2 is above max 1"),
        ("[[rule]]\nmetric = 'x'\neach_song = true", "each_song belongs to max or min"),
        ("[[rule]]\nmetric = 'x'\nmax = 1\neach_song = 1", "each_song: expected true or false, found 1"),
        ("[[rule]\nmetric = 'x'", "is not TOML"),
        ("a = " + "9" * 5000, "is not TOML"),
        ("a = " + "[" * 5000 + "]" * 5000, "is not TOML"),
    ],
)
def test_a_wrong_file_is_answered_with_its_name_key_and_what_was_expected(load, text, sentence):
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert sentence in str(caught.value)
    assert "gates.toml" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_several_faults_are_named_at_once(load):
    with pytest.raises(ConfigError, match=r"(?s)policy: .*; rule 1, margin: .*; rule 2: the key 'x'"):
        load("policy = 1\n[[rule]]\nmetric = 'a'\nmargin = -1\n[[rule]]\nmetric = 'b'\nx = 1")


def test_a_missing_file_and_a_file_that_is_no_text(tmp_path):
    with pytest.raises(ConfigError, match=r"There is no rules file .*gates\.toml"):
        rule_files.load(tmp_path / "gates.toml")
    (tmp_path / "gates.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        rule_files.load(tmp_path / "gates.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        rule_files.load(tmp_path)


scalars = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates(), st.sampled_from(["each", "per", "warn"])
)
anything = st.one_of(scalars, st.lists(scalars, max_size=3), st.dictionaries(st.text(max_size=4), scalars, max_size=2))
keys = st.one_of(st.sampled_from(sorted(EXPECTED)), st.text(max_size=8))
tables = st.dictionaries(keys, anything, max_size=5)


@settings(max_examples=300, deadline=None)
@given(top=tables, rules=st.lists(st.one_of(tables, tables.map(lambda t: {"metric": "per", **t})), max_size=3))
def test_whatever_a_file_holds_it_is_read_or_refused_in_a_sentence(top, rules):
    try:
        found = Rules.model_validate({**top, **({"rule": rules} if rules else {})})
    except rule_files.ValidationError as error:
        sentences = rule_files._sentences(error)
        assert sentences
        for sentence in sentences:
            assert len(sentence) < 500
            assert "pydantic" not in sentence
            assert "Input should" not in sentence
    else:
        assert found.rules


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(max_size=80), st.binary(max_size=80)), cut=st.integers(0, 200))
def test_any_bytes_are_read_or_refused(tmp_path, text, cut):
    path = tmp_path / "gates.toml"
    good = b"policy = 'warn'\n[[rule]]\nmetric = 'per'\nmargin = 0.01\nlanguages = ['en']\n"
    extra = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    path.write_bytes(good[:cut] + extra)
    with contextlib.suppress(ConfigError):
        rule_files.load(path)


def test_the_documented_example_is_read(load):
    assert rule_files.__doc__ is not None
    example = rule_files.__doc__.partition("Example::")[2]
    text = "\n".join(line.strip() for line in example.splitlines())
    assert tomllib.loads(text)
    assert load(text).rules[0].languages == "each"
