"""`processes`: commands side by side, and what they print as it comes."""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from earmark.errors import RunError

# What holds the usual BLAS libraries to one thread when set before they load.
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

_PATIENCE = 5.0  # seconds that a process has to end when it is told to


def processes(commands: Sequence[Sequence[str]], log: Path) -> Iterator[str]:
    """Run ``commands`` at once, one process each, and yield the lines they print as they come.

    However this ends (an error, an interrupt, the iterator closed), no process is left running.

    Parameters
    ----------
    log
        Gets what the processes write to standard error.

    Raises
    ------
    RunError
        When a process fails; names its exit status and its last words.
    """
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}

    def forward(process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            lines.put(line)
        lines.put(None)

    running: list[subprocess.Popen[str]] = []
    finished = False
    with log.open("w") as errors:
        try:
            for command in commands:
                running.append(  # noqa: PERF401  (one by one, so that a failed start leaves none running)
                    subprocess.Popen(  # noqa: S603  (our own interpreter and module)
                        command,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=errors,
                        encoding="utf-8",
                        errors="replace",  # whatever is printed, the line must come through
                        env=environment,
                    )
                )
            readers = [threading.Thread(target=forward, args=(p,), daemon=True) for p in running]
            for reader in readers:
                reader.start()
            open_pipes = len(running)
            while open_pipes:
                line = lines.get()
                if line is None:
                    open_pipes -= 1
                else:
                    yield line
            finished = True
        finally:
            for process in running:
                if not finished:
                    process.terminate()
            for process in running:
                try:
                    process.wait(None if finished else _PATIENCE)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                if process.stdout:
                    process.stdout.close()
    failed = next((p.returncode for p in running if p.returncode), None)
    if failed is not None:
        words = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        how = f"was killed by signal {-failed}" if failed < 0 else f"ended with status {failed}"
        raise RunError(f"A worker process {how}: {words[-1].rstrip('.')}. Its full log: {log}")
