"""The way to a Ray cluster, or to a small one of our own on this machine."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from earmark.engine import threads
from earmark.errors import EngineError, MissingExtraError, SettingError

# Ray reads these when it is imported, and the processes that it starts inherit them. What is set already stays.
SETTINGS = {
    # A machine that falls silent is noticed within a minute; by itself, Ray waits for seven.
    "RAY_grpc_client_keepalive_time_ms": "10000",
    "RAY_grpc_client_keepalive_timeout_ms": "10000",
    "RAY_health_check_period_ms": "2000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
    # By itself, Ray starts a task that took all memory again and again, for ever.
    "RAY_task_oom_retries": "2",
    # Nobody is told anything about us, and no folder is sent anywhere.
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
# A cluster that is there answers at once. Ray would ask for minutes.
_ASKED = {
    "RAY_NUM_REDIS_GET_RETRIES": "2",
    "RAY_py_gcs_connect_timeout_s": "3",
    "RAY_gcs_rpc_server_connect_timeout_s": "2",
}
_PATIENCE = 5.0  # seconds for the first answer
_OBJECTS = 256 * 2**20  # bytes of shared memory for results; ours are small, what is large goes into files
_LONGEST = 20  # characters of a folder for temporary files in which Ray's sockets still have room
_NONE_HERE = (
    "No Ray cluster runs on this machine. Start one with: ray start --head; or name one by its HOST:PORT."
)

_connected: list[str | None] = []  # the address that this process asked for and got


def connect(address: str | None) -> Any:
    """Return the module ``ray``, connected.

    Parameters
    ----------
    address
        ``"auto"``, ``"HOST:PORT"`` or ``"ray://HOST:PORT"``. ``None`` is the cluster that ``RAY_ADDRESS`` names or
        that was started on this machine, or else processes of our own, which end with this one.

    Raises
    ------
    MissingExtraError
        When Ray is not installed.
    EngineError
        When no cluster answers, or it refuses.
    SettingError
        When the address is none.
    """
    if find_spec("ray") is None:
        raise MissingExtraError("--engine ray", "ray", "ray")
    asked = address
    if address in (None, "auto"):
        address = os.environ.get("RAY_ADDRESS") or address
    if address in (None, "auto"):
        here = _started_here()
        if address == "auto" and here is False:
            raise EngineError(_NONE_HERE)
        address = "auto" if here or address else "local"
    if address not in ("auto", "local"):
        _ask(address or "")
    for name, value in {**SETTINGS, **({} if address == "local" else _ASKED)}.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        if asked is not None and _connected and asked not in _connected:
            raise EngineError(f"This process already works with another Ray cluster than '{asked}'.")
        return ray
    with _own_signals():
        _start(ray) if address == "local" else _join(ray, address or "")
    # What Ray tells of workers that died would come on standard output, between the lines of our answer.
    ray._private.worker._worker_logs_enabled = False
    _connected[:] = [asked]
    return ray


def _join(ray: Any, address: str) -> None:
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, TimeoutError, RuntimeError, ValueError, ImportError) as error:
        if address == "auto":
            raise EngineError(_NONE_HERE) from error
        way = "Run this on one of its machines, or name its client port as ray://HOST:PORT."
        if "AuthToken" in _words(error):
            way = "It wants a token: set RAY_AUTH_MODE=token."
        raise EngineError(f"The Ray cluster at {address} does not take this process in. {way}") from error


def _start(ray: Any) -> None:
    """Start a small Ray on this machine. It ends with this process, however that ends."""
    base = tempfile.gettempdir()
    folder = tempfile.mkdtemp(prefix="earmark-", dir=base) if len(base) <= _LONGEST else None
    shared = Path("/dev/shm")  # noqa: S108  (where Ray keeps objects by itself)
    room = shared.is_dir() and shutil.disk_usage(shared).free > 2 * _OBJECTS

    def end() -> None:
        with suppress(ValueError):  # not from another thread
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # who cannot wait: this takes a second
        ray.shutdown()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)  # before the start, which may be interrupted
    ray.init(
        "local",
        num_cpus=threads.cores(),
        object_store_memory=_OBJECTS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=folder,
        **({} if room else {"_plasma_directory": folder or base}),
    )


def _started_here() -> bool | None:
    """Say whether the cluster answers that ``ray start`` last noted on this machine; ``None`` where it noted none."""
    note = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir(), "ray", "ray_current_cluster")
    try:
        _ask(note.read_text().strip())
    except OSError:
        return None
    except (EngineError, SettingError):
        return False
    return True


def _ask(address: str) -> None:
    """See whether anybody listens there."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise SettingError(
            f"'{address}' is no address of a Ray cluster: it is auto, HOST:PORT or ray://HOST:PORT."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise EngineError(f"No Ray cluster answers at {address}: {why[:1].lower()}{why[1:]}.") from error


def _words(error: BaseException | None) -> str:
    """Return what an error and its causes say."""
    return f"{error}\n{_words(error.__cause__ or error.__context__)}" if error else ""


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep Ray from changing what SIGTERM does to this process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with suppress(TypeError):  # a handler that was not set from Python cannot be set again
            signal.signal(signal.SIGTERM, before)
