"""What an online and a batch endpoint have in common: the model, the code and the environment that they are made of."""

from __future__ import annotations

import hashlib
import json
import logging
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

from earmark.cloud.azure.faults import spoken
from earmark.cloud.azure.packages import batch_conda, conda
from earmark.predict import Predictor

Say = Callable[[str, str], None]  # with a stage of the work, and what to say of it

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
_PIECE = 2**20
_TAG = 500  # characters of a tag's value
_NEWS = 60  # seconds from one word to the next


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
    with quietly(), spoken("asking for the model"):
        try:
            ml.models.get(made.name, version=made.version)
        except ResourceNotFoundError:
            there = False
        else:
            there = True
    if there:
        say("Model", f"{made.name}, version {made.version}, is there already")
        return made
    with quietly(), spoken("registering the model"):
        tags = {"earmark": version("earmark"), "sha256": whole, **tags_of(bundle)}
        ml.models.create_or_update(
            Model(path=str(model), name=made.name, version=made.version, type="custom_model", tags=tags)
        )
    say("Model", f"{model.name} is now {made.name}, version {made.version}")
    return made


def environment(name: str, earmark: str, batch: bool = False) -> Any:
    """Return the environment of an endpoint: Earmark's core and what Azure ML's own part needs.

    Its version stands for what is in it, so that Azure builds it once.

    Parameters
    ----------
    earmark
        By which pip installs Earmark there.
    """
    from azure.ai.ml.entities import Environment

    spec = batch_conda(name, earmark) if batch else conda(name, earmark, serving=True)
    stands_for = hashlib.sha256(json.dumps([IMAGE, spec]).encode()).hexdigest()[:12]
    return Environment(name=name, version=stands_for, image=IMAGE, conda_file=spec)


def tags_of(bundle: Any) -> dict[str, str]:
    """Return what a model is found by: its labels, its model, its score on clips that it had not heard."""
    told = bundle.provenance
    test = told.get("test", {})
    tags = {
        "labels": ", ".join(bundle.labels),
        "earmark.model": ", ".join(str(member.model.get("name", "")) for member in bundle.members),
        "earmark.data": str(told.get("data", {}).get("name", "")),
        "earmark.split": str(told.get("split", {}).get("rule", "")),
        **{
            f"earmark.test.{name}": f"{value:.4g}"
            for name, value in test.items()
            if isinstance(value, int | float)
        },
    }
    return {name: value[:_TAG] for name, value in tags.items() if value}


@contextmanager
def code(script: str) -> Iterator[Any]:
    """Give a folder with one of this room's scripts in it and nothing else, as the code of a deployment."""
    from azure.ai.ml.entities import CodeConfiguration

    with tempfile.TemporaryDirectory(prefix="earmark-azure-") as folder:
        shutil.copyfile(Path(__file__).parent / script, Path(folder) / script)
        yield CodeConfiguration(code=folder, scoring_script=script)


@contextmanager
def quietly() -> Iterator[None]:
    """Keep the dots of the SDK from standard output, and its notes to its own makers from standard error."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.disable(before)


def endpoint(endpoints: Any, name: str) -> Any:
    """Return the endpoint of a name, of the SDK's online or batch ones; ``None`` where there is none."""
    from azure.core.exceptions import ResourceNotFoundError

    with quietly(), spoken("asking for the endpoint"):
        try:
            return endpoints.get(name)
        except ResourceNotFoundError:
            return None


def make_endpoint(endpoints: Any, new: Any, say: Say) -> Any:
    """Make an endpoint, and wait until it is there."""
    with quietly(), spoken("making the endpoint"):
        poller = endpoints.begin_create_or_update(new)
        return wait(poller, f"making the endpoint {new.name}", say)


def wait(poller: Any, doing: str, say: Say) -> Any:
    """Wait for Azure to be done with something, and say now and then that it is not yet.

    Raises
    ------
    CloudError
        When it failed there.
    """
    seconds = 0
    with spoken(doing):
        while not poller.done():
            poller.wait(1.0)
            seconds += 1
            if seconds % _NEWS == 0:
                say("", f"{doing}: {seconds // 60} min so far")
        return poller.result()
