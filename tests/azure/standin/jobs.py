"""Jobs, which are really run: code and inputs come from Azurite, outputs and logs go there."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from standin.entrance import trusted
from standin.resources import stored
from standin.server import SCOPE, Answer, Asked, StandIn, refusal

LOG = "user_logs/std_log.txt"
PATIENCE = 120.0  # seconds


class Job:
    """One that runs, or ran."""

    def __init__(self, standin: StandIn, name: str, properties: dict[str, Any], parent: str = "") -> None:
        self.standin, self.name, self.properties, self.parent = standin, name, properties, parent
        self.status, self.message = "Queued", ""
        self.home = standin.folder / name
        self.process: subprocess.Popen[bytes] | None = None
        self.attempts = 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    @property
    def logs(self) -> list[str]:
        """Names of its logs."""
        return [LOG] if (self.home / "log").exists() else []

    def log(self, name: str) -> bytes:
        """Return what a log says so far."""
        return (self.home / "log").read_bytes()

    def end(self) -> None:
        """Stop it."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        if self.thread.ident is not None:
            self.thread.join(PATIENCE)

    def _run(self) -> None:
        self.home.mkdir(parents=True)
        try:
            self.status = "Running"
            code = self._attempts()
            if self.status != "CancelRequested":
                self.status = "Completed" if code == 0 else "Failed"
            else:
                self.status = "Canceled"
            self.message = f"Execution failed. User process exited with status code {code}."
        except Exception as error:
            self.status, self.message = "Failed", f"The stand-in could not run it: {error!r}"
        finally:
            if self.logs:
                self._upload(self.home / "log", f"ExperimentRun/dcid.{self.name}/{LOG}")

    def _attempts(self) -> int:
        """Run it, on another machine once more when the first was taken away; return how it ended."""
        while True:
            self.attempts += 1
            place = self.home / f"machine{self.attempts}"
            code, taken = self._attempt(place)
            for name in self.properties.get("outputs") or {}:
                self._upload_folder(place / "outputs" / name, f"azureml/{self.name}/{name}")
            if not taken:
                return code

    def _attempt(self, place: Path) -> tuple[int, bool]:
        self._fetch(self._resource(self.properties["codeId"])["properties"]["codeUri"], place / "code")
        values = {}
        for name, given in (self.properties.get("inputs") or {}).items():
            if given["jobInputType"] == "literal":
                values[f"inputs.{name}"] = given["value"]
                continue
            self._fetch(self._uri(given["uri"]), place / "inputs" / name)
            values[f"inputs.{name}"] = str(place / "inputs" / name)
        for name in self.properties.get("outputs") or {}:
            (place / "outputs" / name).mkdir(parents=True)
            self._fetch(f"azureml://datastores/x/paths/azureml/{self.name}/{name}", place / "outputs" / name)
            values[f"outputs.{name}"] = str(place / "outputs" / name)
        command = re.sub(r"\$\{\{([\w.]+)\}\}", lambda found: values[found[1]], self.properties["command"])
        (place / "bin").mkdir()
        program = place / "bin" / "earmark"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m earmark "$@"\n')
        program.chmod(0o755)
        environment = {
            **{name: os.environ[name] for name in ("LANG", "HOME") if name in os.environ},
            "PATH": f"{place / 'bin'}:{os.environ['PATH']}", "EARMARK_STORE": str(place / "store"),
            "AZUREML_RUN_ID": self.name, "COLUMNS": "120", **self.standin.job_environment,
            **(self.properties.get("environmentVariables") or {}),
        }  # fmt: skip
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", command], cwd=place / "code", env=environment, stdout=log, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        return self._watched(place)

    def _watched(self, place: Path) -> tuple[int, bool]:
        assert self.process is not None
        until = time.monotonic() + PATIENCE
        pause = threading.Event()
        while (code := self.process.poll()) is None:
            wanted = self.standin.preempt_at
            taken = self.attempts == 1 and wanted and any((place / "outputs").glob(wanted))
            if taken or time.monotonic() > until or self.status == "CancelRequested":
                os.killpg(self.process.pid, signal.SIGKILL)
                return self.process.wait(), bool(taken)
            pause.wait(0.02)
        return code, False

    def _resource(self, path: str) -> dict[str, Any]:
        return self.standin.resources[path.removeprefix("azureml:").lower()]

    def _uri(self, uri: str) -> str:
        """Return where an asset lies."""
        known = uri.removeprefix("azureml:").lower()
        return (
            self.standin.resources[known]["properties"]["dataUri"] if known in self.standin.resources else uri
        )

    def _service(self) -> Any:
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient.from_connection_string(
            self.standin.azurite.connection_string, **trusted(self.standin)
        )

    def _fetch(self, uri: str, to: Path) -> None:
        """Bring what lies below an address in Azurite."""
        found = re.search(r"/paths/(.*)$", uri)
        if found:
            container, prefix = self.standin.container, found[1]
        else:
            container, _, prefix = uri.split("://", 1)[1].split("/", 1)[1].partition("/")
        prefix = prefix.rstrip("/")
        with self._service() as service:
            client = service.get_container_client(container)
            for blob in client.list_blobs(name_starts_with=prefix):
                rest = blob.name.removeprefix(prefix).lstrip("/") or Path(blob.name).name
                (to / rest).parent.mkdir(parents=True, exist_ok=True)
                (to / rest).write_bytes(client.download_blob(blob.name).readall())

    def _upload(self, path: Path, name: str) -> None:
        with self._service() as service:
            service.get_blob_client(self.standin.container, name).upload_blob(
                path.read_bytes(), overwrite=True
            )

    def _upload_folder(self, folder: Path, prefix: str) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self._upload(path, f"{prefix}/{path.relative_to(folder).as_posix()}")


def put(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Take a job, and run it when it is a command."""
    made = stored(standin, asked.path, asked.body)
    properties = made["properties"]
    properties["services"] = {
        "Studio": {
            "jobServiceType": "Studio", "endpoint": f"https://ml.azure.com/runs/{found['name']}?wsid={SCOPE}",
        }
    }  # fmt: skip
    properties["status"] = "Starting"
    if properties["jobType"] == "Command":
        job = standin.jobs[found["name"]] = Job(standin, found["name"], properties)
        job.thread.start()
    return Answer(made, 201)


def get(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Return a job as it stands."""
    made = standin.resources.get(asked.path.lower())
    if made is None:
        return refusal(404, "UserError", f"Run {found['name']} was not found.")
    job = standin.jobs.get(found["name"])
    status = job.status if job else made["properties"]["status"]
    return Answer({**made, "properties": {**made["properties"], "status": status}})


def cancel(standin: StandIn, asked: Asked, found: re.Match[str]) -> Answer:
    """Ask a job to end."""
    if found["name"] not in standin.jobs:
        return refusal(404, "UserError", f"Run {found['name']} was not found.")
    standin.jobs[found["name"]].status = "CancelRequested"
    return Answer(None, 200)


ROUTES = [
    ("PUT", f"{SCOPE}/jobs/(?P<name>[^/]+)", put),
    ("GET", f"{SCOPE}/jobs/(?P<name>[^/]+)", get),
    ("POST", f"{SCOPE}/jobs/(?P<name>[^/]+)/cancel", cancel),
]
