"""Runs a feature over the clips of a data set, through an engine and the store. A bad file costs its clip only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from earmark.dataset import Dataset
from earmark.engine import Engine, Local
from earmark.errors import DataError, StoreError
from earmark.extract.courses import Courses, Maps
from earmark.extract.fill import Filled, OnNote, OnProgress, Progress, discard, fill
from earmark.extract.work import Done
from earmark.features.summary import summary
from earmark.inputs import Picked
from earmark.store import NONE, Index, Part, Shelf, Store
from earmark.types import Feature, FeatureTable, IntArray, Problem

__all__ = [
    "CourseTable", "Courses", "Done", "Filled", "OnNote", "Progress", "extract", "extract_courses",
    "extract_tables", "fill",
]  # fmt: skip

_ATTEMPTS = 3  # to find the store in order: damage found is mended in the next


@dataclass(frozen=True, slots=True, eq=False)
class CourseTable:
    """Features that keep time, of each clip that could be read.

    Parameters
    ----------
    courses
        One float32[frames, dims] a row, read from the store when asked for.
    rows, feature, dataset_fingerprint, seconds, skipped
        As in `earmark.types.FeatureTable`.
    """

    courses: Courses
    rows: IntArray
    feature: Feature
    dataset_fingerprint: str
    seconds: NDArray[np.float64]
    skipped: tuple[Problem, ...] = ()


def extract(
    dataset: Dataset,
    feature: Feature,
    on_progress: OnProgress | None = None,
    engine: Engine | None = None,
    store: Store | None = None,
    on_note: OnNote | None = None,
) -> FeatureTable:
    """Return one row of features for each clip that can be read; the others are listed in ``skipped``.

    Of a feature that keeps time, the courses are there as well, read from the store when asked for.

    Parameters
    ----------
    engine
        Where the work runs; `earmark.engine.Local` by default.
    store
        Where features are kept and looked for; `Store` by default.
    on_progress, on_note
        Told how far it is, and what is odd about the store.

    Raises
    ------
    DataError
        When not one clip can be read.
    """
    if feature.course:
        found = extract_courses(dataset, feature, on_progress, engine, store, on_note)
        values = np.stack([summary(course) for course in found.courses])
        return FeatureTable(
            values,
            found.rows,
            feature,
            found.dataset_fingerprint,
            found.seconds,
            found.skipped,
            found.courses,
        )
    return _mended(_vectors, dataset, feature, on_progress, engine, store, on_note)


def extract_tables(
    dataset: Dataset,
    features: Sequence[Feature],
    engine: Engine | None = None,
    on_note: OnNote | None = None,
) -> tuple[FeatureTable, ...]:
    """Return a table for each feature, the same clips in all: those that each of them can be made of.

    Raises
    ------
    DataError
        When there is not one such clip.
    """
    tables = [extract(dataset, feature, None, engine, on_note=on_note) for feature in features]
    rows = tables[0].rows
    for table in tables[1:]:
        rows = np.intersect1d(rows, table.rows)
    if not len(rows):
        raise DataError(f"{dataset.name} has no clip that all of the features can be made of.")
    skipped = tuple({problem: None for table in tables for problem in table.skipped})
    return tuple(_of_rows(table, rows, skipped) for table in tables)


def _of_rows(table: FeatureTable, rows: IntArray, skipped: tuple[Problem, ...]) -> FeatureTable:
    at = np.searchsorted(table.rows, rows)
    courses = table.courses
    if courses is not None and len(at) < len(table.rows):
        courses = Picked(courses, at)
    values, seconds = table.values[at], table.seconds[at]
    return replace(table, values=values, rows=rows, seconds=seconds, skipped=skipped, courses=courses)


def extract_courses(
    dataset: Dataset,
    feature: Feature,
    on_progress: OnProgress | None = None,
    engine: Engine | None = None,
    store: Store | None = None,
    on_note: OnNote | None = None,
) -> CourseTable:
    """Return features that keep time, a course a clip; see `extract`.

    Raises
    ------
    DataError
        When not one clip can be read.
    """
    return _mended(_courses, dataset, feature, on_progress, engine, store, on_note)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """The rows of a data set's clips in a store that lacks none of them."""

    fingerprint: str
    shelf: Shelf
    index: Index
    rows: IntArray
    positions: IntArray
    homes: IntArray
    skipped: tuple[Problem, ...]
    damaged: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, dataset: Dataset, filled: Filled) -> _Found:
        skipped = filled.problems(dataset)
        (index,), (shelf,) = filled.indexes, filled.shelves
        positions = index.find(filled.keys)
        good = positions != NONE
        good[list(skipped)] = False
        rows = np.flatnonzero(good).astype(np.int64)
        positions = positions[rows]
        problems = tuple(skipped.values())
        fingerprint = dataset.fingerprint_of(filled.files)
        return cls(fingerprint, shelf, index, rows, positions, index.home(positions), problems)

    def parts(self) -> Iterator[tuple[str, Part, IntArray, IntArray]]:
        """Yield each part that holds values of these clips: its name, itself, whose they are, its rows of them."""
        part_of = self.index.part[self.homes]
        by_part = np.argsort(part_of, kind="stable")
        for taken in np.split(by_part, np.flatnonzero(np.diff(part_of[by_part])) + 1):
            name = self.index.names[int(part_of[taken[0]])]
            try:
                part = self.shelf.read(name)
            except (StoreError, FileNotFoundError):
                self.damaged.append(name)
                continue
            yield name, part, taken.astype(np.int64), self.index.row[self.homes[taken]]


