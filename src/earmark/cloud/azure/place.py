"""`Place`: which workspace of which subscription. What can be found out is not asked."""

from __future__ import annotations

import configparser
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from earmark.errors import SettingError

FILL_IN = "FILL-IN"
FOLDER = "azure"
CONFIG = "config.json"
_LARGEST = 2**20  # bytes of a configuration file
# The same three things, under the names that Azure's own tools give them in the environment.
_VARIABLES = {
    "subscription": ("AZURE_SUBSCRIPTION_ID", "AZUREML_ARM_SUBSCRIPTION", "ARM_SUBSCRIPTION_ID"),
    "group": ("AZURE_RESOURCE_GROUP", "AZUREML_ARM_RESOURCEGROUP", "AZURE_DEFAULTS_GROUP"),
    "workspace": ("AZUREML_WORKSPACE_NAME", "AZUREML_ARM_WORKSPACE_NAME", "AZURE_DEFAULTS_WORKSPACE"),
}
_KEYS = {"subscription": "subscription_id", "group": "resource_group", "workspace": "workspace_name"}


@dataclass(frozen=True, slots=True)
class Place:
    """A workspace of Azure Machine Learning.

    Parameters
    ----------
    subscription, group, workspace
        The subscription's id, the resource group and the workspace in it; empty where not known.

    Examples
    --------
    >>> Place("0000", "sounds").missing
    ('workspace',)
    >>> Place("0000", "sounds").to_dict()["workspace_name"]
    'FILL-IN'
    """

    subscription: str = ""
    group: str = ""
    workspace: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """What is not known."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) in ("", FILL_IN))

    def to_dict(self) -> dict[str, str]:
        """Return it as Azure ML's own config.json has it, with places to fill in."""
        return {key: getattr(self, name) or FILL_IN for name, key in _KEYS.items()}

    def or_else(self, other: Place) -> Place:
        """Return it with what it lacks from another."""
        return replace(self, **{name: getattr(other, name) for name in self.missing})


def find_place(
    given: Place, folder: Path, environment: Mapping[str, str] | None = None
) -> tuple[Place, dict[str, str]]:
    """Return a workspace as far as it can be found out, and where each part was found.

    Asked one after the other: what is given, the environment, ``config.json`` in the folder, Azure ML's own in those
    above it, and the settings of the ``az`` command line.

    Parameters
    ----------
    folder
        The one that `earmark azure init` writes.

    Raises
    ------
    SettingError
        When one of these files is damaged.
    """
    environment = os.environ if environment is None else environment
    place, sources = given, {f.name: "as given" for f in fields(given) if f.name not in given.missing}
    for where, found in _asked(folder, environment):
        for name in place.missing:
            if name not in found.missing:
                sources[name] = where
        place = place.or_else(found)
        if not place.missing:
            break
    return place, sources


def known_place(given: Place, folder: Path) -> Place:
    """Return the workspace. Raises `SettingError` where a part of it cannot be found out."""
    place, _ = find_place(given, folder)
    if place.missing:
        parts = ", ".join(f"the {'resource ' * (name == 'group')}{name}" for name in place.missing)
        flags = " ".join(f"--{name} …" for name in place.missing)
        raise SettingError(
            f"Which workspace? Not known: {parts}. Fill in {folder / CONFIG}, or type {flags}."
        )
    return place


def _asked(folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, Place]]:
    values = {
        name: next((environment[v] for v in variables if environment.get(v)), "")
        for name, variables in _VARIABLES.items()
    }
    yield "the environment", Place(**values)
    yield _of_config(folder / CONFIG)
    for above in folder.absolute().parents:
        for path in (above / CONFIG, above / ".azureml" / CONFIG):
            yield _of_config(path)
    home = Path(environment.get("AZURE_CONFIG_DIR") or Path.home() / ".azure")
    yield _of_cli(home / "config")
    yield _of_profile(home / "azureProfile.json")


def _of_config(path: Path) -> tuple[str, Place]:
    value = _json(path)
    return str(path), Place(**{name: _text(value.get(key)) for name, key in _KEYS.items()})


def _of_cli(path: Path) -> tuple[str, Place]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(_read(path))
    except configparser.Error as error:
        raise SettingError(
            f"{path} is not a configuration file of az: {str(error).splitlines()[0]}."
        ) from None
    defaults = parser["defaults"] if parser.has_section("defaults") else {}
    return str(path), Place(group=defaults.get("group", ""), workspace=defaults.get("workspace", ""))


def _of_profile(path: Path) -> tuple[str, Place]:
    several = _json(path).get("subscriptions")
    chosen = (
        [s for s in several if isinstance(s, dict) and s.get("isDefault")]
        if isinstance(several, list)
        else []
    )
    return str(path), Place(subscription=_text(chosen[0].get("id")) if chosen else "")


def _json(path: Path) -> dict[str, Any]:
    text = _read(path)
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise SettingError(f"{path} is not JSON: {error}. Repair or delete it.") from None
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _read(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return ""
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} cannot be read: {error}.") from None
