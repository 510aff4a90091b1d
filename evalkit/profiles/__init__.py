"""Profiles: which evaluators a run uses, with which options. One YAML file each; users write their own."""
