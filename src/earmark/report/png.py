"""A picture of few colours as a PNG file: three chunks, nothing that a browser would not know."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(pixels: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """Return a PNG of palette colours.

    Source: *Portable Network Graphics (PNG) Specification*, W3C, 2003.

    Parameters
    ----------
    pixels
        uint8[height, width], rows of ``palette``; the first is the top.
    palette
        uint8[colours, 3], red, green and blue; at most 256.

    Examples
    --------
    >>> picture = png(np.zeros((2, 3), np.uint8), np.zeros((1, 3), np.uint8))
    >>> picture[1:4], len(picture)
    (b'PNG', 83)
    """
    height, width = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # 8 bits a pixel, palette, not interlaced
    # Each row begins with the number of its filter; without one, palettes compress best.
    rows = np.zeros((height, width + 1), np.uint8)
    rows[:, 1:] = pixels
    return b"".join([
        _SIGNATURE,
        _chunk(b"IHDR", header),
        _chunk(b"PLTE", palette.astype(np.uint8).tobytes()),
        _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),
        _chunk(b"IEND", b""),
    ])  # fmt: skip


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
