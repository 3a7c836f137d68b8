"""Unpacking an archive that may mean harm: nothing outside the folder, no links, no more than was announced."""

from __future__ import annotations

import gzip
import re
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from earmark.errors import ArchiveError
from earmark.fetch.members import PIECE, Member, members

_LONGEST = 255  # bytes of one name, as file systems have it
_UNSAFE = re.compile(r'[\\:*?"<>|\x00-\x1f\x7f]')
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile, NotImplementedError)


@dataclass(slots=True)
class Unpacked:
    """What came out.

    Parameters
    ----------
    files, bytes
        How many, and how large together.
    left_out
        Files that macOS adds to archives and nobody needs: ``__MACOSX``, ``._…``, ``.DS_Store``.
    """

    files: int = 0
    bytes: int = 0
    left_out: int = 0


@dataclass(slots=True)
class _Names:
    """The names so far, as a file system that knows no capitals would have them."""

    archive: object
    files: set[str] = field(default_factory=set)
    folders: dict[str, str] = field(default_factory=dict)

    def claim(self, parts: tuple[str, ...], folder: bool) -> None:
        """Take a name, or refuse one that would meet another."""
        for end in range(1, len(parts) + 1):
            written = "/".join(parts[:end])
            name = unicodedata.normalize("NFC", written).casefold()
            last = end == len(parts) and not folder
            if name in self.files or (last and name in self.folders):
                raise ArchiveError(
                    f"{self.archive} is not unpacked: two of its files would be called '{written}'."
                )
            if last:
                self.files.add(name)
            elif self.folders.setdefault(name, written) != written:
                raise ArchiveError(
                    f"{self.archive} is not unpacked: its folders '{self.folders[name]}' and '{written}' differ in"
                    " capitals only."
                )


def unpack(
    archive: Path,
    into: Path,
    most_bytes: int,
    most_files: int,
    told: Callable[[int], None] = lambda done: None,
) -> Unpacked:
    """Unpack a tar, tar.gz or zip file into an empty folder. What it is, is seen by its content and not by its name.

    Names, sizes and contents are taken; owners, permissions and dates are not. A folder that holds all the rest stays.

    Parameters
    ----------
    archive, into
        The file, and the folder.
    most_bytes, most_files
        What it may unfold to.
    told
        Called with the bytes that were written.

    Raises
    ------
    ArchiveError
        When it is damaged, or holds what no data set needs: links, devices, names that lead elsewhere, more than it
        may. What was unpacked until then is for the caller to remove.
    OSError
        As the system says it, when a file cannot be written.
    """
    done = Unpacked()
    with archive.open("rb") as file:
        for parts, member in contents(archive, file, most_bytes, most_files, done):
            path = into.joinpath(*parts)
            if member.folder:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as target:
                for piece in pieces(archive, member, most_bytes, done):
                    target.write(piece)
                    told(done.bytes)
    return done


def contents(
    archive: object, file: BinaryIO, most_bytes: int, most_files: int, done: Unpacked
) -> Iterator[tuple[tuple[str, ...], Member]]:
    """Yield what an archive holds, in its order, with the parts of its name; ``done`` counts the files.

    Raises
    ------
    ArchiveError
        As `unpack` does.
    """
    names = _Names(archive)
    with _whole(archive):
        for member in members(archive, file, most_bytes, most_files):
            parts = _safe(archive, member.name)
            if not parts:
                continue
            if _apple(parts):
                done.left_out += not member.folder
                continue
            names.claim(parts, member.folder)
            done.files += not member.folder
            yield parts, member
    if not done.files:
        raise ArchiveError(f"{archive} holds no files.")


def pieces(archive: object, member: Member, most_bytes: int, done: Unpacked) -> Iterator[bytes]:
    """Yield the bytes of a file in an archive, at most `PIECE` at a time; ``done`` counts them.

    Raises
    ------
    ArchiveError
        When they are not as many as the archive says, or more than it may unfold to.
    """
    written = 0
    with _whole(archive), member.open() as source:
        while piece := source.read(PIECE):
            written += len(piece)
            done.bytes += len(piece)
            if done.bytes > most_bytes:
                raise ArchiveError(
                    f"{archive} is not unpacked: it unfolds into more than the {most_bytes:,} bytes that it may."
                )
            yield piece
    if written != member.size:
        raise ArchiveError(f"{archive} is damaged: '{member.name}' is cut off.")


@contextmanager
def _whole(archive: object) -> Iterator[None]:
    """Tell damage in one sentence."""
    try:
        yield
    except _DAMAGED as error:
        raise ArchiveError(f"{archive} is damaged: {str(error) or type(error).__name__}.") from None


# Names


def _safe(archive: object, name: str) -> tuple[str, ...]:
    """Return the parts of a name that stays in its folder on every system, or refuse it."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    wrong = (
        name.startswith("/")
        or ".." in parts
        or _UNSAFE.search(name)
        or any(part != part.rstrip(" .") or len(part.encode("utf-8", "replace")) > _LONGEST for part in parts)
    )
    if wrong or not _is_text(name):
        raise ArchiveError(
            f"{archive} is not unpacked: the name {name!a} in it leads out of the folder, or is none that every"
            " system can write."
        )
    return parts


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes of another encoding, which Python carries as lone surrogates
        return False
    return True


def _apple(parts: tuple[str, ...]) -> bool:
    return parts[0] == "__MACOSX" or parts[-1].startswith("._") or parts[-1] == ".DS_Store"
