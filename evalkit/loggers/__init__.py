"""Runs in the trackers that teams already use. Each module is one tracker; its package is an extra.

A logger only reads a finished run: what it sends are the aggregates of the report, so the tracker and the report agree.
"""

from evalkit.loggers.base import Logger
from evalkit.registry import Registry

LOGGERS: Registry[Logger] = Registry("logger", "evalkit.loggers", "LOGGER", "evalkit.loggers")

__all__ = ["LOGGERS", "Logger"]
