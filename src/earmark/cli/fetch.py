"""`earmark fetch`: the public data sets that there are, and one of them as a folder."""

from __future__ import annotations

import shlex
import time
from dataclasses import asdict

import click
from rich import box
from rich.console import Console
from rich.table import Table

from earmark import fetch as room
from earmark.cli import show
from earmark.cli.events import watcher
from earmark.cli.words import on_one_line
from earmark.encoders import ENCODERS, PREFIX, note_of
from earmark.encoders.weights import folder
from earmark.errors import SettingError, UnknownNameError
from earmark.fetch import DATASETS, Fetched
from earmark.fetch.checksum import parse
from earmark.files import size_text
from earmark.readers.listing import count


def fetch(
    name: str, dest: str | None, progress: str, as_json: bool, origin: str | None, mirror: str | None,
    checksum: str | None, keep_archive: bool, weights: str | None, output: str | None,
) -> int:  # fmt: skip
    """Fetch one data set or encoder, and say what to do with it."""
    if name.startswith(PREFIX):
        if dest is not None or keep_archive:
            raise SettingError(
                f"{name} goes into a folder of its own: leave out {'DEST' if dest else '--keep-archive'}."
            )
        return _encoder(
            name.removeprefix(PREFIX), progress, as_json, weights, output, origin, mirror, checksum
        )
    if weights is not None or output is not None:
        raise SettingError(
            "--weights and --output are for an encoder. Type: earmark fetch encoder:NAME --weights FILE"
        )
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
    as_json: bool, origin: str | None, mirror: str | None, checksum: str | None, keep_archive: bool,
    weights: str | None, output: str | None,
) -> int:  # fmt: skip
    """Show which data sets there are."""
    if origin or mirror or checksum or keep_archive or weights or output:
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
            ],
            "encoders": [
                {**asdict(e), "name": f"{PREFIX}{e.name}", "there": note_of(e.name) is not None}
                for e in ENCODERS.values()
            ],
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
    out.print(_encoders())
    out.print("Next: earmark fetch NAME DEST, or for an encoder: earmark fetch encoder:NAME", markup=False)
    return 0


def _encoders() -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("encoder", "what it is", "size", "licence", "here"):
        table.add_column(
            column, justify="right" if column == "size" else "left", no_wrap=column in ("encoder", "size")
        )
    for entry in ENCODERS.values():
        size = (
            size_text(entry.bytes)
            if entry.bytes is not None
            else "--weights"
            if entry.url is None
            else "not known"
        )
        tried = "" if entry.tried else " (not yet tried with Earmark)"
        here = "yes" if note_of(entry.name) else "no"
        table.add_row(f"{PREFIX}{entry.name}", entry.title + tried, size, entry.licence, here)
    return table


def _encoder(
    name: str, progress: str, as_json: bool, weights: str | None, output: str | None, origin: str | None,
    mirror: str | None, checksum: str | None,
) -> int:  # fmt: skip
    began = time.perf_counter()
    with watcher(progress) as terminal:
        got = room.fetch_encoder(
            name, terminal, weights=weights, output=output or "", origin=origin, mirror=mirror,
            against=parse(checksum) if checksum is not None else None,
        )  # fmt: skip
    if as_json:
        show.print_json({**got.to_dict(), "seconds": time.perf_counter() - began})
        return 0
    known = "as expected" if got.checked else "recorded; there was none to compare it with"
    lines = [
        f"{PREFIX}{name} is here{' already' * got.there}: {size_text(got.bytes)} of ONNX, in {folder()}.",
        f"Weights  sha256:{got.sha256}",
        f"File     {got.source} ({known})",
    ]
    more = ""
    if got.entry is not None:
        lines.append(f"Licence  {got.entry.licence}, {got.entry.licence_url}")
        lines.append(f"Cite     {got.entry.citation}")
        if not got.entry.tried:
            lines.append(
                "Note     Nobody has tried these weights with Earmark yet: compare what comes out with their authors'."
            )
    else:
        more = " --set feature.sample_rate=HZ --set feature.window=SECONDS"
    chosen = "" if name == "yamnet" else f" --set feature.encoder={name}"
    lines.append(f"Next     earmark evaluate DATASET --feature encoder{chosen}{more} --model linear")
    for line in lines:
        click.echo(on_one_line(line))
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
