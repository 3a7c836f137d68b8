"""The command line as a person and as a script meet it: in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from earmark.bundle import read_bundle
from earmark.cli import ready
from earmark.cli.app import app
from earmark.errors import PathError

PATTERN = "--pattern={label}_{group}_{take}.wav"
COMMANDS = dict(app.commands)


def without_times(record):
    return {k: v for k, v in record.items() if k not in ("seconds", "run", "bundle", "features")}


@pytest.fixture(scope="session")
def faulty(tone_set, tmp_path_factory):
    """The tone set with a clip that cannot be read, in a folder whose name asks for trouble."""
    folder = tmp_path_factory.mktemp("faulty") / "töne [red] & more"
    shutil.copytree(tone_set, folder)
    (folder / "hum_hum9_0.wav").write_text("this is no sound")
    return folder


@pytest.fixture(scope="session")
def trained(earmark, faulty, tmp_path_factory):
    """One training through the command line, with everything on."""
    folder = tmp_path_factory.mktemp("trained run")
    done = earmark(
        "train", faulty, PATTERN, "-o", "m [b].earmark", "--runs", "all runs", "--set", "train.epochs=15",
        "--json", "--strict", cwd=folder, code=1,
    )  # fmt: skip
    return folder, json.loads(done.stdout), done.stderr


# Help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name):
    command = COMMANDS[name]
    assert command.callback.__doc__.strip()
    assert command.epilog.startswith(f"Example: earmark {name} ")
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0
    assert f"earmark {name}" in " ".join(shown.output.split())
    for parameter in COMMANDS[name].params:
        said = COMMANDS[name].help if parameter.param_type_name == "argument" else parameter.help
        assert said, f"{name} {parameter.name} says nothing"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_is_understood(name):
    """The options of an example exist: it fails, if at all, for want of the files."""
    arguments = COMMANDS[name].epilog.removeprefix("Example: earmark ").split()
    COMMANDS[name].make_context(name, arguments[1:], resilient_parsing=False)


def test_the_commands():
    assert {"train", "evaluate", "run", "check", "predict", "demo"} <= COMMANDS.keys()


def test_help_and_version(earmark):
    shown = earmark("--help").stdout
    assert all(name in shown for name in COMMANDS)
    assert "Start with: earmark demo" in shown
    assert earmark("-h").stdout == shown
    assert earmark("--version").stdout.startswith("earmark 0.")
    assert "earmark predict [OPTIONS]" in earmark("predict", "-h").stdout


HEAVY = [
    "torch",
    "sklearn",
    "onnx",
    "pandas",
    "safetensors",
    "librosa",
    "matplotlib",
    "filelock",
    "tomli_w",
    "scipy",
]
LISTING = """
import sys
sys.argv[0] = "earmark"
from earmark.cli import main
try:
    main()
finally:
    print("\\n".join(sys.modules), file=sys.stderr)
