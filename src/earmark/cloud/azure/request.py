"""The sounds in a request to an endpoint, as files: a body as it is, a form, or base64 in JSON."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from earmark.errors import AudioError, UnreadableAudioError
from earmark.serve.problems import ProblemError, too_large
from earmark.serve.settings import MIB, Settings
from earmark.serve.work import Sent

RAW = "-"  # what a sound without a name is called, as standard input is on the command line
_PIECE = 1 << 16
_WRAPPERS = ("input_data", "dataframe_split", "dataframe_records")  # of Azure ML and of MLflow
_FORMS = (
    'Send a sound file as the body; or several as multipart/form-data; or JSON, {"audio": BASE64} or'
    ' {"input_data": {"columns": ["audio"], "data": [[BASE64]]}}.'
)


def sounds_of(request: Any, folder: Path, settings: Settings) -> list[Sent | AudioError]:
    """Write what a request holds to files below ``folder``; a row that holds no sound is an error in its place.

    Parameters
    ----------
    request
        As Flask gives it: ``headers``, ``stream``, ``files``.
    settings
        How much of it is taken.

    Raises
    ------
    ProblemError
        When it is too large, empty, or sent in a way that is not read.
    """
    if request.method != "POST":
        raise ProblemError("wrong-method", f"/score takes POST, not {request.method[:20]}. {_FORMS}")
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise ProblemError("wrong-type", f"The body is sent as {coding!r}. Send it as it is, not compressed.")
    told = request.content_length
    if told is not None and told > settings.body * MIB:
        raise too_large(settings.body, told / MIB)
    found: list[Sent | AudioError]
    if request.mimetype.startswith("multipart/"):
        found = list(_form(request, folder, settings))
    elif request.mimetype == "application/json" or request.mimetype.endswith("+json"):
        data = b"".join(_pieces(request, settings))
        found = list(_rows(data, folder, settings)) if data else []
    else:
        found = list(_whole(request, folder, settings))
    if not found:
        raise ProblemError("not-sound", f"No sound came. {_FORMS}")
    return found


def _pieces(request: Any, settings: Settings) -> Iterator[bytes]:
    """Yield the body as it comes, no more of it than is allowed; its length may not have been told."""
    size = 0
    while data := request.stream.read(_PIECE):
        size += len(data)
        if size > settings.body * MIB:
            raise too_large(settings.body)
        yield data


def _whole(request: Any, folder: Path, settings: Settings) -> Iterator[Sent]:
    path, size = folder / "body", 0
    with path.open("xb") as file:
        for piece in _pieces(request, settings):
            size += file.write(piece)
    if size:
        yield Sent(RAW, str(path))


def _form(request: Any, folder: Path, settings: Settings) -> Iterator[Sent]:
    request.max_content_length = settings.body * MIB  # also where the length was not told
    request.max_form_parts = settings.files + 1
    try:
        sent = [file for _, file in request.files.items(multi=True)]
    except Exception as error:  # Werkzeug's own, which is not installed where this is checked
        if getattr(error, "code", None) == 413:
            raise too_large(settings.body) from None
        raise ProblemError("wrong-type", "The body is no valid multipart/form-data.") from None
    _no_more_than(settings.files, len(sent))
    for i, file in enumerate(sent):
        path = folder / str(i)  # a name of ours; the client's is only told
        file.save(path)
        yield Sent(file.filename or file.name or RAW, str(path))


def _rows(data: bytes, folder: Path, settings: Settings) -> Iterator[Sent | AudioError]:
    rows = list(_table(_json(data)))
    _no_more_than(settings.files, len(rows))
    for i, row in enumerate(rows):
        audio, name = row.get("audio"), row.get("path")
        name = name if isinstance(name, str) and name else RAW
        if not isinstance(audio, str) or not audio:
            yield UnreadableAudioError(name, "'audio' is missing, the bytes of a sound file as base64")
            continue
        try:
            sound = base64.b64decode("".join(audio.split()), validate=True)  # it may be broken into lines
        except (binascii.Error, ValueError):  # ValueError: letters that are not ASCII
            yield UnreadableAudioError(name, "'audio' is not base64")
            continue
        path = folder / str(i)
        path.write_bytes(sound)
        yield Sent(name, str(path))


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        told = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ProblemError("wrong-type", f"The body is no valid JSON: {told}. {_FORMS}") from None


def _table(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield a row a sound: of a table in columns, of rows, or of one row."""
    if isinstance(value, dict):
        for name in _WRAPPERS:
            if name in value:
                yield from _table(value[name])
                return
        if isinstance(value.get("data"), list):
            yield from _columns(value)
            return
        value = [value]
    if not isinstance(value, list) or not all(isinstance(row, dict) and "audio" in row for row in value):
        raise ProblemError("wrong-type", f"The JSON does not say which sound is meant. {_FORMS}")
    yield from value


def _columns(table: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    columns, data = table.get("columns"), table["data"]
    fits = (
        isinstance(columns, list)
        and "audio" in columns
        and all(isinstance(row, list) and len(row) == len(columns) for row in data)
    )
    if not fits or not isinstance(columns, list):
        raise ProblemError(
            "wrong-type", f"The table needs a column 'audio', and each row a value a column. {_FORMS}"
        )
    names = [str(name) for name in columns]
    yield from (dict(zip(names, row, strict=True)) for row in data)


def _no_more_than(most: int, count: int) -> None:
    if count > most:
        raise ProblemError("too-large", f"More than {most} files in one request. Send them in several.")
