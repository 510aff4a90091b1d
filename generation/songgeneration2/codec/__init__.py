"""Audio codec of SongGeneration 2: codes to sound and prompt audio to codes.

Importing this package is cheap; torch is imported by the modules inside it.
"""
