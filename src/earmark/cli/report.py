"""`earmark report`: the command, and what it says when the page is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli import options
from earmark.cli.frame import command
from earmark.cli.words import on_one_line

if TYPE_CHECKING:
    from earmark.report import Written

_aside = click.Group()  # `app` puts the command in its place


@command("report", "earmark report runs/UrbanSound8K-evaluate-mlp-1a2b3c4d -o report.html", _aside)
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the page goes; report.html in the run's folder by default.",
)
@click.option(
    "--clips",
    type=int,
    default=10,
    show_default=True,
    help="How many of the most confident mistakes to show.",
)
@click.option(
    "--with-audio",
    is_flag=True,
    help="Put the sound of these clips into the page. Whoever has the page then has it: mind whose voices they are.",
)
@click.option("--data", metavar="DATASET", help="Where the data set is now, if it was moved since the run.")
@options.progress
@options.as_json
def report(
    run: Path,
    output: Path | None,
    clips: int,
    with_audio: bool,
    data: str | None,
    progress: str,
    as_json: bool,
) -> int:
    """Write a run as one HTML page, to look at and to pass on.

    RUN is a folder that train or evaluate left. The page loads nothing and runs no script. Waveforms and
    spectrograms come from the data set, which is read again; where it is gone, the page says so.
    """
    from earmark.cli import ready

    ready.can_judge()
    from earmark.cli.events import watcher
    from earmark.report import write_report

    ready.can_write(output, example="report.html")
    with watcher(progress) as terminal:
        written = write_report(run, output, clips, with_audio, data, terminal.checking)
    _show(written, with_audio, as_json)
    return 0


def _show(written: Written, with_audio: bool, as_json: bool) -> None:
    from earmark.cli.show import console, print_json
    from earmark.files import size_text

    if as_json:
        print_json(written.to_dict())
        return
    out = console()
    out.print(on_one_line(f"Report {written.report} ({size_text(written.size)})"), markup=False)
    if written.missing:
        out.print(on_one_line(f"Without waveforms and spectrograms: {written.missing}"), markup=False)
    elif written.clips and not with_audio:
        out.print("Sound is not in it; --with-audio embeds that of the clips shown.", style="dim")
