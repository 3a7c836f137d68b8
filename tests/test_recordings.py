"""Long recordings and live sound: from the file or the pipe to events, whatever happens on the way."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import types
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio.blocks import open_blocks
from earmark.audio.mic import Microphone
from earmark.audio.stream import ENCODINGS, Stream, wav_stream
from earmark.bundle import read_bundle, write_bundle
from earmark.errors import (
    EmptyAudioError,
    MissingExtraError,
    NoChannelAudioError,
    NotFiniteAudioError,
    SettingError,
    UnknownNameError,
    UnreadableAudioError,
)
from earmark.events import Events
from earmark.labels import read_labels
from earmark.predict import Long, Predictor
from earmark.recordings import Figures, Listening, events_in, live
from earmark.recordings.journal import folder, open_journal
from earmark.types import Waveform
from surroundings import ROOT

RATE = 16_000
PITCH = {"hum": 110, "whistle": 2_000}
ORDER = ("hum", "whistle", "hiss")


def sound(label, seconds, rng):
    t = np.arange(round(seconds * RATE)) / RATE
    if label == "hiss":
        return 0.12 * rng.standard_normal(len(t))
    return 0.4 * np.sin(2 * np.pi * PITCH[label] * t) + 0.02 * rng.standard_normal(len(t))


def recording(seconds, seed=0):
    """Two seconds of sound after each three of silence: what is heard when, and the samples."""
    rng = np.random.default_rng(seed)
    samples, truth = np.zeros(round(seconds * RATE), np.float32), []
    for i, start in enumerate(np.arange(3, seconds - 2, 5)):
        label = ORDER[i % 3]
        samples[round(start * RATE) : round((start + 2) * RATE)] = sound(label, 2, rng)
        truth.append((float(start), float(start) + 2, label))
    return samples, truth


@pytest.fixture(scope="module")
def predictor(tone_model):
    return Predictor.open(tone_model)


@pytest.fixture(scope="module")
def dawn(tmp_path_factory, write_wav):
    samples, truth = recording(23)
    return write_wav(tmp_path_factory.mktemp("long") / "dawn.wav", samples, RATE), truth


@pytest.fixture
def scores(tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_SCORES", str(tmp_path / "scores"))
    return tmp_path / "scores"


def told(events):
    return [(e.start, e.end, e.label, e.score) for e in events]


def fits(found, truth, within):
    """Whether each real event has its own, in the order of time; what comes of an edge alone is let pass."""
    long = [(a, b, label) for a, b, label in found if b - a > 0.5]
    assert [label for *_, label in long] == [label for *_, label in truth], found
    for (a, b, _), (start, end, _) in zip(long, truth, strict=True):
        assert abs(a - start) <= within
        assert abs(b - end) <= within


# The settings come with the model


def test_windows_are_as_long_as_the_clips_that_were_learnt_from(tone_model):
    assert read_bundle(tone_model).events == Events(window=0.5)


def test_a_bundle_keeps_how_events_are_told(tone_model, tmp_path):
    bundle = replace(read_bundle(tone_model), events=Events(window=1.0, hop=0.25, median=5, ignore=("hum",)))
    write_bundle(tmp_path / "m.earmark", bundle)
    assert read_bundle(tmp_path / "m.earmark").events == bundle.events


# A recording


def test_what_is_heard_is_told_with_its_times(predictor, dawn):
    path, truth = dawn
    fits([(e.start, e.end, e.label) for e in events_in(predictor, path)], truth, within=0.25)


def test_a_window_scores_as_the_clip_cut_out_there(predictor, dawn):
    path, _ = dawn
    samples = soundfile.read(path, dtype="float32")[0]
    seen = []
    listening = Listening(predictor, sample_rate=RATE, on_scores=seen.append)
    listening.feed(samples)
    rows = np.concatenate(seen)
    at = round(3.25 * RATE)
    clip = predictor.score_waveform(Waveform(samples[at : at + 8_000], RATE))
    assert np.array_equal(rows[26], clip)
    assert np.array_equal(rows[0], np.zeros(3))  # silence


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 40_000), max_size=12), st.sampled_from([1, 2]))
def test_the_pieces_make_no_difference(predictor, sizes, workers):
    samples, _ = recording(9)
    whole = told(events_in(predictor, Waveform(samples, RATE)))
    with Listening(predictor, sample_rate=RATE, workers=workers) as listening:
        found, at = [], 0
        for size in [*sizes, len(samples)]:
            found += listening.feed(samples[at : at + size])
            at += size
        found += listening.finish()
    assert told(found) == whole != []


@pytest.mark.parametrize("suffix", ["flac", "mp3"])
def test_other_formats_are_heard_as_well(predictor, tmp_path, suffix):
    samples, truth = recording(13)
    path = tmp_path / f"dawn.{suffix}"
    soundfile.write(path, samples, RATE)
    # Lossy codecs fill silence with a little noise, of which nobody knows what it is: only what is sure counts.
    found = events_in(predictor, path, predictor.bundle.events.changed(high=0.9, min_length=0.6))
    fits([(e.start, e.end, e.label) for e in found], truth, within=0.3)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_blocks_are_the_same_to_the_bit_wherever_they_begin(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    samples, _ = recording(13)
    soundfile.write(path, samples, RATE)
    with open_blocks(path) as blocks:
        whole = np.concatenate(list(blocks.read()))
    first = 70_001
    with open_blocks(path) as blocks:
        assert np.array_equal(np.concatenate(list(blocks.read(first))), whole[first:])


def test_blocks_refuse_what_is_no_sound(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.array([0.0, np.nan, 0.5], np.float32), RATE, subtype="FLOAT")
    with open_blocks(path) as blocks, pytest.raises(NotFiniteAudioError, match="1 of 3 samples are NaN"):
        list(blocks.read())
    soundfile.write(path, np.zeros(0), RATE)
    with open_blocks(path) as blocks, pytest.raises(EmptyAudioError, match="the file holds no samples"):
        list(blocks.read())


def test_among_many_files_the_long_ones_are_named(predictor, tone_set, dawn):
    clips = sorted(map(str, tone_set.glob("*_0.wav")))[:9]
    found = list(predictor.answers([*clips, str(dawn[0])], longest=1.0))
    assert [f.label for f in found[:-1]] == [p.label for p in predictor.predict_all(clips)]
    assert isinstance(found[-1], Long)
    assert (found[-1].path, found[-1].seconds, found[-1].waveform) == (str(dawn[0]), 23.0, None)
    with dawn[0].open("rb") as pipe:
        (piped,) = predictor.answers(["-"], pipe, longest=1.0)
    assert isinstance(piped, Long)
    assert piped.waveform is not None
    assert told(events_in(predictor, piped.waveform)) == told(events_in(predictor, dawn[0]))


# Scores are kept


def test_scores_of_a_long_recording_are_kept_and_recalled(predictor, scores, tmp_path, write_wav):
    samples, _ = recording(20)
    path = write_wav(tmp_path / "night.wav", np.tile(samples, 16), RATE)
    how = predictor.bundle.events.changed(hop=0.5)
    far = []
    first = told(events_in(predictor, path, how, far.append))
    assert far[-1].known == 0
    (journal,) = scores.iterdir()
    assert journal.stat().st_mode & 0o077 == 0
    again = told(events_in(predictor, path, how, far.append))
    assert again == first
    assert far[-1].known >= 319
    other = events_in(
        predictor, path, how.changed(min_length=2.1), far.append
    )  # other rules, the same scores
    assert told(other) != first
    assert far[-1].known >= 319
    next(iter(events_in(predictor, path, how.changed(window=1.0), far.append)))
    assert far[-1].known == 0
    path.write_bytes(path.read_bytes()[:-2] + b"\1\1")
    next(iter(events_in(predictor, path, how, far.append)))
    assert far[-1].known == 0


def test_a_journal_is_cut_where_it_is_damaged(predictor, scores, dawn):
    path, how = dawn[0], predictor.bundle.events
    rows = np.random.default_rng(0).random((9, 3), np.float32)
    with open_journal(path, predictor.bundle, how, 1_000.0) as journal:
        journal.add(rows[:4])
        journal.add(rows[4:])
    (file,) = scores.iterdir()
    whole = file.read_bytes()
    for bad in (whole[:-1], whole[:-20], whole + b"\0" * 7, whole + b"\xff" * 50):
        file.write_bytes(bad)
        with open_journal(path, predictor.bundle, how, 1_000.0) as journal:
            known = np.concatenate(list(journal.recalled()))
            assert np.array_equal(known, rows[: journal.rows])
            assert journal.rows == (9 if bad.startswith(whole) else 4)
            journal.add(rows[journal.rows :]) if journal.rows < 9 else None
        assert file.read_bytes() == whole


def test_a_journal_that_another_process_holds_is_not_waited_for(predictor, scores, dawn):
    with open_journal(dawn[0], predictor.bundle, Events(window=1.0), None) as first:
        first.add(np.zeros((2, 3), np.float32))
        with open_journal(dawn[0], predictor.bundle, Events(window=1.0), None) as second:
            second.add(np.zeros((2, 3), np.float32))
            assert second.rows == 0
            assert list(second.recalled()) == []


def test_without_a_place_for_scores_it_is_heard_all_the_same(predictor, monkeypatch, tmp_path, dawn):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EARMARK_SCORES", str(tmp_path / "file" / "scores"))
    with open_journal(dawn[0], predictor.bundle, Events(window=1.0), None) as journal:
        journal.add(np.zeros((2, 3), np.float32))
        assert journal.rows == 0


def test_old_scores_are_swept(predictor, scores, dawn):
    scores.mkdir()
    old = scores / "old.scores"
    old.write_bytes(b"")
    os.utime(old, (0, 0))
    with open_journal(dawn[0], predictor.bundle, Events(window=1.0), None):
        assert not old.exists()
    assert len(list(scores.iterdir())) == 1


def test_the_place_for_scores_is_among_the_caches(monkeypatch, tmp_path):
    monkeypatch.delenv("EARMARK_SCORES")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folder() == tmp_path / "earmark" / "scores"


def heard(stderr):
    events = [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]
    return [e for e in events if e["event"] == "listening"]


@pytest.mark.slow
def test_a_killed_run_goes_on_and_gives_the_same_bytes(earmark, tone_model, tmp_path, write_wav):
    samples, _ = recording(100)
    path = write_wav(tmp_path / "night.wav", np.tile(samples, 12), RATE)
    words = ["predict", tone_model, path, "--format", "jsonl", "--hop", "0.1", "--progress", "json"]
    environment = {**os.environ, "EARMARK_SCORES": str(tmp_path / "a")}
    earmark(*words, "-o", tmp_path / "whole.jsonl", env_more={"EARMARK_SCORES": str(tmp_path / "b")})
    command = [sys.executable, "-m", "earmark", *map(str, words), "-o", str(tmp_path / "out.jsonl")]
    kills = 0
    for _ in range(3):
        run = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        assert run.stderr is not None
        known = None
        for line in run.stderr:
            if line.startswith("{") and (event := json.loads(line))["event"] == "listening":
                known = event["known"] if known is None else known
                if event["done"] > known + 100:
                    run.send_signal(signal.SIGKILL)
                    break
        run.stderr.close()
        run.wait()
        kills += run.returncode == -signal.SIGKILL
        assert not (tmp_path / "out.jsonl").exists()
    assert kills == 3
    done = earmark(*words, "-o", tmp_path / "out.jsonl", env_more={"EARMARK_SCORES": str(tmp_path / "a")})
    assert heard(done.stderr)[0]["known"] > 300
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes() != b""


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the system does not tell how much memory was used"
)
def test_an_hour_is_heard_within_300_mb(tone_model, tmp_path):
    path = tmp_path / "hour.wav"
    samples, _ = recording(60)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(60):
            file.write(samples)
    code = (
        "import sys; from earmark.cli import main\n"
        "try: main()\n"
        "finally: sys.stderr.write(open('/proc/self/status').read())"
    )
    words = ["predict", tone_model, path, "--hop", "0.5", "--format", "csv", "--progress", "none"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB$", done.stderr, re.MULTILINE)
    assert int(peak) < 300_000
    assert len(done.stdout.splitlines()) > 500


# The command line


def test_a_long_recording_gives_events_and_a_clip_an_answer(earmark, tone_model, tone_set, dawn):
    clip = next(tone_set.glob("hum_*_0.wav"))
    done = earmark("predict", tone_model, dawn[0], clip, "--format", "json")
    found = json.loads(done.stdout)
    assert [r["path"] for r in found] == [str(dawn[0])] * (len(found) - 1) + [str(clip)]
    assert found[-1]["label"] == "hum"
    assert {"path", "start", "end", "label", "score", "scores"} <= found[0].keys()
    assert found[0]["scores"].keys() == set(ORDER)
    fits([(r["start"], r["end"], r["label"]) for r in found[:-1]], dawn[1], within=0.25)
    assert (
        "What is longer than 1 s is heard in windows of 0.5 s, one every 0.125 s; with --whole it is one clip."
        in done.stderr
    )
    assert "dawn.wav: 0:00:23 of 0:00:23 · " in done.stderr
    assert " × real time" in done.stderr


def test_whole_and_events_have_the_last_word(earmark, tone_model, tone_set, dawn):
    clip = next(tone_set.glob("hum_*_0.wav"))
    whole = json.loads(earmark("predict", tone_model, dawn[0], "--whole", "--json").stdout)
    assert [(r["start"], r["end"]) for r in whole] == [(0.0, 23.0)]
    (event,) = json.loads(earmark("predict", tone_model, clip, "--events", "--json").stdout)
    assert (event["start"], event["end"], event["label"]) == (0.0, 0.5, "hum")


def test_every_option_is_heeded(earmark, tone_model, predictor, dawn):
    words = ["--window", "1", "--hop", "0.2", "--median", "5", "--threshold", "0.9", "--low", "0.6"]
    words += ["--min-gap", "0.4", "--trim", "0.1", "--min-length", "1.1"]
    done = earmark("predict", tone_model, dawn[0], "--format", "jsonl", *words)
    how = Events(1.0, 0.2, 5, 0.9, 0.6, 0.4, 0.1, 1.1)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(r["start"], r["end"], r["label"], r["score"]) for r in found] == told(
        events_in(predictor, dawn[0], how)
    )
    assert found


def test_a_table_shows_when(earmark, tone_model, dawn):
    lines = earmark("predict", tone_model, dawn[0], "--min-length", "1").stdout.splitlines()
    assert len(lines) == len(dawn[1])
    assert lines[0].startswith("0:00:0")
    assert lines[0][10:21] == " to 0:00:05"
    assert lines[0].endswith(f"  {dawn[0]}")
    assert " hum " in lines[0]


def test_csv_has_the_columns_of_clips(earmark, tone_model, dawn):
    done = earmark("predict", tone_model, dawn[0], "--format", "csv", "--min-length", "1")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["label"] for row in rows] == [label for *_, label in dawn[1]]
    assert float(rows[0]["hum"]) == pytest.approx(float(rows[0]["score"]))


@pytest.mark.parametrize("style", ["audacity", "raven"])
def test_tracks_read_back_as_they_were_told(earmark, tone_model, dawn, tmp_path, style):
    out = tmp_path / "track.txt"
    earmark("predict", tone_model, dawn[0], "--format", style, "-o", out, "--min-length", "1")
    labels = read_labels(out)
    assert labels.form == style
    fits([(r.start, r.end, r.label) for r in labels.regions], dawn[1], within=0.25)
    printed = earmark("predict", tone_model, dawn[0], "--format", style, "--min-length", "1").stdout
    assert printed == out.read_text()
    if style == "raven":
        assert 0.5 < float(dict(labels.regions[0].extra)["Score"]) <= 1


def test_rttm(earmark, tone_model, dawn):
    lines = earmark(
        "predict", tone_model, dawn[0], "--format", "rttm", "--min-length", "1"
    ).stdout.splitlines()
    assert len(lines) == len(dawn[1])
    kind, name, channel, start, length, *rest = lines[0].split()
    assert (kind, name, channel, rest[2]) == ("SPEAKER", "dawn", "1", "hum")
    assert float(start) + float(length) == pytest.approx(5.1, abs=0.2)
    assert len(lines[0].split()) == 10


def test_several_recordings_have_a_track_each(earmark, tone_model, dawn, tmp_path, write_wav):
    (tmp_path / "in" / "b").mkdir(parents=True)
    for name in ("a.wav", "b/a.wav"):
        (tmp_path / "in" / name).write_bytes(dawn[0].read_bytes())
    write_wav(tmp_path / "in" / "quiet.wav", np.zeros(RATE * 3), RATE)
    (tmp_path / "in" / "bad.wav").write_bytes(b"not sound")
    out = tmp_path / "tracks"
    done = earmark("predict", tone_model, tmp_path / "in", "--format", "audacity", "-o", out, code=1)
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*.txt")) == ["a.txt", "b/a.txt", "quiet.txt"]
    assert (out / "a.txt").read_bytes() == (out / "b" / "a.txt").read_bytes() != b""
    assert (out / "quiet.txt").read_bytes() == b""
    assert "No events in" in done.stderr
    assert "bad.wav" in done.stderr


def test_a_corrected_track_is_never_overwritten(earmark, tone_model, dawn, tmp_path):
    out = tmp_path / "track.txt"
    words = ["predict", tone_model, dawn[0], "--format", "audacity", "-o", out]
    earmark(*words)
    earmark(*words)  # the same is no loss
    out.write_text("1.0\t2.0\tcorrected\n")
    done = earmark(*words, code=2)
    assert f"error: {out} is there already, and may hold corrections." in done.stderr
    assert out.read_text() == "1.0\t2.0\tcorrected\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Which files? Name some after the model, or hear live sound with --stream or --mic."),
        (["x.wav", "--rate", "8000"], "--rate goes with --stream or --mic."),
        (["x.wav", "--whole", "--hop", "1"], "--whole scores each file as one clip; leave out --events, or what goes"),
        (["x.wav", "--whole", "--format", "raven"], "--format raven has a place for events only; leave out --whole."),
        (["x.wav", "--stream"], "--stream hears standard input and --mic a microphone: give one of them, and"),
        (["--stream", "--mic"], "--stream hears standard input and --mic a microphone: give one of them, and no"),
        (["--stream", "--whole"], "--whole scores files; live sound has no end by which it could be one."),
        (["--mic", "--rate", "8000"], "--rate goes with --stream: a microphone says itself what it gives."),
        (["--stream", "--device", "1"], "--device goes with --mic."),
        (["--stream", "--channels", "2"], "--channels goes with --rate, for samples without a header."),
        (["--stream", "--rate", "8000", "--encoding", "mp3"], "No encoding is called 'mp3'. There are: f32le, f64le,"),
        (["--stream", "--rate", "8000", "--channels", "0"], "--channels is 0, but must be from 1 to 64."),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(earmark, tone_model, words, message):
    done = earmark("predict", tone_model, *words, code=2, stdin=subprocess.DEVNULL)
    assert f"error: {message}" in done.stderr


def test_several_recordings_need_a_folder_for_their_tracks(earmark, tone_model, dawn, tone_set):
    done = earmark("predict", tone_model, dawn[0], tone_set, "--format", "raven", code=2)
    assert (
        "--format raven writes a file for each of 55 recordings. Give their folder: -o FOLDER" in done.stderr
    )


def test_a_recording_that_breaks_off_is_told_up_to_there(earmark, tone_model, dawn, tmp_path):
    broken = tmp_path / "dawn.flac"
    soundfile.write(broken, np.tile(soundfile.read(dawn[0])[0], 8), RATE)
    data = broken.read_bytes()
    broken.write_bytes(data[: len(data) // 2] + b"\0" * (len(data) // 2))
    done = earmark("predict", tone_model, broken, "--format", "jsonl", code=1)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert "error" in lines[-1]
    assert "hum" in [r["label"] for r in lines[:-1] if r["end"] - r["start"] > 1]
    assert "error: " in done.stderr


# From a track back to training


def test_a_corrected_track_becomes_training_data(earmark, tone_model, tmp_path, write_wav):
    for seed, name in enumerate(("one", "two", "three", "four")):
        write_wav(tmp_path / "rec" / f"{name}.wav", recording(63, seed)[0], RATE)
    earmark("predict", tone_model, tmp_path / "rec", "--format", "audacity", "-o", tmp_path / "rec")
    for seed, name in enumerate(
        ("one", "two", "three", "four")
    ):  # digital silence would be one sound in all of them
        noise = 2e-4 * np.random.default_rng(seed).standard_normal(63 * RATE)
        write_wav(tmp_path / "rec" / f"{name}.wav", recording(63, seed)[0] + noise, RATE)
    for track in (tmp_path / "rec").glob("*.txt"):
        lines = track.read_text().splitlines()
        kept = [line for line in lines if float(line.split("\t")[1]) - float(line.split("\t")[0]) > 1]
        kept[0] = kept[0].replace(kept[0].split("\t")[2], "hum")  # as a person would in Audacity
        track.write_text("\n".join(kept) + "\n")
    done = earmark(
        "train", tmp_path / "rec", "-o", tmp_path / "new.earmark", "--json", "--set", "train.epochs=30",
        "--window", "0.5", "--background", "nothing", cwd=tmp_path,
    )  # fmt: skip
    assert json.loads(done.stdout)["test"]["accuracy"] > 0.8
    events = read_bundle(tmp_path / "new.earmark").events
    assert events == Events(window=0.5, ignore=("nothing",))
    found = json.loads(
        earmark("predict", tmp_path / "new.earmark", tmp_path / "rec" / "one.wav", "--json").stdout
    )
    assert {r["label"] for r in found} == set(ORDER)


def test_events_are_judged_beside_no_skill(earmark, tone_model, dawn, tmp_path):
    folder = tmp_path / "rec"
    folder.mkdir()
    (folder / "dawn.wav").write_bytes(dawn[0].read_bytes())
    (folder / "dawn.txt").write_text("".join(f"{a}\t{b}\t{label}\n" for a, b, label in dawn[1]))
    words = ["evaluate-events", tone_model, folder, "--min-length", "1"]
    result = json.loads(earmark(*words, "--json").stdout)
    assert result["events"]["f1"] == 1.0
    assert result["events"]["real"] == len(dawn[1])
    assert result["segments"]["f1"] > 0.7 > result["no_skill"]["shuffled"]["segments"]
    assert result["no_skill"]["shuffled"]["events"] < 0.3
    assert result["settings"]["hop"] == 0.125
    text = earmark(*words).stdout
    assert "1 recording, 23 s, windows of 0.5 s every 0.125 s" in text
    assert "no skill" in text
    strict = json.loads(earmark(*words, "--collar", "0.001", "--json").stdout)
    assert strict["events"]["f1"] < 1.0
    assert "error: --collar is -1, but must be 0 or more." in earmark(*words, "--collar", "-1", code=2).stderr


def test_what_cannot_be_judged_is_refused(earmark, tone_model, dawn, tmp_path):
    for label in ("hum", "hiss"):
        (tmp_path / "clips" / label).mkdir(parents=True)
        (tmp_path / "clips" / label / "1.wav").write_bytes(dawn[0].read_bytes())
    done = earmark("evaluate-events", tone_model, tmp_path / "clips", code=1)
    assert "which does not say what is heard when. Give recordings with label tracks." in done.stderr
    folder = tmp_path / "rec"
    folder.mkdir()
    (folder / "dawn.wav").write_bytes(dawn[0].read_bytes())
    (folder / "dawn.txt").write_text("0\t1\tcat\n")
    done = earmark("evaluate-events", tone_model, folder, code=1)
    assert "error: The model does not know the labels: cat. It knows: hiss, hum, whistle." in done.stderr


# Live


class Clock:
    """Goes on by what it is told."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 0.01
        return self.now


