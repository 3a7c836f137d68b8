"""The network in training: its parameters as one vector, and the way from inputs to logits."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as nn

from earmark.models.cnn import Cnn
from earmark.models.cnn_graph import NEPERS
from earmark.types import FloatArray

if TYPE_CHECKING:
    from earmark.train.cnn.ranks import Ranks

Tensor = Any  # torch.Tensor; type checkers are run without PyTorch too

_EPSILON = 1e-5
_MOMENTUM = 0.1


@dataclass(slots=True, eq=False)
class Statistics:
    """Running mean and variance of each convolution's outputs, one after the other: float32[sum of channels]."""

    mean: Tensor
    variance: Tensor


def initial(settings: Cnn, classes: int, seed: int) -> FloatArray:
    """Return float32[size], He's initial weights."""
    generator = np.random.default_rng([seed, 2])
    parts = []
    for name, shape in settings.shapes(classes).items():
        if name.startswith("kernel"):
            values = generator.standard_normal(shape) * np.sqrt(2 / prod(shape[1:]))
        elif name == "weight":
            values = generator.standard_normal(shape) * np.sqrt(1 / shape[0])
        else:
            values = np.full(shape, 1.0 if name.startswith("gain") else 0.0)
        parts.append(values.astype(np.float32).ravel())
    return np.concatenate(parts)


def decayed(settings: Cnn, classes: int) -> FloatArray:
    """Return float32[size]: 1 for weights, which decay, and 0 for gains, shifts and the bias, which do not."""
    shapes = settings.shapes(classes).items()
    return np.concatenate([np.full(prod(s), float(len(s) > 1), np.float32) for _, s in shapes])


def split(settings: Cnn, classes: int, flat: Tensor) -> dict[str, Tensor]:
    """Return the parameters by name, as views of ``flat``."""
    shapes = settings.shapes(classes)
    parts = torch.split(flat, [prod(shape) for shape in shapes.values()])
    return {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def levelled(inputs: Tensor) -> Tensor:
    """Take each clip's loudness, the decibels of its mean power, from float32[n, frames, bands]."""
    power = torch.logsumexp((inputs * NEPERS).flatten(1), dim=1)
    count = inputs.shape[1] * inputs.shape[2]
    return inputs - ((power - float(np.log(count))) / NEPERS)[:, None, None]


def views(inputs: Tensor) -> Tensor:
    """Return float32[n, 2, frames, bands]: the clips, and what in them differs from their own mean over time."""
    return torch.stack([inputs, inputs - inputs.mean(1, keepdim=True)], dim=1)


def logits(
    settings: Cnn,
    parameters: dict[str, Tensor],
    inputs: Tensor,
    window: int,
    statistics: Statistics,
    ranks: Ranks | None,
    half: bool = False,
) -> Tensor:
    """Return float32[n, classes] for float32[n, views, frames, bands], a window each.

    Parameters
    ----------
    window
        Frames that the network is trained with; the layers follow from it.
    statistics
        Used, or in training followed.
    ranks
        The processes that share a batch in training; ``None`` uses the statistics as they are.
    half
        Compute the convolutions in bfloat16.
    """
    with torch.autocast(inputs.device.type, torch.bfloat16) if half else nullcontext():
        pooled = _pooled(settings, parameters, inputs, window, statistics, ranks)
    result: Tensor = pooled.float() @ parameters["weight"] + parameters["bias"]
    return result


def _pooled(
    settings: Cnn,
    parameters: dict[str, Tensor],
    inputs: Tensor,
    window: int,
    statistics: Statistics,
    ranks: Ranks | None,
) -> Tensor:
    """Return [n, 2 * channels of the last convolution]: means and maxima."""
    hidden = inputs.contiguous(memory_format=torch.channels_last)  # a third faster
    begin = 0
    for i, layer in enumerate(settings.layers(window)):
        kernel = parameters[f"kernel_{i}"].contiguous(memory_format=torch.channels_last)
        hidden = nn.conv2d(hidden, kernel, stride=layer.stride, padding=1)
        span = slice(begin, begin + layer.outputs)
        own = statistics.mean[span], statistics.variance[span]
        gain, shift = parameters[f"gain_{i}"], parameters[f"shift_{i}"]
        if ranks is None or ranks.size == 1:
            hidden = nn.batch_norm(hidden, *own, gain, shift, ranks is not None, _MOMENTUM, _EPSILON)
        else:
            hidden = _over_ranks(hidden, *own, gain, shift, ranks)
        if layer.pooled:
            hidden = nn.max_pool2d(hidden, 2, ceil_mode=True)
        hidden = nn.relu(hidden)  # after the pooling it is the same, and a quarter of the work
        begin += layer.outputs
    return torch.cat([hidden.mean((2, 3)), hidden.amax((2, 3))], dim=1)


def _over_ranks(
    hidden: Tensor, mean: Tensor, variance: Tensor, gain: Tensor, shift: Tensor, ranks: Ranks
) -> Tensor:
    """Batch normalisation whose batch is that of all processes together."""
    values = hidden.float()
    pixels = values.shape[2] * values.shape[3]
    count = ranks.batch * pixels
    middle = ranks.total(values.sum((0, 2, 3))) / count
    values = values - middle[:, None, None]
    spread = ranks.total(values.square().sum((0, 2, 3))) / count
    with torch.no_grad():
        mean.lerp_(middle, _MOMENTUM)
        variance.lerp_(spread * (count / max(count - 1, 1)), _MOMENTUM)
    factor = gain * torch.rsqrt(spread + _EPSILON)
    return (values * factor[:, None, None] + shift[:, None, None]).to(hidden.dtype)


def folded(
    settings: Cnn, classes: int, flat: Tensor, statistics: Statistics, mean: FloatArray, scale: FloatArray
) -> dict[str, FloatArray]:
    """Return the weights of a `CnnNetwork`: the normalisation becomes part of each convolution."""
    parameters = {n: p.detach().double().cpu().numpy() for n, p in split(settings, classes, flat).items()}
    means = statistics.mean.double().cpu().numpy()
    spreads = statistics.variance.double().cpu().numpy()
    weights = {"mean": mean, "scale": scale}
    begin = 0
    for i, layer in enumerate(settings.layers(settings.window)):
        span = slice(begin, begin + layer.outputs)
        factor = parameters[f"gain_{i}"] / np.sqrt(spreads[span] + _EPSILON)
        weights[f"kernel_{i}"] = (parameters[f"kernel_{i}"] * factor[:, None, None, None]).astype(np.float32)
        weights[f"bias_{i}"] = (parameters[f"shift_{i}"] - means[span] * factor).astype(np.float32)
        begin += layer.outputs
    weights["weight"] = parameters["weight"].astype(np.float32)
    weights["bias"] = parameters["bias"].astype(np.float32)
    return weights
