"""How scores become answers: temperature, thresholds, prediction sets; and that no test row has a say in them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from earmark import runs
from earmark.data import DataSettings
from earmark.dataset import Clips, Dataset
from earmark.decide import (
    NEVER,
    DecideSettings,
    Decision,
    Target,
    decide,
    fit_temperature,
    prediction_sets,
    set_threshold,
    sharpness,
    softmax,
    thresholds,
)
from earmark.errors import SettingError
from earmark.evaluate import Scored, decided
from earmark.extract import Progress
from earmark.features import Mfcc
from earmark.fitting import Lesson, learn
from earmark.listener import Silent
from earmark.models import Linear, Mlp
from earmark.outcome import Prepared
from earmark.recipe import Recipe
from earmark.split import TEST, UNUSED, Rows, SplitSettings, cross_validation, inner_folds
from earmark.train import TrainSettings
from earmark.types import Clip, FeatureTable

PATTERN = "--pattern={label}_{group}_{take}.wav"


def told_with(temperature, rows=4000, labels=4, seed=0):
    """Logits that are right as often as they say when divided by ``temperature``, and what is true."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.standard_normal((rows, labels))
    likely = softmax(logits).astype(np.float64)
    targets = (likely.cumsum(axis=1) < rng.random(rows)[:, None]).sum(axis=1).clip(0, labels - 1)
    return temperature * logits, targets.astype(np.int64)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_is_found(temperature):
    logits, targets = told_with(temperature)
    assert fit_temperature(logits, targets, np.arange(4000)) == pytest.approx(temperature, rel=0.1)


def test_the_temperature_of_few_recordings_is_drawn_to_one():
    logits, targets = told_with(4.0)
    many = fit_temperature(logits, targets, np.arange(4000))
    five = fit_temperature(logits, targets, np.arange(4000) % 5)
    assert 1.5 < five < 0.8 * many
    assert fit_temperature(logits[:19], targets[:19], np.arange(19)) == 1.0


def test_one_long_recording_that_is_misheard_does_not_decide():
    logits, targets = told_with(1.0)
    # As many clips again, of a single recording, all wrong and sure.
    sure = np.tile([8.0, 0.0, 0.0, 0.0], (4000, 1))
    both = np.concatenate([logits, sure])
    found = fit_temperature(
        both, np.append(targets, np.ones(4000, np.int64)), np.append(np.arange(4000), np.full(4000, 4000))
    )
    assert found == pytest.approx(1.0, rel=0.1)


@settings(deadline=None)
@given(hnp.arrays(np.float64, (30, 3), elements=st.floats(-1e3, 1e3)), st.integers(1, 30))
def test_any_logits_give_a_decision_that_keeps_the_answers(logits, groups):
    rng = np.random.default_rng(0)
    found = decide(
        logits, rng.integers(0, 3, 30), np.arange(30) % groups, DecideSettings(target="precision=0.9")
    )
    likely = found.probabilities(logits)
    assert np.isfinite(likely).all()
    np.testing.assert_allclose(likely.sum(axis=1), 1, rtol=1e-5)
    best = logits.max(axis=1) - np.sort(logits, axis=1)[:, 1] > 1e-2
    assert (likely.argmax(axis=1) == logits.argmax(axis=1))[best].all()
    assert found.sets(likely)[np.arange(30), likely.argmax(axis=1)].all()


def test_sharpness_does_not_depend_on_a_constant_and_grows_with_the_logits():
    logits, _ = told_with(1.0)
    assert sharpness(3 * logits + 7) == pytest.approx(3 * sharpness(logits))
    assert sharpness(np.zeros((5, 3))) > 0


