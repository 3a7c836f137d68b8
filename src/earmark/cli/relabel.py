"""`earmark relabel`: corrections of labels, in a log that is laid over the data whenever it is read."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli import options
from earmark.cli.frame import command
from earmark.cli.words import on_one_line
from earmark.errors import SettingError

if TYPE_CHECKING:
    from earmark.corrections import Correction, Log
    from earmark.dataset import Dataset
    from earmark.types import Problem

_aside = click.Group()  # `app` puts the command in its place
_SHOWN = 20


@command("relabel", "earmark relabel UrbanSound8K audio/fold1/101415-3-0-2.wav siren", _aside)
@click.argument("dataset")
@click.argument("clip", required=False)
@click.argument("new_label", required=False)
@click.option("--start", type=float, metavar="SECONDS", help="Of a clip that is part of a file.")
@click.option("--end", type=float, metavar="SECONDS", help="Of a clip that is part of a file.")
@click.option(
    "--from", "table", type=click.Path(path_type=Path), metavar="suspects.csv",
    help="Give every clip of a table the label that it suggests.",
)  # fmt: skip
@click.option("--min-score", type=float, metavar="SCORE", help="Of the table, leave out what scores less.")
@click.option("--new", "new_labels", is_flag=True, help="The label may be one that no clip has yet.")
@click.option(
    "--undo",
    "undo",
    is_flag=False,
    flag_value="1",
    metavar="[N|all]",
    help="Take back the last N corrections; 1.",
)
@click.option("--list", "listing", is_flag=True, help="Show what is corrected.")
@click.option(
    "--log",
    metavar="FILE",
    help="Where the corrections are kept; earmark-labels.jsonl beside the data by default.",
)
@click.option("--author", metavar="NAME", help="Who corrects; by default whoever is logged in.")
@options.uncorrected
@options.as_json
def relabel(
    dataset: str, clip: str | None, new_label: str | None, start: float | None, end: float | None,
    table: Path | None, min_score: float | None, new_labels: bool, undo: str | None, listing: bool, log: str | None,
    author: str | None, as_json: bool, **choices: Any,
) -> int:  # fmt: skip
    """Correct labels, without touching the data.

    Corrections go into a log that is only ever added to, with author and time. Every command that reads the data set
    lays it over the labels, and says so. An undo is an entry of the log too.

    Where clips have several labels, NEW_LABEL is all of them, as in a,b, or what is added and taken away: +a,-b.
    """
    from earmark.corrections.change import Wish, corrections_for, wishes_of
    from earmark.data import DataSettings, open_data

    ways = [clip is not None, table is not None, undo is not None, listing]
    if sum(ways) != 1 or (clip is not None) != (new_label is not None):
        raise SettingError(
            "Say one thing to do: a CLIP and its NEW_LABEL, --from suspects.csv, --undo, or --list."
        )
    for given, name, way in (
        (min_score is not None and table is None, "--min-score", "--from"),
        ((start is not None or end is not None) and clip is None, "--start and --end", "a CLIP"),
    ):
        if given:
            raise SettingError(f"{name} {'go' if ' and ' in name else 'goes'} with {way}.")
    from earmark.corrections import hold_log, read_log

    wishes = wishes_of(table, min_score or 0.0) if table is not None else []
    shape = options.data_of({**choices, "corrections": "none"})
    data, _ = open_data(DataSettings(dataset, **shape))
    path = _log_of(data, log)
    if listing:
        return _list(read_log(path), as_json)
    how_many = None if undo is None else _count(undo)
    who = author or _user()
    with hold_log(path) as writer:
        if undo is not None:
            from earmark.corrections.change import undo as take_back

            entries, back = take_back(writer.log.entries, how_many, who)
            writer.append(entries)
            return _tell_undo(back, path, writer.log.problems, as_json)
        # Once more, now that nobody else can change it: what a clip is labelled follows from the log.
        settings = DataSettings(dataset, **{**shape, "corrections": str(path) if path.exists() else "none"})
        data, _ = open_data(settings)
        if clip is not None and new_label is not None:
            wishes = [Wish(_named(clip, data), new_label, start, end)]
        changes = corrections_for(data, wishes, who, new_labels, one=clip is not None)
        writer.append(changes.made)
    typed = options.typed(DataSettings(dataset, **{**shape, "corrections": ""})) + (
        f" --log {log}" if log else ""
    )
    _tell(changes.made, changes.refused, path, typed, writer.log.problems, as_json)
    return 1 if changes.refused else 0


def _log_of(data: Dataset, told: str | None) -> Path:
    from earmark.corrections import find_log

    path = find_log(data.root, told or "")
    if path is None:
        raise SettingError(
            f"{data.root} is not on this machine, so that no log can be kept beside it. Give one with --log FILE, and"
            " to the other commands with --corrections FILE."
            if told != "none"
            else "--log takes the name of a file; 'none' is what --corrections takes to leave the labels alone."
        )
    return path


def _named(clip: str, data: Dataset) -> str:
    """Return a clip's path as the data set has it, also where it was typed as a file on this machine."""
    if isinstance(data.root, Path) and clip not in data.clips.paths:
        try:
            return Path(clip).resolve().relative_to(data.root.resolve()).as_posix()
        except (ValueError, OSError):
            return clip
    return clip


