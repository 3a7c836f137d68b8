"""`StandIn`: an HTTPS server on this machine whose routes are lists of functions, one file a subject."""

from __future__ import annotations

import json
import re
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azurite import KEY

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
GROUP, WORKSPACE = "sounds", "sounds-ws"
TENANT = "99999999-8888-7777-6666-555555555555"
SCOPE = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
    f"/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
)


@dataclass(frozen=True)
class Asked:
    """A request.

    Parameters
    ----------
    path
        Without the query.
    body
        Of JSON, what it says; else its bytes.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    """What is said to it: JSON, or bytes as they are."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, code: str, message: str) -> Answer:
    """Return an error as Azure Resource Manager says it."""
    return Answer({"error": {"code": code, "message": message}}, status)


Handler = Callable[["StandIn", Asked, "re.Match[str]"], Answer]


@dataclass
class StandIn:
    """A running one.

    Parameters
    ----------
    azurite
        Where uploads go, and jobs read and write.
    folder
        Where jobs run.
    job_environment
        What processes of jobs have in their environment, beside what the job says.
    resources
        What was made: the lower-case path of each, and its JSON.
    asked
        All requests so far.
    faults
        Answers to be given instead: a regular expression of METHOD PATH, and the answer.
    """

    azurite: Any
    folder: Path
    job_environment: dict[str, str] = field(default_factory=dict)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    faults: list[tuple[str, Answer]] = field(default_factory=list)
    jobs: dict[str, Any] = field(default_factory=dict)
    deployments: dict[str, Any] = field(default_factory=dict)  # of endpoints
    tracked: Any = None  # what MLflow was told
    preempt_at: str = ""  # a glob in a job's outputs: when the first machine has that, it is taken away
    token_fault: Answer | None = None
    storage_key: str = KEY  # that clients are given
    lock: Any = field(default_factory=threading.RLock)
    port: int = 0
    container: str = field(default_factory=lambda: f"azureml-{uuid.uuid4().hex[:12]}")  # of its datastores

    @property
    def url(self) -> str:
        """Its address."""
        return f"https://localhost:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What leads a process here that speaks to Azure: environment variables, and nothing else."""
        return {
            **self.azurite.certificates.environment,
            "ARM_CLOUD_METADATA_URL": f"{self.url}/metadata/endpoints",
            "IDENTITY_ENDPOINT": f"{self.url}/msi/token",
            "IDENTITY_HEADER": "the tests' own",
            "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
            "AZURE_RESOURCE_GROUP": GROUP,
            "AZUREML_WORKSPACE_NAME": WORKSPACE,
            "AZUREML_RUN_POLLING_INTERVAL_MIN": "1",
            "NO_PROXY": "localhost,127.0.0.1,.localhost",
        }

    def answer(self, asked: Asked) -> Answer:
        """Answer one request: by a fault, a route, or that there is no such thing."""
        self.asked.append(asked)
        for pattern, answer in self.faults:
            if re.search(pattern, f"{asked.method} {asked.path}", re.IGNORECASE):
                return answer
        for method, pattern, handler in routes():
            found = re.fullmatch(pattern, asked.path, re.IGNORECASE)
            if found and method in (asked.method, "*"):
                return handler(self, asked, found)
        return refusal(404, "NotFound", f"No route for {asked.method} {asked.path}")


def routes() -> list[tuple[str, str, Handler]]:
    """Return all routes, the first that fits first."""
    from standin import assets, endpoints, entrance, history, jobs, resources, tracking

    every = (entrance, assets, jobs, history, endpoints, tracking, resources)
    return [route for subject in every for route in subject.ROUTES]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    standin: StandIn

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length) if length else b""
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body: Any = raw
        if raw and "json" in headers.get("content-type", ""):
            body = json.loads(raw)
        try:
            answer = self.standin.answer(
                Asked(self.command, parts.path, parse_qs(parts.query), headers, body)
            )
        except Exception:
            answer = refusal(500, "StandIn", traceback.format_exc())
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        if answer.body is None:
            content = b""
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = _serve  # noqa: N815
    do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815

    def log_message(self, *arguments: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # a client that went away
        pass


@contextmanager
def running(azurite: Any, folder: Path, job_environment: dict[str, str] | None = None) -> Iterator[StandIn]:
    """Start one on a free port; with a workspace, its datastores and two computes."""
    from standin import endpoints
    from standin.entrance import furnish

    standin = StandIn(azurite, folder, job_environment or {})
    server = _Server(("127.0.0.1", 0), type("Bound", (_Handler,), {"standin": standin}))
    server.socket = azurite.certificates.context().wrap_socket(server.socket, server_side=True)
    standin.port = server.server_address[1]
    furnish(standin)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield standin
    finally:
        server.shutdown()
        server.server_close()
        for job in list(standin.jobs.values()):
            job.end()
        endpoints.end(standin)
