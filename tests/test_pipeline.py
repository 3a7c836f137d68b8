"""The whole line, as a library: what is trained on what, and what a run leaves behind."""

from __future__ import annotations

import csv
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earmark import pipeline
from earmark.bundle import read_bundle, write_bundle
from earmark.errors import DataError, SettingError
from earmark.predict import Predictor
from earmark.recipe import RECIPES, Recipe, load_recipe

PATTERN = "{label}_{group}_{take}.wav"


def quick(path: Path, **changes: object) -> Recipe:
    recipe = RECIPES["default"].with_data(str(path), "auto", PATTERN)
    return recipe.with_values({"train.epochs": 15, **changes})


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def table_with(path: Path, rows: list[tuple[object, ...]], header: str = "path,label,group,fold") -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, r)) for r in rows)]) + "\n")
    return path


@pytest.fixture
def noise_table(tmp_path, write_wav):
    """Clips of pure noise in three folds; labels may be given. Nothing can honestly be learnt from them."""
    rng = np.random.default_rng(0)
    for i in range(60):
        write_wav(tmp_path / f"{i}.wav", 0.2 * rng.standard_normal(4000), 16_000)

    def make(labels) -> Path:
        rows = [(f"{i}.wav", labels[i], f"rec{i}", i % 3 + 1) for i in range(60)]
        return table_with(tmp_path / "table.csv", rows)

    return make


def test_a_run_leaves_everything_behind(tone_set, tmp_path):
    result = pipeline.train(quick(tone_set), tmp_path / "m.earmark", tmp_path / "runs")
    names = {p.name for p in result.run.iterdir()} - {".lock"}
    assert names == {
        "recipe.toml", "split.csv", "metrics.jsonl", "predictions.csv", "environment.json", "report.json",
        "problems.csv", "run.json", "model.earmark",
    }  # fmt: skip
    assert json.loads((result.run / "run.json").read_text())["status"] == "done"
    assert Recipe.from_dict(tomllib.loads((result.run / "recipe.toml").read_text())) == quick(tone_set)
    roles = [row["role"] for row in table(result.run / "split.csv")]
    assert {r: roles.count(r) for r in set(roles)} == result.split.counts
    epochs = [json.loads(line) for line in (result.run / "metrics.jsonl").read_text().splitlines()]
    assert [e["epoch"] for e in epochs] == list(range(1, 16))
    assert {"loss", "accuracy", "validation_loss", "validation_accuracy"} <= set(epochs[0])
    rows = table(result.run / "predictions.csv")
    assert len(rows) == result.report.clips
    assert np.mean([r["label"] == r["predicted"] for r in rows]) == pytest.approx(result.report.accuracy)
    assert (tmp_path / "m.earmark").read_bytes() == (result.run / "model.earmark").read_bytes()
    assert "numpy" in json.loads((result.run / "environment.json").read_text())


def test_the_test_score_is_that_of_the_file_that_ships(tone_set, tmp_path):
    result = pipeline.train(quick(tone_set), None, tmp_path / "runs")
    predictor = Predictor.open(result.bundle)
    for row in table(result.run / "predictions.csv"):
        prediction = predictor.predict(str(tone_set / row["path"]))
        assert prediction.label == row["predicted"]
        for label, score in prediction.scores.items():
            assert score == pytest.approx(float(row[label]), abs=1e-6)


def test_the_same_seed_gives_the_same_file(tone_set, tmp_path):
    one, two = (
        pipeline.train(quick(tone_set), tmp_path / f"{i}.earmark", tmp_path / f"r{i}") for i in (1, 2)
    )
    other = pipeline.train(quick(tone_set, **{"train.seed": 1}), tmp_path / "3.earmark", tmp_path / "r3")
    assert one.bundle.read_bytes() == two.bundle.read_bytes()
    assert one.bundle.read_bytes() != other.bundle.read_bytes()


