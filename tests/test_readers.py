"""Every reader keeps one contract, then each layout's own rules. The files are placeholders, not sound."""

import contextlib
import csv
import json
import os
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import earmark.readers
from earmark.errors import (
    EarmarkError,
    LayoutError,
    PathError,
    SettingError,
    TableError,
    UnknownNameError,
)
from earmark.labels import FORMS, Labels, Region, converted, to_bytes
from earmark.readers import READERS, detect, fsd50k, read, read_sounds, rows
from earmark.readers.listing import Listing, natural
from earmark.readers.pattern import Template

US8K = "slice_file_name,fsID,start,end,salience,fold,classID,class"
ESC50 = "filename,fold,target,category,esc10,src_file,take"
ESC10 = ["chainsaw", "clock_tick", "crackling_fire", "crying_baby", "dog"]
ESC10 += ["helicopter", "rain", "rooster", "sea_waves", "sneezing"]


def touch(root, *paths):
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"placeholder")
    return root


def write_table(file, *lines, encoding="utf-8"):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding=encoding)
    return file


def us8k_row(name, source, fold, label):
    return f"{name},{source},10.5,14.5,1,{fold},3,{label}"


def make_urbansound8k(root):
    lines = [
        us8k_row("20-1-0-0.wav", 20, 2, "siren"),
        us8k_row("7-3-0-0.wav", 7, 1, "dog_bark"),
        us8k_row("7-3-0-1.wav", 7, 1, "dog_bark"),
    ]
    write_table(root / "metadata/UrbanSound8K.csv", US8K, *lines)
    return touch(root, "audio/fold2/20-1-0-0.wav", "audio/fold1/7-3-0-0.wav", "audio/fold1/7-3-0-1.wav")


def make_esc50(root):
    lines = ["1-9-A-0.wav,1,0,dog,True,9,A", "2-9-B-0.wav,2,0,dog,True,9,B", "1-5-A-3.wav,1,3,cow,False,5,A"]
    write_table(root / "meta/esc50.csv", ESC50, *lines)
    return touch(root, "audio/1-9-A-0.wav", "audio/2-9-B-0.wav", "audio/1-5-A-3.wav")


def make_speech_commands(root):
    write_table(root / "validation_list.txt", "dog/0a1b2c3d_nohash_0.wav")
    write_table(root / "testing_list.txt", "cat/ffff0000_nohash_1.wav")
    return touch(root, "dog/0a1b2c3d_nohash_0.wav", "cat/ffff0000_nohash_1.wav", "cat/0a1b2c3d_nohash_0.wav")


def make_folders(root):
    return touch(root, "dog/10.wav", "dog/2.wav", "cat/deep/1.FLAC")


def make_table(root):
    write_table(root / "clips.csv", "path,label,group", "b.wav,dog,rex", "a.wav,cat,tom", "sub/c.wav,dog,rex")
    return touch(root, "a.wav", "b.wav", "sub/c.wav")


def make_pattern(root):
    return touch(root, "dog_rex_10.wav", "dog_rex_2.wav", "cat_tom_1.wav")


def make_fsd50k(root):
    write_table(root / "FSD50K.ground_truth/dev.csv", "fname,labels,mids,split",
        '64760,"Electric_guitar,Guitar,Music","/m/02sgy,/m/0342h,/m/04rlf",train',
        '16399,"Guitar,Music","/m/0342h,/m/04rlf",val')  # fmt: skip
    write_table(root / "FSD50K.ground_truth/eval.csv", "fname,labels,mids", "37199,Bark,/m/05tny_")
    for part, told in (("dev", {"64760": "ann", "16399": "bob"}), ("eval", {"37199": "bob"})):
        about = {name: {"title": "t", "tags": [], "uploader": who} for name, who in told.items()}
        file = root / f"FSD50K.metadata/{part}_clips_info_FSD50K.json"
        write_table(file, json.dumps(about))
    return touch(
        root, "FSD50K.dev_audio/64760.wav", "FSD50K.dev_audio/16399.wav", "FSD50K.eval_audio/37199.wav"
    )


def make_tracks(form):
    """Return what makes two recordings with label files of a form."""

    def make(root):
        told = {"dawn": (Region(0.5, 1.25, "dog"), Region(2.0, 3.5, "cat")), "dusk": (Region(0, 1, "dog"),)}
        touch(root, *(f"{name}.wav" for name in told))
        for name, regions in told.items():
            data = to_bytes(converted(Labels("audacity", regions), form))
            (root / f"{name}{FORMS[form].suffix}").write_bytes(data)
        return root

    return make


# What each reader's small layout looks like, and what has to be in it. A reader without an entry fails.
LAYOUTS = {
    "urbansound8k": (make_urbansound8k, "audio/fold1/new.wav"),
    "esc50": (make_esc50, "audio/new.wav"),
    "speech_commands": (make_speech_commands, "dog/new.wav"),
    "fsd50k": (make_fsd50k, "FSD50K.dev_audio/new.wav"),
    "folders": (make_folders, "dog/new.wav"),
    "table": (make_table, "new.wav"),
    "tracks": (make_tracks("audacity"), "new.wav"),
    **{name: (make_tracks(name), "new.wav") for name in FORMS},
    "pattern": (make_pattern, "dog_lassie_1.wav"),
}
PATTERNS = {"pattern": "{label}_{group}_{take}.wav"}


def kinds(dataset):
    return Counter(problem.kind for problem in dataset.problems)


def problem(dataset, kind):
    (found,) = (p for p in dataset.problems if p.kind == kind)
    return found


def paths(dataset):
    return [clip.path for clip in dataset.clips]


def groups(dataset):
    return [clip.group for clip in dataset.clips]


def test_the_public_surface():
    assert earmark.readers.__all__ == ["READERS", "Reader", "TrackSettings", "detect", "read", "read_sounds"]
    assert list(READERS) == [
        "urbansound8k", "esc50", "fsd50k", "speech_commands", "table", "tracks", *FORMS, "folders", "pattern"
    ]  # fmt: skip


