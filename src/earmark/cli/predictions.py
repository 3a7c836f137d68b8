"""Predictions as text: a table, JSON, JSON lines or CSV. Plain writing, for `earmark predict` must start at once."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO

from earmark.cli.words import on_one_line
from earmark.errors import AudioError
from earmark.types import Prediction

_TOP = 3


@dataclass(frozen=True, slots=True)
class Span(Prediction):
    """An event of a long recording, which a table shows with its times."""


_LAST = ("possible", "why", "familiarity", "notes", "labels", "error")
Result = Prediction | AudioError


def write(
    style: str,
    results: Iterable[Result],
    labels: Sequence[str],
    out: TextIO | None = None,
    errors: TextIO | None = None,
) -> int:
    """Write every result as it comes; return 1 when a file could not be read, else 0."""
    stream, complaints = out or sys.stdout, errors or sys.stderr
    failed = False

    def watched() -> Iterable[Result]:
        nonlocal failed
        for result in results:
            if isinstance(result, AudioError):
                failed = True
                complaints.write(f"error: {on_one_line(str(result))}\n")
            yield result

    {"table": _table, "json": _json, "jsonl": _jsonl, "csv": _csv}[style](watched(), labels, stream)
    stream.flush()
    return int(failed)


def _record(result: Result) -> dict[str, object]:
    if isinstance(result, AudioError):
        return {"path": result.path, "error": result.reason}
    return result.to_dict()


def _json(results: Iterable[Result], labels: Sequence[str], out: TextIO) -> None:
    before = "["
    for result in results:
        out.write(f"{before}\n  {json.dumps(_record(result))}")
        out.flush()
        before = ","
    out.write("[]\n" if before == "[" else "\n]\n")


def _jsonl(results: Iterable[Result], labels: Sequence[str], out: TextIO) -> None:
    for result in results:
        out.write(json.dumps(_record(result)) + "\n")
        out.flush()


def _csv(results: Iterable[Result], labels: Sequence[str], out: TextIO) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["path", "start", "end", "label", "score", *labels, *_LAST])
    for r in results:
        if isinstance(r, AudioError):
            writer.writerow([r.path, *[""] * (3 + len(labels) + len(_LAST)), r.reason])
        else:
            scores = [f"{r.scores[label]:.6f}" for label in labels]
            told = [r.path, f"{r.start:g}", f"{r.end:.3f}", r.label or "", f"{r.score:.6f}", *scores]
            familiar = "" if r.familiarity is None else f"{r.familiarity:.4f}"
            writer.writerow(
                [*told, "|".join(r.possible), r.why, familiar, "; ".join(r.notes), "|".join(r.labels), ""]
            )


def _table(results: Iterable[Result], labels: Sequence[str], out: TextIO) -> None:
    width = max((len(label) for label in labels), default=0)
    for r in results:
        if isinstance(r, AudioError):
            continue  # it was named on stderr
        if isinstance(r, Span):
            when = f"{clock(r.start)} to {clock(r.end)}"
            out.write(on_one_line(f"{when}  {r.label or '':<{width}}  {r.score:.2f}  {r.path}") + "\n")
            out.flush()
            continue
        ranked = sorted(r.scores.items(), key=lambda item: -item[1])
        more = "".join(f", {label} {r.scores[label]:.2f}" for label in r.labels[1:])
        shown = (
            [item for item in ranked if item[0] not in r.labels][: _TOP - 1] if r.labels else ranked[1:_TOP]
        )
        others = "  ".join(f"{label} {score:.2f}" for label, score in shown)
        if r.label is None:
            others = f"{r.why}; {ranked[0][0]} {r.score:.2f}  {others}" if ranked else r.why
        notes = "".join(f"  [{note}]" for note in r.notes)
        beside = f"  ({others})" if others else ""
        line = f"{r.label or 'unknown':<{width}}  {r.score:.2f}{more}  {r.path}{beside}{notes}"
        out.write(on_one_line(line) + "\n")
        out.flush()


def clock(seconds: float) -> str:
    """Return a time within a recording as a person reads it.

    >>> clock(3.25), clock(754.0), clock(29_000.04)
    ('0:00:03.25', '0:12:34.00', '8:03:20.04')
    """
    hundredths = round(100 * seconds)
    minutes, rest = divmod(hundredths, 6000)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest // 100:02d}.{rest % 100:02d}"
