"""The commands. Each imports what it needs when it runs, so that ``--help`` and a prediction start at once."""

from __future__ import annotations

import functools
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer

from earmark.cli import options
from earmark.cli.options import (
    Change,
    DatasetPath,
    FeatureName,
    Json,
    Layout,
    Model,
    Output,
    Pattern,
    RecipeName,
    Runs,
    Seed,
    Strict,
)
from earmark.errors import EarmarkError, SettingError, UnknownNameError

app = typer.Typer(
    name="earmark",
    help="From labelled sound to a classifier that people can trust and ship.\n\nStart with: earmark demo",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_P = ParamSpec("_P")
_debug = False


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"earmark {version('earmark')}")
        raise typer.Exit


@app.callback()
def settings(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """From labelled sound to a classifier that people can trust and ship."""
    global _debug
    _debug = debug


def _command(name: str, example: str) -> Callable[[Callable[_P, int | None]], Callable[_P, int | None]]:
    """Register a command: its example closes the help, its errors become one sentence and an exit code."""

    def register(function: Callable[_P, int | None]) -> Callable[_P, int | None]:
        @functools.wraps(function)
        def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
            raise typer.Exit(_guarded(lambda: function(*args, **kwargs)) or 0)

        app.command(name, epilog=f"Example: {example}")(run)
        return function

    return register


def _guarded(call: Callable[[], int | None]) -> int | None:
    try:
        return call()
    except EarmarkError as error:
        return _failed(error, str(error), error.exit_code)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _failed(error, f"{where}{error.strerror or error}.", 1)
    except MemoryError as error:
        return _failed(error, "There is not enough memory for this.", 1)
    except KeyboardInterrupt:
        typer.secho("Interrupted. Run the same command again to go on.", err=True)
        return 130


def _failed(error: BaseException, message: str, code: int) -> int:
    if _debug:
        raise error
    typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
    typer.echo(message, err=True)
    return code


@_command("train", "earmark train UrbanSound8K -o model.earmark")
def train(
    dataset: DatasetPath,
    output: Output = None,
    recipe: RecipeName = "default",
    model: Model = None,
    feature: FeatureName = None,
    split: Annotated[str | None, typer.Option("--split", help="auto, official, grouped or random.")] = None,
    test_fold: Annotated[
        int | None, typer.Option(help="The official fold to test on; the last by default.")
    ] = None,
    seed: Seed = None,
    layout: Layout = "auto",
    pattern: Pattern = "",
    change: Change = None,
    runs: Runs = Path("runs"),
    strict: Strict = False,
    json: Json = False,
) -> int:
    """Train a classifier, test it on recordings it has not heard, and write it as one file.

    An interrupted run goes on when the same command is given again.
    """
    made = options.recipe(recipe, model, feature, seed, split, test_fold, change).with_data(
        dataset, layout, pattern
    )
    return _train(made, output, runs, strict, json)


def _train(recipe: Any, output: Path | None, runs: Path, strict: bool, json: bool) -> int:
    from earmark import pipeline
    from earmark.cli import ready, show
    from earmark.cli.progress import Terminal

    ready.can_train()
    ready.can_write(output)
    ready.can_hold_runs(runs)
    with Terminal() as terminal:
        result = pipeline.train(recipe, output, runs, terminal)
    show.train(result, json)
    return 1 if strict and result.prepared.problems else 0


@_command("evaluate", "earmark evaluate UrbanSound8K --model mlp")
def evaluate(
    target: Annotated[
        str, typer.Argument(metavar="DATASET|MODEL.earmark", help="A data set, or a trained model.")
    ],
    dataset: Annotated[
        str | None, typer.Argument(metavar="[DATASET]", help="The data set to judge the model on.")
    ] = None,
    recipe: RecipeName = "default",
    model: Model = None,
    feature: FeatureName = None,
    folds: Annotated[int | None, typer.Option(help="Parts, where there are no official folds.")] = None,
    seed: Seed = None,
    layout: Layout = "auto",
    pattern: Pattern = "",
    change: Change = None,
    runs: Runs = Path("runs"),
    strict: Strict = False,
    json: Json = False,
) -> int:
    """Judge a recipe on every fold in turn, beside what a random split would have claimed; or judge a trained model."""
    from earmark import pipeline
    from earmark.cli import ready, show
    from earmark.cli.progress import Terminal

    changes = [*(change or []), *([f"split.folds={folds}"] if folds is not None else [])]
    made = options.recipe(recipe, model, feature, seed, None, None, changes)
    if made.split.rule == "random":  # a recipe that trains on a random split is judged honestly all the same
        made = made.with_values({"split.rule": "auto"})
    with Terminal() as terminal:
        if dataset is not None:
            if model or feature or folds or change or recipe != "default":
                raise SettingError(
                    "A trained model brings its own recipe: leave out --recipe, --model, --feature, --folds and --set."
                )
            result = pipeline.evaluate_bundle(
                Path(target), made.with_data(dataset, layout, pattern), terminal
            )
        elif target.endswith(".earmark"):
            raise SettingError(
                f"Which data shall {target} be judged on? Type: earmark evaluate {target} DATASET"
            )
        else:
            ready.can_train()
            ready.can_hold_runs(runs)
            result = pipeline.evaluate(made.with_data(target, layout, pattern), runs, terminal)
    show.evaluate(result, json)
    return 1 if strict and result.prepared.problems else 0


@_command("run", "earmark run recipe.toml -o model.earmark")
def run(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE.toml", help="A recipe file; every run folder holds one.")
    ],
    output: Output = None,
    change: Change = None,
    runs: Runs = Path("runs"),
    strict: Strict = False,
    json: Json = False,
) -> int:
    """Train from one file: data, split, feature, model and training."""
    made = options.recipe(recipe, changes=change)
    if not made.data.path:
        raise SettingError(f'{recipe} names no data. Write in it: [data] and path = "FOLDER".')
    return _train(made, output, runs, strict, json)


