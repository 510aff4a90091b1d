"""Runs in other people's trackers: MLflow and Weights & Biases."""
