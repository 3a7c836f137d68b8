"""The options that several commands share, and the recipe that they make."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from earmark.data import DataSettings
    from earmark.recipe import Recipe

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _all(*decorators: Decorator) -> Decorator:
    """Return one decorator for several options, which help then shows in this order."""
    return lambda function: functools.reduce(lambda f, decorate: decorate(f), reversed(decorators), function)


class _Place(click.ParamType):  # type: ignore[type-arg]  # of no type in older versions
    """A file on this machine or at a URI."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return what stands for it."""
        from earmark.remote import place  # `--help` needs none of it

        return place(value)


PLACE = _Place()
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
output = click.option(
    "-o", "--output", type=PLACE, metavar="FILE", help="Where the model file goes; may be a URI."
)
strict = click.option("--strict", is_flag=True, help="Exit with 1 when any clip or file was found wanting.")
runs = click.option(
    "--runs",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    metavar="FOLDER",
    help="Where run folders go.",
)
split = click.option("--split", metavar="RULE", help="auto, official, grouped or random.")
change = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="TABLE.SETTING=VALUE",
    help="Change one setting of the recipe; may be repeated.",
)


def _layout(names: str) -> Decorator:
    return click.option("--layout", default="auto", metavar="NAME", help=f"{names}; found out by default.")


_shape = _all(
    click.option(
        "--pattern",
        default="",
        metavar="TEXT",
        help="How file names are made, such as '{label}_{group}_{take}.wav'.",
    ),
    click.option(
        "--window", type=float, metavar="SECONDS", help="Cut recordings into windows of this length."
    ),
    click.option(
        "--hop", type=float, metavar="SECONDS", help="From window to window; the length by default."
    ),
    click.option(
        "--min-overlap",
        type=float,
        metavar="SHARE",
        help="A window has the label of a region that covers this share of it, or of which it holds this share; 0.5.",
    ),
    click.option("--several", metavar="WHICH", help="Of several labels of a window: all, or the longest."),
    click.option("--background", metavar="LABEL", help="Take in what is not labelled, under this label."),
    click.option(
        "--point-width", type=float, metavar="SECONDS", help="How long a clip around a point label is."
    ),
    click.option("--unit", metavar="NAME", help="Of times in span tables: seconds or samples."),
    click.option("--label-column", metavar="NAME|NUMBER", help="Where a label table has its labels."),
)
_corrections = click.option(
    "--corrections",
    metavar="FILE|none",
    help="The log of `earmark relabel` to lay over the labels; by default the one beside the data, if there is one.",
)
_layouts = "urbansound8k, esc50, fsd50k, speech_commands, table, tracks, folders, pattern, …"
uncorrected = _all(_layout(_layouts), _shape)
data = _all(_layout(_layouts), _shape, _corrections)
data_or_sounds = _all(_layout(f"{_layouts}, or sounds (unlabelled)"), _shape, _corrections)
engine = _all(
    click.option(
        "--engine", default="local", metavar="NAME", help="local (this machine) or ray (a cluster)."
    ),
    click.option("--address", metavar="WHERE", help="Of the cluster: auto, HOST:PORT or ray://HOST:PORT."),
    click.option("--workers", type=int, help="Processes on this machine; one a core by default."),
)
progress = click.option(
    "--progress",
    default="auto",
    metavar="STYLE",
    help="auto, bar, plain, json (an event a line on stderr) or none.",
)
where = _all(engine, progress)
how_events = _all(
    click.option("--window", type=float, metavar="SECONDS", help="How much is scored at a time."),
    click.option("--hop", type=float, metavar="SECONDS", help="From window to window."),
    click.option("--median", type=int, metavar="WINDOWS", help="Over which scores are smoothed; odd."),
    click.option(
        "--threshold", "high", type=float, metavar="P", help="What an event's probability reaches once."
    ),
    click.option("--low", type=float, metavar="P", help="What it reaches all the time."),
    click.option("--min-gap", type=float, metavar="SECONDS", help="Events no farther apart are one."),
    click.option("--trim", type=float, metavar="SECONDS", help="What events are cut by at both sides."),
    click.option("--min-length", type=float, metavar="SECONDS", help="Shorter events are dropped."),
)
events = _all(
    click.option("--events", "events", is_flag=True, help="Tell events, also of what is short."),
    click.option("--whole", is_flag=True, help="Score every file as one clip, also what is long."),
    how_events,
)
live = _all(
    click.option("--stream", is_flag=True, help="Hear standard input as it comes: wav, or samples."),
    click.option("--rate", type=int, metavar="HZ", help="Of samples without a header."),
    click.option("--channels", type=int, help="Of samples without a header; 1 by default."),
    click.option(
        "--encoding", metavar="NAME", help="Of samples without a header: s16le (the default), f32le, …"
    ),
    click.option("--mic", is_flag=True, help="Hear the microphone."),
    click.option("--device", metavar="NAME|NUMBER", help="Which microphone; the system's by default."),
)
outcome = _all(runs, strict, as_json)
training = _all(
    click.option(
        "--recipe",
        default="default",
        metavar="NAME|FILE",
        help="default, tutorial, or a recipe file (TOML).",
    ),
    click.option(
        "--model",
        metavar="NAME",
        help="The model to train: mlp, linear, dictionary, rocket, cnn, or blend of several.",
    ),
    click.option(
        "--feature",
        metavar="NAME",
        help="What it hears, where that is not to be the model's own: mfcc, stats, log_mel, or encoder, whose weights"
        " `earmark fetch encoder:NAME` brings.",
    ),
    click.option("--seed", type=int, help="Of the split, the weights and the order of rows."),
    click.option(
        "--target",
        metavar="GOAL=VALUE",
        help="Answer only what is sure enough: precision=0.95, recall=0.9, cost=5 (of a wrong answer), or f1.",
    ),
    change,
)


