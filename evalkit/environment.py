"""What a run was made with: packages, machine, revision of the code."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "music-evalkit",
    "numpy",
    "scipy",
    "torch",
    "torchaudio",
    "faster-whisper",
    "ctranslate2",
    "onnxruntime",
    "transformers",
    "jiwer",
    "rapidfuzz",
    "soxr",
    "soundfile",
    "epitran",
    "pypinyin",
    "pyopenjtalk-plus",
    "espeakng-loader",
    "pyworld",
    "pandas",
)


def describe(n_cpus: int) -> dict[str, Any]:
    """Environment of this process for ``run.json``; absent packages are left out."""
    commit, dirty = _revision(Path(__file__).resolve().parent.parent)
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": processor(),
        "n_cpus": n_cpus,
        "device": "cpu",
        "git_commit": commit,
        "git_dirty": dirty,
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _revision(root: Path) -> tuple[str | None, bool | None]:
    """Commit of the checkout this code runs from, and whether tracked files differ from it; None if installed."""
    if not (root / ".git").exists():
        return None, None
    commands = (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
    try:
        commit, status = (
            subprocess.run(
                ["git", "-C", str(root), *rest], capture_output=True, text=True, check=True, timeout=20
            ).stdout
            for rest in commands
        )
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit.strip(), bool(status.strip())
