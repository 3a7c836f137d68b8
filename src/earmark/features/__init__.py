"""Features: from a waveform to numbers. No files, no labels.

A new feature is one file with a frozen dataclass that satisfies `earmark.types.Feature`, and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from earmark.features.encoder import Encoder, resolved, weights_of
from earmark.features.log_mel import LogMel
from earmark.features.mfcc import Mfcc
from earmark.features.shared import extract_each
from earmark.features.stats import Stats
from earmark.settings import named_from_dict, named_to_dict
from earmark.types import Feature

__all__ = [
    "FEATURES", "FRONT_END", "Encoder", "LogMel", "Mfcc", "Stats", "extract_each", "feature_from_dict",
    "feature_to_dict", "kept_feature", "resolved", "weights_of",
]  # fmt: skip

FEATURES: dict[str, type[Feature]] = {"mfcc": Mfcc, "log_mel": LogMel, "stats": Stats, "encoder": Encoder}

# The version of all that turns a file into features. Part of the key under which features are kept: raise it
# whenever the same file gives other values, or kept ones are taken for new ones.
FRONT_END = 1


def feature_from_dict(values: Mapping[str, Any]) -> Feature:
    """Build a feature from its settings; the key ``name`` says which.

    >>> feature_from_dict({"name": "mfcc", "n_mfcc": 13}).dims
    13
    """
    return named_from_dict("feature", FEATURES, values)


def feature_to_dict(feature: Feature) -> dict[str, Any]:
    """Invert `feature_from_dict`; the result is ready for JSON."""
    return named_to_dict(feature)


def kept_feature(values: Mapping[str, Any]) -> Feature:
    """Build a feature from settings that were kept with a model, maybe by an earlier Earmark.

    A setting that did not exist then has the value that gives the same numbers as then; with `feature_from_dict` it
    has the one that is best for new models.

    >>> old = {"name": "stats", "n_mels": 40}
    >>> kept_feature(old).dims, feature_from_dict(old).dims
    (172, 392)
    """
    earlier = getattr(FEATURES.get(str(values.get("name"))), "earlier", {})
    return feature_from_dict({**earlier, **values})
