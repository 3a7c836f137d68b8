"""What Azure ML would refuse, or do wrong, and its own loaders let pass: a rule a function, over one file at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from earmark.cloud.azure.names import wrong_name
from earmark.cloud.azure.place import FILL_IN

Value = Mapping[str, Any]
Rule = Callable[[Path, Value], Iterator[str]]
_PLACEHOLDER = re.compile(r"\$\{\{\s*([\w.]+)\s*\}\}")
_ASSET = re.compile(r"azureml:[^:/@]+")
_KINDS = {
    "environment": "environment", "data": "data asset", "amlCompute": "compute", "managedOnlineEndpoint": "endpoint",
    "batchEndpoint": "endpoint", "managedOnlineDeployment": "deployment", "modelBatchDeployment": "deployment",
    "commandJob": "job", "sweepJob": "job", "pipelineJob": "job", "model": "model",
}  # fmt: skip


def kind_of(value: Value) -> str:
    """Return of what kind a file is, as its ``$schema`` says: ``"commandJob"``; empty where it says nothing."""
    found = re.search(r"/(\w+)\.schema\.json$", str(value.get("$schema", "")))
    return found[1] if found else ""


def parts(value: Value) -> Iterator[Value]:
    """Yield a job, its trial, and the steps of a pipeline with their components."""
    yield value
    for name in ("trial", "component"):
        if isinstance(value.get(name), Mapping):
            yield {
                **{key: value[key] for key in ("inputs", "outputs", "search_space") if key in value},
                **value[name],
            }
    steps = value.get("jobs")
    if isinstance(steps, Mapping):
        for step in steps.values():
            if isinstance(step, Mapping):
                yield from parts(step)


def placeholders(path: Path, value: Value) -> Iterator[str]:
    """A command may only use inputs and outputs that there are."""
    for part in parts(value):
        for name in _PLACEHOLDER.findall(str(part.get("command", ""))):
            table, _, rest = name.partition(".")
            if table not in ("inputs", "outputs", "search_space"):
                yield f"the command has ${{{{{name}}}}}, but only inputs, outputs and search_space can stand there."
                continue
            there = part.get(table) or {}
            if rest.split(".")[0] not in there:
                known = ", ".join(there) or "none"
                yield f"the command has ${{{{{name}}}}}, but the {table} are: {known}."


def compute(path: Path, value: Value) -> Iterator[str]:
    """A compute is named with ``azureml:`` before it."""
    settings = value.get("settings")
    named = [part.get("compute") for part in parts(value)]
    if isinstance(settings, Mapping):
        named.append(settings.get("default_compute"))
    for name in named:
        if (
            not isinstance(name, str)
            or name.startswith(("azureml:", "/", "${{"))
            or name in ("serverless", "local")
        ):
            continue
        yield f"the compute '{name}' must be written azureml:{name}."


def versions(path: Path, value: Value) -> Iterator[str]:
    """An asset is named with its version, so that a job means tomorrow what it means today."""
    for part in parts(value):
        found = [("environment", part.get("environment")), ("model", part.get("model"))]
        inputs = part.get("inputs")
        for name, given in (inputs if isinstance(inputs, Mapping) else {}).items():
            found.append((f"input '{name}'", given.get("path") if isinstance(given, Mapping) else given))
        for what, name in found:
            if isinstance(name, str) and _ASSET.fullmatch(name):
                yield f"the {what} {name} has no version. Write {name}:1, or {name}@latest."


def image(path: Path, value: Value) -> Iterator[str]:
    """An environment says what it is made from."""
    whole = [value] if kind_of(value) == "environment" else []
    whole += [part["environment"] for part in parts(value) if isinstance(part.get("environment"), Mapping)]
    for one in whole:
        if "image" not in one and "build" not in one:
            more = " beside its conda_file" if "conda_file" in one else ""
            yield f"the environment has no image{more}; Azure has nothing to build it from. Write image: or build:."
        conda = one.get("conda_file")
        if isinstance(conda, str) and not (path.parent / conda).is_file():
            yield f"the environment's conda_file {conda} is not there."


def scoring(path: Path, value: Value) -> Iterator[str]:
    """What an endpoint runs is in the folder that is uploaded for it."""
    code = value.get("code_configuration")
    if not isinstance(code, Mapping):
        return
    script = code.get("scoring_script")
    if not script:
        yield "code_configuration has no scoring_script. Write scoring_script: score.py."
    elif not (path.parent / str(code.get("code", ".")) / str(script)).is_file():
        yield f"the scoring script {script} is not in the folder {code.get('code', '.')}. Type: earmark azure init"


def names(path: Path, value: Value) -> Iterator[str]:
    """Names are such as Azure takes."""
    kind = _KINDS.get(kind_of(value), "")
    if kind and isinstance(value.get("name"), str) and (why := wrong_name(kind, value["name"])):
        yield f"{why[0].lower()}{why[1:]}"
    if isinstance(value.get("endpoint_name"), str) and (
        why := wrong_name("endpoint", value["endpoint_name"])
    ):
        yield f"{why[0].lower()}{why[1:]}"


def filled_in(path: Path, value: Value) -> Iterator[str]:
    """Nothing is left to fill in."""
    for name, given in value.items():
        if given == FILL_IN:
            yield f"{name} is still to be filled in."


RULES: tuple[Rule, ...] = (placeholders, compute, versions, image, scoring, names, filled_in)