def test_live_tells_how_long_the_first_decision_took(predictor):
    samples, _ = recording(9)
    figures, clock = Figures(), Clock()
    pieces = [samples[i : i + 1_600] for i in range(0, len(samples), 1_600)]
    found = list(live(predictor, pieces, RATE, figures=figures, clock=clock))
    assert told(found) == told(events_in(predictor, Waveform(samples, RATE)))
    assert figures.seconds == 9.0
    assert figures.windows == 69
    # Five pieces make a window; each looks at the clock twice, and the beginning once.
    assert figures.first_decision == pytest.approx(0.1)
    assert figures.real_time_factor == pytest.approx(0.01 * 91 / 9.0)
    assert figures.slowest == pytest.approx(0.01)


def test_live_events_come_when_they_are_over(predictor):
    samples, _ = recording(13)
    fed = 0.0

    def pieces():
        nonlocal fed
        for i in range(0, len(samples), 1_600):
            fed = (i + 1_600) / RATE
            yield samples[i : i + 1_600]

    for event in live(predictor, pieces(), RATE):
        assert fed - event.end < 1.0 or fed >= 12.9


def test_an_interruption_ends_the_stream_and_not_the_events(predictor):
    samples, _ = recording(9)

    def pieces():
        yield samples[: 4 * RATE]
        raise KeyboardInterrupt

    events = live(predictor, pieces(), RATE)
    last = next(events)
    assert (last.end, last.label) == (4.0, "hum")
    with pytest.raises(KeyboardInterrupt):
        next(events)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("size", [1, 7, 4_096])
