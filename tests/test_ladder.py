"""The ladder of models: budgets, boards, the climb, and the command from end to end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark import ladder
from earmark.engine import cores
from earmark.errors import RunError, SettingError, UnknownNameError
from earmark.evaluate import Scored, interval
from earmark.features import Encoder
from earmark.ladder.board import Board
from earmark.ladder.budget import Budget, OutOfTime, seconds_of, typed
from earmark.ladder.climb import Climb
from earmark.ladder.names import at_hand, named, train_words
from earmark.listener import Silent
from earmark.models import MODELS
from earmark.pipeline import prepare
from earmark.recipe import Recipe
from earmark.rungs import LADDER, rung
from earmark.split import TEST, TRAIN, VALIDATION, cross_validation
from earmark.train import Task
from test_multilabel_line import mixtures
from tiny_encoder import ready

__all__ = ["mixtures"]  # a fixture
PATTERN = "{label}_{group}_{take}.wav"


# Time


@pytest.mark.parametrize(
    "text", ["", "10", "m", "-5m", "0s", "10 minutes", "1e3s", "nan", "9999999h", "5m x"]
)
def test_a_budget_that_is_no_time(text):
    message = f"--budget is '{text}', but must be a time such as 90s, 10m, 2h or 1h30m."
    with pytest.raises(SettingError) as error:
        seconds_of(text)
    assert str(error.value) == message


@given(st.floats(0.01, 1e6))
def test_what_is_typed_holds_what_is_needed(needs):
    assert needs <= seconds_of(typed(needs)) <= max(10.0, 1.25 * needs + 3600)


# Names


def test_names_are_brought_into_order():
    assert named("blend,mlp:stats,linear") == ("linear", "mlp:stats", "blend")
    assert at_hand()[0] == "linear"
    assert at_hand()[-1] == "blend"
    assert [name for name in LADDER if name in MODELS] == [n for n in at_hand() if n in LADDER]


@pytest.mark.parametrize("text", ["", ",", "blend"])
def test_no_rungs(text):
    with pytest.raises(SettingError, match="must name rungs, such as linear,mlp,blend"):
        named(text)


def test_a_rung_that_is_none():
    with pytest.raises(UnknownNameError, match="No rung is called 'liner'"):
        named("liner,mlp")


@pytest.mark.parametrize("name", ["linear", "mlp", "mlp:stats", "linear:mfcc"])
def test_the_words_train_that_rung(name):
    words = train_words(name)
    values = {"model.name": words[1], "feature.name": words[3]}
    for word in words[5::2]:
        key, _, value = word.partition("=")
        values[key] = json.loads(value)
    recipe = Recipe().with_values(values)
    assert recipe.rungs() == (rung(name),)


# Boards


def scored(right: np.ndarray, groups: np.ndarray) -> list[Scored]:
    """Two folds of rows that are answered right or wrong."""
    parts = []
    for half in (slice(0, None, 2), slice(1, None, 2)):
        correct = right[half]
        likely = np.stack([correct, ~correct], axis=1).astype(np.float32)
        rows = np.arange(len(right))[half]
        parts.append(Scored(rows, np.zeros(len(rows), np.int64), groups[half], likely))
    return parts


def test_the_cheapest_within_one_standard_error():
    rng = np.random.default_rng(0)
    groups = np.arange(400) // 2
    right = rng.random(400) < 0.8
    lost = np.isin(np.arange(400), np.flatnonzero(right)[:4])
    good, alike, bad = (scored(own, groups) for own in (right, right & ~lost, rng.random(400) < 0.6))
    board = Board([bad, alike, good])
    assert board.whole == pytest.approx([np.mean([p.accuracy for p in own]) for own in (bad, alike, good)])
    assert abs(board.whole[1] - board.whole[2]) < board.errors.max()
    assert board.choose([0, 1, 2]) == 1
    assert board.choose([0, 2, 1]) == 2


def test_the_standard_error_is_that_of_the_interval():
    groups = np.arange(600) // 6
    parts = scored(np.random.default_rng(1).random(600) < 0.7, groups)
    low, high = interval(parts)
    assert Board([parts]).errors[0] == pytest.approx((high - low) / 2 / 1.96, rel=0.15)


def test_the_best_of_many_alike_is_no_better_than_any():
    """Twenty rungs that guess: the best one's score is too high, and what is told of the choice is not."""
    groups, gaps = np.arange(120), []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        board = Board([scored(rng.random(120) < 0.5, groups) for _ in range(20)])
        assert board.whole.max() > 0.55
        honest = board.honest(range(20))
        assert honest is not None
        assert honest[1][0] < honest[0] < honest[1][1]
        gaps.append(honest[0] - 0.5)
    assert abs(np.mean(gaps)) < 0.03


