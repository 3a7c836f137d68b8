"""How a client comes in: the cloud's addresses, tokens, the workspace, its datastores and its computes."""

from __future__ import annotations

import base64
import json
import re
import time
from typing import Any

from certificates import ACCOUNT

from standin.server import SCOPE, SUBSCRIPTION, TENANT, WORKSPACE, Answer, Asked, StandIn, refusal

LIFE = 3_600  # seconds that a token holds


def clouds(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Say where the parts of this cloud are."""
    return Answer([{
        "name": "EarmarkTests",
        "portal": f"https://portal.core.localhost:{standin.port}",
        "resourceManager": f"{standin.url}/",
        "authentication": {
            "loginEndpoint": standin.url, "audiences": [standin.url], "tenant": "common", "identityProvider": "AAD",
        },
        "suffixes": {"storage": standin.azurite.suffix, "keyVaultDns": "vault.localhost"},
    }])  # fmt: skip


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def web_token(resource: str) -> str:
    """Return a token as Azure's look, for a service, that holds for an hour."""
    until = int(time.time()) + LIFE
    claims = {"aud": resource, "tid": TENANT, "exp": until, "oid": "0", "upn": "tests@localhost"}
    return ".".join((_part({"alg": "none", "typ": "JWT"}), _part(claims), "c2ln"))


def token(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Give a token for whatever is asked, as a managed identity's endpoint does."""
    if standin.token_fault is not None:
        return standin.token_fault
    resource, until = asked.query["resource"][0], int(time.time()) + LIFE
    told = {"access_token": web_token(resource), "expires_on": str(until), "resource": resource}
    return Answer({**told, "token_type": "Bearer"})


def discovery(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Say where the parts of the workspace are."""
    return Answer(dict.fromkeys(("api", "history", "experimentation", "catalog"), standin.url))


def secrets(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Give the storage's key."""
    return Answer({"secretsType": "AccountKey", "key": standin.storage_key})


def default_datastore(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """List datastores; the SDK asks for the default one."""
    every = [r for path, r in standin.resources.items() if path.startswith(f"{SCOPE}/datastores/".lower())]
    if asked.query.get("isDefault") == ["true"]:
        every = [r for r in every if r["properties"]["isDefault"]]
    return Answer({"value": every})


def trusted(standin: StandIn) -> dict[str, str]:
    """Return what lets the storage's client in this process trust Azurite."""
    return {"connection_verify": str(standin.azurite.certificates.ca)}


def furnish(standin: StandIn) -> None:
    """Put in what every workspace has, and two computes."""
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(
        standin.azurite.connection_string, **trusted(standin)
    ) as service:
        service.create_container(standin.container)
    standin.resources[SCOPE.lower()] = {
        "id": SCOPE, "name": WORKSPACE, "location": "westeurope",
        "type": "Microsoft.MachineLearningServices/workspaces", "kind": "Default", "tags": {},
        "properties": {
            "discoveryUrl": f"{standin.url}/discovery",
            "mlFlowTrackingUri": f"azureml://localhost:{standin.port}/mlflow/v1.0{SCOPE}",
            "storageAccount": f"/subscriptions/{SUBSCRIPTION}/x/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}",
            "workspaceId": "00000000-0000-0000-0000-000000000001",
        },
    }  # fmt: skip
    for name in ("workspaceblobstore", "workspaceartifactstore"):
        path = f"{SCOPE}/datastores/{name}"
        standin.resources[path.lower()] = {
            "id": path, "name": name, "type": "Microsoft.MachineLearningServices/workspaces/datastores",
            "properties": {
                "datastoreType": "AzureBlob", "accountName": ACCOUNT, "containerName": standin.container,
                "endpoint": standin.azurite.suffix, "protocol": "https", "isDefault": name == "workspaceblobstore",
                "credentials": {"credentialsType": "AccountKey"}, "tags": {}, "properties": {},
            },
        }  # fmt: skip
    for name, priority in (("cpu-cluster", "Dedicated"), ("cpu-spot", "LowPriority")):
        path = f"{SCOPE}/computes/{name}"
        standin.resources[path.lower()] = {
            "id": path, "name": name, "type": "Microsoft.MachineLearningServices/workspaces/computes",
            "location": "westeurope",
            "properties": {
                "computeType": "AmlCompute", "provisioningState": "Succeeded",
                "properties": {
                    "vmSize": "Standard_DS3_v2", "vmPriority": priority, "osType": "Linux",
                    "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 4, "nodeIdleTimeBeforeScaleDown": "PT2M"},
                },
            },
        }  # fmt: skip


def no_group(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Say that a workspace is not there, as Azure does."""
    return refusal(
        404, "ResourceNotFound",
        f"The Resource 'Microsoft.MachineLearningServices/workspaces/{found['name']}' under resource group"
        f" '{found['group']}' was not found.",
    )  # fmt: skip


_OTHER = (
    rf"/subscriptions/{SUBSCRIPTION}/resourceGroups/(?P<group>[^/]+)/providers/"
    rf"Microsoft.MachineLearningServices/workspaces/(?P<name>(?!{WORKSPACE}(/|$))[^/]+)(/.*)?"
)
ROUTES = [
    ("GET", "/metadata/endpoints", clouds),
    ("GET", "/msi/token", token),
    ("GET", "/discovery", discovery),
    ("*", _OTHER, no_group),
    ("POST", f"{SCOPE}/datastores/[^/]+/listSecrets", secrets),
    ("GET", f"{SCOPE}/datastores/?", default_datastore),
]
