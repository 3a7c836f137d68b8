"""What is refused at once, and not after the hour that it would spoil."""

from __future__ import annotations

import secrets
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.errors import MissingExtraError, PathError
from earmark.remote import Place, RemotePath

if TYPE_CHECKING:
    from earmark.recipe import Recipe

# Each module that is needed beyond the core, and the package that brings it.
_EXTRACTION = {"platformdirs": "platformdirs", "safetensors": "safetensors"}
_JUDGING = {"scipy": "scipy"}
_TRAINING = {
    **_EXTRACTION,
    **_JUDGING,
    "filelock": "filelock",
    "onnx": "onnx",
    "sklearn": "scikit-learn",
    "tomli_w": "tomli-w",
}


def can_train(recipe: Recipe | None = None) -> None:
    """Refuse to read a data set for a training that lacks a package, or cannot be what the recipe says.

    Raises
    ------
    MissingExtraError
        Which one, and how to get it.
    SettingError, UnknownNameError
        When a model cannot take what its feature gives, or a blend has a rung that is none.
    """
    _has("Training", "train", _TRAINING)
    if recipe is not None and "cnn" in {rung.model.name for rung in recipe.rungs()}:
        _has("Training a cnn", "torch", {"torch": "torch"})


def can_extract() -> None:
    """Refuse to extract without the packages that a feature store needs.

    Raises
    ------
    MissingExtraError
        Which one, and how to get it.
    """
    _has("A feature store", "train", _EXTRACTION)


def can_judge() -> None:
    """Refuse to judge without the package that intervals are computed with.

    Raises
    ------
    MissingExtraError
        Which one, and how to get it.
    """
    _has("Judging", "train", _JUDGING)


def _has(what: str, extra: str, modules: dict[str, str]) -> None:
    for module, package in modules.items():
        if find_spec(module) is None:
            raise MissingExtraError(what, extra, package)


def can_write(path: Place | None, option: str = "-o", example: str = "model.earmark") -> None:
    """Refuse an output that cannot be written.

    Raises
    ------
    PathError
        When it is a folder or a device, or its folder is not there or closed.
    """
    if path is None:
        return
    if isinstance(path, RemotePath):
        _can_put(path, option, example)
        return
    if path.is_dir():
        raise PathError(f"{path} is a folder; {option} takes a file name, such as {path / example}.")
    if path.exists() and not path.is_file():
        raise PathError(f"{path} is a device, not a file. Give {option} the name of a file.")
    if not path.parent.is_dir():
        raise PathError(f"There is no folder '{path.parent}' to write {path.name} into. Make it first.")
    _try(path.parent)


def _can_put(path: RemotePath, option: str, example: str) -> None:
    """Refuse a place in object storage where nothing can be put: a file is put there and taken away."""
    trial = path.parent / f".earmark-{secrets.token_hex(4)}.trial"
    try:
        if path.is_dir():
            raise PathError(f"{path} is a folder; {option} takes a file name, such as {path / example}.")
        trial.put(b"")
        trial.remove()
    except FileNotFoundError:
        raise PathError(
            f"There is no container or bucket to put {path} into. Make it first, or give {option} another place."
        ) from None
    except OSError as error:
        raise PathError(f"{path} cannot be written: {error.strerror}.") from None


def can_make(folder: Path, ours: bool) -> None:
    """Refuse a folder that cannot be made, or that holds what nobody would want replaced.

    Parameters
    ----------
    ours
        Whether it was left by an earlier export.

    Raises
    ------
    PathError
        When something else is there, or where it is to be is not there or closed.
    """
    if folder.exists() and not ours:
        raise PathError(
            f"{folder} is there, and was not left by an earlier export. Give -o the name of a new folder."
        )
    if not folder.absolute().parent.is_dir():
        raise PathError(f"There is no folder '{folder.parent}' to make {folder.name} in. Make it first.")
    _try(folder.absolute().parent)


def can_hold_runs(folder: Path) -> None:
    """Refuse a folder for runs that cannot be made.

    Raises
    ------
    PathError
        When a file is in the way, or the folder is closed.
    """
    there = next(part for part in (folder, *folder.absolute().parents) if part.exists())
    if not there.is_dir():
        raise PathError(f"{there} is a file; --runs takes a folder.")
    _try(there)


def _try(folder: Path) -> None:
    # A file made and taken back: no permission bit says as surely whether that can be done.
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PathError(f"The folder '{folder}' cannot be written to: {error.strerror}.") from None
