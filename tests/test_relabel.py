"""Corrections: kept in a log that is only added to, laid over the data whenever it is read, and never lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.corrections import Correction, Undo, correct, find_log, hold_log, read_log, standing
from earmark.corrections.change import Wish, corrections_for, undo, wishes_of
from earmark.corrections.log import signature
from earmark.data import DataSettings, open_data
from earmark.dataset import Clips, Dataset
from earmark.errors import DataError, PathError, SettingError, TableError
from earmark.remote import place
from earmark.types import Clip
from surroundings import ROOT

NAME = "earmark-labels.jsonl"
labels = st.sampled_from(["cat", "dog", "owl"])


def dataset(*clips: Clip, exclusive: bool = True) -> Dataset:
    return Dataset("demo", Path(), "table", Clips.of(clips), exclusive, "recording", None, "made up")


def correction(path: str, old: str, new: str, start=None, end=None) -> Correction:
    one, other = (tuple(text.split(",")) for text in (old, new))
    return Correction(**signature("ann"), path=path, start=start, end=end, old=one, new=other)


def labelled(data: Dataset) -> list[tuple[str, ...]]:
    return [clip.labels for clip in data.clips]


# Laying corrections over a data set.


@given(st.lists(st.lists(labels, min_size=1, max_size=3, unique=True), min_size=1, max_size=6), st.data())
def test_corrected_clips_are_the_ones_that_were_meant(each, data):
    made = dataset(*(Clip(f"{i}.wav", tuple(x), f"g{i}") for i, x in enumerate(each)), exclusive=False)
    chosen = data.draw(st.lists(st.integers(0, len(each) - 1), unique=True))
    wanted = {i: tuple(data.draw(st.lists(labels, min_size=1, max_size=3, unique=True))) for i in chosen}
    changes = [correction(f"{i}.wav", ",".join(each[i]), ",".join(new)) for i, new in wanted.items()]
    corrected, left = correct(made, changes)
    assert left == ()
    want = [set(wanted.get(i, x)) for i, x in enumerate(each)]
    assert [set(x) for x in labelled(corrected)] == want
    assert corrected.labels == tuple(sorted(set.union(*want)))
    assert corrected.corrected == sum(set(each[i]) != set(new) for i, new in wanted.items())
    assert [c.path for c in corrected.clips] == [c.path for c in made.clips]
    assert [c.group for c in corrected.clips] == [c.group for c in made.clips]


def test_a_corrected_data_set_has_another_fingerprint_and_one_put_back_the_same():
    made = dataset(Clip("a.wav", ("cat",), "a"), Clip("b.wav", ("dog",), "b"))
    there, _ = correct(made, [correction("a.wav", "cat", "dog")])
    back, _ = correct(made, [correction("a.wav", "cat", "dog"), correction("a.wav", "dog", "cat")])
    assert there.fingerprint != made.fingerprint == back.fingerprint
    assert (there.labels, there.corrected, back.corrected) == (("dog",), 1, 0)


def test_what_does_not_fit_is_left_and_says_why():
    made = dataset(Clip("a.wav", ("cat",), "a"), Clip("b.wav", ("dog",), "b"))
    changes = [
        correction("gone.wav", "cat", "dog"),
        correction("b.wav", "cat", "owl"),
        correction("a.wav", "cat", "cat,dog"),
        correction("b.wav", "cat", "dog"),  # the data itself was put right since
    ]
    corrected, left = correct(made, changes)
    assert labelled(corrected) == labelled(made)
    assert [(one.correction.path, one.reason) for one in left] == [
        ("gone.wav", "no such clip"),
        ("b.wav", "the clip is 'dog' now, not 'cat'"),
        ("a.wav", "a clip of this data set has one label"),
    ]


def test_cuts_of_one_recording_are_told_apart():
    cuts = [Clip("x.wav", ("cat",), "x", start, start + 1.0) for start in (0.0, 0.1 + 0.2, 1.0)]
    made = dataset(*cuts)
    corrected, left = correct(made, [correction("x.wav", "cat", "dog", 0.3, 1.3)])
    assert (labelled(corrected), left) == ([("cat",), ("dog",), ("cat",)], ())


def test_undoing_takes_back_the_last_that_stand():
    made = [
        correction("a.wav", "cat", "dog"),
        correction("a.wav", "dog", "owl"),
        correction("b.wav", "x", "y"),
    ]
    entries, back = undo(made, 2, "bob")
    assert back == [made[2], made[1]]
    assert standing([*made, *entries]) == (made[0],)
    more, back = undo([*made, *entries], None, "bob")
    assert back == [made[0]]
    assert standing([*made, *entries, *more]) == ()
    assert undo([*made, *entries, *more], 1, "bob") == ([], [])


# The log.


def write(path: Path, *entries: Correction | Undo) -> None:
    with hold_log(path) as writer:
        writer.append(entries)


def test_the_log_is_read_as_it_was_written(tmp_path):
    one = correction("dawn, “early”\n\udce9.wav", "hé,b", "c", 0.1, 2.5)
    entries, _ = undo([one], 1, "Zoë")
    write(tmp_path / NAME, one)
    write(tmp_path / NAME, *entries)
    assert read_log(tmp_path / NAME).entries == (one, *entries)
    assert (tmp_path / NAME).read_bytes().count(b"\n") == 2
    assert read_log(tmp_path / "none.jsonl").entries == ()


@given(cut=st.integers(1, 400))
def test_a_line_that_was_cut_off_is_told_and_costs_no_other(cut, tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / NAME
    one, two, three = (correction(f"{x}.wav", "cat", "dog") for x in "abc")
    write(path, one, two)
    whole = path.read_bytes()
    last = len(whole) - whole.rindex(b"\n", 0, -1) - 1
    path.write_bytes(whole[: len(whole) - min(cut, last - 1)])
    torn = read_log(path)
    assert torn.entries[0] == one
    assert len(torn.entries) + len(torn.problems) == 2  # only the line's end was lost, or the line
    write(path, three)
    again = read_log(path)
    assert again.entries == (*torn.entries, three)
    assert [problem.detail for problem in again.problems] == [problem.detail for problem in torn.problems]
    if torn.problems:
        assert torn.problems[0].detail == (
            "line 2 is not whole, as when a writer is stopped in it; the other lines count"
        )


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("[]", "there is no JSON object in it"),
        ('{"id": 1}', "it has no text 'id'"),
        ('{"id": "1", "time": "t", "author": "a", "undo": 3}', "it has no text 'undo'"),
        ('{"id": "1", "time": "t", "author": "a", "path": "p", "start": "x"}', "its 'start' is no number of seconds"),
        ('{"id": "1", "time": "t", "author": "a", "path": "p", "end": NaN}', "its 'end' is no number of seconds"),
        ('{"id": "1", "time": "t", "author": "a", "path": "p", "old": "cat"}', "its 'old' is no list of labels"),
        ('{"id": "1", "time": "t", "author": "a", "path": "p", "old": [], "new": [""]}',
            "its 'new' is no list of labels"),
    ],
)  # fmt: skip
def test_a_file_of_another_kind_is_refused(line, wrong, tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(f"\n{line}\n")
    with pytest.raises(TableError) as caught:
        read_log(path)
    assert (
        str(caught.value) == f"{path}, line 2: {wrong}, so that this is no log that `earmark relabel` wrote."
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("log") / NAME
    path.write_bytes(data)
    try:
        read_log(path)
    except TableError as error:
        assert "so that this is no log" in str(error)  # noqa: PT017


WRITER = """
import sys
from pathlib import Path
from earmark.corrections import Correction, hold_log
from earmark.corrections.log import signature
path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
for i in range(count):
    with hold_log(path) as writer:
        batch = [Correction(**signature(name), path=f"{name}-{i}-{j}.wav", start=None, end=None, old=("cat",),
                            new=("dog" * 50,)) for j in range(20)]
        writer.append(batch)
