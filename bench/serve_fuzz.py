"""``python bench/serve_fuzz.py [COUNT] [SEED]``: what no good client sends, to a server; 2,000 times.

Uploads are cut off, have bits flipped, are bombs, of a wrong type or empty; headers are huge, forms are broken, chunks
lie. Never may the answer be a 500, no memory may be kept, and afterwards the server must answer as before.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import socket
import struct
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

HEAD = "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
_FORM = "Content-Type: multipart/form-data; boundary=b\r\n"
WARM = 300  # requests after which every decoder is loaded, and buffers are as large as they become
PATHS = ("/v1/predict", "/v1/predict", "/v1/predict", "/v1/events?window=0.5")


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A request as bytes, and what kind of mischief it is."""

    kind: str
    data: bytes


def good_files() -> list[bytes]:
    """Return a second of sound in several formats."""
    rng, t = np.random.default_rng(0), np.arange(16_000) / 16_000
    samples = 0.4 * np.sin(2 * np.pi * 2_000 * t) + 0.01 * rng.standard_normal(len(t))
    found = []
    for kind, subtype in (
        ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "IMA_ADPCM"), ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16"), ("AU", "PCM_16"),
        ("CAF", "ALAC_16"),
    ):  # fmt: skip
        file = io.BytesIO()
        soundfile.write(file, samples, 16_000, subtype, format=kind)
        found.append(file.getvalue())
    return found


def spoilt(rng: np.random.Generator, files: list[bytes]) -> Spoilt:
    """Return one request that should not be."""
    kind, make = MISCHIEF[int(rng.integers(len(MISCHIEF)))]
    return Spoilt(kind, make(rng, files[int(rng.integers(len(files)))]))


def post(rng: np.random.Generator, body: bytes, headers: str = "", length: int | None = None) -> bytes:
    head = HEAD.format(path=PATHS[int(rng.integers(len(PATHS)))]) + headers
    return f"{head}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body


def _truncated(rng: np.random.Generator, good: bytes) -> bytes:
    return post(rng, good[: int(rng.integers(1, len(good)))])


def _flipped(rng: np.random.Generator, good: bytes) -> bytes:
    data = np.frombuffer(good, np.uint8).copy()
    where = len(data) if rng.random() < 0.5 else min(len(data), 256)  # anywhere, or in the header
    at = rng.integers(where, size=int(rng.integers(1, 32)))
    data[at] ^= (1 << rng.integers(8, size=len(at))).astype(np.uint8)
    return post(rng, data.tobytes())


def _spliced(rng: np.random.Generator, good: bytes) -> bytes:
    a, b = sorted(int(i) for i in rng.integers(len(good), size=2))
    return post(rng, good[:a] + rng.bytes(int(rng.integers(1, 4096))) + good[b:])


def _noise(rng: np.random.Generator, good: bytes) -> bytes:
    return post(rng, good[: int(rng.integers(0, 16))] + rng.bytes(int(rng.integers(1, 65_536))))


def _wrong_type(rng: np.random.Generator, good: bytes) -> bytes:
    bodies = (
        b'{"sound": null}', b"<html>" * 99, b"\x89PNG\r\n\x1a\n" + bytes(999), b"\x7fELF" + bytes(999),
        b"#EXTM3U\nhttp://localhost/a",
        b"%PDF-1.7" + bytes(99), b"ID3\x03\0\0\x7f\x7f\x7f\x7f", b"RIFF\xff\xff\xff\xffWAVE", b"OggS", b"fLaC", b"FORM",
        b"\0\0\0\x20ftypM4A ",
    )  # fmt: skip
    types = ("application/json", "text/html", "image/png", "audio/wav", "", "x/\xff", "multipart/form-data")
    body = bodies[int(rng.integers(len(bodies)))]
    return post(rng, body, f"Content-Type: {types[int(rng.integers(len(types)))]}\r\n")


def _empty(rng: np.random.Generator, good: bytes) -> bytes:
    return post(rng, b"")


def _zip_bomb(rng: np.random.Generator, good: bytes) -> bytes:
    if rng.random() < 0.5:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.wav", bytes(2_000_000))
        return post(rng, file.getvalue())
    return post(rng, gzip.compress(bytes(2_000_000)), "Content-Encoding: gzip\r\n")


def _sound_bomb(rng: np.random.Generator, good: bytes) -> bytes:
    rate, channels = (
        int(rng.choice([1, 8_000, 48_000, 1_000_000, 2**31])),
        int(rng.choice([1, 2, 64, 65_535])),
    )
    size = int(rng.choice([100, 2**20, 2**31, 2**32 - 1]))
    fmt = struct.pack("<HHIIHH", 1, channels, rate, rate * 2 % 2**32, 2 * channels % 65_536, 16)
    data = b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0" + fmt + b"data" + struct.pack("<I", size)
    return post(rng, data + bytes(int(rng.integers(0, 20_000))))


def _packed_silence(rng: np.random.Generator, good: bytes) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(8_000 * int(rng.integers(30, 300)), np.int16), 8_000, format="FLAC")
    return post(rng, file.getvalue())


def _broken_form(rng: np.random.Generator, good: bytes) -> bytes:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.wav"\r\n\r\n' + good + b"\r\n--b--\r\n"
    )
    data = np.frombuffer(body, np.uint8).copy()
    at = rng.integers(min(len(data), 90), size=int(rng.integers(1, 6)))
    data[at] = rng.integers(256, size=len(at))
    cut = int(rng.integers(1, len(data) + 1)) if rng.random() < 0.5 else len(data)
    return post(rng, data.tobytes()[:cut], _FORM)


