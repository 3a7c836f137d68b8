"""Dense networks over windows: what is said of a clip is the mean of the probabilities of its windows."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from earmark.models import Linear, Mlp, Windowed
from earmark.models.dense import glorot
from earmark.models.network import Network
from earmark.train import Problem, Task, TrainSettings, fit
from earmark.train.linear import _Loss
from earmark.train.windows import windows_of

RNG = np.random.default_rng(7)


def network(dims=6, classes=4, model=None):
    shape = (model or Mlp(hidden=(5,))).shape(dims, classes)
    mean, scale = RNG.normal(size=(2, dims)).astype(np.float32)
    return Network(shape, glorot(shape, 3), mean, np.abs(scale))


def by_onnx(windowed, course):
    session = onnxruntime.InferenceSession(windowed.to_onnx(), providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"features": course[None]})[0][0]


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("windows", [1, 2, 9000])
@pytest.mark.parametrize("model", [Mlp(hidden=(5,)), Linear()])
def test_probabilities_are_averaged_here_and_in_onnx(exclusive, windows, model):
    windowed = Windowed(network(model=model), exclusive)
    course = RNG.normal(size=(windows, 6)).astype(np.float32)
    scores = windowed.network.logits(course).astype(np.float64)
    if exclusive:
        likely = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        expected = np.log(likely.mean(axis=0))
    else:
        mean = (1 / (1 + np.exp(-scores))).mean(axis=0)
        expected = np.log(mean / (1 - mean))
    (found,) = windowed.logits([course])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(by_onnx(windowed, course), expected, atol=1e-4)


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_surest_answers_stay_finite(exclusive):
    windowed = Windowed(network(), exclusive)
    course = np.full((2, 6), 1e6, np.float32)
    assert np.isfinite(windowed.logits([course])).all()
    assert np.isfinite(by_onnx(windowed, course)).all()


def test_no_clips():
    assert Windowed(network(), True).logits([]).shape == (0, 4)


def courses(clips, dims=3):
    """Clips of two classes that differ in their mean; the first class has four times the windows."""
    targets = np.arange(clips) % 2
    made = [RNG.normal(2.0 * t, 1.0, ((3, 12)[1 - t], dims)).astype(np.float32) for t in targets.tolist()]
    return made, targets.astype(np.int64)


def test_a_clip_counts_once_however_many_windows_it_has():
    made, targets = courses(10)
    problem = Problem(made, targets, 2, Linear(), TrainSettings())
    rows, (task,) = windows_of(problem, [Task(np.arange(10), np.empty(0, np.int64), 0)])
    weights = rows.row_weights(task)
    of_class = [weights[rows.targets[task.train] == c].sum() for c in (0, 1)]
    assert of_class[0] == pytest.approx(of_class[1], rel=1e-5)
    assert weights.mean() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("model", [Linear(), Mlp(hidden=(8,), dropout=0.0)])
@pytest.mark.parametrize("several", [False, True])
def test_clips_are_learnt_window_by_window(tmp_path, model, several):
    made, targets = courses(40)
    truth = np.stack([targets == 0, targets == 1], axis=1) if several else targets
    task = Task(np.arange(20), np.arange(20, 28), 1)
    (found,) = fit(Problem(made, truth, 2, model, TrainSettings(epochs=30)), [task], tmp_path)
    assert isinstance(found.network, Windowed)
    assert found.network.exclusive is not several
    answers = found.network.logits(made[28:]).argmax(axis=1)
    assert (answers == targets[28:]).mean() > 0.9


@pytest.mark.parametrize("model", [Linear(), Mlp(hidden=(8,))])
def test_in_how_many_processes_makes_no_difference(tmp_path, model):
    made, targets = courses(20)
    problem = Problem(made, targets, 2, model, TrainSettings(epochs=3, class_weights="none"))
    tasks = [Task(np.arange(8), np.arange(8, 12), seed) for seed in (1, 2)]
    one, two = (fit(problem, tasks, tmp_path / f"{n}", processes=n) for n in (1, 2))
    for here, there in zip(one, two, strict=True):
        for name, values in here.network.arrays().items():
            np.testing.assert_array_equal(values, there.network.arrays()[name])


def test_no_other_row_is_looked_at(tmp_path):
    made, targets = courses(30)
    task = Task(np.arange(16), np.arange(16, 20), 1)
    found = []
    for i, rest in enumerate((1.0, np.inf)):
        values = [course if row < 20 else course * rest for row, course in enumerate(made)]
        problem = Problem(values, targets, 2, Linear(), TrainSettings())
        found.append(fit(problem, [task], tmp_path / f"{i}")[0].network.arrays())
    for name, values in found[0].items():
        np.testing.assert_array_equal(values, found[1][name])


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_widened_valley_has_the_same_bottom(exclusive, monkeypatch):
    """Logistic regression steps in other coordinates where that pays, and ends where it would have ended."""
    hidden = RNG.normal(size=(300, 3))
    values = (hidden @ RNG.normal(size=(3, 40)) + 0.1 * RNG.normal(size=(300, 40))).astype(np.float32)
    targets = hidden.argmax(axis=1) if exclusive else hidden > 0
    problem = Problem(values, targets, 3, Linear(penalty=0.001), TrainSettings())
    task = Task(np.arange(280), np.arange(280, 290), 0)
    steps = []
    step = _Loss._with_slope
    monkeypatch.setattr(_Loss, "_with_slope", lambda *a: steps.append(0) or step(*a))
    loss = _Loss(problem, task)
    widened, count = loss.minimum(0.001), len(steps)
    monkeypatch.setattr(_Loss, "_root", lambda *a: None)
    plain = loss.minimum(0.001)
    assert count < len(steps) - count, "in fewer steps"
    assert step(loss, widened, 0.001)[0] <= step(loss, plain, 0.001)[0] * 1.0001, "as deep"
    assert np.abs(step(loss, widened, 0.001)[1]).max() < 1e-3
