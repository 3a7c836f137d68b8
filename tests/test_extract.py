"""Extraction through the store: what is computed, what is not, and what becomes of clips and files that go wrong."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import earmark.extract.work as work
from earmark.audio import load
from earmark.dataset import Clips, Dataset
from earmark.engine import Local
from earmark.engine import local as engine_local
from earmark.errors import DataError, StoreError
from earmark.extract import Done, Progress, extract, extract_courses, fill
from earmark.features import FEATURES, LogMel, Mfcc, Stats
from earmark.readers import read_sounds
from earmark.store import Store
from earmark.types import Clip
from tiny_encoder import ready

RATE = 16_000
SHORT = 0.3  # seconds


class Here:
    """An engine that works in this process, so that what is patched is seen."""

    workers = 1

    def map(self, function, items) -> Iterator:
        return map(function, items)


@pytest.fixture(scope="session")
def sounds(tmp_path_factory, write_wav) -> Path:
    """A dozen short sounds, no two the same; do not write into it."""
    folder, rng = tmp_path_factory.mktemp("sounds") / "sounds", np.random.default_rng(0)
    for i in range(12):
        t = np.arange(int(RATE * (SHORT + 0.01 * i))) / RATE
        sound = 0.3 * np.sin(2 * np.pi * (200 + 150 * i) * t) + 0.05 * rng.standard_normal(len(t))
        write_wav(folder / f"{i:02}.wav", sound, RATE)
    return folder


@pytest.fixture
def own(sounds, tmp_path) -> Path:
    """A copy of `sounds` to do with as one likes."""
    return Path(shutil.copytree(sounds, tmp_path / "own"))


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


def dataset(folder: Path, *clips: Clip) -> Dataset:
    """The recordings in a folder, or the given clips of them."""
    found = clips or [Clip(path.name, (), path.name) for path in sorted(folder.iterdir())]
    return Dataset("test", folder, "sounds", Clips.of(found), False, "file", None, "test")


def run(data, store, feature=None, engine=None, how=extract):
    """Extract; return the table, what became of the clips, and the notes."""
    told: list[Progress] = []
    notes: list[str] = []
    data = dataset(data) if isinstance(data, Path) else data
    table = how(data, feature or Mfcc(), told.append, engine or Here(), store, notes.append)
    check_progress(told)
    return table, told[-1].so_far, notes


def check_progress(told: list[Progress]) -> None:
    """Counts only grow, and add up to the total."""
    assert all(progress.done <= progress.total for progress in told)
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert told[-1].done == told[-1].total
    for progress in told:
        counts = progress.so_far
        assert progress.done == counts.stored + counts.computed + counts.reread + counts.skipped


def counts(done: Done) -> tuple[int, int, int, int]:
    return done.stored, done.computed, done.reread, done.skipped


def parts(store: Store) -> list[Path]:
    return [Path(store.address) / entry.name for entry in store.parts()]


@pytest.fixture
def nothing_computes(monkeypatch):
    """Fail where an engine is asked for anything."""

    def refuse(self, function, items):
        raise AssertionError("nothing was to be computed")

    monkeypatch.setattr(Here, "map", refuse)
    monkeypatch.setattr(Local, "map", refuse)


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """The names of the files that are decoded, in order, with engine `Here`."""
    names: list[str] = []
    decode = work.decode

    def noted(path, *cut):
        names.append(Path(path).name)
        return decode(path, *cut)

    monkeypatch.setattr(work, "decode", noted)
    return names


@pytest.fixture
def small_chunks(monkeypatch):
    """Set how many clips a chunk has, and so a part."""
    fill_module = sys.modules["earmark.extract.fill"]

    def limit(clips):
        monkeypatch.setattr(fill_module, "_SMALLEST", clips)
        monkeypatch.setattr(fill_module, "_LARGEST", clips)

    return limit


@pytest.fixture
def fresh_workers():
    """Workers that see this test's environment, and are not left to the next."""
    engine_local._idle.close()
    yield
    engine_local._idle.close()


