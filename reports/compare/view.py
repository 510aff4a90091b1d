"""From contrasts to everything the page shows. All decisions and all formatting are made here and in its neighbours."""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from evalkit.contrasts import Contrast, Contrasts
from evalkit.store import RunInfo
from reports import numbers
from reports.compare import changes
from reports.compare.contenders import Contender
from reports.compare.listening import MAX_DETAILED, Album, make_data
from reports.compare.page import Duel, Face, Group, MetricView, Page
from reports.compare.rows import effect_limit, make_metric
from reports.compare.sets import make_sets
from reports.compare.wording import TONES, tone_of
from reports.languages import title_of
from reports.titles import evaluator_title

_COUNTS = re.compile(r" \(\d+ against \d+\)")

Fight = tuple[Contender, Contrasts]
"""An opponent, and the candidate's contrasts with it."""


def make_page(candidate: Contender, fights: Sequence[Fight], out: Path, *, embed_audio: bool = False) -> Page:
    """Decide and format everything.

    Args:
        candidate: The system in question.
        fights: Its opponents.
        out: Folder in which the page will lie.
        embed_audio: Put the audio into the page.

    Returns:
        Plain strings and numbers; the same runs give an equal page.
    """
    album = Album(out=out, embed_audio=embed_audio)
    labels = _labels([opponent for opponent, _ in fights], candidate)
    duels = tuple(
        _duel(index, label, candidate, opponent, contrasts, album)
        for index, (label, (opponent, contrasts)) in enumerate(zip(labels, fights, strict=True))
    )
    info = candidate.run.info
    return Page(
        suite=info.suite.name,
        version=info.suite.version,
        candidate=_face(candidate, out),
        duels=duels,
        languages={code: title_of(code) for code in dict.fromkeys(prompt["l"] for prompt in album.prompts)},
        songs=tuple(album.songs),
        prompts=tuple(album.prompts),
        details=album.details,
        songs_note=_note(album),
    )


def _duel(
    index: int, label: str, candidate: Contender, opponent: Contender, contrasts: Contrasts, album: Album
) -> Duel:
    views = _metrics(candidate, opponent, contrasts)
    whole = [row for row in contrasts.rows if row.language is None]
    # What neither system has a value of, because a model is missing, takes no card; the list of metrics names it.
    known = {row.metric.name for row in whole if row.candidate is not None or row.baseline is not None}
    marked = tuple(view for view in views if view.measure.headline) or tuple(views[:3])
    headline = tuple(view for view in marked if view.measure.name in known) or marked
    tables, same = changes.make_changes(candidate, opponent)
    limit = numbers.number(effect_limit(contrasts.rows), 2)
    return Duel(
        index=index,
        opponent=_face(opponent, album.out),
        label=label,
        lead=lead(headline, whole),
        tally=_tally(whole),
        notices=(*contrasts.notices, *_status(candidate), *_status(opponent)),
        headline=headline,
        groups=_groups(views),
        sets=make_sets(candidate, opponent),
        effect_ends=(numbers.MINUS + limit, "+" + limit),
        changes=tables,
        same=same,
        scope=_scope(contrasts),
        method=_method(contrasts),
        data=make_data(album, candidate, opponent, contrasts, views),
    )


def lead(headline: Sequence[MetricView], rows: Sequence[Contrast]) -> str:
    """The outcome in words: headline metrics by name, the others by number."""
    told = []
    for tone in ("worse", "better"):
        names = [view.measure.title for view in headline if view.all.tone == tone]
        if names:
            told.append(f"{TONES[tone]} on {' and '.join(_some(names))}")
    counts = Counter(tone_of(row) for row in rows)
    if not told:
        apart = all(view.all.tone == "apart" for view in headline)
        few = all(view.all.tone in ("apart", "few") for view in headline)
        told.append(
            "The headline metrics cannot be compared"
            if apart
            else "Too few songs for any claim on the headline metrics"
            if few
            else "No difference is shown on any headline metric"
        )
    others = len(rows)
    summary = ", ".join(f"{counts[tone]} {TONES[tone].lower()}" for tone in TONES if counts[tone])
    return f"{'; '.join(_first_lower(told))}. Of {numbers.count(others, 'metric')} over all songs: {summary}."


def _first_lower(parts: Sequence[str]) -> list[str]:
    return [parts[0], *(part[0].lower() + part[1:] for part in parts[1:])]


