"""`earmark fetch`: the public data sets that there are, and one of them as a folder."""

from __future__ import annotations

import shlex
import time

import click
from rich import box
from rich.console import Console
from rich.table import Table

from earmark import fetch as room
from earmark.cli import show
from earmark.cli.events import watcher
from earmark.cli.words import on_one_line
from earmark.errors import SettingError, UnknownNameError
from earmark.fetch import DATASETS, Fetched
from earmark.files import size_text
from earmark.readers.listing import count


def fetch(
    name: str, dest: str | None, progress: str, as_json: bool, origin: str | None, mirror: str | None,
    checksum: str | None, keep_archive: bool,
) -> int:  # fmt: skip
    """Fetch one data set, and say what to do with it."""
    if name not in DATASETS:
        raise UnknownNameError("data set", name, DATASETS)
    if dest is None:
        raise SettingError(f"Where shall {name} go? Give a new folder. Type: earmark fetch {name} {name}")
    began = time.perf_counter()
    with watcher(progress) as terminal:
        got = room.fetch(
            DATASETS[name],
            dest,
            terminal,
            origin=origin,
            mirror=mirror,
            against=checksum,
            keep_archive=keep_archive,
        )
    if as_json:
        show.print_json({**got.to_dict(), "seconds": time.perf_counter() - began})
    else:
        _show(got, dest)
    return 0


def listed(
    as_json: bool, origin: str | None, mirror: str | None, checksum: str | None, keep_archive: bool
) -> int:
    """Show which data sets there are."""
    if origin or mirror or checksum or keep_archive:
        raise SettingError(
            f"Which data set? Type: earmark fetch NAME DEST. There are: {', '.join(DATASETS)}."
        )
    if as_json:
        show.print_json({
            "datasets": [
                {
                    "name": s.name, "title": s.title, "bytes": s.bytes, "bytes_unpacked": s.unpacked,
                    "licence": s.licence, "licence_url": s.licence_url, "commercial": s.commercial, "url": s.url,
                    "checksum": s.checksum, "sources": list(s.origins), "homepage": s.homepage, "citation": s.citation,
                }
                for s in DATASETS.values()
            ]
        })  # fmt: skip
        return 0
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("name", "what it is", "size", "licence"):
        table.add_column(
            column, justify="right" if column == "size" else "left", no_wrap=column in ("name", "size")
        )
    for source in DATASETS.values():
        size = size_text(source.bytes) if source.bytes is not None else "not known"
        use = "" if source.commercial else "; not for commercial use"
        table.add_row(source.name, source.title, size, source.licence + use)
    out = Console(highlight=False, emoji=False)
    out.print(table)
    out.print("Next: earmark fetch NAME DEST", markup=False)
    return 0


def _show(got: Fetched, dest: str) -> None:
    source = got.source
    lines = [
        f"{source.name} is in {dest}{' already' * got.there}: {count(got.files, 'file')}, {size_text(got.bytes)}."
    ]
    if got.checksum is not None:
        known = "as expected" if got.checked else "nobody has published one to compare it with"
        lines.append(f"Archive  {got.checksum} ({known})")
    lines.append(f"Cite     {source.citation}")
    lines.append(f"Next     {source.next.format(dest=shlex.quote(dest))}")
    for line in lines:
        click.echo(on_one_line(line))
