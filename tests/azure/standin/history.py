"""The run history: how a job stands, where its log is, what it put out."""

from __future__ import annotations

import re

from standin.server import SCOPE, Answer, Asked, StandIn, refusal

_RUN = "/history/v1.0" + SCOPE


def details(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Say how a job stands, and where its log is."""
    job = standin.jobs.get(found["name"])
    if job is None:
        return refusal(404, "NotFound", f"Run {found['name']} was not found.")
    logs = {name: f"{standin.url}/logs/{job.name}/{name}" for name in job.logs}
    error = {"error": {"code": "UserError", "message": job.message}} if job.status == "Failed" else None
    return Answer({
        "runId": job.name, "status": job.status, "logFiles": logs, "warnings": [], "properties": {}, "error": error,
    })  # fmt: skip


def data(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Say what a job put out: nothing that the service knows as an asset, so that the SDK looks in the storage."""
    return Answer({"runMetadata": {"runId": asked.body["runId"], "outputs": {}}})


def children(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """List what belongs to a job."""
    return Answer({"value": [
        {"runId": job.name, "status": job.status, "runType": "azureml.StepRun", "parentRunId": found["name"]}
        for job in standin.jobs.values() if job.parent == found["name"]
    ]})  # fmt: skip


def log(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Give a log as far as it is written."""
    return Answer(standin.jobs[found["name"]].log(found["log"]), headers={"Content-Type": "text/plain"})


ROUTES = [
    ("GET", f"{_RUN}/runs/(?P<name>[^/]+)/details", details),
    ("GET", f"{_RUN}/runs/(?P<name>[^/]+)/children", children),
    ("POST", f"{_RUN}/rundata", data),
    ("GET", "/logs/(?P<name>[^/]+)/(?P<log>.+)", log),
]
