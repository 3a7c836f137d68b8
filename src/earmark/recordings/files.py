"""From a recording in a file to its events, however long it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from earmark.audio.blocks import open_blocks
from earmark.events import Event, Events
from earmark.predict import Predictor
from earmark.recordings.journal import open_journal
from earmark.recordings.listening import Listening, OnActivity
from earmark.types import FloatArray, Waveform

_AT_ONCE = 32  # windows, between two looks at the journal and at the clock


@dataclass(frozen=True, slots=True)
class Heard:
    """How far a recording was heard.

    Parameters
    ----------
    done, total
        Seconds; ``total`` is ``None`` where only decoding tells.
    known
        Of those done, seconds whose scores were known from an earlier run.
    """

    done: float
    total: float | None
    known: float


OnHeard = Callable[[Heard], None]


def events_in(
    predictor: Predictor,
    recording: Path | Waveform,
    settings: Events | None = None,
    on_heard: OnHeard | None = None,
    workers: int = 1,
    on_activity: OnActivity | None = None,
) -> Iterator[Event]:
    """Yield the events of a recording as they close, in constant memory.

    Scores of a file that takes a while are kept, so that an interrupted run goes on where it stopped: see `journal`.

    Parameters
    ----------
    recording
        A file on this machine, or sound in memory.
    settings
        How scores become events; the bundle's own by default.
    on_heard
        Told now and then how far it is.
    workers
        Threads.
    on_activity
        Told the scores over time, as `Listening` tells them.

    Raises
    ------
    AudioError
        When the file cannot be read, or only up to some point.
    """
    how = settings or predictor.bundle.events
    tell = on_heard or (lambda heard: None)
    if isinstance(recording, Waveform):
        with Listening(
            predictor, how, recording.sample_rate, workers=workers, on_activity=on_activity
        ) as listening:
            for part in _parts(recording.samples, how, recording.sample_rate):
                yield from listening.feed(part)
                tell(Heard(listening.seconds, recording.seconds, 0.0))
            yield from listening.finish()
        return
    with open_blocks(recording, predictor.bundle.feature.channel) as blocks:
        total = None if blocks.frames is None else blocks.frames / blocks.rate
        with (
            open_journal(recording, predictor.bundle, how, total) as journal,
            Listening(
                predictor,
                how,
                blocks.rate,
                done=journal.rows,
                workers=workers,
                on_scores=journal.add,
                on_activity=on_activity,
            ) as listening,
        ):
            for scores in journal.recalled():
                yield from listening.recall(scores)
            known = listening.begin / blocks.rate
            tell(Heard(known, total, known))
            for block in blocks.read(listening.begin):
                for part in _parts(block, how, blocks.rate):
                    yield from listening.feed(part)
                    tell(Heard(listening.seconds, total, known))
            yield from listening.finish()


def _parts(samples: FloatArray, how: Events, rate: int) -> Iterator[FloatArray]:
    size = max(1, round(_AT_ONCE * how.step * rate))
    for begin in range(0, len(samples), size):
        yield samples[begin : begin + size]
