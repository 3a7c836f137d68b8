"""`earmark predict`: clips as before, events of what is longer, live sound."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.cli import predictions
from earmark.cli.predictions import Result, Span
from earmark.errors import AudioError, SettingError
from earmark.predict import LONG, STDIN, Long, Predictor, expand

if TYPE_CHECKING:
    from earmark.cli.events import Events as JsonEvents
    from earmark.cli.progress import Terminal
    from earmark.events import Event, Events
    from earmark.recordings import Figures
    from earmark.remote import Place
    from earmark.types import FloatArray

TRACKS = ("audacity", "raven", "rttm")  # formats that have no place for anything but events
_HOW = ("window", "hop", "median", "high", "low", "min_gap", "trim", "min_length")
_RAW = ("rate", "channels", "encoding")
_INTERRUPTED = 130


def predict(
    model: Place, paths: tuple[str, ...], style: str, output: Path | None, choices: dict[str, Any],
    where: tuple[str, int | None, str | None], progress: str,
) -> int:  # fmt: skip
    """Say what is heard in files and folders."""
    if not paths:
        raise SettingError(
            "Which files? Name some after the model, or hear live sound with --stream or --mic."
        )
    _refuse(choices, (*_RAW, "device"), "goes with --stream or --mic")
    if choices["whole"] and (choices["events"] or any(choices[name] is not None for name in _HOW)):
        raise SettingError(
            "--whole scores each file as one clip; leave out --events, or what goes with events."
        )
    if choices["whole"] and style in TRACKS:
        raise SettingError(f"--format {style} has a place for events only; leave out --whole.")
    predictor = Predictor.open(model)
    engine, workers, address = where
    machine = None
    if engine != "local" or address or workers is not None:
        from earmark.engine import open_engine

        machine = open_engine(engine, workers, address)
    found = expand(paths)
    if choices["whole"]:
        return _write(style, predictor.predict_all(found, engine=machine), predictor, output, found)
    how = settings_of(predictor, choices)
    longest: float | None = 0.0
    if not choices["events"] and style not in TRACKS:
        longest = None if how.window is None else LONG * how.window
    else:
        _ = how.step  # without a window that is refused at once
    if progress != "auto":
        from earmark.cli.events import watcher

        watcher(progress)  # refuses a style that there is not
    answers = predictor.answers(found, engine=machine, longest=longest)
    told = _Told(predictor, how, workers, progress, bool(longest))
    with told:
        return _write(style, told.results(answers), predictor, output, found)


def settings_of(predictor: Predictor, choices: dict[str, Any]) -> Events:
    """Return how events are told: as the model says, and the options change it."""
    return predictor.bundle.events.changed(**{name: choices[name] for name in _HOW})


class _Told:
    """Results of clips as they are, and of long recordings their events, with word of how far it is."""

    def __init__(
        self, predictor: Predictor, how: Events, workers: int | None, progress: str, explain: bool
    ) -> None:
        self._predictor, self._how, self._progress, self._explain = predictor, how, progress, explain
        self._workers = workers
        self._watcher: Any = None

    def __enter__(self) -> _Told:
        return self

    def __exit__(self, *error: object) -> None:
        if self._watcher is not None:
            self._watcher.__exit__(*error)

    def results(self, answers: Iterable[Result | Long]) -> Iterator[Result]:
        for answer in answers:
            if isinstance(answer, Long):
                yield from self._events(answer)
            else:
                if self._watcher is not None:
                    self._watcher.aside()
                yield answer

    def _listener(self) -> Terminal | JsonEvents | Any:
        if self._watcher is None:
            from earmark.cli.events import watcher  # what only many clips are scored with does without

            self._watcher = watcher(self._progress).__enter__()
            if self._explain:
                window, hop = self._how.window or 0.0, self._how.step
                self._watcher.noted(
                    f"What is longer than {LONG * window:g} s is heard in windows of {window:g} s, one every {hop:g} s;"
                    " with --whole it is one clip."
                )
        return self._watcher

    def _events(self, long: Long) -> Iterator[Result]:
        from earmark.engine.fetch import fetched
        from earmark.engine.threads import cores
        from earmark.recordings import events_in

        listener = self._listener()
        path = _named(long.path)
        heard = 0
        try:
            source = long.waveform or (fetched(long.path) if "://" in long.path else Path(long.path))
            workers = cores() if self._workers is None else self._workers
            for event in events_in(
                self._predictor, source, self._how, lambda far: listener.hearing(path, far), workers
            ):
                heard += 1
                listener.aside()
                yield span(path, event)
        except AudioError as error:
            listener.aside()
            yield type(error)(path, error.reason)
        listener.heard()
        if not heard:
            listener.noted(f"No events in {path}.")


def _named(path: str) -> str:
    """Return what a path is called in results: without a key that it may hold."""
    if "://" not in path:
        return path
    from earmark.remote import shown

    return shown(path)


def span(path: str, event: Event) -> Span:
    """Return an event as the results have it."""
    return Span(path, event.start, event.end, event.label, event.score, event.scores, labels=(event.label,))


def _write(
    style: str, results: Iterable[Result], predictor: Predictor, output: Path | None, paths: list[str]
) -> int:
    from earmark.cli import tracks

    labels = predictor.bundle.labels
    if style in tracks.FILES:
        return tracks.write(style, results, output, [_named(path) for path in paths])
    with _opened(output) as stream:
        if style == tracks.RTTM:
            return tracks.write_rttm(results, stream)
        return predictions.write(style, results, labels, stream)


@contextmanager
def _opened(output: Path | None) -> Iterator[Any]:
    """Give where text goes: standard output, or a file that is there once it is whole."""
    if output is None:
        yield sys.stdout
        return
    from io import TextIOWrapper

    from earmark.cli import ready
    from earmark.files import written_atomically

    ready.can_write(output, "-o", "events.csv")
    with written_atomically(output) as file:
        text = TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="", write_through=True)
        try:
            yield text
        finally:
            text.detach()


def _refuse(choices: dict[str, Any], names: Iterable[str], why: str) -> None:
    for name in names:
        if choices[name] is not None:
            raise SettingError(f"--{name} {why}.")


# Live


def live(
    model: Place, paths: tuple[str, ...], style: str, output: Path | None, choices: dict[str, Any]
) -> int:
    """Say what is heard in standard input or by a microphone, as it comes."""
    from earmark.audio.mic import NAME, Microphone
    from earmark.audio.stream import Stream, wav_stream
    from earmark.recordings import Figures
    from earmark.recordings import live as heard_live

    if paths or (choices["stream"] and choices["mic"]):
        raise SettingError(
            "--stream hears standard input and --mic a microphone: give one of them, and no files."
        )
    if choices["whole"]:
        raise SettingError("--whole scores files; live sound has no end by which it could be one.")
    if choices["mic"]:
        _refuse(choices, _RAW, "goes with --stream: a microphone says itself what it gives")
    else:
        _refuse(choices, ("device",), "goes with --mic")
        if choices["rate"] is None:
            _refuse(choices, ("channels", "encoding"), "goes with --rate, for samples without a header")
    predictor = Predictor.open(model)
    how = settings_of(predictor, choices)
    window, channel = how.step and how.window, predictor.bundle.feature.channel
    source: Stream | Microphone
    if choices["mic"]:
        source, name = Microphone(choices["device"]), NAME
    elif choices["rate"] is None:
        source, name = wav_stream(sys.stdin.buffer, channel, STDIN), STDIN
    else:
        channels, encoding = choices["channels"], choices["encoding"] or "s16le"
        channels = 1 if channels is None else channels
        source, name = Stream(sys.stdin.buffer, choices["rate"], channels, encoding, channel), STDIN
    figures, calm = Figures(), _Calm()

    def results() -> Iterator[Result]:
        try:
            for event in heard_live(predictor, calm.pieces(source), source.rate, how, figures):
                yield span(name, event)
        except KeyboardInterrupt as interrupt:
            calm.interrupt = interrupt
        except AudioError as error:
            yield error

    with calm.interrupted():
        code = _write(style, results(), predictor, output, [name])
    sys.stderr.write(_figures(figures, window) + "\n")
    if isinstance(source, Microphone) and source.lost:
        sys.stderr.write(f"Sound was lost {source.lost} times: this machine did not keep up.\n")
    if calm.interrupt is not None:
        return _INTERRUPTED + 13 * (type(calm.interrupt) is not KeyboardInterrupt)  # 143: asked by the system
    return code


class _Calm:
    """Lets Ctrl-C end the waiting for sound, and never the work on what has come."""

    def __init__(self) -> None:
        self.interrupt: KeyboardInterrupt | None = None
        self._waits = self._asked = False

    @contextmanager
    def interrupted(self) -> Iterator[None]:
        before = signal.getsignal(signal.SIGINT)
        signal.signal(signal.SIGINT, self._ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _ask(self, number: int, frame: object) -> None:
        again, self._asked = self._asked, True
        if self._waits or again:  # who asks twice means it
            raise KeyboardInterrupt

    def pieces(self, source: Iterable[FloatArray]) -> Iterator[FloatArray]:
        come = iter(source)
        while True:
            self._waits = True
            if self._asked:
                raise KeyboardInterrupt
            piece = next(come, None)
            self._waits = False
            if piece is None:
                return
            yield piece


def _figures(figures: Figures, window: float | None) -> str:
    if figures.first_decision is None or figures.real_time_factor is None:
        return f"Heard {figures.seconds:.2f} s: too little for a window of {window:g} s."
    return (
        f"Heard {figures.seconds:.2f} s in {figures.windows} windows. First decision after"
        f" {figures.first_decision:.2f} s (a window is {window:g} s). Real-time factor"
        f" {figures.real_time_factor:.3g}. The slowest step took {1000 * figures.slowest:.0f} ms."
    )
