"""`Scorer`: answers the requests to an endpoint with what `earmark predict` says.

Sound is decoded and scored in a process of its own, as `earmark serve` does it: a file that its decoder dies of, or
never ends with, costs its own answer and nothing else.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.bundle import SUFFIX
from earmark.cloud.azure.request import sounds_of
from earmark.engine import Lost, Worker, pack
from earmark.errors import AudioError, EngineError, PathError, SettingError, UnreadableAudioError
from earmark.predict import LONG, Predictor
from earmark.serve.problems import MEDIA, ProblemError, refusal
from earmark.serve.settings import Settings
from earmark.serve.work import Ready, Sent, event_record
from earmark.types import Waveform

# How much of a request is taken may be told by these variables of a deployment; the names are those of `Settings`.
PREFIX = "EARMARK_SCORE_"
_LIMITS = ("body", "files", "seconds", "timeout", "memory")
_KILLED = "SIGKILL"  # by which the system ends a process for want of memory
_STARTING = 120.0  # seconds that a model may take to be read and tested


@dataclass(frozen=True, slots=True)
class Told:
    """Says of a file what `earmark predict` says of it, or why it cannot: a list of its records, or `AudioError`.

    Parameters
    ----------
    ready
        Whose model.
    seconds
        Of sound that are taken.
    """

    ready: Ready
    seconds: float

    def __call__(self, sent: Sent) -> list[dict[str, Any]] | AudioError:
        """Hear the file: as one clip, or, where it is longer than two windows, its events."""

        def records(predictor: Predictor, wave: Waveform) -> dict[str, Any]:
            how = predictor.bundle.events
            if how.window is None or wave.seconds <= LONG * how.window:
                return {"records": [predictor.hear(sent.name, wave).to_dict()]}
            from earmark.recordings import events_in  # clips need none of it

            return {"records": [event_record(sent.name, event) for event in events_in(predictor, wave, how)]}

        found = self.ready.bounded(sent, self.seconds, records)
        return found if isinstance(found, AudioError) else list(found["records"])


class Scorer:
    """Answers requests about one model.

    Parameters
    ----------
    model
        A bundle. It is read, and its self-test run, before this is made.
    settings
        How much of a request is taken.

    Raises
    ------
    BundleError
        When the model cannot be trusted.
    EngineError
        When the process that is to score cannot be started.
    """

    def __init__(self, model: Path, settings: Settings | None = None) -> None:
        self._settings = settings or settings_of(os.environ)
        self._ready = Ready(str(model), self._settings.memory)
        self._told = pack(Told(self._ready, self._settings.seconds))
        self._worker, self._owner = self._start(), os.getpid()

    @classmethod
    def open(cls, folder: Path) -> Scorer:
        """Make the one model in a folder, or below it, ready."""
        return cls(find_model(folder))

    def answer(self, request: Any) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the answer to a request as Flask gives it."""
        try:
            with tempfile.TemporaryDirectory(prefix="earmark-score-") as folder:
                sounds = sounds_of(request, Path(folder), self._settings)
                results = [self._hear(sound) for sound in sounds]
            errors = [result for result in results if isinstance(result, AudioError)]
            if len(errors) == len(results):
                raise refusal(errors)
        except ProblemError as problem:
            return problem.status, {**problem.headers, "Content-Type": MEDIA}, problem.body
        told: list[Any] = []
        for result in results:
            told += (
                [{"path": result.path, "error": result.reason}] if isinstance(result, AudioError) else result
            )
        return 200, {"Content-Type": "application/json"}, json.dumps(told).encode()

    def close(self) -> None:
        """End the process that scores."""
        self._worker.close()

    def _hear(self, sound: Sent | AudioError) -> list[dict[str, Any]] | AudioError:
        if isinstance(sound, AudioError):
            return sound
        ours = self._owner == os.getpid()  # after a fork it is another's, who may still need it
        if not (ours and self._worker.alive):
            if ours:
                self._worker.close()
            self._worker, self._owner = self._start(), os.getpid()
        seconds = self._settings.timeout
        found, late = _within(seconds, self._worker, self._told, sound)
        if not isinstance(found, Lost):
            return found  # type: ignore[no-any-return]
        self._worker.close()
        if late:
            return UnreadableAudioError(
                sound.name, f"it did not end within the {seconds:g} s that one file may take"
            )
        if _KILLED in found.reason:
            raise ProblemError("lost", f"{sound.name}: {found.reason}. Send it again.")
        return UnreadableAudioError(sound.name, found.reason)

    def _start(self) -> Worker:
        worker = Worker(watched=False)
        try:
            found, _ = _within(_STARTING, worker, pack(self._ready), None)
        except BaseException:
            worker.close()
            raise
        if isinstance(found, Lost):
            worker.close()
            raise EngineError(f"A worker could not be started: {found.reason}.")
        return worker


def _within(seconds: float, worker: Worker, function: bytes, item: Any) -> tuple[Any, bool]:
    """Return what the function gives in a worker, and whether the worker was ended because it took too long."""
    late = threading.Event()

    def end() -> None:
        late.set()
        worker.kill()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        return worker.call(function, item), late.is_set()
    finally:
        timer.cancel()


def find_model(folder: Path) -> Path:
    """Return the one model in a folder, or below it: Azure ML puts a registered file some folders deep.

    Raises
    ------
    PathError
        When there is none, or more than one.
    """
    if folder.is_file():
        return folder
    found = sorted(folder.rglob(f"*{SUFFIX}"))
    if len(found) != 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found[:5])
        there = f"are {len(found)} models below {folder}: {names}" if found else f"is no model below {folder}"
        raise PathError(f"There {there}. The deployment needs exactly one file *{SUFFIX}.")
    return found[0]


def settings_of(environment: Any) -> Settings:
    """Return the limits that the environment tells, such as ``EARMARK_SCORE_SECONDS``.

    Raises
    ------
    SettingError
        For what is no number, or cannot be.

    Examples
    --------
    >>> settings_of({"EARMARK_SCORE_SECONDS": "20"}).seconds
    20.0
    """
    told: dict[str, Any] = {}
    for name in _LIMITS:
        text = environment.get(PREFIX + name.upper())
        if text is None:
            continue
        try:
            told[name] = float(text) if name in ("seconds", "timeout") else int(text)
        except ValueError:
            raise SettingError(f"{PREFIX}{name.upper()} is '{text}', but must be a number.") from None
    return Settings(**told)
