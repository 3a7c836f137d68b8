"""HTTP on a connection, with bounds that uvicorn leaves open: how long headers may take, how long they may be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from earmark.serve.body import SINK
from earmark.serve.problems import ProblemError

MOST_HEADERS = 65_536  # bytes
MOST_CONNECTIONS = 512
_MOST_DISCARDED = 2**26  # bytes of a body that was refused; whoever sends more is cut off


class _Together:
    """A transport that sends as one what is written in one turn: an answer's headers and its body.

    Whoever reads them is woken once, not twice.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send with what else comes in this turn."""
        if not self._held:
            asyncio.get_running_loop().call_soon(self._flush)
        self._held.append(data)

    def close(self) -> None:
        """Send what is held, and close."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """Be the transport in all else."""
        return getattr(self._transport, name)

    def _flush(self) -> None:
        held, self._held = self._held, []
        if held and not self._transport.is_closing():
            self._transport.write(b"".join(held))


class Bounded(HttpToolsProtocol):
    """A connection whose client must be quick and brief."""

    patience = 30.0  # seconds for the headers; the server sets its own

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request, or refuse one connection too many."""
        super().connection_made(cast("asyncio.Transport", _Together(cast("asyncio.Transport", transport))))
        self._pending = self._discarded = 0
        self._in_headers = True
        self._timer: asyncio.TimerHandle | None = None
        if len(self.connections) > MOST_CONNECTIONS:
            self._refuse(
                ProblemError("busy", f"{MOST_CONNECTIONS} connections are open. Send it again in a second.")
            )
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the headers do not end."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_headers:
            self._pending += len(data)
            if self._pending > MOST_HEADERS and not self.transport.is_closing():
                self._refuse(ProblemError("long-headers", f"More than {MOST_HEADERS:,} bytes of headers."))

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_headers, self._pending, self._discarded = True, 0, 0
        self._wait()

    def on_headers_complete(self) -> None:
        """Its headers are here; for the body, whoever reads it has a timer."""
        self._in_headers = False
        self._rest()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, or throw it away where nobody wants it: for a while, so that the answer is read.

        Whoever reads the body may leave a ``sink`` in the scope, which then gets the pieces at once: a sound has many,
        and to wake a task for each costs more than to write it.
        """
        sink = self.cycle.scope.get(SINK) if self.cycle is not None else None
        if sink is not None and not self.cycle.body:
            if not cast("Callable[[bytes], bool]", sink)(body):
                self.cycle.message_event.set()
            return
        if self.cycle is not None and self.cycle.response_complete:
            self._discarded += len(body)
            if self._timer is None:
                self._timer = self.loop.call_later(self.patience, self.transport.abort)
            if self._discarded > _MOST_DISCARDED:
                self.transport.abort()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is whole."""
        self._rest()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(ProblemError("bad-request", "This is not an HTTP/1.1 request that can be read."))

    def _wait(self) -> None:
        self._rest()
        self._timer = self.loop.call_later(self.patience, self._late)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        if self._pending or (self.cycle is None and self._in_headers):
            self._refuse(ProblemError("too-slow", f"The headers did not come within {self.patience:g} s."))
        else:
            self.transport.close()

    def _refuse(self, problem: ProblemError) -> None:
        if not self.transport.is_closing():
            self.transport.write(problem.raw())
            self.transport.close()

    def shutdown(self) -> Any:
        """End when what is under way has ended."""
        self._rest()
        return super().shutdown()
