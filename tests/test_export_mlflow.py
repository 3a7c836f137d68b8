"""The folder for MLflow in MLflow's own hands: loaded, and served over HTTP."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from earmark.export import EXPORTERS, Source
from earmark.predict import Predictor

pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'earmark[mlflow]'")
pytestmark = pytest.mark.slow

_LONGEST_START = 120.0  # seconds: what it imports is large


@pytest.fixture(scope="module")
def folder(tone_model, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("mlflow") / "served"
    EXPORTERS["mlflow"].write(Source.read(tone_model), place)
    return place


@pytest.fixture(scope="module")
def server(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # What it starts is found beside this Python.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [
        "mlflow", "models", "serve", "-m", folder, "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)
    ]  # fmt: skip
    log = folder.parent / "log.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(word) for word in command], env=environment, stdout=out, stderr=out, start_new_session=True
        )
        try:
            _wait(f"http://127.0.0.1:{port}/ping", process, log)
            yield f"http://127.0.0.1:{port}/invocations"
        finally:
            os.killpg(process.pid, 15)
            process.wait(30)


def _wait(url: str, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + _LONGEST_START
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(log.read_text())


def ask(server: str, rows: list[dict[str, str]]) -> list[dict]:
    body = json.dumps({"dataframe_records": rows}).encode()
    request = urllib.request.Request(server, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["predictions"]


def test_a_served_model_says_what_predict_says(server, tone_model, tone_set):
    paths = [
        str(tone_set / f"{name}{group}_0.wav") for name in ("hum_hum", "hiss_hiss") for group in range(3)
    ]
    predictor = Predictor.open(tone_model)
    wanted = [predictor.predict(path).to_dict() for path in paths]
    by_path = ask(server, [{"path": path} for path in paths])
    encoded = [base64.b64encode(Path(path).read_bytes()).decode() for path in paths]
    by_bytes = ask(server, [{"audio": data} for data in encoded])
    for said, sent, own in zip(by_path, by_bytes, wanted, strict=True):
        assert said["scores"] == pytest.approx(own["scores"], abs=1e-6)
        assert sent["scores"] == pytest.approx(own["scores"], abs=1e-6)
        assert (said["label"], said["labels"], said["path"]) == (own["label"], own["labels"], own["path"])
    (missing,) = ask(server, [{"path": "nowhere.wav"}])
    assert missing == {"path": "nowhere.wav", "error": "there is no file 'nowhere.wav'"}


def test_mlflow_loads_it_without_pickle(folder, tone_model, tone_set):
    # In a process of its own: MLflow warns of much that is not ours.
    path = tone_set / "hum_hum0_0.wav"
    program = (
        "import sys, json, pandas, mlflow.pyfunc, pickle\n"
        "pickle.load = pickle.loads = None\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "print(json.dumps(model.predict(pandas.DataFrame({'path': [sys.argv[2]]}))))\n"
    )
    command = [sys.executable, "-c", program, str(folder), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    (said,) = json.loads(done.stdout.splitlines()[-1])
    assert said["label"] == Predictor.open(tone_model).predict(str(path)).label