"""


def loaded_by(*arguments):
    done = subprocess.run(
        [sys.executable, "-c", LISTING, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_help_loads_next_to_nothing():
    loaded = loaded_by("--help")
    heavy = [*HEAVY, "numpy", "onnxruntime", "soundfile", "soxr", "rich.progress", "rich.live"]
    assert not loaded & set(heavy)
    assert {m for m in loaded if m.startswith("earmark.")} == {
        "earmark.cli", "earmark.cli.app", "earmark.cli.azure", "earmark.cli.azure_endpoint",
        "earmark.cli.compare_models", "earmark.cli.evaluate_events", "earmark.cli.export", "earmark.cli.frame",
        "earmark.cli.labels",
        "earmark.cli.options", "earmark.cli.relabel", "earmark.cli.report", "earmark.cli.serve", "earmark.cli.store",
        "earmark.cli.suspects", "earmark.cli.words", "earmark.errors",
    }  # fmt: skip


def test_prediction_loads_nothing_of_training(tone_model, tone_set):
    loaded = loaded_by("predict", tone_model, tone_set)
    assert not loaded & {
        *HEAVY,
        "rich",
        "earmark.train",
        "earmark.pipeline",
        "earmark.models",
        "earmark.split",
    }
    assert "onnxruntime" in loaded


# Wrong usage


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["trian"],
            "run, compare-models, evaluate-events, report, export, serve, suspects, relabel, labels, store, azure."
            " Did you mean 'train'?",
        ),
        (["train", "--epochs", "5", "x"], "No such option '--epochs'"),
        (["train"], "Missing argument 'DATASET'"),
        (["predict", "m.earmark"], "Which files? Name some after the model"),
        (["train", "x", "--seed", "many"], "--seed"),
        ([], "Usage: earmark [OPTIONS] COMMAND"),
    ],
)
def test_wrong_usage(arguments, said):
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 2
    assert said in " ".join(shown.output.replace("│", " ").split())


def sentence(earmark, *arguments, code, **options):
    """Run a command that fails, and return its one sentence."""
    done = earmark(*arguments, code=code, **options)
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def fails(*arguments):
    """The same in this process, which is quicker."""
    shown = CliRunner().invoke(app, [str(a) for a in arguments])
    assert shown.stdout == ""
    lines = shown.stderr.strip().splitlines()
    assert lines[-1].startswith("error: "), shown.stderr
    return shown.exit_code, lines[-1].removeprefix("error: ")


def test_one_sentence_and_its_exit_code(earmark, tmp_path):
    said = sentence(earmark, "predict", "absent.earmark", "x.wav", code=2, cwd=tmp_path)
    assert (
        said
        == "There is no model file 'absent.earmark'. Train one with: earmark train DATASET -o absent.earmark"
    )
    (tmp_path / "bad.earmark").write_text("x")
    said = sentence(earmark, "predict", "bad.earmark", "x.wav", code=1, cwd=tmp_path)
    assert said.startswith("bad.earmark is not an Earmark model")


def test_debug_shows_the_traceback(earmark, tmp_path):
    done = earmark("--debug", "predict", "absent.earmark", "x.wav", code=1, cwd=tmp_path)
    assert "Traceback (most recent call last)" in done.stderr
    assert "earmark.errors.PathError: There is no model file 'absent.earmark'." in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "epochs"], "--set takes TABLE.SETTING=VALUE, such as train.epochs=50; got 'epochs'."),
        (["--set", "train.epochs=many"], "[train] epochs is 'many', but must be a whole number."),
        (["--set", "train.epochs="], "[train] epochs is '', but must be a whole number."),
        (["--set", "train.epochs=" + "[" * 5_000], "[train] epochs is '[[["),
        (["--set", "epochs=5"], "'epochs' is no setting. Name it TABLE.SETTING, TABLE one of data, split, "),
        (
            ["--model", "cnm"],
            "No model is called 'cnm'. There are: blend, cnn, dictionary, linear, mlp, rocket. Did you mean 'cnn'?",
        ),
        (
            ["--model", "cnn", "--feature", "stats"],
            "[feature] stats with these settings gives one vector a clip, but cnn sees a spectrum's course over time."
            " Take --feature log_mel.",
        ),
        (
            ["--model", "blend", "--set", 'model.rungs=["linear", "cnm"]'],
            "No rung is called 'cnm'. There are: cnn, dictionary, encoder:NAME, linear, mlp, rocket. Did you mean",
        ),
        (["--model", "blend", "--feature", "mfcc"], "[feature] cannot be set for a blend: each rung hears its own."),
        (["--feature", "mel"], "No feature is called 'mel'. There are: encoder, log_mel, mfcc, stats. Did you mean"),
        (["--recipe", "tutroial"], "No recipe is called 'tutroial'. There are: default, tutorial. Did you mean"),
        (["--layout", "esc"], "No layout is called 'esc'."),
        (["--split", "grouped", "--test-fold", "2", PATTERN], "test_fold goes with official folds;"),
        (["--split", "speaker"], "[split] rule is 'speaker'. Allowed: 'auto', 'official', 'grouped', 'random'."),
        (["--seed", "-1"], "[split] seed is -1, but must be from 0 to 4294967295."),
        (["-o", "absent/m.earmark"], "There is no folder 'absent' to write m.earmark into. Make it first."),
        (["-o", "."], ". is a folder; -o takes a file name, such as model.earmark."),
        (["-o", "/dev/null"], "/dev/null is a device, not a file. Give -o the name of a file."),
        (["--runs", "/dev/null"], "/dev/null is a file; --runs takes a folder."),
    ],
)  # fmt: skip
def test_refused_before_training(tone_set, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    code, message = fails("train", tone_set, *arguments)
    assert message.startswith(said)
    assert code == (1 if "test_fold goes" in said else 2)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_refuses_files_is_found_out_before_training(tone_set, tmp_path, monkeypatch):
    def refuse(**options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert fails("train", tone_set, "-o", "m.earmark") == (
        2,
        "The folder '.' cannot be written to: Permission denied.",
    )
    with pytest.raises(PathError, match=r"cannot be written to: Permission denied\."):
        ready.can_hold_runs(tmp_path / "a" / "b")


def test_a_missing_package_is_found_out_before_the_data_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(ready, "find_spec", lambda name: None if name == "onnx" else name)
    said = "Training needs the package 'onnx', which is not installed. Type: pip install 'earmark[train]'"
    for arguments in (["train", "absent"], ["evaluate", "absent"], ["demo", "--out", str(tmp_path / "demo")]):
        assert fails(*arguments) == (2, said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wanted",
    [["--model", "cnn"], ["--model", "blend", "--set", 'model.rungs=["linear", "cnn"]']],
    ids=" ".join,
)
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_pytorch_is_asked_for_by_who_needs_it_before_the_data_is_read(monkeypatch, command, wanted):
    monkeypatch.setattr(ready, "find_spec", lambda name: None if name == "torch" else name)
    assert fails(command, "absent", *wanted) == (
        2,
        "Training a cnn needs the package 'torch', which is not installed. Type: pip install 'earmark[torch]'",
    )
    assert "torch" not in fails(command, "absent", "--model", "rocket")[1]


def test_data_that_cannot_be_used(tmp_path, write_wav):
    assert fails("train", tmp_path)[1].startswith(f"No layout fits. Found: no audio files below {tmp_path}")
    write_wav(tmp_path / "dog" / "1.wav", np.zeros(1000))
    assert "1 class folder (dog)" in fails("train", tmp_path)[1]
    write_wav(tmp_path / "flat" / "dog_1.wav", np.zeros(1000))
    code, said = fails("train", tmp_path / "flat", "--pattern", "{label}_{take}.wav")
    assert (code, said) == (1, "flat has one class, 'dog'; a classifier needs at least two.")


def test_evaluate_with_a_model_takes_nothing_that_it_would_ignore(tone_model, tone_set):
    said = "A trained model brings its own recipe: leave out --recipe, "
    said += (
        "--model, --feature, --seed, --seeds, --target, --split, --folds, --leave-one-class-out and --set."
    )
    for option in (
        ["--model", "mlp"],
        ["--folds", "3"],
        ["--seeds", "2"],
        ["--target", "precision=0.9"],
        ["--set", "train.epochs=2"],
        ["--recipe", "tutorial"],
    ):
        assert fails("evaluate", tone_model, tone_set, *option) == (2, said)
    said = f"Which data shall {tone_model} be judged on? Type: earmark evaluate {tone_model} DATASET"
    assert fails("evaluate", tone_model) == (2, said)


def test_predict_refuses(tone_model, tone_set):
    assert fails("predict", tone_model, tone_set, "--format", "jsno") == (
        2,
        "No format is called 'jsno'. There are: audacity, csv, json, jsonl, raven, rttm, table. Did you mean 'json'?",
    )
    assert fails("predict", tone_set, tone_model)[1].endswith(
        "is a folder, not a model file. The model comes before the data."
    )
    assert fails("predict", tone_model, "absent.wav") == (2, "There is no file or folder 'absent.wav'.")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "m.earmark"), "m.earmark: No space left on device."),
        (OSError("it broke"), "it broke."),
        (MemoryError(), "There is not enough memory for this."),
    ],
)
def test_what_the_system_refuses_is_one_sentence(tone_model, tone_set, monkeypatch, error, said):
    def fail(*arguments):
        raise error

    monkeypatch.setattr("earmark.predict.Predictor.open", fail)
    assert fails("predict", tone_model, tone_set) == (1, said)


def test_interrupt_is_no_error(tone_model, tone_set, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("earmark.predict.Predictor.open", interrupt)
    shown = CliRunner().invoke(app, ["predict", str(tone_model), str(tone_set)])
    assert shown.exit_code == 130
    assert shown.stderr == "Interrupted. Run the same command again to go on.\n"


# JSON


def test_train_prints_the_contract(trained):
    folder, record, told = trained
    assert record.keys() >= {
        "bundle", "run", "model", "feature", "split", "test", "leakage", "skipped", "seconds",
    }  # fmt: skip
    assert record["bundle"] == "m [b].earmark"
    assert (record["model"], record["feature"]) == ("mlp", "mfcc")
    split, test = record["split"], record["test"]
    assert split["rule"] == "grouped"
    assert split["train"] + split["validation"] + split["test"] == 54
    assert test.keys() == {"accuracy", "macro_f1", "interval"}
    assert 0 <= test["interval"][0] <= test["accuracy"] <= test["interval"][1] <= 1
    assert record["leakage"].keys() >= {"test_clips_sharing_a_group", "oracle_accuracy"}
    assert record["leakage"]["test_clips_sharing_a_group"] == 0
    assert record["skipped"] == [
        {"path": "hum_hum9_0.wav", "reason": "not readable as sound (format not recognised)"}
    ]
    assert record["seconds"].keys() == {"extract", "train"}
    assert "54 clips" in told or "55 clips" in told
    assert read_bundle(folder / record["bundle"]).labels == ("hiss", "hum", "whistle")


def test_what_a_run_leaves(trained):
    folder, record, _ = trained
    run = folder / record["run"]
    assert {p.name for p in run.iterdir()} >= {
        "recipe.toml", "split.csv", "metrics.jsonl", "predictions.csv", "report.json", "problems.csv",
        "environment.json", "run.json", "model.earmark",
    }  # fmt: skip
    assert (run / "model.earmark").read_bytes() == (folder / record["bundle"]).read_bytes()
    assert "hum_hum9_0.wav" in (run / "problems.csv").read_text()
    report = json.loads((run / "report.json").read_text())
    assert report["test"] == record["test"]


def test_run_again_from_the_recipe_gives_the_same(earmark, trained):
    folder, record, _ = trained
    again = earmark("run", f"{record['run']}/recipe.toml", "--runs", "again", "--json", cwd=folder)
    other = json.loads(again.stdout)
    assert without_times(other) == without_times(record)
    files = ("predictions.csv", "split.csv", "model.earmark")
    for name in files:
        assert (folder / other["run"] / name).read_bytes() == (folder / record["run"] / name).read_bytes()


def test_a_person_is_told_what_was_skipped(earmark, faulty, tmp_path):
    done = earmark(
        "train", faulty, PATTERN, "-o", tmp_path / "m[b].earmark", "--runs", tmp_path / "r[red]",
        "--set", "train.epochs=2", "--strict", code=1,
    )  # fmt: skip
    assert "1 clip could not be used:" in done.stderr
    assert "  hum_hum9_0.wav: not readable as sound (format not recognised)" in done.stderr
    assert f"Model  {tmp_path}/m[b].earmark" in done.stdout
    assert f"Run    {tmp_path}/r[red]/" in done.stdout
    assert (tmp_path / "m[b].earmark").is_file()


def test_evaluate_prints_the_contract(earmark, tone_set, tmp_path):
    done = earmark(
        "evaluate",
        tone_set,
        PATTERN,
        "--folds",
        "3",
        "--set",
        "train.epochs=10",
        "--runs",
        tmp_path,
        "--json",
    )
    record = json.loads(done.stdout)
    assert record.keys() >= {
        "model", "protocol", "accuracy", "sd", "interval", "macro_f1", "folds", "random_split", "per_class",
        "confusion", "calibration", "seconds",
    }  # fmt: skip
    assert record["protocol"] == "3 folds, recordings held out"
    assert [f.keys() for f in record["folds"]] == [{"fold", "accuracy", "sd", "n"}] * 3
    assert sum(f["n"] for f in record["folds"]) == 54
    assert record["accuracy"] == pytest.approx(np.mean([f["accuracy"] for f in record["folds"]]))
    assert record["random_split"].keys() >= {"accuracy", "test_clips_sharing_a_group", "oracle_accuracy"}
    assert record["random_split"]["test_clips_sharing_a_group"] > 0
    assert record["calibration"].keys() == {
        "ece", "ece_adaptive", "nll", "brier", "reliability", "before",
    }  # fmt: skip
    assert sum(point["count"] for point in record["calibration"]["reliability"]) == 54
    assert record["seeds"] == [{"seed": 0, "accuracy": record["accuracy"]}]
    assert record["sd_seeds"] == 0.0
    assert np.array(record["confusion"]).sum() == 54
    assert "Training" in done.stderr


def test_evaluate_over_seeds(earmark, tone_set, tmp_path):
    done = earmark(
        "evaluate", tone_set, PATTERN, "--folds", "3", "--seed", "4", "--seeds", "2", "--set", "train.epochs=4",
        cwd=tmp_path,
    )  # fmt: skip
    (run,) = (tmp_path / "runs").iterdir()
    record = json.loads((run / "report.json").read_text())
    assert [s["seed"] for s in record["seeds"]] == [4, 5]
    each = ", ".join(f"{s['accuracy']:.3f}" for s in record["seeds"])
    assert f"Seeds 4, 5: {each}." in done.stdout
    assert f" over folds, ± {record['sd_seeds']:.3f} over 2 seeds (95 % interval " in done.stdout
    assert "± over seeds" in done.stdout
    assert f"mAP {record['map']:.3f}" in done.stdout
    assert f" → {record['calibration']['brier']:.3f}." in done.stdout
    assert "each clip counts 2 times, once a seed" in done.stdout
    assert np.array(record["confusion"]).sum() == 2 * record["clips"] == 108
    assert {row["average_precision"] is not None for row in record["per_class"].values()} == {True}
    code, said = fails("evaluate", tone_set, PATTERN, "--seeds", "0")
    assert (code, said) == (2, "The number of seeds is 0, but must be from 1 to 100.")


def test_a_trained_model_is_not_judged_by_what_it_learnt(earmark, tone_model, tone_set):
    provenance = read_bundle(tone_model).provenance["split"]
    record = json.loads(earmark("evaluate", tone_model, tone_set, PATTERN, "--json").stdout)
    assert record["left_out"] == provenance["train"] + provenance["validation"]
    assert np.array(record["confusion"]).sum() == provenance["test"] == 54 - record["left_out"]
    shown = earmark("evaluate", tone_model, tone_set, PATTERN)
    assert f"{record['left_out']} clips left out of the test" in shown.stdout


def test_check_prints_the_contract(earmark, faulty):
    record = json.loads(earmark("check", faulty, PATTERN, "--json", "--strict", code=1).stdout)
    assert record.keys() >= {"clips", "hours", "classes", "groups", "folds", "problems", "leakage"}
    assert [p["path"] for p in record["problems"] if p["kind"] == "unreadable"] == ["hum_hum9_0.wav"]


# Names


def test_names_that_ask_for_trouble(earmark, tone_model, tone_set, tmp_path):
    names = ["-x.wav", "with space.wav", "Grünfink 鳥.wav", "[red]a[b].wav", ":dog:.wav", "new\nline.wav"]
    for name in names:
        shutil.copy(tone_set / "hum_hum0_0.wav", tmp_path / name)
    shutil.copy(tone_model, tmp_path / "-m [b].earmark")
    done = earmark("predict", "--json", "--", "-m [b].earmark", *names, cwd=tmp_path)
    assert [r["path"] for r in json.loads(done.stdout)] == names
    table = earmark("predict", "--", "-m [b].earmark", *names, cwd=tmp_path).stdout.splitlines()
    assert len(table) == len(names)
    assert all(name.replace("\n", "\\n") in line for name, line in zip(names, table, strict=True))


@pytest.mark.skipif(sys.platform != "linux", reason="names must be text there")
def test_a_name_that_is_no_text(earmark, tone_model, tone_set, tmp_path):
    name = os.fsdecode(b"gr\xfcn.wav")
    shutil.copy(tone_set / "hum_hum0_0.wav", tmp_path / name)
    for style in ("json", "jsonl", "csv", "table"):
        assert r"gr\udcfcn.wav" in earmark("predict", tone_model, tmp_path / name, "--format", style).stdout


def test_brackets_and_colons_in_labels(earmark, tone_set, tmp_path):
    for label in ("[red]", ":dog:", "[b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(3):
            shutil.copy(tone_set / f"hum_hum{i}_0.wav", tmp_path / "data" / label / f"{i}.wav")
    checked = earmark("check", "data", cwd=tmp_path).stdout
    shown = earmark("train", "data", "--set", "train.epochs=2", cwd=tmp_path).stdout
    judged = earmark("evaluate", "data", "--folds", "3", "--set", "train.epochs=2", cwd=tmp_path).stdout
    for label in ("[red]", ":dog:", "[b"):
        assert all(f" {label} " in text for text in (checked, shown, judged))
    assert (
        ":dog:/0.wav: the same sound as [b/0.wav, but another class and recording: :dog: here, [b there"
        in checked
    )


# Pipes, interrupts and neighbours


@pytest.mark.skipif(shutil.which("head") is None, reason="there is no head")
def test_a_reader_that_goes_away(tone_model, tone_set):
    for arguments in (
        f"predict '{tone_model}' '{tone_set}' --format jsonl",
        f"check '{tone_set}' '{PATTERN}'",
    ):
        command = f"'{sys.executable}' -m earmark {arguments} | head -n 1"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
        assert len(done.stdout.splitlines()) == 1
        assert "Traceback" not in done.stderr
        assert "Broken" not in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell's way to close it")
def test_nothing_to_print_to(tone_model, tone_set):
    command = f"'{sys.executable}' -m earmark predict '{tone_model}' '{tone_set}'/hum_hum0_0.wav"
    done = subprocess.run(f"{command} >&-", shell=True, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    done = subprocess.run(f"{command} /dev/null 2>&-", shell=True, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.startswith("hum ")


def start(tone_set, folder, *arguments):
    command = [
        sys.executable, "-m", "earmark", "train", tone_set, PATTERN, "--runs", folder, *arguments,
    ]  # fmt: skip
    environment = {**os.environ, "EARMARK_CHECKPOINT_SECONDS": "0.1"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def predictions(folder: Path) -> list[bytes]:
    return [p.read_bytes() for p in sorted(folder.glob("*/predictions.csv"))]


def wait_for(process: subprocess.Popen[str], found) -> None:
    deadline = time.monotonic() + 120
    while not found():
        assert process.poll() is None, "it ended too soon"
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(os.name != "posix", reason="SIGINT is sent as a terminal sends it")
def test_interrupted_and_run_again(tone_set, tmp_path):
    longer = ("--set", "train.epochs=1000", "--set", "train.patience=0", "--set", "model.hidden=[64, 64]")
    process = start(tone_set, tmp_path / "cut", *longer)
    wait_for(process, lambda: list((tmp_path / "cut").glob("*/checkpoints/network-0.safetensors")))
    process.send_signal(signal.SIGINT)
    out, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert told.endswith("Interrupted. Run the same command again to go on.\n")
    assert "Traceback" not in told
    again = start(tone_set, tmp_path / "cut", *longer)
    whole = start(tone_set, tmp_path / "whole", *longer)
    told = again.communicate(timeout=120)[1]
    whole.communicate(timeout=120)
    assert (again.returncode, whole.returncode) == (0, 0)
    assert "going on where an interrupted run stopped" in told
    assert len(predictions(tmp_path / "cut")) == 1
    assert predictions(tmp_path / "cut") == predictions(tmp_path / "whole")


@pytest.mark.skipif(os.name != "posix", reason="SIGINT is sent as a terminal sends it")
def test_interrupted_while_it_waits_for_input(tone_model, tone_set):
    command = [sys.executable, "-m", "earmark", "predict", tone_model, tone_set / "hum_hum0_0.wav", "-"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout.readline().startswith("hum ")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert process.stderr.read() == "Interrupted. Run the same command again to go on.\n"


def test_two_at_once(tone_set, tmp_path):
    both = [start(tone_set, tmp_path, "--json", "--set", "train.epochs=300") for _ in range(2)]
    records = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert records[0]["run"] != records[1]["run"]
    assert without_times(records[0]) == without_times(records[1])
    one, other = predictions(tmp_path)
    assert one == other
    for record in records:
        assert json.loads((Path(record["run"]) / "run.json").read_text())["status"] == "done"
        assert read_bundle(Path(record["bundle"])).provenance["test"]["clips"] == 12