@pytest.mark.parametrize("name", READERS)
class TestEveryReader:
    def small(self, name, root):
        assert name in LAYOUTS, f"add a small layout for the reader '{name}' to LAYOUTS"
        root.mkdir()
        return LAYOUTS[name][0](root)

    def test_keeps_the_contract(self, name, tmp_path):
        root = self.small(name, tmp_path / "set")
        dataset = read(root, name, PATTERNS.get(name))
        assert READERS[name].name == name == dataset.layout
        assert len(dataset.clips) == 3
        assert dataset.problems == ()
        assert dataset.exclusive == (name != "fsd50k")
        assert list(dataset.labels) == sorted(dataset.labels)
        assert all(dataset.file(clip).is_file() for clip in dataset.clips)
        assert all(clip.group for clip in dataset.clips)
        assert (dataset.grouping is None) == (name == "folders")
        assert dataset.name == "set"
        assert dataset.root == root
        assert dataset.title

    def test_order_does_not_depend_on_the_file_system(self, name, tmp_path, monkeypatch):
        root = self.small(name, tmp_path / "set")
        first = list(read(root, name, PATTERNS.get(name)).clips)
        original = os.scandir

        class Backwards(list):
            def __enter__(self):
                return self

            def __exit__(self, *_):
                return None

        monkeypatch.setattr(os, "scandir", lambda p: Backwards(reversed(list(original(p)))))
        assert list(read(root, name, PATTERNS.get(name)).clips) == first

    def test_the_fingerprint_is_stable_and_sees_change(self, name, tmp_path):
        root = self.small(name, tmp_path / "set")
        before = read(root, name, PATTERNS.get(name)).fingerprint
        assert read(root, name, PATTERNS.get(name)).fingerprint == before
        moved = root.rename(tmp_path / "elsewhere")
        assert read(moved, name, PATTERNS.get(name)).fingerprint == before
        added = LAYOUTS[name][1]
        touch(moved, added)
        after = read(moved, name, PATTERNS.get(name))
        if added in paths(after):
            assert after.fingerprint != before
        else:
            assert problem(after, "unlisted").path == added
            (moved / paths(after)[0]).write_bytes(b"longer than the placeholder was")
            assert read(moved, name, PATTERNS.get(name)).fingerprint != before

    def test_is_detected(self, name, tmp_path):
        root = self.small(name, tmp_path / "set")
        if name in PATTERNS:
            assert not READERS[name].matches(root)
            assert read(root, pattern=PATTERNS[name]).layout == name
        elif name in FORMS:
            assert not READERS[name].matches(root)
            assert detect(root) is READERS["tracks"]
        else:
            assert detect(root) is READERS[name]
            assert read(str(root)).layout == name

    def test_hidden_files_and_other_files_are_left_alone(self, name, tmp_path):
        root = touch(
            self.small(name, tmp_path / "set"), ".x.wav", ".git/y.wav", "README.md", "notes/list.txt"
        )
        dataset = read(root, name, PATTERNS.get(name))
        assert len(dataset.clips) == 3
        assert set(kinds(dataset)) <= {"empty_class"}

    def test_says_so_when_the_folder_is_empty(self, name, tmp_path):
        with pytest.raises(LayoutError, match=str(tmp_path)):
            read(tmp_path, name, PATTERNS.get(name))


class TestUrbanSound8K:
    def test_rows_become_clips(self, tmp_path):
        dataset = read(make_urbansound8k(tmp_path))
        clip = dataset.clips[0]
        assert (clip.path, clip.labels, clip.group, clip.fold) == (
            "audio/fold2/20-1-0-0.wav",
            ("siren",),
            "20",
            2,
        )
        assert (clip.start, clip.end) == (None, None)  # the columns speak of another file
        assert dataset.grouping == "Freesound id"
        assert dataset.official_folds == 10
        assert dataset.title == "UrbanSound8K, 2 of 10 official folds present"

    def test_all_ten_folds(self, tmp_path):
        lines = [us8k_row(f"{n}.wav", n, n, "siren") for n in range(1, 11)]
        write_table(tmp_path / "metadata/UrbanSound8K.csv", US8K, *lines)
        touch(tmp_path, *(f"audio/fold{n}/{n}.wav" for n in range(1, 11)))
        assert read(tmp_path).title == "UrbanSound8K, all 10 official folds"

    def test_the_table_may_stand_at_the_root_with_or_without_an_audio_folder(self, tmp_path):
        lines = [US8K, us8k_row("7.wav", 7, 1, "siren")]
        write_table(tmp_path / "a/UrbanSound8K.csv", *lines)
        write_table(tmp_path / "b/UrbanSound8K.csv", *lines)
        assert paths(read(touch(tmp_path / "a", "audio/fold1/7.wav"))) == ["audio/fold1/7.wav"]
        assert paths(read(touch(tmp_path / "b", "fold1/7.wav"))) == ["fold1/7.wav"]

    def test_the_folder_above_does_too(self, tmp_path):
        make_urbansound8k(tmp_path / "UrbanSound8K")
        dataset = read(tmp_path)
        assert dataset.root == tmp_path / "UrbanSound8K"
        assert dataset.name == "UrbanSound8K"

    def test_an_id_with_two_classes_is_two_groups(self, tmp_path):
        make_urbansound8k(tmp_path)
        with (tmp_path / "metadata/UrbanSound8K.csv").open("a") as table:
            table.write(us8k_row("7-1-0-0.wav", 7, 5, "car_horn") + "\n")
        touch(tmp_path, "audio/fold5/7-1-0-0.wav")
        dataset = read(tmp_path)
        assert groups(dataset) == ["20", "7/dog_bark", "7/dog_bark", "7/car_horn"]
        assert problem(dataset, "two_classes").detail == (
            "Freesound id 7 has 2 classes, each its own group: car_horn (fold 5), dog_bark (fold 1)"
        )
        assert problem(dataset, "two_classes").path == "metadata/UrbanSound8K.csv"

    def test_converted_files_are_found_and_told_once(self, tmp_path):
        make_urbansound8k(tmp_path)
        for name in ("7-3-0-0", "7-3-0-1"):
            (tmp_path / f"audio/fold1/{name}.wav").rename(tmp_path / f"audio/fold1/{name}.flac")
        dataset = read(tmp_path)
        assert paths(dataset)[1] == "audio/fold1/7-3-0-0.flac"
        assert (
            problem(dataset, "renamed").detail == "2 files found under another extension than the table gives"
        )
        assert kinds(dataset) == {"renamed": 1}

    def test_absent_folds_are_one_problem(self, tmp_path):
        make_urbansound8k(tmp_path)
        with (tmp_path / "metadata/UrbanSound8K.csv").open("a") as table:
            for n in range(30):
                table.write(us8k_row(f"{n}.wav", 100 + n, 9 if n else 10, "siren") + "\n")
        dataset = read(tmp_path)
        assert len(dataset.clips) == 3
        assert problem(dataset, "missing").path == "audio"
        assert problem(dataset, "missing").detail == "not here at all: fold 9 (29 clips), fold 10 (1 clip)"

    def test_a_file_that_lacks_in_a_present_fold(self, tmp_path):
        (make_urbansound8k(tmp_path) / "audio/fold1/7-3-0-1.wav").unlink()
        dataset = read(tmp_path)
        assert len(dataset.clips) == 2
        found = problem(dataset, "missing")
        assert (found.path, found.detail) == ("audio/fold1/7-3-0-1.wav", "line 4 of the table names it")

    def test_nothing_there_at_all(self, tmp_path):
        write_table(tmp_path / "metadata/UrbanSound8K.csv", US8K, us8k_row("7.wav", 7, 1, "siren"))
        with pytest.raises(LayoutError, match="names 1 file, and none of them is below"):
            read(tmp_path)

    def test_the_table_cannot_lead_out_of_its_folder(self, tmp_path):
        make_urbansound8k(tmp_path / "in")
        touch(tmp_path, "secret.wav")
        with (tmp_path / "in/metadata/UrbanSound8K.csv").open("a") as table:
            table.write(us8k_row("../../../secret.wav", 8, 1, "siren") + "\n")
        assert kinds(read(tmp_path / "in")) == {"missing": 1}

    def test_unknown_and_missing_columns(self, tmp_path):
        file = make_urbansound8k(tmp_path) / "metadata/UrbanSound8K.csv"
        text = file.read_text()
        file.write_text(text.replace("salience", "loudness"))
        assert problem(read(tmp_path), "unknown_column").detail == "the column 'loudness' is not used"
        file.write_text(text.replace("fsID", "id").replace("fold,", "part,"))
        with pytest.raises(TableError) as caught:
            read(tmp_path)
        assert str(caught.value) == (
            f"{file}: the columns fsID, fold are missing. Needed: slice_file_name, fsID, fold, class. "
            "Got: slice_file_name, id, start, end, salience, part, classID, class."
        )

    def test_a_fold_that_cannot_be(self, tmp_path):
        write_table(tmp_path / "metadata/UrbanSound8K.csv", US8K, us8k_row("7.wav", 7, 11, "siren"))
        with pytest.raises(
            TableError, match="line 2: the fold is '11', but must be a whole number from 1 to 10"
        ):
            read(tmp_path)

    def test_a_class_that_is_empty(self, tmp_path):
        write_table(tmp_path / "metadata/UrbanSound8K.csv", US8K, us8k_row("7.wav", 7, 1, ""))
        with pytest.raises(TableError, match="line 2: the class is empty"):
            read(tmp_path)

    def test_one_file_with_two_classes(self, tmp_path):
        lines = [us8k_row("7.wav", 7, 1, "siren"), us8k_row("7.wav", 7, 1, "drilling")]
        write_table(tmp_path / "metadata/UrbanSound8K.csv", US8K, *lines)
        with pytest.raises(
            TableError, match=r"line 3: 'audio/fold1/7.wav' is 'drilling', but line 2 says 'siren'"
        ):
            read(touch(tmp_path, "audio/fold1/7.wav"))


