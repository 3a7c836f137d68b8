"""Numbers and names as the page shows them; a number keeps its whole value and where it stands in ``report.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.runs import damaged

_JOINER = "\u200d"  # between the parts of an emoji
LONGEST_NAME, LONGEST_PATH = 100, 400  # characters that are shown


@dataclass(frozen=True, slots=True)
class Number:
    """A figure.

    Parameters
    ----------
    value
        In full; ``None`` where nothing is known.
    key
        Where it stands in ``report.json``, as a JSON pointer (RFC 6901); empty when it is the page's own.
    """

    value: float | None
    key: str = ""


class Figures:
    """The figures of ``report.json``, each asked for by its keys.

    Raises
    ------
    RunError
        By each method, when there is no such figure.
    """

    def __init__(self, path: Path, report: Mapping[str, Any]) -> None:
        self._path, self._report = path, report

    def has(self, *keys: str | int) -> bool:
        """Say whether there is anything under the keys but null."""
        return self._find(keys) is not None

    def number(self, *keys: str | int) -> Number:
        """Return a figure."""
        return Number(self.value(*keys), pointer(*keys))

    def value(self, *keys: str | int) -> float:
        """Return the value of a figure."""
        value = self.perhaps(*keys).value
        if value is None:
            raise self.wrong(keys)
        return value

    def perhaps(self, *keys: str | int) -> Number:
        """Return a figure, whose value is ``None`` where the report says null."""
        if not self.has(*keys[:-1]):
            raise self.wrong(keys)
        value = self._find(keys)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value)
        ):
            raise self.wrong(keys)
        return Number(value, pointer(*keys))

    def whole(self, *keys: str | int) -> int:
        """Return a count."""
        value = self._find(keys)
        if not isinstance(value, int) or value < 0:
            raise self.wrong(keys)
        return value

    def items(self, *keys: str | int) -> list[Any]:
        """Return a list."""
        value = self._find(keys)
        if not isinstance(value, list):
            raise self.wrong(keys)
        return value

    def text(self, *keys: str | int) -> str:
        """Return a text; empty where there is none."""
        value = self._find(keys)
        return value if isinstance(value, str) else ""

    def wrong(self, keys: tuple[str | int, ...]) -> Exception:
        """Return the error for a report that does not say what it should."""
        return damaged(self._path, f"'{'.'.join(map(str, keys))}' is not what it should be")

    def _find(self, keys: tuple[str | int, ...]) -> Any:
        found: Any = self._report
        for key in keys:
            if isinstance(found, Mapping) and isinstance(key, str):
                found = found.get(key)
            elif isinstance(found, list) and isinstance(key, int) and key < len(found):
                found = found[key]
            else:
                return None
        return found


def pointer(*keys: str | int) -> str:
    """Return a JSON pointer.

    >>> pointer("per_class", "rain/hail", "f1")
    '/per_class/rain~1hail/f1'
    """
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def legible(text: str, longest: int = LONGEST_PATH) -> str:
    r"""Return a name with what cannot be seen in it, or turns the writing round, spelt out.

    >>> print(legible("a\u202egpj.wav"), legible("two\nlines"), legible(""))
    a\u202egpj.wav two\nlines (no name)
    """
    whole = spelt(text)
    if len(whole) > longest:
        half = longest // 2
        whole = f"{whole[:half]}…{whole[-half:]}"
    return whole or "(no name)"


def spelt(text: str) -> str:
    r"""Return a text of any length with what cannot be seen spelt out.

    >>> print(spelt("\u200b"))
    \u200b
    """
    return "".join(
        c if c.isprintable() or c == _JOINER else c.encode("unicode_escape").decode() for c in text
    )


def percent(value: float | None) -> str:
    r"""Return a share for a person.

    >>> percent(0.775), percent(None)
    ('77.5\xa0%', '–')
    """
    return "–" if value is None else f"{value * 100:.1f}\u00a0%"


def decimals(value: float | None, places: int) -> str:
    """Return a score for a person.

    >>> decimals(0.0756, 3)
    '0.076'
    """
    return "–" if value is None else f"{value:.{places}f}"


def plural(n: int, one: str, many: str = "") -> str:
    """Return a count with its noun.

    >>> plural(1, "clip"), plural(2148, "clip")
    ('1 clip', '2,148 clips')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def span(start: float | None, end: float | None) -> str:
    r"""Return the place of a clip in its recording; empty when it is the whole file.

    >>> span(12.5, 17.5), span(3, None), span(None, None)
    ('12.5–17.5\xa0s', 'from 3\xa0s', '')
    """
    if start is None and end is None:
        return ""
    return f"{start or 0:g}–{end:g}\u00a0s" if end is not None else f"from {start:g}\u00a0s"
