"""A network that hears a clip window by window: what it says of each is averaged, as probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.inputs import Inputs
from earmark.models.network import TINY, Network
from earmark.types import FloatArray

_AT_ONCE = 4096  # windows


@dataclass(frozen=True, slots=True, eq=False)
class Windowed:
    """A dense network over windows. Its logits are the logarithms of mean probabilities, or their log odds.

    Parameters
    ----------
    network
        Sees a window.
    exclusive
        Whether a clip has exactly one label.
    """

    network: Network
    exclusive: bool

    def logits(self, inputs: Inputs) -> FloatArray:
        """Return float32[n, classes] for a float32[windows, dims] a clip."""
        found = [self._of_one(np.asarray(course)) for course in inputs]
        return np.stack(found) if found else np.zeros((0, self.network.shape.widths[-1]), np.float32)

    def _of_one(self, course: FloatArray) -> FloatArray:
        total = np.zeros(self.network.shape.widths[-1])
        for begin in range(0, len(course), _AT_ONCE):
            scores = self.network.logits(course[begin : begin + _AT_ONCE]).astype(np.float64)
            if self.exclusive:
                likely = np.exp(scores - scores.max(axis=1, keepdims=True))
                total += (likely / likely.sum(axis=1, keepdims=True)).sum(axis=0)
            else:
                total += np.exp(-np.logaddexp(0, -scores)).sum(axis=0)
        mean = np.clip(total / len(course), TINY, 1 - 2**-24)  # the largest float32 below 1
        logs: FloatArray = np.log(mean).astype(np.float32)
        return logs if self.exclusive else (np.log(mean) - np.log1p(-mean)).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what was learnt."""
        return self.network.arrays()

    def to_onnx(self) -> bytes:
        """Return ONNX: ``features`` float32[n, windows, dims] to ``logits`` float32[n, classes]."""
        return self.network.graph("windows of one" if self.exclusive else "windows of several")
