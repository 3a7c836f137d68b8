"""What it takes to make a run again: the command, the seeds, the versions, the data's fingerprint."""

from __future__ import annotations

import shlex

from earmark.report.folder import RECIPE, Folder


def command(folder: Folder) -> str:
    """Return what to type, from any folder."""
    recipe = str((folder.path / RECIPE).resolve())
    if folder.is_training:
        return shlex.join(["earmark", "run", recipe])
    data = folder.recipe.data if folder.recipe else None
    words = ["earmark", "evaluate", data.path if data else "DATASET", "--recipe", recipe]
    if data and data.layout != "auto":
        words += ["--layout", data.layout]
    if data and data.pattern:
        words += ["--pattern", data.pattern]
    if len(seeds(folder)) > 1:
        words += ["--seeds", str(len(seeds(folder)))]
    return shlex.join(words)


def seeds(folder: Folder) -> list[int]:
    """Return the seeds of the networks, ascending."""
    return sorted({int(seed) for seed in folder.tested.seeds})


def versions(folder: Folder) -> dict[str, str]:
    """Return what numbers may depend on, as text."""
    return {name: str(value) for name, value in folder.environment.items()}
