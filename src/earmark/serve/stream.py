"""Live sound over a WebSocket: samples in, decisions and events out as they fall."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from earmark.audio.stream import ENCODINGS, Stream
from earmark.bundle import Bundle
from earmark.engine import Lost
from earmark.errors import AudioError
from earmark.events import Event, Events, Merger, Windows
from earmark.serve.pool import Pool
from earmark.serve.problems import ProblemError
from earmark.serve.work import event_record
from earmark.types import FloatArray, Waveform

END = "end"  # what a client says when there is no more
_GOING_AWAY, _CANNOT, _TOO_SLOW = 1001, 1008, 1013


class Live:
    """One stream.

    The network's runs are done by the workers, in the same line as everybody's; here is only what is light.

    Parameters
    ----------
    rate, channels, encoding
        What the samples are; ``encoding`` is a key of `earmark.audio.stream.ENCODINGS`.
    how
        How scores become events.

    Raises
    ------
    EarmarkError
        For samples that nobody records.
    """

    def __init__(
        self,
        bundle: Bundle,
        pool: Pool,
        activity: bytes,
        how: Events,
        rate: int,
        channels: int,
        encoding: str,
    ) -> None:
        self._bundle, self._pool, self._activity = bundle, pool, activity
        self._format = rate, channels, encoding, bundle.feature.channel
        Stream(io.BytesIO(), *self._format)  # refuses what cannot be, before anything is heard
        self._block = ENCODINGS[encoding].width * channels
        self._rest, self._rate = b"", rate
        window, self._hop = how.window or 0.0, how.step
        self._windows = Windows(rate, window, self._hop)
        self._merger = Merger(bundle.labels, how, bundle.decision.exclusive, bundle.decision.thresholds)
        self._window, self._count = window, 0

    @property
    def seconds(self) -> float:
        """How much was heard."""
        return self._windows.total / self._rate

    async def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Return the messages that the next samples give rise to."""
        data = self._rest + data
        whole = len(data) // self._block * self._block
        self._rest = data[whole:]
        told: list[dict[str, Any]] = []
        if whole:
            for samples in Stream(io.BytesIO(data[:whole]), *self._format):
                for window in self._windows.feed(samples):
                    end = self._count * self._hop + (self._window + self._hop) / 2
                    told += await self._heard(window, self._count * self._hop, end)
        return told

    async def finish(self) -> list[dict[str, Any]]:
        """Return the last messages."""
        told: list[dict[str, Any]] = []
        for window in self._windows.finish():
            told += await self._heard(window, max(0.0, self.seconds - self._window), self.seconds)
        told += self._events(self._merger.finish(self.seconds))
        return [*told, {"type": "end", "seconds": self.seconds}]

    async def _heard(self, window: FloatArray, start: float, until: float) -> list[dict[str, Any]]:
        self._count += 1
        row = await self._pool.call(self._activity, Waveform(np.array(window), self._rate))
        if isinstance(row, Lost):
            raise ProblemError("lost", f"A window could not be scored: {row.reason}. Connect again.")
        labels, said = self._bundle.labels, self._bundle.decision.said(row[None])[0]
        scores = {label: float(p) for label, p in zip(labels, row, strict=True)}
        heard = [label for label, yes in zip(labels, said, strict=True) if yes and scores[label] > 0]
        told = {
            "type": "window", "start": round(start, 6), "end": round(start + len(window) / self._rate, 6),
            "labels": heard, "scores": scores,
        }  # fmt: skip
        return [told, *self._events(self._merger.add(until, row))]

    @staticmethod
    def _events(events: list[Event]) -> list[dict[str, Any]]:
        return [{"type": "event", **event_record("-", event)} for event in events]


async def converse(socket: WebSocket, live: Live, ending: asyncio.Event, patience: float) -> None:
    """Talk with a client until it has no more, goes away or falls silent, or the server ends.

    Parameters
    ----------
    patience
        Seconds that may pass without a message.
    """
    await socket.accept()
    code = 1000
    try:
        while True:
            message = await _next(socket, ending, patience)
            if message is None:
                code = _GOING_AWAY
                break
            if message["type"] == "websocket.disconnect":
                return
            if data := message.get("bytes"):
                await _tell(socket, await live.feed(data))
            elif message.get("text") == END:
                break
            elif message.get("text"):
                raise ProblemError(
                    "wrong-value", f"Send samples as binary messages, and the text {END!r} after them."
                )
        await _tell(socket, await live.finish())
    except (ProblemError, AudioError) as error:
        problem = error if isinstance(error, ProblemError) else ProblemError("not-sound", f"{error.reason}.")
        code = _TOO_SLOW if problem.kind in ("lost", "too-slow") else _CANNOT
        await _tell(socket, [{"type": "problem", "problem": problem.to_dict()}])
    except WebSocketDisconnect:
        return
    await socket.close(code)


async def _next(socket: WebSocket, ending: asyncio.Event, patience: float) -> Any:
    """Return the next message; ``None`` when the server ends."""
    coming = asyncio.ensure_future(socket.receive())
    told = asyncio.ensure_future(ending.wait())
    try:
        await asyncio.wait({coming, told}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if coming.done():
            return coming.result()
        if told.done():
            return None
        raise ProblemError("too-slow", f"Nothing came for {patience:g} s.")
    finally:
        coming.cancel()
        told.cancel()


async def _tell(socket: WebSocket, messages: list[dict[str, Any]]) -> None:
    for message in messages:
        await socket.send_text(json.dumps(message))