# The same as without a store


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_from_the_store_is_the_feature_itself(name, sounds, store):
    """The contract, for every feature and for cuts as well: to the bit, computed and found again."""
    feature = ready(FEATURES[name]())
    cuts = [
        Clip("03.wav", (), "", 0.05, 0.2),
        Clip("03.wav", (), "", 0.1, None),
        Clip("03.wav", (), "", None, 0.2),
    ]
    data = dataset(sounds, *dataset(sounds).clips, *cuts)
    expected = [
        feature.extract(load(sounds / c.path, feature.sample_rate, feature.resampler, c.start, c.end))
        for c in data.clips
    ]
    how = extract_courses if feature.course else extract
    for _ in range(2):
        table, _, _ = run(data, store, feature, how=how)
        assert table.rows.tolist() == list(range(len(data.clips)))
        assert table.feature == feature
        assert table.skipped == ()
        assert table.dataset_fingerprint == data.fingerprint
        values = table.courses if feature.course else table.values
        assert len(values) == len(expected)
        for got, wanted in zip(values, expected, strict=True):
            assert got.dtype == wanted.dtype == np.float32
            np.testing.assert_array_equal(got, wanted)
        durations = [SHORT + 0.01 * i for i in range(12)] + [0.15, SHORT + 0.03 - 0.1, 0.2]
        np.testing.assert_allclose(table.seconds, durations, atol=1 / RATE)


@pytest.mark.parametrize("workers", [1, 3])
def test_however_many_workers_the_store_is_the_same(workers, sounds, tmp_path):
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    one, _, _ = run(sounds, here)
    other, _, _ = run(sounds, there, engine=Local(workers))
    np.testing.assert_array_equal(one.values, other.values)
    assert {p.name: p.read_bytes() for p in parts(here)} == {p.name: p.read_bytes() for p in parts(there)}


def test_many_chunks_in_any_order_are_one_table(write_wav, tmp_path, store):
    """More chunks than workers, begun anywhere: rows stay where they belong."""
    path = write_wav(
        tmp_path / "d" / "long.wav", 0.1 * np.random.default_rng(0).standard_normal(RATE * 8), RATE
    )
    cuts = [Clip(path.name, (), "", 0.01 * i, 0.01 * i + 0.05) for i in range(700)]
    data = dataset(path.parent, *cuts)
    table, done, _ = run(data, store, engine=Local(2))
    assert len(parts(store)) == 6
    assert counts(done) == (0, 700, 0, 0)
    feature = Mfcc()
    for i in (0, 127, 128, 400, 699):
        sound = load(path, feature.sample_rate, feature.resampler, cuts[i].start, cuts[i].end)
        np.testing.assert_array_equal(table.values[i], feature.extract(sound))


def test_courses_are_a_sequence(sounds, store):
    table, _, _ = run(sounds, store, LogMel(), how=extract_courses)
    courses, feature = table.courses, LogMel()
    whole = [feature.extract(load(p, feature.sample_rate)) for p in sorted(sounds.iterdir())]
    np.testing.assert_array_equal(courses[-1], whole[-1])
    with pytest.raises(IndexError):
        courses[12]
    rows = np.array([5, 0, 11, 5])
    for length in (1, 7, 40):
        taken = courses.take(rows, length, fill=-100.0)
        assert taken.shape == (4, length, 128)
        assert taken.dtype == np.float32
        for got, row in zip(taken, rows, strict=True):
            frames = min(length, len(whole[row]))
            np.testing.assert_array_equal(got[:frames], whole[row][:frames])
            assert (got[frames:] == -100.0).all()
    assert courses.take(np.empty(0, np.int64), 3).shape == (0, 3, 128)


def test_of_a_course_there_is_a_summary_as_well(sounds, store):
    table = extract(dataset(sounds), LogMel(), store=store)
    assert table.inputs is table.courses
    assert table.values.shape == (len(table.courses), 2 * 128)
    for values, course in zip(table.values, table.courses, strict=True):
        np.testing.assert_allclose(values, [*course.mean(axis=0), *course.std(axis=0)], rtol=1e-4, atol=1e-4)


