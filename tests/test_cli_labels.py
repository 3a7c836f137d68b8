"""`earmark labels`, as a person runs it."""

from __future__ import annotations

import json

import numpy as np
import pytest

TRACK = "0.5\t1.25\tdog bark\n\\\t200.000000\t4000.000000\n1.0\t2.0\tDog_bark\n3.0\t3.0\tclick\n"


@pytest.fixture
def track(tmp_path):
    (tmp_path / "dawn.txt").write_text(TRACK)
    return tmp_path / "dawn.txt"


def test_what_a_file_holds(earmark, track):
    done = earmark("labels", "dawn.txt", cwd=track.parent)
    assert done.stderr == ""
    lines = [line.rstrip() for line in done.stdout.splitlines() if line.strip()]
    assert lines == [
        "dawn.txt  Audacity label track: 2 regions, 1 point, frequencies, 0.5 to 3 s",
        "  label      times",
        " ──────────────────",
        "  Dog_bark       1",
        "  click          1",
        "  dog bark       1",
        "2 findings: 1 overlap_of_labels, 1 similar_names",
        "  overlap_of_labels  dawn.txt: line 3: 'Dog_bark' from 1 to 2 s overlaps 'dog bark' in line 1 (1 such overlap"
        " of different labels)",
        "  similar_names      dawn.txt: line 1: 'dog bark' may be the same as 'Dog_bark' (dawn.txt, line 3)",
    ]
    earmark("labels", "dawn.txt", "--strict", cwd=track.parent, code=1)


def test_as_json(earmark, track):
    (track.parent / "dusk.csv").write_text("start,end,label\n0,1,cat\n")
    told = json.loads(earmark("labels", "dawn.txt", "dusk.csv", "--json", cwd=track.parent).stdout)
    assert told["files"][0] == {
        "path": "dawn.txt",
        "form": "audacity",
        "regions": 3,
        "points": 1,
        "labels": {"Dog_bark": 1, "click": 1, "dog bark": 1},
    }
    assert [file["form"] for file in told["files"]] == ["audacity", "spans"]
    assert told["labels"] == {"Dog_bark": 1, "cat": 1, "click": 1, "dog bark": 1}
    assert [p["kind"] for p in told["problems"]] == ["overlap_of_labels", "similar_names"]


def test_nothing_odd(earmark, tmp_path):
    (tmp_path / "a.txt").write_text("0\t1\tdog\n")
    assert "Nothing odd found." in earmark("labels", "a.txt", "--strict", cwd=tmp_path).stdout
    (tmp_path / "b.txt").write_text("")
    assert "b.txt  Audacity label track: 0 regions" in earmark("labels", "b.txt", cwd=tmp_path).stdout


def test_rare_labels_of_several_files(earmark, tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text("0\t1\tdog\n" + "2\t3\tcat\n" * (name == "b"))
    done = earmark("labels", "a.txt", "b.txt", "c.txt", cwd=tmp_path)
    assert "rare_class  b.txt: line 2: 'cat' is heard in 1 recording only" in done.stdout


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("raven", "dawn.Table.1.selections.txt"), ("segments", "dawn.segments"), ("spans", "dawn.csv"),
        ("textgrid", "dawn.TextGrid"),
    ],
)  # fmt: skip
def test_into_another_form_and_back(earmark, track, form, name):
    folder = track.parent
    assert f"dawn.txt → {name}" in earmark("labels", "dawn.txt", "--to", form, cwd=folder).stdout
    earmark("labels", name, "--to", "audacity", "-o", "back.txt", cwd=folder)
    back = (folder / "back.txt").read_text()
    if form in ("raven", "spans"):
        assert back == TRACK.replace("0.5\t1.25", "0.500000\t1.250000").replace(
            "1.0\t2.0", "1.000000\t2.000000"
        ).replace("3.0\t3.0", "3.000000\t3.000000")
    assert "dog bark" in back
    done = earmark("labels", "dawn.txt", "--to", form, cwd=folder, code=2)
    assert done.stderr == (
        f"error: {name} is there already. Give -o the name of a file to replace, or of another.\n"
    )


def test_what_is_lost_is_said(earmark, track):
    done = earmark("labels", "dawn.txt", "--to", "segments", cwd=track.parent)
    assert done.stderr == (
        "  left out, as the form 'segments' has no place for them: the frequencies of 1 region\n"
    )
    told = json.loads(
        earmark(
            "labels", "dawn.txt", "--to", "textgrid", "-o", "x.TextGrid", "--json", cwd=track.parent
        ).stdout
    )
    assert told == {
        "written": {"dawn.txt": "x.TextGrid"},
        "lost": {"dawn.txt": ["the frequencies of 1 region"]},
    }


def test_the_input_is_replaced_only_when_that_is_said(earmark, track):
    folder = track.parent
    earmark("labels", "dawn.txt", "--to", "audacity", cwd=folder, code=2)
    assert track.read_text() == TRACK
    earmark("labels", "dawn.txt", "--to", "audacity", "-o", "same.txt", cwd=folder)
    assert (folder / "same.txt").read_text() == TRACK
    earmark("labels", "dawn.txt", "--to", "spans", "-o", "dawn.txt", cwd=folder)
    assert track.read_text().startswith(
        "start,end,label,low_freq,high_freq\n0.5,1.25,dog bark,200.0,4000.0\n"
    )


