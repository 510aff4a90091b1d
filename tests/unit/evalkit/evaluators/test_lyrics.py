"""The lyrics evaluator with a recogniser that hears exactly what a test says."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evalkit.errors import ConfigError
from evalkit.evaluators.base import EVALUATORS
from evalkit.evaluators.lyrics import LyricsEvaluator
from evalkit.models.transcript import ChunkLanguage, Segment, Transcript, Word
from evalkit.types import Audio, Clip, Prompt, Score, Section, Song

SECTIONS = (
    Section(label="intro-short"),
    Section(label="verse", lines=("Silver river, slow and deep", "Carry me (carry me) past the fields")),
    Section(label="chorus", lines=("Shine on, my golden sun",)),
)
WORDS = "Silver river slow and deep carry me carry me past the fields shine on my golden sun".split()  # noqa: SIM905
POOLED = ("wer", "cer", "per")
RATES = frozenset(
    level + source + mean for level in POOLED for source in ("", "_vocals") for mean in ("", "_song_mean")
)
VOICE = frozenset({"halluc_asr_rate", "per_clean", "extra_vocal_rate", "vocal_leak", "sing_rate"})
LANGUAGE = frozenset({"lang_acc", "lang_purity", "lang_text"})
SECOND = frozenset({"wer_second", "per_second", "asr_agreement"})


class FakeTranscriber:
    """Hears one word every half second; the mix and the stem may be heard differently."""

    def __init__(
        self,
        mix: str,
        vocals: str | None = None,
        *,
        active_share: float = 0.8,
        engine: str = "fake1",
        sounds_like: str = "",
        free: str = "",
    ) -> None:
        self.engine, self.sounds_like, self.free = engine, sounds_like, free
        self.texts = {False: mix, True: mix if vocals is None else vocals}
        self.active_share = active_share
        self.calls: list[tuple[str, bool]] = []

    @property
    def signature_parts(self) -> Mapping[str, str | int | float]:
        return {"engine": self.engine, "beam": 5, "decode": "ladder1"}

    def knows(self, language: str) -> bool:
        return language != "xx"

    def transcribe(self, audio: Audio, language: str, *, voice: object = None) -> Transcript:
        vocals_only = voice is not None
        self.calls.append((language, vocals_only))
        text = self.free if language == self.sounds_like else self.texts[vocals_only]
        parts = text.split() if " " in text or not text else list(text)
        glue = " " if " " in text else ""
        words = tuple(
            Word(text=glue + part, start_s=0.5 * index, end_s=0.5 * index + 0.4, probability=0.9)
            for index, part in enumerate(parts)
        )
        segment = Segment(text="".join(word.text for word in words), start_s=0.0, end_s=20.0, words=words)
        return Transcript(
            language=language,
            segments=(segment,) if words else (),
            decoding={"segments": 1, "retries": 0, "dropped_boilerplate": 0},
            active_share=self.active_share if vocals_only else None,
            languages=(ChunkLanguage(start_s=0.0, end_s=20.0, active_s=16.0, probabilities={self.sounds_like: 0.9}),)
            if self.sounds_like
            else (),
        )


def evaluator(transcriber: FakeTranscriber) -> LyricsEvaluator:
    return LyricsEvaluator({}, lambda name: Path("/nowhere") / name, transcriber)


def clip(
    language: str = "en",
    sections: tuple[Section, ...] = SECTIONS,
    *,
    stem: bool = True,
    line_languages: tuple[str, ...] = (),
) -> Clip:
    audio = Audio(samples=np.zeros((2, 6 * 48_000), np.float32), sample_rate=48_000)
    return Clip(
        prompt=Prompt(id="p", language=language, sections=sections, line_languages=line_languages),
        song=Song(prompt_id="p", system="s", take=0, seed=1, status="ok"),
        mix=audio,
        stems={"vocals": audio} if stem else {},
    )


def scores(transcriber: FakeTranscriber, given: Clip | None = None) -> dict[str, Score]:
    return {score.metric: score for score in evaluator(transcriber).score(given or clip())}


def test_a_perfect_transcript_scores_zero_everywhere() -> None:
    found = scores(FakeTranscriber(" ".join(WORDS)))
    measured = {name: score.value for name, score in found.items() if score.value is not None}
    times = {"late_start": 0.0, "early_end": 0.0}
    assert measured == dict.fromkeys(measured, 0.0) | times
    assert set(found) - set(measured) == SECOND | {"vocal_leak", "sing_rate"} | LANGUAGE


@pytest.mark.parametrize("missing", [1, 3, 9, 17])
def test_deleted_words_are_deletions(missing: int) -> None:
    details = scores(FakeTranscriber(" ".join(WORDS[: len(WORDS) - missing])))["wer"].details
    assert (details["deletions"], details["numerator"], details["denominator"]) == (missing, missing, 17)
    assert details["hits"] == 17 - missing


def test_swapped_sections_cost_words_on_both_sides() -> None:
    moved = scores(FakeTranscriber(" ".join(WORDS[12:] + WORDS[:12])))["wer"].details
    assert (moved["deletions"], moved["insertions"], moved["hits"]) == (5, 5, 12)


def test_more_errors_give_a_higher_rate() -> None:
    rates = []
    for wrong in range(0, 18, 3):
        heard = [f"zz{index}" if index < wrong else word for index, word in enumerate(WORDS)]
        found = scores(FakeTranscriber(" ".join(heard)))
        rates.append([found[name].value for name in POOLED])
    for level in zip(*rates, strict=True):
        assert list(level) == sorted(level)
        assert level[0] < level[-1]


def test_the_alignment_is_what_a_report_needs() -> None:
    heard = "Silver rover slow and deep ooh carry me carry me the fields shine on my golden sun"
    score = scores(FakeTranscriber(heard))["wer"]
    columns = score.details["alignment"]
    assert [column["op"] for column in columns].count("hit") == 15
    assert columns[1] == {
        "op": "sub", "ref": "river", "hyp": "rover", "section": 1, "line": 0, "start": 0.5, "end": 0.9,
        "backing": False, "kind": "near",
    }  # fmt: skip
    inserted = next(column for column in columns if column["op"] == "ins")
    assert (inserted["ref"], inserted["hyp"], inserted["section"], inserted["line"]) == (None, "ooh", 1, 0)
    deleted = next(column for column in columns if column["op"] == "del")
    assert (deleted["ref"], deleted["hyp"], deleted["start"], deleted["end"]) == ("past", None, None, None)
    assert [column["ref"] for column in columns if column["backing"]] == ["carry", "me"]
    assert deleted["kind"] is None
    assert inserted["kind"] == "halluc"  # the stem is silent
    assert score.details["sections"] == [
        {"index": 1, "label": "verse", "hits": 10, "substitutions": 1, "deletions": 1, "insertions": 1, "rate": 0.25},
        {"index": 2, "label": "chorus", "hits": 5, "substitutions": 0, "deletions": 0, "insertions": 0, "rate": 0.0},
    ]
    assert (score.details["input"], score.details["language"], score.details["flags"]) == ("mix", "en", [])
    assert score.details["transcript"] == heard
    assert score.details["decoding"]["retries"] == 0
    json.dumps(dict(score.details), allow_nan=False)


def test_counts_stand_in_every_pooled_score_and_only_there() -> None:
    found = scores(FakeTranscriber("Silver river"))
    for metric in LyricsEvaluator.metrics:
        score = found[metric.name]
        if score.value is not None and metric.aggregate == "ratio":
            assert score.value == score.details["numerator"] / score.details["denominator"]
        else:
            assert "numerator" not in score.details
    for name in RATES:
        score = found[name]
        if name.endswith("_song_mean"):
            assert score.details == {}
            continue
        details = score.details
        assert details["numerator"] == details["substitutions"] + details["deletions"] + details["insertions"]
        assert details["denominator"] == details["hits"] + details["substitutions"] + details["deletions"]
        for key in ("hits", "substitutions", "deletions", "insertions"):
            assert sum(section[key] for section in details["sections"]) == details[key]
        assert ("alignment" in details) == name.startswith("wer")


def test_the_song_mean_is_capped_at_one() -> None:
    found = scores(FakeTranscriber("shine on " * 40))
    assert found["wer"].value > 1
    assert found["wer_song_mean"].value == 1.0


def test_mix_and_stem_are_transcribed_once_each() -> None:
    transcriber = FakeTranscriber(" ".join(WORDS), "Silver river")
    found = scores(transcriber)
    assert transcriber.calls == [("en", False), ("en", True)]
    assert found["wer"].value == 0.0
    assert found["wer_vocals"].value == pytest.approx(15 / 17)
    assert found["wer_vocals"].details["input"] == "vocals"


def test_without_a_stem_its_metrics_do_not_apply() -> None:
    transcriber = FakeTranscriber(" ".join(WORDS))
    found = scores(transcriber, clip(stem=False))
    assert transcriber.calls == [("en", False)]
    without = {name for name, score in found.items() if score.status == "not_applicable"}
    assert without == {name for name in RATES if "_vocals" in name} | VOICE | SECOND | LANGUAGE
    assert "no voice on its own" in found["halluc_asr_rate"].reason
    assert found["wer_vocals"].reason == "The system gives no vocal stem."


@pytest.mark.parametrize("sections", [(), (Section(label="inst-short"),), (Section(label="verse", lines=("...",)),)])
def test_an_instrumental_prompt_does_not_apply(sections: tuple[Section, ...]) -> None:
    transcriber = FakeTranscriber("hello")
    found = scores(transcriber, clip(sections=sections))
    leak = found.pop("vocal_leak")
    assert {score.status for score in found.values()} == {"not_applicable"}
    assert all("no words" in score.reason for score in found.values())
    assert transcriber.calls == []
    assert (leak.value, leak.details["denominator"]) == (0.0, 6.0)


@pytest.mark.parametrize(("active_share", "flag"), [(0.01, "no_vocals"), (0.5, "asr_empty")])
def test_hearing_nothing_is_all_wrong_and_flagged(active_share: float, flag: str) -> None:
    found = scores(FakeTranscriber("", active_share=active_share))
    for name in (*POOLED, "wer_vocals", "per_vocals", "wer_song_mean"):
        assert found[name].value == 1.0
    assert found["wer_vocals"].details["flags"] == [flag]
    assert found["wer"].details["flags"] == [flag]


def test_a_language_the_recogniser_does_not_know() -> None:
    found = scores(FakeTranscriber("a"), clip("xx"))
    assert {score.status for score in found.values()} == {"not_applicable"}
    assert "does not know" in found["wer"].reason


def test_a_language_without_phones_has_words_and_characters_only() -> None:
    sections = (Section(label="verse", lines=("Minä rakastan sinua",)),)
    found = scores(FakeTranscriber("Minä rakastan sinua"), clip("fi", sections))
    assert found["wer"].value == 0.0
    assert found["per"].status == "not_applicable"
    assert "grapheme-to-phoneme" in found["per"].reason


@pytest.mark.parametrize(
    ("language", "lyric", "heard"),
    [
        ("en", "their night", "there knight"),
        ("zh", "愛她的夢", "爱他的梦"),
        ("ja", "今日は雨", "きょうは雨"),
        ("fr", "c'est l'été", "ses l'été"),
        ("es", "la casa", "la caza"),
        ("ko", "같이", "가치"),
    ],
)
def test_homophones_cost_words_but_no_phones(language: str, lyric: str, heard: str) -> None:
    found = scores(FakeTranscriber(heard), clip(language, (Section(label="verse", lines=(lyric,)),)))
    assert found["wer"].value > 0
    assert found["per"].value == 0.0


@pytest.mark.parametrize("language", ["zh", "ja"])
def test_chinese_and_japanese_words_are_characters(language: str) -> None:
    found = scores(FakeTranscriber("山川月"), clip(language, (Section(label="verse", lines=("山川日",)),)))
    assert found["wer"].value == found["cer"].value == pytest.approx(1 / 3)
    assert found["wer"].details["denominator"] == 3


def test_spelling_of_script_and_width_is_no_error() -> None:
    found = scores(FakeTranscriber("爱与梦１２"), clip("zh", (Section(label="verse", lines=("愛與夢十二",)),)))
    assert found["wer"].value == 0.0


def test_signatures_tell_inputs_and_levels_apart() -> None:
    subject = evaluator(FakeTranscriber("a"))
    signatures = [subject.signature(metric.name) for metric in subject.metrics]
    assert len(set(signatures)) == len(subject.metrics) == 41
    assert subject.signature("wer").startswith("wer|sep:none|asr:whisper-base@")
    assert "|norm:evalkit-lyrics-2|" in subject.signature("wer")
    assert "|g2p:evalkit-g2p-2|" in subject.signature("per_vocals")
    assert "g2p" not in subject.signature("wer")
    assert "|sep:native|" in subject.signature("per_vocals")
    assert subject.signature("cer_song_mean").endswith("|agg:song_mean|v:2")
    assert "|voice:native+rms1|" in subject.signature("vocal_leak")


def test_scores_come_in_declared_order_and_carry_their_signature() -> None:
    subject = evaluator(FakeTranscriber("Silver"))
    found = subject.score(clip())
    assert [score.metric for score in found] == [metric.name for metric in subject.metrics]
    assert [score.signature for score in found] == [subject.signature(score.metric) for score in found]
    assert subject.score(clip()) == found


def test_the_registry_finds_it_and_the_model_is_known() -> None:
    assert EVALUATORS.get("lyrics") is LyricsEvaluator
    assert list(LyricsEvaluator.required_models({})) == ["whisper-base"]
    assert list(LyricsEvaluator.required_models({"model": "whisper-large-v3"})) == ["whisper-large-v3"]


def test_a_scrap_of_audio_fails_instead_of_being_scored() -> None:
    given = clip()
    scrap = Audio(samples=given.mix.samples[:, :48_000], sample_rate=48_000)
    short = Clip(prompt=given.prompt, song=given.song, mix=scrap)
    found = scores(FakeTranscriber("anything"), short)
    assert {score.status for score in found.values()} == {"failed"}
    assert found["wer"].reason == "bad_audio: 1.00 s long, at least 5 s are needed"


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(ConfigError, match="no option 'modle'"):
        LyricsEvaluator({"modle": "x"}, lambda name: Path(name))


@pytest.mark.models
def test_a_spoken_sentence_is_read_by_the_real_model(model_dir: Callable[[str], Path]) -> None:
    espeak = pytest.importorskip("generation.singing.espeak")
    pytest.importorskip("espeakng_loader", reason="needs espeak-ng for a spoken sentence")
    text = "Shine on through the quiet morning light"
    speech = espeak.speak(text, "en-us")
    # Five seconds is the least a song may have.
    spoken = np.pad(np.asarray(speech.samples, np.float32), (0, 3 * speech.sample_rate))
    audio = Audio(samples=spoken[None], sample_rate=speech.sample_rate)
    given = Clip(
        prompt=Prompt(id="p", language="en", sections=(Section(label="verse", lines=(text,)),)),
        song=Song(prompt_id="p", system="s", take=0, seed=1, status="ok"),
        mix=audio,
    )
    subject = LyricsEvaluator({}, model_dir)
    found = {score.metric: score for score in subject.score(given)}
    assert found["wer"].value <= 1 / 7
    assert subject.score(given) == list(found.values())
    times = [column["start"] for column in found["wer"].details["alignment"] if column["start"] is not None]
    assert times == sorted(times)
    assert times[-1] < audio.duration_s


def second_opinion(first: str, second: str, given: Clip | None = None) -> dict[str, Score]:
    other = FakeTranscriber(second, engine="fake2")
    subject = LyricsEvaluator({}, lambda name: Path("/nowhere") / name, FakeTranscriber(first), second=other)
    return {score.metric: score for score in subject.score(given or clip(stem=False))}


def test_a_second_recogniser_has_numbers_of_its_own_and_is_never_the_score() -> None:
    wrong, right = "Silver river", " ".join(WORDS)
    found = second_opinion(wrong, right)
    alone = scores(FakeTranscriber(wrong), clip(stem=False))
    assert (found["wer"].value, found["per"].value) == (alone["wer"].value, alone["per"].value)
    assert found["wer_second"].value == found["per_second"].value == 0.0
    assert found["wer"].value == pytest.approx(15 / 17)
    assert alone["wer_second"].reason == "The profile names no second recogniser."


def test_agreement_is_one_less_the_difference_of_what_both_heard() -> None:
    assert second_opinion("Silver river", "silver RIVER!")["asr_agreement"].value == 1.0
    assert second_opinion("their night", "there knight")["asr_agreement"].value == 1.0
    assert second_opinion("shine", "shine shine")["asr_agreement"].value == 0.0
    assert second_opinion("", "")["asr_agreement"].value == 1.0
    assert second_opinion("", "shine")["asr_agreement"].value == 0.0
    silent = second_opinion("shine", "sunset over golden hills")["asr_agreement"]
    assert silent.value is not None
    assert silent.value < 0
    finnish = clip("fi", (Section(label="verse", lines=("Minä rakastan",)),), stem=False)
    assert "grapheme-to-phoneme" in second_opinion("Minä", "Minä", finnish)["asr_agreement"].reason


def test_a_second_recogniser_comes_from_the_profile() -> None:
    options = {"second": {"model": "whisper-large-v3", "engine": "faster-whisper", "compute_type": "int8"}}
    assert list(LyricsEvaluator.required_models(options)) == ["whisper-base", "whisper-large-v3"]
    subject = LyricsEvaluator(options, lambda name: Path("/nowhere") / name)
    assert "|second:whisper-large-v3@" in subject.signature("asr_agreement")
    assert "second" not in subject.signature("per")
    with pytest.raises(ConfigError, match="Give it at least a model"):
        LyricsEvaluator({"second": "large"}, lambda name: Path(name))
    with pytest.raises(ConfigError, match="has no 'modell'"):
        LyricsEvaluator({"second": {"model": "x", "modell": "y"}}, lambda name: Path(name))


def test_an_arithmetic_the_engine_does_not_have_is_refused_before_any_work() -> None:
    with pytest.raises(ConfigError, match="no compute_type 'int8' on cpu") as refused:
        LyricsEvaluator({"compute_type": "int8"}, lambda name: Path(name))
    assert "engine: faster-whisper" in refused.value.hint


def test_a_song_that_collapsed_is_counted_and_has_no_other_rate() -> None:
    fine, bad = scores(FakeTranscriber(" ".join(WORDS[:14]))), scores(FakeTranscriber("Silver river"))
    assert (fine["collapse_rate"].value, bad["collapse_rate"].value) == (0.0, 1.0)
    assert fine["per_noncollapsed"].value == fine["per"].value
    assert bad["per_noncollapsed"].status == "not_applicable"
    assert "collapsed" in bad["per_noncollapsed"].reason


def test_words_of_a_song_without_voice_are_left_out_of_the_clean_rate_only() -> None:
    """The stem is silent, so what is heard beyond the lyric is the recogniser's."""
    found = scores(FakeTranscriber(" ".join(WORDS) + " thank you for watching"))
    assert found["per"].value > 0
    assert found["per_clean"].value == 0.0
    assert found["halluc_asr_rate"].value == 4 / 21


