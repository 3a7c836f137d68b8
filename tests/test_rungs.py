"""The contract of every rung: each pair of a model and a feature is trained and shipped, or refused in words."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from earmark import pipeline
from earmark.audio import decode
from earmark.audio.resample import resample
from earmark.bundle import read_bundle, write_bundle
from earmark.decide import sigmoid, softmax
from earmark.decide.blend import Share, blended, fit_shares
from earmark.errors import SettingError, UnknownNameError
from earmark.export import EXPORTERS, Source
from earmark.export.onnx import runner
from earmark.features import FEATURES
from earmark.models import MODELS, Blend
from earmark.predict import Predictor
from earmark.recipe import RECIPES, Recipe
from earmark.rungs import LADDER, Rung, rung
from earmark.train import TrainSettings
from tiny_encoder import ready

PATTERN = "{label}_{group}_{take}.wav"
TINY = {
    "mlp": {"train.epochs": 5, "model.hidden": [8]},
    "linear": {},
    "dictionary": {"model.words": 24, "model.components": 12},
    "rocket": {"model.kernels": 32},
    "cnn": {"train.epochs": 2},
    "blend": {"model.rungs": ["linear:mfcc", "dictionary"], "decide.folds": 2},
}
FEATURE = {
    "log_mel": {"feature.n_mels": 16},
    "mfcc frames": {"feature.statistics": []},
    "encoder pooled": {"feature.pooled": "mean+max+sd"},
}
HEARD = [*FEATURES, "mfcc frames", "encoder pooled"]


def recipe(model: str, heard: str, path) -> Recipe:
    values = {"model.name": model, **TINY[model], "split.copies": False}
    if model != "blend":
        values |= {"feature.name": heard.split()[0], **FEATURE.get(heard, {})}
    return RECIPES["default"].with_data(str(path), "auto", PATTERN).with_values(values)


def makes_sense(model: str, heard: str) -> bool:
    keeps_time = heard in ("log_mel", "mfcc frames")
    if MODELS[model].takes == "course":
        return keeps_time
    return not keeps_time


PAIRS = [(m, f) for m in MODELS if m != "blend" for f in HEARD if makes_sense(m, f)] + [("blend", "")]


def test_every_model_is_tried():
    assert TINY.keys() == MODELS.keys()
    assert set(LADDER) <= MODELS.keys() - {"blend"}


@pytest.mark.parametrize(("model", "heard"), PAIRS)
def test_a_pair_that_makes_sense_goes_the_whole_line(model, heard, tone_set, tmp_path, monkeypatch):
    if model == "cnn":
        pytest.importorskip("torch")
    monkeypatch.setenv("EARMARK_ENCODERS", str(tmp_path / "weights"))
    monkeypatch.setenv("EARMARK_STORE", str(tmp_path / "store"))
    for feature in FEATURES.values():
        ready(feature())
    made = recipe(model, heard, tone_set)
    result = pipeline.train(made, tmp_path / "m.earmark", tmp_path / "runs")
    assert Recipe.from_dict(made.to_dict()) == made
    bundle = read_bundle(result.bundle)
    assert len(bundle.members) == (2 if model == "blend" else 1)
    write_bundle(tmp_path / "again.earmark", bundle)
    assert (tmp_path / "again.earmark").read_bytes() == result.bundle.read_bytes()
    # What was said of the test clips from the store is said of their sound as well.
    predictor = Predictor(bundle)
    rows = list(csv.DictReader((result.run / "predictions.csv").read_text().splitlines()))
    for row in rows[:3]:
        found = predictor.score_waveform(decode(tone_set / row["path"]))
        told = [float(row[label]) for label in bundle.labels]
        np.testing.assert_allclose(found, told, atol=1e-4)
    # So it is by the exported file, which was compared with the model on sounds of 0.1 to 60 seconds.
    written = EXPORTERS["onnx"].write(Source.read(result.bundle), tmp_path / "m.onnx")
    assert written.difference <= 1e-4
    graph = runner(written.path.read_bytes())
    for row in rows[:3]:
        sound, rate = decode(tone_set / row["path"]), bundle.feature.sample_rate
        found = graph(resample(sound.samples, sound.sample_rate, rate, "soxr_hq")[None])[0]
        np.testing.assert_allclose(found, [float(row[label]) for label in bundle.labels], atol=1e-4)
    judged = pipeline.evaluate_bundle(result.bundle, made)
    assert judged.judged.report.clips == len(rows)
    assert judged.judged.report.clips + judged.left_out == len(judged.prepared.table.rows)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("cnn", ["train.epochs=1", "model.channels=[4]", "feature.n_mels=16", "decide.folds=0"]),
        ("blend", ['model.rungs=["linear:mfcc", "dictionary"]', "decide.folds=2"]),
    ],
)
def test_the_commands_go_the_whole_line(model, settings, earmark, tone_set, tmp_path):
    if model == "cnn":
        pytest.importorskip("torch")
    changes = [word for setting in ["split.copies=false", *settings] for word in ("--set", setting)]
    made = [tone_set, "--pattern", PATTERN, "--model", model, *changes, "--json"]
    trained = json.loads(earmark("train", *made, "-o", "m.earmark", cwd=tmp_path).stdout)
    assert trained["model"] == model
    heard = tone_set / "hum_hum0_0.wav"
    (said,) = json.loads(earmark("predict", "m.earmark", heard, "--format", "json", cwd=tmp_path).stdout)
    assert sum(said["scores"].values()) == pytest.approx(1, abs=1e-3)
    judged = earmark("evaluate", "m.earmark", tone_set, "--pattern", PATTERN, "--json", cwd=tmp_path)
    found = json.loads(judged.stdout)
    assert (found["accuracy"], found["clips"]) == (trained["test"]["accuracy"], trained["split"]["test"])


@pytest.mark.parametrize(
    ("model", "heard"),
    [(m, f) for m in MODELS if m != "blend" for f in HEARD if not makes_sense(m, f)],
)
def test_any_other_pair_is_refused_before_anything_is_read(model, heard, tmp_path):
    with pytest.raises(SettingError, match=r"^\[feature\] .* gives .* Take --feature|Name at least one"):
        recipe(model, heard, tmp_path / "nowhere").rungs()


# Names


@pytest.mark.parametrize("name", LADDER)
def test_a_rung_by_its_model_hears_what_the_model_hears(name):
    made = rung(name)
    assert made.model.name == name
    assert made.feature == Recipe().with_values({"model.name": name}).feature
    assert made.train == Recipe().with_values({"model.name": name}).train


def test_a_rung_by_model_and_feature():
    made = rung("mlp:stats", TrainSettings(epochs=3, seed=9))
    assert (made.model.name, made.feature.name, made.train.epochs, made.train.seed) == ("mlp", "stats", 3, 9)


@pytest.mark.parametrize("name", ["", "cnm", "blend", "linear:nothing", "encoder:nothing"])
def test_a_name_that_is_none(name):
    with pytest.raises(UnknownNameError):
        rung(name)


@pytest.mark.parametrize(
    ("rungs", "says"),
    [
        (["linear"], "a blend is of 2 to 8 different rungs"),
        (["linear", "linear"], "a blend is of 2 to 8 different rungs"),
        (["blend", "linear"], "a blend is of plain rungs"),
    ],
)
def test_what_is_no_blend(rungs, says):
    with pytest.raises(SettingError, match=says):
        Blend(tuple(rungs))


def test_a_blend_hears_what_its_rungs_hear():
    made = Recipe().with_values({"model.name": "blend", "model.rungs": ["mlp", "linear"], "train.epochs": 7})
    assert made.feature == rung("mlp").feature
    assert [r.train.epochs for r in made.rungs()][:1] == [7]
    with pytest.raises(SettingError, match="cannot be set for a blend"):
        made.with_values({"feature.name": "stats"})


def test_what_was_set_by_hand_outlives_another_model():
    by_hand = {"feature.n_mfcc": 13, "train.class_weights": "none"}
    made = Recipe().with_values(by_hand).with_values({"model.name": "linear"})
    assert (made.feature.name, made.feature.n_mfcc, made.train.class_weights) == ("mfcc", 13, "none")
    assert Recipe().with_values({"model.name": "linear"}).feature.name == "stats"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            {"model.name": "linear", "train.epochs": 7},
            "[train] epochs is 7, but nothing of how a linear is trained depends on it."
            " It reads: class_weights, seed.",
        ),
        (
            {"model.name": "cnn", "train.patience": 7},
            "[train] patience is 7, but nothing of how a cnn is trained depends on it."
            " It reads: epochs, batch_size, learning_rate, class_weights, seed.",
        ),
        (
            {"model.name": "blend", "model.rungs": ["linear", "rocket"], "train.epochs": 7},
            "[train] epochs is 7, but nothing of how a blend is trained depends on it."
            " It reads: class_weights, seed.",
        ),
    ],
)
def test_a_setting_that_makes_no_difference_is_refused(values, says):
    with pytest.raises(SettingError) as caught:
        Recipe().with_values(values)
    assert str(caught.value) == says


def test_in_a_blend_each_rung_takes_what_it_reads():
    values = {"model.name": "blend", "model.rungs": ["linear", "cnn"], "train.epochs": 7, "train.seed": 3}
    linear, cnn = Recipe().with_values(values).rungs()
    assert (cnn.train.epochs, cnn.train.seed, linear.train.seed) == (7, 3, 3)
    assert linear.train == TrainSettings(seed=3)


def test_a_rung_that_cannot_be():
    with pytest.raises(SettingError, match="sees a spectrum's course over time"):
        Rung(FEATURES["stats"](), MODELS["dictionary"](), TrainSettings())


# Weights of a blend


def test_who_guesses_is_not_listened_to():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    knows = np.eye(3)[truth] * 2 + rng.normal(0, 1, (300, 3))
    guesses = rng.normal(0, 1, (300, 3))
    weights = shares_of([knows, guesses], truth)
    assert weights[0] > 5 * weights[1] > 0


def test_two_that_err_apart_are_better_together():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 2000)
    each = [np.eye(3)[truth] + rng.normal(0, 1, (2000, 3)) for _ in range(2)]
    every = np.ones((1000, 3), bool)
    shares = fit_shares([own[:1000] for own in each], truth[:1000], np.arange(1000), every)
    np.testing.assert_allclose(shares[0].weight, shares[1].weight, rtol=0.4)
    right = [(own[1000:].argmax(axis=1) == truth[1000:]).mean() for own in each]
    together = blended([own[1000:] for own in each], shares).argmax(axis=1)
    assert (together == truth[1000:]).mean() > max(right) + 0.03


def test_of_several_labels_each_is_weighed():
    rng = np.random.default_rng(2)
    truth = rng.random((200, 4)) < 0.3
    knows = np.where(truth, 2.0, -2.0) + rng.normal(0, 1, truth.shape)
    weights = shares_of([rng.normal(0, 1, truth.shape), knows], truth)
    assert weights[1] > 5 * weights[0] > 0


def test_a_label_that_a_network_had_no_clips_of_is_no_witness():
    rng = np.random.default_rng(5)
    truth = rng.random((200, 2)) < 0.5
    knows = np.where(truth, 2.0, -2.0) + rng.normal(0, 1, truth.shape)
    other = knows.copy()
    other[:, 1] *= -9  # all wrong, where nobody knew
    known = np.array([[True, False]]).repeat(200, axis=0)
    first, second = shares_of([knows, other], truth, known=known)
    assert first == pytest.approx(second)


def test_a_long_recording_counts_once():
    """A hundred clips of one recording, about which one network is wrong, do not outweigh fifty recordings."""
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 2, 150)
    good, bad = (np.eye(2)[truth] * 4 - 2 for _ in range(2))
    good[50:] *= -1
    bad[:50] *= -1
    groups = np.concatenate([np.arange(50), np.full(100, 50)])
    weights = shares_of([good, bad], truth, groups)
    assert weights[0] > weights[1]


def test_few_recordings_are_not_believed():
    truth = np.array([0, 1, 0])
    weights = shares_of([np.eye(2)[truth] * 8, -np.eye(2)[truth] * 8], truth)
    assert 0.2 <= weights[1] < weights[0]


def test_nothing_to_learn_weights_from():
    none = np.empty((0, 3))
    assert shares_of([none, none], np.empty(0, np.int64)) == [0.5, 0.5]


def test_how_large_logits_are_does_not_matter():
    """One network says the same of all clips as another, ten times as loud: together they say what each says."""
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 3, 400)
    knows = np.eye(3)[truth] * 2 + rng.normal(0, 1, (400, 3))
    shares = fit_shares([knows, 10 * knows], truth, np.arange(400), np.ones((400, 3), bool))
    assert shares[1].temperature == pytest.approx(10 * shares[0].temperature, rel=0.1)
    said = softmax(blended([knows, 10 * knows], shares))
    np.testing.assert_allclose(said, softmax(knows, shares[0].temperature), atol=0.02)


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_blend_says_the_mean_of_probabilities(exclusive):
    rng = np.random.default_rng(6)
    each = [rng.normal(0, 3, (5, 4)), rng.normal(0, 30, (5, 4))]
    scaled = softmax if exclusive else sigmoid
    wanted = 0.75 * scaled(each[0], 2.0) + 0.25 * scaled(each[1], 0.5)
    shares = [Share(3.0, 2.0), Share(1.0, 0.5)]
    np.testing.assert_allclose(scaled(blended(each, shares, exclusive)), wanted, atol=1e-6)


def shares_of(logits, truth, groups=None, known=None):
    groups = np.arange(len(truth)) if groups is None else groups
    known = np.ones(logits[0].shape, bool) if known is None else known
    return [share.weight for share in fit_shares(logits, truth, groups, known)]
