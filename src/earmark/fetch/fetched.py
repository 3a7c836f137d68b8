"""`Fetched`: a data set that is there, and the marker beside it that says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from earmark.fetch.plan import Plan
from earmark.fetch.registry import Source
from earmark.fetch.unpack import Unpacked
from earmark.remote import Place


@dataclass(frozen=True, slots=True)
class Fetched:
    """A data set that is there.

    Parameters
    ----------
    source, path
        What, and where.
    url
        Where it came from.
    bytes, files
        What its files take, and how many they are.
    checksum
        Of the archive; ``None`` for one that Kaggle sent as files.
    checked
        Whether that is the one that was known before.
    there
        Whether it was there already.
    """

    source: Source
    path: Place
    url: str
    bytes: int
    files: int
    checksum: str | None
    checked: bool
    there: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the record as the command line's JSON shows it."""
        return {
            "name": self.source.name, "path": str(self.path), "url": self.url, "bytes": self.bytes,
            "files": self.files, "checksum": self.checksum, "checked": self.checked,
            "licence": self.source.licence, "there": self.there,
        }  # fmt: skip


def marker_of(plan: Plan, url: str, done: Unpacked, got: str | None) -> dict[str, Any]:
    """Return what is written beside a data set that is whole."""
    source = plan.source
    return {
        "name": source.name, "url": url, "checksum": got, "checked": plan.checksum is not None,
        "files": done.files, "bytes": done.bytes,
        "licence": source.licence, "licence_url": source.licence_url, "homepage": source.homepage,
        "citation": source.citation, "fetched": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": f"earmark {metadata.version('earmark')}",
    }  # fmt: skip


def fetched(plan: Plan, url: str, done: Unpacked, got: str | None) -> Fetched:
    """Return the record of a data set that was fetched just now."""
    known = plan.checksum is not None
    return Fetched(plan.source, plan.dest, url, done.bytes, done.files, got, known, there=False)


def found(source: Source, place: Place, marker: dict[str, Any]) -> Fetched:
    """Return the record of a data set that was there already, by its marker."""
    return Fetched(
        source, place, str(marker.get("url")), marker["bytes"], marker["files"],
        marker.get("checksum"), bool(marker.get("checked")), there=True,
    )  # fmt: skip
