"""What may be wrong with a file that is read all the same: a word of the vocabulary of `Problem`, and a phrase."""

from __future__ import annotations

Fault = tuple[str, str]
DAMAGED, SEVERAL_STREAMS, TRUNCATED = "damaged", "several_streams", "truncated"
UNFINISHED: Fault = (
    "unfinished",
    "its header was never finished, as when a recorder is cut off; it was read to its end",
)


def shortage(told: int, there: int) -> Fault:
    """Return the fault of a file that has fewer bytes than its header tells of.

    >>> shortage(1000, 10)
    ('truncated', 'by its header it has 1,000 bytes, but 10 are there')
    """
    return TRUNCATED, f"by its header it has {told:,} bytes, but {there:,} are there"


def cut_short(told: float, there: float) -> Fault:
    """Return the fault of a file that lasts for fewer seconds than its header tells.

    >>> cut_short(36_000, 2.5)
    ('truncated', 'by its header it lasts for 10.0 h, but 2.50 s are there')
    """
    return TRUNCATED, f"by its header it lasts for {_duration(told)}, but {_duration(there)} are there"


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h" if seconds >= 7200 else f"{seconds:.2f} s"
