"""Two resamplers. Which one was used changes features by up to 27 in a coefficient, so it is a setting.

``soxr_hq``
    libsoxr's high-quality setting, as `librosa.resample(res_type="soxr_hq")`. The default.
``kaiser_fast``
    Windowed-sinc interpolation with a short Kaiser window, as `resampy` defines it and as older tutorials
    use it. Regenerated here from its definition.

Source of the method: J. O. Smith, *Digital Audio Resampling Home Page*, https://ccrma.stanford.edu/~jos/resample/.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from earmark.audio.scratch import borrow
from earmark.errors import UnknownNameError
from earmark.types import FloatArray

# The published parameters of kaiser_fast.
_ZEROS, _PRECISION = 24, 512
_ROLL_OFF, _BETA = 0.8682120388377784, 9.9032243677

_BLOCK = 512  # outputs of a block, at least
_COLUMNS = 32  # outputs of a product: enough for BLAS, few enough that little of the matrix is zero
_SPAN = 1 << 18  # samples of input at a time
_LIMIT = 8_000_000  # elements of a matrix; the oddest ratios would need more and take the gather path instead
_AT_ONCE = 100_000  # elements of filters


def resample(samples: FloatArray, rate: int, target: int, method: str = "soxr_hq") -> FloatArray:
    """Return ``samples`` at the rate ``target``.

    Parameters
    ----------
    samples
        float32[T].
    rate, target
        Hz.
    method
        ``"soxr_hq"`` or ``"kaiser_fast"``.

    Returns
    -------
    float32[ceil(T * target / rate)]

    Examples
    --------
    >>> resample(np.zeros(44_100, np.float32), 44_100, 22_050).shape
    (22050,)
    """
    if method not in RESAMPLERS:
        raise UnknownNameError("resampler", method, RESAMPLERS)
    if rate == target:
        return samples
    length = math.ceil(len(samples) * target / rate)
    made = RESAMPLERS[method](samples, rate, target)
    if len(made) >= length:
        return made[:length]
    out = np.empty(length, np.float32)
    out[: len(made)] = made
    out[len(made) :] = 0
    return out


def _soxr_hq(samples: FloatArray, rate: int, target: int) -> FloatArray:
    import soxr

    result: FloatArray = soxr.resample(samples, rate, target, quality="HQ")
    return result


def _kaiser_fast(samples: FloatArray, rate: int, target: int) -> FloatArray:
    n_out = len(samples) * target // rate
    divisor = math.gcd(rate, target)
    up, down = target // divisor, rate // divisor
    if up * (_COLUMNS * down // up + _width(up, down)) > _LIMIT:
        return _by_gather(samples, up, down, n_out)
    return _by_blocks(samples, up, down, n_out)


def _width(up: int, down: int) -> int:
    """Return the length of every filter: its two wings are read from the table at this step."""
    return 2 * ((_PRECISION * _ZEROS + 1) // _step(min(1.0, up / down)))


def _step(scale: float) -> int:
    return max(1, int(scale * _PRECISION))


@lru_cache(maxsize=1)
def _window() -> NDArray[np.float64]:
    """Return the right half of the windowed sinc, 512 entries a zero crossing."""
    table_size = _PRECISION * _ZEROS
    sinc = _ROLL_OFF * np.sinc(_ROLL_OFF * np.linspace(0, _ZEROS, table_size + 1))
    half: NDArray[np.float64] = sinc * np.kaiser(2 * table_size + 1, _BETA)[table_size:]
    return half


def _filters(up: int, down: int, begin: int, end: int) -> FloatArray:
    """Return the filters of the phases ``begin`` to ``end``, float32[end - begin, 2 L].

    Output ``t`` lies at input position ``t * down / up`` = n + fraction, and is
    ``filters[t % up] @ x[n - L + 1 : n + L + 1]``. Each tap is read from the window's table with linear interpolation.
    """
    scale = min(1.0, up / down)
    window = _window() * scale
    slope = np.diff(window, append=window[-1])
    length = _width(up, down) // 2
    filters = np.empty((end - begin, 2 * length), np.float32)
    fraction = scale * (np.arange(begin, end) * down % up) / up
    step, taps = _step(scale), np.arange(length)
    left, right = filters[:, length - 1 :: -1], filters[:, length:]
    for wing, part in ((left, fraction), (right, scale - fraction)):
        offset = (part * _PRECISION).astype(np.int64)
        inside = taps < (len(window) - offset[:, None]) // step
        at = np.where(inside, offset[:, None] + step * taps, 0)
        eta = (part * _PRECISION - offset)[:, None]
        wing[:] = (window[at] + eta * slope[at]) * inside
    return filters


def _taps(up: int, down: int) -> FloatArray:
    """Return the filters of all phases, float32[up, 2 L]."""
    rows = max(1, _AT_ONCE // _width(up, down))
    return np.concatenate([_filters(up, down, i, min(i + rows, up)) for i in range(0, up, rows)])


@lru_cache(maxsize=8)
def _blocks(up: int, down: int) -> tuple[list[tuple[int, slice, FloatArray]], int, int, int]:
    """Return the filter as a block-Toeplitz matrix, without most of its zeros.

    A block of D input samples gives U output samples by a matrix that is zero away from its diagonal. It is cut into
    groups of columns, each with only the rows that it touches: the first row, the columns, the matrix. D is no shorter
    than any of them is tall, so that every group multiplies a plain reshaping of the input from that row on.
    """
    taps = _taps(up, down)
    width = taps.shape[1]
    tallest = _COLUMNS * down // up + 1 + width
    times = math.ceil(max(_BLOCK / up, tallest / down))
    u, d = up * times, down * times
    groups = []
    for begin in range(0, u, _COLUMNS):
        columns = range(begin, min(begin + _COLUMNS, u))
        first, last = begin * down // up, columns[-1] * down // up + width
        matrix = np.zeros((last - first, len(columns)), np.float32)
        for j in columns:
            n = j * down // up - first
            matrix[n : n + width, j - begin] = taps[j % up]
        groups.append((first, slice(begin, columns[-1] + 1), matrix))
    return groups, d, u, width // 2


def _by_blocks(samples: FloatArray, up: int, down: int, n_out: int) -> FloatArray:
    groups, d, u, length = _blocks(up, down)
    blocks = math.ceil(n_out / u)
    if blocks == 1:
        groups = [group for group in groups if group[1].start < n_out]
    out = np.empty((blocks, u), np.float32)
    span = max(1, _SPAN // d)
    padded = borrow("resample.in", (min(span, blocks) + 1) * d, "float32")
    for begin in range(0, blocks, span):
        count = min(span, blocks - begin)
        _cut(samples, begin * d - (length - 1), padded[: (count + 1) * d])
        for first, columns, matrix in groups:
            rows = padded[first : first + count * d].reshape(count, d)[:, : len(matrix)]
            np.matmul(rows, matrix, out=out[begin : begin + count, columns])
    return out.reshape(-1)[:n_out]


def _cut(samples: FloatArray, first: int, out: FloatArray) -> None:
    """Write what is there from sample ``first`` on, zeros before the beginning and after the end."""
    before = max(0, min(-first, len(out)))
    piece = samples[first + before : max(0, first + len(out))]
    out[:before] = 0
    out[before : before + len(piece)] = piece
    out[before + len(piece) :] = 0


def _by_gather(samples: FloatArray, up: int, down: int, n_out: int) -> FloatArray:
    width = _width(up, down)
    taps = _kept_taps(up, down) if up * width <= 2 * _LIMIT else None
    out = np.empty(n_out, np.float32)
    begin = 0
    while begin < n_out:
        phase = begin % up
        count = min(max(1, _AT_ONCE // width), n_out - begin, up - phase)
        at = np.arange(begin, begin + count, dtype=np.int64) * down // up
        first, last = int(at[0]), int(at[-1])
        piece = borrow("resample.in", last - first + width, "float32")
        _cut(samples, first - (width // 2 - 1), piece)
        windows = np.lib.stride_tricks.sliding_window_view(piece, width)[at - first]
        now = _filters(up, down, phase, phase + count) if taps is None else taps[phase : phase + count]
        np.einsum("tk,tk->t", windows, now, out=out[begin : begin + count])
        begin += count
    return out


_kept_taps = lru_cache(maxsize=1)(_taps)


RESAMPLERS = {"soxr_hq": _soxr_hq, "kaiser_fast": _kaiser_fast}
