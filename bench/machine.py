"""What the figures were measured on: the processor, the versions, the BLAS kernels. No path, no host."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "earmark", "numpy", "scipy", "soundfile", "soxr", "onnxruntime", "librosa", "resampy", "numba", "scikit-learn",
)  # fmt: skip


def header() -> list[str]:
    """Return the lines above the tables."""
    installed = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    load = f"; load {os.getloadavg()[0]:.2f} at the start" if hasattr(os, "getloadavg") else ""
    return [
        f"- Measured on {time.strftime('%Y-%m-%d', time.gmtime())}.",
        f"- {processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}{load}.",
        f"- {platform.python_implementation()} {platform.python_version()}; {installed}.",
    ]


def processor() -> str:
    """Return the processor's name as the system tells it."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def kernels() -> str:
    """Return which BLAS and OpenMP libraries this process loaded, whose, with which kernels and threads."""
    from threadpoolctl import threadpool_info

    loaded = []
    for library in threadpool_info():
        whose = Path(library["filepath"]).parent.name.removesuffix(".libs")
        told = [library["internal_api"], library["version"], library.get("architecture")]
        loaded.append(f"{whose}'s {' '.join(word for word in told if word)}")
    return ", ".join(sorted(set(loaded)))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"
