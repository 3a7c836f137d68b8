"""`Tracker`: what of a run is tracked, and under which names."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from earmark.dataset import Dataset
from earmark.listener import Listener
from earmark.outcome import EvaluateResult, TrainResult
from earmark.recipe import Recipe
from earmark.remote import is_uri, shown
from earmark.runs import Run
from earmark.split import Split
from earmark.tracking.link import Link, Reading

# What is kept with a tracked run, of what is in its folder.
_FILES = (
    "recipe.toml", "metrics.jsonl", "report.json", "environment.json", "problems.csv", "model.earmark",
)  # fmt: skip
_LONGEST = 500  # characters of a parameter's value
_INTERRUPTED_SECONDS = 5.0  # someone waits for the prompt


class Tracker:
    """A listener that passes on what it hears, and tracks what is worth it.

    Parameters
    ----------
    listener
        To whom it is passed on.
    recipe
        What is trained.
    uri
        Of the tracking server.
    patience
        Seconds that are waited for it at the end, as long as nothing moves.
    """

    def __init__(self, listener: Listener, recipe: Recipe, uri: str, patience: float) -> None:
        self._inner, self._recipe, self._uri, self._patience = listener, recipe, uri, patience
        self._link: Link | None = None
        self._splits = 1
        self._files = tempfile.TemporaryDirectory(prefix="earmark-tracking-")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def divided(self, splits: Sequence[Split], dataset: Dataset, random: bool = True) -> None:
        """The clips have roles: one split for training, several for evaluation."""
        self._splits = len(splits)
        self._inner.divided(splits, dataset, random)

    def run(self, run: Run) -> None:
        """The run has a folder, and so it is one that can be tracked."""
        self._inner.run(run)
        self._link = Link(self._uri, run.folder, {"earmark": version("earmark")})
        self._link.parameters(parameters(self._recipe))

    def epoch(self, task: int, tasks: int, rows: int, epochs: int, entry: dict[str, float]) -> None:
        """Track an epoch of the network that becomes the model; those that only judge it are in the run's folder."""
        self._inner.epoch(task, tasks, rows, epochs, entry)
        name = self._network(task, tasks)
        if self._link is not None and name is not None:
            step, now = int(entry["epoch"]), int(1000 * time.time())
            self._link.readings(
                Reading(name + key, value, step, now) for key, value in entry.items() if key != "epoch"
            )

    def _network(self, task: int, tasks: int) -> str | None:
        """Return what stands before the names of a network's figures; ``None`` where it is not the model's.

        The tasks of a rung come one after the other, and the model's own is the first of them. An evaluation has as
        many models as folds, and a tracked run has room for some 50 names.
        """
        if self._splits > 1:
            return None
        rungs = getattr(self._recipe.model, "rungs", ("",))
        rung, of_rung = divmod(task, max(tasks // len(rungs), 1))
        if of_rung:
            return None
        return f"{rungs[rung].replace(':', '_')}_" if len(rungs) > 1 else ""

    def finished(self, run: Run, result: TrainResult | EvaluateResult) -> None:
        """Track what came of the run, with the files that tell of it."""
        self._inner.finished(run, result)
        if self._link is None:
            return
        now = int(1000 * time.time())
        self._link.readings(Reading(name, value, step, now) for name, value, step in figures(result))
        self._link.tags(tags(result))
        for name in _FILES:
            if (run.folder / name).is_file():
                self._link.file(run.folder / name)
        for make in (self._report, self._onnx):
            try:
                made = make(run.folder)
            except Exception as error:  # whatever it is: the training is done, and its result stays
                self._inner.noted(f"Not tracked: {error}")
            else:
                if made is not None:
                    self._link.file(made)

    def end(self, status: str) -> None:
        """Wait for what is under way, though not for ever, and say what became of it."""
        try:
            if self._link is not None:
                seconds = self._patience if status != "KILLED" else min(self._patience, _INTERRUPTED_SECONDS)
                where, lost = self._link.end(status, seconds)
                if lost:
                    what = "Not everything was" if where else "Nothing was"
                    self._inner.noted(
                        f"{what} tracked at {shown(self._uri)}: {lost}. Nothing is lost: it is in the run's folder."
                    )
                else:
                    self._inner.tracked(where)
        finally:
            self._files.cleanup()

    def _report(self, folder: Path) -> Path | None:
        from importlib.util import find_spec

        if find_spec("jinja2") is None:  # the extra [report]
            return None
        from earmark.report import write_report

        told: Callable[[int, int, float], None] | None = getattr(self._inner, "checking", None)
        return write_report(folder, Path(self._files.name) / "report.html", on_progress=told).report

    def _onnx(self, folder: Path) -> Path | None:
        from earmark.export import EXPORTERS, Source

        model = folder / "model.earmark"
        if not model.is_file():  # an evaluation leaves none
            return None
        return EXPORTERS["onnx"].write(Source.read(model), Path(self._files.name) / "model.onnx").path


def parameters(recipe: Recipe) -> dict[str, str]:
    """Return the settings of a recipe, each under ``table.setting``; keys that a URI may hold are left out.

    >>> parameters(Recipe())["model.name"]
    'mlp'
    """
    found = {}
    for table, settings in recipe.to_dict().items():
        for name, value in settings.items():
            text = value if isinstance(value, str) else json.dumps(value)
            text = shown(text) if is_uri(text) else text
            found[f"{table}.{name}"] = text[:_LONGEST]
    return found


def figures(result: TrainResult | EvaluateResult) -> Iterator[tuple[str, float, int]]:
    """Yield name, value and step of what is measured on test clips, with the interval, and of what it took."""
    report = result.report if isinstance(result, TrainResult) else result.judged.report
    for name, value in report.headline.items():
        if name == "interval":
            yield "test_interval_low", value[0], 0
            yield "test_interval_high", value[1], 0
        else:
            yield f"test_{name}", value, 0
    yield "test_clips", report.clips, 0
    yield "test_groups", report.groups, 0
    for name, seconds in result.seconds.items():
        yield f"seconds_{name}", seconds, 0
    if isinstance(result, TrainResult):
        yield "best_epoch", result.fitted.best_epoch, 0
        return
    for fold in result.judged.folds:
        yield f"fold_{report.main}", fold[report.main], int(fold["fold"])
    if result.random is not None:
        yield f"random_split_{report.main}", result.random.report.score, 0


def tags(result: TrainResult | EvaluateResult) -> dict[str, str]:
    """Return what a run is found by: its data, its model, how it was tested."""
    told = result.to_dict()
    about = told["data"]
    if isinstance(result, TrainResult):
        how, rule = "train", told["split"]["rule"]
    else:
        how, rule = "evaluate", told["protocol"]
    return {
        "earmark.command": how,
        "earmark.model": str(told["model"]),
        "earmark.split": str(rule),
        "earmark.data": str(about["name"]),
        "earmark.data.fingerprint": str(about["fingerprint"]),
        "earmark.skipped": str(len(told["skipped"])),
    }