def test_into_a_folder_and_as_tsv(earmark, track):
    folder = track.parent
    (folder / "dusk.txt").write_text("0\t1\tcat\n")
    (folder / "out").mkdir()
    done = earmark("labels", "dawn.txt", "dusk.txt", "--to", "spans", "-o", "out", cwd=folder)
    assert done.stdout.split() == ["dawn.txt", "→", "out/dawn.csv", "dusk.txt", "→", "out/dusk.csv"]
    assert (folder / "out/dusk.csv").read_text() == "start,end,label\n0.0,1.0,cat\n"
    earmark("labels", "dusk.txt", "--to", "spans", "-o", "dusk.tsv", cwd=folder)
    assert (folder / "dusk.tsv").read_text() == "start\tend\tlabel\n0.0\t1.0\tcat\n"


def test_the_new_file_is_called_as_the_sound_beside(earmark, track):
    track.rename(track.with_name("dawn_labels.txt"))
    assert earmark("labels", "dawn_labels.txt", "--to", "spans", cwd=track.parent).stdout == (
        "dawn_labels.txt → dawn_labels.csv\n"
    )
    (track.parent / "dawn.flac").write_bytes(b"")
    assert earmark("labels", "dawn_labels.txt", "--to", "spans", cwd=track.parent).stdout == (
        "dawn_labels.txt → dawn.csv\n"
    )


def test_samples(earmark, tmp_path, write_wav):
    write_wav(tmp_path / "a.wav", np.zeros(100), 8_000)
    (tmp_path / "a.csv").write_text("start,end,label\n4000,8000,dog\n")
    earmark("labels", "a.csv", "--unit", "samples", "--to", "audacity", cwd=tmp_path)
    assert (tmp_path / "a.txt").read_text() == "0.500000\t1.000000\tdog\n"
    (tmp_path / "a.wav").unlink()
    done = earmark("labels", "a.csv", "--unit", "samples", cwd=tmp_path, code=2)
    assert done.stderr == (
        "error: Nobody knows how long a sample of a.csv is. Put the sound file beside a.csv, called alike.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gone.txt"], 2, "There is nothing at gone.txt."),
        (["."], 2, ". is a folder. Give label files; earmark check takes folders."),
        (
            ["dawn.txt", "--form", "audacty"],
            2,
            "No form is called 'audacty'. There are: audacity, raven, segments,",
        ),
        (["dawn.txt", "--to", "rave"], 2, "No form is called 'rave'."),
        (
            ["dawn.txt", "-o", "x.txt"],
            2,
            "-o goes with --to, which is audacity, raven, segments, spans or textgrid.",
        ),
        (["dawn.txt", "--unit", "ms"], 2, "--unit is 'ms', but must be seconds or samples."),
        (
            ["dawn.txt", "--unit", "samples"],
            2,
            "--unit samples is for tables of spans, but dawn.txt has the form 'audacity'.",
        ),
        (
            ["dawn.txt", "--label-column", "3"],
            2,
            "The form 'audacity' of dawn.txt has no columns: leave out --label-column.",
        ),
        (
            ["dawn.txt", "notes.md"],
            1,
            "notes.md, line 1: this is no label file that is known. There are: Praat TextGrid (textgrid),",
        ),
        (["dawn.txt", "--form", "raven"], 1, "dawn.txt, line 1: the first line must name Raven's columns"),
        (
            ["dawn.txt", "--to", "raven", "-o", "no/x.txt"],
            2,
            "There is no folder 'no' to write x.txt into. Make it first.",
        ),
        (
            ["dawn.txt", "dusk.txt", "--to", "raven", "-o", "x.txt"],
            2,
            "-o takes a folder where 2 files are written; x.txt is none.",
        ),
        (
            ["dawn.txt", "dawn.csv", "--to", "raven"],
            2,
            "Two of the files would be written to dawn.Table.1.selections.txt.",
        ),
        (
            ["dawn.txt", "--to", "raven", "-o", "/dev/null"],
            2,
            "/dev/null is a device, not a file. Give -o the name of a file.",
        ),
        (
            ["two.csv", "--to", "audacity"],
            1,
            "The labels are of 2 recordings, such as a.wav, and the form 'audacity' has no place",
        ),
    ],
)
def test_what_is_refused(earmark, track, arguments, code, message):
    (track.parent / "notes.md").write_text("hello")
    (track.parent / "dusk.txt").write_text("0\t1\tcat\n")
    (track.parent / "dawn.csv").write_text("0,1,cat\n")
    (track.parent / "two.csv").write_text("path,start,end,label\na.wav,0,1,dog\nb.wav,0,1,dog\n")
    before = sorted(file.name for file in track.parent.iterdir())
    done = earmark("labels", *arguments, cwd=track.parent, code=code)
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1
    assert sorted(file.name for file in track.parent.iterdir()) == before


def test_labels_do_not_command_a_terminal(earmark, tmp_path):
    (tmp_path / "a.txt").write_text("0\t1\t\x1b[31mred\n0.5\t2\t\x1b[31mred\n")
    done = earmark("labels", "a.txt", cwd=tmp_path)
    assert "\x1b" not in done.stdout
    assert "\\x1b[31mred" in done.stdout


def test_check_reads_label_tracks(earmark, tmp_path, write_wav):
    rng = np.random.default_rng(0)
    for name in ("dawn", "dusk"):
        write_wav(tmp_path / f"{name}.wav", 0.1 * rng.standard_normal(16_000), 8_000)
        (tmp_path / f"{name}.txt").write_text("0.0\t0.5\tdog\n0.5\t1.5\tcat\n")
    done = earmark("check", tmp_path)
    assert "label tracks, 2 recordings, 4 labels" in done.stderr
    assert "4 clips, 2 classes, 2 recordings: fit to train" in done.stdout
