"""The rules by which roles are given, and a cross-validation of each."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from earmark.dataset import NO_FOLD
from earmark.errors import SplitError
from earmark.parts import grouped_parts, most_parts, share_of
from earmark.split.roles import TEST, TRAIN, UNUSED, VALIDATION, Split
from earmark.split.rows import Rows
from earmark.split.settings import SplitSettings

FOLDS = 5  # of a cross-validation


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
