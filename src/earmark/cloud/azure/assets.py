"""What is kept in a workspace by name and version: data sets, models, computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from earmark.bundle import SUFFIX, read_bundle
from earmark.cloud.azure.client import quiet, sdk
from earmark.cloud.azure.faults import spoken
from earmark.cloud.azure.names import checked
from earmark.cloud.azure.upload import unfit, uploads
from earmark.errors import PathError, SettingError
from earmark.files import size_text
from earmark.readers.listing import count

_LONGEST = 256  # characters of a tag's value


def register_data(client: Any, name: str, path: str, version: str, tell: Callable[[str], None]) -> str:
    """Upload a folder, or name an address in object storage; return by what jobs call it.

    Raises
    ------
    PathError
        When there is no such folder.
    SettingError
        When something in it looks like a secret.
    """
    ml = sdk()
    checked("data asset", name)
    if "://" not in path:
        folder = Path(path)
        if not folder.is_dir():
            raise PathError(f"There is no folder {path} to upload.")
        if wrong := next(unfit(folder, code=False), ""):
            raise SettingError(wrong[:1].upper() + wrong[1:])
        files = uploads(folder)
        tell(f"Uploading {count(len(files), 'file')}, {size_text(sum(f.stat().st_size for f, _ in files))}")
    from azure.ai.ml.entities import Data

    with spoken("registering the data"), quiet():
        made = client.data.create_or_update(
            Data(name=name, version=version or None, path=path, type=ml.constants.AssetTypes.URI_FOLDER)
        )
    return f"azureml:{made.name}:{made.version}"


def register_model(client: Any, bundle: Path, name: str, version: str) -> str:
    """Register a bundle as a model of the workspace, with what it is in its tags; return by what it is called."""
    ml = sdk()
    checked("model", name)
    if bundle.suffix != SUFFIX:
        raise PathError(f"{bundle} is no model of Earmark's, whose names end with {SUFFIX}.")
    about = read_bundle(bundle)
    from azure.ai.ml.entities import Model

    with spoken("registering the model"), quiet():
        made = client.models.create_or_update(
            Model(
                name=name, version=version or None, path=str(bundle), type=ml.constants.AssetTypes.CUSTOM_MODEL,
                tags=tags_of(about), description="A classifier by Earmark.",
            )
        )  # fmt: skip
    return f"azureml:{made.name}:{made.version}"


def tags_of(bundle: Any) -> dict[str, str]:
    """Return what a model is found by: its labels, its model, its score on clips that it had not heard."""
    told = bundle.provenance
    test = told.get("test", {})
    tags = {
        "earmark.labels": ", ".join(bundle.labels),
        "earmark.model": ", ".join(str(member.model.get("name", "")) for member in bundle.members),
        "earmark.data": str(told.get("data", {}).get("name", "")),
        "earmark.split": str(told.get("split", {}).get("rule", "")),
        **{
            f"earmark.test.{name}": f"{value:.4g}"
            for name, value in test.items()
            if isinstance(value, int | float)
        },
    }
    return {name: value[:_LONGEST] for name, value in tags.items() if value}


def make_compute(client: Any, file: Path) -> str:
    """Make the compute of a file, unless it is there; return its name."""
    ml = sdk()
    if not file.is_file():
        raise PathError(f"{file} is not there. Write it with: earmark azure init")
    with spoken("making the compute"), quiet():
        return str(client.compute.begin_create_or_update(ml.load_compute(file)).result().name)
