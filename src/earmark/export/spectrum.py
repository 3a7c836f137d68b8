"""Framing, window, Fourier transform, power and mel bands as operators that every runtime has.

ONNX has a transform of its own, but few runtimes run it. Here it is two matrix products, after Cooley and Tukey, *An
algorithm for the machine calculation of complex Fourier series*, 1965. With a frame of N = P Q samples, n = Q p + q,
and k = a + P b,

    X[a + P b] = Σ_q  e^(-2πi q (a / N + b / Q))  Σ_p  x[Q p + q] e^(-2πi p a / P)

The inner sum is a product with one matrix, the outer one with a matrix for each a. As x is real, X[N - k] is the
conjugate of X[k], and a from 0 to P / 2 is enough: every k is then there, or N - k is. That takes N (P + 2 Q)
multiplications where one product would take N²; and each sum is short, so that its rounding is as small as that of a
fast transform.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from earmark.errors import ExportError
from earmark.export.graph import WAVEFORM, SoundGraph
from earmark.features.mel import MelSpectrum, mel_filters
from earmark.features.spectral import AMIN, Spectral

_MOST_NUMBERS = 2**26  # of the matrices of one transform: a frame length that is twice a large prime has more


class Heard(NamedTuple):
    """The names of what is made of the waveform.

    Parameters
    ----------
    log_mel
        float32[batch, frames, n_mels], natural logarithm of the power, floor applied.
    power
        float32[batch, frames, …], the bins in the order of `bins`.
    """

    log_mel: str
    power: str


def hear(graph: SoundGraph, feature: Spectral) -> Heard:
    """Add what `earmark.features.spectral.hear` does, each spectrum once."""
    mel, top_db = feature.spectrum, feature.top_db
    power = graph.once(("power", mel.n_fft, mel.hop_length), lambda: _power(graph, mel))

    def bands() -> str:
        filters = mel_filters(mel.sample_rate, mel.n_fft, mel.n_mels, mel.fmin, feature.top_hz)
        return graph.node("MatMul", power, in_order(filters.T, mel.n_fft))

    def levels() -> str:
        found = graph.once(("mel", mel), bands)
        top = graph.node("ReduceMax", found, axes=[1, 2], keepdims=1)
        below = graph.node("Mul", top, np.array(10.0 ** (-top_db / 10.0)))
        floor = graph.node("Max", below, np.array(AMIN))
        return graph.node("Log", graph.node("Max", found, floor))

    return Heard(graph.once(("log_mel", mel, top_db), levels), power)


def _power(graph: SoundGraph, mel: MelSpectrum) -> str:
    n_fft = mel.n_fft
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    parts = graph.node("Mul", frames(graph, n_fft, mel.hop_length), window)
    return squared(graph, parts, n_fft)


def padded(graph: SoundGraph, n_fft: int) -> str:
    """Add the waveform with ``n_fft // 2`` zeros on either side."""
    half = n_fft // 2
    around = np.array([0, half, 0, half])
    return str(graph.once(("padded", n_fft), lambda: graph.node("Pad", WAVEFORM, around, mode="constant")))


def frame_count(graph: SoundGraph, hop: int) -> str:
    """Add the number of frames, int64[1]."""

    def count() -> str:
        whole = graph.node("Div", graph.size(WAVEFORM, 1), np.array([hop]))
        return graph.node("Add", whole, np.array([1]))

    return str(graph.once(("frames", hop), count))


def frames(graph: SoundGraph, n_fft: int, hop: int) -> str:
    """Add the frames of the waveform, float32[batch, frames, n_fft]: centred, zeros around."""
    pieces, at = cut(graph, padded(graph, n_fft), n_fft, hop, frame_count(graph, hop))
    whole = graph.node("Gather", pieces, at, axis=1)
    return graph.node("Reshape", whole, np.array([0, 0, n_fft]))


