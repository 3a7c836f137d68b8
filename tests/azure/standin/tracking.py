"""MLflow's interface of a workspace, and the artifacts of a run, as the real plugin azureml-mlflow asks for them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from azurite import KEY
from certificates import ACCOUNT

from standin.server import SCOPE, Answer, Asked, StandIn
from tracking_server import Tracked

ARTIFACTS = f"azureml://localhost/mlflow/v1.0{SCOPE}/experiments/sounds/runs/{{run}}/artifacts"


def told(standin: StandIn) -> Tracked:
    """Return what was told so far."""
    if standin.tracked is None:
        standin.tracked = Tracked(ARTIFACTS.replace("localhost", f"localhost:{standin.port}"))
    return standin.tracked  # type: ignore[no-any-return]


def mlflow(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Answer a call of MLflow's."""
    given = asked.body if isinstance(asked.body, dict) else {k: v[0] for k, v in asked.query.items()}
    status, body = told(standin).answer(found["call"], given)
    return Answer(body, status)


def room(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Give addresses in the storage to which files of a run are uploaded."""
    from azure.storage.blob import BlobSasPermissions, generate_blob_sas

    places = {}
    for each in asked.body["paths"]:
        name = f"ExperimentRun/dcid.{found['run']}/{each['path']}"
        sas = generate_blob_sas(
            ACCOUNT, standin.container, name, account_key=KEY,
            permission=BlobSasPermissions(write=True, create=True, read=True),
            start=datetime.now(UTC) - timedelta(minutes=5), expiry=datetime.now(UTC) + timedelta(hours=1),
        )  # fmt: skip
        places[each["path"]] = {
            "contentUri": f"https://{ACCOUNT}.blob.{standin.azurite.suffix}/{standin.container}/{name}?{sas}",
            "origin": "ExperimentRun", "container": f"dcid.{found['run']}", "path": each["path"],
        }  # fmt: skip
    return Answer({"artifacts": {}, "artifactContentInformation": places, "errors": {}})


ROUTES = [
    ("*", f"/mlflow/v[12].0{SCOPE}/api/2.0/mlflow/(?P<call>.+)", mlflow),
    ("POST", f"/history/v1.0{SCOPE}/experiments/[^/]+/runs/(?P<run>[^/]+)/artifacts/batch/metadata/?", room),
]
