"""Scores against scikit-learn's, intervals against simulation."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from sklearn import metrics

from earmark.evaluate import (
    Scored,
    average_precision,
    brier_score,
    calibration_error,
    interval,
    interval_of_ratio,
    joined,
    reliability,
    report,
)

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
    assert found.calibration.nll == pytest.approx(
        metrics.log_loss(targets, probabilities, labels=range(4)), rel=1e-5
    )
    assert found.clips == 320
    assert found.groups == 80


def test_one_fold_has_no_spread():
    assert report([scored()], LABELS).sd == 0.0


def test_a_sure_and_wrong_answer_has_a_finite_loss():
    sure = Scored(np.arange(2), np.array([0, 1]), np.arange(2), np.array([[0, 1], [0, 1]], np.float32))
    assert np.isfinite(report([sure], ("a", "b")).calibration.nll)


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


def drawn_recordings(rng: np.random.Generator, groups: int = 40) -> tuple[Scored, np.ndarray]:
    """Draw recordings of 2 to 20 clips that differ in how hard they are; the true accuracy is 0.6."""
    of_a_clip = np.repeat(np.arange(groups), rng.integers(2, 21, groups))
    correct = rng.random(len(of_a_clip)) < rng.beta(1.2, 0.8, groups)[of_a_clip]
    answers = np.where(correct, 0.9, 0.1).astype(np.float32)
    zeros = np.zeros(len(correct), np.int64)
    return Scored(zeros, zeros, of_a_clip, np.stack([answers, 1 - answers], axis=1)), correct


def test_the_interval_holds_what_it_promises_and_one_over_clips_does_not():
    """Of 300 drawn data sets, about 95 % of the intervals must hold the true accuracy."""
    rng, draws, truth = np.random.default_rng(0), 300, 0.6
    by_group = by_clip = 0
    for _ in range(draws):
        scored, correct = drawn_recordings(rng)
        low, high = interval([scored])
        by_group += low <= truth <= high
        # Clips drawn one by one, with replacement: their number of hits is binomial.
        means = rng.binomial(len(correct), correct.mean(), 2000) / len(correct)
        low, high = np.percentile(means, [2.5, 97.5])
        by_clip += low <= truth <= high
    assert 0.90 <= by_group / draws <= 0.98
    assert by_clip / draws < 0.75


def test_the_interval_holds_its_promise_over_folds_and_seeds():
    """All answers about a recording, those of every seed, are drawn together."""
    rng, draws, groups, size, held = np.random.default_rng(2), 300, 45, 6, 0
    for _ in range(draws):
        chances = np.repeat(rng.beta(1.2, 0.8, groups), size)
        correct = rng.random((2, groups * size)) < chances  # of two seeds
        answers = np.where(correct, 0.9, 0.1).astype(np.float32).reshape(2, 3, -1)
        of_a_clip = np.repeat(np.arange(groups), size).reshape(3, -1)
        zeros = np.zeros(answers.shape[2], np.int64)
        folds = [
            joined(
                [
                    Scored(zeros, zeros, of_a_clip[f], np.stack([p, 1 - p], axis=1), zeros + s)
                    for s, p in enumerate(answers[:, f])
                ]
            )
            for f in range(3)
        ]
        low, high = interval(folds)
        held += low <= 0.6 <= high
    assert 0.90 <= held / draws <= 0.98


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


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("levels", [2, 7, 10_000])
def test_average_precision_is_scikit_learns(seed, levels):
    """Also where many scores are equal, all are relevant, or one is."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, 300) / levels
    for relevant in (rng.random(300) < 0.3, np.ones(300, bool), np.arange(300) == seed):
        found = average_precision(scores, relevant)
        assert found == pytest.approx(metrics.average_precision_score(relevant, scores), rel=1e-12)


def test_nothing_relevant_has_no_average_precision():
    assert np.isnan(average_precision(np.array([0.5, 0.2]), np.zeros(2, bool)))


def test_the_brier_score_is_scikit_learns():
    one = scored(200)
    likely = one.probabilities.astype(np.float64)
    likely /= likely.sum(axis=1, keepdims=True)
    # scikit-learn's of one class against the rest, summed over the classes
    wanted = sum(metrics.brier_score_loss(one.targets == i, likely[:, i]) for i in range(4))
    assert brier_score(likely, one.targets) == pytest.approx(wanted)
    assert report([one], LABELS).calibration.brier == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("adaptive", [False, True])
