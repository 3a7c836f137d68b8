"""A tracking server as MLflow's clients know it, on this machine: it keeps what it is told, and fails when asked to."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Tracked:
    """What was told.

    Parameters
    ----------
    artifacts
        Where files go: an address that the client's side knows.
    experiments, runs
        By name, and by id.
    calls
        Which were made, in order: ``"runs/create"``.
    """

    artifacts: str
    experiments: dict[str, str] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    lock: Any = field(default_factory=threading.RLock)

    def run(self, identity: str) -> dict[str, Any]:
        """Return a run, which whoever began the job has made."""
        made = {"status": "RUNNING", "name": "", "params": {}, "tags": {}, "metrics": []}
        return self.runs.setdefault(identity, made)

    def metrics(self, identity: str, name: str) -> list[tuple[int, float]]:
        """Return step and value of a figure."""
        return [(m["step"], m["value"]) for m in self.runs[identity]["metrics"] if m["key"] == name]

    def answer(self, call: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer a call of MLflow's REST interface."""
        with self.lock:
            self.calls.append(call)
            match call:
                case "experiments/get-by-name":
                    name = asked["experiment_name"]
                    if name not in self.experiments:
                        return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No such experiment"}
                    return 200, {"experiment": {"experiment_id": self.experiments[name], "name": name}}
                case "experiments/create":
                    self.experiments[asked["name"]] = str(len(self.experiments) + 1)
                    return 200, {"experiment_id": self.experiments[asked["name"]]}
                case "runs/create":
                    identity = f"{len(self.runs) + 1:032x}"
                    self.run(identity)["name"] = asked.get("run_name", "")
                    return 200, self._told(identity)
                case "runs/get":
                    self.run(asked["run_id"])
                    return 200, self._told(asked["run_id"])
                case "runs/log-batch":
                    run = self.run(asked["run_id"])
                    assert len(asked.get("metrics", [])) <= 250, "more than Azure ML takes"
                    run["metrics"] += [{**m, "step": int(m.get("step", 0))} for m in asked.get("metrics", [])]
                    run["params"] |= {p["key"]: p["value"] for p in asked.get("params", [])}
                    run["tags"] |= {t["key"]: t["value"] for t in asked.get("tags", [])}
                    return 200, {}
                case "runs/set-tag":
                    self.run(asked["run_id"])["tags"][asked["key"]] = asked["value"]
                    return 200, {}
                case "runs/update":
                    self.run(asked["run_id"])["status"] = asked["status"]
                    return 200, {"run_info": self._told(asked["run_id"])["run"]["info"]}
        return 404, {"error_code": "ENDPOINT_NOT_FOUND", "message": call}

    def _told(self, identity: str) -> dict[str, Any]:
        info = {
            "run_id": identity, "run_uuid": identity, "experiment_id": "1", "status": self.runs[identity]["status"],
            "artifact_uri": self.artifacts.format(run=identity), "lifecycle_stage": "active", "start_time": 1,
        }  # fmt: skip
        return {"run": {"info": info, "data": {}}}


@dataclass
class Server:
    """A running one; `fault` is called before each answer, and may sleep, or give one instead."""

    tracked: Tracked
    port: int
    fault: Any = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def tracking(folder: Path) -> Iterator[Server]:
    """Start one; files go into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(Tracked(f"{folder.as_uri()}/{{run}}"), 0)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = json.loads(data) if data else {k: v[0] for k, v in parse_qs(parts.query).items()}
            call = re.sub(r"^/api/2\.0/mlflow/", "", parts.path)
            told = server.fault(call) if server.fault else None
            status, body = told or server.tracked.answer(call, asked)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = _serve  # noqa: N815

        def log_message(self, *arguments: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:  # a client that went away
            pass

    http = Quiet(("127.0.0.1", 0), Handler)
    server.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


def hang(call: str) -> None:
    """Do not answer in any time that matters."""
    time.sleep(60)
