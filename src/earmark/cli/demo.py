"""`earmark demo`: the whole line on sounds made on the spot, each step shown as the command that does it."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from earmark import pipeline
from earmark.check import check
from earmark.cli import doctor, predictions, show
from earmark.cli.progress import Terminal
from earmark.demo import make_demo
from earmark.predict import Predictor, expand
from earmark.readers import read
from earmark.recipe import RECIPES


def demo(out: Path, seed: int) -> int:
    """Make the demo data below ``out`` and walk through check, train, evaluate and predict."""
    screen = Console(highlight=False, soft_wrap=True, emoji=False)
    data, model, runs = out / "data", out / "model.earmark", out / "runs"

    def step(command: str, why: str) -> None:
        screen.print(f"\n[bold cyan]$ earmark {escape(command)}[/]\n[dim]{why}[/]")

    screen.print("[bold]Seven kinds of sound, ten recordings each, made on this machine.[/]")
    with Terminal() as terminal:
        make_demo(data, seed, lambda done, total: terminal.making(done, total))
    step(f"check {data}", "Is anything wrong with the data, and what would a careless split hide?")
    dataset = read(data)
    with Terminal() as terminal:
        terminal.found(dataset)
        found = check(dataset, lambda done, seconds: terminal.checking(done, len(dataset.clips), seconds))
    doctor.show(found, shlex.quote(str(data)), None, as_json=False)
    recipe = RECIPES["default"].with_data(str(data), "auto", "")
    step(
        f"train {data} -o {model}",
        "Learn from four folds, test on the fifth: recordings the model has not heard.",
    )
    with Terminal() as terminal:
        trained = pipeline.train(recipe, model, runs, terminal)
    show.train(trained, as_json=False)
    step(f"evaluate {data} --model mlp", "Every fold in turn, beside what a random split would have claimed.")
    with Terminal() as terminal:
        judged = pipeline.evaluate(recipe, runs, terminal)
    show.evaluate(judged, as_json=False)
    first = {
        clip.labels[0]: str(dataset.file(clip)) for clip in dataset.clips if clip.fold == dataset.folds[-1]
    }
    paths = list(first.values())[:3]
    step(f"predict {model} {' '.join(paths)}", "The model file is all that a prediction needs.")
    predictor = Predictor.open(model)
    code = predictions.write("table", predictor.predict_all(expand(paths)), predictor.bundle.labels)
    screen.print(
        "\nNow with your own sound: [bold]earmark train FOLDER -o my.earmark[/], one sub-folder a class."
    )
    return code