def test_the_reliability_curve_of_a_thousand_clips(adaptive):
    """By hand, bin by bin."""
    one = scored(1000)
    likely = one.probabilities.astype(np.float64)
    confidence, correct = likely.max(axis=1), one.correct
    if adaptive:
        order = np.argsort(confidence)
        cuts = [1000 * i // 15 for i in range(16)]
        bins = [order[a:b] for a, b in itertools.pairwise(cuts)]
    else:
        bins = [
            np.flatnonzero((confidence >= i / 15) & (confidence < (i + 1) / 15 + (i == 14)))
            for i in range(15)
        ]
    bins = [b for b in bins if len(b)]
    curve = reliability(likely, one.targets, adaptive)
    assert [p.count for p in curve] == [len(b) for b in bins]
    assert [p.confidence for p in curve] == pytest.approx([confidence[b].mean() for b in bins])
    assert [p.accuracy for p in curve] == pytest.approx([correct[b].mean() for b in bins])
    wanted = sum(abs(confidence[b].mean() - correct[b].mean()) * len(b) / 1000 for b in bins)
    assert calibration_error(likely, one.targets, adaptive) == pytest.approx(wanted)


def test_adaptive_bins_do_not_depend_on_the_order_of_clips():
    """Clips of one confidence stay together, be they ever so many."""
    likely = np.array([[1.0, 0.0]] * 70 + [[0.7, 0.3]] * 30)
    targets = np.array([0] * 60 + [1] * 10 + [0] * 10 + [1] * 20)
    curve = reliability(likely, targets, adaptive=True)
    assert [(p.confidence, p.count) for p in curve] == [(pytest.approx(0.7), 30), (1.0, 70)]
    assert calibration_error(likely, targets, adaptive=True) == pytest.approx(
        0.7 * 10 / 70 + 0.3 * (0.7 - 1 / 3)
    )
    turned = np.random.default_rng(0).permutation(100)
    assert calibration_error(likely[turned], targets[turned], adaptive=True) == pytest.approx(
        calibration_error(likely, targets, adaptive=True)
    )
    assert [p.count for p in reliability(likely[:3], targets[:3], adaptive=True)] == [3]


def of_seeds(seeds: int, folds: int = 2, n: int = 60) -> list[list[Scored]]:
    """Answers of each fold and seed about the same rows."""
    made = []
    for fold in range(folds):
        first = scored(n, fold)
        others = [scored(n, 100 * fold + s).probabilities for s in range(seeds)]
        made.append(
            [
                Scored(first.positions, first.targets, first.groups, p, np.full(n, s))
                for s, p in enumerate(others)
            ]
        )
    return made


def test_seeds_are_averaged_within_folds_and_folds_within_seeds():
    parts = of_seeds(3)
    found = report([joined(own) for own in parts], LABELS)
    each = np.array([[p.accuracy for p in own] for own in parts])  # [folds, seeds]
    assert found.accuracy == pytest.approx(each.mean())
    assert found.sd == pytest.approx(each.mean(axis=1).std(ddof=1))
    assert found.sd_seeds == pytest.approx(each.mean(axis=0).std(ddof=1))
    assert found.seeds == pytest.approx(dict(enumerate(each.mean(axis=0))))
    assert (found.clips, found.groups) == (120, 30)
    assert found.confusion.sum() == 360
    assert sum(row["clips"] for row in found.per_class.values()) == 120
    alone = [report([own[s] for own in parts], LABELS) for s in range(3)]
    assert found.mean_average_precision == pytest.approx(np.mean([a.mean_average_precision for a in alone]))
    for key in ("nll", "brier"):
        each = [getattr(a.calibration, key) for a in alone]
        assert getattr(found.calibration, key) == pytest.approx(np.mean(each))


def test_more_seeds_do_not_make_the_interval_narrower_by_their_number():
    """Ten seeds that answer alike are no more evidence than one."""
    one = scored(200)
    copies = [
        Scored(one.positions, one.targets, one.groups, one.probabilities, np.full(200, s)) for s in range(10)
    ]
    assert interval([joined(copies)]) == pytest.approx(interval([one]))


def test_a_hundred_thousand_recordings_are_quickly_drawn():
    began = time.process_time()
    low, high = interval_of_ratio(np.arange(100_000) % 2 * 1.0, np.ones(100_000))
    assert 0.49 < low < 0.5 < high < 0.51
    assert time.process_time() - began < 2  # drawn one by one it takes 15 seconds


def test_large_draws_are_made_in_parts():
    """Of many unlike recordings, with the same outcome as the plain formula of a normal mean."""
    values = np.random.default_rng(0).normal(0, 1, 5000)
    low, high = interval_of_ratio(values, np.ones(5000))
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / np.sqrt(5000), rel=0.06)
    assert low < values.mean() < high
