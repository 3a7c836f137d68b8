"""The microphone, through PortAudio: an extra that is imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from earmark.errors import MissingExtraError, UnreadableAudioError
from earmark.types import FloatArray

NAME = "microphone"
_SECONDS = 0.1  # asked for at a time


class Microphone:
    """What the default microphone, or another one, hears.

    Parameters
    ----------
    device
        Its name, a part of it, or its number; the system's default otherwise.

    Attributes
    ----------
    rate
        Hz, that of the device.
    lost
        Times that the machine did not keep up and sound was lost.

    Raises
    ------
    MissingExtraError
        When sounddevice is not installed.
    UnreadableAudioError
        When there is no such device, or the system does not let us.
    """

    def __init__(self, device: str | None = None) -> None:
        try:
            import sounddevice
        except ImportError:
            raise MissingExtraError("Listening to a microphone", "mic", "sounddevice") from None
        except OSError as error:  # PortAudio itself
            raise UnreadableAudioError(NAME, f"{error}".lower()) from None
        self._sounddevice = sounddevice
        self._device: Any = int(device) if device is not None and device.isdecimal() else device
        try:
            about = sounddevice.query_devices(self._device, "input")
        except (ValueError, sounddevice.PortAudioError) as error:
            raise UnreadableAudioError(NAME, f"there is none that can be used ({error})") from None
        self.rate, self.lost = int(about["default_samplerate"]), 0

    def __iter__(self) -> Iterator[FloatArray]:
        """Yield float32[n] for ever."""
        frames = max(1, round(_SECONDS * self.rate))
        try:
            with self._sounddevice.InputStream(
                samplerate=self.rate, channels=1, dtype="float32", device=self._device
            ) as stream:
                while True:
                    samples, overflowed = stream.read(frames)
                    self.lost += bool(overflowed)
                    yield np.array(samples[:, 0], np.float32)
        except self._sounddevice.PortAudioError as error:
            raise UnreadableAudioError(NAME, f"it cannot be listened to ({error})") from None
