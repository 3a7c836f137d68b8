"""Label files: each form is read with its lines, and written again to the byte. Nothing but typed errors comes out."""

from __future__ import annotations

import codecs
import contextlib
import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import earmark.labels as room
from earmark.errors import DataError, EarmarkError, TableError, UnknownNameError
from earmark.labels import (
    FORMS,
    Labels,
    Reading,
    Region,
    converted,
    form_of,
    losses,
    parse,
    read_labels,
    to_bytes,
    write_labels,
)

GRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0 
xmax = 2.5 
tiers? <exists> 
size = 2 
item []: 
    item [1]:
        class = "IntervalTier" 
        name = "birds" 
        xmin = 0 
        xmax = 2.5 
        intervals: size = 3 
        intervals [1]:
            xmin = 0 
            xmax = 0.5 
            text = "" 
        intervals [2]:
            xmin = 0.5 
            xmax = 1.25 
            text = "the ""big"" one" 
        intervals [3]:
            xmin = 1.25 
            xmax = 2.5 
            text = "" 
    item [2]:
        class = "TextTier" 
        name = "clicks" 
        xmin = 0 
        xmax = 2.5 
        points: size = 1 
        points [1]:
            number = 0.75 
            mark = "click" 
"""  # noqa: W291  (as Praat writes it)
SHORT = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2.5\n<exists>\n2\n"IntervalTier"\n"birds"\n0\n2.5\n3\n'
    '0\n0.5\n""\n0.5\n1.25\n"the ""big"" one"\n1.25\n2.5\n""\n"TextTier"\n"clicks"\n0\n2.5\n1\n0.75\n"click"\n'
)
RAVEN = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"

# Files as programs and people write them: form, name, text, and what they say as (start, end, label, low, high, line).
FILES = [
    (
        "audacity",
        "a.txt",
        "0.5\t1.25\tdog\n2\t2\tclick\n",
        [(0.5, 1.25, "dog", None, None, 1), (2, 2, "click", None, None, 2)],
    ),
    ("audacity", "a.txt", "0.5\t1.25\tdog\n\\\t200.5\t4000\n", [(0.5, 1.25, "dog", 200.5, 4000, 1)]),
    ("audacity", "a.txt", "0.5\t1.25\tdog\n\\\t-1.000000\t4000\n", [(0.5, 1.25, "dog", None, 4000, 1)]),
    (
        "audacity",
        "a.txt",
        "0.5\t1\tx\n\\\t1\t2\n\\\tof a later version\n1\t2\ty",
        [(0.5, 1, "x", 1, 2, 1), (1, 2, "y", None, None, 4)],
    ),
    ("audacity", "a.txt", "0,500000\t1,250000\tdog, cat\r\n", [(0.5, 1.25, "dog, cat", None, None, 1)]),
    (
        "audacity",
        "a.txt",
        "0.5\tclick\n1.5\ttick tock\n",
        [(0.5, 0.5, "click", None, None, 1), (1.5, 1.5, "tick tock", None, None, 2)],
    ),
    (
        "audacity",
        "a.txt",
        "\n0.5\t1\t \n\n\n1\t2\t  Grüße\u2028 🐦\t7\n\n",
        [(0.5, 1, "", None, None, 2), (1, 2, "Grüße\u2028 🐦\t7", None, None, 5)],
    ),
    (
        "audacity",
        "a.txt",
        "5\t6\tb\n1\t2\ta\n0\t9\tsecond track",
        [(5, 6, "b", None, None, 1), (1, 2, "a", None, None, 2), (0, 9, "second track", None, None, 3)],
    ),
    (
        "audacity",
        "a.txt",
        "0.5\t1\tdog\r2\t3\tcat\r",
        [(0.5, 1, "dog", None, None, 1), (2, 3, "cat", None, None, 2)],
    ),
    ("audacity", "a.txt", "1e-05\t1.5E1\tdog\n", [(1e-5, 15, "dog", None, None, 1)]),
    ("raven", "a.txt", f"{RAVEN}\tSpecies", []),
    (
        "raven",
        "a.txt",
        f"{RAVEN}\tSpecies\r\n1\tSpectrogram 1\t1\t0.5\t1.25\t200.0\t4000.0\tEATO\r\n",
        [(0.5, 1.25, "EATO", 200, 4000, 2)],
    ),
    (
        "raven",
        "a.txt",
        "End Time (s)\tbegin time (s)\tAnnotation\n1,25\t0,5\tdog\n",
        [(0.5, 1.25, "dog", None, None, 2)],
    ),
    (
        "raven",
        "a.txt",
        f"{RAVEN}\tDelta Time (s)\tCall\n1\tWaveform 1\t1\t0.5\t1\t\t\t0.5\n",
        [(0.5, 1, "", None, None, 2)],
    ),
    ("raven", "a.txt", f"{RAVEN}\tMood\n1\tView\t1\t0\t1\t\t\tsad\n", [(0, 1, "sad", None, None, 2)]),
    (
        "segments",
        "a.segments",
        "0.0\t0.13\tsilence\n0.13\t1\tspeech\t\n\n",
        [(0, 0.13, "silence", None, None, 1), (0.13, 1, "speech", None, None, 2)],
    ),
    ("segments", "a.segments", "0,1.5,speech\n", [(0, 1.5, "speech", None, None, 1)]),
    ("spans", "a.csv", "start,end,label\n0.5,1.25,dog\n", [(0.5, 1.25, "dog", None, None, 2)]),
    (
        "spans",
        "a.csv",
        "0.5,1.25,dog\n# a comment\n2,3,cat\n",
        [(0.5, 1.25, "dog", None, None, 1), (2, 3, "cat", None, None, 3)],
    ),
    (
        "spans",
        "a.csv",
        '\ufeffEnd;Start;low_freq;Max Freq;Class\r\n1,25;0,5;200;4000;"a;""b"""\r\n',
        [(0.5, 1.25, 'a;"b"', 200, 4000, 2)],
    ),
    ("spans", "a.tsv", "onset\toffset\tevent_label\n0.5\t1.25\tdog\n", [(0.5, 1.25, "dog", None, None, 2)]),
    ("spans", "a.txt", "onset\toffset\tevent_label\n0.5\t1.25\tdog\n", [(0.5, 1.25, "dog", None, None, 2)]),
    (
        "spans",
        "a.csv",
        "0,1,189765,True\n1,2,5,False\n",
        [(0, 1, "True", None, None, 1), (1, 2, "False", None, None, 2)],
    ),
    ("spans", "a.csv", "0,1,7\n1,2,5\n", [(0, 1, "7", None, None, 1), (1, 2, "5", None, None, 2)]),
    (
        "spans",
        "a.csv",
        "Start (s),End (s),Scientific name,Common name,Confidence,File\n0,3,Pica pica,Magpie,0.9,a.wav\n",
        [(0, 3, "Magpie", None, None, 2)],
    ),
    ("spans", "a.csv", "start,end,label\n", []),
    (
        "textgrid",
        "a.TextGrid",
        GRID,
        [(0.5, 1.25, 'the "big" one', None, None, 22), (0.75, 0.75, "click", None, None, 35)],
    ),
    (
        "textgrid",
        "a.TextGrid",
        SHORT,
        [(0.5, 1.25, 'the "big" one', None, None, 18), (0.75, 0.75, "click", None, None, 28)],
    ),
    (
        "textgrid",
        "a.TextGrid",
        'File type = "ooTextFile"\r\nObject class = "TextGrid"\r\n0 1 <exists> 1 ! note "x" 7\r\n'
        '"IntervalTier" "a" 0 1 1 0 1 "two\r\nlines"',
        [(0, 1, "two\r\nlines", None, None, 4)],
    ),
    ("textgrid", "a.TextGrid", '"ooTextFile" "TextGrid" 0 1 <absent>', []),
]


