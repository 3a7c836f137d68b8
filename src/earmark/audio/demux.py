"""Opening a container in FFmpeg, and its first stream of sound; nothing else is opened on a file's word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av

from earmark.audio.endings import has_index
from earmark.audio.steady import Steady
from earmark.errors import EmptyAudioError, UnreadableAudioError


def streams(file: Steady, name: Path | str, demuxer: str) -> tuple[Any, Any]:
    """Return a container that is open at its beginning, and its first stream of sound.

    Raises
    ------
    UnreadableAudioError, EmptyAudioError
        When there is no sound in it that FFmpeg knows.
    av.FFmpegError
        When it cannot be made sense of.
    """
    file.seek(0)
    try:
        container = av.open(
            file, "r", format=demuxer, metadata_errors="replace", options={"protocol_whitelist": "none"}
        )
    except av.FFmpegError:
        file.check()
        if demuxer == "mov" and not has_index(file):
            told = "not readable as sound (it has no index, as when a recorder or a copy is cut off)"
            raise UnreadableAudioError(name, told) from None
        raise
    if not container.streams.audio:
        container.close()
        raise EmptyAudioError(name, "there is no sound in it, only other streams")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        container.close()
        raise UnreadableAudioError(name, "not readable as sound (its encoding is not known to FFmpeg)")
    stream.codec_context.thread_type = "NONE"  # clips run side by side instead
    return container, stream


def seconds(ticks: int | None, base: Any) -> float | None:
    """Return what so many ticks of a clock are."""
    return None if ticks is None or base is None else float(ticks * base)


def reason(error: av.FFmpegError) -> str:
    """Return FFmpeg's own words."""
    text = str(error.strerror or error).strip().rstrip(".")
    return f"not readable as sound ({text[:1].lower()}{text[1:]})"