# What is computed, and what is not


def test_a_second_run_computes_nothing(sounds, store, nothing_computes, monkeypatch):
    with monkeypatch.context() as patch:
        patch.undo()
        patch.setattr(Here, "map", lambda self, function, items: map(function, items))
        first, done, _ = run(sounds, store)
        assert counts(done) == (0, 12, 0, 0)
        assert done.seconds == pytest.approx(sum(SHORT + 0.01 * i for i in range(12)), abs=12 / RATE)
    again, done, notes = run(sounds, store)
    assert (counts(done), done.seconds, notes) == ((12, 0, 0, 0), 0, [])
    np.testing.assert_array_equal(first.values, again.values)


def test_from_any_folder_by_any_name(sounds, store, monkeypatch, tmp_path):
    """The same files are the same, called from elsewhere; a link is another address of the same sound."""
    run(sounds, store)
    monkeypatch.chdir(sounds.parent)
    _, done, _ = run(dataset(Path("sounds"), *dataset(sounds).clips), store)
    assert counts(done) == (12, 0, 0, 0)
    (tmp_path / "link").symlink_to(sounds)
    _, done, _ = run(tmp_path / "link", store)
    assert counts(done) == (0, 0, 12, 0)
    # `..` behind a link is the folder above the link's target
    _, done, _ = run(dataset(tmp_path / "link" / ".." / "sounds", *dataset(sounds).clips), store)
    assert done.skipped == 0


def test_one_changed_file(own, store, write_wav):
    before, _, _ = run(own, store)
    write_wav(own / "04.wav", 0.2 * np.ones(RATE), RATE)
    after, done, _ = run(own, store)
    assert counts(done) == (11, 1, 0, 0)
    changed = (before.values != after.values).any(axis=1)
    assert np.flatnonzero(changed).tolist() == [4]
    assert after.seconds[4] == 1.0


def test_one_touched_file(own, store):
    before, _, _ = run(own, store)
    os.utime(own / "04.wav", (1e9, 1e9))
    after, done, _ = run(own, store)
    assert counts(done) == (11, 0, 1, 0)
    np.testing.assert_array_equal(before.values, after.values)
    np.testing.assert_array_equal(before.seconds, after.seconds)
    assert counts(run(own, store)[1]) == (12, 0, 0, 0)


def test_a_moved_or_copied_data_set_is_read_again_and_not_computed(own, store, tmp_path):
    before, _, _ = run(own, store)
    shutil.copytree(own, tmp_path / "copy")
    own.rename(tmp_path / "möved to")
    for folder in (tmp_path / "copy", tmp_path / "möved to"):
        after, done, _ = run(folder, store)
        assert counts(done) == (0, 0, 12, 0)
        np.testing.assert_array_equal(before.values, after.values)
        np.testing.assert_array_equal(before.seconds, after.seconds)
        assert counts(run(folder, store)[1]) == (12, 0, 0, 0)
    values = sum(len(part) for part, _ in read(store) if len(part.values))
    assert values == 12  # kept once


def read(store: Store, feature=None):
    shelf = store.shelf(feature or Mfcc())
    return [(shelf.read(name), name) for name in shelf.scan()[0]]


def test_copies_whose_original_is_gone_from_the_store_are_computed(own, store, tmp_path):
    """The rows that refer to it are there, under the same names, and no longer serve."""
    before, _, _ = run(own, store)
    copy = Path(shutil.copytree(own, tmp_path / "copy"))
    run(copy, store)
    for part, name in read(store):
        if len(part.values):
            store.place.delete(name)
    after, done, notes = run(copy, store)
    assert (counts(done), notes) == ((0, 12, 0, 0), [])
    np.testing.assert_array_equal(before.values, after.values)
    assert counts(run(copy, store)[1]) == (12, 0, 0, 0)
    assert counts(run(own, store)[1]) == (0, 0, 12, 0)


