"""The command line: parse, call, print, exit code."""

from evalkit.cli.app import main

__all__ = ["main"]
