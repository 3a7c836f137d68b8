"""What Azure ML lets things be called."""

from __future__ import annotations

import re
from dataclasses import dataclass

from earmark.errors import SettingError


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern that a whole name must fit, and the same in words."""

    pattern: str
    words: str


_ASSET = Rule(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}",
    "1 to 255 letters, digits, '-', '_' or '.', the first a letter or a digit",
)
_ENDPOINT = Rule(
    r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]",
    "3 to 32 letters, digits or '-', the first a letter and the last no '-'",
)
RULES = {
    "job": Rule(
        r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}",
        "1 to 255 letters, digits, '-' or '_', the first a letter or a digit",
    ),
    "compute": Rule(
        r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]",
        "3 to 32 letters, digits or '-', the first a letter and the last no '-'",
    ),
    "endpoint": _ENDPOINT,
    "deployment": _ENDPOINT,
    "data asset": _ASSET,
    "environment": _ASSET,
    "model": _ASSET,
}


def wrong_name(kind: str, name: str) -> str:
    """Say what is wrong with a name; empty when nothing is.

    >>> wrong_name("endpoint", "bird-calls"), wrong_name("endpoint", "2nd")[:48]
    ('', "The endpoint's name '2nd' is not allowed. Azure ")
    """
    rule = RULES[kind]
    if re.fullmatch(rule.pattern, name):
        return ""
    return f"The {kind}'s name '{name}' is not allowed. Azure takes {rule.words}."


def checked(kind: str, name: str) -> str:
    """Return a name that Azure takes, or raise `SettingError`."""
    if why := wrong_name(kind, name):
        raise SettingError(why)
    return name
