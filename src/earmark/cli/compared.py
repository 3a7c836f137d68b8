"""Compared models, as a person reads them."""

from __future__ import annotations

import json
import shlex

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from earmark.cli import options
from earmark.cli.show import console
from earmark.cli.words import on_one_line
from earmark.files import size_text
from earmark.ladder import Compared, Curve, LeftOut, Point, Step, Trial, Tuned
from earmark.ladder.budget import said
from earmark.readers.listing import count

_SCORE = {"accuracy": "accuracy", "map": "mAP"}
_BAR = 30


def in_a_line(tried: Step | LeftOut | Point | Trial) -> tuple[str, str, str]:
    """Return what it is about, what came of it in one line, and its style."""
    if isinstance(tried, Point):
        return "Curve", f"{_recordings(tried)}: {tried.score:.3f}", ""
    if isinstance(tried, Trial):
        return "Tune", f"round {tried.round + 1}: {_settings(tried.settings)}: {tried.score:.3f}", ""
    if isinstance(tried, LeftOut):
        return "Rung", f"{tried.name}: left out: {tried.reason}", "yellow"
    low, high = tried.interval
    return (
        "Rung",
        f"{tried.name}: {_SCORE[tried.main]} {tried.score:.3f} ({low:.3f} to {high:.3f})"
        f" · {said(tried.fit_seconds)} to train · {_ms(tried.cost.predict_ms)} ms a clip",
        "",
    )


