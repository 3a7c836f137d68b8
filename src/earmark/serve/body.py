"""A request's body, written to files as it comes: no more of it than allowed, and no slower."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from earmark.serve.problems import Problem
from earmark.serve.settings import MIB, Settings
from earmark.serve.work import Sent

Receive = Callable[[], Any]

_SLOWEST = 16_384  # bytes a second; whoever is slower, after the patience is over, is cut off
_MOST_HEADERS = 16_384  # bytes before the content of a part
SINK = "earmark.sink"  # in the scope, for `earmark.serve.protocol`
RAW = "-"  # what a body without a name is called, as standard input is on the command line


class Gone(Exception):
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

    folder: Path
    settings: Settings
    files: list[Sent] = field(default_factory=list)
    size: int = 0

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *error: object) -> None:
        for sent in self.files:
            with suppress(OSError):
                Path(sent.path).unlink(missing_ok=True)

    def new(self, name: str) -> BinaryIO:
        """Begin a file under a name of ours; the client's is only told."""
        if len(self.files) == self.settings.files:
            raise Problem(
                "too-large", f"More than {self.settings.files} files in one request. Send them in several."
            )
        path = self.folder / secrets.token_hex(8)
        file = path.open("xb", buffering=0)
        self.files.append(Sent(name, str(path)))
        return file

    async def read(self, scope: MutableMapping[str, Any], receive: Receive) -> None:
        """Read a whole body.

        Raises
        ------
        Problem
            When it is too large, too slow, empty, or sent in a way that is not read.
        Gone
            When the client goes away meanwhile.
        """
        headers = dict(scope["headers"])
        coding = headers.get(b"content-encoding", b"identity").strip().lower().decode("latin-1")
        if coding not in ("", "identity"):
            raise Problem("wrong-type", f"The body is sent as {coding!r}. Send it as it is, not compressed.")
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self.settings.body * MIB:
            raise self._too_large(int(length))
        kind, options = parse_options_header(headers.get(b"content-type", b""))
        with ExitStack() as stack:
            if kind.lower().startswith(b"multipart/"):
                form = _Form(self, stack, kind, options)
                await self._pour(form.write, scope, receive)
                form.check()
            else:
                file = stack.enter_context(self.new(RAW))
                await self._pour(lambda data: _write(file, data), scope, receive)
        if not self.size or not self.files:
            raise Problem(
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
                    raise self._too_large(None)
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
                        raise Gone
                    if message.get("body"):
                        sink(message["body"])
                    if not message.get("more_body", False):
                        break
                    if failed is None:
                        scope[SINK] = sink
        except TimeoutError:
            raise Problem(
                "too-slow",
                f"{self.size:,} bytes came in {loop.time() - began:.0f} s, and then too little. Send it again.",
            ) from None
        finally:
            scope.pop(SINK, None)
        if failed is not None:
            raise failed

    def _too_large(self, told: int | None) -> Problem:
        size = "" if told is None else f" and these are {told / MIB:,.0f}"
        return Problem(
            "too-large",
            f"A request may have {self.settings.body} MiB{size}. Send fewer files, compressed ones such as FLAC,"
            " or a part of the recording.",
        )


class _Form:
    """Writes the parts of a form to files, each under the name that its header tells."""

    def __init__(self, body: Body, stack: ExitStack, kind: bytes, options: dict[bytes, bytes]) -> None:
        if kind.lower() != b"multipart/form-data" or not options.get(b"boundary"):
            told = kind.decode("latin-1")
            raise Problem("wrong-type", f"{told!r} is not read; multipart/form-data with a boundary is.")
        self._body, self._stack = body, stack
        self._file: BinaryIO | None = None
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
            raise Problem("wrong-type", "The multipart/form-data ends before its last boundary.")

    def _begin(self) -> None:
        self._disposition, self._length = b"", 0

    def _more(self, part: bytearray, data: bytes) -> None:
        part += data
        self._length += len(data)
        if self._length > _MOST_HEADERS:
            raise Problem("too-large", f"A part's headers may have {_MOST_HEADERS:,} bytes.")

    def _header(self) -> None:
        if bytes(self._name).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"filename") or options.get(b"name") or b""
        shown = name.decode("utf-8", "replace") or RAW
        self._file = self._stack.enter_context(self._body.new(shown))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            _write(self._file, memoryview(data)[start:end])

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _last(self) -> None:
        self._ended = True


@contextmanager
def _plainly() -> Iterator[None]:
    try:
        yield
    except FormParserError as error:
        told = (str(error).splitlines() or ["it cannot be read"])[0][:200].rstrip(".")
        raise Problem("wrong-type", f"The body is no valid multipart/form-data: {told}.") from None


def _write(file: BinaryIO, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:  # an unbuffered file may take less than all
        view = view[file.write(view) :]
