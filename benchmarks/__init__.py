"""Prompt suites and their loader."""
