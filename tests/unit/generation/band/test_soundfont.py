"""The SoundFont reader: known answers, then damage of every kind."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import ModelError
from generation.band import soundfont
from generation.band.player import Note, Part, play
from generation.band.zones import regions

Make = Callable[..., bytes]
MakeFont = Callable[..., soundfont.SoundFont]


def test_tables_are_read(make_font: MakeFont) -> None:
    font = make_font()
    assert font.presets["bank"].tolist() == [0, 128]
    assert font.find(128, 0) == 1
    assert font.find(0, 5) is None
    assert len(font.waves) == 4000 + 46
    assert font.waves[25] == 16_000
    assert font.samples["loop_end"].tolist() == [2100]


def test_generators_in_plain_units(make_font: MakeFont) -> None:
    zone = (
        (43, 48 | 72 << 8),
        (17, -250),
        (48, 100),
        (34, -1200),
        (37, 200),
        (51, 2),
        (52, -30),
        (54, 1),
        (57, 3),
        (8, 6900),
        (53, 0),
    )
    (region,) = regions(make_font([zone]), 0, 0)
    assert region.keys == (48, 72)
    assert region.velocities == (0, 127)
    assert region.pan == -0.5
    assert region.gain_db == pytest.approx(-4.0)  # 100 cB at the hardware's 0.4
    assert region.envelope.attack_s == 0.5
    assert region.envelope.sustain_db == 20.0
    assert region.tune_cents == 200 - 30 - 4
    assert region.loop == (100, 2100)
    assert region.exclusive_class == 3
    assert region.cutoff_hz == pytest.approx(440.0, rel=1e-3)  # 6900 cents above 8.176 Hz is key 69


def test_global_zones_and_preset_layers(make_font: MakeFont) -> None:
    zones = [((17, 500), (54, 1)), ((43, 0 | 60 << 8), (53, 0)), ((43, 61 | 127 << 8), (17, -500), (53, 0))]
    preset = [((51, 1),), ((43, 50 | 70 << 8), (17, 100), (41, 0))]
    low, high = regions(make_font(zones, preset_zones=preset), 0, 0)
    assert (low.keys, high.keys) == ((50, 60), (61, 70))
    assert (low.pan, high.pan) == (1.0, pytest.approx(-0.8))  # preset values are added, then clipped
    assert low.tune_cents == 100 - 4  # from the global preset zone
    assert low.loop is not None


def test_missing_presets_fall_back(make_font: MakeFont) -> None:
    font = make_font()
    assert regions(font, 0, 99) == regions(font, 0, 0)


def test_file_without_loop_or_with_a_broken_one(make_font: MakeFont) -> None:
    assert regions(make_font([((53, 0),)]), 0, 0)[0].loop is None
    assert regions(make_font(loop=(300, 300)), 0, 0)[0].loop is None
    clipped = regions(make_font(loop=(0, 900_000)), 0, 0)[0].loop
    assert clipped is not None
    assert clipped[1] <= 4046


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a SoundFont 2 file"),
        (b"RIFF\x04\0\0\0WAVE", "not a SoundFont 2 file"),
        (b"RIFF\x04\0\0\0sfbk", "no ifil"),
        (b"RIFF\xff\xff\xff\xffsfbk", "breaks off"),
    ],
)
def test_other_files_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        soundfont.parse(data, "x.sf2")


def test_damage_is_named(make_sf2: Make) -> None:
    good = make_sf2()
    with pytest.raises(ModelError, match="version 3"):
        soundfont.parse(make_sf2(version=3), "x.sf2")
    with pytest.raises(ModelError, match="table shdr is missing"):
        soundfont.parse(good.replace(b"shdr", b"shdx"), "x.sf2")
    with pytest.raises(ModelError, match="names sample 9"):
        regions(soundfont.parse(make_sf2([((53, 9),)]), "x.sf2"), 0, 0)
    with pytest.raises(ModelError, match="names instrument 7"):
        regions(soundfont.parse(make_sf2(preset_zones=[((41, 7),)]), "x.sf2"), 0, 0)
    with pytest.raises(ModelError, match="no presets"):
        regions(soundfont.parse(make_sf2(presets=[]), "x.sf2"), 0, 0)


def test_missing_and_empty_paths(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no soundfont"):
        soundfont.load(tmp_path / "none.sf2")
    with pytest.raises(ModelError, match="is not a file"):
        soundfont.load(tmp_path)


def test_a_changed_file_is_read_again(tmp_path: Path, make_sf2: Make) -> None:
    path = tmp_path / "a.sf2"
    path.write_bytes(make_sf2())
    first = soundfont.load(path)
    assert soundfont.load(path) is first
    path.write_bytes(make_sf2(presets=[(0, 4)]))
    assert soundfont.load(path).presets["program"].tolist() == [4]


def _use(data: bytes) -> None:
    """Parse and play; only a ModelError may come out, and nothing that is not finite."""
    try:
        font = soundfont.parse(data, "x.sf2")
        notes = tuple(Note(key=key, velocity=90, start_s=0.0, duration_s=0.05) for key in (0, 60, 127))
        out = play(font, [Part(name="x", program=0, notes=notes, reverb=0.0)], n_samples=4800)
    except ModelError:
        return
    assert np.all(np.isfinite(out))


@settings(max_examples=150, deadline=None)
@given(cut=st.integers(0, 9000))
def test_truncated_files_give_a_sentence(make_sf2: Make, cut: int) -> None:
    good = make_sf2()
    data = good[: min(cut, len(good) - 1)]
    with pytest.raises(ModelError):
        soundfont.parse(data, "x.sf2")


@settings(max_examples=300, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), min_size=1, max_size=12),
    from_end=st.booleans(),
)
def test_mutated_files_never_raise_anything_else(
    make_sf2: Make, changes: list[tuple[int, int]], from_end: bool
) -> None:
    data = bytearray(make_sf2([((17, 1), (54, 1), (38, 0), (53, 0)), ((54, 3), (8, 5000), (11, 2000), (53, 0))]))
    for place, value in changes:  # the tables are the last 600 bytes, the headers the first
        data[-1 - place if from_end else place] = value
    _use(bytes(data))


@settings(max_examples=200, deadline=None)
@given(
    zone=st.lists(st.tuples(st.integers(0, 60), st.integers(-32768, 32767)), max_size=12),
    preset=st.lists(st.tuples(st.integers(0, 60), st.integers(-32768, 32767)), max_size=6),
)
def test_hostile_generators_never_raise_anything_else(
    make_sf2: Make, zone: list[tuple[int, int]], preset: list[tuple[int, int]]
) -> None:
    _use(make_sf2([(*zone, (54, 1), (53, 0))], preset_zones=[(*preset, (41, 0))]))
