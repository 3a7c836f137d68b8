"""`--progress json`: what happens as one JSON object a line on stderr, for programs that watch."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from earmark.cli.progress import Terminal
from earmark.dataset import Dataset
from earmark.errors import UnknownNameError
from earmark.listener import Silent
from earmark.runs import Run
from earmark.split import Split

if TYPE_CHECKING:
    from earmark.extract import Progress
    from earmark.fetch import Plan
    from earmark.ladder import LeftOut, Point, Step, Trial
    from earmark.outcome import EvaluateResult, TrainResult
    from earmark.recordings import Heard

_INTERVAL = 0.5  # seconds between two events of one kind


class Events:
    """Writes each event as a line. A `pipeline.Listener`."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._last: dict[str, dict[str, Any]] = {}
        self._first: dict[str, int] = {}

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *error: object) -> None:
        self._flush()

    def found(self, dataset: Dataset) -> None:
        """A data set was read."""
        self._tell(
            "data", clips=len(dataset.clips), classes=len(dataset.labels), layout=dataset.layout,
            problems=len(dataset.problems),
        )  # fmt: skip

    def making(self, done: int, total: int) -> None:
        """So many sounds of the demo are made."""
        self._now_and_then("sounds", done == total, done=done, total=total)

    def checking(self, done: int, total: int, seconds: float) -> None:
        """The doctor looked at so many clips."""
        self._now_and_then("check", done == total, done=done, total=total, sound_seconds=seconds)

    def extracting(self, progress: Progress) -> None:
        """More clips have features."""
        from earmark.outcome import features_to_dict

        done, now = progress.so_far, time.perf_counter()
        elapsed = max(now - self._began.setdefault("features", now), 1e-9)
        new = done.computed + done.reread
        rate = new / elapsed if elapsed > 1e-6 else 0.0
        self._now_and_then(
            "features",
            progress.done == progress.total,
            done=progress.done,
            total=progress.total,
            **features_to_dict(done),
            skipped=done.skipped,
            sound_seconds=done.seconds,
            clips_per_second=rate,
            real_time=done.seconds / elapsed if rate else 0.0,
            seconds_left=(progress.total - progress.done) / rate if rate else None,
        )

    def measuring(self, done: int, total: int) -> None:
        """The lengths of so many files are known."""
        self._now_and_then("lengths", done == total, done=done, total=total)

    def offered(self, plan: Plan) -> None:
        """A public data set will be fetched."""
        source = plan.source
        self._tell(
            "fetch", name=source.name, url=plan.address, to=str(plan.dest), licence=source.licence,
            commercial=source.commercial, bytes=plan.download, bytes_unpacked=source.unpacked, bytes_free=plan.free,
        )  # fmt: skip

    def fetching(self, stage: str, done: int, total: int | None) -> None:
        """More bytes of a stage are done."""
        event, now = stage.lower(), time.perf_counter()
        if event not in self._first or done < self._first[event]:
            self._first[event], self._began[event] = done, now
        elapsed, new = now - self._began[event], done - self._first[event]
        rate = new / elapsed if elapsed > 1e-6 else 0.0
        self._now_and_then(
            event, done == total, done=done, total=total, bytes_per_second=rate,
            seconds_left=(total - done) / rate if rate and total is not None else None,
        )  # fmt: skip

    def noted(self, text: str) -> None:
        """Something is odd, and was dealt with."""
        self._tell("note", text=text)

    def divided(self, splits: Sequence[Split], dataset: Dataset, random: bool = True) -> None:
        """The clips have roles."""
        self._tell("split", rule=splits[0].rule, folds=len(splits), counts=dict(splits[0].counts))

    def hearing(self, name: str, heard: Heard) -> None:
        """A long recording was heard so far."""
        now = time.perf_counter()
        elapsed = now - self._began.setdefault("listening", now)
        new = heard.done - heard.known
        self._now_and_then(
            "listening", heard.done == heard.total, path=name, done=heard.done, total=heard.total,
            known=heard.known, real_time=new / elapsed if elapsed > 1e-6 else 0.0,
        )  # fmt: skip

    def aside(self) -> None:
        """A result is written: nothing that could be in its way is on the screen."""

    def heard(self) -> None:
        """That recording is over."""
        self._flush()
        self._began.pop("listening", None)

    def step(self, tried: Step | LeftOut | Point | Trial) -> None:
        """A rung of a comparison was tried, or left out; or a point of its learning curve, or some settings, were."""
        from earmark.ladder import Point, Trial

        if isinstance(tried, Point | Trial):
            self._tell("trial" if isinstance(tried, Trial) else "curve", **asdict(tried))
        else:
            self._tell("rung", **tried.to_dict())

    def run(self, run: Run) -> None:
        """The run has a folder."""
        self._tell("run", folder=str(run.folder), resumed=run.resumed)

    def epoch(self, task: int, tasks: int, rows: int, epochs: int, entry: dict[str, float]) -> None:
        """A network finished an epoch."""
        self._now_and_then("epoch", False, network=task, networks=tasks, epochs=epochs, **entry)

    def finished(self, run: Run, result: TrainResult | EvaluateResult) -> None:
        """The run is done; the result is printed by who asked for it."""

    def tracked(self, where: str) -> None:
        """The run is told to a tracking server as well."""
        self._tell("tracked", where=where)

    def _now_and_then(self, event: str, last: bool, **values: Any) -> None:
        now = time.perf_counter()
        self._began.setdefault(event, now)
        self._last[event] = {**values, "elapsed": now - self._began[event]}
        if last or now - self._told.get(event, -_INTERVAL) >= _INTERVAL:
            self._told[event] = now
            self._write(event, self._last.pop(event))

    def _tell(self, event: str, **values: Any) -> None:
        self._flush()
        self._write(event, values)

    def _flush(self) -> None:
        for event, values in self._last.items():
            self._write(event, values)
        self._last.clear()

    def _write(self, event: str, values: dict[str, Any]) -> None:
        sys.stderr.write(json.dumps({"event": event, **values}) + "\n")
        sys.stderr.flush()


class _Nobody(Silent):
    """Listens to nothing, also in a ``with`` block."""

    def __enter__(self) -> _Nobody:
        return self

    def __exit__(self, *error: object) -> None:
        pass


STYLES: dict[str, Callable[[], Terminal | Events | _Nobody]] = {
    "auto": Terminal,
    "bar": lambda: Terminal(bar=True),
    "plain": lambda: Terminal(bar=False),
    "json": Events,
    "none": _Nobody,
}


def watcher(style: str) -> Terminal | Events | _Nobody:
    """Return who is told how it goes.

    Raises
    ------
    UnknownNameError
        For a style that there is not.
    """
    if style not in STYLES:
        raise UnknownNameError("progress style", style, STYLES)
    return STYLES[style]()