def test_a_cut_song_is_flagged() -> None:
    assert scores(FakeTranscriber(" ".join(WORDS[:5])))["wer"].details["flags"] == ["lyrics_truncated"]
    assert scores(FakeTranscriber(" ".join(WORDS[:12])))["wer"].details["flags"] == []


def test_every_metric_says_what_it_is() -> None:
    for metric in LyricsEvaluator.metrics:
        assert metric.title
        assert metric.description
        assert metric.source
        assert metric.licence
        assert metric.direction in ("lower", "higher", "target", "none")
        assert metric.bounds != (None, None)
    assert len({metric.title for metric in LyricsEvaluator.metrics}) == len(LyricsEvaluator.metrics)
    assert [metric.name for metric in LyricsEvaluator.metrics if metric.headline] == ["wer", "cer", "per", "per_vocals"]


@pytest.mark.parametrize("separation", ["native", "none"])
@pytest.mark.parametrize("text_language", [False, True])
@pytest.mark.parametrize("has_second", [False, True])
@pytest.mark.parametrize("sounds_like", ["en", "it"])
def test_what_is_prepared_is_what_would_be_heard_and_changes_no_score(
    separation: str, text_language: bool, has_second: bool, sounds_like: str
) -> None:
    def make() -> tuple[LyricsEvaluator, list[tuple[str, bool]]]:
        first = FakeTranscriber(" ".join(WORDS), sounds_like=sounds_like, free="vorrei cantare per te questa sera")
        second = FakeTranscriber("Silver river", engine="fake2")
        second.calls = first.calls
        options = {"separation": separation, "text_language": text_language}
        where = Path("/nowhere")
        subject = LyricsEvaluator(options, lambda name: where / name, first, second=second if has_second else None)
        return subject, first.calls

    def songs() -> list[Clip]:
        n_lines = sum(len(section.lines) for section in SECTIONS)
        short = Audio(samples=np.zeros((2, 48_000), np.float32), sample_rate=48_000)
        found = [clip(), clip(stem=False), clip("xx"), clip(sections=SECTIONS[:1])]
        found += [replace(clip(), mix=short), clip(line_languages=("it", *["en"] * (n_lines - 1)))]
        return found

    plain, heard = make()
    wanted = [plain.score(song) for song in songs()]
    together, calls = make()
    group = songs()
    together.prepare(group)
    assert sorted(calls) == sorted(heard)
    assert [together.score(song) for song in group] == wanted
    assert sorted(calls) == sorted(heard), "nothing is heard twice"


