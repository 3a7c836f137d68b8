"""The server that Azure ML runs score.py with, started as a process on this machine's own address."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = Path(os.environ.get("EARMARK_AZURE_SERVE_PYTHON", ROOT / ".venv-azure-serve" / "bin" / "python"))
WHY_NOT = f"no {PYTHON} with azureml-inference-server-http; type: make test-azure"
# Its command line, but for the address: by itself it listens at every one.
_START = (
    "import sys, azureml_inference_server_http.amlserver as server;"
    " server.DEFAULT_HOST = '127.0.0.1'; sys.argv[0] = 'azmlinfsrv'; server.run()"
)
BOOT_FAILED = 3
_STARTING = 60.0


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """A server that answers, or one that did not come up."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/score"

    def post(
        self, body: bytes, kind: str | None = "audio/wav", method: str = "POST", **headers: str
    ) -> Answer:
        headers |= {"Content-Type": kind} if kind else {}
        request = urllib.request.Request(self.url, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())

    def words(self) -> str:
        return self.log.read_text(errors="replace")


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def start(script: Path, model: Path, log: Path, more: dict[str, str] | None = None) -> Server:
    """Start the server for a script and a model's folder; it may not be up yet."""
    port = free_port()
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT / "src"), "AML_APP_ROOT": str(script.parent), "PYTHONUNBUFFERED": "1",
        "AML_APP_INSIGHTS_ENABLED": "false", **(more or {}),
    }  # fmt: skip
    command = [PYTHON, "-c", _START, "--entry_script", script, "--model_dir", model, "--port", port]
    with log.open("wb") as file:
        process = subprocess.Popen(
            list(map(str, command)), cwd=script.parent, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    return Server(port, process, log)


def wait(server: Server) -> bool:
    """Wait until it answers, or has ended; return which."""
    end = time.monotonic() + _STARTING
    while time.monotonic() < end and server.process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            time.sleep(0.1)
    return False


def stop(server: Server) -> None:
    server.process.terminate()
    try:
        server.process.wait(20)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()


@contextmanager
def serving(script: Path, model: Path, log: Path, more: dict[str, str] | None = None) -> Iterator[Server]:
    server = start(script, model, log, more)
    try:
        assert wait(server), server.words()
        yield server
    finally:
        stop(server)
