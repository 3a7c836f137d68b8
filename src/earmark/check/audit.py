"""The leakage audit: clips that hold the same sound under other names, and what a split makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from earmark.audio.condition import SILENT
from earmark.audio.copies import Copy, find_copies
from earmark.check.measures import Measures
from earmark.dataset import NO_FOLD, Dataset
from earmark.errors import SplitError
from earmark.leakage import leakage
from earmark.links import no_links, overlaps
from earmark.split import Rows, SplitSettings, random_split
from earmark.types import Clip, IntArray, Problem, problem_of

# Recordings of public data sets that are alike although their publishers' folds part them. They are told of, but are
# nobody's fault who uses the folds. The list is what this audit found in those data sets (of UrbanSound8K, in folds
# 1 to 3), so that they pass says only that nothing else was found. The correlation of their sounds, 150 to 3,500 Hz:
# 102305 and 37236, 0.90; 151080 and 151085, 0.51; 197318 and 197320, shots of a gun, up to 0.65, but also 0.25 to 0.57
# between different shots, and 0.05 to 0.39 with other recordings' shots: rather one session than one sound.
KNOWN: dict[str, frozenset[frozenset[str]]] = {
    "esc50": frozenset({frozenset({"151080", "151085"})}),
    "urbansound8k": frozenset({frozenset({"102305", "37236"}), frozenset({"197318", "197320"})}),
}
_SAME, _ALIKE, _CUT = "the same sound", "a copy in disguise", "a stretch of the same file"


class Audit:
    """What of a data set is the same sound.

    Attributes
    ----------
    rows
        What a split must know of the usable clips; ``None`` where clips have several labels, or none can be used.
    exceptions
        Pairs of recordings that are known to be alike across the publisher's folds.
    """

    def __init__(self, dataset: Dataset, measures: Measures) -> None:
        self._dataset, self._measures = dataset, measures
        self._clips = dataset.clips
        self._looked = bool(len(measures.marked))
        self.exceptions: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self._overlaps = overlaps(self._clips)
        found = [copy for copy in self._find() if not self._is_overlap(copy.first, copy.second)]
        self._copies = [copy for copy in found if not self._excepted(copy.first, copy.second)]
        usable = measures.rows
        self.rows: Rows | None = None
        if dataset.exclusive and len(usable):
            known = [pair for pairs in self.exceptions.values() for pair in pairs]
            links = np.array([*((c.first, c.second) for c in self._copies), *known], np.int64).reshape(-1, 2)
            self.rows = Rows.of(dataset, usable, measures.sounds, "", links)

    def problems(self) -> Iterator[tuple[int, Problem]]:
        """Yield each clip that holds sound of another under another recording's name, with its row."""
        best: dict[int, Copy] = {}
        for copy in self._copies:  # a sound may have a hundred copies: each is told of once
            if copy.second not in best or copy.shared > best[copy.second].shared:
                best[copy.second] = copy
        for row, copy in sorted(best.items()):
            clip, twin = self._clips[row], self._clips[copy.first]
            detail = f"nearly the same sound as {_place(twin)}{self._differences(clip, twin)}"
            yield row, problem_of(clip, "near_duplicate", f"{detail}{_shift(-copy.later)}")
        for one, other in self._overlaps.tolist():
            clip, twin = self._clips[other], self._clips[one]
            detail = f"overlaps {_place(twin)}, which is said to be the recording {twin.group}"
            yield other, problem_of(clip, "overlapping_cuts", f"{detail} and not {clip.group}")

    def leaks(self) -> Iterator[Problem]:
        """Yield each pair of clips that hold the same sound and stand in different folds."""
        for what, one, other in self._crossings():
            clip, twin = self._clips[one], self._clips[other]
            yield problem_of(
                clip, "leak", f"in fold {clip.fold}, and {what} in fold {twin.fold}: {_place(twin)}"
            )

    def to_dict(self) -> dict[str, Any] | None:
        """Return what splits let through, ready for JSON; ``None`` for multi-label data, or too few clips."""
        rows = self.rows
        if rows is None or len(rows) < 2:
            return None
        try:
            random = leakage(random_split(rows, SplitSettings(validation_share=0.0)))
        except SplitError:
            return None
        found: dict[str, Any] = {
            "random_split": random.to_dict(),
            "groups_known": self._dataset.grouping is not None,
            "copies_looked_for": self._looked,
            "near_duplicates": len(self._copies),
        }
        if len(rows.present_folds) > 1:
            found["folds"] = self._folds(rows)
        return found

    def _folds(self, rows: Rows) -> dict[str, Any]:
        """Return what is learnt of each fold's clips when all the other folds are trained on."""
        each = {}
        for fold in rows.present_folds:
            tested, learnt = rows.folds == fold, (rows.folds != fold) & (rows.folds != NO_FOLD)
            shared = np.isin(rows.groups, rows.groups[learnt]) | np.isin(rows.sounds, rows.sounds[learnt])
            shared |= rows.linked(learnt)
            each[str(fold)] = {"test_clips": int(tested.sum()), "sharing": int((shared & tested).sum())}
        known = [
            {"recordings": list(names), "clips": [[self._clips[i].path for i in pair] for pair in pairs]}
            for names, pairs in sorted(self.exceptions.items())
        ]
        parted = np.unique(np.stack([rows.groups, rows.folds], axis=1), axis=0)[:, 0]
        recordings = int((np.unique(parted, return_counts=True)[1] > 1).sum())
        leaks = recordings + sum(1 for _ in self._crossings())
        return {"passes": leaks == 0, "leaks": leaks, "each": each, "known_exceptions": known}

    def _find(self) -> list[Copy]:
        """Return the copies in disguise, as rows of the data set; of each exact sound only the first clip is asked."""
        marked = np.array(self._measures.marked, np.int64)
        if not len(marked):
            return []
        values = self._measures.values[marked]
        halves = np.ascontiguousarray(values["sound"]).view(np.dtype((np.void, 16))).reshape(-1)
        first = np.sort(np.unique(halves, return_index=True)[1])
        asked = first[values["peak"][first] >= SILENT]
        units = self._dataset.group_ids[marked[asked]]
        found = find_copies(*self._measures.landmarks_of(asked), units)
        at = marked[asked].tolist()
        return [copy._replace(first=at[copy.first], second=at[copy.second]) for copy in found]

    def _differences(self, clip: Clip, twin: Clip) -> str:
        pairs: list[tuple[str, object, object]] = [("class", clip.labels, twin.labels)]
        if self._dataset.grouping is not None:
            pairs.append(("recording", clip.group, twin.group))
        pairs.append(("fold", clip.fold, twin.fold))
        differs = [what for what, here, there in pairs if here != there]
        return f", but another {' and '.join(differs)}" if differs else ""

    def _is_overlap(self, one: int, other: int) -> bool:
        """Say whether two clips share a stretch of one file, which is told of as that."""
        a, b = self._clips[one], self._clips[other]
        if a.path != b.path:
            return False
        starts, ends = [c.start or 0.0 for c in (a, b)], [np.inf if c.end is None else c.end for c in (a, b)]
        return max(starts) < min(ends)

    def _excepted(self, one: int, other: int) -> bool:
        """Say whether two clips are of recordings that are known for it, and note them."""
        names = sorted(str(self._clips.groups[row]) for row in (one, other))
        if frozenset(names) not in KNOWN.get(self._dataset.layout, ()):
            return False
        self.exceptions.setdefault((names[0], names[1]), []).append((one, other))
        return True

    def _crossings(self) -> Iterator[tuple[str, int, int]]:
        """Yield what two clips in different folds have in common, and their rows."""
        folds = self._clips.folds
        near = np.array([(c.first, c.second) for c in self._copies], np.int64).reshape(-1, 2)
        for what, pairs in ((_SAME, self._twins()), (_ALIKE, near), (_CUT, self._overlaps)):
            for one, other in pairs.tolist():
                if folds[one] != folds[other] and NO_FOLD not in (folds[one], folds[other]):
                    yield what, one, other

    def _twins(self) -> IntArray:
        """Return int64[m, 2]: the first clip of each exact sound in each fold, with the first of all."""
        rows = self._measures.rows
        loud = self._measures.values["peak"][rows] >= SILENT
        rows, sounds = rows[loud], self._measures.sounds[loud]
        first: dict[int, int] = {}
        seen: set[tuple[int, int]] = set()
        found = []
        for row, sound in zip(rows.tolist(), sounds.tolist(), strict=True):
            fold = int(self._clips.folds[row])
            if sound in first and (sound, fold) not in seen:
                found.append((first[sound], row))
            first.setdefault(sound, row)
            seen.add((sound, fold))
        return np.array(found, np.int64).reshape(-1, 2) if found else no_links()


def _place(clip: Clip) -> str:
    return clip.path if clip.start is None else f"{clip.path} at {clip.start:g} s"


def _shift(seconds: float) -> str:
    """Return how much later the other has it.

    >>> _shift(-0.5), _shift(0.01)
    ('; there 0.50 s earlier', '')
    """
    if abs(seconds) < 0.05:
        return ""
    return f"; there {abs(seconds):.2f} s {'later' if seconds > 0 else 'earlier'}"