def said(labels):
    return [(r.start, r.end, r.label, r.low, r.high, r.line) for r in labels.regions]


@pytest.mark.parametrize(("form", "name", "text", "expected"), FILES)
class TestEveryFile:
    def test_is_known_and_read(self, form, name, text, expected, tmp_path):
        (tmp_path / name).write_bytes(text.encode())
        found = form_of(tmp_path / name)
        assert found is not None
        assert found.name == form
        labels = read_labels(tmp_path / name)
        assert labels.form == form
        assert said(labels) == expected

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be"])
    def test_comes_out_as_it_went_in(self, form, name, text, expected, encoding, tmp_path):
        marks = {"utf-8-sig": "", "utf-8": ""}
        text = text.removeprefix("\ufeff")
        data = (marks.get(encoding, "\ufeff") + text).encode(encoding)
        (tmp_path / name).write_bytes(data)
        labels = read_labels(tmp_path / name)
        assert labels.form == form
        assert said(labels) == expected
        write_labels(tmp_path / "again", labels)
        assert (tmp_path / "again").read_bytes() == data

    def test_a_changed_region_changes_only_itself(self, form, name, text, expected, tmp_path):
        if not expected:
            return
        labels = parse(text.encode(), form)
        changed = replace(labels.regions[0], label="mouse")
        data = to_bytes(replace(labels, regions=(changed, *labels.regions[1:])))
        again = parse(data, form)
        assert [r.label for r in again.regions] == ["mouse", *(r.label for r in labels.regions[1:])]
        assert [(r.start, r.end, r.low, r.high, r.extra) for r in again.regions] == [
            (r.start, r.end, r.low, r.high, r.extra) for r in labels.regions
        ]
        if form != "textgrid":  # which is made anew
            for region in labels.regions[1:]:
                assert region.source.strip().encode() in data
            assert data.startswith(text.encode()[: text.encode().index(labels.regions[0].source.encode())])

    def test_can_be_taken_out_and_put_back(self, form, name, text, expected, tmp_path):
        labels = parse(text.encode(), form)
        without = parse(to_bytes(replace(labels, regions=labels.regions[1:])), form)
        assert without.regions == labels.regions[1:]
        more = (*labels.regions, *labels.regions[:1])
        assert parse(to_bytes(replace(labels, regions=more)), form).regions == more or form == "textgrid"


