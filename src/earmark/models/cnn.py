"""A small convolutional network on a log-mel course: its settings, and the layers that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from earmark.errors import SettingError
from earmark.inputs import Inputs
from earmark.models.cnn_graph import to_onnx
from earmark.models.trained import Takes
from earmark.types import FloatArray

_FRAMES_AT_ONCE = 8192
_VIEWS = 2  # of a clip: as it is, and against its own mean over time
_LONG = 64  # frames of a window from which every other one is enough


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution of 3 by 3, and whether its outputs are halved in time and frequency."""

    inputs: int
    outputs: int
    stride: tuple[int, int]
    pooled: bool


@dataclass(frozen=True, slots=True)
class Cnn:
    """Convolutions of 3 by 3 over time and frequency, pooled to one vector a clip, and a linear layer.

    Each clip is brought to one loudness first, so that how loud it was recorded does not matter, and is seen twice: as
    it is, and as what differs from its own mean over time, where the colour of the place and of the microphone is gone.
    A clip shorter than the window is repeated until it is as long; a longer one is heard whole.

    Parameters
    ----------
    channels
        Of each convolution. All but the last are followed by a pooling that halves time and frequency.
    window
        Frames that one training step sees of a clip, from a random place; fewer where nearly all clips are shorter.
        Where it is under 64, the first convolution keeps every frame; else it takes every other one.
    depth
        dB below a clip's loudest value: what is quieter is raised to there.
    weight_decay
        Of AdamW: of each weight, this times the learning rate goes in every step.
    label_smoothing
        Share of each label that is spread over all classes, where each clip has one label.
    mixup
        Share of clips that are blended with another one, labels too.
    background
        Share of clips that get another one 5 to 20 dB below them, without its labels.
    equalizer
        Standard deviation in dB of a random smooth curve over frequency that is added to each clip.
    band_limit
        Share of clips that lose what is below one random frequency and above another, as on a telephone.
    mask
        Share of the window, and of the bands, that is at most hidden in each clip.
    average
        The weights that are kept are a running mean: how much of it stays in each step.
    device
        Where it is trained: ``"cuda"``, ``"mps"``, ``"cpu"``, or ``"auto"`` for the first of these that is there.
    deterministic
        On a GPU too, take only operations that give the same bytes each time; they are slower.

    Examples
    --------
    >>> Cnn().layers(window=128)[0], Cnn().size(classes=10)
    (Layer(inputs=2, outputs=16, stride=(2, 1), pooled=True), 247818)
    """

    name: ClassVar[str] = "cnn"
    takes: ClassVar[Takes] = "course"
    inner_folds: ClassVar[int] = 2  # for calibration
    default_feature: ClassVar[dict[str, Any]] = {"name": "log_mel", "n_mels": 64, "n_fft": 1024}
    train_defaults: ClassVar[dict[str, Any]] = {"epochs": 40, "learning_rate": 3e-3, "patience": 0}
    train_reads: ClassVar[tuple[str, ...]] = ("epochs", "batch_size", "learning_rate", "class_weights")
    search: ClassVar[dict[str, tuple[Any, ...]]] = {
        "train.learning_rate": (1e-3, 3e-3, 1e-2),
        "model.weight_decay": (0.1, 2.0, 6.0),
        "model.mixup": (0.0, 0.3),
    }

    channels: tuple[int, ...] = (16, 32, 64, 128, 128)
    window: int = 128
    depth: float = 50.0
    weight_decay: float = 2.0
    label_smoothing: float = 0.1
    mixup: float = 0.3
    background: float = 0.1
    equalizer: float = 3.0
    band_limit: float = 0.15
    mask: float = 0.15
    average: float = 0.99
    device: str = "auto"
    deterministic: bool = False

    def __post_init__(self) -> None:
        shares = (self.mixup, self.background, self.band_limit)
        rules = (
            (
                1 <= len(self.channels) <= 12 and all(1 <= width <= 4096 for width in self.channels),
                "channels",
                "1 to 12 numbers from 1 to 4096",
            ),
            (1 <= self.window <= 100_000, "window", "from 1 to 100000"),
            (1 <= self.depth <= 200, "depth", "from 1 to 200"),
            (0 <= self.weight_decay <= 10, "weight_decay", "from 0 to 10"),
            (0 <= self.label_smoothing < 1, "label_smoothing", "from 0 to below 1"),
            *(
                (0 <= share <= 1, name, "from 0 to 1")
                for name, share in zip(("mixup", "background", "band_limit"), shares, strict=True)
            ),
            (0 <= self.equalizer <= 40, "equalizer", "from 0 to 40"),
            (0 <= self.mask <= 0.5, "mask", "from 0 to 0.5"),
            (0 <= self.average < 1, "average", "from 0 to below 1"),
            (self.device in ("auto", "cuda", "mps", "cpu"), "device", "'auto', 'cuda', 'mps' or 'cpu'"),
        )
        for good, name, allowed in rules:
            if not good:
                value = getattr(self, name)
                said = list(value) if isinstance(value, tuple) else value
                raise SettingError(f"[model] {name} is {said!r}, but must be {allowed}.")

    def layers(self, window: int) -> tuple[Layer, ...]:
        """Return the convolutions in their order, of a network whose training saw windows of so many frames."""
        inputs = (_VIEWS, *self.channels[:-1])
        last = len(self.channels) - 1
        first = (2, 1) if window >= _LONG else (1, 1)  # a spoken digit has 20 frames, and needs them all
        return tuple(
            Layer(i, o, first if n == 0 else (1, 1), n < last)
            for n, (i, o) in enumerate(zip(inputs, self.channels, strict=True))
        )

    def shapes(self, classes: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array of parameters, in the order in which they are kept."""
        shapes: dict[str, tuple[int, ...]] = {}
        for n, layer in enumerate(self.layers(self.window)):
            shapes[f"kernel_{n}"] = (layer.outputs, layer.inputs, 3, 3)
            shapes[f"gain_{n}"] = shapes[f"shift_{n}"] = (layer.outputs,)
        shapes["weight"] = (2 * self.channels[-1], classes)
        shapes["bias"] = (classes,)
        return shapes

    def size(self, classes: int) -> int:
        """Return the number of parameters."""
        return sum(prod(shape) for shape in self.shapes(classes).values())


@dataclass(frozen=True, eq=False)
class CnnNetwork:
    """A trained network: what normalised its activations in training is part of its convolutions.

    Parameters
    ----------
    settings
        Its layers.
    weights
        ``mean`` and ``scale`` float32[bands]: what the bands are brought to mean 0 and deviation 1 by, once the clip
        is at its loudness; ``window`` float32[1], frames; ``kernel_0`` float32[outputs, inputs, 3, 3] and ``bias_0``
        float32[outputs] of each convolution; ``weight`` float32[2 * outputs of the last, classes] and ``bias``
        float32[classes].
    """

    settings: Cnn
    weights: Mapping[str, FloatArray]

    def logits(self, inputs: Inputs) -> FloatArray:
        """Return float32[n, classes] for n courses, float32[frames, bands] each.

        Raises
        ------
        MissingExtraError
            When onnx is not installed.
        """
        out = np.empty((len(inputs), len(self.weights["bias"])), np.float32)
        by_length: dict[int, list[int]] = {}
        for i, course in enumerate(inputs):
            by_length.setdefault(len(course), []).append(i)
        for frames, rows in by_length.items():
            size = max(1, _FRAMES_AT_ONCE // frames)
            for begin in range(0, len(rows), size):
                some = rows[begin : begin + size]
                batch = np.stack([inputs[i] for i in some]).astype(np.float32, copy=False)
                out[some] = self._session.run(["logits"], {"features": batch})[0]
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a checkpoint holds."""
        return dict(self.weights)

    @classmethod
    def from_arrays(cls, settings: Cnn, arrays: Mapping[str, NDArray[Any]]) -> CnnNetwork:
        """Invert `arrays`."""
        return cls(settings, {name: np.asarray(array, np.float32) for name, array in arrays.items()})

    def to_onnx(self) -> bytes:
        """Return the network as ONNX: ``features`` float32[n, frames, bands] to ``logits`` float32[n, classes].

        Raises
        ------
        MissingExtraError
            When onnx is not installed.
        """
        return to_onnx(self.settings, self.weights)

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(self.to_onnx(), options, providers=["CPUExecutionProvider"])

    def __getstate__(self) -> dict[str, Any]:
        return {"settings": self.settings, "weights": self.weights}
