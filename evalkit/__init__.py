"""evalkit: find out whether a song generator got better."""

from importlib.metadata import PackageNotFoundError, version

from evalkit.errors import EvalkitError
from evalkit.types import Audio, Clip, Metric, Prompt, Score, Section, Song, Suite, Summary, Tags

try:
    __version__ = version("music-evalkit")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = [
    "Audio",
    "Clip",
    "EvalkitError",
    "Metric",
    "Prompt",
    "Score",
    "Section",
    "Song",
    "Suite",
    "Summary",
    "Tags",
    "__version__",
]
