"""One YAML file per suite; the file name is the suite's name."""
