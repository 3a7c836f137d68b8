"""Asks a file system beyond this machine: which one, how often, and what may be said of a failure."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from earmark.errors import EarmarkError, MissingExtraError, PathError, nearest
from earmark.remote import blob

Result = TypeVar("Result")

TRIES = 3
PAUSE = 0.5  # seconds before the second try; each further one waits four times as long
# Seconds after which nothing is tried again: a file system that took as long has tried by itself. Fewer where nobody
# has answered yet: then there most likely is no network, or no such name.
PATIENCE, UNANSWERED = 30.0, 4.0

# Who opens what: the extra of Earmark that brings it, and the package.
_AZURE, _S3, _GOOGLE, _CLOUD = ("azure", "adlfs"), ("s3", "s3fs"), ("gcs", "gcsfs"), ("cloud", "fsspec")
_EXTRAS = {
    **dict.fromkeys(("az", "abfs", "abfss"), _AZURE),
    **dict.fromkeys(("s3", "s3a"), _S3),
    **dict.fromkeys(("gs", "gcs"), _GOOGLE),
    **dict.fromkeys(("http", "https"), ("cloud", "aiohttp")),
}
VERSION = "#earmark-version="  # after the URI in an address

_PROTOCOL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # two letters at least: C:\ is a drive
# `user:password@`, where the password may have a slash, but host:8080/ is a port; then `token@`.
_USER = re.compile(r"(?<=://)(?:[^/@?:\s]*:(?!\d+/)[^@?\s]*@|[^/@?:\s]+@)")
# What the errors of one library or another are called where no connection was made.
_UNREACHED = re.compile(
    "ServiceRequestError|ClientConnector|EndpointConnectionError|ConnectTimeout|ConnectionTimeoutError|gaierror"
)
# A refusal of the question itself, which will be the same the next time; the others of its hundred may pass.
_PASSING = frozenset({408, 409, 412, 423, 425, 429})
_ANSWERED: set[str] = set()  # the protocols by which anybody has ever answered this process
_QUERY = re.compile(r"\?[^\s'\"]*=[^\s'\"]*")
_SECRET = re.compile(r"(?i)(\w*(?:sig|key|token|secret|password|credential)\w*\s*[=:]\s*)[^\s&;,'\"]+")


def protocol(text: str) -> str:
    """Return the protocol of a URI in lower case, or empty text for what is none.

    >>> protocol("az://sounds/esc50"), protocol("C:/sounds"), protocol("sounds/esc50")
    ('az', '', '')
    """
    found = _PROTOCOL.match(text)
    return found[1].lower() if found else ""


def shown(place: object) -> str:
    """Return a URI without what may be a key: its query, and its user and password.

    >>> shown("https://me:pass@host/a.wav?sv=1&sig=abc"), shown("abfs://sounds@account.dfs.core.windows.net/a")
    ('https://host/a.wav', 'abfs://sounds@account.dfs.core.windows.net/a')
    """
    uri = str(place).partition(VERSION)[0]
    if not protocol(uri):
        return str(place)
    if protocol(uri) in ("http", "https"):
        uri = uri.partition("?")[0]
    container = protocol(uri).startswith("abfs") and ":" not in uri.partition("://")[2].partition("@")[0]
    return _QUERY.sub("", uri if container else _USER.sub("", uri, count=1))


def file_system(uri: str) -> tuple[Any, str]:
    """Return what opens a URI, and the name that it has there.

    Raises
    ------
    MissingExtraError
        When a package is not installed; says which extra brings it.
    PathError
        When nobody knows the protocol, or the account.
    """
    name = protocol(uri)
    start = f"{name}://"
    extra, package = _EXTRAS.get(name, _CLOUD)
    try:
        import fsspec
        from fsspec.registry import known_implementations
    except ImportError:
        raise MissingExtraError(start, extra, "fsspec") from None
    try:
        found: tuple[Any, str] = fsspec.core.url_to_fs(uri)
    except ImportError as error:
        if name in _EXTRAS:
            raise MissingExtraError(start, extra, package) from None
        raise PathError(f"{start} cannot be opened: {_words(error)}.") from None
    except Exception as error:  # each file system has its own
        if name not in (known := {*known_implementations, *fsspec.registry}):
            accepted = "az://, s3://, gs://, hf:// and https://"
            raise PathError(
                f"Nothing here opens {start}.{nearest(name, known)} A folder, {accepted} are read."
            ) from None
        hint = f" {blob.HINT}" if extra == "azure" else ""
        raise PathError(f"{shown(uri)} cannot be opened: {_words(error)}.{hint}") from None
    if extra == "azure":
        blob.settle(found[0])
    return found


def ask(uri: str, call: Callable[[Any, str], Result]) -> Result:
    """Return ``call(file_system, name)`` for a URI, tried again when the network fails.

    Raises
    ------
    OSError
        With a number, a reason and a file name that hold no key: `FileNotFoundError` and `PermissionError` at once,
        any other after several tries.
    """
    system, name = file_system(uri)
    began, known = time.monotonic(), protocol(uri)
    for attempt in range(1, TRIES + 1):
        try:
            answer = call(system, name)
        except EarmarkError:
            raise
        except Exception as error:  # each file system has its own
            number, said = _understood(error)
            if _unreached(error):
                number, said = errno.EIO, f"no network, or no such name ({_words(error)})"
            else:
                _ANSWERED.add(known)
        else:
            _ANSWERED.add(known)
            return answer
        if number != errno.EIO:
            break
        patience = PATIENCE if known in _ANSWERED else UNANSWERED
        if attempt == TRIES or time.monotonic() - began > patience:
            said = f"{attempt} {'try' if attempt == 1 else 'tries'} failed, the last with {said}"
            break
        time.sleep(PAUSE * 4 ** (attempt - 1))
    raise OSError(number, said, shown(uri))


def _understood(error: BaseException) -> tuple[int, str]:
    """Return the number of the system's error that this amounts to, EIO for what may pass, and its words."""
    cause = error.__cause__
    if isinstance(error, FileNotFoundError) and cause is not None and _status(cause) not in (None, 404, 410):
        error = cause  # over HTTP every refusal is said to be a missing file
    elif isinstance(error, FileNotFoundError) and isinstance(cause, OSError):
        error = cause
    status, kind = _status(error), type(error).__name__
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return errno.ENOENT, os.strerror(errno.ENOENT)
    if why := blob.refusal(error):
        return errno.EACCES, f"{os.strerror(errno.EACCES)} ({why})"
    if (
        isinstance(error, PermissionError)
        or status in (401, 403)
        or re.search("(?i)credential|authent", kind)
    ):
        return errno.EACCES, f"{os.strerror(errno.EACCES)} ({_words(error)})"
    if isinstance(error, (IsADirectoryError, NotADirectoryError)):
        return errno.EISDIR, os.strerror(errno.EISDIR)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return errno.ENOSPC, os.strerror(errno.ENOSPC)
    refused = status is not None and 400 <= status < 500 and status not in _PASSING
    if refused or isinstance(error, (ValueError, TypeError, NotImplementedError, ImportError)):
        return errno.EINVAL, f"{os.strerror(errno.EINVAL)} ({_words(error)})"
    return errno.EIO, f"{kind} ({_words(error)})"


def _unreached(error: BaseException) -> bool:
    """Say whether no connection was made at all."""
    causes = (error, error.__cause__)
    return any(_UNREACHED.search(kind.__name__) for cause in causes for kind in type(cause).__mro__)


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that an error carries under one name or another."""
    values = (str(getattr(error, name, "")) for name in ("status_code", "status", "code"))
    return next((int(value) for value in values if value.isdecimal()), None)


def _words(error: BaseException) -> str:
    """Return the first line of what an error says, without keys."""
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    for pattern, instead in ((_QUERY, ""), (_USER, ""), (_SECRET, r"\1…")):
        said = pattern.sub(instead, said)
    return said[:200].rstrip(". ")
