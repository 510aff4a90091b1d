"""Arithmetic on samples that several evaluators share: a time grid, loudness, and what neural ears are given."""
