"""What a leaderboard is made from: run folders, baseline files and submissions."""

from pathlib import Path

from evalkit import submission
from evalkit.baseline import load_run_or_baseline
from reports.leaderboard.entry import Source


def read(path: Path) -> Source:
    """Read a run folder or a file that stands for one.

    Raises:
        StoreError: it is none of these, or has errors.
    """
    if path.is_dir():
        report = path / "report.html"
        return Source(run=load_run_or_baseline(path), path=path, report=report if report.is_file() else None)
    raw = submission.read_json(path) if path.suffix.lower() == ".json" else None
    if submission.is_submission(raw):
        found = submission.load(path)
        run = submission.to_run(found, path)
        return Source(run=run, path=path, self_reported=True, version=found.system.version, made=found.made)
    return Source(run=load_run_or_baseline(path), path=path)
