"""What is exported, and what is told of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earmark.bundle import Bundle, read_bundle
from earmark.predict import Predictor
from earmark.remote import Place, local_file


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A model that is to be exported.

    Parameters
    ----------
    bundle
        What it is.
    path, sha256
        The file that it was read from, and its hash.
    quantized
        How it was quantised, and what that cost; empty where it was not.
    """

    bundle: Bundle
    path: Place
    sha256: str
    quantized: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Place) -> Source:
        """Read a bundle, and see that it keeps its promises.

        Raises
        ------
        PathError
            When there is no such file, or it cannot be read.
        BundleError
            When it is no bundle, or does not give what it promises.
        """
        bundle = read_bundle(path)
        Predictor(bundle)
        return cls(bundle, path, cls.hash_of(local_file(path).read_bytes()))

    @staticmethod
    def hash_of(data: bytes) -> str:
        """Return the SHA-256 of a file's bytes."""
        return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Parameters
    ----------
    path, form, size
        Where, a key of `earmark.export.EXPORTERS`, and bytes.
    difference
        The largest difference of a probability from the model's, over all sounds that it was tried with.
    tried
        How many sounds these were, and how long the shortest and the longest, in seconds.
    """

    path: Path
    form: str
    size: int
    difference: float
    tried: tuple[int, float, float]