def test_duplicates_and_cuts(own, store):
    shutil.copy(own / "00.wav", own / "zz.wav")
    first = dataset(own)
    clips = [
        *first.clips,
        first.clips[0],
        Clip("01.wav", (), "", 0.1, 0.2),
        Clip("01.wav", (), "", 0.1, 0.25),
    ]
    table, done, _ = run(dataset(own, *clips), store)
    assert counts(done) == (0, 16, 0, 0)
    np.testing.assert_array_equal(table.values[0], table.values[12])
    np.testing.assert_array_equal(table.values[0], table.values[13])
    assert (table.values[14] != table.values[15]).any()
    assert counts(run(dataset(own, *clips), store)[1]) == (16, 0, 0, 0)


def test_settings_are_kept_apart(sounds, store):
    for feature in (Mfcc(), Mfcc(n_mfcc=13), Mfcc(resampler="kaiser_fast"), Mfcc(sample_rate=RATE)):
        table, done, _ = run(sounds, store, feature)
        assert counts(done) == (0, 12, 0, 0)
        path = sounds / "02.wav"
        own_values = feature.extract(load(path, feature.sample_rate, feature.resampler))
        np.testing.assert_array_equal(table.values[2], own_values)
    assert len(list(store.stock())) == 4


def test_several_features_in_one_pass(sounds, tmp_path, decoded):
    """Decoded once, and what the store then holds is what it holds one by one."""
    features = [Mfcc(), LogMel(), Stats(), Mfcc(n_mfcc=13)]
    together, one_by_one = Store(tmp_path / "together"), Store(tmp_path / "single")
    fill(dataset(sounds), features, together, Here())
    assert len(decoded) == 12
    for feature in features:
        fill(dataset(sounds), [feature], one_by_one, Here())
    assert len(decoded) == 5 * 12
    content = [
        {str(p.relative_to(s.address)): p.read_bytes() for p in parts(s)} for s in (together, one_by_one)
    ]
    assert content[0] == content[1]
    assert len(content[0]) == 4


def test_one_feature_more_decodes_what_it_needs_and_keeps_the_others(sounds, store, decoded):
    run(sounds, store)
    before = {p: p.read_bytes() for p in parts(store)}
    told: list[Progress] = []
    fill(dataset(sounds), [Mfcc(), LogMel()], store, Here(), told.append)
    check_progress(told)
    assert counts(told[-1].so_far) == (0, 12, 0, 0)
    assert len(decoded) == 24
    after = {p: p.read_bytes() for p in parts(store)}
    assert before.items() <= after.items()
    assert len(after) == 2


def test_work_that_another_run_published_meanwhile_is_not_done_again(sounds, store, decoded, monkeypatch):
    class Late(Here):
        def map(self, function, items):
            items = list(items)
            if not late:
                late.append(True)
                run(sounds, store)  # another run, from beginning to end
            return map(function, items)

    late: list[bool] = []
    _, done, _ = run(sounds, store, engine=Late())
    assert counts(done) == (12, 0, 0, 0)
    assert len(decoded) == 12


def test_what_another_run_published_of_one_feature_is_not_kept_twice(sounds, own, store, write_wav):
    """Nor is it taken for the sound of another clip, which it would be by a run that looks for those."""
    write_wav(own / "zz.wav", 0.3 * np.ones(RATE), RATE)
    fill(
        dataset(own, Clip("zz.wav", (), "")), [Mfcc(), LogMel()], store, Here()
    )  # so that sounds are looked for

    class Late(Here):
        def map(self, function, items):
            items = list(items)
            if not late:
                late.append(True)
                run(sounds, store)
            return map(function, items)

    late: list[bool] = []
    done = fill(dataset(sounds), [Mfcc(), LogMel()], store, Late()).progress.so_far
    assert counts(done) == (0, 12, 0, 0)
    for feature in (Mfcc(), LogMel()):
        assert sorted(len(part) for part, _ in read(store, feature)) == [1, 12]
        assert all((part.frames > 0).all() for part, _ in read(store, feature))


