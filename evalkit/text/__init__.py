"""Lyrics as tokens: normalisation, grapheme-to-phoneme conversion, alignment and its rates. No audio, no models."""
