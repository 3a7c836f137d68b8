"""Writing the folder ``azure``: what a person has changed is left alone, and said."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import PathError
from earmark.files import write_atomically, write_json

_WRITTEN = ".written.json"


@dataclass(frozen=True, slots=True)
class Written:
    """What became of each file, by name.

    Parameters
    ----------
    new
        Written, or written anew.
    same
        As they were already.
    kept
        Changed by a person, and left so.
    """

    new: tuple[str, ...]
    same: tuple[str, ...]
    kept: tuple[str, ...]


def write_folder(folder: Path, files: dict[str, str], force: bool = False) -> Written:
    """Write files into a folder, but none over one that a person has changed.

    Parameters
    ----------
    force
        Write those too.

    Raises
    ------
    PathError
        When the folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise PathError(f"{folder} is a file; the files for Azure need a folder. Give another with FOLDER.")
    before = _before(folder)
    new, same, kept = [], [], []
    for name, text in files.items():
        path, data = folder / name, text.encode()
        there = path.read_bytes() if path.is_file() else None
        if there == data:
            same.append(name)
        elif there is not None and not force and _hash(there) != before.get(name):
            kept.append(name)
            continue
        else:
            write_atomically(path, data)
            new.append(name)
        before[name] = _hash(data)
    write_json(folder / _WRITTEN, before)
    return Written(tuple(new), tuple(same), tuple(kept))


def _before(folder: Path) -> dict[str, str]:
    """Return the hash of each file as it was written the last time; nothing where that cannot be told."""
    try:
        value = json.loads((folder / _WRITTEN).read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(name): str(hashed) for name, hashed in value.items()} if isinstance(value, dict) else {}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
