"""`Front`: what every request passes, in and out: who may ask, whether the server ends, the log, the counts."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any

from earmark.serve.metrics import Metrics
from earmark.serve.problems import MEDIA, ProblemError
from earmark.serve.settings import Settings

log = logging.getLogger("earmark.serve")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PROBES = ("/healthz", "/readyz")  # what an orchestrator asks, without a token and to the end
FAILED = ProblemError("failed", "This is a mistake of the server, and in its log.")
_CLOSED = 499  # as nginx counts a client that went away


class Front:
    """The way to the application.

    Parameters
    ----------
    app
        Answers what may be answered.
    routes
        The paths that there are; others are counted as one.

    Attributes
    ----------
    active
        Requests and streams under way, probes aside.
    ending
        Set when the server is told to end: what is under way is finished, and nothing new begun.
    """

    def __init__(self, app: App, settings: Settings, metrics: Metrics, routes: set[str]) -> None:
        self._app, self._settings, self._metrics, self._routes = app, settings, metrics, routes
        self._token = settings.token.encode()
        self.active = 0
        self.ending = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever it is."""
        if scope["type"] == "lifespan":  # the server starts and ends the pool itself
            return
        began, path = time.perf_counter(), scope["path"]
        probe = path in PROBES
        status = 0
        notes: dict[str, Any] = scope.setdefault("notes", {})

        async def counted(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        self.active += not probe
        try:
            if not probe:
                self._admit(scope)
            await self._app(scope, receive, counted)
        except ProblemError as problem:
            await refuse(scope, counted, problem)
        except Exception:
            log.exception("a request failed")
            if status == 0:
                await refuse(scope, counted, FAILED)
        finally:
            self.active -= not probe
            self._note(scope, status or _CLOSED, time.perf_counter() - began, notes, probe)

    def _admit(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        if self._settings.is_local and not self._token:
            for name in (b"host", b"origin"):
                _check_host(name, headers.get(name, b""))
        if self._token:
            scheme, _, told = headers.get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer" or not hmac.compare_digest(told.strip(), self._token):
                got = "another one came" if told else "none came"
                raise ProblemError("no-token", f"Send the header Authorization: Bearer TOKEN; {got}.")
        if self.ending.is_set():
            raise ProblemError("ending", "The server finishes what it has begun, and begins nothing new.")

    def _note(self, scope: Scope, status: int, seconds: float, notes: dict[str, Any], probe: bool) -> None:
        path = scope["path"]
        route = path if path in self._routes else "other"
        method = scope.get("method", "WEBSOCKET")
        method = method if method in ("GET", "POST", "HEAD", "WEBSOCKET") else "other"
        self._metrics.answered(route, method, status, seconds)
        if probe and status == 200:
            return  # asked every few seconds, and always answered alike
        client = (scope.get("client") or ("-",))[0]
        told = "".join(f" {value}" for value in notes.values())
        shown = ascii(path[:200])[1:-1]
        log.info("%s %s %s %d %.0f ms%s", client, method, shown, status, 1000 * seconds, told)


@lru_cache(64)
def _check_host(name: bytes, value: bytes) -> None:
    """Refuse names of elsewhere: a page in this machine's browser may have one that leads here."""
    told = value.decode("latin-1").rpartition("//")[2]
    host = told[1:].partition("]")[0] if told.startswith("[") else told.partition(":")[0]
    if not host or host == "localhost":
        return
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise ProblemError(
            "wrong-host",
            f"The header {name.decode().title()} names {host[:100]!r}, but without a token only this machine is"
            " answered. Ask for localhost or 127.0.0.1.",
        )


async def refuse(scope: Scope, send: Send, problem: ProblemError) -> None:
    """Send a problem as the answer."""
    kind = "http.response"
    if scope["type"] == "websocket":
        kind = "websocket.http.response"
        if kind not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": problem.detail[:120]})
            return
    body = problem.body
    headers = [(b"content-type", MEDIA.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    await send({"type": f"{kind}.start", "status": problem.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body if scope.get("method") != "HEAD" else b""})
