"""Recordings with label files become clips; nothing that somebody labelled is lost in silence."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from earmark.audio.length import rate_of
from earmark.dataset import Clips, Dataset
from earmark.errors import (
    LayoutError,
    PathError,
    SettingError,
    TableError,
    UnreadableAudioError,
)
from earmark.labels import Region
from earmark.labels.lint import lint, outside, rare, same_selection, similar, similar_names
from earmark.readers import TrackSettings, detect, read
from earmark.readers.listing import Listing
from earmark.readers.pairing import pair, stems
from earmark.types import Clip, Track

DOG = "0.5\t1.25\tdog\n"
RAVEN = "Begin Time (s)\tEnd Time (s)\tSpecies\n0.5\t1.25\tdog\n"


@pytest.fixture
def make(tmp_path):
    """Write files: sounds as placeholders, label files with a text."""

    def write(*sounds, **texts):
        for name in (*sounds, *texts):
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(texts.get(name, "no sound").encode())
        return tmp_path

    return write


def clips(dataset):
    return [(c.path, c.labels, c.start, c.end) for c in dataset.clips]


def told(dataset, kind):
    return [(p.path, p.detail) for p in dataset.problems if p.kind == kind]


def kinds(dataset):
    return Counter(p.kind for p in dataset.problems)


class TestWhichFile:
    """Which label file goes with which sound."""

    @pytest.mark.parametrize(
        "label",
        [
            "dawn.txt", "dawn.TextGrid", "dawn.segments", "dawn.csv", "dawn.tsv", "dawn.wav.txt", "DAWN.TXT",
            "dawn.audacity.txt", "dawn.labels.txt", "dawn_labels.txt", "dawn labels.txt", "dawn_label.txt",
            "dawn.Table.1.selections.txt", "dawn.Table.12.selections.txt", "dawn.selections.txt",
            "dawn.BirdNET.selection.table.txt", "dawn.BirdNET.results.csv", "dawn_labels.raven.txt",
        ],
    )  # fmt: skip
    def test_names(self, make, label):
        files = Listing.of(make("dawn.wav", "dusk.wav", "sub/dawn.wav", **{label: ""}))
        assert [(p.label, p.sound, p.guess) for p in pair(files)] == [(label, "dawn.wav", "")]

    @pytest.mark.parametrize(
        ("label", "sound", "guess"),
        [
            ("labels/dawn.txt", "audio/dawn.wav", ""),
            ("x/labels/2/dawn_labels.txt", "x/audio/2/dawn.wav", ""),
            ("dawn.txt", "audio/dawn.wav", ""),
            (
                "labels/dawn.txt",
                "a/b/dawn.wav",
                "taken to be of a/b/dawn.wav, the only sound that is called so",
            ),
            ("dawn-2.txt", "dawn.wav", "taken as one of several tracks of dawn.wav"),
            ("dawn_labels_1.txt", "dawn.wav", "taken as one of several tracks of dawn.wav"),
            ("dawn.txt", "dawn-part.wav", "taken to be of dawn-part.wav, whose name begins alike"),
        ],
    )
    def test_from_afar_and_by_guess(self, make, label, sound, guess):
        assert [(p.sound, p.guess) for p in pair(Listing.of(make(sound, **{label: ""})))] == [(sound, guess)]

    @pytest.mark.parametrize(
        ("label", "sounds"),
        [
            ("dawn.txt", ["dawning.wav"]),
            ("dawn.txt", ["dawn-1.wav", "dawn-2.wav"]),
            ("b/002.txt", ["a/002.wav", "b/001.wav"]),
            ("labels/dawn.txt", ["a/x/dawn.wav", "b/x/dawn.wav"]),
            ("notes.txt", ["dawn.wav"]),
        ],
    )
    def test_not_at_all(self, make, label, sounds):
        assert pair(Listing.of(make(*sounds, **{label: ""}))) == []

    def test_a_sound_with_its_own_file_gets_no_other_from_afar(self, make):
        root = make("audio/dawn.wav", **{"audio/dawn.txt": "", "labels/dawn.txt": ""})
        assert [p.label for p in pair(Listing.of(root))] == ["audio/dawn.txt"]

    def test_stems_are_found_once(self):
        assert stems("a_labels.wav.txt") == ["a_labels.wav", "a_labels", "a"]
        assert stems(".txt") == [""]


class TestReading:
    def test_each_region_is_a_clip_of_its_recording(self, make):
        root = make("b/dusk.wav", "dawn.wav", **{"dawn.txt": f"{DOG}1\t2\tcat\n", "b/dusk.txt": DOG})
        dataset = read(root)
        assert dataset.layout == detect(root).name == "tracks"
        assert clips(dataset) == [
            ("b/dusk.wav", ("dog",), 0.5, 1.25),
            ("dawn.wav", ("dog",), 0.5, 1.25),
            ("dawn.wav", ("cat",), 1, 2),
        ]
        assert [c.group for c in dataset.clips] == ["b/dusk.wav", "dawn.wav", "dawn.wav"]
        assert dataset.exclusive
        assert dataset.title == "label tracks, 2 recordings, 3 labels"
        assert [(t.path, t.file, len(t.regions), t.form) for t in dataset.tracks] == [
            ("b/dusk.wav", "b/dusk.txt", 1, "audacity"), ("dawn.wav", "dawn.txt", 2, "audacity"),
        ]  # fmt: skip

    def test_a_single_label_file(self, make):
        root = make("dawn.wav", "dusk.wav", **{"dawn.txt": DOG, "dusk.txt": "1\t2\tcat\n"})
        dataset = read(root / "dusk.txt")
        assert (dataset.name, dataset.root, clips(dataset)) == ("dusk", root, [("dusk.wav", ("cat",), 1, 2)])
        assert dataset.problems == ()

    def test_a_label_file_whose_sound_is_elsewhere(self, make):
        root = make("audio/dawn.wav", **{"labels/dawn.txt": DOG})
        with pytest.raises(LayoutError) as caught:
            read(root / "labels/dawn.txt")
        assert str(caught.value) == (
            f"No sound file goes with {root}/labels/dawn.txt. Put the two side by side, called alike, or give a folder"
            " with both."
        )
        assert len(read(root).clips) == 1

    def test_forms_side_by_side_and_several_tracks_of_one_recording(self, make):
        root = make(
            "dawn.wav",
            **{"dawn.txt": DOG, "dawn.Table.1.selections.txt": RAVEN, "dawn_labels.txt": f"{DOG}3\t4\tcat\n"},
        )
        dataset = read(root)
        assert clips(dataset) == [("dawn.wav", ("dog",), 0.5, 1.25), ("dawn.wav", ("cat",), 3, 4)]
        assert told(dataset, "duplicate_row") == [
            ("dawn.txt", "line 1: the same as dawn.Table.1.selections.txt, line 2"),
            ("dawn_labels.txt", "line 1: the same as dawn.Table.1.selections.txt, line 2"),
        ]
        assert dataset.title == "label tracks, 1 recording, 2 labels"

    def test_one_span_with_several_labels(self, make):
        dataset = read(make("dawn.wav", **{"dawn.txt": f"{DOG}0.5\t1.25\tcat\n0.6\t2\train\n"}))
        assert clips(dataset) == [("dawn.wav", ("cat", "dog"), 0.5, 1.25), ("dawn.wav", ("rain",), 0.6, 2)]
        assert not dataset.exclusive
        assert dataset.title.endswith("2 labels, several labels a clip")

    def test_several_labels_in_a_row_of_spans(self, make):
        dataset = read(make("dawn.wav", **{"dawn.csv": "start,end,label\n0,1,dog | cat\n1,2,dog\n"}))
        assert clips(dataset) == [("dawn.wav", ("cat", "dog"), 0, 1), ("dawn.wav", ("dog",), 1, 2)]
        assert [r.label for r in dataset.tracks[0].regions] == ["dog", "cat", "dog"]
        assert dataset.problems == ()
        dataset = read(make(**{"dawn.csv": 'start,end,labels\n0,1,"dog, cat|owl"\n'}))
        assert clips(dataset) == [("dawn.wav", ("cat", "dog", "owl"), 0, 1)]
        dataset = read(make(**{"dawn.csv": "", "dawn.txt": "0\t1\tdog | cat\n"}))
        assert dataset.labels == ("dog | cat",)

    def test_points_need_a_width(self, make):
        root = make("dawn.wav", **{"dawn.txt": f"0.1\t0.1\tclick\n{DOG}7\ttick\n"})
        dataset = read(root)
        assert clips(dataset) == [("dawn.wav", ("dog",), 0.5, 1.25)]
        assert told(dataset, "points") == [
            (
                "dawn.txt",
                "line 1: 2 labels without length, left out; to make clips of them, type --point-width 0.5",
            )
        ]
        dataset = read(root, tracks=TrackSettings(point_width=0.5))
        assert clips(dataset) == [
            ("dawn.wav", ("click",), 0, pytest.approx(0.35)),
            ("dawn.wav", ("dog",), 0.5, 1.25),
            ("dawn.wav", ("tick",), 6.75, 7.25),
        ]
        assert dataset.problems == ()

    def test_nothing_but_points(self, make):
        root = make("dawn.wav", **{"dawn.txt": "0.1\tclick\n"})
        with pytest.raises(
            LayoutError, match=r"Each of the 1 label of .* is without length. Type: --point-width 0.5"
        ):
            read(root)

    def test_empty_labels_and_zero_length_are_told(self, make):
        dataset = read(make("dawn.wav", **{"dawn.segments": "0\t1\t\n1\t1\tdog\n2\t3\tdog\n"}))
        assert clips(dataset) == [("dawn.wav", ("dog",), 2, 3)]
        assert [p.detail for p in dataset.problems] == [
            "line 1: no label from 0 to 1 s; left out",
            "line 2: 'dog' at 1 s has no length",
            "line 2: 1 label without length, left out; to make clips of them, type --point-width 0.5",
        ]

    def test_recordings_in_which_nothing_was_heard(self, make):
        root = make(
            "a.wav", "b.wav", "c.wav", "d.wav",
            **{"a.txt": DOG, "b.txt": "", "c.Table.1.selections.txt": RAVEN.splitlines()[0]},
        )  # fmt: skip
        dataset = read(root)
        assert [(t.path, len(t.regions)) for t in dataset.tracks] == [
            ("a.wav", 1),
            ("b.wav", 0),
            ("c.wav", 0),
        ]
        assert [(p.kind, p.path, p.detail) for p in dataset.problems] == [
            ("unlisted", "d.wav", "no label file goes with it")
        ]

    def test_label_files_without_a_sound_and_sounds_with_another_file(self, make):
        root = make(
            "a.wav", "b.wav",
            **{"a.txt": DOG, "lost.txt": DOG, "b.txt": "notes, not labels\n", "README.txt": "read me"},
            **{"x/times.csv": "start,end,who\n06:30,7,ann\n"},
        )  # fmt: skip
        dataset = read(root)
        assert [(p.kind, p.path, p.detail) for p in dataset.problems] == [
            ("unlisted", "b.txt", "it is called as b.wav is, but is of no known form of label file"),
            ("missing", "lost.txt", "no sound file goes with it: none is called so but for the extension"),
            (
                "unlisted",
                "x/times.csv",
                "no sound file goes with it, and it cannot be understood (the start is '06:30', but must be seconds,"
                " such as 1.5.)",
            ),
            ("unlisted", "b.wav", "no label file goes with it"),
        ]

    def test_tiers_are_tracks(self, make):
        tier = '"IntervalTier" "{}" 0 2 1 0 2 "{}"\n'
        grid = (
            f'"ooTextFile" "TextGrid" 0 2 <exists> 2\n{tier.format("words", "no")}{tier.format("who", "ann")}'
        )
        root = make("dawn.wav", **{"dawn.TextGrid": grid})
        dataset = read(root)
        assert clips(dataset) == [("dawn.wav", ("ann", "no"), 0, 2)]
        assert [(t.file, t.regions[0].label) for t in dataset.tracks] == [
            ("dawn.TextGrid", "no"), ("dawn.TextGrid", "ann"),
        ]  # fmt: skip
        assert read(root, tracks=TrackSettings(label_column="who")).labels == ("ann",)

    def test_a_wrong_label_file_is_an_error(self, make):
        root = make("dawn.wav", **{"dawn.txt": f"{DOG}2\t1\tcat\n"})
        with pytest.raises(TableError) as caught:
            read(root)
        assert str(caught.value) == f"{root}/dawn.txt, line 2: the end (1 s) lies before the start (2 s)."


class TestRecordingsThatAreNamed:
    """Tables that say themselves which sound file a row is of."""

    def test_one_table_for_many(self, make):
        rows = ["b.wav,0,1,dog", "sub/a.wav,1,2,cat", "C:\\field\\B.WAV,2,3,cat", "gone.wav,0,1,dog"]
        text = "\n".join(["filename,onset,offset,event", *rows])
        dataset = read(make("sub/a.wav", "b.wav", "c.wav", **{"all.csv": text}))
        assert clips(dataset) == [
            ("b.wav", ("dog",), 0, 1), ("b.wav", ("cat",), 2, 3), ("sub/a.wav", ("cat",), 1, 2),
        ]  # fmt: skip
        assert [(p.kind, p.path, p.detail) for p in dataset.problems] == [
            ("missing", "gone.wav", "line 5 of all.csv names it"),
            ("unlisted", "c.wav", "no label file goes with it"),
        ]

    def test_the_same_name_in_two_folders(self, make):
        text = "path,start,end,species\nx/1.wav,0,1,dog\n/disk/y/1.wav,0,1,cat\n1.wav,0,1,owl\n"
        dataset = read(make("x/1.wav", "y/1.wav", **{"all.csv": text}))
        assert clips(dataset) == [("x/1.wav", ("dog",), 0, 1), ("y/1.wav", ("cat",), 0, 1)]
        assert told(dataset, "missing") == [("1.wav", "line 4 of all.csv names it")]

    def test_no_path_leads_out(self, make):
        make("secret.wav", **{"in/all.csv": "path,start,end,species\n../secret.wav,0,1,dog\na.wav,0,1,cat\n"})
        dataset = read(make("in/a.wav") / "in")
        assert clips(dataset) == [("a.wav", ("cat",), 0, 1)]
        assert told(dataset, "missing") == [("../secret.wav", "line 2 of all.csv names it")]

    def test_a_table_beside_its_sound_may_name_it_otherwise(self, make):
        text = "Begin Time (s)\tEnd Time (s)\tBegin Path\tCommon Name\n0\t3\t/data/night/orig.flac\tMagpie\n"
        dataset = read(make("dawn.wav", **{"dawn.BirdNET.selection.table.txt": text}))
        assert clips(dataset) == [("dawn.wav", ("Magpie",), 0, 3)]
        assert [p.detail for p in dataset.problems] == [
            "it names /data/night/orig.flac, which is not here; taken to be of dawn.wav"
        ]

    def test_ravens_views_are_one_selection(self, make):
        rows = "".join(f"1\t{view} 1\t0.5\t1.25\tdog\n" for view in ("Waveform", "Spectrogram"))
        head = "Selection\tView\tBegin Time (s)\tEnd Time (s)\tSpecies\n"
        dataset = read(make("dawn.wav", **{"dawn.txt": head + rows}))
        assert (clips(dataset), dataset.problems) == ([("dawn.wav", ("dog",), 0.5, 1.25)], ())
        dataset = read(make(**{"dawn.txt": head + rows + rows.replace("1\t", "2\t", 1)}))
        assert told(dataset, "duplicate_row")[0] == (
            "dawn.txt",
            "line 4: 'dog' from 0.5 to 1.25 s repeats line 2",
        )

    def test_a_selection_over_two_sound_files(self, tmp_path, write_wav):
        for name in ("a.wav", "b.wav"):
            write_wav(tmp_path / name, np.zeros(1000), 100)  # 10 s
        head = "Begin Time (s)\tEnd Time (s)\tBegin File\tEnd File\tFile Offset (s)\tSpecies\n"
        rows = (
            "9\t12\ta.wav\tb.wav\t9\tdog\n13\t14\tb.wav\tb.wav\t3\tcat\n8.5\t11\ta.wav\tgone.wav\t8.5\towl\n"
        )
        (tmp_path / "all.txt").write_text(head + rows)
        dataset = read(tmp_path)
        assert clips(dataset) == [
            ("a.wav", ("dog",), 9, 10), ("a.wav", ("owl",), 8.5, 10),
            ("b.wav", ("dog",), 0, 2), ("b.wav", ("cat",), 3, 4),
        ]  # fmt: skip
        assert told(dataset, "missing") == [("gone.wav", "line 4 of all.txt names it")]

    def test_the_first_of_two_sound_files_cannot_be_read(self, make):
        head = "Begin Time (s)\tEnd Time (s)\tBegin File\tEnd File\tFile Offset (s)\tSpecies\n"
        text = head + "9\t12\ta.wav\tb.wav\t9\tdog\n13\t14\tb.wav\tb.wav\t3\tcat\n"
        dataset = read(make("a.wav", "b.wav", **{"all.txt": text}))
        assert clips(dataset) == [("b.wav", ("cat",), 3, 4)]
        assert told(dataset, "unreadable")[0][1].startswith(
            "line 2 of all.txt cannot be placed: not readable as"
        )


class TestSettings:
    def test_samples(self, tmp_path, write_wav):
        write_wav(tmp_path / "a.wav", np.zeros(8000), 8000)
        write_wav(tmp_path / "b.flac", np.zeros(8000), 16_000, "PCM_16")
        (tmp_path / "a.csv").write_text("start,end,label\n4000,8000,dog\n")
        (tmp_path / "b.csv").write_text("4000,8000,cat\n")
        dataset = read(tmp_path, tracks=TrackSettings(unit="samples"))
        assert clips(dataset) == [("a.wav", ("dog",), 0.5, 1), ("b.flac", ("cat",), 0.25, 0.5)]
        (tmp_path / "a.csv").unlink()
        (tmp_path / "b.csv").unlink()
        rows = "a.wav,4000,8000,dog\nb.flac,4000,8000,cat\ngone.wav,1,2,owl\n"
        (tmp_path / "all.csv").write_text(f"file,start,end,species\n{rows}")
        again = read(tmp_path, tracks=TrackSettings(unit="samples"))
        assert clips(again) == clips(dataset)
        assert told(again, "missing") == [("gone.wav", "line 4 of all.csv names it")]

    def test_samples_of_a_sound_that_cannot_be_read(self, tmp_path, write_wav):
        write_wav(tmp_path / "a.wav", np.zeros(8000), 8000)
        (tmp_path / "b.wav").write_text("no sound")
        for name in "ab":
            (tmp_path / f"{name}.csv").write_text("start,end,label\n4000,8000,dog\n")
        dataset = read(tmp_path, tracks=TrackSettings(unit="samples"))
        assert clips(dataset) == [("a.wav", ("dog",), 0.5, 1)]
        assert told(dataset, "unreadable") == [
            ("b.wav", "the samples in b.csv cannot be placed: not readable as sound (format not recognised)")
        ]

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            (
                {"unit": "samples"},
                "The unit 'samples' is for tables of spans, but these labels are audacity.",
            ),
            (
                {"label_column": "3"},
                "A label column is for raven, spans, textgrid, but these labels are audacity.",
            ),
        ],
    )
    def test_what_goes_with_no_file_is_refused(self, make, settings, message):
        root = make("dawn.wav", **{"dawn.txt": DOG})
        with pytest.raises(SettingError) as caught:
            read(root, tracks=TrackSettings(**settings))
        assert str(caught.value) == f"{message} Type --layout spans if they are spans, or leave it out."
        assert read(root, "spans", tracks=TrackSettings(label_column="3")).labels == ("dog",)

    def test_other_layouts_take_none(self, make):
        root = make("dog/a.wav", "cat/b.wav")
        with pytest.raises(SettingError) as caught:
            read(root, tracks=TrackSettings(point_width=1))
        assert str(caught.value) == (
            "The layout 'folders' has no label tracks, so that a point width, a unit or a label column would go unused."
            " Leave them out, or choose --layout tracks or spans."
        )
        assert read(root, tracks=TrackSettings()).layout == "folders"

    @pytest.mark.parametrize("width", [0, -1, float("nan"), float("inf")])
    def test_widths(self, width):
        with pytest.raises(SettingError, match=r"The point width is .*, but must be seconds, such as 0.5."):
            TrackSettings(point_width=width)

    def test_units(self):
        with pytest.raises(SettingError, match="The unit is 'ms', but must be 'seconds' or 'samples'"):
            TrackSettings(unit="ms")


class TestWhichLayout:
    def test_class_folders_win_where_few_sounds_have_labels(self, make):
        root = make("dog/1.wav", "dog/2.wav", "cat/3.wav", **{"dog/1.txt": DOG})
        dataset = read(root)
        assert dataset.layout == "folders"
        assert told(dataset, "unlisted") == [
            ("dog/1.txt", "1 label file such as this not read; --layout tracks reads them")
        ]
        assert clips(read(root, "tracks")) == [("dog/1.wav", ("dog",), 0.5, 1.25)]
        make(**{"cat/3.txt": DOG})
        assert read(root).layout == "tracks"

    def test_captions_beside_sounds_are_no_labels(self, make):
        dataset = read(make("dog/1.wav", "cat/2.wav", **{"dog/1.txt": "a dog barks", "cat/2.txt": "meow"}))
        assert (dataset.layout, dataset.problems) == ("folders", ())

    def test_a_table_of_clips_stays_one(self, make):
        root = make("a.wav", **{"clips.csv": "path,label,start,end\na.wav,dog,0,1\n"})
        assert detect(root).name == detect(root / "clips.csv").name == "table"
        assert detect(make(**{"a.txt": DOG})).name == "table"

    def test_a_table_beside_its_sound_is_a_track(self, make):
        root = make("a.wav", **{"a.csv": "start,end,label\n0,1,dog\n"})
        assert detect(root).name == detect(root / "a.csv").name == "tracks"

    def test_a_chosen_form_reads_no_other(self, make):
        root = make("a.wav", "b.wav", **{"a.txt": DOG, "b.txt": RAVEN})
        dataset = read(root, "raven")
        assert (dataset.layout, dataset.title) == (
            "raven",
            "Raven selection tables, 1 recording, 1 label",
        )
        assert [(p.path, p.detail) for p in dataset.problems] == [
            ("a.txt", "it is called as a.wav is, but is of the form 'audacity', and not read"),
            ("a.wav", "no label file goes with it"),
        ]

    def test_a_chosen_form_is_tried_on_what_is_of_none(self, make):
        root = make("a.wav", **{"a.txt": "0.036\t0.579\t0\t1\n"})
        with pytest.raises(TableError, match=r"the label may be in any of the columns 3 to 4"):
            read(root)
        assert read(root, tracks=TrackSettings(label_column="4")).labels == ("1",)
        assert read(root, "audacity").labels == ("0\t1",)

    def test_nothing_there(self, make):
        root = make("a.wav", **{"notes.txt": "hello"})
        with pytest.raises(LayoutError) as caught:
            read(root, "tracks")
        assert str(caught.value) == (
            f"{root} has 1 audio file, but no label file (.csv, .segments, .textgrid, .tsv, .txt) that goes with one,"
            " such as dawn.txt with dawn.wav."
        )
        make(**{"lost.txt": DOG})
        with pytest.raises(LayoutError) as caught:
            read(root, "tracks")
        assert str(caught.value) == (
            f"No label file of {root} goes with a sound. The first: lost.txt: no sound file goes with it: none is"
            " called so but for the extension."
        )
        with pytest.raises(
            LayoutError, match=r"notes.txt is no label file that is known. There are: Praat TextGrid"
        ):
            read(root / "notes.txt")
        make(**{"a.txt": ""})
        with pytest.raises(LayoutError, match=r"The label file of .* is empty"):
            read(root, "audacity")
        make(**{"a.txt": "0\t1\t\n"})
        with pytest.raises(LayoutError, match=r"None of the 1 region of .* has a label"):
            read(root, "audacity")
        with pytest.raises(PathError, match="is a file, but the layout 'folders' needs a folder"):
            read(root / "a.txt", "folders")


class TestWhereALabelIsWritten:
    def test_the_region_that_a_clip_has_most_of(self, make):
        dataset = read(
            make("a.wav", **{"a.txt": "0\t1\tdog\n5\t5\tdog\n0.5\t4\tdog\n1\t2\tcat\n"}),
            tracks=TrackSettings(point_width=1),
        )
        assert [dataset.source_of(c) for c in dataset.clips] == [f"a.txt, line {n}" for n in (1, 2, 3, 4)]
        window = Clip("a.wav", ("dog",), "a.wav", 0.25, 2.25)
        assert dataset.source_of(window) == "a.txt, line 3"
        assert dataset.source_of(Clip("a.wav", ("dog",), "a.wav", 7, 8)) is None
        assert dataset.source_of(Clip("a.wav", ("cat", "dog"), "a.wav")) == "a.txt, line 3"
        assert dataset.source_of(Clip("b.wav", ("dog",), "b.wav", 0, 1)) is None
        assert dataset.source_of(Clip("a.wav", (), "a.wav", 0, 1)) is None

    def test_without_tracks(self, tmp_path):
        dataset = Dataset("d", tmp_path, "folders", Clips.of([]), True, None, None, "none")
        assert dataset.tracks == ()
        assert dataset.source_of(Clip("a.wav", ("dog",), "a.wav")) is None


def track(*regions, path="a.wav", file="a.txt"):
    made = (Region(start, end, label, line=i) for i, (start, end, label) in enumerate(regions, 1))
    return Track(path, file, tuple(made))


class TestLint:
    def test_overlaps(self):
        found = lint(track((0, 5, "dog"), (1, 2, "dog"), (4, 6, "dog"), (6, 7, "dog"), (6.9995, 8, "dog")))
        assert [(p.kind, p.detail) for p in found] == [
            ("overlap", "line 2: 'dog' from 1 to 2 s overlaps 'dog' in line 1"),
            ("overlap", "line 3: 'dog' from 4 to 6 s overlaps 'dog' in line 1"),
        ]

    def test_overlaps_of_different_labels_are_one_line(self):
        found = lint(
            track((0, 9, "dog"), (1, 2, "cat"), (3, 4, "owl"), (5, 6, "dog"), (9, 10, "owl"), (0, 9, "cow"))
        )
        assert [(p.kind, p.detail) for p in found] == [
            ("overlap", "line 4: 'dog' from 5 to 6 s overlaps 'dog' in line 1"),
            (
                "overlap_of_labels",
                "line 2: 'cat' from 1 to 2 s overlaps 'cow' in line 6 (3 such overlaps of different labels)",
            ),
        ]

    def test_repetitions_and_lengths(self):
        made = track((0, 1, "dog"), (0, 1, "dog"), (2, 2, "dog"), (2, 2, "dog"), (3, 4, ""))
        assert [(p.kind, p.detail) for p in lint(made)] == [
            ("empty_label", "line 5: no label from 3 to 4 s; left out"),
            ("duplicate_row", "line 2: 'dog' from 0 to 1 s repeats line 1"),
            ("duplicate_row", "line 4: 'dog' at 2 s repeats line 3"),
        ]
        assert [p.detail for p in lint(made, points=False) if p.kind == "zero_length"] == [
            "line 3: 'dog' at 2 s has no length", "line 4: 'dog' at 2 s has no length",
        ]  # fmt: skip

    def test_a_selection_in_two_views(self):
        one = Region(0, 1, "dog", extra=(("Selection", "1"), ("View", "Waveform 1")))
        other = Region(0, 1, "dog", extra=(("Selection", "1"), ("View", "Spectrogram 1")))
        assert same_selection(one, other)
        assert not same_selection(one, one)
        assert not same_selection(one, Region(0, 1, "dog"))
        assert not same_selection(one, Region(0, 2, "dog", extra=other.extra))

    def test_outside(self):
        made = track((0, 5.05, "dog"), (4, 5.2, "cat"), (6, 6, "click"))
        assert [p.detail for p in outside(made, 5.0)] == [
            "line 2: 'cat' from 4 to 5.2 s lies outside a.wav, which is 5 s long",
            "line 3: 'click' at 6 s lies outside a.wav, which is 5 s long",
        ]

    @pytest.mark.parametrize(
        ("labels", "found"),
        [
            (["dog bark", "Dog_bark", "dogbark", "cat"], [("Dog_bark", "dog bark", "dogbark")]),
            (["dog", "dogs", "glass", "glas"], [("dog", "dogs")]),
            (["A", "a", "1", "01", "-1", "bus", "bu"], []),
            (["Straße", "STRASSE", "ﬁnch", "finch"], [("STRASSE", "Straße"), ("finch", "ﬁnch")]),
            ([], []),
        ],
    )
    def test_similar_names(self, labels, found):
        assert similar_names(labels) == found

    def test_similar_names_with_their_places(self):
        tracks = [
            track((0, 1, "dog bark"), (1, 2, "cat")),
            track((0, 1, "cat"), (1, 2, "Dog_bark"), (3, 4, "dog-barks"), path="b.wav", file="b.txt"),
        ]
        assert [(p.kind, p.path, p.detail) for p in similar(tracks)] == [
            (
                "similar_names",
                "a.txt",
                "line 1: 'dog bark' may be the same as 'Dog_bark' (b.txt, line 2), 'dog-barks' (b.txt, line 3)",
            )
        ]

    def test_rare(self):
        tracks = [track((0, 1, "dog"), (1, 2, "cat"), path=f"{i}.wav", file=f"{i}.txt") for i in range(3)]
        tracks[2] = track((0, 1, "dog"), (1, 2, "owl"), path="2.wav", file="2.txt")
        assert [(p.path, p.detail) for p in rare(tracks)] == [
            (
                "0.txt",
                "line 2: 'cat' is heard in 2 recordings only; 3 are needed to learn it from some and test it on others",
            ),
            (
                "2.txt",
                "line 2: 'owl' is heard in 1 recording only; 3 are needed to learn it from some and test it on others",
            ),
        ]


class TestRate:
    def test_by_the_header(self, tmp_path, write_wav):
        assert rate_of(write_wav(tmp_path / "a.wav", np.zeros(10), 11_127)) == 11_127
        assert rate_of(write_wav(tmp_path / "a.flac", np.zeros(10), 44_100)) == 44_100
        assert rate_of(write_wav(tmp_path / "empty.wav", np.zeros(0), 8_000)) == 8_000

    def test_what_is_no_sound(self, tmp_path):
        (tmp_path / "a.wav").write_text("no sound")
        with pytest.raises(
            UnreadableAudioError, match=r"a.wav: not readable as sound \(format not recognised\)"
        ):
            rate_of(tmp_path / "a.wav")
        with pytest.raises(UnreadableAudioError, match="no such file"):
            rate_of(tmp_path / "b.wav")


def test_in_object_storage(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe({"/tracks/a.wav": b"no sound", "/tracks/labels/a.txt": DOG.encode(), "/tracks/b.wav": b"x"})
    try:
        dataset = read("memory://tracks")
        assert (dataset.layout, clips(dataset)) == ("tracks", [("a.wav", ("dog",), 0.5, 1.25)])
        assert dataset.source_of(dataset.clips[0]) == "labels/a.txt, line 1"
        assert set(dataset.remote) >= {"a.wav", "b.wav"}
    finally:
        memory.rm("/tracks", recursive=True)


@pytest.mark.data
class TestRealData:
    def test_all_of_them(self, data_root):
        dataset = read(data_root / "label_tracks", tracks=TrackSettings(point_width=0.05))
        assert dataset.layout == "tracks"
        recordings = {t.path for t in dataset.tracks}
        assert len(recordings) == 12
        assert kinds(dataset)["missing"] == 27
        assert "unlisted" not in kinds(dataset)
        forms = Counter(t.form for t in dataset.tracks)
        assert forms == {"audacity": 6, "segments": 4, "raven": 1, "spans": 1}
        assert all(dataset.source_of(clip) for clip in dataset.clips)

    def test_each_of_them(self, data_root):
        found = {
            folder.name: read(folder, tracks=TrackSettings(point_width=0.1))
            for folder in (data_root / "label_tracks").iterdir()
            if folder.is_dir() and folder.name != "no_audio"
        }
        assert {name: (len(d.clips), len(d.labels)) for name, d in found.items()} == {
            "bicyclebell_csv": (7, 2),
            "pyaudioanalysis_segments": (53, 8),
            "raindrop_audacity_points": (208, 208),
            "raven_birds": (279, 8),
            "spinetail_audacity_ext": (18, 2),
            "taps_m4a_audacity": (60, 15),
        }
        assert found["bicyclebell_csv"].labels == ("False", "True")
        assert [p.detail for p in found["raven_birds"].problems if p.kind == "guessed"] == [
            "taken to be of Recording_1_Segment_07-snippet.wav, whose name begins alike"
        ]
        (birds,) = found["raven_birds"].tracks
        assert len(outside(birds, 10.0)) == 270

    def test_respiratory_cycles(self, data_root):
        root = data_root / "format_zoo/icbhi"
        with pytest.raises(TableError, match="Type, for instance: --label-column 3"):
            read(root)
        dataset = read(root, tracks=TrackSettings(label_column="3"))
        assert dataset.labels == ("0", "1")
        assert told(dataset, "missing") == [
            (
                "101_1b1_Al_sc_Meditron.txt",
                "no sound file goes with it: none is called so but for the extension",
            )
        ]

    def test_other_data_sets_keep_their_layout(self, data_root):
        layouts = {name: detect(data_root / name).name for name in ("us8k", "esc10", "format_zoo")}
        assert layouts == {"us8k": "urbansound8k", "esc10": "esc50", "format_zoo": "folders"}
