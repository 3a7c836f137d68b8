"""The feature store: what was computed once is not computed again, in this run or the next, here or elsewhere.

A store is a folder (or a prefix in object storage) with a folder for each feature and its settings, and in it parts:
files that appear whole and never change. There is no other state: the index is the key columns of the parts. So any
number of processes use a store at once, and one that is killed loses the part it was working on.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.errors import PathError, StoreError
from earmark.features import FRONT_END, feature_to_dict
from earmark.remote import RemotePath
from earmark.remote import place as place_of
from earmark.store import part as parts
from earmark.store.index import NONE, Index
from earmark.store.part import Part
from earmark.store.place import Bucket, Entry, Folder, Place
from earmark.types import Feature

__all__ = ["NONE", "Entry", "Index", "Part", "Shelf", "Stock", "Store"]

PLACE = "EARMARK_STORE"
SUFFIX = ".safetensors"
# Nothing else is read, and above all nothing else is deleted, wherever a store is said to be.
_PART = re.compile(rf"[^/]+-[0-9a-f]{{16}}/[0-9a-f]{{32}}{re.escape(SUFFIX)}")
_ABOUT = "feature.json"
_PREFIX = 2**16  # bytes read of a part at first: the key columns of a hundred rows and more


@dataclass(frozen=True, slots=True)
class Stock:
    """What a store holds of one feature.

    Parameters
    ----------
    key
        The name of its folder.
    feature
        Its settings.
    parts, clips, size
        Files, rows and bytes.
    used
        When a part was last used, seconds since 1970.
    """

    key: str
    feature: Mapping[str, Any]
    parts: int
    clips: int
    size: int
    used: float


class Shelf:
    """The parts of one feature in a store.

    Attributes
    ----------
    key
        The name of its folder: the feature's name, and a hash of its settings and of the front end's version.
    """

    def __init__(self, place: Place, feature: Feature) -> None:
        self.place, self.feature = place, feature
        self.about = {**feature_to_dict(feature), "front_end": FRONT_END}
        told = json.dumps(self.about, sort_keys=True).encode()
        self.key = f"{feature.name}-{hashlib.blake2b(told, digest_size=8).hexdigest()}"

    def name_of(self, part: str) -> str:
        """Return the part's name within the store."""
        return f"{self.key}/{part}{SUFFIX}"

    def scan(self, known: Mapping[str, Part] | None = None) -> tuple[dict[str, Part], list[str]]:
        """Return the key columns of every part by its name, and the names of the damaged ones.

        Parameters
        ----------
        known
            From an earlier scan; these are not read again.
        """
        found: dict[str, Part] = {}
        damaged = []
        for entry in self.place.entries(self.key):
            if not _PART.fullmatch(entry.name):
                continue
            if known and entry.name in known:
                found[entry.name] = known[entry.name]
                continue
            try:
                found[entry.name] = self._keys(entry)
            except FileNotFoundError:  # pruned by another process just now
                continue
            except StoreError:
                damaged.append(entry.name)
        return found, damaged

    def _keys(self, entry: Entry) -> Part:
        name = entry.name
        head = self.place.read(name, _PREFIX)
        if len(head) == _PREFIX:
            for needed in (parts.header_size, parts.keys_size):
                if (size := needed(head, name)) > len(head):
                    head = self.place.read(name, size)
        if parts.whole_size(head, name) != entry.size:
            raise StoreError(f"{name} is damaged: it was cut off.")
        return parts.from_buffer(head, name, only_keys=True)

    def read(self, name: str) -> Part:
        """Return a part with its values.

        Raises
        ------
        StoreError
            When it is damaged, or its checksums do not fit.
        """
        part = parts.from_buffer(self.place.read(name), name)
        if damaged := part.damaged():
            raise StoreError(f"{name} is damaged: {len(damaged)} of its {len(part)} rows have changed.")
        return part

    def map(self, name: str) -> Part:
        """Return a part whose values are read where they are looked at. Checksums are the caller's matter."""
        return parts.from_buffer(self.place.map(name), name)

    def write(self, name: str, part: Part) -> None:
        """Publish a part; one of the name says the same."""
        about = f"{self.key}/{_ABOUT}"
        if not self.place.has(about):
            self.place.create(about, (json.dumps(self.about, indent=2) + "\n").encode())
        self.place.create(name, parts.to_bytes(part))


