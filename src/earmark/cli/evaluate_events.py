"""`earmark evaluate-events`: how well a model finds events in recordings with label tracks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from earmark.cli import options
from earmark.cli.frame import command
from earmark.errors import SettingError

if TYPE_CHECKING:
    from earmark.recordings.judged import EventReport
    from earmark.remote import Place

_aside = click.Group()  # `app` puts the command in its place


@command("evaluate-events", "earmark evaluate-events model.earmark recordings", _aside)
@click.argument("model", type=options.PLACE, metavar="MODEL.earmark")
@click.argument("recordings")
@options.how_events
@click.option(
    "--collar",
    type=float,
    default=0.2,
    show_default=True,
    metavar="SECONDS",
    help="How much too early or too late an event may start and end.",
)
@click.option("--layout", default="auto", metavar="NAME", help="How labels are kept; found out by default.")
@click.option("--point-width", type=float, metavar="SECONDS", help="How long a label without length is.")
@click.option("--unit", metavar="NAME", help="Of times in span tables: seconds or samples.")
@click.option("--label-column", metavar="NAME|NUMBER", help="Where a label table has its labels.")
@click.option(
    "--corrections", metavar="FILE|none", help="The log of `earmark relabel` to lay over the labels."
)
@click.option("--workers", type=int, help="Threads; one a core by default.")
@options.progress
@options.as_json
def evaluate_events(
    model: Place,
    recordings: str,
    collar: float,
    workers: int | None,
    progress: str,
    as_json: bool,
    **choices: Any,
) -> int:
    """Judge how well a model finds events, in recordings that it was not trained on.

    RECORDINGS are sound files with label tracks (Audacity, Raven, …). Events are counted one by one, and in segments of
    a second, beside what no skill would find.
    """
    from earmark.cli import ready

    ready.can_judge()
    from earmark.cli.events import watcher
    from earmark.cli.hearing import settings_of
    from earmark.data import DataSettings, open_data
    from earmark.engine.threads import cores
    from earmark.predict import Predictor
    from earmark.recordings.judged import judge

    if not collar >= 0:
        raise SettingError(f"--collar is {collar:g}, but must be 0 or more.")
    predictor = Predictor.open(model)
    how = settings_of(predictor, choices)
    given = ("layout", "point_width", "unit", "label_column", "corrections")
    data = DataSettings(recordings, **{n: choices[n] for n in given if choices[n] is not None})
    with watcher(progress) as listener:
        dataset, _ = open_data(data)
        listener.found(dataset)
        report = judge(
            predictor, dataset, how, collar, listener.hearing, cores() if workers is None else workers
        )
    _show(report, as_json)
    return 0


def _show(report: EventReport, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
        return
    told = report.to_dict()
    how = report.settings
    click.echo(
        f"{report.recordings} recording{'s' * (report.recordings != 1)}, {report.seconds:,.0f} s, windows of"
        f" {how.window:g} s every {how.step:g} s"
    )
    if report.left_out:
        click.echo(f"Left out, for the model was trained on them: {', '.join(report.left_out)}")
    for problem in report.problems:
        click.echo(f"Left out: {problem.path}: {problem.detail}")
    width = max([len("shuffled events"), len(f"always {report.chance.label}"), *map(len, report.events)])
    click.echo(f"\n{'':<{width}}  events                        segments of 1 s")
    click.echo(f"{'':<{width}}  F1    precision  recall     n  F1    precision  recall")
    for label in report.events:
        click.echo(_line(label, width, *(told[k]["per_label"].get(label) for k in ("events", "segments"))))
    click.echo(_line("all", width, told["events"], told["segments"]))
    click.echo(f"PSDS {report.psds:.3f}")
    chance = report.chance
    for name, (one, other) in (
        ("shuffled events", chance.shuffled),
        (f"always {chance.label}", chance.always),
    ):
        click.echo(f"{name:<{width}}  {one:.3f}{'':24} {other:.3f}   no skill")


def _line(name: str, width: int, *both: Any) -> str:
    one, other = (x or {"f1": 0.0, "precision": 0.0, "recall": 0.0, "real": 0} for x in both)
    return (
        f"{name:<{width}}  {one['f1']:.3f} {one['precision']:9.3f} {one['recall']:8.3f} {one['real']:5d}"
        f"  {other['f1']:.3f} {other['precision']:9.3f} {other['recall']:8.3f}"
    )
