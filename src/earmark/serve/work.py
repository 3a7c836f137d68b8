"""What a worker process does: decode one file and score it, within bounds of time, memory and disk."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.audio import decode
from earmark.errors import AudioError, BundleFormatError, TooLongAudioError
from earmark.predict import Predictor
from earmark.serve.settings import MIB

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
            _bound(self.memory * MIB)
        return found


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
        predictor = self.ready.predictor()
        try:
            channel = predictor.bundle.feature.channel
            waveform = decode(Path(sent.path), channel=channel, longest=self.seconds)
            return predictor.hear(sent.name, waveform).to_dict()
        except AudioError as error:
            return type(error)(sent.name, error.reason)
        except (MemoryError, BundleFormatError) as error:
            if isinstance(error, BundleFormatError) and "alloc" not in str(error):
                raise
            return TooLongAudioError(
                sent.name, f"it takes more memory than the {self.ready.memory} MiB that one file may take"
            )


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
