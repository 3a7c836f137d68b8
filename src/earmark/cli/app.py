"""The commands. Each imports what it needs when it runs, so that ``--help`` and a prediction start at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli import options
from earmark.cli.azure_endpoint import azure
from earmark.cli.compare_models import compare_models
from earmark.cli.evaluate_events import evaluate_events
from earmark.cli.export import export
from earmark.cli.frame import app, command
from earmark.cli.labels import labels
from earmark.cli.relabel import relabel
from earmark.cli.report import report
from earmark.cli.serve import serve
from earmark.cli.store import store
from earmark.cli.suspects import suspects
from earmark.errors import SettingError, UnknownNameError

if TYPE_CHECKING:
    from earmark.recipe import Recipe
    from earmark.remote import Place

__all__ = ["FORMATS", "app"]

FORMATS = ("table", "json", "jsonl", "csv", "audacity", "raven", "rttm")


@command("demo", "earmark demo --out my-demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("earmark-demo"),
    show_default=True,
    metavar="FOLDER",
    help="Where the demo's data and results go.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the made-up sounds.")
def demo(out: Path, seed: int) -> int:
    """Make a small data set; check, train, evaluate and predict on it.

    Each step is shown as the command that does it. About half a minute.
    """
    from earmark.cli import ready

    ready.can_train()
    from earmark.cli.demo import demo as show_demo

    return show_demo(out, seed)


@command("fetch", "earmark fetch urbansound8k UrbanSound8K")
@click.argument("name", required=False)
@click.argument("dest", required=False)
@click.option("--from", "origin", metavar="SOURCE", help="Whom to get it from: its publisher, or kaggle.")
@click.option(
    "--mirror",
    metavar="URL|PATH",
    help="Another address of the archive; or a file, or the folder that it is in.",
)
@click.option("--checksum", metavar="ALGORITHM:HEX", help="Of what the mirror has, where that was repacked.")
@click.option(
    "--keep-archive", is_flag=True, help="Keep the archive beside DEST, for other times and places."
)
@click.option(
    "--weights", metavar="FILE", help="Of an encoder: a file that is here, .onnx or YAMNet's .tflite."
)
@click.option("--output", metavar="TENSOR", help="Of an encoder's ONNX file: which tensor is the embedding.")
@options.progress
@options.as_json
def fetch(name: str | None, dest: str | None, progress: str, as_json: bool, **how: Any) -> int:
    """Fetch a public data set into a new folder, or a pretrained encoder.

    Without a NAME they are listed. For a data set, DEST becomes the folder once it is whole and checked; an
    interrupted or killed run goes on when the same command is given again. encoder:NAME brings an encoder's weights
    to this machine, for --feature encoder, and takes no DEST.
    """
    from earmark.cli import fetch as fetching

    return fetching.fetch(name, dest, progress, as_json, **how) if name else fetching.listed(as_json, **how)


@command("check", "earmark check my-recordings --strict")
@click.argument("dataset")
@options.data
@options.strict
@click.option(
    "--quick", is_flag=True, help="Do not look for copies that were re-encoded, trimmed, resampled or looped."
)
@options.progress
@click.option(
    "--fix-manifest",
    "manifest",
    type=click.Path(path_type=Path),
    metavar="OUT.csv",
    help="Write a table of the clips that are fit, and beside it one of those left out, each with the reason.",
)
@options.engine
@options.as_json
def check(
    dataset: str, strict: bool, quick: bool, progress: str, manifest: Path | None, engine: str,
    address: str | None, workers: int | None, as_json: bool, **choices: Any,
) -> int:  # fmt: skip
    """Look the data set over, before anything is learnt from it.

    DATASET is a folder or a table of labelled sound. Every file is decoded once, on every core; nothing is changed.
    Told are files that cannot be used, sounds that are odd, copies, also in disguise, contradictions,
    what a random split would leak, and whether the class can be told without listening.
    """
    from earmark.check import check as examine
    from earmark.check.manifest import write_manifest
    from earmark.cli import doctor, ready
    from earmark.cli.events import watcher
    from earmark.data import DataSettings, open_data
    from earmark.engine import open_engine

    ready.can_write(manifest, "--fix-manifest", "clips.csv")
    settings = DataSettings(dataset, **options.data_of(choices))
    where = open_engine(engine, workers, address)
    with watcher(progress) as terminal:
        data, uncut = open_data(settings, where, terminal.measuring)
        data = replace(data, problems=(*data.problems, *uncut))
        terminal.found(data)
        found = examine(
            data,
            lambda done, seconds: terminal.checking(done, len(data.clips), seconds),
            where,
            copies=not quick,
        )
    written = write_manifest(manifest, data, found) if manifest else None
    doctor.show(found, options.typed(settings), written, as_json)
    return 1 if strict and found.problems else 0


@command("extract", "earmark extract UrbanSound8K --feature mfcc --feature log_mel")
@click.argument("dataset")
@click.option(
    "--feature",
    "names",
    multiple=True,
    metavar="NAME",
    help="mfcc, stats, log_mel or encoder; may be repeated.",
)
@click.option(
    "--recipe", default="default", metavar="NAME|FILE", help="Whose feature to take where none is named."
)
@options.change
@click.option(
    "--to", metavar="STORE", help="A folder or a URI; by default the one that later runs look into."
)
@options.data_or_sounds
@options.where
@options.strict
@options.as_json
def extract(
    dataset: str, names: tuple[str, ...], recipe: str, changes: tuple[str, ...], to: str | None, engine: str,
    address: str | None, workers: int | None, progress: str, strict: bool, as_json: bool, **choices: Any,
) -> int:  # fmt: skip
    """Compute features of every clip, and keep them.

    DATASET is as for the other commands; or a sound file, or with --layout sounds a folder of them, without labels.
    What the store has is not computed again, so an interrupted run goes on when the same command is given again.
    """
    from earmark.cli import ready, show

    ready.can_extract()
    from earmark import pipeline
    from earmark.cli.events import watcher
    from earmark.engine import open_engine
    from earmark.store import Store

    shape = options.data_of(choices)
    made = [
        options.make_recipe(recipe, feature=name, changes=changes).with_data(dataset, **shape)
        for name in dict.fromkeys(names) or (None,)
    ]
    with watcher(progress) as terminal:
        where = open_engine(engine, workers, address)
        result = pipeline.extract(made[0].data, [m.feature for m in made], Store(to), where, terminal)
    show.extract(result, as_json)
    return 1 if strict and result.problems else 0


@command("train", "earmark train UrbanSound8K -o model.earmark")
@click.argument("dataset")
@options.output
@options.training
@options.split
@click.option("--test-fold", type=int, help="The official fold to test on; the last by default.")
@options.data
@options.where
@options.outcome
def train(dataset: str, output: Place | None, **choices: Any) -> int:
    """Train a classifier, and test it on recordings it has not heard.

    DATASET is a folder or a table of labelled sound. The model becomes one file. An interrupted run goes on when the
    same command is given again.
    """
    how, shape = options.split_off(choices), options.data_of(choices)
    return _train(options.make_recipe(**choices).with_data(dataset, **shape), output, **how)


def _train(
    recipe: Recipe, output: Place | None, engine: str, address: str | None, workers: int | None, progress: str,
    runs: Path, strict: bool, as_json: bool,
) -> int:  # fmt: skip
    from earmark.cli import ready, show

    ready.can_train(recipe)
    ready.can_write(output)
    ready.can_hold_runs(runs)
    from earmark import pipeline
    from earmark.cli.events import watcher
    from earmark.engine import open_engine
    from earmark.tracking import tracked

    with watcher(progress) as terminal, tracked(terminal, recipe) as told:
        result = pipeline.train(recipe, output, runs, told, open_engine(engine, workers, address))
    show.train(result, as_json)
    return 1 if strict and result.prepared.problems else 0


@command("evaluate", "earmark evaluate UrbanSound8K --model mlp")
@click.argument("subject", metavar="DATASET|MODEL.earmark")
@click.argument("dataset", required=False)
@options.training
@options.split
@click.option("--folds", type=int, help="Parts of a cross-validation where there are no official folds.")
@click.option(
    "--seeds",
    type=int,
    metavar="N",
    help="Train each fold N times: with the seed, the next, …; 1 by default.",
)
@click.option(
    "--leave-one-class-out",
    is_flag=True,
    help="Judge as well how clips of a class that was not trained on are told: a network more for each class and fold.",
)
@options.data
@options.where
@options.outcome
def evaluate(
    subject: str, dataset: str | None, folds: int | None, seeds: int | None, leave_one_class_out: bool, engine: str,
    address: str | None, workers: int | None, progress: str, runs: Path, strict: bool, as_json: bool, **choices: Any,
) -> int:  # fmt: skip
    """Judge a recipe on every fold in turn, or a trained model.

    With a DATASET alone, each fold is tested once by a model trained on the others, and what a random split would have
    claimed stands beside it. With a MODEL.earmark and a DATASET, the model is judged by recordings it was not
    trained on.
    """
    from earmark.cli import ready, show

    ready.can_extract()
    from earmark import pipeline
    from earmark.cli.events import watcher
    from earmark.engine import open_engine
    from earmark.remote import place
    from earmark.tracking import tracked

    shape = options.data_of(choices)
    changes = (*choices.pop("changes"), *([f"split.folds={folds}"] if folds is not None else []))
    made = options.make_recipe(changes=changes, **choices)
    if (
        made.split.rule == "random" and choices["split"] is None
    ):  # a recipe that trains on a random split is judged honestly all the same
        made = made.with_values({"split.rule": "auto"})
    where = open_engine(engine, workers, address)
    with watcher(progress) as terminal:
        if dataset is not None:
            recipe = choices.pop("recipe")
            given = leave_one_class_out or any(value is not None for value in (seeds, *choices.values()))
            if changes or recipe != "default" or given:
                raise SettingError(
                    "A trained model brings its own recipe: leave out --recipe, --model, --feature, --seed, --seeds,"
                    " --target, --split, --folds, --leave-one-class-out and --set."
                )
            made = made.with_data(dataset, **shape)
            result = pipeline.evaluate_bundle(place(subject), made, terminal, where)
        elif subject.endswith(".earmark"):
            raise SettingError(
                f"Which data shall {subject} be judged on? Type: earmark evaluate {subject} DATASET"
            )
        else:
            ready.can_train(made)
            ready.can_hold_runs(runs)
            made, count = made.with_data(subject, **shape), 1 if seeds is None else seeds
            with tracked(terminal, made) as told:
                result = pipeline.evaluate(made, runs, told, where, count, leave_one_class_out)
    show.evaluate(result, as_json)
    return 1 if strict and result.prepared.problems else 0


@command(
    "compare",
    "earmark compare runs/UrbanSound8K-evaluate-mlp-1a2b3c4d runs/UrbanSound8K-evaluate-mlp-5e6f7a8b",
)
@click.argument("a", type=click.Path(path_type=Path), metavar="RUN")
@click.argument("b", type=click.Path(path_type=Path), metavar="RUN")
@options.as_json
def compare(a: Path, b: Path, as_json: bool) -> int:
    """Say which of two runs is better, and whether the difference is more than noise.

    Each RUN is a folder that train or evaluate left, both of the same data set. They are compared on the clips that
    both tested, with whole recordings resampled. The first is A, the second B.
    """
    from earmark.cli import ready

    ready.can_judge()
    from earmark.cli.comparison import show
    from earmark.compare import compare as judge

    show(judge(a, b), as_json)
    return 0


@command("predict", "earmark predict model.earmark siren.wav a-folder --format json")
@click.argument("model", type=options.PLACE, metavar="MODEL.earmark")
@click.argument("paths", nargs=-1, metavar="PATH...")
@click.option(
    "--format",
    "style",
    default="table",
    metavar="NAME",
    help="table, json, jsonl, csv; of events also audacity, raven or rttm.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE|FOLDER",
    help="Where it goes; of audacity and raven, a folder for a track a recording.",
)
@options.events
@options.live
@options.where
def predict(
    model: Place, paths: tuple[str, ...], style: str, as_json: bool, output: Path | None, engine: str,
    address: str | None, workers: int | None, progress: str, **choices: Any,
) -> int:  # fmt: skip
    """Say what is heard in files and folders, in long recordings, or live.

    A PATH of - is a sound file on standard input. A file that cannot be read is named, and the exit code is then 1.

    Of a recording longer than two windows, events are told: what is heard from when to when. An interrupted run goes
    on when the same command is given again.
    """
    from earmark.cli import hearing

    style = "json" if as_json else style
    if style not in FORMATS:
        raise UnknownNameError("format", style, FORMATS)
    if choices["stream"] or choices["mic"]:
        return hearing.live(model, paths, style, output, choices)
    return hearing.predict(model, paths, style, output, choices, (engine, workers, address), progress)


@command("run", "earmark run recipe.toml -o model.earmark")
@click.argument("recipe", metavar="RECIPE.toml")
@options.output
@options.change
@options.where
@options.outcome
def run(recipe: str, output: Place | None, changes: tuple[str, ...], **how: Any) -> int:
    """Train from one file.

    It names data, split, feature, model and training; every run folder holds one.
    """
    made = options.make_recipe(recipe, changes=changes)
    if not made.data.path:
        raise SettingError(f'{recipe} names no data. Write in it: [data] and path = "FOLDER".')
    return _train(made, output, **how)


app.add_command(compare_models)
app.add_command(evaluate_events)
app.add_command(report)
app.add_command(export)
app.add_command(serve)
app.add_command(suspects)
app.add_command(relabel)
app.add_command(labels)
app.add_command(store)
app.add_command(azure)
