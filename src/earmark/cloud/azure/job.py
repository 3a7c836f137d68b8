"""`Order` and `make_job`: what a person asks for, and the job that it becomes, as a dictionary of Azure ML's."""

from __future__ import annotations

import shlex
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from earmark.cloud.azure import work
from earmark.cloud.azure.files import CODE, SCHEMA
from earmark.cloud.azure.names import checked
from earmark.cloud.azure.place import FOLDER
from earmark.cloud.azure.staging import CORRECTIONS, stage
from earmark.cloud.azure.validate import read_yml
from earmark.data import flags_of
from earmark.errors import SettingError
from earmark.recipe import Recipe, changed_values
from earmark.remote import is_uri

JOB, SWEEP, PIPELINE = "job", "sweep", "pipeline"
_SPOT = "compute-spot.yml"


@dataclass(frozen=True, slots=True)
class Order:
    """What is to run, and on what.

    Parameters
    ----------
    compute
        A compute's name; empty for the one in the file.
    data
        ``azureml:NAME:VERSION`` or an ``azureml://`` address; empty for the recipe's URI, or else the one in the file.
    changes
        Settings of the recipe, as ``--set`` takes them.
    vary
        Search spaces, as ``--vary`` takes them.
    sweep, pipeline, spot
        Several trainings; step by step; on the cluster of what is left over.
    nodes, processes
        Machines that train one network together, and processes on each.
    trials
        Of a sweep.
    name
        The job's; made by the SDK where empty.
    """

    compute: str = ""
    data: str = ""
    changes: tuple[str, ...] = ()
    vary: tuple[str, ...] = ()
    sweep: bool = False
    pipeline: bool = False
    spot: bool = False
    nodes: int = 1
    processes: int = 1
    trials: int = 12
    name: str = ""

    def __post_init__(self) -> None:
        if self.sweep and self.pipeline:
            raise SettingError(
                "--sweep and --pipeline do not go together: a sweep is of one training. Choose one."
            )
        if self.vary and not self.sweep:
            raise SettingError("--vary says what a sweep tries. Type --sweep as well.")
        if self.pipeline and (self.nodes > 1 or self.processes > 1):
            raise SettingError(
                "The steps of a pipeline run on one machine each: leave out --nodes and --processes."
            )
        if self.spot and self.compute:
            raise SettingError(f"--spot takes the cluster of {FOLDER}/{_SPOT}: leave out --compute.")
        for flag, value in (
            ("--nodes", self.nodes),
            ("--processes", self.processes),
            ("--trials", self.trials),
        ):
            if value < 1:
                raise SettingError(f"{flag} is {value}, but must be 1 or more.")
        if self.data and not self.data.startswith("azureml:"):
            raise SettingError(
                f"--data is '{self.data}', but must be azureml:NAME:VERSION. Upload a folder with: earmark azure data"
                " FOLDER"
            )
        if self.name:
            checked("job", self.name)

    @property
    def kind(self) -> str:
        """``job``, ``sweep`` or ``pipeline``."""
        return SWEEP if self.sweep else PIPELINE if self.pipeline else JOB


@dataclass(frozen=True, slots=True)
class Made:
    """A job, as a dictionary; the compute that it asks for; the command that does the same here."""

    job: dict[str, Any]
    compute: str
    here: str