T = TypeVar("T")


def _mended(
    make: Callable[[_Found], T],
    dataset: Dataset,
    feature: Feature,
    on_progress: OnProgress | None,
    engine: Engine | None,
    store: Store | None,
    on_note: OnNote | None,
) -> T:
    """Return what ``make`` makes of the features; compute again what turns out to be damaged."""
    shelves, note = store or Store(), on_note or (lambda text: None)
    for _ in range(_ATTEMPTS):
        found = _Found.of(dataset, fill(dataset, [feature], shelves, engine or Local(), on_progress, note))
        if not len(found.rows):
            raise DataError(
                f"None of the {len(dataset.clips)} clips of {dataset.name} can be read. The first: "
                f"{found.skipped[0].path}: {found.skipped[0].detail}."
                if found.skipped
                else f"{dataset.name} has no clips."
            )
        made = make(found)
        if not found.damaged:
            return made
        for name in found.damaged:
            discard(found.shelf, name, note)
    raise StoreError(
        f"The store {shelves} is damaged as often as it is mended. Give another with EARMARK_STORE."
    )


def _vectors(found: _Found) -> FeatureTable:
    feature = found.shelf.feature
    values = np.empty((len(found.rows), feature.dims), np.float32)
    for _, part, taken, rows in found.parts():
        if part.values is not None:
            values[taken] = part.values[part.offsets[rows]]
    seconds = found.index.seconds[found.positions]
    return FeatureTable(values, found.rows, feature, found.fingerprint, seconds, found.skipped)


def _courses(found: _Found) -> CourseTable:
    feature, count = found.shelf.feature, len(found.rows)
    part_of, first = np.empty(count, np.int64), np.empty(count, np.int64)
    names: list[str] = []
    for name, part, taken, rows in found.parts():  # read once for their checksums, then mapped
        part_of[taken], first[taken] = len(names), part.offsets[rows]
        names.append(name)

    def load(name: str) -> NDArray[Any]:
        values = found.shelf.map(name).values
        if values is None:
            raise StoreError(f"{name} is damaged: it has no values.")
        return values

    courses = Courses(Maps(names, load), part_of, first, found.index.frames[found.homes], feature.dims)
    seconds = found.index.seconds[found.positions]
    return CourseTable(courses, found.rows, feature, found.fingerprint, seconds, found.skipped)