def test_use_is_noted_for_pruning(sounds, store, tmp_path):
    copy = Path(shutil.copytree(sounds, tmp_path / "copy"))
    run(sounds, store)
    run(copy, store)
    for path in parts(store):
        os.utime(path, (0, 0))
    run(copy, store)  # what refers and what is referred to
    assert all(time.time() - path.stat().st_mtime < 600 for path in parts(store))
    assert len(parts(store)) == 2


# A store that was damaged


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 64
    path.write_bytes(data)


def flip_key(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[8 + int.from_bytes(data[:8], "little")] ^= 64
    path.write_bytes(data)


DAMAGE = {
    "a flipped bit of a value": flip,
    "a flipped bit of a key": flip_key,
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-5]),
    "cut off in the header": lambda path: path.write_bytes(path.read_bytes()[:60]),
    "empty": lambda path: path.write_bytes(b""),
    "something else": lambda path: path.write_bytes(b"\0" * 5000),
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("feature", [Mfcc(), LogMel()], ids=["vectors", "courses"])
def test_a_damaged_part_is_computed_again_with_a_note(how, feature, sounds, store, small_chunks):
    small_chunks(4)  # three parts
    kind = extract_courses if feature.course else extract
    before, _, _ = run(sounds, store, feature, how=kind)
    values = list(before.courses) if feature.course else before.values
    content = {path: path.read_bytes() for path in parts(store)}
    assert len(content) == 3
    for path in list(content)[:2]:  # more than one at a time
        DAMAGE[how](path)
    told: list[Progress] = []
    notes: list[str] = []
    after = kind(dataset(sounds), feature, told.append, Here(), store, notes.append)
    assert len(notes) == 2
    for note, path in zip(sorted(notes), sorted(content)[:2], strict=True):
        assert str(path.relative_to(store.address)) in note
        assert "was damaged and is discarded" in note
    assert counts(told[-1].so_far) == (4, 8, 0, 0)
    for one, other in zip(values, after.courses if feature.course else after.values, strict=True):
        np.testing.assert_array_equal(one, other)
    assert {path: path.read_bytes() for path in parts(store)} == content
    assert run(sounds, store, feature, how=kind)[2] == []


def test_a_deleted_part_is_computed_again_without_a_word(sounds, store):
    before, _, _ = run(sounds, store)
    shutil.rmtree(store.address)
    after, done, notes = run(sounds, store)
    assert (counts(done), notes) == ((0, 12, 0, 0), [])
    np.testing.assert_array_equal(before.values, after.values)


def test_every_part_damaged_at_once(sounds, store, small_chunks):
    small_chunks(1)
    before, _, _ = run(sounds, store)
    for path in parts(store):
        flip(path)
    notes: list[str] = []
    after = extract(dataset(sounds), Mfcc(), None, Here(), store, notes.append)
    assert len(notes) == len(parts(store)) == 12
    np.testing.assert_array_equal(before.values, after.values)


def test_damage_in_a_part_that_others_refer_to(own, store, tmp_path):
    before, _, _ = run(own, store)
    copy = Path(shutil.copytree(own, tmp_path / "copy"))
    run(copy, store)
    (home,) = (name for part, name in read(store) if len(part.values))
    flip(Path(store.address) / home)
    notes: list[str] = []
    after = extract(dataset(copy), Mfcc(), None, Here(), store, notes.append)
    assert len(notes) == 1
    np.testing.assert_array_equal(before.values, after.values)


def test_a_store_that_is_damaged_as_often_as_it_is_mended(sounds, store):
    class Bad(Here):
        def map(self, function, items):
            for item in items:
                yield function(item)
                for path in parts(store):
                    flip(path)

    with pytest.raises(StoreError, match="is damaged as often as it is mended"):
        extract(dataset(sounds), Mfcc(), None, Bad(), store)


