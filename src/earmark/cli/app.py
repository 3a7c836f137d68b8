"""The commands. Each imports what it needs when it runs, so that ``--help`` and a prediction start at once."""

from __future__ import annotations

import functools
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli import options
from earmark.errors import EarmarkError, SettingError, UnknownNameError, nearest

if TYPE_CHECKING:
    from earmark.recipe import Recipe

FORMATS = ("table", "json", "jsonl", "csv")

Command = Callable[..., int]


class _Group(click.Group):
    """The commands in the order of a day's work, and a guess where a name is wrong."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = arguments[0]
        if name not in self.commands and not name.startswith("-"):
            known = ", ".join(self.commands)
            context.fail(f"No command is called '{name}'. There are: {known}.{nearest(name, self.commands)}")
        return super().resolve_command(context, arguments)


@click.group(
    "earmark",
    cls=_Group,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: earmark demo",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="earmark", message="earmark %(version)s")
@click.pass_context
def app(context: click.Context, debug: bool) -> None:
    """From labelled sound to a classifier that people can trust and ship."""
    context.obj = debug


def _command(name: str, example: str) -> Callable[[Command], click.Command]:
    """Register a command: its example closes the help, its errors become one sentence and an exit code."""

    def register(function: Command) -> click.Command:
        @functools.wraps(function)
        def run(**arguments: Any) -> None:
            context = click.get_current_context()
            context.exit(_guarded(lambda: function(**arguments), debug=context.obj))

        return app.command(name, epilog=f"Example: {example}")(run)

    return register


def _guarded(call: Callable[[], int], debug: bool) -> int:
    try:
        return call()
    except KeyboardInterrupt:
        click.echo("Interrupted. Run the same command again to go on.", err=True)
        return 130
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (EarmarkError, OSError, MemoryError) as error:
        if debug:
            raise
        click.secho("error: ", fg="red", bold=True, nl=False, err=True)
        click.echo(_sentence(error), err=True)
        return error.exit_code if isinstance(error, EarmarkError) else 1


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror or error}."
    return "There is not enough memory for this." if isinstance(error, MemoryError) else str(error)


@_command("demo", "earmark demo --out my-demo")
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


@_command("check", "earmark check my-recordings --strict")
@click.argument("dataset")
@options.data
@options.strict
@options.as_json
def check(dataset: str, layout: str, pattern: str, strict: bool, as_json: bool) -> int:
    """Look the data set over, before anything is learnt from it.

    DATASET is a folder or a table of labelled sound. Told are unreadable, silent, duplicated and missing clips, and
    what a random split would leak.
    """
    from earmark.check import check as examine
    from earmark.cli import show
    from earmark.cli.progress import Terminal
    from earmark.readers import read

    data = read(dataset, layout, pattern or None)
    with Terminal() as terminal:
        terminal.found(data)
        found = examine(data, lambda done, seconds: terminal.checking(done, len(data.clips), seconds))
    show.check(found, as_json)
    return 1 if strict and found.problems else 0


@_command("train", "earmark train UrbanSound8K -o model.earmark")
@click.argument("dataset")
@options.output
@options.training
@options.split
@click.option("--test-fold", type=int, help="The official fold to test on; the last by default.")
@options.data
@options.runs
@options.strict
@options.as_json
def train(
    dataset: str, output: Path | None, layout: str, pattern: str, runs: Path, strict: bool, as_json: bool,
    **choices: Any,
) -> int:  # fmt: skip
    """Train a classifier, and test it on recordings it has not heard.

    DATASET is a folder or a table of labelled sound. The model becomes one file. An interrupted run goes on when the
    same command is given again.
    """
    made = options.make_recipe(**choices).with_data(dataset, layout, pattern)
    return _train(made, output, runs, strict, as_json)


def _train(recipe: Recipe, output: Path | None, runs: Path, strict: bool, as_json: bool) -> int:
    from earmark import pipeline
    from earmark.cli import ready, show
    from earmark.cli.progress import Terminal

    ready.can_train()
    ready.can_write(output)
    ready.can_hold_runs(runs)
    with Terminal() as terminal:
        result = pipeline.train(recipe, output, runs, terminal)
    show.train(result, as_json)
    return 1 if strict and result.prepared.problems else 0


@_command("evaluate", "earmark evaluate UrbanSound8K --model mlp")
@click.argument("target", metavar="DATASET|MODEL.earmark")
@click.argument("dataset", required=False)
@options.training
@options.split
@click.option("--folds", type=int, help="Parts of a cross-validation where there are no official folds.")
@options.data
@options.runs
@options.strict
@options.as_json
def evaluate(
    target: str, dataset: str | None, folds: int | None, layout: str, pattern: str, runs: Path, strict: bool,
    as_json: bool, **choices: Any,
) -> int:  # fmt: skip
    """Judge a recipe on every fold in turn, or a trained model.

    With a DATASET alone, each fold is tested once by a model trained on the others, and what a random split would have
    claimed stands beside it. With a MODEL.earmark and a DATASET, the model is judged by recordings it was not
    trained on.
    """
    from earmark import pipeline
    from earmark.cli import ready, show
    from earmark.cli.progress import Terminal

    changes = (*choices.pop("changes"), *([f"split.folds={folds}"] if folds is not None else []))
    made = options.make_recipe(changes=changes, **choices)
    if (
        made.split.rule == "random" and choices["split"] is None
    ):  # a recipe that trains on a random split is judged honestly all the same
        made = made.with_values({"split.rule": "auto"})
    with Terminal() as terminal:
        if dataset is not None:
            recipe = choices.pop("recipe")
            if changes or recipe != "default" or any(value is not None for value in choices.values()):
                raise SettingError(
                    "A trained model brings its own recipe: leave out --recipe, --model, --feature, --seed, --split,"
                    " --folds and --set."
                )
            made = made.with_data(dataset, layout, pattern)
            result = pipeline.evaluate_bundle(Path(target), made, terminal)
        elif target.endswith(".earmark"):
            raise SettingError(
                f"Which data shall {target} be judged on? Type: earmark evaluate {target} DATASET"
            )
        else:
            ready.can_train()
            ready.can_hold_runs(runs)
            result = pipeline.evaluate(made.with_data(target, layout, pattern), runs, terminal)
    show.evaluate(result, as_json)
    return 1 if strict and result.prepared.problems else 0


@_command("predict", "earmark predict model.earmark siren.wav a-folder --format json")
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL.earmark")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--format", "style", default="table", metavar="NAME", help="table, json, jsonl or csv.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def predict(model: Path, paths: tuple[str, ...], style: str, as_json: bool) -> int:
    """Say what is heard in files and folders.

    A PATH of - is a sound file on standard input. A file that cannot be read is named, and the exit code is then 1.
    """
    from earmark.cli import predictions
    from earmark.predict import Predictor, expand

    style = "json" if as_json else style
    if style not in FORMATS:
        raise UnknownNameError("format", style, FORMATS)
    predictor = Predictor.open(model)
    return predictions.write(style, predictor.predict_all(expand(paths)), predictor.bundle.labels)


@_command("run", "earmark run recipe.toml -o model.earmark")
@click.argument("recipe", metavar="RECIPE.toml")
@options.output
@options.change
@options.runs
@options.strict
@options.as_json
def run(
    recipe: str, output: Path | None, changes: tuple[str, ...], runs: Path, strict: bool, as_json: bool
) -> int:
    """Train from one file.

    It names data, split, feature, model and training; every run folder holds one.
    """
    made = options.make_recipe(recipe, changes=changes)
    if not made.data.path:
        raise SettingError(f'{recipe} names no data. Write in it: [data] and path = "FOLDER".')
    return _train(made, output, runs, strict, as_json)


def main() -> None:
    """Run the command line."""
    # Work is spread over cores by our own workers; a BLAS that spreads it again would only slow them down.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    _open_output()
    app(prog_name="earmark")


def _open_output() -> None:
    """Make sure that whatever a file is called can be printed, and that there is something to print to."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell, as ``>&-`` does
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  (for the life of the process)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
