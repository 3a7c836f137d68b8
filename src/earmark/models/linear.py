"""Multinomial logistic regression: one layer, whose loss has a single minimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from earmark.errors import SettingError
from earmark.models.dense import Shape
from earmark.models.trained import Takes


@dataclass(frozen=True, slots=True)
class Linear:
    """Logistic regression over all classes at once, with squared weights held small.

    Nothing is kept aside to stop by, so that it learns from the validation rows as well.

    Parameters
    ----------
    penalty
        How strongly: the loss is the mean cross-entropy and half of ``penalty`` times the sum of squared weights.
    standardize
        Bring each input to mean 0 and standard deviation 1 of the training rows. The statistics are
        part of the network.

    Examples
    --------
    >>> Linear().shape(inputs=40, classes=10).size
    410
    """

    name: ClassVar[str] = "linear"
    takes: ClassVar[Takes] = "vector"
    default_feature: ClassVar[dict[str, Any]] = {"name": "stats"}
    train_defaults: ClassVar[dict[str, Any]] = {}
    train_reads: ClassVar[tuple[str, ...]] = ("class_weights",)
    inner_folds: ClassVar[int] = 10  # for calibration: it is quickly fitted
    search: ClassVar[dict[str, tuple[Any, ...]]] = {
        "model.penalty": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    }

    penalty: float = 0.03
    standardize: bool = True

    def __post_init__(self) -> None:
        if not 1e-9 <= self.penalty <= 1e6:
            raise SettingError(f"[model] penalty is {self.penalty:g}, but must be from 1e-09 to 1e+06.")

    def shape(self, inputs: int, classes: int) -> Shape:
        """Return the widths of the network for so many inputs and classes."""
        return Shape((inputs, classes))
