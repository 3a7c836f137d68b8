"""``python bench/fuzz.py [DATA]``: damaged sound files, made of real ones, are read or refused; nothing else happens.

Each of ``--files`` files is cut, has bits turned, numbers in its header replaced, the header of another put before it,
or stretches of others set in, by a seed that is fixed. It is decoded, cut, looked at, measured and decoded from memory
in a worker, which may take 20 seconds and 4 GiB. DATA is the folder of real recordings; without it the files are made
by the encoders of the tests. Exit status 1 when anything but a refusal was raised, or when a worker died or hung.
"""

from __future__ import annotations

import argparse
import os
import random
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from earmark.audio import decode, decode_bytes
from earmark.audio.length import seconds_of
from earmark.audio.vitals import examine
from earmark.engine import Local, Lost, each
from earmark.engine.watch import SECONDS
from earmark.errors import AudioError

BOUND = 20  # seconds that a file may take
MEMORY = 4 * 2**30  # bytes that a worker may take
LARGEST = 400_000  # bytes of a file that is taken as it is
SAMPLES = (
    ("format_zoo", "**/*", 1), ("label_tracks", "**/*.m4a", 1), ("label_tracks", "**/*.wav", 1),
    ("us8k", "**/*.ogg", 60), ("esc10", "**/*.flac", 12), ("fsdd", "**/*.wav", 150),
)  # fmt: skip
EXTREMES = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    2**63 - 1,
    2**64 - 1,
)


def real(root: Path) -> list[Path]:
    """Return files of the data sets."""
    found = (
        path for folder, pattern, step in SAMPLES for path in sorted((root / folder).glob(pattern))[::step]
    )
    return [path for path in found if path.is_file() and path.suffix not in (".json", ".txt")]


def made(folder: Path) -> list[Path]:
    """Write files of every format that the tests' encoders write."""
    sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
    from encoders import BY_FFMPEG, BY_US, Kind, by_av, chirps, encoded

    film = Kind("film.mp4", 44_100, 2, "mp4", "aac")
    sounds = {f"{kind}-{kind.name}": encoded(kind, 0.5) for kind in (*BY_FFMPEG, *BY_US)}
    sounds["film.mp4"] = by_av(film, chirps(44_100, 2), picture=True)
    sounds["fast.m4a"] = by_av(film, chirps(44_100, 2), movflags="faststart")
    for name, data in sounds.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in sounds]


# Ways to damage a file


def cut(chance: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: chance.randrange(len(data))]


def turn_bits(chance: random.Random, data: bytes, other: bytes) -> bytes:
    damaged = bytearray(data)
    within = min(len(data), chance.choice((64, 512, len(data))))
    for _ in range(chance.choice((1, 4, 20, 200))):
        damaged[chance.randrange(within)] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def replace_numbers(chance: random.Random, data: bytes, other: bytes) -> bytes:
    damaged = bytearray(data)
    for _ in range(chance.choice((1, 2, 5))):
        form = chance.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
        size = struct.calcsize(form)
        at = chance.randrange(max(1, min(len(data), 512) - size))
        damaged[at : at + size] = struct.pack(form, chance.choice(EXTREMES) % (1 << 8 * size))
    return bytes(damaged)


def swap_headers(chance: random.Random, data: bytes, other: bytes) -> bytes:
    size = chance.choice((12, 44, 128, 512, 4096))
    return other[:size] + data[size:]


def splice(chance: random.Random, data: bytes, other: bytes) -> bytes:
    at, begin = chance.randrange(len(data)), chance.randrange(len(other))
    piece = other[begin : begin + chance.choice((8, 100, 5_000))]
    return data[:at] + piece + data[at + (len(piece) if chance.random() < 0.5 else 0) :]


def leave_out(chance: random.Random, data: bytes, other: bytes) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at + chance.choice((1, 3, 100, 5_000)) :]


def repeat(chance: random.Random, data: bytes, other: bytes) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at : at + 5_000] * chance.choice((2, 20)) + data[at:]


def blank(chance: random.Random, data: bytes, other: bytes) -> bytes:
    at, size = chance.randrange(len(data)), chance.choice((4, 100, 5_000))
    return data[:at] + chance.choice((b"\0", b"\xff")) * min(size, len(data) - at) + data[at + size :]


