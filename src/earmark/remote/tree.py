"""`Tree`: one listing of everything below a URI, so that a hundred thousand files are not as many requests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from earmark.remote.ask import ask, protocol

_AT_ONCE = 16  # requests in flight
_CROWDED = 20  # of one folder; for more, listing the folder is quicker
_TAGS = ("ETag", "etag", "generation", "blob_id")
_TIMES = ("Last-Modified", "LastModified", "last_modified", "updated", "mtime", "modified", "created")


class RemoteFile(NamedTuple):
    """One file, as its store knows it.

    Parameters
    ----------
    address
        Its whole URI, which may hold a key: for opening, not for showing.
    size
        Bytes; -1 when the server does not say.
    version
        The store's tag for this content, else the time of its last change; empty when there is neither.
    """

    address: str
    size: int
    version: str

    @classmethod
    def of(cls, address: str, info: Mapping[str, Any]) -> RemoteFile:
        """Make one from what a file system says."""
        size = info.get("size")
        tag = next((info[name] for name in (*_TAGS, *_TIMES) if info.get(name)), "")
        tag = tag.timestamp() if hasattr(tag, "timestamp") else tag
        return cls(address, -1 if size is None else int(size), str(tag).strip('"'))

    @property
    def st_size(self) -> int:
        """The size, under the name that `os.stat` gives it."""
        return self.size


class Tree:
    """The files and folders below a URI, as they were at one moment.

    Attributes
    ----------
    files
        Each file by its path from here. The path is empty when there is a file and no folder.
    folders
        The names in each folder, by the folder's path. Without ``""`` there is no folder here.
    """

    def __init__(self) -> None:
        self.files: dict[str, RemoteFile] = {}
        self.folders: dict[str, set[str]] = {}

    @classmethod
    def of(cls, address: str) -> Tree:
        """List everything below ``address``; nothing at all gives an empty tree."""
        tree = cls()
        for path, info in _below(address).items():
            if info["type"] == "directory" or path.endswith("/"):  # some stores mark folders by empty files
                tree._enter(path.rstrip("/"))
            else:
                tree._enter(path.rpartition("/")[0])
                tree.folders[path.rpartition("/")[0]].add(path.rpartition("/")[2])
                tree.files[path] = RemoteFile.of(f"{address}/{path}", info)
        if not tree.folders and (itself := about(address)) is not None:
            if itself["type"] == "directory":
                tree._enter("")
            else:
                tree.files[""] = RemoteFile.of(address, itself)
        return tree

    def _enter(self, folder: str) -> None:
        """Take in a folder and those above it."""
        while folder not in self.folders:
            self.folders[folder] = set()
            if folder:
                above, _, name = folder.rpartition("/")
                self._enter(above)
                self.folders[above].add(name)


def listable(address: str) -> bool:
    """Say whether folders can be listed there. Plain web servers cannot."""
    return protocol(address) not in ("http", "https")


def about(address: str) -> Mapping[str, Any] | None:
    """Return what the store says about one file or folder, or ``None`` where there is nothing."""

    def info(system: Any, name: str) -> Mapping[str, Any]:
        system.invalidate_cache()
        found: Mapping[str, Any] = system.info(name)
        return found

    try:
        return ask(address, info)
    except FileNotFoundError:
        return None


def names_in(address: str) -> list[str]:
    """Return the names of what stands directly in a folder."""
    if not listable(address):
        return []
    found = ask(address, lambda system, name: system.ls(name, detail=False))
    return sorted({str(name).rstrip("/").rpartition("/")[2] for name in found})


def look_up(addresses: Iterable[str]) -> dict[str, RemoteFile]:
    """Return what is known of each file; what is not there, or closed to us, is left out."""
    from concurrent.futures import ThreadPoolExecutor

    folders: defaultdict[str, list[str]] = defaultdict(list)
    for address in dict.fromkeys(addresses):
        folders[address.rpartition("/")[0]].append(address)
    found: dict[str, RemoteFile] = {}
    single: list[str] = []
    for folder, files in folders.items():
        if len(files) < _CROWDED or not listable(folder):
            single += files
        else:
            found |= _look_into(folder, files)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for address, info in zip(single, pool.map(_seen, single), strict=True):
            if info is not None and info["type"] != "directory":
                found[address] = RemoteFile.of(address, info)
    return found


def _seen(address: str) -> Mapping[str, Any] | None:
    try:
        return about(address)
    except PermissionError:  # so do some stores call what is not there
        return None


def _look_into(folder: str, files: list[str]) -> dict[str, RemoteFile]:
    def listing(system: Any, name: str) -> dict[str, RemoteFile]:
        system.invalidate_cache()
        infos = {info["name"]: info for info in system.ls(name, detail=True) if info["type"] != "directory"}
        names = {address: system._strip_protocol(address) for address in files}
        return {a: RemoteFile.of(a, infos[name]) for a, name in names.items() if name in infos}

    try:
        return ask(folder, listing)
    except (FileNotFoundError, PermissionError):
        return {}


def _below(address: str) -> dict[str, Mapping[str, Any]]:
    """Return what the store says of everything below, by its path from here."""

    def listing(system: Any, name: str) -> dict[str, Mapping[str, Any]]:
        system.invalidate_cache()
        found = system.find(name, withdirs=True, detail=True)
        if not isinstance(found, dict):  # adlfs returns a list where there is one file
            return {}
        start = name.rstrip("/") + "/"
        below = {full.removeprefix(start): info for full, info in found.items() if full.startswith(start)}
        return {path: info for path, info in below.items() if path}

    try:
        return ask(address, listing) if listable(address) else {}
    except FileNotFoundError:
        return {}
