"""``python bench/zoo.py DATA``: every real file of `format_zoo` and recording of `label_tracks`, read or refused.

Writes `tests/format_zoo.csv`: what ffprobe says of a file (the binary, which must be installed), what became of it
here, and how what was read correlates with what the ffmpeg binary decodes. `tests/test_zoo.py` asserts it,
without either of them. Each file is read by a worker, which may take 20 seconds.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from earmark.audio import decode
from earmark.audio.sound import open_sound
from earmark.engine import Local, Lost, each
from earmark.engine.watch import SECONDS
from earmark.errors import AudioError

TABLE = Path(__file__).resolve().parent.parent / "tests" / "format_zoo.csv"
BOUND = 20  # seconds that a file may take
SOUNDS = {".wav", ".mp3", ".m4a", ".ogg", ".flac"}


@dataclass(frozen=True)
class Row:
    """One file: what ffprobe says, and what became of it."""

    path: str
    codec: str
    probed_seconds: str
    rate: str
    channels: str
    outcome: str
    reader: str = ""
    seconds: str = ""
    correlation: str = ""


def files(root: Path) -> Iterator[Path]:
    """Yield all of the zoo, and the recordings that have label tracks."""
    yield from sorted(p for p in (root / "format_zoo").rglob("*") if p.is_file())
    yield from sorted(p for p in (root / "label_tracks").rglob("*") if p.suffix.lower() in SOUNDS)


def probe(path: Path) -> tuple[str, str, str, str]:
    """Return what ffprobe says: codec, seconds, rate, channels; all empty where that is nothing."""
    command = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(path)]
    told = json.loads(subprocess.run(command, capture_output=True, check=False).stdout or "{}")
    for stream in told.get("streams", []):
        if stream["codec_type"] == "audio":
            return (
                stream["codec_name"],
                stream.get("duration", ""),
                stream["sample_rate"],
                str(stream["channels"]),
            )
    return "", "", "", ""


def look(path: Path) -> tuple[str, str, np.ndarray, int, int]:
    """Return what becomes of a file: "read" or why not, who reads it, samples, rate, channels."""
    try:
        wave = decode(path)
        with open_sound(path, path) as sound:
            return "read", type(sound).__name__, wave.samples, wave.sample_rate, sound.channels
    except AudioError as error:
        return error.kind, "", np.empty(0, np.float32), 0, 0


def by_the_binary(path: Path, channels: int) -> np.ndarray:
    """Return the mean of the channels as the ffmpeg binary decodes them."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:a:0", "-f", "f32le", "-"]
    told = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(told, "<f4").reshape(-1, channels).mean(axis=1)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return how alike two sounds are, 1 for the same; of silence, whether both are silent."""
    n = min(len(one), len(other))
    a, b = (x[:n].astype(np.float64) for x in (one, other))
    if max(np.abs(a).max(), np.abs(b).max()) < 1e-4:
        return 1.0
    return float(np.corrcoef(a, b)[0, 1])


def row(root: Path, path: Path, seen: tuple[str, str, np.ndarray, int, int] | Lost) -> Row:
    told = path.relative_to(root).as_posix(), *probe(path)
    if isinstance(seen, Lost):
        return Row(*told, f"lost: {seen.reason}")
    outcome, reader, samples, rate, channels = seen
    if outcome != "read":
        return Row(*told, outcome)
    alike = correlation(samples, by_the_binary(path, channels))
    return Row(*told, outcome, reader, f"{len(samples) / rate:.6f}", f"{alike:.6f}")


def main() -> int:
    from zoo import look as importable  # a worker cannot find what is in a script

    root = Path(sys.argv[1])
    os.environ[SECONDS] = str(BOUND)
    paths = list(files(root))
    rows = [row(root, *pair) for pair in zip(paths, each(Local(), importable, paths, 8), strict=True)]
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(f.name for f in fields(Row))
        writer.writerows(map(astuple, rows))
    read = [r for r in rows if r.outcome == "read"]
    off = [abs(float(r.seconds) - float(r.probed_seconds)) for r in read]
    print(
        f"{len(rows)} files: "
        + ", ".join(f"{n} {kind}" for kind, n in Counter(r.outcome for r in rows).items())
    )
    print("Read by " + ", ".join(f"{reader}: {n}" for reader, n in Counter(r.reader for r in read).items()))
    alike = min(float(r.correlation) for r in read)
    print(f"Seconds from ffprobe's: at most {max(off):.3f}; correlation with ffmpeg's: at least {alike:.6f}")
    return int(any(r.outcome.startswith("lost") for r in rows))


if __name__ == "__main__":
    sys.exit(main())
