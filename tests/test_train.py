"""Training: alone or together, in one process or several, whole or in pieces, the numbers are the same."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from earmark.errors import RunError, SettingError
from earmark.models import MODELS, Blend, Mlp, Model, model_from_dict, model_to_dict, trained_from_arrays
from earmark.train import CHECKPOINT_SECONDS, Problem, Task, TrainSettings, checkpoint, fit

SETTINGS = TrainSettings(epochs=12, patience=0)


def problem(n=200, dims=6, classes=3, settings=SETTINGS, **model) -> Problem:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, classes, n)
    centres = rng.standard_normal((classes, dims)) * 2
    values = (centres[targets] + rng.standard_normal((n, dims))).astype(np.float32)
    return Problem(values, targets, classes, Mlp(**{"hidden": (16, 8), **model}), settings)


def tasks(n=200) -> list[Task]:
    """Tasks of different sizes, so that they finish their epochs at different steps."""
    order = np.random.default_rng(1).permutation(n)
    return [
        Task(np.sort(order[20 * i : 160 + 5 * i]), np.sort(order[170:]), seed)
        for i, seed in enumerate((0, 0, 7))
    ]


def same(a, b) -> bool:
    return (
        all(
            np.array_equal(getattr(a.network, x), getattr(b.network, x))
            for x in ("parameters", "mean", "scale")
        )
        and a.history == b.history
        and a.best_epoch == b.best_epoch
    )


def test_together_and_alone_are_the_same_to_the_bit(tmp_path):
    made = problem()
    together = fit(made, tasks(), tmp_path / "together")
    alone = [fit(made, [task], tmp_path / f"alone{i}")[0] for i, task in enumerate(tasks())]
    assert all(same(a, b) for a, b in zip(together, alone, strict=True))
    assert not np.array_equal(together[0].network.parameters, together[1].network.parameters)


def test_processes_and_one_process_are_the_same_to_the_bit(tmp_path):
    made, heard = problem(), []
    one = fit(made, tasks(), tmp_path / "one", processes=1)
    two = fit(made, tasks(), tmp_path / "two", lambda task, entry: heard.append((task, entry["epoch"])), 2)
    assert all(same(a, b) for a, b in zip(one, two, strict=True))
    assert sorted(heard) == [(task, epoch) for task in range(3) for epoch in range(1, 13)]


def test_interrupted_and_resumed_is_the_same_to_the_bit(tmp_path, monkeypatch):
    monkeypatch.setenv(CHECKPOINT_SECONDS, "0")
    made = problem(settings=replace(SETTINGS, epochs=20, patience=15))
    whole = fit(made, tasks(), tmp_path / "whole")

    class PowerCutError(Exception):
        pass

    def cut(task: int, entry: dict[str, float]) -> None:
        if (
            entry["epoch"] in (4, 9) and task == 1
        ):  # in the middle of telling: later tasks are an epoch behind
            raise PowerCutError

    for _ in range(2):
        with pytest.raises(PowerCutError):
            fit(made, tasks(), tmp_path / "cut", cut)
    resumed = fit(made, tasks(), tmp_path / "cut")
    assert all(same(a, b) for a, b in zip(whole, resumed, strict=True))


def test_a_finished_task_is_not_trained_again(tmp_path):
    made, heard = problem(), []
    first = fit(made, tasks(), tmp_path)
    again = fit(made, tasks(), tmp_path, lambda task, entry: heard.append(task))
    assert heard == []
    assert all(same(a, b) for a, b in zip(first, again, strict=True))


def test_a_checkpoint_of_other_data_is_not_used(tmp_path):
    made = problem()
    fit(made, tasks(), tmp_path)
    other = replace(made, values=made.values + 1)
    fresh = fit(other, tasks(), tmp_path / "fresh")
    assert all(same(a, b) for a, b in zip(fit(other, tasks(), tmp_path), fresh, strict=True))


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_a_damaged_checkpoint_is_said(tmp_path, damage):
    made = problem()
    fit(made, tasks()[:1], tmp_path)
    path = tmp_path / "network-0.safetensors"
    path.write_bytes(damage if damage is not None else path.read_bytes()[:-40])
    with pytest.raises(RunError, match=r"this checkpoint is damaged .* Delete it to train that network anew"):
        fit(made, tasks()[:1], tmp_path)


def test_early_stopping_keeps_the_best_epoch_of_the_validation_rows(tmp_path):
    made = problem(settings=TrainSettings(epochs=200, patience=5))
    fitted = fit(made, tasks()[:1], tmp_path)[0]
    scores = [(e["validation_accuracy"], -e["validation_loss"]) for e in fitted.history]
    assert fitted.best_epoch == int(np.argmax([s[0] * 1e6 + s[1] for s in scores])) + 1
    assert len(fitted.history) == fitted.best_epoch + 5
    rows = tasks()[0].validation
    accuracy = (fitted.network.logits(made.values[rows]).argmax(1) == made.targets[rows]).mean()
    assert accuracy == scores[fitted.best_epoch - 1][0]


def test_without_patience_the_last_epoch_is_kept(tmp_path):
    fitted = fit(problem(), tasks()[:1], tmp_path)[0]
    assert fitted.best_epoch == len(fitted.history) == 12


def test_it_learns_what_can_be_learnt(tmp_path):
    made = problem(n=400, settings=TrainSettings(epochs=60, patience=0))
    rows = np.arange(400)
    fitted = fit(made, [Task(rows[:300], rows[:0], 0)], tmp_path)[0]
    scores = fitted.network.logits(made.values[300:])
    assert (scores.argmax(1) == made.targets[300:]).mean() > 0.9
    assert fitted.history[-1]["loss"] < fitted.history[0]["loss"] / 2


def test_inputs_are_standardised_with_training_rows_only(tmp_path):
    made = problem()
    train = np.arange(100)
    values = made.values.copy()
    values[100:] += 1e6
    far = fit(replace(made, values=values), [Task(train, train[:0], 0)], tmp_path)[0]
    assert far.network.mean == pytest.approx(made.values[:100].mean(axis=0), abs=1e-5)
    assert 1 / far.network.scale == pytest.approx(made.values[:100].std(axis=0), rel=1e-5)


def test_a_constant_input_is_switched_off(tmp_path):
    made = problem()
    values = made.values.copy()
    values[:, 2] = 123.456
    fitted = fit(replace(made, values=values), tasks()[:1], tmp_path)[0]
    assert fitted.network.scale[2] == 0
    assert np.isfinite(fitted.network.parameters).all()


def test_without_standardising_the_network_sees_the_raw_inputs(tmp_path):
    fitted = fit(problem(standardize=False), tasks()[:1], tmp_path)[0]
    assert (fitted.network.mean == 0).all()
    assert (fitted.network.scale == 1).all()


@pytest.mark.parametrize(
    ("setting", "counts", "weights"),
    [
        ("none", (30, 10), (1.0, 1.0)),
        ("balanced", (30, 10), (40 / 60, 2.0)),
        ("auto", (30, 10), (40 / 60, 2.0)),
        ("auto", (22, 18), (1.0, 1.0)),
    ],
)
def test_class_weights(setting, counts, weights):
    targets = np.repeat([0, 1], counts)
    made = Problem(np.zeros((40, 2), np.float32), targets, 2, Mlp(), TrainSettings(class_weights=setting))
    rows = made.row_weights(Task(np.arange(40), np.arange(0), 0))
    assert rows[[0, -1]] == pytest.approx(weights)
    assert rows.mean() == pytest.approx(1.0)


def test_a_loss_that_breaks_down_is_said(tmp_path):
    made = problem()
    values = np.where(np.arange(200)[:, None] == 3, np.float32(np.inf), made.values)
    with pytest.raises(
        RunError, match=r"Training broke down: the loss is nan in epoch 1. A lower learning_rate may help"
    ):
        fit(
            replace(made, values=values, model=Mlp(standardize=False)),
            [Task(np.arange(200), np.arange(0), 0)],
            tmp_path,
        )


def test_a_worker_that_fails_is_said(tmp_path):
    made = replace(problem(), targets=np.full(200, 99))  # no such class: indexing fails in the worker
    with pytest.raises(
        RunError, match=r"A worker process ended with status 1: IndexError.* Its full log: .*worker\.log"
    ):
        fit(made, tasks(), tmp_path, processes=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "[train] epochs is 0, but must be from 1 to 100000."),
        ({"batch_size": 0}, "[train] batch_size is 0, but must be from 1 to 65536."),
        ({"learning_rate": 0.0}, "[train] learning_rate is 0.0, but must be above 0, at most 10."),
        (
            {"class_weights": "some"},
            "[train] class_weights is 'some', but must be 'auto', 'balanced' or 'none'.",
        ),
        ({"patience": -1}, "[train] patience is -1, but must be 0 or more."),
        ({"seed": -1}, "[train] seed is -1, but must be from 0 to 4294967295."),
    ],
)
def test_training_settings_are_checked(options, message):
    with pytest.raises(SettingError, match=re.escape(message)):
        TrainSettings(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": (10, 0)}, "[model] hidden is [10, 0], but every layer must have 1 to 100000 units."),
        ({"dropout": 1.0}, "[model] dropout is 1, but must be from 0 to below 1."),
    ],
)
def test_model_settings_are_checked(options, message):
    with pytest.raises(SettingError, match=re.escape(message)):
        Mlp(**options)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_settings_of_every_model_go_through_json(name):
    model = model_from_dict({"name": name})
    assert model_from_dict(json.loads(json.dumps(model_to_dict(model)))) == model


def as_heard(made: Problem, model: Model) -> Problem:
    """The problem for a model: as it is, or each row as a course that moves about it, some longer than others."""
    if model.takes == "vector":
        return replace(made, model=model)
    rng = np.random.default_rng(2)
    values = [
        (row + rng.standard_normal((5 + i % 3, 6))).astype(np.float32) for i, row in enumerate(made.values)
    ]
    return replace(made, model=model, values=values)


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"blend"}))
def test_every_model_keeps_the_contract(name, tmp_path):
    if name == "cnn":
        pytest.importorskip("torch")
    made = as_heard(problem(n=60, settings=TrainSettings(epochs=3)), model_from_dict({"name": name}))
    task = Task(np.arange(40), np.arange(40, 50), 0)
    network = fit(made, [task], tmp_path)[0].network
    session = onnxruntime.InferenceSession(network.to_onnx(), providers=["CPUExecutionProvider"])
    together = made.values if isinstance(made.values, np.ndarray) else np.stack([v[:5] for v in made.values])
    for values in (together, together[:1]):
        given = session.run(["logits"], {"features": values})[0]
        assert given.shape == (len(values), 3)
        assert given.dtype == np.float32
        assert np.abs(given - network.logits(values)).max() < 1e-4
    again = trained_from_arrays(made.model, network.arrays())
    np.testing.assert_array_equal(again.logits(made.values), network.logits(made.values))


def test_a_blend_is_trained_rung_by_rung(tmp_path):
    with pytest.raises(TypeError, match="blend is not trained by itself"):
        fit(replace(problem(), model=Blend()), tasks()[:1], tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"epochs": 5}},
        {"settings": {"batch_size": 16}},
        {"settings": {"learning_rate": 0.01}},
        {"settings": {"class_weights": "balanced"}},
        {"settings": {"patience": 2}},
        {"model": {"hidden": (8,)}},
        {"model": {"dropout": 0.1}},
        {"model": {"standardize": False}},
    ],
)
def test_every_setting_is_read(change, tmp_path):
    base = problem(settings=TrainSettings(epochs=40, patience=0))
    other = replace(
        base,
        settings=replace(base.settings, **change.get("settings", {})),
        model=replace(base.model, **change.get("model", {})),
    )
    a, b = (fit(p, tasks()[:1], tmp_path / n)[0] for p, n in ((base, "a"), (other, "b")))
    assert not np.array_equal(a.network.parameters, b.network.parameters)
    assert checkpoint.identity(base, tasks()[0]) != checkpoint.identity(other, tasks()[0])


def test_the_seed_of_a_task_is_read(tmp_path):
    task = tasks()[0]
    a = fit(problem(), [task], tmp_path / "a")[0]
    b = fit(problem(), [replace(task, seed=1)], tmp_path / "b")[0]
    assert not np.array_equal(a.network.parameters, b.network.parameters)


@pytest.mark.parametrize("told", ["soon", "-1", "nan"])
def test_a_time_between_checkpoints_that_is_none_is_refused(tmp_path, monkeypatch, told):
    monkeypatch.setenv(CHECKPOINT_SECONDS, told)
    message = f"EARMARK_CHECKPOINT_SECONDS is '{told}', but must be a number of seconds, 0 or more."
    with pytest.raises(SettingError, match=re.escape(message)):
        fit(problem(), tasks(), tmp_path)
