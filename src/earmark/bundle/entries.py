"""The entries of a bundle's zip: their names, how large they may be, how they are sealed."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import numpy as np

from earmark.decide.unknown import MOST_BYTES
from earmark.encoders import MOST_WEIGHTS

FORMAT = 3
READ = (1, 2, FORMAT)  # 1 knows no decision, 2 one network only
SUFFIX = ".earmark"

ABOUT = "bundle.json"
NETWORK = "network.onnx"
REFERENCE = "reference.npy"
SAMPLE, ROW = np.dtype("<f4"), np.dtype("<f2")
MOST_GOLDEN = 16
MOST_NETWORKS = 8

_GOLDEN = re.compile(r"golden/\d{1,2}\.npy")
_OTHER = re.compile(rf"networks/[1-{MOST_NETWORKS - 1}]\.onnx")
_ENCODER = re.compile(rf"encoders/[1-{MOST_NETWORKS}]\.onnx")
_MOST_BYTES = (
    (re.compile(re.escape(ABOUT)), 64 * 2**20),
    (re.compile(re.escape(NETWORK)), 2**29),
    (_OTHER, 2**29),
    (_ENCODER, MOST_WEIGHTS),
    (re.compile(re.escape(REFERENCE)), MOST_BYTES + 2**16),
    (_GOLDEN, 4 * 2**20),
)


def most_bytes(name: str) -> int | None:
    """Return how many bytes an entry may have; ``None`` for one that no bundle has.

    >>> most_bytes("golden/2.npy"), most_bytes("../evil")
    (4194304, None)
    """
    return next((most for pattern, most in _MOST_BYTES if pattern.fullmatch(name)), None)


def network_name(i: int) -> str:
    """Return where the network number ``i`` stands.

    >>> network_name(0), network_name(2)
    ('network.onnx', 'networks/2.onnx')
    """
    return f"networks/{i}.onnx" if i else NETWORK


def is_encoder(name: str) -> bool:
    """Whether an entry holds the weights of an encoder."""
    return bool(_ENCODER.fullmatch(name))


def is_golden(name: str) -> bool:
    """Whether an entry is a test sound."""
    return bool(_GOLDEN.fullmatch(name))


def seal(about: dict[str, Any]) -> str:
    """Return a hash over all of ``bundle.json`` but the seal itself: settings, labels, promises, other hashes."""
    rest = {key: value for key, value in about.items() if key != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
