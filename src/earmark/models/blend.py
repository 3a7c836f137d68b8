"""Several rungs heard together: what each says of a clip, weighed by how right it was about clips it had not heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from earmark.errors import SettingError
from earmark.models.trained import Takes

MOST = 8


@dataclass(frozen=True, slots=True)
class Blend:
    """Late fusion by stacking: a weighted sum of the rungs' logits, which is a product of their probabilities.

    The weights are not negative, and are learnt from what inner networks of each rung say about recordings that they
    did not hear; the recipe's ``decide.folds`` says how many parts those are.

    Source: Wolpert, *Stacked generalization*, 1992; Breiman, *Stacked regressions*, 1996 (weights not negative).

    Parameters
    ----------
    rungs
        Names of rungs, two or more, as `earmark compare-models` takes them. The first one's feature is what clips are
        compared by: for familiarity, copies and labels that may be wrong.

    Examples
    --------
    >>> Blend(rungs=("linear", "cnn")).rungs
    ('linear', 'cnn')
    """

    name: ClassVar[str] = "blend"
    takes: ClassVar[Takes] = "vector"
    default_feature: ClassVar[dict[str, Any]] = {}
    train_defaults: ClassVar[dict[str, Any]] = {}
    train_reads: ClassVar[tuple[str, ...]] = ()  # those of its rungs
    inner_folds: ClassVar[int] = 3
    search: ClassVar[dict[str, tuple[Any, ...]]] = {}  # its rungs' are theirs

    rungs: tuple[str, ...] = ("linear", "dictionary", "cnn")

    def __post_init__(self) -> None:
        if not 2 <= len(self.rungs) <= MOST or len(set(self.rungs)) < len(self.rungs):
            raise SettingError(
                f"[model] rungs is {list(self.rungs)}, but a blend is of 2 to {MOST} different rungs."
            )
        if "blend" in self.rungs:
            raise SettingError("[model] rungs has 'blend', but a blend is of plain rungs.")
