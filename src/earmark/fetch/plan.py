"""`Plan`: what will be fetched, from where, where to, and whether there is room for it; nothing is written yet."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from earmark.errors import FetchError, PathError, SettingError, UnknownNameError
from earmark.fetch import checksum, web
from earmark.fetch.registry import Source
from earmark.files import size_text
from earmark.remote import Place

# Where Kaggle has all files of a public data set as one zip file; kagglehub takes them from there as well.
KAGGLE = "https://www.kaggle.com/api/v1/datasets/download/{}"
_BLOCK = 4096  # bytes that a file system gives at once: each file takes half of one more than it holds
_TWICE = 2  # what an archive may unfold to, as a multiple of what is known of it


@dataclass(frozen=True, slots=True)
class Plan:
    """A fetch before it begins.

    Parameters
    ----------
    source
        The data set.
    origin
        Whom it is got from: a publisher, ``"kaggle"``, ``"mirror"`` or ``"file"``.
    url
        Where the archive is; empty for ``"file"``, and for ``"kaggle"`` unless it goes into object storage.
    archive
        The archive on this machine, where that is what is unpacked.
    dest
        The folder that it becomes, on this machine or in object storage.
    checksum
        What the archive is held against; ``None`` where nobody knows.
    total
        The archive's size, where it is known for certain.
    """

    source: Source
    origin: str
    url: str
    archive: Path | None
    dest: Place
    checksum: str | None
    total: int | None

    @property
    def address(self) -> str:
        """Where it comes from, for a person: without a key."""
        if self.archive is not None:
            return str(self.archive)
        return (
            f"https://www.kaggle.com/datasets/{self.source.kaggle}"
            if self.origin == "kaggle"
            else web.shown(self.url)
        )

    @property
    def download(self) -> int | None:
        """Bytes to download as far as they are known, with what is there of them already."""
        return 0 if self.archive is not None else self.total if self.total is not None else self.source.bytes

    @property
    def most_archive(self) -> int:
        """Bytes that an archive may have whose size is not known for certain."""
        return (
            self.total
            if self.total is not None
            else _TWICE * max(self.source.bytes or 0, self.source.unpacked)
        )

    @property
    def most_bytes(self) -> int:
        """Bytes that the archive may unfold to."""
        return _TWICE * self.source.unpacked

    @property
    def most_files(self) -> int:
        """Files and folders that the archive may hold."""
        return _TWICE * self.source.files

    @property
    def unpacked(self) -> int:
        """Bytes that the files take on a disk."""
        return self.source.unpacked + self.source.files * _BLOCK // 2

    @property
    def free(self) -> int | None:
        """Bytes that are free there, now; ``None`` in object storage."""
        return shutil.disk_usage(standing(self.dest)).free if isinstance(self.dest, Path) else None

    def check_room(self, there: int) -> None:
        """Refuse to begin what the disk has no room for.

        Parameters
        ----------
        there
            Bytes of the download that are on the disk already.

        Raises
        ------
        FetchError
            How much is needed, and how much is free.
        """
        needed, free = max(0, (self.download or 0) - there) + self.unpacked, self.free
        if isinstance(self.dest, Path) and free is not None and needed > free:
            raise FetchError(
                f"{self.source.name} needs {size_text(needed)} on the disk of {standing(self.dest)}, and"
                f" {size_text(free)} are free. Make room, or give another DEST."
            )


def standing(path: Path) -> Path:
    """Return the path, or the first folder above it that is there."""
    return next(part for part in (path, *path.absolute().parents) if part.exists())


def make_plan(
    source: Source, dest: Place, origin: str | None, mirror: str | None, against: str | None
) -> Plan:
    """Decide from where an archive comes, and what it is held against.

    Parameters
    ----------
    origin
        One of `Source.origins`; ``None`` for the first.
    mirror
        Another address of the archive, or with a ``/`` at its end of the folder that it is in; or a path.
    against
        The checksum of what ``mirror`` has, where it is repacked.

    Raises
    ------
    UsageError
        When these do not fit together, or a path leads to nothing.
    """
    if origin is not None and origin not in source.origins:
        raise UnknownNameError(f"source of {source.name}", origin, source.origins)
    if origin == "kaggle" and (mirror is not None or against is not None):
        raise SettingError("--from kaggle brings its own files: leave out --mirror and --checksum.")
    known = checksum.parse(against) if against is not None else source.checksum
    # Where a checksum was given, the archive is another one, and its size is not known.
    total = source.bytes if against is None and source.checksum is not None else None
    if origin == "kaggle":
        url = "" if isinstance(dest, Path) else KAGGLE.format(source.kaggle)
        return Plan(source, origin, url, None, dest, None, None)
    if mirror is None:
        return Plan(source, source.origin, source.url, None, dest, known, total)
    if "://" in mirror and not mirror.lower().startswith("file://"):
        url = mirror + quote(source.file) if mirror.endswith("/") else mirror
        web.check_address(url)
        return Plan(source, "mirror", url, None, dest, known, total)
    return Plan(source, "file", "", _local(mirror, source), dest, known, total)


def _local(mirror: str, source: Source) -> Path:
    from urllib.parse import unquote, urlsplit
    from urllib.request import url2pathname

    if mirror.lower().startswith("file://"):
        parts = urlsplit(mirror)
        if parts.netloc not in ("", "localhost"):
            raise PathError(f"'{mirror}' names the machine '{parts.netloc}'. Type: file:///PATH")
        path = Path(url2pathname(unquote(parts.path)))
    else:
        path = Path(mirror)
    if path.is_dir():
        path /= source.file
    if not path.exists():
        raise PathError(
            f"There is no archive at {path}. --mirror takes an address, a file, or a folder with {source.file}."
        )
    if not path.is_file():
        raise PathError(f"{path} is not a file.")
    return path
