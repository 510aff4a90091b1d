"""From a song plan to the parts of the band."""

from dataclasses import dataclass, replace

import numpy as np

from generation.band import instruments, moods, parts, patterns, voicing
from generation.band.instruments import Instrument
from generation.band.moods import Mood
from generation.band.parts import Hit
from generation.band.patterns import STEPS, Style
from generation.band.player import DRUM_BANK, Note, Part
from generation.singing.plan import BEATS_PER_BAR, Bar, SongPlan

ENERGY = {"intro": 0.45, "verse": 0.55, "chorus": 0.9, "bridge": 0.65, "inst": 0.85, "outro": 0.5}
"""Fullness of a section by the first word of its label; unknown labels count as verses, ``silence`` as nothing."""

TIMING_S = 0.003
MAX_TIMING_S = 0.008
RING_S = 1.2
"""How long the last chord is held beyond the last bar."""


@dataclass(frozen=True, slots=True)
class _Player:
    instrument: Instrument
    asked: bool


@dataclass(frozen=True, slots=True)
class _Context:
    """One bar as a player sees it."""

    bar: Bar
    energy: float
    progress: float  # through the section, 0 to 1
    tones: tuple[int, ...]
    next_root: int
    is_vocal: bool
    is_peak: bool
    is_first: bool
    is_end: bool  # last bar of the song, on the tonic: ring out


def arrange(plan: SongPlan, *, seed: int) -> tuple[Part, ...]:
    """Write the accompaniment.

    Args:
        plan: The song.
        seed: Of the fills, counter-lines and humanisation.

    Returns:
        One part for each instrument that plays.
    """
    style, mood = patterns.find(plan.genre), moods.find(plan.emotion)
    contexts = _contexts(plan, style, mood)
    streams = np.random.default_rng(seed).spawn(64)
    players = _players(plan, style, mood)
    written = []
    for player, rng in zip(players, streams, strict=False):
        part = _part(player, plan, style, mood, contexts, rng)
        if part.notes:
            written.append(part)
    return tuple(written)


def _players(plan: SongPlan, style: Style, mood: Mood) -> list[_Player]:
    asked = [_voiced(instrument, style) for instrument in instruments.find_all(plan.instruments)]
    band = [_Player(instrument, True) for instrument in asked]
    if not any(instrument.role in ("comp", "pad", "arp") for instrument in asked):
        band += [_Player(instruments.TABLE[name], False) for name in style.band]
    elif not any(instrument.role in ("comp", "arp") for instrument in asked):
        band.append(_Player(instruments.TABLE[style.band[0]], False))  # something has to carry the beat
    names = {player.instrument.name for player in band}
    if style.colour and style.colour not in names and len(asked) < 5:
        band.append(_Player(instruments.TABLE[style.colour], False))
    if not any(instrument.role == "bass" for instrument in asked):
        band.append(_Player(instruments.TABLE["bass"], False))
    if not any(instrument.role == "drums" for instrument in asked) and style.plays_drums and not mood.is_calm:
        band.append(_Player(instruments.TABLE["drums"], False))
    return band


def _voiced(instrument: Instrument, style: Style) -> Instrument:
    """The instrument as the genre plays it, under the name that was asked for."""
    if instrument.name not in style.voices:
        return instrument
    return replace(instruments.TABLE[style.voices[instrument.name]], name=instrument.name)


def _contexts(plan: SongPlan, style: Style, mood: Mood) -> list[_Context]:
    counts: dict[int, int] = {}
    for bar in plan.bars:
        counts[bar.section] = counts.get(bar.section, 0) + 1
    contexts = []
    for index, bar in enumerate(plan.bars):
        kind = bar.label.split("-")[0]
        progress = bar.position / max(counts[bar.section] - 1, 1)
        energy = 0.0 if kind == "silence" else float(np.clip(ENERGY.get(kind, 0.55) + mood.energy, 0.15, 1.0))
        is_peak = kind in ("chorus", "inst")
        if is_peak and not mood.is_calm:
            energy = max(energy, 0.76)  # even a sad song has a chorus
        if kind == "intro":
            energy *= 0.7 + 0.3 * progress
        elif kind == "outro":
            energy *= 1.0 - 0.5 * progress
        following = plan.bars[index + 1].chord.root if index + 1 < len(plan.bars) else plan.key
        is_last = index == len(plan.bars) - 1
        contexts.append(
            _Context(
                bar=bar,
                energy=energy,
                progress=progress,
                tones=voicing.chord_tones(bar.chord, key=plan.key, sevenths=style.sevenths),
                next_root=following,
                is_vocal=kind not in ("intro", "inst", "outro", "silence"),
                is_peak=is_peak,
                is_first=bar.position == 0,
                is_end=is_last and bar.chord.root == plan.key and kind == "outro",
            )
        )
    return contexts


