"""`Rung`: a feature, a model and how it is trained; and the names that rungs have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from earmark.encoders import PREFIX
from earmark.errors import SettingError, UnknownNameError
from earmark.features import FEATURES, feature_from_dict
from earmark.models import MODELS, Model, model_from_dict
from earmark.settings import from_dict, to_dict
from earmark.train import TrainSettings
from earmark.types import Feature

# What a feature is by default where a recipe names it.
USUAL: dict[str, dict[str, Any]] = {
    "mfcc": {"statistics": ["mean", "std", "delta_mean", "delta_std"]},
}
LADDER = ("linear", "mlp", "dictionary", "rocket", "cnn")


@dataclass(frozen=True, slots=True)
class Rung:
    """One network that can be trained.

    Parameters
    ----------
    feature, model, train
        What it hears, what it is, and how it learns.
    """

    feature: Feature
    model: Model
    train: TrainSettings

    def __post_init__(self) -> None:
        feature, model = self.feature, self.model
        windows = getattr(feature, "windows", False)  # each of which stands for itself
        if model.takes == "course" and (windows or not feature.course):
            gives = "windows of an encoder" if windows else "one vector a clip"
            raise SettingError(
                f"[feature] {feature.name} with these settings gives {gives}, but {model.name} sees a spectrum's"
                f" course over time. Take --feature {model.default_feature['name']}."
            )
        if model.takes == "vector" and feature.course and not windows:
            say = "Name at least one of its statistics, such as --set 'feature.statistics=[\"mean\"]'."
            raise SettingError(
                f"[feature] {feature.name} with these settings gives a course over time, but one vector a clip is"
                f" needed. {say if hasattr(feature, 'statistics') else 'Take --feature stats.'}"
            )


def usual_feature(model: Model, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a feature's settings as a table: a model's own, with what is given changed in it."""
    own = model.default_feature
    given = dict(given or {})
    name = str(given.setdefault("name", own.get("name", "mfcc")))
    if name not in FEATURES:
        raise UnknownNameError("feature", name, FEATURES)
    return {**USUAL.get(name, {}), **(own if own.get("name") == name else {}), **given}


def usual_train(model: Model, given: Mapping[str, Any] | None = None) -> TrainSettings:
    """Return how a model is trained where nothing else is said, with what is given changed in it."""
    return from_dict(TrainSettings, {**model.train_defaults, **(given or {})}, "[train]")


def rung(name: str, train: TrainSettings | None = None) -> Rung:
    """Return a rung by its name.

    Parameters
    ----------
    name
        A model, which then hears its own feature: ``linear``, ``cnn``; a model and a feature: ``mlp:stats``; or an
        encoder with a linear head: ``encoder:yamnet``.
    train
        Settings that are not the usual ones replace the rung's own.

    Raises
    ------
    UnknownNameError
        For a name that is none.

    Examples
    --------
    >>> rung("mlp:stats").feature.name
    'stats'
    """
    head, _, heard = name.partition(":")
    if name.startswith(PREFIX):
        model = model_from_dict({"name": "linear"})
        feature = feature_from_dict({"name": "encoder", "encoder": heard})
    else:
        if head not in MODELS or head == "blend":
            raise UnknownNameError("rung", name, [*LADDER, "encoder:NAME"])
        model = model_from_dict({"name": head})
        given = {"name": heard} if heard else None
        feature = feature_from_dict(usual_feature(model, given))
    return Rung(feature, model, usual_train(model, read_train([model], train or TrainSettings())))


def read_train(models: Iterable[Model], train: TrainSettings) -> dict[str, Any]:
    """Return the settings that are not the usual ones, and that at least one of the models reads.

    >>> read_train([rung("linear").model], TrainSettings(epochs=7, seed=3))
    {'seed': 3}
    """
    known, changed = list(models), changed_train(TrainSettings(), train)
    return {key: value for key, value in changed.items() if any(reads(model, key) for model in known)}


def reads(model: Model, setting: str) -> bool:
    """Whether a setting of `TrainSettings` makes a difference to how a model is trained; the seed may always be set."""
    return setting == "seed" or setting in model.train_reads


def changed_train(usual: TrainSettings, train: TrainSettings) -> dict[str, Any]:
    """Return the settings that are not the usual ones.

    >>> changed_train(TrainSettings(), TrainSettings(epochs=7))
    {'epochs': 7}
    """
    known = to_dict(usual)
    return {key: value for key, value in to_dict(train).items() if value != known[key]}
