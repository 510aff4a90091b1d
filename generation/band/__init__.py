"""The accompaniment of the embedded singer: a soundfont player and patterns by genre."""

from generation.band.accompany import render

__all__ = ["render"]
