"""The tutorial's network: dense layers with ReLU and dropout, softmax over the classes or a sigmoid for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from earmark.errors import SettingError
from earmark.models.dense import Shape
from earmark.models.trained import Takes


@dataclass(frozen=True, slots=True)
class Mlp:
    """A multi-layer perceptron on one feature vector a clip.

    Parameters
    ----------
    hidden
        Units of each hidden layer.
    dropout
        Share of hidden units dropped in each training step, 0 to below 1.
    standardize
        Bring each input to mean 0 and standard deviation 1 of the training rows. The statistics are
        part of the network.

    Examples
    --------
    >>> Mlp().shape(inputs=40, classes=10).size
    45410
    """

    name: ClassVar[str] = "mlp"
    takes: ClassVar[Takes] = "vector"
    default_feature: ClassVar[dict[str, Any]] = {"name": "mfcc"}
    train_defaults: ClassVar[dict[str, Any]] = {}
    train_reads: ClassVar[tuple[str, ...]] = (
        "epochs",
        "batch_size",
        "learning_rate",
        "class_weights",
        "patience",
    )
    inner_folds: ClassVar[int] = 5  # for calibration
    search: ClassVar[dict[str, tuple[Any, ...]]] = {
        "model.hidden": ((100, 200, 100), (128,), (512,), (256, 256)),
        "model.dropout": (0.2, 0.5, 0.7),
        "train.learning_rate": (3e-4, 1e-3, 3e-3),
    }

    hidden: tuple[int, ...] = (100, 200, 100)
    dropout: float = 0.5
    standardize: bool = True

    def __post_init__(self) -> None:
        if not all(1 <= units <= 100_000 for units in self.hidden):
            raise SettingError(
                f"[model] hidden is {list(self.hidden)}, but every layer must have 1 to 100000 units."
            )
        if not 0 <= self.dropout < 1:
            raise SettingError(f"[model] dropout is {self.dropout:g}, but must be from 0 to below 1.")

    def shape(self, inputs: int, classes: int) -> Shape:
        """Return the widths of the network for so many inputs and classes."""
        return Shape((inputs, *self.hidden, classes))
