"""Praat's TextGrids, in the long and the short text format: both are the same numbers, texts and flags in one order."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from earmark.errors import TableError, nearest
from earmark.labels.form import Form, Labels, Reading, Style
from earmark.labels.text import cut, exact, newline_of, number, times
from earmark.types import Region

NAME = "textgrid"
TIER = "tier"  # the column of `Region.extra` that names a region's tier
INTERVALS, POINTS = "IntervalTier", "TextTier"

# Praat reads texts in quotation marks, which are doubled inside, and numbers and flags that stand free. All other
# words only help a person, and so does what follows an exclamation mark.
_TOKEN = re.compile(
    r'(?:\s++|[^\s"!<0-9+.,-][^\s"]*+)*+'  # words
    r'(?:"((?:[^"]++|"")*+)"'
    r"|([+-]?[0-9.,][0-9.,eE+-]*+)(?!\S)"
    r"|(<[a-z]+>)(?!\S)"
    r"|(![^\r\n]*+|[^\s\"]++)"
    r'|(")'
    r"|\Z)"
)
_TEXT, _NUMBER, _FLAG, _OTHER, _OPEN = range(1, 6)  # the groups
_BREAK = re.compile(r"\r\n|\n|\r")
_COUNT = re.compile(r"[0-9]{1,9}")


class _Tier(NamedTuple):
    kind: str
    name: str
    regions: list[Region]


@dataclass(frozen=True, slots=True)
class _Grid:
    start: float
    end: float
    tiers: list[_Tier]


def matches(text: str, name: str) -> bool:
    """Say whether the text begins as all of Praat's TextGrids do."""
    start = text[:200]
    return ("ooTextFile" in start and '"TextGrid"' in start) or start.startswith("ooBinaryFile")


def parse(text: str, file: object, reading: Reading) -> Labels:
    """Read intervals and points. Praat fills the gaps with intervals that have no text: these are none.

    `Reading.label_column` is the tier to read, by its name or its number; all of them otherwise.

    Raises
    ------
    TableError
        With the line, when it cannot be understood.
    """
    if text.startswith("ooBinaryFile"):
        raise TableError(file, 1, "a binary TextGrid. In Praat: Save as text file.")
    tiers = _Reader(text, file).grid().tiers
    if reading.label_column is not None:
        tiers = [tiers[_wanted([tier.name for tier in tiers], reading.label_column, file)]]
    regions = tuple(region for tier in tiers for region in tier.regions)
    return Labels(NAME, regions, text, Style(newline=newline_of(text)), reading=reading)


def _wanted(names: Sequence[str], wanted: str, file: object) -> int:
    if wanted in names:
        return names.index(wanted)
    if _COUNT.fullmatch(wanted) and 0 < int(wanted) <= len(names):
        return int(wanted) - 1
    listed = ", ".join(f"'{cut(name)}'" for name in names) or "none"
    raise TableError(
        file, 1, f"no tier is called '{cut(wanted)}'. There are: {listed}.{nearest(wanted, names)}"
    )


class _Reader:
    """Takes one token after the other."""

    def __init__(self, text: str, file: object) -> None:
        self._file = file
        self._tokens = _TOKEN.finditer(text)
        self._breaks = [found.end() for found in _BREAK.finditer(text)]
        self._at = 0  # where the last token starts

    def grid(self) -> _Grid:
        if not self._text("ooTextFile").startswith("ooTextFile") or self._text("TextGrid") != "TextGrid":
            self._fail("this is not a TextGrid")
        start, end = self._time("the start"), self._time("the end")
        there = self._take(_FLAG, "<exists>")
        count = self._count("tiers") if there == "<exists>" else 0
        return _Grid(start, end, [self._tier() for _ in range(count)])

    def _tier(self) -> _Tier:
        kind = self._text("the kind of a tier")
        if kind not in (INTERVALS, POINTS):
            self._fail(f"a tier of the kind '{cut(kind)}'; there are {INTERVALS} and {POINTS}")
        name = self._text("the name of a tier")
        self._time("the start")
        self._time("the end")
        count = self._count("intervals" if kind == INTERVALS else "points")
        extra = ((TIER, name),)
        regions = []
        for _ in range(count):
            start = self._take(_NUMBER, "a time")
            end = self._take(_NUMBER, "a time") if kind == INTERVALS else start
            placed = self._at
            label = self._text("a label").strip()
            span = times(start, end, self._file, self._line(placed))
            if label or kind == POINTS:
                regions.append(Region(*span, label, extra=extra, line=self._line(self._at)))
        return _Tier(kind, name, regions)

    def _text(self, what: str) -> str:
        text = self._take(_TEXT, what)
        return text.replace('""', '"') if '"' in text else text

    def _time(self, what: str) -> float:
        text = self._take(_NUMBER, what)
        value = number(text)
        if value is None:
            self._fail(f"'{cut(text)}' where {what} should stand, in seconds")
        return value

    def _count(self, what: str) -> int:
        text = self._take(_NUMBER, f"the number of {what}")
        if not _COUNT.fullmatch(text):
            self._fail(f"'{cut(text)}' where the number of {what} should stand")
        return int(text)

    def _take(self, kind: int, what: str) -> str:
        for found in self._tokens:
            group = found.lastindex
            if group == kind:
                self._at = found.start(group)
                return found[group]
            if group is not None and group != _OTHER:
                self._at = found.start(group)
                if group == _OPEN:
                    self._fail("a quotation mark is left open")
                self._fail(f"'{cut(found[group])}' where {what} should stand")
        raise TableError(self._file, self._line(self._at), f"the file ends where {what} should stand.")

    def _line(self, position: int) -> int:
        return bisect_right(self._breaks, position) + 1

    def _fail(self, detail: str) -> NoReturn:
        raise TableError(self._file, self._line(self._at), f"{detail}.")


