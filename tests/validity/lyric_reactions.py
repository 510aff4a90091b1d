"""Does the lyrics evaluator notice what was done to the words, and nothing else?"""

import itertools
from collections.abc import Sequence

from validity import edits
from validity.scoring import scores, value
from validity.songs import PROMPTS, SungSong, sing
from validity.table import Reaction

from evalkit.lyrics import to_official
from evalkit.text import g2p
from evalkit.text.compare import compare
from evalkit.text.tokens import lyric_tokens
from evalkit.types import Clip, Prompt

DROPPED = {0: (), 1: (2,), 2: (2, 5), 4: (1, 2, 4, 5)}
"""Lines left out: none, then up to four of six."""

ORDERS = {0: (0, 1, 2), 1: (1, 0, 2), 2: (1, 2, 0), 3: (2, 1, 0)}
"""Orders of three sections, by the number of pairs that are swapped."""

REPEATED = {0: (0, 1, 2, 3), 1: (0, 1, 1, 2, 3), 2: (0, 1, 1, 2, 3, 3), 3: (0, 1, 1, 1, 2, 3, 3)}
"""Orders of verse, chorus, verse, chorus, by the number of choruses too many."""


def dropped_lines(songs: Sequence[str]) -> list[Reaction]:
    found = [_lyrics([edits.without_lines(song, lines) for lines in DROPPED.values()]) for song in _sung(songs)]
    doses = tuple(float(dose) for dose in DROPPED)
    change = "lines left out, of six"
    return [
        _reaction(change, doses, "del_rate", songs, found, "rises"),
        _reaction(change, doses, "line_omission_rate", songs, found, "rises"),
        _reaction(change, doses, "wer", songs, found, "rises"),
        _reaction(change, doses, "order_error", songs, found, "stays"),
        _reaction(change, doses, "repeat_ins_rate", songs, found, "stays"),
    ]


def swapped_sections(songs: Sequence[str]) -> list[Reaction]:
    found = [_lyrics([edits.reordered(song, order) for order in ORDERS.values()]) for song in _sung(songs)]
    doses = tuple(float(dose) for dose in ORDERS)
    change = "pairs of sections swapped, of three"
    # In a lyric sung backwards the alignment cannot tell a moved verse from a repeated one: three pairs are left out.
    some = [scored[:3] for scored in found]
    return [
        _reaction(change, doses, "order_error", songs, found, "rises"),
        _reaction(change, doses[:3], "repeat_ins_rate", songs, some, "stays"),
    ]


def repeated_chorus(songs: Sequence[str]) -> list[Reaction]:
    found = [_lyrics([edits.reordered(song, order) for order in REPEATED.values()]) for song in _sung(songs)]
    doses = tuple(float(dose) for dose in REPEATED)
    change = "choruses too many"
    return [
        _reaction(change, doses, "repeat_ins_rate", songs, found, "rises"),
        _reaction(change, doses, "ins_rate", songs, found, "rises"),
        _reaction(change, doses, "line_omission_rate", songs, found, "stays"),
    ]


def other_lyrics(songs: Sequence[str]) -> list[tuple[str, str, float, float, float]]:
    """Each song against its own lyric and against another one of its language.

    Returns:
        Song, other lyric, PER against its own lyric, PER against the other, and the chance level: the PER between the
        two lyrics as texts, without any audio.
    """
    rows = []
    for one, other in itertools.permutations(songs, 2):
        mine, theirs = PROMPTS[one], PROMPTS[other]
        if mine.language == theirs.language and to_official(mine.sections) != to_official(theirs.sections):
            clip = edits.unchanged(sing(one))
            own, crossed = (value(c, "lyrics", "per") for c in (clip, _asked_for(clip, theirs)))
            rows.append((one, other, own, crossed, _phones_apart(theirs, mine)))
    return rows


def _asked_for(clip: Clip, prompt: Prompt) -> Clip:
    """The same audio, as if another prompt had been given; its transcript is heard only once."""
    from dataclasses import replace

    from evalkit.audio import decoded_sha256
    from evalkit.cache import ResultCache
    from evalkit.derived import Derived

    return replace(clip, prompt=prompt, derived=Derived({"mix": decoded_sha256(clip.mix)}, ResultCache()))


def _phones_apart(reference: Prompt, sung: Prompt) -> float:
    sides = [
        g2p.phone_tokens(lyric_tokens(prompt.sections, prompt.language), prompt.language)
        for prompt in (reference, sung)
    ]
    rate = compare(*sides).counts.rate
    assert rate is not None
    return rate


def _sung(songs: Sequence[str]) -> list[SungSong]:
    return [sing(name) for name in songs]


def _lyrics(clips: Sequence[Clip]) -> list[dict]:
    return [scores(clip, "lyrics") for clip in clips]


def _reaction(change, doses, metric, songs, found, expected, tolerance=0.0) -> Reaction:
    """Amounts at which a song has no value are left out, and said."""
    rows = [[scored[metric].value for scored in of] for of in found]
    known = [k for k in range(len(doses)) if all(row[k] is not None for row in rows)]
    lost = ", ".join(f"{doses[k]:g}" for k in range(len(doses)) if k not in known)
    return Reaction(
        change=f"{change} (no value at {lost})" if lost else change,
        doses=tuple(doses[k] for k in known),
        metric=metric,
        values={name: [row[k] for k in known] for name, row in zip(songs, rows, strict=True)},
        expected=expected,
        tolerance=tolerance,
    )
