"""A writer of tiny SoundFont 2 files, and song plans."""

import struct
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from generation.band import soundfont
from generation.singing.plan import Bar, Chord, Mode, SongPlan

PERIOD = 100
RATE = 44_100
CYCLES = 40
Zone = Sequence[tuple[int, int]]


def _chunk(tag: bytes, body: bytes) -> bytes:
    return tag + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _list(kind: bytes, *chunks: bytes) -> bytes:
    return _chunk(b"LIST", kind + b"".join(chunks))


def _generators(zones: Sequence[Zone]) -> tuple[bytes, bytes]:
    bags, generators = b"", b""
    for zone in zones:
        bags += struct.pack("<HH", len(generators) // 4, 0)
        for operator, amount in zone:
            generators += struct.pack("<HH", operator, amount & 0xFFFF)
    bags += struct.pack("<HH", len(generators) // 4, 0)
    return bags, generators + struct.pack("<HH", 0, 0)


@pytest.fixture(scope="session")
def make_sf2() -> Callable[..., bytes]:
    """Bytes of a SoundFont with one preset for each bank and program, all on one instrument.

    The data is a sine of 441 Hz (100 samples at 44.1 kHz, 3.93 cents above key 69, corrected by -4), or ``data``.
    """

    def make(
        zones: Sequence[Zone] = (((54, 1), (53, 0)),),
        *,
        preset_zones: Sequence[Zone] = (((41, 0),),),
        presets: Sequence[tuple[int, int]] = ((0, 0), (128, 0)),
        data: np.ndarray | None = None,
        loop: tuple[int, int] = (PERIOD, 21 * PERIOD),
        root_key: int = 69,
        correction: int = -4,
        version: int = 2,
    ) -> bytes:
        if data is None:
            data = 16_000 * np.sin(2 * np.pi * np.arange(CYCLES * PERIOD) / PERIOD)
        wave = np.asarray(data).astype("<i2").tobytes()
        instrument_bags, instrument_generators = _generators(zones)
        preset_bags, preset_generators = _generators([zone for _ in presets for zone in preset_zones])
        headers = b"".join(
            struct.pack("<20sHHHIII", b"preset", program, bank, index * len(preset_zones), 0, 0, 0)
            for index, (bank, program) in enumerate(presets)
        ) + struct.pack("<20sHHHIII", b"EOP", 0, 0, len(presets) * len(preset_zones), 0, 0, 0)
        instruments = struct.pack("<20sH", b"sine", 0) + struct.pack("<20sH", b"EOI", len(zones))
        samples = struct.pack(
            "<20sIIIIIBbHH", b"sine", 0, len(wave) // 2, loop[0], loop[1], RATE, root_key, correction, 0, 1
        ) + struct.pack("<20sIIIIIBbHH", b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)
        body = b"sfbk" + b"".join(
            (
                _list(b"INFO", _chunk(b"ifil", struct.pack("<HH", version, 1)), _chunk(b"INAM", b"tiny\0")),
                _list(b"sdta", _chunk(b"smpl", wave + b"\0" * 92)),
                _list(
                    b"pdta",
                    _chunk(b"phdr", headers),
                    _chunk(b"pbag", preset_bags),
                    _chunk(b"pmod", b"\0" * 10),
                    _chunk(b"pgen", preset_generators),
                    _chunk(b"inst", instruments),
                    _chunk(b"ibag", instrument_bags),
                    _chunk(b"imod", b"\0" * 10),
                    _chunk(b"igen", instrument_generators),
                    _chunk(b"shdr", samples),
                ),
            )
        )
        return _chunk(b"RIFF", body)

    return make


@pytest.fixture(scope="session")
def make_font(make_sf2: Callable[..., bytes]) -> Callable[..., soundfont.SoundFont]:
    """The same, parsed."""
    return lambda *args, **kwargs: soundfont.parse(make_sf2(*args, **kwargs), "tiny.sf2")


@pytest.fixture(scope="session")
def make_plan() -> Callable[..., SongPlan]:
    """A plan over I V vi IV (or i v VI iv), ending on the tonic."""
    degrees: Mapping[str, Sequence[tuple[int, Mode]]] = {
        "major": ((0, "major"), (7, "major"), (9, "minor"), (5, "major")),
        "minor": ((0, "minor"), (7, "minor"), (8, "major"), (5, "minor")),
    }

    def make(
        genre: str = "pop",
        emotion: str = "",
        instruments: Sequence[str] = (),
        *,
        bpm: float = 120.0,
        key: int = 0,
        mode: Mode = "major",
        sections: Sequence[tuple[str, int]] = (("intro-short", 2), ("verse", 4), ("chorus", 4), ("outro-short", 2)),
        ends_on_tonic: bool = True,
    ) -> SongPlan:
        bars = []
        for section, (label, n_bars) in enumerate(sections):
            for position in range(n_bars):
                root, colour = degrees[mode][len(bars) % 4]
                is_last = position == n_bars - 1
                if is_last and section == len(sections) - 1 and ends_on_tonic:
                    root, colour = 0, mode
                chord = Chord(root=(key + root) % 12, mode=colour)
                bars.append(
                    Bar(section=section, label=label, position=position, chord=chord, is_last_of_section=is_last)
                )
        return SongPlan(
            bpm=bpm,
            key=key,
            mode=mode,
            genre=genre,
            emotion=emotion,
            instruments=tuple(instruments),
            bars=tuple(bars),
        )

    return make
