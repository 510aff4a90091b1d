"""The embedded singing voice: plan of a song, phonemes, melody, vocoder."""
