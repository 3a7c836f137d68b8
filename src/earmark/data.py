"""`DataSettings` and `open_data`: which data set, how its labels are read, how its recordings become clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from earmark.cut import Cut, OnProgress, cut
from earmark.dataset import Dataset
from earmark.engine import Engine
from earmark.errors import SettingError
from earmark.readers import read, read_sounds
from earmark.readers.label_files import TrackSettings
from earmark.types import Problem


@dataclass(frozen=True, slots=True)
class DataSettings:
    """Which data set, and what its clips are.

    Parameters
    ----------
    path
        A folder or a table.
    layout, pattern
        As `earmark.readers.read` takes them; an empty pattern is none.
    window, hop, min_overlap, several, background
        As `earmark.cut.Cut` takes them: long recordings as windows, with labels by overlap.
    point_width, unit, label_column
        As `earmark.readers.tracks.TrackSettings` takes them: how label files are understood.
    """

    path: str = ""
    layout: str = "auto"
    pattern: str = ""
    window: float | None = None
    hop: float | None = None
    min_overlap: float = 0.5
    several: Literal["all", "longest"] = "all"
    background: str = ""
    point_width: float | None = None
    unit: Literal["seconds", "samples"] = "seconds"
    label_column: str = ""

    @property
    def cut(self) -> Cut:
        """How recordings become clips."""
        return Cut(self.window, self.hop, self.min_overlap, self.several, self.background)

    @property
    def tracks(self) -> TrackSettings:
        """How label files are understood."""
        return TrackSettings(self.point_width, self.unit, self.label_column or None)


def open_data(
    data: DataSettings,
    engine: Engine | None = None,
    on_progress: OnProgress | None = None,
    labelled: bool = True,
) -> tuple[Dataset, tuple[Problem, ...]]:
    """Read a data set and cut its recordings; return it, and the files that could not be cut.

    Parameters
    ----------
    engine, on_progress
        As `earmark.cut.cut` takes them.
    labelled
        False also reads recordings that nobody has labelled.

    Raises
    ------
    UsageError, DataError
        As the parts do.
    """
    if data.several not in ("all", "longest"):
        raise SettingError(f"[data] several is '{data.several}', but must be 'all' or 'longest'.")
    how = data.cut  # before anything is read
    reader = read if labelled else read_sounds
    dataset = reader(data.path, data.layout, data.pattern or None, data.tracks)
    return cut(dataset, how, engine, on_progress)
