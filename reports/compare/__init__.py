"""The comparison of two systems and more: page, Markdown, CSV and JSON. Everything here only reads runs."""

from reports.compare.contenders import Contender, choose
from reports.compare.writer import Compared, Written, compare, write

__all__ = ["Compared", "Contender", "Written", "choose", "compare", "write"]
