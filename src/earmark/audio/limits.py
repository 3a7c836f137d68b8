"""How much sound is read, and what a cut may be: the rules that every format is held to."""

from __future__ import annotations

from pathlib import Path

from earmark.errors import EmptyAudioError, TooLongAudioError, TooShortAudioError, UnreadableAudioError

MIN_SECONDS = 0.01
MAX_SECONDS = 3600.0
MAX_RATE = 1_000_000
# A label may end a little after its file: editors round, and lossy codecs trim.
_END_TOLERANCE = 0.1


def check_rate(path: Path | str, rate: int) -> None:
    """Refuse a sample rate, in Hz, that no recorder has."""
    if not 0 < rate <= MAX_RATE:
        raise UnreadableAudioError(path, f"its header says {rate} Hz; at most {MAX_RATE} Hz are read")


def span(path: Path | str, total: int, rate: int, start: float | None, end: float | None) -> tuple[int, int]:
    """Return the first frame between ``start`` and ``end`` seconds, and the first one after them.

    Raises
    ------
    EmptyAudioError, TooShortAudioError
        When that is not a stretch of a file of ``total`` frames.
    """
    check_rate(path, rate)
    if total == 0:
        raise EmptyAudioError(path, "the file holds no samples")
    begin, seconds = start or 0.0, total / rate
    if not begin >= 0:
        raise EmptyAudioError(path, f"the clip starts at {begin:g} s, but must start at 0 s or later")
    if begin >= seconds:
        raise EmptyAudioError(path, f"the clip starts at {begin:g} s, but the file is {seconds:g} s long")
    if end is None:
        return round(begin * rate), total
    if not end > begin:
        raise EmptyAudioError(
            path, f"the clip starts at {begin:g} s and ends at {end:g} s: nothing is between"
        )
    if end > seconds + _END_TOLERANCE:
        raise TooShortAudioError(path, f"the clip ends at {end:g} s, but the file is {seconds:g} s long")
    return round(begin * rate), min(round(end * rate), total)


def too_short(path: Path | str, seconds: float) -> TooShortAudioError:
    """Return the error for less sound than a feature can say anything about."""
    least = MIN_SECONDS * 1000
    return TooShortAudioError(path, f"{seconds * 1000:.1f} ms of sound; at least {least:.0f} ms needed")


def too_long(path: Path | str) -> TooLongAudioError:
    """Return the error for more sound than is held in memory at once."""
    hours = MAX_SECONDS / 3600
    return TooLongAudioError(
        path, f"more than {hours:g} h of sound; cut it with start and end in a table, or with --window"
    )


def longer(path: Path | str, longest: float, told: float | None = None) -> TooLongAudioError:
    """Return the error for more than ``longest`` seconds; ``told`` are those that the header tells of."""
    how = "more" if told is None else f"{told:,.0f} s of sound by its header, and so more"
    return TooLongAudioError(path, f"{how} than the {longest:,.0f} s of sound that are taken at once")
