"""Scores against scikit-learn's, intervals against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from earmark.evaluate import Scored, calibration_error, interval, report

LABELS = ("a", "b", "c", "never")


def scored(n=200, seed=0, groups=None) -> Scored:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, n)
    raw = rng.random((n, 4)) + 0.5 * np.eye(4)[targets]
    probabilities = (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
    return Scored(np.arange(n), targets, np.arange(n) // 4 if groups is None else groups, probabilities)


def test_scores_agree_with_scikit_learn():
    folds = [scored(200, 0), scored(120, 1)]
    found = report(folds, LABELS)
    targets = np.concatenate([f.targets for f in folds])
    likely = np.concatenate([f.probabilities for f in folds])
    answers = likely.argmax(axis=1)
    each = [metrics.accuracy_score(f.targets, f.probabilities.argmax(axis=1)) for f in folds]
    assert found.accuracy == pytest.approx(np.mean(each))
    assert found.sd == pytest.approx(np.std(each, ddof=1))
    assert found.macro_f1 == pytest.approx(
        metrics.f1_score(targets, answers, labels=[0, 1, 2], average="macro")
    )
    assert (found.confusion == metrics.confusion_matrix(targets, answers, labels=range(4))).all()
    precision, recall, f1, clips = metrics.precision_recall_fscore_support(
        targets, answers, labels=range(4), zero_division=0
    )
    for i, label in enumerate(LABELS):
        row = found.per_class[label]
        if not clips[i]:
            continue
        assert row == pytest.approx(
            {
                "precision": precision[i],
                "recall": recall[i],
                "f1": f1[i],
                "average_precision": metrics.average_precision_score(targets == i, likely[:, i]),
                "clips": clips[i],
            }
        )
    assert found.mean_average_precision == pytest.approx(
        metrics.average_precision_score(np.eye(4)[targets][:, :3], likely[:, :3], average="macro")
    )
    probabilities = likely.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert found.nll == pytest.approx(metrics.log_loss(targets, probabilities, labels=range(4)), rel=1e-5)
    assert found.clips == 320
    assert found.groups == 80


def test_one_fold_has_no_spread():
    assert report([scored()], LABELS).sd == 0.0


def test_a_sure_and_wrong_answer_has_a_finite_loss():
    sure = Scored(np.arange(2), np.array([0, 1]), np.arange(2), np.array([[0, 1], [0, 1]], np.float32))
    assert np.isfinite(report([sure], ("a", "b")).nll)


def test_calibration_error_of_a_known_case():
    #  confidence 0.8, right half of the time: off by 0.3; confidence 1.0 and right: off by 0
    probabilities = np.array([[0.8, 0.2]] * 10 + [[0.0, 1.0]] * 10)
    targets = np.array([0, 1] * 5 + [1] * 10)
    assert calibration_error(probabilities, targets) == pytest.approx(0.15)


def test_the_interval_widens_when_clips_share_recordings():
    n = 400
    alone = scored(n, groups=np.arange(n))
    # The same answers, but whole recordings of twenty clips right or wrong together.
    order = np.argsort(~alone.correct, kind="stable")
    together = Scored(alone.positions, alone.targets[order], np.arange(n) // 20, alone.probabilities[order])
    narrow, wide = interval([alone]), interval([together])
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_the_interval_holds_what_it_promises():
    """Of many drawn data sets with a known true accuracy, about 95 % of the intervals must hold it."""
    rng, held, trials, groups, size = np.random.default_rng(0), 0, 120, 40, 5
    for _ in range(trials):
        chances = rng.beta(3, 2, groups)  # mean 0.6: recordings differ in how hard they are
        correct = rng.random((groups, size)) < chances[:, None]
        targets = np.zeros(groups * size, np.int64)
        answers = np.where(correct.reshape(-1), 0.9, 0.1)
        probabilities = np.stack([answers, 1 - answers], axis=1).astype(np.float32)
        low, high = interval([Scored(targets, targets, np.repeat(np.arange(groups), size), probabilities)])
        held += low <= 0.6 <= high
    assert 0.88 <= held / trials <= 1.0


def test_the_interval_is_repeatable_and_in_order():
    low, high = interval([scored()])
    assert (low, high) == interval([scored()])
    assert 0 <= low <= scored().accuracy <= high <= 1


def one_group_a_fold(rng: np.random.Generator, groups: int, size: int = 30) -> list[Scored]:
    folds = []
    for chance in rng.beta(3, 2, groups):
        correct = rng.random(size) < chance
        answers = np.where(correct, 0.9, 0.1)
        probabilities = np.stack([answers, 1 - answers], axis=1).astype(np.float32)
        zeros = np.zeros(size, np.int64)
        folds.append(Scored(zeros, zeros, zeros, probabilities))
    return folds


@pytest.mark.parametrize("groups", [4, 6, 12])
def test_the_interval_holds_its_promise_with_few_groups_one_in_each_fold(groups):
    rng, held, trials = np.random.default_rng(1), 0, 120
    for _ in range(trials):
        low, high = interval(one_group_a_fold(rng, groups))
        held += low <= 0.6 <= high
    assert held / trials >= 0.85


def test_nothing_can_be_said_from_two_groups():
    assert interval(one_group_a_fold(np.random.default_rng(0), 2)) == (0.0, 1.0)


def test_a_class_that_nothing_tested_has_no_score():
    found = report([scored()], LABELS)
    assert found.per_class["never"] == {
        "precision": None, "recall": None, "f1": None, "average_precision": None, "clips": 0,
    }  # fmt: skip
