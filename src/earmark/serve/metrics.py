"""What is counted, for Prometheus. Each server has its own registry."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from earmark.serve.pool import Pool

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters of one server.

    Parameters
    ----------
    pool
        Whose workers and line are told.
    """

    def __init__(self, pool: Pool) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each, which nobody asks for
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "earmark_requests", "Requests answered.", ("route", "method", "status"), registry=registry
        )
        self.latency = Histogram(
            "earmark_request_seconds", "From a request's headers to the end of its answer.", ("route",),
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.sound = Counter("earmark_sound_seconds", "Seconds of sound that were scored.", registry=registry)
        self.files = Counter(
            "earmark_files", "Files, by what became of them.", ("outcome",), registry=registry
        )
        for name, told, value in (
            ("earmark_queue_length", "Requests that wait for a worker.", lambda: pool.waiting),
            ("earmark_workers_busy", "Workers that have work.", lambda: pool.busy),
            ("earmark_workers_alive", "Worker processes that run.", lambda: pool.alive),
            ("earmark_worker_restarts", "Workers that died and were replaced.", lambda: pool.restarts),
        ):
            Gauge(name, told, registry=registry).set_function(value)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        found = self._known.get((route, method, status))
        if found is None:
            counter = self.requests.labels(route, method, str(status))
            found = self._known[route, method, status] = counter, self.latency.labels(route)
        found[0].inc()
        found[1].observe(seconds)

    def text(self) -> bytes:
        """Return all of it as Prometheus reads it."""
        return generate_latest(self._registry)
