"""Networks trained by an engine, one a task, wherever it puts them; their checkpoints come back as bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from earmark.engine import Engine, Lost, rest
from earmark.errors import RunError
from earmark.files import write_atomically
from earmark.train import checkpoint
from earmark.train.problem import Problem, Task

_NAME = "network-0.safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class _Trainer:
    problem: Problem

    def __call__(self, item: tuple[Task, bytes]) -> bytes:
        """Train one network, from the start or from its checkpoint; return the finished one."""
        from earmark.train import train_stack

        rest()  # the watch is for clips; a training takes its time
        task, begun = item
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / _NAME
            if begun:
                path.write_bytes(begun)
            train_stack(self.problem, [task], [0], path.parent, lambda position, entry: None)
            return path.read_bytes()


def spread(
    problem: Problem,
    tasks: list[Task],
    paths: list[Path],
    tell: Callable[[int, dict[str, float]], None],
    engine: Engine,
) -> None:
    """Train what is not finished yet, and leave each network at its path as soon as it is there.

    Its epochs are told when it is done.

    Raises
    ------
    RunError
        When a network's process died on every try, or a checkpoint is damaged.
    """
    states = [
        checkpoint.read(path, checkpoint.identity(problem, task))
        for path, task in zip(paths, tasks, strict=True)
    ]
    open_ = [i for i, state in enumerate(states) if state is None or not state[1]["done"]]
    items = ((tasks[i], paths[i].read_bytes() if states[i] else b"") for i in open_)
    for i, data in zip(open_, engine.map(_Trainer(problem.portable()), items), strict=True):
        if isinstance(data, Lost):
            raise RunError(
                f"Network {i + 1} of {len(tasks)} was not trained: {data.reason}. Run the same command again to go on."
            )
        write_atomically(paths[i], data)
        before, now = states[i], checkpoint.read(paths[i], checkpoint.identity(problem, tasks[i]))
        for entry in now[1]["history"][len(before[1]["history"]) if before else 0 :] if now else ():
            tell(i, entry)
