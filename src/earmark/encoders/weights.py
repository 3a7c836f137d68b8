"""Where weights are: each an ONNX file known by its SHA-256, in this process's memory or in a folder of this machine.

The folder has ``SHA256.onnx``, and for each encoder ``NAME.json`` that says which of them is its own. A bundle brings
its weights along, so that what predicts needs no folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from earmark.errors import MissingExtraError, PathError, WeightsError
from earmark.files import write_atomically, write_json

PLACE = "EARMARK_ENCODERS"
MOST_BYTES = 2**29  # of weights
_HEX = re.compile("[0-9a-f]{64}")
_memory: dict[str, bytes] = {}


def sha256_of(data: bytes) -> str:
    """Return what weights are known by."""
    return hashlib.sha256(data).hexdigest()


def remember(data: bytes) -> str:
    """Keep weights in this process; return their SHA-256."""
    sha256 = sha256_of(data)
    _memory.setdefault(sha256, data)
    return sha256


def get(sha256: str) -> bytes:
    """Return the weights with this SHA-256.

    Raises
    ------
    WeightsError
        When they are nowhere, or have changed on the disk.
    """
    if sha256 in _memory:
        return _memory[sha256]
    if not _HEX.fullmatch(sha256):
        raise WeightsError(
            f"'{sha256[:80]}' is no SHA-256 of an encoder's weights, which has 64 hexadecimal digits."
        )
    path = folder() / f"{sha256}.onnx"
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise WeightsError(
            f"The encoder's weights {sha256[:12]}… are not on this machine (looked for in {path.parent})."
            " Type: earmark fetch encoder:NAME, or take the ones there are with --set feature.sha256=''"
        ) from None
    except OSError as error:
        raise WeightsError(f"The encoder's weights {path} cannot be read: {error.strerror}.") from None
    if sha256_of(data) != sha256:
        raise WeightsError(
            f"The encoder's weights {path} have changed since they were kept. Delete the file and fetch it anew."
        )
    return _memory.setdefault(sha256, data)


def keep(name: str, data: bytes, about: dict[str, Any]) -> str:
    """Keep weights in the folder as those of an encoder; return their SHA-256.

    Parameters
    ----------
    about
        What else is noted of them: where they came from.
    """
    sha256 = remember(data)
    place = folder()
    path = place / f"{sha256}.onnx"
    if not path.is_file() or sha256_of(path.read_bytes()) != sha256:
        write_atomically(path, data)
    write_json(place / f"{name}.json", {"sha256": sha256, "bytes": len(data), **about})
    return sha256


def note_of(name: str) -> dict[str, Any] | None:
    """Return what is noted of an encoder's weights, with ``"sha256"``; ``None`` where there are none."""
    try:
        note = json.loads((folder() / f"{name}.json").read_bytes())
        good = _HEX.fullmatch(note["sha256"]) and (folder() / f"{note['sha256']}.onnx").is_file()
    except (OSError, ValueError, TypeError, LookupError):
        return None
    return dict(note) if good else None


def folder() -> Path:
    """Return the folder that ``EARMARK_ENCODERS`` names, or else one among this machine's caches.

    Raises
    ------
    PathError
        When that is a file.
    MissingExtraError
        When neither can be told.
    """
    if told := os.environ.get(PLACE):
        place = Path(told).expanduser().absolute()
        if place.exists() and not place.is_dir():
            raise PathError(f"{PLACE} is {place}, which is a file. Give it the name of a folder.")
        return place
    try:
        from platformdirs import user_cache_path
    except ImportError:
        raise MissingExtraError("Finding an encoder's weights", "train", "platformdirs") from None
    return user_cache_path("earmark", appauthor=False) / "encoders"
