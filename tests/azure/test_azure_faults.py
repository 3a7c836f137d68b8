"""What goes wrong with Azure: one sentence each, an exit code, and soon."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from surroundings import ROOT, installed

if TYPE_CHECKING:
    from standin import StandIn

pytestmark = pytest.mark.skipif(not installed("azure.ai.ml"), reason="no azure-ai-ml; type: make test-azure")
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, earmark: Run) -> Path:
    """A folder with a recipe, and what `earmark azure init` writes."""
    from earmark.recipe import Recipe

    folder = tmp_path_factory.mktemp("place")
    (folder / "recipe.toml").write_text(Recipe().with_data("elsewhere").to_toml())
    earmark("azure", "init", cwd=folder)
    return folder


@pytest.fixture
def azure(standin: StandIn, names: Path, place: Path, earmark: Run) -> Run:
    path = os.pathsep.join((str(names), str(ROOT / "src")))

    def run(*arguments: object, code: int = 1, **more: str) -> str:
        environment = {**standin.environment, "PYTHONPATH": path, "AZURE_CONFIG_DIR": "/nowhere", **more}
        done = earmark("azure", *arguments, cwd=place, code=code, env_more=environment)
        assert done.stderr.count("error: ") == 1
        return done.stderr.partition("error: ")[2]

    return run


def test_an_expired_token(azure, standin):
    from standin.server import refusal

    expired = refusal(
        401, "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than now."
    )
    standin.faults.append(("GET .*/workspaces/sounds-ws$", expired))
    assert azure("submit", "recipe.toml") == "The sign-in to Azure has expired. Type: az login\n"


def test_nobody_is_signed_in(azure, standin):
    from standin.server import Answer

    standin.token_fault = Answer({"error": "invalid_request", "error_description": "Identity not found"}, 400)
    assert (
        azure("submit", "recipe.toml", PATH="/nowhere")
        == "Azure does not know who is asking. Type: az login\n"
    )


def test_a_missing_workspace(azure):
    assert azure("submit", "recipe.toml", "--workspace", "other") == (
        "There is no workspace 'other' in the resource group 'sounds'. Type: az ml workspace list -g sounds -o table\n"
    )


def test_a_workspace_that_cannot_be_found_out(azure):
    hidden = dict.fromkeys(("AZUREML_WORKSPACE_NAME", "AZURE_RESOURCE_GROUP"), "")
    assert azure("submit", "recipe.toml", code=2, **hidden) == (
        "Which workspace? Not known: the resource group, the workspace. Fill in azure/config.json, or type --group …"
        " --workspace ….\n"
    )


def test_an_unknown_compute(azure):
    assert azure("submit", "recipe.toml", "--compute", "cpu-clutser", code=2) == (
        "No compute is called 'cpu-clutser'. There are: cpu-cluster, cpu-spot. Did you mean 'cpu-cluster'?\n"
    )


def test_a_workspace_without_computes(azure, standin):
    for path in [path for path in standin.resources if "/computes/" in path]:
        del standin.resources[path]
    assert azure("submit", "recipe.toml") == (
        "The workspace has no compute 'cpu-cluster', and no other. Make one with: earmark azure compute\n"
    )


def test_data_that_is_not_there(azure):
    said = azure("submit", "recipe.toml", "--data", "azureml:sounds:7")
    assert said == (
        "The workspace has no data set azureml:sounds:7. Upload it with: earmark azure data FOLDER --name sounds"
        " --version 7\n"
    )


def test_no_network(azure):
    began = time.monotonic()
    said = azure(
        "submit", "recipe.toml", ARM_CLOUD_METADATA_URL="https://127.0.0.1:9/metadata/endpoints",
        IDENTITY_ENDPOINT="https://127.0.0.1:9/msi", PATH="/nowhere",
    )  # fmt: skip
    assert time.monotonic() - began < 10
    assert (
        said
        == "Azure cannot be reached while asking for the workspace: the connection is refused. Nothing was changed.\n"
    )


def test_storage_that_refuses_the_key(azure, standin, place):
    standin.storage_key = "bm90IHRoZSBrZXkgb2YgdGhpcyBzdG9yYWdl"
    (place / "clips").mkdir(exist_ok=True)
    (place / "clips/a.wav").write_bytes(os.urandom(100))
    assert azure("data", "clips") == (
        "The workspace's storage refuses the key that it was asked with (InvalidAuthenticationInfo). The key may have been"  # noqa: E501
        " changed: type az ml workspace sync-keys, or ask the workspace's owner.\n"
    )


def test_no_permission(azure, standin):
    from standin.resources import stored
    from standin.server import SCOPE, refusal

    stored(
        standin,
        f"{SCOPE}/data/sounds/versions/1",
        {"properties": {"dataType": "uri_folder", "dataUri": "azureml://x"}},
    )

    denied = refusal(
        403, "AuthorizationFailed", "The client does not have authorization to perform action 'jobs/write'."
    )
    standin.faults.append(("PUT .*/codes/", denied))
    standin.faults.append(("POST .*/codes/", denied))
    assert azure("submit", "recipe.toml") == (
        "Azure does not allow it while submitting the job (AuthorizationFailed): The client does not have authorization"
        " to perform action 'jobs/write'. Ask the workspace's owner for the role AzureML Data Scientist.\n"
    )


def test_an_unknown_job(azure):
    said = "The workspace has no job 'nope'. See those that there are with: az ml job list -o table\n"
    for what in ("stream", "download", "cancel"):
        assert azure(what, "nope") == said
