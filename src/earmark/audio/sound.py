"""`Sound`: an open file, read block by block; and `open_sound`, which finds who can read it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from earmark.audio import riff
from earmark.audio.faults import Fault
from earmark.audio.magic import Container, container_of
from earmark.audio.riff import RiffSound
from earmark.errors import AudioError, MissingDecoderError, UnreadableAudioError


class Sound(Protocol):
    """An open sound file.

    Attributes
    ----------
    rate, channels
        Hz; and how many.
    frames
        How many there are; ``None`` where only decoding tells.
    certain
        Whether ``frames`` is more than the header's word, so that memory may be taken for as many.
    whole_numbers
        Whether samples are integers, and therefore finite.
    full, silence
        The value of full scale and of silence in what `read` yields.
    slack
        Seconds by which a file that is whole may last shorter than ``promised``.
    reached
        The frame up to which was read; at the end of a file, how many it has.
    """

    rate: int
    channels: int
    frames: int | None
    certain: bool
    slack: float
    whole_numbers: bool
    full: float
    silence: float
    reached: int

    @property
    def encoding(self) -> str:
        """What it is, for a person: ``"WAV, 16-bit"``."""

    @property
    def promised(self) -> int | None:
        """How many frames the header tells of, where that can be compared with what is there; else ``None``."""

    @property
    def faults(self) -> list[Fault]:
        """What was odd so far."""

    def read(self, first: int, last: int | None) -> Iterator[NDArray[Any]]:
        """Yield the frames from ``first`` to before ``last`` as [n, channels], each valid until the next.

        Fewer come where the file ends early.
        """


@contextmanager
def open_sound(source: Path | bytes, name: Path | str, start: float | None = None) -> Iterator[Sound]:
    """Open a sound file, or one that is in memory already.

    Plain wav is read directly; what libsndfile reads by libsndfile; anything else by FFmpeg, where it is installed.

    Parameters
    ----------
    name
        Stands for it in errors.
    start
        Seconds: where reading will begin.

    Raises
    ------
    UnreadableAudioError
        When nobody can make sense of it, or the system refuses it.
    MissingDecoderError
        When FFmpeg could, but is not installed.
    """
    try:
        if isinstance(source, bytes):
            with ExitStack() as open_files:
                yield _decoded(source, name, start, container_of(io.BytesIO(source)), open_files)
            return
        with source.open("rb", buffering=0) as file:
            header = riff.parse(file)
            if header is not None:
                yield RiffSound(file, header, name)
                return
            container = container_of(file)
        if source.suffix.lower() == ".raw":  # soundfile believes the name
            raise UnreadableAudioError(name, "raw samples without a header; convert it to wav")
        with ExitStack() as open_files:
            yield _decoded(source, name, start, container, open_files)
    except OSError as error:
        raise UnreadableAudioError(name, (error.strerror or str(error)).lower()) from error


def _decoded(
    source: Path | bytes,
    name: Path | str,
    start: float | None,
    container: Container | None,
    open_files: ExitStack,
) -> Sound:
    """Open by libsndfile what it may be able to read, and by FFmpeg what it does not."""
    refusal: AudioError | None = None
    if container is None or container.libsndfile:
        from earmark.audio import sndfile

        try:
            return open_files.enter_context(sndfile.opened(source, name, start))
        except UnreadableAudioError as error:
            refusal = error
    if container is None:
        raise refusal or UnreadableAudioError(name, "not readable as sound")
    return _by_ffmpeg(source, name, container, refusal, open_files)


def _by_ffmpeg(
    source: Path | bytes,
    name: Path | str,
    container: Container,
    refusal: AudioError | None,
    open_files: ExitStack,
) -> Sound:
    try:
        from earmark.audio import ffmpeg
    except ImportError:
        # What libsndfile should be able to read may be damaged: FFmpeg is worth a try, but not worth naming first.
        said = (
            f"{refusal.reason}; FFmpeg may read it"
            if refusal
            else f"{container.title} needs FFmpeg, an extra of 100 MB"
        )
        raise MissingDecoderError(name, f"{said}. Type: pip install 'earmark[formats]'") from None
    try:
        return open_files.enter_context(ffmpeg.opened(source, name, container))
    except UnreadableAudioError:
        if refusal:
            raise refusal from None
        raise
