"""Run folders: each run has its own, an unfinished one is found again, none is ever overwritten."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from earmark.errors import MissingExtraError, PathError, RunError
from earmark.files import write_atomically, write_json

STATE = "run.json"
PREDICTIONS, SUSPECTS = "predictions.csv", "suspects.csv"
# The first columns of the predictions; the probabilities follow, each under its label.
ANSWER = ("path", "start", "end", "label", "predicted", "fold", "seed", "group")
_LONGEST_NAME = 100
_LARGEST = 2**30  # bytes: of predictions, some five million clips of ten labels
_PACKAGES = ("earmark", "numpy", "scipy", "soundfile", "soxr", "onnxruntime", "onnx", "scikit-learn")


class Run:
    """One run's folder, held by this process.

    Attributes
    ----------
    folder
        Where it is.
    resumed
        True when an earlier, unfinished attempt at the same thing is being carried on.
    """

    def __init__(self, folder: Path, resumed: bool) -> None:
        self.folder, self.resumed = folder, resumed

    @property
    def checkpoints(self) -> Path:
        """The folder for checkpoints; it goes when the run is finished."""
        return self.folder / "checkpoints"

    def write_text(self, name: str, text: str) -> None:
        """Write a text file atomically."""
        write_atomically(self.folder / name, text.encode())

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file atomically."""
        write_json(self.folder / name, value)

    def write_csv(self, name: str, header: list[str], rows: Iterator[list[Any]]) -> None:
        """Write a CSV file atomically."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        self.write_text(name, text.getvalue())

    def finish(self) -> None:
        """Mark the run as finished and drop its checkpoints."""
        state = json.loads((self.folder / STATE).read_text())
        write_json(self.folder / STATE, {**state, "status": "done", "finished": _now()})
        shutil.rmtree(self.checkpoints, ignore_errors=True)


@contextmanager
def open_run(base: Path, name: str, settings: Any) -> Iterator[Run]:
    """Hold a folder below ``base`` for a run of ``name`` with ``settings``.

    An unfinished run of the same settings that no process holds is carried on; otherwise a new folder is made, so that
    a finished run is never overwritten and two runs at once do not meet.

    Raises
    ------
    RunError
        When the folder cannot be made or used.
    """
    try:
        from filelock import FileLock, Timeout
    except ImportError:
        raise MissingExtraError("Training", "train", "filelock") from None
    identity = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=16).hexdigest()
    stem = f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('-.')[-_LONGEST_NAME:]}-{identity[:8]}"
    for number in range(1, 10_000):
        folder = base / (stem if number == 1 else f"{stem}-{number}")
        lock = FileLock(folder / ".lock")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            continue
        except OSError as error:
            raise RunError(f"The run folder {folder} cannot be used: {error.strerror or error}.") from None
        try:
            state = _state(folder)
            if state is not None and (state.get("identity") != identity or state.get("status") == "done"):
                continue
            if state is None:
                write_json(folder / STATE, {"identity": identity, "status": "running", "started": _now()})
                write_json(folder / "environment.json", environment())
            yield Run(folder, resumed=state is not None)
            return
        finally:
            lock.release()
    raise RunError(f"{base} holds 10,000 runs of {stem}. Delete some, or give another folder with --runs.")


def _state(folder: Path) -> dict[str, Any] | None:
    path = folder / STATE
    if not path.exists():
        return None
    try:
        state = json.loads(path.read_text())
    except ValueError:
        state = None
    if not isinstance(state, dict):
        raise RunError(f"{path} is damaged. Delete the folder {folder} to start that run anew.")
    return state


def finished(run: Path) -> dict[str, Any]:
    """Return the state of the finished run in a folder.

    Raises
    ------
    PathError
        When the folder is no run's.
    RunError
        When the run is not finished, or its files are damaged.
    """
    if not run.is_dir():
        what = "is a file" if run.exists() else "is not there"
        raise PathError(f"{run} {what}; give the folder of a run, as `earmark evaluate` names it at its end.")
    if not (run / STATE).is_file():
        raise PathError(f"{run} is not the folder of a run: it has no {STATE}. Runs lie below runs/.")
    state = read_object(run / STATE)
    if state.get("status") != "done" or not (run / PREDICTIONS).is_file():
        raise RunError(f"The run {run} is not finished. Run its command again to go on.")
    return state


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file of a run. Raises `RunError` when it is none."""
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise damaged(path, "it is not a JSON object")
    return value


def read_text(path: Path) -> str:
    """Return what a file of a run says, as it stands: a clip's name may hold any kind of line end.

    Raises
    ------
    RunError
        When it is missing, too large or no text.
    """
    if not path.is_file():
        raise RunError(f"{path} is missing. Run the command of {path.parent} again.")
    if path.stat().st_size > _LARGEST:
        raise damaged(path, "it is larger than 1 GB")
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise damaged(path, "it is not text") from None


def damaged(path: Path, detail: str) -> RunError:
    """Return the error for a file of a run that is not as it was written."""
    return RunError(f"{path} is damaged: {detail}. Run the command of {path.parent} again.")


def environment() -> dict[str, Any]:
    """Return what a result may depend on: versions and machine."""
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        **versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of the packages that numbers come from."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