class TestWriting:
    def test_audacity_as_audacity_does(self):
        regions = (Region(0.5, 1.25, "dog", 200, 4000), Region(1 / 3, 1 / 3, ""), Region(1, 2, "x", high=9))
        assert to_bytes(Labels("audacity", regions)) == (
            b"0.500000\t1.250000\tdog\n\\\t200.000000\t4000.000000\n0.333333\t0.333333\t\n"
            b"1.000000\t2.000000\tx\n\\\t-1.000000\t9.000000\n"
        )

    def test_in_the_style_of_the_file(self):
        labels = parse(b"0,5\t1,2345678901\tdog\r\n\r\n2,0\t3,0\tcat", "audacity")
        changed = replace(labels.regions[0], end=1.5)
        assert to_bytes(replace(labels, regions=(changed, labels.regions[1]))) == (
            b"0,5000000000\t1,5000000000\tdog\r\n\r\n2,0\t3,0\tcat"
        )
        assert to_bytes(replace(labels, regions=labels.regions[::-1])) == (
            b"2,0\t3,0\tcat\r\n0,5\t1,2345678901\tdog\r\n\r\n"
        )

    def test_raven_with_the_columns_that_it_needs(self):
        regions = (Region(0.5, 1.25, "dog", 200, 4000), Region(2, 3, "cat"))
        assert to_bytes(Labels("raven", regions)).decode() == (
            f"{RAVEN}\tAnnotation\n1\tSpectrogram 1\t1\t0.5\t1.25\t200.0\t4000.0\tdog\n"
            "2\tWaveform 1\t1\t2.0\t3.0\t\t\tcat\n"
        )

    def test_raven_keeps_its_columns(self):
        text = f"{RAVEN}\tSpecies\tMood\n1\tSpectrogram 1\t2\t0.5\t1\t\t\tEATO\tsad\n"
        labels = parse(text.encode(), "raven")
        changed = replace(labels.regions[0], label="NOCA", low=5.0)
        new = Region(7, 8, "TUTI", extra=(("Mood", "gay"), ("unknown", "lost")))
        assert to_bytes(replace(labels, regions=(changed, new))).decode() == (
            f"{RAVEN}\tSpecies\tMood\n1\tSpectrogram 1\t2\t0.5\t1.0\t5.0\t\tNOCA\tsad\n"
            "\t\t\t7.0\t8.0\t\t\tTUTI\tgay\n"
        )

    def test_a_textgrid_that_praatio_reads(self, tmp_path):
        textgrid = pytest.importorskip("praatio.textgrid")
        regions = (
            Region(0.5, 1.25, 'a "b"'), Region(1, 3, "over\nlap"), Region(2, 2, "point"), Region(4, 5, "late"),
        )  # fmt: skip
        (tmp_path / "a.TextGrid").write_bytes(to_bytes(Labels("textgrid", regions)))
        grid = textgrid.openTextgrid(str(tmp_path / "a.TextGrid"), includeEmptyIntervals=False)
        found = {name: [tuple(e) for e in grid.getTier(name).entries] for name in grid.tierNames}
        assert found == {
            "labels": [(0.5, 1.25, 'a "b"'), (4, 5, "late")],
            "labels 2": [(1, 3, "over\nlap")],
            "labels points": [(2, "point")],
        }

    @pytest.mark.parametrize("text", [GRID, SHORT])
    def test_praatio_reads_the_same(self, text, tmp_path):
        textgrid = pytest.importorskip("praatio.textgrid")
        (tmp_path / "a.TextGrid").write_text(text)
        grid = textgrid.openTextgrid(str(tmp_path / "a.TextGrid"), includeEmptyIntervals=False)
        theirs = [
            (name, e[0], e[1] if len(e) == 3 else e[0], e[-1])
            for name in grid.tierNames for e in grid.getTier(name).entries
        ]  # fmt: skip
        ours = [
            (dict(r.extra)["tier"], r.start, r.end, r.label) for r in parse(text.encode(), "textgrid").regions
        ]
        assert ours == theirs

    def test_a_textgrid_keeps_its_tiers_when_one_changes(self):
        labels = parse(GRID.encode(), "textgrid", "", Reading("clicks"))
        assert [r.label for r in labels.regions] == ["click"]
        assert to_bytes(labels) == GRID.encode()
        moved = replace(labels, regions=(replace(labels.regions[0], start=1.5, end=1.5),))
        again = parse(to_bytes(moved), "textgrid")
        assert [(dict(r.extra)["tier"], r.start, r.label) for r in again.regions] == [
            ("birds", 0.5, 'the "big" one'),
            ("clicks", 1.5, "click"),
        ]
        assert b"xmax = 2.5" in to_bytes(moved)

    def test_what_a_line_cannot_hold(self):
        for form in ("audacity", "raven", "segments", "spans"):
            with pytest.raises(DataError) as caught:
                to_bytes(Labels(form, (Region(0, 1, "two\nlines", line=7),)))
            assert str(caught.value) == (
                f"'two\nlines' in line 7 has a line break, for which the form '{form}' has no place. Change it first."
            )
        for form in ("raven", "segments"):
            with pytest.raises(DataError, match=f"has a tab, for which the form '{form}' has no place"):
                to_bytes(Labels(form, (Region(0, 1, "a\tb"),)))

    def test_samples_stay_samples(self):
        reading = Reading(rate=lambda recording: 44_100)
        data = b"start,end,label\n22050,44100,dog\n1,3,cat\n"
        labels = parse(data, "spans", "", reading)
        assert [(r.start, r.end) for r in labels.regions] == [(0.5, 1.0), (1 / 44_100, 3 / 44_100)]
        assert to_bytes(labels) == data
        moved = replace(labels, regions=(replace(labels.regions[0], end=2.0), labels.regions[1]))
        assert to_bytes(moved) == b"start,end,label\n22050,88200,dog\n1,3,cat\n"


