"""The variety that users bring, file by file: read right, or refused for a reason. The table is `format_zoo.csv`.

What ffprobe says of each file stands in the table, which `bench/zoo.py` writes; what is decoded is compared with a
plain loop over PyAV's frames, which shares no code with `earmark.audio`.
"""

from __future__ import annotations

import csv
import importlib
from pathlib import Path

import numpy as np
import pytest

from earmark.engine import Local, Lost, each
from earmark.engine import local as engine_local
from earmark.engine.watch import SECONDS
from surroundings import ROOT

pytestmark = pytest.mark.data

BOUND = 20  # seconds that a file may take

with (Path(__file__).parent / "format_zoo.csv").open(newline="") as table:
    ROWS = list(csv.DictReader(table))


def plain(path: Path) -> tuple[np.ndarray, int, int]:
    """Return the mean of the channels of the first stream of sound, its rate, and how many they are."""
    import av

    parts, rate, channels = [], 0, 0
    with av.open(str(path), metadata_errors="replace") as container:
        to_floats = av.AudioResampler("flt")
        for frame in container.decode(audio=0):
            rate, channels = frame.sample_rate, frame.layout.nb_channels
            parts += [f.to_ndarray().reshape(-1, channels) for f in to_floats.resample(frame)]
    return np.concatenate(parts).astype(np.float64).mean(axis=1), rate, channels


def compare(path: Path) -> tuple[str, float, float, int, int]:
    """Return what becomes of a file: "read" or why not; how it correlates, its seconds, rate and channels."""
    zoo = importlib.import_module("zoo")
    outcome, _, samples, rate, channels = zoo.look(path)
    if outcome != "read":
        return outcome, 0.0, 0.0, 0, 0
    reference, its_rate, its_channels = plain(path)
    assert (rate, channels) == (its_rate, its_channels)
    return outcome, zoo.correlation(samples, reference), len(samples) / rate, rate, channels


@pytest.fixture(scope="module")
def seen(data_root):
    """What became of each file: in workers, each of which may take as long as the bound says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "bench"))
        patch.syspath_prepend(str(ROOT / "tests"))
        patch.setenv(SECONDS, str(BOUND))
        engine_local._idle.close()
        paths = list(importlib.import_module("zoo").files(data_root))
        found = zip(paths, each(Local(), compare, paths, 8), strict=True)
        yield {path.relative_to(data_root).as_posix(): what for path, what in found}
        engine_local._idle.close()


def test_the_table_has_every_file(seen):
    assert [row["path"] for row in ROWS] == list(seen)
    assert {row["outcome"] for row in ROWS} == {"read", "unreadable", "empty", "too_short"}
    assert len(ROWS) > 220


@pytest.mark.parametrize("row", ROWS, ids=[row["path"] for row in ROWS])
def test_file(row, seen):
    found = seen[row["path"]]
    assert not isinstance(found, Lost), found
    outcome, correlation, seconds, rate, channels = found
    assert outcome == row["outcome"]
    if outcome == "read":
        assert (rate, channels) == (int(row["rate"]), int(row["channels"]))
        assert seconds == pytest.approx(float(row["probed_seconds"]), abs=0.05)
        assert correlation >= 0.999


def test_what_is_refused_is_no_sound_or_none_to_speak_of():
    """The table itself: nothing that ffprobe takes for a second of sound is refused."""
    for row in ROWS:
        if row["outcome"] in ("empty", "too_short"):
            assert float(row["probed_seconds"]) < 0.01
        elif row["outcome"] != "read":
            assert row["codec"] == ""
