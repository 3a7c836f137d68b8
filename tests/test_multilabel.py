"""Clips with any number of labels: ranked, divided, trained, decided, judged."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

from earmark.decide import (
    EVEN,
    NEVER,
    DecideSettings,
    Decision,
    Target,
    decide,
    fit_temperature_of_labels,
    sharpness,
    sigmoid,
    thresholds_of_labels,
)
from earmark.errors import SettingError
from earmark.evaluate import Scored, calibration, decided, joined, report_of_labels
from earmark.evaluate.multilabel import _drawn_map
from earmark.leakage import leakage
from earmark.models import Linear, Mlp
from earmark.models.dense import Gradient, Shape, glorot, logits
from earmark.ranking import (
    auroc,
    average_precision,
    average_precisions,
    label_ranking_precision,
    mean_average_precision,
)
from earmark.split import (
    TEST,
    TRAIN,
    VALIDATION,
    Rows,
    SplitSettings,
    cross_validation,
    holdout,
    inner_folds,
    random_split,
)
from earmark.train import CHECKPOINT_SECONDS, Problem, Task, TrainSettings, checkpoint, fit

LABELS = ("dog", "rain", "siren", "never")


# Ranking


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("levels", [2, 5, 10_000])
def test_ranking_agrees_with_scikit_learn(seed, levels):
    """Also where many scores are equal."""
    rng = np.random.default_rng(seed)
    marks = rng.random((200, 6)) < 0.3
    scores = rng.integers(0, levels, marks.shape) / levels
    found = metrics.average_precision_score(marks, scores, average="macro")
    assert mean_average_precision(scores, marks) == pytest.approx(found)
    assert [auroc(s, m) for s, m in zip(scores.T, marks.T, strict=True)] == pytest.approx(
        metrics.roc_auc_score(marks, scores, average=None)
    )
    some = marks.any(axis=1)
    assert label_ranking_precision(scores, marks) == pytest.approx(
        metrics.label_ranking_average_precision_score(
            marks[some], scores[some], sample_weight=marks[some].sum(axis=1)
        )
    )


def test_labels_that_do_not_occur_have_no_rank():
    scores, none = np.random.default_rng(0).random((9, 3)), np.zeros((9, 3), bool)
    assert np.isnan(average_precisions(scores, none)).all()
    assert np.isnan([mean_average_precision(scores, none), label_ranking_precision(scores, none)]).all()
    assert np.isnan(auroc(scores[:, 0], none[:, 0]))
    assert np.isnan(auroc(scores[:, 0], ~none[:, 0]))
    none[3, 1] = True
    assert mean_average_precision(scores, none) == average_precision(scores[:, 1], none[:, 1])


TABLES = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        arrays(np.float64, (n, 3), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])), arrays(bool, (n, 3))
    )
)


@given(TABLES)
@settings(deadline=None)
def test_ranks_are_shares_and_do_not_depend_on_the_order_of_rows(table):
    scores, marks = table
    turned = np.random.default_rng(0).permutation(len(scores))
    for rank in (mean_average_precision, label_ranking_precision):
        found = rank(scores, marks)
        assert np.isnan(found) == (not marks.any())
        assert np.isnan(found) or 0 < found <= 1
        assert rank(scores[turned], marks[turned]) == pytest.approx(found, nan_ok=True)
        assert rank(2 * scores - 7, marks) == pytest.approx(found, nan_ok=True)  # only the order counts
    area = auroc(scores[:, 0], marks[:, 0])
    assert auroc(-scores[:, 0], marks[:, 0]) == pytest.approx(1 - area, nan_ok=True)
    perfect = marks.astype(float)
    assert np.isnan(mean_average_precision(perfect, marks)) or mean_average_precision(perfect, marks) == 1


# The report


def scored(n=240, seed=0, size=4, at=0.4) -> Scored:
    """Answers about clips of which some have no label, `size` clips a recording; the last label never occurs."""
    rng = np.random.default_rng(seed)
    marks = rng.random((n, 4)) < (0.5, 0.3, 0.1, 0.0)
    likely = 1 / (1 + np.exp(2 - 3 * marks - 1.5 * rng.standard_normal((n, 4))))
    likely = likely.astype(np.float32)
    return Scored(np.arange(n), marks, np.arange(n) // size, likely, said=likely >= at)


def test_the_report_agrees_with_scikit_learn():
    folds = [scored(240, 0), scored(160, 1)]
    found = report_of_labels(folds, LABELS)
    marks, likely, said = (
        np.concatenate([getattr(f, name) for f in folds]) for name in ("targets", "probabilities", "said")
    )
    each = [
        metrics.average_precision_score(f.targets[:, :3], f.probabilities[:, :3], average="macro")
        for f in folds
    ]
    assert found.mean_average_precision == pytest.approx(
        metrics.average_precision_score(marks[:, :3], likely[:, :3], average="macro")
    )
    assert found.sd == pytest.approx(np.std(each, ddof=1))
    for name, score in (
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
        ("f1", metrics.f1_score),
    ):
        assert found.micro[name] == pytest.approx(score(marks, said, average="micro"))
        assert found.macro[name] == pytest.approx(score(marks[:, :3], said[:, :3], average="macro"))
        own = score(marks[:, :3], said[:, :3], average=None)
        assert [found.per_class[label][name] for label in LABELS[:3]] == pytest.approx(own)
    some = marks.any(axis=1)
    assert found.lwlrap == pytest.approx(
        metrics.label_ranking_average_precision_score(
            marks[some], likely[some], sample_weight=marks[some].sum(axis=1)
        )
    )
    for i, label in enumerate(LABELS[:3]):
        row = found.per_class[label]
        assert row["average_precision"] == pytest.approx(
            metrics.average_precision_score(marks[:, i], likely[:, i])
        )
        assert row["auroc"] == pytest.approx(metrics.roc_auc_score(marks[:, i], likely[:, i]))
        assert row["clips"] == marks[:, i].sum()
    assert found.calibration.brier == pytest.approx(
        metrics.brier_score_loss(marks.ravel(), likely.ravel().astype(float)), rel=1e-6
    )
    assert found.calibration.nll == pytest.approx(
        metrics.log_loss(marks.ravel(), likely.ravel().astype(float)), rel=1e-6
    )
    assert sum(point.count for point in found.calibration.reliability) == marks.size
    assert (found.clips, found.groups) == (400, 100)
    low, high = found.interval
    assert low < found.mean_average_precision < high
    low, high = found.interval_micro_f1
    assert low < found.micro["f1"] < high


def test_a_label_that_nothing_tested_has_no_score():
    row = report_of_labels([scored()], LABELS).per_class["never"]
    assert row == {
        "precision": None, "recall": None, "f1": None, "average_precision": None, "auroc": None,
        "threshold": 0.5, "clips": 0,
    }  # fmt: skip


def test_clips_without_any_label_can_be_judged():
    none = replace(scored(), targets=np.zeros((240, 4), bool))
    found = report_of_labels([none], LABELS)
    assert (found.mean_average_precision, found.lwlrap, found.interval) == (0.0, 0.0, (0.0, 1.0))
    assert found.micro == {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert found.to_dict()["macro_f1"] == 0.0


def test_the_threshold_told_is_the_middle_one():
    decisions = [Decision(thresholds=(t, 0.2, NEVER, 0.5), exclusive=False) for t in (0.1, 0.3, 0.4)]
    rows = report_of_labels([scored()], LABELS, decisions).per_class
    assert [rows[label]["threshold"] for label in LABELS] == [0.3, 0.2, None, 0.5]


def test_seeds_are_averaged():
    parts = [[replace(scored(80, f), seeds=np.full(80, s)) for s in (3, 4)] for f in (0, 1)]
    for f, own in enumerate(parts):
        other = scored(80, 50 + f)
        own[1] = replace(own[1], probabilities=other.probabilities, said=other.said)
    found = report_of_labels([joined(own) for own in parts], LABELS)
    each = [report_of_labels([own[s] for own in parts], LABELS).mean_average_precision for s in (0, 1)]
    assert found.mean_average_precision == pytest.approx(np.mean(each))
    assert found.seeds == pytest.approx(dict(zip((3, 4), each, strict=True)))
    assert found.sd_seeds == pytest.approx(np.std(each, ddof=1))
    alone = [np.mean([report_of_labels([p], LABELS).mean_average_precision for p in own]) for own in parts]
    assert found.sd == pytest.approx(np.std(alone, ddof=1))
    assert found.clips == 160
    assert found.per_class["dog"]["clips"] == sum(p[0].targets[:, 0].sum() for p in parts)


@pytest.mark.parametrize("levels", [3, 10_000])
def test_a_draw_counts_rows_as_scikit_learns_weights_do(levels):
    one = scored(120, 5)
    rough = np.round(one.probabilities * levels) / levels
    one = replace(one, probabilities=rough.astype(np.float32))
    drawn = np.random.default_rng(0).multinomial(30, np.full(30, 1 / 30), size=20).astype(np.float32)
    found = _drawn_map(one, np.ones(120, bool), one.groups, drawn)
    for own, times in zip(found, drawn, strict=True):
        weights = times[one.groups]
        wanted = [
            metrics.average_precision_score(m, s, sample_weight=weights)
            for m, s in zip(one.targets.T, one.probabilities.T, strict=True)
            if weights[m].sum()
        ]
        assert own == pytest.approx(np.mean(wanted), rel=1e-5)


@pytest.mark.parametrize("folds", [1, 5])
def test_the_intervals_hold_what_they_promise(folds):
    """Recordings of three clips with like labels, each of which a model hears well or badly in all of them."""
    usual = np.array([0.5, 0.25, 0.08])

    def draw(rng: np.random.Generator, groups: int) -> Scored:
        own = np.repeat(np.arange(groups), 3)
        often = (rng.random((groups, 3)) < usual)[own]
        marks = (rng.random(often.shape) < usual / 2) | (often & (rng.random(often.shape) < 0.6))
        hard = rng.standard_normal((groups, 3))[own]
        likely = 1 / (1 + np.exp(1 - 2 * marks - hard - 0.7 * rng.standard_normal(marks.shape)))
        return Scored(own, marks, own, likely.astype(np.float32), said=likely >= 0.5)

    many = draw(np.random.default_rng(9), 20_000)
    truth = mean_average_precision(many.probabilities, many.targets)
    truth_f1 = metrics.f1_score(many.targets, many.said, average="micro")
    rng, trials, held_map, held_f1 = np.random.default_rng(1), 80, 0, 0
    for _ in range(trials):
        found = report_of_labels([draw(rng, 60 // folds) for _ in range(folds)], ("a", "b", "c"))
        held_map += found.interval[0] <= truth <= found.interval[1]
        held_f1 += found.interval_micro_f1[0] <= truth_f1 <= found.interval_micro_f1[1]
    assert held_map / trials >= 0.88
    assert held_f1 / trials >= 0.88


# Division


def rows(n=240, size=4, labels=(0.5, 0.2, 0.06), seed=0) -> Rows:
    rng = np.random.default_rng(seed)
    marks = rng.random((n, len(labels))) < labels
    from earmark.split import rarest

    groups = np.arange(n) // size
    names = np.array([f"r{g}" for g in groups], object)
    return Rows(
        rarest(marks), groups, names, np.arange(n), np.full(n, -1, np.int32), ("made", ""), marks=marks
    )


def test_every_part_has_every_label_in_its_share():
    made = rows(400, size=2)
    for split in cross_validation(made, SplitSettings()):
        share = made.marks[split.positions(TEST)].sum(axis=0) / made.marks.sum(axis=0)
        assert share == pytest.approx(np.full(3, 0.2), abs=0.08)
        assert split.learnt_classes == [0, 1, 2]


def test_a_label_of_one_recording_is_learnt_from_and_not_validated_by():
    for seed in range(8):
        made = rows(seed=seed)
        made.marks[:, 2] = made.groups == 17
        split = holdout(made, SplitSettings(seed=seed))
        held = set(split.roles[made.groups == 17].tolist())
        assert held in ({TRAIN}, {TEST})
        assert VALIDATION in split.roles
        assert split.learnt_classes == ([0, 1, 2] if held == {TRAIN} else [0, 1])


def test_inner_divisions_show_no_tested_clip():
    split = holdout(rows(), SplitSettings())
    for inner in inner_folds(split, SplitSettings(), 4):
        assert not np.isin(inner.positions(TEST), split.positions(TEST)).any()
        assert not np.isin(inner.learnt, split.positions(TEST)).any()


def test_an_oracle_knows_the_labels_of_the_recordings():
    made = rows()
    made.marks[:] = made.marks[made.groups * 4]  # all clips of a recording have its labels
    leaking = leakage(random_split(made, SplitSettings()))
    assert leaking.oracle_accuracy is None
    assert leaking.oracle > 0.9
    assert leaking.to_dict().keys() == {
        "test_clips", "test_clips_sharing_a_group", "test_clips_sharing_a_sound", "oracle_map",
    }  # fmt: skip
    honest = leakage(holdout(made, SplitSettings()))
    shares = made.marks[holdout(made, SplitSettings()).positions(TEST)].mean(axis=0)
    assert honest.oracle == pytest.approx(shares[shares > 0].mean())  # all scores are equal


# Training


def problem(n=200, dims=6, model=None, settings=None) -> Problem:
    rng = np.random.default_rng(0)
    marks = rng.random((n, 3)) < (0.5, 0.3, 0.15)
    directions = rng.standard_normal((3, dims)) * 2
    values = (marks @ directions + 0.5 * rng.standard_normal((n, dims))).astype(np.float32)
    return Problem(values, marks, 3, model or Mlp((16, 8)), settings or TrainSettings(epochs=12, patience=0))


def tasks(n=200) -> list[Task]:
    order = np.random.default_rng(1).permutation(n)
    return [
        Task(np.sort(order[20 * i : 150 + 5 * i]), np.sort(order[160:]), seed)
        for i, seed in enumerate((0, 0, 7))
    ]


def same(a, b) -> bool:
    return np.array_equal(a.network.parameters, b.network.parameters) and a.history == b.history


def test_the_gradient_is_that_of_the_binary_cross_entropy():
    shape, rng = Shape((3, 5, 2)), np.random.default_rng(0)
    flat, inputs = glorot(shape, 0)[None], np.ones((1, 7, 4), np.float32)
    inputs[..., :-1] = rng.standard_normal((1, 7, 3))
    marks = (rng.random((1, 7, 2)) < 0.5).astype(np.float32)
    weights = rng.random((1, 7, 2)).astype(np.float32)
    step = Gradient(shape, 1, 7, exclusive=False)
    found = step(flat, inputs, marks, weights, []).copy()

    def loss(parameters: np.ndarray) -> float:
        scores = logits(shape, parameters, inputs[0, :, :-1]).astype(np.float64)
        return float((weights[0] * (np.logaddexp(0, scores) - marks[0] * scores)).sum())

    for i in range(0, shape.size, 3):
        up, down = flat[0].astype(np.float64), flat[0].astype(np.float64)
        up[i] += 1e-5
        down[i] -= 1e-5
        assert found[0, i] == pytest.approx((loss(up) - loss(down)) / 2e-5, abs=2e-5)
    expected = 1 / (1 + np.exp(-logits(shape, flat[0], inputs[0, :, :-1])))
    assert step.probabilities[0] == pytest.approx(expected, abs=1e-6)


def test_scores_beyond_all_measure_give_no_warning():
    shape = Shape((1, 1))
    flat = np.array([[1e6, 0]], np.float32)
    with np.errstate(over="ignore"):
        step = Gradient(shape, 1, 2, exclusive=False)
        inputs = np.array([[[1, 1], [-1, 1]]], np.float32)
        assert np.isfinite(
            step(flat, inputs, np.zeros((1, 2, 1), np.float32), np.ones((1, 2, 1), "f4"), [])
        ).all()
    assert step.probabilities.ravel().tolist() == [1.0, 0.0]


@pytest.mark.parametrize("model", [Mlp((16, 8)), Linear()], ids=["mlp", "linear"])
def test_together_alone_and_in_processes_are_the_same_to_the_bit(tmp_path, model):
    made = problem(model=model)
    together = fit(made, tasks(), tmp_path / "together")
    alone = [fit(made, [task], tmp_path / f"alone{i}")[0] for i, task in enumerate(tasks())]
    apart = fit(made, tasks(), tmp_path / "apart", processes=2)
    assert all(same(a, b) and same(a, c) for a, b, c in zip(together, alone, apart, strict=True))
    assert set(together[0].history[-1]) >= {"loss", "epoch"}
    assert "accuracy" not in together[0].history[-1]


def test_interrupted_and_resumed_is_the_same_to_the_bit(tmp_path, monkeypatch):
    monkeypatch.setenv(CHECKPOINT_SECONDS, "0")
    made = problem(settings=TrainSettings(epochs=16, patience=9, class_weights="balanced"))
    whole = fit(made, tasks(), tmp_path / "whole")

    class PowerCutError(Exception):
        pass

    def cut(task: int, entry: dict[str, float]) -> None:
        if entry["epoch"] == 5 and task == 1:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        fit(made, tasks(), tmp_path / "cut", cut)
    assert all(same(a, b) for a, b in zip(whole, fit(made, tasks(), tmp_path / "cut"), strict=True))


@pytest.mark.parametrize("model", [Mlp((16, 8), dropout=0.1), Linear()], ids=["mlp", "linear"])
def test_it_learns_what_can_be_learnt(tmp_path, model):
    made = problem(n=500, model=model, settings=TrainSettings(epochs=80, patience=0))
    order = np.arange(500)
    network = fit(made, [Task(order[:350], order[:0], 0)], tmp_path)[0].network
    scores = network.logits(made.values[350:])
    assert mean_average_precision(scores, made.targets[350:]) > 0.95
    assert ((scores > 0) == made.targets[350:]).mean() > 0.9


def test_early_stopping_keeps_the_epoch_of_the_best_ranking(tmp_path):
    made = problem(settings=TrainSettings(epochs=200, patience=5))
    task = tasks()[0]
    fitted = fit(made, [task], tmp_path)[0]
    scores = [(e["validation_map"], -e["validation_loss"]) for e in fitted.history]
    assert fitted.best_epoch == max(range(len(scores)), key=lambda i: (scores[i], -i)) + 1
    assert len(fitted.history) == fitted.best_epoch + 5
    said = fitted.network.logits(made.values[task.validation]).astype(np.float64)
    own = made.targets[task.validation]
    assert mean_average_precision(said, own) == pytest.approx(scores[fitted.best_epoch - 1][0])
    loss = metrics.log_loss(own.ravel(), (1 / (1 + np.exp(-said))).ravel()) * 3
    assert -scores[fitted.best_epoch - 1][1] == pytest.approx(loss, rel=1e-6)


def test_validation_clips_without_labels_are_watched_by_their_loss(tmp_path):
    made = problem(settings=TrainSettings(epochs=10, patience=4))
    marks = made.targets.copy()
    marks[tasks()[0].validation] = False
    fitted = fit(replace(made, targets=marks), tasks()[:1], tmp_path)[0]
    assert "validation_map" not in fitted.history[0]
    losses = [entry["validation_loss"] for entry in fitted.history]
    assert fitted.best_epoch == int(np.argmin(losses)) + 1


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_the_linear_model_is_scikit_learns_one_for_each_label(tmp_path, weights):
    penalty, order = 0.05, np.arange(300)
    made = problem(n=300, model=Linear(penalty=penalty), settings=TrainSettings(class_weights=weights))
    network = fit(made, [Task(order, order[:0], 0)], tmp_path)[0].network
    inputs = (made.values - network.mean) * network.scale
    layer = network.shape.layers(network.parameters)[0]
    for label in range(3):
        # Its loss is C times the sum of losses and half the sum of squared weights.
        own = LogisticRegression(
            C=1 / (penalty * 300),
            tol=1e-8,
            max_iter=5000,
            class_weight=None if weights == "none" else weights,
        ).fit(inputs, made.targets[:, label])
        assert layer[:-1, label] == pytest.approx(own.coef_[0], abs=2e-3)
        assert layer[-1, label] == pytest.approx(own.intercept_[0], abs=2e-3)


def test_balanced_weights_make_having_and_lacking_a_label_count_alike():
    marks = np.zeros((40, 3), bool)
    marks[:10, 0] = True
    marks[:, 1] = True  # there is nothing to balance
    made = Problem(np.zeros((40, 2), np.float32), marks, 3, Mlp(), TrainSettings(class_weights="balanced"))
    weights = made.row_weights(Task(np.arange(40), np.arange(0), 0))
    assert weights[0].tolist() == [2.0, 1.0, 1.0]
    assert weights[-1, 0] == pytest.approx(40 / 60)
    assert weights[marks[:, 0], 0].sum() == pytest.approx(weights[~marks[:, 0], 0].sum())
    for other in ("auto", "none"):
        plain = replace(made, settings=TrainSettings(class_weights=other))
        assert plain.row_weights(Task(np.arange(40), np.arange(0), 0)).tolist() == [[1.0]] * 40


def test_a_checkpoint_of_exclusive_labels_is_not_taken_for_one():
    made = problem()
    one = replace(made, targets=made.targets.argmax(axis=1))
    assert checkpoint.identity(made, tasks()[0]) != checkpoint.identity(one, tasks()[0])


# Decisions


def drawn(n=2000, scale=1.0, seed=0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return logits that are `scale` times what they should be, marks drawn by them, and recordings of four."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-1, 1.5, (n, 3))
    return scale * true, rng.random((n, 3)) < sigmoid(true), np.arange(n) // 4


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_a_network_overstates(scale):
    scores, marks, groups = drawn(scale=scale)
    found = fit_temperature_of_labels(scores, marks, groups, np.ones(marks.shape, bool))
    assert found == pytest.approx(scale, rel=0.15)


def test_a_recording_counts_once_for_the_temperature():
    scores, marks, groups = drawn(400)
    known = np.ones(marks.shape, bool)
    long = np.r_[np.arange(400), np.repeat(0, 5000)]  # one clip of the first recording a thousand times
    once, often = (
        fit_temperature_of_labels(scores[i], marks[i], groups[i], known[i]) for i in (np.arange(400), long)
    )
    assert often == pytest.approx(once, rel=0.05)


def test_labels_that_nothing_was_learnt_of_have_no_say():
    scores, marks, groups = drawn()
    known = np.ones(marks.shape, bool)
    known[:1000, 2] = False
    spoilt = scores.copy()
    spoilt[:1000, 2] = 40.0
    settings = DecideSettings()
    assert decide(scores, marks, groups, settings, known=known) == decide(
        spoilt, marks, groups, settings, known=known
    )
    known[:, 2] = False
    assert decide(scores, marks, groups, settings, known=known).thresholds[2] == EVEN
    assert fit_temperature_of_labels(scores[:19], marks[:19], groups[:19], known[:19]) == 1.0


def test_a_threshold_has_the_best_f1_there_is():
    scores, marks, _ = drawn(80)
    likely = sigmoid(scores)
    found = thresholds_of_labels(likely, marks, np.ones(marks.shape, bool), Target.of("f1"))
    for label, threshold in enumerate(found):
        best = max(metrics.f1_score(marks[:, label], likely[:, label] >= t) for t in likely[:, label])
        assert metrics.f1_score(marks[:, label], likely[:, label] >= np.float32(threshold)) == pytest.approx(
            best
        )


@pytest.mark.parametrize(("target", "score"), [("precision=0.7", "precision"), ("recall=0.9", "recall")])
def test_other_targets_are_met_by_each_label(target, score):
    scores, marks, groups = drawn()
    decision = decide(scores, marks, groups, DecideSettings(target=target))
    assert decision.target == target
    said = decision.said(decision.probabilities(scores))
    own = getattr(metrics, f"{score}_score")(marks, said, average=None)
    assert (own >= Target.of(target).value - 1e-9).all()


def test_what_is_decided():
    decision = decide(*drawn(), DecideSettings())
    assert (decision.exclusive, decision.target, len(decision.thresholds)) == (False, "f1", 3)
    assert (decision.clips, decision.groups) == (2000, 500)
    hot = decide(*drawn(), DecideSettings(), times=2.0)
    assert hot.temperature == pytest.approx(2 * decision.temperature)
    assert hot.thresholds == decision.thresholds
    likely = np.array([[0.9, 0.6, 0.1], [0.1, 0.2, 0.3]], np.float32)
    plain = Decision(exclusive=False)
    assert plain.said(likely).tolist() == [[True, True, False], [False, False, False]]
    assert plain.answered(likely).tolist() == [True, False]
    assert not plain.sets(likely).any()
    assert replace(plain, thresholds=(0.95, 0.6, 0.3)).said(likely).tolist() == [
        [False, True, False],
        [False, False, True],
    ]
    assert Decision().said(likely).tolist() == [[True, False, False], [False, False, True]]
    assert plain.probabilities(np.zeros((1, 2))).tolist() == [[0.5, 0.5]]
    assert sharpness(np.full((4, 3), -2.0), exclusive=False) == 2.0
    with pytest.raises(
        SettingError, match=re.escape("or cost=TIMES, what a wrong answer costs where a missing one")
    ):
        DecideSettings(target="f1=0.5")


def test_what_decisions_are_worth_is_told_without_sets():
    one, decision = scored(), decide(*drawn(), DecideSettings())
    assert decided([(one, Decision(exclusive=False))], LABELS) is None
    found = decided([(one, decision)], LABELS)
    assert found == {
        "temperatures": [decision.temperature], "learnt_from": {"clips": 2000.0, "groups": 500.0},
        "sets": None, "target": "f1", "answers": None,
    }  # fmt: skip
    assert calibration([one]) == report_of_labels([one], LABELS).calibration
