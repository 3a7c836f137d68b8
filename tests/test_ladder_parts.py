"""Learning curves and tuning: parts of the recordings, the power law, successive halving."""

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
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from earmark.errors import RunError, SettingError
from earmark.ladder.board import Board
from earmark.ladder.budget import Budget
from earmark.ladder.climb import Climb
from earmark.ladder.curve import learning_curve
from earmark.ladder.parts import fewer_clips, fewer_recordings, recordings_a_class
from earmark.ladder.power import fit_power_law, twice
from earmark.ladder.tune import SHARES, candidates, tune
from earmark.models import MODELS
from earmark.recipe import Recipe
from earmark.rungs import rung
from earmark.runs import Run, open_run
from earmark.split import TEST, Split, SplitSettings, holdout, inner_folds
from test_ladder import SMALL, climb_of, recipe
from test_split import make_rows

__all__ = ["recipe"]  # a fixture


def some_split(groups: int, clips: int) -> Split:
    """Three classes of so many recordings of so many clips."""
    n = 3 * groups * clips
    return holdout(make_rows(np.arange(n) // (groups * clips), np.arange(n) // clips), SplitSettings())


# Parts


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 9), st.integers(1, 5), st.integers(0, 50))
def test_parts_are_nested_whole_and_of_every_class(groups, clips, seed):
    split = some_split(groups, clips)
    before: set[int] = set()
    for share in (1 / 8, 1 / 4, 1 / 2, 1.0):
        part = fewer_recordings(split, share, seed)
        learnt = set(part.learnt.tolist())
        assert before <= learnt <= set(split.learnt.tolist())
        assert part.learnt_classes == split.learnt_classes
        assert (part.positions(TEST) == split.positions(TEST)).all()
        own = split.rows.joined
        assert set(np.flatnonzero(np.isin(own, own[part.learnt]))) == learnt  # no recording is cut
        before = learnt
    assert before == set(split.learnt.tolist())


def test_half_of_the_clips_of_all_recordings():
    split = some_split(6, 4)
    part = fewer_clips(split, 1 / 2, 0)
    own = split.rows.joined
    assert set(own[part.learnt]) == set(own[split.learnt])
    assert len(part.learnt) == len(split.learnt) / 2
    assert recordings_a_class(part) == recordings_a_class(split)
    single = some_split(6, 1)
    assert len(fewer_clips(single, 1 / 2, 0).learnt) == len(single.learnt)


# The power law


@given(st.floats(0, 0.3), st.floats(0.05, 0.7), st.floats(0.1, 1.5))
def test_a_law_is_found_again(floor, factor, exponent):
    n = np.array([2.0, 4.0, 8.0, 16.0, 32.0])
    errors = floor + factor * n**-exponent
    assert fit_power_law(n, errors).at(64) == pytest.approx(floor + factor * 64**-exponent, abs=0.003)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=5))
def test_no_law_promises_what_cannot_be(errors):
    n = 2.0 ** np.arange(len(errors))
    law = fit_power_law(n, np.array(errors))
    assert 0 <= law.at(2 * n[-1]) <= law.at(n[-1]) + 1e-9 <= 1 + 1e-9


def test_the_interval_of_a_promise_holds_the_truth_mostly():
    n, held = np.array([2.0, 4.0, 8.0, 16.0]), 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        errors = [0.1 + 0.5 * k**-0.6 + 0.02 * rng.standard_normal(5) for k in n]
        _, at, (low, high) = twice(n, errors, seed)
        assert low <= at + 1e-3
        assert at <= errors[-1].mean()
        assert at <= high + 1e-3
        held += low <= 0.1 + 0.5 * 32**-0.6 <= high
    assert held >= 13


def test_a_curve_from_few_recordings_to_all(recipe, tmp_path):
    climb = climb_of(recipe, tmp_path, Budget())
    told: list[object] = []
    reached = climb.reach("linear")
    curve = learning_curve(climb, reached, told.append)
    counts = [point.recordings for point in curve.points]
    assert counts == sorted(set(counts))
    assert curve.points[-1].score == Board([reached.parts]).whole[0] > 0.9
    assert told == list(curve.points)
    assert all(len(point.draws) == 5 for point in curve.points[:-1])
    assert curve.half_clips is not None
    assert curve.half_clips.recordings == counts[-1]
    assert curve.half_clips.clips < 0.75 * curve.points[-1].clips
    assert not curve.left
    json.dumps(curve.to_dict())


def test_what_a_curve_has_no_time_for_is_named(recipe, tmp_path):
    times = [0.0]
    climb = climb_of(recipe, tmp_path, Budget(10.0, lambda: times[0]))
    reached = climb.reach("linear")
    times[0] = 11.0
    curve = learning_curve(climb, reached, lambda point: None)
    assert len(curve.points) == 1
    assert curve.at_twice is None
    assert curve.left[0] == "12.5% of the recordings: no time for its first network"


# Tuning


