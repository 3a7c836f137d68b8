"""What a person names to be heard: files, folders, standard input, places at URIs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earmark.errors import PathError

STDIN = "-"


def expand(paths: Sequence[str]) -> list[str]:
    """Return every path, with folders replaced by the sound files below them in natural order.

    What cannot be looked into below a folder is in the list as well, so that it is missed where it fails.

    Raises
    ------
    PathError
        For a path that is not there, or a folder without sound files.
    """
    found: list[str] = []
    for path in paths:
        if "://" in path:
            found.extend(_expand_uri(path))
            continue
        try:
            if path != STDIN and not Path(path).exists():
                raise PathError(f"There is no file or folder '{path}'.")
            if path == STDIN or not Path(path).is_dir():
                found.append(path)
                continue
            from earmark.readers.listing import Listing  # a file needs no listing

            listing = Listing.of(Path(path))
        except OSError as error:
            raise PathError(f"{path} cannot be read: {error.strerror}.") from None
        below = [*listing.ordered, *(problem.path for problem in listing.problems)]
        if not below:
            raise PathError(f"There are no sound files below '{path}'.")
        found.extend(str(Path(path) / name) for name in below)
    return found


def _expand_uri(uri: str) -> list[str]:
    from earmark.readers.listing import Listing
    from earmark.remote import RemotePath, place

    root = place(uri)
    if not isinstance(root, RemotePath):  # file://
        return expand([str(root)])
    try:
        root = root.listed()
        if root.is_file():
            return [root.address]
        below = [(root / name).address for name in Listing.of(root).ordered]
    except OSError as error:
        raise PathError(f"{root} cannot be read: {error.strerror or error}.") from None
    if not below:
        raise PathError(f"There are no sound files at '{root}'.")
    return below


def here(path: str) -> Path:
    """Return the file on this machine: itself, or a copy of what is at a URI."""
    if "://" not in path:
        return Path(path)
    from earmark.engine.fetch import fetched  # a file needs none of it

    return fetched(path)
