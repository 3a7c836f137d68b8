"""`RemotePath`: as much of `pathlib` as readers use, for a file or a folder at a URI."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import quote

from earmark.errors import TooLongAudioError
from earmark.remote.ask import VERSION, ask, file_system, shown
from earmark.remote.spool import SPOOL
from earmark.remote.tree import RemoteFile, Tree, about, listable, names_in


class RemotePath:
    """A file or folder at a URI. Its text never holds a key.

    Once `listed`, it and every path made from it downwards answer from that one listing, which is of one moment.
    Otherwise each question is a request.

    Parameters
    ----------
    address
        The URI. What follows a ``?`` on the web stays with the paths made from it, as a key to a folder does.
    version
        Of the content, where it is known: a copy of another version is not taken for this one.

    Examples
    --------
    >>> folder = RemotePath("https://host/sounds?sv=1&sig=secret")
    >>> folder / "dog 1.wav", (folder / "a").parent == folder, folder.name
    (RemotePath('https://host/sounds/dog%201.wav'), True, 'sounds')
    """

    __slots__ = ("_base", "_query", "_tree", "_version", "_within")

    def __init__(self, address: str, version: str = "", tree: Tree | None = None, within: str = "") -> None:
        base, mark, query = (address, "", "") if listable(address) else address.partition("?")
        start, _, rest = base.partition("://")
        self._base, self._query = f"{start}://{rest.rstrip('/')}", mark + query
        self._version = version
        self._tree, self._within = tree, within  # where in the tree

    @property
    def address(self) -> str:
        """The whole URI, with its key if it has one: for opening, not for showing."""
        return self._base + self._query

    @property
    def ticket(self) -> str:
        """The address and, where it is known, the version: what `earmark.remote.place` takes in any process."""
        known = self._tree.files.get(self._within) if self._tree is not None else None
        version = known.version if known else self._version
        return self.address + (f"{VERSION}{version}" if version else "")

    @property
    def fs(self) -> Any:
        """The fsspec file system that it is on."""
        return file_system(self.address)[0]

    @property
    def path(self) -> str:
        """Its name on that file system."""
        return file_system(self.address)[1]

    @property
    def listable(self) -> bool:
        """Whether a folder there can be listed."""
        return listable(self._base)

    @property
    def name(self) -> str:
        """The last part; at the top, the container's name."""
        return self._base.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return PurePosixPath(self.name).stem

    @property
    def parent(self) -> RemotePath:
        """The folder above; the top is its own."""
        start, _, rest = self._base.partition("://")
        above = rest.rpartition("/")[0]
        if not above:
            return self
        tree = self._tree if self._within else None
        return RemotePath(f"{start}://{above}{self._query}", "", tree, self._within.rpartition("/")[0])

    @property
    def parents(self) -> tuple[RemotePath, ...]:
        """The folders above, the nearest first."""
        above = self.parent
        return () if above == self else (above, *above.parents)

    def __truediv__(self, path: str) -> RemotePath:
        path = path.strip("/")
        if path in ("", "."):
            return self
        name = path if self.listable else quote(path)
        within = f"{self._within}/{path}".lstrip("/")
        return RemotePath(f"{self._base}/{name}{self._query}", "", self._tree, within)

    def __str__(self) -> str:
        return shown(self.address)

    def __repr__(self) -> str:
        return f"RemotePath('{self}')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)

    def __lt__(self, other: RemotePath) -> bool:
        return self.address < other.address

    def __reduce__(self) -> tuple[type[RemotePath], tuple[str, ...]]:
        return RemotePath, tuple(
            self.ticket.partition(VERSION)[::2]
        )  # without the listing, which may be long

    def listed(self) -> RemotePath:
        """Return this path with a listing, made now unless there is one."""
        return self if self._tree else RemotePath(self.address, "", Tree.of(self.address))

    def files(self) -> dict[str, RemoteFile]:
        """Return every file below, by its path from here."""
        if self._tree is None:
            return self.listed().files()
        start = f"{self._within}/" if self._within else ""
        found = self._tree.files.items()
        return {path.removeprefix(start): file for path, file in found if path and path.startswith(start)}

    def is_file(self) -> bool:
        """Say whether it is a file."""
        if self._tree is not None:
            return self._within in self._tree.files
        info = about(self.address)
        return info is not None and info["type"] != "directory"

    def is_dir(self) -> bool:
        """Say whether it is a folder."""
        if self._tree is not None:
            return self._within in self._tree.folders
        info = about(self.address)
        return info is not None and info["type"] == "directory"

    def exists(self) -> bool:
        """Say whether there is anything."""
        return about(self.address) is not None if self._tree is None else self.is_file() or self.is_dir()

    def iterdir(self) -> Iterator[RemotePath]:
        """Yield what stands directly in the folder."""
        names = self._tree.folders[self._within] if self._tree is not None else names_in(self.address)
        return (self / name for name in sorted(names))

    def stat(self) -> RemoteFile:
        """Return what is known of the file.

        Raises
        ------
        FileNotFoundError
            When it is not there.
        """
        if self._tree is None:
            info = about(self.address)
            found = RemoteFile.of(self.address, info) if info else None
        else:
            found = self._tree.files.get(self._within)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
        return found

    def open(self, mode: str = "r", encoding: str | None = None, newline: str | None = None) -> IO[Any]:
        """Open the file for reading. It is fetched whole, once."""
        try:
            return self.local().open(mode, encoding=encoding, newline=newline)
        except TooLongAudioError as error:
            raise OSError(errno.EFBIG, error.reason, str(self)) from None

    def put(self, data: bytes) -> None:
        """Make the file appear whole. Raises as `earmark.remote.ask.ask` does."""
        ask(self.address, lambda system, name: system.pipe_file(name, data))

    def remove(self) -> None:
        """Remove the file. Raises as `earmark.remote.ask.ask` does."""
        ask(self.address, lambda system, name: system.rm_file(name))

    def local(self) -> Path:
        """Return a copy on this machine. Raises as `Spool.file` does."""
        address, _, version = self.ticket.partition(VERSION)
        return SPOOL.file(address, version)
