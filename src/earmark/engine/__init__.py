"""Where work runs: the cores of this machine, or a cluster. No audio here.

Every engine is one method: ``map(function, items)`` gives the results in order. The function and the items must pickle,
for they go to another process; the function that runs is the same on every engine. An item whose process dies or
falls silent comes back as `Lost`, and the others are done all the same.
"""

from __future__ import annotations

from earmark.engine.chunks import each
from earmark.engine.commands import processes
from earmark.engine.local import Local, Worker
from earmark.engine.seam import ENGINES, Engine, Lost, open_engine
from earmark.engine.threads import cores, map, one_blas_thread  # noqa: A004  (used as engine.map)
from earmark.engine.watch import alive, rest
from earmark.engine.worker import pack, unpack

__all__ = [
    "ENGINES",
    "Engine",
    "Local",
    "Lost",
    "Worker",
    "alive",
    "cores",
    "each",
    "map",
    "one_blas_thread",
    "open_engine",
    "pack",
    "processes",
    "rest",
    "unpack",
]