@_command("check", "earmark check my-recordings --strict")
def check(
    dataset: DatasetPath,
    layout: Layout = "auto",
    pattern: Pattern = "",
    strict: Strict = False,
    json: Json = False,
) -> int:
    """Look a data set over: what is unreadable, silent, duplicated, missing; what a random split would leak."""
    from earmark.check import check as examine
    from earmark.cli import show
    from earmark.cli.progress import Terminal
    from earmark.readers import read

    data = read(dataset, layout, pattern or None)
    with Terminal() as terminal:
        terminal.found(data)
        found = examine(data, lambda done, seconds: terminal.checking(done, len(data.clips), seconds))
    show.check(found, json)
    return 1 if strict and found.problems else 0


FORMATS = ("table", "json", "jsonl", "csv")


@_command("predict", "earmark predict model.earmark siren.wav a-folder --format json")
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL.earmark", help="A trained model.")],
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH…", help="Sound files and folders; - is standard input.")
    ],
    format: Annotated[str, typer.Option("--format", help="table, json, jsonl or csv.")] = "table",  # noqa: A002
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> int:
    """Say what is heard in each file. A file that cannot be read is named; the exit code is then 1."""
    from earmark.cli import predictions
    from earmark.predict import Predictor, expand

    format = "json" if json else format  # noqa: A001
    if format not in FORMATS:
        raise UnknownNameError("format", format, FORMATS)
    predictor = Predictor.open(model)
    return predictions.write(format, predictor.predict_all(expand(paths)), predictor.bundle.labels)


@_command("demo", "earmark demo --out my-demo")
def demo(
    out: Annotated[Path, typer.Option("--out", help="Where the demo's data and results go.")] = Path(
        "earmark-demo"
    ),
    seed: Annotated[int, typer.Option(help="Of the made-up sounds.")] = 0,
) -> int:
    """Make a small data set, then check, train, evaluate and predict on it, each step shown. About a minute."""
    from earmark.cli import ready

    ready.can_train()
    from earmark.cli.demo import demo as show_demo

    return show_demo(out, seed)


def main() -> None:
    """Run the command line."""
    # Work is spread over cores by our own workers; a BLAS that spreads it again would only slow them down.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    _open_output()
    app()


def _open_output() -> None:
    """Make sure that whatever a file is called can be printed, and that there is something to print to."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell, as ``>&-`` does
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  (for the life of the process)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