def cut(graph: SoundGraph, samples: str, length: int, hop: int, count: str) -> tuple[str, str]:
    """Cut samples into the pieces that overlapping windows share.

    Parameters
    ----------
    samples
        float32[batch, T].
    length, hop
        Of the windows, in samples.
    count
        int64[1]: how many windows there are; they must lie within the samples.

    Returns
    -------
    The pieces float32[batch, pieces, size], and which of them each window has, int64[count, length / size].
    """
    size = math.gcd(length, hop)
    there = graph.node("Div", graph.size(samples, 1), np.array([size]))
    whole = graph.slice(samples, 0, graph.node("Mul", there, np.array([size])), 1)
    pieces = graph.node("Reshape", whole, np.array([0, -1, size]))
    first = graph.node(
        "Mul", graph.node("Unsqueeze", graph.numbers(count), np.array([1])), np.array(hop // size)
    )
    return pieces, graph.node("Add", first, np.arange(length // size)[None])


def squared(graph: SoundGraph, parts: str, n_fft: int, double: bool = False) -> str:
    """Add the power spectrum of windowed frames [batch, frames, n_fft], its bins in the order of `bins`.

    ``double`` takes and gives double precision.
    """
    _, outer = factors(n_fft)
    precise = _matrices(n_fft)
    first, second = (graph.constant(matrix, double) for matrix in (precise[0], precise[1][:, None]))
    rows = len(precise[1])
    columns = graph.node("Reshape", parts, np.array([0, 0, n_fft // outer, outer]))
    inner = graph.node("Reshape", graph.node("MatMul", first, columns), np.array([0, 0, rows, 2 * outer]))
    by_row = graph.node("Transpose", inner, perm=[2, 0, 1, 3])
    both = graph.node("MatMul", by_row, second)
    squares = graph.node("Mul", both, both)
    real, imaginary = graph.slice(squares, 0, outer, 3), graph.slice(squares, outer, 2 * outer, 3)
    power = graph.node("Transpose", graph.node("Add", real, imaginary), perm=[1, 2, 0, 3])
    return graph.node("Reshape", power, np.array([0, 0, rows * outer]))


def factors(n_fft: int) -> tuple[int, int]:
    """Return the lengths P and Q of the inner and of the outer sum: those with the fewest multiplications.

    >>> factors(2048), factors(1000)
    ((64, 32), (40, 25))
    """
    divisors = (p for p in range(1, n_fft + 1) if n_fft % p == 0)
    inner = min(divisors, key=lambda p: (p + 2 * (n_fft // p), p))
    return inner, n_fft // inner


@lru_cache(maxsize=4)
def _matrices(n_fft: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the matrix of the inner sum float64[2 rows, P], and those of the outer float64[rows, 2 Q, 2 Q].

    Real and imaginary parts are rows by turns in the first; in the second, and in what it gives, the real ones come
    first.
    """
    p, q = factors(n_fft)
    rows = p // 2 + 1
    if 2 * rows * p + 4 * rows * q * q > _MOST_NUMBERS:
        raise ExportError(
            f"A Fourier transform of {n_fft} samples is too large for a graph, because {n_fft} has a large prime"
            " factor. Train with another n_fft, such as a power of two."
        )
    a, b = np.arange(rows), np.arange(q)
    inner = np.exp(-2j * np.pi * (np.outer(a, np.arange(p)) % p) / p)
    turns = (a[:, None, None] * b[:, None] + p * np.outer(b, b)) % n_fft
    outer = np.exp(-2j * np.pi * turns / n_fft)
    first = np.stack([inner.real, inner.imag], axis=1).reshape(2 * rows, p)
    real = np.concatenate([outer.real, outer.imag], axis=2)
    imaginary = np.concatenate([-outer.imag, outer.real], axis=2)
    return first, np.concatenate([real, imaginary], axis=1)


@lru_cache(maxsize=4)
def bins(n_fft: int) -> NDArray[np.int64]:
    """Return which bin each value of `squared` is; -1 for one that is there already.

    >>> bins(8).tolist()
    [0, 4, 1, 3, 2, -1]
    """
    p, q = factors(n_fft)
    found = (np.arange(p // 2 + 1)[:, None] + p * np.arange(q)).ravel()
    found = np.minimum(found, n_fft - found)
    _, first = np.unique(found, return_index=True)
    once = np.full(len(found), -1)
    once[first] = found[first]
    return once


def in_order(rows: NDArray[np.floating], n_fft: int) -> NDArray[np.floating]:
    """Return a row for each value of `squared`, given one for each bin: what the power is multiplied with."""
    order = bins(n_fft)
    return np.where((order >= 0)[:, None], rows[order], 0)
