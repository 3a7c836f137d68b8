"""One URL to one file, in as many attempts as it takes: no byte is fetched twice that has been written once.

Bytes go to a ``.part`` file as they come, at most `CHUNK` at a time, so that a killed run loses no more than the
chunk in its hands. Beside it a small JSON file says what they are a part of.
"""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import BinaryIO

from earmark.errors import FetchError
from earmark.fetch import checksum, web
from earmark.fetch.part import Origin, Part
from earmark.fetch.told import Told
from earmark.files import size_text

CHUNK = 2**20
TRIES = 5  # in a row without any progress
_PROGRESS = 2**16  # bytes that count as some
_LONGEST_PAUSE = 60.0  # seconds between two tries
_RESTARTS = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fetched.

    Parameters
    ----------
    url
        From where.
    total
        Its size, where it is known for certain.
    checksum
        ``"md5:…"``, where it is known.
    most
        Bytes that are taken at the very most.
    """

    url: str
    total: int | None
    checksum: str | None
    most: int


def download(
    wanted: Wanted,
    part: Part,
    told: Told,
    room: Callable[[int], None],
    pause: Callable[[float], None] = time.sleep,
) -> str:
    """Fetch a file, or what is missing of it, and return the checksum of all its bytes.

    Parameters
    ----------
    wanted
        What, and from where.
    part
        Where it goes.
    told
        Who is told how it goes.
    room
        Called with the bytes that will be written, before any is; raises where there is no room for them.
    pause
        Waits for so many seconds before the next try.

    Raises
    ------
    FetchError
        When the server refuses, or does not deliver in the end. What was fetched stays, to be gone on with.
    OSError
        As the system says it, when the part cannot be written.
    """
    run = _Run(wanted, part, told, room)
    failures, high, answered = 0, run.done, False
    while not run.complete:
        try:
            run.attempt()
        except web.CutError as cut:
            answered = answered or not cut.unreached
            if run.done - high >= _PROGRESS:
                failures, high = 0, run.done
            failures += 1
            if failures >= TRIES or not (answered or run.fetched):
                raise FetchError(_gave_up(cut, run, failures)) from None
            seconds = max(cut.wait, min(2.0 ** (failures - 1), _LONGEST_PAUSE))
            told.noted(f"{_capital(str(cut))}. Trying again in {seconds:.0f} s.")
            pause(seconds)
    return run.finish()


class _Run:
    """One run of a download: what is there already, and what is still to come."""

    def __init__(self, wanted: Wanted, part: Part, told: Told, room: Callable[[int], None]) -> None:
        self.wanted, self.part, self.told, self.room = wanted, part, told, room
        self.address = web.shown(wanted.url)
        self.fetched = 0  # bytes, in this run
        self.restarts = 0
        self.origin = self._known() or self._anew()
        self.done = part.size
        self.digest = checksum.begin(checksum.algorithm(wanted.checksum))
        if self.done:
            of, whole = checksum.algorithm(wanted.checksum), self.done
            self.digest = checksum.of_file(part.path, of, lambda n: told.fetching("Checksum", n, whole))

    def _known(self) -> Origin | None:
        """Return what the part is from, where going on with it can be trusted to give the file that is wanted.

        Either the server says by a validator that its file is still the same, or a checksum says so at the end.
        """
        origin = self.part.origin()
        if origin is None or not self.part.size:
            return None
        same = origin.url == self.address and bool(origin.validator)
        total = self.wanted.total if origin.total is None else origin.total
        whole = origin.total is not None and self.part.size == origin.total and origin.url == self.address
        if total is not None and self.part.size > total:
            return None
        return origin if same or whole or self.wanted.checksum is not None else None

    def _anew(self) -> Origin:
        self.part.remove()
        self.done, self.digest = 0, checksum.begin(checksum.algorithm(self.wanted.checksum))
        return Origin(self.address)

    def restart(self, why: str) -> None:
        """Throw away what is there."""
        self.restarts += 1
        if self.restarts > _RESTARTS:
            self.part.remove()
            raise FetchError(
                f"{self.address} was begun anew {_RESTARTS} times: {why} each time."
                " Take another place with --mirror URL."
            )
        self.told.noted(f"{_capital(why)}. Begun anew.")
        self.origin = self._anew()

    @property
    def total(self) -> int | None:
        """The whole file's size, as far as it is known."""
        return self.origin.total if self.origin.total is not None else self.wanted.total

    @property
    def complete(self) -> bool:
        """Whether every byte is there."""
        return self.total is not None and self.done == self.total and self.part.path.exists()

    def attempt(self) -> None:
        """Ask once for what is missing, and write what comes."""
        same = self.origin.url == self.address
        answer = web.ask(self.wanted.url, self.done, self.origin.validator if same else "")
        if isinstance(answer, web.Beyond):
            if answer.total == self.done:
                self.origin = replace(self.origin, total=self.done)
            else:
                self.restart("the file at the server is not what it was")
            return
        with closing(answer.body):
            if answer.total is not None and answer.total > self.wanted.most:
                self.part.remove()
            check_size(self.wanted, answer.total)
            changed = self._changed(answer)
            if self.done and (answer.start == 0 or changed):
                self.restart(
                    "the file at the server is not what it was"
                    if changed
                    else "the server cannot go on in the middle of a file"
                )
                if answer.start:
                    return
            total = answer.total if answer.total is not None else self.wanted.total
            self.room(max(0, (total or 0) - self.done))
            before = self.origin.validator if same and self.done else ""
            self.origin = Origin(self.address, answer.validator or before, total)
            self.part.path.parent.mkdir(parents=True, exist_ok=True)
            self.part.stem_from(self.origin)
            with self.part.append() as file:
                self._take(answer.body, file)

    def _changed(self, answer: web.Answer) -> bool:
        """Say whether the server has another file than the one that the part is from."""
        was = self.origin
        other = was.total is not None and answer.total is not None and was.total != answer.total
        same = was.url == self.address
        return other or (
            same and bool(was.validator) and bool(answer.validator) and was.validator != answer.validator
        )

    def _take(self, body: http.client.HTTPResponse, file: BinaryIO) -> None:
        total = self.total
        self.told.fetching("Download", self.done, total)
        while total is None or self.done < total:
            try:
                piece = body.read1(CHUNK if total is None else min(CHUNK, total - self.done))
            except (OSError, http.client.HTTPException) as error:
                raise web.cut_while_reading(error) from None
            if not piece:
                break
            if self.done + len(piece) > self.wanted.most:
                self.part.remove()
                raise FetchError(too_large(self.wanted, None))
            _write(file, piece)
            self.digest.update(piece)
            self.done += len(piece)
            self.fetched += len(piece)
            self.told.fetching("Download", self.done, total)
        if total is not None and self.done < total:
            raise web.CutError("the connection was cut")
        os.fsync(file.fileno())
        self.origin = replace(self.origin, total=self.done)

    def finish(self) -> str:
        """Note that it is whole; return its checksum."""
        self.part.stem_from(self.origin)
        return f"{checksum.algorithm(self.wanted.checksum)}:{self.digest.hexdigest()}"


