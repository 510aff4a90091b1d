"""espeak-ng through ctypes: text to IPA, and text to speech with the time of every phoneme.

The library comes with the distribution espeakng-loader (GPL-3, used as it is and never copied). It is a singleton of
the process with one current voice, so nothing here may be called from two threads at once.
"""

import _ctypes
import ctypes
import functools
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.errors import GenerationError, missing_package
from evalkit.types import FloatArray

_SYNCHRONOUS = 2
_PHONEME_EVENTS_AS_IPA = 0b11
_DO_NOT_EXIT = 0x8000
_UTF8 = 1
_RATE_PARAMETER = 1
_PHONEME_EVENT = 7
_IPA_WITH_TIE = 0x02 | 0x80 | (ord("^") << 8)
TIE = "^"


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Speech:
    """Spoken audio [time] and its phonemes as (IPA name, first sample), in order of time."""

    samples: FloatArray
    sample_rate: int
    phonemes: tuple[tuple[str, int], ...]


def to_ipa(text: str, voice: str) -> list[str]:
    """Pronounce a text.

    Args:
        text: One line.
        voice: espeak-ng voice, e.g. ``"en-us"``.

    Returns:
        IPA of each clause, words separated by blanks, letters of one sound joined by `TIE`.

    Raises:
        GenerationError: the voice does not exist.
    """
    library, _ = _loaded()
    _set_voice(library, voice)
    buffer = ctypes.create_string_buffer(text.encode("utf-8", "ignore") + b"\0")
    pointer = ctypes.c_void_p(ctypes.addressof(buffer))
    clauses = []
    while pointer.value:
        ipa = library.espeak_TextToPhonemes(ctypes.byref(pointer), _UTF8, _IPA_WITH_TIE)
        if ipa and (clause := ipa.decode("utf-8", "ignore").strip()):
            clauses.append(clause)
    return clauses


def speak(text: str, voice: str, *, words_per_minute: int = 140) -> Speech:
    """Speak a text and note when each phoneme begins.

    Raises:
        GenerationError: the voice does not exist, or nothing could be spoken.
    """
    # The synthesiser carries the phase of its flutter from one text to the next; only a fresh library forgets it.
    _unload()
    library, rate = _loaded()
    _set_voice(library, voice)
    library.espeak_SetParameter(_RATE_PARAMETER, words_per_minute, 0)
    chunks: list[FloatArray] = []
    phonemes: list[tuple[str, int]] = []

    def collect(samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            chunks.append(np.ctypeslib.as_array(samples, shape=(count,)).astype(np.float32) / 32768.0)
        index = 0
        while events[index].type:
            event = events[index]
            if event.type == _PHONEME_EVENT:
                phonemes.append((event.id.string.decode("utf-8", "ignore"), int(event.sample)))
            index += 1
        return 0

    callback = _Callback(collect)
    library.espeak_SetSynthCallback(callback)
    encoded = text.encode("utf-8", "ignore")
    code = library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    if code != 0 or not chunks:
        raise GenerationError(f"espeak-ng could not speak {text[:40]!r} (code {code}).")
    return Speech(samples=np.concatenate(chunks), sample_rate=rate, phonemes=tuple(phonemes))


def sample_rate() -> int:
    """Of everything `speak` returns, in Hz."""
    return _loaded()[1]


@functools.lru_cache(maxsize=1)
def _loaded() -> tuple[Any, int]:
    try:
        import espeakng_loader
    except ImportError as error:
        raise missing_package("The singer", "espeakng-loader") from error
    library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
    library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    library.espeak_SetSynthCallback.argtypes = [_Callback]
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    folder = str(espeakng_loader.get_data_path()).encode()
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, folder, _PHONEME_EVENTS_AS_IPA | _DO_NOT_EXIT)
    if rate <= 0:
        raise GenerationError("espeak-ng could not be started: its data folder was not found.")
    return library, int(rate)


def _unload() -> None:
    if _loaded.cache_info().currsize == 0:
        return
    library, _ = _loaded()
    _loaded.cache_clear()
    library.espeak_Terminate()
    if sys.platform == "win32":
        _ctypes.FreeLibrary(library._handle)
    else:
        _ctypes.dlclose(library._handle)


def _set_voice(library: Any, voice: str) -> None:
    # A failed call silently keeps the voice before, and with it the wrong language.
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise GenerationError(f"espeak-ng has no voice {voice!r}.")
