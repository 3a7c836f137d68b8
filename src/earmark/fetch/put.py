"""`Puts`: files on their way into object storage, several at once, within a bound on memory and disk."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from earmark.errors import ArchiveError
from earmark.files import size_text
from earmark.remote import RemotePath
from earmark.remote.ask import ask
from earmark.remote.spool import LARGEST

AT_ONCE = 16  # files that are on their way
_IN_MEMORY = 4 * 2**20  # bytes of a file beyond which it waits on the disk


class Puts:
    """Puts files below a folder in object storage. What is there already, byte for byte, is left as it is.

    Parameters
    ----------
    dest
        The folder.
    there
        What the storage says of the files that are there, by their path from `dest`.

    Attributes
    ----------
    sizes
        Bytes of each file so far, put or found there.
    put
        Files that were put.
    """

    def __init__(self, dest: RemotePath, there: Mapping[str, Mapping[str, Any]]) -> None:
        self.dest, self.there = dest, there
        self.sizes: dict[str, int] = {}
        self.put = 0
        self._pool = ThreadPoolExecutor(AT_ONCE, "earmark-put")
        self._room = threading.Semaphore(AT_ONCE)
        self._failed: BaseException | None = None

    def __enter__(self) -> Puts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=error is not None)

    def add(self, path: str, size: int, pieces: Iterator[bytes]) -> None:
        """Take a file in, and put it when its turn comes; wait where too many are on their way.

        Raises
        ------
        OSError
            When this or an earlier one cannot be put; as `earmark.remote` says it.
        """
        if size > LARGEST:
            raise ArchiveError(
                f"'{path}' in the archive has {size_text(size)}, where at most {size_text(LARGEST)} are read from"
                " object storage."
            )
        self._room.acquire()
        with ExitStack() as stack:  # which gives the room back, unless the file is on its way
            stack.callback(self._room.release)
            self._look()
            if size <= _IN_MEMORY:
                data: bytes | Path = b"".join(pieces)
            else:
                data = stack.enter_context(_spooled(pieces))
            self.sizes[path] = size
            held = stack.pop_all()
        future = self._pool.submit(self._deliver, path, data)
        future.add_done_callback(lambda done: self._over(done, held))

    def settle(self) -> None:
        """Wait for all that are on their way. Raises as `add` does."""
        self._pool.shutdown()
        self._look()

    def _over(self, done: Future[None], held: ExitStack) -> None:
        held.close()
        if not done.cancelled() and (error := done.exception()) is not None:
            self._failed = self._failed or error

    def _look(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _deliver(self, path: str, data: bytes | Path) -> None:
        if self._failed is not None:
            return
        target = self.dest / path
        if path in self.there and self._same(target, self.there[path], data):
            return
        if isinstance(data, bytes):
            ask(target.address, lambda system, name: system.pipe_file(name, data))
        else:
            ask(target.address, lambda system, name: system.put_file(str(data), name))
        self.put += 1

    def _same(self, target: RemotePath, info: Mapping[str, Any], data: bytes | Path) -> bool:
        """Say whether what is there is this file: by the checksum that the storage keeps, or else by reading it."""
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        if info.get("size") != size:
            return False
        if _md5_of(data) in _checksums(info):
            return True
        if not isinstance(data, bytes):  # too large to be read for this
            return False
        found: bytes = ask(target.address, lambda system, name: system.cat_file(name))
        return found == data


@contextmanager
def _spooled(pieces: Iterator[bytes]) -> Iterator[Path]:
    """Give a temporary file of pieces, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="earmark-put-") as folder:
        path = Path(folder, "file")
        with path.open("wb") as file:
            file.writelines(pieces)
        yield path


def _md5_of(data: bytes | Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    if isinstance(data, bytes):
        digest.update(data)
    else:
        with data.open("rb") as file:
            while piece := file.read(2**20):
                digest.update(piece)
    return digest.hexdigest()


def _checksums(info: Mapping[str, Any]) -> set[str]:
    """Return what may be the MD5 of an object, in the words of one storage or another."""
    settings = info.get("content_settings") or {}
    of_azure = settings.get("content_md5") if isinstance(settings, Mapping) else None
    found = {str(info.get("ETag", "")).strip('"')}  # S3's, of what was put in one piece
    if isinstance(of_azure, bytes | bytearray):
        found.add(bytes(of_azure).hex())
    return found
