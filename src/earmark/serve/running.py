"""A server's life: it opens its door when the model is ready, and shuts it behind the last request."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import gc
import logging
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import uvicorn

from earmark.bundle import read_bundle
from earmark.errors import SettingError
from earmark.remote import Place, local_file
from earmark.serve.app import Service
from earmark.serve.protocol import Bounded
from earmark.serve.settings import Settings
from earmark.serve.work import Ready

log = logging.getLogger("earmark.serve")
_BACKLOG = 1024  # connections that the system holds until they are taken
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as malloc.h numbers them
_KEPT_MEMORY = 8 * 2**20  # bytes
_LOOK = 0.05  # seconds between two looks at what is still under way


def run(model: Place, settings: Settings, started: Callable[[str], None]) -> bool:
    """Do what `earmark.serve.serve` does."""
    bundle = read_bundle(model)
    _log_to_stderr()
    _keep_memory()
    with tempfile.TemporaryDirectory(prefix="earmark-serve-") as name, _listening(settings) as door:
        folder = Path(name)
        kept = (
            folder / "model.earmark"
        )  # a worker that is started later has the same model, whatever became of the file
        shutil.copyfile(local_file(model), kept)
        service = Service(bundle, model.name, Ready(str(kept), settings.memory), settings, folder)
        with asyncio.Runner(loop_factory=_loop()) as runner:
            return runner.run(_life(service, door, settings, started))


async def _life(
    service: Service, door: socket.socket, settings: Settings, started: Callable[[str], None]
) -> bool:
    Bounded.patience = settings.patience
    config = uvicorn.Config(
        service.front,
        http=Bounded,
        ws="websockets-sansio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config, service, settings.grace)
    try:
        with server.capture_signals():  # from now on they end a server, also one that is not ready yet
            starting = asyncio.ensure_future(service.pool.start())
            told = asyncio.ensure_future(service.front.ending.wait())
            await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
            told.cancel()
            if not starting.done():
                starting.cancel()
                return True
            starting.result()
            gc.freeze()  # what is here stays, and need not be looked through again and again
            door.listen(_BACKLOG)
            host, port = door.getsockname()[:2]
            started(f"http://{f'[{host}]' if ':' in host else host}:{port}")
            await server._serve([door])
    finally:
        service.pool.close()
    return server.finished


class _Server(uvicorn.Server):
    """Told to end, it says so to new requests for as long as old ones are under way."""

    def __init__(self, config: uvicorn.Config, service: Service, grace: float) -> None:
        super().__init__(config)
        self._service, self._grace = service, grace
        self._loop = asyncio.get_running_loop()
        self._drain: asyncio.Task[None] | None = None
        self.finished = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; at once when asked again."""
        self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if self._drain is None:
            self._service.front.ending.set()
            self._drain = asyncio.ensure_future(self._drained())
        else:
            self.finished = not self._service.front.active
            self.should_exit = self.force_exit = True

    async def _drained(self) -> None:
        front, end = self._service.front, self._loop.time() + self._grace
        if front.active:
            log.info("ending: %d under way, no new ones are taken; once more ends at once", front.active)
        while front.active and self._loop.time() < end:
            await asyncio.sleep(_LOOK)
        if front.active:
            self.finished = False
            log.warning("ending: %d were cut off after %g s", front.active, self._grace)
        self.should_exit = True


def _keep_memory() -> None:
    """Keep what bodies were read into for the next ones: to get such pages anew takes longer than to fill them."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # only glibc has it
        ctypes.CDLL(None).mallopt(_TRIM_THRESHOLD, _KEPT_MEMORY)
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _KEPT_MEMORY // 2)


def _loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes an event loop: uvloop's takes half the time, and is not made for every system."""
    try:
        import uvloop
    except ImportError:
        return None
    made: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return made


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """Take the address, so that who cannot have it is told before a model is read by every worker."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind((settings.host, settings.port))
            door.set_inheritable(False)
            yield door
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SettingError(
                f"Port {settings.port} of {settings.host} is taken. Choose another with --port, or 0 for a free one."
            ) from None
        if error.errno in (errno.EADDRNOTAVAIL, errno.EACCES) or isinstance(error, socket.gaierror):
            why = (error.strerror or str(error)).lower()
            raise SettingError(
                f"Nobody can listen at {settings.host}, port {settings.port}: {why}."
            ) from None
        raise


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    for logger in (log, logging.getLogger("uvicorn.error")):
        logger.handlers[:], logger.propagate = [handler], False
    log.setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
