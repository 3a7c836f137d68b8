"""Runs a feature over the clips of a data set, on every core. A bad file costs its clip, never the run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from earmark import engine
from earmark.audio import load
from earmark.dataset import Dataset
from earmark.errors import AudioError, DataError, SettingError
from earmark.types import Clip, Feature, FeatureTable, FloatArray, Problem

# Called after each clip with the number done and the seconds of sound so far.
OnProgress = Callable[[int, float], None]


def extract(
    dataset: Dataset, feature: Feature, on_progress: OnProgress | None = None, workers: int | None = None
) -> FeatureTable:
    """Return one row of features for each clip that can be read; the others are listed in ``skipped``.

    Raises
    ------
    DataError
        When not one clip can be read.
    SettingError
        When the feature gives a course over time and not one vector a clip.
    """
    fingerprint = dataset.fingerprint

    def one(clip: Clip) -> tuple[FloatArray, float] | Problem:
        try:
            waveform = load(dataset.file(clip), feature.sample_rate, feature.resampler, clip.start, clip.end)
        except AudioError as error:
            return Problem(error.kind, clip.path, error.reason)
        vector = feature.extract(waveform)
        if vector.shape != (feature.dims,):
            raise SettingError(
                f"[feature] {feature.name} with these settings gives a course over time, but one vector a clip is"
                " needed. Name at least one of its statistics, such as --set 'feature.statistics=[\"mean\"]'."
            )
        return vector, waveform.seconds

    values = np.empty((len(dataset.clips), feature.dims), np.float32)
    seconds = np.zeros(len(dataset.clips))
    rows: list[int] = []
    skipped: list[Problem] = []
    total = 0.0
    for i, result in enumerate(engine.map(one, dataset.clips, workers)):
        if isinstance(result, Problem):
            skipped.append(result)
        else:
            values[len(rows)], seconds[len(rows)] = result
            total += result[1]
            rows.append(i)
        if on_progress:
            on_progress(i + 1, total)
    if not rows:
        raise DataError(
            f"None of the {len(dataset.clips)} clips of {dataset.name} can be read. The first: "
            f"{skipped[0].path}: {skipped[0].detail}."
            if skipped
            else f"{dataset.name} has no clips."
        )
    index = np.array(rows, dtype=np.int64)
    return FeatureTable(
        values[: len(rows)], index, feature, fingerprint, seconds[: len(rows)], tuple(skipped)
    )
