"""How a network is trained: the settings, checked where they are made."""

from __future__ import annotations

from dataclasses import dataclass

from earmark.errors import SettingError


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """How a network is trained.

    Parameters
    ----------
    epochs
        At most so many passes over the training rows.
    batch_size, learning_rate
        Of Adam.
    class_weights
        ``"balanced"`` weighs each class by the inverse of its frequency, ``"none"`` all rows alike, and
        ``"auto"`` is balanced where the largest class has at least 1.5 times the rows of the smallest. Where clips
        have several labels, each label's having and lacking clips are balanced, and ``"auto"`` is none.
    patience
        Stop after so many epochs without a better accuracy (of several labels a clip: mean average precision) on the
        validation rows, and keep the best epoch;
        0 trains to the end and keeps the last.
    seed
        Of initial weights, order of rows and dropout.
    """

    epochs: int = 200
    batch_size: int = 32
    learning_rate: float = 1e-3
    class_weights: str = "auto"
    patience: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        rules = (
            (1 <= self.epochs <= 100_000, "epochs", "from 1 to 100000"),
            (1 <= self.batch_size <= 65_536, "batch_size", "from 1 to 65536"),
            (0 < self.learning_rate <= 10, "learning_rate", "above 0, at most 10"),
            (
                self.class_weights in ("auto", "balanced", "none"),
                "class_weights",
                "'auto', 'balanced' or 'none'",
            ),
            (self.patience >= 0, "patience", "0 or more"),
            (0 <= self.seed < 2**32, "seed", "from 0 to 4294967295"),
        )
        for good, name, allowed in rules:
            if not good:
                raise SettingError(f"[train] {name} is {getattr(self, name)!r}, but must be {allowed}.")
