"""How events are told: as the model says, and the parameters of a request change it."""

from __future__ import annotations

from starlette.datastructures import QueryParams

from earmark.errors import SettingError
from earmark.events import Events
from earmark.serve.problems import ProblemError

# What may be asked for; the same names as on the command line.
NUMBERS = {
    "window": "Seconds that are scored at a time.",
    "hop": "Seconds from one window to the next.",
    "median": "Windows, an odd number, whose median each score is replaced by.",
    "high": "Probability that an event must reach once.",
    "low": "Probability that it must reach throughout.",
    "min_gap": "Seconds: events of one label that are no farther apart are one.",
    "trim": "Seconds that are taken off each end of an event, where a window holds a sound's edge only.",
    "min_length": "Seconds: shorter events are dropped.",
}


def settings_of(query: QueryParams, usual: Events) -> Events:
    """Return ``usual`` with what the query changes.

    Raises
    ------
    ProblemError
        For what is no number, or cannot be.
    """
    try:
        given = {name: number(query, name) for name in NUMBERS if name in query}
        how = usual.changed(**given)
    except SettingError as error:
        raise ProblemError("wrong-value", str(error).removeprefix("[events] ")) from None
    if how.window is None:
        raise ProblemError(
            "wrong-value",
            "The model does not say how long the clips were that it learnt from. Send window=SECONDS.",
        )
    return how


def number(query: QueryParams, name: str) -> float | int:
    """Return a parameter as a number, whole where it is counted."""
    told, whole = query[name], name in ("median", "rate", "channels")
    try:
        return int(told) if whole else float(told)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise ProblemError("wrong-value", f"{name} is {told[:100]!r}, but must be {kind}.") from None
