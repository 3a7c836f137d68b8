"""The data doctor on data with every fault we can make, and on data without one."""

from __future__ import annotations

import csv
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark import errors
from earmark.check import UNFIT, check
from earmark.check.manifest import write_manifest
from earmark.data import DataSettings, open_data
from earmark.engine import Local
from earmark.extract import extract
from earmark.features import Mfcc
from earmark.readers import read

RATE = 16_000


def noise(seed, seconds=0.2, rate=RATE):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, int(seconds * rate))


@pytest.fixture(scope="module")
def bad(tmp_path_factory, write_wav):
    """A table with folds and groups in which each of the faults is there once."""
    root = tmp_path_factory.mktemp("bad") / "bad"
    rows = []

    def clip(name, label, group, fold, samples=None):
        if samples is not None:
            write_wav(root / name, samples, RATE)
        rows.append(f"{name},{label},{group},{fold}")

    for i in range(8):
        clip(f"dog{i}.wav", "dog", f"d{i // 2}", i % 4 // 2 + 1, noise(i))
        clip(f"cat{i}.wav", "cat", f"c{i // 2}", i % 4 // 2 + 1, noise(100 + i))
    clip("silent.wav", "dog", "d1", 2, np.zeros(4_000))
    clip("silent2.wav", "cat", "c1", 2, np.zeros(4_000))
    loud = np.clip(3 * noise(200), -1, 1)
    clip("clipped.wav", "cat", "c0", 1, loud)
    clip("copy.wav", "dog", "d0", 1, noise(0))
    clip("twin.wav", "cat", "c1", 2, noise(0))
    clip("split.wav", "dog", "d0", 2, noise(300))
    clip("few.wav", "cow", "w0", 1, noise(400))
    clip("absent.wav", "dog", "d0", 1)
    clip("empty.wav", "dog", "d0", 1, np.zeros(0))
    clip("short.wav", "dog", "d0", 1, np.zeros(100))
    clip("text.wav", "dog", "d0", 1)
    (root / "text.wav").write_text("not sound, but long enough to be some")
    clip("nan.wav", "dog", "d0", 1)
    samples = noise(500)
    samples[7] = np.nan
    soundfile.write(root / "nan.wav", samples, RATE, subtype="FLOAT")
    clip("offset.wav", "Dog", "n0", 1, 0.2 * noise(700) + 0.2)
    clip("odd.wav", "Dog", "n1", 2)
    write_wav(root / "odd.wav", noise(710), RATE + 1)
    both = noise(720)
    clip("copies.wav", "dog", "d0", 1, np.stack([both, both], axis=1))
    clip("dead.wav", "dog", "d0", 1, np.stack([both, 0 * both], axis=1))
    t = np.arange(3_200) / RATE
    clip("narrow.wav", "dog", "d0", 1, 0.4 * np.sin(2 * np.pi * 1_000 * t))
    for name, seed, length in (("cut.wav", 730, 6_400), ("open.wav", 740, 0xFFFF_FFFF)):
        clip(name, "dog", "d0", 1, noise(seed, 0.1))
        data = bytearray((root / name).read_bytes())
        data[40:44] = length.to_bytes(4, "little")
        (root / name).write_bytes(data)
    write_wav(root / "extra.wav", noise(600), RATE)
    (root / "clips.csv").write_text("path,label,group,fold\n" + "\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def found(bad):
    return check(read(bad), engine=Local(2))


EXPECTED = {
    ("unreadable", "text.wav"): "not readable as sound (format not recognised)",
    ("empty", "empty.wav"): "the file holds no samples",
    ("not_finite", "nan.wav"): "1 of 3200 samples are NaN or infinite",
    ("too_short", "short.wav"): "6.2 ms of sound; at least 10 ms needed",
    ("silent", "silent.wav"): "no sound above -80 dB",
    ("silent", "silent2.wav"): "no sound above -80 dB",
    ("clipped", "clipped.wav"): "33.2% of the samples are at full scale",
    ("duplicate", "copy.wav"): "the same sound as dog0.wav",
    ("label_conflict", "twin.wav"): (
        "the same sound as dog0.wav, but another class and recording and fold: cat here, dog there"
    ),
    ("label_conflict", "dog0.wav"): (
        "the same sound as twin.wav, but another class and recording and fold: dog here, cat there"
    ),
    ("offset", "offset.wav"): "the samples' mean is +0.200, not 0: a constant (DC) offset",
    ("odd_rate", "odd.wav"): "16,001 Hz is no usual sample rate",
    ("channel_copies", "copies.wav"): "its 2 channels are the same",
    ("dead_channel", "dead.wav"): "1 of 2 channels is silent",
    ("narrow_band", "narrow.wav"): "nothing above 1,0.. Hz, though its rate is 16,000 Hz",
    ("truncated", "cut.wav"): "by its header it lasts for 0.20 s, but 0.10 s are there",
    ("unfinished", "open.wav"): (
        "its header was never finished, as when a recorder is cut off; it was read to its end"
    ),
    ("similar_names", "Dog"): "may be the same class as dog",
    ("unequal_classes", "cow"): "1 clip, where dog has 16: accuracy will say little about it",
    ("few_groups", "Dog"): "the class has 2 recordings: too few to tell the class from them",
    ("few_groups", "cow"): "the class has 1 recording: too few to tell the class from them",
    ("shared_group", "d0"): "the recording stands in the folds 1, 2",
    ("leak", "dog0.wav"): "in fold 1, and the same sound in fold 2: twin.wav",
}


def test_every_fault_is_named_once(found):
    said = {(p.kind, p.path): p.detail for p in found.problems}
    for key, detail in EXPECTED.items():
        if key[0] == "narrow_band":
            assert re.fullmatch(detail, said[key])
        elif key[0] != "clipped":
            assert said[key] == detail
    assert said["clipped", "clipped.wav"].endswith("% of the samples are at full scale")
    assert ("missing", "absent.wav") in said
    assert ("unlisted", "extra.wav") in said
    assert said.keys() == EXPECTED.keys() | {("missing", "absent.wav"), ("unlisted", "extra.wav")}
    assert len(said) == len(found.problems)


def test_counts(found):
    assert found.clips == 30
    assert found.classes["cow"] == 1
    assert found.folds.keys() == {1, 2}
    assert found.groups == 11
    seconds = 16 * 0.2 + 2 * 0.25 + 5 * 0.2 + 5 * 0.2 + 2 * 0.1
    assert found.hours == pytest.approx(seconds / 3600, rel=1e-4)
    assert found.per_class["Dog"] == {"clips": 2, "recordings": 2, "seconds": pytest.approx(0.4, rel=1e-3)}
    assert found.sound["rates"] == {"16000": 29, "16001": 1}
    assert found.sound["channels"] == {"1": 28, "2": 2}
    assert found.verdict == "30 clips, 4 classes, 11 recordings: fit to train; 22 things to look at"


def test_training_skips_what_the_doctor_names(bad, found):
    table = extract(read(bad), Mfcc(sample_rate=RATE))
    kinds = {c.kind for c in errors.AudioError.__subclasses__()} - {"truncated"}
    assert {(p.kind, p.path, p.detail) for p in table.skipped} == {
        (p.kind, p.path, p.detail) for p in found.problems if p.kind in kinds
    }
    assert len(table.rows) == found.clips


def test_json(found):
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert {
        "verdict", "fit", "clips", "hours", "classes", "per_class", "groups", "folds", "sound", "problems", "leakage",
        "corrected",
    } == record.keys()  # fmt: skip
    assert record["folds"].keys() == {"1", "2"}
    assert all(list(p) == ["kind", "path", "detail"] for p in record["problems"])
    leakage = record["leakage"]
    assert leakage["groups_known"] is True
    split = leakage["random_split"]
    assert split.keys() == {
        "test_clips", "test_clips_sharing_a_group", "test_clips_sharing_a_sound", "oracle_accuracy",
    }  # fmt: skip
    assert 0 < split["test_clips_sharing_a_group"] <= split["test_clips_sharing_a_sound"] <= 6
    assert split["test_clips"] == 6


def test_nothing_changes_and_progress_is_told(bad):
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in bad.iterdir()}
    told = []
    check(read(bad), lambda done, seconds: told.append((done, seconds)), Local(2))
    assert {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in bad.iterdir()} == before
    assert [done for done, _ in told] == list(range(len(told)))
    assert all(a[1] <= b[1] for a, b in itertools.pairwise(told))


def test_workers_change_nothing(bad, found):
    assert check(read(bad), engine=Local(1)).to_dict() == found.to_dict()


def test_healthy_data(tone_set):
    found = check(read(tone_set, pattern="{label}_{group}_{take}.wav"))
    assert found.problems == ()
    assert (found.clips, found.groups, found.folds) == (54, 18, {})
    assert found.classes == {"hiss": 18, "hum": 18, "whistle": 18}


def test_no_recordings_known(tmp_path, write_wav):
    for label in ("a", "b"):
        for i in range(4):
            write_wav(tmp_path / label / f"{i}.wav", noise(ord(label) + 10 * i), RATE)
    found = check(read(tmp_path))
    assert [(p.kind, p.path) for p in found.problems] == [("no_group", str(tmp_path))]
    assert found.problems[0].detail == (
        "no recording, speaker or day is known for the clips: leakage cannot be ruled out"
    )
    assert found.leakage["groups_known"] is False


def test_not_one_clip_can_be_read(tmp_path, write_wav):
    for name in ("a/1.wav", "b/1.wav"):
        write_wav(tmp_path / name, np.zeros(0))
    found = check(read(tmp_path))
    assert (found.clips, found.hours, found.leakage) == (0, 0.0, None)
    kinds = ["empty", "empty", "no_group", "few_groups", "few_groups", "empty_class", "empty_class"]
    assert [p.kind for p in found.problems] == kinds
    assert found.verdict == (
        "0 clips, 2 classes, 2 files of unknown recordings: not fit to train: not one clip can be read;"
        " 4 things to look at"
    )


def test_several_labels_a_clip(tmp_path, write_wav):
    for i in range(3):
        write_wav(tmp_path / f"{i}.wav", noise(i), RATE)
    (tmp_path / "clips.csv").write_text("path,label,group\n0.wav,dog|cat,a\n1.wav,dog,b\n2.wav,cat,c\n")
    found = check(read(tmp_path))
    assert found.classes == {"cat": 2, "dog": 2}
    assert found.leakage is None
    assert {p.kind for p in found.problems} == {"few_groups"}


def test_the_same_samples_at_another_rate_are_another_sound(tmp_path, write_wav):
    for label, rate in (("a", 16_000), ("b", 8_000), ("c", 16_000)):
        write_wav(tmp_path / label / "x.wav", noise(0), rate)
    found = check(read(tmp_path))
    copies = [p for p in found.problems if p.kind == "label_conflict"]
    assert [(p.path, p.detail) for p in copies] == [
        ("a/x.wav", "the same sound as c/x.wav, but another class and recording: a here, c there"),
        ("c/x.wav", "the same sound as a/x.wav, but another class and recording: c here, a there"),
    ]


def test_every_audio_error_has_a_kind():
    classes = [*errors.AudioError.__subclasses__(), *errors.UnreadableAudioError.__subclasses__()]
    kinds = {c.__name__: c.__dict__["kind"] for c in classes}
    assert kinds == {
        "UnreadableAudioError": "unreadable",
        "MissingDecoderError": "no_decoder",
        "NoChannelAudioError": "no_channel",
        "EmptyAudioError": "empty",
        "NotFiniteAudioError": "not_finite",
        "TooShortAudioError": "too_short",
        "TooLongAudioError": "too_long",
    }


def test_the_command(earmark, bad, tone_set):
    pattern = "--pattern={label}_{group}_{take}.wav"
    shown = earmark("check", bad, "--strict", code=1)
    lines = shown.stdout.splitlines()
    assert lines[1] == "30 clips, 4 classes, 11 recordings: fit to train; 22 things to look at"
    for kind, path in EXPECTED:
        assert any(line.endswith(f"({kind})") for line in lines), kind
        assert any(line.startswith(f"     {path}: ") for line in lines), path
    after = lines[lines.index("Next") + 1 :]
    assert after == [
        f"     earmark check {bad} --fix-manifest clean.csv", "     earmark train clean.csv -o model.earmark",
    ]  # fmt: skip
    record = json.loads(earmark("check", bad, "--json").stdout)
    assert len(record["problems"]) == len(EXPECTED) + 2
    assert record["manifest"] is None
    healthy = earmark("check", tone_set, pattern, "--strict")
    assert "No problems found." in healthy.stdout
    assert "54 clips, 3 classes, 18 recordings: fit to train; nothing odd" in healthy.stdout


def test_a_manifest_of_what_is_fit(earmark, bad, tmp_path):
    """It is read as a table, trains, and beside it stands what was left out, each with the reason."""
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in bad.iterdir()}
    done = json.loads(earmark("check", bad, "--fix-manifest", tmp_path / "clean.csv", "--json").stdout)
    assert {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in bad.iterdir()} == before
    tables = ((tmp_path / name).read_text().splitlines() for name in ("clean.csv", "clean-left-out.csv"))
    kept, left = (list(csv.DictReader(lines)) for lines in tables)
    assert done["manifest"] == {
        "table": str(tmp_path / "clean.csv"), "left_out": str(tmp_path / "clean-left-out.csv"),
        "kept": len(kept), "dropped": len(left),
    }  # fmt: skip
    assert list(kept[0]) == ["path", "label", "group", "fold", "why"]
    reasons = {Path(row["path"]).name: row["why"] for row in left}
    assert reasons.keys() == {
        "silent.wav", "silent2.wav", "copy.wav", "twin.wav", "dog0.wav", "absent.wav", "empty.wav", "short.wav",
        "text.wav", "nan.wav",
    }  # fmt: skip
    assert reasons["text.wav"] == "unreadable: not readable as sound (format not recognised)"
    assert reasons["absent.wav"].startswith("missing: line ")
    noted = {Path(row["path"]).name: row["why"] for row in kept if row["why"]}
    assert noted.keys() == {
        "clipped.wav", "offset.wav", "odd.wav", "copies.wav", "dead.wav", "narrow.wav", "cut.wav", "open.wav",
    }  # fmt: skip
    assert noted["dead.wav"] == "dead_channel: 1 of 2 channels is silent"
    assert len(kept) + len(left) == len((bad / "clips.csv").read_text().splitlines()) - 1
    clean = read(tmp_path / "clean.csv")
    assert len(clean.clips) == len(kept)
    assert not [p for p in clean.problems if p.kind != "unlisted"]
    again = check(clean, engine=Local(2))
    assert not {p.kind for p in again.problems} & UNFIT
    original = {c.path: (c.labels, c.group, c.fold) for c in read(bad).clips}
    for clip in clean.clips:
        assert original[Path(clip.path).name] == (clip.labels, clip.group, clip.fold)


def test_a_manifest_beside_the_files_has_short_paths_and_cuts(tmp_path, write_wav):
    for i in range(4):
        write_wav(tmp_path / "rec" / f"{i}.wav", noise(i, 2.0), RATE)
    rows = [f"rec/{i}.wav,{'ab'[j]}|x,{j * 0.5},{j * 0.5 + 0.25}" for i in range(4) for j in range(2)]
    (tmp_path / "clips.csv").write_text("path,label,start,end\n" + "\n".join(rows) + "\n")
    dataset = read(tmp_path)
    written = write_manifest(tmp_path / "out.csv", dataset, check(dataset, engine=Local(2)))
    assert (written.kept, written.dropped) == (8, 0)
    assert (tmp_path / "out.csv").read_text().splitlines()[:2] == [
        "path,label,group,start,end,why", "rec/0.wav,a|x,rec/0.wav,0.0,0.25,",
    ]  # fmt: skip
    (tmp_path / "clips.csv").unlink()
    (tmp_path / "out-left-out.csv").unlink()
    assert list(read(tmp_path).clips) == list(dataset.clips)


def test_a_label_that_no_table_holds(tmp_path, write_wav):
    for label in ("a|b", "c"):
        write_wav(tmp_path / label / "x.wav", noise(ord(label[0])), RATE)
    dataset = read(tmp_path)
    with pytest.raises(errors.DataError) as caught:
        write_manifest(tmp_path / "out.csv", dataset, check(dataset, engine=Local(1)))
    assert str(caught.value) == (
        "The label 'a|b' cannot be written into a table: '|' parts labels there. Rename it."
    )
    assert not (tmp_path / "out.csv").exists()


def test_classes_far_apart_in_size_and_told_by_their_rate(tmp_path, write_wav):
    for i in range(60):
        write_wav(tmp_path / "many" / f"{i}.wav", noise(i, 0.1), RATE)
    for i in range(5):
        write_wav(tmp_path / "rare" / f"{i}.wav", noise(100 + i, 0.1, 8_000), 8_000)
    said = {p.kind: (p.path, p.detail) for p in check(read(tmp_path), engine=Local(2)).problems}
    assert said["unequal_classes"] == (
        "rare", "5 clips, where many has 60: accuracy will say little about it"
    )  # fmt: skip
    assert said["rate_tells_class"] == (
        "rare",
        "100% of its clips have another rate than 16,000 Hz, of the others 0%: a model may learn the recorder",
    )


def test_where_a_label_file_says_so_the_line_is_named(tmp_path, write_wav):
    write_wav(tmp_path / "day.wav", noise(0, 4.0), RATE)
    (tmp_path / "day.txt").write_text("0.5\t1.0\twren\n2.0\t9.0\trobin\n")
    (tmp_path / "day.txt").write_text("0.5\t1.0\tWren\n2.0\t9.0\trobin\n3.0\t3.5\twren\n")
    said = [(p.kind, p.path, p.detail) for p in check(read(tmp_path), engine=Local(1)).problems]
    rare = "is heard in 1 recording only; 3 are needed to learn it from some and test it on others"
    assert set(said) == {
        (
            "too_short",
            "day.wav",
            "the clip ends at 9 s, but the file is 4 s long; so says day.txt, line 2 (from 2 to 9 s)",
        ),
        ("rare_class", "day.txt", f"line 1: 'Wren' {rare}"),
        ("rare_class", "day.txt", f"line 2: 'robin' {rare}"),
        ("rare_class", "day.txt", f"line 3: 'wren' {rare}"),
        ("similar_names", "day.txt", "line 1: 'Wren' may be the same as 'wren' (day.txt, line 3)"),
        ("empty_class", "robin", "not one of its clips can be used"),
        (
            "overlap_of_labels",
            "day.txt",
            "line 3: 'wren' from 3 to 3.5 s overlaps 'robin' in line 2 (1 such overlap of different labels)",
        ),
    }
    data, _ = open_data(DataSettings(str(tmp_path), window=1.0))
    cut = {(p.kind, p.path, p.detail) for p in check(data, engine=Local(1)).problems}
    assert (
        "outside",
        "day.txt",
        "line 2: 'robin' from 2 to 9 s lies outside day.wav, which is 4 s long",
    ) in cut
