"""`Recipe`: everything that decides a run, in one small file that can be read, changed and run again."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from earmark.data import DataSettings
from earmark.decide import DecideSettings
from earmark.errors import MissingExtraError, PathError, SettingError, UnknownNameError
from earmark.events import Events
from earmark.features import Mfcc, feature_from_dict, feature_to_dict
from earmark.models import MODELS, Blend, Mlp, Model, model_from_dict, model_to_dict
from earmark.rungs import Rung, changed_train, reads, rung, usual_feature, usual_train
from earmark.settings import from_dict, to_dict
from earmark.split import SplitSettings
from earmark.train import TrainSettings
from earmark.types import Feature

_MAX_FILE = 2**20
_SECTIONS = ("data", "split", "feature", "model", "train", "decide", "events")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to read, how to divide it, what to extract, what to train on it, how scores become answers and events.

    Examples
    --------
    >>> recipe = Recipe().with_values({"train.epochs": 50, "model.dropout": 0.3})
    >>> recipe.train.epochs, recipe.model.dropout
    (50, 0.3)
    """

    data: DataSettings = field(default_factory=DataSettings)
    split: SplitSettings = field(default_factory=SplitSettings)
    feature: Feature = field(default_factory=lambda: feature_from_dict(usual_feature(Mlp())))
    model: Model = field(default_factory=Mlp)
    train: TrainSettings = field(default_factory=TrainSettings)
    decide: DecideSettings = field(default_factory=DecideSettings)
    events: Events = field(default_factory=Events)

    def __post_init__(self) -> None:
        heard = [rung(name).model for name in getattr(self.model, "rungs", ())] or [self.model]
        for name, value in changed_train(usual_train(self.model), self.train).items():
            if not any(reads(model, name) for model in heard):
                known = [own for own in to_dict(self.train) if any(reads(model, own) for model in heard)]
                raise SettingError(
                    f"[train] {name} is {value!r}, but nothing of how a {self.model.name} is trained depends on it."
                    f" It reads: {', '.join(known)}."
                )

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return the recipe as nested tables; settings without a value are left out."""
        tables = {
            "data": to_dict(self.data),
            "split": to_dict(self.split),
            "feature": feature_to_dict(self.feature),
            "model": model_to_dict(self.model),
            "train": to_dict(self.train),
            "decide": to_dict(self.decide),
            "events": to_dict(self.events),
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
        given = dict(tables.get("model", {}))
        name = given.setdefault("name", Mlp.name)
        if not isinstance(name, str) or name not in MODELS:
            raise UnknownNameError("model", str(name), MODELS)
        model = model_from_dict(given)
        return cls(
            from_dict(DataSettings, tables.get("data", {}), "[data]"),
            from_dict(SplitSettings, tables.get("split", {}), "[split]"),
            _feature_of(model, tables.get("feature")),
            model,
            usual_train(model, tables.get("train", {})),
            from_dict(DecideSettings, tables.get("decide", {}), "[decide]"),
            from_dict(Events, tables.get("events", {}), "[events]"),
        )

    def with_values(self, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe with some settings changed, each named ``"table.setting"``.

        Another model starts from its own defaults, and so does what it hears and how it is trained where that is not
        set by hand.
        """
        tables = self.to_dict()
        if isinstance(self.model, Blend) or values.get("model.name", self.model.name) != self.model.name:
            tables = self._by_hand(tables)
        for name, value in sorted(values.items(), key=lambda item: item[0] != "model.name"):
            section, dot, setting = name.partition(".")
            if not dot or section not in _SECTIONS:
                raise SettingError(
                    f"'{name}' is no setting. Name it TABLE.SETTING, TABLE one of {', '.join(_SECTIONS)}."
                )
            table = tables.setdefault(section, {})
            if setting == "name" and value != table.get("name"):
                table.clear()  # another model or feature starts from its own defaults
            table[setting] = value
        return Recipe.from_dict(tables)

    def _by_hand(self, tables: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return the tables without what the model's own defaults are."""
        tables["train"] = changed_train(usual_train(self.model), self.train)
        if isinstance(self.model, Blend) or self.feature == _feature_of(self.model, None):
            del tables["feature"]
        return tables

    def rungs(self) -> tuple[Rung, ...]:
        """Return what is trained: one rung, or those of a blend.

        Raises
        ------
        SettingError
            When the model cannot take what the feature gives.
        UnknownNameError
            When a blend has a rung that is none.
        """
        if isinstance(self.model, Blend):
            return tuple(rung(name, self.train) for name in self.model.rungs)
        return (Rung(self.feature, self.model, self.train),)

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


def changed_values(changes: Iterable[str]) -> dict[str, Any]:
    """Return what `Recipe.with_values` takes for texts as ``--set`` takes them; a value that is no TOML is a word.

    Raises
    ------
    SettingError
        For a text without an equals sign.

    Examples
    --------
    >>> changed_values(["train.epochs=50", "model.name=linear"])
    {'train.epochs': 50, 'model.name': 'linear'}
    """
    values: dict[str, Any] = {}
    for text in changes:
        key, equals, value = text.partition("=")
        if not equals:
            raise SettingError(f"--set takes TABLE.SETTING=VALUE, such as train.epochs=50; got '{text}'.")
        try:
            values[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except (tomllib.TOMLDecodeError, RecursionError):
            values[key.strip()] = value.strip()
    return values


def _feature_of(model: Model, given: Any) -> Feature:
    """Return what a model hears: what is given, on top of its own defaults; a blend hears what its rungs hear."""
    if not isinstance(model, Blend):
        return feature_from_dict(usual_feature(model, given))
    own = rung(model.rungs[0]).feature
    if given and feature_from_dict(usual_feature(model, given)) != own:
        raise SettingError(
            "[feature] cannot be set for a blend: each rung hears its own. Name one with its feature instead,"
            ' such as --set \'model.rungs=["linear:mfcc", "cnn"]\'.'
        )
    return own


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
