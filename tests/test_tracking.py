"""Runs told to an MLflow server: what is told, and that no run is lost by a server that is."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tracking_server import Server, hang, tracking

pytestmark = pytest.mark.skipif(find_spec("mlflow") is None, reason="no mlflow-skinny")
SHORT = ("--set", "train.epochs=4", "--set", "decide.folds=0")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with tracking(tmp_path / "artifacts") as found:
        yield found


@pytest.fixture
def train(earmark: Callable[..., Any], tone_set: Path, tmp_path: Path) -> Callable[..., Any]:
    def call(
        *more: object, code: int = 0, command: str = "train", seconds: float = 60, **environment: str
    ) -> Any:
        return earmark(
            command, tone_set, "--pattern", "{label}_{group}_{take}.wav", "--runs", tmp_path / "runs",
            *(SHORT if command == "train" else ()), *more, code=code,
            env_more={"EARMARK_TRACKING_SECONDS": str(seconds), **environment}, cwd=tmp_path,
        )  # fmt: skip

    return call


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_training_is_told_with_settings_epochs_scores_and_files(server, train, tmp_path):
    done = train("-o", tmp_path / "m.earmark", "--json", MLFLOW_TRACKING_URI=server.url)
    result = json.loads(done.stdout)
    folder = tmp_path / result["run"] if not Path(result["run"]).is_absolute() else Path(result["run"])
    (identity,) = server.tracked.runs
    run = server.tracked.runs[identity]
    assert f"\nTracked   {server.url}, run {identity}\n" in done.stderr
    assert (run["status"], run["name"]) == ("FINISHED", folder.name)
    assert list(server.tracked.experiments) == ["earmark"]
    assert run["params"]["train.epochs"] == "4"
    assert run["params"]["model.name"] == "mlp"
    assert run["tags"]["earmark.data.fingerprint"] == result["data"]["fingerprint"]
    epochs = metrics_of(folder)
    for name in ("loss", "accuracy", "validation_loss", "validation_accuracy"):
        assert server.tracked.metrics(identity, name) == [
            (e["epoch"], pytest.approx(e[name])) for e in epochs
        ]
    for name, value in (
        ("test_accuracy", result["test"]["accuracy"]),
        ("test_macro_f1", result["test"]["macro_f1"]),
        ("test_interval_low", result["test"]["interval"][0]),
        ("test_interval_high", result["test"]["interval"][1]),
        ("seconds_train", result["seconds"]["train"]),
    ):
        assert server.tracked.metrics(identity, name) == [(0, pytest.approx(value))]
    assert len({metric["key"] for metric in run["metrics"]}) < 50  # Azure ML takes no more names
    kept = {path.name: path for path in (tmp_path / "artifacts" / identity).iterdir()}
    assert {"recipe.toml", "metrics.jsonl", "report.json", "model.earmark", "model.onnx"} <= set(kept)
    if find_spec("jinja2"):
        assert b"<html" in kept["report.html"].read_bytes()
    assert kept["model.earmark"].read_bytes() == (tmp_path / "m.earmark").read_bytes()
    assert json.loads((folder / "mlflow.json").read_text()) == {"uri": server.url, "run": identity}


def test_an_evaluation_is_told_fold_by_fold(server, train):
    done = train("--json", "--set", "train.epochs=3", command="evaluate", MLFLOW_TRACKING_URI=server.url)
    result = json.loads(done.stdout)
    (identity,) = server.tracked.runs
    assert server.tracked.metrics(identity, "fold_accuracy") == [
        (fold["fold"], pytest.approx(fold["accuracy"])) for fold in result["folds"]
    ]
    assert server.tracked.metrics(identity, "random_split_accuracy")[0][1] == pytest.approx(
        result["random_split"]["accuracy"]
    )
    assert server.tracked.runs[identity]["tags"]["earmark.split"] == result["protocol"]


def test_inside_a_job_its_own_run_is_told_and_nothing_is_made_or_ended(server, train):
    server.tracked.run("job-7")
    train(MLFLOW_TRACKING_URI=server.url, MLFLOW_RUN_ID="job-7", MLFLOW_EXPERIMENT_NAME="theirs")
    assert not server.tracked.experiments
    assert list(server.tracked.runs) == ["job-7"]
    assert server.tracked.runs["job-7"]["status"] == "RUNNING"  # whoever runs the job ends it
    assert not {call for call in server.tracked.calls if "experiments" in call or call == "runs/update"}
    assert server.tracked.metrics("job-7", "test_accuracy")


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "nonsense://x"])
def test_a_server_that_is_not_there_costs_a_warning_and_no_run(uri, train, tmp_path):
    began = time.monotonic()
    done = train("-o", tmp_path / "m.earmark", seconds=3, MLFLOW_TRACKING_URI=uri)
    assert time.monotonic() - began < 40
    (note,) = [line.strip() for line in done.stderr.splitlines() if "tracked" in line]
    assert note.startswith(f"Nothing was tracked at {uri}: ")
    assert note.endswith(". Nothing is lost: it is in the run's folder.")
    assert (tmp_path / "m.earmark").is_file()
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "run.json").read_text())["status"] == "done"


def test_a_server_that_hangs_is_waited_for_no_longer_than_allowed(server, train, tmp_path):
    server.fault = hang
    began = time.monotonic()
    done = train("-o", tmp_path / "m.earmark", seconds=2, MLFLOW_TRACKING_URI=server.url)
    assert time.monotonic() - began < 30
    assert (
        f"Nothing was tracked at {server.url}: it did not answer within 2 s. Nothing is lost" in done.stderr
    )
    assert (tmp_path / "m.earmark").is_file()


def test_what_failed_for_a_while_is_told_later(server, train):
    failed: list[str] = []

    def fault(call: str) -> tuple[int, dict[str, Any]] | None:
        if len(failed) < 3 and call == "runs/log-batch":
            failed.append(call)
            return 500, {"error_code": "INTERNAL_ERROR", "message": "not now"}
        return None

    server.fault = fault
    done = train(MLFLOW_TRACKING_URI=server.url)
    (identity,) = server.tracked.runs
    assert len(failed) == 3
    assert [step for step, _ in server.tracked.metrics(identity, "loss")] == [1, 2, 3, 4]
    assert server.tracked.runs[identity]["status"] == "FINISHED"
    assert "Nothing is lost" not in done.stderr


def test_what_is_refused_for_good_is_told_and_the_rest_is_tracked(server, train):
    def fault(call: str) -> tuple[int, dict[str, Any]] | None:
        if call == "runs/update":
            return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "it has ended"}
        return None

    server.fault = fault
    done = train(MLFLOW_TRACKING_URI=server.url)
    assert f"Not everything was tracked at {server.url}: its end (" in done.stderr
    assert "it has ended" in done.stderr
    (identity,) = server.tracked.runs
    assert server.tracked.metrics(identity, "test_accuracy")


def test_of_several_processes_only_the_first_tells(server, earmark, train):
    train(MLFLOW_TRACKING_URI=server.url, RANK="0", WORLD_SIZE="2")
    assert len(server.tracked.runs) == 1
    train(MLFLOW_TRACKING_URI=server.url, RANK="1", WORLD_SIZE="2")
    assert len(server.tracked.runs) == 1


def test_without_mlflow_a_run_is_a_run_and_says_so(train, tmp_path):
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'mlflow':\n"
        "            raise ModuleNotFoundError(name)\n"
        "import importlib.util as u\n"
        "found = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'mlflow' else found(name, package)\n"
    )
    import os

    path = os.pathsep.join([str(tmp_path / "without"), os.environ.get("PYTHONPATH", "")])
    done = train(MLFLOW_TRACKING_URI="http://127.0.0.1:9", PYTHONPATH=path)
    assert (
        "MLFLOW_TRACKING_URI is set, but MLflow is not installed: this run is kept in its folder only. To have it"
        " tracked, type: pip install 'earmark[tracking]'"
    ) in done.stderr


def test_without_a_server_nothing_of_mlflow_is_imported(earmark, tone_set, tmp_path):
    code = (
        "import sys\n"
        "from earmark.cli.app import app\n"
        "from click.testing import CliRunner\n"
        f"done = CliRunner().invoke(app, ['train', {str(tone_set)!r}, '--pattern', '{{label}}_{{group}}_{{take}}.wav',"
        f" '--runs', {str(tmp_path / 'runs')!r}, '--set', 'train.epochs=1', '--set', 'decide.folds=0'])\n"
        "assert done.exit_code == 0, done.output\n"
        "print([name for name in sys.modules if name.startswith('mlflow')])\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert found.stdout == "[]\n", found.stderr


def test_a_key_in_an_address_is_not_told():
    from earmark.recipe import Recipe
    from earmark.tracking.tracker import parameters

    told = parameters(Recipe().with_data("https://me:pass@host/sounds.csv?sig=abc"))
    assert told["data.path"] == "https://host/sounds.csv"


def test_a_wrong_patience_is_refused(server, train):
    done = train(code=2, MLFLOW_TRACKING_URI=server.url, EARMARK_TRACKING_SECONDS="soon")
    assert done.stderr.splitlines()[-1] == (
        "error: EARMARK_TRACKING_SECONDS is 'soon', but must be a number of seconds, 0 or more."
    )


def test_interrupted_it_says_so_and_goes_on_in_the_same_run(server, tone_set, tmp_path):
    import os

    command = [
        sys.executable, "-m", "earmark", "train", str(tone_set), "--pattern", "{label}_{group}_{take}.wav",
        "--runs", str(tmp_path / "runs"), "--set", "decide.folds=0", "--set", "train.patience=0",
    ]  # fmt: skip
    environment = {
        **os.environ, "MLFLOW_TRACKING_URI": server.url, "EARMARK_CHECKPOINT_SECONDS": "0", "NO_COLOR": "1",
    }  # fmt: skip
    told = threading.Event()

    def fault(call: str) -> None:
        if call == "runs/log-batch" and server.tracked.runs:
            told.set()

    server.fault = fault
    process = subprocess.Popen(
        [*command, "--set", "train.epochs=100000"], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        assert told.wait(60)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    (identity,) = server.tracked.runs
    assert server.tracked.runs[identity]["status"] == "KILLED"
    process = subprocess.Popen(
        [*command, "--set", "train.epochs=100000"], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        server.tracked.calls.clear()
        told.clear()
        assert told.wait(60)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert list(server.tracked.runs) == [identity]
    assert "runs/create" not in server.tracked.calls
