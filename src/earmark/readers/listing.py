"""`Listing`: the audio files below a folder, found in one pass, in an order that no file system decides."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from earmark.labels import SUFFIXES as LABEL_SUFFIXES
from earmark.remote import Place, RemoteFile, RemotePath, look_up
from earmark.types import Problem

# What counts as audio by its name. Whether a file decodes is found out when it is opened.
# fmt: off
AUDIO_SUFFIXES = frozenset({
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64",
    ".rf64", ".m4a", ".aac", ".mp4", ".webm", ".wma", ".3gp", ".amr", ".aifc", ".snd", ".sph", ".voc", ".m4b", ".mov",
    ".3gpp", ".3g2", ".mkv", ".mka", ".wmv", ".avi", ".wv", ".tta",
})
# fmt: on

_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True)
class Listing:
    """The audio files below a folder.

    Parameters
    ----------
    root
        The folder.
    paths
        Every audio file below it, relative to it, with ``/`` on every system.
    problems
        Folders that cannot be opened, and names that are not text.
    beside
        Every file below it that may hold labels, by its name.
    remote
        Every file that is known not to be on this machine, by the path that clips have for it.
    """

    root: Place
    paths: frozenset[str]
    problems: tuple[Problem, ...]
    beside: frozenset[str] = frozenset()
    remote: dict[str, RemoteFile] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Place) -> Listing:
        """Walk ``root`` once."""
        problems: list[Problem] = []
        if isinstance(root, RemotePath):
            root = root.listed()
        found = list(walk(root, problems, AUDIO_SUFFIXES | LABEL_SUFFIXES))
        beside = frozenset(path for path in found if suffix(path) in LABEL_SUFFIXES)
        remote = root.files() if isinstance(root, RemotePath) else {}
        told = tuple(sorted(problems, key=lambda p: natural(p.path)))
        return cls(root, frozenset(found) - beside, told, beside, remote)

    def look_up(self, addresses: Mapping[str, str]) -> None:
        """Take in those files that are there, of some that no folder lists: their URIs, by the clips' paths."""
        found = look_up(addresses.values())
        self.remote.update((path, found[uri]) for path, uri in addresses.items() if uri in found)

    @cached_property
    def ordered(self) -> list[str]:
        """The paths in natural order: ``fold2`` before ``fold10``."""
        return sorted(self.paths, key=natural)

    @cached_property
    def beside_ordered(self) -> list[str]:
        """The files that may hold labels, in natural order."""
        return sorted(self.beside, key=natural)

    @cached_property
    def _by_stem(self) -> dict[str, str]:
        return {stem(path): path for path in reversed(self.ordered)}  # reversed, so that the first one wins

    def has(self, path: str) -> bool:
        """Say whether the file is there, even when the walk left it out (hidden, or of an unusual type)."""
        if path in self.paths or path in self.remote:
            return True
        if isinstance(self.root, RemotePath) or ".." in path.split("/"):
            return False
        try:
            return (self.root / path).is_file()
        except OSError:  # a name longer than the file system takes
            return False

    def locate(self, path: str) -> str | None:
        """Return ``path``, or the file that differs from it in the extension only, or ``None``."""
        return path if self.has(path) else self._by_stem.get(stem(path))

    def unlisted(self, used: Collection[str], detail: str) -> list[Problem]:
        """Return a problem for every audio file that is not in ``used``."""
        return [
            Problem("unlisted", path, detail) for path in sorted(self.paths.difference(used), key=natural)
        ]


def walk(root: Place, problems: list[Problem], suffixes: frozenset[str] = AUDIO_SUFFIXES) -> Iterator[str]:
    """Yield every audio file below ``root``, in no particular order. Hidden files and folders are skipped.

    A folder is entered once, under its own name rather than a link's where it has both, so a loop of links
    ends and no file is listed twice.
    """
    if isinstance(root, RemotePath):
        yield from (path for path in root.files() if suffix(path) in suffixes and not _hidden(path))
        return
    entered: set[tuple[int, int]] = set()
    folders, links = [""], list[str]()
    while folders or links:
        if not folders:
            links.sort(reverse=True)
        prefix = (folders or links).pop()
        try:
            status = (root / prefix).stat()
            if (identity := (status.st_dev, status.st_ino)) in entered:
                continue
            entered.add(identity)
            entries = os.scandir(root / prefix)
        except OSError:
            if not prefix:
                raise
            problems.append(Problem("unreadable", prefix.rstrip("/"), "the folder cannot be opened"))
            continue
        with entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = prefix + entry.name
                try:
                    folder, named = entry.is_dir(), suffix(entry.name) in suffixes
                    wanted = folder or (named and entry.is_file())
                except OSError:  # a link to itself, or into a folder that is closed to us
                    problems.append(Problem("unreadable", _shown(path), "the link cannot be followed"))
                    continue
                if wanted and not _is_text(path):
                    problems.append(
                        Problem("unreadable", _shown(path), "the name is not valid text; rename it")
                    )
                elif folder:
                    (links if entry.is_symlink() else folders).append(path + "/")
                elif wanted:
                    yield path
                elif named:
                    what = "the link leads nowhere" if entry.is_symlink() else "it is no regular file"
                    problems.append(Problem("unreadable", _shown(path), what))


def _hidden(path: str) -> bool:
    return path.startswith(".") or "/." in path


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:  # bytes of another encoding, which Python carries as lone surrogates
        return False
    return True


def _shown(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()


def subfolders(root: Place) -> list[str]:
    """Return the names of the folders directly in ``root``, hidden ones left out, in natural order."""
    if isinstance(root, RemotePath):
        return sorted((e.name for e in root.iterdir() if not _hidden(e.name) and e.is_dir()), key=natural)
    with os.scandir(root) as entries:
        visible = (e.name for e in entries if not e.name.startswith(".") and _is_folder(e))
        return sorted(filter(_is_text, visible), key=natural)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def only_child(root: Place) -> Place | None:
    """Return the folder that is all ``root`` holds, as archives often unpack to, or ``None``."""
    if isinstance(root, RemotePath):
        inner = [entry for entry in root.iterdir() if not _hidden(entry.name)]
        return inner[0] if len(inner) == 1 and inner[0].is_dir() else None
    with os.scandir(root) as entries:
        visible = [e for e in entries if not e.name.startswith(".")]
    return root / visible[0].name if len(visible) == 1 and _is_folder(visible[0]) else None


def natural(path: str) -> tuple[tuple[tuple[str | int, ...], ...], str]:
    """Return a sorting key that counts numbers as numbers and keeps each folder together.

    >>> sorted(["fold10/a", "fold2/a", "fold2-b/a"], key=natural)
    ['fold2/a', 'fold2-b/a', 'fold10/a']
    """
    parts = (_DIGITS.split(part) for part in path.split("/"))
    return tuple(tuple(int(x) if i % 2 else x for i, x in enumerate(part)) for part in parts), path


def suffix(path: str) -> str:
    """Return the extension in lower case: ``.wav``, or an empty text."""
    name = path.rpartition("/")[2]
    return "." + name.rpartition(".")[2].lower() if "." in name else ""


def stem(path: str) -> str:
    """Return the path without its extension."""
    return path[: len(path) - len(suffix(path))]


def count(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun.

    >>> count(1, "clip"), count(2148, "clip"), count(13, "class", "classes")
    ('1 clip', '2,148 clips', '13 classes')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def name_of(root: Place) -> str:
    """Return the folder's own name, also for ``.`` and ``..``."""
    if isinstance(root, RemotePath):
        return root.name
    return root.name if root.name not in ("", "..") else root.resolve().name or "data"
