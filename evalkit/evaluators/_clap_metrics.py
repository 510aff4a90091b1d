"""What the CLAP metrics mean."""

from evalkit.models.clap import ClapEmbedder
from evalkit.style import classes
from evalkit.style.classes import DIMENSIONS, DimensionName
from evalkit.types import BINARY_UNIT, Direction, Metric

SOURCE = "Wu et al. 2023 (LAION-CLAP); protocol by evalkit"
_SHOWN: dict[DimensionName, str] = {
    "gender": "Voice", "genre": "Genre", "emotion": "Mood", "instrument": "Instruments",
}  # fmt: skip


def metric(
    name: str,
    title: str,
    description: str,
    *,
    direction: Direction = "higher",
    low: float | None = -1.0,
    yes_or_no: bool = False,
    headline: bool = False,
) -> Metric:
    """A metric made of CLAP vectors."""
    return Metric(
        name=name,
        title=title,
        unit=BINARY_UNIT if yes_or_no else "",
        direction=direction,
        bounds=(low, 1.0),
        source=SOURCE,
        licence=ClapEmbedder.licence,
        as_percent=yes_or_no,
        headline=headline,
        description=description,
    )


def _of_dimension(dimension: DimensionName) -> list[Metric]:
    known = classes.load().dimensions[dimension]
    count, title = len(known.classes), _SHOWN[dimension]
    if known.multi_label:
        text = f"Average precision of the wanted ones in CLAP's order of {count}; its mean is the mAP."
        first = [metric(f"clap_{dimension}_ap", f"{title} by CLAP", text, low=0.0)]
    else:
        text = f"Songs whose class, as asked for, is CLAP's first of {count} (chance {known.chance:.0%})."
        first = [metric(f"clap_{dimension}_acc", f"{title} by CLAP", text, low=0.0, yes_or_no=True)]
        if count > 3:
            text = f"Songs whose class is among CLAP's first three of {count} (chance {3 * known.chance:.0%})."
            first.append(
                metric(f"clap_{dimension}_top3", f"{title} by CLAP, first three", text, low=0.0, yes_or_no=True)
            )
    text = f"{first[0].name} beyond chance, as a share of what chance leaves: 0 is guessing, 1 all right."
    return [*first, metric(f"clap_{dimension}_kappa", f"{title} by CLAP, kappa", text, low=None)]


METRICS: tuple[Metric, ...] = (
    metric(
        "clap_ta",
        "CLAP, song and sentence",
        "Cosine of the song (mean of its ten-second windows) with the prompt's tags as one sentence. Read it beside "
        "clap_shuffled: a score that other prompts reach too means nothing.",
        headline=True,
    ),
    metric("clap_ta_min", "CLAP, worst window", "The lowest cosine of a window with the sentence."),
    metric(
        "clap_ta_std",
        "CLAP, spread over windows",
        "Standard deviation of the windows' cosines with the sentence; a style that drifts has more.",
        direction="lower",
        low=0.0,
    ),
    metric("clap_ta_tags", "CLAP, song and raw tags", "As clap_ta, with the style line as it was given to the system."),
    metric(
        "clap_aa",
        "CLAP, song and prompt audio",
        "Cosine of the song with the first ten seconds of the prompt audio. Very high means copying.",
        direction="none",
    ),
    metric(
        "clap_r1",
        "Own prompt ranks first",
        "Songs nearer to their own sentence than to nine of other genres (chance 10 %).",
        low=0.0,
        yes_or_no=True,
    ),
    *(each for dimension in DIMENSIONS for each in _of_dimension(dimension)),
)