class TestRavenFiles:
    """Tables over several sound files."""

    HEAD = "Selection\tBegin Time (s)\tEnd Time (s)\tBegin File\tFile Offset (s)\tSpecies"

    def test_times_are_those_in_the_file(self):
        text = f"{self.HEAD}\n1\t1\t2\ta.wav\t1\tx\n2\t61\t62.5\tb.wav\t1.0\ty\n"
        labels = parse(text.encode(), "raven")
        assert [(r.recording, r.start, r.end) for r in labels.regions] == [("a.wav", 1, 2), ("b.wav", 1, 2.5)]
        assert to_bytes(labels) == text.encode()

    def test_a_moved_selection_moves_in_both_times(self):
        text = f"{self.HEAD}\n2\t61\t62.5\tb.wav\t1.0\ty\n"
        labels = parse(text.encode(), "raven")
        moved = replace(labels.regions[0], start=2.0, end=3.0)
        assert to_bytes(replace(labels, regions=(moved,))).decode() == (
            f"{self.HEAD}\n2\t62.0\t63.0\tb.wav\t2.0\ty\n"
        )

    def test_one_file_needs_no_offset(self):
        text = "Begin Time (s)\tEnd Time (s)\tBegin File\tSpecies\n1\t2\ta.wav\tx\n"
        (region,) = parse(text.encode(), "raven").regions
        assert (region.recording, region.start) == ("a.wav", 1)

    def test_several_files_do(self):
        text = "Begin Time (s)\tEnd Time (s)\tBegin File\tSpecies\n1\t2\ta.wav\tx\n61\t62\tb.wav\tx\n"
        with pytest.raises(TableError) as caught:
            parse(text.encode(), "raven", "t.txt")
        assert str(caught.value) == (
            "t.txt, line 3: 'b.wav' is another sound file than in line 2, and nothing says where in it the selection"
            " lies. Add the column 'File Offset (s)' in Raven, or save a table for each file."
        )

    def test_paths_and_offsets_are_written_for_other_forms_too(self):
        regions = (Region(1, 2, "dog", recording="a.wav"), Region(3, 4, "cat", recording="b.wav"))
        for form in ("raven", "spans"):
            data = to_bytes(converted(Labels("spans" if form == "raven" else "raven", regions), form))
            assert [(r.recording, r.start, r.end, r.label) for r in parse(data, form).regions] == [
                ("a.wav", 1, 2, "dog"), ("b.wav", 3, 4, "cat"),
            ]  # fmt: skip


