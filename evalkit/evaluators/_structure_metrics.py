"""Declarations of the structure metrics, in the order they are reported."""

from evalkit.types import BINARY_UNIT, Metric

_OURS = "evalkit definition"
_MIR_EVAL = "mir_eval (Raffel et al. 2014)"

METRICS: tuple[Metric, ...] = (
    Metric(
        name="sung_section_time",
        title="Length of sung sections",
        unit="s",
        direction="none",
        bounds=(0.0, None),
        source=_OURS,
        description="Mean time from the first word of a section that was heard to its last; every section's "
        "times are in the details.",
    ),
    Metric(
        name="inst_dur_ok",
        title="Instrumental parts as long as asked",
        unit="",
        direction="higher",
        bounds=(0.0, 1.0),
        source="evalkit definition, on SongGeneration's labels",
        aggregate="ratio",
        as_percent=True,
        description="Share of intros, interludes and outros whose length lies in the class of their label "
        "(short up to 10 s, medium 10 to 20 s, long from 20 s), give or take 2 s.",
    ),
    Metric(
        name="chorus_sim",
        title="Recognisable chorus",
        unit="",
        direction="higher",
        bounds=(-2.0, 2.0),
        source=_OURS,
        description="How alike the choruses sound in harmony and timbre, less how alike verses and choruses do; "
        "above 0 the chorus comes back.",
    ),
    Metric(
        name="ssm_contrast",
        title="Contrast of sections",
        unit="",
        direction="higher",
        bounds=(-2.0, 2.0),
        source=_OURS,
        description="Mean similarity of sections with the same label less that of sections with different labels, "
        "by blocks of the self-similarity matrix.",
    ),
    Metric(
        name="ending_cut",
        title="Cut endings",
        unit=BINARY_UNIT,
        direction="lower",
        bounds=(0.0, 1.0),
        source=_OURS,
        as_percent=True,
        description="1 if the song breaks off: at full level inside or right after a word, or with its very "
        "last 50 ms at full level. The details tell complete endings and fades apart.",
    ),
    Metric(
        name="intro_vocal_time",
        title="Time before the voice",
        unit="s",
        direction="none",
        bounds=(0.0, None),
        source=_OURS,
        description="First second with vocal activity.",
    ),
    Metric(
        name="label_f1",
        title="Labels against an annotation",
        unit="",
        direction="higher",
        bounds=(0.0, 1.0),
        source=_MIR_EVAL,
        as_percent=True,
        description="Pairwise F-measure between the sections found by their words and an annotation of the song.",
    ),
    Metric(
        name="boundary_hr_05",
        title="Boundaries within 0.5 s",
        unit="",
        direction="higher",
        bounds=(0.0, 1.0),
        source=_MIR_EVAL,
        as_percent=True,
        description="Hit rate (F-measure) of the boundaries of the sections found by their words, against an "
        "annotation.",
    ),
    Metric(
        name="boundary_hr_3",
        title="Boundaries within 3 s",
        unit="",
        direction="higher",
        bounds=(0.0, 1.0),
        source=_MIR_EVAL,
        as_percent=True,
        description="Hit rate (F-measure) of the boundaries of the sections found by their words, against an "
        "annotation.",
    ),
    Metric(
        name="label_seq_er",
        title="Sequence of sections",
        unit="",
        direction="lower",
        bounds=(0.0, None),
        source=_OURS,
        aggregate="ratio",
        as_percent=True,
        description="Edits between the prompt's section labels and those of an annotation, over the prompt's labels.",
    ),
)

ANNOTATED = frozenset({"label_f1", "boundary_hr_05", "boundary_hr_3", "label_seq_er"})
"""Metrics that need an annotation of the song."""
