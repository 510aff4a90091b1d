"""Does the structure evaluator notice what was done to the sections, the ending and the waveform?"""

from collections.abc import Callable, Sequence

from validity import edits
from validity.scoring import evaluator, structure_that_heard, transcript, value
from validity.songs import SungSong, sing
from validity.table import Expected, Reaction

from evalkit.types import Clip

REPLACED = (0.0, 0.34, 0.67, 1.0)
STUCK_S = (0.0, 10.0, 15.0, 20.0)
DELAYS_S = (0.0, 4.0, 8.0, 16.0)
CUTS = (0.5, 0.8)
"""Where the song is cut, as a share of the time until its last line ends: always inside music."""


def lost_chorus(songs: Sequence[str]) -> list[Reaction]:
    """The last chorus gives way to the verse before it.

    The sections are where the words of the undamaged song were heard; else a chorus without its words would not be
    found, and there would be nothing to compare.
    """
    change = "share of the last chorus replaced by a verse"
    found: dict[str, dict[str, list[float]]] = {"chorus_sim": {}, "ssm_contrast": {}}
    for name in songs:
        song = sing(name)
        last = len(song.sections()) - 1
        structure = structure_that_heard(transcript(edits.unchanged(song)))
        for share in REPLACED:
            clip = edits.replaced(song, last, last - 1, share)
            scored = {score.metric: score.value for score in structure.score(clip)}
            for metric, values in found.items():
                assert scored[metric] is not None
                values.setdefault(name, []).append(scored[metric])
    return [
        Reaction(change=change, doses=REPLACED, metric=metric, values=values, expected="falls")
        for metric, values in found.items()
    ]


def loops(songs: Sequence[str]) -> list[Reaction]:
    change = "seconds stuck in a loop of 2 s"
    clips = {name: [edits.stuck(sing(name), 2.0, seconds) for seconds in STUCK_S] for name in songs}
    return [
        _measured(change, STUCK_S, "loop_stuck", clips, "rises", lambda clip: value(clip, "technical", "loop_stuck")),
        _measured(change, STUCK_S, "lufs_i", clips, "stays", lambda clip: value(clip, "technical", "lufs_i"), 2.0),
    ]


def late_voice(songs: Sequence[str]) -> list[Reaction]:
    def measure(clip: Clip) -> float:
        found = {score.metric: score for score in structure_that_heard(None).score(clip)}["intro_vocal_time"]
        assert found.value is not None, found.reason
        return found.value

    change = "seconds of band before the song"
    return [_dosed(change, DELAYS_S, "intro_vocal_time", songs, "rises", measure, edits.delayed)]


def endings(songs: Sequence[str]) -> list[tuple[str, list[str]]]:
    """How songs end that are whole, faded out, or cut at several moments.

    Returns:
        What was done, and the kind of ending of each song and moment.
    """

    def kind(clip: Clip) -> str:
        found = {score.metric: score for score in evaluator("structure").score(clip)}["ending_cut"]
        return str(found.details["kind"])

    sung = [sing(name, whole=True) for name in songs]
    last = [song.lines[-1][1] for song in sung]
    return [
        ("as sung", [kind(edits.unchanged(song)) for song in sung]),
        (
            "cut inside the music",
            [kind(edits.ended(song, cut * end)) for song, end in zip(sung, last, strict=True) for cut in CUTS],
        ),
        (
            "faded out over 8 s",
            [kind(edits.ended(song, end, fade_s=8.0)) for song, end in zip(sung, last, strict=True)],
        ),
    ]


def _dosed(
    change: str,
    doses: tuple[float, ...],
    metric: str,
    songs: Sequence[str],
    expected: Expected,
    measure: Callable[[Clip], float],
    edit: Callable[[SungSong, float], Clip],
) -> Reaction:
    clips = {name: [edit(sing(name), dose) for dose in doses] for name in songs}
    return _measured(change, doses, metric, clips, expected, measure)


def _measured(
    change: str,
    doses: tuple[float, ...],
    metric: str,
    clips: dict[str, list[Clip]],
    expected: Expected,
    measure: Callable[[Clip], float],
    tolerance: float = 0.0,
) -> Reaction:
    values = {name: [measure(clip) for clip in of] for name, of in clips.items()}
    return Reaction(change=change, doses=doses, metric=metric, values=values, expected=expected, tolerance=tolerance)
