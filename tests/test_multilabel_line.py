"""Clips with any number of labels, from the table to the answer, as a person goes there."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark import pipeline
from earmark.bundle import read_bundle, write_bundle
from earmark.compare import compare
from earmark.compare.multilabel import Pair
from earmark.data import DataSettings, open_data
from earmark.dataset import Clips
from earmark.errors import DataError, GoldenTestError, RunError
from earmark.outcome import Prepared
from earmark.predict import Predictor
from earmark.recipe import Recipe
from earmark.report import write_report
from earmark.types import Prediction

LABELS = ("hiss", "hum", "whistle")
RATE = 16_000


def sound(rng: np.random.Generator, own: set[str], group: int, seconds: float = 0.5) -> np.ndarray:
    """Mix what is heard: each label is a tone or a noise, a little other in each recording."""
    t = np.arange(round(seconds * RATE)) / RATE
    samples = 0.01 * (1 + group % 3) * rng.standard_normal(len(t))
    if "hum" in own:
        samples += 0.25 * np.sin(2 * np.pi * 110 * (1 + 0.01 * group) * t)
    if "whistle" in own:
        samples += 0.25 * np.sin(2 * np.pi * 2_000 * (1 + 0.01 * group) * t)
    if "hiss" in own:
        samples += 0.1 * rng.standard_normal(len(t))
    return samples


@pytest.fixture(scope="session")
def mixtures(tmp_path_factory, write_wav) -> Path:
    """A table of 72 clips of 24 recordings, most with several labels."""
    folder, rng = tmp_path_factory.mktemp("mixtures"), np.random.default_rng(0)
    lines = ["path,labels,group"]
    for group in range(24):
        for take in range(3):
            own = {label for label in LABELS if rng.random() < 0.5} or {LABELS[take]}
            name = f"{group}_{take}.wav"
            write_wav(folder / name, sound(rng, own, group), RATE)
            lines.append(f"{name},{'|'.join(sorted(own))},r{group}")
    (folder / "clips.csv").write_text("\n".join(lines) + "\n")
    return folder / "clips.csv"


def recipe(path: Path, **values: object) -> Recipe:
    has_epochs = values.get("model.name", "mlp") in ("mlp", "cnn", "blend")
    return Recipe().with_data(str(path)).with_values(({"train.epochs": 25} if has_epochs else {}) | values)


@pytest.fixture(scope="session")
def trained(mixtures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return pipeline.train(recipe(mixtures), folder / "mix.earmark", folder / "runs")


@pytest.fixture(scope="session")
def judged(mixtures, tmp_path_factory) -> dict[str, Path]:
    """Runs of both models, the linear one by two seeds, and one of exclusive labels."""
    folder = tmp_path_factory.mktemp("judged")
    made = {"mlp": pipeline.evaluate(recipe(mixtures), folder)}
    made["linear"] = pipeline.evaluate(recipe(mixtures, **{"model.name": "linear"}), folder, seeds=2)
    return {name: result.run for name, result in made.items()}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_whole_line_on_the_command_line(earmark, mixtures, tmp_path):
    done = earmark("check", mixtures, "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["clips"] == 72
    done = earmark("train", mixtures, "-o", "mix.earmark", "--set", "train.epochs=25", cwd=tmp_path)
    assert re.search(r"mAP 0\.\d+|mAP 1\.000", done.stdout)
    assert "A label is said where it reaches its own threshold, set for f1." in done.stdout
    assert "Confusion" not in done.stdout
    done = earmark("evaluate", mixtures, "--set", "train.epochs=25", "--folds", "3", "--json", cwd=tmp_path)
    record = json.loads(done.stdout)
    assert record["exclusive"] is False
    assert record.keys() >= {
        "map", "sd", "sd_seeds", "interval", "micro_f1", "micro_precision", "micro_recall", "macro_f1",
        "macro_precision", "macro_recall", "interval_micro_f1", "lwlrap", "folds", "seeds", "baseline",
        "random_split", "per_class", "calibration", "decision", "labels", "clips", "groups",
    }  # fmt: skip
    assert not record.keys() & {"accuracy", "confusion"}
    assert record["map"] > 0.9 > record["baseline"]
    assert [fold.keys() for fold in record["folds"]] == [{"fold", "map", "sd", "n"}] * 3
    assert record["random_split"].keys() >= {"map", "oracle_map", "test_clips_sharing_a_group"}
    assert record["per_class"]["hum"].keys() == {
        "precision", "recall", "f1", "average_precision", "auroc", "threshold", "clips",
    }  # fmt: skip
    assert record["decision"]["sets"] is None
    assert record["calibration"].keys() >= {"ece", "before"}
    done = earmark("evaluate", "mix.earmark", mixtures, cwd=tmp_path)
    assert "left out of the test: the model was trained on their recordings" in done.stdout
    both = mixtures.parent / next(r["path"] for r in table(mixtures) if r["labels"] == "hum|whistle")
    done = earmark("predict", "mix.earmark", both, "--json", cwd=tmp_path)
    (answer,) = json.loads(done.stdout)
    assert set(answer["labels"]) == {"hum", "whistle"}
    assert answer["label"] == answer["labels"][0] == max(answer["scores"], key=answer["scores"].get)
    assert answer["score"] == answer["scores"][answer["label"]]
    assert answer["possible"] == []
    done = earmark("predict", "mix.earmark", both, cwd=tmp_path)
    first, second = answer["labels"]
    assert re.match(rf"{first} +[01]\.\d\d, {second} [01]\.\d\d  ", done.stdout)
    done = earmark("predict", "mix.earmark", both, "--format", "csv", cwd=tmp_path)
    assert next(csv.DictReader(done.stdout.splitlines()))["labels"] == f"{first}|{second}"


def test_another_target_is_for_each_label(mixtures, tmp_path, earmark):
    done = earmark(
        "train", mixtures, "--model", "linear", "--target", "precision=0.9", "-o", "m.earmark", cwd=tmp_path
    )
    assert "set for precision=0.9" in done.stdout
    decision = read_bundle(tmp_path / "m.earmark").decision
    assert (decision.target, decision.exclusive, len(decision.thresholds)) == ("precision=0.9", False, 3)


def test_windows_of_long_recordings_hold_several_labels(earmark, tmp_path, write_wav):
    """Label tracks beside recordings: what overlaps is learnt as such, what is silent is background."""
    rng = np.random.default_rng(3)
    t = np.arange(24 * RATE) / RATE
    for group in range(8):
        samples = 0.01 * rng.standard_normal(len(t))
        lines = []
        for label, begin, end in (("hum", 2, 10), ("whistle", 6, 14), ("hiss", 9, 12), ("hum", 18, 20)):
            inside = (t >= begin) & (t < end)
            samples[inside] += sound(rng, {label}, group, end - begin)[: inside.sum()]
            lines.append(f"{begin:.3f}\t{end:.3f}\t{label}")
        write_wav(tmp_path / "field" / f"{group}.wav", samples, RATE)
        (tmp_path / "field" / f"{group}.txt").write_text("\n".join(lines) + "\n")
    how = ("--window", "1", "--several", "all", "--background", "quiet")
    done = earmark("train", "field", "-o", "field.earmark", *how, "--set", "train.epochs=15", cwd=tmp_path)
    assert "mAP" in done.stdout
    done = earmark("evaluate", "field", *how, "--folds", "4", "--model", "linear", "--json", cwd=tmp_path)
    record = json.loads(done.stdout)
    assert record["labels"] == ["hiss", "hum", "quiet", "whistle"]
    assert (record["clips"], record["groups"]) == (8 * 24, 8)
    assert record["map"] > 0.9
    rows = table(Path(tmp_path / record["run"]) / "predictions.csv")
    assert {row["label"] for row in rows} >= {"quiet", "hum", "hum|whistle", "hiss|hum|whistle"}


def test_what_a_run_leaves(trained):
    rows, roles = table(trained.run / "predictions.csv"), table(trained.run / "split.csv")
    assert len(roles) == 72
    own = {row["path"]: row["label"] for row in roles}
    assert any("|" in label for label in own.values())
    decision = read_bundle(trained.bundle).decision
    for row in rows:
        assert row["label"] == own[row["path"]]
        likely = np.array([float(row[label]) for label in LABELS], np.float32)[None]
        assert row["predicted"] == "|".join(np.array(LABELS)[decision.said(likely)[0]])
    told = json.loads((trained.run / "report.json").read_text())
    assert told["exclusive"] is False
    assert told["test"].keys() == {"map", "micro_f1", "macro_f1", "interval"}
    assert read_bundle(trained.bundle).provenance["test"].keys() == {"map", "micro_f1", "macro_f1", "clips"}


def test_the_same_recipe_gives_the_same_run(mixtures, judged, tmp_path):
    again = pipeline.evaluate(recipe(mixtures), tmp_path)
    for name in ("predictions.csv", "split.csv"):
        assert (again.run / name).read_bytes() == (judged["mlp"] / name).read_bytes()


def test_the_chance_of_a_label_is_its_share(judged):
    told = json.loads((judged["mlp"] / "report.json").read_text())
    rows = table(judged["mlp"] / "predictions.csv")
    own = [row["label"].split("|") for row in rows]
    share = np.mean([np.mean([label in o for o in own]) for label in LABELS])
    assert told["baseline"] == pytest.approx(share)


# The model


def test_a_bundle_says_that_its_labels_are_not_exclusive(trained, tmp_path):
    bundle = read_bundle(trained.bundle)
    assert not bundle.decision.exclusive
    assert len(bundle.decision.thresholds) == 3
    write_bundle(tmp_path / "again.earmark", bundle)
    assert (tmp_path / "again.earmark").read_bytes() == trained.bundle.read_bytes()
    predictor = Predictor(bundle)
    values = trained.prepared.table.values[:5]
    raw = predictor.logits(values)
    expected = 1 / (1 + np.exp(-raw / bundle.decision.temperature))
    assert predictor.score(values) == pytest.approx(expected, abs=1e-6)
    # What its labels are is part of what was promised: read as exclusive it fails its own test.
    turned = replace(bundle, decision=replace(bundle.decision, exclusive=True))
    with pytest.raises(GoldenTestError, match="The model's self-test failed"):
        Predictor(turned)


def test_a_file_in_which_no_label_is_heard(trained, mixtures):
    bundle = read_bundle(trained.bundle)
    strict = replace(bundle, decision=replace(bundle.decision, thresholds=(1.5, 1.5, 1.5)))
    path = str(mixtures.parent / "0_0.wav")
    found = Predictor(strict).predict(path)
    best = max(found.scores, key=found.scores.__getitem__)
    assert (found.label, found.labels, found.score) == (None, (), found.scores[best])
    assert found.why == f"not sure enough of {best}"
    few = replace(bundle, decision=replace(bundle.decision, thresholds=(0.0, 1.5, 1.5)))
    found = Predictor(few).predict(path)
    assert (found.label, found.labels, found.score) == ("hiss", ("hiss",), found.scores["hiss"])


def test_an_exclusive_model_says_its_one_label(tone_model, tone_set):
    found = Predictor.open(tone_model).predict(str(tone_set / "hum_hum0_0.wav"))
    assert (found.label, found.labels) == ("hum", ("hum",))
    assert Prediction("a.wav", 0, 1, None, 0.5).to_dict()["labels"] == []


def test_a_model_of_one_label_a_clip_is_not_judged_by_several(tone_model, mixtures):
    with pytest.raises(
        DataError,
        match=r"tones\.earmark gives each clip exactly one label, but clips has clips with several, or with none\.$",
    ):
        pipeline.evaluate_bundle(tone_model, recipe(mixtures))


def test_a_model_of_several_labels_is_judged_by_clips_of_one(trained, tone_set):
    found = pipeline.evaluate_bundle(
        trained.bundle, Recipe().with_data(str(tone_set), "auto", "{label}_{group}_{take}.wav")
    )
    assert found.to_dict()["exclusive"] is False
    assert (found.judged.report.clips, found.left_out) == (54, 0)
    assert found.baseline is None


def test_data_without_any_label_is_refused(mixtures, monkeypatch, tmp_path):
    data, _ = open_data(DataSettings(str(mixtures)))
    bare = replace(data, clips=Clips.of([replace(clip, labels=()) for clip in data.clips]))
    monkeypatch.setattr(pipeline, "open_data", lambda *arguments: (bare, ()))
    with pytest.raises(DataError, match=r"^clips has no labels; a classifier needs at least two\.$"):
        pipeline.train(recipe(mixtures), None, tmp_path)


def test_clips_without_labels_are_learnt_as_such(mixtures, monkeypatch, tmp_path):
    data, _ = open_data(DataSettings(str(mixtures)))
    some = [replace(c, labels=() if c.labels == ("hum",) else c.labels) for c in data.clips]
    assert any(not clip.labels for clip in some)
    lacking = replace(data, clips=Clips.of(some))
    monkeypatch.setattr(pipeline, "open_data", lambda *arguments: (lacking, ()))
    found = pipeline.evaluate(recipe(mixtures, **{"model.name": "linear"}), tmp_path)
    assert "" in {row["label"] for row in table(found.run / "predictions.csv")}
    assert found.judged.report.clips == 72
    with_itself = compare(found.run, found.run)
    assert with_itself.verdict == "The two cannot be told apart: they score alike, and on every recording."


def test_the_rows_of_a_data_set_know_its_labels(trained: object):
    ready: Prepared = trained.prepared  # type: ignore[attr-defined]
    marks = ready.dataset.marks
    assert [tuple(np.array(LABELS)[own]) for own in marks] == [clip.labels for clip in ready.dataset.clips]
    assert (ready.rows.marks == marks[ready.table.rows]).all()


# Two runs


def test_two_runs_are_compared_by_micro_f1(judged, earmark, tmp_path):
    a, b = judged["mlp"], judged["linear"]
    found = compare(a, b)
    for side, run in ((found.a, a), (found.b, b)):
        told = json.loads((run / "report.json").read_text())
        assert side.score == pytest.approx(told["micro_f1"])
    assert found.difference == pytest.approx(found.b.score - found.a.score)
    assert found.interval[0] <= found.difference <= found.interval[1]
    assert (found.clips, found.groups, found.mcnemar) == (72, 24, None)
    turned = compare(b, a)
    assert turned.interval == pytest.approx((-found.interval[1], -found.interval[0]))
    record = json.loads(earmark("compare", a, b, "--json", cwd=tmp_path).stdout)
    assert record["a"].keys() == {"run", "model", "micro_f1", "seeds", "clips"}
    assert record["mcnemar"] is None
    told = json.loads((a / "report.json").read_text())["per_class"]
    assert {label: row["a"] for label, row in record["per_class"].items()} == pytest.approx(
        {label: row["f1"] for label, row in told.items()}
    )
    shown = earmark("compare", a, b, cwd=tmp_path).stdout
    assert "The scores are micro-F1, over all labels of all clips." in shown
    assert "F1 A" in shown
    assert "McNemar" not in shown


def test_a_true_difference_of_two_runs_is_found_and_none_is_not():
    rng = np.random.default_rng(0)
    marks = rng.random((600, 3)) < 0.4
    units = np.arange(600) // 3
    noisy = [marks ^ (rng.random(marks.shape) < share) for share in (0.2, 0.2, 0.05)]
    low, high = Pair(marks, noisy[0] * 1.0, noisy[1] * 1.0, units).interval(0)
    assert low < 0 < high
    better = Pair(marks, noisy[0] * 1.0, noisy[2] * 1.0, units)
    low, high = better.interval(0)
    assert 0 < low < better.scores[1] - better.scores[0] < high
    assert better.differing > 100


def test_a_run_of_several_labels_is_not_set_beside_one_of_exclusive_ones(judged, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(judged["mlp"], other)
    told = json.loads((other / "report.json").read_text())
    (other / "report.json").write_text(json.dumps({**told, "exclusive": True}))
    lines = (other / "predictions.csv").read_text().splitlines()
    one = [line for line in lines if {"|"}.isdisjoint(line) and "" not in line.split(",")[3:5]]
    (other / "predictions.csv").write_text("\n".join(one) + "\n")
    with pytest.raises(DataError, match=r"gives clips any number of labels, and the other run exactly one"):
        compare(judged["mlp"], other)
    (other / "report.json").write_text(json.dumps(told))
    text = "\n".join(lines).replace("hum|whistle", "hum|yodel")
    (other / "predictions.csv").write_text(text + "\n")
    with pytest.raises(
        RunError, match=r"predictions\.csv is damaged: line \d+ is not a clip with its labels"
    ):
        compare(judged["mlp"], other)


def test_the_page_of_a_run_is_not_made_of_several_labels(judged):
    with pytest.raises(
        RunError, match=r"is of clips with several labels, and the page shows runs of exactly one"
    ):
        write_report(judged["mlp"])


@pytest.mark.parametrize(
    ("model", "values"),
    [
        ("dictionary", {"model.words": 48, "model.components": 24}),
        ("rocket", {"model.kernels": 64}),
        ("cnn", {"train.epochs": 12}),
        ("blend", {"model.rungs": ["mlp", "dictionary"], "decide.folds": 3}),
    ],
)
def test_every_rung_answers_each_label_for_itself(model, values, mixtures, tmp_path):
    if model == "cnn":
        pytest.importorskip("torch")
    made = recipe(mixtures, **{"model.name": model, "decide.folds": 2, **values})
    result = pipeline.train(made, tmp_path / "m.earmark", tmp_path / "runs")
    report = result.report.to_dict()
    assert report["map"] > 0.75
    predictor = Predictor.open(result.bundle)
    rows = table(result.run / "predictions.csv")
    scores = np.array([[float(row[label]) for label in LABELS] for row in rows])
    assert (np.abs(scores.sum(axis=1) - 1) > 0.05).any()
    one = predictor.predict(str(mixtures.parent / rows[0]["path"]))
    np.testing.assert_allclose([one.scores[label] for label in LABELS], scores[0], atol=1e-4)
