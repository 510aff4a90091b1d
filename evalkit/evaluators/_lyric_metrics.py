"""Declarations of the lyric metrics, in the order they are reported."""

from typing import Any

from evalkit.types import BINARY_UNIT, Metric

LEVELS = ("wer", "cer", "per")
INPUTS = ("mix", "vocals")

_OURS = "evalkit definition"
_WHISPER = "evalkit definition, on Whisper (Radford et al. 2022)"
_MORRIS = "Morris, Maier and Green 2004"
_MSS_ALT = "Syed et al. 2025 (arXiv 2506.15514)"
_JAM_ALT = "Cífka et al. 2024 (arXiv 2408.06370)"
_TITLES = {"wer": "Word error rate", "cer": "Character error rate", "per": "Phone error rate"}
_UNITS = {
    "wer": "words (characters in Chinese, Japanese and other languages written without spaces)",
    "cer": "written characters without blanks",
    "per": "phones, so that homophones and spelling variants cost nothing",
}
_HEADLINES = frozenset({"wer", "cer", "per", "per_vocals"})


def rate_name(level: str, source: str, song_mean: bool = False) -> str:
    """Name of an error rate."""
    return level + ("_vocals" if source == "vocals" else "") + ("_song_mean" if song_mean else "")


def _rate(level: str, source: str, song_mean: bool) -> Metric:
    where = "the vocals alone" if source == "vocals" else "the mix"
    name = rate_name(level, source, song_mean)
    how = (
        "Mean over songs of min(rate, 1)."
        if song_mean
        else "Substitutions, deletions and insertions over the words of the lyric, summed over songs."
    )
    return Metric(
        name=name,
        title=f"{_TITLES[level]}{', vocals' if source == 'vocals' else ''}{', per-song mean' if song_mean else ''}",
        unit="",
        direction="lower",
        bounds=(0.0, 1.0 if song_mean else None),
        source=_WHISPER,
        aggregate="mean" if song_mean else "ratio",
        as_percent=True,
        headline=name in _HEADLINES,
        description=f"Counts {_UNITS[level]}; Whisper listens to {where}. {how}",
    )


def _share(name: str, title: str, description: str, source: str = _OURS, **options: Any) -> Metric:
    """A pooled share of which less is better."""
    given: dict[str, Any] = {"direction": "lower", "bounds": (0.0, None), "aggregate": "ratio", "as_percent": True}
    given |= {"unit": "", **options}
    return Metric(name=name, title=title, source=source, description=description, **given)


_RATES = tuple(_rate(level, source, song_mean) for source in INPUTS for song_mean in (False, True) for level in LEVELS)

_COUNTS = (
    _share(
        "sub_rate",
        "Words sung differently",
        "Substitutions over the words of the lyric: a part of the word error rate.",
        bounds=(0.0, 1.0),
    ),
    _share(
        "del_rate",
        "Words not sung",
        "Deletions over the words of the lyric: a part of the word error rate.",
        bounds=(0.0, 1.0),
    ),
    _share("ins_rate", "Words added", "Insertions over the words of the lyric: a part of the word error rate."),
    _share(
        "mer",
        "Match error rate",
        "Errors over all columns of the alignment; never above 1.",
        _MORRIS,
        bounds=(0.0, 1.0),
    ),
    _share(
        "wil",
        "Word information lost",
        "1 - H² / (N · N heard): 0 if all is there and nothing else. Mean over songs.",
        _MORRIS,
        bounds=(0.0, 1.0),
        aggregate="mean",
    ),
    _share(
        "collapse_rate",
        "Collapsed songs",
        "1 if the phone error rate of a song exceeds 40 %: the lyric was not sung. A few such songs decide any mean, "
        "so they are counted apart.",
        unit=BINARY_UNIT,
        bounds=(0.0, 1.0),
        aggregate="mean",
    ),
    _share(
        "per_noncollapsed",
        "Phone error rate of songs that did not collapse",
        "The phone error rate of songs up to 40 %, pooled; collapsed songs have none. It shows smaller changes than "
        "the rate of all songs.",
        bounds=(0.0, 0.4),
    ),
)