class TestEsc50:
    def test_rows_become_clips(self, tmp_path):
        dataset = read(make_esc50(tmp_path))
        assert groups(dataset) == ["9", "9", "5"]
        assert dataset.official_folds == 5
        assert dataset.grouping == "Freesound clip (src_file)"
        assert dataset.title == "ESC-50, 2 of 5 official folds present, 2 classes"

    def full(self, root, classes):
        lines = [f"{f}-{i}.wav,{f},{i},{c},True,{i}{f},A" for f in range(1, 6) for i, c in enumerate(classes)]
        write_table(root / "meta/esc50.csv", ESC50, *lines)
        return touch(root, *(f"audio/{line.split(',')[0]}" for line in lines))

    def test_titles(self, tmp_path):
        assert read(self.full(tmp_path / "a", ESC10)).title == "ESC-10, 5 official folds, 10 classes"
        fifty = [f"class{n}" for n in range(50)]
        assert read(self.full(tmp_path / "b", fifty)).title == "ESC-50, 5 official folds, 50 classes"

    def test_the_folder_that_the_archive_unpacks_to(self, tmp_path):
        make_esc50(tmp_path / "ESC-50-master")
        assert read(tmp_path).root == tmp_path / "ESC-50-master"

    def test_converted_missing_and_unlisted_files(self, tmp_path):
        root = self.full(tmp_path, ["dog", "cow"])
        (root / "audio/1-0.wav").rename(root / "audio/1-0.ogg")
        (root / "audio/2-1.wav").unlink()
        dataset = read(touch(root, "audio/mine.wav"))
        assert kinds(dataset) == {"renamed": 1, "missing": 1, "unlisted": 1}
        assert (
            problem(dataset, "renamed").detail == "1 file found under another extension than the table gives"
        )
        assert problem(dataset, "missing").path == "audio/2-1.wav"
        assert problem(dataset, "unlisted").path == "audio/mine.wav"
        assert problem(dataset, "unlisted").detail == "no row of the table names it"

    def test_absent_classes_and_folds_are_one_problem(self, tmp_path):
        root = self.full(tmp_path, ["dog", "cow", "hen"])
        for file in (*root.glob("audio/5-*.wav"), *root.glob("audio/*-1.wav")):
            file.unlink(missing_ok=True)
        dataset = read(root)
        assert problem(dataset, "missing").detail == "not here at all: cow (4 clips), fold 5 (3 clips)"

    def test_missing_columns(self, tmp_path):
        write_table(tmp_path / "meta/esc50.csv", "filename,fold,category", "a.wav,1,dog")
        with pytest.raises(
            TableError, match=r"the column src_file is missing. Needed: filename, fold, category, src_f"
        ):
            read(tmp_path)


class TestFolders:
    def test_the_first_folder_is_the_class(self, tmp_path):
        dataset = read(make_folders(tmp_path))
        assert paths(dataset) == ["cat/deep/1.FLAC", "dog/2.wav", "dog/10.wav"]
        assert groups(dataset) == paths(dataset)
        assert dataset.labels == ("cat", "dog")
        assert dataset.grouping is None
        assert dataset.official_folds is None
        assert dataset.title == "folders, 2 classes"

    def test_loose_files_and_empty_folders_are_told(self, tmp_path):
        (make_folders(tmp_path) / "horse").mkdir()
        dataset = read(touch(tmp_path, "loose.wav"))
        assert len(dataset.clips) == 3
        assert (problem(dataset, "unlisted").path, problem(dataset, "unlisted").detail) == (
            "loose.wav",
            "it is not in a class folder",
        )
        assert problem(dataset, "empty_class").path == "horse"

    def test_one_class_is_too_few(self, tmp_path):
        touch(tmp_path, "dog/1.wav")
        with pytest.raises(
            LayoutError, match=r"has 1 folder with audio files. At least 2 are needed, one for each class"
        ):
            read(tmp_path, "folders")


