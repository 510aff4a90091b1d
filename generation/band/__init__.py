"""The accompaniment of the embedded singer: a soundfont player and patterns by genre."""