"""


def writer(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_two_who_write_at_once_lose_nothing(tmp_path):
    path = tmp_path / NAME
    both = [writer(path, name, 25) for name in ("ann", "bob")]
    assert [process.communicate(timeout=120)[0] for process in both] == ["ready\n"] * 2
    assert [process.returncode for process in both] == [0, 0]
    log = read_log(path)
    assert log.problems == ()
    for name in ("ann", "bob"):
        own = [entry.path for entry in log.entries if entry.author == name]
        assert own == [f"{name}-{i}-{j}.wav" for i in range(25) for j in range(20)]


def test_a_writer_that_is_killed_loses_at_most_its_last_line(tmp_path):
    path = tmp_path / NAME
    for attempt in range(4):
        process = writer(path, f"w{attempt}", 10_000)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        before = path.stat().st_size if path.exists() else 0
        while not path.exists() or path.stat().st_size <= before:
            time.sleep(0.01)
        time.sleep(0.03 * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        process.stdout.close()
        log = read_log(path)
        own = [entry.path for entry in log.entries if entry.author == f"w{attempt}"]
        assert own == [f"w{attempt}-{n // 20}-{n % 20}.wav" for n in range(len(own))]
        assert own
        assert len(log.problems) <= attempt + 1
    write(path, correction("after.wav", "cat", "dog"))  # the dead hold no lock
    assert read_log(path).entries[-1].path == "after.wav"


def test_a_log_that_cannot_be_written_or_held(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    with pytest.raises(PathError, match=r"folder cannot be written: Is a directory\. Give .* --log FILE\.$"):
        write(tmp_path / "folder")
    with pytest.raises(PathError, match=r"nowhere/log cannot be written: No such file or directory\."):
        write(tmp_path / "nowhere" / "log")
    monkeypatch.setattr("earmark.corrections.log._PATIENCE", 0.05)
    with (
        hold_log(tmp_path / NAME),
        pytest.raises(DataError, match=r"in use by another process, for 0\.05 s now"),
    ):
        write(tmp_path / NAME)


def test_where_the_log_is(tmp_path):
    assert find_log(tmp_path, "") == tmp_path / NAME
    assert find_log(tmp_path, "none") is None
    assert find_log(tmp_path, "other.jsonl") == Path("other.jsonl")
    remote = place("memory://bucket/data")
    assert find_log(remote, "") is None
    assert find_log(remote, "mine.jsonl") == Path("mine.jsonl")


# New corrections.


TWO = dataset(Clip("a.wav", ("cat",), "a"), Clip("b.wav", ("dog",), "b"))
CUTS = dataset(*(Clip("x.wav", ("cat" if i else "dog",), "x", i, i + 0.5) for i in range(5)))
MANY = dataset(Clip("a.wav", ("cat", "dog"), "a"), Clip("b.wav", ("owl",), "b"), exclusive=False)


@pytest.mark.parametrize(
    ("data", "wish", "error", "message"),
    [
        (TWO, Wish("c.wav", "dog"), PathError, "demo has no clip 'c.wav'. Did you mean 'b.wav'?"),
        (TWO, Wish("a.wav", "dgo"), SettingError, "No clip is labelled 'dgo'. Labels are: cat, dog. Did you mean 'dog'?"
            " To make it a new one, add --new."),
        (TWO, Wish("a.wav", "cat"), SettingError, "a.wav is 'cat' already."),
        (TWO, Wish("a.wav", " "), SettingError, "The new label is empty. Take the clip out of the data set instead."),
        (CUTS, Wish("x.wav", "dog"), PathError, "Which clip of x.wav? Its clips are, in seconds: 0 to 0.5, 1 to 1.5,"
            " 2 to 2.5 and 2 more. Give --start and --end."),
        (CUTS, Wish("x.wav", "cat", 1.0, 1.5), SettingError, "x.wav (from 1 to 1.5 s) is 'cat' already."),
        (MANY, Wish("a.wav", "+owl,dog"), SettingError, "The label '+owl,dog' mixes what is added or taken away with"
            " what is not. Type +a,-b or a,b."),
        (MANY, Wish("a.wav", "-owl"), SettingError, "'owl' cannot be taken away: the clip is 'cat', 'dog'."),
        (MANY, Wish("b.wav", "-owl"), SettingError,
            "The new label is empty. Take the clip out of the data set instead."),
    ],
)  # fmt: skip
def test_refusals(data, wish, error, message):
    with pytest.raises(error) as caught:
        corrections_for(data, [wish], "ann", one=True)
    assert str(caught.value) == message
    told = corrections_for(data, [wish], "ann")
    assert (told.made, [p.kind for p in told.refused]) == ([], ["not_relabelled"])
    assert message.rstrip(".") in told.refused[0].detail


def test_several_labels_are_replaced_added_and_taken_away():
    wishes = [Wish("a.wav", "+owl,-cat"), Wish("b.wav", "cat, dog")]
    made = corrections_for(MANY, wishes, "ann").made
    assert [(one.old, one.new) for one in made] == [
        (("cat", "dog"), ("dog", "owl")),
        (("owl",), ("cat", "dog")),
    ]


def test_a_clip_that_is_named_twice_follows_from_its_first_correction():
    wishes = [Wish("a.wav", "dog", old="cat"), Wish("a.wav", "cat", old="cat")]
    changes = corrections_for(TWO, wishes, "ann")
    assert [one.new for one in changes.made] == [("dog",)]
    assert changes.refused[0].detail == "the label is 'dog' now, not 'cat'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\n", ", line 1: it lacks the column suggested, score. It has: path, label."),
        ("", ", line 1: it lacks the column path, suggested, score. It has: none."),
        ("path,suggested,score\na.wav,dog,high\n", ", line 2: its score is 'high', but must be a number."),
        ("path,suggested,score\na.wav,,0.95\n", ", line 2: it has no path, or no suggested label."),
        (
            "path,suggested,score,start\na.wav,dog,1,nan\n",
            ", line 2: its start is 'nan', but must be a number.",
        ),
    ],
)
def test_tables_that_cannot_be_understood(text, message, tmp_path):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(TableError) as caught:
        wishes_of(tmp_path / "s.csv", 0.5)
    assert str(caught.value) == f"{tmp_path / 's.csv'}{message}"


# From end to end.


@pytest.fixture
def sounds(tone_set, tmp_path):
    shutil.copytree(tone_set, tmp_path / "tones")
    return tmp_path / "tones"


SHAPE = ("--pattern", "{label}_{group}_{take}.wav")


def test_correct_list_and_undo(earmark, sounds):
    clip = "hum_hum0_1.wav"
    before = {file.name: file.read_bytes() for file in sounds.glob("*.wav")}
    done = earmark("relabel", sounds, clip, "hiss", *SHAPE, "--author", "Zoë")
    assert f"{clip}: hum → hiss\n1 label corrected. The data itself is as it was.\n" in done.stdout
    assert f"Undo   earmark relabel {sounds} --pattern '{SHAPE[1]}' --undo 1" in done.stdout
    assert {file.name: file.read_bytes() for file in sounds.glob("*.wav")} == before
    told = earmark("check", sounds, *SHAPE, "--json", "--quick")
    assert json.loads(told.stdout)["classes"] == {"hiss": 19, "hum": 17, "whistle": 18}
    assert json.loads(told.stdout)["corrected"] == 1
    assert f"3 classes, 1 label corrected by {NAME}" in told.stderr
    plain = json.loads(earmark("check", sounds, *SHAPE, "--json", "--quick", "--corrections", "none").stdout)
    assert (plain["classes"]["hum"], plain["corrected"]) == (18, 0)
    listed = json.loads(earmark("relabel", sounds, "--list", "--json", *SHAPE).stdout)
    (one,) = listed["corrections"]
    assert (one["author"], one["path"], one["old"], one["new"]) == ("Zoë", clip, ["hum"], ["hiss"])
    assert one["time"].endswith("+00:00")
    assert (
        f"{clip}: hiss → hum\n1 correction undone.\n"
        in earmark("relabel", sounds, "--undo", "1", *SHAPE).stdout
    )
    assert "There is no correction to undo." in earmark("relabel", sounds, *SHAPE, "--undo", "all").stdout
    assert "0 corrections of 2 entries." in earmark("relabel", sounds, "--list", *SHAPE).stdout
    assert len((sounds / NAME).read_text().splitlines()) == 2


def test_a_clip_may_be_named_as_a_file(earmark, sounds, tmp_path):
    done = earmark(
        "relabel", "tones", "tones/hum_hum0_1.wav", "noise", "--new", *SHAPE, "--json", cwd=tmp_path
    )
    assert json.loads(done.stdout)["corrected"][0]["path"] == "hum_hum0_1.wav"
    again = earmark("relabel", sounds, "hum_hum0_1.wav", "noise", *SHAPE, code=2)
    assert again.stderr.endswith("error: hum_hum0_1.wav is 'noise' already.\n")


def test_from_a_table_with_a_log_elsewhere(earmark, sounds, tmp_path):
    table, log = tmp_path / "s.csv", tmp_path / "log.jsonl"
    table.write_text(
        "path,start,end,label,suggested,score\n"
        "hum_hum0_1.wav,,,hum,hiss,0.95\nhum_hum1_1.wav,,,hum,hiss,0.7\ngone.wav,,,hum,hiss,0.99\n"
    )
    given = ("relabel", sounds, "--from", table, "--min-score", "0.9", "--log", log, *SHAPE)
    done = earmark(*given, code=1)
    assert "hum_hum0_1.wav: hum → hiss\n1 label corrected." in done.stdout
    assert "1 clip not relabelled:\n  gone.wav: tones has no clip 'gone.wav'." in done.stderr
    assert not (sounds / NAME).exists()
    again = json.loads(earmark(*given, "--json", code=1).stdout)
    assert again["corrected"] == []
    assert again["refused"][0]["detail"] == "the label is 'hiss' now, not 'hum'"
    assert " corrected" not in earmark("check", sounds, *SHAPE, "--quick").stderr
    assert (
        "1 label corrected by log.jsonl"
        in earmark("check", sounds, *SHAPE, "--quick", "--corrections", log).stderr
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Say one thing to do: a CLIP and its NEW_LABEL, --from suspects.csv, --undo, or --list."),
        (["a.wav"], "Say one thing to do: a CLIP and its NEW_LABEL, --from suspects.csv, --undo, or --list."),
        (["--list", "--undo", "1"],
            "Say one thing to do: a CLIP and its NEW_LABEL, --from suspects.csv, --undo, or --list."),
        (["--undo", "0"], "--undo takes a number from 1, or all; got '0'."),
        (["--list", "--min-score", "1"], "--min-score goes with --from."),
        (["--list", "--start", "1"], "--start and --end go with a CLIP."),
        (["--list", "--log", "none"], "--log takes the name of a file; 'none' is what --corrections takes to leave the"
            " labels alone."),
    ],
)  # fmt: skip
def test_wrong_usage(arguments, message, earmark, tone_set):
    done = earmark("relabel", tone_set, *arguments, *SHAPE, code=2)
    assert done.stderr == f"error: {message}\n"


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="whoever may write anywhere is refused nothing"
)
def test_a_folder_that_is_closed(earmark, sounds):
    sounds.chmod(0o555)
    try:
        done = earmark("relabel", sounds, "hum_hum0_1.wav", "hiss", *SHAPE, code=2)
    finally:
        sounds.chmod(0o755)
    assert "Give the corrections another place with --log FILE." in done.stderr


def test_a_log_that_is_asked_for_is_there(tone_set, tmp_path):
    settings = DataSettings(str(tone_set), "auto", SHAPE[1], corrections=str(tmp_path / "l.jsonl"))
    with pytest.raises(PathError) as caught:
        open_data(settings)
    log = tmp_path / "l.jsonl"
    assert str(caught.value) == (
        f"There is no log of corrections at {log}. Make one with: earmark relabel --log {log}"
    )


def us8k(root: Path, write_wav) -> None:
    rows = ["slice_file_name,fsID,start,end,salience,fold,classID,class"]
    for fold, name in ((1, "siren"), (2, "dog_bark")):
        write_wav(root / f"audio/fold{fold}/{fold}-0-0-0.wav", np.ones(4_000) * 0.1)
        rows.append(f"{fold}-0-0-0.wav,{fold},0,1,1,{fold},0,{name}")
    (root / "metadata").mkdir()
    (root / "metadata" / "UrbanSound8K.csv").write_text("\n".join(rows) + "\n")


def esc50(root: Path, write_wav) -> None:
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for fold, name in ((1, "siren"), (2, "dog_bark")):
        write_wav(root / f"audio/{fold}-{fold}-A-0.wav", np.ones(4_000) * 0.1)
        rows.append(f"{fold}-{fold}-A-0.wav,{fold},0,{name},False,{fold},A")
    (root / "meta").mkdir()
    (root / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")


def folders(root: Path, write_wav) -> None:
    for name in ("siren", "dog_bark"):
        write_wav(root / name / "1.wav", np.ones(4_000) * 0.1)


def table(root: Path, write_wav) -> None:
    for name in ("siren", "dog_bark"):
        write_wav(root / f"{name}.wav", np.ones(4_000) * 0.1)
    (root / "clips.csv").write_text("path,label\nsiren.wav,siren\ndog_bark.wav,dog_bark\n")


@pytest.mark.parametrize("layout", [us8k, esc50, folders, table])
def test_every_layout(layout, write_wav, tmp_path):
    layout(tmp_path, write_wav)
    data, _ = open_data(DataSettings(str(tmp_path)))
    wrong = next(clip for clip in data.clips if clip.labels == ("siren",))
    write(tmp_path / NAME, *corrections_for(data, [Wish(wrong.path, "dog_bark")], "ann").made)
    again, _ = open_data(DataSettings(str(tmp_path)))
    assert labelled(again) == [("dog_bark",), ("dog_bark",)]
    assert again.title == f"{data.title}, 1 label corrected by {NAME}"
    assert again.fingerprint != data.fingerprint
    assert again.problems == data.problems
    assert [replace(a, labels=()) for a in again.clips] == [replace(b, labels=()) for b in data.clips]


def test_windows_are_corrected_alone_and_with_their_file(write_wav, tmp_path):
    for name in ("siren", "dog"):
        write_wav(tmp_path / name / "1.wav", np.ones(44_100) * 0.1)
    cut = DataSettings(str(tmp_path), window=1.0)
    write(
        tmp_path / NAME,
        correction("siren/1.wav", "siren", "dog"),
        correction("dog/1.wav", "dog", "owl", 1.0, 2.0),
        correction("dog/1.wav", "dog", "owl", 5.0, 6.0),
    )
    data, _ = open_data(cut)
    found = {(clip.path, clip.start): clip.labels[0] for clip in data.clips}
    assert found == {
        ("dog/1.wav", 0.0): "dog", ("dog/1.wav", 1.0): "owl", ("siren/1.wav", 0.0): "dog", ("siren/1.wav", 1.0): "dog",
    }  # fmt: skip
    (problem,) = data.problems
    assert (problem.kind, problem.path, problem.detail) == (
        "correction",
        "dog/1.wav",
        f"{NAME} says 'dog' is 'owl'; not applied: no such clip (from 5 to 6 s)",
    )


def test_regions_of_a_label_track_are_corrected(write_wav, tmp_path):
    write_wav(tmp_path / "dawn.wav", np.ones(88_200) * 0.1)
    (tmp_path / "dawn.txt").write_text("0.0\t1.0\twren\n2.0\t3.5\trobin\n")
    write(tmp_path / NAME, correction("dawn.wav", "robin", "wren", 2.0, 3.5))
    data, _ = open_data(DataSettings(str(tmp_path)))
    assert labelled(data) == [("wren",), ("wren",)]
    windows, _ = open_data(DataSettings(str(tmp_path), window=1.0))
    assert {clip.labels for clip in windows.clips} == {("wren",)}


def test_a_run_remembers_its_log(tone_set, tmp_path, monkeypatch):
    from earmark.pipeline import train
    from earmark.recipe import Recipe, load_recipe

    write(tmp_path / "mine.jsonl", correction("hum_hum0_1.wav", "hum", "hiss"))
    monkeypatch.chdir(tmp_path)
    made = Recipe().with_data(str(tone_set), "auto", SHAPE[1], corrections="mine.jsonl")
    result = train(made.with_values({"train.epochs": 2, "split.copies": False}), None, tmp_path / "runs")
    again = load_recipe(str(result.run / "recipe.toml"))
    assert again.data.corrections == str(tmp_path / "mine.jsonl")
    assert json.loads((result.run / "report.json").read_text())["corrected"] == 1


def test_a_hundred_thousand_clips():
    clips = dataset(*(Clip(f"{i}.wav", ("cat" if i % 2 else "dog",), str(i // 4)) for i in range(100_000)))
    changes = [correction(f"{i}.wav", "cat", "dog") for i in range(1, 20_000, 2)]
    began = time.perf_counter()
    corrected, left = correct(clips, changes)
    assert (corrected.corrected, left) == (10_000, ())
    assert time.perf_counter() - began < 10