def _part(
    player: _Player, plan: SongPlan, style: Style, mood: Mood, contexts: list[_Context], rng: np.random.Generator
) -> Part:
    instrument = player.instrument
    scale = voicing.scale(plan.key, plan.mode)
    notes: list[Note] = []
    keys: tuple[int, ...] | None = None
    last = instrument.centre + mood.shift
    has_reached_chorus = False
    for index, context in enumerate(contexts):
        has_reached_chorus |= context.energy >= 0.75
        if context.energy == 0:
            continue
        keys = voicing.close_voicing(context.tones, _centre(instrument, mood), keys)
        if context.is_end:
            hits = _ending(instrument, keys, context)
        elif instrument.role == "drums":
            if not (style.drums_from_start or has_reached_chorus or player.asked):
                continue
            hits = _drum_bar(context, style, rng)
        elif instrument.role == "bass":
            if context.bar.label.startswith("intro") and context.progress < 0.5 and not player.asked:
                continue
            hits = parts.bass(style.bass, context.tones, context.next_root, context.energy, scale)
        else:
            hits = _pitched_bar(player, context, style, mood, keys, scale, last, rng)
            if instrument.role == "melody" and hits:
                last = hits[-1].key
        notes.extend(_humanise(hits, index, plan, style, mood, context, rng, instrument.role))
    notes.extend(_final_chord(instrument, plan, style, mood, keys, contexts))
    return _as_part(instrument, style, tuple(notes))


def _as_part(instrument: Instrument, style: Style, notes: tuple[Note, ...]) -> Part:
    is_drums = instrument.role == "drums"
    program = instrument.program
    if program < 0:
        program = style.kit if is_drums else style.bass_program
    wet = {"drums": 0.08, "bass": 0.02, "pad": 0.3, "melody": 0.3}.get(instrument.role, 0.18)
    return Part(
        name=instrument.name,
        program=program,
        bank=DRUM_BANK if is_drums else 0,
        gain_db=style.drum_gain_db if is_drums else instrument.gain_db,
        pan=instrument.pan,
        reverb=wet,
        chorus=0.25 if instrument.role == "pad" else 0.0,
        notes=notes,
    )


def _centre(instrument: Instrument, mood: Mood) -> int:
    return instrument.centre + mood.shift


def _drum_bar(context: _Context, style: Style, rng: np.random.Generator) -> list[Hit]:
    hits = parts.drums(
        style,
        context.energy,
        is_first=context.is_first and context.bar.section > 0,
        is_fill=context.bar.is_last_of_section,
        rng=rng,
    )
    if context.bar.label.startswith("intro") and context.progress < 0.5 and not context.bar.is_last_of_section:
        return [hit for hit in hits if hit.key not in (patterns.KICK, patterns.SNARE)]  # only what keeps time
    return hits


