"""`Recipe`: everything that decides a run, in one small file that can be read, changed and run again."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from earmark.data import DataSettings
from earmark.decide import DecideSettings
from earmark.errors import MissingExtraError, PathError, SettingError, UnknownNameError
from earmark.features import FEATURES, Mfcc, feature_from_dict, feature_to_dict
from earmark.models import MODELS, Mlp, Model, model_from_dict, model_to_dict
from earmark.settings import from_dict, to_dict
from earmark.split import SplitSettings
from earmark.train import TrainSettings
from earmark.types import Feature

_STATISTICS = ("mean", "std", "delta_mean", "delta_std")
_MAX_FILE = 2**20
_SECTIONS = ("data", "split", "feature", "model", "train", "decide")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to read, how to divide it, what to extract, what to train on it and how, and how scores become answers.

    Examples
    --------
    >>> recipe = Recipe().with_values({"train.epochs": 50, "model.dropout": 0.3})
    >>> recipe.train.epochs, recipe.model.dropout
    (50, 0.3)
    """

    data: DataSettings = field(default_factory=DataSettings)
    split: SplitSettings = field(default_factory=SplitSettings)
    feature: Feature = field(default_factory=lambda: Mfcc(statistics=_STATISTICS))  # type: ignore[arg-type]
    model: Model = field(default_factory=Mlp)
    train: TrainSettings = field(default_factory=TrainSettings)
    decide: DecideSettings = field(default_factory=DecideSettings)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return the recipe as nested tables; settings without a value are left out."""
        tables = {
            "data": to_dict(self.data),
            "split": to_dict(self.split),
            "feature": feature_to_dict(self.feature),
            "model": model_to_dict(self.model),
            "train": to_dict(self.train),
            "decide": to_dict(self.decide),
        }
        return {name: {k: v for k, v in t.items() if v is not None} for name, t in tables.items()}

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any], where: str = "The recipe") -> Recipe:
        """Build a recipe from nested tables. What is not named keeps its default.

        Raises
        ------
        SettingError, UnknownNameError
            For a table, a name or a value that is not allowed.
        """
        for name, table in tables.items():
            if name not in _SECTIONS or not isinstance(table, Mapping):
                raise SettingError(
                    f"{where} has '{name}', but a recipe consists of the tables: {', '.join(_SECTIONS)}."
                )
        default = cls().to_dict()

        def named(section: str, registry: Mapping[str, Any]) -> dict[str, Any]:
            values = dict(tables.get(section, {}))
            name = values.setdefault("name", default[section]["name"])
            if not isinstance(name, str) or name not in registry:
                raise UnknownNameError(section, str(name), registry)
            base = default[section] if name == default[section]["name"] else {}
            return {**base, **values}

        return cls(
            from_dict(DataSettings, tables.get("data", {}), "[data]"),
            from_dict(SplitSettings, tables.get("split", {}), "[split]"),
            feature_from_dict(named("feature", FEATURES)),
            model_from_dict(named("model", MODELS)),
            from_dict(TrainSettings, tables.get("train", {}), "[train]"),
            from_dict(DecideSettings, tables.get("decide", {}), "[decide]"),
        )

    def with_values(self, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe with some settings changed, each named ``"table.setting"``."""
        tables = self.to_dict()
        for name, value in values.items():
            section, dot, setting = name.partition(".")
            if not dot or section not in tables:
                raise SettingError(
                    f"'{name}' is no setting. Name it TABLE.SETTING, TABLE one of {', '.join(_SECTIONS)}."
                )
            if setting == "name" and value != tables[section].get("name"):
                tables[section] = {}  # another model or feature starts from its own defaults
            tables[section][setting] = value
        return Recipe.from_dict(tables)

    def with_data(self, path: str, layout: str = "auto", pattern: str = "", **more: Any) -> Recipe:
        """Return the recipe for another data set; ``more`` are settings of `DataSettings` that are to change."""
        return replace(self, data=replace(self.data, path=path, layout=layout, pattern=pattern, **more))

    def to_toml(self) -> str:
        """Return the recipe as the text of a recipe file."""
        try:
            import tomli_w
        except ImportError:
            raise MissingExtraError("Writing a recipe", "train", "tomli-w") from None
        return tomli_w.dumps(self.to_dict())


# The tutorial's recipe, told honestly: clip-by-clip division, unscaled MFCC means, 200 epochs, no early stopping.
RECIPES: dict[str, Recipe] = {
    "default": Recipe(),
    "tutorial": Recipe(
        split=SplitSettings(rule="random", test_share=0.2, validation_share=0.0, seed=0),
        feature=Mfcc(resampler="kaiser_fast", statistics=("mean",)),
        model=Mlp(standardize=False),
        train=TrainSettings(epochs=200, class_weights="none", patience=0),
        decide=DecideSettings(folds=0),
    ),
}


def load_recipe(name_or_path: str) -> Recipe:
    """Return a recipe by its name in `RECIPES`, or from a TOML file.

    Raises
    ------
    UnknownNameError
        When it is neither.
    SettingError
        When the file is not a recipe.
    """
    if name_or_path in RECIPES:
        return RECIPES[name_or_path]
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.exists():
        raise UnknownNameError("recipe", name_or_path, RECIPES)
    try:
        if path.stat().st_size > _MAX_FILE:
            raise SettingError(f"{path} is too large for a recipe.")
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise PathError(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingError(f"{path} is not a TOML file: {error}.") from None
    return Recipe.from_dict(tables, str(path))