# What is wrong: form, text, what is said.
WRONG = [
    (
        "audacity",
        "dog\n",
        "line 1: 'dog' is not a label, which is a start, an end and a name with tabs between.",
    ),
    ("audacity", "0\t1\tdog\nx\t2\tcat", "line 2: the start is 'x', but must be seconds, such as 1.5."),
    (
        "audacity",
        "0 1 dog",
        "line 1: '0 1 dog' is not a label, which is a start, an end and a name with tabs between.",
    ),
    ("audacity", "-1\t1\tdog", "line 1: the start is '-1', but must be seconds, such as 1.5."),
    ("audacity", "nan\t1\tdog", "line 1: the start is 'nan', but must be seconds, such as 1.5."),
    ("audacity", "1\t1e999\tdog", "line 1: the end is '1e999', but must be seconds, such as 1.5."),
    ("audacity", "1\t2e9\tdog", "line 1: the end is '2e9', but must be seconds, such as 1.5."),
    ("audacity", "\n2\t1\tdog", "line 2: the end (1 s) lies before the start (2 s)."),
    ("audacity", "\\\t1\t2", "line 1: a line of frequencies without a label before it."),
    ("audacity", "1\t2\tdog\n\n\\\t1\t2", "line 3: a line of frequencies without a label before it."),
    (
        "audacity",
        "1\t2\tdog\n\\\t1",
        "line 2: '\\\t1' should be a backslash and two frequencies with tabs between.",
    ),
    ("audacity", "1\t2\tdog\n\\\t5\t1", "line 2: the high frequency (1 Hz) lies below the low one (5 Hz)."),
    ("audacity", "1\t2\tdog\n\\\t\t1", "line 2: the low frequency is '?', but must be Hz, such as 2500."),
    ("audacity", "1\t2\tdog\0", "line 1: a zero byte: this is not a text file."),
    (
        "raven",
        "",
        "line 1: the first line must name Raven's columns, such as Begin Time (s), End Time (s), with tabs between.",
    ),
    (
        "raven",
        "Begin Time (s)\tEnd Time (s)\n1\t2\n",
        "line 1: no column is left for the label. The columns are: 'Begin Time (s)', 'End Time (s)'.",
    ),
    (
        "raven",
        f"{RAVEN}\tSpecies\tAnnotation\n1\tV\t1\t1\t2\t3\t4\ta\tb\n",
        "line 1: the label may be in any of the columns 'Species' and 'Annotation'. Type: --label-column 'Species'",
    ),
    (
        "raven",
        f"{RAVEN}\tA\tB\n1\tV\t1\t1\t2\t3\t4\ta\tb\n",
        "line 1: which column holds the label? There are: 'Selection', 'View', 'Channel', 'Begin Time (s)',"
        " 'End Time (s)', 'Low Freq (Hz)', 'High Freq (Hz)', 'A', 'B'. Type, for instance: --label-column 'A'",
    ),
    (
        "raven",
        f"{RAVEN}\tSpecies\n1\tV\n",
        "line 2: 2 cells, but the times are in 5. Is the delimiter right?",
    ),
    ("raven", f"{RAVEN}\tSpecies\n1\tV\t1\t1\t2\t3\t4\ta\tb\n", "line 2: 9 cells, but there are 8 columns."),
    ("raven", f"{RAVEN}\tView\n", "line 1: two columns are called 'view'. Rename one of them."),
    (
        "raven",
        f"{RAVEN}\tSpecies\n1\tV\t1\t0:01\t2\t3\t4\ta\n",
        "line 2: the start is '0:01', but must be seconds, such as 1.5.",
    ),
    (
        "segments",
        "1\t2\n",
        "line 1: '1\t2' is not a segment, which is a start, an end and a label with tabs between.",
    ),
    ("segments", "1\t2\tdog\n3\t2\tcat\n", "line 2: the end (2 s) lies before the start (3 s)."),
    (
        "spans",
        "a,b,c\n1,2,3\n",
        "line 1: 'a,b,c' is neither a header with a start and an end, such as start,end,label, nor a span.",
    ),
    (
        "spans",
        'start,end,label\n1,2,"dog\n',
        "line 2: the cells cannot be told apart (unexpected end of data); check the quotation marks.",
    ),
    ("spans", "start,end,label\n0,5,dog,x\n", "line 2: 4 cells, but there are 3 columns."),
    (
        "spans",
        'start,end,label\n"0,5",1,dog\n',
        "line 2: the start is '0?5', but must be seconds, such as 1.5.",
    ),
    (
        "spans",
        "start_ms,end_ms,label\n1,2,dog\n",
        "line 1: the column 'start_ms' is not in seconds. Give seconds, or samples with --unit samples.",
    ),
    (
        "spans",
        "start_sample,end_sample,label\n1,2,dog\n",
        "line 1: the column 'start_sample' counts samples. Type: --unit samples",
    ),
    (
        "spans",
        "start,end,a,b\n1,2,3,4\n",
        "line 1: which column holds the label? There are: 'start', 'end', 'a', 'b'."
        " Type, for instance: --label-column 'a'",
    ),
    (
        "spans",
        "0.1\t0.2\t0\t1\n",
        "line 1: there is no header, and the label may be in any of the columns 3 to 4."
        " Type, for instance: --label-column 3",
    ),
    ("textgrid", "", "line 1: the file ends where ooTextFile should stand."),
    ("textgrid", "ooBinaryFile\x08", "line 1: a binary TextGrid. In Praat: Save as text file."),
    ("textgrid", '"ooTextFile" "Pitch"', "line 1: this is not a TextGrid."),
    ("textgrid", '"ooTextFile" "TextGrid" 0 1 2', "line 1: '2' where <exists> should stand."),
    (
        "textgrid",
        '"ooTextFile" "TextGrid" 0 1 <exists>\n1\n"Tier"',
        "line 3: a tier of the kind 'Tier'; there are IntervalTier and TextTier.",
    ),
    (
        "textgrid",
        '"ooTextFile" "TextGrid" 0 1 <exists>\n9999999999',
        "line 2: '9999999999' where the number of tiers should stand.",
    ),
    ("textgrid", GRID.replace('"click"', '"click'), "line 35: a quotation mark is left open."),
    (
        "textgrid",
        GRID.replace("number = 0.75", "number = -0.75"),
        "line 34: the start is '-0.75', but must be seconds, such as 1.5.",
    ),
    (
        "textgrid",
        GRID.replace("xmax = 1.25", "xmax = 0.25"),
        "line 21: the end (0.25 s) lies before the start (0.5 s).",
    ),
    (
        "textgrid",
        GRID[: GRID.index("    item [2]")],
        "line 26: the file ends where the kind of a tier should stand.",
    ),
]


@pytest.mark.parametrize(("form", "text", "message"), WRONG)
def test_what_is_wrong_is_named_with_its_line(form, text, message):
    with pytest.raises(TableError) as caught:
        parse(text.encode(), form, "labels")
    assert str(caught.value) == f"labels, {message}"


