"""`members`: what is in a tar, tar.gz or zip file, one after another, with nothing believed that it claims."""

from __future__ import annotations

import gzip
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO, BinaryIO, Protocol

from earmark.errors import ArchiveError

PIECE = 2**20
_HEADERS = 4096  # bytes that a tar file may spend on the header of a member
_BLOCK = 512
_KEPT = 4 * _BLOCK
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class _Stream(Protocol):
    """A file, or what gzip makes of one."""

    def read(self, size: int, /) -> bytes: ...
    def seek(self, place: int, /) -> int: ...
    def tell(self) -> int: ...


@dataclass(slots=True)
class Member:
    """One file or folder of an archive."""

    name: str
    folder: bool
    size: int
    open: Callable[[], IO[bytes]]


def members(archive: object, file: BinaryIO, most_bytes: int, most_files: int) -> Iterator[Member]:
    """Yield what is in it, in its order, and refuse too many."""
    start = file.read(4)
    file.seek(0)
    if start.startswith(b"PK"):
        found = _zip_members(archive, file, most_bytes)
    elif start.startswith(b"\x1f\x8b"):
        found = _tar_members(archive, gzip.GzipFile(fileobj=file), most_bytes + most_files * _HEADERS)
    else:
        found = _tar_members(archive, file, most_bytes + most_files * _HEADERS)
    for count, member in enumerate(found, 1):
        if count > most_files:
            raise ArchiveError(
                f"{archive} is not unpacked: it holds more than {most_files:,} files and folders."
            )
        yield member


# Tar


class _Bounded:
    """A stream that is read within bounds only: the header of a tar file may claim any length.

    tarfile goes back a little now and then. A stream that is unpacked would begin anew for that, and one that comes
    over the network would be fetched again; so what was read last is kept.

    Attributes
    ----------
    allowed
        Bytes that may be read before somebody allows more.
    """

    def __init__(self, archive: object, stream: _Stream, most: int) -> None:
        self._archive, self._stream, self._most = archive, stream, most
        self.allowed = PIECE
        self._place = self._at = stream.tell()  # of the reader, and of the stream
        self._last = b""  # what the stream gave before

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        if not 0 <= size <= min(PIECE, self.allowed):
            raise ArchiveError(f"{self._archive} is not unpacked: a header in it goes on for ever.")
        self.allowed -= size
        self._check(self._place)
        back = self._at - self._place
        data = self._last[len(self._last) - back :][:size] if back else b""
        if len(data) < size:
            new = self._stream.read(size - len(data))
            self._at += len(new)
            self._last = (self._last + new[-_KEPT:])[-_KEPT:]
            data += new
        self._place += len(data)
        return data

    def seek(self, place: int) -> int:
        """Go on to a place, or back a little."""
        self._check(place)
        if not 0 <= self._at - place <= len(self._last):
            self._at, self._last = self._stream.seek(place), b""
        self._place = place
        return place

    def tell(self) -> int:
        """Return where it is."""
        return self._place

    def _check(self, place: int) -> None:
        if place > self._most:
            raise ArchiveError(
                f"{self._archive} is not unpacked: it unfolds into more than the {self._most:,} bytes that it may."
            )


def _tar_members(archive: object, stream: _Stream, most: int) -> Iterator[Member]:
    bounded = _Bounded(archive, stream, most)
    try:
        tar = tarfile.open(fileobj=bounded, mode="r:")  # type: ignore[call-overload]  # noqa: SIM115
    except tarfile.ReadError:
        raise ArchiveError(f"{archive} is neither a zip file nor a tar.gz file.") from None

    def opened(info: tarfile.TarInfo) -> IO[bytes]:
        bounded.allowed = info.size
        file: IO[bytes] | None = tar.extractfile(info)
        if file is None:
            raise tarfile.ReadError(f"'{info.name}' cannot be opened")
        return file

    with tar:
        while (info := tar.next()) is not None:
            tar.members.clear()  # or each would be kept to the end
            if kind := _tar_kind(info):
                raise ArchiveError(f"{archive} is not unpacked: '{info.name}' in it is {kind}.")
            yield Member(info.name, info.isdir(), info.size, partial(opened, info))
            bounded.allowed = PIECE
        # tarfile takes a header that it cannot read for the end. The true end is zeros, and then the gzip checksum.
        bounded.seek(tar.offset)
        bounded.allowed = most + PIECE
        while piece := bounded.read(_BLOCK * 64):
            if any(piece):
                raise ArchiveError(
                    f"{archive} is damaged: what follows byte {tar.offset:,} of its content is no file."
                )


def _tar_kind(info: tarfile.TarInfo) -> str:
    """Say what a member is that is neither a plain file nor a folder; ``""`` for those."""
    if info.issym() or info.islnk():
        return "a link"
    if info.issparse():
        return "a file with holes"
    return "" if info.isfile() or info.isdir() else "neither a file nor a folder"


# Zip


def _zip_members(archive: object, file: BinaryIO, most: int) -> Iterator[Member]:
    try:
        packed = zipfile.ZipFile(file)
    except (ValueError, OSError, struct.error, IndexError) as error:  # a directory full of nonsense
        raise ArchiveError(f"{archive} is damaged: {error}.") from None

    def opened(entry: zipfile.ZipInfo) -> IO[bytes]:
        try:
            return packed.open(entry)
        except (ValueError, OSError, struct.error, RuntimeError) as error:  # it points to where nothing is
            raise zipfile.BadZipFile(str(error)) from None

    with packed:
        entries = packed.infolist()
        total = sum(entry.file_size for entry in entries)
        if total > most:
            raise ArchiveError(
                f"{archive} is not unpacked: it unfolds into {total:,} bytes, more than the {most:,} that it may."
            )
        for entry in entries:
            if kind := _zip_kind(entry):
                raise ArchiveError(f"{archive} is not unpacked: '{entry.filename}' in it is {kind}.")
            yield Member(entry.filename, entry.is_dir(), entry.file_size, partial(opened, entry))


def _zip_kind(entry: zipfile.ZipInfo) -> str:
    """Say what an entry is that is neither a plain file nor a folder; ``""`` for those."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "a link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "neither a file nor a folder"
    if entry.flag_bits & 1:
        return "encrypted"
    return "" if entry.compress_type in _METHODS else "packed in an unusual way"
