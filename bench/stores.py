"""A file format for stored features: what writing, shuffled reading and resuming cost; a vector is one frame long."""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import tempfile
from collections.abc import Callable
from functools import lru_cache, partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from subprocess import check_call
from types import SimpleNamespace as Shape

import librosa
import numpy as np
from safetensors.numpy import save_file

from clips import make_clips
from interleave import interleaved, one_core, ratios
from table import Row, Section

with contextlib.suppress(ImportError):
    import pyarrow as pa
    import pyarrow.parquet as pq
with contextlib.suppress(ImportError):
    import zarr

VECTORS = Shape(what="vectors", frames=1, width=160, dtype="<f4")
COURSES = Shape(what="courses", frames=173, width=128, dtype="<f2")
HASHES = dict.fromkeys(("key_0", "key_1", "audio_0", "audio_1", "checksum"), "<u8")
KEYS = {**HASHES, "seconds": "<f8", "path": "S64"}
VALUES = ("values", "starts")
PART, BIG, BATCH = 128, 1024, 256
IMPORTS = {"numpy": "numpy", "safetensors": "safetensors.numpy", "pyarrow": "pyarrow.parquet", "zarr": "zarr"}
NEEDS = {"zarr": ("zarr", "numcodecs", "google-crc32c", "donfig", "PyYAML", "packaging", "typing-extensions")}
Rows = dict[str, np.ndarray]  # the columns of KEYS, "values" [frames of all rows, width], "starts" [rows + 1]


