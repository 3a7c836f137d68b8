"""Checkpoints of a network in training: one safetensors file, its JSON in the same file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from earmark.models.cnn import Cnn
from earmark.train import checkpoint
from earmark.train.cnn.network import initial
from earmark.train.cnn.ranks import Ranks
from earmark.types import FloatArray

_ARRAYS = ("parameters", "first", "second", "average", "mean", "variance")


@dataclass(slots=True, eq=False)
class State:
    """Everything about a network between two epochs, float32 each.

    Parameters
    ----------
    parameters, first, second, average
        [size]: the weights, Adam's two moments, and the running mean of the weights.
    mean, variance
        [sum of channels]: what the activations are normalised by.
    epoch
        How many are done.
    history
        An entry an epoch.
    """

    parameters: FloatArray
    first: FloatArray
    second: FloatArray
    average: FloatArray
    mean: FloatArray
    variance: FloatArray
    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def fresh(cls, settings: Cnn, classes: int, seed: int) -> State:
        """Return the state before the first epoch."""
        weights = initial(settings, classes, seed)
        zeros, width = np.zeros_like(weights), sum(settings.channels)
        means, ones = np.zeros(width, np.float32), np.ones(width, np.float32)
        return cls(weights, zeros, zeros.copy(), weights.copy(), means, ones)

    def share(self, ranks: Ranks, device: Any) -> None:
        """Replace what is here by what the first process has: the others may not see its files."""
        if ranks.size == 1:
            return
        for name in _ARRAYS:
            tensor = torch.from_numpy(getattr(self, name)).to(device)
            ranks.agree(tensor)
            setattr(self, name, tensor.cpu().numpy())
        told = json.loads(ranks.agree_on(json.dumps([self.epoch, self.history]), device))
        self.epoch, self.history = told


def save(path: Path, state: State, identity: str) -> None:
    """Write ``state`` atomically."""
    arrays = {name: getattr(state, name) for name in _ARRAYS}
    checkpoint.write(path, arrays, {"epoch": state.epoch, "history": state.history}, identity)