def _many_parts(rng: np.random.Generator, good: bytes) -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n'
    return post(rng, part * int(rng.integers(1, 2_000)) + b"--b--\r\n", _FORM)


def _huge_headers(rng: np.random.Generator, good: bytes) -> bytes:
    headers = f"X-A: {'a' * int(rng.integers(1_000, 300_000))}\r\n" if rng.random() < 0.5 else "".join(
        f"X-{i}: {i}\r\n" for i in range(int(rng.integers(100, 10_000)))
    )  # fmt: skip
    return post(rng, good, headers)


def _lying_length(rng: np.random.Generator, good: bytes) -> bytes:
    return post(rng, good, length=int(rng.choice([0, 1, len(good) // 2, 10**12, -1])))


def _bad_chunks(rng: np.random.Generator, good: bytes) -> bytes:
    sizes = (
        b"5\r\nRIFFx\r\n",
        b"zz\r\n",
        b"ffffffffffffffff\r\n",
        b"-1\r\n\r\n",
        b"0\r\n\r\n",
        b"3\r\nabcd\r\n",
    )
    order = rng.integers(len(sizes), size=int(rng.integers(1, 5)))
    return f"{HEAD.format(path='/v1/predict')}Transfer-Encoding: chunked\r\n\r\n".encode() + b"".join(
        sizes[int(i)] for i in order
    )


def _no_http(rng: np.random.Generator, good: bytes) -> bytes:
    lines = (
        b"\x16\x03\x01",
        b"POST",
        b"GET /\xff HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"POST http:// HTTP/1.1",
        b"GET " + b"/" * 70_000,
    )
    return lines[int(rng.integers(len(lines)))] + b"\r\n\r\n"


def _odd_address(rng: np.random.Generator, good: bytes) -> bytes:
    paths = ("/", "/v1/predict/", "//v1/predict", "/v1/%2e%2e/predict", "/v1/predict?a=1", "/v1/events?window=-1",
             "/v1/events?window=1e999", "/v1/events?median=99999999999999999999",
             "/v1/stream", "/v1/model", "/%00")  # fmt: skip
    head = HEAD.format(path=paths[int(rng.integers(len(paths)))])
    return f"{head}Content-Length: {len(good)}\r\n\r\n".encode() + good


MISCHIEF: tuple[tuple[str, Callable[[np.random.Generator, bytes], bytes]], ...] = (
    ("truncated", _truncated), ("truncated", _truncated), ("bits flipped", _flipped), ("bits flipped", _flipped),
    ("bits flipped", _flipped), ("spliced", _spliced), ("noise", _noise), ("wrong type", _wrong_type),
    ("empty", _empty),
    ("zip bomb", _zip_bomb), ("sound bomb", _sound_bomb), ("packed silence", _packed_silence),
    ("broken form", _broken_form), ("many parts", _many_parts), ("huge headers", _huge_headers),
    ("lying length", _lying_length), ("bad chunks", _bad_chunks), ("no HTTP", _no_http), ("odd address", _odd_address),
)  # fmt: skip


def send(port: int, data: bytes, patience: float = 60) -> int | None:
    """Send a request as it is; return the answer's status, ``None`` where the server hung up.

    Raises
    ------
    AssertionError
        When a refusal is not a problem that says what to do.
    """
    got = b""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=patience) as connection,
        suppress(OSError),  # what it does not want, it does not read
    ):
        connection.sendall(data)
        while piece := connection.recv(65_536):
            got += piece
    if not got:
        return None
    head, _, body = got.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    length = re.search(rb"content-length: ([1-9][0-9]*)", head)
    if status >= 400 and length and len(body) >= int(length[1]):  # else the rest was lost in a reset
        assert b"application/problem+json" in head, head
        assert json.loads(body[: int(length[1])])["detail"], body
    return status


def main(count: int, seed: int) -> int:
    here = Path(__file__).resolve().parent
    sys.path.insert(0, str(here.parent / "tests"))
    from coldstart_model import main as make_model
    from serving import serving

    rng, files = np.random.default_rng(seed), good_files()
    with tempfile.TemporaryDirectory() as name:
        make_model(Path(name))
        with serving(Path(name) / "model.earmark", "--seconds", 60, "--body", 8, "--patience", 1) as server:
            for good in files * 3:  # what is loaded for each format is loaded
                server.predict(good)
            first, before = server.predict(files[0]).json, 0.0
            told: dict[str, Counter[int | None]] = {}
            for number in range(count):
                if number == min(WARM, count // 2):
                    before = server.resident()
                one = spoilt(rng, files)
                told.setdefault(one.kind, Counter())[send(server.port, one.data)] += 1
            after, each = server.resident(), server.each_resident()
            assert server.predict(files[0]).json == first, "the server answers otherwise than before"
            restarts = server.metric("earmark_worker_restarts")
    for kind, statuses in sorted(told.items()):
        print(f"{kind:16}", ", ".join(f"{status or 'hung up'}: {n}" for status, n in statuses.most_common()))
    failed = sum(statuses[500] for statuses in told.values())
    each_mb = ", ".join(f"{mb:.0f}" for mb in each)
    print(f"{count} requests, {failed} answered 500, {restarts:.0f} workers replaced;", end=" ")
    print(f"memory {before:.0f} MB after {min(WARM, count // 2)}, {after:.0f} MB at the end ({each_mb})")
    return int(failed > 0 or after - before > 50)


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(given + [2_000, 0][len(given) :])))
