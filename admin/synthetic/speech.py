"""The speech of synthetic participants: French sentences by espeak-ng, each person with a voice of his own, who speak
in turn.

espeak-ng comes as a shared library from the package ``espeakng-loader``, else as the system's program; with neither,
each person gets a short melody of tones of his own. Everything is spoken once at the start and then played round and
round.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

RATE = 48_000
"""Samples per second of all that this module returns."""
PAUSE = 0.7
"""Seconds of silence between two turns."""

Pcm = npt.NDArray[np.int16]
Speak = Callable[["Voice", str], Pcm]


@dataclass(frozen=True)
class Voice:
    """An espeak-ng voice: a variant such as ``m3`` or ``f2`` of French, pitch from 0 to 99, words per minute."""

    variant: str
    pitch: int
    speed: int = 155


@dataclass(frozen=True)
class Turn:
    """``speaker`` (a number) says ``pcm`` from sample ``start`` of the conversation on."""

    speaker: int
    start: int
    pcm: Pcm


class Conversation:
    """Turns that repeat for ever: what each speaker's microphone gives at any time."""

    def __init__(self, lines: Sequence[tuple[int, Pcm]], pause: float = PAUSE) -> None:
        at, turns = 0, []
        for speaker, pcm in lines:
            turns.append(Turn(speaker, at, pcm))
            at += len(pcm) + round(pause * RATE)
        if not turns:
            raise ValueError("a conversation needs a line")
        self.turns, self.length = tuple(turns), at

    def samples(self, speaker: int, position: int, count: int) -> Pcm:
        """``count`` samples of one speaker's microphone, ``position`` samples after the conversation's beginning."""
        out = np.zeros(count, np.int16)
        begin = position % self.length
        for turn in self.turns:
            if turn.speaker == speaker:
                for start in (turn.start, turn.start + self.length):
                    first, last = max(start, begin), min(start + len(turn.pcm), begin + count)
                    if first < last:
                        out[first - begin : last - begin] = turn.pcm[first - start : last - start]
        return out


def resample(pcm: Pcm, rate: int) -> Pcm:
    """Linear interpolation from ``rate`` to 48 kHz: enough for a robot's voice."""
    if rate == RATE or not len(pcm):
        return pcm
    at = np.arange(len(pcm) * RATE // rate) * (rate / RATE)
    return np.asarray(np.interp(at, np.arange(len(pcm)), pcm), np.int16)


def melody(voice: Voice, text: str) -> Pcm:
    """A stand-in for speech: a tone per word, its height given by the voice and the word's length."""
    base = 120.0 * 2 ** (voice.pitch / 50)
    time = np.arange(round(0.22 * RATE)) / RATE
    envelope = np.sin(np.pi * time / time[-1]) * 9_000
    tones = [np.sin(2 * np.pi * base * 2 ** (len(word) % 8 / 12) * time) * envelope for word in text.split()]
    return np.concatenate(tones or [np.zeros(1)]).astype(np.int16)


def speaker() -> Speak:
    """The best way to speak that this machine has."""
    library = _library()
    if library is not None:
        return library.speak
    program = shutil.which("espeak-ng")
    if program is not None:
        return lambda voice, text: _program(program, voice, text)
    return melody


def _program(program: str, voice: Voice, text: str) -> Pcm:
    command = [
        program,
        "-v",
        f"fr+{voice.variant}",
        "-p",
        str(voice.pitch),
        "-s",
        str(voice.speed),
        "--stdout",
        "--",
        text,
    ]
    out = subprocess.run(command, capture_output=True, check=False, timeout=20)  # noqa: S603 - our own words
    try:
        with wave.open(BytesIO(out.stdout)) as sound:
            # The header of a WAV written to a pipe claims more frames than follow.
            return resample(np.frombuffer(sound.readframes(sound.getnframes()), np.int16), sound.getframerate())
    except (wave.Error, EOFError):
        return melody(voice, text)


class _Library:
    """The few calls of espeak-ng's C interface (speak_lib.h) that are needed here. One per process; not for several
    threads.
    """

    RETRIEVAL, UTF8, RATE_PARAMETER, PITCH_PARAMETER = 2, 1, 1, 3

    def __init__(self, library: ctypes.CDLL, data: str) -> None:
        self._library = library
        self._parts: list[Pcm] = []
        self._rate = library.espeak_Initialize(self.RETRIEVAL, 0, data.encode(), 0)
        if self._rate <= 0:
            raise OSError("espeak-ng does not start")
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._callback = kind(self._collect)  # kept: the library keeps only its address
        library.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: Any, count: int, _events: int | None) -> int:
        if samples and count > 0:
            self._parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def speak(self, voice: Voice, text: str) -> Pcm:
        self._parts.clear()
        self._library.espeak_SetVoiceByName(f"fr+{voice.variant}".encode())
        self._library.espeak_SetParameter(self.PITCH_PARAMETER, voice.pitch, 0)
        self._library.espeak_SetParameter(self.RATE_PARAMETER, voice.speed, 0)
        encoded = text.encode()
        size = ctypes.c_size_t(len(encoded) + 1)
        failed = self._library.espeak_Synth(encoded, size, 0, 0, 0, self.UTF8, None, None)
        if failed or not self._parts:
            return melody(voice, text)
        return resample(np.concatenate(self._parts), self._rate)


def _library() -> _Library | None:
    try:
        import espeakng_loader

        return _Library(ctypes.CDLL(espeakng_loader.get_library_path()), espeakng_loader.get_data_path())
    except (ImportError, OSError, RuntimeError):
        return None
