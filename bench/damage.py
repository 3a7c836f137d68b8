"""Damaged sound files, and what becomes of them: see ``fuzz.py``."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import soundfile

from earmark.audio import decode
from earmark.audio.vitals import examine
from earmark.errors import AudioError

_LARGEST = 400_000  # bytes of a file that is damaged, so that thousands fit into a minute
_FOLDERS = ("format_zoo", "label_tracks", "esc10", "us8k")
ENDINGS = {".wav", ".ogg", ".mp3", ".flac", ".m4a", ".3gp", ".caf", ".aiff", ".au", ".w64"}


def look(path: str) -> str:
    """Return what became of one file: ``"read"``, the kind of a refusal, or what was raised that is none."""
    outcomes = set()
    for work in (examine, decode):
        try:
            work(Path(path))
            outcomes.add("read")
        except AudioError as error:
            outcomes.add(error.kind if error.reason and "\n" not in error.reason else f"untold {error.kind}")
        except Exception as error:
            outcomes.add(f"untyped {type(error).__name__}: {error}")
    return " and ".join(sorted(outcomes))


def sources(root: Path) -> list[bytes]:
    """Return files to damage: of every folder and kind some, the same ones each time."""
    found: list[bytes] = []
    for folder in _FOLDERS:
        paths = sorted(p for p in (root / folder).rglob("*") if p.suffix.lower() in ENDINGS)
        small = [p for p in paths if 0 < p.stat().st_size < _LARGEST]
        found += [p.read_bytes() for p in small[:: max(1, len(small) // 60)]]
    return found or made_up()


def made_up() -> list[bytes]:
    """Return small files of every format that libsndfile writes."""
    noise = 0.3 * np.random.default_rng(0).standard_normal((8_000, 2))
    found = []
    for kind, subtype in (
        ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "IMA_ADPCM"), ("WAV", "ALAW"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_16"),
        ("W64", "PCM_16"), ("RF64", "PCM_16"),
    ):  # fmt: skip
        file = io.BytesIO()
        soundfile.write(file, noise, 16_000, format=kind, subtype=subtype)
        found.append(file.getvalue())
    return found


def damaged(files: list[bytes], rng: random.Random) -> bytes:
    """Return one file as a bad disk, a cut line or a careless tool may leave it."""
    data = bytearray(rng.choice(files))
    for _ in range(rng.randint(1, 3)):
        way = rng.choice(("cut", "flip", "header", "splice", "zero", "grow"))
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
        else:
            data += bytes(rng.randrange(256) for _ in range(300))
    return bytes(data)
