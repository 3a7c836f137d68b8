"""Runs that are told to an MLflow server as well, where `MLFLOW_TRACKING_URI` names one, as Azure ML's jobs do.

What a run is worth lies in its folder, whatever becomes of the server: training neither waits for it nor fails by it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from earmark.listener import Listener
from earmark.recipe import Recipe
from earmark.tracking.tracker import Tracker

__all__ = ["URI", "tracked"]

URI = "MLFLOW_TRACKING_URI"
_PATIENCE = "EARMARK_TRACKING_SECONDS"
# What else MLflow is told, unless someone has: to give up in time, to be silent, and to report to nobody.
_USUAL = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@contextmanager
def tracked(listener: Listener, recipe: Recipe) -> Iterator[Listener]:
    """Give a listener that tells a tracking server what it hears, and passes it on to another.

    It is the other itself where no server is named, and in all but the first of several processes that train one
    network together.

    Parameters
    ----------
    listener
        Who is told as well, also of what could not be tracked.
    recipe
        What is trained; its settings are the run's parameters.

    Raises
    ------
    SettingError
        When ``EARMARK_TRACKING_SECONDS`` is no number of seconds.
    """
    uri = os.environ.get(URI, "")
    if not uri or not _is_first():
        yield listener
        return
    if find_spec("mlflow") is None:
        listener.noted(
            f"{URI} is set, but MLflow is not installed: this run is kept in its folder only. To have it tracked, type:"
            " pip install 'earmark[tracking]'"
        )
        yield listener
        return
    for name, value in _USUAL.items():
        os.environ.setdefault(name, value)
    tracker = Tracker(listener, recipe, uri, _patience())
    try:
        yield tracker
    except BaseException as error:
        tracker.end("FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    tracker.end("FINISHED")


def _is_first() -> bool:
    return os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("RANK", "0") == "0"


def _patience() -> float:
    from earmark.errors import SettingError

    told = os.environ.get(_PATIENCE, "60")
    try:
        seconds = float(told)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 86_400:
        raise SettingError(f"{_PATIENCE} is '{told}', but must be a number of seconds, 0 or more.")
    return seconds
