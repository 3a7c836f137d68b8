"""`SplitSettings`: how clips are divided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from earmark.errors import SettingError

Rule = Literal["auto", "official", "grouped", "random"]


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """How clips are divided.

    Parameters
    ----------
    rule
        ``"auto"`` takes the official folds where the layout has them and ``"grouped"`` elsewhere.
    test_fold
        The official fold to test on; ``None`` is the last that is present.
    test_share
        Share of the clips to test on, for ``grouped`` and ``random``.
    validation_share
        Share of the training clips, whole groups, kept aside for early stopping; 0 for none.
    folds
        Parts of a cross-validation where there are no official ones; ``None`` is 5.
    seed
        Of the division.
    copies
        Whether to look for copies in disguise, re-encoded, trimmed, looped, under another recording, and to keep them
        on one side.
    """

    rule: Rule = "auto"
    test_fold: int | None = None
    test_share: float = 0.2
    validation_share: float = 0.15
    folds: int | None = None
    seed: int = 0
    copies: bool = True

    def __post_init__(self) -> None:
        for name in ("test_share", "validation_share"):
            value = getattr(self, name)
            if not (0.0 < value <= 0.5 or (name == "validation_share" and value == 0.0)):
                raise SettingError(f"[split] {name} is {value:g}, but must be above 0 and at most 0.5.")
        if self.folds is not None and not 2 <= self.folds <= 100:
            raise SettingError(f"[split] folds is {self.folds}, but must be from 2 to 100.")
        if not 0 <= self.seed < 2**32:
            raise SettingError(f"[split] seed is {self.seed}, but must be from 0 to 4294967295.")
