"""The unmodified SDK, from `earmark azure init` to the downloaded run, against a stand-in that really runs the jobs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from surroundings import ROOT, installed

if TYPE_CHECKING:
    from standin import StandIn

pytestmark = pytest.mark.skipif(not installed("azure.ai.ml"), reason="no azure-ai-ml; type: make test-azure")

PATTERN = "{label}_{group}_{take}.wav"
Run = Callable[..., Any]


@pytest.fixture
def surroundings(standin: StandIn, names: Path) -> dict[str, str]:
    """What leads a process to the stand-in: its environment, and nothing else."""
    path = os.pathsep.join((str(names), str(ROOT / "src")))
    return {**standin.environment, "PYTHONPATH": path, "AZURE_CONFIG_DIR": "/nowhere"}


@pytest.fixture
def place(tmp_path: Path, tone_set: Path) -> Path:
    """A folder with a recipe for a tiny training, which ends in seconds."""
    from earmark.recipe import Recipe

    values = {"data.pattern": PATTERN, "train.epochs": 12, "train.seed": 3, "decide.folds": 0}
    recipe = Recipe().with_data(str(tone_set)).with_values(values)
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    return tmp_path


@pytest.fixture
def azure(surroundings: dict[str, str], place: Path, earmark: Run) -> Run:
    """`earmark azure` in that folder."""

    def run(*arguments: object, code: int = 0) -> Any:
        return earmark("azure", *arguments, cwd=place, code=code, env_more=surroundings)

    return run


def submitted(standin: StandIn, name: str) -> dict[str, Any]:
    return next(r for path, r in standin.resources.items() if path.endswith(f"/jobs/{name}"))["properties"]


def figures(run: Path) -> dict[str, Any]:
    """What a run measured, without what depends on when and where it ran."""
    report = json.loads((run / "report.json").read_text())
    return {
        name: report[name]
        for name in ("test", "leakage", "per_class", "confusion", "skipped")
        if name in report
    }


def test_from_init_to_the_downloaded_run(azure, standin, place, tone_set, earmark):
    told = azure("init").stdout
    assert "Wrote     azure/: config.json, environment.yml" in told
    assert "Workspace     sounds-ws (the environment)" in told
    assert json.loads((place / "azure/config.json").read_text())["resource_group"] == "sounds"
    assert "files are as Azure takes them." in azure("validate").stdout
    assert "Data      azureml:sounds:1" in azure("data", tone_set).stdout
    done = azure("submit", "recipe.toml", "--name", "first")
    assert done.stdout.startswith(
        "Job       first (Starting)\nStudio    https://ml.azure.com/runs/first?wsid=/subscriptions/"
    )
    assert "Split     grouped: " in done.stdout  # the job's own log
    assert "experimental" not in done.stdout + done.stderr
    assert done.stdout.endswith("Done      first is completed.\nNext      earmark azure download first\n")
    told = azure("download", "first").stdout
    (run,) = (place / "runs").iterdir()
    assert told == f"Run       runs/{run.name}\nNext      earmark report runs/{run.name} -o report.html\n"
    earmark("run", "recipe.toml", "--runs", "here", cwd=place)
    (here,) = (place / "here").iterdir()
    assert figures(run) == figures(here)
    assert figures(run)["test"]["accuracy"] > 0
    assert sorted(p.name for p in run.iterdir()) == sorted(
        p.name for p in here.iterdir() if p.name != ".lock"
    )
    assert (run / "predictions.csv").read_bytes() == (here / "predictions.csv").read_bytes()
    # What ran there is what runs here, with its data and its run folder where Azure ML puts them.
    assert submitted(standin, "first")["command"] == (
        "earmark run recipe.toml --set data.path=${{inputs.data}} --runs ${{outputs.run}} --progress plain"
    )
    again = azure("download", "first", code=2)
    assert again.stderr == (
        f"error: runs/{run.name} is there already. Move it away, or give another folder with --runs.\n"
    )
    assert azure("stream", "first").stdout.endswith("Next      earmark azure download first\n")
    assert (
        azure("cancel", "first", code=1).stderr
        == "error: The job first has ended already: it is Completed.\n"
    )


def test_no_secret_no_data_and_no_cache_is_uploaded(azure, standin, place, tone_set):
    azure("init")
    for name in (
        ".env", "keys/.env.local", "id_rsa", "server.pem", "kaggle.json", "my-secret.txt", ".venv/lib/x.py",
        "__pycache__/a.pyc", ".git/config", "runs/a/model.earmark", "tones/a.wav", ".azure/msal_token_cache.json",
        ".cache/b", "notes.md",
    ):  # fmt: skip
        for top in (place, place / "azure", place / "azure/code"):
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text("AccountKey=not-for-others")
    (place / "clips").mkdir()
    (place / "clips/one.wav").write_bytes(os.urandom(1_000))
    before = {name for name, _ in contents(standin)}
    azure("data", "clips")
    azure("submit", "recipe.toml", "--name", "first", "--no-stream")
    standin.jobs["first"].end()
    uploaded = {name: content for name, content in contents(standin) if name not in before}
    (log,) = (
        name for name in uploaded if "/ExperimentRun/dcid.first/" in name
    )  # which the job wrote, not we
    assert sorted(name.rsplit("/", 1)[1] for name in uploaded if name != log) == [
        ".amlignore", "one.wav", "recipe.toml",
    ]  # fmt: skip
    staged = next(content for name, content in uploaded.items() if name.endswith("recipe.toml"))
    assert str(place).encode() not in staged  # nor a path of this machine
    assert str(tone_set).encode() not in staged


def contents(standin: StandIn) -> list[tuple[str, bytes]]:
    """What Azurite holds, each under CONTAINER/NAME."""
    from azure.storage.blob import BlobServiceClient
    from standin.entrance import trusted

    found = []
    with BlobServiceClient.from_connection_string(
        standin.azurite.connection_string, **trusted(standin)
    ) as service:
        for container in service.list_containers():
            client = service.get_container_client(container.name)
            found += [
                (f"{container.name}/{blob.name}", client.download_blob(blob.name).readall())
                for blob in client.list_blobs()
            ]
    return found


def test_a_machine_that_is_taken_away_costs_nothing_but_time(azure, standin, place, tone_set, earmark):
    recipe = (
        (place / "recipe.toml")
        .read_text()
        .replace("epochs = 12", "epochs = 400")
        .replace("patience = ", "patience = 0 #")
    )
    (place / "recipe.toml").write_text(recipe)
    azure("init")
    azure("data", tone_set)
    standin.preempt_at = "run/*/checkpoints/*"
    azure("submit", "recipe.toml", "--spot", "--name", "first")
    assert standin.jobs["first"].attempts == 2
    assert submitted(standin, "first")["computeId"].endswith("/computes/cpu-spot")
    azure("download", "first")
    earmark("run", "recipe.toml", "--runs", "here", cwd=place)
    (run,), (here,) = (place / "runs").iterdir(), (place / "here").iterdir()
    assert figures(run) == figures(here)


def test_a_failing_job_shows_the_end_of_its_log(azure, place, tone_set):
    azure("init")
    (place / "empty").mkdir()
    (place / "empty/readme.txt").write_text("no sound in here")
    azure("data", "empty")
    done = azure("submit", "recipe.toml", "--name", "first", code=1)
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("error: ")  # what `earmark run` says there
    assert done.stderr.splitlines()[-1].startswith(
        f"error: The job first failed. The last it said: {last} More: https://ml.azure.com/runs/first"
    )
    told = azure("download", "first", code=1).stderr
    assert told == (
        "error: The job first is Failed and left no run folder. Read its log with: earmark azure stream first\n"
    )


def test_ctrl_c_leaves_the_job_running(azure, standin, surroundings, place, tone_set):
    (place / "recipe.toml").write_text(
        (place / "recipe.toml")
        .read_text()
        .replace("epochs = 12", "epochs = 100000")
        .replace("patience = ", "patience = 0 #")
    )
    azure("init")
    azure("data", tone_set)
    process = subprocess.Popen(
        [sys.executable, "-m", "earmark", "azure", "submit", "recipe.toml", "--name", "first"],
        cwd=place, env={**os.environ, **surroundings}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while time.monotonic() < until and not any("/details" in asked.path for asked in list(standin.asked)):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == (
        "The job first goes on. Follow it again: earmark azure stream first   Stop it: earmark azure cancel first"
    )
    assert "Studio    https://ml.azure.com/runs/first" in out
    assert standin.jobs["first"].status == "Running"
    assert azure("download", "first", code=1).stderr == (
        "error: The job first has not ended: it is Running. Follow it with: earmark azure stream first\n"
    )
    assert azure("cancel", "first").stdout == "The job first was asked to end; it is CancelRequested now.\n"
    assert azure("stream", "first", code=1).stderr.endswith("error: The job first was cancelled.\n")
