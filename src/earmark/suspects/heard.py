"""From a data set to its suspects: features first, and what is the same sound twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from earmark.dataset import Dataset
from earmark.engine import Engine, Local
from earmark.errors import DataError, SettingError
from earmark.extract import OnNote, Progress, extract_tables, fill
from earmark.extract.copies import copies
from earmark.features.landmarks import Marks
from earmark.split import Rows
from earmark.store import Store
from earmark.suspects import Suspects, find_suspects
from earmark.types import Feature, FeatureTable

_SOON = 4000  # clips that are judged before anybody asks what takes so long


def suspects_of(
    dataset: Dataset,
    features: Sequence[Feature],
    engine: Engine | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_note: OnNote | None = None,
) -> tuple[FeatureTable, Suspects]:
    """Find labels that may be wrong; return the features that clips were judged by, and what was found.

    Parameters
    ----------
    features
        By what sounds are compared; of several the values stand beside each other.

    Raises
    ------
    DataError
        When the data cannot be judged: clips with several labels, one class, nothing that can be read.
    SettingError
        When a feature gives a course over time.
    """
    if not dataset.exclusive:
        raise DataError(
            f"{dataset.name} has clips with several labels; suspects are found where a clip has one."
        )
    for feature in features:
        if feature.course:
            raise SettingError(
                f"'{feature.name}' gives a course over time, but sounds are compared by one vector a clip."
                " Take --feature stats, --feature mfcc, or both."
            )
    fill(
        dataset, [*features, Marks()], Store(), engine or Local(), on_progress, on_note or (lambda text: None)
    )
    tables = extract_tables(dataset, features, engine, on_note)
    joined = replace(tables[0], values=np.hstack([table.values for table in tables]), courses=None)
    rows = Rows.of_table(dataset, joined, copies(dataset, engine, on_note=on_note))
    tell = on_note if len(joined.rows) > _SOON else None
    return joined, find_suspects(joined.values, rows, dataset.labels, tell=tell)