def write(labels: Labels) -> str:
    """Return the text of a TextGrid: the one that was read, or a new one in the long format if a region has changed."""
    old = _Grid(0.0, 0.0, [])
    if labels.head:
        if parse(labels.head, "", labels.reading).regions == labels.regions:
            return labels.head
        old = _Reader(labels.head, "").grid()
    regions = labels.regions
    if labels.reading.label_column is not None:  # the tiers that were not read stay
        read = {dict(region.extra)[TIER] for region in parse(labels.head, "", labels.reading).regions}
        regions += tuple(r for tier in old.tiers if tier.name not in read for r in tier.regions)
    start = min((old.start, *(region.start for region in regions)))
    end = max((old.end, *(region.end for region in regions)))
    tiers = _arranged(regions, old)
    out = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    out += [f"xmin = {_put(start)} ", f"xmax = {_put(end)} ", "tiers? <exists> "]
    out += [f"size = {len(tiers)} ", "item []: "]
    for i, tier in enumerate(tiers, 1):
        out += [f"    item [{i}]:", f'        class = "{tier.kind}" ', f"        name = {_quote(tier.name)} "]
        out += [f"        xmin = {_put(start)} ", f"        xmax = {_put(end)} "]
        out += _intervals(tier.regions, start, end) if tier.kind == INTERVALS else _points(tier.regions)
    newline = labels.style.newline
    return newline.join(out) + newline


def _arranged(regions: Sequence[Region], old: _Grid) -> list[_Tier]:
    """Return the tiers to write. Intervals of one tier must not overlap: those that do get another tier."""
    lanes: dict[str, list[list[Region]]] = {t.name: [[]] for t in old.tiers if t.kind == INTERVALS}
    points: dict[str, list[Region]] = {t.name: [] for t in old.tiers if t.kind == POINTS}
    for region in sorted(regions, key=lambda r: (r.start, r.end)):
        name = dict(region.extra).get(TIER, "labels")
        if region.start == region.end:
            points.setdefault(name, []).append(region)
            continue
        found = lanes.setdefault(name, [])
        free = next((lane for lane in found if not lane or lane[-1].end <= region.start), None)
        if free is None:
            found.append([region])
        else:
            free.append(region)
    made = [
        _Tier(INTERVALS, name if i == 1 else f"{name} {i}", lane)
        for name, found in lanes.items()
        for i, lane in enumerate(found, 1)
    ]
    made += [
        _Tier(POINTS, f"{name} points" if name in lanes else name, marks) for name, marks in points.items()
    ]
    order = [tier.name for tier in old.tiers]
    return sorted(made, key=lambda tier: order.index(tier.name) if tier.name in order else len(order))


def _intervals(regions: Sequence[Region], start: float, end: float) -> list[str]:
    filled: list[tuple[float, float, str]] = []
    at = start
    for region in regions:
        if region.start > at:
            filled.append((at, region.start, ""))
        filled.append((region.start, region.end, region.label))
        at = region.end
    if at < end or not filled:
        filled.append((at, end, ""))
    out = [f"        intervals: size = {len(filled)} "]
    for i, (first, last, label) in enumerate(filled, 1):
        out += [f"        intervals [{i}]:", f"            xmin = {_put(first)} "]
        out += [f"            xmax = {_put(last)} ", f"            text = {_quote(label)} "]
    return out


def _points(regions: Sequence[Region]) -> list[str]:
    out = [f"        points: size = {len(regions)} "]
    for i, region in enumerate(regions, 1):
        out += [f"        points [{i}]:", f"            number = {_put(region.start)} "]
        out += [f"            mark = {_quote(region.label)} "]
    return out


def _put(value: float) -> str:
    return exact(value).removesuffix(".0")


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


FORM = Form(NAME, "Praat TextGrid", ".TextGrid", True, frozenset(), matches, parse, write)
