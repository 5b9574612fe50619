"""Test pictures and sound that can be recognised at the other end: the files Chromium takes for its camera and
microphone.

The picture carries its frame number and its sender in big black and white cells, each with its complement below, and
flashes white for two frames at each whole second. The sound is a steady tone of the sender's own with a beep at each
whole second. Both files last ``SECONDS`` and are played in a loop; ``observer.js`` reads the same layout back, and
draws it where a canvas is the camera.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT, FPS, SECONDS = 640, 360, 25, 8
CELL = 40
"""Pixels of a cell's side: 16 columns and 9 rows."""
NUMBER_BITS, SENDER_BITS = 8, 3
RATE = 48_000
BEEP_HZ, BEEP_S = 2_400.0, 0.08
TONES = {1: 450.0, 2: 700.0, 3: 1_000.0, 4: 1_350.0}
"""Each sender's tone in hertz."""
SCREEN_SENDER = 4
"""Added to a sender's number in the pattern of his shared screen."""


def bits(number: int, sender: int) -> list[int]:
    """The cells of one frame, most significant bit first."""
    value = number << SENDER_BITS | sender
    return [value >> shift & 1 for shift in range(NUMBER_BITS + SENDER_BITS - 1, -1, -1)]


def frame(number: int, sender: int) -> npt.NDArray[np.uint8]:
    """One frame's Y, U and V planes in a row."""
    luma = np.full((HEIGHT, WIDTH), 60, np.uint8)
    for column, bit in enumerate(bits(number, sender), start=2):
        at = slice(column * CELL, (column + 1) * CELL)
        luma[CELL : 3 * CELL, at] = 235 if bit else 16
        luma[3 * CELL : 5 * CELL, at] = 16 if bit else 235
    luma[5 * CELL :] = 235 if number % FPS < 2 else 40
    luma[5 * CELL + 60 : 5 * CELL + 100, number * 3 % WIDTH : number * 3 % WIDTH + 60] = 140
    luma[:, :CELL], luma[:, -CELL:] = 235, 16
    chroma = np.full((2, HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    chroma[0, :CELL] = 60 + 40 * sender % 160
    return np.concatenate([luma.ravel(), chroma.ravel()])


def write_video(path: Path, sender: int) -> None:
    """A YUV4MPEG2 file of ``SECONDS``."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(FPS * SECONDS):
            file.write(b"FRAME\n" + frame(number, sender).tobytes())


def write_audio(path: Path, sender: int) -> None:
    """A mono WAV file of ``SECONDS``."""
    time = np.arange(RATE * SECONDS) / RATE
    sound = 4_000 * np.sin(2 * np.pi * TONES[sender] * time)
    sound += np.where(time % 1 < BEEP_S, 14_000 * np.sin(2 * np.pi * BEEP_HZ * time), 0)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sound.astype("<i2").tobytes())