class Parts:
    """Immutable files of ``PART`` rows, each written beside its place and renamed into it; here safetensors."""

    def __init__(self, folder: Path, shape: Shape) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.shape, self.count, self.viewed = folder, shape, 0, True

    def append(self, rows: Rows) -> None:
        path = self.folder / f"{self.count:06}.part"
        self.write(path.with_suffix(".tmp"), rows)
        path.with_suffix(".tmp").replace(path)
        self.count += 1

    def fill(self, rows: Rows) -> None:
        for first in range(0, len(rows["path"]), PART):
            self.append(cut(rows, first, PART))

    def scan(self) -> Rows:
        found = [{name: column.copy() for name, column in read().items()} for read in self.readers(*KEYS)]
        return {name: np.concatenate([keys[name] for keys in found]) for name in KEYS}

    def open(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return what reads rows as [rows, frames, width]; what must be decoded is decoded at every call."""
        readers = self.readers(*VALUES)
        held = [read() for read in readers] if self.viewed else []
        part = held.__getitem__ if held else lru_cache(1)(lambda number: readers[number]())
        return lambda rows: self.gather(rows, PART, part)

    def gather(self, chosen: np.ndarray, size: int, part: Callable[[int], Rows]) -> np.ndarray:
        batch = np.zeros((len(chosen), self.shape.frames, self.shape.width), self.shape.dtype)
        numbers, within = np.divmod(chosen, size)
        for i in np.argsort(numbers):
            found, at = part(numbers[i]), within[i]
            row = found["values"][found["starts"][at] : found["starts"][at + 1]]
            batch[i, : len(row)] = row
        return batch

    def readers(self, *names: str) -> list[Callable[[], Rows]]:
        return [self.reader(path, names) for path in sorted(self.folder.glob("*.part"))]

    def write(self, path: Path, rows: Rows) -> None:
        save_file({**rows, "path": rows["path"].view("u1").reshape(-1, 64)}, path)

    def reader(self, path: Path, names: tuple[str, ...]) -> Callable[[], Rows]:
        return partial(self.read, path, names)

    def read(self, path: Path, names: tuple[str, ...]) -> Rows:
        """Without the package: the types are known, the header says where."""
        types = {**KEYS, "starts": "<i8", "values": (self.shape.dtype, self.shape.width)}
        mapped = np.memmap(path, np.uint8, "r").view(np.ndarray)
        data = 8 + int(mapped[:8].view("<u8")[0])
        found = {name: about["data_offsets"] for name, about in json.loads(bytes(mapped[8:data])).items()}
        return {name: np.frombuffer(mapped[data:][slice(*found[name])], types[name]) for name in names}


class Arrow(Parts):
    def __init__(self, folder: Path, shape: Shape, compression: str | None = None) -> None:
        super().__init__(folder, shape)
        self.viewed, self.compression = not compression, compression

    def write(self, path: Path, rows: Rows) -> None:
        starts = (rows["starts"] * rows["values"].strides[0]).astype(np.int32)
        values = [None, pa.py_buffer(starts), pa.py_buffer(rows["values"])]
        columns = {name: pa.array(rows[name].astype(str) if name == "path" else rows[name]) for name in KEYS}
        columns["values"] = pa.Array.from_buffers(pa.binary(), len(starts) - 1, values)
        self.save(path, pa.table(columns))

    def reader(self, path: Path, names: tuple[str, ...]) -> Callable[[], Rows]:
        read = self.table(path, ["values"] if names == VALUES else list(names))
        return lambda: self.values(read()) if names == VALUES else self.keys(read())

    def keys(self, table: pa.Table) -> Rows:
        return {name: table.column(name).to_numpy().astype(KEYS[name], copy=False) for name in KEYS}

    def values(self, table: pa.Table) -> Rows:
        column = table.column("values")
        _, starts, data = (column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()).buffers()
        bounds = np.frombuffer(starts, "<i4", len(column) + 1)
        values = np.frombuffer(data[: bounds[-1]], (self.shape.dtype, self.shape.width))
        return {"values": values, "starts": bounds // values.strides[0]}

    def save(self, path: Path, table: pa.Table) -> None:
        options = pa.ipc.IpcWriteOptions(compression=self.compression, use_threads=False)
        with pa.ipc.new_file(str(path), table.schema, options=options) as file:
            file.write_table(table)

    def table(self, path: Path, names: list[str]) -> Callable[[], pa.Table]:
        fields = [[*KEYS, "values"].index(name) for name in names]
        options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        return pa.ipc.open_file(pa.memory_map(str(path)), options=options).read_all


class Parquet(Arrow):
    def save(self, path: Path, table: pa.Table) -> None:
        options = {"use_dictionary": False, "write_page_checksum": True}
        pq.write_table(table, path, compression=self.compression, **options)

    def table(self, path: Path, names: list[str]) -> Callable[[], pa.Table]:
        file = pq.ParquetFile(path, memory_map=True, page_checksum_verification=True)
        return lambda: file.read(names, use_threads=False)


class ParquetNpy(Parquet):
    """Opened by unpacking all values once into a .npy, which the shuffled reads view."""

    def open(self) -> Callable[[np.ndarray], np.ndarray]:
        found = [read() for read in self.readers(*VALUES)]
        starts = np.cumsum([0, *np.concatenate([np.diff(part["starts"]) for part in found])])
        np.save(self.folder / "values.npy", np.concatenate([part["values"] for part in found]))
        mapped = np.load(self.folder / "values.npy", mmap_mode="r").view(np.ndarray)
        return lambda chosen: self.gather(chosen, len(starts), lambda _: {"values": mapped, "starts": starts})


class Zarr(Parts):
    """One array a column, grown by every append, values first; courses are padded to one length."""

    def __init__(self, folder: Path, shape: Shape, chunk: int = 64) -> None:
        super().__init__(folder, shape)
        self.chunk = chunk

    def append(self, rows: Rows) -> None:
        group = zarr.open_group(self.folder, mode="a")
        values = self.gather(np.arange(len(rows["path"])), len(rows["path"]), lambda _: rows)
        keys = {name: rows[name] for name in KEYS} | {"path": rows["path"].view("u1").reshape(-1, 64)}
        for name, column in {"values": values, "frames": np.diff(rows["starts"]), **keys}.items():
            if name not in group:
                codec = zarr.codecs.ZstdCodec(level=1, checksum=True)
                chunks = (self.chunk if name == "values" else BIG, *column.shape[1:])
                empty = {"shape": (0, *column.shape[1:]), "dtype": column.dtype}
                group.create_array(name, **empty, chunks=chunks, compressors=codec)
            group[name].append(column)

    fill = append

    def scan(self) -> Rows:
        group = zarr.open_group(self.folder, mode="r")
        keys = {name: group[name][:] for name in KEYS}
        return keys | {"path": keys["path"].view("S64")[:, 0]}

    def open(self) -> Callable[[np.ndarray], np.ndarray]:
        return zarr.open_group(self.folder, mode="r")["values"].oindex.__getitem__


SAFE, DERIVED, ROWS = "safetensors, memory map", "Parquet, zstd, .npy derived", "zarr, chunks of a row"
STORES: dict[str, tuple[str, Callable[[Path, Shape], Parts]]] = {
    SAFE: ("safetensors", Parts),
    "Arrow IPC, memory map": ("pyarrow", Arrow),
    "Arrow IPC, lz4": ("pyarrow", partial(Arrow, compression="lz4")),
    "Arrow IPC, zstd": ("pyarrow", partial(Arrow, compression="zstd")),
    "Parquet, zstd": ("pyarrow", partial(Parquet, compression="zstd")),
    DERIVED: ("pyarrow", partial(ParquetNpy, compression="zstd")),
    "zarr, chunks of 64 rows": ("zarr", Zarr),
    ROWS: ("zarr", partial(Zarr, chunk=1)),
}


def measure(quick: bool) -> Section:
    packages = [package for package in IMPORTS if find_spec(package)]
    stores = {name: make for name, (package, make) in STORES.items() if package in packages}
    rounds, rows = 2 if quick else 30, []
    # A view or a reader holds its file open.
    resource.setrlimit(resource.RLIMIT_NOFILE, (6000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with one_core() as pinned, tempfile.TemporaryDirectory() as name:
        base, told = _courses(Path(name), 4 if quick else 300)
        for shape, parts in ((VECTORS, 8 if quick else 800), (COURSES, 8 if quick else 32)):
            rows += _costs(stores, shape, make_rows(shape, base, parts * PART), Path(name), rounds)
        python = [sys.executable, "-c"]
        runs = {p: partial(check_call, [*python, f"import numpy, {IMPORTS[p]}"]) for p in packages}
        for package, timing in interleaved(runs, 2 if quick else 7).items():
            rows.append(Row(package, "import with numpy, s", timing.cpu))
    for package in packages:
        files = [Path(str(f.locate())) for n in NEEDS.get(package, [package]) for f in metadata.files(n)]
        size = sum(path.stat().st_size for path in files if path.is_file()) / 1e6
        rows.append(Row(package, "installed, MB", [size]))
    missing = ", ".join(sorted(set(IMPORTS) - set(packages))) or "nothing"
    notes = [
        f"Courses are log-mels of {told}, shifted and made louder or softer; vectors mix statistics of them.",
        f"Parts of {PART} rows, {rounds} interleaved rounds, CPU time, {'one core' if pinned else 'not pinned'}; "
        "page cache warm, no fsync; what is compressed is decoded at every read.",
        f"{ROWS}: few parts of vectors. Sizes: with what is needed but NumPy. Left out, not installed: {missing}.",
    ]
    return Section("Formats of the feature store", notes, rows)


def cut(rows: Rows, first: int, count: int) -> Rows:
    starts = rows["starts"][first : first + count + 1]
    keys = {name: rows[name][first : first + count] for name in KEYS}
    return keys | {"values": rows["values"][starts[0] : starts[-1]], "starts": starts - starts[0]}


def _courses(folder: Path, count: int) -> tuple[list[np.ndarray], str]:
    paths, told = make_clips(folder, count)
    mels = [librosa.feature.melspectrogram(y=librosa.load(path)[0], n_mels=128) for path in paths]
    return [librosa.power_to_db(mel).T for mel in mels], told


def make_rows(shape: Shape, base: list[np.ndarray], count: int) -> Rows:
    rng = np.random.default_rng(0)
    if shape is VECTORS:
        bands = [np.add.reduceat(course, np.arange(0, 120, 3), axis=1) for course in base]
        known = np.stack([np.r_[b.mean(0), b.std(0), b.min(0), b.max(0)] for b in bands])
        pairs = zip(rng.integers(len(known), size=(count, 3)), rng.dirichlet([1, 1, 1], count), strict=True)
        courses = [weights[None] @ known[picked] for picked, weights in pairs]
    else:
        frames = np.where(rng.random(count) < 0.2, rng.integers(20, shape.frames, count), shape.frames)
        moved = (np.roll(base[i % len(base)], rng.integers(shape.frames), axis=0) for i in range(count))
        courses = [m[:n] + rng.uniform(-9, 9) for m, n in zip(moved, frames, strict=True)]
    rows = {name: rng.integers(2**64, size=count, dtype=np.uint64) for name in HASHES}
    names = [f"audio/fold{i % 10 + 1}/{i}-{i * 7919 % 10007}-0.wav" for i in range(count)]
    rows |= {"seconds": rng.uniform(0, 4, count), "path": np.array(names, "S64")}
    rows["values"] = np.ascontiguousarray(np.concatenate(courses), shape.dtype)
    return rows | {"starts": np.cumsum([0, *map(len, courses)])}


def _costs(stores: dict, shape: Shape, made: Rows, folder: Path, rounds: int) -> list[Row]:
    total = len(made["path"]) // PART
    timed = min(rounds, total // 2)
    count = {name: timed if name == ROWS and shape is VECTORS else total for name in stores}
    opened = {name: make(folder / shape.what / name, shape) for name, make in stores.items()}
    takes: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
    rows: list[Row] = []

    def time_all(figure: str, work: dict[str, Callable[[], object]], rounds: int) -> None:
        timings = interleaved(work, rounds)
        for name, timing in timings.items():
            values, against = [1000 * s for s in timing.cpu], ratios(timing.cpu, timings[SAFE].cpu)
            rows.append(Row(name, f"{shape.what}: {figure}, ms", values, against))

    def appends(name: str) -> Callable[[], None]:
        numbers = iter(range(count[name] - timed, count[name]))
        return lambda: opened[name].append(cut(made, next(numbers) * PART, PART))

    def reads(name: str) -> Callable[[], np.ndarray]:
        rng = np.random.default_rng(1)
        return lambda: takes[name](rng.integers(count[name] * PART, size=BATCH))

    for name, store in opened.items():
        store.fill(cut(made, 0, (count[name] - timed) * PART))
    time_all(f"append {PART} rows", {name: appends(name) for name in stores}, timed - 1)
    for name, store in opened.items():
        before = {path: path.stat().st_mtime_ns for path in store.folder.rglob("*") if path.is_file()}
        store.append(cut(made, (count[name] - 1) * PART, PART))
        changed = sum(path.stat().st_mtime_ns != then for path, then in before.items())
        rows.append(Row(name, f"{shape.what}: files that an append writes anew", [changed]))
    big, beside = cut(made, 0, BIG), folder / f"{shape.what}, big"
    writes = {name: partial(make(beside / name, shape).append, big) for name, make in stores.items()}
    time_all(f"append {BIG} rows ({big['values'].nbytes / 1e6:.1f} MB)", writes, min(rounds - 1, 5))
    opens = {name: partial(lambda name: takes.update({name: opened[name].open()}), name) for name in stores}
    time_all("open", opens, 1)
    for name, store in opened.items():
        size = sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file())
        rows.append(Row(name, f"{shape.what}: bytes a row", [size / PART / count[name]]))
        chosen = np.random.default_rng(1).integers(count[name] * PART, size=BATCH)
        assert np.array_equal(reads(name)(), store.gather(chosen, len(made["path"]), lambda _: made)), name
    time_all(f"read {BATCH} shuffled rows", {name: reads(name) for name in stores}, rounds)
    scans = {name: store.scan for name, store in opened.items() if name not in (DERIVED, ROWS)}
    time_all(f"scan the keys of {total} parts", scans, min(rounds, 5))
    return rows
