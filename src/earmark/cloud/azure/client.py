"""`connect`: the SDK's client for a workspace, which fails soon, keeps quiet and tells nobody else."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any

from earmark.cloud.azure.faults import spoken
from earmark.cloud.azure.place import Place
from earmark.errors import CloudError, MissingExtraError, UnknownNameError

_PATIENCE = 5  # seconds for a connection; without a network it is not had in a hundred either


def sdk() -> Any:
    """Return the module ``azure.ai.ml``. Raises `MissingExtraError` where it is not installed."""
    try:
        import azure.ai.ml
        import azure.identity
    except ImportError:
        raise MissingExtraError("earmark azure", "azure", "azure-ai-ml") from None
    # Notes to its own makers, such as that a class is an experiment.
    logging.getLogger("azure").setLevel(logging.CRITICAL)
    return azure.ai.ml


def connect(place: Place) -> Any:
    """Return a client for a workspace that is there.

    Raises
    ------
    CloudError, SignInError
        Where there is no network, nobody is signed in, or the workspace is not there.
    """
    ml = sdk()
    from azure.core.exceptions import ResourceNotFoundError
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
    return client


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


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what the SDK writes on stderr while it works to itself: colours and empty lines."""
    with redirect_stderr(io.StringIO()):
        yield


def link(url: str | None) -> str:
    """Return a job's page in the studio, without the tenant's id."""
    return re.sub(r"&tid=[^&]*", "", url or "")
