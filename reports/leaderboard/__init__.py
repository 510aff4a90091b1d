"""A static site over many runs: tiers, languages, metrics, lines over time."""

from reports.leaderboard.entry import Source
from reports.leaderboard.site import Written, write
from reports.leaderboard.sources import read

__all__ = ["Source", "Written", "read", "write"]