def _pitched_bar(
    player: _Player,
    context: _Context,
    style: Style,
    mood: Mood,
    keys: tuple[int, ...],
    scale: tuple[int, ...],
    last: int,
    rng: np.random.Generator,
) -> list[Hit]:
    role, energy = player.instrument.role, context.energy
    if not player.asked and player.instrument.name == style.colour and not context.is_peak:
        return []
    if role == "pad":
        return parts.held(keys, 52 + 24 * energy)
    if role == "arp":
        return parts.broken(style.arp, keys, energy)
    if role == "melody":
        if not context.is_vocal:
            return parts.line(context.tones, scale, _centre(player.instrument, mood), last, rng)
        # Beneath the voice: one long soft chord tone.
        key = min((voicing.nearest_key(tone, last - 5) for tone in context.tones), key=lambda near: abs(near - last))
        return [Hit(0, STEPS * 0.95, key, 60)]
    pattern = style.comp_chorus if energy >= 0.75 else style.comp
    if context.bar.label.startswith("bridge"):
        pattern = "x.......x......."  # the bridge opens up: half notes
    if mood.is_calm:
        pattern = "x...o...x...o..." if energy >= 0.4 else "x.......o......."
    length = style.comp_length * mood.legato
    is_strummed = "guitar" in player.instrument.name or player.instrument.name in ("ukulele", "harp")
    return parts.chords(pattern, keys, length, is_strummed=is_strummed and style.timing > 0)


def _ending(instrument: Instrument, keys: tuple[int, ...], context: _Context) -> list[Hit]:
    """The last bar: everyone lands on its first beat and lets it ring."""
    if instrument.role == "drums":
        return [Hit(0, 4, patterns.KICK, 80), Hit(0, STEPS, patterns.CRASH, 62)]
    if instrument.role == "bass":
        return [Hit(0, STEPS, _bass_root(context.tones[0]), 84)]
    if instrument.role == "melody":
        return [Hit(0, STEPS, voicing.nearest_key(context.tones[0], instrument.centre), 66)]
    return [Hit(0, STEPS, key, 68) for key in keys]


def _bass_root(pitch_class: int) -> int:
    root = voicing.nearest_key(pitch_class, 36)
    return root + 12 if root < 31 else root


def _final_chord(
    instrument: Instrument,
    plan: SongPlan,
    style: Style,
    mood: Mood,
    keys: tuple[int, ...] | None,
    contexts: list[_Context],
) -> list[Note]:
    """A song that does not end on a ringing tonic gets one on the beat after its last bar, inside the tail."""
    if not contexts or contexts[-1].is_end or contexts[-1].energy == 0:
        return []
    chord = type(contexts[-1].bar.chord)(root=plan.key, mode=plan.mode)
    tones = voicing.chord_tones(chord, key=plan.key)
    if instrument.role == "drums":
        sounding: tuple[int, ...] = (patterns.KICK, patterns.CRASH)
    elif instrument.role == "bass":
        sounding = (_bass_root(tones[0]),)
    elif instrument.role == "melody":
        sounding = (voicing.nearest_key(tones[0], instrument.centre),)
    else:
        sounding = voicing.close_voicing(tones, _centre(instrument, mood), keys)
    velocity = int(np.clip(70 * mood.touch, 1, 127))
    return [Note(key=key, velocity=velocity, start_s=plan.duration_s, duration_s=RING_S) for key in sounding]


def step_to_beat(step: float, style: Style) -> float:
    """Beats from the start of the bar, with the style's swing."""
    pair = 2.0 if style.swings_sixteenths else 4.0
    whole, inside = divmod(step, pair)
    half = pair / 2
    bend = inside / half * style.swing if inside < half else style.swing + (inside / half - 1) * (1 - style.swing)
    return (whole + bend) * pair * BEATS_PER_BAR / STEPS


def _humanise(
    hits: list[Hit],
    index: int,
    plan: SongPlan,
    style: Style,
    mood: Mood,
    context: _Context,
    rng: np.random.Generator,
    role: str,
) -> list[Note]:
    notes = []
    loudness = mood.touch * (0.78 + 0.26 * context.energy)
    for hit in hits:
        start = step_to_beat(hit.step, style) * plan.beat_s
        end = step_to_beat(hit.step + hit.length, style) * plan.beat_s
        jitter = float(np.clip(rng.normal(0, TIMING_S), -MAX_TIMING_S, MAX_TIMING_S)) * style.timing
        velocity = hit.velocity * loudness * (1 + 0.05 * float(rng.standard_normal()))
        notes.append(
            Note(
                key=min(max(hit.key, 0), 127),
                velocity=int(np.clip(round(velocity), 1, 127)),
                start_s=max(index * plan.bar_s + start + hit.delay_s + jitter, 0.0),
                duration_s=max(end - start, 0.03) if role != "drums" else 0.25,
            )
        )
    return notes
