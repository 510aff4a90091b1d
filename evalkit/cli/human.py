"""Human recordings set beside a run: a copy of their baseline file in the folder, which every later report reads."""

from pathlib import Path

from evalkit.baseline import BaselineData, load_baseline, load_run_or_baseline, to_bytes
from evalkit.errors import StoreError
from evalkit.files import write_atomically
from evalkit.runfolder import load_info

FILE = "human.evalkit"


def keep(folder: Path, source: Path) -> None:
    """Set human recordings beside a run.

    Args:
        folder: The run.
        source: The run folder or baseline file of the recordings.

    Raises:
        StoreError: one of them is no run, the recordings have no scores, or the file cannot be written.
    """
    load_info(folder)
    recordings = load_run_or_baseline(source)
    if not recordings.scores:
        raise StoreError(
            f"The human recordings in {source} have no scores.", f"Measure them first: evalkit evaluate {source}"
        )
    write_atomically(folder / FILE, to_bytes(recordings))


def kept(folder: Path) -> BaselineData | None:
    """The recordings set beside a run; None if there are none."""
    path = folder / FILE
    return load_baseline(path) if path.is_file() else None
