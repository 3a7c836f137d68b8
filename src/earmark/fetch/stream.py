"""`Stream`: an archive that is read where it is, as a file is read here, and never written down."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable

from earmark.errors import FetchError
from earmark.fetch import checksum, web
from earmark.fetch.download import CHUNK, TRIES, Wanted, check_size, too_large
from earmark.fetch.told import Told
from earmark.files import size_text

_NEAR = 2**20  # bytes that are read past rather than asked for anew
_PROGRESS = 2**16  # bytes after which a cut counts as the first
_LONGEST_PAUSE = 60.0
_AGAIN = 3  # times that a server which cannot go on in the middle is read from its beginning
_START = 2**16  # bytes that are kept, so that what an archive is can be looked at


class ChangedError(Exception):
    """The file at the server is not the one that was begun."""


class NoRangesError(Exception):
    """The server cannot begin in the middle of a file."""


class Stream:
    """A file on the web that is read in order, or, where its server can do that, from any place.

    A connection that is cut is opened again where it was. Every byte goes into the checksum once, in order.

    Parameters
    ----------
    wanted
        What, and from where.
    told
        Who is told how it goes.
    pause
        Waits for so many seconds before the next try.
    """

    def __init__(self, wanted: Wanted, told: Told, pause: Callable[[float], None] = time.sleep) -> None:
        self.wanted, self.told, self.pause = wanted, told, pause
        self.address = web.shown(wanted.url)
        self.total = wanted.total
        self._digest = checksum.begin(checksum.algorithm(wanted.checksum))
        self._hashed = 0  # bytes that are in it
        self._place = 0
        self._start = b""
        self._body: http.client.HTTPResponse | None = None
        self._at = 0  # where the connection is
        self._validator = ""
        self._failures, self._high, self._answered, self._anew = 0, 0, False, 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes: fewer only at the end."""
        left = self._left() if size < 0 else size
        pieces = []
        while left > 0 and (piece := self._next(left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._place

    def seek(self, place: int, whence: int = 0) -> int:
        """Go to a place; nothing is asked before something is read there."""
        if whence:
            self._know_size()
            place += self._place if whence == 1 else self.total or 0
        self._place = max(0, place)
        return self._place

    def seekable(self) -> bool:
        """Say that it can be read from any place, as it can be tried."""
        return True

    def close(self) -> None:
        """End the connection."""
        if self._body is not None:
            self._body.close()
            self._body = None

    def finish(self) -> str:
        """Read what was not read yet, and return the checksum of the whole."""
        self._place = self._hashed
        while self._next(CHUNK):
            pass
        return f"{checksum.algorithm(self.wanted.checksum)}:{self._digest.hexdigest()}"

    # Asking

    def _next(self, most: int) -> bytes:
        """Return some bytes from where we are; none at the end."""
        if self._place < len(self._start):
            piece = self._start[self._place : self._place + most]
            self._place += len(piece)
            return piece
        while self.total is None or self._place < self.total:
            try:
                piece = self._taken(self._connection(), most)
            except web.CutError as cut:
                self._wait(cut)
                continue
            self._place += len(piece)
            return piece
        return b""

    def _connection(self) -> http.client.HTTPResponse:
        """Return a connection that stands where we are."""
        if self._body is not None and not 0 <= self._place - self._at <= _NEAR:
            self.close()
        body = self._body or self._open()
        while self._at < self._place:
            if not self._taken(body, self._place - self._at):
                raise ChangedError
        return body

    def _open(self) -> http.client.HTTPResponse:
        answer = web.ask(self.wanted.url, self._place, self._validator)
        if isinstance(answer, web.Beyond):
            raise ChangedError
        self._answered = True
        self._body, self._at = answer.body, answer.start
        check_size(self.wanted, answer.total)
        if answer.total is not None and self.total not in (None, answer.total):
            raise ChangedError
        if self._validator and answer.validator and answer.validator != self._validator:
            raise ChangedError
        self.total = self.total if answer.total is None else answer.total
        self._validator = answer.validator or self._validator
        if not self._hashed:
            self.told.fetching("Download", 0, self.total)
        if self._at != self._place:
            if self._place != self._hashed:
                raise NoRangesError
            self._anew += 1
            if self._anew > _AGAIN:
                raise FetchError(
                    f"{self.address} was cut {self._anew} times, and its server cannot go on in the middle of a file."
                    " Take another place with --mirror URL."
                )
            self.told.noted("The server cannot go on in the middle of a file. Read again up to there.")
        return answer.body

    def _taken(self, body: http.client.HTTPResponse, most: int) -> bytes:
        """Return what the connection has next, and note it."""
        try:
            piece = body.read1(min(most, CHUNK))
        except (OSError, http.client.HTTPException) as error:
            raise web.cut_while_reading(error) from None
        begins, self._at = self._at, self._at + len(piece)
        if not piece:
            if self.total is not None:
                raise web.CutError("the connection was cut")
            self.total = self._at
        if self._at > self.wanted.most:
            raise FetchError(too_large(self.wanted, None))
        if begins <= self._hashed < self._at:
            self._digest.update(piece[self._hashed - begins :])
            if len(self._start) == self._hashed < _START:
                self._start += piece[self._hashed - begins :]
            self._hashed = self._at
            self.told.fetching("Download", self._hashed, self.total)
        return piece

    def _wait(self, cut: web.CutError) -> None:
        """Wait before the next try, or give up."""
        self.close()
        self._answered = self._answered or not cut.unreached
        if self._at - self._high >= _PROGRESS:
            self._failures, self._high = 0, self._at
        self._failures += 1
        if self._failures >= TRIES or not self._answered:
            often = f", {self._failures} times in a row" if self._failures > 1 else ""
            done = f" after {size_text(self._hashed)}" if self._hashed else ""
            raise FetchError(
                f"{str(cut)[:1].upper()}{str(cut)[1:]}{often}{done}. Run the same command again, or take another place"
                " with --mirror URL."
            ) from None
        seconds = max(cut.wait, min(2.0 ** (self._failures - 1), _LONGEST_PAUSE))
        self.told.noted(f"{str(cut)[:1].upper()}{str(cut)[1:]}. Trying again in {seconds:.0f} s.")
        self.pause(seconds)

    def _know_size(self) -> None:
        """Ask for the size, unless it is known."""
        while self.total is None:
            try:
                self.close()
                kept, self._place = self._place, 0
                self._open()
                self._place = kept
            except web.CutError as cut:
                self._wait(cut)
                continue
            if self.total is None:
                raise NoRangesError

    def _left(self) -> int:
        self._know_size()
        return max(0, (self.total or 0) - self._place)
