"""The routes: parse, call, answer."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from earmark.bundle import Bundle
from earmark.engine import Lost, pack
from earmark.errors import AudioError, EarmarkError, UnreadableAudioError
from earmark.serve.body import Body, GoneError
from earmark.serve.front import FAILED, Front
from earmark.serve.how import NUMBERS, number, settings_of
from earmark.serve.metrics import MEDIA, Metrics
from earmark.serve.model import about
from earmark.serve.openapi import openapi
from earmark.serve.pool import Pool
from earmark.serve.problems import MEDIA as PROBLEM
from earmark.serve.problems import ProblemError, refusal
from earmark.serve.settings import Settings
from earmark.serve.shelf import Shelf
from earmark.serve.stream import Live, converse
from earmark.serve.work import Activity, Ready, Score, Sent, Tell

_KILLED = "SIGKILL"  # by which the system ends a process for want of memory, and nothing in a file can


class Service:
    """Answers requests about one model.

    Parameters
    ----------
    bundle
        The model, as it was when the server started.
    name
        What its file is called.
    folder
        Where bodies lie while they are worked on.
    """

    def __init__(self, bundle: Bundle, name: str, ready: Ready, settings: Settings, folder: Path) -> None:
        self.settings, self._shelf = settings, Shelf(folder)
        self.pool = Pool(ready, settings.workers, settings.queue, settings.timeout)
        self.metrics = Metrics(self.pool)
        self.model = about(bundle, name, settings)
        self._openapi = openapi(bundle, settings)
        self._bundle, self._ready, self.streams = bundle, ready, 0
        self._score, self._activity = pack(Score(ready, settings.seconds)), pack(Activity(ready))
        routes: list[Route | WebSocketRoute] = [
            Route("/v1/predict", self.predict, methods=["POST"]),
            Route("/v1/events", self.events, methods=["POST"]),
            WebSocketRoute("/v1/stream", self.stream),
            Route("/v1/model", self.describe, methods=["GET"]),
            Route("/healthz", self.healthy, methods=["GET"]),
            Route("/readyz", self.ready, methods=["GET"]),
            Route("/metrics", self.count, methods=["GET"]),
            Route("/openapi.json", self.document, methods=["GET"]),
        ]
        app = Starlette(routes=routes, exception_handlers=_HANDLERS)
        app.router.redirect_slashes = False
        self.front = Front(app, settings, self.metrics, {route.path for route in routes})

    async def predict(self, request: Request) -> Response:
        """Say what is heard in each file."""
        only(request)
        return await self._answered(request, self._score)

    async def events(self, request: Request) -> Response:
        """Say what is heard in each file from when to when."""
        only(request, *NUMBERS)
        how = settings_of(request.query_params, self._bundle.events)
        return await self._answered(request, pack(Tell(self._ready, self.settings.seconds, how)))

    async def stream(self, socket: WebSocket) -> None:
        """Say what is heard while it is heard."""
        only(socket, "rate", "channels", "encoding", *NUMBERS)
        if self.streams == self.settings.streams:
            raise ProblemError(
                "busy", f"{self.streams} streams are open, and no more may be. Connect again in a second."
            )
        query = socket.query_params
        rate = int(number(query, "rate")) if "rate" in query else self._bundle.feature.sample_rate
        channels = int(number(query, "channels")) if "channels" in query else 1
        how = settings_of(query, self._bundle.events)
        try:
            live = Live(
                self._bundle, self.pool, self._activity, how, rate, channels, query.get("encoding", "s16le")
            )
        except EarmarkError as error:
            reason = error.reason if isinstance(error, AudioError) else str(error)
            told = reason.replace("its header says", "rate is").replace("--", "")
            raise ProblemError("wrong-value", f"{told.rstrip('.')}.") from None
        self.streams += 1
        try:
            await converse(socket, live, self.front.ending, self.settings.patience)
        finally:
            self.streams -= 1
            self.metrics.sound.inc(live.seconds)
            socket.scope["notes"]["sound"] = f"{live.seconds:.1f} s of sound"

    async def _answered(self, request: Request, function: bytes) -> Response:
        """Take in the body, have each of its files worked on, and answer with a record for each."""
        with self.pool.place(), Body(self._shelf, self.settings) as body:
            try:
                await body.read(request.scope, request.receive)
                results = await self._each(request, body, function)
            except GoneError:
                return Response(status_code=499)
        request.scope["notes"]["size"] = f"{body.size:,} bytes"
        for result in results:
            bad = isinstance(result, AudioError)
            self.metrics.files.labels("refused" if bad else "answered").inc()
            if not bad:
                self.metrics.sound.inc(result["seconds"] if "seconds" in result else result["end"])
        errors = [result for result in results if isinstance(result, AudioError)]
        if len(errors) == len(results):
            raise refusal(errors)
        told = [{"path": r.path, "error": r.reason} if isinstance(r, AudioError) else r for r in results]
        return JSONResponse(told)

    async def _each(self, request: Request, body: Body, function: bytes) -> list[Any]:
        """Return a record or an `AudioError` for each file; at most one a worker is in the line at once."""
        left = asyncio.ensure_future(
            request.receive()
        )  # ends before the answer only when the client goes away
        turn = asyncio.Semaphore(self.pool.size)

        async def one(sent: Sent) -> Any:
            async with turn:
                result = await self.pool.call(function, sent, lambda: not left.done())
            if left.done():
                raise GoneError
            if isinstance(result, Lost):
                if _KILLED in result.reason:
                    raise ProblemError("lost", f"{sent.name}: {result.reason}. Send it again.")
                return UnreadableAudioError(sent.name, result.reason)
            return result

        if len(body.files) == 1:  # and needs no task of its own
            try:
                return [await one(body.files[0])]
            finally:
                left.cancel()
        tasks = [asyncio.ensure_future(one(sent)) for sent in body.files]
        try:
            return await asyncio.gather(*tasks)
        finally:
            left.cancel()
            for task in tasks:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(tasks)  # no file is used anew while a worker reads it

    async def describe(self, request: Request) -> Response:
        """Say what the model is."""
        return JSONResponse(self.model)

    async def healthy(self, request: Request) -> Response:
        """Say that the process is alive."""
        return JSONResponse({"status": "alive"})

    async def ready(self, request: Request) -> Response:
        """Say whether a request would be answered now."""
        if self.front.ending.is_set():
            raise ProblemError("ending", "The server finishes what it has begun, and begins nothing new.")
        if not self.pool.alive:
            raise ProblemError("not-ready", "No worker is ready yet.")
        return JSONResponse({"status": "ready"})

    async def count(self, request: Request) -> Response:
        """Tell what was counted."""
        return Response(self.metrics.text(), headers={"content-type": MEDIA})

    async def document(self, request: Request) -> Response:
        """Describe this interface."""
        return JSONResponse(self._openapi)


def only(request: HTTPConnection, *allowed: str) -> None:
    """Refuse parameters that nothing reads."""
    for name in request.query_params:
        if name not in allowed:
            there = f"There are: {', '.join(allowed)}." if allowed else "There are none."
            raise ProblemError("wrong-value", f"There is no parameter {name[:100]!r} here. {there}")


async def _http_problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):  # never: it is registered for these
        raise error
    path = request.url.path[:200]
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        problem = ProblemError("wrong-method", f"{path} takes {allowed}, not {request.method[:20]}.")
        return _response(problem, {"Allow": allowed})
    return _response(ProblemError("not-found", f"There is no {path}. GET /openapi.json tells what there is."))


async def _problem(request: HTTPConnection, error: Exception) -> Response:
    if isinstance(request, WebSocket):
        raise error  # told by who let it in
    return _response(error if isinstance(error, ProblemError) else FAILED)


def _response(problem: ProblemError, more: dict[str, str] | None = None) -> Response:
    headers = {**problem.headers, **(more or {})}
    return Response(problem.body, problem.status, headers=headers, media_type=PROBLEM)


_HANDLERS = {HTTPException: _http_problem, ProblemError: _problem, Exception: _problem}
