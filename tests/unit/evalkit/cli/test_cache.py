import json

from typer.testing import CliRunner

from evalkit.cache import ResultCache
from evalkit.cli.app import app

KEY = "cd" + "1" * 62


def test_info_and_clear(tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_CACHE", str(tmp_path))
    monkeypatch.setenv("EVALKIT_CACHE_LIMIT_GB", "0.5")
    run = CliRunner()
    (tmp_path / "models").mkdir()
    ResultCache().put(KEY, {"x": 1})
    info = json.loads(run.invoke(app, ["cache", "info", "--json"]).stdout)
    assert info["folder"] == str(tmp_path / "results")
    assert (info["records"], info["limit_bytes"]) == (1, 500_000_000)
    assert "1 results" in run.invoke(app, ["cache", "info"]).stdout
    assert run.invoke(app, ["cache", "clear"]).exit_code == 0
    assert json.loads(run.invoke(app, ["cache", "info", "--json"]).stdout)["records"] == 0
    assert (tmp_path / "models").is_dir(), "model files stay"
