"""Code that is uploaded: where to, and whether it is known already."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta

from azurite import KEY
from certificates import ACCOUNT

from standin.entrance import trusted
from standin.server import SCOPE, Answer, Asked, StandIn


def pending(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Give a container of its own to upload to, with a signature for it."""
    from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

    container = f"{uuid.uuid4().hex[:12]}-code"
    with BlobServiceClient.from_connection_string(
        standin.azurite.connection_string, **trusted(standin)
    ) as service:
        service.create_container(container)
    sas = generate_container_sas(
        ACCOUNT, container, account_key=KEY, permission=ContainerSasPermissions(
            read=True, write=True, list=True, create=True, add=True,
        ),
        expiry=datetime.now(UTC) + timedelta(hours=1), start=datetime.now(UTC) - timedelta(minutes=5),
    )  # fmt: skip
    uri = f"https://{ACCOUNT}.blob.{standin.azurite.suffix}/{container}"
    return Answer({
        "pendingUploadId": uuid.uuid4().hex, "pendingUploadType": "TemporaryBlobReference",
        "blobReferenceForConsumption": {
            "blobUri": uri, "storageAccountArmId": "",
            "credential": {"credentialType": "SAS", "sasUri": f"{uri}?{sas}"},
        },
    })  # fmt: skip


def none_yet(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Say that no such code was uploaded before, whatever its hash."""
    return Answer({"value": []})


ROUTES = [
    ("POST", f"{SCOPE}/codes/[^/]+/versions/[^/]+/startPendingUpload", pending),
    ("GET", f"{SCOPE}/codes/[^/]+/versions/?", none_yet),
]
