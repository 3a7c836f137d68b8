"""How many flipped labels `find_suspects` finds, on real recordings. Writes suspects.md beside this file.

    EARMARK_TEST_DATA=DATA python bench/suspects.py

Labels are flipped in memory, to another class drawn at random: of single clips, or of whole recordings until at least
as many clips are reached. For UrbanSound8K single labels are also flipped as if in its table, after which the reader
takes each flipped clip for a recording of its own.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np

import earmark.suspects
from earmark.engine import Local
from earmark.extract import extract
from earmark.features import FEATURES
from earmark.readers import read
from earmark.recipe import Recipe
from earmark.split import Rows
from earmark.suspects import FLAGGED, find_suspects, unheard
from earmark.suspects.ridge import Ridge

SETS = {
    "us8k": ("UrbanSound8K, folds 1 to 3", None, ("clip", "recording", "table")),
    "esc10": ("ESC-10", None, ("clip", "recording")),
    "fsdd": ("Free Spoken Digit Dataset", "{label}_{group}_{take}.wav", ("clip",)),
}
TITLES = {"clip": "single clips", "recording": "whole recordings", "table": "single clips, in the table"}
SEEDS = range(10)  # those that things were chosen by begin at 100
SHARE = 0.05


def flip(rows: Rows, how: str, seed: int) -> np.ndarray:
    """Return int64[n]: labels of which 5 % are wrong."""
    rng = np.random.default_rng(seed)
    truth, classes = rows.targets, int(rows.targets.max()) + 1
    wanted, flipped = round(SHARE * len(truth)), truth.copy()
    if how != "recording":
        chosen = rng.choice(len(truth), wanted, replace=False)
        flipped[chosen] = (truth[chosen] + rng.integers(1, classes, wanted)) % classes
        return flipped
    for group in rng.permutation(np.unique(rows.groups)):
        members, so_far = rows.groups == group, int((flipped != truth).sum())
        if so_far >= wanted:
            break
        if so_far + members.sum() <= 1.3 * wanted:
            flipped[members] = (truth[members] + rng.integers(1, classes)) % classes
    return flipped


def auroc(wrong: np.ndarray, scores: np.ndarray) -> float:
    from scipy.stats import rankdata

    ranks, n = rankdata(scores), int(wrong.sum())
    return float((ranks[wrong].sum() - n * (n + 1) / 2) / (n * (len(wrong) - n)))


class Kept:
    """Stands in for `Ridge`, whose fit does not depend on the labels: one of each set of weights is kept."""

    fits: dict[bytes, Ridge] = {}  # noqa: RUF012

    @classmethod
    def of(cls, values: np.ndarray, weights: np.ndarray, seed: int) -> Ridge:
        key = values.tobytes()[:4096] + weights.tobytes()
        if key not in cls.fits:
            cls.fits[key] = Ridge.of(values, weights, seed)
        return cls.fits[key]


said: list[unheard.HeldOut] = []


def listened(*arguments: object) -> unheard.HeldOut:
    """What `find_suspects` asks for, kept for the comparison."""
    said[:] = [unheard.held_out(*arguments)]
    return said[0]


def thresholds() -> tuple[np.ndarray, np.ndarray]:
    """Return bool[n] twice: what confident learning would flag of the same probabilities, by clips and by recordings.

    A label is flagged where the most probable class among those at least as probable as the mean of their own clips'
    self-confidence is another one.
    """
    (heard,) = said
    each, flagged = np.arange(len(heard.place)), []
    for probabilities in (heard.by_clips, heard.by_recordings):
        own = probabilities[each, heard.place]
        mean = np.bincount(heard.place, own) / np.bincount(heard.place)
        above = np.where(probabilities >= mean, probabilities, -1.0)
        flagged.append((above.max(axis=1) >= 0) & (above.argmax(axis=1) != heard.place))
    return flagged[0], flagged[1]


def judged(values: np.ndarray, rows: Rows, labels: tuple[str, ...], how: str, seed: int) -> dict[str, float]:
    flipped = flip(rows, how, seed)
    groups = rows.groups
    if how == "table":  # as the reader does where an id has several classes
        groups = np.unique(groups * (len(labels) + 1) + flipped, return_inverse=True)[1]
    wrong = flipped != rows.targets
    given = replace(rows, targets=flipped, groups=groups)
    with patch.object(earmark.suspects, "held_out", listened), patch.object(unheard, "Ridge", Kept):
        found = find_suspects(values, given, labels)
    scores = np.nan_to_num(found.scores)
    flagged = np.zeros(len(wrong), bool)
    flagged[[s.row for s in found.found]] = True
    first = np.argsort(-scores, kind="stable")[: int(wrong.sum())]
    named = [labels.index(s.suggested) == rows.targets[s.row] for s in found.found if wrong[s.row]]
    recordings = np.unique(rows.groups[wrong])
    half = [flagged[wrong & (rows.groups == g)].mean() >= 0.5 for g in recordings]
    clip, recording = thresholds()
    confident = clip | recording
    return {
        "clip_recall": clip[wrong].mean(), "recording_recall": recording[wrong].mean(),
        "confident_recall": confident[wrong].mean(), "confident_flagged": confident.mean(),
        "flipped": int(wrong.sum()), "auroc": auroc(wrong, scores), "recall": flagged[wrong].mean(),
        "recordings": float(np.mean(half)), "flagged": flagged.mean(), "precision": wrong[flagged].mean(),
        "first": wrong[first].mean(), "named": float(np.mean(named)) if named else 0.0,
    }  # fmt: skip


def features_of(folder: Path, pattern: str | None) -> tuple[np.ndarray, Rows, tuple[str, ...]]:
    dataset = read(folder, pattern=pattern)
    tables = [
        extract(dataset, feature, engine=Local(2)) for feature in (Recipe().feature, FEATURES["stats"]())
    ]
    values = np.hstack([table.values for table in tables])
    return values, Rows.of_table(dataset, tables[0]), dataset.labels


def main(data: Path) -> None:
    lines = [
        "# Labels that may be wrong", "", "Made by `bench/suspects.py`.", "",
        f"{SHARE:.0%} of the labels are flipped, to another class drawn at random: {len(SEEDS)} seeds a line, the mean,"
        " and the lowest of the recalls beside it.",
        f"Flagged is what scores {FLAGGED} and more. Settings were chosen on ESC-10, and on UrbanSound8K with other"
        " seeds than these.", "",
        "| data | flipped | AUROC | recall in the flagged set | lowest | recordings found | flagged | precision there"
        " | precision in the first n | right suggestion |",
        "| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]  # fmt: skip
    others = [
        "",
        "The same probabilities by the thresholds of confident learning (Northcutt, Jiang and Chuang, 2021): a label"
        " is flagged where another class is at least as probable as it usually is for its own clips.",
        "",
        "| data | flipped | recall by other clips | recall by other recordings | recall of both | flagged by both |",
        "| --- | --- | --: | --: | --: | --: |",
    ]  # fmt: skip
    for name, (title, pattern, ways) in SETS.items():
        folder = data / name / ("recordings" if name == "fsdd" else "")
        values, rows, labels = features_of(folder, pattern)
        for how in ways:
            each = [judged(values, rows, labels, how, seed) for seed in SEEDS]
            mean = {key: float(np.mean([one[key] for one in each])) for key in each[0]}
            lowest = min(one["recall"] for one in each)
            lines.append(
                f"| {title}, {len(values):,} clips | {TITLES[how]}, n = {mean['flipped']:.0f} | {mean['auroc']:.3f}"
                f" | {mean['recall']:.3f} | {lowest:.3f} | {mean['recordings']:.3f} | {mean['flagged']:.1%}"
                f" | {mean['precision']:.3f} | {mean['first']:.3f} | {mean['named']:.3f} |"
            )
            others.append(
                f"| {title} | {TITLES[how]} | {mean['clip_recall']:.3f} | {mean['recording_recall']:.3f}"
                f" | {mean['confident_recall']:.3f} | {mean['confident_flagged']:.1%} |"
            )
            sys.stderr.write(lines[-1] + "\n")
    Path(__file__).with_name("suspects.md").write_text("\n".join([*lines, *others]) + "\n")


if __name__ == "__main__":
    main(Path(os.environ["EARMARK_TEST_DATA"]))
