"""`Link`: the way to a tracking server, on a thread of its own, so that nobody waits for it."""

from __future__ import annotations

import json
import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from earmark.files import write_json
from earmark.remote import shown

KEPT = "mlflow.json"  # in the run's folder: which tracked run it is, so that a run that goes on is tracked on
EXPERIMENT = "earmark"
_AT_ONCE = 200  # metrics in one message; Azure ML takes 250
_PAUSE, _LONGEST_PAUSE = 1.0, 30.0  # seconds before what failed is tried again
_LITTLE_HOPE = 15.0  # seconds
_SLOWEST = 250_000  # bytes a second: a file is given so long, on top
_REFUSED = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST", "PERMISSION_DENIED")


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure at a step; ``milliseconds`` since 1970 say when."""

    name: str
    value: float
    step: int
    milliseconds: int


Step = Callable[[Any, str], None]  # with MLflow's client and the run's id


class Link:
    """Sends what a run tells, in order, and tries again what did not arrive.

    Parameters
    ----------
    uri
        Of the server.
    folder
        Of the run; its name is the tracked run's, too.
    tags
        Of the tracked run.
    """

    def __init__(self, uri: str, folder: Path, tags: Mapping[str, str]) -> None:
        self._uri, self._folder, self._tags = uri, folder, dict(tags)
        self._steps: deque[tuple[str, Step]] = deque()
        self._large: dict[str, int] = {}  # bytes of files
        self._waiting: list[Reading] = []
        self._news, self._lock = threading.Event(), threading.Lock()
        self._ends, self._given_up, self._done = threading.Event(), threading.Event(), threading.Event()
        self._moved = time.monotonic()
        self._refused: list[str] = []
        self._problem = self._where = ""
        self._own = "MLFLOW_RUN_ID" not in os.environ  # else whoever made the run, such as Azure ML, ends it
        self._thread = threading.Thread(target=self._work, name="earmark-tracking", daemon=True)
        self._thread.start()

    def parameters(self, values: Mapping[str, str]) -> None:
        """Send settings."""

        def step(client: Any, run: str) -> None:
            from mlflow.entities import Param

            client.log_batch(run, params=[Param(name, value) for name, value in values.items()])

        self._add("settings", step)

    def tags(self, values: Mapping[str, str]) -> None:
        """Send tags."""

        def step(client: Any, run: str) -> None:
            from mlflow.entities import RunTag

            client.log_batch(run, tags=[RunTag(name, value) for name, value in values.items()])

        self._add("tags", step)

    def readings(self, values: Iterable[Reading]) -> None:
        """Send figures; what waits goes in one message."""
        good = [each for each in values if isinstance(each.value, int | float) and math.isfinite(each.value)]
        with self._lock:
            self._waiting += good
        self._news.set()

    def file(self, path: Path) -> None:
        """Send a file, which stays as it is until the end."""
        self._large[path.name] = path.stat().st_size
        self._add(path.name, lambda client, run: client.log_artifact(run, str(path)))

    def end(self, status: str, seconds: float) -> tuple[str, str]:
        """Send what is left, and how the run ended; give up when nothing arrives for so many seconds.

        Returns
        -------
        Where the run is tracked, empty where it never was; and what of it is not and why, empty where all is.
        """
        if self._own:
            self._add("its end", lambda client, run: client.set_terminated(run, status))
        if not self._where:  # it never answered: there is little hope
            seconds = min(seconds, _LITTLE_HOPE)
        self._moved = time.monotonic()
        self._ends.set()
        self._news.set()
        while not self._done.wait(0.05) and time.monotonic() - self._moved < seconds + self._more():
            pass
        self._given_up.set()
        self._news.set()
        lost, left = list(self._refused), self._left()
        if left:
            why = self._problem or f"it did not answer within {seconds:g} s"
            lost.append(f"{', '.join(left)} ({why})" if self._where else why)
        return self._where, "; ".join(lost)

    def _add(self, name: str, step: Step) -> None:
        with self._lock:
            self._steps.append((name, step))
        self._news.set()

    def _work(self) -> None:
        client, run, pause = None, "", _PAUSE
        while not self._given_up.is_set():
            self._news.wait()
            self._news.clear()
            try:
                if client is None:
                    client, run = self._open()
                self._send(client, run)
            except Exception as error:  # MLflow and its plugins raise whatever they meet
                self._problem = _sentence(error)
                if self._ends.is_set():  # someone waits
                    self._given_up.wait(_PAUSE)
                else:
                    self._ends.wait(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
                self._news.set()
                continue
            pause = _PAUSE
            if self._ends.is_set() and not self._left():
                break
        self._done.set()

    def _more(self) -> float:
        """Return the seconds that the file takes which is under way, by a slow connection."""
        with self._lock:
            under_way = self._steps[0][0] if self._steps and self._where else ""
        return self._large.get(under_way, 0) / _SLOWEST

    def _left(self) -> list[str]:
        """Return what has not been sent."""
        with self._lock:
            left = [name for name, _ in self._steps] + (["figures"] if self._waiting else [])
        return list(dict.fromkeys(left))

    def _send(self, client: Any, run: str) -> None:
        """Send everything that waits, figures before files; what was sent is forgotten at once."""
        from mlflow.entities import Metric

        while True:
            with self._lock:
                batch = self._waiting[:_AT_ONCE]
                step = None if batch or not self._steps else self._steps[0]
            if batch:
                metrics = [Metric(each.name, each.value, each.milliseconds, each.step) for each in batch]
                self._try("figures", partial(_log, metrics), client, run)
                with self._lock:
                    del self._waiting[: len(batch)]
            elif step is not None:
                self._try(*step, client, run)
                with self._lock:
                    self._steps.popleft()
            else:
                return
            self._moved = time.monotonic()

    def _try(self, name: str, step: Step, client: Any, run: str) -> None:
        """Do a step; what a server refuses for good is noted, and not tried again."""
        try:
            step(client, run)
        except Exception as error:
            if getattr(error, "error_code", "") not in _REFUSED:
                raise
            self._refused.append(f"{name} ({_sentence(error)})")

    def _open(self) -> tuple[Any, str]:
        """Return MLflow's client and the run: that of the job, the one that goes on, or a new one."""
        import mlflow

        for name in ("mlflow", "alembic", "azureml"):
            logging.getLogger(name).setLevel(logging.ERROR)
        client = mlflow.MlflowClient(self._uri)
        run = os.environ.get("MLFLOW_RUN_ID") or self._known() or self._create(client)
        for key, value in self._tags.items():
            client.set_tag(run, key, value)
        write_json(self._folder / KEPT, {"uri": shown(self._uri), "run": run})
        self._where = f"{shown(self._uri)}, run {run}"
        self._moved = time.monotonic()
        return client, run

    def _known(self) -> str | None:
        try:
            kept = json.loads((self._folder / KEPT).read_bytes())
        except (OSError, ValueError):
            return None
        same = isinstance(kept, dict) and kept.get("uri") == shown(self._uri)
        return kept["run"] if same and isinstance(kept.get("run"), str) else None

    def _create(self, client: Any) -> str:
        experiment = os.environ.get("MLFLOW_EXPERIMENT_ID")
        if not experiment:
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
            found = client.get_experiment_by_name(name)
            experiment = found.experiment_id if found else client.create_experiment(name)
        return str(client.create_run(experiment, run_name=self._folder.name).info.run_id)


def _log(metrics: list[Any], client: Any, run: str) -> None:
    client.log_batch(run, metrics=metrics)


def _sentence(error: Exception) -> str:
    """Return the first line of what an error says."""
    line = (str(error).strip().splitlines() or [""])[0].partition(": Max retries")[0][:200].rstrip(". ")
    return line or type(error).__name__