def make_job(recipe: Recipe, order: Order, folder: Path, code: Path) -> Made:
    """Fill ``code`` for a job, and return the job, made from the folder's files.

    Parameters
    ----------
    recipe
        With the order's changes not yet made, for they are in the command.
    folder
        As `earmark azure init` wrote it.
    code
        An empty folder.
    """
    changed = _changed(recipe, order.changes)
    base = read_yml(folder / "job.yml")
    base.pop("$schema", None)
    inputs = dict(base.get("inputs") or {})
    given = order.data or (
        "" if is_uri(recipe.data.path) else str(dict(inputs.get("data") or {}).get("path", ""))
    )
    variables = stage(recipe, code, bool(given))
    _has_torch(changed, folder)
    base["code"] = str(code)
    base["command"] = work.command(order.changes, bool(given), order.nodes * order.processes)
    base["inputs"] = {name: value for name, value in inputs.items() if name != "data"}
    if given:
        base["inputs"] = {**base["inputs"], "data": {**_input(inputs), "path": given}}
    if variables:
        base["environment_variables"] = {**base.get("environment_variables", {}), **variables}
    base["environment"] = _environment(base, folder)
    compute = order.compute or (str(read_yml(folder / _SPOT)["name"]) if order.spot else "")
    if compute:
        base["compute"] = f"azureml:{checked('compute', compute)}"
    base["tags"] = {**base.get("tags", {}), "earmark.model": recipe.model.name}
    if order.nodes * order.processes > 1:
        base = work.distributed(base, order.nodes, order.processes)
    job = {
        JOB: lambda: base,
        SWEEP: lambda: _sweep(base, order, folder, changed),
        PIPELINE: lambda: _pipeline(base, order, changed),
    }[order.kind]()
    if order.name:
        job["name"] = order.name
    schema = {JOB: "commandJob", SWEEP: "sweepJob", PIPELINE: "pipelineJob"}[order.kind]
    named = str(job.get("compute") or dict(job.get("settings") or {}).get("default_compute") or "")
    words = [
        "earmark",
        "run",
        "recipe.toml",
        *(word for change in order.changes for word in ("--set", change)),
    ]
    return Made({"$schema": SCHEMA.format(schema), **job}, named.removeprefix("azureml:"), shlex.join(words))


def _changed(recipe: Recipe, changes: tuple[str, ...]) -> Recipe:
    """Return the recipe as the job will have it, so that what cannot be is found now."""
    values = changed_values(changes)
    made = recipe.with_values(values) if values else recipe
    made.rungs()
    return made


def _input(inputs: dict[str, Any]) -> dict[str, Any]:
    known = inputs.get("data")
    return dict(known) if isinstance(known, dict) else {"type": "uri_folder", "mode": "ro_mount"}


def _environment(base: dict[str, Any], folder: Path) -> Any:
    """Return the environment: that of the folder's file where the job names the same, so that it is made on the way."""
    named = base.get("environment")
    if not isinstance(named, str) or not (folder / "environment.yml").is_file():
        return named
    own = read_yml(folder / "environment.yml")
    if named != f"azureml:{own.get('name')}:{own.get('version')}":
        return named
    conda = own.get("conda_file")
    made = {"image": own.get("image"), "conda_file": conda and read_yml(folder / str(conda))}
    return {key: value for key, value in made.items() if value}


def _sweep(base: dict[str, Any], order: Order, folder: Path, recipe: Recipe) -> dict[str, Any]:
    if order.vary:
        space = work.space_of(order.vary)
    else:
        told = read_yml(folder / "sweep.yml").get("search_space") or {}
        space = {name.replace("__", "."): value for name, value in told.items()}
    if not space:
        raise SettingError(
            "The sweep tries nothing. Type --vary, such as --vary train.learning_rate=0.0001..0.01:log"
        )
    for setting, chosen in space.items():  # one of each, so that what cannot be is found now
        recipe.with_values({setting: work.example_of(chosen)}).rungs()
    return work.sweep(base, space, order.trials)


def _pipeline(base: dict[str, Any], order: Order, recipe: Recipe) -> dict[str, Any]:
    if "data" not in base["inputs"]:
        raise SettingError("A pipeline needs its data as an input. Type --data azureml:NAME:VERSION")
    log = recipe.data.corrections if recipe.data.corrections in ("", "none") else CORRECTIONS
    flags = flags_of(replace(recipe.data, corrections=log))
    return work.pipeline(deepcopy(base), order.changes, tuple(flags))


def _has_torch(recipe: Recipe, folder: Path) -> None:
    conda = folder / "conda.yml"
    needs = "cnn" in {rung.model.name for rung in recipe.rungs()}
    if needs and conda.is_file() and "torch" not in conda.read_text(encoding="utf-8"):
        raise SettingError(
            f"The recipe trains a cnn, but {conda} installs no torch. Type: earmark azure init --torch --force"
        )


__all__ = ["CODE", "JOB", "PIPELINE", "SWEEP", "Made", "Order", "make_job"]
