"""`ProblemError`: what a request cannot have, and what to do about it, as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from earmark.errors import AudioError, TooLongAudioError

MEDIA = "application/problem+json"

# Kind: status and title. The kind ends the type's URN, by which a client tells them apart.
KINDS: dict[str, tuple[int, str]] = {
    "bad-request": (400, "The request is not valid HTTP"),
    "no-token": (401, "A token is needed"),
    "wrong-host": (403, "The server does not go by this name"),
    "not-found": (404, "There is nothing here"),
    "wrong-method": (405, "Not by this method"),
    "too-slow": (408, "The request came too slowly"),
    "too-large": (413, "The request is too large"),
    "wrong-type": (415, "The body is not sent in a way that is read"),
    "not-sound": (422, "The sound cannot be used"),
    "too-long": (422, "The sound is too long"),
    "wrong-value": (422, "A value cannot be"),
    "long-headers": (431, "The headers are too long"),
    "failed": (500, "The server failed"),
    "lost": (503, "The work was cut off"),
    "busy": (503, "Too many requests wait"),
    "ending": (503, "The server is ending"),
    "not-ready": (503, "The server is not ready"),
}
_AGAIN = {"busy": "1", "lost": "1", "not-ready": "2", "ending": "5"}  # seconds
_LAST = ("ending", "too-slow")  # after which nobody is listened to


class ProblemError(Exception):
    """A request that is refused.

    Parameters
    ----------
    kind
        A key of `KINDS`.
    detail
        For a person: what was got, what is allowed, what to do.
    more
        Further members of the JSON object.

    Examples
    --------
    >>> ProblemError("not-found", "There is no /v2.").to_dict()["type"]
    'urn:earmark:problem:not-found'
    """

    def __init__(self, kind: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.more = kind, detail, more
        self.status, self.title = KINDS[kind]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        told = {"type": f"urn:earmark:problem:{self.kind}", "title": self.title, "status": self.status}
        return {**told, "detail": self.detail, **self.more}

    @property
    def body(self) -> bytes:
        """The JSON object, encoded."""
        return json.dumps(self.to_dict()).encode()

    @property
    def headers(self) -> dict[str, str]:
        """What goes with it: when to come back, and how to say who one is."""
        found = {}
        if self.kind in _AGAIN:
            found["Retry-After"] = _AGAIN[self.kind]
        if self.kind == "no-token":
            found["WWW-Authenticate"] = "Bearer"
        if self.kind in _LAST:
            found["Connection"] = "close"
        return found

    def raw(self) -> bytes:
        """Return a whole HTTP response that closes the connection, for where there is no application yet."""
        head = [f"HTTP/1.1 {self.status} {self.title}", f"content-type: {MEDIA}"]
        headers = {**self.headers, "Connection": "close"}
        head += [f"content-length: {len(self.body)}", *(f"{k.lower()}: {v}" for k, v in headers.items())]
        return "\r\n".join([*head, "", ""]).encode() + self.body


def refusal(errors: Sequence[AudioError]) -> ProblemError:
    """Return the problem of files none of which could be used."""
    first = errors[0]
    kind = "too-long" if isinstance(first, TooLongAudioError) else "not-sound"
    told = [{"path": error.path, "error": error.reason} for error in errors]
    where = "" if first.path == "-" else f"{first.path}: "
    more = f" None of the {len(errors)} files can be used." if len(errors) > 1 else ""
    advice = " Send a part of the recording." if kind == "too-long" else " Send it as WAV or FLAC."
    return ProblemError(kind, f"{where}{first.reason}.{more}{advice}", errors=told)


def too_large(most: int, told: float | None = None) -> ProblemError:
    """Return the problem of a body of more than ``most`` MiB; ``told`` of them, where that is known.

    >>> too_large(64, 80.0).detail.partition(". ")[0]
    'A request may have 64 MiB, and these are 80'
    """
    size = "" if told is None else f", and these are {told:,.0f}"
    return ProblemError(
        "too-large",
        f"A request may have {most} MiB{size}. Send fewer files, compressed ones such as FLAC,"
        " or a part of the recording.",
    )
