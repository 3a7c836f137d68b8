"""Splits: no group and no identical sound ever crosses, whatever the data."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import ShuffleSplit

from earmark.errors import LeakageError, SettingError, SplitError
from earmark.leakage import leakage
from earmark.split import (
    TEST,
    TRAIN,
    UNUSED,
    VALIDATION,
    Rows,
    Split,
    SplitSettings,
    cross_validation,
    holdout,
    random_split,
)


def make_rows(targets, groups, folds=None, sounds=None) -> Rows:
    n = len(targets)
    groups = np.asarray(groups, np.int64)
    return Rows(
        np.asarray(targets, np.int64),
        groups,
        np.array([f"rec{g}" for g in groups], object),
        np.arange(n) if sounds is None else np.asarray(sounds, np.int64),
        np.full(n, -1, np.int32) if folds is None else np.asarray(folds, np.int32),
        ("made", "fingerprint"),
    )


def many(classes=3, groups=8, takes=4, folds=None) -> Rows:
    """``groups`` recordings a class, ``takes`` clips each."""
    group = np.repeat(np.arange(classes * groups), takes)
    fold = None if folds is None else group % folds + 1
    return make_rows(group // groups, group, fold)


def crossings(split: Split, ids: np.ndarray) -> int:
    sides = [set(ids[split.roles == role].tolist()) for role in (TRAIN, VALIDATION, TEST)]
    return len(sides[0] & sides[2]) + len(sides[1] & sides[2]) + len(sides[0] & sides[1])


@settings(max_examples=60, deadline=None)
@given(data=st.data(), seed=st.integers(0, 5))
def test_no_group_and_no_sound_crosses_a_grouped_split(data, seed):
    n_groups = data.draw(st.integers(12, 24))
    extra = data.draw(st.lists(st.integers(0, n_groups - 1), max_size=60))
    groups = np.array([*range(n_groups), *extra])
    targets = groups % 3
    sounds = np.arange(len(groups))
    for a, b in data.draw(st.lists(st.tuples(*[st.integers(0, len(groups) - 1)] * 2), max_size=4)):
        sounds[a] = sounds[b]
    rows = make_rows(targets, groups, sounds=sounds)
    try:
        splits = [holdout(rows, SplitSettings(rule="grouped", seed=seed))]
        splits += cross_validation(rows, SplitSettings(rule="grouped", folds=3, seed=seed))
    except SplitError:
        return  # too few recordings of a class; its text is tested below
    for split in splits:
        assert crossings(split, rows.groups) == 0
        assert crossings(split, rows.sounds) == 0
    tested = np.concatenate([s.positions(TEST) for s in splits[1:]])
    assert sorted(tested.tolist()) == list(range(len(rows)))


def test_a_grouped_split_is_stratified_and_repeatable():
    rows = many(classes=4, groups=20)
    split = holdout(rows, SplitSettings())
    assert split.rule == "grouped"
    for role, share in ((TEST, 0.2), (VALIDATION, 0.8 / 7)):
        per_class = np.bincount(rows.targets[split.roles == role], minlength=4) / 80
        assert np.abs(per_class - share).max() < 0.06
    assert np.array_equal(split.roles, holdout(rows, SplitSettings()).roles)
    assert not np.array_equal(split.roles, holdout(rows, SplitSettings(seed=1)).roles)
    assert split.counts == {"train": 216, "validation": 40, "test": 64}


def test_official_folds_are_taken_where_there_are_any():
    rows = many(folds=3)
    assert holdout(rows, SplitSettings()).test_fold == 3
    split = holdout(rows, SplitSettings(test_fold=2))
    assert set(rows.folds[split.positions(TEST)]) == {2}
    assert [s.test_fold for s in cross_validation(rows, SplitSettings())] == [1, 2, 3]
    assert all(
        s.rule == "official" and crossings(s, rows.groups) == 0
        for s in cross_validation(rows, SplitSettings())
    )


def test_clips_without_a_fold_are_not_used():
    folds = np.where(np.arange(96) % 12 < 2, -1, np.arange(96) // 4 % 3 + 1)
    rows = make_rows(np.arange(96) // 32, np.arange(96) // 4 * 10 + (folds < 0), folds)
    split = holdout(rows, SplitSettings())
    assert set(rows.folds[split.roles == UNUSED]) == {-1}
    assert split.counts["unused"] == int((folds < 0).sum())


def test_a_copy_of_a_test_clip_is_not_learnt():
    rows = many(folds=3)
    test_clip = int(np.flatnonzero(rows.folds == 3)[0])
    copy = int(np.flatnonzero(rows.folds == 1)[0])
    sounds = np.arange(len(rows))
    sounds[copy] = sounds[test_clip]
    copied = make_rows(rows.targets, rows.groups, rows.folds, sounds)
    split = holdout(copied, SplitSettings())
    assert split.roles[copy] == UNUSED
    assert split.roles[test_clip] == TEST
    assert split.counts["unused"] == 1


def test_folds_that_part_a_recording_are_refused():
    rows = many(folds=3)
    folds = rows.folds.copy()
    folds[0] = 3  # the recording's other clips stay in fold 1
    message = "1 recording stands in both train and test: rec0. Use --split grouped."
    with pytest.raises(LeakageError, match=re.escape(message)):
        holdout(make_rows(rows.targets, rows.groups, folds), SplitSettings(validation_share=0))


def test_identical_audio_on_both_sides_is_refused():
    rows = make_rows([0, 1, 0, 1], [0, 1, 2, 3], sounds=[7, 1, 7, 2])
    message = "1 identical sound stands in both train and test: rec0. Use --split grouped."
    with pytest.raises(LeakageError, match=re.escape(message)):
        Split(np.array([TRAIN, TRAIN, TEST, TEST], np.int8), "official", 0, rows)


def test_many_leaks_are_counted_and_some_named():
    rows = make_rows([0] * 10, [0, 1, 2, 3, 4] * 2)
    message = "5 recordings stand in both train and test: rec0, rec1, rec2 and 2 more. Use --split grouped."
    with pytest.raises(LeakageError, match=re.escape(message)):
        Split(np.repeat([TRAIN, TEST], 5).astype(np.int8), "grouped", 0, rows)


def test_a_random_split_is_scikit_learns():
    rows = many()
    split = random_split(rows, SplitSettings(rule="random", validation_share=0.0, seed=3))
    train, test = next(ShuffleSplit(1, test_size=0.2, random_state=3).split(np.zeros(len(rows))))
    assert set(split.positions(TEST)) == set(test)
    assert set(split.positions(TRAIN)) == set(train)


def test_few_groups_make_larger_parts_rather_than_an_error():
    rows = many(classes=2, groups=3)
    split = holdout(rows, SplitSettings())
    assert min(split.counts.values()) > 0
    assert crossings(split, rows.groups) == 0


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (
            many(),
            {"rule": "official"},
            "made has no official folds; at least 2 are needed. Use --split grouped.",
        ),
        (
            many(folds=1),
            {"rule": "official"},
            "made has 1 official fold; at least 2 are needed. Use --split grouped.",
        ),
        (many(folds=3), {"test_fold": 9}, "There is no fold 9. Folds with readable clips: 1, 2, 3."),
        (
            many(),
            {"test_fold": 2},
            "test_fold goes with official folds; the rule 'grouped' takes test_share.",
        ),
        (
            make_rows([0, 1, 0], [0, 0, 0]),
            {},
            "1 recording cannot be divided into 2 parts without parting one. Record more.",
        ),
        (
            make_rows([0, 0, 0, 1], [0, 1, 2, 3], [1, 1, 1, 2]),
            {},
            "Fewer than two classes are left to train on: every class needs several recordings.",
        ),
        (make_rows([0], [0]), {"rule": "random"}, "1 readable clips are too few to divide."),
    ],
)
def test_what_cannot_be_divided_is_said(rows, options, message):
    with pytest.raises(SplitError, match=re.escape(message)):
        holdout(rows, SplitSettings(**options))


def test_more_folds_than_recordings_is_an_error():
    message = "6 recordings cannot be divided into 7 parts without parting one."
    with pytest.raises(SplitError, match=message):
        cross_validation(many(classes=2, groups=3), SplitSettings(folds=7))


def test_more_parts_than_clips_of_any_class_is_an_error():
    rows = make_rows(np.arange(12) % 6, np.arange(12))
    message = "No class has 5 clips, one for each of 5 parts. Record more, or ask for fewer folds."
    with pytest.raises(SplitError, match=message):
        cross_validation(rows, SplitSettings())


def test_a_random_split_is_no_protocol():
    with pytest.raises(SplitError, match="A random split is no protocol to evaluate by"):
        cross_validation(many(), SplitSettings(rule="random"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_share": 0.0}, "[split] test_share is 0, but must be above 0 and at most 0.5."),
        ({"validation_share": 0.6}, "[split] validation_share is 0.6, but must be above 0 and at most 0.5."),
        ({"folds": 1}, "[split] folds is 1, but must be from 2 to 100."),
        ({"seed": -1}, "[split] seed is -1, but must be from 0 to 4294967295."),
    ],
)
def test_settings_are_checked(options, message):
    with pytest.raises(SettingError, match=re.escape(message)):
        SplitSettings(**options)


def test_leakage_counts_known_recordings_and_what_they_are_worth():
    #        two clips of recording 0 (class 0), one of 1 (class 1), one of 2 (class 1), never heard
    rows = make_rows([0, 0, 1, 1, 0], [0, 0, 1, 2, 3])
    roles = np.array([TRAIN, TEST, TRAIN, TEST, TRAIN], np.int8)
    found = leakage(Split(roles, "random", 0, rows))
    assert found.to_dict() == {
        "test_clips": 2, "test_clips_sharing_a_group": 1, "test_clips_sharing_a_sound": 1, "oracle_accuracy": 0.5,
    }  # fmt: skip
    assert found.share == 0.5


def test_leakage_sees_a_copy_under_another_recordings_name():
    rows = make_rows([0, 0, 1, 1], [0, 1, 2, 3], sounds=[5, 5, 6, 7])
    found = leakage(Split(np.array([TRAIN, TEST, TRAIN, TEST], np.int8), "random", 0, rows))
    assert found.test_clips_sharing_a_group == 1


def test_grouped_splits_have_no_leakage():
    for split in cross_validation(many(), SplitSettings()):
        assert leakage(split).test_clips_sharing_a_group == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_class_with_one_recording_stays_in_training(seed):
    groups = np.repeat(np.arange(9), 4)
    rows = make_rows(np.where(groups == 8, 1, 0), groups, np.where(groups < 2, 2, 1))
    split = holdout(rows, SplitSettings(seed=seed))
    assert (split.roles[groups == 8] == TRAIN).all()
    assert split.counts["validation"] > 0


def test_clips_that_are_their_own_groups_are_stratified_too():
    rows = make_rows(np.arange(300) % 3, np.arange(300))
    split = holdout(rows, SplitSettings())
    for role in (TRAIN, VALIDATION, TEST):
        counts = np.bincount(rows.targets[split.roles == role])
        assert counts.max() - counts.min() <= 1
    assert split.counts["test"] == 60


def test_fold_zero_is_a_fold():
    rows = many(folds=3)
    rows = make_rows(rows.targets, rows.groups, rows.folds - 1)
    assert [s.test_fold for s in cross_validation(rows, SplitSettings())] == [0, 1, 2]
    assert set(rows.folds[holdout(rows, SplitSettings(test_fold=0)).positions(TEST)]) == {0}


def test_a_fold_is_not_silently_ignored():
    with pytest.raises(
        SplitError, match="test_fold goes with official folds; the rule 'random' takes test_share"
    ):
        holdout(many(folds=3), SplitSettings(rule="random", test_fold=1))
    with pytest.raises(
        SplitError, match="has official folds, and each is tested; a number of folds goes with"
    ):
        cross_validation(many(folds=3), SplitSettings(folds=5))


def test_two_large_recordings_are_learnt_from_rather_than_halved():
    rows = make_rows(np.arange(120) % 3, np.arange(120) // 40)
    split = holdout(rows, SplitSettings())
    assert split.counts == {"train": 80, "validation": 0, "test": 40}


def test_few_clips_a_class_can_be_divided():
    rows = make_rows(np.arange(28) % 7, np.arange(28))
    split = holdout(rows, SplitSettings())
    assert split.counts["test"] == 7
    assert split.counts["train"] >= 14
    assert len(cross_validation(rows, SplitSettings(folds=4))) == 4