def test_samples_without_a_header(encoding, size):
    rng = np.random.default_rng(0)
    samples = rng.uniform(-0.9, 0.9, (400, 2))
    kind = ENCODINGS[encoding]
    if encoding.startswith("f"):
        data = samples.astype(kind.dtype).tobytes()
    elif encoding == "u8":
        data = np.round(samples * 127 + 128).astype(np.uint8).tobytes()
    elif encoding == "s24le":
        whole = np.round(samples * (2**23 - 1)).astype("<i4")
        data = whole.reshape(-1, 1).view(np.uint8)[:, :3].tobytes()
    else:
        bits = 8 * kind.width - 1
        data = np.round(samples * (2**bits - 1)).astype(kind.dtype).tobytes()

    class Pipe(io.BytesIO):
        def read1(self, n=-1):
            return super().read(min(n, size))

    got = np.concatenate(list(Stream(Pipe(data + b"\1"), RATE, 2, encoding)))
    assert np.allclose(got, samples.mean(axis=1), atol=0.01 if encoding == "u8" else 1e-4)
    second = np.concatenate(list(Stream(Pipe(data), RATE, 2, encoding, channel=2)))
    assert np.allclose(second, samples[:, 1], atol=0.02 if encoding == "u8" else 1e-4)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_a_wav_on_a_pipe(subtype):
    samples = np.random.default_rng(0).uniform(-0.9, 0.9, 900).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV", subtype=subtype)
    data = file.getvalue()
    stream = wav_stream(io.BytesIO(data + b"LIST\4\0\0\0more"))
    assert stream.rate == RATE
    assert np.allclose(np.concatenate(list(stream)), samples, atol=0.01 if subtype == "PCM_U8" else 1e-4)
    at = data.index(b"data") + 4
    endless = data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :]  # as FFmpeg writes to a pipe
    assert len(np.concatenate(list(wav_stream(io.BytesIO(endless))))) == 900


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", EmptyAudioError, "nothing came on the stream"),
        (b"ID3 something else", UnreadableAudioError, "no wav comes on the stream; for samples without a header, name"),
        (b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", UnreadableAudioError, "a wav without samples where they should be"),
        (b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + b"\x55\0" * 8, UnreadableAudioError, "a wav whose samples are packed"),
        (b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\x7f", UnreadableAudioError, "a wav without samples where they should be"),
    ],
)  # fmt: skip
def test_what_is_no_wav_on_a_pipe(data, error, message):
    with pytest.raises(error, match=message):
        wav_stream(io.BytesIO(data))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_on_a_pipe_are_sound_or_an_error(data):
    for made in (
        lambda: wav_stream(io.BytesIO(b"RIFF\0\0\0\0WAVE" + data)),
        lambda: Stream(io.BytesIO(data), RATE, 3, "f32le"),
    ):
        with suppress(EmptyAudioError, UnreadableAudioError, NotFiniteAudioError):
            assert all(np.isfinite(part).all() for part in made())


