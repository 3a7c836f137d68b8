"""`validate`: what Azure would refuse, found without a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.cloud.azure.client import quiet, sdk
from earmark.cloud.azure.faults import said_by
from earmark.cloud.azure.files import RECIPE
from earmark.cloud.azure.place import CONFIG
from earmark.cloud.azure.rules import RULES, filled_in, kind_of, parts
from earmark.cloud.azure.upload import unfit
from earmark.errors import EarmarkError, PathError
from earmark.recipe import load_recipe
from earmark.remote import is_uri
from earmark.runs import read_object
from earmark.types import Problem

# Which of the SDK's loaders reads a file, by the end of its schema's address.
LOADERS = {
    "commandJob": "load_job", "sweepJob": "load_job", "pipelineJob": "load_job", "environment": "load_environment",
    "data": "load_data", "model": "load_model", "amlCompute": "load_compute",
    "managedOnlineEndpoint": "load_online_endpoint", "managedOnlineDeployment": "load_online_deployment",
    "batchEndpoint": "load_batch_endpoint", "modelBatchDeployment": "load_model_batch_deployment",
}  # fmt: skip
_LARGEST = 2**20  # bytes of a file


@dataclass(frozen=True, slots=True)
class Validated:
    """The files that were looked at, and what is wrong with them."""

    files: tuple[str, ...]
    problems: tuple[Problem, ...]


def validate(folder: Path) -> Validated:
    """Look over a folder as `earmark azure init` writes it.

    Raises
    ------
    PathError
        When there is no such folder, or nothing in it.
    """
    files = sorted(folder.glob("*.yml")) + sorted(folder.glob("*.yaml"))
    if not files:
        raise PathError(f"There are no files for Azure in {folder}. Write them with: earmark azure init")
    problems = []
    if (folder / CONFIG).is_file():
        files.append(folder / CONFIG)
    for path in files:
        with quiet():
            problems += [Problem("azure", str(path), detail) for detail in dict.fromkeys(_of_file(path))]
    return Validated(tuple(map(str, files)), tuple(problems))


def read_yml(path: Path) -> dict[str, Any]:
    """Return what a file says. Raises `PathError` when it is no YAML of names and values."""
    sdk()
    import yaml

    try:
        if path.stat().st_size > _LARGEST:
            raise PathError(f"{path} is too large for a file of Azure's.")
        value = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise PathError(f"{path} is not there. Write it with: earmark azure init") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise PathError(f"{path} is not YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(value, dict):
        raise PathError(f"{path} is empty, or a list; Azure's files have names and values.")
    return value


def _of_file(path: Path) -> Iterator[str]:
    if path.name == CONFIG:
        yield from filled_in(path, read_object(path))
        return
    try:
        value = read_yml(path)
    except PathError as error:
        yield str(error).removeprefix(f"{path} ")
        return
    kind = kind_of(value)
    if not kind:
        if "dependencies" not in value:  # conda's
            yield "it does not say what it is. Begin it with $schema: https://azuremlschemas.azureedge.net/latest/…"
        return
    if kind not in LOADERS:
        yield f"it is of the kind '{kind}', which is not looked at here. Known: {', '.join(sorted(LOADERS))}."
        return
    for rule in RULES:
        yield from rule(path, value)
    yield from _loaded(path, LOADERS[kind])
    for part in parts(value):
        if isinstance(part.get("code"), str):
            yield from _of_code(path, part)
    code = value.get("code_configuration")
    if isinstance(code, Mapping) and isinstance(code.get("code"), str):
        yield from unfit(path.parent / code["code"])
    if kind == "data" and isinstance(value.get("path"), str) and "://" not in value["path"]:
        source = path.parent / value["path"]
        if source.is_dir():
            yield from unfit(source, code=False)


def _of_code(path: Path, part: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the folder of a job, and with the recipe in it."""
    folder = path.parent / part["code"]
    yield from unfit(folder)
    recipe = folder / RECIPE
    if RECIPE not in str(part.get("command", "")):
        return
    if not recipe.is_file():
        yield f"the command needs {RECIPE}, which is not in {folder}. Type: earmark azure init"
        return
    try:
        made = load_recipe(str(recipe))
        made.rungs()
    except EarmarkError as error:
        yield f"the recipe does not load: {error}"
        return
    if (
        "data.path=" not in part["command"]
        and "${{inputs.data}}" not in part["command"]
        and not is_uri(made.data.path)
    ):
        yield (
            f"the recipe's data is {made.data.path or 'not named'}, which the job cannot see. Give the job an input"
            " 'data' and the command --set data.path=${{inputs.data}}."
        )


def _loaded(path: Path, loader: str) -> Iterator[str]:
    """Yield what the SDK's own loader says."""
    try:
        sdk()
        from azure.ai.ml.entities import _load_functions  # one of these is nowhere else

        getattr(_load_functions, loader)(path)
    except Exception as error:  # of a dozen kinds, as deep as its schemas are
        yield f"Azure's own check: {_first(error)}."


def _first(error: Exception) -> str:
    """Return what a loader says, without its banner."""
    text = said_by(error)
    for mark in ("Error: ", "Details: "):
        _, found, rest = text.partition(mark)
        if found:
            text = rest
    return text.partition(" Resolutions:")[0].removeprefix("(x) ").strip().rstrip(".")
