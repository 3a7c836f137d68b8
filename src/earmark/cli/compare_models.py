"""`earmark compare-models`: which model to take for a data set."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli import options
from earmark.cli.frame import command
from earmark.cli.words import on_one_line
from earmark.errors import SettingError

if TYPE_CHECKING:
    from rich.table import Table

    from earmark.ladder import Compared, LeftOut, Step

_aside = click.Group()  # `app` puts the command in its place
_TABLES = ("data", "split", "train")
_SCORE = {"accuracy": "accuracy", "map": "mAP"}


@command("compare-models", "earmark compare-models UrbanSound8K --budget 30m", _aside)
@click.argument("dataset")
@click.option(
    "--budget", metavar="TIME", help="How long it may take: 90s, 10m, 2h; as long as it takes by default."
)
@click.option(
    "--rungs",
    metavar="NAME,NAME",
    help="Which to try, such as linear,mlp,blend; all that are at hand by default.",
)
@click.option("--seeds", type=int, default=1, show_default=True, metavar="N", help="Train each fold N times.")
@click.option("--seed", type=int, help="Of the split, the weights and the order of rows.")
@options.split
@click.option("--folds", type=int, help="Parts of a cross-validation where there are no official folds.")
@options.change
@options.data
@options.where
@options.outcome
def compare_models(
    dataset: str, budget: str | None, rungs: str | None, seeds: int, seed: int | None, split: str | None,
    folds: int | None, changes: tuple[str, ...], engine: str, address: str | None, workers: int | None, progress: str,
    runs: Path, strict: bool, as_json: bool, **choices: Any,
) -> int:  # fmt: skip
    """Say which model to take: the cheapest that is as good as the best.

    Rungs, from logistic regression up, are trained and tested on the same folds, the cheapest first. Whatever the
    budget does not hold is named; the same command with a larger one goes on where it was.
    """
    from earmark.cli import ready, show

    for change in changes:
        if change.partition(".")[0].strip() not in _TABLES:
            raise SettingError(
                f"--set {change} is not for all rungs; here it changes the tables {', '.join(_TABLES)}."
            )
    ready.can_train()
    ready.can_hold_runs(runs)
    from earmark import ladder
    from earmark.cli.events import watcher
    from earmark.engine import open_engine

    limit = ladder.Budget(None if budget is None else ladder.seconds_of(budget))
    names = None if rungs is None else ladder.named(rungs)
    more = [f"split.folds={folds}"] if folds is not None else []
    recipe = options.make_recipe("default", seed=seed, split=split, changes=(*changes, *more))
    recipe = recipe.with_data(dataset, **options.data_of(choices))
    with watcher(progress) as terminal:
        where = open_engine(engine, workers, address)
        found = ladder.compare_models(
            recipe, names, runs, limit, seeds, terminal, where, getattr(terminal, "step", None)
        )
    if as_json:
        show.print_json(found.to_dict())
    else:
        words = [f"--set={change}" for change in changes]
        words += [f"--seed={seed}"] if seed is not None else []
        words += [f"--split={split}"] if split is not None else []
        _show(found, words)
        show.skipped(found.prepared.table.skipped)
    return 1 if strict and found.prepared.problems else 0


def in_a_line(tried: Step | LeftOut) -> tuple[str, str]:
    """Return what came of a rung in one line, and its style."""
    from earmark.ladder import LeftOut
    from earmark.ladder.budget import said

    if isinstance(tried, LeftOut):
        return f"{tried.name}: left out: {tried.reason}", "yellow"
    low, high = tried.interval
    return (
        f"{tried.name}: {_SCORE[tried.main]} {tried.score:.3f} ({low:.3f} to {high:.3f})"
        f" · {said(tried.fit_seconds)} to train · {_ms(tried.cost.predict_ms)} ms a clip",
        "",
    )


def _ms(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _table(found: Compared) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from earmark.files import size_text
    from earmark.ladder.budget import said

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("rung", no_wrap=True)
    score = _SCORE[found.steps[0].main]
    for column in (score, "interval", "to train", "features", "in all", "file"):
        table.add_column(column, justify="right", no_wrap=True)
    for step in found.steps:
        mark = "bold" if found.chosen is step else ""
        low, high = step.interval
        table.add_row(
            escape(step.name),
            f"{step.score:.3f}",
            f"{low:.3f} {high:.3f}",
            said(step.fit_seconds),
            f"{_ms(step.cost.features_ms)} ms",
            f"{_ms(step.cost.predict_ms)} ms",
            size_text(round(1000 * step.cost.file_kb)),
            style=mark,
        )
    return table


def _show(found: Compared, words: list[str]) -> None:
    from earmark.cli import show
    from earmark.readers.listing import count

    out, choice, chosen = show.console(), found.choice, found.chosen
    if choice is None or chosen is None:
        return
    out.print(_table(found))
    unit = "recording" if found.prepared.dataset.grouping else "file"
    out.print(
        f"By {found.protocol}; the interval is 95 %, by drawing {count(choice.recordings, unit)} anew."
        "\nMilliseconds are of one clip in one thread: the features, and all from decoded sound to scores."
    )
    for own in found.left:
        out.print(on_one_line(f"Left out: {own.name}: {own.reason}"), markup=False, style="yellow")
    _recommend(found)
    data = options.typed(found.recipe.data)
    typed = shlex.join([*chosen.words, *words])
    out.print(f"Run    {found.run}", markup=False)
    out.print(f"Next   earmark train {data} {typed} -o {_file(found)}", markup=False)


def _recommend(found: Compared) -> None:
    from earmark.cli import show

    out, choice, chosen = show.console(), found.choice, found.chosen
    if choice is None or chosen is None:
        return
    best = next(step for step in found.steps if step.name == choice.best)
    score = _SCORE[chosen.main]
    out.print(f"\n[bold]Take {chosen.name}.[/]", end=" ")
    if choice.error is None:
        out.print("So few recordings cannot tell the rungs apart; it is the cheapest to use.")
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
