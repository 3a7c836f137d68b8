"""`Ranks`: the processes that train one network together, as torchrun and Azure ML start them."""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch

from earmark.errors import RunError, SettingError

Tensor = Any

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_PATIENCE = timedelta(minutes=10)


@dataclass(slots=True, eq=False)
class Ranks:
    """Which of the processes this one is, and what they add up.

    Parameters
    ----------
    rank, size
        This process's number, from 0, and how many there are.
    batch
        Rows of the present batch in all processes together.
    """

    rank: int = 0
    size: int = 1
    batch: int = 0
    _sum: Any = field(default=None, repr=False)

    def mine(self, count: int) -> slice:
        """Which of a batch's rows are this process's."""
        return slice(self.rank, count, self.size)

    def total(self, tensor: Tensor) -> Tensor:
        """Return the sum over all processes; gradients flow through it."""
        if self._sum is None:
            self._sum = _differentiable_sum()
        return self._sum.apply(tensor)

    def add_up(self, tensor: Tensor) -> None:
        """Replace ``tensor`` by its sum over all processes."""
        if self.size > 1:
            torch.distributed.all_reduce(tensor)

    def agree(self, tensor: Tensor) -> None:
        """Replace ``tensor`` by the first process's."""
        if self.size > 1:
            torch.distributed.broadcast(tensor, 0)

    def agree_on(self, text: str, device: Any) -> str:
        """Return the first process's text."""
        told = torch.tensor(list(text.encode()), dtype=torch.uint8, device=device)
        length = torch.tensor([len(told)], device=device)
        self.agree(length)
        if self.rank:
            told = torch.zeros(int(length), dtype=torch.uint8, device=device)
        self.agree(told)
        return bytes(told.tolist()).decode()

    def wait(self) -> None:
        """Go on when all processes have come here."""
        if self.size > 1:
            torch.distributed.barrier()


def _differentiable_sum() -> Any:
    class Sum(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(context: Any, tensor: Tensor) -> Tensor:
            total = tensor.clone()
            torch.distributed.all_reduce(total)
            return total

        @staticmethod
        def backward(context: Any, gradient: Tensor) -> Tensor:
            total = gradient.clone()
            torch.distributed.all_reduce(total)
            return total

    return Sum


def join(device: Any) -> Ranks:
    """Join the other processes, if there are any; they stay together until they end.

    Raises
    ------
    SettingError
        When the environment names them badly.
    RunError
        When they do not come.
    """
    size = os.environ.get("WORLD_SIZE", "1")
    if size == "1":
        return Ranks()
    if not size.isdecimal() or not os.environ.get("RANK", "").isdecimal():
        said = ", ".join(f"{name}={os.environ.get(name, '')}" for name in _VARIABLES)
        raise SettingError(
            f"The environment says {said}, but WORLD_SIZE and RANK must be whole numbers. Start the processes with"
            " torchrun."
        )
    if not torch.distributed.is_initialized():
        backend = "nccl" if device.type == "cuda" else "gloo"
        try:
            torch.distributed.init_process_group(backend, timeout=_PATIENCE)
        except (ValueError, RuntimeError) as error:
            first = str(error).splitlines()[0]
            raise RunError(
                f"The {size} processes that train together did not find each other: {first}"
            ) from None
        atexit.register(torch.distributed.destroy_process_group)
    return Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size())
