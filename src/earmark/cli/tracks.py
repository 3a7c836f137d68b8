"""Events as label tracks: a file a recording, in a form that `earmark.labels` knows; and RTTM, one for all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from earmark.cli.predictions import Result, Span
from earmark.cli.words import on_one_line
from earmark.errors import AudioError, PathError, SettingError
from earmark.files import write_atomically
from earmark.labels import FORMS, Labels, converted, to_bytes
from earmark.types import Region

FILES = ("audacity", "raven")
RTTM = "rttm"
_SCORE = "Score"  # Raven has a place for it, Audacity has none


def write(style: str, results: Iterable[Result], output: Path | None, paths: list[str]) -> int:
    """Write a label track for each recording; return 1 when one could not be read, else 0.

    A file that is there already and says something else is never overwritten: somebody may have corrected it.

    Raises
    ------
    PathError
        When a track's file is there already.
    SettingError
        When several recordings have no folder to go to.
    """
    several = len(paths) > 1 or (output is not None and output.is_dir())
    if len(paths) > 1 and output is None:
        raise SettingError(
            f"--format {style} writes a file for each of {len(paths)} recordings. Give their folder: -o FOLDER"
        )
    names = _names(paths, FORMS[style].suffix) if several else {}
    regions: dict[str, list[Region]] = {path: [] for path in paths}
    failed: set[str] = set()
    now: str | None = None
    for result in results:
        if now is not None and result.path != now and (now not in failed or regions.get(now)):
            _save(style, regions.pop(now, []), _place(output, names.get(now)))
        now = result.path
        if isinstance(result, AudioError):
            sys.stderr.write(f"error: {on_one_line(str(result))}\n")
            failed.add(now)
        elif isinstance(result, Span) and result.label is not None:
            extra = ((_SCORE, f"{result.score:.4f}"),) if "columns" in FORMS[style].keeps else ()
            regions.setdefault(now, []).append(Region(result.start, result.end, result.label, extra=extra))
    for path, found in regions.items():
        if found or path not in failed:  # also where nothing is heard
            _save(style, found, _place(output, names.get(path)))
    return int(bool(failed))


def _place(output: Path | None, name: str | None) -> Path | None:
    return output / name if output is not None and name is not None else output


def _save(style: str, regions: list[Region], place: Path | None) -> None:
    order = sorted(regions, key=lambda r: (r.start, r.end, r.label))
    data = to_bytes(converted(Labels("", tuple(order)), style))
    if place is None:
        sys.stdout.write(data.decode())
        sys.stdout.flush()
        return
    if place.exists() and (place.is_dir() or place.read_bytes() != data):
        raise PathError(
            f"{place} is there already, and may hold corrections. Move it, or give another place with -o."
        )
    write_atomically(place, data)


def _names(paths: list[str], suffix: str) -> dict[str, str]:
    """Return what the tracks of recordings are called below their folder.

    >>> _names(["a/dawn.wav", "a/b/dusk.wav"], ".txt")
    {'a/dawn.wav': 'dawn.txt', 'a/b/dusk.wav': 'b/dusk.txt'}
    >>> _names(["a/dawn.wav", "a/dawn.mp3"], ".txt")
    {'a/dawn.wav': 'dawn.wav.txt', 'a/dawn.mp3': 'dawn.mp3.txt'}
    """
    whole = {path: Path(path.rpartition("://")[2]).absolute() for path in paths}
    common = Path(os.path.commonpath([place.parent for place in whole.values()]))
    below = {path: place.relative_to(common) for path, place in whole.items()}
    stems = [place.with_suffix("") for place in below.values()]
    return {
        path: str(place.with_suffix("") if stems.count(place.with_suffix("")) == 1 else place) + suffix
        for path, place in below.items()
    }


def write_rttm(results: Iterable[Result], out: TextIO) -> int:
    """Write each event as a line of NIST's Rich Transcription Time Marked; return 1 when a file could not be read."""
    failed = False
    for result in results:
        if isinstance(result, AudioError):
            failed = True
            sys.stderr.write(f"error: {on_one_line(str(result))}\n")
        elif isinstance(result, Span):
            name, label = _word(Path(result.path).stem), _word(result.label or "")
            span = f"{result.start:.3f} {result.end - result.start:.3f}"
            out.write(f"SPEAKER {name} 1 {span} <NA> <NA> {label} {result.score:.4f} <NA>\n")
            out.flush()
    return int(failed)


def _word(text: str) -> str:
    """Return a text as one field: blanks part them.

    >>> _word("two words")
    'two_words'
    """
    return "_".join(on_one_line(text).split()) or "-"