def test_thresholds_reach_their_target_on_what_they_were_learnt_from():
    logits, targets = told_with(1.0)
    likely = softmax(logits)
    said, sure = likely.argmax(axis=1), likely.max(axis=1)
    for label, least in enumerate(thresholds(likely, targets, Target("precision", 0.9))):
        answered = (said == label) & (sure >= least)
        assert (targets[answered] == label).mean() >= 0.9
        lower = (said == label) & (sure >= np.nextafter(np.float32(least), np.float32(0)))
        assert lower.sum() == answered.sum() or least > 0
    for label, least in enumerate(thresholds(likely, targets, Target("recall", 0.5))):
        answered = (said == label) & (sure >= least)
        assert (targets[answered] == label).sum() >= 0.5 * (targets == label).sum()
    dear = thresholds(likely, targets, Target("cost", 20.0))
    cheap = thresholds(likely, targets, Target("cost", 0.1))
    assert all(a > b for a, b in zip(dear, cheap, strict=True))


def test_the_threshold_of_least_cost_is_the_best_of_all():
    rng = np.random.default_rng(1)
    sure, right = rng.random(200), rng.random(200) < 0.6
    likely = np.stack([np.full(200, 0.0), 0.5 + sure / 2], axis=1)
    targets = np.where(right, 1, 0)
    found = thresholds(likely, targets, Target("cost", 3.0))[1]

    def cost(least):
        answered = likely[:, 1] >= least
        return 3 * (answered & ~right).sum() + (~answered & right).sum()

    assert cost(found) == min(cost(least) for least in [*likely[:, 1], NEVER])


def test_a_label_that_is_never_sure_is_never_answered():
    likely = np.tile(np.array([[0.9, 0.1]], np.float32), (50, 1))
    found = thresholds(likely, np.arange(50) % 2, Target("precision", 0.95))
    assert found == (NEVER, NEVER)
    assert not Decision(thresholds=found, target="precision=0.95").answered(likely).any()


@pytest.mark.parametrize(
    "text",
    ["precision", "precision=0", "precision=1.1", "accuracy=0.9", "cost=-1", "recall=x", "cost=nan", ""],
)
def test_what_is_no_target_is_refused(text):
    with pytest.raises(SettingError, match="must be precision=SHARE or recall=SHARE"):
        Target.of(text)


def test_settings_are_refused_with_what_is_allowed():
    with pytest.raises(SettingError, match=r"\[decide\] folds is 1, but must be from 2 to 20, or 0 for none"):
        DecideSettings(folds=1)
    with pytest.raises(SettingError, match="target needs folds to learn thresholds from, but folds is 0"):
        DecideSettings(folds=0, target="precision=0.9")
    with pytest.raises(SettingError, match="coverage is 1, but must be above 0 and below 1"):
        DecideSettings(coverage=1.0)
    with pytest.raises(SettingError, match="temperature is 0, but must be from"):
        Decision(temperature=0.0)
    with pytest.raises(SettingError, match="A threshold must be from 0 to 2"):
        Decision(thresholds=(3.0,))
    with pytest.raises(SettingError, match="coverage is 0, but must be"):
        Decision(coverage=0.0)


def test_sets_hold_the_truth_of_new_recordings_as_often_as_promised():
    """200 worlds of 60 recordings, whose clips are right or wrong together; one new recording in each."""
    rng = np.random.default_rng(0)
    met, met_by_clips = [], []
    for _ in range(400):
        level = rng.beta(2, 1, 61)
        sizes = np.where(rng.random(61) < 0.2, 40, 2)  # few long ones among many short
        level[sizes == 40] **= 4  # and the long ones are harder
        groups = np.repeat(np.arange(61), sizes)
        true = np.clip(level[groups] + 0.1 * rng.standard_normal(len(groups)), 0, 1)
        likely = np.stack([true, 1 - true], axis=1)
        known = groups < 60
        zero = np.zeros(known.sum(), np.int64)
        new = likely[~known]
        for kept, units in ((met, groups[known]), (met_by_clips, np.arange(known.sum()))):
            least = set_threshold(likely[known], zero, units, 0.9)
            kept.append((new[:, 0] >= least).mean())
    assert 0.88 <= np.mean(met) <= 0.95
    assert np.mean(met_by_clips) > np.mean(met)  # by clips the long recordings would decide


