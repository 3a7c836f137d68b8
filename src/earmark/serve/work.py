"""What a worker process does: decode a file and score it, within bounds of time, memory and disk."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.audio import decode
from earmark.errors import AudioError, BundleFormatError, TooLongAudioError
from earmark.events import Event, Events
from earmark.predict import Predictor
from earmark.serve.settings import MIB
from earmark.types import FloatArray, Prediction, Waveform

_LOG = MIB  # bytes that a worker may write to a file: its last words


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that a client sent.

    Parameters
    ----------
    name
        What the client calls it.
    path
        Where it lies, under a name of ours.
    """

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Makes a worker ready: reads the model, runs its self-test, and holds the process to its bounds."""

    model: str
    memory: int

    def __call__(self, _: None) -> None:
        """Do it now."""
        self.predictor()

    def predictor(self) -> Predictor:
        """Return the model of this process, read when it is asked for first."""
        found: Predictor | None = _kept.get(self.model)
        if found is None:
            found = _kept[self.model] = Predictor.open(Path(self.model))
            gc.freeze()  # what is here stays, and need not be looked through again and again
            _bound(self.memory * MIB)
        return found

    def bounded(
        self, sent: Sent, seconds: float, work: Callable[[Predictor, Waveform], dict[str, Any]]
    ) -> dict[str, Any] | AudioError:
        """Decode a file and do the work, or return why that cannot be."""
        predictor = self.predictor()
        try:
            channel = predictor.bundle.feature.channel
            return work(predictor, decode(Path(sent.path), channel=channel, longest=seconds))
        except AudioError as error:
            return type(error)(sent.name, error.reason)
        except (MemoryError, BundleFormatError) as error:
            if isinstance(error, BundleFormatError) and "alloc" not in str(error):
                raise
            return TooLongAudioError(
                sent.name, f"it takes more memory than the {self.memory} MiB that one file may take"
            )


@dataclass(frozen=True, slots=True)
class Score:
    """Scores a file: the record of `earmark predict --format json`, or why there is none.

    Parameters
    ----------
    ready
        Whose model.
    seconds
        Of sound that are taken.
    """

    ready: Ready
    seconds: float

    def __call__(self, sent: Sent) -> dict[str, Any] | AudioError:
        """Score the file that was sent."""
        return self.ready.bounded(
            sent, self.seconds, lambda predictor, wave: predictor.hear(sent.name, wave).to_dict()
        )


@dataclass(frozen=True, slots=True)
class Tell:
    """Tells the events of a file, or why there are none.

    Parameters
    ----------
    ready, seconds
        As of `Score`.
    how
        How scores become events.
    """

    ready: Ready
    seconds: float
    how: Events

    def __call__(self, sent: Sent) -> dict[str, Any] | AudioError:
        """Listen to the file that was sent."""

        def events(predictor: Predictor, wave: Waveform) -> dict[str, Any]:
            from earmark.recordings import events_in  # scores of single clips need none of it

            found = [event_record(sent.name, event) for event in events_in(predictor, wave, self.how)]
            return {"path": sent.name, "seconds": wave.seconds, "events": found}

        return self.ready.bounded(sent, self.seconds, events)


@dataclass(frozen=True, slots=True)
class Activity:
    """Scores a window of a stream: float32[labels]."""

    ready: Ready

    def __call__(self, window: Waveform) -> FloatArray:
        """Score it."""
        return self.ready.predictor().activity(window)


def event_record(path: str, event: Event) -> dict[str, Any]:
    """Return an event as `earmark predict --format json` shows it."""
    told = Prediction(
        path, event.start, event.end, event.label, event.score, event.scores, labels=(event.label,)
    )
    return told.to_dict()


_kept: dict[str, Predictor] = {}


def _bound(more: int) -> None:
    """Take from this process what it does not need: memory beyond ``more`` bytes, core dumps, large files."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LOG, _LOG))
    with suppress(OSError, ValueError):  # elsewhere than on Linux there is no telling, or no such limit
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + more
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
