"""Earmark: from labelled sound to a classifier that people can trust and ship.

The line itself is in `earmark.pipeline`: ``train``, ``evaluate`` and ``evaluate_bundle``.

>>> import earmark
>>> earmark.Recipe().feature.name
'mfcc'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.bundle import Bundle, read_bundle
    from earmark.dataset import Dataset
    from earmark.errors import EarmarkError
    from earmark.features import FEATURES, Mfcc
    from earmark.models import MODELS, Mlp
    from earmark.predict import Predictor
    from earmark.readers import READERS, read
    from earmark.recipe import RECIPES, Recipe
    from earmark.types import Clip, Prediction, Waveform

_HOME = {
    "Bundle": "bundle", "read_bundle": "bundle", "Dataset": "dataset", "EarmarkError": "errors",
    "FEATURES": "features", "Mfcc": "features", "MODELS": "models", "Mlp": "models",
    "Predictor": "predict",
    "READERS": "readers", "read": "readers", "RECIPES": "recipe", "Recipe": "recipe", "Clip": "types",
    "Prediction": "types", "Waveform": "types",
}  # fmt: skip

__all__ = [
    "FEATURES",
    "MODELS",
    "READERS",
    "RECIPES",
    "Bundle",
    "Clip",
    "Dataset",
    "EarmarkError",
    "Mfcc",
    "Mlp",
    "Prediction",
    "Predictor",
    "Recipe",
    "Waveform",
    "read",
    "read_bundle",
]


def __getattr__(name: str) -> Any:
    # Lazily, so that importing one part, as the command line does, does not load all the others.
    if name in _HOME:
        return getattr(import_module(f"earmark.{_HOME[name]}"), name)
    raise AttributeError(f"module 'earmark' has no attribute '{name}'")
