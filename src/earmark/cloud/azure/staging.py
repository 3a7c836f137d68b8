"""`stage`: the folder that is uploaded with a job. It holds the recipe and what the recipe names, and nothing else."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from earmark.cloud.azure.files import RECIPE, ignore
from earmark.encoders.weights import PLACE, folder, note_of
from earmark.errors import SettingError
from earmark.features import Encoder, resolved
from earmark.files import write_atomically
from earmark.recipe import Recipe
from earmark.remote import is_uri, shown

CORRECTIONS, _ENCODERS = "corrections.jsonl", "encoders"


def stage(recipe: Recipe, to: Path, data: bool) -> dict[str, str]:
    """Fill an empty folder for a job; return the environment variables that the job needs for it.

    Parameters
    ----------
    data
        Whether the data set is an input of the job, and so need not be named.

    Raises
    ------
    SettingError
        When the recipe names data that the job could not see, or a key.
    """
    path, log = recipe.data.path, recipe.data.corrections
    if not data:
        _reachable(path)
    if log not in ("", "none"):
        if is_uri(log):
            raise SettingError(
                f"The corrections {shown(log)} must be a file of this machine, to go with the job."
            )
        write_atomically(to / CORRECTIONS, Path(log).read_bytes())
        log = CORRECTIONS
    there = replace(recipe, data=replace(recipe.data, path="" if data else path, corrections=log))
    write_atomically(to / RECIPE, there.to_toml().encode())
    write_atomically(to / ".amlignore", (ignore().replace("*.onnx\n", "")).encode())
    encoders = [rung.feature for rung in recipe.rungs() if isinstance(rung.feature, Encoder)]
    for feature in encoders:
        weights = str(getattr(resolved(feature), "sha256", ""))
        (to / _ENCODERS).mkdir(exist_ok=True)
        shutil.copyfile(folder() / f"{weights}.onnx", to / _ENCODERS / f"{weights}.onnx")
        if note_of(feature.encoder) is not None:
            shutil.copyfile(folder() / f"{feature.encoder}.json", to / _ENCODERS / f"{feature.encoder}.json")
    return {PLACE: _ENCODERS} if encoders else {}


def _reachable(path: str) -> None:
    if not path:
        raise SettingError(
            'The recipe names no data. Type --data azureml:NAME:VERSION, or write [data] path = "az://…".'
        )
    if not is_uri(path):
        raise SettingError(
            f"The recipe's data is {path}, which is on this machine; the job runs on another. Upload it with:"
            f" earmark azure data {path}"
        )
    if shown(path) != path:
        raise SettingError(
            f"The recipe's data {shown(path)} is named with a key, which everybody who sees the job could read. Take it"
            " out; the job signs in as its compute's managed identity."
        )