class TestTable:
    def make(self, root, *lines, name="clips.csv", **kwargs):
        touch(root, "a.wav", "b.wav")
        return write_table(root / name, *lines, **kwargs)

    def fails(self, root, *lines, name="clips.csv"):
        file = self.make(root, *lines, name=name)
        with pytest.raises(TableError) as caught:
            read(file)
        text = str(caught.value)
        assert text.startswith(str(file))
        return text.removeprefix(str(file)).removeprefix(", ").removeprefix(": ")

    def test_the_table_itself_or_its_folder(self, tmp_path):
        file = make_table(tmp_path / "set") / "clips.csv"
        by_file, by_folder = read(file), read(tmp_path / "set")
        assert (by_file.name, by_folder.name) == ("clips", "set")
        assert by_file.fingerprint == by_folder.fingerprint
        assert paths(by_file) == ["b.wav", "a.wav", "sub/c.wav"]  # the table's own order
        assert by_file.grouping == "group column"
        assert by_file.title == "table clips.csv, 2 classes"

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_every_way_to_write_it(self, tmp_path, delimiter, encoding, end):
        touch(tmp_path, "a b.wav", "ü.wav")
        table = [
            [" Path", "LABEL ", "Start", "End"],
            ["a b.wav", "dog", "0.5", "1"],
            ["ü.wav", '"c,a;t"', "", ""],
            [],
        ]
        text = end.join(delimiter.join(cells) for cells in table)
        (tmp_path / "t.CSV").write_bytes(text.encode(encoding))
        dataset = read(tmp_path / "t.CSV")
        assert [(c.path, c.labels, c.start, c.end) for c in dataset.clips] == [
            ("a b.wav", ("dog",), 0.5, 1.0),
            ("ü.wav", ("c,a;t",), None, None),
        ]

    def test_quoted_headers_of_another_delimiter(self, tmp_path):
        assert len(read(self.make(tmp_path, '"path";"label"', '"a.wav";"dog"', '"b.wav";"cat"')).clips) == 2

    def test_decimal_commas(self, tmp_path):
        file = self.make(tmp_path, "path;label;start;end", "a.wav;dog;0,5;1,25", "b.wav;cat;;")
        assert (read(file).clips[0].start, read(file).clips[0].end) == (0.5, 1.25)
        assert "the start is '0,5'" in self.fails(tmp_path, "path,label,start", 'a.wav,dog,"0,5"')

    @pytest.mark.parametrize(
        ("row", "text"),
        [
            (",dog,1,,", "line 3: the path is empty."),
            ("a.wav,,1,,", "line 3: the label is empty."),
            ("a.wav,dog|,1,,", "line 3: the label 'dog|' has an empty part."),
            ("a.wav,dog,x,,", "line 3: the fold is 'x', but must be a whole number from 0 to 999999."),
            ("a.wav,dog,1.5,,", "line 3: the fold is '1.5', but must be a whole number from 0 to 999999."),
            ("a.wav,dog,-1,,", "line 3: the fold is '-1', but must be a whole number from 0 to 999999."),
            ("a.wav,dog,²,,", "line 3: the fold is '²', but must be a whole number from 0 to 999999."),
            ("a.wav,dog,1,-1,", "line 3: the start is '-1', but must be seconds, such as 1.5."),
            ("a.wav,dog,1,nan,", "line 3: the start is 'nan', but must be seconds, such as 1.5."),
            ("a.wav,dog,1,,1e999", "line 3: the end is '1e999', but must be seconds, such as 1.5."),
            ("a.wav,dog,1,0:30,", "line 3: the start is '0:30', but must be seconds, such as 1.5."),
            ("a.wav,dog,1,2,2", "line 3: the end (2 s) is not after the start (2 s)."),
            ("a.wav,dog,1,,0", "line 3: the end (0 s) is not after the start (0 s)."),
            ("a.wav,dog,1", "line 3: 3 cells, but the header names 5 columns."),
            ("a.wav,dog,1,,,x", "line 3: 6 cells, but the header names 5 columns."),
            ('a.wav,"do\ng",1,,', "line 3: a cell goes over several lines; is a quotation mark left open?"),
            (
                "../a.wav,dog,1,,",
                "line 3: '../a.wav' leads out of the table's folder. Move the table up, or the file in.",
            ),
        ],
    )
    def test_a_wrong_row_is_named(self, tmp_path, row, text):
        header, good = "path,label,fold,start,end", "b.wav,cat,1,,"
        assert self.fails(tmp_path, header, good, row) == text

    def test_a_quotation_mark_that_never_closes(self, tmp_path):
        text = self.fails(tmp_path, "path,label", 'a.wav,"dog', "b.wav,cat")
        assert text.startswith("line 2: the cells cannot be told apart")
        assert text.endswith("check the quotation marks.")

    def test_a_cell_beyond_the_limit(self, tmp_path):
        text = self.fails(tmp_path, "path,label", "a.wav," + "x" * 140_000)
        assert text.startswith("line 2: the cells cannot be told apart (field larger than field limit")

    def test_a_line_without_end(self, tmp_path):
        assert "line 1: the line is longer than" in self.fails(tmp_path, "x" * 2_000_000)

    def test_a_table_beyond_the_limit(self, tmp_path, monkeypatch):
        monkeypatch.setattr(rows, "MAX_BYTES", 2**20)
        file = self.make(tmp_path, "path,label", *["a.wav,dog"] * 120_000)
        with pytest.raises(TableError, match=r"it is 1 MB large; tables up to 1 MB are read. Divide it"):
            read(file)

    def test_another_encoding(self, tmp_path):
        touch(tmp_path, "a.wav")
        (tmp_path / "t.csv").write_bytes("path,label\na.wav,dog\nb.wav,bär\n".encode("latin-1"))
        with pytest.raises(TableError, match=r"line 3: this is not UTF-8. Save the table as 'CSV UTF-8'"):
            read(tmp_path / "t.csv")

    def test_columns(self, tmp_path):
        assert self.fails(tmp_path, "path,class", "a.wav,dog") == (
            "the column label is missing. Needed: path, label. Got: path, class."
        )
        assert self.fails(tmp_path, "path,label,Label", "a.wav,dog,x") == (
            "two columns are called 'label'. Rename one of them."
        )
        assert self.fails(tmp_path, "path,label") == "it names columns, but has no rows."
        assert self.fails(tmp_path, "") == "it is empty. Its first line must name the columns path, label."
        file = self.make(tmp_path, ",path,label,mood,,", "0,a.wav,dog,sad,,", "1,b.wav,cat,,,")
        details = [p.detail for p in read(file).problems]
        assert details == ["column 1 has no name", "the column 'mood' is not used"]

    def test_missing_and_unlisted_files(self, tmp_path):
        dataset = read(self.make(tmp_path, "path,label", "a.wav,dog", "gone.wav,cat"))
        assert paths(dataset) == ["a.wav"]
        missing, unlisted = dataset.problems
        assert (missing.kind, missing.path, missing.detail) == (
            "missing",
            "gone.wav",
            "line 3 of the table names it",
        )
        assert (unlisted.kind, unlisted.path) == ("unlisted", "b.wav")
        with pytest.raises(LayoutError, match="names 1 clip, and none of the files is there"):
            read(self.make(tmp_path, "path,label", "gone.wav,dog"))

    def test_files_that_a_walk_leaves_out_are_found_when_named(self, tmp_path):
        touch(tmp_path, ".hidden/x.wav", "y.sph")
        dataset = read(self.make(tmp_path, "path,label", ".hidden/x.wav,dog", "y.sph,cat"))
        assert len(dataset.clips) == 2

    def test_ways_to_write_a_path(self, tmp_path):
        root, outside = touch(tmp_path / "in", "sub/x.wav", "y.wav"), touch(tmp_path, "out.wav") / "out.wav"
        lines = ["./sub\\x.wav,dog", f"{root}/y.wav,dog", f"{outside},cat", f"{tmp_path}/none.wav,cat"]
        dataset = read(write_table(root / "t.csv", "path,label", *lines))
        assert paths(dataset) == ["sub/x.wav", "y.wav", str(outside)]
        assert [(p.kind, p.path) for p in dataset.problems] == [("missing", f"{tmp_path}/none.wav")]
        assert all(dataset.file(clip).is_file() for clip in dataset.clips)

    def test_several_labels(self, tmp_path):
        dataset = read(self.make(tmp_path, "path,label", "a.wav,rain | dog|rain", "b.wav,cat"))
        assert [clip.labels for clip in dataset.clips] == [("dog", "rain"), ("cat",)]
        assert not dataset.exclusive
        assert dataset.title == "table clips.csv, 3 classes, several labels a clip"

    def test_groups(self, tmp_path):
        dataset = read(self.make(tmp_path, "path,label", "a.wav,dog", "b.wav,cat"))
        assert (groups(dataset), dataset.grouping) == (["a.wav", "b.wav"], None)
        dataset = read(
            self.make(tmp_path, "path,label,start,end", "a.wav,dog,0,1", "a.wav,cat,1,2", "b.wav,dog,,")
        )
        assert (groups(dataset), dataset.grouping) == (["a.wav", "a.wav", "b.wav"], "recording")
        dataset = read(self.make(tmp_path, "path,label,group", "a.wav,dog,rex", "b.wav,cat,"))
        assert (groups(dataset), dataset.grouping) == (["rex", "b.wav"], "group column")
        assert problem(dataset, "no_group").detail == (
            "1 row without a group; each such file is taken as its own group"
        )
        dataset = read(self.make(tmp_path, "path,label,group", "a.wav,dog,", "b.wav,cat,"))
        assert (groups(dataset), dataset.grouping) == (["a.wav", "b.wav"], None)

    def test_folds(self, tmp_path):
        dataset = read(self.make(tmp_path, "path,label,fold", "a.wav,dog,3", "b.wav,cat,1"))
        assert (dataset.official_folds, dataset.folds) == (2, (1, 3))
        assert dataset.title == "table clips.csv, 2 classes, 2 folds"
        dataset = read(self.make(tmp_path, "path,label,fold", "a.wav,dog,", "b.wav,cat,"))
        assert (dataset.official_folds, dataset.folds) == (None, ())
        assert self.fails(tmp_path, "path,label,fold", "a.wav,dog,1", "b.wav,cat,") == (
            "line 3: the fold is empty, but line 2 has one. Fill all or none."
        )

    def test_repeated_rows(self, tmp_path):
        dataset = read(self.make(tmp_path, "path,label", "a.wav,dog", "b.wav,cat", "a.wav,dog"))
        assert paths(dataset) == ["a.wav", "b.wav"]
        assert problem(dataset, "duplicate_row").detail == "line 4 repeats line 2"
        assert self.fails(tmp_path, "path,label", "a.wav,dog", "b.wav,cat", "./a.wav,cat") == (
            "line 4: 'a.wav' is 'cat', but line 2 says 'dog'. Keep one of the two lines."
        )
        assert self.fails(tmp_path, "path,label,group", "a.wav,dog,1", "a.wav,dog,2") == (
            "line 3: 'a.wav' has another group or fold than in line 2. Keep one of the two lines."
        )

    def test_which_table_of_a_folder(self, tmp_path):
        self.make(tmp_path, "path,label", "a.wav,dog", "b.wav,cat", name="one.csv")
        write_table(tmp_path / "other.csv", "name,mood", "x,y")
        assert detect(tmp_path).name == "table"
        self.make(tmp_path, "path\tlabel", "a.wav\tdog", name="two.tsv")
        with pytest.raises(LayoutError, match=r"2 tables, of which one must be given \(one.csv, two.tsv\)"):
            detect(tmp_path)
        with pytest.raises(
            LayoutError, match=r"has 2 tables: one.csv, two.tsv. Give one of them, such as .*one.csv"
        ):
            read(tmp_path, "table")

    @settings(max_examples=300, deadline=None)
    @given(
        st.one_of(
            st.binary(max_size=200),
            st.lists(st.sampled_from([*'path,label;start\tfold"|./1\n\r\0é', "path,label\n", "a.wav,"])).map(
                lambda pieces: b"path,label,group,fold,start,end\n" + "".join(pieces).encode()
            ),
            st.text(max_size=100).map(lambda text: f"path,label\na.wav,{text}".encode()),
            st.text(max_size=300).map(lambda text: f"path,label\n{text},dog\na.wav,cat".encode()),
        )
    )
    def test_any_text_is_read_or_refused(self, content):
        with tempfile.TemporaryDirectory() as folder:
            root = touch(Path(folder), "a.wav")
            (root / "t.csv").write_bytes(content)
            with contextlib.suppress(EarmarkError):
                dataset = read(root / "t.csv")
                assert len(dataset.clips)
                assert dataset.fingerprint

    word = st.text("abcäß ,;'\"-", min_size=1, max_size=8).filter(lambda text: text.strip() == text)
    seconds = st.floats(0, 1e6).map(lambda value: round(value, 3))

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(
            st.tuples(st.lists(word, min_size=1, unique=True), word, seconds, seconds), min_size=1, max_size=8
        ),
        st.sampled_from(",;\t"),
    )
    def test_what_was_written_is_read(self, table, delimiter):
        table = [(sorted(labels), group, start, start + length + 1) for labels, group, start, length in table]
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            with (root / "t.csv").open("w", newline="", encoding="utf-8") as handle:
                writer = csv.writer(handle, delimiter=delimiter)
                writer.writerow(["path", "label", "group", "start", "end"])
                for i, (labels, group, start, end) in enumerate(table):
                    touch(root, f"{i}.wav")
                    writer.writerow([f"{i}.wav", "|".join(labels), group, repr(start), repr(end)])
            clips = read(root).clips
        assert [(list(c.labels), c.group, c.start, c.end) for c in clips] == table

    @pytest.mark.slow
    def test_a_hundred_thousand_rows_are_quick(self, tmp_path):
        names = [f"d{i % 50}/{i}.wav" for i in range(100_000)]
        for n in range(50):
            (tmp_path / f"d{n}").mkdir()
        for name in names:
            (tmp_path / name).touch()
        file = write_table(
            tmp_path / "t.csv", "path,label,group", *(f"{name},c,g{i}" for i, name in enumerate(names))
        )
        started = time.perf_counter()
        assert len(read(file).clips) == 100_000
        assert time.perf_counter() - started < 10  # 1.4 s on one idle core