def test_two_recordings_tell_nothing():
    right = np.array([True] * 6 + [False] * 2)
    board = Board([scored(~right, np.arange(8) // 4 * 0), scored(right, np.arange(8) // 4 * 0)])
    assert board.recordings == 2
    assert np.isinf(board.errors).all()
    assert board.choose([0, 1]) == 0
    assert board.honest([0, 1]) is None


def test_of_several_labels_it_is_the_mean_average_precision():
    rng = np.random.default_rng(0)
    marks = rng.random((60, 4)) < 0.4
    sharp = (marks + rng.normal(0, 0.3, marks.shape)).astype(np.float32)
    dull = rng.random(marks.shape).astype(np.float32)
    rows, groups = np.arange(60), np.arange(60) // 3
    board = Board([[Scored(rows, marks, groups, own, said=own > 0.5)] for own in (dull, sharp)])
    own = Scored(rows, marks, groups, sharp, said=sharp > 0.5)
    assert board.whole[1] == pytest.approx(own.maps()[0])
    assert board.choose([0, 1]) == 1
    honest = board.honest([0, 1])
    assert honest is not None
    assert honest[0] == pytest.approx(board.whole[1], abs=0.1)


# The climb


class Clock:
    """Time that passes when somebody looks."""

    def __init__(self) -> None:
        self.now, self.step = 0.0, 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture(scope="module")
def recipe(tone_set: Path) -> Recipe:
    small = Recipe().with_values({"train.epochs": 4, "split.folds": 3, "split.copies": False})
    return small.with_data(str(tone_set), "auto", PATTERN)


def test_what_the_budget_does_not_hold_is_named_and_gone_on_with(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_STORE", str(tmp_path / "store"))  # in which there is nothing yet
    clock = Clock()
    told: list[object] = []

    def step(tried: object) -> None:
        told.append(tried)
        clock.now += 1000.0

    def compare(seconds: float) -> ladder.Compared:
        return ladder.compare_models(
            recipe, ("linear", "mlp", "blend"), tmp_path, Budget(seconds, clock), on_step=step
        )

    first = compare(500.0)
    assert [own.name for own in first.steps] == ["linear"]
    assert [own.name for own in first.left] == ["mlp", "blend"]
    assert first.left[0].reason == (
        "the budget of 8 min was used up before the features of its clips, and what that takes is not known yet."
        " Give the same command a larger --budget."
    )
    assert first.left[1].reason == "a blend is of two rungs or more, and 1 was run before it."
    assert told == [*first.steps, *first.left]
    assert json.loads((first.run / "run.json").read_text())["status"] == "running"
    second = compare(100_000.0)
    assert second.run == first.run
    assert [own.name for own in second.steps] == ["linear", "mlp", "blend"]
    assert second.steps[0] == first.steps[0]
    assert json.loads((first.run / "run.json").read_text())["status"] == "done"
    kept = json.loads((first.run / "report.json").read_text())
    assert [own["rung"] for own in kept["rungs"]] == ["linear", "mlp", "blend"]
    assert kept["left_out"] == kept["not_yet"] == []
    assert compare(100_000.0).run != first.run  # what is finished is not overwritten


def climb_of(recipe: Recipe, folder: Path, budget: Budget) -> Climb:
    ready = prepare(recipe, Silent(), None, [rung("linear").feature])
    cells = tuple((split, 0) for split in cross_validation(ready.rows, recipe.split))
    return Climb(recipe, ready, cells, folder, budget, Silent())


def test_after_the_first_network_it_is_known_what_the_others_take(recipe, tmp_path):
    clock = Clock()
    climb = climb_of(recipe, tmp_path, Budget(10.0, clock))
    climb.kept.note("mlp", seconds=2.9, first=True)  # as measured before
    clock.now = 8.0
    with pytest.raises(OutOfTime) as short:
        climb.reach("mlp")
    assert short.value.doing == "its other 2 networks"
    assert short.value.needs == pytest.approx(2.9 * (2 if cores() == 1 else 1))
    assert ladder._too_long(short.value, climb.budget).startswith("its other 2 networks would take about ")


def test_what_is_left_in_the_middle_of_the_others_still_says_what_it_needs(recipe, tmp_path):
    """Also where the others take longer than the first one did."""
    clock = Clock()
    climb = climb_of(recipe, tmp_path, Budget(10.0, clock))
    climb._fit("mlp", climb.recipe_of("mlp"), climb._heard(rung("mlp").feature), [task_of(climb, 0)])
    climb.kept.note("mlp", seconds=1e-6)
    clock.step = 1.5  # as soon as there is work to do, it takes longer than the first network promised
    with pytest.raises(OutOfTime, match="its networks") as short:
        climb.reach("mlp")
    assert short.value.needs is not None
    assert short.value.needs > 0


def task_of(climb: Climb, i: int) -> Task:
    split, seed = climb.cells[i]
    return Task(split.positions(TRAIN), split.positions(VALIDATION), seed)


def test_a_network_is_left_in_the_middle_and_ends_the_same(recipe, tmp_path):
    clock = Clock()
    whole = climb_of(recipe, tmp_path / "whole", Budget()).reach("mlp")
    climb = climb_of(recipe, tmp_path / "parts", Budget(10.0, clock))
    clock.step = 3.0
    with pytest.raises(OutOfTime, match="its networks") as short:
        climb.reach("mlp")
    assert short.value.needs is not None
    again = climb_of(recipe, tmp_path / "parts", Budget()).reach("mlp")
    for one, other in zip(whole.parts, again.parts, strict=True):
        assert (one.probabilities == other.probabilities).all()


def test_a_blend_takes_the_networks_that_are_there(recipe, tmp_path):
    climb = climb_of(recipe, tmp_path, Budget())
    climb.reach("linear"), climb.reach("mlp")
    before = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*/network-*.safetensors")}
    assert len(before) == 6
    blend = climb.reach("blend", ["linear", "mlp"])
    assert all(p.stat().st_mtime_ns == at for p, at in before.items())
    assert len(list(tmp_path.glob("*/network-*.safetensors"))) == 2 * 3 * (1 + 3)
    assert blend.members == ("linear", "mlp")


def test_no_test_row_is_learnt_from(recipe, tmp_path):
    """Garbage in all test rows of a fold leaves that fold's networks as they were."""
    climb = climb_of(recipe, tmp_path / "as it is", Budget())
    table = climb.ready.table
    split = climb.cells[0][0]
    garbled = table.values.copy()
    garbled[split.positions(TEST)] = 1e3
    ready = replace(climb.ready, tables=(replace(table, values=garbled),))
    other = replace(climb, ready=ready, folder=tmp_path / "garbage")
    climb.reach("linear"), other.reach("linear")
    arrays = []
    for folder in ("as it is", "garbage"):
        from safetensors.numpy import load_file

        arrays.append(load_file(tmp_path / folder / "linear" / "network-0.safetensors"))
    assert arrays[0].keys() == arrays[1].keys()
    assert all((arrays[0][name] == arrays[1][name]).all() for name in arrays[0])


def test_what_goes_wrong_with_a_rung_leaves_that_rung_out(recipe, tmp_path, monkeypatch):
    def broken(*arguments: object) -> None:
        raise RunError("its network fell over.")

    reach = Climb.reach
    monkeypatch.setattr(
        Climb, "reach", lambda self, name, *more: (broken if name == "mlp" else reach)(self, name, *more)
    )
    found = ladder.compare_models(recipe, ("linear", "mlp"), tmp_path)
    assert [(own.name, own.reason) for own in found.left] == [("mlp", "its network fell over.")]
    assert found.choice is not None
    assert found.choice.rung == "linear"
    monkeypatch.setattr(Climb, "reach", broken)
    with pytest.raises(RunError, match=r"Not one rung was tried to its end\. mlp: its network fell over\."):
        ladder.compare_models(recipe, ("mlp",), tmp_path)


@pytest.mark.parametrize("names", [("cnn", "linear"), ("linear", "cnn")])
def test_a_rung_whose_package_is_missing_is_named(recipe, tmp_path, monkeypatch, names):
    monkeypatch.setitem(sys.modules, "torch", None)
    found = ladder.compare_models(recipe, names, tmp_path)
    assert [own.name for own in found.steps] == ["linear"]
    assert [(own.name, own.reason) for own in found.left] == [
        (
            "cnn",
            "Training a cnn needs the package 'torch', which is not installed. Type: pip install 'earmark[torch]'",
        )
    ]


def test_clips_of_several_labels(mixtures, tmp_path):
    """Ranked by mean average precision, and blended by a sigmoid for each label."""
    small = Recipe().with_values({"train.epochs": 4, "split.folds": 3, "split.copies": False})
    many = small.with_data(str(mixtures))
    found = ladder.compare_models(many, ("linear", "mlp", "blend"), tmp_path, tuned=True, curve=True)
    assert not found.left
    assert {step.main for step in found.steps} == {"map"}
    assert found.steps[0].score > 0.8
    assert found.choice is not None
    assert found.choice.expected == pytest.approx(found.steps[0].score, abs=0.15)
    assert found.curve is not None
    assert found.curve.points[-1].score == pytest.approx(found.chosen.score if found.chosen else 0)
    assert (found.tuned is None) == (found.choice.rung == "blend")
    assert bool(found.untuned) == (found.choice.rung == "blend")


def test_an_encoder_is_a_rung_once_its_weights_are_here(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_ENCODERS", str(tmp_path / "encoders"))
    assert "encoder:yamnet" not in at_hand()
    without = ladder.compare_models(recipe, ("encoder:yamnet", "linear"), tmp_path / "runs")
    assert [own.name for own in without.left] == ["encoder:yamnet"]
    assert without.left[0].reason.endswith("Type: earmark fetch encoder:yamnet")
    ready(Encoder())
    assert at_hand()[-2:] == ("encoder:yamnet", "blend")
    found = ladder.compare_models(recipe, ("encoder:yamnet", "linear"), tmp_path / "runs")
    assert found.run == without.run
    assert [own.name for own in found.steps] == ["encoder:yamnet", "linear"]
    assert found.steps[0].cost.file_kb > found.steps[1].cost.file_kb


# The command

SMALL = [
    "--pattern",
    PATTERN,
    "--folds=3",
    "--set=train.epochs=4",
    "--set=split.copies=false",
    "--progress=plain",
]


def test_from_end_to_end(earmark, tone_set, tmp_path):
    done = earmark(
        "compare-models", tone_set, *SMALL, "--rungs=mlp,linear", "--runs", tmp_path / "runs", cwd=tmp_path
    )
    assert "Rung      linear: accuracy " in done.stderr
    assert "Take linear." in done.stdout or "Take mlp." in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("Next   earmark train ")]
    assert ("--set=train.epochs=4" in line) == ("--model mlp" in line)  # the other does not read it
    (run,) = (tmp_path / "runs").iterdir()
    assert (run / "recipe.toml").is_file()
    import shlex

    earmark(*shlex.split(line)[2:], cwd=tmp_path)
    assert (tmp_path / "tones.earmark").is_file()


def test_json_is_the_report(earmark, tone_set, tmp_path):
    done = earmark("compare-models", tone_set, *SMALL, "--rungs=linear", "--runs", tmp_path, "--json")
    told = json.loads(done.stdout)
    assert told == json.loads((Path(told["run"]) / "report.json").read_text())
    (own,) = told["rungs"]
    assert set(own) == {
        "rung", "model", "feature", "accuracy", "interval", "sd", "fit_seconds", "features_ms", "predict_ms", "file_kb",
        "members",
    }  # fmt: skip
    assert 0 < own["features_ms"] <= own["predict_ms"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--budget=soon"], "--budget is 'soon', but must be a time such as 90s, 10m, 2h or 1h30m."),
        (
            ["--set=model.penalty=1"],
            "--set model.penalty=1 is not for all rungs; here it changes the tables data,",
        ),
        (["--rungs=forest"], "No rung is called 'forest'."),
        (["--seeds=0"], "The number of seeds is 0, but must be from 1 to 100."),
    ],
)
def test_wrong_words(earmark, tone_set, words, says):
    assert says in earmark("compare-models", tone_set, "--pattern", PATTERN, *words, code=2).stderr


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_interrupted_and_run_again(tone_set, tmp_path):
    runs = tmp_path / "runs"
    command = [
        sys.executable,
        "-m",
        "earmark",
        "compare-models",
        str(tone_set),
        *SMALL[:-1],
        "--progress=none",
    ]
    command += [
        "--set=train.epochs=3000",
        "--set=train.patience=0",
        "--rungs=linear,mlp",
        "--runs",
        str(runs),
    ]
    environment = {**os.environ, "EARMARK_CHECKPOINT_SECONDS": "0.1"}
    with (tmp_path / "stderr").open("w+") as told:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=told)
        deadline = time.monotonic() + 120
        while not list(runs.glob("*/checkpoints/mlp/network-0.safetensors")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        told.seek(0)
        assert told.read().endswith("Interrupted. Run the same command again to go on.\n")
    (run,) = runs.iterdir()
    assert [own["rung"] for own in json.loads((run / "report.json").read_text())["rungs"]] == ["linear"]
    said = (run / "checkpoints" / "linear" / "said.safetensors").stat().st_mtime_ns
    again = subprocess.run(
        [*command, "--budget=1s"], env=environment, capture_output=True, text=True, timeout=120
    )
    assert again.returncode == 0, again.stderr
    assert "Left out: mlp: " in again.stdout
    assert (run / "checkpoints" / "linear" / "said.safetensors").stat().st_mtime_ns == said
    assert list(runs.iterdir()) == [run]
