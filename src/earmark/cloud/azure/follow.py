"""Following a job: its log as it is written, how it ended, and stopping it."""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

from earmark.cloud.azure.client import link, quiet, status_of
from earmark.cloud.azure.faults import spoken, translated
from earmark.errors import JobError

ENDED = ("Completed", "Failed", "Canceled", "NotResponding")
_TAIL = 12  # lines of a failed job's log
_LARGEST = 2**24  # bytes of a log that are read back


class _Log(io.TextIOBase):
    """Passes on the lines of a log, without the SDK's own about it."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._rest, self._skip, self.lines = tell, "", True, 0

    def write(self, text: str) -> int:
        """Take some text; pass on the lines that are whole."""
        *whole, self._rest = (self._rest + text).split("\n")
        for line in whole:
            self._line(line)
        return len(text)

    def _line(self, line: str) -> None:
        if line.startswith("Streaming ") and line.endswith(".txt"):
            self._skip = False
        elif line == "Execution Summary":
            self._skip = True
        elif not self._skip and (line.strip("=") or not line) and (line or self.lines):
            self._tell(line)
            self.lines += 1


def job_of(client: Any, name: str) -> Any:
    """Return a job. Raises `JobError` where there is none of the name."""
    from azure.core.exceptions import ResourceNotFoundError

    with spoken("asking for the job"), quiet():
        try:
            return client.jobs.get(name)
        except ResourceNotFoundError:
            raise JobError(
                f"The workspace has no job '{name}'. See those that there are with: az ml job list -o table"
            ) from None


def stream(client: Any, name: str, tell: Callable[[str], None]) -> Any:
    """Pass on the log of a job until it ends; return the job.

    Raises
    ------
    JobError
        When it did not end well, with the last lines of its log.
    KeyboardInterrupt
        When the person has seen enough; the job goes on.
    """
    log = _Log(tell)
    job_of(client, name)
    try:
        with redirect_stdout(log), quiet():
            client.jobs.stream(name)
    except Exception as error:
        if isinstance(error.__context__, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        if type(error).__name__ != "JobException":
            raise translated(error, "reading the log") from error
    sys.stdout.flush()
    job = job_of(client, name)
    if status_of(job) == "Completed" and not log.lines:  # it had ended before
        for line in last_lines(client, name, None):
            tell(line)
    return ended_well(job, last_lines(client, name, _TAIL) if status_of(job) != "Completed" else [])


def ended_well(job: Any, tail: list[str]) -> Any:
    """Return a job that has completed. Raises `JobError` with the last lines of its log for another."""
    status = status_of(job)
    if status == "Completed":
        return job
    if status == "Canceled":
        raise JobError(f"The job {job.name} was cancelled.")
    if status not in ENDED:
        raise JobError(
            f"The job {job.name} has not ended: it is {status}. Follow it with: earmark azure stream {job.name}"
        )
    last = next((line for line in reversed(tail) if line.strip()), "")
    said = f" The last it said: {last.strip()}" if last else " It left no log."
    how = "failed" if status == "Failed" else "does not respond any more"
    raise JobError(f"The job {job.name} {how}.{said} More: {link(job.studio_url)}")


def last_lines(client: Any, name: str, count: int | None) -> list[str]:
    """Return the last lines of a job's log; all where ``count`` is ``None``, none where it has no log."""
    with tempfile.TemporaryDirectory(prefix="earmark-azure-") as folder, suppress(Exception):
        with quiet(), redirect_stdout(io.StringIO()):
            client.jobs.download(name, download_path=folder)
        logs = sorted(Path(folder).rglob("std_log*.txt"))
        if logs and logs[0].stat().st_size <= _LARGEST:
            lines = logs[0].read_text(encoding="utf-8", errors="replace").splitlines()
            return lines if count is None else lines[-count:]
    return []


def cancel(client: Any, name: str) -> str:
    """Ask a job to end; return how it stands then."""
    job = job_of(client, name)
    if status_of(job) in ENDED:
        raise JobError(f"The job {name} has ended already: it is {status_of(job)}.")
    with spoken("cancelling the job"), quiet():
        client.jobs.begin_cancel(name)
    return status_of(job_of(client, name))