class TestColumns:
    def test_a_column_by_name_or_number(self):
        text = f"{RAVEN}\tSpecies\tAnnotation\n1\tV\t1\t1\t2\t3\t4\ta\tb\n".encode()
        for wanted in ("Annotation", "annotation", "9"):
            (region,) = parse(text, "raven", "", Reading(wanted)).regions
            assert (region.label, dict(region.extra)["Species"]) == ("b", "a")
        with pytest.raises(
            TableError, match=r"no column is called 'Anotation'. The columns .* Did you mean 'Annotation'"
        ):
            parse(text, "raven", "", Reading("Anotation"))
        with pytest.raises(TableError, match="the column 'Begin Time \\(s\\)' holds times, not labels"):
            parse(text, "raven", "", Reading("4"))

    def test_names_of_one_thing_and_of_several(self):
        (region,) = parse(b"start,end,Species Code,Common Name\n0,1,eurmag1,Magpie\n", "spans").regions
        assert region.label == "Magpie"
        with pytest.raises(
            TableError, match=r"in any of the columns 'speaker' and 'text'. Type: --label-column"
        ):
            parse(b"start,end,speaker,text\n0,1,ann,no\n", "spans")
        assert parse(b"start,end,speaker,text\n", "spans").regions == ()
        (region,) = parse(b"start,end,speaker,label\n0,1,ann,no\n", "spans").regions
        assert region.label == "no"

    def test_without_a_header_by_number(self):
        labels = parse(b"0.1\t0.2\t0\t1\n", "spans", "", Reading("4"))
        assert (labels.regions[0].label, labels.regions[0].extra, labels.notes) == ("1", (("3", "0"),), ())
        assert parse(b"0,1,x,9\n", "spans").notes == (
            (1, "there is no header; the labels were taken from column 3"),
        )

    def test_samples_and_seconds_are_not_mixed_up(self):
        reading = Reading(rate=lambda recording: 100)
        both = b"start_s,end_s,start_sample,end_sample,label\n1,2,50,150,dog\n"
        assert (
            parse(both, "spans").regions[0].start,
            parse(both, "spans", "", reading).regions[0].start,
        ) == (1, 0.5)
        with pytest.raises(
            TableError, match=r"the column 'Start \(s\)' is in seconds. Leave out --unit samples"
        ):
            parse(b"Start (s),End (s),label\n1,2,dog\n", "spans", "", reading)
        with pytest.raises(
            TableError, match=r"line 2: the start is '0.5', but must be a whole number of samples"
        ):
            parse(b"start,end,label\n0.5,2,dog\n", "spans", "", reading)
        with pytest.raises(TableError, match="line 2: the end \\(sample 1\\) lies before the start \\(2\\)"):
            parse(b"start,end,label\n2,1,dog\n", "spans", "", reading)

    def test_tiers(self):
        with pytest.raises(
            TableError, match=r"no tier is called 'bird'. There are: 'birds', 'clicks'. Did you mean"
        ):
            parse(GRID.encode(), "textgrid", "g", Reading("bird"))
        assert parse(GRID.encode(), "textgrid", "g", Reading("2")).regions[0].label == "click"


class TestFilesAsSuch:
    def test_four_columns_of_numbers_are_no_label_track(self, tmp_path):
        (tmp_path / "a.txt").write_text("0.036\t0.579\t0\t0\n0.579\t2.45\t1\t0\n")
        assert form_of(tmp_path / "a.txt").name == "spans"

    @pytest.mark.parametrize(
        "text",
        ["", "hello there\n", "0.1\t200\n0.2\t210\n", "1\t0.5\t7\n", "a,b\n1,2\n", "{}", "0 1 dog", "\0\1"],
    )
    def test_other_texts_are_none(self, text, tmp_path):
        (tmp_path / "a.txt").write_text(text)
        assert form_of(tmp_path / "a.txt") is None
        if text.strip():
            with pytest.raises(
                TableError, match=r"a.txt, line 1: (this is no label file that is known|a zero byte)"
            ):
                read_labels(tmp_path / "a.txt")
        else:
            assert read_labels(tmp_path / "a.txt").regions == ()

    def test_other_encodings(self, tmp_path):
        (tmp_path / "a.txt").write_bytes("0\t1\tok\n1\t2\tBär\n".encode("latin-1"))
        with pytest.raises(TableError, match=r"a.txt, line 2: this is not UTF-8. Save it as UTF-8."):
            read_labels(tmp_path / "a.txt", "audacity")
        with pytest.raises(TableError, match=r"line 2: this is not UTF-16, though it begins like it"):
            parse(codecs.BOM_UTF16_LE + "0\t1\tok\n".encode("utf-16-le") + b"\x00\xd8x\x00", "audacity")

    def test_a_limit(self, tmp_path, monkeypatch):
        monkeypatch.setattr(room, "MAX_BYTES", 2**20)
        (tmp_path / "a.txt").write_text("0\t1\tdog\n" * 140_000)
        with pytest.raises(TableError, match="it is 1 MB large; label files up to 1 MB are read"):
            read_labels(tmp_path / "a.txt")

    def test_names(self, tmp_path):
        for call in (
            lambda: read_labels(tmp_path, "audacty"), lambda: converted(Labels("audacity", ()), "audacty"),
        ):  # fmt: skip
            with pytest.raises(
                UnknownNameError, match=r"No form is called 'audacty'.*Did you mean 'audacity'"
            ):
                call()
        assert all(form.name == name for name, form in FORMS.items())

    def test_long_files_are_known_by_their_first_lines(self, tmp_path):
        for encoding in ("utf-8", "utf-16"):
            text = "".join(f"{i}\t{i + 1}\tGrüße {i}\n" for i in range(20_000))
            (tmp_path / "a.txt").write_bytes(text.encode(encoding))
            assert form_of(tmp_path / "a.txt").name == "audacity"
            assert len(read_labels(tmp_path / "a.txt").regions) == 20_000


