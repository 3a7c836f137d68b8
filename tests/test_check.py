"""The data doctor on data with every fault we can make, and on data without one."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import soundfile

from earmark import errors
from earmark.check import check
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
    ("duplicate", "twin.wav"): "the same sound as dog0.wav, but another class and recording and fold",
    ("few_groups", "cow"): "the class has 1 recording: too few to tell the class from them",
    ("shared_group", "d0"): "the recording stands in the folds 1, 2",
}


def test_every_fault_is_named_once(found):
    said = {(p.kind, p.path): p.detail for p in found.problems}
    for key, detail in EXPECTED.items():
        if key[0] != "clipped":
            assert said[key] == detail
    assert said["clipped", "clipped.wav"].endswith("% of the samples are at full scale")
    assert ("missing", "absent.wav") in said
    assert ("unlisted", "extra.wav") in said
    assert said.keys() == EXPECTED.keys() | {("missing", "absent.wav"), ("unlisted", "extra.wav")}
    assert len(said) == len(found.problems)


def test_counts(found):
    assert found.clips == 23
    assert found.classes["cow"] == 1
    assert found.folds.keys() == {1, 2}
    assert found.groups == 9
    assert found.hours == pytest.approx((16 * 0.2 + 2 * 0.25 + 5 * 0.2) / 3600)


def test_training_skips_what_the_doctor_names(bad, found):
    table = extract(read(bad), Mfcc(sample_rate=RATE))
    kinds = {c.kind for c in errors.AudioError.__subclasses__()}
    assert {(p.kind, p.path, p.detail) for p in table.skipped} == {
        (p.kind, p.path, p.detail) for p in found.problems if p.kind in kinds
    }
    assert len(table.rows) == found.clips


def test_json(found):
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert {"clips", "hours", "classes", "groups", "folds", "problems", "leakage"} == record.keys()
    assert record["folds"].keys() == {"1", "2"}
    assert all(list(p) == ["kind", "path", "detail"] for p in record["problems"])
    leakage = record["leakage"]
    assert leakage["groups_known"] is True
    split = leakage["random_split"]
    assert split.keys() == {"test_clips", "test_clips_sharing_a_group", "oracle_accuracy"}
    assert 0 < split["test_clips_sharing_a_group"] <= split["test_clips"] == 5


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
    assert [p.kind for p in found.problems] == ["empty", "empty", "no_group", "few_groups", "few_groups"]


def test_several_labels_a_clip(tmp_path, write_wav):
    for i in range(3):
        write_wav(tmp_path / f"{i}.wav", noise(i), RATE)
    (tmp_path / "clips.csv").write_text("path,label,group\n0.wav,dog|cat,a\n1.wav,dog,b\n2.wav,cat,c\n")
    found = check(read(tmp_path))
    assert found.classes == {"cat": 2, "dog": 2}
    assert found.leakage is None
    assert found.problems == ()


def test_the_same_samples_at_another_rate_are_another_sound(tmp_path, write_wav):
    for label, rate in (("a", 16_000), ("b", 8_000), ("c", 16_000)):
        write_wav(tmp_path / label / "x.wav", noise(0), rate)
    found = check(read(tmp_path))
    duplicates = [p for p in found.problems if p.kind == "duplicate"]
    assert [(p.path, p.detail) for p in duplicates] == [
        ("c/x.wav", "the same sound as a/x.wav, but another class and recording")
    ]


def test_every_audio_error_has_a_kind():
    kinds = {c.__name__: c.__dict__["kind"] for c in errors.AudioError.__subclasses__()}
    assert kinds == {
        "UnreadableAudioError": "unreadable",
        "EmptyAudioError": "empty",
        "NotFiniteAudioError": "not_finite",
        "TooShortAudioError": "too_short",
        "TooLongAudioError": "too_long",
    }


def test_the_command(earmark, bad, tone_set):
    pattern = "--pattern={label}_{group}_{take}.wav"
    shown = earmark("check", bad, "--strict", code=1)
    for kind, path in EXPECTED:
        assert any(kind in line and path in line for line in shown.stdout.splitlines()), (kind, path)
    assert "13 problems: " in shown.stdout
    record = json.loads(earmark("check", bad, "--json").stdout)
    assert len(record["problems"]) == 13
    healthy = earmark("check", tone_set, pattern, "--strict")
    assert "No problems found." in healthy.stdout
    assert "54 readable clips, 0.01 hours, 18 recordings" in healthy.stdout
