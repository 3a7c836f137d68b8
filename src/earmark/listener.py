"""Who is told how a run goes: a terminal, a page, or nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from earmark.dataset import Dataset
from earmark.runs import Run
from earmark.split import Split

if TYPE_CHECKING:
    from earmark.extract import Progress
    from earmark.fetch import Plan
    from earmark.outcome import EvaluateResult, TrainResult


class Listener(Protocol):
    """What `pipeline` and `fetch` tell while they work."""

    def found(self, dataset: Dataset) -> None:
        """A data set was read."""

    def extracting(self, progress: Progress) -> None:
        """More clips have features."""

    def measuring(self, done: int, total: int) -> None:
        """The lengths of so many files are known, of those that are cut into windows."""

    def offered(self, plan: Plan) -> None:
        """A public data set will be fetched: what, how large, under which licence."""

    def fetching(self, stage: str, done: int, total: int | None) -> None:
        """So many bytes of a stage of a fetch are done, of those that are known of."""

    def noted(self, text: str) -> None:
        """Something is odd, and was dealt with."""

    def divided(self, splits: Sequence[Split], dataset: Dataset, random: bool = True) -> None:
        """The clips have roles: one split for training, several for evaluation, beside them maybe a random one."""

    def run(self, run: Run) -> None:
        """The run has a folder."""

    def epoch(self, task: int, tasks: int, rows: int, epochs: int, entry: dict[str, float]) -> None:
        """A network finished an epoch of ``rows`` rows."""

    def finished(self, run: Run, result: TrainResult | EvaluateResult) -> None:
        """The run is done, and its folder holds all of it."""

    def tracked(self, where: str) -> None:
        """The run is told to a tracking server as well."""


class Silent:
    """Listens to nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: None
