"""The models commands: licences are shown and accepted once, local models answer with a remedy."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from evalkit.cli import main, pipeline
from evalkit.cli.app import app
from evalkit.cli.display import Display
from evalkit.errors import ModelError
from evalkit.models import licences
from evalkit.models import registry as registries
from evalkit.models.files import ModelFiles

DATA = b"weights" * 100
TERMS = "Research only; no commercial use."


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    origin = tmp_path / "origin"
    origin.mkdir()
    (origin / "a.bin").write_bytes(DATA)
    digest = hashlib.sha256(DATA).hexdigest()
    model = {
        "title": "T",
        "licence": "odd",
        "hardware": "CPU",
        "files": {"a.bin": {"bytes": len(DATA), "sha256": digest}},
        "sources": [{"folder": str(origin)}],
    }
    accept = {"title": "Odd licence", "url": "https://example.org/licence", "text": TERMS}
    models = {"free": model, "strict": {**model, "accept": accept}, "strict-too": {**model, "accept": accept}}
    brought = {"title": "T", "licence": "odd", "where": "It is in a drawer.", "remedy": "Open it."}
    groups = {"family/all": ["strict", "strict-too"]}
    registry = registries.parse(json.dumps({"models": models, "groups": groups, "local": {"brought": brought}}))
    monkeypatch.setattr(registries, "load", lambda: registry)
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EVALKIT_MODELS", raising=False)
    monkeypatch.delenv("EVALKIT_OFFLINE", raising=False)
    return tmp_path / "cache"


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["evalkit", *arguments])
    return main()


def answer(monkeypatch: pytest.MonkeyPatch, reply: bool) -> list[str]:
    asked: list[str] = []

    def confirm(question: str) -> bool:
        asked.append(question)
        return reply

    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setattr("typer.confirm", confirm)
    return asked


def test_without_a_terminal_the_licence_needs_the_option(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", type("Pipe", (), {"isatty": lambda self: False})())
    assert call(monkeypatch, "models", "pull", "family/all") == 2
    told = capsys.readouterr().err
    assert TERMS in told
    assert "https://example.org/licence" in told
    assert "Run: evalkit models pull family/all --accept-licence" in told
    assert not (cache / "models").exists()

    assert call(monkeypatch, "models", "pull", "family/all", "--accept-licence") == 0
    (record,) = (cache / "licences").iterdir()
    noted = json.loads(record.read_text())
    assert noted["text"] == TERMS
    assert len(noted["sha256"]) == 64
    assert noted["accepted"].endswith("Z")


def test_a_terminal_is_asked_once_for_all_models_and_never_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(monkeypatch, True)
    assert call(monkeypatch, "models", "pull", "strict") == 0
    assert len(asked) == 1
    assert call(monkeypatch, "models", "pull", "strict-too") == 0
    assert len(asked) == 1


def test_one_question_for_a_group(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(monkeypatch, True)
    assert call(monkeypatch, "models", "pull", "family/all") == 0
    assert len(asked) == 1


def test_a_refused_licence_fetches_nothing(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, False)
    assert call(monkeypatch, "models", "pull", "free", "strict") == 2
    assert "was not accepted; nothing was fetched" in capsys.readouterr().err
    assert not cache.exists()


def test_other_terms_must_be_accepted_again(cache: Path) -> None:
    terms = registries.Licence(title="A", url="https://example.org", text="one")
    path = licences.accept(terms, cache)
    assert licences.is_accepted(terms, cache)
    assert not licences.is_accepted(terms.model_copy(update={"text": "two"}), cache)
    path.write_text("torn")
    assert not licences.is_accepted(terms, cache)


def test_free_models_ask_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch, "models", "pull", "free") == 0
    assert not (cache / "licences").exists()


def test_the_library_needs_acceptance_too(cache: Path) -> None:
    from evalkit.models.files import ModelFiles

    with pytest.raises(ModelError, match=r"Odd licence must be accepted.*models pull strict --accept-licence"):
        ModelFiles().pull(["strict"])


def test_a_run_fetches_only_what_is_small_and_free(cache: Path) -> None:
    with pytest.raises(ModelError, match=r"not fetched unasked.*evalkit models pull free"):
        pipeline.fetch_models(["free"], Display(quiet=True))  # its first source is not PyPI
    assert pipeline.fetch_models(["strict"], Display(quiet=True), required=False) == []


def test_a_model_that_must_be_brought_does_not_end_an_evaluation(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelError, match="local only"):
        pipeline.fetch_models(["brought"], Display(quiet=True))
    assert pipeline.fetch_models(["brought"], Display(), required=False) == []
    assert "Without brought: brought is local only" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(DATA[:-1], "is truncated: 699 bytes"), (DATA[:-1] + b"x", "was altered"), (None, "not there")],
)
def test_a_damaged_or_missing_model_gives_a_sentence_and_the_evaluation_goes_on(
    cache: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, sentence: str
) -> None:
    ModelFiles().pull(["free"])
    path = ModelFiles().locate("free") / "a.bin"
    path.unlink() if content is None else path.write_bytes(content)
    assert pipeline.fetch_models(["free"], Display(), required=False) == []
    told = " ".join(capsys.readouterr().err.split())
    assert "Without free:" in told
    assert sentence in told
    assert "evalkit models pull free" in told


def test_a_run_records_where_a_model_came_from(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch, "models", "pull", "free") == 0
    (info,) = pipeline.fetch_models(["free"], Display(quiet=True))
    assert info.source == f"folder:{tmp_path / 'origin'}"
    (tmp_path / "own" / "free").mkdir(parents=True)
    (tmp_path / "own" / "free" / "a.bin").write_bytes(DATA)
    monkeypatch.setenv("EVALKIT_MODELS", str(tmp_path / "own"))
    (info,) = pipeline.fetch_models(["free"], Display(quiet=True))
    assert info.source == f"folder:{tmp_path / 'own' / 'free'}"


def test_verify_tells_what_was_altered(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "models", "pull", "free") == 0
    assert call(monkeypatch, "models", "verify") == 0
    assert "free: all 1 files are right" in capsys.readouterr().out
    next((cache / "models").glob("free-*/a.bin")).write_bytes(DATA[:-1] + b"x")
    assert call(monkeypatch, "models", "verify") == 1
    assert "was altered" in capsys.readouterr().out
    assert call(monkeypatch, "models", "verify", "strict") == 1


def _rows(arguments: Sequence[str]) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0
    return {row["name"]: row for row in json.loads(result.stdout)}


def test_the_shipped_list_shows_what_must_be_brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path))
    monkeypatch.delenv("EVALKIT_MODELS", raising=False)
    rows = _rows(["models", "list", "--json"])
    assert rows["songgeneration2/base"]["state"] == "local only"
    assert rows["songgeneration2-v2-large"]["state"] == "missing"
    assert rows == _rows(["list", "models", "--json"])


@pytest.mark.parametrize("name", ["songgeneration2/base", "songgeneration2/v2-fast", "songgeneration2-separator"])
def test_pulling_a_local_model_says_what_to_do(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "models", "pull", name) == 2
    told = capsys.readouterr().err
    assert f"{name} is local only" in told
    assert "--weights DIR" in told