class TestPattern:
    def test_the_fields_are_read(self, tmp_path):
        dataset = read(make_pattern(tmp_path), pattern="{label}_{group}_{take}.wav")
        assert [(c.path, c.labels, c.group) for c in dataset.clips] == [
            ("cat_tom_1.wav", ("cat",), "tom"),
            ("dog_rex_2.wav", ("dog",), "rex"),
            ("dog_rex_10.wav", ("dog",), "rex"),
        ]
        assert dataset.grouping == "group in the file name"
        assert dataset.official_folds is None
        assert dataset.title == "files named {label}_{group}_{take}.wav, 2 classes"

    def test_folders_in_the_pattern(self, tmp_path):
        touch(tmp_path, "x/fold2/rex/dog-1.flac", "x/fold1/tom/cat-1.flac", "loose.flac")
        dataset = read(tmp_path, pattern="fold{fold}/{group}/{label}-{take}.flac")
        assert [(c.labels[0], c.group, c.fold) for c in dataset.clips] == [
            ("cat", "tom", 1),
            ("dog", "rex", 2),
        ]
        assert dataset.grouping == "group in the folder name"
        assert dataset.official_folds == 2
        assert problem(dataset, "unlisted").path == "loose.flac"

    def test_without_a_group_each_file_is_its_own(self, tmp_path):
        dataset = read(touch(tmp_path, "dog1.wav", "cat1.wav"), pattern="{label}1.wav")
        assert dataset.grouping is None
        assert groups(dataset) == ["cat1.wav", "dog1.wav"]

    def test_without_an_extension_every_audio_file_is_meant(self, tmp_path):
        touch(tmp_path, "dog_1.WAV", "cat_2.mp3", "notes_3.txt")
        assert read(tmp_path, pattern="{label}_{take}").labels == ("cat", "dog")
        assert read(tmp_path, pattern="{label}_{take}.wav").labels == ("dog",)

    def test_what_does_not_match_is_told(self, tmp_path):
        touch(tmp_path, "dog_1.wav", "_.wav", "dog.wav", "dog_1.mp3", "a_x.wav")
        dataset = read(tmp_path, pattern="{label}_{fold}.wav")
        assert [(p.kind, p.path, p.detail) for p in dataset.problems] == [
            ("unlisted", "_.wav", "does not match the pattern"),
            ("unlisted", "a_x.wav", "does not match the pattern: the fold 'x' is no number"),
            ("unlisted", "dog.wav", "does not match the pattern"),
            ("unlisted", "dog_1.mp3", "does not match the pattern"),
        ]

    def test_none_matches(self, tmp_path):
        with pytest.raises(LayoutError) as caught:
            read(make_pattern(tmp_path), pattern="{label}-{take}.wav")
        assert str(caught.value) == (
            f"None of 3 audio files below {tmp_path} matches the pattern '{{label}}-{{take}}.wav', "
            "for instance cat_tom_1.wav."
        )

    def test_several_readings_are_told(self, tmp_path):
        touch(tmp_path, "car_horn_rex.wav", "dog_rex.wav")
        dataset = read(tmp_path, pattern="{label}_{group}.wav")
        assert [(c.labels[0], c.group) for c in dataset.clips] == [("car", "horn_rex"), ("dog", "rex")]
        assert problem(dataset, "unclear_name").detail == (
            "1 name can be read in more than one way; this one was read as label 'car', group 'horn_rex'"
        )

    @pytest.mark.parametrize(
        ("pattern", "text"),
        [
            ("", "has an empty part."),
            ("{group}_{take}.wav", "has no {label}."),
            ("{label}{group}.wav", "has two fields with nothing between them"),
            ("{label}_{label}.wav", "has the field {label} twice."),
            ("{label}_{}.wav", "has the field '{}', but a field's name is one word of letters."),
            ("{label}_{take:3}.wav", "has the field '{take:3}'"),
            ("{label}_{take.wav", "has a brace that is not part of a field."),
            ("{{label}}.wav", "has a brace that is not part of a field."),
            ("/{label}.wav", "has an empty part. Leave out a '/' at the start"),
        ],
    )
    def test_a_wrong_pattern(self, tmp_path, pattern, text):
        with pytest.raises(SettingError) as caught:
            read(make_pattern(tmp_path), pattern=pattern)
        assert f"The pattern '{pattern}' {text}" in str(caught.value)
        assert "A pattern looks like '{label}_{group}_{take}.wav'." in str(caught.value)

    def test_nothing_in_a_pattern_is_a_regular_expression(self, tmp_path):
        touch(tmp_path, "dog.*(1).wav", "cat__1.wav")
        assert read(tmp_path, pattern="{label}.*({take}).wav").labels == ("dog",)

    def test_no_name_makes_it_slow(self):
        template = Template.parse("_".join(f"{{f{i}}}" for i in range(30)) + "_{label}!.wav")
        started = time.perf_counter()
        assert template.match("_" * 250 + ".wav") is None
        assert time.perf_counter() - started < 1

    @given(
        st.lists(st.text("abcXYZ019 é", min_size=1, max_size=6), min_size=1, max_size=5),
        st.lists(st.sampled_from(["_", "-", "__", "/", ".", "+(", "\\d"]), min_size=4, max_size=4),
        st.sampled_from(["", ".wav", ".FLAC"]),
    )
    def test_what_is_written_is_matched(self, values, separators, extension):
        names = ["label", "group", "take", "mic", "session"][: len(values)]
        pattern, path = "{label}", values[0]
        for name, value, separator in zip(names[1:], values[1:], separators, strict=False):
            pattern, path = f"{pattern}{separator}{{{name}}}", path + separator + value
        found = Template.parse(pattern + extension).match(path + (extension.lower() or ".ogg"))
        assert found == dict(zip(names, values, strict=True))


