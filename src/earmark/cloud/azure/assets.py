"""What a workspace is given before a job can run: data sets, and computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from earmark.cloud.azure.client import quiet, sdk
from earmark.cloud.azure.faults import spoken
from earmark.cloud.azure.names import checked
from earmark.cloud.azure.upload import unfit, uploads
from earmark.errors import PathError, SettingError
from earmark.files import size_text
from earmark.readers.listing import count


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


def make_compute(client: Any, file: Path) -> str:
    """Make the compute of a file, unless it is there; return its name."""
    ml = sdk()
    if not file.is_file():
        raise PathError(f"{file} is not there. Write it with: earmark azure init")
    with spoken("making the compute"), quiet():
        return str(client.compute.begin_create_or_update(ml.load_compute(file)).result().name)
