"""Random convolutions over a log-mel spectrogram, and logistic regression on how often each responds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from earmark.errors import SettingError
from earmark.inputs import Inputs
from earmark.models.graph import Graph
from earmark.models.network import Network
from earmark.models.trained import Takes
from earmark.types import FloatArray

_PIECE = 1024  # frames at a time, so that an hour needs no more memory than seconds
LENGTH = 9  # of a kernel, in frames


@dataclass(frozen=True, slots=True)
class Rocket:
    """Kernels drawn by chance, of which only the thresholds and a linear layer are learnt.

    A kernel follows the mean level of some bands through nine frames and answers to change, or it holds some bands
    against others; a louder or quieter copy of a sound is the same sound to it. What it says of a clip is the share
    of frames in which its answer is above a threshold, so that a clip's length does not count. Nothing is kept aside
    to stop by, so that it learns from the validation rows as well.

    Source: Dempster, Schmidt and Webb, *MiniRocket: a very fast (almost) deterministic transform for time series
    classification*, 2021. Kernels that hold bands against others are not in it, and a step from 0 to 1 is here a short
    ramp, which no rounding can tip over.

    Parameters
    ----------
    kernels
        How many, over all dilations.
    thresholds
        How many of each kernel.
    penalty
        As `Linear` has it.

    Examples
    --------
    >>> Rocket(kernels=200).kernels
    200
    """

    name: ClassVar[str] = "rocket"
    takes: ClassVar[Takes] = "course"
    default_feature: ClassVar[dict[str, Any]] = {"name": "log_mel", "n_mels": 64, "n_fft": 1024}
    train_defaults: ClassVar[dict[str, Any]] = {}
    train_reads: ClassVar[tuple[str, ...]] = ("class_weights",)
    inner_folds: ClassVar[int] = 5  # for calibration
    search: ClassVar[dict[str, tuple[Any, ...]]] = {
        "model.kernels": (192, 384, 768),
        "model.thresholds": (2, 4, 8),
        "model.penalty": (0.03, 0.1, 0.3),
    }

    kernels: int = 384
    thresholds: int = 4
    penalty: float = 0.1

    def __post_init__(self) -> None:
        rules = (
            (4 <= self.kernels <= 16_384, "kernels", "from 4 to 16384"),
            (1 <= self.thresholds <= 64, "thresholds", "from 1 to 64"),
            (1e-9 <= self.penalty <= 1e6, "penalty", "from 1e-09 to 1e+06"),
        )
        for good, name, allowed in rules:
            if not good:
                raise SettingError(f"[model] {name} is {getattr(self, name)!r}, but must be {allowed}.")


@dataclass(frozen=True, slots=True, eq=False)
class Kernels:
    """The convolutions, and how a clip is told in them.

    Parameters
    ----------
    weights
        float32[dilations, LENGTH * n_mels, kernels], divided by the width of a kernel's ramp.
    starts
        float32[dilations, thresholds, kernels]: where each ramp from 0 to 1 begins.
    dilations
        int64[dilations]: frames from one weight to the next.
    """

    weights: FloatArray
    starts: FloatArray
    dilations: NDArray[np.int64]

    def pooled(self, courses: Inputs) -> FloatArray:
        """Return float32[n, dilations * thresholds * kernels]: the share of frames in which each responds."""
        pooled = [self._of_one(courses[i]) for i in range(len(courses))]
        return np.stack(pooled) if pooled else np.empty((0, self.starts.size), np.float32)

    def _of_one(self, course: FloatArray) -> FloatArray:
        total = np.zeros(self.starts.shape)
        for i, dilation in enumerate(self.dilations):
            for windows in windows_of(course, int(dilation)):
                answers = windows @ self.weights[i]
                ramp = np.empty_like(answers)
                for j, start in enumerate(self.starts[i]):
                    np.subtract(answers, start, out=ramp)
                    np.clip(ramp, 0, 1, out=ramp)
                    total[i, j] += ramp.sum(axis=0)
        return (total / len(course)).ravel().astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class TrainedRocket:
    """Kernels, and the linear layer on what they tell."""

    kernels: Kernels
    head: Network

    def logits(self, inputs: Inputs) -> FloatArray:
        """Return float32[n, classes] for n courses, float32[frames, n_mels] each."""
        return self.head.logits(self.kernels.pooled(inputs))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what `from_arrays` makes the network of again."""
        kernels = self.kernels
        own: dict[str, NDArray[Any]] = {
            "weights": kernels.weights,
            "starts": kernels.starts,
            "dilations": kernels.dilations,
        }
        return own | {f"head.{name}": array for name, array in self.head.arrays().items()}

    @classmethod
    def from_arrays(cls, settings: Rocket, arrays: Mapping[str, NDArray[Any]]) -> TrainedRocket:
        """Invert `arrays`."""
        kernels = Kernels(arrays["weights"], arrays["starts"], arrays["dilations"])
        own = {name[5:]: array for name, array in arrays.items() if name.startswith("head.")}
        return cls(kernels, Network.from_arrays(None, own))

    def to_onnx(self) -> bytes:
        """Return the network as ONNX: ``features`` float32[n, frames, n_mels] to ``logits`` float32[n, classes].

        Raises
        ------
        MissingExtraError
            When onnx is not installed.
        """
        graph = Graph(self.kernels.weights.shape[1] // LENGTH)
        pooled = []
        for i, dilation in enumerate(self.kernels.dilations.tolist()):
            answers = graph.node("MatMul", graph.windows(LENGTH, dilation), self.kernels.weights[i])
            for start in self.kernels.starts[i]:
                ramp = graph.node("Clip", graph.node("Sub", answers, start), np.array(0.0), np.array(1.0))
                pooled.append(graph.node("ReduceMean", ramp, axes=[1], keepdims=0))
        graph.head(graph.node("Concat", *pooled, axis=1), self.head)
        return graph.to_bytes(self.head.shape.widths[-1])


def windows_of(course: FloatArray, dilation: int) -> Iterator[FloatArray]:
    """Yield what a kernel sees around each frame, float32[frames, LENGTH * n_mels], some frames at a time.

    Before the first frame and after the last these are repeated.

    >>> [w.tolist() for w in windows_of(np.array([[1.0], [2.0]], np.float32), 2)][0][0]
    [1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]
    """
    offsets = (np.arange(LENGTH) - LENGTH // 2) * dilation
    for start in range(0, len(course), _PIECE):
        at = np.arange(start, min(start + _PIECE, len(course)))
        seen = course[np.clip(at[:, None] + offsets, 0, len(course) - 1)]
        yield seen.reshape(len(at), -1)
