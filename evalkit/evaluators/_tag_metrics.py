"""What the tagger's style metrics mean, and the arithmetic they share."""

from collections.abc import Sequence
from typing import Literal

from evalkit.models.musicnn import LICENCE
from evalkit.style import tagger
from evalkit.style.classes import DimensionName
from evalkit.types import BINARY_UNIT, Metric

SOURCE = "evalkit definition, on musicnn (Pons and Serra 2019)"
_WORDS: dict[DimensionName, str] = {
    "genre": "genre",
    "emotion": "mood",
    "instrument": "instruments",
    "gender": "gender of the voice",
}


def kappa(value: float, chance: float) -> float:
    """How much of what chance leaves open was reached: 1 is all right, 0 is guessing.

    Averaged over songs it is the kappa of the mean, because chance is the same for all songs.

    >>> kappa(1.0, 0.25), kappa(0.25, 0.25)
    (1.0, 0.0)
    """
    return (value - chance) / (1.0 - chance)


def average_precision(ranked: Sequence[str], wanted: Sequence[str]) -> float:
    """Mean, over what is wanted, of the share of wanted ones among all ranked no lower.

    >>> average_precision(["a", "b", "c"], ["a", "c"])
    0.8333333333333333
    """
    hits, total = 0, 0.0
    for place, name in enumerate(ranked, start=1):
        if name in wanted:
            hits += 1
            total += hits / place
    return total / len(wanted)


def chance_precision(n_wanted: int, n_classes: int) -> float:
    """Expected average precision of a random order.

    >>> round(chance_precision(1, 2), 2)
    0.75
    """
    harmonic = sum(1.0 / place for place in range(1, n_classes + 1))
    if n_classes == 1:
        return 1.0
    return ((n_wanted - 1) / (n_classes - 1) * (n_classes - harmonic) + harmonic) / n_classes


def _metric(
    dimension: DimensionName,
    kind: Literal["acc", "top3", "ap", "kappa"],
    title: str,
    description: str,
    *,
    source: str = "mix",
    headline: bool = False,
) -> Metric:
    stem = "" if source == "mix" else f"_{source}"
    return Metric(
        name=f"tagger_{dimension}{stem}_{kind}",
        title=f"{title}, {source}" if stem else title,
        unit=BINARY_UNIT if kind in ("acc", "top3") else "",
        direction="higher",
        bounds=(None if kind == "kappa" else 0.0, 1.0),
        source=SOURCE,
        licence=LICENCE,
        as_percent=kind in ("acc", "top3"),
        headline=headline,
        description=description,
    )


def _n(dimension: DimensionName) -> int:
    return len(tagger.load().dimensions[dimension])


def _kappa_of(dimension: DimensionName, what: str, source: str = "mix") -> Metric:
    text = f"{what} beyond chance, as a share of what chance leaves: 0 is guessing, 1 all right."
    return _metric(dimension, "kappa", f"Kappa of the {_WORDS[dimension]}", text, source=source)


METRICS: tuple[Metric, ...] = (
    _metric(
        "genre",
        "acc",
        "Genre heard by the tagger",
        f"Songs whose genre, as asked for, fits best of {_n('genre')} (chance {1 / _n('genre'):.1%}).",
        headline=True,
    ),
    _metric("genre", "top3", "Genre among the first three", f"Of {_n('genre')}; chance {3 / _n('genre'):.0%}."),
    _kappa_of("genre", "tagger_genre_acc"),
    _metric(
        "emotion",
        "acc",
        "Mood heard by the tagger",
        f"Songs whose mood fits best of {_n('emotion')} (energetic, happy, calm, sad; chance {1 / _n('emotion'):.0%}).",
    ),
    _kappa_of("emotion", "tagger_emotion_acc"),
    _metric(
        "instrument",
        "ap",
        "Instruments heard by the tagger",
        f"Average precision of the wanted instruments in the order of {_n('instrument')}; its mean is the mAP. Chance "
        "depends on how many are wanted and stands in the details.",
    ),
    _kappa_of("instrument", "tagger_instrument_ap"),
    *(
        metric
        for source in ("mix", "vocals")
        for metric in (
            _metric(
                "gender",
                "acc",
                "Voice of the gender asked for, by tagger",
                "Songs whose voice the tagger hears as the gender asked for, female or male (chance 50 %).",
                source=source,
                headline=source == "mix",
            ),
            _kappa_of("gender", "tagger_gender_acc", source),
        )
    ),
)
