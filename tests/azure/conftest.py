"""Fixtures of what is Azure's. A test that uses one is skipped, and says why, where Node.js or a package is absent."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from surroundings import ROOT, installed

if TYPE_CHECKING:
    from azurite import Azurite
    from between import Between
    from certificates import Certificates
    from standin import StandIn


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority of the tests' own, and a certificate by it for this machine's names."""
    if not installed("cryptography"):
        pytest.skip("the package 'cryptography' is not installed. Type: make test-azure")
    from certificates import make_certificates

    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def azurite(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Azure's Blob storage, as Azurite is: one a test process."""
    import azurite as module

    if why := module.missing():
        pytest.skip(why)
    if not installed("adlfs"):
        pytest.skip("the package 'adlfs' is not installed. Type: make test-azure")
    with module.running(certificates, tmp_path_factory.mktemp("azurite")) as found:
        yield found


@pytest.fixture(scope="session")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH: in a process that has it there, every name below localhost leads to this machine."""
    from names import write_names

    return write_names(tmp_path_factory.mktemp("names"))


@pytest.fixture
def storage(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Azurite]:
    """The same, for code of this process: the environment leads there for as long as a test lasts."""
    import aiohttp.connector
    from adlfs import AzureBlobFileSystem

    for name, value in azurite.environment.items():
        monkeypatch.setenv(name, value)
    # aiohttp has looked at the environment when it was imported, and never again.
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", azurite.certificates.trusting())
    AzureBlobFileSystem.clear_instance_cache()  # of a test before, which may have had another key
    yield azurite
    AzureBlobFileSystem.clear_instance_cache()


@pytest.fixture
def container(storage: Azurite) -> str:
    """The name of a new container in it."""
    from azure.storage.blob import BlobServiceClient

    name = f"sounds-{uuid.uuid4().hex[:12]}"
    with BlobServiceClient.from_connection_string(storage.connection_string) as service:
        service.create_container(name)
    return name


@pytest.fixture
def between(storage: Azurite) -> Iterator[Between]:
    """What stands between a client and Azurite, and does what it is told to."""
    from between import standing_between

    with standing_between(storage) as found:
        yield found


@pytest.fixture
def read_only(azurite: Azurite) -> Callable[[str], dict[str, str]]:
    """Make the environment of somebody with a token that may only read, for a container."""
    from azurite import KEY
    from certificates import ACCOUNT

    def make(container: str) -> dict[str, str]:
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        token = generate_container_sas(
            ACCOUNT, container, account_key=KEY, permission=ContainerSasPermissions(read=True, list=True),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )  # fmt: skip
        return {
            **azurite.certificates.environment,
            "AZURE_STORAGE_CONNECTION_STRING": f"BlobEndpoint={azurite.endpoint};SharedAccessSignature={token}",
        }

    return make


@pytest.fixture
def standin(azurite: Azurite, names: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """Azure's Resource Manager with one workspace, as the tests have it, and jobs that really run."""
    if not installed("azure.ai.ml"):
        pytest.skip("the package 'azure-ai-ml' is not installed. Type: make test-azure")
    from standin.server import running

    path = os.pathsep.join((str(names), str(ROOT / "src")))
    with running(azurite, tmp_path_factory.mktemp("jobs"), {"PYTHONPATH": path}) as found:
        yield found
