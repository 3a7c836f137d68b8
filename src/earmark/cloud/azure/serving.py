"""What an online and a batch endpoint have in common: the model, the code and the environment that they are made of."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

from earmark.errors import CloudError, SettingError
from earmark.predict import Predictor

Say = Callable[[str, str], None]  # with a stage of the work, and what to say of it

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
# What Azure ML's own part needs, beside Earmark's core.
ONLINE = ("azureml-inference-server-http>=1.5,<2",)
BATCH = ("azureml-core", "azureml-dataset-runtime[fuse]")
_PYTHON = "3.11"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")
_PIECE = 2**20


@dataclass(frozen=True, slots=True)
class Registered:
    """A model as the workspace knows it.

    Parameters
    ----------
    name, version
        The version is the beginning of the file's SHA-256: the same file is the same version.
    sha256
        All of it.
    """

    name: str
    version: str
    sha256: str

    @property
    def reference(self) -> str:
        """How a deployment names it."""
        return f"azureml:{self.name}:{self.version}"


def check_name(name: str) -> None:
    """Refuse what Azure does not take as the name of an endpoint.

    Raises
    ------
    SettingError
        For such a name.

    Examples
    --------
    >>> check_name("city-sounds")
    >>> check_name("8k")
    Traceback (most recent call last):
    earmark.errors.SettingError: '8k' cannot be an endpoint's name. It takes 3 to 32 letters, digits and hyphens, from \
a letter to a letter or digit.
    """
    if not _NAME.fullmatch(name):
        raise SettingError(
            f"'{name}' cannot be an endpoint's name. It takes 3 to 32 letters, digits and hyphens, from a letter to a"
            " letter or digit."
        )


def register(ml: Any, model: Path, say: Say) -> Registered:
    """Put a model into the workspace, unless it is there already.

    Parameters
    ----------
    ml
        The SDK's client.
    model
        A bundle; its self-test is run before anything is sent.

    Raises
    ------
    BundleError
        When it cannot be trusted.
    """
    from azure.ai.ml.entities import Model
    from azure.core.exceptions import ResourceNotFoundError

    bundle = Predictor.open(model).bundle
    digest = hashlib.sha256()
    with model.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    whole = digest.hexdigest()
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", model.stem).strip("-_")[:200] or "model"
    made = Registered(stem, whole[:12], whole)
    try:
        ml.models.get(made.name, version=made.version)
    except ResourceNotFoundError:
        tags = {"earmark": version("earmark"), "sha256": whole, "labels": ", ".join(bundle.labels)[:500]}
        with quietly():
            ml.models.create_or_update(
                Model(path=str(model), name=made.name, version=made.version, type="custom_model", tags=tags)
            )
        say("Model", f"{model.name} is now {made.name}, version {made.version}")
    else:
        say("Model", f"{made.name}, version {made.version}, is there already")
    return made


def environment(name: str, packages: tuple[str, ...]) -> Any:
    """Return the environment of an endpoint: Earmark's core and what Azure ML's own part needs.

    Its version stands for what is in it, so that Azure builds it once.
    """
    from azure.ai.ml.entities import Environment

    conda = {
        "name": name,
        "channels": ["conda-forge"],
        "dependencies": [
            f"python={_PYTHON}",
            "pip",
            "libsndfile",
            {"pip": [f"earmark=={version('earmark')}", *packages]},
        ],
    }
    stands_for = hashlib.sha256(json.dumps([IMAGE, conda]).encode()).hexdigest()[:12]
    return Environment(name=name, version=stands_for, image=IMAGE, conda_file=conda)


@contextmanager
def code(script: str) -> Iterator[Any]:
    """Give a folder with one of this room's scripts in it and nothing else, as the code of a deployment."""
    from azure.ai.ml.entities import CodeConfiguration

    with tempfile.TemporaryDirectory(prefix="earmark-azure-") as folder:
        shutil.copyfile(Path(__file__).parent / script, Path(folder) / script)
        yield CodeConfiguration(code=folder, scoring_script=script)


@contextmanager
def quietly() -> Iterator[None]:
    """Keep standard output for results: the SDK prints dots and bars there."""
    with redirect_stdout(StringIO()):
        yield


def wait(poller: Any, what: str, say: Say) -> Any:
    """Wait for Azure to be done with something, and say now and then that it is not yet.

    Raises
    ------
    CloudError
        When it failed there.
    """
    from azure.core.exceptions import AzureError

    seconds, told = 0, 0
    try:
        while not poller.done():
            poller.wait(1.0)
            seconds += 1
            if seconds - told >= _NEWS:
                told = seconds
                say("", f"{what}: {seconds // 60} min so far")
        return poller.result()
    except AzureError as error:
        raise CloudError(f"{what} failed: {reason(error)}") from error


_NEWS = 60  # seconds from one word to the next


def reason(error: Exception) -> str:
    """Return what Azure says, without the codes around it."""
    said = getattr(getattr(error, "error", None), "message", None) or str(error)
    lines = [line.strip() for line in str(said).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return re.sub(r"^\([A-Za-z]+\)\s*", "", text).rstrip(".") + "."
