"""The results block of a model card, read back by the hub's own library."""

import re

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData, metadata_eval_result
from huggingface_hub.repocard_data import model_index_to_eval_results

from evalkit.errors import ConfigError
from reports.exports.model_index import to_model_index
from reports.index import make_index
from reports.view import make_report


@pytest.fixture
def index(make_run):
    return make_index(make_run(audio=False, prompts_each=3, languages=("en", "fr")))


def results(text):
    name, found = model_index_to_eval_results(yaml.safe_load(text)["model-index"])
    return name, found


def test_the_hub_reads_every_value(index):
    name, found = results(to_model_index(index, "singer"))
    assert name == "singer"
    report = make_report(index)
    keys = {(result.dataset_config, result.metric_type): result for result in found}
    assert {config for config, _ in keys} == {"all", "en", "fr"}
    for card in report.cards:
        result = keys["all", card.measure.name]
        assert result.metric_value == card.estimates[0].value
        assert result.metric_args["signature"] == card.measure.signature
        assert result.metric_args["prompts"] == card.estimates[0].n
        low, high = result.metric_args["interval_95"]
        assert low <= result.metric_value <= high
        assert result.task_type == "text-to-audio"
        assert result.dataset_revision == index.run.info.suite.sha256


def test_it_is_the_head_of_a_card(index):
    data = ModelCardData(**yaml.safe_load(to_model_index(index, "singer")))
    card = ModelCard(f"---\n{data.to_yaml()}\n---\n# Title\n")
    assert len(card.data.eval_results) == len(results(to_model_index(index, "singer"))[1])
    one = card.data.eval_results[0]
    made = metadata_eval_result(
        model_pretty_name="singer", task_pretty_name=one.task_name, task_id=one.task_type,
        metrics_pretty_name=one.metric_name, metrics_id=one.metric_type, metrics_value=one.metric_value,
        dataset_pretty_name=one.dataset_name, dataset_id=one.dataset_type, dataset_config=one.dataset_config,
    )["model-index"][0]["results"][0]  # fmt: skip
    ours = yaml.safe_load(to_model_index(index, "singer"))["model-index"][0]["results"][0]
    assert made["task"] == ours["task"]
    assert made["dataset"].items() <= ours["dataset"].items()
    assert made["metrics"][0].pop("verified") is False, "verified is the hub's to say"
    assert {key: ours["metrics"][0][key] for key in made["metrics"][0]} == made["metrics"][0]


def test_what_has_no_value_is_left_out(index):
    assert yaml.safe_load(to_model_index(index, "singer", ["clap_ta"]))["model-index"][0]["results"] == []


def test_the_system_must_be_clear(index, make_run):
    with pytest.raises(ConfigError, match="has 2 systems: singer, other"):
        to_model_index(index)
    with pytest.raises(ConfigError, match="no system 'signer'"):
        to_model_index(index, "signer")
    alone = make_index(make_run("alone", audio=False, prompts_each=1, systems=("singer",)))
    assert results(to_model_index(alone))[0] == "singer"


def test_text_is_text_and_nothing_is_anchored(make_run):
    text = to_model_index(make_index(make_run(audio=False, prompts_each=2, hostile=True)), "singer")
    assert yaml.safe_load(text)["model-index"][0]["name"] == "singer"
    assert not re.search(r"[:-] [&*]\w", text)
    assert "!!" not in text
