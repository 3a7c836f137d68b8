"""`fetch_into`: a public data set straight into object storage; this machine's disk has no part in it.

What an archive holds is put there file by file as the archive comes in. A note stands beside the files from before the
first until the checksum of all that was read is right and every file is seen to be there; readers refuse a folder with
such a note. A run after a cut or a kill reads the archive again, but puts nothing that is there already, byte for byte.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from earmark.errors import ArchiveError, FetchError
from earmark.fetch import checksum
from earmark.fetch.bucket import OURS, told_of
from earmark.fetch.download import Wanted, download
from earmark.fetch.part import Part
from earmark.fetch.place import MARKER
from earmark.fetch.plan import Plan
from earmark.fetch.put import AT_ONCE, Puts
from earmark.fetch.stream import ChangedError, NoRangesError, Stream
from earmark.fetch.told import Told
from earmark.fetch.unpack import Unpacked, contents, pieces
from earmark.files import size_text
from earmark.remote import UNFINISHED, RemotePath
from earmark.remote.ask import ask


class _MixedError(Exception):
    """Not all of an archive is in the folder that its first file is in."""


class Storing:
    """One run that fills a folder in object storage.

    Parameters
    ----------
    plan, dest
        What, and where to.
    told
        Who is told how it goes.
    pause
        Waits for so many seconds before the next try.
    marker
        Makes what is written when all is there, of what came out and the archive's checksum.
    """

    def __init__(
        self, plan: Plan, dest: RemotePath, told: Told, pause: Callable[[float], None],
        marker: Callable[[Unpacked, str], Mapping[str, Any]],
    ) -> None:  # fmt: skip
        self.plan, self.dest, self.told, self.pause, self.marker = plan, dest, told, pause, marker
        self.top: str | None = None  # the folder that holds all the rest, once it is known

    def run(self) -> tuple[Unpacked, str]:
        """Fill the folder; return what was in the archive, and its checksum.

        Raises
        ------
        FetchError
            When it cannot be had, or cannot be put there. What is there stays, to be gone on with, unless it is not
            what it should be.
        """
        with told_of(self.dest):
            there = self._there()
            # First of all, so that a key that may not write is refused before anything is fetched.
            self._write(
                UNFINISHED, {"name": self.plan.source.name, "files": 0, "bytes": 0, "url": self.plan.address}
            )
            self._delete([MARKER] if MARKER in there else [])
            done, got, sizes = self._whole(there)
            self._look_over(sizes)
            self._write(MARKER, self.marker(done, got))
            self._delete([UNFINISHED])
        return done, got

    # What comes

    def _whole(self, there: Mapping[str, Mapping[str, Any]]) -> tuple[Unpacked, str, dict[str, int]]:
        """Put the files of an archive that has the right checksum; a wrong one is read twice, and taken away again."""
        tries = 2
        while True:
            with Puts(self.dest, there) as puts:
                try:
                    done, got = self._read(puts)
                    puts.settle()
                    why = f"it has {got}, but {self.plan.checksum} is expected"
                    if self.plan.checksum in (None, got):
                        if (found := len(puts.sizes) - puts.put) > 0:
                            self.told.noted(f"{found:,} of {len(puts.sizes):,} files were there already.")
                        return done, got, puts.sizes
                except _MixedError:
                    self.told.noted("Not all of the archive is in one folder. Begun anew.")
                    tries += 1
                    why = ""
                except ChangedError:
                    why = "it changed while it was read"
                except ArchiveError as error:
                    why = str(error).rstrip(".")
            self._delete(list(puts.sizes))
            there = {}
            tries -= 1
            if not tries:
                raise ArchiveError(
                    f"{self.plan.address} is not the archive that it should be: {why}. Nothing of it was kept. Take"
                    " another place with --mirror URL."
                )
            if why:
                self.told.noted(
                    f"The archive is not what it should be ({why}). Read once more, from its beginning."
                )

    def _read(self, puts: Puts) -> tuple[Unpacked, str]:
        """Put what is in the archive, and return its checksum."""
        plan = self.plan
        if plan.archive is not None:
            with plan.archive.open("rb") as file:
                done = self._put(puts, file)
            return done, self._checksum(plan.archive)
        wanted = Wanted(plan.url, plan.total, plan.checksum, plan.most_archive)
        stream = Stream(wanted, self.told, self.pause)
        try:
            done = self._put(puts, cast(BinaryIO, stream))
            return done, stream.finish()
        except NoRangesError:
            return self._by_file(puts, wanted)
        finally:
            stream.close()

    def _by_file(self, puts: Puts, wanted: Wanted) -> tuple[Unpacked, str]:
        """Read a zip file by way of this machine: its list of files is at its end, where the server cannot begin."""
        self.told.noted(
            "This zip file's server cannot begin at its end, where its list of files is. It goes through a temporary"
            f" file in {tempfile.gettempdir()}."
        )
        with tempfile.TemporaryDirectory(prefix="earmark-fetch-") as folder:
            part = Part(Path(folder, self.plan.source.file))
            got = download(wanted, part, self.told, partial(_room, folder), self.pause)
            if self.plan.checksum not in (None, got):
                return Unpacked(), got
            with part.path.open("rb") as file:
                return self._put(puts, file), got

    def _put(self, puts: Puts, file: BinaryIO) -> Unpacked:
        """Put every file of an archive, without the folder that holds all the rest."""
        plan, done = self.plan, Unpacked()
        for parts, member in contents(plan.address, file, plan.most_bytes, plan.most_files, done):
            if member.folder:
                continue
            if self.top is None:
                self.top = parts[0] if len(parts) > 1 else ""
            if self.top and (parts[0] != self.top or len(parts) < 2):
                self.top = ""
                raise _MixedError
            path = "/".join(parts[1:] if self.top else parts)
            if path in OURS:
                raise ArchiveError(
                    f"{plan.address} is not unpacked: '{path}' in it is a name that Earmark uses."
                )
            puts.add(path, member.size, pieces(plan.address, member, plan.most_bytes, done))
        if done.left_out:
            self.told.noted(f"{done.left_out:,} files that only macOS uses are left out.")
        return done

    def _checksum(self, archive: Path) -> str:
        name = checksum.algorithm(self.plan.checksum)
        return f"{name}:{checksum.of_file(archive, name).hexdigest()}"

    # The storage

    def _there(self) -> dict[str, Mapping[str, Any]]:
        """Return what is there already, in the storage's own words."""

        def listing(system: Any, name: str) -> dict[str, Mapping[str, Any]]:
            system.invalidate_cache()
            found = system.find(name, detail=True)
            start = name.rstrip("/") + "/"
            if not isinstance(found, dict):
                return {}
            return {path.removeprefix(start): info for path, info in found.items() if path.startswith(start)}

        try:
            return ask(self.dest.address, listing)
        except FileNotFoundError:
            return {}

    def _look_over(self, sizes: Mapping[str, int]) -> None:
        """See that every file is there, as large as it should be."""
        there = self._there()
        lost = [path for path, size in sizes.items() if there.get(path, {}).get("size") != size]
        if lost:
            raise FetchError(
                f"{len(lost):,} files that were put into {self.dest} are not there, such as {lost[0]}. Run the same"
                " command again."
            )
        if more := sorted(there.keys() - sizes.keys() - set(OURS)):
            self.told.noted(
                f"{len(more):,} other files are in {self.dest}, such as {more[0]}, and left alone."
            )

    def _write(self, name: str, value: Mapping[str, Any]) -> None:
        data = (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
        ask((self.dest / name).address, lambda system, path: system.pipe_file(path, data))

    def _delete(self, names: list[str]) -> None:
        """Remove files; nothing happens where there is none."""

        def delete(name: str) -> None:
            with suppress(FileNotFoundError):
                ask((self.dest / name).address, lambda system, path: system.rm_file(path))

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(delete, names))


def _room(folder: str, needed: int) -> None:
    """Refuse what the disk has no room for."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise FetchError(
            f"The archive needs {size_text(needed)} for a while in {Path(folder).parent}, and {size_text(free)} are"
            " free. Make room, or set TMPDIR to a folder elsewhere."
        )