def _ms(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _table(found: Compared) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("rung", no_wrap=True)
    score = _SCORE[found.steps[0].main]
    for column in (score, "interval", "to train", "features, ms", "in all", "file"):
        table.add_column(column, justify="right", no_wrap=True)
    for step in found.steps:
        mark = "bold" if found.chosen is step else ""
        low, high = step.interval
        table.add_row(
            escape(step.name),
            f"{step.score:.3f}",
            f"{low:.3f} {high:.3f}",
            said(step.fit_seconds),
            _ms(step.cost.features_ms),
            _ms(step.cost.predict_ms),
            size_text(round(1000 * step.cost.file_kb)),
            style=mark,
        )
    return table


def show(found: Compared, words: list[str]) -> None:
    """Show what was found, and the next command; ``words`` are those of it that are not the rung's own."""
    out, choice, chosen = console(), found.choice, found.chosen
    if choice is None or chosen is None:
        return
    out.print(_table(found))
    unit = "recording" if found.prepared.dataset.grouping else "file"
    out.print(
        f"By {found.protocol}; the interval is 95 %, by drawing {count(choice.recordings, unit)} anew."
        "\nIn milliseconds for one clip in one thread: the features, and all from decoded sound to scores."
    )
    for own in found.left:
        out.print(on_one_line(f"Left out: {own.name}: {own.reason}"), markup=False, style="yellow")
    _recommend(found)
    if found.curve is not None:
        show_curve(out, found.curve, _SCORE[chosen.main])
    if found.tuned is not None:
        show_tuned(out, found.tuned)
        words = [*words, *found.tuned.words]  # what stands last holds
    if found.untuned:
        out.print(on_one_line(f"Not tuned: {found.untuned}"), markup=False, style="yellow")
    data = options.typed(found.recipe.data)
    typed = shlex.join([*chosen.words, *words])
    out.print(f"Run    {found.run}", markup=False)
    out.print(f"Next   earmark train {data} {typed} -o {_file(found)}", markup=False)


def _recommend(found: Compared) -> None:
    out, choice, chosen = console(), found.choice, found.chosen
    if choice is None or chosen is None:
        return
    best = next(step for step in found.steps if step.name == choice.best)
    score = _SCORE[chosen.main]
    out.print(f"\n[bold]Take {chosen.name}.[/]", end=" ")
    if choice.error is None:
        out.print("So few recordings cannot tell the rungs apart; it is the cheapest to use.")
    elif len(found.steps) == 1:
        out.print("No other was tried to its end.")
    elif chosen is best:
        out.print(
            f"No other is both cheaper to use and within one standard error of it (± {choice.error:.3f})."
        )
    else:
        out.print(
            f"It is the cheapest to use, and then to train, of those within one standard error"
            f" (± {choice.error:.3f})\nof the best, {best.name}, which has {best.score:.3f}."
        )
    if choice.expected is not None and choice.interval is not None and len(found.steps) > 1:
        low, high = choice.interval
        out.print(
            f"Of a rung chosen so, expect {score} {choice.expected:.3f} ({low:.3f} to {high:.3f}) on new recordings:"
            " the best of several scores\nis too high by chance, and this figure is of recordings that had no part in"
            " the choice."
        )


def _file(found: Compared) -> str:
    return shlex.quote(f"{found.prepared.dataset.name}.earmark")


def _recordings(point: Point) -> str:
    return f"{point.recordings:.1f} recordings a class"


def show_curve(out: Console, curve: Curve, score: str) -> None:
    """Show a learning curve."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{curve.rung}, learning from parts of the recordings",
        title_justify="left",
    )
    for column in ("recordings a class", score, "interval"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for point in curve.points:
        interval = "" if point.interval is None else f"{point.interval[0]:.3f} {point.interval[1]:.3f}"
        bar = f"[cyan]{'█' * round(_BAR * point.score)}[/]"
        table.add_row(f"{point.recordings:.1f}", f"{point.score:.3f}", interval, bar)
    out.print(table)
    if curve.at_twice is not None and curve.interval is not None:
        low, high = curve.interval
        out.print(
            f"Twice as many recordings may bring {score} {curve.at_twice:.3f} ({low:.3f} to {high:.3f}), if they are"
            " like these and\nerrors go on falling as they did: a power law through these points, no promise."
        )
    else:
        out.print("Too few points for a guess at what more recordings would bring.")
    if curve.half_recordings is not None and curve.half_clips is not None:
        out.print(
            f"All clips of half of the recordings: {curve.half_recordings.score:.3f}. Half of the clips of all"
            f" recordings: {curve.half_clips.score:.3f}."
            "\nBoth are about as many clips; the second has twice the recordings."
        )
    for left in curve.left:
        out.print(f"Left out: {left}.", markup=False, style="yellow")


def _settings(settings: dict[str, object]) -> str:
    """Return settings in words; the usual ones have none to name."""
    return ", ".join(f"{key}={json.dumps(value)}" for key, value in settings.items()) or "the usual settings"


def show_tuned(out: Console, tuned: Tuned) -> None:
    """Show what tuning found."""
    score, (low, high) = _SCORE[tuned.main], tuned.interval
    tried = count(tuned.tried, "set") + " of settings"
    gain = f"{tuned.gain:+.3f} ± {tuned.error:.3f} (95 % interval {low:+.3f} to {high:+.3f})"
    if not tuned.best:
        out.print(f"\n[bold]Of {tried}, the usual ones of {escape(tuned.rung)} are the best.[/]")
    elif not tuned.settings:
        out.print(
            f"\n[bold]Keep the usual settings of {escape(tuned.rung)}.[/] The best of {tried} had", end=" "
        )
        out.print(
            f"{score} {gain} beside them:\nno more than one standard error. {_settings(tuned.best)}",
            markup=False,
        )
    else:
        out.print(f"\n[bold]Better settings of {escape(tuned.rung)}:[/] {escape(shlex.join(tuned.words))}")
        out.print(
            f"On recordings of the training part, {score} {gain}"
            f"\nbeside the usual ones; the best of {tried}, so that chance has a part in it."
        )
        out.print("\nso that chance has a part in it.")
    low, high = tuned.test_interval
    out.print(
        f"On the test part, heard once and at the end: {score} {tuned.test:.3f} ({low:.3f} to {high:.3f})."
    )
