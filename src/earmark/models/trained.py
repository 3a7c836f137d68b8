"""`Trained`: what every model becomes."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from earmark.inputs import Inputs
from earmark.types import FloatArray

Takes = Literal["vector", "course"]  # one vector a clip, or what keeps time


class Trained(Protocol):
    """Learnt parameters: from features to logits, in this process or as ONNX."""

    def logits(self, inputs: Inputs) -> FloatArray:
        """Return float32[n, classes]."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt, by name: what a checkpoint holds."""

    def to_onnx(self) -> bytes:
        """Return the same as ONNX, ``features`` to ``logits`` float32[n, classes].

        ``features`` are float32[n, dims], or float32[n, frames, dims] where the model sees a course over time; then n
        clips are of equal length.
        """