def test_what_is_lost_is_said():
    region = Region(0, 1, "dog", 5, 6, "a.wav", (("Channel", "1"), ("tier", "x")))
    assert losses(Labels("raven", (region, region)), "audacity") == [
        "the columns Channel, tier", "the name of the recording, a.wav",
    ]  # fmt: skip
    assert losses(Labels("raven", (region,)), "textgrid") == [
        "the frequencies of 1 region", "the column Channel", "the name of the recording, a.wav",
    ]  # fmt: skip
    assert losses(Labels("raven", (region,)), "spans") == losses(Labels("raven", (region,)), "raven") == []
    other = replace(region, recording="b.wav")
    with pytest.raises(DataError) as caught:
        converted(Labels("raven", (region, other)), "audacity")
    assert str(caught.value) == (
        "The labels are of 2 recordings, such as a.wav, and the form 'audacity' has no place for their names. Take the"
        " form 'spans' or 'raven'."
    )


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("raven", "Species\tBegin Time (s)\tEnd Time (s)\n#1 nest\t0\t1\n# 2\t1\t2\n"),
        ("spans", "label,start,end\n#1 nest,0,1\n# 2,1,2\n"),
    ],
)
def test_a_label_may_begin_like_a_comment(form, text):
    labels = parse(text.encode(), form)
    assert [r.label for r in labels.regions] == ["#1 nest", "# 2"]
    changed = replace(labels, regions=(replace(labels.regions[0], end=0.5), labels.regions[1]))
    assert [r.label for r in parse(to_bytes(changed), form).regions] == ["#1 nest", "# 2"]


def test_columns_of_one_name_are_kept_apart():
    text = f"{RAVEN}\tSpecies\tLabel\n1\tV\t1\t1\t2\t3\t4\ta\tb\n".encode()
    labels = parse(text, "raven", "", Reading("Species"))
    data = to_bytes(converted(labels, "spans"))
    assert (
        data
        == b"start,end,label,low_freq,high_freq,Selection,View,Channel,Label 2\n1.0,2.0,a,3.0,4.0,1,V,1,b\n"
    )
    assert parse(data, "spans").regions[0].label == "a"


# What comes out, whatever goes in.

times = st.integers(0, 10**9).map(lambda n: n / 2**10)
spans_of_time = st.tuples(times, times).map(sorted)
words = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), include_characters=" ,;\"'#|\\"), max_size=8
).map(str.strip)
bands = st.one_of(st.just((None, None)), st.tuples(times, times).map(sorted), times.map(lambda t: (t, None)))


@st.composite
def regions(draw, named=False):
    (start, end), (low, high) = draw(spans_of_time), draw(bands)
    label = draw(words)
    return Region(start, end, label if label or not named else "x", low, high)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["audacity", "raven", "segments", "spans"]), st.lists(regions(), max_size=6), st.data()
)
def test_what_is_written_is_read(form, made, data):
    made = tuple(made)
    if form == "segments":
        made = tuple(replace(r, low=None, high=None) for r in made)
    if form == "audacity":  # which takes a time alone to be a point, and says six decimals
        made = tuple(replace(r, start=round(r.start, 6), end=round(r.end, 6)) for r in made)
        made = tuple(r if r.low is None else replace(r, low=round(r.low, 6)) for r in made)
        made = tuple(r if r.high is None else replace(r, high=round(r.high, 6)) for r in made)
    written = to_bytes(converted(Labels("other", made), form))
    again = parse(written, form)
    kept = [(r.start, r.end, r.label, r.low, r.high) for r in again.regions]
    assert kept == [(r.start, r.end, r.label, r.low, r.high) for r in made]
    assert to_bytes(again) == written
    order = data.draw(st.permutations(again.regions))
    shuffled = parse(to_bytes(replace(again, regions=tuple(order))), form)
    assert list(shuffled.regions) == order


@settings(max_examples=100, deadline=None)
@given(st.lists(regions(named=True), max_size=6))
def test_what_is_written_as_a_textgrid_is_read(made):
    written = to_bytes(converted(Labels("other", tuple(made)), "textgrid"))
    again = parse(written, "textgrid")
    assert sorted((r.start, r.end, r.label) for r in again.regions) == sorted(
        (r.start, r.end, r.label) for r in made
    )
    assert to_bytes(again) == written


