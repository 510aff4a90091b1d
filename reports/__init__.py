"""Reports: everything here only reads a run."""