def test_samples_that_cannot_be():
    with pytest.raises(UnknownNameError, match="No encoding is called 's16'"):
        Stream(io.BytesIO(), RATE, 1, "s16")
    with pytest.raises(SettingError, match="--channels is 65, but must be from 1 to 64"):
        Stream(io.BytesIO(), RATE, 65)
    with pytest.raises(NoChannelAudioError, match="channel 2 was asked for"):
        Stream(io.BytesIO(), RATE, 1, channel=2)
    with pytest.raises(UnreadableAudioError, match="0 Hz"):
        Stream(io.BytesIO(), 0)
    with pytest.raises(NotFiniteAudioError, match="1 of 1 samples"):
        list(Stream(io.BytesIO(np.array([np.inf], "<f4").tobytes()), RATE, 1, "f32le"))


def test_a_stream_is_heard_as_the_file(earmark, tone_model, dawn):
    from_file = earmark("predict", tone_model, dawn[0], "--format", "rttm").stdout.replace(" dawn ", " - ")
    with dawn[0].open("rb") as file:
        done = earmark("predict", tone_model, "--stream", "--format", "rttm", stdin=file)
    assert done.stdout == from_file != ""
    assert done.stderr.startswith("Heard 23.00 s in 181 windows. First decision after ")
    assert " s (a window is 0.5 s). Real-time factor " in done.stderr
    with dawn[0].open("rb") as file:
        file.seek(44)
        raw = earmark("predict", tone_model, "--stream", "--rate", RATE, "--format", "rttm", stdin=file)
    assert raw.stdout == from_file
    nothing = earmark("predict", tone_model, "--stream", code=1, stdin=subprocess.DEVNULL)
    assert nothing.stderr == "error: -: nothing came on the stream\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_control_c_ends_a_stream_calmly(tone_model, number, code):
    samples, _ = recording(9)
    data = (samples[: 7 * RATE] * 32_767).astype("<i2").tobytes()
    words = ["predict", str(tone_model), "--stream", "--rate", str(RATE), "--json"]
    run = subprocess.Popen(
        [sys.executable, "-m", "earmark", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    assert run.stdin is not None
    assert run.stdout is not None
    run.stdin.write(data)
    run.stdin.flush()
    assert run.stdout.read(1) == b"["  # the first event: it is at work
    time.sleep(1.0)  # and now it waits for more
    run.send_signal(number)
    rest, errors = run.communicate(timeout=60)
    assert run.returncode == code, errors
    found = json.loads(b"[" + rest)
    assert found[0]["label"] == "hum"
    assert errors.startswith(b"Heard 7.00 s in 53 windows.")
    assert b"Traceback" not in errors


# The microphone, by a stand-in for PortAudio


class FakePortAudio(types.ModuleType):
    class PortAudioError(Exception):
        pass

    def __init__(self, samples, broken=None):
        super().__init__("sounddevice")
        self.samples, self.broken, self.opened = samples, broken, None

    def query_devices(self, device, kind):
        assert kind == "input"
        if self.broken == "query":
            raise ValueError("no input device matching 'x'")
        return {"default_samplerate": 16_000.0}

    def InputStream(self, **how):
        if self.broken == "open":
            raise self.PortAudioError("device unavailable")
        self.opened, self._at = how, 0
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.opened = None

    def read(self, frames):
        if self._at >= len(self.samples):
            raise KeyboardInterrupt
        part = self.samples[self._at : self._at + frames]
        self._at += frames
        return part[:, None], self._at == 2 * frames


def test_a_microphone_is_heard(monkeypatch, predictor):
    samples, _ = recording(9)
    fake = FakePortAudio(samples)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    microphone = Microphone("3")
    events = live(predictor, microphone, microphone.rate)
    first = next(events)
    assert fake.opened == {"samplerate": 16_000, "channels": 1, "dtype": "float32", "device": 3}
    assert first.label == "hum"
    with pytest.raises(KeyboardInterrupt):
        list(events)
    assert microphone.lost == 1
    assert fake.opened is None


def test_the_command_hears_a_microphone(monkeypatch, tone_model, capsys):
    from earmark.cli import hearing

    samples, _ = recording(9)
    monkeypatch.setitem(sys.modules, "sounddevice", FakePortAudio(samples))
    choices = dict.fromkeys(
        (
            "window",
            "hop",
            "median",
            "high",
            "low",
            "min_gap",
            "trim",
            "min_length",
            "rate",
            "channels",
            "encoding",
            "device",
        )
    )
    choices |= {"mic": True, "stream": False, "whole": False, "events": False}
    assert hearing.live(tone_model, (), "jsonl", None, choices) == 130
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[0])["path"] == "microphone"
    assert "First decision after" in err
    assert "Sound was lost 1 times: this machine did not keep up." in err


def test_without_a_microphone(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", FakePortAudio(np.zeros(1), "query"))
    with pytest.raises(UnreadableAudioError, match=r"^microphone: there is none that can be used"):
        Microphone("x")
    monkeypatch.setitem(sys.modules, "sounddevice", FakePortAudio(np.zeros(1), "open"))
    with pytest.raises(
        UnreadableAudioError, match=r"^microphone: it cannot be listened to .device unavailable"
    ):
        list(Microphone())
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'earmark\[mic\]'$"):
        Microphone()


# The page


def test_the_page_runs_as_written(earmark, tone_model, dawn, tmp_path, write_wav):
    page = (ROOT / "docs" / "long-recordings.md").read_text()
    commands = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    assert len(commands) == 5
    (tmp_path / "tones.earmark").write_bytes(tone_model.read_bytes())
    (tmp_path / "dawn.wav").write_bytes(dawn[0].read_bytes())
    for seed in range(4):
        samples, truth = recording(33, seed)
        noise = 2e-4 * np.random.default_rng(seed).standard_normal(len(samples))
        write_wav(tmp_path / "field" / f"{seed}.wav", samples + noise, RATE)
        lines = [f"{a}\t{b}\t{label}\n" for a, b, label in truth]
        (tmp_path / "field" / f"{seed}.txt").write_text("".join(lines))
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "earmark"
        earmark(*words, cwd=tmp_path)
    assert read_labels(tmp_path / "dawn.txt").regions
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    before = f"import numpy as np\npieces = [np.zeros({RATE}, np.float32)] * 3\n"
    subprocess.run([sys.executable, "-c", before + code], cwd=tmp_path, check=True, timeout=120)
    table = re.findall(
        r"^\| `(\w+)` \|", page.partition("`[events]`")[2].partition("## Formats")[0], re.MULTILINE
    )
    assert table == [f.name for f in fields(Events)]
