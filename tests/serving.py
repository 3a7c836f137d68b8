"""A server in a process of its own, as a person starts it, and a client that sends what no good client would."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BOUNDARY = "xxBOUNDARYxx"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    log: Path
    said: list[str] | None = None  # in all, once it has ended

    @property
    def lines(self) -> list[str]:
        """What it has said until now."""
        return self.log.read_text("utf-8").splitlines() if self.said is None else self.said

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        timeout: float = 60,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            chunked = "Transfer-Encoding" in (headers or {})
            connection.request(method, path, body, headers or {}, encode_chunked=chunked)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def predict(self, data: bytes, **headers: str) -> Answer:
        return self.ask("POST", "/v1/predict", data, headers)

    def form(self, *files: tuple[str, bytes], path: str = "/v1/predict") -> Answer:
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        return self.ask("POST", path, form(*files), kind)

    def raw(self, data: bytes, timeout: float = 20) -> bytes:
        """Send bytes as they are, and return all that comes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            got = b""
            with suppress(ConnectionError):  # what was sent after the end of it all is told as a reset
                connection.sendall(data)
                while piece := connection.recv(65_536):
                    got += piece
        return got

    def metric(self, name: str) -> float:
        text = self.ask("GET", "/metrics").body.decode()
        return sum(
            float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(rf"{name}[ {{]", line)
        )

    @property
    def workers(self) -> list[int]:
        """The process ids of its workers."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return [int(n) for task in tasks.iterdir() for n in (task / "children").read_text().split()]

    def resident(self) -> float:
        """MB that the server and its workers hold."""
        return sum(self.each_resident())

    def each_resident(self) -> list[float]:
        """MB that the server holds, and each of its workers."""
        found = []
        for pid in (self.process.pid, *self.workers):
            with suppress(OSError, IndexError):  # it ended meanwhile
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                found.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
        return found

    def end(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        self.process.send_signal(number)
        return self.process.wait(seconds)


def form(*files: tuple[str, bytes]) -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for name, data in files
    ]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


@contextmanager
def serving(model: Path, *options: object, **environment: str) -> Iterator[Server]:
    """Serve a model at a free port until the end of the ``with`` block."""
    command = [sys.executable, "-m", "earmark", "serve", str(model), "--port", "0", *map(str, options)]
    settings = {**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", **environment}
    # Into a file: who reads a pipe is woken for every line, and takes time of the cores that are measured.
    with tempfile.NamedTemporaryFile(suffix=".log") as log:
        process = subprocess.Popen(command, stderr=log, stdout=subprocess.DEVNULL, env=settings)
        server = Server(process, 0, Path(log.name))
        try:
            until(lambda: process.poll() is not None or any("Serving" in line for line in server.lines), 120)
            port = re.search(r"http://\S+:(\d+)", "\n".join(server.lines))
            assert port, "\n".join(server.lines)
            server.port = int(port[1])
            yield server
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(40)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            server.said = server.lines


def until(condition: Any, seconds: float = 30) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)
