"""From a run to everything its page shows. All decisions and all formatting are made here and in ``view_*``."""

from datetime import datetime

from reports import numbers
from reports.human import Human
from reports.index import Index
from reports.languages import title_of
from reports.report import Fact, Problem, Report, SystemView
from reports.view_foot import STATUSES, make_tables
from reports.view_sets import make_set_groups
from reports.view_songs import make_songs, songs_note, tags_of
from reports.view_summary import STATUS_LABELS, headline, make_cards, make_groups, make_languages, make_totals

MAX_PROBLEMS = 50
MAX_EXAMPLES = 3


def make_report(index: Index, *, embed_audio: bool = False, recordings: Human | None = None) -> Report:
    """Decide and format everything.

    Args:
        index: A run, put in order by `reports.index.make_index`.
        embed_audio: Put the audio into the page as data URIs.
        recordings: Human recordings to set beside the headline measures.

    Returns:
        Plain strings and numbers; the same run gives an equal report.
    """
    info = index.run.info
    problems = _problems(index)
    totals = make_totals(index)
    notice = recordings.notice(tuple(headline(index))) if recordings else ""
    return Report(
        title=info.suite.name,
        version=info.suite.version,
        description=info.suite.description,
        run_id=info.run_id,
        date=_date(info.created),
        status_note=_status_note(index),
        facts=_facts(index),
        notices=index.run.notices + ((notice,) if notice else ()),
        systems=_systems(index),
        measures=index.measures,
        cards=make_cards(index, totals, recordings),
        languages=make_languages(index, recordings),
        groups=make_groups(index, totals) + make_set_groups(index),
        problems=tuple(problems[:MAX_PROBLEMS]),
        problems_note=f"{len(problems) - MAX_PROBLEMS} further reasons are in scores.csv."
        if len(problems) > MAX_PROBLEMS
        else "",
        songs=make_songs(index, embed_audio=embed_audio),
        songs_note=songs_note(index, embed_audio=embed_audio),
        tags=_tags(index),
        language_titles={code: title_of(code) for code in index.languages},
        tables=make_tables(index),
        command=info.command,
        statuses=STATUSES,
    )


def _date(created: str) -> str:
    try:
        when = datetime.fromisoformat(created)
    except ValueError:
        return created
    return f"{when.day} {when:%B %Y, %H:%M}" + (" UTC" if when.utcoffset() is not None else "")


def _status_note(index: Index) -> str:
    info = index.run.info
    if info.status == "complete":
        return ""
    expected = info.suite.n_prompts * info.takes * len(info.systems)
    return f"This run is not complete: {len(index.songs):,} of {numbers.count(expected, 'song')} are here."


def _facts(index: Index) -> tuple[Fact, ...]:
    info = index.run.info
    n_failed = sum(song.status == "failed" for song in index.songs)
    songs = numbers.count(len(index.songs), "song") + (f", {n_failed:,} failed" if n_failed else "")
    languages = index.languages
    return (
        Fact(label="Songs", value=songs),
        Fact(label="Prompts", value=f"{info.suite.n_prompts:,}" + (" (limited)" if info.limit else "")),
        Fact(
            label="Languages", value=str(len(languages)) if len(languages) > 1 else title_of((languages or ["und"])[0])
        ),
        Fact(label="Takes", value=str(info.takes)),
        Fact(label="Seed", value=str(info.seed)),
        Fact(label="Profile", value=info.profile),
    )


def _systems(index: Index) -> tuple[SystemView, ...]:
    views = []
    for place, system in enumerate(index.systems):
        mine = [song for song in index.songs if song.system == system.name]
        views.append(
            SystemView(
                index=place,
                name=system.name,
                title=system.title,
                spec=system.spec,
                reference=system.reference,
                calibration=system.calibration,
                n_songs=len(mine),
                n_failed=sum(song.status == "failed" for song in mine),
                notes=tuple(
                    Fact(label="All languages" if code == "*" else title_of(code), value=note)
                    for code, note in system.notes.items()
                    if code == "*" or code in index.languages
                ),
            )
        )
    return tuple(views)


def _problems(index: Index) -> list[Problem]:
    """Failed songs first, then scores without a value; "not applicable" is no problem, but it is listed too, last."""
    groups: dict[tuple[str, str, str, str], dict[str, list[str]]] = {}
    for song in index.songs:
        if song.status == "failed":
            groups.setdefault(("song", "failed", song.system, song.reason), {}).setdefault("", []).append(song.id)
        for key, score in sorted(index.scores.get(song.id, {}).items()):
            if score.value is None:
                group = groups.setdefault(("score", score.status, song.system, score.reason), {})
                group.setdefault(index.metrics[key].name, []).append(song.id)
    problems = []
    for (what, status, system, reason), by_metric in groups.items():
        songs = list(dict.fromkeys(song_id for ids in by_metric.values() for song_id in ids))
        problems.append(
            Problem(
                what=what,
                status=status,
                label=("song " if what == "song" else "") + STATUS_LABELS[status],
                system=system,
                metrics=", ".join(name for name in by_metric if name),
                reason=reason,
                count=len(songs),
                examples=tuple(songs[:MAX_EXAMPLES]),
            )
        )
    rank = {"failed": 0, "missing_audio": 1, "missing_model": 2, "not_applicable": 3}
    return sorted(problems, key=lambda p: (p.what != "song", rank[p.status], -p.count, p.system, p.reason))


def _tags(index: Index) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found: dict[str, set[str]] = {}
    for prompt in index.run.prompts.values():
        for dimension, tag in tags_of(prompt.tags):
            if dimension != "bpm":
                found.setdefault(dimension, set()).add(tag)
    return tuple((dimension, tuple(sorted(tags))) for dimension, tags in found.items())
