"""What can be said of a sound by looking at its samples once, in constant memory however long it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio import LOUDEST, limits, not_finite, pieces
from earmark.audio.endings import fault_at_the_end
from earmark.audio.faults import TRUNCATED, Fault, cut_short
from earmark.audio.fingerprint import SoundHash
from earmark.audio.mix import mix
from earmark.audio.scratch import borrow
from earmark.audio.sound import Sound, open_sound
from earmark.types import FloatArray

_FULL = 0.999  # of full scale: from here on a sample counts as clipped
_FRAME = 1024  # samples that are added up in single precision, and of which a spectrum is taken
_LOUDEST_FRAMES = 4  # of a piece: their spectra tell the bandwidth
_TOGETHER = 16  # frames that are transformed in one call
_FLOOR = 1e-8  # of the strongest band, in power: 80 dB below it, nothing is heard and coders leave nothing


@dataclass(frozen=True, slots=True)
class Vitals:
    """A sound's measures.

    Parameters
    ----------
    seconds
        Duration.
    rate, channels, encoding
        Hz; how many; for a person, such as ``"WAV, 16-bit"``.
    sound
        What the mean of the channels is known by: `earmark.audio.fingerprint.sound_of`.
    peak
        The largest sample of any channel, full scale 1.
    clipped
        Share of the samples at full scale, 0 to 1.
    offset
        Mean of the samples, full scale 1.
    level
        Root mean square in dB below full scale; minus infinity for digital silence.
    bandwidth
        Hz, above which nothing is heard: 80 dB below the strongest band.
    copies, dead
        Whether all channels are the same; how many are silent beside others that are not.
    faults
        What is wrong with the file: a word and a phrase each.
    """

    seconds: float
    rate: int
    channels: int
    encoding: str
    sound: tuple[int, int]
    peak: float
    clipped: float
    offset: float
    level: float
    bandwidth: float
    copies: bool
    dead: int
    faults: tuple[Fault, ...]


def examine(path: Path, start: float | None = None, end: float | None = None) -> Vitals:
    """Look at a file, or at the stretch between ``start`` and ``end`` seconds.

    Raises
    ------
    AudioError
        For what `earmark.audio.decode` refuses, in the same words.

    Examples
    --------
    >>> import tempfile, soundfile
    >>> path = Path(tempfile.mkdtemp()) / "tone.wav"
    >>> tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(22_050) / 22_050)
    >>> soundfile.write(path, np.stack([tone, tone], axis=1), 22_050)
    >>> vitals = examine(path)
    >>> vitals.copies, round(vitals.level, 1), round(vitals.bandwidth, -3)
    (True, -9.0, 1000.0)
    """
    with open_sound(path, path, start) as sound:
        if sound.certain and sound.frames is not None:
            first, last = limits.span(path, sound.frames, sound.rate, start, end)
            if last - first > limits.MAX_SECONDS * sound.rate:
                raise limits.too_long(path)
        look = _Look(path, sound)
        for frames in pieces(path, sound, start, end):
            look.at(frames)
        faults = sound.faults
        if start is None and end is None:
            faults = _with_the_end(path, sound, faults)
    return look.vitals(tuple(faults))


def _with_the_end(path: Path, sound: Sound, faults: list[Fault]) -> list[Fault]:
    """Add what the header promised of a file that was read to its end, and is not there."""
    missing = None if sound.certain else fault_at_the_end(path)
    promised = sound.promised or 0
    if promised - sound.reached > sound.slack * sound.rate and (missing is None or missing[0] == TRUNCATED):
        missing = cut_short(promised / sound.rate, sound.reached / sound.rate)
    if missing is None:
        return faults
    return [*(fault for fault in faults if fault[0] != TRUNCATED), missing]


class _Look:
    """Sums up pieces of a sound."""

    def __init__(self, path: Path, sound: Sound) -> None:
        self._path, self._sound = path, sound
        self._hash = SoundHash(sound.rate)
        self._count = self._clipped = self._bad = 0
        self._peak = self._sum = self._squares = self._wildest = 0.0
        self._copies = sound.channels > 1
        self._loud = np.zeros(sound.channels, bool)  # the channels in which something was heard
        self._power = np.zeros(_FRAME // 2 + 1)
        self._loudest: list[FloatArray] = []  # frames that are not yet transformed
        self._short = np.empty(0, np.float32)  # a sound of less than a frame

    def at(self, frames: NDArray[Any]) -> None:
        """Take in the next piece, [n, channels]."""
        sound, n = self._sound, len(frames)
        self._count += n
        if self._count > limits.MAX_SECONDS * sound.rate:
            raise limits.too_long(self._path)
        if n == 0:
            return
        mono = borrow("vitals", n, "float32")
        mix(frames, None, sound.full, sound.silence, mono)
        self._hash.update(mono)
        flat = frames.reshape(-1)
        peak = max(float(flat.max()) - sound.silence, sound.silence - float(flat.min())) / sound.full
        if not peak <= LOUDEST:
            self._tame(mono)
        self._peak = max(self._peak, peak)
        self._count_clipped(flat, peak)
        if sound.channels > 1:
            self._compare(frames)
        self._add_up(mono)

    def _tame(self, mono: FloatArray) -> None:
        """Count what is no number, note how large the others are, and keep both out of the sums."""
        numbers = np.isfinite(mono)
        self._bad += len(mono) - int(np.count_nonzero(numbers))
        self._wildest = max(self._wildest, float(np.abs(mono[numbers]).max(initial=0)))
        np.nan_to_num(mono, copy=False, posinf=0, neginf=0)
        np.clip(mono, -LOUDEST, LOUDEST, out=mono)

    def _count_clipped(self, flat: NDArray[Any], peak: float) -> None:
        sound = self._sound
        # The largest of few steps is not so near to full scale.
        most = min(_FULL * sound.full, sound.full - 1) if sound.whole_numbers else _FULL
        if peak * sound.full >= most:
            top, bottom = sound.silence + most, sound.silence - most
            self._clipped += int(np.count_nonzero((flat >= top) | (flat <= bottom)))

    def _compare(self, frames: NDArray[Any]) -> None:
        for rows in (frames[:64], frames):  # nearly always the beginning says it
            if self._copies and not (rows[:, 1:] == rows[:, :1]).all():
                self._copies = False
            if not self._loud.all():
                self._loud |= (rows != self._sound.silence).any(axis=0)

    def _add_up(self, mono: FloatArray) -> None:
        """Add the samples, their squares, and the spectra of the loudest frames, frame by frame and the rest."""
        count = len(mono) // _FRAME
        whole, rest = mono[: count * _FRAME].reshape(count, _FRAME), mono[count * _FRAME :]
        energies = np.vecdot(whole, whole)
        # As matrix products in single precision: four times as fast as in double precision, and as good as that.
        self._sum += float((whole @ _ONES).sum(dtype=np.float64) + rest.sum(dtype=np.float64))
        self._squares += float(energies.sum(dtype=np.float64) + np.dot(rest, rest))
        if count:
            loudest = np.argpartition(energies, -min(count, _LOUDEST_FRAMES))[-_LOUDEST_FRAMES:]
            self._loudest.append(whole[loudest])
        elif self._count == len(mono):
            self._short = mono.copy()
        if len(self._loudest) * _LOUDEST_FRAMES >= _TOGETHER:
            self._add_spectra()

    def _add_spectra(self) -> None:
        frames = np.concatenate(self._loudest or [self._short[None]])
        spectra = np.fft.rfft(frames * _window(frames.shape[1]), _FRAME)
        self._power += (spectra.real**2 + spectra.imag**2).sum(axis=0)
        self._loudest = []

    def vitals(self, faults: tuple[Fault, ...]) -> Vitals:
        """Say what was found, or refuse what cannot be used."""
        sound, count = self._sound, self._count
        if count < limits.MIN_SECONDS * sound.rate:
            raise limits.too_short(self._path, count / sound.rate)
        if self._bad or self._wildest > LOUDEST:
            raise not_finite(self._path, self._bad, count, self._wildest)
        heard = int(np.count_nonzero(self._loud))
        if self._loudest or count == len(self._short):
            self._add_spectra()
        strong = np.flatnonzero(self._power > _FLOOR * self._power.max())
        return Vitals(
            count / sound.rate,
            sound.rate,
            sound.channels,
            sound.encoding,
            self._hash.digest(),
            self._peak,
            self._clipped / (count * sound.channels),
            self._sum / count,
            10 * math.log10(self._squares / count) if self._squares else -math.inf,
            float(strong[-1]) * sound.rate / _FRAME if len(strong) else 0.0,
            self._copies,
            sound.channels - heard if heard else 0,
            faults,
        )


_ONES = np.ones(_FRAME, np.float32)


@lru_cache(maxsize=8)
def _window(length: int) -> FloatArray:
    # Its side lobes fall so fast that one strong tone does not look like a wide band.
    turn = 2 * np.pi * np.arange(length) / length
    blackman: FloatArray = (
        0.35875 - 0.48829 * np.cos(turn) + 0.14128 * np.cos(2 * turn) - 0.01168 * np.cos(3 * turn)
    ).astype(np.float32)
    return blackman