def test_too_few_recordings_promise_nothing_and_name_every_label():
    likely = softmax(np.random.default_rng(0).standard_normal((40, 3)))
    least = set_threshold(likely, np.zeros(40, np.int64), np.arange(40) % 5, 0.9)
    assert least == 0.0
    assert prediction_sets(likely, least).all()


# What is learnt from, and what is not


def made_set(groups=24, each=5, classes=3, dims=6, seed=0):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), each)
    targets = group % classes
    values = (
        2.0 * np.eye(classes, dims)[targets]
        + rng.standard_normal((groups, dims))[group]
        + 0.5 * rng.standard_normal((groups * each, dims))
    ).astype(np.float32)
    return group, targets.astype(np.int64), values


FEATURE = replace(Mfcc(), n_mfcc=6, statistics=("mean",))


def prepared(group, targets, values):
    told = enumerate(zip(group, targets, strict=True))
    clips = Clips.of(
        [Clip(f"{i}.wav", ("abc"[t],), f"r{g}", None, None, int(g % 4) + 1) for i, (g, t) in told]
    )
    dataset = Dataset("made", Path(), "table", clips, True, "recording", None, "made up")
    table = FeatureTable(values, np.arange(len(values)), FEATURE, "f", np.ones(len(values)))
    rows = Rows.of_table(dataset, table)
    return Prepared(dataset, (table,), rows, Progress(len(values)).so_far, 0.0)


def test_inner_folds_share_no_recording_and_no_test_row():
    ready = prepared(*made_set())
    for split in cross_validation(ready.rows, SplitSettings()):
        inner = inner_folds(split, SplitSettings(), 4)
        assert len(inner) == 4
        tested = np.concatenate([i.positions(TEST) for i in inner])
        assert sorted(tested) == split.learnt.tolist()  # each learnt row once
        for i in inner:
            assert (i.roles[split.positions(TEST)] == UNUSED).all()
            heard = set(ready.rows.groups[i.roles != UNUSED][(i.roles[i.roles != UNUSED]) != TEST])
            assert heard.isdisjoint(ready.rows.groups[i.positions(TEST)])


def test_there_are_no_more_inner_folds_than_recordings():
    group, targets, values = made_set(groups=6, each=8)
    ready = prepared(group, targets, values)
    (split, *_) = cross_validation(ready.rows, SplitSettings(rule="grouped", folds=2))
    assert len(inner_folds(split, SplitSettings(), 5)) in (2, 3)


@pytest.mark.parametrize("model", [Mlp(hidden=(8,)), Linear()], ids=["mlp", "linear"])
def test_no_test_row_has_a_say(model, tmp_path):
    """A canary: test rows become absurd, in values and in labels, and nothing that leaves training changes."""
    group, targets, values = made_set()
    train = TrainSettings(epochs=20, patience=5) if isinstance(model, Mlp) else TrainSettings()
    recipe = Recipe(
        data=DataSettings("made"), feature=FEATURE, model=model, train=train,
        decide=DecideSettings(folds=3, target="precision=0.8"),
    )  # fmt: skip

    def learnt(values, targets, name):
        ready = prepared(group, targets, values)
        split = cross_validation(ready.rows, recipe.split)[0]
        with runs.open_run(tmp_path, name, [name]) as run:
            (one,), _ = learn(recipe, ready, [Lesson.of(split, 0, recipe)], run, Silent(), None)
        return one, split

    one, split = learnt(values, targets, "honest")
    tested = split.positions(TEST)
    absurd, wrong = values.copy(), targets.copy()
    absurd[tested] = 1e4
    wrong[tested] = (targets[tested] + 1) % 3
    other, again = learnt(absurd, wrong, "absurd")
    assert (split.roles == again.roles).all()
    assert one.bundle.members == other.bundle.members
    assert one.bundle.decision == other.bundle.decision
    assert one.bundle.decision.clips == len(split.learnt)
    assert not np.array_equal(one.scored.probabilities, other.scored.probabilities)


