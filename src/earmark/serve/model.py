"""What a server tells about its model."""

from __future__ import annotations

import hashlib
from importlib import metadata
from typing import Any

from earmark.bundle import Bundle
from earmark.serve.settings import Settings

_TOLD = ("data", "split", "grouping", "seed", "versions")


def about(bundle: Bundle, name: str, settings: Settings) -> dict[str, Any]:
    """Return the answer of ``GET /v1/model``.

    Parameters
    ----------
    name
        Of the model's file.
    """
    networks = b"".join(member.network for member in bundle.members)
    return {
        "name": name,
        "labels": list(bundle.labels),
        "exclusive": bundle.decision.exclusive,
        "sample_rate": bundle.feature.sample_rate,
        "networks": [dict(member.model) for member in bundle.members],
        "sha256": hashlib.sha256(networks).hexdigest(),
        "trained": {key: bundle.provenance[key] for key in _TOLD if key in bundle.provenance},
        "earmark": metadata.version("earmark"),
        "limits": {
            "body_bytes": settings.body * 2**20,
            "files": settings.files,
            "seconds_of_sound": settings.seconds,
            "seconds_of_work": settings.timeout,
        },
    }
