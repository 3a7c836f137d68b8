"""A run inside a job, told by the real azureml-mlflow plugin over TLS; and to a database of MLflow's own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from surroundings import ROOT, installed

if TYPE_CHECKING:
    from standin import StandIn

pytestmark = pytest.mark.skipif(not installed("mlflow"), reason="no mlflow-skinny; type: make test-azure")
TRAIN = (
    "--pattern", "{label}_{group}_{take}.wav", "--set", "train.epochs=4", "--set", "decide.folds=0", "--json",
)  # fmt: skip


@pytest.mark.skipif(not installed("azureml.mlflow"), reason="no azureml-mlflow; type: make test-azure")
def test_inside_a_job_the_plugin_tells_its_run(
    standin: StandIn, names: Path, tone_set: Path, tmp_path: Path, earmark: Callable[..., Any]
) -> None:
    from azure.storage.blob import BlobServiceClient
    from standin.entrance import trusted, web_token
    from standin.server import SCOPE

    job = "calm_bird_7"
    environment = {
        **standin.environment,
        "PYTHONPATH": os.pathsep.join((str(names), str(ROOT / "src"))),
        "MLFLOW_TRACKING_URI": f"azureml://localhost:{standin.port}/mlflow/v1.0{SCOPE}",
        "MLFLOW_TRACKING_TOKEN": web_token("azureml"), "MLFLOW_RUN_ID": job, "AZUREML_RUN_ID": job,
        "MLFLOW_EXPERIMENT_NAME": "sounds", "MLFLOW_EXPERIMENT_ID": "0f3c",
    }  # fmt: skip
    done = earmark("train", tone_set, *TRAIN, "--runs", tmp_path / "runs", env_more=environment, cwd=tmp_path)
    assert f", run {job}\n" in done.stderr, done.stderr
    result = json.loads(done.stdout)
    tracked = standin.tracked
    assert list(tracked.runs) == [job]
    assert not {call for call in tracked.calls if "experiments" in call or call == "runs/create"}
    assert tracked.runs[job]["status"] == "RUNNING"
    assert [step for step, _ in tracked.metrics(job, "loss")] == [1, 2, 3, 4]
    assert tracked.metrics(job, "test_accuracy") == [(0, pytest.approx(result["test"]["accuracy"]))]
    assert tracked.runs[job]["params"]["train.epochs"] == "4"
    with BlobServiceClient.from_connection_string(
        standin.azurite.connection_string, **trusted(standin)
    ) as service:
        client = service.get_container_client(standin.container)
        kept = {
            blob.name.rsplit("/", 1)[1]: blob.name
            for blob in client.list_blobs(name_starts_with="ExperimentRun/")
        }
        assert {"model.earmark", "model.onnx", "metrics.jsonl", "report.json", "recipe.toml"} <= set(kept)
        model = client.download_blob(kept["model.earmark"]).readall()
    assert model == (Path(result["run"]) / "model.earmark").read_bytes()


@pytest.mark.skipif(not installed("sqlalchemy"), reason="no sqlalchemy; type: make test-azure")
def test_into_a_database_of_mlflows_own(tone_set: Path, tmp_path: Path, earmark: Callable[..., Any]) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    done = earmark(
        "train",
        tone_set,
        *TRAIN,
        "--runs",
        tmp_path / "runs",
        cwd=tmp_path,
        env_more={"MLFLOW_TRACKING_URI": uri},
    )
    assert f"\nTracked   {uri}, run " in done.stderr
    import sqlite3

    base = sqlite3.connect(tmp_path / "mlflow.db")
    try:
        told = dict(base.execute("select key, value from latest_metrics").fetchall())
        statuses = base.execute("select status from runs").fetchall()
        losses = base.execute("select step from metrics where key = 'loss' order by step").fetchall()
    finally:
        base.close()
    assert statuses == [("FINISHED",)]
    assert told["test_accuracy"] == pytest.approx(json.loads(done.stdout)["test"]["accuracy"])
    assert losses == [(1,), (2,), (3,), (4,)]