_DATA = (
    "window", "hop", "min_overlap", "several", "background", "point_width", "unit", "label_column",
    "corrections",
)  # fmt: skip
_HOW = ("engine", "address", "workers", "progress", "runs", "strict", "as_json")


def split_off(choices: dict[str, Any]) -> dict[str, Any]:
    """Take from the options those that say how and where to work, and not what a recipe is."""
    return {name: choices.pop(name) for name in _HOW}


def data_of(choices: dict[str, Any]) -> dict[str, Any]:
    """Take from the options those that say what the clips of a data set are, where they were given."""
    shape = {name: choices.pop(name) for name in _DATA}
    given = {name: value for name, value in shape.items() if value is not None}
    return {"layout": choices.pop("layout"), "pattern": choices.pop("pattern"), **given}


def typed(data: DataSettings) -> str:
    """Return a data set as it is typed, with every option that is not the usual one.

    >>> from earmark.data import DataSettings
    >>> typed(DataSettings("my field", window=2.0, background="none"))
    "'my field' --window 2 --background none"
    """
    from earmark.data import flags_of

    return shlex.join([data.path, *flags_of(data)])


def make_recipe(
    recipe: str, model: str | None = None, feature: str | None = None, seed: int | None = None,
    split: str | None = None, test_fold: int | None = None, target: str | None = None,
    changes: Sequence[str] = (),
) -> Recipe:  # fmt: skip
    """Return the named recipe with what the options change in it.

    Raises
    ------
    SettingError, UnknownNameError
        For a name or a value that is not allowed.
    """
    from earmark.recipe import changed_values, load_recipe

    options = {
        "model.name": model, "feature.name": feature, "split.rule": split, "split.test_fold": test_fold,
        "split.seed": seed, "train.seed": seed, "decide.target": target,
    }  # fmt: skip
    values = {key: value for key, value in options.items() if value is not None} | changed_values(changes)
    return load_recipe(recipe).with_values(values)
