"""`Budget`: how long a command may work, and what is said of time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from earmark.errors import SettingError

Clock = Callable[[], float]

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)")
_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_LONGEST = 365 * 24 * 3600.0
_SPARE = 1.25  # an estimate is one


def seconds_of(text: str) -> float:
    """Return the seconds of a time as it is typed.

    Raises
    ------
    SettingError
        When it is no time, or none that a budget can be.

    Examples
    --------
    >>> seconds_of("90s"), seconds_of("10m"), seconds_of("1h30m")
    (90.0, 600.0, 5400.0)
    """
    told = text.strip().lower()
    parts = _PART.findall(told)
    rest = _PART.sub("", told).strip()
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not parts or rest or not 0 < seconds <= _LONGEST:
        raise SettingError(f"--budget is '{text}', but must be a time such as 90s, 10m, 2h or 1h30m.")
    return seconds


def said(seconds: float) -> str:
    """Return a time as a person says it.

    >>> said(0.42), said(75), said(840), said(9000)
    ('0.42 s', '75 s', '14 min', '2.5 h')
    """
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.2g} h"


def typed(seconds: float) -> str:
    """Return a budget that holds so many seconds with some to spare, as it is typed.

    >>> typed(20), typed(100), typed(4000), typed(20_000)
    ('30s', '3m', '84m', '7h')
    """
    enough = seconds * _SPARE
    if enough <= 90:
        return f"{-(-enough // 10) * 10:.0f}s"
    return f"{-(-enough // 60):.0f}m" if enough < 3 * 3600 else f"{-(-enough // 3600):.0f}h"


class OutOfTime(Exception):  # noqa: N818  (no error: it ends one rung and not the command)
    """The budget does not suffice for what was begun, or would be.

    Attributes
    ----------
    doing
        What, as a phrase.
    needs
        How many seconds more it would take; ``None`` where nobody can know.
    """

    def __init__(self, doing: str, needs: float | None = None) -> None:
        super().__init__(doing)
        self.doing, self.needs = doing, needs


@dataclass(slots=True)
class Budget:
    """How long one command may work, from when it was made.

    Parameters
    ----------
    seconds
        ``None`` for as long as it takes.
    clock
        Seconds that only grow.
    """

    seconds: float | None = None
    clock: Clock = time.monotonic
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def spent(self) -> float:
        """Seconds since it was made."""
        return self.clock() - self.began

    @property
    def left(self) -> float:
        """Seconds; never below 0."""
        return float("inf") if self.seconds is None else max(0.0, self.seconds - self.spent)

    def holds(self, needs: float) -> bool:
        """Return whether there is time for so many seconds more."""
        return needs <= self.left
