"""What is odd about single clips, by what was measured of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from earmark.audio.condition import CLIPPED, SILENT
from earmark.check.measures import Measures
from earmark.dataset import Dataset
from earmark.types import Problem, problem_of

_OFFSET = 0.01  # mean of the samples, full scale 1
_NARROW = 0.25  # of half its rate: a clip that holds nothing above was made from one of a lower rate
# What recorders, editors and telephones use; bat detectors go up to 500 kHz.
_RATES = frozenset({
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 37_800, 44_056, 44_100, 47_250, 48_000, 50_000, 64_000,
    88_200, 96_000, 125_000, 128_000, 176_400, 192_000, 200_000, 250_000, 256_000, 300_000, 312_500, 320_000,
    352_800, 375_000, 384_000, 400_000, 441_000, 500_000,
})  # fmt: skip


def problems_of_clips(dataset: Dataset, measures: Measures) -> Iterator[tuple[int, Problem]]:
    """Yield what is odd about each clip that can be decoded, with its row."""
    values = measures.values
    marks = {
        "silent": values["peak"] < SILENT,
        "clipped": values["clipped"] > CLIPPED,
        "offset": np.abs(values["offset"]) > _OFFSET,
        "odd_rate": ~np.isin(values["rate"], list(_RATES)),
        "channel_copies": values["copies"],
        "dead_channel": values["dead"] > 0,
        "narrow_band": (values["bandwidth"] < _NARROW * values["rate"] / 2) & (values["peak"] >= SILENT),
    }
    for kind, marked in marks.items():
        for row in np.flatnonzero(marked & measures.good).tolist():
            if kind != "silent" and marks["silent"][row]:
                continue
            yield row, problem_of(dataset.clips[row], kind, _told(kind, measures, row))
    for row, faults in measures.faults.items():
        for kind, told in faults:
            yield row, problem_of(dataset.clips[row], kind, told)


def _told(kind: str, measures: Measures, row: int) -> str:
    of = measures.values[row]
    if kind == "silent":
        return "no sound above -80 dB"
    if kind == "clipped":
        return f"{of['clipped']:.1%} of the samples are at full scale"
    if kind == "offset":
        return f"the samples' mean is {of['offset']:+.3f}, not 0: a constant (DC) offset"
    if kind == "odd_rate":
        return f"{of['rate']:,} Hz is no usual sample rate"
    if kind == "channel_copies":
        return f"its {of['channels']} channels are the same"
    if kind == "dead_channel":
        return f"{of['dead']} of {of['channels']} channels {'is' if of['dead'] == 1 else 'are'} silent"
    return f"nothing above {of['bandwidth']:,.0f} Hz, though its rate is {of['rate']:,} Hz"
