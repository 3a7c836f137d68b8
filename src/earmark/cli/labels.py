"""`earmark labels`: what label files say and what is odd about them, and the same in another form."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli import options
from earmark.cli.frame import command
from earmark.cli.words import on_one_line
from earmark.errors import PathError, SettingError, UnknownNameError

if TYPE_CHECKING:
    from earmark.labels import Labels
    from earmark.types import Problem, Track

_aside = click.Group()  # `app` puts the command in its place
_NAMED = 20
_HELP = "audacity, raven, segments, spans or textgrid"


@command("labels", "earmark labels dawn.txt --to raven", _aside)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--form", metavar="NAME", help=f"{_HELP}; found out by default.")
@click.option("--to", metavar="NAME", help=f"Write them in another form: {_HELP}.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE|FOLDER",
    help="Where --to writes; a file that is there is replaced. By default beside each FILE, under a new name.",
)  # fmt: skip
@click.option(
    "--unit", default="seconds", show_default=True, metavar="NAME",
    help="What times in tables are counted in: seconds, or samples of the sound that goes with the FILE.",
)  # fmt: skip
@click.option(
    "--label-column", metavar="NAME|NUMBER", help="Where the label is: a table's column, a TextGrid's tier."
)
@options.strict
@options.as_json
def labels(
    files: tuple[Path, ...], form: str | None, to: str | None, output: Path | None, unit: str,
    label_column: str | None, strict: bool, as_json: bool,
) -> int:  # fmt: skip
    """Look label files over, or write them in another form.

    A FILE is a label track of Audacity, a selection table of Raven, .segments, a CSV or TSV file of spans, or a Praat
    TextGrid. Told are what it holds, and overlaps, labels without length and names that differ by a hair, each with
    its line.
    """
    from earmark.cli import show
    from earmark.labels import FORMS, losses

    for name in (form, to):
        if name is not None and name not in FORMS:
            raise UnknownNameError("form", name, FORMS)
    if output is not None and to is None:
        raise SettingError(f"-o goes with --to, which is {_HELP}.")
    if unit not in ("seconds", "samples"):
        raise SettingError(f"--unit is '{unit}', but must be seconds or samples.")
    read = {file: _read(file, form, unit, label_column) for file in files}
    if to is not None:
        lost = {str(file): losses(held, to) for file, held in read.items()}
        written = {str(file): str(path) for file, path in _convert(read, to, output).items()}
        if as_json:
            show.print_json({"written": written, "lost": lost})
            return 0
        for name, path in written.items():
            click.echo(on_one_line(f"{name} → {path}"))
            for what in lost[name]:
                click.echo(
                    on_one_line(f"  left out, as the form '{to}' has no place for them: {what}"), err=True
                )
        return 0
    tracks = {file: _tracks(file, held) for file, held in read.items()}
    problems = _problems(read, tracks)
    if as_json:
        show.print_json(_record(read, problems))
    else:
        _show(read, problems)
    return 1 if strict and problems else 0


def _read(file: Path, form: str | None, unit: str, column: str | None) -> Labels:
    from earmark.labels import Reading, read_labels

    if not file.is_file():
        raise PathError(
            f"{file} is a folder. Give label files; earmark check takes folders."
            if file.is_dir()
            else f"There is nothing at {file}."
        )
    held = read_labels(file, form, Reading(column, _rate_beside(file) if unit == "samples" else None))
    if unit == "samples" and held.form != "spans":
        raise SettingError(f"--unit samples is for tables of spans, but {file} has the form '{held.form}'.")
    if column is not None and held.form not in ("raven", "spans", "textgrid"):
        raise SettingError(f"The form '{held.form}' of {file} has no columns: leave out --label-column.")
    return held


def _rate_beside(file: Path) -> Any:
    """Return what tells the sample rate of the recordings of a label file."""
    from functools import cache

    from earmark.audio.length import rate_of
    from earmark.readers.listing import Listing
    from earmark.readers.pairing import Sounds, pair

    files = Listing.of(file.parent)
    sounds = Sounds(files)
    paired = next((found.sound for found in pair(files) if found.label == file.name), None)

    @cache
    def rate(name: str) -> int:
        path = (sounds.named(name, "") if name else None) or paired
        if path is None:
            raise SettingError(
                f"Nobody knows how long a sample of {name or file} is. Put the sound file beside {file}, called alike."
            )
        return rate_of(file.parent / path)

    return rate


def _convert(read: dict[Path, Labels], to: str, output: Path | None) -> dict[Path, Path]:
    """Write each file in another form, and return where."""
    from dataclasses import replace

    from earmark.cli import ready
    from earmark.files import write_atomically
    from earmark.labels import FORMS, converted, to_bytes

    into = output if output is not None and output.is_dir() else None
    if output is not None and into is None and len(read) > 1:
        raise SettingError(f"-o takes a folder where {len(read)} files are written; {output} is none.")
    if into is None:
        ready.can_write(output)
    made: dict[Path, tuple[Path, bytes]] = {}
    for file, held in read.items():
        if output is not None and into is None:
            target = output
        else:
            target = (into or file.parent) / f"{_name(file)}{FORMS[to].suffix}"
            if target.exists():
                raise PathError(
                    f"{target} is there already. Give -o the name of a file to replace, or of another."
                )
        if any(target == other for other, _ in made.values()):
            raise PathError(f"Two of the files would be written to {target}. Write them one by one, with -o.")
        new = converted(held, to)
        if new is not held and target.suffix.casefold() == ".tsv":
            new = replace(new, style=replace(new.style, delimiter="\t"))
        made[file] = target, to_bytes(new)
    for target, data in made.values():
        write_atomically(target, data)
    return {file: target for file, (target, _) in made.items()}


def _name(file: Path) -> str:
    """Return what a new label file is called but for its end: as the sound beside it, or as the old one."""
    from earmark.readers.listing import AUDIO_SUFFIXES
    from earmark.readers.pairing import stems

    sounds = {beside.stem for beside in file.parent.iterdir() if beside.suffix.lower() in AUDIO_SUFFIXES}
    names = stems(file.name)
    return next((name for name in names if name in sounds), names[0])


def _tracks(file: Path, held: Labels) -> list[Track]:
    """Return a track for each recording and tier that a file tells of."""
    from earmark.labels.textgrid import TIER
    from earmark.types import Region, Track

    found: dict[tuple[str, str], list[Region]] = {}
    for region in held.regions:
        tier = next((text for name, text in region.extra if name == TIER), "")
        found.setdefault((region.recording or str(file), tier), []).append(region)
    return [Track(path, str(file), tuple(regions), held.form) for (path, _), regions in found.items()]


def _problems(read: dict[Path, Labels], tracks: dict[Path, list[Track]]) -> list[Problem]:
    from earmark.labels import FORMS
    from earmark.labels.lint import FEWEST, lint, rare, similar
    from earmark.types import Problem

    problems = []
    for file, held in read.items():
        problems += [Problem("guessed", str(file), f"line {line}: {text}") for line, text in held.notes]
        for track in tracks[file]:
            problems += lint(track, FORMS[held.form].points)
    every = [track for found in tracks.values() for track in found]
    problems += similar(every)
    if len({track.path for track in every}) >= FEWEST:
        problems += rare(every)
    return problems


def _record(read: dict[Path, Labels], problems: list[Problem]) -> dict[str, Any]:
    return {
        "files": [
            {
                "path": str(file), "form": held.form, "regions": len(held.regions), "points": _points(held),
                "labels": dict(_counted([held])),
            }
            for file, held in read.items()
        ],
        "labels": dict(_counted(read.values())),
        "problems": [asdict(problem) for problem in problems],
    }  # fmt: skip


def _points(held: Labels) -> int:
    return sum(region.start == region.end for region in held.regions)


def _counted(every: Any) -> list[tuple[str, int]]:
    from earmark.readers.listing import natural

    counts = Counter(region.label for held in every for region in held.regions)
    return sorted(counts.items(), key=lambda item: natural(item[0]))


def _show(read: dict[Path, Labels], problems: list[Problem]) -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from earmark.labels import FORMS
    from earmark.readers.listing import count

    out = Console(highlight=False, soft_wrap=True, emoji=False)
    for file, held in read.items():
        points = _points(held)
        told = [count(len(held.regions) - points, "region"), *([count(points, "point")] if points else [])]
        if any(region.low is not None or region.high is not None for region in held.regions):
            told.append("frequencies")
        if held.regions:
            first, last = min(r.start for r in held.regions), max(r.end for r in held.regions)
            told.append(f"{first:g} to {last:g} s")
        out.print(on_one_line(f"{file}  {FORMS[held.form].title}: {', '.join(told)}"), markup=False)
    counts = _counted(read.values())
    if counts:
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("label")
        table.add_column("times", justify="right")
        for label, n in counts:
            table.add_row(escape(on_one_line(label)) if label else "[dim](none)[/]", f"{n:,}")
        out.print(table)
    if not problems:
        out.print("[green]Nothing odd found.[/]")
        return
    kinds = Counter(problem.kind for problem in problems)
    summary = ", ".join(f"{n:,} {kind}" for kind, n in kinds.items())
    out.print(f"[yellow]{count(len(problems), 'finding')}:[/] {summary}")
    width = max(map(len, kinds))
    for p in problems[:_NAMED]:
        out.print(on_one_line(f"  {p.kind:<{width}}  {p.path}: {p.detail}"), markup=False)
    if len(problems) > _NAMED:
        out.print(f"… and {len(problems) - _NAMED:,} more; --json lists all.")
