"""Many dense networks of one shape as one: weights carry a leading axis, one network each.

At this size (tens of inputs, hundreds of units) the overhead of each step is most of its cost. Training every
fold and seed in one batched matrix product pays it once. Each network's numbers are the same, to the bit,
as if it were trained alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from earmark.types import FloatArray


@dataclass(frozen=True)
class Shape:
    """Widths of a dense network, from its inputs to its outputs.

    >>> Shape((40, 100, 10)).size
    5110
    """

    widths: tuple[int, ...]

    @cached_property
    def spans(self) -> tuple[tuple[int, int, int, int], ...]:
        """For each layer: first and last position in the flat parameters, rows (inputs + 1), columns."""
        spans, begin = [], 0
        for inputs, outputs in zip(self.widths, self.widths[1:], strict=False):
            end = begin + (inputs + 1) * outputs
            spans.append((begin, end, inputs + 1, outputs))
            begin = end
        return tuple(spans)

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.spans[-1][1]

    def layers(self, flat: FloatArray) -> list[FloatArray]:
        """Return views float32[..., inputs + 1, outputs] into ``flat`` float32[..., size].

        The last row of a layer is its bias: inputs carry a constant 1, so that a layer and its gradient are one
        matrix product each.
        """
        return [flat[..., a:b].reshape(*flat.shape[:-1], rows, cols) for a, b, rows, cols in self.spans]


def glorot(shape: Shape, seed: int) -> FloatArray:
    """Return initial parameters, float32[size]: Glorot-uniform weights, zero biases.

    Source: Glorot and Bengio, *Understanding the difficulty of training deep feedforward networks*, 2010.
    """
    rng = np.random.default_rng([seed, 0])
    flat = np.zeros(shape.size, np.float32)
    for layer in shape.layers(flat):
        inputs, outputs = layer.shape[0] - 1, layer.shape[1]
        limit = np.sqrt(6.0 / (inputs + outputs))
        layer[:-1] = rng.uniform(-limit, limit, (inputs, outputs))
    return flat


def logits(shape: Shape, flat: FloatArray, inputs: FloatArray) -> FloatArray:
    """Return float32[n, outputs] for one network's parameters float32[size] and ``inputs`` float32[n, d]."""
    hidden = inputs
    layers = shape.layers(flat)
    for layer in layers[:-1]:
        hidden = hidden @ layer[:-1] + layer[-1]
        np.maximum(hidden, 0, out=hidden)
    result: FloatArray = hidden @ layers[-1][:-1] + layers[-1][-1]
    return result


