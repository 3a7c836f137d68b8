"""Resources as such: what is put is there, what is not there is said so, versions are listed, newest first."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from standin.server import SCOPE, Answer, Asked, StandIn, refusal


def stored(standin: StandIn, path: str, body: Any) -> dict[str, Any]:
    """Keep a resource, as a service would return it."""
    kind = "/".join(re.sub(SCOPE, "", path, flags=re.IGNORECASE).strip("/").split("/")[::2])
    now = datetime.now(UTC).isoformat()
    made = {
        **body, "id": path, "name": path.rsplit("/", 1)[1],
        "type": f"Microsoft.MachineLearningServices/workspaces/{kind}",
        "systemData": {"createdAt": now, "createdBy": "tests", "createdByType": "User", "lastModifiedAt": now},
    }  # fmt: skip
    with standin.lock:
        standin.resources[path.lower()] = made
    return made


def put(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Make or replace one."""
    made = stored(standin, asked.path, asked.body)
    made["properties"].setdefault("provisioningState", "Succeeded")
    if "/models/" in asked.path:
        made["properties"].setdefault("flavors", {})
    return Answer(made, 201)


def get(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Return one, or those below a collection."""
    with standin.lock:
        one = standin.resources.get(asked.path.lower().rstrip("/"))
        if one is not None:
            return Answer(one)
        depth = asked.path.rstrip("/").count("/") + 1
        start = asked.path.lower().rstrip("/") + "/"
        below = [
            r for path, r in standin.resources.items() if path.startswith(start) and path.count("/") == depth
        ]
    parts = re.sub(SCOPE, "", asked.path, flags=re.IGNORECASE).strip("/").split("/")
    if len(parts) % 2:  # computes, or data/NAME/versions
        return Answer({"value": below[::-1]})
    if below or any(
        path.startswith(start) for path in standin.resources
    ):  # data/NAME, of which there are versions
        latest = sorted((path for path in standin.resources if path.startswith(start)), key=len)[-1]
        return Answer({
            "id": asked.path, "name": parts[-1],
            "properties": {"latestVersion": latest.rsplit("/", 1)[1], "nextVersion": "9", "isArchived": False},
        })  # fmt: skip
    return refusal(404, "ResourceNotFound", f"{'/'.join(parts[-2:])} was not found.")


def delete(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Remove one."""
    with standin.lock:
        gone = standin.resources.pop(asked.path.lower(), None)
    return Answer(None, 200 if gone else 204)


ROUTES = [
    ("PUT", f"{SCOPE}/.+", put),
    ("GET", f"{SCOPE}(/.*)?", get),
    ("DELETE", f"{SCOPE}/.+", delete),
]
