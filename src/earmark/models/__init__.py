"""Models: plain networks. No training loop, no data access.

A new model is one file with a frozen settings dataclass, and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from earmark.models.linear import Linear
from earmark.models.mlp import Mlp
from earmark.models.network import Network
from earmark.settings import named_from_dict, named_to_dict

__all__ = ["MODELS", "Linear", "Mlp", "Model", "Network", "model_from_dict", "model_to_dict"]

Model = Mlp | Linear
MODELS: dict[str, type[Model]] = {"mlp": Mlp, "linear": Linear}


def model_from_dict(values: Mapping[str, Any]) -> Model:
    """Build a model's settings; the key ``name`` says which model.

    >>> model_from_dict({"name": "mlp", "dropout": 0.2}).dropout
    0.2
    """
    return named_from_dict("model", MODELS, values)


def model_to_dict(model: Model) -> dict[str, Any]:
    """Invert `model_from_dict`; the result is ready for JSON."""
    return named_to_dict(model)
