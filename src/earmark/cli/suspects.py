"""`earmark suspects`: labels that may be wrong, to be listened to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli import options
from earmark.cli.frame import command
from earmark.cli.words import on_one_line
from earmark.errors import SettingError

if TYPE_CHECKING:
    from earmark.dataset import Dataset
    from earmark.suspects import Suspect, Suspects
    from earmark.types import FeatureTable

_aside = click.Group()  # `app` puts the command in its place


@command("suspects", "earmark suspects UrbanSound8K -o suspects.csv", _aside)
@click.argument("dataset")
@click.option(
    "--feature", "names", multiple=True, metavar="NAME",
    help="What to compare sounds by: mfcc, stats; may be repeated. Both by default.",
)  # fmt: skip
@click.option("--top", type=int, default=20, show_default=True, metavar="N", help="How many to show.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE.csv",
    help="Write all of them into a table, which `earmark relabel --from` reads.",
)  # fmt: skip
@options.data
@options.where
@options.as_json
def suspects(
    dataset: str, names: tuple[str, ...], top: int, output: Path | None, engine: str, address: str | None,
    workers: int | None, progress: str, as_json: bool, **choices: Any,
) -> int:  # fmt: skip
    """List labels that may be wrong, for someone to listen to.

    Each clip is judged by a model that did not hear it, and once more by one that heard none of its recording: the
    first finds single wrong labels, the second recordings that are wrong as a whole. Nothing is changed.
    """
    from earmark.cli import ready, show

    if top < 0:
        raise SettingError(f"--top is {top}, but must be 0 or more.")
    ready.can_train()
    ready.can_write(output)
    from earmark.cli.events import watcher
    from earmark.data import DataSettings, open_data
    from earmark.engine import open_engine
    from earmark.suspects.heard import suspects_of
    from earmark.suspects.table import write_suspects

    features = [options.make_recipe("default", feature=name).feature for name in names or ("mfcc", "stats")]
    settings = DataSettings(dataset, **options.data_of(choices))
    where = open_engine(engine, workers, address)
    with watcher(progress) as terminal:
        data, uncut = open_data(settings, where, terminal.measuring)
        data = replace(data, problems=(*data.problems, *uncut))
        terminal.found(data)
        table, found = suspects_of(data, features, where, terminal.extracting, terminal.noted)
    if output is not None:
        write_suspects(output, data, table.rows, found.found)
    if as_json:
        show.print_json(_record(data, table, found, output))
    else:
        _show(data, table, found, top, output, options.typed(settings))
        show.skipped(table.skipped, "; --json names them all")
    return 0


def _record(data: Dataset, table: FeatureTable, found: Suspects, output: Path | None) -> dict[str, Any]:
    clips = [data.clips[int(table.rows[suspect.row])] for suspect in found.found]
    return {
        "clips": len(table.rows),
        "judged": found.judged,
        "flagged": len(found.found),
        "corrected": data.corrected,
        "notes": list(found.notes),
        "output": None if output is None else str(output),
        "suspects": [
            {"path": clip.path, "start": clip.start, "end": clip.end, **suspect.to_dict()}
            for clip, suspect in zip(clips, found.found, strict=True)
        ],
        "skipped": [{"path": p.path, "reason": p.detail} for p in table.skipped],
        "problems": [{"kind": p.kind, "path": p.path, "detail": p.detail} for p in data.problems],
    }


def _show(
    data: Dataset, table: FeatureTable, found: Suspects, top: int, output: Path | None, typed: str
) -> None:
    from earmark.cli import show
    from earmark.readers.listing import count
    from earmark.types import problem_of

    out = show.console()
    flagged = len(found.found)
    if not found.judged:
        out.print("\n[bold]No label can be judged.[/]")
    elif not flagged:
        judged = count(found.judged, "label")
        out.print(f"\n[bold]None of {judged} is suspected.[/] That is no proof that all are right.")
    else:
        verb = "is" if flagged == 1 else "are"
        out.print(
            f"\n[bold]{flagged:,} of {count(found.judged, 'label')} {verb} suspected.[/] This is a list to listen to,"
            " not to believe:\nmany of them will be right, and those of rare sounds more often."
        )
    # The clips of a recording that is suspected as a whole have one reason, and are told of once.
    told: dict[str, list[Suspect]] = {}
    for suspect in found.found:
        whole = suspect.evidence == "recording" and suspect.reason.startswith("the ")
        told.setdefault(suspect.reason if whole else str(suspect.row), []).append(suspect)
    for rank, same in enumerate(list(told.values())[:top], 1):
        first = same[0]
        clip = data.clips[int(table.rows[first.row])]
        more = f" and {len(same) - 1} more" if len(same) > 1 else ""
        where = clip.path + problem_of(clip, "", "").detail + more  # of windows, from where to where
        line = f"{rank:>4}  {first.score:.2f}  {where}: {first.label} → {first.suggested}"
        out.print(on_one_line(line), markup=False)
        out.print(on_one_line(f"{'':12}{first.reason}"), markup=False, style="dim")
    rest = sum(len(same) for same in list(told.values())[top:])
    if rest:
        way = "all are in the table" if output else "-o FILE.csv writes them all"
        out.print(f"… and {rest:,} more; {way}.", style="dim")
    for note in found.notes:
        out.print(f"Note: {on_one_line(note)}", markup=False, style="dim")
    if output is not None:
        out.print(f"Table  {output}", markup=False)
        if flagged:
            way = "When you have listened, delete the rows that are right, and type:"
            out.print(f"{way} earmark relabel {typed} --from {output}", markup=False)