def _count(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise SettingError(f"--undo takes a number from 1, or all; got '{text}'.")
    return int(text)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        return "unknown"


def _list(log: Log, as_json: bool) -> int:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from earmark.cli import show
    from earmark.corrections import standing
    from earmark.readers.listing import count

    made = standing(log.entries)
    if as_json:
        show.print_json(
            {
                "log": str(log.path),
                "entries": len(log.entries),
                "corrections": [asdict(one) for one in made],
                "problems": [asdict(problem) for problem in log.problems],
            }
        )
        return 0
    out = show.console()
    if made:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in ("time", "author", "clip", "was", "is"):
            table.add_column(column, overflow="fold")
        for one in made:
            cells = (one.time, one.author, _clip(one), ", ".join(one.old), ", ".join(one.new))
            table.add_row(*(escape(on_one_line(cell)) for cell in cells))
        out.print(table)
    out.print(f"{count(len(made), 'correction')} of {count(len(log.entries), 'entry', 'entries')}.")
    out.print(f"Log    {log.path}", markup=False)
    _warn(log.problems)
    return 0


def _tell(
    made: Sequence[Correction], refused: Sequence[Problem], log: Path, typed: str, torn: Sequence[Problem],
    as_json: bool,
) -> None:  # fmt: skip
    from earmark.cli import show
    from earmark.readers.listing import count

    if as_json:
        show.print_json(
            {
                "log": str(log),
                "corrected": [asdict(one) for one in made],
                "refused": [asdict(problem) for problem in refused],
                "problems": [asdict(problem) for problem in torn],
            }
        )
        return
    out = show.console()
    for one in made[:_SHOWN]:
        words = f"{_clip(one)}: {', '.join(one.old) or 'nothing'} → {', '.join(one.new)}"
        out.print(on_one_line(words), markup=False)
    if len(made) > _SHOWN:
        out.print(f"… and {len(made) - _SHOWN:,} more")
    out.print(f"{count(len(made), 'label')} corrected. The data itself is as it was.")
    out.print(f"Log    {log}", markup=False)
    if made:
        out.print(f"Undo   earmark relabel {typed} --undo {len(made)}", markup=False)
    if refused:
        err = click.style(f"{count(len(refused), 'clip')} not relabelled:", fg="yellow")
        click.echo(err, err=True)
        for problem in refused[:_SHOWN]:
            click.echo(on_one_line(f"  {problem.path}: {problem.detail}"), err=True)
        if len(refused) > _SHOWN:
            click.echo(f"  … and {len(refused) - _SHOWN:,} more; --json names them all", err=True)
    _warn(torn)


def _tell_undo(back: Sequence[Correction], log: Path, torn: Sequence[Problem], as_json: bool) -> int:
    from earmark.cli import show
    from earmark.readers.listing import count

    if as_json:
        show.print_json(
            {
                "log": str(log),
                "undone": [asdict(one) for one in back],
                "problems": [asdict(problem) for problem in torn],
            }
        )
        return 0
    out = show.console()
    for one in back[:_SHOWN]:
        words = f"{_clip(one)}: {', '.join(one.new)} → {', '.join(one.old) or 'nothing'}"
        out.print(on_one_line(words), markup=False)
    if len(back) > _SHOWN:
        out.print(f"… and {len(back) - _SHOWN:,} more")
    out.print(f"{count(len(back), 'correction')} undone." if back else "There is no correction to undo.")
    out.print(f"Log    {log}", markup=False)
    _warn(torn)
    return 0


def _clip(one: Correction) -> str:
    from earmark.types import Clip, problem_of

    return one.path + problem_of(Clip(one.path, (), "", one.start, one.end), "", "").detail


def _warn(problems: Sequence[Problem]) -> None:
    for problem in problems:
        click.echo(on_one_line(f"{problem.path}: {problem.detail}"), err=True)
