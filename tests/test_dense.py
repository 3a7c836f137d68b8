"""The networks: gradients, optimiser and dropout against independent references."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import softmax
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer

from earmark.models.dense import Adam, Gradient, Shape, glorot, logits
from earmark.models.mlp import Mlp
from earmark.train.batches import STEPS, Chunk, Member
from earmark.train.problem import Problem, State, Task
from earmark.train.settings import TrainSettings

SHAPE = Shape((5, 7, 6, 4))


def batch(k=2, rows=8, shape=SHAPE, seed=0):
    rng = np.random.default_rng(seed)
    inputs = np.ones((k, rows, shape.widths[0] + 1), np.float32)
    inputs[:, :, :-1] = rng.standard_normal((k, rows, shape.widths[0]))
    targets = rng.integers(0, shape.widths[-1], (k, rows))
    weights = rng.uniform(0.5, 2, (k, rows, 1)).astype(np.float32) / rows
    return inputs, targets, np.eye(shape.widths[-1], dtype=np.float32)[targets], weights


def loss64(flat, shape, inputs, targets, weights, masks):
    """The weighted cross-entropy, written again from its definition in double precision."""
    hidden = inputs[:, :-1].astype(np.float64)
    begin = 0
    layers = list(zip(shape.widths, shape.widths[1:], strict=False))
    for i, (rows, columns) in enumerate(layers):
        layer = flat[begin : begin + (rows + 1) * columns].reshape(rows + 1, columns)
        begin += (rows + 1) * columns
        hidden = hidden @ layer[:-1] + layer[-1]
        if i < len(layers) - 1:
            hidden = np.maximum(hidden, 0) * (masks[i] if masks else 1)
    log_sum = np.log(np.exp(hidden - hidden.max(1, keepdims=True)).sum(1)) + hidden.max(1)
    return float((weights[:, 0] * (log_sum - hidden[np.arange(len(targets)), targets])).sum())


@pytest.mark.parametrize("dropout", [False, True])
def test_gradients_agree_with_finite_differences(dropout):
    inputs, targets, onehot, weights = batch()
    flat = np.stack([glorot(SHAPE, seed) for seed in (1, 2)]) + 0.05
    rng = np.random.default_rng(3)
    masks = (
        [(rng.random((2, 8, w)) < 0.5).astype(np.float32) * 2 for w in SHAPE.widths[1:-1]] if dropout else []
    )
    gradient = Gradient(SHAPE, 2, 8)(flat, inputs, onehot, weights, masks).copy()
    for k in range(2):
        arguments = (SHAPE, inputs[k], targets[k], weights[k], [m[k] for m in masks])
        numeric = optimize.approx_fprime(flat[k].astype(np.float64), loss64, 1e-6, *arguments)
        assert np.abs(gradient[k] - numeric).max() < 1e-5


def test_adam_agrees_with_scikit_learns():
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((2, 30)).astype(np.float32)
    ours, reference = flat.copy(), flat.astype(np.float64)
    adam = Adam(2, 30, learning_rate=0.01, epsilon=1e-7)
    theirs = [AdamOptimizer([reference[k]], 0.01, 0.9, 0.999, 1e-7) for k in range(2)]
    for _ in range(300):
        gradient = rng.standard_normal((2, 30)).astype(np.float32)
        for k in range(2):
            theirs[k].update_params([reference[k]], [gradient[k].astype(np.float64)])
        adam.update(ours, gradient.copy())
    assert np.abs(ours - reference).max() < 2e-5
    assert adam.steps.tolist() == [300, 300]


def test_adam_agrees_with_pytorch_where_it_is_installed():
    torch = pytest.importorskip(
        "torch", reason="PyTorch is not installed: scikit-learn is the reference here"
    )
    rng = np.random.default_rng(0)
    ours = rng.standard_normal((1, 20)).astype(np.float32)
    parameter = torch.nn.Parameter(torch.tensor(ours[0].copy()))
    theirs = torch.optim.Adam([parameter], lr=0.01, eps=1e-30)  # its ε stands elsewhere, so take none
    adam = Adam(1, 20, learning_rate=0.01, epsilon=1e-30)
    for _ in range(200):
        gradient = rng.standard_normal((1, 20)).astype(np.float32)
        parameter.grad = torch.tensor(gradient[0].copy())
        theirs.step()
        adam.update(ours, gradient.copy())
    assert np.abs(ours[0] - parameter.detach().numpy()).max() < 1e-5


def member(dropout: float, rows: int = 512, batch_size: int = 32, seed: int = 0) -> tuple[Member, Chunk]:
    rng = np.random.default_rng(0)
    model = Mlp(hidden=(50, 30), dropout=dropout)
    problem = Problem(
        rng.standard_normal((rows, 4)).astype(np.float32),
        rng.integers(0, 3, rows),
        3,
        model,
        TrainSettings(batch_size=batch_size),
    )
    task = Task(np.arange(rows), np.empty(0, np.int64), seed)
    made = Member(problem, task, State.fresh(problem.shape, seed))
    made.start_epoch()
    return made, Chunk(problem.shape, 1, STEPS * batch_size, dropout)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_the_right_share_evenly_and_keeps_the_mean(rate):
    made, chunk = member(rate)
    chunk.fill(0, made, 0)
    masks = np.concatenate([m.reshape(-1) for m in chunk.masks])
    assert set(np.unique(masks)) == {np.float32(0), np.float32(1 / (1 - rate))}
    dropped = int((masks == 0).sum())
    assert stats.binomtest(dropped, masks.size, rate).pvalue > 1e-4
    by_unit = (chunk.masks[0][0] == 0).sum(axis=0)
    expected = np.full(50, by_unit.sum() / 50)
    assert stats.chisquare(by_unit, expected).pvalue > 1e-4
    first, second = masks[:-1] == 0, masks[1:] == 0
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03


def test_dropout_differs_by_seed_and_epoch_only():
    def masks(seed: int, epoch: int) -> np.ndarray:
        made, chunk = member(0.5, seed=seed)
        made.state.epoch = epoch
        made.start_epoch()
        chunk.fill(0, made, 0)
        return chunk.masks[0].copy()

    assert np.array_equal(masks(0, 0), masks(0, 0))
    assert not np.array_equal(masks(0, 0), masks(0, 1))
    assert not np.array_equal(masks(0, 0), masks(1, 0))


def test_no_dropout_needs_no_masks():
    made, chunk = member(0.0)
    chunk.fill(0, made, 0)
    assert chunk.masks == []


def test_the_last_batch_counts_its_own_rows_only():
    made, chunk = member(0.0, rows=32 * 15 + 5)
    chunk.fill(0, made, 0)
    sums = chunk.weights[0, :, 0].reshape(-1, 32).sum(axis=1)
    assert sums == pytest.approx(np.ones(16))
    assert (chunk.weights[0, 32 * 15 + 5 :] == 0).all()


def test_initial_weights_are_glorot_uniform_and_biases_zero():
    shape = Shape((300, 200, 10))
    first = shape.layers(glorot(shape, 0))[0]
    limit = np.sqrt(6 / 500)
    assert (first[-1] == 0).all()
    assert np.abs(first[:-1]).max() <= limit
    assert stats.kstest(first[:-1].reshape(-1), "uniform", (-limit, 2 * limit)).pvalue > 1e-4


def test_stacked_gradients_are_each_networks_own_to_the_bit():
    inputs, _, onehot, weights = batch(k=5, rows=16)
    flat = np.stack([glorot(SHAPE, seed) for seed in range(5)])
    together = Gradient(SHAPE, 5, 16)(flat, inputs, onehot, weights, []).copy()
    for k in range(5):
        one = slice(k, k + 1)
        alone = Gradient(SHAPE, 1, 16)(flat[one], inputs[one], onehot[one], weights[one], [])
        assert np.array_equal(alone[0], together[k])


def test_softmax_and_logits_agree_with_the_gradient_pass():
    inputs, _, onehot, weights = batch(k=1)
    flat = glorot(SHAPE, 0)[None]
    step = Gradient(SHAPE, 1, 8)
    step(flat, inputs, onehot, weights, [])
    expected = softmax(logits(SHAPE, flat[0], inputs[0, :, :-1]), axis=1)
    assert np.abs(step.probabilities[0] - expected).max() < 1e-6
    step(flat * 1e4, inputs, onehot, weights, [])  # logits far beyond what exp() takes
    assert np.abs(step.probabilities.sum(axis=2) - 1).max() < 1e-6
