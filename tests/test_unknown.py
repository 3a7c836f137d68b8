"""The unknown: distance, familiarity and what is told of it; silence and clipping; classes that are left out."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from earmark import novelty, runs
from earmark.audio.condition import SILENT, clipped, is_silent
from earmark.bundle import read_bundle, write_bundle
from earmark.data import DataSettings
from earmark.decide import DecideSettings, Familiarity, Reference
from earmark.decide.silence import knows_silence
from earmark.decide.unknown import MOST_BYTES, MOST_ROWS, NEIGHBOURS
from earmark.errors import BundleFormatError, DataError, SettingError
from earmark.evaluate.separation import Sides, auroc, false_accepts, interval_of_draws, separation
from earmark.features import Mfcc
from earmark.fitting import Lesson, learn
from earmark.listener import Silent
from earmark.models import Linear, Mlp
from earmark.predict import Predictor
from earmark.recipe import Recipe
from earmark.split import TEST, TRAIN, cross_validation
from earmark.train import Problem, Task, TrainSettings, fit
from earmark.types import Waveform
from test_bundle import rebuild
from test_decide import FEATURE, made_set, prepared

PATTERN = "--pattern={label}_{group}_{take}.wav"
scores = st.lists(st.integers(0, 12), min_size=1, max_size=30).map(lambda x: np.array(x, np.float64))


# How well a score parts two kinds of clips


@given(scores, scores)
def test_auroc_is_scikit_learns(known, unknown):
    truth = np.repeat([1, 0], [len(known), len(unknown)])
    assert auroc(known, unknown) == pytest.approx(roc_auc_score(truth, np.concatenate([known, unknown])))


@given(scores, scores)
def test_false_accepts_are_counted_at_the_highest_threshold_that_keeps_95_percent(known, unknown):
    highest = max(t for t in known if (known >= t).mean() >= 0.95 - 1e-12)
    assert false_accepts(known, unknown) == pytest.approx((unknown >= highest).mean())


def test_golden_values():
    known, unknown = np.linspace(0, 1, 101), np.linspace(-0.5, 0.5, 101)
    assert auroc(known, unknown) == pytest.approx(0.8720, abs=1e-4)
    assert false_accepts(known, unknown) == pytest.approx(46 / 101)
    assert auroc(known, known) == 0.5


def test_clips_are_compared_within_their_model_and_recordings_drawn_whole():
    """Two folds on other scales: pooled, they would mix; and the draws are those of a bootstrap by hand."""
    rng = np.random.default_rng(0)
    known, groups = rng.normal(1, 1, 60), np.arange(60) // 3
    unknown, others = rng.normal(0, 1, 20), 100 + np.arange(20) // 4
    one = Sides(known, unknown, groups, others)
    far = Sides(known + 50, unknown + 50, groups + 200, others + 200)
    area, accepts, drawn, drawn_accepts = separation([[one, far]])
    assert area[0] == pytest.approx(auroc(known, unknown))
    assert accepts[0] == pytest.approx(false_accepts(known, unknown))
    assert drawn.shape == drawn_accepts.shape == (1000, 1)
    area, _, drawn, _ = separation([[one]], seed=4)
    by_hand = []
    for _ in range(1000):
        pick, lose = rng.integers(0, 20, 20), 100 + rng.integers(0, 5, 5)
        by_hand.append(
            auroc(
                np.concatenate([known[groups == g] for g in pick]),
                np.concatenate([unknown[others == g] for g in lose]),
            )
        )
    assert np.nanstd(drawn) == pytest.approx(np.std(by_hand), rel=0.15)
    low, high = interval_of_draws(area[0], drawn[:, 0], 5)
    assert low < area[0] < high
    assert interval_of_draws(0.7, drawn[:, 0], 2) == (0.0, 1.0)


# Distance


def test_distances_are_those_to_the_nearest_rows():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((300, 7)).astype(np.float32) * np.arange(1, 8, dtype=np.float32)
    reference = Reference.of(values, np.arange(300) % 3, np.arange(300))
    asked = rng.standard_normal((1500, 7)).astype(np.float32)
    standard = (asked - values.mean(axis=0)) / values.std(axis=0)
    rows = (values - values.mean(axis=0)) / values.std(axis=0)
    apart = np.sort(np.linalg.norm(standard[:, None] - rows, axis=2), axis=1)[:, :NEIGHBOURS]
    np.testing.assert_allclose(reference.distances(asked), apart.mean(axis=1), atol=5e-3)
    assert reference.distances(asked[:0]).shape == (0,)


def test_no_value_breaks_the_distance():
    values = np.ones((5, 3), np.float32)
    values[:, 0] = np.arange(5)
    reference = Reference.of(values, np.arange(5) % 2, np.arange(5))
    assert reference.scale[1] == 0  # what never changes says nothing
    wild = np.array([[3e38, 3e38, -3e38], [0, 0, 0]], np.float32)
    assert np.isfinite(reference.distances(wild)).all()


def test_the_reference_is_small_and_takes_classes_and_recordings_alike():
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], [9000, 500, 1500])
    groups = np.where(
        rng.random(11_000) < 0.8, targets, 10 + np.arange(11_000) // 8
    )  # one large recording a class
    values = np.stack([targets, groups, np.arange(11_000)], axis=1).astype(np.float32)
    reference = Reference.of(values, targets, groups)
    assert reference.rows.shape == (MOST_ROWS, 3)
    chosen = np.round(reference.rows[:, 0] / reference.scale[0] + reference.mean[0])
    assert np.bincount(chosen.astype(int)).tolist() == [750, 500, 750]
    again = Reference.of(values, targets, groups)
    assert np.array_equal(again.rows, reference.rows)
    recordings = np.round(reference.rows[:, 1].astype(np.float64) / reference.scale[1] + reference.mean[1])
    assert np.unique(recordings[chosen == 0]).size > 300
    wide = Reference.of(
        rng.standard_normal((1000, 2048)).astype(np.float32), np.zeros(1000, int), np.arange(1000)
    )
    assert wide.rows.nbytes <= MOST_BYTES


# Familiarity


def drawn(n, rng, shift=0.0):
    """Confidence and distance of clips, unlike known ones by so much."""
    sure = 1 / (1 + np.exp(-(1.5 + rng.normal(0, 1, n) - shift)))
    return sure.astype(np.float32), np.exp(rng.normal(0, 0.3, n) + 0.3 * shift).astype(np.float32)


def test_of_known_recordings_no_more_than_five_percent_fall_to_the_threshold():
    rng, lost = np.random.default_rng(0), {10: [], 60: [], 400: []}
    for groups, found in lost.items():
        for _ in range(100):
            known = Familiarity.learn(*drawn(groups, rng), np.arange(groups))
            found.append(known.unknown(known.of(*drawn(500, rng))).mean())
    assert np.mean(lost[10]) == 0  # nobody could know
    assert np.mean(lost[60]) < 0.055
    assert 0.04 < np.mean(lost[400]) < 0.055


def test_one_long_recording_counts_once():
    rng = np.random.default_rng(0)
    sure, far = drawn(100, rng)
    plain = Familiarity.learn(sure, far, np.arange(100))
    again = np.concatenate([np.arange(100), np.zeros(5000, int)])
    long = Familiarity.learn(sure[again], far[again], again)
    assert long.groups == plain.groups == 100
    np.testing.assert_allclose(long.joined, plain.joined, atol=0.6)


def test_both_part_better_than_either():
    rng = np.random.default_rng(0)
    known = Familiarity.learn(*drawn(400, rng), np.arange(400))
    inside, outside = drawn(2000, rng), drawn(2000, rng, 1.0)
    both = auroc(known.join(*inside), known.join(*outside))
    assert both > auroc(inside[0], outside[0]) + 0.03
    assert both > auroc(-inside[1], -outside[1]) + 0.03


def test_no_confidence_makes_up_for_a_clip_beyond_all_others():
    rng = np.random.default_rng(0)
    known = Familiarity.learn(*drawn(400, rng), np.arange(400))
    found = known.of(np.ones(2, np.float32), np.array([20.0, 1e4], np.float32))
    assert found == pytest.approx(1 / 401)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40), st.integers(1, 5))
def test_familiarity_is_a_share_and_rises_with_confidence(values, each):
    sure = np.array(values, np.float32)
    known = Familiarity.learn(sure, 1 - sure, np.arange(len(sure)) // each)
    assert all(a <= b for a, b in pairwise(known.joined))
    asked = np.linspace(0, 1, 21, dtype=np.float32)
    found = known.of(asked, 1 - asked)
    assert ((found > 0) & (found <= 1)).all()
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"joined": (0.0,) * 199}, "The quantiles of joined are not 200 ascending numbers."),
        ({"distances": (1.0, *[0.0] * 199)}, "The quantiles of distances are not 200 ascending numbers."),
        ({"groups": 0}, "The familiarity needs one recording or more, and a threshold from 0 to 1."),
        ({"threshold": 1.5}, "The familiarity needs one recording or more, and a threshold from 0 to 1."),
    ],
)
def test_tables_that_are_none(change, said):
    flat = (0.0,) * 200
    with pytest.raises(SettingError) as caught:
        Familiarity(**{"confidences": flat, "distances": flat, "joined": flat, "groups": 9, **change})
    assert str(caught.value) == said


def test_settings():
    with pytest.raises(SettingError) as caught:
        DecideSettings(unknown="maybe")
    assert str(caught.value) == "[decide] unknown is 'maybe', but must be 'off', 'tell' or 'reject'."
    with pytest.raises(SettingError) as caught:
        DecideSettings(unknown="reject", folds=0)
    assert DecideSettings(unknown="reject").folds is None  # as many as the model can afford
    assert str(caught.value) == "[decide] unknown = 'reject' needs folds to learn from, but folds is 0."


def learnt(tmp_path, values, targets, group, unknown="tell"):
    recipe = Recipe(
        data=DataSettings("made"), feature=FEATURE, model=Linear(), decide=DecideSettings(3, unknown=unknown)
    )
    ready = prepared(group, targets, values)
    split = cross_validation(ready.rows, recipe.split)[0]
    with runs.open_run(tmp_path, "made", []) as run:
        (one,), _ = learn(recipe, ready, [Lesson.of(split, 0, recipe)], run, Silent(), None)
    return one.bundle, split


def test_no_test_row_stands_in_the_reference(tmp_path):
    group, targets, values = made_set()
    bundle, split = learnt(tmp_path / "a", values, targets, group)
    absurd = values.copy()
    absurd[split.positions(TEST)] = 1e4
    other, _ = learnt(tmp_path / "b", absurd, targets, group)
    assert np.array_equal(bundle.reference.rows, other.reference.rows)
    assert bundle.decision.familiarity == other.decision.familiarity
    assert len(bundle.reference.rows) == len(split.learnt)
    assert bundle.decision.familiarity.groups == len(np.unique(group[split.learnt]))


def test_off_learns_nothing_about_it(tmp_path):
    group, targets, values = made_set()
    bundle, _ = learnt(tmp_path, values, targets, group, "off")
    assert bundle.reference is None
    assert bundle.decision.familiarity is None
    assert Predictor(bundle).familiarity(values, np.ones((len(values), 3), np.float32)) is None


# In the bundle


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("familiar")
    group, targets, values = made_set()
    bundle, _ = learnt(folder, values, targets, group)
    write_bundle(folder / "m.earmark", bundle)
    return bundle, (folder / "m.earmark").read_bytes()


def saved(rows, **options):
    file = io.BytesIO()
    np.save(file, rows, **options)
    return file.getvalue()


def test_round_trip(packed, tmp_path):
    bundle, data = packed
    (tmp_path / "m.earmark").write_bytes(data)
    read = read_bundle(tmp_path / "m.earmark")
    assert read.decision == bundle.decision
    for name in ("rows", "mean", "scale"):
        one, other = getattr(read.reference, name), getattr(bundle.reference, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    write_bundle(tmp_path / "again.earmark", read)
    assert (tmp_path / "again.earmark").read_bytes() == data
    asked, likely = np.ones((4, 6), np.float32), np.full((4, 3), 0.6, np.float32)
    np.testing.assert_array_equal(
        Predictor(read).familiarity(asked, likely), Predictor(bundle).familiarity(asked, likely)
    )


MALFORMED = "PATH: its reference of known clips is malformed."
GOOD = np.zeros((9, 6), "<f2")


@pytest.mark.parametrize(
    ("rows", "change", "said"),
    [
        (saved(GOOD[:, :5]), {}, MALFORMED),
        (saved(GOOD[:2]), {}, MALFORMED),
        (saved(GOOD[:0]), {}, MALFORMED),
        (saved(GOOD[0]), {}, MALFORMED),
        (saved(GOOD.astype("<f4")), {}, MALFORMED),
        (saved(GOOD.astype(">f2")), {}, MALFORMED),
        (saved(np.asfortranarray(GOOD)), {}, MALFORMED),
        (saved(GOOD)[:-2], {}, MALFORMED),
        (saved(np.zeros((2001, 6), "<f2")), {}, MALFORMED),
        (saved(np.where(GOOD == 0, np.nan, GOOD).astype("<f2")), {}, MALFORMED),
        (saved(np.full((9, 6), np.inf, "<f2")), {}, MALFORMED),
        (saved(GOOD), {"mean": [0.0] * 5}, MALFORMED),
        (saved(GOOD), {"scale": [float("nan")] * 6}, MALFORMED),
        (saved(GOOD), {"scale": [1e300] * 6}, MALFORMED),
        (saved(GOOD), {"scale": None}, MALFORMED),
        (saved(np.array([[object()] * 6] * 9), allow_pickle=True), {}, MALFORMED),
        (b"no array", {}, "PATH is damaged: ValueError: the magic string is not correct"),
        (saved(np.zeros((2000, 600), "<f2")), {}, "PATH: the entry reference.npy is compressed"),
    ],
)  # fmt: skip
def test_a_reference_that_lies(packed, tmp_path, rows, change, said):
    path = tmp_path / "m.earmark"
    path.write_bytes(
        rebuild(
            packed[1],
            lambda about: {**about, "reference": {**about["reference"], **change}},
            {"reference.npy": rows},
        )
    )
    with pytest.raises(BundleFormatError) as caught:
        Predictor.open(path)
    assert str(caught.value).replace(str(path), "PATH").startswith(said)


@pytest.mark.parametrize("gone", ["rows", "about", "familiarity"])
def test_half_of_it_is_not_enough(packed, tmp_path, gone):
    def change(about):
        if gone == "familiarity":
            return {**about, "decision": {**about["decision"], "familiarity": None}}
        return {**about, "reference": None} if gone == "about" else about

    path = tmp_path / "m.earmark"
    path.write_bytes(rebuild(packed[1], change, {"reference.npy": None} if gone == "rows" else None))
    with pytest.raises(BundleFormatError) as caught:
        Predictor.open(path)
    assert len(str(caught.value)) < 300


def test_a_reference_changed_on_the_way_is_noticed(packed, tmp_path):
    path = tmp_path / "m.earmark"
    path.write_bytes(rebuild(packed[1], entries={"reference.npy": saved(GOOD)}, rehash=False))
    with pytest.raises(BundleFormatError, match=r"entry reference\.npy was changed after"):
        read_bundle(path)


# Silence and clipping


def test_silence_is_what_stays_below_80_dB():
    assert is_silent(np.full(100, 0.9 * SILENT, np.float32))
    click = np.zeros(100_000, np.float32)
    click[5] = -0.01
    assert not is_silent(click)


def test_clipping_is_more_than_a_peak_at_full_scale():
    tone = np.sin(np.linspace(0, 500, 20_000)).astype(np.float32)
    assert clipped(tone * 0.99) == 0
    one = tone * 0.5
    one[7] = 1
    assert clipped(one) == 0
    loud = np.clip(1.5 * tone, -1, 1)
    assert clipped(loud) == pytest.approx((np.abs(1.5 * tone) >= 1).mean(), abs=0.01)


@pytest.mark.parametrize("feature", [Mfcc(), Mfcc(sample_rate=8_000, statistics=("mean", "std"))])
def test_silence_that_was_trained_on_is_noticed(feature):
    rng = np.random.default_rng(0)
    loud = np.stack(
        [
            feature.extract(Waveform(rng.standard_normal(9_000).astype(np.float32), feature.sample_rate))
            for _ in "ab"
        ]
    )
    silent = feature.extract(Waveform(np.zeros(31_000, np.float32), feature.sample_rate))
    assert not knows_silence(loud, feature, ("dog", "noisy_miner"))
    assert knows_silence(np.concatenate([loud, silent[None]]), feature, ("dog", "cat"))
    for name in ("silence", "_silence_", "Background", "_background_noise_", "no-sound"):
        assert knows_silence(loud, feature, ("dog", name))


@pytest.fixture(scope="module")
def odd_sounds(tmp_path_factory, write_wav):
    folder = tmp_path_factory.mktemp("odd")
    t = np.arange(16_000) / 16_000
    write_wav(folder / "clipped.wav", np.clip(3 * np.sin(2 * np.pi * 110 * t), -1, 1), 16_000)
    write_wav(folder / "silent.wav", np.zeros(16_000), 16_000)
    write_wav(folder / "strange.wav", 0.5 * np.sign(np.sin(2 * np.pi * 700 * t)) * (t % 0.01 < 0.002), 16_000)
    return folder


def test_silence_has_no_label_and_clipping_is_told(tone_model, odd_sounds):
    predictor = Predictor.open(tone_model)
    assert predictor.bundle.decision.knows_silence is False
    silent, loud = (predictor.predict(str(odd_sounds / f"{name}.wav")) for name in ("silent", "clipped"))
    assert (silent.label, silent.why) == (None, "silence")
    assert silent.score == max(silent.scores.values())
    assert loud.notes[-1].startswith("clipped: ")
    assert loud.notes[-1].endswith(" % of the samples are at full scale")
    decision = replace(predictor.bundle.decision, knows_silence=True)
    taught = Predictor(replace(predictor.bundle, decision=decision), self_test=False)
    assert taught.predict(str(odd_sounds / "silent.wav")).why != "silence"


def test_what_is_unlike_anything_is_told_or_rejected(tone_model, tone_set, odd_sounds):
    predictor = Predictor.open(tone_model)
    known = predictor.bundle.decision.familiarity
    sure = replace(predictor.bundle.decision, familiarity=replace(known, threshold=1.0))
    never = replace(predictor.bundle.decision, familiarity=replace(known, threshold=0.0, reject=True))
    reject = replace(predictor.bundle.decision, familiarity=replace(known, threshold=1.0, reject=True))
    clip = str(tone_set / "hum_hum0_0.wav")

    def asked(decision, path=clip):
        return Predictor(replace(predictor.bundle, decision=decision), self_test=False).predict(path)

    assert (asked(sure).label, asked(sure).notes) == ("hum", ("unlike anything heard in training",))
    assert (asked(never).label, asked(never).notes, asked(never).why) == ("hum", (), "")
    assert (asked(reject).label, asked(reject).why) == (None, "unlike anything heard in training")
    assert asked(reject).notes == ()
    assert asked(reject).score == asked(never).score
    assert asked(reject, str(odd_sounds / "silent.wav")).why == "silence"
    near, far = (predictor.predict(p).familiarity for p in (clip, str(odd_sounds / "strange.wav")))
    assert far < near <= 1


# Classes that are left out


def recipe_of(model=None, **settings):
    return Recipe(
        data=DataSettings("made"),
        feature=FEATURE,
        model=model or Linear(),
        train=TrainSettings(epochs=5) if isinstance(model, Mlp) else TrainSettings(),
        **settings,
    )


def test_each_network_is_trained_as_if_its_classes_were_all_there_are(tmp_path):
    """One table for all of them, and no class that was left out in it."""
    ready, recipe = prepared(*made_set()), recipe_of(Mlp(hidden=(5,)))
    folds = cross_validation(ready.rows, recipe.split)
    parts = [novelty._without(ready, folds, left) for left in range(3)]
    stacked = novelty._fit(recipe, ready, parts, tmp_path / "all", lambda *entry: None, None)
    assert len(stacked) == 3 * len(folds)
    for left, splits in enumerate(parts):
        (rows,) = {id(split.rows): split.rows for split in splits}.values()
        problem = Problem(ready.table.values, rows.targets, 2, recipe.model, recipe.train)
        assert all(left not in ready.rows.targets[split.learnt] for split in splits)
        tasks = [Task(s.positions(TRAIN), s.positions(1), recipe.train.seed) for s in splits]
        alone = fit(problem, tasks, tmp_path / f"{left}")
        for one, other in zip(stacked[left * len(folds) :], alone, strict=False):
            np.testing.assert_array_equal(one[0].network.parameters, other.network.parameters)


def test_a_class_far_from_all_others_is_told_and_one_like_another_is_not(tmp_path):
    group, targets, values = made_set(groups=96, classes=3)
    targets, values = targets.copy(), values.copy()
    values[targets == 2] += 30.0
    twin = targets == 1
    values[twin] -= 2.0 * np.eye(3, 6, dtype=np.float32)[1]
    values[twin] += 2.0 * np.eye(3, 6, dtype=np.float32)[0]  # as class 0 is
    ready, recipe = prepared(group, targets, values), recipe_of()
    told = []
    found = novelty.leave_one_class_out(
        recipe, ready, cross_validation(ready.rows, recipe.split), tmp_path, lambda *entry: told.append(entry)
    )
    far, twin = found["per_class"]["c"], found["per_class"]["b"]
    assert far["joined"]["auroc"] > 0.95
    assert far["knn"]["auroc"] == pytest.approx(1.0)
    assert far["told"] > 0.9
    assert far["knn"]["fpr95"] == 0.0
    low, high = twin["joined"]["auroc_interval"]
    assert low <= twin["joined"]["auroc"] <= high
    assert abs(twin["knn"]["auroc"] - 0.5) < 0.2
    assert 0.9 <= found["threshold"]["kept"] <= 1.0
    assert found["mean"]["joined"]["auroc"] == pytest.approx(
        np.mean([found["per_class"][label]["joined"]["auroc"] for label in "abc"])
    )
    assert found["gain"]["auroc"] == pytest.approx(
        found["mean"]["joined"]["auroc"] - found["mean"]["softmax"]["auroc"]
    )
    assert (far["clips"], far["groups"]) == (160, 32)
    assert {entry[1] for entry in told} == {12}
    json.dumps(found, allow_nan=False)


def test_what_cannot_be_left_out(tmp_path):
    group, targets, values = made_set(classes=2)
    ready, recipe = prepared(group, targets, values), recipe_of()
    folds = cross_validation(ready.rows, recipe.split)
    with pytest.raises(DataError) as caught:
        novelty.leave_one_class_out(recipe, ready, folds, tmp_path, lambda *entry: None)
    assert str(caught.value) == "made has 2 classes; to leave one out, 3 are needed."
    ready = prepared(*made_set())
    off = recipe_of(decide=DecideSettings(unknown="off"))
    with pytest.raises(SettingError) as caught:
        novelty.leave_one_class_out(off, ready, folds, tmp_path, lambda *entry: None)
    assert str(caught.value) == "--leave-one-class-out judges what [decide] unknown = 'off' turns off."


# By the command line


def test_leave_one_class_out_by_the_command_line(earmark, tone_set, tmp_path):
    base = ("evaluate", tone_set, PATTERN, "--model", "linear", "--leave-one-class-out", "--runs", "runs")
    told = json.loads(earmark(*base, "--json", cwd=tmp_path).stdout)
    unknown = told["unknown"]
    assert set(unknown["per_class"]) == {"hum", "whistle", "hiss"}
    assert set(unknown["mean"]) == {"softmax", "knn", "joined"}
    (run,) = (tmp_path / "runs").iterdir()
    assert json.loads((run / "report.json").read_text())["unknown"] == unknown
    assert not (run / "checkpoints").exists()
    shown = earmark(*base, cwd=tmp_path).stdout
    assert "Each class left out in turn" in shown
    assert "A model file's own threshold keeps" in shown
    assert max(map(len, shown.partition("Each class left out")[2].splitlines())) <= 120
    plain = json.loads(
        earmark(
            "evaluate", tone_set, PATTERN, "--model", "linear", "--json", "--runs", "runs", cwd=tmp_path
        ).stdout
    )
    assert plain["unknown"] is None


def test_a_trained_model_leaves_no_class_out(earmark, tone_model, tone_set):
    done = earmark("evaluate", tone_model, tone_set, PATTERN, "--leave-one-class-out", code=2)
    assert "A trained model brings its own recipe" in done.stderr


def test_predictions_tell_in_every_format(earmark, tone_model, odd_sounds):
    record = json.loads(earmark("predict", tone_model, odd_sounds / "silent.wav", "--json").stdout)[0]
    assert (record["label"], record["why"], record["notes"]) == (None, "silence", [])
    assert 0 < record["familiarity"] <= 1
    table = earmark("predict", tone_model, odd_sounds).stdout.splitlines()
    assert "clipped: " in table[0]
    assert table[1].startswith("unknown")
    assert "(silence; " in table[1]
    rows = list(
        csv.DictReader(io.StringIO(earmark("predict", tone_model, odd_sounds, "--format", "csv").stdout))
    )
    assert "clipped: " in rows[0]["notes"]
    assert rows[1]["why"] == "silence"
    assert 0 < float(rows[2]["familiarity"]) <= 1


def test_rejecting_travels_from_the_recipe_into_the_bundle(earmark, tone_set, tmp_path):
    base = ("train", tone_set, PATTERN, "--model", "linear", "--runs", "runs", "--json")
    told = json.loads(
        earmark(*base, "--set", "decide.unknown=reject", "-o", "m.earmark", cwd=tmp_path).stdout
    )
    known = read_bundle(tmp_path / "m.earmark").decision.familiarity
    assert known.reject
    assert told["decision"]["familiarity"] == {"groups": known.groups, "threshold": 0.05, "reject": True}
    with zipfile.ZipFile(tmp_path / "m.earmark") as archive:
        assert "reference.npy" in archive.namelist()


def test_a_class_of_silence_keeps_its_label(earmark, tone_set, tmp_path, write_wav):
    data = tmp_path / "tones"
    shutil.copytree(tone_set, data)
    rng = np.random.default_rng(0)
    for group in range(6):
        for take in range(3):
            noise = 1e-5 * rng.standard_normal(8_000)
            write_wav(data / f"nothing_n{group}_{take}.wav", noise, 16_000)
    base = ("--model", "linear", "--runs", "runs", "--json", "-o", "m.earmark")
    earmark("train", data, PATTERN, *base, cwd=tmp_path)
    write_wav(tmp_path / "empty.wav", np.zeros(8_000), 16_000)
    (found,) = json.loads(earmark("predict", "m.earmark", "empty.wav", "--json", cwd=tmp_path).stdout)
    assert (found["label"], found["why"]) == ("nothing", "")
