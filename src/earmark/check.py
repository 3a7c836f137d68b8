"""The data doctor: reads, counts and fingerprints; changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from earmark.audio import decode
from earmark.dataset import Dataset
from earmark.engine import Engine, Local, Lost, each
from earmark.engine.fetch import fetched
from earmark.errors import AudioError, SplitError
from earmark.leakage import leakage
from earmark.split import Rows, SplitSettings, random_split
from earmark.types import Clip, Problem, problem_of

_SILENT = 10 ** (-80 / 20)  # peak, full scale 1
_CLIPPED_LEVEL, _CLIPPED_SHARE = 0.999, 0.001
_FEW_GROUPS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Checkup:
    """What the doctor found.

    Parameters
    ----------
    clips, hours, groups
        Readable clips, their length, their recordings.
    classes
        Clips of each class.
    folds
        Clips of each official fold.
    problems
        Everything that needs a person's eye, the reader's findings included.
    leakage
        What a random 80/20 split of these clips would let through; ``None`` for multi-label data.
    """

    clips: int
    hours: float
    classes: dict[str, int]
    groups: int
    folds: dict[int, int]
    problems: tuple[Problem, ...]
    leakage: dict[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """Return the record as the command line's JSON shows it."""
        return {
            "clips": self.clips,
            "hours": self.hours,
            "classes": self.classes,
            "groups": self.groups,
            "folds": {str(fold): n for fold, n in self.folds.items()},
            "problems": [asdict(problem) for problem in self.problems],
            "leakage": self.leakage,
        }


@dataclass(frozen=True, slots=True)
class _Vitals:
    seconds: float
    digest: bytes
    peak: float
    clipped: float


def check(
    dataset: Dataset,
    on_progress: Callable[[int, float], None] | None = None,
    engine: Engine | None = None,
) -> Checkup:
    """Decode every clip once, on every core, and say what is wrong with the data set."""
    vitals: list[_Vitals | Problem] = []
    total = 0.0
    tell = on_progress or (lambda done, seconds: None)
    tell(0, total)
    places = ((dataset.address(clip), clip.start, clip.end) for clip in dataset.clips)
    for clip, result in zip(dataset.clips, each(engine or Local(), _examine, places), strict=True):
        if isinstance(result, _Vitals):
            vitals.append(result)
            total += result.seconds
        else:
            kind = "crashed" if isinstance(result, Lost) else result.kind
            vitals.append(problem_of(clip, kind, result.reason))
        tell(len(vitals), total)
    good = np.array([i for i, v in enumerate(vitals) if isinstance(v, _Vitals)], dtype=np.int64)
    problems = [*dataset.problems, *(v for v in vitals if isinstance(v, Problem))]
    problems += _sound_problems(dataset, vitals)
    problems += _duplicates(dataset, vitals)
    problems += _group_problems(dataset)
    problems.sort(key=lambda p: p.kind == "unlisted")  # often very many: they must not hide the others
    clips = dataset.clips
    counts = np.bincount(clips.label_values, minlength=len(clips.labels))
    return Checkup(
        len(good),
        total / 3600,
        {label: int(n) for label, n in zip(clips.labels, counts, strict=True)},
        len(np.unique(clips.groups)) if len(clips) else 0,
        {fold: int((clips.folds == fold).sum()) for fold in dataset.folds},
        tuple(problems),
        _leakage(dataset, good, vitals),
    )


def _examine(where: tuple[str, float | None, float | None]) -> _Vitals | AudioError:
    address, start, end = where
    try:
        wave = decode(fetched(address), start, end)
    except AudioError as error:
        return error
    loudness = np.abs(wave.samples)
    digest = hashlib.blake2b(
        wave.samples.data, digest_size=16, person=str(wave.sample_rate).encode()
    ).digest()
    return _Vitals(wave.seconds, digest, float(loudness.max()), float((loudness >= _CLIPPED_LEVEL).mean()))


def _sound_problems(dataset: Dataset, vitals: list[_Vitals | Problem]) -> list[Problem]:
    problems = []
    for clip, v in zip(dataset.clips, vitals, strict=True):
        if not isinstance(v, _Vitals):
            continue
        if v.peak < _SILENT:
            problems.append(problem_of(clip, "silent", "no sound above -80 dB"))
        elif v.clipped > _CLIPPED_SHARE:
            problems.append(
                Problem("clipped", clip.path, f"{v.clipped:.1%} of the samples are at full scale")
            )
    return problems


def _duplicates(dataset: Dataset, vitals: list[_Vitals | Problem]) -> list[Problem]:
    first: dict[bytes, Clip] = {}
    problems = []
    for clip, v in zip(dataset.clips, vitals, strict=True):
        if not isinstance(v, _Vitals) or v.peak < _SILENT:
            continue
        twin = first.setdefault(v.digest, clip)
        if twin is clip:
            continue
        differs = [
            what
            for what, here, there in (
                ("class", clip.labels, twin.labels),
                ("recording", clip.group, twin.group),
                ("fold", clip.fold, twin.fold),
            )
            if here != there
        ]
        but = f", but another {' and '.join(differs)}" if differs else ""
        problems.append(Problem("duplicate", clip.path, f"the same sound as {twin.path}{but}"))
    return problems


def _group_problems(dataset: Dataset) -> list[Problem]:
    clips, problems = dataset.clips, []
    if dataset.grouping is None:
        detail = "no recording, speaker or day is known for the clips: leakage cannot be ruled out"
        problems.append(Problem("no_group", str(dataset.root), detail))
    if dataset.exclusive:
        unit = "recording" if dataset.grouping else "file"
        pairs = np.unique(np.stack([dataset.targets, dataset.group_ids]), axis=1)[0]
        groups = np.bincount(pairs, minlength=len(clips.labels))
        problems += [
            Problem(
                "few_groups",
                label,
                f"the class has {n} {unit}{'s' * (n != 1)}: too few to tell the class from them",
            )
            for label, n in zip(clips.labels, groups.tolist(), strict=True)
            if n < _FEW_GROUPS
        ]
    folds: dict[str, set[int]] = {}
    for group, fold in zip(clips.groups, clips.folds.tolist(), strict=True):
        folds.setdefault(str(group), set()).add(fold)
    for group, found in folds.items():
        if len(found) > 1:
            where = ", ".join(map(str, sorted(found)))
            problems.append(Problem("shared_group", group, f"the recording stands in the folds {where}"))
    return problems


def _leakage(
    dataset: Dataset, good: np.ndarray[Any, np.dtype[np.int64]], vitals: list[_Vitals | Problem]
) -> dict[str, Any] | None:
    if not dataset.exclusive or len(good) < 2:
        return None
    digests = [v.digest for v in vitals if isinstance(v, _Vitals)]
    sounds = np.unique(np.array(digests, dtype="V16"), return_inverse=True)[1].astype(np.int64)
    try:
        found = leakage(random_split(Rows.of(dataset, good, sounds, ""), SplitSettings(validation_share=0.0)))
    except SplitError:
        return None
    return {
        "random_split": found.to_dict(),
        "groups_known": dataset.grouping is not None,
    }
