"""One file per system; the file name is the registered name."""
