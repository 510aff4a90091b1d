"""The rulers react to what they claim to measure: real songs, real damage, real Whisper."""

from collections.abc import Callable
from pathlib import Path

import pytest
from validity import lyric_reactions as lyric
from validity import structure_reactions as structure
from validity.table import Reaction, render

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.models, pytest.mark.timeout(900)]

THREE, CHORUS = ("three-en",), ("chorus-en",)


@pytest.fixture(autouse=True)
def _models(model_dir: Callable[[str], Path]) -> None:
    for name in ("whisper-base", "kokoro", "gm-soundfont"):
        model_dir(name)


def check(reactions: list[Reaction]) -> None:
    failed = [one for one in reactions if not one.holds or "no value" in one.change]
    assert not failed, "\n" + render(failed)


def test_lines_left_out_are_deletions_and_omitted_lines() -> None:
    reactions = lyric.dropped_lines(THREE)
    check(reactions)
    omitted = next(one for one in reactions if one.metric == "line_omission_rate")
    # Whisper sometimes hears a few words in a line that nobody sings, so one line may escape.
    assert omitted.means == pytest.approx([dose / 6 for dose in omitted.doses], abs=1.01 / 6)
    deleted = next(one for one in reactions if one.metric == "del_rate")
    assert deleted.means == pytest.approx([dose / 6 for dose in deleted.doses], abs=0.12)


def test_swapped_sections_are_out_of_order() -> None:
    reactions = lyric.swapped_sections(THREE)
    check(reactions)
    order = next(one for one in reactions if one.metric == "order_error")
    assert order.means == pytest.approx([dose / 3 for dose in order.doses])


def test_a_chorus_too_many_is_a_repeat() -> None:
    check(lyric.repeated_chorus(CHORUS))


def test_another_prompts_lyrics_are_at_chance() -> None:
    rows = lyric.other_lyrics((*THREE, *CHORUS))
    assert len(rows) == 2
    for _, _, own, crossed, chance in rows:
        assert own < 0.2
        assert crossed == pytest.approx(chance, abs=0.1)


def test_a_lost_chorus_a_late_voice_and_a_loop_are_noticed() -> None:
    check([*structure.lost_chorus(CHORUS), *structure.late_voice(THREE), *structure.loops(THREE)])


def test_endings_are_told_apart() -> None:
    found = dict(structure.endings(THREE))
    assert set(found["as sung"]) == {"complete"}
    assert set(found["cut inside the music"]) == {"cut"}
    assert set(found["faded out over 8 s"]) == {"fade"}