pieces = st.lists(
    st.sampled_from([
        *"\t\n\r,;.\\\"'#|0123456789eE+-<>! ", "\r\n", "dog", "0.5\t1\tdog\n", "\\\t1\t2\n", "start,end,label\n",
        "Begin Time (s)\tEnd Time (s)\tSpecies\n", '"ooTextFile" "TextGrid" 0 1 <exists> 1 "IntervalTier" "a" 0 1 1 ',
        "nan", "1e999", "File Offset (s)\tBegin File\t", "-1", "\u2028", "\ufeff", "\0", '0 1 "x" ',
    ]), max_size=25,
).map("".join)  # fmt: skip
anything = st.one_of(
    st.binary(max_size=300),
    pieces.map(str.encode),
    st.builds(lambda a, b: (a + b).encode(), st.sampled_from([t for _, _, t, _ in FILES]), pieces),
    st.builds(
        lambda t, i, b: t[: i % (len(t) + 1)].encode() + b,
        st.sampled_from([GRID, SHORT]),
        st.integers(0, 999),
        st.binary(max_size=9),
    ),
    st.text(max_size=100).map(lambda t: t.encode("utf-16")),
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(list(FORMS)), anything, st.sampled_from([None, "3", "Species", "a"]), st.booleans())
def test_any_bytes_are_read_or_refused_with_file_and_line(form, data, column, samples):
    reading = Reading(column, (lambda recording: 8000) if samples else None)
    refused = None
    try:
        labels = parse(data, form, "FILE", reading)
    except TableError as error:
        refused = error
    if refused is not None:
        assert refused.line is not None
        assert str(refused).startswith(f"FILE, line {refused.line}: ")
        assert 1 <= refused.line <= 2 + data.count(b"\n") + data.count(b"\r")
        return
    assert to_bytes(labels) == data
    for region in labels.regions:
        assert 0 <= region.start <= region.end
        assert region.line > 0


@settings(max_examples=150, deadline=None)
@given(anything, st.sampled_from(["a.txt", "a.csv", "a.segments", "a.TextGrid"]))
def test_any_file_is_of_a_form_or_none(data, name):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.write_bytes(data)
        form_of(file)
        with contextlib.suppress(EarmarkError):
            assert to_bytes(read_labels(file)) == data


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_a_hundred_thousand_regions_are_quick(form):
    rng = random.Random(0)
    at = [rng.uniform(0, 86_400) for _ in range(100_000)]
    made = tuple(Region(t, t + 0.5, f"bird {i % 9}", 200.0, 4000.0) for i, t in enumerate(at))
    data = to_bytes(converted(Labels("other", made), form))
    started = time.process_time()
    labels = parse(data, form)
    assert time.process_time() - started < 10  # about one second on an idle core
    assert len(labels.regions) == 100_000
    assert to_bytes(labels) == data


# The real ones

# Files that do not come out as they went in, and why. There is none.
DIFFER: dict[str, str] = {}


@pytest.mark.data
class TestRealData:
    def files(self, data_root):
        found = [f for f in (data_root / "label_tracks").rglob("*") if f.suffix.lower() in room.SUFFIXES]
        assert len(found) >= 38
        return sorted(found)

    def test_every_track_comes_out_as_it_went_in(self, data_root):
        seen = set()
        for file in self.files(data_root):
            labels = read_labels(file)
            seen.add(labels.form)
            name = file.relative_to(data_root / "label_tracks").as_posix()
            assert (to_bytes(labels) != file.read_bytes()) == (name in DIFFER), name
            assert sum(r.source.count("\n") for r in labels.regions) + labels.head.count("\n") == (
                file.read_bytes().count(b"\n")
            )
        assert seen == {"audacity", "raven", "segments", "spans"}

    def test_and_through_every_other_form(self, data_root):
        for file in self.files(data_root):
            labels = read_labels(file)
            for form in FORMS:
                again = parse(to_bytes(converted(labels, form)), form)
                assert sorted(r.label for r in again.regions) == sorted(
                    r.label for r in labels.regions if r.label
                )
                if form in ("raven", "spans"):
                    assert [(r.start, r.end, r.low, r.high) for r in again.regions] == [
                        (r.start, r.end, r.low, r.high) for r in labels.regions
                    ]

    def test_the_frequencies_of_the_extended_form(self, data_root):
        labels = read_labels(data_root / "label_tracks/spinetail_audacity_ext/spinetail.txt")
        assert len(labels.regions) == 18
        assert (labels.regions[0].low, labels.regions[0].high) == (6441.064453, 12296.577148)
        data = to_bytes(converted(converted(labels, "raven"), "audacity"))
        original = (data_root / "label_tracks/spinetail_audacity_ext/spinetail.txt").read_bytes()
        assert data == original  # six decimals there and back

    def test_respiratory_cycles_have_two_columns_of_labels(self, data_root):
        file = next(iter(sorted((data_root / "format_zoo/icbhi").glob("*.txt"))))
        with pytest.raises(TableError, match="the label may be in any of the columns 3 to 4"):
            read_labels(file)
        labels = read_labels(file, None, Reading("4"))
        assert {r.label for r in labels.regions} <= {"0", "1"}
        assert to_bytes(labels) == file.read_bytes()
