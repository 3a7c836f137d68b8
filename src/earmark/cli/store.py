"""`earmark store`: what the feature store holds, and making it smaller."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import click

from earmark.cli import options
from earmark.cli.frame import Group, command
from earmark.errors import EarmarkError, SettingError

if TYPE_CHECKING:
    from earmark.store import Stock

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_DAYS = {"d": 1.0, "w": 7.0, "m": 30.0, "y": 365.0, "h": 1 / 24}

_place = click.option(
    "--store", "place", metavar="STORE", help="A folder or a URI; EARMARK_STORE by default."
)


@click.group("store", cls=Group, no_args_is_help=True, epilog="Example: earmark store list")
def store() -> None:
    """See, and make smaller, what is kept of computed features.

    The store is the folder that EARMARK_STORE names, or else one among this machine's caches. It can be deleted at any
    time: what is missing is computed again.
    """


@command("list", "earmark store list", store)
@_place
@options.as_json
def list_(place: str | None, as_json: bool) -> int:
    """List each feature with its settings, clips and size."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from earmark.cli import ready, show
    from earmark.files import size_text

    ready.can_extract()
    from earmark.store import Store

    opened = Store(place)
    stock = list(opened.stock())
    if as_json:
        show.print_json({"store": str(opened), "features": [_record(held) for held in stock]})
        return 0
    out = Console(highlight=False, soft_wrap=True, emoji=False)
    out.print(f"Store  {opened}", markup=False)
    if not stock:
        out.print("It is empty.")
        return 0
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("feature", no_wrap=True, min_width=max(len(held.key) for held in stock))
    for column in ("clips", "size", "last used", "settings"):
        table.add_column(column, justify="right" if column in ("clips", "size") else "left")
    for held in stock:
        table.add_row(held.key, f"{held.clips:,}", size_text(held.size), _ago(held.used), _settings(held))
    out.print(table)
    return 0


@command("size", "earmark store size", store)
@_place
@options.as_json
def size(place: str | None, as_json: bool) -> int:
    """Say how large the store is."""
    from earmark.cli import ready, show
    from earmark.files import size_text

    ready.can_extract()
    from earmark.readers.listing import count
    from earmark.store import Store

    opened = Store(place)
    entries = list(opened.parts())
    total = sum(entry.size for entry in entries)
    if as_json:
        show.print_json({"store": str(opened), "files": len(entries), "bytes": total})
    else:
        click.echo(f"{size_text(total)} in {count(len(entries), 'file')}  {opened}")
    return 0


@command(
    "prune", "earmark store prune --older-than 90d --keep 20GB", store, "Delete what was not used for long."
)
@_place
@click.option(
    "--older-than", "age", metavar="AGE", help="Delete what was not used for so long: 12h, 90d, 8w, 6m, 1y."
)
@click.option(
    "--keep", metavar="SIZE", help="Delete the longest unused until so much is left: 500MB, 20GB, 0."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@options.as_json
def prune(place: str | None, age: str | None, keep: str | None, dry_run: bool, as_json: bool) -> int:
    """Delete what has not been used for long, or the longest unused until the rest is small enough."""
    from earmark.cli import ready, show
    from earmark.files import size_text

    ready.can_extract()
    from earmark.readers.listing import count
    from earmark.store import Store

    if age is None and keep is None:
        raise SettingError("Say what may go: --older-than 90d, --keep 20GB, or both.")
    before = None if age is None else time.time() - _seconds(age)
    opened = Store(place)
    gone, kept = opened.prune(before, None if keep is None else _size(keep), dry_run)
    freed, left = (sum(entry.size for entry in entries) for entries in (gone, kept))
    if as_json:
        show.print_json({
            "store": str(opened), "deleted": len(gone), "bytes_freed": freed, "bytes_left": left, "dry_run": dry_run
        })  # fmt: skip
    else:
        verb = "Would delete" if dry_run else "Deleted"
        click.echo(
            f"{verb} {count(len(gone), 'file')} ({size_text(freed)}); {size_text(left)} left in {opened}"
        )
    return 0


def _settings(held: Stock) -> str:
    """Say in what a feature's settings differ from those that it has when none are given."""
    from earmark.features import FRONT_END, feature_to_dict
    from earmark.recipe import Recipe

    if not held.feature:
        return "unknown"
    told = {k: v for k, v in held.feature.items() if k not in ("name", "front_end")}
    try:
        usual = feature_to_dict(Recipe().with_values({"feature.name": str(held.feature["name"])}).feature)
    except (EarmarkError, KeyError):  # of a later version
        usual = {}
    differing = [f"{k} {_told(v)}" for k, v in told.items() if v != usual.get(k)]
    if held.feature.get("front_end") != FRONT_END:
        differing.append("an older front end's: no longer used")
    return ", ".join(differing) or "defaults"


def _told(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _record(held: Stock) -> dict[str, object]:
    return {
        "folder": held.key, "feature": dict(held.feature), "files": held.parts, "clips": held.clips,
        "bytes": held.size, "used": held.used,
    }  # fmt: skip


def _seconds(age: str) -> float:
    """Return an age in seconds.

    >>> _seconds("12h"), _seconds("2w")
    (43200.0, 1209600.0)
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([hdwmy])", age.strip().lower())
    if not found:
        raise SettingError(f"--older-than is '{age}', but must be a number and h, d, w, m or y, such as 90d.")
    return float(found[1]) * _DAYS[found[2]] * 86_400


def _size(text: str) -> int:
    """Return a size in bytes.

    >>> _size("500MB"), _size("0"), _size("1.5 GB")
    (500000000, 0, 1500000000)
    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)b?", text.strip().lower())
    if not found:
        raise SettingError(f"--keep is '{text}', but must be a size, such as 500MB, 20GB or 0.")
    return int(float(found[1]) * _UNITS[found[2]])


def _ago(when: float) -> str:
    """Return how long ago something was."""
    seconds = max(0.0, time.time() - when)
    for unit, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit:
            number = int(seconds // unit)
            return f"{number} {name}{'s' * (number != 1)} ago"
    return "just now"
