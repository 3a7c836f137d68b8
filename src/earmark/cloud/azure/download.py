"""`download`: the run folder of a job, as if it had been trained here."""

from __future__ import annotations

import io
import shutil
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from earmark.cloud.azure.client import quiet, status_of
from earmark.cloud.azure.faults import spoken
from earmark.cloud.azure.follow import ENDED, job_of
from earmark.errors import JobError, PathError
from earmark.runs import STATE, read_object

_OUTPUTS = ("run", "evaluation")


def download(client: Any, name: str, to: Path) -> list[Path]:
    """Bring the run folders of a job below ``to``; return where they are.

    Raises
    ------
    JobError
        When the job has not ended, or left no run.
    PathError
        When a folder of the name is there already.
    """
    job = job_of(client, name)
    if status_of(job) not in ENDED:
        raise JobError(
            f"The job {name} has not ended: it is {status_of(job)}. Follow it with: earmark azure stream {name}"
        )
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=to) as temporary:
        for output in _OUTPUTS:
            with spoken("downloading the run"), quiet(), redirect_stdout(io.StringIO()):
                client.jobs.download(name, download_path=temporary, output_name=output)
        found = sorted(path.parent for path in Path(temporary).rglob(STATE) if _is_run(path))
        if not found:
            raise JobError(
                f"The job {name} is {status_of(job)} and left no run folder. Read its log with: earmark azure stream"
                f" {name}"
            )
        # Of several processes that trained one network together, the first one's says it all.
        first = [path for path in found if path.parent.name == "rank-0"] or found
        wanted = {path: to / path.name for path in first}
        for place in wanted.values():
            if place.exists():
                raise PathError(
                    f"{place} is there already. Move it away, or give another folder with --runs."
                )
        for path, place in wanted.items():
            (path / ".lock").unlink(missing_ok=True)
            shutil.move(path, place)
    return list(wanted.values())


def _is_run(path: Path) -> bool:
    return read_object(path).get("status") in ("done", "running")