def check_size(wanted: Wanted, total: int | None) -> None:
    """Refuse a file that a server says is of another size than it should be.

    Raises
    ------
    FetchError
        What it offers, and what belongs there.
    """
    if total is None:
        return
    if wanted.total is not None and total != wanted.total:
        raise FetchError(
            f"{web.shown(wanted.url)} offers {total:,} bytes, where {wanted.total:,} belong."
            " That is another file: take another place with --mirror URL, or for a repacked archive add"
            " --checksum ALGORITHM:HEX."
        )
    if total > wanted.most:
        raise FetchError(too_large(wanted, total))


def too_large(wanted: Wanted, total: int | None) -> str:
    """Say that a server has, or sends, more than belongs to the file."""
    got = f"offers {size_text(total)}" if total is not None else "sends without an end"
    return f"{web.shown(wanted.url)} {got}, where at most {size_text(wanted.most)} belong. Nothing of it was kept."


def _write(file: BinaryIO, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[file.write(left) :]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _gave_up(cut: web.CutError, run: _Run, failures: int) -> str:
    often = f", {failures} times in a row" if failures > 1 else ""
    if not run.done:
        return f"{_capital(str(cut))}{often}. Take another place with --mirror URL, or try again later."
    whole = f" of {size_text(run.total)}" if run.total is not None else ""
    return (
        f"{_capital(str(cut))}{often}. {size_text(run.done)}{whole} are there:"
        " run the same command again to go on."
    )
