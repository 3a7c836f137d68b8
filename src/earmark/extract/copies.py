"""Copies in disguise among the clips of a data set whose landmarks are in the store."""

from __future__ import annotations

import numpy as np

from earmark.audio.copies import find_copies
from earmark.dataset import Dataset
from earmark.engine import Engine
from earmark.extract import OnNote, extract_courses
from earmark.features.landmarks import Marks
from earmark.links import no_links
from earmark.store import Store
from earmark.types import IntArray


def copies(
    dataset: Dataset, engine: Engine | None = None, store: Store | None = None, on_note: OnNote | None = None
) -> IntArray:
    """Return int64[m, 2]: the rows of clips of different recordings that hold the same sound, at least in part."""
    table = extract_courses(dataset, Marks(), None, engine, store, on_note)
    marks = [course[1:, 0].astype(np.uint32) for course in table.courses]
    bounds = np.cumsum([0, *map(len, marks)])
    units = dataset.group_ids[table.rows]
    found = find_copies(np.concatenate([np.empty(0, np.uint32), *marks]), bounds, units)
    pairs = np.array([(copy.first, copy.second) for copy in found], np.int64).reshape(-1, 2)
    return table.rows[pairs] if len(pairs) else no_links()
