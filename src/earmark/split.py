"""The only place that assigns roles. No model.

Rules
-----
``official``
    The publisher's folds: one is the test part.
``grouped``
    Stratified by label (of several, the rarest) and grouped by recording (scikit-learn's StratifiedGroupKFold).
``random``
    Clip by clip. It exists to show what it hides: see `earmark.leakage`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from earmark.dataset import NO_FOLD, Dataset
from earmark.errors import LeakageError, SettingError, SplitError
from earmark.links import join, no_links, overlaps
from earmark.parts import grouped_parts, most_parts, share_of
from earmark.types import FeatureTable, IntArray

TRAIN, VALIDATION, TEST, UNUSED = 0, 1, 2, 3
ROLES = ("train", "validation", "test", "unused")
Rule = Literal["auto", "official", "grouped", "random"]

FOLDS = 5  # of a cross-validation
_NAMED = 3  # examples in an error


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """How clips are divided.

    Parameters
    ----------
    rule
        ``"auto"`` takes the official folds where the layout has them and ``"grouped"`` elsewhere.
    test_fold
        The official fold to test on; ``None`` is the last that is present.
    test_share
        Share of the clips to test on, for ``grouped`` and ``random``.
    validation_share
        Share of the training clips, whole groups, kept aside for early stopping; 0 for none.
    folds
        Parts of a cross-validation where there are no official ones; ``None`` is 5.
    seed
        Of the division.
    copies
        Whether to look for copies in disguise, re-encoded, trimmed, looped, under another recording, and to keep them
        on one side.
    """

    rule: Rule = "auto"
    test_fold: int | None = None
    test_share: float = 0.2
    validation_share: float = 0.15
    folds: int | None = None
    seed: int = 0
    copies: bool = True

    def __post_init__(self) -> None:
        for name in ("test_share", "validation_share"):
            value = getattr(self, name)
            if not (0.0 < value <= 0.5 or (name == "validation_share" and value == 0.0)):
                raise SettingError(f"[split] {name} is {value:g}, but must be above 0 and at most 0.5.")
        if self.folds is not None and not 2 <= self.folds <= 100:
            raise SettingError(f"[split] folds is {self.folds}, but must be from 2 to 100.")
        if not 0 <= self.seed < 2**32:
            raise SettingError(f"[split] seed is {self.seed}, but must be from 0 to 4294967295.")


@dataclass(frozen=True, eq=False)
class Rows:
    """What a split must know of each readable clip.

    Parameters
    ----------
    targets
        int64[n], the class. Of several labels it is the one that the fewest clips have, and the number of labels
        where a clip has none: the parts are made alike in these, and rare labels are the ones at risk.
    groups
        int64[n], the recording; ``names`` are the groups' names, for messages.
    sounds
        int64[n]: rows with the same number sound identical.
    folds
        int32[n], the publisher's fold, -1 for none.
    dataset
        Its name and fingerprint.
    links
        int64[m, 2]: pairs of rows that share a stretch of sound, although their recordings differ.
    marks
        bool[n, labels], which labels each clip has; ``None`` where each has exactly one, its class.
    """

    targets: IntArray
    groups: IntArray
    names: NDArray[np.object_]
    sounds: IntArray
    folds: NDArray[np.int32]
    dataset: tuple[str, str]
    links: IntArray = field(default_factory=no_links)
    marks: NDArray[np.bool_] | None = None

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        rows: IntArray,
        sounds: IntArray,
        fingerprint: str,
        copies: IntArray | None = None,
    ) -> Rows:
        """Take ``rows`` of a data set.

        Parameters
        ----------
        sounds
            Says which of them are identical audio.
        copies
            int64[m, 2], clips of the data set: copies in disguise, where they are known.
        """
        pairs = np.concatenate([overlaps(dataset.clips), no_links() if copies is None else copies])
        place = np.full(len(dataset.clips), -1, np.int64)
        place[rows] = np.arange(len(rows))
        links = place[pairs]
        marks = None if dataset.exclusive else dataset.marks[rows]
        return cls(
            dataset.targets[rows] if marks is None else rarest(marks),
            dataset.group_ids[rows],
            dataset.clips.groups[rows].astype(object),
            sounds,
            dataset.clips.folds[rows],
            (dataset.name, fingerprint),
            links[(links >= 0).all(axis=1)],
            marks,
        )

    @classmethod
    def of_table(cls, dataset: Dataset, table: FeatureTable, copies: IntArray | None = None) -> Rows:
        """Take the rows of a feature table. Rows with the same features are one sound to any model."""
        values = np.ascontiguousarray(table.values)
        as_bytes = values.view(np.dtype((np.void, values.shape[1] * values.itemsize))).reshape(-1)
        sounds = np.unique(as_bytes, return_inverse=True)[1].reshape(-1).astype(np.int64)
        return cls.of(dataset, table.rows, sounds, table.dataset_fingerprint, copies)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def truth(self) -> IntArray | NDArray[np.bool_]:
        """What is learnt: int64[n], the class, or bool[n, labels]."""
        return self.targets if self.marks is None else self.marks

    def labels_of(self, rows: IntArray | slice = slice(None)) -> IntArray:
        """Return the labels that any of some rows have, or any at all, int64, ascending."""
        if self.marks is None:
            return np.unique(self.targets[rows])
        return np.flatnonzero(np.any(self.marks[rows], axis=0)).astype(np.int64)

    def having(self, labels: IntArray, rows: IntArray) -> NDArray[np.bool_]:
        """Return which of some rows have any of some labels, bool[len(rows)]."""
        if self.marks is None:
            return np.isin(self.targets[rows], labels)
        found: NDArray[np.bool_] = np.any(self.marks[np.ix_(rows, labels)], axis=1)
        return found

    @property
    def present_folds(self) -> tuple[int, ...]:
        """The publisher's folds that have readable clips."""
        return tuple(int(f) for f in np.unique(self.folds) if f != NO_FOLD)

    @cached_property
    def recordings(self) -> IntArray:
        """int64[n]: groups, with those that share an identical sound made one."""
        return join([self.groups, self.sounds])

    @cached_property
    def joined(self) -> IntArray:
        """int64[n]: `recordings`, with those that share a stretch of sound made one."""
        return join([self.groups, self.sounds], self.links)

    def linked(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return bool[n]: the rows that share a stretch of sound with a chosen one."""
        found = np.zeros(len(self), bool)
        for one, other in (self.links.T, self.links.T[::-1]):
            found[other[chosen[one]]] = True
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """A role for each row of a feature table. Building one proves that it does not leak.

    Parameters
    ----------
    roles
        int8[n] of `TRAIN`, `VALIDATION`, `TEST`, `UNUSED`.
    rule, seed
        How it was made.
    rows
        What it divides.
    test_fold
        The official fold that is tested, or ``None``.

    Raises
    ------
    LeakageError
        When a group, identical audio, or a copy of it stands in two roles, and the rule is not ``random``.

    Examples
    --------
    >>> zeros = np.zeros(2, np.int64)
    >>> rows = Rows(zeros, zeros, np.array(["rec7", "rec7"], object), np.arange(2), zeros.astype("i4"), ("demo", ""))
    >>> Split(np.array([TRAIN, TEST], np.int8), "grouped", 0, rows)
    Traceback (most recent call last):
    earmark.errors.LeakageError: 1 recording stands in both train and test: rec7. Use --split grouped.
    """

    roles: NDArray[np.int8]
    rule: str
    seed: int
    rows: Rows
    test_fold: int | None = None

    def __post_init__(self) -> None:
        if self.rule == "random":
            return
        for what, ids in (("recording", self.rows.groups), ("identical sound", self.rows.sounds)):
            for a, b in ((TRAIN, TEST), (VALIDATION, TEST), (TRAIN, VALIDATION)):
                shared = np.intersect1d(ids[self.roles == a], ids[self.roles == b])
                if len(shared):
                    raise LeakageError(self._message(what, shared, ids, ROLES[a], ROLES[b]))
        for a, b in self.rows.links.tolist():
            one, other = self.roles[a], self.roles[b]
            if one != other and UNUSED not in (one, other):
                names = self.rows.names[a], self.rows.names[b]
                raise LeakageError(
                    f"{names[0]} and {names[1]} share a stretch of sound, but stand in {ROLES[one]} and"
                    f" {ROLES[other]}. Use --split grouped."
                )

    def _message(self, what: str, shared: IntArray, ids: IntArray, one: str, other: str) -> str:
        names = ", ".join(str(self.rows.names[np.flatnonzero(ids == s)[0]]) for s in shared[:_NAMED])
        more = f" and {len(shared) - _NAMED} more" if len(shared) > _NAMED else ""
        verb = "s stand" if len(shared) > 1 else " stands"
        return f"{len(shared)} {what}{verb} in both {one} and {other}: {names}{more}. Use --split grouped."

    @property
    def learnt(self) -> IntArray:
        """The rows that training sees, int64, ascending: train and validation."""
        return np.flatnonzero((self.roles == TRAIN) | (self.roles == VALIDATION)).astype(np.int64)

    @property
    def learnt_classes(self) -> list[int]:
        """The classes that have training clips, ascending."""
        return [int(c) for c in self.rows.labels_of(self.positions(TRAIN))]

    def positions(self, role: int) -> IntArray:
        """Return the rows that have ``role``, int64, ascending."""
        return np.flatnonzero(self.roles == role).astype(np.int64)

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have each role; ``unused`` only where there are any."""
        counts = {name: int((self.roles == i).sum()) for i, name in enumerate(ROLES)}
        return counts if counts["unused"] else {k: v for k, v in counts.items() if k != "unused"}


def rarest(marks: NDArray[np.bool_]) -> IntArray:
    """Return the rarest label of each row of bool[n, labels], int64[n]; the number of labels where a row has none.

    >>> rarest(np.array([[True, True], [True, False], [False, False]])).tolist()
    [1, 0, 2]
    """
    order = np.argsort(marks.sum(axis=0), kind="stable")
    first = marks[:, order].argmax(axis=1)
    found: IntArray = np.where(marks.any(axis=1), order[first], marks.shape[1]).astype(np.int64)
    return found


def resolve_rule(rule: str, rows: Rows) -> str:
    """Return the rule that ``"auto"`` means for these rows.

    Raises
    ------
    SplitError
        When official folds are asked for and there are not at least two.
    """
    folds = len(rows.present_folds)
    if rule == "auto":
        return "official" if folds >= 2 else "grouped"
    if rule == "official" and folds < 2:
        raise SplitError(
            f"{rows.dataset[0]} has {folds or 'no'} official fold{'s' * (folds != 1)}; at least 2 are needed."
            " Use --split grouped."
        )
    return rule


def holdout(rows: Rows, settings: SplitSettings) -> Split:
    """Divide into train, validation and test once.

    Raises
    ------
    SplitError, LeakageError
        When that cannot be done as asked.
    """
    rule = resolve_rule(settings.rule, rows)
    if rule != "official" and settings.test_fold is not None:
        raise SplitError(f"test_fold goes with official folds; the rule '{rule}' takes test_share.")
    if rule == "random":
        return random_split(rows, settings)
    if rule == "official":
        fold = rows.present_folds[-1] if settings.test_fold is None else settings.test_fold
        if fold not in rows.present_folds:
            present = ", ".join(map(str, rows.present_folds))
            raise SplitError(f"There is no fold {fold}. Folds with readable clips: {present}.")
        return _official(rows, settings, fold)
    parts = share_of(rows.targets, rows.joined, settings.test_share, settings.seed)
    return _with_validation(rows, settings, parts == 0, "grouped")


def cross_validation(rows: Rows, settings: SplitSettings, seed: int | None = None) -> list[Split]:
    """Divide once for each fold, official or made, with that fold as the test part: each row is tested once.

    Parameters
    ----------
    seed
        Of the validation parts, where they shall be others while the folds stay those of ``settings.seed``.
    """
    rule = resolve_rule(settings.rule, rows)
    drawn = settings if seed is None else replace(settings, seed=seed)
    if rule == "random":
        raise SplitError(
            "A random split is no protocol to evaluate by; its score is shown beside the honest one anyway."
            " Use --split auto."
        )
    if rule == "official":
        if settings.folds is not None:
            raise SplitError(
                f"{rows.dataset[0]} has official folds, and each is tested; a number of folds goes with"
                " --split grouped."
            )
        return [_official(rows, drawn, fold) for fold in rows.present_folds]
    count = settings.folds or FOLDS
    parts = grouped_parts(rows.targets, rows.joined, count, settings.seed)
    return [_with_validation(rows, drawn, parts == i, "grouped") for i in range(count)]


def random_split(rows: Rows, settings: SplitSettings) -> Split:
    """Divide clip by clip, as most tutorials do (and as scikit-learn's ShuffleSplit does for the same seed)."""
    n = len(rows)
    n_test = math.ceil(settings.test_share * n)
    n_validation = math.ceil(settings.validation_share * (n - n_test))
    if n - n_test - n_validation < 1:
        raise SplitError(f"{n} readable clips are too few to divide.")
    order = np.random.RandomState(settings.seed).permutation(n)
    roles = np.full(n, TRAIN, np.int8)
    roles[order[:n_test]] = TEST
    roles[order[n_test : n_test + n_validation]] = VALIDATION
    return Split(roles, "random", settings.seed, rows)


def _official(rows: Rows, settings: SplitSettings, fold: int) -> Split:
    return _with_validation(rows, settings, rows.folds == fold, "official", fold)


def inner_folds(split: Split, settings: SplitSettings, count: int) -> list[Split]:
    """Divide the learnt rows of a split once for each of ``count`` parts, whole recordings, with that part as the test.

    None of them shows a test row of ``split``: there these are unused. Fewer parts where the recordings do not suffice,
    and none where not even two can be made.
    """
    rows, learnt, settings = split.rows, split.learnt, replace(settings, seed=split.seed)
    count = most_parts(rows.targets[learnt], rows.joined[learnt], 1 / count)
    try:
        own = grouped_parts(rows.targets[learnt], rows.joined[learnt], count, split.seed)
        parts = np.full(len(rows), -1, np.int64)
        parts[learnt] = own
        return [
            _with_validation(rows, settings, parts == i, "grouped", among=parts >= 0) for i in range(count)
        ]
    except SplitError:
        return []


def _with_validation(
    rows: Rows,
    settings: SplitSettings,
    is_test: NDArray[np.bool_],
    rule: str,
    fold: int | None = None,
    among: NDArray[np.bool_] | None = None,
) -> Split:
    roles = np.where(is_test, TEST, TRAIN).astype(np.int8)
    if among is not None:
        roles[~among] = UNUSED
    if rule == "official":
        roles[rows.folds == NO_FOLD] = UNUSED
    # A copy of a test clip under another recording's name must not be learnt; the test part stays as published.
    copies = np.isin(rows.sounds, rows.sounds[is_test]) | rows.linked(is_test)
    roles[copies & ~np.isin(rows.groups, rows.groups[is_test])] = UNUSED
    rest = np.flatnonzero(roles == TRAIN)
    if settings.validation_share > 0 and most_parts(rows.targets[rest], rows.joined[rest], 0.5) == 2:
        parts = share_of(rows.targets[rest], rows.joined[rest], settings.validation_share, settings.seed)
        kept_aside = parts == 0
        # A few large recordings: rather none than much more than was asked for.
        kept_aside &= kept_aside.mean() <= max(2 * settings.validation_share, 1 / 3)
        # A class with a single recording is learnt from, not validated by.
        orphans = np.setdiff1d(rows.labels_of(rest), rows.labels_of(rest[~kept_aside]))
        needed = rows.joined[rest[rows.having(orphans, rest)]]
        kept_aside &= ~np.isin(rows.joined[rest], needed)
        roles[rest[kept_aside]] = VALIDATION
    if len(rows.labels_of(np.flatnonzero(roles == TRAIN))) < 2:
        raise SplitError("Fewer than two classes are left to train on: every class needs several recordings.")
    return Split(roles, rule, settings.seed, rows, fold)
