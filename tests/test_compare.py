"""Two runs beside each other: which is better, and is it more than noise."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import binomtest

from earmark import pipeline
from earmark.cli.app import app
from earmark.compare import compare, mcnemar
from earmark.errors import DataError, EarmarkError, PathError, RunError
from earmark.recipe import Recipe
from earmark.runs import ANSWER

LABELS = ("cat", "dog")
HEADER = "its header is not path, start, end, label, predicted, fold, seed, group and the labels"


def run_of(
    folder: Path, right: np.ndarray, groups: np.ndarray, *, seeds=(0,), labels=LABELS, names=None, rule=None,
    known=True, settings="[train]\nepochs = 10\n",
) -> Path:  # fmt: skip
    """Write the folder of a run whose clips are right, bool[seeds, n] or bool[n]."""
    folder.mkdir(parents=True)
    right = np.broadcast_to(right, (len(seeds), right.shape[-1]))
    with (folder / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*ANSWER, *labels])
        for seed, row in zip(seeds, right, strict=True):
            for i, good in enumerate(row.tolist()):
                truth = labels[i % 2]
                said = truth if good else labels[(i + 1) % 2]
                name = names[i] if names else f"{i}.wav"
                writer.writerow(
                    [name, "", "", truth, said, 1, seed, f"rec{groups[i]}", *["0.5"] * len(labels)]
                )
    report: dict[str, object] = {"model": "mlp", "random_split": {"groups_known": known}}
    if rule:
        report = {"model": "mlp", "split": {"rule": rule}, "leakage": {"groups_known": known}}
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "run.json").write_text(json.dumps({"status": "done"}))
    (folder / "recipe.toml").write_text(f'[data]\npath = "{folder.name}"\n{settings}')
    return folder


def pair(tmp_path: Path, right_a: np.ndarray, right_b: np.ndarray, groups: np.ndarray, **both) -> tuple:
    a = run_of(tmp_path / "a", right_a, groups, **both)
    return a, run_of(tmp_path / "b", right_b, groups, **both)


def independent(n=600, gain=0.08, seed=0):
    rng = np.random.default_rng(seed)
    draw = rng.random((2, n))
    return draw[0] < 0.6, draw[1] < 0.6 + gain, np.arange(n) // 3


def test_a_true_difference_is_found(tmp_path):
    right_a, right_b, groups = independent(gain=0.2)
    found = compare(*pair(tmp_path, right_a, right_b, groups))
    assert found.better == "b"
    assert found.difference == pytest.approx(right_b.mean() - right_a.mean())
    assert 0 < found.interval[0] < found.difference < found.interval[1]
    assert found.mcnemar.p < 0.001
    assert (found.a.score, found.b.score) == (right_a.mean(), right_b.mean())
    low, high = (f"{value * 100:.1f}" for value in found.interval)
    points = f"{found.difference * 100:.1f}"
    assert (
        found.verdict == f"B is better by {points} points (95 % interval {low} to {high}): more than noise."
    )


def test_the_order_of_the_runs_turns_everything_round(tmp_path):
    a, b = pair(tmp_path, *independent(gain=0.2))
    found, turned = compare(a, b), compare(b, a)
    assert turned.better == "a"
    assert turned.difference == pytest.approx(-found.difference)
    assert turned.interval == pytest.approx((-found.interval[1], -found.interval[0]))
    assert turned.verdict == found.verdict.replace("B is", "A is")
    assert turned.mcnemar.p == found.mcnemar.p


def test_no_difference_is_not_found(tmp_path):
    found = compare(*pair(tmp_path, *independent(gain=0.0)))
    assert found.better is None
    assert found.interval[0] < 0 < found.interval[1]
    assert found.verdict.startswith("The two cannot be told apart: ")
    assert found.verdict.endswith(", with 0 inside).")


def test_a_run_and_itself(tmp_path):
    right, _, groups = independent()
    run = run_of(tmp_path / "a", right, groups)
    found = compare(run, run)
    assert (found.difference, found.interval, found.better) == (0.0, (0.0, 0.0), None)
    assert found.mcnemar.p == 1.0
    assert found.differs == {}
    assert (
        found.verdict == "The two cannot be told apart: they are right equally often, and on every recording."
    )


def whole_recordings(seed: int, groups=40, size=25):
    """Two runs that are equally good, and right or wrong on whole recordings together."""
    rng = np.random.default_rng(seed)
    right = rng.random((2, groups)) < 0.6
    own = rng.random((2, groups * size)) < 0.05
    spread = np.repeat(right, size, axis=1) ^ own
    return spread[0], spread[1], np.repeat(np.arange(groups), size)


def test_errors_that_come_by_the_recording_fool_mcnemar_and_not_the_interval(tmp_path):
    """Of 60 pairs of equally good runs, the one finds a difference in most, the other in about one in twenty."""
    fooled = held = 0
    for seed in range(60):
        found = compare(*pair(tmp_path / str(seed), *whole_recordings(seed)))
        fooled += found.mcnemar.p < 0.05
        held += found.better is None
    assert fooled / 60 > 0.5
    assert held / 60 >= 0.9
    assert found.notes[0] == (
        "McNemar's test takes 1,000 clips for independent, but they come from 40 recordings: the interval is over"
        " recordings."
    )


def test_from_five_recordings_no_difference_is_more_than_noise(tmp_path):
    groups = np.arange(50) // 10
    a, b = pair(tmp_path, groups >= 5, groups < 5, groups)
    found = compare(a, b)
    assert (found.difference, found.interval, found.better) == (1.0, (1.0, 1.0), None)
    assert (
        found.verdict == "The two cannot be told apart: B is 100.0 points above A, but on too few recordings."
    )
    six = np.arange(60) // 10
    found = compare(*pair(tmp_path / "six", six >= 6, six < 6, six))
    assert found.better == "b"


def test_mcnemar_is_the_binomial_test():
    rng = np.random.default_rng(0)
    for n in (1, 5, 40, 3000):
        a, b = (rng.random((2, n)) < [[0.6], [0.7]]).astype(float)
        found = mcnemar(a, b)
        only_a, only_b = int((a > b).sum()), int((b > a).sum())
        assert (found.only_a, found.only_b) == (only_a, only_b)
        n_both = only_a + only_b
        wanted = binomtest(only_a, n_both).pvalue if n_both else 1.0
        assert found.p == pytest.approx(wanted, rel=1e-9)


def test_seeds_of_a_clip_count_as_one_clip(tmp_path):
    rng = np.random.default_rng(3)
    groups = np.arange(120) // 4
    right = rng.random((3, 120)) < 0.6
    a = run_of(tmp_path / "a", right, groups, seeds=(0, 1, 2))
    b = run_of(tmp_path / "b", right[1], groups)
    found = compare(a, b)
    assert found.clips == 120
    assert found.a.seeds == (0, 1, 2)
    assert found.difference == pytest.approx(right[1].mean() - right.mean())
    assert found.notes[-1].startswith("A run of one seed shows one draw of its training")
    both = compare(a, a)
    assert both.difference == 0.0
    assert not any("one seed" in note for note in both.notes)


def test_only_clips_that_both_tested_count(tmp_path):
    right_a, right_b, groups = independent()
    a = run_of(tmp_path / "a", right_a, groups)
    b = run_of(tmp_path / "b", right_b[:300], groups[:300])
    found = compare(a, b)
    assert (found.clips, found.groups, found.a.clips, found.b.clips) == (300, 100, 600, 300)
    assert found.a.score == right_a[:300].mean()
    assert found.notes[0] == "300 clips are compared, which both tested; A tested 600, B 300."


def test_groups_of_either_run_hold_together(tmp_path):
    right_a, right_b, groups = independent(60)
    a = run_of(tmp_path / "a", right_a, groups)
    b = run_of(tmp_path / "b", right_b, groups // 2)
    assert compare(a, b).groups == 10
    assert compare(b, a).groups == 10


def test_each_class_has_its_difference(tmp_path):
    groups = np.arange(40) // 2
    even = np.arange(40) % 2 == 0
    found = compare(*pair(tmp_path, even, np.ones(40, bool), groups))
    assert found.per_class == {
        "cat": {"clips": 20, "a": 1.0, "b": 1.0, "difference": 0.0},
        "dog": {"clips": 20, "a": 0.0, "b": 1.0, "difference": 1.0},
    }


def test_what_differs_in_the_recipes_is_named(tmp_path):
    right_a, right_b, groups = independent(60)
    a = run_of(tmp_path / "a", right_a, groups, settings="[train]\nepochs = 10\n")
    b = run_of(tmp_path / "b", right_b, groups, settings="[train]\nepochs = 20\npatience = 5\n")
    assert compare(a, b).differs == {"train.epochs": (10, 20), "train.patience": (None, 5)}


def test_settings_that_json_does_not_have_are_told_as_text(tmp_path):
    right_a, right_b, groups = independent(60)
    odd = "[model]\ndropout = nan\nhidden = [{day = 2026-01-02}, 3]\n"
    a = run_of(tmp_path / "a", right_a, groups, settings=odd)
    b = run_of(tmp_path / "b", right_b, groups, settings="")
    record = json.loads(CliRunner().invoke(app, ["compare", str(a), str(b), "--json"]).output)
    assert record["differs"] == {
        "model.dropout": ["nan", None],
        "model.hidden": [[{"day": "2026-01-02"}, 3], None],
    }


def test_a_hundred_thousand_clips(tmp_path):
    rng = np.random.default_rng(0)
    right = rng.random((2, 100_000)) < [[0.6], [0.7]]
    a, b = pair(tmp_path, right[0], right[1], np.arange(100_000))
    began = time.process_time()
    found = compare(a, b)
    assert time.process_time() - began < 20
    assert (found.clips, found.groups, found.better) == (100_000, 100_000, "b")


def test_an_unknown_recording_is_told(tmp_path):
    found = compare(*pair(tmp_path, *independent(60), known=False))
    assert found.notes[0].startswith("No recordings are known, so that each file counts as one")


def test_two_random_splits_are_compared_with_a_warning(tmp_path):
    found = compare(*pair(tmp_path, *independent(60), rule="random"))
    assert found.notes[0].startswith(
        "Both were tested on a random split, whose recordings were also trained on"
    )


def said(error: type[EarmarkError], a: Path, b: Path) -> str:
    with pytest.raises(error) as caught:
        compare(a, b)
    return str(caught.value)


def test_runs_that_do_not_belong_together(tmp_path):
    right_a, right_b, groups = independent(60)
    a = run_of(tmp_path / "a", right_a, groups)
    other = run_of(tmp_path / "labels", right_b, groups, labels=("cat", "cow"))
    assert said(DataError, a, other) == (
        f"{a} and {other} know different labels, so that their answers cannot be compared. Only one has: cow, dog."
    )
    other = run_of(tmp_path / "leaky", right_b, groups, rule="random")
    assert said(DataError, a, other) == (
        f"{other} was tested on a random split, whose recordings were also trained on; the other run was not. Judge"
        " both with: earmark evaluate DATASET"
    )
    other = run_of(tmp_path / "names", right_b, groups, names=[f"other/{i}.wav" for i in range(60)])
    advice = "Evaluate both on the same data set, and with the same --split, --folds and --seed."
    assert said(DataError, a, other) == (
        f"{a} and {other} tested 0 clips of 0 recordings in common; at least 10 of 3 are needed. {advice}"
    )
    other = run_of(
        tmp_path / "one", right_b, groups, names=[f"{i}.wav" if i == 0 else f"x{i}" for i in range(60)]
    )
    assert said(DataError, a, other) == (
        f"{a} and {other} tested 1 clip of 1 recording in common; at least 10 of 3 are needed. {advice}"
    )
    other = run_of(tmp_path / "truth", right_b, groups, names=[f"{i}.wav" for i in (1, 0, *range(2, 60))])
    assert said(DataError, a, other) == (
        f"{a} and {other} are not of the same data: 0.wav is 'cat' in one and 'dog' in the other."
    )


def test_folders_that_are_no_runs(tmp_path):
    a = run_of(tmp_path / "a", *[x for i, x in enumerate(independent(60)) if i != 1])
    gone = tmp_path / "gone"
    assert said(PathError, a, gone) == (
        f"{gone} is not there; give the folder of a run, as `earmark evaluate` names it at its end."
    )
    file = a / "predictions.csv"
    assert said(PathError, file, a).startswith(f"{file} is a file; give the folder of a run")
    (tmp_path / "empty").mkdir()
    assert said(PathError, tmp_path / "empty", a) == (
        f"{tmp_path / 'empty'} is not the folder of a run: it has no run.json. Runs lie below runs/."
    )
    (a / "run.json").write_text('{"status": "running"}')
    assert said(RunError, a, a) == f"The run {a} is not finished. Run its command again to go on."


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (lambda t: "", HEADER),
        (lambda t: t.replace("seed", "Seed", 1), HEADER),
        (lambda t: t.split("\n")[0] + "\n", "it holds no clips"),
        (lambda t: t + "1.wav,,,cat\n", "line 62 is not a clip with its labels"),
        (lambda t: t + "x.wav,,,cat,cow,1,0,rec9,0.5,0.5\n", "line 62 is not a clip with its labels"),
        (lambda t: t + "x.wav,,,cat,cat,1,zero,rec9,0.5,0.5\n", "line 62: 'zero' is no seed"),
        (lambda t: t + f"x.wav,,,cat,cat,1,{'9' * 30},rec9,0.5,0.5\n", f"line 62: '{'9' * 30}' is no seed"),
        (lambda t: t + t.split("\n")[1] + "\n", "not every seed answers every clip once"),
        (lambda t: t + "x.wav,,,cat,cat,1,1,rec9,0.5,0.5\n", "not every seed answers every clip once"),
        (lambda t: t + '"x', "unexpected end of data"),
    ],
)  # fmt: skip
def test_predictions_that_are_damaged(tmp_path, change, detail):
    right, _, groups = independent(60)
    a = run_of(tmp_path / "a", right, groups)
    table = a / "predictions.csv"
    table.write_text(change(table.read_text()))
    assert said(RunError, a, a) == f"{table} is damaged: {detail}. Run the command of {a} again."


def test_other_files_that_are_damaged(tmp_path):
    right, _, groups = independent(60)
    a = run_of(tmp_path / "a", right, groups)
    table, report, recipe = (a / name for name in ("predictions.csv", "report.json", "recipe.toml"))
    kept = table.read_bytes()
    table.write_bytes(b"\xff\xfe")
    assert said(RunError, a, a) == f"{table} is damaged: it is not text. Run the command of {a} again."
    table.write_bytes(kept)
    recipe.write_text("[train")
    assert (
        said(RunError, a, a) == f"{recipe} is damaged: it is not a TOML file. Run the command of {a} again."
    )
    recipe.unlink()
    assert said(RunError, a, a) == f"{recipe} is missing. Run the command of {a} again."
    report.write_text("[]")
    assert (
        said(RunError, a, a) == f"{report} is damaged: it is not a JSON object. Run the command of {a} again."
    )


def test_a_file_that_is_too_large(tmp_path):
    right, _, groups = independent(60)
    a = run_of(tmp_path / "a", right, groups)
    with (a / "report.json").open("ab") as file:
        file.truncate(2**30 + 1)  # a hole, which takes no room
    assert said(RunError, a, a) == (
        f"{a / 'report.json'} is damaged: it is larger than 1 GB. Run the command of {a} again."
    )


def test_names_of_every_kind_are_paired(tmp_path):
    right_a, right_b, groups = independent(60)
    odd = ["new\r\nline.wav", 'quo"te,.wav', "Grünfink 鳥.wav", "[red].wav", " .wav", "\x1b[31m.wav"]
    names = odd + [f"{i}.wav" for i in range(len(odd), 60)]
    assert compare(*pair(tmp_path, right_a, right_b, groups, names=names)).clips == 60


def test_what_a_person_reads(tmp_path):
    a, b = pair(tmp_path, *independent(gain=0.2))
    (b / "recipe.toml").write_text("[train]\nepochs = 20\n")
    shown = CliRunner().invoke(app, ["compare", str(a), str(b)])
    assert shown.exit_code == 0, shown.output
    found = compare(a, b)
    for words in (
        f"A  {found.a.score:.3f}  {a} (mlp, seed 0)",
        "   train.epochs: 10 in A, 20 in B",
        found.verdict,
        "Over 600 clips of 200 recordings, drawn recording by recording.",
        "McNemar's exact p = ",
        "Note: McNemar's test takes 600 clips for independent, but they come from 200 recordings",
        "recall A",
    ):
        assert words in shown.output


def test_json_has_the_same(tmp_path):
    a, b = pair(tmp_path, *independent())
    shown = CliRunner().invoke(app, ["compare", str(a), str(b), "--json"])
    assert shown.exit_code == 0
    record = json.loads(shown.output)
    assert record == json.loads(json.dumps(compare(a, b).to_dict()))
    assert record.keys() == {
        "a", "b", "clips", "groups", "differs", "difference", "interval", "better", "verdict", "mcnemar", "per_class",
        "notes",
    }  # fmt: skip


def test_a_folder_that_is_no_run_is_wrong_usage(tmp_path):
    shown = CliRunner().invoke(app, ["compare", str(tmp_path), str(tmp_path)])
    assert shown.exit_code == 2


def test_real_runs_of_either_kind(earmark, tone_set, tmp_path, monkeypatch):
    """The default and a network that hardly learns, and the test fold of `train` in an evaluation."""
    rows = [f"{p},{p.name.split('_')[0]},{p.name.split('_')[1]},{int(p.name.split('_')[1][-1]) % 3 + 1}"
            for p in sorted(tone_set.iterdir())]  # fmt: skip
    (tmp_path / "tones.csv").write_text("\n".join(["path,label,group,fold", *rows]) + "\n")
    recipe = Recipe().with_data("tones.csv").with_values({"train.epochs": 20})
    monkeypatch.chdir(tmp_path)
    poor = recipe.with_values({"train.epochs": 1, "train.learning_rate": 1e-9})
    good = pipeline.evaluate(recipe, seeds=2).run
    bad = pipeline.evaluate(poor).run
    one_fold = pipeline.train(recipe.with_values({"split.test_fold": 2})).run
    found = compare(good, bad)
    assert found.better == "a"
    assert found.clips == 54
    assert (found.a.seeds, found.b.seeds) == ((0, 1), (0,))
    assert set(found.differs) == {"train.epochs", "train.learning_rate"}
    found = compare(good, one_fold)
    assert (found.clips, found.groups) == (18, 6)
    shown = earmark("compare", good, bad, cwd=tmp_path)
    assert "A is better by" in shown.stdout
    assert "more than noise." in shown.stdout
