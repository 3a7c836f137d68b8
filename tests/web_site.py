"""A web server of the tests' own, on this machine, that cuts, lies and refuses as it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 2**14


@dataclass
class Site:
    """What the server has at every address, and how it behaves.

    Parameters
    ----------
    body, etag, date
        The file, its strong ETag and the date of its last change; an empty one is not sent.
    ranges, lengths
        Whether it goes on in the middle, and whether it says how large the file is.
    moods
        What to do at the first request, the second and so on; afterwards it just answers.
    pace
        Seconds between two pieces of 16 KiB.
    """

    body: bytes
    etag: str = '"v1"'
    date: str = formatdate(1_500_000_000, usegmt=True)
    ranges: bool = True
    lengths: bool = True
    moods: list[Callable[[Site, Request], None]] = field(default_factory=list)
    pace: float = 0.0
    asked: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    sent: int = 0
    url: str = ""

    @property
    def starts(self) -> list[int]:
        """Where each request began."""
        return [int(a.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-")) for a in self.asked]


class Request(BaseHTTPRequestHandler):
    """One request, with ways to answer it."""

    site: Site
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        site = self.site
        site.asked.append({name.lower(): value for name, value in self.headers.items()})
        site.paths.append(self.path)
        self.close_connection = True
        mood = site.moods.pop(0) if site.moods else answer
        with contextlib.suppress(ConnectionError):
            mood(site, self)

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Connection", "close")
        self.end_headers()

    def pieces(self, data: bytes) -> None:
        for i in range(0, len(data), PIECE):
            piece = data[i : i + PIECE]
            self.wfile.write(piece)
            self.site.sent += len(piece)
            if self.site.pace:
                time.sleep(self.site.pace)

    def break_off(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)


def answer(site: Site, request: Request, upto: int | None = None, claim: int = 0) -> None:
    """Answer as a good server does; or send only so many bytes, or claim a larger file by so many."""
    wanted = request.headers.get("Range", "")
    start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and site.ranges else 0
    if start and request.headers.get("If-Range", site.etag) not in (site.etag, site.date):
        start = 0
    total = len(site.body) + claim
    known = {name: value for name, value in (("ETag", site.etag), ("Last_Modified", site.date)) if value}
    if start >= len(site.body) and start:
        request.head(416, Content_Range=f"bytes */{len(site.body)}", Content_Length=0)
        return
    if site.lengths:
        known["Content_Length"] = str(total - start)
    if start:
        known["Content_Range"] = f"bytes {start}-{total - 1}/{total}"
    request.head(206 if start else 200, **known)
    request.pieces(site.body[start : None if upto is None else start + upto])
    if upto is not None:
        request.break_off()


def cut(after: int) -> Callable[[Site, Request], None]:
    """Send so many bytes of what was asked for, and break the connection off."""
    return lambda site, request: answer(site, request, after)


def says(status: int, **headers: object) -> Callable[[Site, Request], None]:
    """Answer with a status and no file."""
    return lambda site, request: request.head(status, **{"Content_Length": 0, **headers})


@contextlib.contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Run a server for a site; its address is then in ``site.url``."""
    handler = type("Handler", (Request,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**16)  # so that what is counted has left
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