class TestTableNames:
    """Other names of the columns, and several labels a row."""

    @pytest.mark.parametrize("path", ["filename", "file_name", "fname", "FILE"])
    def test_other_names_of_the_path(self, tmp_path, path):
        touch(tmp_path, "a.wav", "b.wav")
        file = write_table(tmp_path / "t.csv", f"{path},label", "a.wav,dog", "b.wav,cat")
        assert paths(read(file)) == ["a.wav", "b.wav"]
        assert detect(tmp_path).name == "table"
        assert read(file).problems == ()

    def test_the_column_itself_comes_first(self, tmp_path):
        touch(tmp_path, "a.wav")
        file = write_table(tmp_path / "t.csv", "file,path,label,labels", "b.wav,a.wav,dog,cat")
        dataset = read(file)
        assert (paths(dataset), dataset.labels) == (["a.wav"], ("dog",))
        assert {p.detail for p in dataset.problems} == {
            "the column 'file' is not used",
            "the column 'labels' is not used",
        }

    def test_labels_parted_by_commas_or_bars(self, tmp_path):
        touch(tmp_path, "a.wav", "b.wav", "c.wav")
        lines = ['a.wav,"rain, dog,rain"', "b.wav,cat|rain", "c.wav,cat"]
        dataset = read(write_table(tmp_path / "t.csv", "fname,labels", *lines))
        assert [clip.labels for clip in dataset.clips] == [("dog", "rain"), ("cat", "rain"), ("cat",)]
        assert not dataset.exclusive
        with pytest.raises(TableError, match="line 2: the label 'dog,' has an empty part"):
            read(write_table(tmp_path / "t.csv", "fname,labels", 'a.wav,"dog,"'))

    def test_a_comma_in_a_single_label_stays(self, tmp_path):
        touch(tmp_path, "a.wav")
        assert read(write_table(tmp_path / "t.csv", "fname,label", 'a.wav,"rain, heavy"')).labels == (
            "rain, heavy",
        )

    def test_times_by_other_names_are_no_table_of_whole_files(self, tmp_path):
        """What the table reader would not understand must not be left out in silence."""
        touch(tmp_path, "a.wav")
        file = write_table(tmp_path / "t.csv", "filename,onset,offset,label", "a.wav,0.5,1,dog")
        dataset = read(file)
        assert (dataset.layout, dataset.clips[0].start) == ("tracks", 0.5)
        assert read(tmp_path).layout == "tracks"


