"""Models: plain networks. No training loop, no data access.

A new model is one file with a frozen settings dataclass, and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from earmark.models.blend import Blend
from earmark.models.cnn import Cnn, CnnNetwork
from earmark.models.dictionary import Dictionary, TrainedDictionary
from earmark.models.linear import Linear
from earmark.models.mlp import Mlp
from earmark.models.network import Network
from earmark.models.rocket import Rocket, TrainedRocket
from earmark.models.trained import Trained
from earmark.models.windowed import Windowed
from earmark.settings import named_from_dict, named_to_dict

__all__ = [
    "MODELS",
    "Blend",
    "Cnn",
    "Dictionary",
    "Linear",
    "Mlp",
    "Model",
    "Network",
    "Rocket",
    "Trained",
    "Windowed",
    "model_from_dict",
    "model_to_dict",
    "trained_from_arrays",
]

Model = Mlp | Linear | Dictionary | Rocket | Cnn | Blend
MODELS: dict[str, type[Model]] = {
    "mlp": Mlp,
    "linear": Linear,
    "dictionary": Dictionary,
    "rocket": Rocket,
    "cnn": Cnn,
    "blend": Blend,
}
_TRAINED: dict[str, Any] = {
    "mlp": Network,
    "linear": Network,
    "dictionary": TrainedDictionary,
    "rocket": TrainedRocket,
    "cnn": CnnNetwork,
}


def model_from_dict(values: Mapping[str, Any]) -> Model:
    """Build a model's settings; the key ``name`` says which model.

    >>> model_from_dict({"name": "mlp", "dropout": 0.2}).dropout
    0.2
    """
    return named_from_dict("model", MODELS, values)


def model_to_dict(model: Model) -> dict[str, Any]:
    """Invert `model_from_dict`; the result is ready for JSON."""
    return named_to_dict(model)


def trained_from_arrays(model: Model, arrays: Mapping[str, NDArray[Any]]) -> Trained:
    """Return what a model became, from what `Trained.arrays` gave."""
    trained: Trained = _TRAINED[model.name].from_arrays(model, arrays)
    return trained
