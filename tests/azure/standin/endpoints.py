"""Endpoints: a deployment is the real scoring server, run with what was uploaded; a batch job runs its script."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import scoring_server

from standin.jobs import Job
from standin.resources import stored
from standin.server import SCOPE, Answer, Asked, StandIn, refusal

KEY = "the key of every endpoint here"
_ONLINE = f"{SCOPE}/onlineEndpoints/(?P<name>[^/]+)"
_BATCH = f"{SCOPE}/batchEndpoints/(?P<name>[^/]+)"


class Deployment:
    """One that comes up, stands, or failed."""

    def __init__(self, standin: StandIn, endpoint: str, name: str, properties: dict[str, Any]) -> None:
        self.standin, self.properties, self.state = standin, properties, "InProgress"
        self.home = standin.folder / "deployments" / endpoint / f"{name}-{threading.get_ident()}-{id(self)}"
        self.server: scoring_server.Server | None = None
        self.thread = threading.Thread(target=self._start, daemon=True)
        self.thread.start()

    @property
    def log(self) -> str:
        return self.server.words() if self.server else ""

    def end(self) -> None:
        self.thread.join(90)
        if self.server is not None:
            scoring_server.stop(self.server)

    def _start(self) -> None:
        try:
            code = fetched(
                self.standin, self.properties["codeConfiguration"]["codeId"], "codeUri", self.home / "code"
            )
            model = fetched(
                self.standin, self.properties["model"], "modelUri", self.home / "model" / "NAME" / "1"
            )
            script = code / self.properties["codeConfiguration"]["scoringScript"]
            self.server = scoring_server.start(
                script, model.parent.parent, self.home / "log", self.properties["environmentVariables"]
            )
            self.state = "Succeeded" if scoring_server.wait(self.server) else "Failed"
        except Exception:
            self.state = "Failed"
            raise


def fetched(standin: StandIn, identity: str, where: str, to: Path) -> Path:
    """Bring what an asset holds."""
    path = identity.removeprefix("azureml:").lower()
    to.mkdir(parents=True)
    Job(standin, "none", {})._fetch(standin.resources[path]["properties"][where], to)
    return to


def put_endpoint(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Make an endpoint, or change what it has: its traffic."""
    made = stored(standin, asked.path, asked.body)
    kind = "score" if "onlineendpoints" in asked.path.lower() else "batch"
    made["properties"] |= {
        "provisioningState": "Succeeded", "scoringUri": f"{standin.url}/{kind}/{found['name']}", "swaggerUri": "",
    }  # fmt: skip
    made["properties"].setdefault("properties", {})
    return Answer(made, 200)