def test_test_rows_influence_nothing_but_the_score(noise_table, tmp_path):
    """Whatever the labels and the sound of the test rows are, the trained network is the same, bit by bit."""
    labels = np.array(["ab"[i // 3 % 2] for i in range(60)])
    recipe = Recipe().with_values({"train.epochs": 10})
    first = pipeline.train(recipe.with_data(str(noise_table(labels)), "auto", ""), None, tmp_path / "r1")
    changed = labels.copy()
    in_test = np.arange(60) % 3 == 2
    changed[in_test] = np.where(changed[in_test] == "a", "b", "a")
    table = noise_table(changed)
    (tmp_path / "2.wav").write_bytes((tmp_path / "5.wav").read_bytes())
    second = pipeline.train(recipe.with_data(str(table), "auto", ""), None, tmp_path / "r2")
    assert np.array_equal(first.fitted.network.parameters, second.fitted.network.parameters)
    assert first.fitted.history == second.fitted.history
    networks = [read_bundle(r.bundle).members for r in (first, second)]
    assert networks[0] == networks[1]


def test_noise_scores_chance_when_recordings_are_held_out(noise_table, tmp_path):
    labels = ["ab"[i // 3 % 2] for i in range(60)]
    recipe = Recipe().with_values({"train.epochs": 10}).with_data(str(noise_table(labels)), "auto", "")
    result = pipeline.evaluate(recipe, tmp_path / "runs")
    assert 0.25 < result.judged.report.accuracy < 0.75


def test_evaluate_trains_each_fold_as_if_alone(tone_set, tmp_path):
    """All folds are one stack of networks; each must be what `train` makes of that fold by itself."""
    rows = [
        (p.name, p.name.split("_")[0], p.name.split("_")[1], int(p.name.split("_")[1][-1]) % 3 + 1)
        for p in sorted(tone_set.iterdir())
    ]
    table = table_with(tmp_path / "tones.csv", [(tone_set / r[0], *r[1:]) for r in rows])
    recipe = Recipe().with_values({"train.epochs": 8}).with_data(str(table), "auto", "")
    together = pipeline.evaluate(recipe, tmp_path / "runs")
    assert together.judged.protocol == "official folds 1, 2, 3 of 3"
    assert [f["fold"] for f in together.judged.folds] == [1, 2, 3]
    for fold in together.judged.folds:
        alone = pipeline.train(recipe.with_values({"split.test_fold": fold["fold"]}), None, tmp_path / "runs")
        assert alone.report.accuracy == fold["accuracy"]
        assert alone.report.clips == fold["n"]


def test_every_clip_is_tested_once(tone_set, tmp_path):
    result = pipeline.evaluate(quick(tone_set), tmp_path / "runs")
    rows = [r["path"] for r in table(result.run / "predictions.csv")]
    assert sorted(rows) == sorted(p.name for p in tone_set.iterdir())
    splits = table(result.run / "split.csv")
    assert all([row[f"fold_{i}"] for i in range(1, 6)].count("test") == 1 for row in splits)
    assert {row["random"] for row in splits} == {"train", "validation", "test"}
    assert result.random_leakage.test_clips_sharing_a_group > 0
    assert result.judged.protocol == "5 folds, recordings held out"


def test_a_random_split_is_told_with_the_honest_score(tone_set, tmp_path):
    tutorial = RECIPES["tutorial"].with_data(str(tone_set), "auto", PATTERN).with_values({"train.epochs": 5})
    result = pipeline.train(tutorial, None, tmp_path / "runs")
    assert result.leakage.test_clips_sharing_a_group > 0
    assert result.honest.protocol == "5 folds, recordings held out"
    assert result.split.counts == {"train": 43, "validation": 0, "test": 11}


def test_without_known_recordings_no_honest_score_is_claimed(tone_set, tmp_path):
    folders = tmp_path / "folders"
    for path in tone_set.iterdir():
        target = folders / path.name.split("_")[0] / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    tutorial = RECIPES["tutorial"].with_data(str(folders), "auto", "").with_values({"train.epochs": 2})
    assert pipeline.train(tutorial, None, tmp_path / "runs").honest is None
    judged = pipeline.evaluate(quick(folders).with_data(str(folders), "auto", ""), tmp_path / "runs").judged
    assert judged.protocol == "5 folds, files held out"


def test_an_unreadable_clip_costs_itself_only(tone_set, tmp_path):
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for path in tone_set.iterdir():
        (damaged / path.name).write_bytes(path.read_bytes())
    (damaged / "hum_hum0_0.wav").write_bytes(b"RIFF, but nothing else")
    result = pipeline.train(quick(damaged), None, tmp_path / "runs")
    assert [p.path for p in result.prepared.table.skipped] == ["hum_hum0_0.wav"]
    assert "hum_hum0_0.wav" in (result.run / "problems.csv").read_text()
    assert sum(result.split.counts.values()) == 53


def test_a_finished_run_is_never_overwritten(tone_set, tmp_path):
    first = pipeline.train(quick(tone_set), None, tmp_path / "runs")
    second = pipeline.train(quick(tone_set), None, tmp_path / "runs")
    assert second.run.name == f"{first.run.name}-2"
    assert (first.run / "predictions.csv").read_bytes() == (second.run / "predictions.csv").read_bytes()


def test_a_trained_model_is_not_judged_by_what_it_learnt(tone_set, tmp_path):
    trained = pipeline.train(quick(tone_set), tmp_path / "m.earmark", tmp_path / "runs")
    found = pipeline.evaluate_bundle(trained.bundle, quick(tone_set))
    learnt = trained.split.counts["train"] + trained.split.counts["validation"]
    assert found.left_out == learnt
    assert found.judged.report.clips == trained.report.clips
    assert found.judged.report.accuracy == trained.report.accuracy


def test_a_learnt_sound_under_another_name_is_left_out(tone_set, tmp_path):
    trained = pipeline.train(quick(tone_set), tmp_path / "m.earmark", tmp_path / "runs")
    rows = [(p, p.name.split("_")[0], f"other-{p.name.split('_')[1]}") for p in sorted(tone_set.iterdir())]
    renamed = table_with(tmp_path / "renamed.csv", rows, "path,label,group")
    found = pipeline.evaluate_bundle(trained.bundle, Recipe().with_data(str(renamed), "auto", ""))
    assert found.judged.report.clips == trained.report.clips
    assert found.left_out == 54 - trained.report.clips


def test_a_model_is_judged_only_by_labels_that_it_knows(tone_model, tmp_path, write_wav):
    for label in ("hum", "yodel"):
        write_wav(tmp_path / label / "x.wav", np.random.default_rng(0).standard_normal(4000) * 0.1, 16_000)
    with pytest.raises(DataError, match=r"does not know the labels: yodel. It knows: hiss, hum, whistle."):
        pipeline.evaluate_bundle(tone_model, quick(tmp_path).with_data(str(tmp_path), "folders", ""))


def test_nothing_is_left_to_judge_a_model_by(tone_set, tone_model, tmp_path):
    learnt = set(read_bundle(tone_model).provenance["train_groups"])
    assert learnt
    from earmark.bundle import group_hash

    rows = [
        (p, *p.name.split("_")[:2])
        for p in sorted(tone_set.iterdir())
        if group_hash(p.name.split("_")[1]) in learnt
    ]
    table = table_with(tmp_path / "learnt.csv", rows, "path,label,group")
    with pytest.raises(
        DataError, match="was trained on every recording of learnt: nothing is left to test it on"
    ):
        pipeline.evaluate_bundle(tone_model, Recipe().with_data(str(table), "auto", ""))


def test_a_model_that_hides_what_it_learnt_is_not_judged(tone_set, tone_model, tmp_path):
    bundle = read_bundle(tone_model)
    known = {k: v for k, v in bundle.provenance.items() if k != "train_groups"}
    write_bundle(tmp_path / "m.earmark", replace(bundle, provenance=known))
    with pytest.raises(DataError, match="does not say what it was trained on"):
        pipeline.evaluate_bundle(tmp_path / "m.earmark", quick(tone_set))


def test_a_run_can_be_run_again_from_any_folder(tone_set, tmp_path, monkeypatch):
    monkeypatch.chdir(tone_set.parent)
    first = pipeline.train(quick(Path(tone_set.name)), None, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    again = pipeline.train(load_recipe(str(first.run / "recipe.toml")), None, tmp_path / "again")
    assert (first.run / "predictions.csv").read_bytes() == (again.run / "predictions.csv").read_bytes()


def test_one_class_is_not_a_task(tmp_path, write_wav):
    write_wav(tmp_path / "a.wav", np.zeros(4000), 16_000)
    table = table_with(tmp_path / "one.csv", [("a.wav", "dog")], "path,label")
    with pytest.raises(DataError, match="one has one class, 'dog'; a classifier needs at least two"):
        pipeline.train(Recipe().with_data(str(table), "auto", ""), None, tmp_path / "runs")


def test_a_listener_hears_the_whole_line(tone_set, tmp_path):
    heard = []

    class Ear:
        def __getattr__(self, name):
            return lambda *arguments: heard.append(name)

    pipeline.train(quick(tone_set), None, tmp_path / "runs", Ear())
    assert list(dict.fromkeys(heard)) == ["found", "extracting", "divided", "run", "epoch", "finished"]
    assert heard.count("epoch") == 15 * (1 + Recipe().model.inner_folds)


def test_provenance_says_where_a_model_comes_from(tone_set, tmp_path):
    trained = pipeline.train(quick(tone_set), None, tmp_path / "runs")
    provenance = read_bundle(trained.bundle).provenance
    assert provenance["split"]["rule"] == "grouped"
    assert provenance["test"]["accuracy"] == trained.report.accuracy
    assert provenance["data"]["fingerprint"] == trained.prepared.table.dataset_fingerprint
    assert len(provenance["train_groups"]) == 18 - trained.report.groups
    assert replace(read_bundle(trained.bundle)).labels == ("hiss", "hum", "whistle")


def tone_folds(tone_set: Path, folder: Path) -> Path:
    """Write a table of the tones in three folds."""
    names = [p.name.split("_") for p in sorted(tone_set.iterdir())]
    rows = [(tone_set / "_".join(n), n[0], n[1], int(n[1][-1]) % 3 + 1) for n in names]
    return table_with(folder / "tones.csv", rows)


def test_each_seed_is_a_run_of_that_seed(tone_set, tmp_path):
    """On official folds, two seeds together are what each gives by itself."""
    recipe = Recipe().with_data(str(tone_folds(tone_set, tmp_path)), "auto", "")
    recipe = recipe.with_values({"train.epochs": 3, "train.seed": 5, "split.seed": 5})
    both = pipeline.evaluate(recipe, tmp_path / "runs", seeds=2)
    alone = [
        pipeline.evaluate(recipe.with_values({"train.seed": s, "split.seed": s}), tmp_path / "runs")
        for s in (5, 6)
    ]
    assert both.judged.report.seeds == {
        s: a.judged.report.accuracy for s, a in zip((5, 6), alone, strict=True)
    }
    rows = table(both.run / "predictions.csv")
    for seed, a in zip("56", alone, strict=True):
        assert [row for row in rows if row["seed"] == seed] == table(a.run / "predictions.csv")
    for i, fold in enumerate(both.judged.folds):
        each = [a.judged.folds[i]["accuracy"] for a in alone]
        assert fold["accuracy"] == pytest.approx(np.mean(each))
        assert fold["sd"] == pytest.approx(np.std(each, ddof=1))
        assert fold["n"] == 18
    record = json.loads((both.run / "report.json").read_text())
    assert [s["seed"] for s in record["seeds"]] == [5, 6]
    assert record["sd_seeds"] == pytest.approx(np.std([a.judged.report.accuracy for a in alone], ddof=1))


def test_seeds_leave_the_folds_as_they_are(tone_set, tmp_path):
    """Where folds are made, another seed is another network and validation part, and the same test clips."""
    result = pipeline.evaluate(quick(tone_set, **{"train.epochs": 2}), tmp_path / "runs", seeds=3)
    rows = table(result.run / "predictions.csv")
    assert len(rows) == 3 * 54
    assert list(rows[0])[:8] == ["path", "start", "end", "label", "predicted", "fold", "seed", "group"]
    tested = {s: {(r["path"], r["fold"]) for r in rows if r["seed"] == s} for s in "012"}
    assert tested["0"] == tested["1"] == tested["2"]
    assert all(row["group"] == row["path"].split("_")[1] for row in rows)
    roles = table(result.run / "split.csv")
    columns = [f"fold_{i}{seed}" for seed in ("", "_seed_1", "_seed_2") for i in range(1, 6)]
    assert list(roles[0])[5:] == [*columns, "random"]
    for row in roles:
        for i in range(1, 6):
            is_test = [row[f"fold_{i}{seed}"] == "test" for seed in ("", "_seed_1", "_seed_2")]
            assert len(set(is_test)) == 1
    assert any(row["fold_1"] != row["fold_1_seed_1"] for row in roles)


def test_the_same_seeds_give_the_same_run(tone_set, tmp_path):
    recipe = quick(tone_set, **{"train.epochs": 2})
    one, two = (pipeline.evaluate(recipe, tmp_path / f"r{i}", seeds=2) for i in (1, 2))
    assert (one.run / "predictions.csv").read_bytes() == (two.run / "predictions.csv").read_bytes()
    drop = {"run", "seconds", "features"}
    told = [{k: v for k, v in r.to_dict().items() if k not in drop} for r in (one, two)]
    assert told[0] == told[1]
    assert one.run.name != pipeline.evaluate(recipe, tmp_path / "r1").run.name


def test_a_tested_fold_teaches_no_seed_anything(noise_table, tmp_path):
    """Whatever the labels of the third fold are, the networks that it tests go the same way, epoch by epoch."""
    labels = np.array(["ab"[i // 3 % 2] for i in range(60)])
    histories = []
    for name, turn in (("as", False), ("turned", True)):
        changed = labels.copy()
        if turn:
            third = np.arange(60) % 3 == 2
            changed[third] = np.where(labels[third] == "a", "b", "a")
        recipe = Recipe().with_values({"train.epochs": 6}).with_data(str(noise_table(changed)), "auto", "")
        run = pipeline.evaluate(recipe, tmp_path / name, seeds=2).run
        epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        # three folds and the random split, twice
        histories.append({i: [e for e in epochs if e["network"] == i] for i in range(8)})
    one, two = histories
    for i in range(8):
        assert (one[i] == two[i]) == (i in (2, 6))


@pytest.mark.parametrize("seeds", [0, -1, 101])
def test_a_number_of_seeds_that_makes_no_sense(tone_set, tmp_path, seeds):
    with pytest.raises(SettingError, match=rf"^The number of seeds is {seeds}, but must be from 1 to 100\.$"):
        pipeline.evaluate(quick(tone_set), tmp_path / "runs", seeds=seeds)
    assert not (tmp_path / "runs").exists()


def test_recordings_with_an_identical_sound_have_one_name_in_the_predictions(tone_set, tmp_path):
    """They stand and fall together when runs are compared."""
    same = tmp_path / "same"
    same.mkdir()
    for path in tone_set.iterdir():
        (same / path.name).write_bytes(path.read_bytes())
    (same / "hum_hum1_0.wav").write_bytes((same / "hum_hum0_0.wav").read_bytes())
    run = pipeline.evaluate(quick(same, **{"train.epochs": 2}), tmp_path / "runs").run
    groups = {row["path"]: row["group"] for row in table(run / "predictions.csv")}
    assert groups["hum_hum0_1.wav"] == groups["hum_hum1_2.wav"] == "hum0"
    assert groups["hum_hum2_0.wav"] == "hum2"
