"""Who is told how a fetch goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from earmark.fetch.plan import Plan


class Told(Protocol):
    """What `fetch` tells while it works; a part of `earmark.listener.Listener`."""

    def offered(self, plan: Plan) -> None:
        """A data set will be fetched: what, under which licence, how large, from where and where to."""

    def fetching(self, stage: str, done: int, total: int | None) -> None:
        """So many bytes of a stage are done: ``"Download"``, ``"Checksum"`` or ``"Unpack"``."""

    def noted(self, text: str) -> None:
        """Something is odd, and was dealt with."""


class Nobody:
    """Is told nothing."""

    def offered(self, plan: Plan) -> None:
        """Do nothing."""

    def fetching(self, stage: str, done: int, total: int | None) -> None:
        """Do nothing."""

    def noted(self, text: str) -> None:
        """Do nothing."""
