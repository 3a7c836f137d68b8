"""`Part`: the features of some clips, as one file. A safetensors file, read by mapping it, never by unpickling.

The columns, for n clips (rows), of which each has so many frames (a vector is one frame):

========  ===============  ==========================================================================
keys      uint64[n, 2]     hash of where the clip is: address, start, end, size and version of the file
sounds    uint64[n, 2]     hash of what the clip sounds like: decoded samples and their rate
seconds   float64[n]       its duration
frames    int64[n]         0 where the values stand in another part under the same sound, or there are none
sums      uint64[n]        checksum of the row's values
values    [frames, dims]   float32 or float16, row after row
========  ===============  ==========================================================================

The header's metadata says in JSON which clips they are, what is wrong with those without values, and the feature;
and it holds a checksum over all but the values, so that the key columns can be trusted without reading further.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from earmark.errors import StoreError
from earmark.types import IntArray

Hashes = NDArray[np.uint64]

_COLUMNS = {"keys": "U64", "sounds": "U64", "seconds": "F64", "frames": "I64", "sums": "U64"}
_DTYPES = {"U64": np.uint64, "F64": np.float64, "I64": np.int64, "F32": np.float32, "F16": np.float16}
_VALUES = {"float32": "F32", "float16": "F16"}
# What nonsense in a header leads to.
_NONSENSE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)
_CHECK = 32  # letters of the checksum before the JSON in the header
_MAX_HEADER = 64 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Features of some clips.

    Parameters
    ----------
    keys, sounds, seconds, frames, sums, values
        The columns; see the module. ``values`` may be mapped memory, and is ``None`` where only the key columns were
        read.
    addresses, starts, ends
        Which clips they are; seconds, ``None`` for a file's own start and end.
    problems
        For a row that has no sound: kind and reason, as in `earmark.types.Problem`.
    feature
        The settings that made it.
    """

    keys: Hashes
    sounds: Hashes
    seconds: NDArray[np.float64]
    frames: IntArray
    sums: Hashes
    values: NDArray[Any] | None
    addresses: Sequence[str]
    starts: Sequence[float | None]
    ends: Sequence[float | None]
    problems: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    feature: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def offsets(self) -> IntArray:
        """int64[n + 1]: row ``i`` has the values ``offsets[i]:offsets[i + 1]``."""
        return np.concatenate([[0], np.cumsum(self.frames)]).astype(np.int64)

    def damaged(self) -> list[int]:
        """Return the rows whose values do not fit their checksum."""
        return np.flatnonzero(_sums(self) != self.sums).tolist()


def seal(part: Part) -> None:
    """Write the checksums of all rows into ``part.sums``."""
    part.sums[:] = _sums(part)


def _sums(part: Part) -> Hashes:
    if part.values is None:
        raise ValueError("only the key columns were read")
    values, offsets = np.ascontiguousarray(part.values), part.offsets.tolist()
    pairs = itertools.pairwise(offsets)
    return np.array([xxhash.xxh3_64_intdigest(values[a:b].data) for a, b in pairs], np.uint64)


def to_bytes(part: Part) -> bytes:
    """Return the part as the content of a file."""
    from safetensors.numpy import save

    tensors = {name: np.ascontiguousarray(getattr(part, name)) for name in (*_COLUMNS, "values")}
    about = json.dumps({
        "addresses": list(part.addresses),
        "starts": list(part.starts),
        "ends": list(part.ends),
        "problems": {str(row): list(words) for row, words in part.problems.items()},
        "feature": dict(part.feature),
    })  # fmt: skip
    check = _check(about, _VALUES[str(tensors["values"].dtype)], tensors["values"].shape, tensors)
    data: bytes = save(
        tensors, {"earmark": check + about}
    )  # one entry: several are written in no certain order
    return data


