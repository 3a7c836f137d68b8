"""What would be uploaded from a folder, and what of that should not be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from earmark.cloud.azure.client import sdk
from earmark.files import size_text
from earmark.readers.listing import count

MOST_BYTES, MOST_FILES = 300 * 10**6, 2_000  # of code that goes with a job
_IGNORE = ".amlignore"
_SECRETS = (
    ".env", ".env.*", "*.env", "*.pem", "*.key", "*.pfx", "*.p12", "id_rsa*", "id_ed25519*", ".netrc", "kaggle.json",
    "credentials*", "*secret*", "*token*", "*.publishsettings",
)  # fmt: skip
_FOLDERS = (
    ".venv*",
    "venv",
    ".ssh",
    ".azure",
    ".azureml",
    ".aws",
    ".kaggle",
    ".git",
    "__pycache__",
    ".cache",
)
_TEXT = 2**20  # bytes; what is larger is no file of keys
_KEYS = re.compile(
    rb"AccountKey=[A-Za-z0-9+/=]{20}|-----BEGIN [A-Z ]*PRIVATE KEY|aws_secret_access_key\s*=|[?&]sig=[A-Za-z0-9%]{20}"
)


def uploads(folder: Path) -> list[tuple[Path, str]]:
    """Return the files that the SDK would upload from a folder, and their names there."""
    sdk()
    from azure.ai.ml._utils._asset_utils import get_ignore_file, get_upload_files_from_folder

    found = get_upload_files_from_folder(folder, ignore_file=get_ignore_file(folder))
    return sorted((Path(path), str(name)) for path, name in found)


def unfit(folder: Path, code: bool = True) -> Iterator[str]:
    """Yield what is wrong with a folder that would be uploaded.

    Parameters
    ----------
    code
        Whether it is a job's code, which has an ``.amlignore`` and a largest size.
    """
    if not folder.is_dir():
        yield f"the folder {folder} is not there. Type: earmark azure init"
        return
    if code and not (folder / _IGNORE).is_file():
        above = folder.parent / _IGNORE
        where = f"; {above} holds for nothing, because it is outside the folder" if above.is_file() else ""
        yield (
            f"the folder {folder} has no {_IGNORE}, so that whatever is in it is uploaded{where}. Type: earmark"
            " azure init"
        )
    files = uploads(folder)
    total = sum(path.stat().st_size for path, _ in files)
    for path, name in files:
        if why := _secret(path, Path(name)):
            yield f"{name} would be uploaded from {folder}, and {why}. Move it away, or name it in {folder / _IGNORE}."
    if code and (total > MOST_BYTES or len(files) > MOST_FILES):
        yield (
            f"{count(len(files), 'file')} of {size_text(total)} would be uploaded from {folder}; Azure takes"
            f" {MOST_FILES:,} files of {size_text(MOST_BYTES)}. Data goes there with: earmark azure data FOLDER"
        )


def _secret(path: Path, name: Path) -> str:
    """Say why a file should not be uploaded; empty where nothing speaks against it."""
    if any(fnmatch(part.lower(), pattern) for part in name.parts[:-1] for pattern in _FOLDERS):
        return "it lies in a folder that is nobody else's business"
    if any(fnmatch(name.name.lower(), pattern) for pattern in _SECRETS):
        return "its name is that of a secret"
    if path.stat().st_size <= _TEXT and _KEYS.search(path.read_bytes()):
        return "it holds what looks like a key"
    return ""
