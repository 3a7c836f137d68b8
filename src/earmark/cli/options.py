"""The options that several commands share, and the recipe that they make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.errors import SettingError

if TYPE_CHECKING:
    from earmark.recipe import Recipe

DatasetPath = Annotated[str, typer.Argument(metavar="DATASET", help="A folder or a table of labelled sound.")]
Layout = Annotated[
    str, typer.Option(help="urbansound8k, esc50, folders, table or pattern; found out by default.")
]
Pattern = Annotated[
    str,
    typer.Option(help="How file names are made, such as '{label}_{group}_{take}.wav'.", metavar="PATTERN"),
]
RecipeName = Annotated[str, typer.Option("--recipe", help="default, tutorial, or a recipe file (TOML).")]
Model = Annotated[str | None, typer.Option("--model", help="The model to train: mlp.")]
FeatureName = Annotated[str | None, typer.Option("--feature", help="The feature to extract: mfcc.")]
Seed = Annotated[int | None, typer.Option(help="Of the split, the weights and the order of rows.")]
Change = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="TABLE.SETTING=VALUE", help="Change one setting of the recipe; may be repeated."
    ),
]
Runs = Annotated[Path, typer.Option("--runs", help="Where run folders go.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with 1 when any clip or file was found wanting.")
]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="Where the model file goes.")]


def recipe(
    name: str, model: str | None = None, feature: str | None = None, seed: int | None = None,
    split: str | None = None, test_fold: int | None = None, changes: list[str] | None = None,
) -> Recipe:  # fmt: skip
    """Return the named recipe with what the options change in it.

    Raises
    ------
    SettingError, UnknownNameError
        For a name or a value that is not allowed.
    """
    import tomllib

    from earmark.recipe import load_recipe

    options = {
        "model.name": model, "feature.name": feature, "split.rule": split, "split.test_fold": test_fold,
        "split.seed": seed, "train.seed": seed,
    }  # fmt: skip
    values = {key: value for key, value in options.items() if value is not None}
    for change in changes or []:
        key, equals, text = change.partition("=")
        if not equals:
            raise SettingError(f"--set takes TABLE.SETTING=VALUE, such as train.epochs=50; got '{change}'.")
        try:
            values[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except (tomllib.TOMLDecodeError, RecursionError):
            values[key.strip()] = text.strip()
    return load_recipe(name).with_values(values)
