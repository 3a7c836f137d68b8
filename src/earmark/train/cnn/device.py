"""Where a network is trained, and at which precision."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from earmark.errors import SettingError


def choose_device(name: str) -> Any:
    """Return the device: ``"auto"`` is the first of cuda, mps and cpu that is there.

    Each of the processes that torchrun starts on a machine has a GPU of its own.

    Raises
    ------
    SettingError
        When the one that is asked for is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        # MPS cannot be shared by several processes.
        several = os.environ.get("WORLD_SIZE", "1") != "1"
        name = next(kind for kind, found in there.items() if found and not (several and kind == "mps"))
    if not there[name]:
        found = " or ".join(repr(kind) for kind, there_ in there.items() if there_)
        raise SettingError(
            f"[model] device is '{name}', but PyTorch finds none here. Take 'auto' or {found}."
        )
    if name != "cuda":
        return torch.device(name)
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    torch.cuda.set_device(device)
    return device


def half(device: Any) -> bool:
    """Whether bfloat16 is what this device computes fast in."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):  # since 2.11
        has = torch.cpu.get_capabilities()
        return bool(has.get("avx512_bf16") or has.get("amx_bf16"))
    return False


@contextmanager
def held(deterministic: bool) -> Iterator[None]:
    """Hold PyTorch to operations that give the same bytes each time, and put its switches back at the end.

    On the CPU it computes in one thread: another number of them gives other bytes, and several networks are trained at
    a time, each in a process of its own.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    cudnn = torch.backends.cudnn
    before = torch.get_deterministic_debug_mode(), cudnn.deterministic, cudnn.benchmark
    cudnn.benchmark = not deterministic
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS refuses
        # The backward pass of a pooling is refused, for it adds to memory in any order; where the pooled squares do
        # not overlap nothing is added twice. So a warning is all that is asked for, and that one is not shown.
        torch.use_deterministic_algorithms(True, warn_only=True)
        cudnn.deterministic = True
    try:
        with warnings.catch_warnings():
            if deterministic:
                warnings.filterwarnings("ignore", "max_pool2d_with_indices_backward_cuda")
            yield
    finally:
        torch.set_deterministic_debug_mode(before[0])
        cudnn.deterministic, cudnn.benchmark = before[1:]
        torch.set_num_threads(threads)
