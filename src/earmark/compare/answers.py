"""What a finished run said about its test clips, read back from its folder."""

from __future__ import annotations

import csv
import io
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.labels.spans import SEVERAL
from earmark.runs import ANSWER, PREDICTIONS, damaged, finished, read_object, read_text
from earmark.types import IntArray

_LONGEST_SEED = 10  # digits
_REPORT, _RECIPE = "report.json", "recipe.toml"

Key = tuple[str, str, str]
Labels = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """The answers of one run, a row a clip.

    Parameters
    ----------
    run
        Its folder.
    model
        What was trained.
    labels
        In the order of the model's outputs.
    keys
        Path, start and end of each clip, as they are written.
    groups
        int64[n]: the recording by a number of its own.
    marks
        bool[n, labels]: those that each clip has.
    said
        float64[n, labels]: the share of seeds that answered with each.
    seeds
        Those that answered.
    settings
        Of the recipe, each under ``table.setting``, but where the data lies.
    random
        True when the test clips are those of a random split.
    groups_known
        Whether the data set knows recordings.
    exclusive
        Whether each clip has exactly one label.
    """

    run: Path
    model: str
    labels: tuple[str, ...]
    keys: tuple[Key, ...]
    groups: IntArray
    marks: NDArray[np.bool_]
    said: NDArray[np.float64]
    seeds: tuple[int, ...]
    settings: dict[str, Any]
    random: bool
    groups_known: bool
    exclusive: bool = True

    @property
    def targets(self) -> IntArray:
        """int64[n]: the label of each clip, where it has one."""
        targets: IntArray = self.marks.argmax(axis=1).astype(np.int64)
        return targets

    @property
    def right(self) -> NDArray[np.float64]:
        """float64[n]: the share of seeds that answered with the label, where each clip has one."""
        right: NDArray[np.float64] = self.said[np.arange(len(self.said)), self.targets]
        return right

    def named(self, clip: int) -> str:
        """Return the labels of a clip as they are written."""
        return SEVERAL.join(self.labels[i] for i in np.flatnonzero(self.marks[clip]))


def read_answers(run: Path) -> Answers:
    """Read the answers of the run in a folder.

    Raises
    ------
    PathError
        When the folder is no run's.
    RunError
        When the run is not finished, or its files are damaged.
    """
    finished(run)
    report = read_object(run / _REPORT)
    exclusive = report.get("exclusive") is not False
    table = _Table.read(run / PREDICTIONS, exclusive)
    split, told = report.get("split"), report.get("random_split") or report.get("leakage")
    return Answers(
        run,
        str(report.get("model", "")),
        table.labels,
        *table.clips(),
        settings=_settings(run / _RECIPE),
        random=isinstance(split, dict) and split.get("rule") == "random",
        groups_known=isinstance(told, dict) and told.get("groups_known") is True,
        exclusive=exclusive,
    )


def _settings(path: Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads(read_text(path))
    except (ValueError, RecursionError):
        raise damaged(path, "it is not a TOML file") from None
    return {
        f"{name}.{setting}": _plain(value)
        for name, table in tables.items()
        if isinstance(table, dict)
        for setting, value in table.items()
        if (name, setting) != ("data", "path")
    }


def _plain(value: Any) -> Any:
    """Return a value that JSON has; what TOML has beyond it as text."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    fit = isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    return value if fit else str(value)


@dataclass(frozen=True, slots=True)
class _Table:
    """The predictions, a row a clip and seed: its place, labels, answers, seed and group."""

    path: Path
    labels: tuple[str, ...]
    rows: list[tuple[Key, Labels, Labels, int, str]]

    @classmethod
    def read(cls, path: Path, exclusive: bool) -> _Table:
        fixed = len(ANSWER)
        try:
            lines = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
            header = next(lines, [])
            labels = tuple(header[fixed:])
            if tuple(header[:fixed]) != ANSWER or len(set(labels)) != len(labels) or len(labels) < 2:
                raise damaged(path, f"its header is not {', '.join(ANSWER)} and the labels")
            index: dict[str, Labels] = {label: (i,) for i, label in enumerate(labels)}
            rows = []
            for row in lines:
                own, said = (_labels(text, index, exclusive) for text in (row + [""] * fixed)[3:5])
                if len(row) != len(header) or own is None or said is None:
                    raise damaged(path, f"line {lines.line_num} is not a clip with its labels")
                if not row[6].isdecimal() or len(row[6]) > _LONGEST_SEED:
                    raise damaged(path, f"line {lines.line_num}: '{row[6]}' is no seed")
                rows.append(((row[0], row[1], row[2]), own, said, int(row[6]), row[7]))
        except csv.Error as error:
            raise damaged(path, str(error)) from None
        if not rows:
            raise damaged(path, "it holds no clips")
        return cls(path, labels, rows)

    def clips(
        self,
    ) -> tuple[tuple[Key, ...], IntArray, NDArray[np.bool_], NDArray[np.float64], tuple[int, ...]]:
        """Return keys, groups, marks, said and seeds; each clip once."""
        places: dict[Key, int] = {}
        for row in self.rows:
            places.setdefault(row[0], len(places))
        place = np.array([places[row[0]] for row in self.rows], np.int64)
        seeds = np.array([row[3] for row in self.rows], np.int64)
        names = np.unique(np.array([row[4] for row in self.rows], object), return_inverse=True)[1].reshape(-1)
        count, present = len(places), np.unique(seeds)
        first = np.full(count, len(self.rows), np.int64)
        np.minimum.at(first, place, np.arange(len(place)))
        told = np.bincount(place, minlength=count)
        pairs = np.unique(np.stack([place, seeds], axis=1), axis=0)
        if len(pairs) != len(place) or (told != len(present)).any():
            raise damaged(self.path, "not every seed answers every clip once")
        own = (self.rows[i][1] for i in first[place].tolist())
        changed = any(row[1] != labels for row, labels in zip(self.rows, own, strict=True))
        if changed or (names != names[first[place]]).any():
            raise damaged(self.path, "a clip has two labels or two recordings")
        marks, said = self._table(1, place, count) > 0, self._table(2, place, count) / told[:, None]
        return (
            tuple(places),
            names[first].astype(np.int64),
            marks,
            said,
            tuple(int(s) for s in present),
        )

    def _table(self, column: Literal[1, 2], place: IntArray, count: int) -> NDArray[np.float64]:
        """Return how often each label stands in a column of each clip, float64[clips, labels]."""
        held = [row[column] for row in self.rows]
        rows = np.repeat(place, [len(labels) for labels in held])
        values = np.array([label for labels in held for label in labels], np.int64)
        table = np.bincount(rows * len(self.labels) + values, minlength=count * len(self.labels))
        return table.reshape(count, -1).astype(np.float64)


def _labels(text: str, index: dict[str, Labels], exclusive: bool) -> Labels | None:
    """Return the labels of a cell, or ``None`` where it names none that the run has."""
    if exclusive or text in index:
        return index.get(text)
    try:
        return tuple(sorted({index[label][0] for label in text.split(SEVERAL)})) if text else ()
    except KeyError:
        return None
