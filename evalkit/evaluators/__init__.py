"""One file per evaluator; the file name is the registered name."""
