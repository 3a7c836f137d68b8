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

_BLOCK = 96  # rows of the block matrix: wide enough for BLAS, narrow enough to waste little
_MATRIX_LIMIT = 2_000_000  # elements; odd ratios would need more and take the gather path instead
_GATHER_ROWS = 4096


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
    out = np.empty(math.ceil(len(samples) * target / rate), np.float32)
    made = RESAMPLERS[method](samples, rate, target)[: len(out)]
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
    if up * (down + _taps(up, down).shape[1]) > _MATRIX_LIMIT:
        return _by_gather(samples, up, down, n_out)
    return _by_blocks(samples, up, down, n_out)


@lru_cache(maxsize=16)
def _taps(up: int, down: int) -> FloatArray:
    """Return the filter of every phase, float32[up, 2 L].

    Output ``t`` lies at input position ``t * down / up`` = n + fraction, and is
    ``taps[t % up] @ x[n - L + 1 : n + L + 1]``. Each tap is read from a table of the window's right half, 512
    entries a zero crossing, with linear interpolation.
    """
    table_size = _PRECISION * _ZEROS
    sinc = _ROLL_OFF * np.sinc(_ROLL_OFF * np.linspace(0, _ZEROS, table_size + 1))
    window = sinc * np.kaiser(2 * table_size + 1, _BETA)[table_size:]
    scale = min(1.0, up / down)
    window = window * scale
    slope = np.diff(window, append=window[-1])
    step = max(1, int(scale * _PRECISION))
    length = len(window) // step
    taps = np.zeros((up, 2 * length))
    for phase in range(up):
        fraction = scale * (phase * down % up) / up
        for part, side in ((fraction, -1), (scale - fraction, 1)):
            offset = int(part * _PRECISION)
            eta = part * _PRECISION - offset
            at = offset + step * np.arange((len(window) - offset) // step)
            wing = window[at] + eta * slope[at]
            if side < 0:
                taps[phase, length - len(wing) : length] = wing[::-1]
            else:
                taps[phase, length : length + len(wing)] = wing
    return taps.astype(np.float32)


@lru_cache(maxsize=16)
def _blocks(up: int, down: int) -> tuple[tuple[FloatArray, ...], int, int, int]:
    """Return the filter as a block-Toeplitz matrix, cut into pieces no taller than a block of input.

    A block of D input samples gives U output samples by a matrix of D + 2 L - 1 rows. Successive input windows
    overlap, which BLAS does not allow; piece ``i`` therefore multiplies the plain, unshared reshaping of the
    input that starts ``i`` blocks later, and the pieces' products are added.
    """
    taps = _taps(up, down)
    times = max(1, math.ceil(_BLOCK / down))
    d, u, width = down * times, up * times, taps.shape[1]
    matrix = np.zeros((d + width - 1, u), np.float32)
    for j in range(u):
        n = j * down // up
        matrix[n : n + width, j] = taps[j % up]
    pieces = tuple(np.ascontiguousarray(matrix[i : i + d]) for i in range(0, len(matrix), d))
    return pieces, d, u, width // 2


def _by_blocks(samples: FloatArray, up: int, down: int, n_out: int) -> FloatArray:
    pieces, d, u, length = _blocks(up, down)
    blocks = math.ceil(n_out / u)
    padded = borrow("resample.in", (blocks + len(pieces)) * d, "float32")
    lead = min(len(samples), len(padded) - (length - 1))
    padded[: length - 1] = 0
    padded[length - 1 : length - 1 + lead] = samples[:lead]
    padded[length - 1 + lead :] = 0
    out = borrow("resample.out", blocks * u, "float32").reshape(blocks, u)
    more = borrow("resample.more", blocks * u, "float32").reshape(blocks, u)
    for i, piece in enumerate(pieces):
        rows = padded[i * d : (i + blocks) * d].reshape(blocks, d)[:, : len(piece)]
        if i == 0:
            np.matmul(rows, piece, out=out)
        else:
            np.matmul(rows, piece, out=more)
            out += more
    return out.reshape(-1)[:n_out]


def _by_gather(samples: FloatArray, up: int, down: int, n_out: int) -> FloatArray:
    taps = _taps(up, down)
    width = taps.shape[1]
    padded = np.zeros(len(samples) + 2 * width, np.float32)
    padded[width // 2 - 1 : width // 2 - 1 + len(samples)] = samples
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    out = np.empty(n_out, np.float32)
    for begin in range(0, n_out, _GATHER_ROWS):
        t: NDArray[np.int64] = np.arange(begin, min(begin + _GATHER_ROWS, n_out), dtype=np.int64)
        np.einsum("tk,tk->t", windows[t * down // up], taps[t % up], out=out[begin : begin + len(t)])
    return out


RESAMPLERS = {"soxr_hq": _soxr_hq, "kaiser_fast": _kaiser_fast}
