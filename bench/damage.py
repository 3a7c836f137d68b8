"""Damaged sound files, and what becomes of them: see ``fuzz.py``."""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from earmark.audio import decode, decode_bytes
from earmark.audio.length import seconds_of
from earmark.audio.vitals import examine
from earmark.errors import AudioError

_LARGEST = 400_000  # bytes of a file that is damaged, so that thousands fit into a minute
_FOLDERS = ("format_zoo", "label_tracks", "esc10", "us8k")
_EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 2**63 - 1, 2**64 - 1)
ENDINGS = {".wav", ".ogg", ".mp3", ".flac", ".m4a", ".3gp", ".caf", ".aiff", ".au", ".w64"}


def look(path: str) -> str:
    """Return what became of one file: ``"read"``, the kind of a refusal, or what was raised that is none."""
    file = Path(path)
    outcomes = {_outcome(work, file) for work in (examine, decode)}
    for work in (_window, seconds_of, _in_memory):  # which may end otherwise, but not in another way
        outcome = _outcome(work, file)
        outcomes |= {outcome} if outcome.startswith("unt") else set()
    return " and ".join(sorted(outcomes))


def _outcome(work: Callable[[Path], object], file: Path) -> str:
    try:
        work(file)
    except AudioError as error:
        return error.kind if error.reason and "\n" not in error.reason else f"untold {error.kind}"
    except Exception as error:
        return f"untyped {type(error).__name__}: {error}"
    return "read"


def _window(file: Path) -> object:
    return decode(file, 0.1, 0.3, "first")


def _in_memory(file: Path) -> object:
    return decode_bytes(file.read_bytes(), file.name)


def sources(root: Path) -> list[bytes]:
    """Return files to damage: of every folder and kind some, the same ones each time."""
    found: list[bytes] = []
    for folder in _FOLDERS:
        paths = sorted(p for p in (root / folder).rglob("*") if p.suffix.lower() in ENDINGS)
        small = [p for p in paths if 0 < p.stat().st_size < _LARGEST]
        found += [p.read_bytes() for p in small[:: max(1, len(small) // 60)]]
    return found or made_up()


def made_up() -> list[bytes]:
    """Return small files of every format that the tests' encoders write."""
    sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
    from encoders import BY_FFMPEG, BY_US, Kind, by_av, chirps, encoded

    film, sound = Kind("a.mp4", 44_100, 2, "mp4", "aac"), chirps(44_100, 2, 0.5)
    films = [by_av(film, sound, picture=True), by_av(film, sound, movflags="faststart")]
    return [*(encoded(kind, 0.5) for kind in (*BY_FFMPEG, *BY_US)), *films]


def damaged(files: list[bytes], rng: random.Random) -> bytes:
    """Return one file as a bad disk, a cut line or a careless tool may leave it."""
    data = bytearray(rng.choice(files))
    for _ in range(rng.randint(1, 3)):
        way = rng.choice(("cut", "flip", "header", "splice", "zero", "grow", "number", "repeat"))
        at = rng.randrange(len(data)) if data else 0
        if way == "cut":
            del data[at:]
        elif way == "flip":
            for _ in range(rng.randint(1, 64)):
                if data:
                    data[rng.randrange(min(len(data), rng.choice((64, 4_096, len(data)))))] ^= (
                        1 << rng.randrange(8)
                    )
        elif way == "header":
            other = rng.choice(files)
            size = rng.choice((4, 12, 44, 200))
            data[:size] = other[:size]
        elif way == "splice":
            other = rng.choice(files)
            begin = rng.randrange(len(other))
            data[at : at + 5_000] = other[begin : begin + 5_000]
        elif way == "zero":
            data[at : at + 2_000] = bytes(len(data[at : at + 2_000]))
        elif way == "number":
            form = rng.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
            size = struct.calcsize(form)
            at = rng.randrange(max(1, min(len(data), 512) - size))
            data[at : at + size] = struct.pack(form, rng.choice(_EXTREMES) % (1 << 8 * size))
        elif way == "repeat":
            data[at:at] = data[at : at + 5_000] * rng.choice((1, 20))
        else:
            data += bytes(rng.randrange(256) for _ in range(300))
    return bytes(data)