def test_networks_that_stopped_at_different_times_are_made_alike(tmp_path):
    """The temperature belongs to the network it is used for, however much sharper it is than the inner ones."""
    logits, targets = told_with(1.0)
    groups = np.arange(len(targets))
    plain = decide(logits, targets, groups, DecideSettings())
    sharp = decide(logits, targets, groups, DecideSettings(), times=5.0)
    np.testing.assert_allclose(plain.probabilities(logits), sharp.probabilities(5 * logits), atol=1e-6)


def test_what_decisions_are_worth_is_counted_on_test_rows():
    likely = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.45, 0.55]], np.float32)
    scored = Scored(np.arange(4), np.array([0, 1, 1, 0]), np.array([0, 0, 1, 2]), likely)
    decision = Decision(1.5, "precision=0.9", (0.8, 0.7), 0.9, 0.42, 100, 20)
    found = decided([(scored, decision)], ("cat", "dog"))
    assert found == {
        "temperatures": [1.5],
        "learnt_from": {"clips": 100.0, "groups": 20.0},
        # of recording 0 one clip of two is met, of the others all
        "sets": {
            "promised": 0.9, "coverage": pytest.approx((0.5 + 1 + 1) / 3), "clips": 0.75, "mean_size": 1.25,
        },
        "target": "precision=0.9",
        "answers": {
            "share": 0.5, "precision": 1.0, "recall": 0.5,
            "per_class": {
                "cat": {"answers": 1, "precision": 1.0, "recall": 0.5},
                "dog": {"answers": 1, "precision": 1.0, "recall": 0.5},
            },
        },
    }  # fmt: skip
    assert decided([(scored, Decision())], ("cat", "dog")) is None


# By the command line


def test_a_target_travels_from_the_command_line_into_the_answers(earmark, tone_set, tmp_path):
    """With an impossible cost of a wrong answer nothing is answered; without a target everything is."""
    base = ("train", str(tone_set), PATTERN, "--model", "linear", "--runs", "runs", "--json")
    told = json.loads(earmark(*base, "-o", "sure.earmark", "--target", "cost=100000", cwd=tmp_path).stdout)
    assert told["decision"]["target"] == "cost=100000"
    assert len(told["decision"]["thresholds"]) == 3
    plain = json.loads(earmark(*base, "-o", "plain.earmark", cwd=tmp_path).stdout)
    assert plain["decision"]["thresholds"] == []
    sounds = sorted(str(p) for p in tone_set.rglob("*.wav"))[:4]
    for model, answered in (("sure.earmark", None), ("plain.earmark", True)):
        found = json.loads(earmark("predict", model, *sounds, "--json", cwd=tmp_path).stdout)
        for one in found:
            assert set(one["possible"]) <= {"hiss", "hum", "whistle"}
            assert one["possible"]
            if answered:
                assert one["label"]
                assert one["why"] == ""
            elif one["label"] is None:
                assert one["why"].startswith("not sure enough of ")


def test_an_evaluation_tells_calibration_before_and_after(earmark, tone_set, tmp_path):
    told = json.loads(
        earmark(
            "evaluate", str(tone_set), PATTERN, "--model", "linear", "--json", "--runs", "runs", cwd=tmp_path
        ).stdout
    )
    after, before = told["calibration"], told["calibration"]["before"]
    assert before.keys() == after.keys() - {"before"}
    assert told["decision"]["sets"]["promised"] == 0.9
    assert 0 < told["baseline"] < told["accuracy"]
    assert told["suspects"]["judged"] == told["clips"]
    lines = (tmp_path / told["run"] / "suspects.csv").read_text().splitlines()
    assert len(lines) == 1 + told["suspects"]["flagged"]
    plain = ("evaluate", str(tone_set), PATTERN, "--model", "linear", "--json", "--set", "decide.folds=0")
    none = json.loads(earmark(*plain, "--runs", "runs", cwd=tmp_path).stdout)
    assert none["decision"] is None
    assert "before" not in none["calibration"]
    assert none["accuracy"] == told["accuracy"]
