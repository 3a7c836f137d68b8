"""What runs there: the same `earmark run recipe.toml` as here, as a command, a sweep, or the steps of a pipeline."""

from __future__ import annotations

import math
import shlex
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from earmark.errors import SettingError

RUN, DATA = "${{outputs.run}}", "${{inputs.data}}"
COMMAND = (
    "earmark",
    "run",
    "recipe.toml",
    "--set",
    f"data.path={DATA}",
    "--runs",
    RUN,
    "--progress",
    "plain",
)
METRIC = "validation_accuracy"  # never a figure of the test part
_SEVERAL = "rank-$RANK"  # each process has a run folder of its own


def code_command(words: tuple[str, ...] | list[str]) -> str:
    """Return a command as a shell takes it; what Azure ML puts in stands as it is.

    >>> code_command(["earmark", "run", "a b.toml", "--runs", "${{outputs.run}}"])
    "earmark run 'a b.toml' --runs ${{outputs.run}}"
    """
    return " ".join(word if "${{" in word else shlex.quote(word) for word in words)


def command(changes: tuple[str, ...] = (), data: bool = True, nodes: int = 1) -> str:
    """Return the command of a job.

    Parameters
    ----------
    changes
        Settings of the recipe, as ``--set`` takes them.
    data
        Whether the data is an input of the job; else the recipe's own URI is read.
    nodes
        Machines that train one network together.
    """
    words = ["earmark", "run", "recipe.toml"]
    if data:
        words += ["--set", f"data.path={DATA}"]
    for change in changes:
        words += ["--set", change]
    words += ["--runs", RUN if nodes == 1 else f"{RUN}/{_SEVERAL}", "--progress", "plain"]
    return code_command(words)


def distributed(job: dict[str, Any], nodes: int, processes: int) -> dict[str, Any]:
    """Return a job on several machines, with the variables of PyTorch's distribution."""
    return {
        **job, "resources": {**job.get("resources", {}), "instance_count": nodes},
        "distribution": {"type": "pytorch", "process_count_per_instance": processes},
    }  # fmt: skip


def sweep(
    job: Mapping[str, Any], space: Mapping[str, Any], trials: int = 12, at_once: int = 4
) -> dict[str, Any]:
    """Return a sweep job: the same command, with some settings of the recipe chosen by Azure ML.

    Parameters
    ----------
    space
        For each setting, such as ``"train.learning_rate"``, from what it is chosen, as Azure ML says it.
    trials, at_once
        How many trainings, and how many of them at the same time.
    """
    names = {setting: setting.replace(".", "__") for setting in space}
    chosen = "".join(f" --set {setting}=${{{{search_space.{name}}}}}" for setting, name in names.items())
    trial = {
        key: job[key]
        for key in ("code", "command", "environment", "environment_variables", "distribution", "resources")
        if key in job
    }
    trial["command"] = job["command"].replace("earmark run recipe.toml", f"earmark run recipe.toml{chosen}")
    head = {key: job[key] for key in ("display_name", "experiment_name") if key in job}
    return {
        "type": "sweep", **head, "trial": trial,
        "inputs": deepcopy(job.get("inputs", {})), "outputs": deepcopy(job["outputs"]),
        **({"compute": job["compute"]} if "compute" in job else {}),
        "sampling_algorithm": "random", "search_space": {names[setting]: space[setting] for setting in space},
        "objective": {"primary_metric": METRIC, "goal": "maximize"},
        "limits": {"max_total_trials": trials, "max_concurrent_trials": min(at_once, trials), "timeout": 86_400},
    }  # fmt: skip


