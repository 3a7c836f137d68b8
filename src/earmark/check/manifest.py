"""`write_manifest`: the clips that are fit as a table, and beside it those that were left out, each with the reason."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.check import UNFIT, Checkup
from earmark.dataset import Dataset
from earmark.errors import DataError
from earmark.files import write_atomically
from earmark.readers.table import LABEL_SEPARATOR
from earmark.remote import is_uri
from earmark.types import Clip, Problem


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was written.

    Parameters
    ----------
    table, left_out
        The two files.
    kept, dropped
        Clips in each.
    """

    table: Path
    left_out: Path
    kept: int
    dropped: int

    def to_dict(self) -> dict[str, Any]:
        """Return the record ready for JSON."""
        return {
            "table": str(self.table), "left_out": str(self.left_out), "kept": self.kept, "dropped": self.dropped
        }  # fmt: skip


def write_manifest(table: Path, dataset: Dataset, found: Checkup) -> Manifest:
    """Write ``table`` for `earmark.readers.read`, and ``NAME-left-out.csv`` beside it. No sound file is touched.

    The column ``why`` says in the one what is odd about a clip all the same, in the other why it is not there.

    Raises
    ------
    DataError
        When a label cannot be written into a table.
    OSError
        When a file cannot be written.
    """
    bad = next((label for label in dataset.labels if LABEL_SEPARATOR in label), None)
    if bad is not None:
        raise DataError(
            f"The label '{bad}' cannot be written into a table: '{LABEL_SEPARATOR}' parts labels there. Rename it."
        )
    columns = ["path", "label"]
    columns += ["group"] if dataset.grouping is not None else []
    columns += ["fold"] if dataset.folds and (dataset.clips.folds >= 0).all() else []
    columns += ["start", "end"] if any_cut(dataset) else []
    kept: list[list[str]] = []
    dropped: list[list[str]] = []
    for row, clip in enumerate(dataset.clips):
        problems = found.rows.get(row, ())
        unfit = any(problem.kind in UNFIT for problem in problems)
        (dropped if unfit else kept).append([*_cells(table, dataset, clip, columns), _why(problems)])
    absent = [p for p in dataset.problems if p.kind == "missing"]
    blank = [""] * (len(columns) - 1)
    beside = table.with_name(f"{table.stem}-left-out.csv")
    _write(beside, columns, [*dropped, *([p.path, *blank, _why([p])] for p in absent)])
    _write(table, columns, kept)
    return Manifest(table, beside, len(kept), len(dropped) + len(absent))


def any_cut(dataset: Dataset) -> bool:
    """Say whether any clip is a stretch of a longer recording."""
    clips = dataset.clips
    return bool((clips.starts == clips.starts).any() or (clips.ends == clips.ends).any())


def _cells(table: Path, dataset: Dataset, clip: Clip, columns: Sequence[str]) -> list[str]:
    values = {
        "path": _path(table, dataset, clip),
        "label": LABEL_SEPARATOR.join(clip.labels),
        "group": clip.group,
        "fold": "" if clip.fold is None else str(clip.fold),
        "start": "" if clip.start is None else repr(clip.start),
        "end": "" if clip.end is None else repr(clip.end),
    }
    return [values[column] for column in columns]


def _path(table: Path, dataset: Dataset, clip: Clip) -> str:
    """Return the file relative to the table where it lies below it, else as a whole path or a URI."""
    place = dataset.file(clip)
    if not isinstance(place, Path):
        return str(place)
    if is_uri(clip.path):
        return clip.path
    whole = place.absolute()
    try:
        return whole.relative_to(table.parent.absolute()).as_posix()
    except ValueError:
        return whole.as_posix()


def _why(problems: Iterable[Problem]) -> str:
    return "; ".join(f"{problem.kind}: {problem.detail}" for problem in problems)


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, "why"])
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())
