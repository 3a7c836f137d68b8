"""The data doctor against decoding alone: the same clips, the same workers, nothing looked at."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from clips import COMPRESSED, WAVS, make_clips, make_mixture
from earmark.audio import decode
from earmark.check import check
from earmark.dataset import Clips, Dataset
from earmark.engine import Local, each
from earmark.engine.fetch import fetched
from earmark.types import Clip
from interleave import interleaved, ratios
from table import Row, Section

_LATER = 0.001  # seconds from one clip of a file to the next
SETS = ("wav, 16-bit stereo", "wav of all kinds, FLAC and Ogg")


def measure(quick: bool) -> Section:
    files, clips, rounds = (8, 64, 1) if quick else (250, 10_000, 3)
    rows, notes = [], []
    engine = Local()
    with tempfile.TemporaryDirectory() as name:
        for i, title in enumerate(SETS):
            folder = Path(name) / str(i)
            folder.mkdir()
            kinds = {**WAVS, **COMPRESSED}
            paths, told = make_mixture(folder, files, kinds) if i else make_clips(folder, files)
            dataset = _named(folder, paths, clips)
            contenders: dict[str, Callable[[], object]] = {
                "decode": lambda d=dataset: sum(each(engine, _decoded, _places(d))),
                "check": lambda d=dataset: check(d, engine=engine),
            }
            for work in contenders.values():
                work()
            walls = {what: timing.wall for what, timing in interleaved(contenders, rounds).items()}
            rows += [
                Row(
                    f"{title}: decoding alone", "wall, ms a clip", [1000 * s / clips for s in walls["decode"]]
                ),
                Row(f"{title}: check", "wall, ms a clip", [1000 * s / clips for s in walls["check"]]),
                Row(
                    f"{title}: speed of check, of that of decoding alone",
                    "ratio",
                    ratios(walls["decode"], walls["check"]),
                    at_least=0.6,
                ),
            ]
            notes.append(f"{title}: {clips:,} clips, whole but for the first milliseconds, of {told}.")
    notes.append(
        f"{engine.workers} workers, {rounds} interleaved rounds; all that `check` says is in its time."
    )
    return Section("The data doctor", notes, rows)


def _named(folder: Path, paths: list[Path], clips: int) -> Dataset:
    """Return so many clips, no two the same sound: each begins a little later in its file than the one before."""
    made = Clips.of(
        Clip(path.name, (f"class{(turn + i) % 10}",), path.name, turn * _LATER)
        for turn in range(-(-clips // len(paths)))
        for i, path in enumerate(paths[: clips - turn * len(paths)])
    )
    return Dataset("bench", folder, "table", made, True, "recording", None, "made up")


def _places(dataset: Dataset) -> Iterator[tuple[str, float | None, float | None]]:
    starts = dataset.clips.starts.tolist()
    return ((a, None if math.isnan(s) else s, None) for a, s in zip(dataset.addresses(), starts, strict=True))


def _decoded(where: tuple[str, float | None, float | None]) -> int:
    address, start, end = where
    return len(decode(fetched(address), start, end).samples)