def test_a_store_that_is_emptied_while_it_is_filled(sounds, store, small_chunks):
    """Deleted once, what went is computed again; deleted again and again, one sentence."""
    small_chunks(4)
    expected, _, _ = run(sounds, Store(f"{store.address} 2"))

    class Emptied(Here):
        def __init__(self, times):
            self.times = times

        def map(self, function, items):
            for i, item in enumerate(items):
                yield function(item)
                if i == 1 and self.times:
                    self.times -= 1
                    shutil.rmtree(store.address)

    table, done, (note,) = run(sounds, store, engine=Emptied(1))
    assert note == "Features of 8 clips have gone from the store; they are computed again."
    assert counts(done) == (0, 12, 0, 0)
    np.testing.assert_array_equal(table.values, expected.values)
    shutil.rmtree(store.address)
    with pytest.raises(StoreError, match="does not keep what is written to it"):
        run(sounds, store, engine=Emptied(100))


def test_courses_outlive_their_parts(sounds, store):
    table, _, _ = run(sounds, store, LogMel(), how=extract_courses)
    expected = [course.copy() for course in table.courses]
    fresh, _, _ = run(sounds, store, LogMel(), how=extract_courses)
    shutil.rmtree(store.address)
    for one, other in zip(fresh.courses, expected, strict=True):
        np.testing.assert_array_equal(one, other)


# Files that go wrong


@pytest.fixture
def bad(own, write_wav) -> Path:
    """Every fourth file is bad, each in its own way."""
    (own / "00.wav").write_text("this is no sound")
    write_wav(own / "03.wav", np.full(RATE, np.nan), RATE, "FLOAT")
    write_wav(own / "06.wav", np.zeros(20), RATE)
    write_wav(own / "09.wav", np.zeros(0), RATE)
    return own


KINDS = {"00.wav": "unreadable", "03.wav": "not_finite", "06.wav": "too_short", "09.wav": "empty"}


def test_bad_files_are_skipped_named_and_remembered(bad, store, decoded, write_wav):
    first, done, _ = run(bad, store)
    assert counts(done) == (0, 8, 0, 4)
    assert first.rows.tolist() == [1, 2, 4, 5, 7, 8, 10, 11]
    assert {p.path: p.kind for p in first.skipped} == KINDS
    assert all(p.detail for p in first.skipped)
    decoded.clear()
    again, done, _ = run(bad, store)
    assert (counts(done), decoded) == ((8, 0, 0, 4), [])
    assert again.skipped == first.skipped
    np.testing.assert_array_equal(first.values, again.values)
    write_wav(bad / "00.wav", 0.1 * np.ones(RATE), RATE)  # repaired
    mended, done, _ = run(bad, store)
    assert (counts(done), decoded) == ((8, 1, 0, 3), ["00.wav"])
    assert mended.rows.tolist() == [0, 1, 2, 4, 5, 7, 8, 10, 11]
    np.testing.assert_array_equal(mended.values[1:], first.values)


def test_a_missing_file_is_not_remembered(own, store, decoded):
    data = dataset(own)
    (own / "05.wav").rename(own.parent / "away.wav")
    for stored in (0, 11):
        table, done, _ = run(data, store)
        assert counts(done) == (stored, 11 - stored, 0, 1)
        (problem,) = table.skipped
        assert (problem.kind, problem.path, problem.detail) == (
            "unreadable",
            "05.wav",
            "no such file or directory",
        )
        assert 5 not in table.rows
    assert decoded.count("05.wav") == 2
    assert sum(len(part) for part, _ in read(store)) == 11
    (own.parent / "away.wav").rename(own / "05.wav")
    table, done, _ = run(data, store)
    assert counts(done) == (11, 1, 0, 0)
    assert table.rows.tolist() == list(range(12))


def test_a_folder_in_place_of_a_file(own, store):
    data = dataset(own)
    (own / "05.wav").unlink()
    (own / "05.wav").mkdir()
    table, done, _ = run(data, store)
    assert counts(done) == (0, 11, 0, 1)
    assert table.skipped[0].path == "05.wav"
    assert counts(run(data, store)[1]) == (11, 0, 0, 1)


