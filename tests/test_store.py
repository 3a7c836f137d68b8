"""The feature store: parts that are whole or refused, an index that finds what a dictionary does, folders, buckets."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import earmark.store
from earmark.errors import StoreError
from earmark.features import LogMel, Mfcc
from earmark.files import write_atomically
from earmark.store import NONE, Index, Part, Store
from earmark.store import part as parts
from earmark.store.place import Bucket, Folder

COLUMNS = ("keys", "sounds", "seconds", "frames", "sums")
ODD = ["töne/ça va [1].wav", "a\nb.wav", 'C:\\"x".wav', "\udcff.wav", "", "日本.wav"]


def make_part(frames=(1, 0, 2, 0), dims=3, dtype="float32", problems=None, seed=0) -> Part:
    """A sealed part; a row without frames has no values of its own."""
    rng, n = np.random.default_rng(seed), len(frames)
    part = Part(
        keys=rng.integers(2**64, size=(n, 2), dtype=np.uint64),
        sounds=rng.integers(2**64, size=(n, 2), dtype=np.uint64),
        seconds=rng.random(n),
        frames=np.array(frames, np.int64),
        sums=np.zeros(n, np.uint64),
        values=rng.standard_normal((sum(frames), dims)).astype(dtype),
        addresses=[ODD[i % len(ODD)] for i in range(n)],
        starts=[None if i % 2 else 0.25 * i for i in range(n)],
        ends=[None if i % 2 else 0.5 + i for i in range(n)],
        problems=problems or {},
        feature={"name": "test", "sätting": [1, None, "ü"]},
    )
    parts.seal(part)
    return part


def assert_same(one: Part, other: Part, values: bool = True) -> None:
    for column in COLUMNS:
        np.testing.assert_array_equal(getattr(one, column), getattr(other, column))
        assert getattr(one, column).dtype == getattr(other, column).dtype
    for name in ("addresses", "starts", "ends"):
        assert list(getattr(one, name)) == list(getattr(other, name))
    assert (one.problems, one.feature) == (other.problems, other.feature)
    if values:
        np.testing.assert_array_equal(one.values, other.values)
        assert one.values.dtype == other.values.dtype


# Parts


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(
    ("frames", "problems"),
    [
        ((1, 1, 1), {}),
        ((1, 0, 2, 0), {1: ("unreadable", "no sound – “ü”"), 3: ("too_short", "")}),
        ((173,) * 5, {}),
        ((0, 0), {0: ("empty", "x")}),
        ((), {}),
    ],
)
def test_a_part_comes_back(dtype, frames, problems):
    part = make_part(frames, 40, dtype, problems)
    data = parts.to_bytes(part)
    again = parts.from_buffer(data, "p")
    assert_same(part, again)
    assert again.damaged() == []
    assert again.offsets.tolist() == [0, *np.cumsum(frames).tolist()]
    mapped = parts.from_buffer(np.frombuffer(data, np.uint8), "p")
    assert_same(part, mapped)
    keys = parts.from_buffer(data[: parts.keys_size(data, "p")], "p", only_keys=True)
    assert_same(part, keys, values=False)
    assert keys.values is None
    assert parts.rows(data[: parts.header_size(data, "p")], "p") == len(frames) == len(keys)
    with pytest.raises(ValueError, match="only the key columns were read"):
        keys.damaged()


def test_the_same_part_is_the_same_bytes():
    assert parts.to_bytes(make_part()) == parts.to_bytes(make_part())


WHOLE = make_part((1, 0, 2, 0, 3), problems={1: ("unreadable", "said 7 things")})
DATA = parts.to_bytes(WHOLE)


@pytest.mark.parametrize("mask", [1, 2, 16, 32, 255])
def test_no_flipped_byte_goes_unnoticed(mask):
    """Anywhere in the file: refused, or named by its row, or white space that means the same."""
    refused = named = 0
    keys_end = parts.keys_size(DATA, "p")
    for at in range(len(DATA)):
        data = bytearray(DATA)
        data[at] ^= mask
        try:
            part = parts.from_buffer(bytes(data), "p")
        except StoreError:
            refused += 1
            assert at < keys_end
        else:
            if rows := part.damaged():
                named += 1
                assert at >= keys_end
                frame = (at - keys_end) // WHOLE.values[0].nbytes
                assert rows == [int(np.searchsorted(WHOLE.offsets, frame, side="right")) - 1]
                assert_same(part, WHOLE, values=False)
            else:
                assert_same(part, WHOLE)
        try:
            keys = parts.from_buffer(bytes(data[:keys_end]), "p", only_keys=True)
        except StoreError:
            continue
        assert_same(keys, WHOLE, values=False)
    assert named == WHOLE.values.nbytes
    assert refused + named > 0.95 * len(DATA)


def test_no_truncation_goes_unnoticed():
    for size in range(len(DATA)):
        with pytest.raises(StoreError, match="is damaged"):
            parts.from_buffer(DATA[:size], "p")


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_many_changed_bytes(data):
    changed = bytearray(DATA)
    for at, byte in data.draw(st.dictionaries(st.integers(0, len(DATA) - 1), st.integers(0, 255))).items():
        changed[at] = byte
    cut = data.draw(st.integers(0, len(DATA)) | st.just(len(DATA)))
    try:
        part = parts.from_buffer(bytes(changed[:cut]), "p")
    except StoreError:
        return
    assert_same(part, WHOLE, values=not part.damaged())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from([*COLUMNS, "values", "__metadata__", "dtype", "shape", "data_offsets"]), inner),
    max_leaves=12,
)  # fmt: skip
ENTRY = st.fixed_dictionaries({
    "dtype": st.sampled_from(["U64", "F64", "I64", "F32", "F16", "BF16", 3]),
    "shape": st.lists(st.integers(-3, 10**30) | JSON, max_size=3) | JSON,
    "data_offsets": st.lists(st.integers(-3, 10**30) | JSON, max_size=3) | JSON,
})  # fmt: skip
META = st.fixed_dictionaries({"earmark": st.text() | JSON, "check": st.text() | JSON}) | JSON
HEADER = st.fixed_dictionaries({**dict.fromkeys((*COLUMNS, "values"), ENTRY), "__metadata__": META}) | JSON


@given(st.binary(max_size=200) | st.tuples(HEADER, st.binary(max_size=64)))
@settings(max_examples=400, deadline=None)
def test_nonsense_is_refused_with_a_sentence(content):
    if isinstance(content, tuple):
        header = json.dumps(content[0]).encode()
        content = len(header).to_bytes(8, "little") + header + content[1]
    for read in (
        lambda: parts.from_buffer(content, "a/b.safetensors"),
        lambda: parts.from_buffer(content, "a/b.safetensors", only_keys=True),
    ):
        with pytest.raises(StoreError, match=r"^a/b\.safetensors is damaged: .*\.$"):
            read()
    for look in (parts.keys_size, parts.rows, parts.header_size):  # a number or a sentence, and nothing else
        with suppress(StoreError):
            assert isinstance(look(content, "p"), int)


def test_a_header_of_endless_brackets_is_refused():
    header = b"[" * 100_000
    with pytest.raises(StoreError, match="RecursionError in its header"):
        parts.from_buffer(len(header).to_bytes(8, "little") + header, "p")
    with pytest.raises(StoreError, match="does not begin as a part"):
        parts.from_buffer((2**40).to_bytes(8, "little") + b"{}", "p")


# The index


def indexed(*found: Part) -> Index:
    return Index.of({f"p{i}": part for i, part in enumerate(found)})


HALVES = st.integers(0, 2)  # so few that first halves agree all the time
HASHES = st.tuples(HALVES, HALVES)
FATES = ("own", "elsewhere", "problem")


@given(
    st.lists(st.lists(st.tuples(HASHES, st.sampled_from(FATES)), max_size=6), max_size=4),
    st.dictionaries(HASHES, HASHES),
)
@settings(max_examples=300, deadline=None)
def test_the_index_finds_what_a_dictionary_finds(contents, sound_of):
    """A key has one sound; a row has values of its own, or says what is wrong, or refers to that sound."""
    rows = []
    found = {}
    for p, content in enumerate(contents):
        part = make_part([int(fate == "own") for _, fate in content], seed=p)
        sounds = [sound_of.get(key, key) for key, _ in content]
        part = replace(
            part,
            keys=np.array([key for key, _ in content], np.uint64).reshape(-1, 2),
            sounds=np.array(sounds, np.uint64).reshape(-1, 2),
            problems={r: ("k", f"{p} {r}") for r, (_, fate) in enumerate(content) if fate == "problem"},
        )
        found[f"p{p}"] = part
        rows += [(p, r, key, sound_of.get(key, key), fate) for r, (key, fate) in enumerate(content)]
    index = Index.of(found)
    asked = [(a, b) for a in range(4) for b in range(4)]
    hashes = np.array(asked, np.uint64)
    homes = {sound: i for i, (_, _, _, sound, fate) in reversed([*enumerate(rows)]) if fate == "own"}
    assert index.knows(hashes).tolist() == [sound in homes for sound in asked]
    at = index.find(hashes)
    for key, position in zip(asked, at.tolist(), strict=True):
        mine = [i for i, row in enumerate(rows) if row[2] == key]
        first = mine[0] if mine else NONE
        usable = mine and (rows[first][4] != "elsewhere" or rows[first][3] in homes)
        assert position == (first if usable else NONE)
    good = at[at != NONE]
    assert index.faulty(at).tolist() == [p != NONE and rows[p][4] == "problem" for p in at.tolist()]
    for position, home in zip(good.tolist(), index.home(good).tolist(), strict=True):
        part, row, _, sound, fate = rows[position]
        assert (int(index.part[position]), int(index.row[position])) == (part, row)
        if fate == "own":
            assert home == position
        elif fate == "elsewhere":
            assert rows[home][3:] == (sound, "own")


def test_an_empty_index():
    index = indexed()
    nothing = np.empty((0, 2), np.uint64)
    assert index.find(nothing).tolist() == []
    assert index.find(np.ones((2, 2), np.uint64)).tolist() == [NONE, NONE]
    assert index.knows(np.zeros((1, 2), np.uint64)).tolist() == [False]
    assert index.home(np.empty(0, np.int64)).tolist() == []


def test_rows_whose_home_is_gone_are_not_found():
    home, away = make_part((1, 1)), make_part((0, 0), seed=1)
    away = replace(away, sounds=home.sounds.copy())
    both = indexed(home, away)
    at = both.find(away.keys)
    assert at.tolist() == [2, 3]
    assert both.home(at).tolist() == [0, 1]
    assert indexed(away).find(away.keys).tolist() == [NONE, NONE]


# A shelf


def name(shelf, i=0):
    return shelf.name_of(f"{i:032x}")


def test_scan_reads_keys_only_and_only_what_is_new(tmp_path, monkeypatch):
    shelf = Store(tmp_path).shelf(LogMel())
    first, second = make_part(seed=1), make_part(seed=2)
    shelf.write(name(shelf, 1), first)
    found, damaged = shelf.scan()
    assert (list(found), damaged) == ([name(shelf, 1)], [])
    assert_same(found[name(shelf, 1)], first, values=False)
    shelf.write(name(shelf, 2), second)
    asked = []
    read = Folder.read
    monkeypatch.setattr(Folder, "read", lambda *a: asked.append(a[1]) or read(*a))
    again, damaged = shelf.scan(found)
    assert again[name(shelf, 1)] is found[name(shelf, 1)]
    assert_same(again[name(shelf, 2)], second, values=False)
    assert asked == [name(shelf, 2)]
    (tmp_path / name(shelf, 1)).unlink()
    assert list(shelf.scan(again)[0]) == [name(shelf, 2)]


def test_scan_of_parts_larger_than_the_first_read(tmp_path, monkeypatch):
    """A long header, long columns, both: the second and third reads fetch the rest."""
    shelf = Store(tmp_path).shelf(LogMel())
    part = replace(make_part((2,) * 300, 64), addresses=["x" * 300] * 300)
    shelf.write(name(shelf), part)
    for prefix in (8, 100, 2**10, 2**14, 2**16, 2**20):
        monkeypatch.setattr(earmark.store, "_PREFIX", prefix)
        found, damaged = shelf.scan()
        assert not damaged
        assert_same(found[name(shelf)], part, values=False)
        (stock,) = Store(tmp_path).stock()
        assert stock.clips == 300


def test_scan_names_the_damaged_and_overlooks_the_foreign(tmp_path):
    shelf = Store(tmp_path).shelf(Mfcc())
    for i in range(4):
        shelf.write(name(shelf, i), make_part(seed=i))
    folder = tmp_path / shelf.key
    (tmp_path / name(shelf, 0)).write_bytes(b"")
    whole = (tmp_path / name(shelf, 1)).read_bytes()
    (tmp_path / name(shelf, 1)).write_bytes(whole[: len(whole) // 4])
    changed = bytearray((tmp_path / name(shelf, 2)).read_bytes())
    changed[parts.header_size(changed, "") + 3] ^= 1
    (tmp_path / name(shelf, 2)).write_bytes(changed)
    (folder / "model.safetensors").write_text("somebody's")
    (folder / "notes.txt").write_text("x")
    (folder / f"{9:032x}.safetensors.bak").write_text("x")
    (folder / "sub").mkdir()
    found, damaged = shelf.scan()
    assert list(found) == [name(shelf, 3)]
    assert damaged == [name(shelf, i) for i in range(3)]


def test_read_refuses_changed_values_and_map_leaves_them_to_the_caller(tmp_path):
    shelf = Store(tmp_path).shelf(Mfcc())
    part = make_part()
    shelf.write(name(shelf), part)
    assert_same(shelf.read(name(shelf)), part)
    assert_same(shelf.map(name(shelf)), part)
    assert not shelf.map(name(shelf)).values.flags.writeable
    path = tmp_path / name(shelf)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert shelf.scan()[1] == []  # its keys are whole
    with pytest.raises(StoreError, match="is damaged: 1 of its 4 rows have changed"):
        shelf.read(name(shelf))
    assert shelf.map(name(shelf)).damaged() == [2]


def test_settings_and_the_front_end_have_folders_of_their_own(tmp_path, monkeypatch):
    store = Store(tmp_path)
    keys = {store.shelf(f).key for f in (Mfcc(), Mfcc(n_mfcc=13), Mfcc(resampler="kaiser_fast"), LogMel())}
    assert len(keys) == 4
    assert store.shelf(Mfcc()).key == store.shelf(Mfcc()).key
    monkeypatch.setattr(earmark.store, "FRONT_END", 10**6)
    assert store.shelf(Mfcc()).key not in keys


# A store


def test_where_a_store_is(tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_STORE", str(tmp_path / "named"))
    assert Store().address == str(tmp_path / "named")
    assert Store(tmp_path / "given").address == str(tmp_path / "given")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Store("~/mine").address == str(tmp_path / "mine")
    assert Store(f"file://{tmp_path}/a%20b").address == str(tmp_path / "a b")
    monkeypatch.chdir(tmp_path)
    assert Store("there").address == str(tmp_path / "there")
    assert not list(tmp_path.iterdir())  # nothing is made before something is kept
    for empty in ("", None):
        monkeypatch.setenv("EARMARK_STORE", empty) if empty is not None else monkeypatch.delenv(
            "EARMARK_STORE"
        )
        assert Store().address == str(earmark.store.default_folder())


@pytest.mark.skipif(sys.platform != "linux", reason="where caches are differs")
def test_the_default_is_among_the_caches(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("EARMARK_STORE")
    assert Store().address == str(tmp_path / "earmark" / "features")


@pytest.mark.parametrize("below", ["", "deeper", "deeper/still"])
def test_a_file_in_the_way(tmp_path, below):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError) as caught:
        Store(tmp_path / "file" / below)
    assert str(caught.value) == f"{tmp_path / 'file'} is a file; a feature store needs a folder."


def stocked(store: Store, sizes=(1, 5, 20), used=(300, 200, 100)) -> dict[str, int]:
    """Write parts whose last use was so many days ago; their sizes by name."""
    shelf = store.shelf(Mfcc())
    written = {}
    for i, (rows, days) in enumerate(zip(sizes, used, strict=True)):
        shelf.write(name(shelf, i), make_part((1,) * rows, 40, seed=i))
        path = Path(store.address) / name(shelf, i)
        os.utime(path, (time.time() - days * 86_400,) * 2)
        written[name(shelf, i)] = path.stat().st_size
    return written


def test_stock(tmp_path):
    store = Store(tmp_path)
    assert list(store.stock()) == []
    sizes = stocked(store)
    store.shelf(LogMel()).write(name(store.shelf(LogMel())), make_part((3, 3)))
    (tmp_path / "foreign.safetensors").write_text("x")
    logs, mfccs = store.stock()
    assert (mfccs.key, mfccs.parts, mfccs.clips, mfccs.size) == (
        store.shelf(Mfcc()).key, 3, 26, sum(sizes.values()),
    )  # fmt: skip
    assert mfccs.feature["name"] == "mfcc"
    assert mfccs.feature["front_end"] == earmark.store.FRONT_END
    assert time.time() - 101 * 86_400 < mfccs.used < time.time() - 99 * 86_400
    assert (logs.parts, logs.clips) == (1, 2)
    for content in (b"[1, 2]", b"{", b"7"):
        (tmp_path / mfccs.key / "feature.json").write_bytes(content)
        (tmp_path / name(store.shelf(Mfcc()), 1)).write_bytes(b"damaged")
        assert [(s.clips, dict(s.feature)) for s in store.stock()][1] == (21, {})


@pytest.mark.parametrize(
    ("before", "keep", "gone"),
    [
        (None, None, []),
        (250, None, [0]),
        (150, None, [1, 0]),
        (0, None, [2, 1, 0]),
        (None, 10**9, []),
        (None, 0, [2, 1, 0]),
        (None, 10_000, [0]),
        (150, 10**9, [1, 0]),
        (1000, 0, [2, 1, 0]),
    ],
)
def test_prune_by_age_and_size(tmp_path, before, keep, gone):
    store = Store(tmp_path)
    sizes = stocked(store)
    names = list(sizes)
    if keep == 10_000:
        keep = sizes[names[2]] + sizes[names[1]]
    when = None if before is None else time.time() - before * 86_400
    would, kept = store.prune(when, keep, dry_run=True)
    assert [e.name for e in would] == [names[i] for i in gone]
    assert len(list(store.parts())) == 3
    went, stay = store.prune(when, keep)
    assert (went, stay) == (would, kept)
    assert {e.name for e in store.parts()} == {e.name for e in stay}
    assert {e.name: e.size for e in went + stay} == sizes


def test_prune_touches_nothing_but_parts(tmp_path):
    """Even where somebody calls a folder a store that is none."""
    store = Store(tmp_path)
    stocked(store)
    others = [
        tmp_path / "model.safetensors",
        tmp_path / "models" / f"{1:032x}.safetensors",
        tmp_path / store.shelf(Mfcc()).key / "weights.safetensors",
        tmp_path / f".{1:016x}.part",
        tmp_path / "downloads" / f".{1:016x}.part",
        tmp_path / store.shelf(Mfcc()).key / ".somebody.part",
        tmp_path / store.shelf(Mfcc()).key / "deeper" / f"{1:032x}.safetensors",
    ]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("precious")
        os.utime(path, (0, 0))
    gone, kept = store.prune(before=time.time(), keep=0)
    assert (len(gone), kept) == (3, [])
    assert all(path.read_text() == "precious" for path in others)


def test_use_is_noted_at_most_once_an_hour(tmp_path):
    store = Store(tmp_path)
    first = next(iter(stocked(store)))
    path = tmp_path / first
    store.place.touch(first)
    assert time.time() - path.stat().st_mtime < 60
    os.utime(path, (time.time() - 600,) * 2)
    store.place.touch(first)
    assert time.time() - path.stat().st_mtime > 500
    store.place.touch("absent")


WRITER = """
import os, sys, time
from pathlib import Path
from earmark.files import write_atomically
os.fsync = lambda fd: (print("writing", flush=True), time.sleep(600))
write_atomically(Path(sys.argv[1]), b"half")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_what_a_killed_writer_left_is_swept_and_a_living_one_is_left_alone(tmp_path):
    store = Store(tmp_path)
    shelf = store.shelf(Mfcc())
    target = tmp_path / name(shelf)
    with subprocess.Popen([sys.executable, "-c", WRITER, target], stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"writing\n"
        (orphan,) = target.parent.glob(".*")
        assert store.place.tidy() == 0  # it is young
        os.utime(orphan, (0, 0))
        assert store.place.tidy() == 0  # it is held
        assert orphan.exists()
        writer.kill()
        writer.wait()
        assert list(store.parts()) == []
        assert shelf.scan() == ({}, [])
        assert store.place.tidy() == 1
        assert not orphan.exists()
    assert store.place.tidy() == 0


def test_nothing_half_made_is_left_where_the_disk_is_full(tmp_path, monkeypatch):
    shelf = Store(tmp_path).shelf(Mfcc())
    shelf.write(name(shelf, 1), make_part())

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left on device") as caught:
            shelf.write(name(shelf, 2), make_part())
    assert caught.value.filename == str(tmp_path / name(shelf, 2))
    assert [e.name for e in Store(tmp_path).parts()] == [name(shelf, 1)]
    assert not list((tmp_path / shelf.key).glob(".*"))


def test_a_store_that_vanishes(tmp_path):
    store = Store(tmp_path / "s")
    assert (list(store.parts()), store.place.tidy(), store.prune(keep=0)) == ([], 0, ([], []))
    shelf = store.shelf(Mfcc())
    assert shelf.scan() == ({}, [])
    store.place.delete(name(shelf))
    with pytest.raises(FileNotFoundError):
        shelf.read(name(shelf))
    write_atomically(tmp_path / "s" / name(shelf), b"")
    with pytest.raises((StoreError, ValueError)):
        shelf.map(name(shelf))


# Object storage


@pytest.fixture
def bucket():
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield Store("memory://sounds/my features")
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def test_a_store_in_object_storage(bucket):
    assert isinstance(bucket.place, Bucket)
    assert str(bucket) == bucket.address == "memory://sounds/my features"
    shelf = bucket.shelf(LogMel())
    assert shelf.scan() == ({}, [])
    assert list(bucket.stock()) == []
    part = make_part((3, 0, 2), 128, "float16")
    shelf.write(name(shelf, 1), part)
    shelf.write(name(shelf, 2), make_part(seed=2))
    assert bucket.place.has(name(shelf, 1))
    assert not bucket.place.has(name(shelf, 3))
    found, damaged = shelf.scan()
    assert (sorted(found), damaged) == ([name(shelf, 1), name(shelf, 2)], [])
    assert_same(found[name(shelf, 1)], part, values=False)
    assert_same(shelf.read(name(shelf, 1)), part)
    assert_same(shelf.map(name(shelf, 1)), part)
    (stock,) = bucket.stock()
    assert (stock.parts, stock.clips, stock.feature["name"]) == (2, 7, "log_mel")
    assert time.time() - 3600 < stock.used < time.time() + 60
    bucket.place.root.fs.pipe_file(f"{bucket.place.root.path}/{name(shelf, 1)}", b"damaged")
    assert shelf.scan()[1] == [name(shelf, 1)]
    bucket.place.delete(name(shelf, 1))
    shelf.write(name(shelf, 1), part)
    shelf.write(name(shelf, 1), part)  # as another worker may, a moment later
    assert_same(shelf.read(name(shelf, 1)), part)
    bucket.place.touch(name(shelf, 1))
    assert bucket.place.tidy() == 0
    bucket.place.delete(name(shelf, 3))
    gone, kept = bucket.prune(keep=0)
    assert (len(gone), kept, list(bucket.parts())) == (2, [], [])
    with pytest.raises(FileNotFoundError):
        shelf.read(name(shelf, 1))


def test_object_storage_reads_only_the_keys(bucket, monkeypatch):
    shelf = bucket.shelf(LogMel())
    shelf.write(name(shelf), make_part((50,) * 100, 128, "float16"))
    asked = []
    read = Bucket.read
    monkeypatch.setattr(Bucket, "read", lambda *a: asked.append(len(found := read(*a))) or found)
    assert len(shelf.scan()[0]) == 1
    assert asked == [earmark.store._PREFIX]


def test_object_storage_that_refuses_says_so_in_one_sentence(bucket, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError("forbidden, key=abc123")

    system = type(bucket.place.root.fs)
    monkeypatch.setattr(system, "pipe_file", refuse)
    shelf = bucket.shelf(LogMel())
    with pytest.raises(OSError, match="Permission denied") as caught:
        shelf.write(name(shelf), make_part())
    assert "abc123" not in str(caught.value)
    assert caught.value.filename == "memory://sounds/my features"
