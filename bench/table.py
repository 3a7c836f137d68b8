"""What a benchmark found, as JSON between processes and as Markdown for people."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any

COLUMNS = ("What", "Figure", "Median", "Min–max", "Against the reference", "Bar")


@dataclass
class Row:
    """One figure, a value a round.

    ``against`` holds its quotient with the reference's value of the same round; ``at_least`` or ``at_most`` is the bar
    that the median must meet.
    """

    what: str
    figure: str
    values: list[float]
    against: list[float] = field(default_factory=list)
    at_least: float | None = None
    at_most: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool:
        return (self.at_least is None or self.median >= self.at_least) and (
            self.at_most is None or self.median <= self.at_most
        )

    def cells(self) -> tuple[str, ...]:
        span = f"{number(min(self.values))}–{number(max(self.values))}" if len(self.values) > 1 else ""
        against = f"{number(statistics.median(self.against))} ×" if self.against else ""
        return self.what, self.figure, number(self.median), span, against, self._bar()

    def _bar(self) -> str:
        verdict = "met" if self.met else "**not met**"
        if self.at_least is not None:
            return f"≥ {self.at_least:g}: {verdict}"
        return f"≤ {self.at_most:g}: {verdict}" if self.at_most is not None else ""


@dataclass
class Section:
    """One benchmark's result: sentences on how it was measured, rows, and where these do not fit, a table of its own.

    The first row of that ``grid`` is its header.
    """

    title: str
    notes: list[str]
    rows: list[Row]
    grid: list[tuple[str, ...]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Section:
        grid = [tuple(cells) for cells in values.get("grid", ())]
        return cls(values["title"], values["notes"], [Row(**row) for row in values["rows"]], grid)

    def markdown(self) -> str:
        lines = [f"## {self.title}", "", *(f"- {note}" for note in self.notes), ""]
        if self.rows:
            lines += [_line(COLUMNS), _line(("---", "---", "--:", "--:", "--:", "---"))]
            lines += [*(_line(row.cells()) for row in self.rows), ""]
        if self.grid:
            header, *cells = self.grid
            lines += [_line(header), _line(("---", *["--:"] * (len(header) - 1))), *map(_line, cells), ""]
        return "\n".join(lines)


def number(value: float) -> str:
    """Return about three significant digits.

    >>> number(1234.5), number(12.34), number(0.3424), number(2e-6)
    ('1,234', '12.3', '0.342', '2e-06')
    """
    if value != 0 and abs(value) < 1e-3:
        return f"{value:.2g}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}"


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"
