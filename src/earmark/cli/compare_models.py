"""`earmark compare-models`: which model to take for a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from earmark.cli import options
from earmark.cli.frame import command
from earmark.errors import SettingError

_aside = click.Group()  # `app` puts the command in its place
_TABLES = ("data", "split", "train")


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
@click.option(
    "--learning-curve",
    "curve",
    is_flag=True,
    help="Also train the recommended rung on parts of the recordings, and say what twice as many may bring.",
)
@click.option(
    "--tune",
    is_flag=True,
    help="Also search settings of the recommended rung, inside the training part of the split of `train`.",
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
    dataset: str, budget: str | None, rungs: str | None, curve: bool, tune: bool, seeds: int, seed: int | None,
    split: str | None, folds: int | None, changes: tuple[str, ...], engine: str, address: str | None,
    workers: int | None, progress: str, runs: Path, strict: bool, as_json: bool, **choices: Any,
) -> int:  # fmt: skip
    """Say which model to take: the cheapest that is as good as the best.

    Rungs, from logistic regression up, are trained and tested on the same folds, the cheapest first. Whatever the
    budget does not hold is named; the same command with a larger one goes on where it was.
    """
    from earmark.cli import compared, ready, show

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
            recipe, names, runs, limit, seeds, terminal, where, getattr(terminal, "step", None), curve, tune
        )
    if as_json:
        show.print_json(found.to_dict())
    else:
        read = {
            f"train.{name}" for own in found.to_train.rungs() for name in (*own.model.train_reads, "seed")
        }
        told = [
            change
            for change in changes
            if not change.startswith("train.") or change.partition("=")[0] in read
        ]
        words = [f"--set={change}" for change in told]
        words += [f"--seed={seed}"] if seed is not None else []
        words += [f"--split={split}"] if split is not None else []
        compared.show(found, words)
        show.skipped(found.prepared.table.skipped)
    return 1 if strict and found.prepared.problems else 0
