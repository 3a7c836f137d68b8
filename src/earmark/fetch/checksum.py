"""Checksums: written as ``ALGORITHM:HEX``, and made while the bytes go by."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from earmark.errors import SettingError

_LENGTHS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_PIECE = 2**20


class Digest(Protocol):
    """What hashlib makes."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes in."""

    def hexdigest(self) -> str:
        """Return the checksum of all bytes so far."""


def parse(text: str) -> str:
    """Return a checksum as it is compared, or refuse it.

    Raises
    ------
    SettingError
        When it is none.

    Examples
    --------
    >>> parse("MD5:9AA69802BBF37FB986F71EC1483A196E")
    'md5:9aa69802bbf37fb986f71ec1483a196e'
    """
    name, _, digits = text.strip().lower().partition(":")
    if name not in _LENGTHS or not re.fullmatch(f"[0-9a-f]{{{_LENGTHS[name]}}}", digits):
        raise SettingError(
            f"--checksum is '{text}', but must be one of {', '.join(_LENGTHS)}, a colon and the hexadecimal digits,"
            " such as sha256:9f86…"
        )
    return f"{name}:{digits}"


def algorithm(checksum: str | None) -> str:
    """Return the algorithm of a checksum; of one that nobody knows, what it is told by."""
    return checksum.partition(":")[0] if checksum else "sha256"


def begin(name: str) -> Digest:
    """Return a checksum of no bytes yet. It guards against damage; no secret depends on it."""
    return hashlib.new(name, usedforsecurity=False)


def of_file(path: Path, name: str, told: Callable[[int], None] = lambda done: None) -> Digest:
    """Return the checksum of a file; ``told`` is called with the bytes that were read."""
    digest, done = begin(name), 0
    told(done)
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            done += len(piece)
            told(done)
    return digest