class Gradient:
    """Loss and gradient of a stack of networks on one batch each, over reused memory.

    Parameters
    ----------
    shape
        The widths of every network.
    networks, batch
        How many networks, and rows a batch.
    exclusive
        Whether a row has exactly one label: softmax over the labels then, else a sigmoid for each.

    Examples
    --------
    >>> shape = Shape((3, 4, 2))
    >>> flat = glorot(shape, seed=0)[None]
    >>> step = Gradient(shape, networks=1, batch=5)
    >>> inputs = np.ones((1, 5, 4), np.float32)  # three inputs and the constant
    >>> onehot = np.zeros((1, 5, 2), np.float32); onehot[..., 0] = 1
    >>> step(flat, inputs, onehot, np.full((1, 5, 1), 0.2, np.float32), []).shape
    (1, 26)
    """

    def __init__(self, shape: Shape, networks: int, batch: int, exclusive: bool = True) -> None:
        self.shape, self._exclusive = shape, exclusive
        self._gradient = np.zeros((networks, shape.size), np.float32)
        # Hidden activations with the constant 1 in the last column, and the errors that flow back through them.
        self._hidden = [np.ones((networks, batch, w + 1), np.float32) for w in shape.widths[1:-1]]
        self._errors = [np.empty((networks, batch, w), np.float32) for w in shape.widths[1:]]
        self._signs = [np.empty((networks, batch, w), np.float32) for w in shape.widths[1:-1]]
        self.probabilities = np.empty((networks, batch, shape.widths[-1]), np.float32)

    def __call__(
        self,
        flat: FloatArray,
        inputs: FloatArray,
        onehot: FloatArray,
        weights: FloatArray,
        masks: Sequence[FloatArray],
    ) -> FloatArray:
        """Return the gradient float32[k, size] of ``sum(weights * cross-entropy)``, k ≤ networks.

        Where labels are not exclusive, the cross-entropy is the sum of each label's.

        Parameters
        ----------
        flat
            float32[k, size], the parameters.
        inputs
            float32[k, batch, d + 1], the last column 1.
        onehot
            float32[k, batch, classes].
        weights
            float32[k, batch, 1], or a column a class: each row's weight, already divided by the rows that count.
        masks
            Dropout: for each hidden layer float32[k, batch, width], 0 or 1 / (1 - rate); empty for none.

        The result and ``probabilities`` are overwritten by the next call.
        """
        k = len(flat)
        layers, gradients = self.shape.layers(flat), self.shape.layers(self._gradient[:k])
        activations = [inputs]
        for i, layer in enumerate(layers[:-1]):
            augmented = self._hidden[i][:k]
            hidden = augmented[:, :, :-1]
            np.matmul(activations[-1], layer, out=hidden)
            np.maximum(hidden, 0, out=hidden)
            if masks:
                np.multiply(hidden, masks[i], out=hidden)
            activations.append(augmented)
        scores = self.probabilities[:k]
        np.matmul(activations[-1], layers[-1], out=scores)
        if self._exclusive:
            scores -= scores.max(axis=2, keepdims=True)
            np.exp(scores, out=scores)
            scores /= np.add.reduce(scores, axis=2, keepdims=True)
        else:
            np.negative(scores, out=scores)
            np.exp(scores, out=scores)  # to infinity, of which the reciprocal is 0
            scores += 1
            np.reciprocal(scores, out=scores)
        error = np.subtract(scores, onehot, out=self._errors[-1][:k])
        error *= weights
        for i in range(len(layers) - 1, -1, -1):
            np.matmul(activations[i].swapaxes(1, 2), error, out=gradients[i])
            if i == 0:
                break
            below = self._errors[i - 1][:k]
            np.matmul(error, layers[i][:, :-1].swapaxes(1, 2), out=below)
            # A unit that is zero was cut by ReLU or dropped: either way nothing flows back.
            sign = np.sign(activations[i][:, :, :-1], out=self._signs[i - 1][:k])
            below *= sign
            if masks:
                below *= masks[i - 1]
            error = below
        return self._gradient[:k]


class Adam:
    """Adam as Keras and the paper's section 2 define it (ε outside the bias correction), for stacked networks.

    The moments are kept divided by (1 - β): two passes over memory fewer a step, the same numbers but for rounding.
    Source: Kingma and Ba, *Adam: a method for stochastic optimization*, 2015.

    Attributes
    ----------
    first, second
        float32[networks, size]: the scaled moments.
    steps
        int64[networks]: updates so far.
    """

    def __init__(
        self,
        networks: int,
        size: int,
        learning_rate: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        self.learning_rate, self.beta1, self.beta2, self.epsilon = learning_rate, beta1, beta2, epsilon
        self.first = np.zeros((networks, size), np.float32)
        self.second = np.zeros((networks, size), np.float32)
        self.steps: NDArray[np.int64] = np.zeros(networks, np.int64)
        self._work = np.empty(size, np.float32)

    def update(self, flat: FloatArray, gradient: FloatArray) -> None:
        """Move ``flat`` float32[k, size] along ``gradient``, which is used up; k ≤ networks."""
        spread = np.sqrt(1 - self.beta2)
        epsilon = np.float32(self.epsilon / spread)
        work = self._work
        # Network by network: five rows of parameters stay in the second-level cache, ten networks' would not.
        for i in range(len(flat)):
            self.steps[i] += 1
            t = int(self.steps[i])
            correction = np.sqrt(1 - self.beta2**t) / (1 - self.beta1**t)
            rate = np.float32(self.learning_rate * correction * (1 - self.beta1) / spread)
            g, m, v = gradient[i], self.first[i], self.second[i]
            m *= np.float32(self.beta1)
            m += g
            v *= np.float32(self.beta2)
            np.multiply(g, g, out=g)
            v += g
            np.sqrt(v, out=work)
            work += epsilon
            np.divide(m, work, out=work)
            work *= rate
            flat[i] -= work