class TestFsd50k:
    def test_rows_become_clips(self, tmp_path):
        dataset = read(make_fsd50k(tmp_path))
        assert [(c.path, c.labels, c.group) for c in dataset.clips] == [
            ("FSD50K.dev_audio/64760.wav", ("Electric_guitar", "Guitar", "Music"), "ann"),
            ("FSD50K.dev_audio/16399.wav", ("Guitar", "Music"), "bob"),
            ("FSD50K.eval_audio/37199.wav", ("Bark",), "bob"),
        ]
        assert (dataset.grouping, dataset.folds, dataset.exclusive) == ("uploader", (), False)
        assert dataset.title == "FSD50K, development (2 clips) and evaluation (1 clip), 4 classes"

    def test_one_part_alone_and_the_folder_above(self, tmp_path):
        make_fsd50k(tmp_path / "FSD50K")
        (tmp_path / "FSD50K/FSD50K.ground_truth/dev.csv").unlink()
        dataset = read(tmp_path)
        assert dataset.root == tmp_path / "FSD50K"
        assert dataset.title == "FSD50K, evaluation (1 clip), 1 class"
        assert kinds(dataset) == {"unlisted": 2}

    def test_a_part_whose_sound_is_not_here(self, tmp_path):
        make_fsd50k(tmp_path)
        (tmp_path / "FSD50K.eval_audio/37199.wav").unlink()
        (tmp_path / "FSD50K.dev_audio/16399.wav").unlink()
        details = {(p.path, p.detail) for p in read(tmp_path).problems}
        assert details == {
            ("FSD50K.eval_audio", "not here at all: 1 clip of FSD50K.ground_truth/eval.csv"),
            ("FSD50K.dev_audio/16399.wav", "line 3 of FSD50K.ground_truth/dev.csv names it"),
        }
        (tmp_path / "FSD50K.dev_audio/64760.wav").unlink()
        with pytest.raises(LayoutError, match="name 3 clips, and none of the files is there"):
            read(tmp_path)

    def test_without_uploaders(self, tmp_path):
        make_fsd50k(tmp_path)
        (tmp_path / "FSD50K.metadata/eval_clips_info_FSD50K.json").write_text(
            '{"1": {"uploader": "x"}, "2": 3}'
        )
        dataset = read(tmp_path)
        assert groups(dataset)[2] == "FSD50K.eval_audio/37199.wav"
        assert problem(dataset, "no_group").detail == (
            "the uploader of 1 clip is not known; each such clip is taken as its own group"
        )
        for part in ("dev", "eval"):
            (tmp_path / f"FSD50K.metadata/{part}_clips_info_FSD50K.json").unlink()
        dataset = read(tmp_path)
        assert (dataset.grouping, dataset.problems) == (None, ())
        assert groups(dataset) == paths(dataset)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('{\n"1": ', r", line 2: this is not JSON \(Expecting value\). Get the file anew"),
            ("[]", ": this is not a record for each clip"),
            ("[" * 100_000, ": this is not JSON"),
        ],
    )
    def test_what_is_said_about_clips_may_be_damaged(self, tmp_path, text, said):
        (make_fsd50k(tmp_path) / "FSD50K.metadata/dev_clips_info_FSD50K.json").write_text(text)
        with pytest.raises(TableError, match=f"dev_clips_info_FSD50K.json{said}"):
            read(tmp_path)

    def test_a_limit(self, tmp_path, monkeypatch):
        monkeypatch.setattr(fsd50k, "MAX_INFO_BYTES", 10)
        with pytest.raises(TableError, match="it is larger than 0 MB"):
            read(make_fsd50k(tmp_path))

    def test_an_empty_label(self, tmp_path):
        make_fsd50k(tmp_path)
        write_table(tmp_path / "FSD50K.ground_truth/eval.csv", "fname,labels,mids", '37199,"Bark,",x')
        with pytest.raises(TableError, match=r"eval.csv, line 2: 'Bark,' has an empty label"):
            read(tmp_path)


