"""Where windows of clips come from: one array that holds all of them, or clip by clip where they are too many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from earmark.models.cnn_graph import NEPERS
from earmark.types import FloatArray, IntArray

Tensor = Any

MOST_BYTES = 2 << 30  # of clips that are kept in memory, at two bytes a value
_MOST_CLIPS = 4000  # that the statistics of the bands are taken from


class Clips(Protocol):
    """Courses that windows are cut from. Clips are joined to rings: a window goes on at the start after the end."""

    frames: IntArray

    def windows(self, clips: IntArray, starts: IntArray, length: int) -> Tensor:
        """Return float32[n, length, bands] on the device: of each clip, from its start on."""
        ...


def open_clips(values: Sequence[FloatArray], rows: IntArray, depth: float, device: Any) -> Clips:
    """Return the clips of ``rows``, in memory (on a GPU in its own) where they fit, at half precision.

    Nothing in them is more than ``depth`` dB below their loudest value.
    """
    frames = np.array([len(values[int(row)]) for row in rows], np.int64)
    bands = values[int(rows[0])].shape[1]
    most = MOST_BYTES
    if device.type == "cuda":
        most = min(most, torch.cuda.mem_get_info(device)[0] // 4)
    if int(frames.sum()) * bands * 2 > most:
        return Gathered(values, rows, frames, depth, device)
    return Bank(values, rows, frames, depth, device)


class Bank:
    """All clips one after the other, float16[frames of all, bands], on the device."""

    def __init__(
        self, values: Sequence[FloatArray], rows: IntArray, frames: IntArray, depth: float, device: Any
    ) -> None:
        self.frames = frames
        self._first = np.concatenate([[0], np.cumsum(frames)[:-1]]).astype(np.int64)
        bank = np.empty((int(frames.sum()), values[int(rows[0])].shape[1]), np.float16)
        for row, first, length in zip(rows.tolist(), self._first.tolist(), frames.tolist(), strict=True):
            bank[first : first + length] = raised(values[row], depth)
        self._bank = torch.from_numpy(bank).to(device)
        self._device = device

    def windows(self, clips: IntArray, starts: IntArray, length: int) -> Tensor:
        """Return float32[n, length, bands]; see `Clips`."""
        frames, first = self.frames[clips, None], self._first[clips, None]
        at = first + (starts[:, None] + np.arange(length)) % frames
        return self._bank[to_device(at, self._device)].float()


class Gathered:
    """Clips that are read where they are, a batch at a time."""

    def __init__(
        self, values: Sequence[FloatArray], rows: IntArray, frames: IntArray, depth: float, device: Any
    ) -> None:
        self.frames = frames
        self._values, self._rows, self._depth, self._device = values, rows, depth, device

    def windows(self, clips: IntArray, starts: IntArray, length: int) -> Tensor:
        """Return float32[n, length, bands]; see `Clips`."""
        found = []
        for clip, start in zip(clips.tolist(), starts.tolist(), strict=True):
            course = raised(self._values[int(self._rows[clip])], self._depth)
            found.append(course[(start + np.arange(length)) % len(course)].astype(np.float16))
        return to_device(np.stack(found), self._device).float()


def to_device(array: Any, device: Any) -> Tensor:
    """Return a tensor on the device; a GPU is not waited for."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def raised(course: FloatArray, depth: float) -> FloatArray:
    """Raise what is more than ``depth`` dB below a clip's loudest value to there.

    >>> raised(np.array([[-30, -90], [-75, -85]], np.float32), 50).tolist()
    [[-30.0, -80.0], [-75.0, -80.0]]
    """
    found: FloatArray = np.maximum(course, course.max() - np.float32(depth))
    return found


def band_statistics(
    values: Sequence[FloatArray], rows: IntArray, depth: float
) -> tuple[FloatArray, FloatArray]:
    """Return mean and scale, float32[bands] each, of the clips of ``rows`` at one loudness and depth."""
    bands = values[int(rows[0])].shape[1]
    total, squares, count = np.zeros(bands), np.zeros(bands), 0
    for row in rows[:: -(-len(rows) // _MOST_CLIPS)].tolist():
        course = raised(values[row], depth).astype(np.float64)
        course -= np.log(np.exp((course - course.max()) * NEPERS).mean()) / NEPERS + course.max()
        total += course.sum(axis=0)
        squares += np.square(course).sum(axis=0)
        count += len(course)
    mean = total / count
    spread = np.sqrt(np.maximum(squares / count - mean**2, 0))
    # A band that never changes says nothing; dividing by its spread would make rounding errors loud.
    scale = np.where(spread > 1e-3, 1 / np.maximum(spread, 1e-3), 0)
    return mean.astype(np.float32), scale.astype(np.float32)
