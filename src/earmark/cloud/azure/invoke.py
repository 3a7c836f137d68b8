"""Sounds to an endpoint, one request each, and what it says of them."""

from __future__ import annotations

import mimetypes
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from earmark.cloud.azure import serving
from earmark.cloud.azure.endpoint import existing
from earmark.cloud.azure.faults import spoken
from earmark.errors import AudioError, CloudError, TooLongAudioError, UnreadableAudioError
from earmark.predict import STDIN
from earmark.types import Prediction

_AGAIN = (429, 502, 503, 504)  # too many at once, or the way there was cut off
_TRIES, _PAUSE, _LONGEST_PAUSE = 4, 1.0, 20.0
_TIMEOUT = (10.0, 120.0)  # seconds to connect, and to answer
_REFUSED = range(400, 500)


def invoke(
    ml: Any, name: str, paths: Sequence[str], deployment: str | None = None, stdin: BinaryIO | None = None
) -> Iterator[Prediction | AudioError]:
    """Yield what an endpoint says of each sound, or why it says nothing, in order; of a long one, its events.

    Parameters
    ----------
    ml
        The SDK's client.
    paths
        Files on this machine; ``-`` is standard input.
    deployment
        Which one shall answer; by default by their shares of the requests.

    Raises
    ------
    CloudError
        When there is no such endpoint, it refuses the key, or does not answer.
    """
    import requests

    endpoint = existing(ml, name)
    with serving.quietly(), spoken("asking for the endpoint's key"):
        keys = ml.online_endpoints.get_keys(name)
    key = getattr(keys, "primary_key", None) or getattr(keys, "access_token", "")
    headers = {"Authorization": f"Bearer {key}"}
    if deployment is not None:
        headers["azureml-model-deployment"] = deployment
    with requests.Session() as session:
        session.headers.update(headers)
        for path in paths:
            try:
                data = (stdin or sys.stdin.buffer).read() if path == STDIN else Path(path).read_bytes()
            except OSError as error:
                yield UnreadableAudioError(path, (error.strerror or str(error)).lower())
                continue
            answer = _asked(session, str(endpoint.scoring_uri), path, data, name)
            yield from _told(path, answer, name)


def _asked(session: Any, uri: str, path: str, data: bytes, name: str) -> Any:
    """Return the endpoint's answer; a busy one is asked again."""
    import requests

    kind = mimetypes.guess_type(path)[0] or ""
    kind = kind if kind.startswith(("audio/", "video/")) else "application/octet-stream"
    pause = _PAUSE
    for left in reversed(range(_TRIES)):
        try:
            answer = session.post(uri, data=data, headers={"Content-Type": kind}, timeout=_TIMEOUT)
        except requests.RequestException as error:
            if left:
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            raise CloudError(f"The endpoint {name} at {uri} cannot be reached: {_short(error)}.") from None
        if answer.status_code not in _AGAIN or not left:
            return answer
        told = answer.headers.get("Retry-After", "")
        time.sleep(min(float(told) if told.isdigit() else pause, _LONGEST_PAUSE))
        pause = min(2 * pause, _LONGEST_PAUSE)
    raise AssertionError("never: the last try returns or raises")


def _told(path: str, answer: Any, name: str) -> Iterator[Prediction | AudioError]:
    try:
        found = answer.json()
    except ValueError:
        found = None
    status = answer.status_code
    if status == 200 and isinstance(found, list) and all(isinstance(record, dict) for record in found):
        for record in found:
            yield prediction(path, record)
        return
    if (
        status in _REFUSED
        and isinstance(found, dict)
        and str(found.get("type", "")).startswith("urn:earmark:")
    ):
        kind = TooLongAudioError if found["type"].endswith("too-long") else UnreadableAudioError
        yield kind(path, _why(found))
        return
    if status in (401, 403):
        raise CloudError(
            f"The endpoint {name} refuses the key that the workspace gave (HTTP {status}). Try again: it may be new."
        )
    said = found.get("message") or found.get("detail") if isinstance(found, dict) else None
    raise CloudError(
        f"The endpoint {name} answers with HTTP {status}: {str(said or answer.text.strip() or 'nothing')[:300]}"
    )


def _why(problem: dict[str, Any]) -> str:
    """Return why a sound was refused: what `earmark predict` says of it, or else what the endpoint says."""
    errors = problem.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    if isinstance(first, dict) and isinstance(first.get("error"), str):
        return str(first["error"])
    return str(problem.get("detail", "it was refused")).rstrip(".")


def prediction(path: str, record: dict[str, Any]) -> Prediction | AudioError:
    """Return a record of an endpoint's answer as `earmark predict` has it, for a file of this machine.

    Raises
    ------
    CloudError
        When it is none of Earmark's.
    """
    if "error" in record:
        return UnreadableAudioError(path, str(record["error"]))
    try:
        return Prediction(
            path=path,
            start=float(record["start"]),
            end=float(record["end"]),
            label=record["label"],
            score=float(record["score"]),
            scores={str(label): float(p) for label, p in record["scores"].items()},
            possible=tuple(record["possible"]),
            why=str(record["why"]),
            familiarity=record["familiarity"],
            notes=tuple(record["notes"]),
            labels=tuple(record["labels"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise CloudError(
            "The endpoint's answer is none of Earmark's: it was not made by earmark azure deploy."
        ) from None


def _short(error: Exception) -> str:
    return str(error).partition("(Caused by")[0].strip(" .(")[:200] or type(error).__name__