class TestAsking:
    def test_an_unknown_layout(self, tmp_path):
        with pytest.raises(
            UnknownNameError, match=r"No layout is called 'urbansond8k'.*Did you mean 'urbansound8k'"
        ):
            read(tmp_path, "urbansond8k")

    def test_a_pattern_goes_with_its_own_layout_only(self, tmp_path):
        with pytest.raises(SettingError, match="The layout 'folders' takes no pattern"):
            read(make_folders(tmp_path), "folders", "{label}.wav")
        with pytest.raises(
            SettingError, match=r"The layout 'pattern' needs a pattern. Type: --pattern '\{label\}_"
        ):
            read(tmp_path, "pattern")

    def test_a_path_that_is_not_there(self, tmp_path):
        (tmp_path / "recordings").mkdir()
        with pytest.raises(PathError) as caught:
            read(tmp_path / "recordngs")
        assert str(caught.value) == f"There is nothing at {tmp_path}/recordngs. Did you mean 'recordings'?"
        with pytest.raises(PathError) as caught:
            detect(tmp_path / "recordngs" / "deep")
        assert str(caught.value) == (
            f"There is nothing at {tmp_path}/recordngs/deep. {tmp_path} has no 'recordngs'. "
            "Did you mean 'recordings'?"
        )
        with pytest.raises(PathError, match="The path is empty"):
            read("")

    def test_a_file_where_a_folder_is_needed(self, tmp_path):
        touch(tmp_path, "a.wav")
        with pytest.raises(
            PathError, match=r"a.wav is a file. Give a folder, or a table that ends in .csv or .tsv"
        ):
            read(tmp_path / "a.wav")
        table = write_table(tmp_path / "t.csv", "path,label", "a.wav,dog")
        with pytest.raises(PathError, match=r"t.csv is a file, but the layout 'esc50' needs a folder"):
            read(table, "esc50")

    def test_a_layout_that_does_not_fit(self, tmp_path):
        make_folders(tmp_path)
        with pytest.raises(LayoutError, match=r"is not UrbanSound8K: it has no metadata/UrbanSound8K.csv"):
            read(tmp_path, "urbansound8k")
        with pytest.raises(LayoutError, match=r"is not ESC-50: it has no meta/esc50.csv"):
            read(tmp_path, "esc50")
        with pytest.raises(LayoutError, match="has no CSV or TSV file with the columns path and label"):
            read(tmp_path, "table")

    def test_no_layout_fits(self, tmp_path):
        touch(tmp_path, *(f"{n}.wav" for n in range(12)))
        with pytest.raises(LayoutError) as caught:
            read(tmp_path)
        text = str(caught.value)
        assert text.startswith(
            f"No layout fits. Found: 12 audio files directly in {tmp_path}, no class folders. The"
        )
        assert all(f"{name} ({reader.title})" in text for name, reader in READERS.items())
        assert text.endswith("Choose one with --layout NAME, or give --pattern '{label}_{group}_{take}.wav'.")

    @pytest.mark.parametrize(
        ("files", "text"),
        [
            ([], "Found: no audio files below {root}, no class folders."),
            (["dog/1.wav"], "Found: 1 class folder (dog)."),
            (["1.wav", "x.csv"], "no class folders, 1 table without the columns path and label (x.csv)."),
            (["in/a/1.wav", "in/b/1.wav"], "Did you mean {root}/in, which has the layout 'folders'?"),
        ],
    )
    def test_what_was_found_instead(self, tmp_path, files, text):
        with pytest.raises(LayoutError) as caught:
            read(touch(tmp_path, *files))
        assert text.format(root=tmp_path) in str(caught.value)

    def test_the_current_folder_has_a_name(self, tmp_path, monkeypatch):
        make_folders(tmp_path / "barks")
        monkeypatch.chdir(tmp_path / "barks")
        assert read(".").name == "barks"

    def test_what_the_system_refuses_is_one_sentence(self, tmp_path, monkeypatch):
        def refuse(path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(os, "scandir", refuse)
        with pytest.raises(PathError) as caught:
            read(tmp_path, "folders")
        assert str(caught.value) == f"{tmp_path} cannot be read: Permission denied."


class TestListing:
    def test_natural_order_keeps_folders_together(self):
        names = ["a10/x", "a2/x", "a/x10", "a/x9", "a-b/x", "A/x", "a/x09"]
        assert sorted(names, key=natural) == ["A/x", "a/x09", "a/x9", "a/x10", "a2/x", "a10/x", "a-b/x"]

    def test_loops_and_links(self, tmp_path):
        touch(tmp_path / "in", "dog/1.wav")
        touch(tmp_path / "out", "2.wav")
        inside = tmp_path / "in"
        (inside / "dog/again").symlink_to(inside, target_is_directory=True)
        (inside / "alias").symlink_to(inside / "dog", target_is_directory=True)
        (inside / "cat").symlink_to(tmp_path / "out", target_is_directory=True)
        (inside / "gone.wav").symlink_to(tmp_path / "nothing.wav")
        (inside / "self.wav").symlink_to(inside / "self.wav")
        listing = Listing.of(inside)
        assert listing.ordered == ["cat/2.wav", "dog/1.wav"]
        assert [(p.kind, p.path, p.detail) for p in listing.problems] == [
            ("unreadable", "gone.wav", "the link leads nowhere"),
            ("unreadable", "self.wav", "the link cannot be followed"),
        ]

    def test_a_name_that_is_not_text(self, tmp_path):
        make_folders(tmp_path)
        try:
            Path(os.fsdecode(os.fsencode(tmp_path) + b"/dog/b\xe4r.wav")).write_bytes(b"")
        except OSError:
            pytest.skip("this file system takes only valid names")
        dataset = read(tmp_path)
        assert len(dataset.clips) == 3
        found = problem(dataset, "unreadable")
        assert (found.path, found.detail) == ("dog/b\\udce4r.wav", "the name is not valid text; rename it")

    def test_a_folder_that_cannot_be_opened(self, tmp_path, monkeypatch):
        make_folders(tmp_path)
        original = os.scandir

        def closed(path):
            if Path(path).name == "deep":
                raise PermissionError(13, "Permission denied")
            return original(path)

        monkeypatch.setattr(os, "scandir", closed)
        listing = Listing.of(tmp_path)
        assert [(p.kind, p.path, p.detail) for p in listing.problems] == [
            ("unreadable", "cat/deep", "the folder cannot be opened")
        ]


@pytest.mark.data
class TestRealData:
    def test_urbansound8k(self, data_root):
        dataset = read(data_root / "us8k")
        assert (len(dataset.clips), dataset.folds) == (2148, (1, 2, 3))
        assert dataset.title == "UrbanSound8K, 3 of 10 official folds present"
        assert "renamed" not in kinds(dataset)

    def test_esc10(self, data_root):
        dataset = read(data_root / "esc10")
        assert len(dataset.clips) == 400
        assert dataset.title == "ESC-10, 5 official folds, 10 classes"

    def test_spoken_digits(self, data_root):
        dataset = read(data_root / "fsdd/recordings", pattern="{label}_{group}_{take}.wav")
        assert (len(dataset.clips), len(dataset.labels), len(set(groups(dataset)))) == (3000, 10, 6)
        assert dataset.problems == ()


# Recordings without labels


def test_recordings_without_labels(tmp_path):
    touch(tmp_path, "b/night 10.wav", "b/night 9.wav", "dawn.FLAC", "notes.txt", ".hidden.wav")
    folder = read_sounds(tmp_path, "sounds")
    assert [clip.path for clip in folder.clips] == ["b/night 9.wav", "b/night 10.wav", "dawn.FLAC"]
    assert [clip.group for clip in folder.clips] == [clip.path for clip in folder.clips]
    assert (folder.labels, folder.exclusive, folder.title) == ((), False, "3 recordings without labels")
    one = read_sounds(tmp_path / "b" / "night 9.wav")
    assert [clip.path for clip in one.clips] == ["night 9.wav"]
    assert one.file(one.clips[0]) == tmp_path / "b" / "night 9.wav"


def test_what_has_a_layout_is_read_by_it(tmp_path):
    write_table(tmp_path / "clips.csv", "path,label", "a.wav,dog", "b.wav,cat")
    touch(tmp_path, "a.wav", "b.wav")
    assert read_sounds(tmp_path).layout == "table"


def test_no_recordings(tmp_path):
    touch(tmp_path, "notes.txt")
    with pytest.raises(LayoutError, match="There are no audio files below"):
        read_sounds(tmp_path, "sounds")
    with pytest.raises(PathError, match="There is nothing at"):
        read_sounds(tmp_path / "absent.wav")
