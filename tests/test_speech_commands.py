"""The layout of Speech Commands. The files are placeholders, not sound."""

from __future__ import annotations

import pytest

from earmark.errors import LayoutError, TableError
from earmark.readers import detect, read
from earmark.types import Clip, Problem
from test_readers import touch, write_table

WORDS = (
    "bed/0a1b2c3d_nohash_0.wav",
    "bed/0a1b2c3d_nohash_1.wav",
    "no/ffff0000_nohash_0.wav",
    "up/0a1b2c3d_nohash_0.wav",
)


@pytest.fixture
def root(tmp_path):
    write_table(tmp_path / "validation_list.txt", WORDS[0], WORDS[1])
    write_table(tmp_path / "testing_list.txt", WORDS[2])
    return touch(tmp_path, *WORDS)


def problems(dataset, kind):
    return [p for p in dataset.problems if p.kind == kind]


def test_the_group_is_the_speaker_and_there_are_no_folds(root):
    dataset = read(root)
    assert dataset.layout == "speech_commands"
    assert list(dataset.clips)[1:3] == [
        Clip("bed/0a1b2c3d_nohash_1.wav", ("bed",), "0a1b2c3d"), Clip("no/ffff0000_nohash_0.wav", ("no",), "ffff0000"),
    ]  # fmt: skip
    assert (dataset.grouping, dataset.official_folds, dataset.folds) == ("speaker", None, ())
    assert dataset.title == "Speech Commands, 3 words by 2 speakers"
    assert dataset.problems == ()


def test_noise_is_left_out_and_named(root):
    touch(root, "_background_noise_/pink_noise.wav", "_background_noise_/doing_the_dishes.wav")
    dataset = read(root)
    assert len(dataset.clips) == 4
    assert dataset.problems == (
        Problem(
            "left_out", "_background_noise_", "2 recordings of noise, without a word or a speaker, left out"
        ),
    )


def test_strange_names_are_named(root):
    touch(root, "bed/mine.wav", "top_nohash_0.wav", "bed/deep/0a1b2c3d_nohash_0.wav")
    found = problems(read(root), "unlisted")
    assert [p.path for p in found] == ["bed/deep/0a1b2c3d_nohash_0.wav", "bed/mine.wav", "top_nohash_0.wav"]
    assert {p.detail for p in found} == {"its name is not WORD/SPEAKER_nohash_NUMBER"}


def test_listed_files_that_are_not_there_are_named_and_a_word_at_once(root):
    write_table(
        root / "testing_list.txt", WORDS[2], "bed/1_nohash_0.wav", "yes/1_nohash_0.wav", "yes/2_nohash_0.wav", "",
        "on/1_nohash_0.wav",
    )  # fmt: skip
    assert [(p.path, p.detail) for p in problems(read(root), "missing")] == [
        ("bed/1_nohash_0.wav", "line 2 of testing_list.txt names it"),
        (".", "not here at all: on (1 listed clip), yes (2 listed clips)"),
    ]


def test_converted_files_are_found_by_the_lists(root):
    (root / WORDS[0]).rename((root / WORDS[0]).with_suffix(".flac"))
    assert read(root).problems == ()


def test_in_the_one_folder_that_an_archive_unpacked_to(root, tmp_path_factory):
    outer = tmp_path_factory.mktemp("outer")
    root.rename(outer / "speech_commands_v0.02")
    assert detect(outer).name == "speech_commands"
    assert len(read(outer).clips) == 4


def test_one_list_is_not_enough(root):
    (root / "testing_list.txt").unlink()
    assert detect(root).name == "folders"
    with pytest.raises(LayoutError, match=r"it has no validation_list\.txt and testing_list\.txt\.$"):
        read(root, "speech_commands")


def test_lists_without_files(tmp_path):
    write_table(tmp_path / "validation_list.txt", WORDS[0])
    write_table(tmp_path / "testing_list.txt", WORDS[1])
    with pytest.raises(LayoutError, match=r"has no files that are named WORD/SPEAKER_nohash_NUMBER\.wav\.$"):
        read(tmp_path)


def test_a_list_that_is_no_text(root, monkeypatch):
    (root / "testing_list.txt").write_bytes(b"bed/1_nohash_0.wav\n\xff\xfe\n")
    with pytest.raises(TableError, match=r"testing_list\.txt, line 2: this is not UTF-8\.$"):
        read(root)
    monkeypatch.setattr("earmark.readers.speech_commands.MAX_BYTES", 10)
    with pytest.raises(
        TableError, match=r"validation_list\.txt: it is larger than 0 MB; is this a list of files\?$"
    ):
        read(root)
