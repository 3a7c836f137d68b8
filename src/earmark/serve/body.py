"""A request's body, written to files as it comes: no more of it than allowed, and no slower."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from earmark.serve.problems import ProblemError, too_large
from earmark.serve.settings import MIB, Settings
from earmark.serve.shelf import Shelf, Spool
from earmark.serve.work import Sent

Receive = Callable[[], Any]

_SLOWEST = 16_384  # bytes a second; whoever is slower, after the patience is over, is cut off
_MOST_HEADERS = 16_384  # bytes before the content of a part
SINK = "earmark.sink"  # in the scope, for `earmark.serve.protocol`
RAW = "-"  # what a body without a name is called, as standard input is on the command line


class GoneError(Exception):
    """The client went away."""


@dataclass
class Body:
    """What a client sent; its files are gone at the end of the ``with`` block.

    Attributes
    ----------
    files
        In the order in which they came.
    size
        Bytes that came.
    """

    shelf: Shelf
    settings: Settings
    files: list[Sent] = field(default_factory=list)
    size: int = 0
    _spools: list[Spool] = field(default_factory=list)

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *error: object) -> None:
        for spool in self._spools:
            self.shelf.give(spool)

    def new(self, name: str) -> Spool:
        """Begin a file under a name of ours; the client's is only told."""
        if len(self.files) == self.settings.files:
            raise ProblemError(
                "too-large", f"More than {self.settings.files} files in one request. Send them in several."
            )
        spool = self.shelf.take()
        self._spools.append(spool)
        self.files.append(Sent(name, spool.path))
        return spool

    async def read(self, scope: MutableMapping[str, Any], receive: Receive) -> None:
        """Read a whole body.

        Raises
        ------
        ProblemError
            When it is too large, too slow, empty, or sent in a way that is not read.
        GoneError
            When the client goes away meanwhile.
        """
        headers = dict(scope["headers"])
        coding = headers.get(b"content-encoding", b"identity").strip().lower().decode("latin-1")
        if coding not in ("", "identity"):
            raise ProblemError(
                "wrong-type", f"The body is sent as {coding!r}. Send it as it is, not compressed."
            )
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self.settings.body * MIB:
            raise too_large(self.settings.body, int(length) / MIB)
        kind, options = parse_options_header(headers.get(b"content-type", b""))
        if kind.lower().startswith(b"multipart/"):
            form = _Form(self, kind, options)
            await self._pour(form.write, scope, receive)
            form.check()
        else:
            spool = self.new(RAW)
            await self._pour(spool.write, scope, receive)
            spool.close()
        if not self.size or not self.files:
            raise ProblemError(
                "not-sound", "No sound came. Send a file as the body, or several as multipart/form-data."
            )

    async def _pour(
        self, write: Callable[[bytes], None], scope: MutableMapping[str, Any], receive: Receive
    ) -> None:
        """Give ``write`` each piece as it comes."""
        loop = asyncio.get_running_loop()
        began, most = loop.time(), self.settings.body * MIB
        failed: Exception | None = None

        def sink(data: bytes) -> bool:
            nonlocal failed
            self.size += len(data)
            try:
                if self.size > most:
                    raise too_large(self.settings.body)
                write(data)
            except Exception as error:  # told where the body is read, and not amid HTTP
                failed = error
                scope.pop(SINK, None)
                return False
            limit.reschedule(began + self.settings.patience + self.size / _SLOWEST)
            return True

        try:
            async with asyncio.timeout_at(began + self.settings.patience) as limit:
                while failed is None:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise GoneError
                    if message.get("body"):
                        sink(message["body"])
                    if not message.get("more_body", False):
                        break
                    if failed is None:
                        scope[SINK] = sink
        except TimeoutError:
            raise ProblemError(
                "too-slow",
                f"{self.size:,} bytes came in {loop.time() - began:.0f} s, and then too little. Send it again.",
            ) from None
        finally:
            scope.pop(SINK, None)
        if failed is not None:
            raise failed


class _Form:
    """Writes the parts of a form to files, each under the name that its header tells."""

    def __init__(self, body: Body, kind: bytes, options: dict[bytes, bytes]) -> None:
        if kind.lower() != b"multipart/form-data" or not options.get(b"boundary"):
            told = kind.decode("latin-1")
            raise ProblemError("wrong-type", f"{told!r} is not read; multipart/form-data with a boundary is.")
        self._body = body
        self._spool: Spool | None = None
        self._name, self._value, self._disposition = bytearray(), bytearray(), b""
        self._length = 0
        self._ended = False
        callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._more(self._name, data[start:end]),
            "on_header_value": lambda data, start, end: self._more(self._value, data[start:end]),
            "on_header_end": self._header,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._last,
        }
        with _plainly():
            self._parser = MultipartParser(options[b"boundary"], callbacks)  # type: ignore[arg-type]

    def write(self, data: bytes) -> None:
        """Read on."""
        with _plainly():
            self._parser.write(data)

    def check(self) -> None:
        """Refuse a form that was cut off."""
        if not self._ended:
            raise ProblemError("wrong-type", "The multipart/form-data ends before its last boundary.")

    def _begin(self) -> None:
        self._disposition, self._length = b"", 0

    def _more(self, part: bytearray, data: bytes) -> None:
        part += data
        self._length += len(data)
        if self._length > _MOST_HEADERS:
            raise ProblemError("too-large", f"A part's headers may have {_MOST_HEADERS:,} bytes.")

    def _header(self) -> None:
        if bytes(self._name).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"filename") or options.get(b"name") or b""
        shown = name.decode("utf-8", "replace") or RAW
        self._spool = self._body.new(shown)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._spool is not None:
            self._spool.write(memoryview(data)[start:end])

    def _end(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def _last(self) -> None:
        self._ended = True


@contextmanager
def _plainly() -> Iterator[None]:
    try:
        yield
    except FormParserError as error:
        told = (str(error).splitlines() or ["it cannot be read"])[0][:200].rstrip(".")
        raise ProblemError("wrong-type", f"The body is no valid multipart/form-data: {told}.") from None
