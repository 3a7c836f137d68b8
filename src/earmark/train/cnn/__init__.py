"""Fits a convolutional network with PyTorch: on a CPU, a GPU, or several that torchrun started."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from earmark.errors import MissingExtraError
from earmark.models.cnn import Cnn, CnnNetwork
from earmark.train.problem import Problem, Task

__all__ = ["fit_cnn", "one_by_one"]


def fit_cnn(
    problem: Problem,
    task: Task,
    path: Path,
    tell: Callable[[dict[str, float]], None] | None = None,
    every: float = 2.0,
) -> tuple[CnnNetwork, list[dict[str, float]]]:
    """Train one network on training and validation rows; return it, and an entry for each epoch.

    One that is killed goes on from its last checkpoint and ends with the same weights. Where torchrun has started
    several processes, each calls this and each gets the network; together they do what one would.

    Parameters
    ----------
    path
        Of the checkpoint; it stays there when all is done.
    tell
        Called with the entry of each epoch, by the first process alone.
    every
        Seconds between two checkpoints, at least; one is written at the end of an epoch.

    Raises
    ------
    MissingExtraError
        When PyTorch is not installed.
    SettingError
        When the device that is asked for is not there.
    RunError
        When the checkpoint is damaged.
    FloatingPointError
        When the loss is no longer finite.
    """
    _need_torch()
    from earmark.train.cnn.loop import train

    return train(problem, task, path, tell or (lambda entry: None), every)


def one_by_one(settings: Cnn) -> bool:
    """Whether networks are to be trained one after the other in this process, and not each in one of its own.

    So it is where they would share a GPU, and where torchrun has started the processes already.

    Raises
    ------
    MissingExtraError
        When PyTorch is not installed.
    SettingError
        When the device that is asked for is not there.
    """
    _need_torch()
    from earmark.train.cnn.device import choose_device

    return os.environ.get("WORLD_SIZE", "1") != "1" or choose_device(settings.device).type != "cpu"


def _need_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtraError("Training a cnn", "torch", "torch") from None
