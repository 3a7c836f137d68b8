"""Reads a TensorFlow Lite file: its tensors and operators, of one subgraph. Nothing is run.

The format is a FlatBuffer: tables that name their fields by a list of offsets. Source: the schema of TensorFlow Lite,
``schema.fbs``, version 3.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import WeightsError
from earmark.types import FloatArray

CONV_2D, DEPTHWISE_CONV_2D, MEAN = 3, 4, 40  # of the schema's BuiltinOperator
_DTYPES: dict[int, np.dtype[Any]] = {
    0: np.dtype("<f4"),
    1: np.dtype("<f2"),
    2: np.dtype("<i4"),
    9: np.dtype("i1"),
}
_MOST = 100_000  # entries of any list: a damaged length must not be walked to its end


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A tensor of the graph.

    Parameters
    ----------
    name, shape
        As the file has them.
    values
        What is stored; ``None`` for what is computed.
    scale, zero, axis
        How whole numbers stand for fractions, ``(values - zero) * scale``, each along ``axis`` where there are
        several; ``scale`` is empty where they do not.
    """

    name: str
    shape: tuple[int, ...]
    values: NDArray[Any] | None
    scale: FloatArray
    zero: NDArray[np.int64]
    axis: int


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """A step of the graph.

    Parameters
    ----------
    code
        A number of the schema's ``BuiltinOperator``.
    inputs, outputs
        Tensors by number; -1 is one that is left out.
    options
        The table of settings.
    """

    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None


class Table:
    """A FlatBuffer table at a place in the data; each field is known by its number in the schema."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - self._read("<i", at)
        self._size = self._read("<H", self._fields)

    def _read(self, form: str, at: int) -> int:
        if at < 0:
            raise IndexError(at)
        value: int = struct.unpack_from(form, self._data, at)[0]
        return value

    def _field(self, number: int) -> int:
        """Return where a field is; 0 where it has its default."""
        slot = 4 + 2 * number
        offset = self._read("<H", self._fields + slot) if slot < self._size else 0
        return self._at + offset if offset else 0

    def number(self, field: int, form: str = "<i", default: int = 0) -> int:
        """Return a number."""
        at = self._field(field)
        return self._read(form, at) if at else default

    def table(self, field: int) -> Table | None:
        """Return a table that a field refers to."""
        at = self._field(field)
        return Table(self._data, at + self._read("<I", at)) if at else None

    def tables(self, field: int) -> list[Table]:
        """Return a list of tables."""
        at, count = self._list(field)
        return [Table(self._data, at + 4 * i + self._read("<I", at + 4 * i)) for i in range(count)]

    def array(self, field: int, dtype: str) -> NDArray[Any]:
        """Return a list of numbers; an empty one where there is none."""
        at = self._field(field)
        if not at:
            return np.empty(0, dtype)
        start = at + self._read("<I", at)
        return np.frombuffer(self._data, dtype, self._read("<I", start), start + 4)

    def _list(self, field: int) -> tuple[int, int]:
        at = self._field(field)
        if not at:
            return 0, 0
        start = at + self._read("<I", at)
        count = self._read("<I", start)
        if count > _MOST:
            raise ValueError(f"a list of {count} entries")
        return start + 4, count


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """What a file holds: the tensors, and the steps in the order in which they are taken."""

    tensors: list[Tensor]
    operators: list[Operator]
    inputs: tuple[int, ...]


def is_tflite(data: bytes) -> bool:
    """Say whether these are the bytes of a TensorFlow Lite file, by its mark."""
    return data[4:8] == b"TFL3"


def read_tflite(data: bytes) -> Graph:
    """Read a file.

    Raises
    ------
    WeightsError
        When it is damaged.
    """
    try:
        return _graph(data)
    except (struct.error, ValueError, LookupError, OverflowError, RecursionError) as error:
        raise WeightsError(
            f"The TensorFlow Lite file is damaged ({type(error).__name__}). Get it anew."
        ) from None


def _graph(data: bytes) -> Graph:
    model = Table(data, struct.unpack_from("<I", data)[0])
    # An operator beyond the 127th has its number in a second field.
    codes = [max(code.number(0, "<b"), code.number(3)) for code in model.tables(1)]
    buffers = [buffer.array(0, "u1") for buffer in model.tables(4)]
    subgraph = model.tables(2)[0]
    tensors = [_tensor(table, buffers) for table in subgraph.tables(0)]
    operators = [
        Operator(codes[op.number(0, "<I")], _numbers(op, 1), _numbers(op, 2), op.table(4))
        for op in subgraph.tables(3)
    ]
    return Graph(tensors, operators, _numbers(subgraph, 1))


def _numbers(table: Table, field: int) -> tuple[int, ...]:
    return tuple(table.array(field, "<i4").tolist())


def _tensor(table: Table, buffers: list[NDArray[Any]]) -> Tensor:
    shape, kind = _numbers(table, 0), table.number(1, "<b")
    stored, values = buffers[table.number(2, "<I")], None
    if len(stored) and kind in _DTYPES:
        flat = stored.view(_DTYPES[kind])
        if len(flat) != math.prod(shape):
            raise ValueError("a tensor of another size than its shape")
        values = flat.reshape(shape)
    how = table.table(4)
    scale = how.array(2, "<f4") if how else np.empty(0, np.float32)
    zero = how.array(3, "<i8") if how else np.empty(0, np.int64)
    name = bytes(table.array(3, "u1")).decode("utf-8", "replace")
    return Tensor(name, shape, values, scale, zero, how.number(6) if how else 0)