WAYS: tuple[Callable[[random.Random, bytes, bytes], bytes], ...] = (
    cut, turn_bits, replace_numbers, swap_headers, splice, leave_out, repeat, blank,
)  # fmt: skip


@dataclass(frozen=True)
class Attempt:
    """Damages a file by its number, and does with it what Earmark does with files."""

    kinds: tuple[tuple[Path, ...], ...]  # each as often as the others
    seed: int

    @classmethod
    def of(cls, paths: list[Path], seed: int) -> Attempt:
        """Sort the files by folder and ending."""
        kinds: dict[tuple[Path, str], list[Path]] = {}
        for path in paths:
            kinds.setdefault((path.parent, path.suffix.lower()), []).append(path)
        return cls(tuple(map(tuple, kinds.values())), seed)

    def pick(self, chance: random.Random) -> bytes:
        """Return one of the files, if it is large its beginning."""
        with chance.choice(chance.choice(self.kinds)).open("rb") as file:
            return file.read(LARGEST)

    def data(self, number: int) -> bytes:
        """Return the file with a number."""
        chance = random.Random(f"{self.seed} {number}")
        data = self.pick(chance)
        for _ in range(chance.choice((1, 1, 2, 3))):
            if len(data) > 1:
                data = chance.choice(WAYS)(chance, data, self.pick(chance))
        return data

    def __call__(self, number: int) -> list[tuple[str, str, float]]:
        """Return for each call what it was, what became of it, and the seconds that it took."""
        limit_memory()
        data = self.data(number)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "damaged"
            path.write_bytes(data)
            calls: dict[str, Callable[[], object]] = {
                "decode": lambda: decode(path),
                "window": lambda: decode(path, 0.1, 0.3, "first"),
                "examine": lambda: examine(path),
                "length": lambda: seconds_of(path),
                "memory": lambda: decode_bytes(data, "it"),
            }
            return [(name, *outcome(call)) for name, call in calls.items()]


def outcome(call: Callable[[], object]) -> tuple[str, float]:
    began = time.perf_counter()
    try:
        call()
        said = "read"
    except AudioError as error:
        said = error.kind
    except BaseException as error:
        said = f"UNTYPED {type(error).__name__}: {error}"
    return said, time.perf_counter() - began


def limit_memory() -> None:
    if os.name != "nt":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


@dataclass
class Tally:
    """What became of all files."""

    files: int
    outcomes: dict[str, Counter[str]]
    wrong: list[str]
    slowest: tuple[float, int]


def fuzz(attempt: Attempt, files: int) -> Tally:
    """Damage so many files, and count what becomes of them."""
    os.environ[SECONDS] = str(BOUND)
    tally = Tally(files, {}, [], (0.0, 0))
    for number, result in enumerate(each(Local(), attempt, range(files), 16)):
        if isinstance(result, Lost):
            tally.wrong.append(f"file {number}: LOST, {result.reason}")
            continue
        for name, said, seconds in result:
            tally.outcomes.setdefault(name, Counter())[said.split(" ")[0]] += 1
            tally.slowest = max(tally.slowest, (seconds, number))
            if said.startswith("UNTYPED"):
                tally.wrong.append(f"file {number}, {name}: {said}")
    return tally


def main() -> int:
    from fuzz import Attempt as Importable  # a worker cannot find what is in a script

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", help="the folder of real recordings")
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--write", type=int, metavar="NUMBER", help="write the file with this number to ./damaged"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = real(options.data) if options.data else made(Path(folder))
        attempt = Importable.of(paths, options.seed)
        if options.write is not None:
            Path("damaged").write_bytes(attempt.data(options.write))
            return 0
        began = time.perf_counter()
        tally = fuzz(attempt, options.files)
    print(f"{tally.files} damaged files, made of {len(paths)}, in {time.perf_counter() - began:.0f} s.")
    for name, counts in tally.outcomes.items():
        print(f"- {name}: " + ", ".join(f"{count} {said}" for said, count in counts.most_common()))
    print(f"The slowest call took {tally.slowest[0]:.2f} s (file {tally.slowest[1]}).")
    print("\n".join([f"{len(tally.wrong)} went wrong.", *tally.wrong]))
    return int(bool(tally.wrong))


if __name__ == "__main__":
    sys.exit(main())
