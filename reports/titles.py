"""Registered names of evaluators, written for people."""

import re

_SPELT = {"clap": "CLAP", "dnsmos": "DNSMOS", "distillmos": "DistillMOS", "muq": "MuQ", "songeval": "SongEval"}
"""Proper names; every other name is written as a word."""


def evaluator_title(name: str) -> str:
    """A heading for an evaluator's metrics.

    >>> evaluator_title("vocal-gender"), evaluator_title("clap-control"), evaluator_title("")
    ('Vocal gender', 'CLAP control', 'Undeclared')
    """
    words = [_SPELT.get(word, word) for word in re.split("[-_]", name) if word]
    text = " ".join(words) or "undeclared"
    return text[0].upper() + text[1:]
