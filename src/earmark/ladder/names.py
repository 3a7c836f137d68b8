"""Which rungs there are, which of them this machine can try, and the words that train one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec

from earmark.encoders import ENCODERS, PREFIX, note_of
from earmark.errors import MissingExtraError, SettingError
from earmark.features import feature_to_dict
from earmark.models import MODELS, Blend, Cnn
from earmark.models.blend import MOST
from earmark.recipe import Recipe
from earmark.rungs import LADDER, Rung, read_train, rung, usual_feature, usual_train

BLEND = Blend.name


def at_hand() -> tuple[str, ...]:
    """Return the rungs to try where none are named, the cheapest first: encoders where their weights are here."""
    plain = [name for name in LADDER if name in MODELS]
    return (*plain, *(f"{PREFIX}{name}" for name in _encoders()), BLEND)


def _encoders() -> list[str]:
    return [name for name in ENCODERS if note_of(name) is not None]


def can_be_tried(name: str) -> None:
    """Refuse a rung that this machine lacks a package for, before anything is computed for it.

    Raises
    ------
    MissingExtraError
        Which one, and how to get it.
    """
    if name.partition(":")[0] == Cnn.name and find_spec("torch") is None:
        raise MissingExtraError("Training a cnn", "torch", "torch")


def named(text: str) -> tuple[str, ...]:
    """Return the rungs that a person named, the cheapest first, a blend last.

    Raises
    ------
    SettingError
        When there is none.
    UnknownNameError
        For a name that is none.

    Examples
    --------
    >>> named("blend, mlp,linear,mlp")
    ('linear', 'mlp', 'blend')
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names or names == [BLEND]:
        raise SettingError(f"--rungs is '{text}', but must name rungs, such as linear,mlp,blend.")
    for name in names:
        if name != BLEND:
            rung(name)

    def place(name: str) -> int:
        head = name.partition(":")[0]
        return len(LADDER) + (name == BLEND) if head not in LADDER else LADDER.index(head)

    return tuple(sorted(dict.fromkeys(names), key=place))


def blended(names: Sequence[str]) -> tuple[str, ...]:
    """Return the rungs that a blend of those that were run is made of."""
    return tuple(names[:MOST])


def blend_of(recipe: Recipe, members: Sequence[str]) -> Recipe:
    """Return a recipe for a blend of some rungs, trained as it says where they read that."""
    rungs = [rung(name, recipe.train) for name in members]
    model = Blend(tuple(members))
    train = usual_train(model, read_train((own.model for own in rungs), recipe.train))
    return replace(recipe, model=model, feature=rungs[0].feature, train=train)


def train_words(name: str, members: Sequence[str] = ()) -> list[str]:
    """Return the words of `earmark train` that choose a rung; ``members`` are those of a blend.

    >>> train_words("mlp:stats")
    ['--model', 'mlp', '--feature', 'stats']
    >>> train_words("blend", ["linear", "mlp"])
    ['--model', 'blend', '--set', 'model.rungs=["linear", "mlp"]']
    """
    if name == BLEND:
        return ["--model", BLEND, "--set", f"model.rungs={json.dumps(list(members))}"]
    own = rung(name)
    words = ["--model", own.model.name, "--feature", own.feature.name]
    return words + _unusual(own)


def _unusual(own: Rung) -> list[str]:
    """Return the settings of what a rung hears that its name does not say."""
    usual = usual_feature(own.model, {"name": own.feature.name})
    known = {**feature_to_dict(type(own.feature)()), **usual}
    changed = {k: v for k, v in feature_to_dict(own.feature).items() if known.get(k) != v}
    return [
        word for key, value in changed.items() for word in ("--set", f"feature.{key}={json.dumps(value)}")
    ]