def delete_endpoint(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Remove an endpoint and what stands behind it."""
    start = asked.path.lower()
    for path in [path for path in standin.resources if path == start or path.startswith(start + "/")]:
        del standin.resources[path]
    for path in [path for path in standin.deployments if path.startswith(start + "/")]:
        standin.deployments.pop(path).end()
    return Answer(None, 200)


def put_deployment(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Begin to make a deployment."""
    made = stored(standin, asked.path, asked.body)
    properties = made["properties"]
    properties |= {"provisioningState": "Creating", "scaleSettings": {"scaleType": "Default"}}
    before = standin.deployments.pop(asked.path.lower(), None)
    if before is not None:
        before.end()
    standin.deployments[asked.path.lower()] = Deployment(standin, found["name"], found["color"], properties)
    return Answer(
        made, 201, {"Azure-AsyncOperation": f"{standin.url}/operations{asked.path}", "Retry-After": "1"}
    )


def operation(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Say how far a deployment is."""
    path = found["path"].lower()
    state = standin.deployments[path].state
    if state == "InProgress":
        return Answer({"status": state}, headers={"Retry-After": "1"})
    standin.resources[path]["properties"]["provisioningState"] = state
    error = {"code": "BadArgument", "message": "User container has crashed or terminated.\nSee its log."}
    return Answer({"status": state, **({"error": error} if state == "Failed" else {})})


def logs(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Give the last lines of a deployment's log."""
    path = asked.path.rsplit("/", 1)[0].lower()
    lines = standin.deployments[path].log.splitlines()[-asked.body["tail"] :]
    return Answer({"content": "\n".join(lines)})


def keys(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Give the keys of an endpoint."""
    return Answer({"primaryKey": KEY, "secondaryKey": KEY})


def score(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Hand a request to the deployment that is asked for, or has the most traffic."""
    if asked.headers.get("authorization") != f"Bearer {KEY}":
        return Answer({"message": "Key is not valid"}, 401)
    path = f"{SCOPE}/onlineEndpoints/{found['name']}"
    shares = standin.resources[path.lower()]["properties"].get("traffic") or {}
    color = asked.headers.get("azureml-model-deployment") or max(
        shares, key=lambda name: shares[name], default=""
    )
    standing = standin.deployments.get(f"{path}/deployments/{color}".lower())
    if standing is None or standing.server is None:
        return Answer({"message": "No valid deployments to route to."}, 404)
    body = asked.body if isinstance(asked.body, bytes) else json.dumps(asked.body).encode()
    request = urllib.request.Request(
        standing.server.url, body, {"Content-Type": asked.headers.get("content-type", "")}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(answer.read(), answer.status, {"Content-Type": answer.headers["Content-Type"]})
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.read(), error.code, {"Content-Type": error.headers["Content-Type"]})


_BATCH_JOB = (
    "import importlib.util, json, sys; spec = importlib.util.spec_from_file_location('entry', sys.argv[1]);"
    " entry = importlib.util.module_from_spec(spec); spec.loader.exec_module(entry); entry.init();"
    " files, size = json.loads(sys.argv[3]), int(sys.argv[2]);"
    " [entry.run(files[i : i + size]) for i in range(0, len(files), size)]"
)


def start_batch(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Run a batch job at once, and put its lines where the jobs' outputs are."""
    path = f"{SCOPE}/batchEndpoints/{found['name']}".lower()
    color = standin.resources[path]["properties"]["defaults"]["deploymentName"]
    properties = standin.resources[f"{path}/deployments/{color}"]["properties"]
    name = f"batchjob-{len(standin.asked)}"
    home = standin.folder / name
    code = fetched(standin, properties["codeConfiguration"]["codeId"], "codeUri", home / "code")
    model = properties["model"]
    model = fetched(
        standin, model["assetId"] if isinstance(model, dict) else model, "modelUri", home / "model"
    )
    given = next(iter(asked.body["properties"]["inputData"].values()))
    job = Job(standin, name, {})
    job._fetch(job._uri(given["uri"]), home / "sounds")
    files = sorted(str(file) for file in (home / "sounds").rglob("*") if file.is_file())
    places = {"AZUREML_MODEL_DIR": str(model), "AZUREML_BI_OUTPUT_PATH": str(home / "out")}
    script = code / properties["codeConfiguration"]["scoringScript"]
    done = subprocess.run(
        [sys.executable, "-c", _BATCH_JOB, str(script), str(properties["miniBatchSize"]), json.dumps(files)],
        env={**os.environ, **standin.job_environment, **places}, timeout=120, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        return refusal(500, "BatchJob", done.stderr)
    job._upload_folder(home / "out", f"azureml/{name}/score")
    return Answer(
        {"id": f"{SCOPE}/jobs/{name}", "name": name, "type": "x", "properties": {"status": "Completed"}}, 201
    )


def put_batch_deployment(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Make a batch deployment, which needs no machine until it is given files."""
    made = stored(standin, asked.path, asked.body)
    made["properties"]["provisioningState"] = "Succeeded"
    return Answer(made, 200)


ROUTES = [
    ("PUT", _ONLINE, put_endpoint),
    ("DELETE", _ONLINE, delete_endpoint),
    ("PUT", f"{_ONLINE}/deployments/(?P<color>[^/]+)", put_deployment),
    ("POST", f"{_ONLINE}/deployments/[^/]+/getLogs", logs),
    ("POST", f"{_ONLINE}/listKeys", keys),
    ("GET", "/operations(?P<path>/.+)", operation),
    ("POST", "/score/(?P<name>[^/]+)", score),
    ("PUT", _BATCH, put_endpoint),
    ("PUT", f"{_BATCH}/deployments/[^/]+", put_batch_deployment),
    ("POST", "/batch/(?P<name>[^/]+)", start_batch),
]


def end(standin: StandIn) -> None:
    """End every server."""
    for deployment in standin.deployments.values():
        deployment.end()