def _check(about: str, kind: str, shape: Sequence[int], columns: Mapping[str, NDArray[Any]]) -> str:
    """Return the checksum over all but the values, of which it covers type and shape."""
    digest = xxhash.xxh3_128(f"{about} {kind} {list(shape)}".encode())
    for column in (columns[name] for name in _COLUMNS):
        digest.update(f"{column.shape}".encode() + column.tobytes())
    return digest.hexdigest()


def header_size(head: bytes, name: str) -> int:
    """Return how many bytes of a file stand before its columns, by its first eight.

    Raises
    ------
    StoreError
        When that cannot be.
    """
    size = int.from_bytes(head[:8], "little")
    if len(head) < 8 or size > _MAX_HEADER:
        raise StoreError(f"{name} is damaged: it does not begin as a part of a feature store does.")
    return 8 + size


def keys_size(head: bytes, name: str) -> int:
    """Return up to where a file must be read to know its key columns; ``head`` holds its whole header."""
    with _sense(name):
        tensors, _ = _header(head, name)
        return header_size(head, name) + max(int(tensors[column]["data_offsets"][1]) for column in _COLUMNS)


def whole_size(head: bytes, name: str) -> int:
    """Return how long the file must be; ``head`` holds its whole header."""
    with _sense(name):
        tensors, _ = _header(head, name)
        return header_size(head, name) + max(int(tensor["data_offsets"][1]) for tensor in tensors.values())


def rows(head: bytes, name: str) -> int:
    """Return how many clips a part tells of; ``head`` holds its whole header."""
    with _sense(name):
        return int(_header(head, name)[0]["keys"]["shape"][0])


def from_buffer(data: bytes | NDArray[np.uint8], name: str, only_keys: bool = False) -> Part:
    """Return the part in the content of a file, without a copy.

    Raises
    ------
    StoreError
        When anything but the values is damaged; for those there is `Part.damaged`.
    """
    with _sense(name):
        return _parse(data, name, only_keys)


@contextmanager
def _sense(name: str) -> Iterator[None]:
    """Tell what nonsense in a file leads to as one sentence."""
    try:
        yield
    except _NONSENSE as error:
        raise StoreError(f"{name} is damaged: {type(error).__name__} in its header.") from None


def _header(data: bytes | NDArray[np.uint8], name: str) -> tuple[dict[str, Any], str]:
    """Return what the header says of the columns, and its own text."""
    header = json.loads(bytes(data[8 : header_size(bytes(data[:8]), name)]))
    return header, header.pop("__metadata__")["earmark"]


def _parse(data: bytes | NDArray[np.uint8], name: str, only_keys: bool) -> Part:
    tensors, told = _header(data, name)
    body = np.frombuffer(data, np.uint8)[header_size(bytes(data[:8]), name) :]
    columns = {column: _column(body, tensors[column], dtype) for column, dtype in _COLUMNS.items()}
    kind, shape = tensors["values"]["dtype"], tensors["values"]["shape"]
    check, text = told[:_CHECK], told[_CHECK:]
    if _check(text, kind, shape, columns) != check:
        raise StoreError(f"{name} is damaged: its checksum does not fit.")
    about = json.loads(text)
    values = None if only_keys else _column(body, tensors["values"], kind)
    problems = {int(row): (str(kind), str(words)) for row, (kind, words) in about["problems"].items()}
    lists = [about[key] for key in ("addresses", "starts", "ends")]
    return Part(
        **columns,
        values=values,
        addresses=lists[0],
        starts=lists[1],
        ends=lists[2],
        problems=problems,
        feature=about["feature"],
    )


def _column(body: NDArray[np.uint8], entry: Mapping[str, Any], dtype: str) -> NDArray[Any]:
    """Return one column as a view; throws where the bytes are not as many as the shape says."""
    first, last = entry["data_offsets"]
    if entry["dtype"] != dtype or not 0 <= first <= last <= len(body):
        raise ValueError(dtype)
    column: NDArray[Any] = body[first:last].view(_DTYPES[dtype]).reshape(entry["shape"])
    return column
