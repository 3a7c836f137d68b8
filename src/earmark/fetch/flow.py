"""`fetch`: from a name to a folder that `earmark check` reads, whole or not there at all."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from earmark.errors import ArchiveError, FetchError, PathError, SettingError
from earmark.fetch import checksum, kaggle
from earmark.fetch.bucket import check_storage, told_of
from earmark.fetch.bucket import standing as in_storage
from earmark.fetch.download import Wanted, download
from earmark.fetch.fetched import Fetched, fetched, found, marker_of
from earmark.fetch.part import Part
from earmark.fetch.place import Workplace, check_dest, found_in
from earmark.fetch.plan import Plan, make_plan, standing
from earmark.fetch.registry import Source
from earmark.fetch.storage import Storing
from earmark.fetch.told import Nobody, Told
from earmark.fetch.unpack import Unpacked, unpack
from earmark.files import size_text
from earmark.remote import is_uri

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def fetch(
    source: Source, dest: str, told: Told | None = None, *, origin: str | None = None, mirror: str | None = None,
    against: str | None = None, keep_archive: bool = False, pause: Callable[[float], None] = time.sleep,
) -> Fetched:  # fmt: skip
    """Fetch a public data set into a new folder, or find it there.

    Nothing is there before everything is: the archive is downloaded, held against its checksum and unpacked in a
    hidden folder beside ``dest``, which then takes its place. After a cut or a kill the same call goes on.

    Parameters
    ----------
    source
        An entry of `DATASETS`.
    dest
        A folder that does not exist yet, is empty, or holds this data set already (then nothing is asked of any
        network). Or such a place in object storage, ``az://container/folder``, where it is put file by file.
    told
        Who is told how it goes.
    origin, mirror, against
        From where, and which checksum it must have: see `make_plan`.
    keep_archive
        Whether the archive stays, beside ``dest``. An archive that is found there is not downloaded.
    pause
        Waits for so many seconds before the next try.

    Raises
    ------
    UsageError
        When something else stands at ``dest``, or the settings do not fit together.
    FetchError
        When it cannot be had, or there is no room for it.
    """
    told = told or Nobody()
    if is_uri(dest):
        return _fetch_into(source, dest, told, origin, mirror, against, keep_archive, pause)
    place = check_dest(dest)
    marker = found_in(place, source)
    if marker is not None:
        Workplace(place).tidy()
        return found(source, place, marker)
    plan = make_plan(source, place, origin, mirror, against)
    if keep_archive and (plan.origin == "kaggle" or plan.archive is not None):
        raise SettingError("--keep-archive is for archives that are downloaded.")
    return _Fetch(plan, place, told, keep_archive, pause).run()


def _fetch_into(
    source: Source, dest: str, told: Told, origin: str | None, mirror: str | None, against: str | None, keep: bool,
    pause: Callable[[float], None],
) -> Fetched:  # fmt: skip
    """Fetch a data set into object storage, or find it there."""
    place = check_storage(dest)
    if keep:
        raise SettingError(
            "--keep-archive is for folders on this machine: into object storage only its files go."
        )
    with told_of(place):
        marker = in_storage(place, source)
    if marker is not None:
        return found(source, place, marker)
    plan = make_plan(source, place, origin, mirror, against)
    told.offered(plan)
    done, got = Storing(
        plan, place, told, pause, lambda done, got: marker_of(plan, plan.address, done, got)
    ).run()
    return fetched(plan, plan.address, done, got)


class _Fetch:
    """One run of `fetch`."""

    def __init__(
        self, plan: Plan, dest: Path, told: Told, keep: bool, pause: Callable[[float], None]
    ) -> None:
        self.plan, self.dest, self.told, self.keep, self.pause = plan, dest, told, keep, pause
        self.work = Workplace(dest)
        self.part = Part(self.work.folder / f"{plan.source.file}.part")
        self.kept = dest.with_name(plan.source.file)

    def run(self) -> Fetched:
        if self.plan.origin == "kaggle":
            kaggle.check_installed()
        self.told.offered(self.plan)
        # Before anything is written, so that a disk that is too small stays as it is.
        beside = self.plan.archive is None and self.plan.origin != "kaggle" and self.kept.is_file()
        self.plan.check_room(self.part.size if not beside else self.plan.download or 0)
        with self._told(), self.work.held(), self._nothing_half_made():
            if marker := found_in(self.dest, self.plan.source):  # another run has just finished it
                return found(self.plan.source, self.dest, marker)
            if self.plan.origin == "kaggle":
                return self._from_kaggle()
            archive, got = self._archive()
            with self._whole_stays(archive):
                done = self._unpack(archive)
                fetched = self._settle(done, self._told_address(archive), got)
            if archive == self.part.path and self.keep:
                archive.rename(self.kept)
            return fetched

    # The archive

    def _archive(self) -> tuple[Path, str]:
        """Return where the archive is, and its checksum: on this machine already, or downloaded."""
        plan = self.plan
        if plan.archive is not None:
            return plan.archive, self._checked(plan.archive)
        if self.kept.is_file():
            got = self._checksum(self.kept)
            if plan.checksum in (None, got):
                self.told.noted(f"{self.kept} is there already, and not downloaded.")
                return self.kept, got
            if self.keep:
                raise PathError(
                    f"{self.kept} is another file than the archive ({got}). Move it away, or leave out --keep-archive."
                )
            self.told.noted(f"{self.kept} is another file than the archive, and left alone.")
        return self.part.path, self._downloaded()

    def _downloaded(self) -> str:
        plan = self.plan
        wanted = Wanted(plan.url, plan.total, plan.checksum, plan.most_archive)
        for last in (False, True):
            got = download(wanted, self.part, self.told, self._room, self.pause)
            if plan.checksum in (None, got):
                return got
            self.part.remove()
            if not last:
                self.told.noted(
                    f"The archive is not what it should be ({got}). Fetched once more, from its beginning."
                )
        raise ArchiveError(
            f"{plan.address} is not the archive that it should be: it has {got}, but {plan.checksum} is expected."
            " Nothing of it was kept. Take another place with --mirror URL."
        )

    def _room(self, missing: int) -> None:
        needed, free = missing + self.plan.unpacked, self.plan.free
        if free is not None and needed > free:
            raise FetchError(
                f"{self.plan.source.name} needs another {size_text(needed)} on the disk of {self.dest.parent}, and"
                f" {size_text(free)} are free. Make room, or give another DEST."
            )

    def _checked(self, archive: Path) -> str:
        got = self._checksum(archive)
        if self.plan.checksum not in (None, got):
            raise ArchiveError(
                f"{archive} is not the archive of {self.plan.source.name}: it has {got}, but {self.plan.checksum} is"
                " expected. If it was repacked by somebody whom you trust, add --checksum ALGORITHM:HEX."
            )
        return got

    def _checksum(self, archive: Path) -> str:
        name, whole = checksum.algorithm(self.plan.checksum), archive.stat().st_size
        digest = checksum.of_file(archive, name, lambda done: self.told.fetching("Checksum", done, whole))
        return f"{name}:{digest.hexdigest()}"

    def _told_address(self, archive: Path) -> str:
        return self.plan.address if archive == self.part.path else str(archive)

    # What it becomes

    def _unpack(self, archive: Path) -> Unpacked:
        plan, whole = self.plan, self.plan.source.unpacked
        self.work.tree.mkdir()
        self.told.fetching("Unpack", 0, whole)
        done = unpack(
            archive, self.work.tree, plan.most_bytes, plan.most_files,
            lambda n: self.told.fetching("Unpack", n, max(n, whole)),
        )  # fmt: skip
        self.told.fetching("Unpack", done.bytes, done.bytes)
        if done.left_out:
            self.told.noted(f"{done.left_out:,} files that only macOS uses are left out.")
        return done

    def _settle(self, done: Unpacked, url: str, got: str | None) -> Fetched:
        entries = list(self.work.tree.iterdir())
        top = entries[0] if len(entries) == 1 and entries[0].is_dir() else self.work.tree
        self.work.put_in_place(top, marker_of(self.plan, url, done, got))
        return fetched(self.plan, url, done, got)

    def _from_kaggle(self) -> Fetched:
        done, version = kaggle.fetch(self.plan, self.work.folder, self.work.tree, self.told)
        return self._settle(done, f"https://www.kaggle.com/datasets/{version}", None)

    # Full disks

    @contextmanager
    def _whole_stays(self, archive: Path) -> Iterator[None]:
        """Where unpacking ends early, keep what was downloaded if it is whole, and say so."""
        try:
            yield
        except ArchiveError:
            if archive == self.part.path:
                self.part.remove()  # it would not unpack the next time either
            raise
        except OSError as error:
            if archive != self.part.path or error.errno not in _FULL:
                raise
            raise FetchError(
                f"The disk of {self.dest.parent} is full. What was unpacked is removed; the archive, whole and"
                f" checked, stays in {self.work.folder} ({size_text(self.part.size)}). Make room and run the same"
                " command again, or delete that folder."
            ) from error

    @contextmanager
    def _nothing_half_made(self) -> Iterator[None]:
        """Give a full disk back what was downloaded of a file that did not fit."""
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                self.part.remove()
                shutil.rmtree(self.work.folder / kaggle.CACHE, ignore_errors=True)
            raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the system refuses into a sentence."""
        try:
            yield
        except BrokenPipeError:  # nobody listens any more
            raise
        except OSError as error:
            if error.errno in _FULL:
                raise FetchError(
                    f"The disk of {standing(self.dest.parent)} is full. What was there of"
                    f" {self.plan.source.name} is removed. Make room, or give another DEST."
                ) from error
            raise FetchError(
                f"{self.plan.source.name} cannot be fetched into {self.dest}:"
                f" {error.filename or standing(self.dest)}: {error.strerror or error}."
            ) from error