def _some(names: Sequence[str]) -> list[str]:
    shown = [f"“{name}”" for name in names[:3]]
    return shown if len(names) <= 3 else [", ".join(shown), f"{len(names) - 3} more"]


def _metrics(candidate: Contender, opponent: Contender, contrasts: Contrasts) -> list[MetricView]:
    rows: dict[str, list[Contrast]] = {}
    for row in contrasts.rows:
        rows.setdefault(row.metric.name, []).append(row)
    owner = _owners(opponent.run.info) | _owners(candidate.run.info)
    limit = effect_limit(contrasts.rows)
    return [
        make_metric(index, found, owner.get(name, ""), {}, limit) for index, (name, found) in enumerate(rows.items())
    ]


def _groups(views: Sequence[MetricView]) -> tuple[Group, ...]:
    groups: dict[str, list[MetricView]] = {}
    for view in views:
        groups.setdefault(view.measure.evaluator, []).append(view)
    return tuple(
        Group(
            title=evaluator_title(name),
            summary=_counts(Counter(view.all.tone for view in found)),
            metrics=tuple(found),
        )
        for name, found in groups.items()
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[tone]} {TONES[tone].lower()}" for tone in TONES if counts.get(tone))


def _tally(rows: Sequence[Contrast]) -> tuple[tuple[str, str, int], ...]:
    counts = Counter(tone_of(row) for row in rows)
    return tuple((tone, words, counts[tone]) for tone, words in TONES.items() if counts[tone])


def _owners(info: RunInfo) -> dict[str, str]:
    return {metric.name: evaluator.name for evaluator in info.evaluators for metric in evaluator.metrics}


def _scope(contrasts: Contrasts) -> str:
    languages = contrasts.languages
    where = numbers.count(len(languages), "language") if len(languages) > 1 else title_of(languages[0])
    return f"{numbers.count(len(contrasts.prompt_ids), 'prompt')} compared, {where}"


def _method(contrasts: Contrasts) -> tuple[str, ...]:
    used = (row.paired.method for row in contrasts.rows if row.paired is not None and row.paired.p_value is not None)
    methods = dict.fromkeys(_COUNTS.sub("", method) for method in used)
    claims = sum(row.p_adjusted is not None for row in contrasts.rows)
    return (
        "Songs are paired by prompt; takes of one prompt are averaged first.",
        f"p-values are adjusted by Holm over the {numbers.count(claims, 'row')} of this comparison on which a claim "
        "could be made, in two families: headline metrics over all songs, and everything else. Every opponent has its "
        "own. A verdict needs p of at most 0.05 and an interval without zero.",
        "Shows from: the smallest difference that so many songs show with 80 % power. Would settle: songs needed to "
        "show a difference as large as the one seen, with 80 % power.",
        *(method[0].upper() + method[1:] + "." for method in methods),
    )


def _face(contender: Contender, out: Path) -> Face:
    run = contender.run
    songs = [song for song in run.songs if song.system == contender.system]
    failed = sum(song.status == "failed" for song in songs)
    page = run.folder / "report.html"
    report = ""
    if page.is_file():
        report = quote(Path(os.path.relpath(page.resolve(), out.resolve())).as_posix())
    return Face(
        name=contender.system,
        title=contender.info.title,
        run_id=run.info.run_id,
        date=numbers.date(run.info.created),
        songs=numbers.count(len(songs), "song") + (f", {failed:,} failed" if failed else ""),
        remarks=changes.notes_of(contender),
        report=report,
    )


def _labels(opponents: Sequence[Contender], candidate: Contender) -> list[str]:
    """Opponents as tabs: by system, or by run where that is the same."""
    names = Counter(opponent.system for opponent in opponents)
    return [
        opponent.system
        if names[opponent.system] == 1 and opponent.system != candidate.system
        else f"{opponent.system} ({opponent.run.info.run_id})"
        for opponent in opponents
    ]


def _status(contender: Contender) -> tuple[str, ...]:
    if contender.run.info.status == "complete":
        return ()
    return (f"The run {contender.run.info.run_id} is not complete.",)


def _note(album: Album) -> str:
    if len(album.songs) <= MAX_DETAILED:
        return ""
    what = "Waveforms and embedded audio" if album.embed_audio else "Waveforms"
    return f"{what} are kept in this page for {MAX_DETAILED:,} of {len(album.songs):,} songs, those that differ most."