@pytest.mark.parametrize("name", [name for name in MODELS if name != "blend"])
def test_what_is_searched_holds_the_usual_settings(name):
    own = rung(name)
    tried = candidates(own, 0)
    assert tried[0] == {}
    assert all(tried[1:])
    assert len({json.dumps(one, sort_keys=True) for one in tried}) == len(tried) <= 16
    assert tried == candidates(own, 0)
    base = Recipe().with_values({"model.name": name})
    for one in tried:
        base.with_values(one)  # every value is allowed
    for key, values in own.model.search.items():
        table, _, setting = key.partition(".")
        assert getattr({"model": own.model, "train": own.train}[table], setting) in values


def tuned(climb: Climb, folder: Path):
    with open_run(folder, "tune", "x") as run:
        return tune(climb, climb.reach("linear"), run, lambda trial: None), run


def test_garbage_in_the_test_part_changes_nothing(recipe, tmp_path):
    """Neither which settings are chosen, nor what any network learns."""
    climb = climb_of(recipe, tmp_path / "as it is" / "c", Budget())
    split = holdout(climb.ready.rows, recipe.split)
    values = climb.ready.table.values.copy()
    values[split.positions(TEST)] = np.random.default_rng(0).normal(
        0, 1e4, values[split.positions(TEST)].shape
    )
    ready = replace(climb.ready, tables=(replace(climb.ready.table, values=values),))
    other = replace(climb, ready=ready, folder=tmp_path / "garbage" / "c")
    cells = tuple((one, 0) for one in inner_folds(split, recipe.split, 3))
    found = [tuned(replace(own, cells=cells), own.folder.parent) for own in (climb, other)]
    (first, run), (second, garbled) = found
    assert (first.settings, first.best, first.gain) == (second.settings, second.best, second.gain)
    assert first.test != second.test
    kept = sorted(p.relative_to(climb.folder) for p in climb.folder.glob("tune/**/network-*.safetensors"))
    assert len(kept) >= 3 * 2
    for name in kept:
        one, two = load_file(climb.folder / name), load_file(other.folder / name)
        assert all((one[key] == two[key]).all() for key in one)

    def told(run: Run) -> list[dict[str, object]]:
        lines = (run.folder / "trials.jsonl").read_text().splitlines()
        return [{**json.loads(line), "seconds": 0} for line in lines]

    assert told(run) == told(garbled)
    assert {line["share"] for line in told(run)} == set(SHARES)
    assert [line["settings"] for line in told(run) if line["number"] == 0] == [{}, {}, {}]


def test_a_blend_is_not_tuned(recipe, tmp_path):
    climb = climb_of(recipe, tmp_path, Budget())
    climb.reach("linear"), climb.reach("mlp")
    blend = climb.reach("blend", ["linear", "mlp"])
    with (
        open_run(tmp_path, "tune", "x") as run,
        pytest.raises(SettingError, match="a blend has none of its own"),
    ):
        tune(climb, blend, run, lambda trial: None)


def test_a_damaged_line_of_trials(recipe, tmp_path):
    climb = climb_of(recipe, tmp_path, Budget())
    reached = climb.reach("linear")
    with open_run(tmp_path, "tune", "x") as run:
        run.write_text("trials.jsonl", '{"round": 0\n')
        with pytest.raises(RunError, match=r"trials\.jsonl is damaged: a line is no trial\."):
            tune(climb, reached, run, lambda trial: None)


# The command


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_while_tuning_and_run_again(tone_set, tmp_path):
    """The same trials, and the same choice, as without the kill; and a recipe that trains."""
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
        "--set=train.epochs=60",
        "--set=train.patience=0",
        "--rungs=mlp",
        "--tune",
        "--json",
        "--runs",
    ]

    def trials(folder: Path) -> list[str]:
        files = list(folder.glob("*/trials.jsonl"))
        return files[0].read_text().splitlines() if files else []

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = subprocess.Popen([*command, str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(trials(killed)) < 5:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = trials(killed)
    results = []
    for folder in (killed, whole):
        done = subprocess.run(
            [*command, str(folder)], capture_output=True, text=True, timeout=200, check=True
        )
        results.append(json.loads(done.stdout))
    assert trials(killed)[: len(before)] == before

    def told(folder: Path) -> list[dict[str, object]]:
        return [{**json.loads(line), "seconds": 0} for line in trials(folder)]

    assert told(killed) == told(whole)
    assert results[0]["tuned"] == results[1]["tuned"]
    assert len(list(killed.iterdir())) == 1
    (made,) = killed.glob("*/recipe.toml")
    from earmark.recipe import load_recipe

    found = load_recipe(str(made))
    assert found.model.name == "mlp"
    assert found == found.with_values(results[0]["tuned"]["settings"])


def test_curve_and_tuning_in_words(earmark, tone_set, tmp_path):
    words = ["--rungs=linear", "--learning-curve", "--tune", "--runs", tmp_path]
    done = earmark("compare-models", tone_set, *SMALL, *words)
    assert "linear, learning from parts of the recordings" in done.stdout
    assert "Twice as many recordings may bring accuracy" in done.stdout
    assert "All clips of half of the recordings: " in done.stdout
    assert "of 7 sets of settings" in done.stdout.lower()
    assert "On the test part, heard once and at the end: accuracy " in done.stdout
    assert "Tune      round 1: model.penalty=" in done.stderr
    assert "Curve     " in done.stderr
