"""Contenders timed side by side: round after round A B C, A B C, so that a noisy minute falls on all of them alike."""

from __future__ import annotations

import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

Work = Callable[[], object]


@dataclass
class Timing:
    """Seconds of each round: ``cpu`` is this process and the children it waited for, ``wall`` the clock."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)


def interleaved(contenders: Mapping[str, Work], rounds: int) -> dict[str, Timing]:
    """Run every contender once a round."""
    timings = {name: Timing() for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            cpu, wall = cpu_seconds(), time.perf_counter()
            work()
            timings[name].wall.append(time.perf_counter() - wall)
            timings[name].cpu.append(cpu_seconds() - cpu)
    return timings


def cpu_seconds() -> float:
    """Return user and system time of this process and of its finished children."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def ratios(above: list[float], below: list[float]) -> list[float]:
    """Return the quotient of each round: both were measured seconds apart."""
    return [a / b for a, b in zip(above, below, strict=True)]


def faster(*each: list[float]) -> list[float]:
    """Return the series with the smallest median."""
    return min(each, key=statistics.median)


@contextmanager
def one_core() -> Iterator[bool]:
    """Stay on one core inside the block, children included; yields whether the system allows that."""
    if not hasattr(os, "sched_setaffinity"):
        yield False
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield True
    finally:
        os.sched_setaffinity(0, allowed)
