"""`DataSettings` and `open_data`: which data set, how its labels are read, how its recordings become clips."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

from earmark.corrections import correct, find_log, leftover, read_log, standing
from earmark.cut import Cut, OnProgress, cut
from earmark.dataset import Dataset
from earmark.engine import Engine
from earmark.errors import PathError, SettingError
from earmark.readers import read, read_sounds
from earmark.readers.label_files import TrackSettings
from earmark.readers.listing import count
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
    corrections
        A log of corrections that is laid over the labels; ``""`` is the one beside the data, if there is one, and
        ``"none"`` leaves the labels as the data has them.
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
    corrections: str = ""

    @property
    def cut(self) -> Cut:
        """How recordings become clips."""
        return Cut(self.window, self.hop, self.min_overlap, self.several, self.background)

    @property
    def tracks(self) -> TrackSettings:
        """How label files are understood."""
        return TrackSettings(self.point_width, self.unit, self.label_column or None)


def flags_of(data: DataSettings) -> list[str]:
    """Return the options of a command line that are not the usual ones.

    >>> flags_of(DataSettings("my field", window=2.0, background="none"))
    ['--window', '2', '--background', 'none']
    """
    usual, words = DataSettings(), []
    for field in fields(data):
        value = getattr(data, field.name)
        if field.name != "path" and value != getattr(usual, field.name):
            words += [
                f"--{field.name.replace('_', '-')}",
                f"{value:g}" if isinstance(value, float) else str(value),
            ]
    return words


def open_data(
    data: DataSettings,
    engine: Engine | None = None,
    on_progress: OnProgress | None = None,
    labelled: bool = True,
) -> tuple[Dataset, tuple[Problem, ...]]:
    """Read a data set, correct its labels and cut its recordings; return it, and the files that could not be cut.

    A correction of a whole clip holds for all windows that are cut from it; one of a window holds for that window.

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
    log = find_log(dataset.root, data.corrections) if dataset.labels else None
    if log is None:
        return cut(dataset, how, engine, on_progress)
    if data.corrections and not log.exists():
        raise PathError(
            f"There is no log of corrections at {log}. Make one with: earmark relabel --log {log}"
        )
    said = read_log(log)
    dataset, first = correct(dataset, standing(said.entries))
    dataset, uncut = cut(dataset, how, engine, on_progress)
    dataset, left = correct(dataset, [one.correction for one in first if one.gone])
    unfit = [*(one for one in first if not one.gone), *left]
    problems = (*dataset.problems, *said.problems, *leftover(unfit, log.name))
    title = dataset.title
    if dataset.corrected:
        title += f", {count(dataset.corrected, 'label')} corrected by {log.name}"
    return replace(dataset, problems=problems, title=title), uncut
