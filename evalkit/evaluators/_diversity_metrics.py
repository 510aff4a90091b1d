"""Declarations of the diversity metrics, in the order they are reported."""

from evalkit.types import Metric

_LICENCE = "that of the embedding (musicnn: ISC)"
_OURS = "evalkit definition"
_COPY = "evalkit definition, after Wang 2003 and Serrà et al. 2009"

METRICS: tuple[Metric, ...] = (
    Metric(
        name="div_intra",
        title="Diversity of takes",
        unit="",
        direction="higher",
        bounds=(0.0, 2.0),
        source=_OURS,
        licence=_LICENCE,
        description="1 less the mean cosine between takes of a prompt; mean over prompts. At 0 all takes sound alike.",
    ),
    Metric(
        name="div_inter",
        title="Diversity of prompts",
        unit="",
        direction="higher",
        bounds=(0.0, 2.0),
        source=_OURS,
        licence=_LICENCE,
        description="1 less the mean cosine between songs of different prompts. It depends on the prompts: compare "
        "on one suite only.",
    ),
    Metric(
        name="prompt_copy",
        title="Segments similar to the prompt audio",
        unit="",
        direction="lower",
        bounds=(0.0, 1.0),
        source=_COPY,
        licence=_LICENCE,
        as_percent=True,
        description="Share of songs with a segment similar to their prompt audio, by at least two of embedding, "
        "harmony and fingerprint.",
    ),
    Metric(
        name="nn_train",
        title="Nearest song of the catalogue",
        unit="",
        direction="lower",
        bounds=(-1.0, 1.0),
        source=_OURS,
        licence=_LICENCE,
        description="Cosine of each song with the nearest song of the catalogue; mean over prompts. Read it beside the "
        "same number of the catalogue's own songs (in the details).",
    ),
    Metric(
        name="catalogue_copy",
        title="Segments similar to the catalogue",
        unit="",
        direction="lower",
        bounds=(0.0, 1.0),
        source=_COPY,
        licence=_LICENCE,
        as_percent=True,
        description="Share of songs with a segment similar to a song of the catalogue, by at least two of embedding, "
        "harmony and fingerprint.",
    ),
)