class TestTextInTheRightLanguage:
    ITALIAN = "vorrei cantare per te questa sera sul mare"

    def score(self, transcriber: FakeTranscriber, **options: object) -> Score:
        subject = LyricsEvaluator(options, lambda name: Path("/nowhere") / name, transcriber)
        return {score.metric: score for score in subject.score(clip())}["lang_text"]

    def test_only_where_the_profile_asks(self) -> None:
        found = self.score(FakeTranscriber(" ".join(WORDS), sounds_like="it", free=self.ITALIAN))
        assert (found.status, found.value) == ("not_applicable", None)
        assert "text_language" in found.reason
        with pytest.raises(ConfigError, match="text_language"):
            self.score(FakeTranscriber("a"), text_language="yes")

    def test_what_sounds_right_is_not_heard_again(self) -> None:
        transcriber = FakeTranscriber(" ".join(WORDS), sounds_like="en", free=" ".join(WORDS))
        assert self.score(transcriber, text_language=True).value == 1.0
        assert transcriber.calls == [("en", False), ("en", True)]

    def test_what_sounds_otherwise_is_heard_in_its_own_language(self) -> None:
        transcriber = FakeTranscriber(" ".join(WORDS), sounds_like="it", free=self.ITALIAN)
        found = self.score(transcriber, text_language=True)
        assert transcriber.calls[-1] == ("it", True)
        assert found.value == 0.0
        assert found.details["lines"][0]["language"] == "it"
        assert "|text:lingua" in found.signature

    def test_where_a_lyric_switches_the_voice_is_judged_and_the_text_is_not(self) -> None:
        n_lines = sum(len(section.lines) for section in SECTIONS)
        languages = ("it", *["en"] * (n_lines - 1))
        transcriber = FakeTranscriber(" ".join(WORDS), sounds_like="it", free=self.ITALIAN)
        subject = LyricsEvaluator({"text_language": True}, lambda name: Path("/nowhere") / name, transcriber)
        found = {score.metric: score for score in subject.score(clip(line_languages=languages))}
        assert found["lang_acc"].value == 1.0
        assert found["lang_text"].status == "not_applicable"
        assert "switches" in found["lang_text"].reason
