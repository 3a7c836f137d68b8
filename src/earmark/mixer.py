"""A mixer: recordings composed of clips, in which it is known to the sample what is heard when.

What is drawn follows from the seed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earmark.errors import SettingError
from earmark.types import FloatArray, Region

_EDGE = 0.01  # seconds over which a clip fades in and out, so that no click gives it away
_PEAK = 0.95
_TRIES = 1000


@dataclass(frozen=True, slots=True)
class Mix:
    """How a recording is composed.

    Parameters
    ----------
    seconds
        How long it is.
    events
        How many clips are put in it, at most: fewer where there is no more room.
    snr
        dB, the lowest and the highest: the power of a clip above that of the background, drawn for each.
    overlap
        The share of clips, 0 to 1, that may lie over others; the rest has at least `gap` to the next.
    gap
        Seconds between clips that do not overlap.
    colour
        Of the background noise: its power falls with the frequency to this power; 0 is white, 1 pink.
    seed
        Of all that is drawn.

    Raises
    ------
    SettingError
        For a value that cannot be.
    """

    seconds: float = 60.0
    events: int = 10
    snr: tuple[float, float] = (10.0, 20.0)
    overlap: float = 0.0
    gap: float = 0.5
    colour: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for good, name, allowed in (
            (0 < self.seconds <= 36_000, "seconds", "above 0 and at most 36000"),
            (0 <= self.events <= 100_000, "events", "from 0 to 100000"),
            (0 <= self.overlap <= 1, "overlap", "from 0 to 1"),
            (self.gap >= 0, "gap", "0 or more"),
            (self.snr[0] <= self.snr[1], "snr", "the lowest and then the highest"),
        ):
            if not good:
                raise SettingError(f"{name} of a mix is {getattr(self, name)!r}, but must be {allowed}.")


def compose(
    clips: Sequence[tuple[FloatArray, str]], sample_rate: int, mix: Mix, background: FloatArray | None = None
) -> tuple[FloatArray, tuple[Region, ...]]:
    """Compose a recording of clips and background.

    Parameters
    ----------
    clips
        The samples, float32[n], and the label of each; drawn in turn, in an order that follows from the seed.
    sample_rate
        Hz, of all of them.
    mix
        What is drawn, and how.
    background
        Samples, float32[n], that are repeated as long as needed; noise by default.

    Returns
    -------
    float32[seconds * sample_rate], and what is heard when, in the order of time.

    Examples
    --------
    >>> beep = np.sin(np.arange(8_000, dtype=np.float32))
    >>> samples, regions = compose([(beep, "beep")], 16_000, Mix(seconds=10.0, events=3))
    >>> len(samples), [region.label for region in regions]
    (160000, ['beep', 'beep', 'beep'])
    """
    rng = np.random.default_rng(mix.seed)
    total = round(mix.seconds * sample_rate)
    floor = _background(total, mix.colour, rng) if background is None else np.resize(background, total)
    level = _rms(floor)
    out, regions = floor.astype(np.float64), []
    taken: list[tuple[int, int]] = []
    order = rng.permutation(len(clips)) if len(clips) else np.empty(0, int)
    for number in range(mix.events if len(clips) else 0):
        samples, label = clips[int(order[number % len(order)])]
        samples = samples[:total]
        free = rng.random() < mix.overlap
        start = _place(len(samples), total, taken, 0 if free else round(mix.gap * sample_rate), free, rng)
        if start is None or not len(samples):
            continue
        gain = level * 10 ** (rng.uniform(*mix.snr) / 20) / max(_rms(samples), 1e-9)
        end = start + len(samples)
        out[start:end] += gain * samples * _fades(len(samples), sample_rate)
        taken.append((start, end))
        regions.append(Region(start / sample_rate, end / sample_rate, label))
    peak = float(np.abs(out).max(initial=0.0))
    scale = _PEAK / peak if peak > _PEAK else 1.0
    return (scale * out).astype(np.float32), tuple(sorted(regions, key=lambda r: (r.start, r.end, r.label)))


def _place(
    length: int, total: int, taken: list[tuple[int, int]], gap: int, free: bool, rng: np.random.Generator
) -> int | None:
    """Draw where a clip begins; ``None`` where there is no room."""
    for _ in range(_TRIES):
        start = int(rng.integers(0, total - length + 1))
        if free or all(start + length + gap <= first or start >= last + gap for first, last in taken):
            return start
    return None


def _fades(length: int, sample_rate: int) -> FloatArray:
    edge = min(round(_EDGE * sample_rate), length // 2)
    ramp = np.ones(length, np.float32)
    if edge:
        up = np.sin(np.linspace(0, np.pi / 2, edge, dtype=np.float32)) ** 2
        ramp[:edge], ramp[-edge:] = up, up[::-1]
    return ramp


def _background(total: int, colour: float, rng: np.random.Generator) -> FloatArray:
    """Return noise at -40 dB of full scale."""
    spectrum = np.fft.rfft(rng.standard_normal(total))
    bins = np.arange(len(spectrum), dtype=np.float64)
    bins[0] = 1.0
    noise = np.fft.irfft(spectrum / bins ** (colour / 2), total)
    quiet: FloatArray = (0.01 * noise / max(_rms(noise), 1e-12)).astype(np.float32)
    return quiet


def _rms(samples: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
