"""A server between a client and Azurite, over TLS both ways, that cuts and refuses when it is told to."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from azurite import ACCOUNT, KEY, Azurite

# What to do with a request: `None` to pass it on; a number is a status to answer with, a text as `cut` gives it.
Mood = Callable[["Request"], int | str | None]
_OURS = {"connection", "transfer-encoding", "keep-alive"}


@dataclass
class Between:
    """What stands between.

    Parameters
    ----------
    behind
        Azurite.
    moods
        Asked in turn about each request; the first that has something to say is obeyed.
    asked
        The requests so far: method and path, without a query.
    """

    behind: Azurite
    moods: list[Mood] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def connection_string(self) -> str:
        """What leads here."""
        return self.behind.connection_string_with(KEY, f"https://127.0.0.1:{self.port}/{ACCOUNT}")

    @property
    def environment(self) -> dict[str, str]:
        """What a process must know to come this way."""
        return {**self.behind.environment, "AZURE_STORAGE_CONNECTION_STRING": self.connection_string}


def once(
    mood: int | str, method: str, ending: str, times: int = 1, also: Callable[[], None] | None = None
) -> Mood:
    """Return a mood for the first requests of a method whose path ends so; ``also`` is done at the first."""
    left = [times]
    lock = threading.Lock()

    def asked(request: Request) -> int | str | None:
        with lock:
            fits = request.command == method and request.path.partition("?")[0].endswith(ending)
            if not fits or not left[0]:
                return None
            left[0] -= 1
            if also is not None and left[0] == times - 1:
                also()
            return mood

    return asked


class Request(BaseHTTPRequestHandler):
    """One request, passed on unless a mood says otherwise."""

    protocol_version = "HTTP/1.1"
    between: Between

    def log_message(self, *arguments: object) -> None:
        pass

    def _handle(self) -> None:
        self.between.asked.append(f"{self.command} {self.path.partition('?')[0]}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        mood = next((m for asked in self.between.moods if (m := asked(self)) is not None), None)
        if isinstance(mood, int):
            self.send_response(mood)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        behind = http.client.HTTPSConnection(
            "127.0.0.1",
            self.between.behind.port,
            timeout=30,
            context=self.between.behind.certificates.trusting(),
        )
        with suppress(OSError):
            behind.request(self.command, self.path, body or None, dict(self.headers))
            answer = behind.getresponse()
            content = answer.read()
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in _OURS and name.lower() != "content-length":
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
            if length is not None:
                self.send_header("Content-Length", length)
            self.end_headers()
            if mood == "cut":
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
            else:
                self.wfile.write(content)
        behind.close()

    def do_GET(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()


@contextmanager
def standing_between(azurite: Azurite) -> Iterator[Between]:
    """Stand between for a while."""
    between = Between(azurite)
    handler = type("Handler", (Request,), {"between": between})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.socket = azurite.certificates.context().wrap_socket(server.socket, server_side=True)
    between.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield between
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