def test_cuts_that_cannot_be(sounds, store):
    clips = [
        Clip("00.wav", (), "", 0.0, 0.1),
        Clip("00.wav", (), "", 5.0, 6.0),
        Clip("00.wav", (), "", 0.1, 9.0),
        Clip("00.wav", (), "", 0.2, 0.1),
        Clip("00.wav", (), "", 0.1, 0.101),
    ]
    table, done, _ = run(dataset(sounds, *clips), store)
    assert counts(done) == (0, 1, 0, 4)
    assert [p.kind for p in table.skipped] == ["empty", "too_short", "empty", "too_short"]
    assert run(dataset(sounds, *clips), store)[0].skipped == table.skipped


def test_nothing_can_be_read(own, store):
    for path in own.iterdir():
        path.write_text("no sound")
    with pytest.raises(
        DataError, match=r"None of the 12 clips of test can be read\. The first: 00\.wav: not"
    ):
        run(own, store)


def test_no_clips_at_all(tmp_path, store):
    empty = Dataset("none", tmp_path, "sounds", Clips.of([]), False, "file", None, "none")
    with pytest.raises(DataError, match=r"^none has no clips\.$"):
        extract(empty, Mfcc(), store=store)
    assert fill(empty, [Mfcc(), LogMel()], store, Here()).progress == Progress(0)
    assert parts(store) == []


def test_names_that_are_hard_to_keep(tmp_path, store, sounds):
    folder = tmp_path / os.fsdecode(b"caf\xe9 \xff")  # not text
    try:
        folder.mkdir()
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system takes only text")
    shutil.copy(sounds / "00.wav", folder / "a\nb “c”.wav")
    for expected in ((0, 1, 0, 0), (1, 0, 0, 0)):
        assert counts(run(folder, store, engine=Local(1))[1]) == expected


# Decoders that crash and hang


@dataclass(frozen=True)
class Fatal:
    """A feature that ends its process where a clip is loud, as a decoder with a bug might."""

    name: ClassVar[str] = "fatal"
    storage: ClassVar[str] = "float32"
    course: ClassVar[bool] = False
    dims: ClassVar[int] = 2
    sample_rate: int = RATE
    resampler: str = "soxr_hq"
    channel: str = "mean"
    how: str = "kill"

    def extract(self, waveform):
        peak = float(np.abs(waveform.samples).max())
        if peak > 0.95:
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "exit":
                os._exit(3)
            if self.how == "hang":
                time.sleep(600)
            raise MemoryError
        return np.array([peak, waveform.seconds], np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("kill", "ended by SIGKILL"),
        ("exit", "ended with status 3"),
        ("hang", "within the time that one clip may"),
    ],
)
def test_a_clip_that_ends_its_worker_costs_itself_only(
    how, said, own, store, write_wav, monkeypatch, fresh_workers
):
    monkeypatch.setenv("EARMARK_CLIP_SECONDS", "3")
    for name in ("02.wav", "07.wav"):
        write_wav(own / name, np.tile([1.0, -1.0], 4000), RATE)
    feature = Fatal(how=how)
    for stored in (0, 10):
        table, done, _ = run(own, store, feature, Local(2))
        assert counts(done) == (stored, 10 - stored, 0, 2), table.skipped
        assert [(p.kind, p.path) for p in table.skipped] == [("crashed", "02.wav"), ("crashed", "07.wav")]
        assert all(said in p.detail for p in table.skipped)
        assert table.rows.tolist() == [0, 1, 3, 4, 5, 6, 8, 9, 10, 11]
        assert (table.values[:, 0] < 0.95).all()
    write_wav(own / "02.wav", 0.2 * np.ones(RATE), RATE)
    table, done, _ = run(own, store, feature, Local(2))
    assert counts(done) == (10, 1, 0, 1)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_file_that_never_comes_costs_itself_only(own, store, monkeypatch, fresh_workers):
    monkeypatch.setenv("EARMARK_CLIP_SECONDS", "3")
    data = dataset(own)
    (own / "04.wav").unlink()
    os.mkfifo(own / "04.wav")
    table, done, _ = run(data, store, engine=Local(2))
    assert counts(done) == (0, 11, 0, 1)
    (problem,) = table.skipped
    assert (problem.kind, problem.path) == ("crashed", "04.wav")
    assert "within the time that one clip may take" in problem.detail