class Store:
    """A feature store.

    Parameters
    ----------
    place
        A folder, or a URI such as ``az://container/features``. ``None`` is the one that ``EARMARK_STORE`` names, or
        else a folder among this machine's caches.

    Examples
    --------
    >>> import tempfile
    >>> from earmark.features import Mfcc
    >>> store = Store(tempfile.mkdtemp())
    >>> store.shelf(Mfcc()).scan(), list(store.stock())
    (({}, []), [])
    """

    def __init__(self, place: str | Path | None = None) -> None:
        if place is not None and not str(place).strip():
            raise PathError("The store's path is empty. Give a folder or a URI.")
        told = place_of(str(place or os.environ.get(PLACE) or default_folder()))
        if isinstance(told, RemotePath):
            if not told.listable:
                raise PathError(
                    f"{told} is on the web, where nothing can be listed. Give a folder or object storage."
                )
            self.place: Place = Bucket(told)
            self.address = told.address
        else:
            folder = told.expanduser().absolute()
            there = next(path for path in (folder, *folder.parents) if path.exists())
            if not there.is_dir():
                raise StoreError(f"{there} is a file; a feature store needs a folder.")
            self.place = Folder(folder)
            self.address = str(folder)

    def __str__(self) -> str:
        return str(self.place)

    def shelf(self, feature: Feature) -> Shelf:
        """Return the part of the store that holds a feature with these settings."""
        return Shelf(self.place, feature)

    def stock(self) -> Iterator[Stock]:
        """Yield what the store holds, a feature at a time."""
        by_key: dict[str, list[Entry]] = {}
        for entry in self.parts():
            by_key.setdefault(entry.name.split("/")[0], []).append(entry)
        for key, entries in sorted(by_key.items()):
            feature: dict[str, Any] = {}
            with suppress(OSError, ValueError, TypeError):
                feature = dict(json.loads(self.place.read(f"{key}/{_ABOUT}")))
            clips = 0
            for entry in entries:
                with suppress(OSError, StoreError):
                    head = self.place.read(entry.name, _PREFIX)
                    head = self.place.read(entry.name, max(len(head), parts.header_size(head, entry.name)))
                    clips += parts.rows(head, entry.name)
            size, used = sum(e.size for e in entries), max(e.used for e in entries)
            yield Stock(key, feature, len(entries), clips, size, used)

    def parts(self) -> Iterator[Entry]:
        """Yield every part."""
        return (entry for entry in self.place.entries("") if _PART.fullmatch(entry.name))

    def prune(
        self, before: float | None = None, keep: int | None = None, dry_run: bool = False
    ) -> tuple[list[Entry], list[Entry]]:
        """Delete parts that were not used for long, and then the longest unused ones until the rest is small enough.

        Parameters
        ----------
        before
            Seconds since 1970: parts last used before that go.
        keep
            Bytes that may stay.
        dry_run
            Delete nothing.

        Returns
        -------
        What went, and what stays.
        """
        kept = sorted(self.parts(), key=lambda entry: entry.used, reverse=True)
        size, gone = 0, []
        for i, entry in enumerate(kept):
            size += entry.size
            if (before is not None and entry.used < before) or (keep is not None and size > keep):
                kept, gone = kept[:i], kept[i:]
                break
        if not dry_run:
            for entry in gone:
                self.place.delete(entry.name)
            self.place.tidy()
        return gone, kept


def default_folder() -> Path:
    """Return the folder for features among this machine's caches."""
    from platformdirs import user_cache_path

    return user_cache_path("earmark", appauthor=False) / "features"
