"""`connect`: the SDK's client for a workspace, which fails soon, keeps quiet and tells nobody else."""

from __future__ import annotations

import io
import logging
import os
import re
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any
from urllib.parse import urlsplit

from earmark.cloud.azure.faults import no_network, spoken
from earmark.cloud.azure.place import Place
from earmark.errors import CloudError, MissingExtraError, UnknownNameError

_MANAGEMENT = "https://management.azure.com"
_PATIENCE = 5  # seconds for a connection; without a network it is not had in a hundred either


def sdk() -> Any:
    """Return the module ``azure.ai.ml``. Raises `MissingExtraError` where it is not installed."""
    try:
        import azure.ai.ml
        import azure.identity
    except ImportError:
        raise MissingExtraError("earmark azure", "azure", "azure-ai-ml") from None
    return azure.ai.ml


def connect(place: Place) -> Any:
    """Return a client for a workspace that is there.

    Raises
    ------
    CloudError, SignInError
        Where there is no network, nobody is signed in, or the workspace is not there.
    """
    ml = sdk()
    from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError
    from azure.identity import DefaultAzureCredential

    quick = {"retry_total": 0, "connection_timeout": _PATIENCE}
    with spoken("asking for the workspace"), quiet():
        client = ml.MLClient(
            DefaultAzureCredential(exclude_interactive_browser_credential=True, **quick),
            place.subscription, place.group, place.workspace, show_progress=False, enable_telemetry=False, **quick,
        )  # fmt: skip
        try:
            client.workspaces.get(place.workspace)
        except ResourceNotFoundError as error:
            raise _absent(place, error) from None
        except ClientAuthenticationError:
            _reached()  # without a network nobody can sign in either
            raise
    return client


def _reached() -> None:
    """Raise `CloudError` where Azure cannot be reached; behind a proxy that is not known."""
    if urllib.request.getproxies().get("https"):
        return
    parts = urlsplit(os.environ.get("ARM_CLOUD_METADATA_URL") or _MANAGEMENT)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 443), _PATIENCE).close()
    except OSError as error:
        raise CloudError(no_network("asking for the workspace", str(error))) from None


def _absent(place: Place, error: Any) -> CloudError:
    code = getattr(getattr(error, "error", None), "code", "")
    if code == "ResourceGroupNotFound":
        return CloudError(
            f"The subscription {place.subscription} has no resource group '{place.group}'. Type: az group list -o table"
        )
    if code == "SubscriptionNotFound":
        return CloudError(
            f"There is no subscription {place.subscription}, or not for you. Type: az account list -o table"
        )
    return CloudError(
        f"There is no workspace '{place.workspace}' in the resource group '{place.group}'. Type: az ml workspace list"
        f" -g {place.group} -o table"
    )


def known_compute(client: Any, name: str) -> Any:
    """Return a compute of the workspace. Raises `UnknownNameError` with those that there are."""
    from azure.core.exceptions import ResourceNotFoundError

    with spoken("asking for the compute"), quiet():
        try:
            return client.compute.get(name)
        except ResourceNotFoundError:
            names = [compute.name for compute in client.compute.list()]
    if not names:
        raise CloudError(
            f"The workspace has no compute '{name}', and no other. Make one with: earmark azure compute"
        )
    raise UnknownNameError("compute", name, names)


def known_data(client: Any, name: str) -> None:
    """Raise `CloudError` where a data set that a job names, ``azureml:NAME:VERSION``, is not in the workspace."""
    from azure.core.exceptions import ResourceNotFoundError

    found = re.fullmatch(r"azureml:([^:/@]+)(?::([^:/@]+)|@(\w+))", name)
    if not found:  # an address, or what the SDK refuses itself
        return
    own, version, label = found.groups()
    with spoken("asking for the data"), quiet():
        try:
            client.data.get(own, version=version) if version else client.data.get(own, label=label)
        except ResourceNotFoundError:
            more = f" --version {version}" if version and version != "1" else ""
            raise CloudError(
                f"The workspace has no data set {name}. Upload it with: earmark azure data FOLDER --name {own}{more}"
            ) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what the SDK says while it works to itself: colours, empty lines, and that a class is an experiment."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def link(url: str | None) -> str:
    """Return a job's page in the studio, without the tenant's id."""
    return re.sub(r"&tid=[^&]*", "", url or "")


def status_of(job: Any) -> str:
    """Return how a job stands, such as ``"Running"``."""
    return str(getattr(job.status, "value", job.status))
