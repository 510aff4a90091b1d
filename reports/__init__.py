"""Reports: everything here only reads a run."""

from reports.writer import Written, write

__all__ = ["Written", "write"]