_REFINED = (
    _share(
        "near_miss_rate",
        "Near misses",
        "Errors over the words of the lyric where the word heard is a letter or two off, is another spelling (gonna, "
        "going to) or another reading of a number.",
        _MSS_ALT,
    ),
    _share("wer_lenient", "Word error rate without near misses", "The word error rate less the near misses.", _MSS_ALT),
    _share(
        "wer_lead",
        "Word error rate of the lead voice",
        "Backing vocals (in parentheses) may be left out, and syllables such as oh and la may be added, at no cost.",
        _JAM_ALT,
    ),
    _share(
        "adlib_ins_rate",
        "Ad-libs",
        "Added syllables such as oh and la over the words of the lyric.",
        direction="none",
    ),
    _share(
        "del_nonlexical",
        "Syllables not sung",
        "Missing syllables such as oh and la over the words of the lyric.",
        bounds=(0.0, 1.0),
    ),
    _share(
        "line_omission_rate",
        "Lines left out",
        "Lines of which at least 80 % of the words are missing.",
        bounds=(0.0, 1.0),
    ),
    _share(
        "section_omission_rate",
        "Sections left out",
        "Sung sections of which less than 20 % of the words were heard in place.",
        bounds=(0.0, 1.0),
    ),
    _share(
        "repeat_ins_rate",
        "Words of repeated lines",
        "Added passages of four words or more that repeat lines already sung, over the words of the lyric.",
    ),
    _share(
        "order_error",
        "Sections in the wrong order",
        "Share of pairs of sections that are sung in another order than in the prompt. A section that is missing in "
        "its place is looked for elsewhere. Mean over songs.",
        bounds=(0.0, 1.0),
        aggregate="mean",
    ),
    _share(
        "halluc_asr_rate",
        "Words heard where nobody sings",
        "Added words of whose span less than 20 % lies in vocal activity, over the words heard: an error of the "
        "recogniser, not of the song.",
        bounds=(0.0, 1.0),
    ),
    _share(
        "per_clean",
        "Phone error rate without hallucinations",
        "The phone error rate without words heard where nobody sings.",
    ),
    _share(
        "extra_vocal_rate",
        "Words sung that are not in the lyric",
        "Added words inside vocal activity that are neither ad-libs nor repeated lines, over the words of the lyric.",
    ),
    _share(
        "vocal_leak",
        "Singing in instrumental parts",
        "Seconds of voice over seconds of intro, instrumental and outro sections, or of the whole song if the prompt "
        "has no words.",
        bounds=(0.0, 1.0),
    ),
    Metric(
        name="late_start",
        title="Begin of the lyric",
        unit="s",
        direction="lower",
        bounds=(0.0, None),
        source=_OURS,
        description="When the first word of the lyric is heard. Compare it on the same prompts only: an intro "
        "is part of it.",
    ),
    Metric(
        name="early_end",
        title="End after the lyric",
        unit="s",
        direction="lower",
        bounds=(0.0, None),
        source=_OURS,
        description="Time from the last word of the lyric to the end of the song. Flagged if the last two lines are "
        "left out.",
    ),
    Metric(
        name="sing_rate",
        title="Singing rate",
        unit="words/s",
        direction="target",
        good=(0.5, 7.0),
        bounds=(0.0, None),
        source=_OURS,
        description="Words of the lyric that were heard per second of voice (characters in Chinese, Japanese …).",
    ),
)

_LANGUAGE = (
    Metric(
        name="lang_acc",
        title="Sung in the right language",
        unit=BINARY_UNIT,
        direction="higher",
        bounds=(0.0, 1.0),
        source=_WHISPER,
        as_percent=True,
        description="1 if most of the voice sounds like the language of the lyric, or one Whisper confuses with it, "
        "else 0.",
    ),
    Metric(
        name="lang_purity",
        title="Voice in the right language",
        unit="",
        direction="higher",
        bounds=(0.0, 1.0),
        source=_WHISPER,
        as_percent=True,
        aggregate="ratio",
        description="Share of the voice, by time, that sounds like the language of the lyric or one Whisper confuses "
        "with it. A lyric that switches languages is judged line by line.",
    ),
    Metric(
        name="lang_text",
        title="Text in the right language",
        unit="",
        direction="higher",
        bounds=(0.0, 1.0),
        source="evalkit definition, on lingua (Apache-2.0) and Whisper",
        as_percent=True,
        aggregate="ratio",
        description="Share of what Whisper writes in the language it hears, by characters in lines of 12 or more, that "
        "is in the language of the lyric or one confused with it. Only where the profile asks: text_language: true.",
    ),
)

_SECOND = (
    _share(
        "wer_second",
        "Word error rate, second recogniser",
        "The same alignment on what the profile's second recogniser heard.",
        _WHISPER,
    ),
    _share(
        "per_second",
        "Phone error rate, second recogniser",
        "Phones of what the profile's second recogniser heard.",
        _WHISPER,
    ),
    Metric(
        name="asr_agreement",
        title="Agreement of the recognisers",
        unit="",
        direction="none",
        bounds=(None, 1.0),
        source=_OURS,
        as_percent=True,
        description="1 less the phone error rate between what the two recognisers heard. Where they disagree, neither "
        "is sure. Mean over songs.",
    ),
)

LANGUAGE = tuple(metric.name for metric in _LANGUAGE)
SECOND = tuple(metric.name for metric in _SECOND)

METRICS: tuple[Metric, ...] = _RATES + _COUNTS + _REFINED + _LANGUAGE + _SECOND

PHONES = frozenset(name for name in (metric.name for metric in METRICS) if name.startswith("per")) | {
    "collapse_rate",
    "asr_agreement",
}
"""Metrics that need a grapheme-to-phoneme converter."""

ACTIVITY = frozenset({"halluc_asr_rate", "per_clean", "extra_vocal_rate", "vocal_leak", "sing_rate"})
"""Metrics that need to know where the voice is."""
