"""`Session`: weights, ready to be run. What comes from outside is not trusted: shapes and values are checked."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any

import numpy as np

from earmark.encoders import weights
from earmark.errors import WeightsError
from earmark.types import FloatArray

_AT_ONCE = 16  # windows: enough for BLAS, and a long recording does not fill the memory
_KEPT = 2  # sessions of a process


class Session:
    """An encoder's network.

    Parameters
    ----------
    data
        ONNX: one input float32[n, …] or of one window at a time, one output float32[n, size].
    shape
        Of a window, as the network takes it.
    size
        Length of an embedding; 0 takes what there is.

    Raises
    ------
    WeightsError
        When it cannot be loaded, or is not of that kind.

    Attributes
    ----------
    size
        Length of an embedding.
    """

    def __init__(self, data: bytes, shape: tuple[int, ...], size: int = 0) -> None:
        self._session = _load(data)
        self.size = 0
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1 or inputs[0].type != "tensor(float)":
            raise WeightsError(
                f"The encoder's network has {len(inputs)} inputs and {len(outputs)} outputs, but must have one input"
                " float32[n, …] and one output."
            )
        self._input, self._output, self._shape = inputs[0].name, outputs[0].name, shape
        takes = list(inputs[0].shape)
        self._single = len(takes) == len(shape) or takes[:1] == [1]
        self._bare = len(takes) == len(shape)
        known = takes if self._bare else takes[1:]
        if len(known) != len(shape) or any(
            isinstance(got, int) and got != want for got, want in zip(known, shape, strict=True)
        ):
            raise WeightsError(
                f"The encoder's network takes windows of shape {_text(known)}, but these settings give"
                f" {_text(shape)}. Set feature.sample_rate and feature.window to what it was trained with."
            )
        self.size = self.run(np.zeros((1, *shape), np.float32)).shape[1]
        if size not in (0, self.size):
            raise WeightsError(f"The encoder's network gives vectors of {self.size}, where {size} belong.")

    def run(self, windows: FloatArray) -> FloatArray:
        """Return float32[n, size] for windows float32[n, *shape].

        Raises
        ------
        WeightsError
            When the network does not give one finite vector a window.
        """
        step = 1 if self._single else _AT_ONCE
        parts = [self._some(windows[i : i + step]) for i in range(0, len(windows), step)]
        return np.concatenate(parts)

    def _some(self, windows: FloatArray) -> FloatArray:
        given = windows[0] if self._bare else windows
        try:
            found = self._session.run([self._output], {self._input: given})[0]
        except Exception as error:  # ONNX Runtime has no common base for what it raises
            raise WeightsError(f"The encoder's network cannot be run: {_first_line(error)}") from None
        values = np.asarray(found, np.float32)
        if self._bare and values.ndim == 1:
            values = values[None]
        size = self.size
        if values.ndim != 2 or len(values) != len(windows) or (size and values.shape[1] != size):
            raise WeightsError(
                f"The encoder's network gives {_text(values.shape)} for {len(windows)} windows, but must give one"
                f" vector{f' of {size}' if size else ''} a window."
            )
        if not np.isfinite(values).all():
            raise WeightsError("The encoder's network gives numbers that are not finite.")
        return values


def _load(data: bytes) -> Any:
    import onnxruntime

    if len(data) > weights.MOST_BYTES:
        raise WeightsError(
            f"The encoder's weights are larger than they may be ({weights.MOST_BYTES // 2**20} MiB)."
        )
    if b"location" in data:  # how an ONNX file refers to weights in other files
        raise WeightsError("The encoder's network refers to files outside itself. Export it as one file.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # clips run side by side instead
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the same
        raise WeightsError(f"The encoder's network cannot be loaded: {_first_line(error)}") from None


_sessions: OrderedDict[tuple[str, tuple[int, ...], int], Session] = OrderedDict()
_lock = Lock()


def session_of(sha256: str, shape: tuple[int, ...], size: int) -> Session:
    """Return the network of the weights with this SHA-256, loaded once a process.

    Raises
    ------
    WeightsError
        When there are no such weights, or they do not fit.
    """
    key = sha256, shape, size
    with _lock:
        session = _sessions.get(key)
        if session is None:
            session = _sessions[key] = Session(weights.get(sha256), shape, size)
            if len(_sessions) > _KEPT:
                _sessions.popitem(last=False)
        _sessions.move_to_end(key)
    return session


def _text(shape: Any) -> str:
    return "[" + ", ".join(str(n) for n in shape) + "]"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
