"""Files beyond this machine: any URI that fsspec knows is read as a path is. Nothing is imported until one is given."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from earmark.errors import PathError, UnreadableAudioError
from earmark.remote.ask import VERSION, file_system, protocol, shown
from earmark.remote.path import RemotePath
from earmark.remote.tree import RemoteFile, listable, look_up

__all__ = [
    "UNFINISHED", "Place", "RemoteFile", "RemotePath", "is_uri", "listable", "local_file", "look_up", "place", "shown",
]  # fmt: skip

# Stands in a folder for as long as not all that belongs there has been put there.
UNFINISHED = ".earmark-unfinished.json"

_ALMOST = re.compile(r"(az|abfs|abfss|s3|gs|gcs|hf|http|https|memory):/*(?=.)")
# Where something is: on this machine or at a URI.
Place = Path | RemotePath


def is_uri(text: str) -> bool:
    r"""Say whether a text is a URI of another place than this machine's own files.

    >>> is_uri("s3://sounds/a.wav"), is_uri("file:///a.wav"), is_uri("C:\\a.wav")
    (True, False, False)
    """
    return protocol(text) not in ("", "file")


def place(text: str | Place) -> Place:
    """Return what stands for a path or a URI. Nothing is asked yet, but what opens it must be installed.

    Raises
    ------
    MissingExtraError
        When the package for it is not installed.
    PathError
        When no package opens such a URI, or its account is not known.

    Examples
    --------
    >>> place("sounds/esc50") == Path("sounds/esc50")
    True
    >>> place("memory://sounds/esc50") / "meta"
    RemotePath('memory://sounds/esc50/meta')
    """
    if not isinstance(text, str):
        return text
    if protocol(text) == "file":
        from urllib.request import url2pathname  # half of the web comes with it

        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost"):
            raise PathError(
                f"'{text}' names the machine '{parts.netloc}'. Type: file:///{parts.netloc}{parts.path}"
            )
        return Path(url2pathname(unquote(parts.path)))
    if not protocol(text):
        if found := _ALMOST.match(text):
            raise PathError(f"'{text}' is no URI yet. Did you mean '{found[1]}://{text[found.end() :]}'?")
        return Path(text)
    if not text.partition("://")[2].strip("/"):
        raise PathError(f"'{text}' names no place. Give all of it, such as az://container/folder.")
    uri, _, version = text.partition(VERSION)
    file_system(uri)
    return RemotePath(uri, version)


def local_file(path: Place) -> Path:
    """Return a file that can be opened here: the path itself, or a copy that lasts as long as it is worked on.

    Raises
    ------
    AudioError
        When it cannot be fetched; names the object and the reason, but no key.
    """
    if isinstance(path, Path):
        return path
    try:
        return path.local()
    except OSError as error:
        raise UnreadableAudioError(path, (error.strerror or str(error)).lower()) from error