def space_of(texts: tuple[str, ...]) -> dict[str, Any]:
    """Return a search space from what ``--vary`` was given.

    >>> space_of(("model.dropout=0.1..0.5", "train.seed=0,1,2"))["model.dropout"]
    {'type': 'uniform', 'min_value': 0.1, 'max_value': 0.5}
    >>> space_of(("train.learning_rate=0.001..0.1:log",))["train.learning_rate"]["type"]
    'loguniform'

    Raises
    ------
    SettingError
        For what is neither a list nor a range.
    """
    space: dict[str, Any] = {}
    for text in texts:
        setting, equals, said = text.partition("=")
        low, dots, high = said.removesuffix(":log").partition("..")
        try:
            if not equals or "." not in setting:
                raise ValueError
            if dots:
                numbers = float(low), float(high)
                if not numbers[0] < numbers[1] or (said.endswith(":log") and numbers[0] <= 0):
                    raise ValueError
                if said.endswith(":log"):
                    numbers = math.log(numbers[0]), math.log(numbers[1])
                kind = "loguniform" if said.endswith(":log") else "uniform"
                space[setting] = {"type": kind, "min_value": numbers[0], "max_value": numbers[1]}
                continue
            values = []
            for one in said.split(","):
                try:
                    values.append(tomllib.loads(f"value = {one}")["value"])
                except tomllib.TOMLDecodeError:
                    values.append(one)
            if len(values) < 2:
                raise ValueError
        except ValueError:
            raise SettingError(
                "--vary takes TABLE.SETTING=A,B,… or TABLE.SETTING=LOW..HIGH, with :log for a scale of powers; got"
                f" '{text}'. Such as train.learning_rate=0.0001..0.01:log"
            ) from None
        space[setting] = {"type": "choice", "values": values}
    return space


def example_of(chosen: Mapping[str, Any]) -> Any:
    """Return a value that a search space may give.

    >>> example_of({"type": "uniform", "min_value": 0.1, "max_value": 0.2})
    0.1
    """
    if "values" in chosen:
        return chosen["values"][0]
    low = float(chosen.get("min_value", 0.0))
    return math.exp(low) if "log" in str(chosen.get("type")) else low


def pipeline(
    job: Mapping[str, Any], changes: tuple[str, ...] = (), flags: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return a pipeline job: check, extract, then train and evaluate on the same features.

    Each step is a component that gives the same for the same, so that Azure ML reuses what it gave before. Features
    are downloaded, not mounted: what a step adds to its own copy stays there.

    Parameters
    ----------
    changes
        Settings of the recipe, as ``--set`` takes them.
    flags
        What the clips of the data set are, as options.
    """
    sets = "".join(f" --set {shlex.quote(change)}" for change in changes)
    seen = " ".join([DATA, *map(shlex.quote, flags)])
    recipe = f"--recipe recipe.toml{sets}"
    store = "EARMARK_STORE=${{inputs.features}}"
    data = {"data": "${{parent.inputs.data}}"}
    more = {**data, "features": "${{parent.jobs.extract.outputs.features}}"}
    steps = {
        "check": (
            f"earmark check {seen} --progress plain --fix-manifest ${{{{outputs.manifest}}}}/clips.csv",
            data, "manifest",
        ),
        "extract": (f"earmark extract {seen} {recipe} --progress plain --to ${{{{outputs.features}}}}", {
            **data, "checked": "${{parent.jobs.check.outputs.manifest}}",
        }, "features"),
        "train": (
            f"{store} earmark run recipe.toml{sets} --set data.path={DATA} --runs {RUN} --progress plain", more, "run",
        ),
        "evaluate": (f"{store} earmark evaluate {seen} {recipe} --runs {RUN} --progress plain", more, "run"),
    }  # fmt: skip
    whole = {key: job[key] for key in ("display_name", "experiment_name") if key in job}
    compute = {"settings": {"default_compute": job["compute"]}} if "compute" in job else {}
    return {
        "type": "pipeline", **whole, "inputs": deepcopy(job.get("inputs", {})),
        "outputs": {name: {"type": "uri_folder", "mode": "rw_mount"} for name in ("run", "evaluation")},
        **compute,
        "jobs": {name: _step(name, *step, job) for name, step in steps.items()},
    }  # fmt: skip


def _step(
    name: str, line: str, inputs: dict[str, str], output: str, job: Mapping[str, Any]
) -> dict[str, Any]:
    whole = {"train": "run", "evaluate": "evaluation"}.get(name)
    folder = {"type": "uri_folder"}
    modes = {"mode": "download"} if name in ("train", "evaluate") else {}
    return {
        "type": "command",
        "component": {
            "type": "command", "name": f"earmark_{name}", "version": "1", "is_deterministic": True,
            "inputs": dict.fromkeys(inputs, folder), "outputs": {output: folder},
            "code": job["code"], "environment": job["environment"], "command": line,
        },
        "inputs": {key: {"path": value, **modes} if key == "features" else value for key, value in inputs.items()},
        "outputs": {output: f"${{{{parent.outputs.{whole}}}}}" if whole else {"mode": "rw_mount"}},
        **({"environment_variables": job["environment_variables"]} if "environment_variables" in job else {}),
    }  # fmt: skip