def test_a_clip_that_wants_more_memory_than_there_is(own, store, write_wav):
    write_wav(own / "02.wav", np.tile([1.0, -1.0], 4000), RATE)
    for stored in (0, 11):
        table, done, _ = run(own, store, Fatal(how="memory"))
        assert counts(done) == (stored, 11 - stored, 0, 1)
        (problem,) = table.skipped
        assert (problem.path, problem.detail) == ("02.wav", "there is not enough memory for it")


def test_a_worker_that_is_killed_from_outside_loses_nothing(sounds, store):
    """The clip it worked on is found innocent."""
    engine = Local(1)
    list(engine.map(abs, [1]))
    victims = [process._process.pid for process in engine_local._idle._waiting]
    for pid in victims:
        threading.Timer(0.02, os.kill, (pid, signal.SIGKILL)).start()
    table, done, _ = run(sounds, store, engine=engine)
    assert counts(done) == (0, 12, 0, 0)
    assert table.skipped == ()


# A store that cannot be written


def test_a_full_disk_is_one_error_and_the_next_run_goes_on(sounds, store, monkeypatch, small_chunks):
    small_chunks(4)
    written = []
    fsync = os.fsync

    def full(descriptor):
        written.append(descriptor)
        if len(written) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left on device") as caught:
            run(sounds, store)
    assert str(caught.value.filename).startswith(store.address)
    assert len(parts(store)) == 2  # and what is said about the feature
    assert not list(Path(store.address).rglob(".*"))
    assert counts(run(sounds, store)[1]) == (8, 4, 0, 0)


MOUNT = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs"]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_disk_that_is_really_full(sounds, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run([*MOUNT, disk], capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        store = Store(disk / "store")
        with pytest.raises(OSError, match="No space left on device"):
            extract_courses(dataset(sounds), LogMel(), None, Local(2), store)
        assert parts(store) == []
        assert not list(disk.rglob(".*"))
        subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
        assert counts(run(sounds, store, LogMel(), Local(2), extract_courses)[1]) == (0, 12, 0, 0)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root mounts a folder again")
def test_a_store_that_can_only_be_read(sounds, tmp_path, store, write_wav):
    before, _, _ = run(sounds, store)
    for path in parts(store):
        os.utime(path, (0, 0))
    if subprocess.run(
        ["mount", "--bind", "-o", "ro", store.address, store.address], capture_output=True
    ).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        after, done, _ = run(sounds, store)
        assert counts(done) == (12, 0, 0, 0)
        np.testing.assert_array_equal(before.values, after.values)
        more = write_wav(tmp_path / "more" / "1.wav", np.ones(RATE) * 0.1, RATE)
        with pytest.raises(OSError, match="Read-only file system"):
            run(more.parent, store, engine=Local(1))
    finally:
        subprocess.run(["umount", "-l", store.address], check=True)


# Two at once


def test_two_runs_at_once_leave_one_store(sounds, tmp_path, write_wav):
    """In threads, for their workers are processes of their own anyway."""
    rng = np.random.default_rng(1)
    path = write_wav(tmp_path / "d" / "long.wav", 0.1 * rng.standard_normal(RATE * 8), RATE)
    data = dataset(path.parent, *(Clip(path.name, (), "", 0.01 * i, 0.01 * i + 0.05) for i in range(600)))
    store, alone = Store(tmp_path / "store"), Store(tmp_path / "alone")
    expected, _, _ = run(data, alone, engine=Local(2))
    tables: list = []
    threads = [
        threading.Thread(target=lambda: tables.append(run(data, store, engine=Local(1))[0])) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tables) == 2
    for table in tables:
        np.testing.assert_array_equal(table.values, expected.values)
    assert {p.name: p.read_bytes() for p in parts(store)} == {p.name: p.read_bytes() for p in parts(alone)}


def test_sounds_are_read_without_labels(sounds, store):
    table, done, _ = run(read_sounds(sounds, "sounds"), store)
    assert counts(done) == (0, 12, 0, 0)
    assert table.values.shape == (12, Mfcc().dims)
