"""`earmark extract` and `earmark store` as a person and as a script meet them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from earmark.cli.app import app

PATTERN = "--pattern={label}_{group}_{take}.wav"
CLIPS = 54


@pytest.fixture
def store(tmp_path, monkeypatch) -> Path:
    """An empty store that the environment names; its name asks for trouble."""
    place = tmp_path / "my störe [1]"
    monkeypatch.setenv("EARMARK_STORE", str(place))
    return place


def fails(*arguments):
    """Run a command that fails in this process; its exit code and its one sentence."""
    shown = CliRunner().invoke(app, [str(a) for a in arguments])
    assert shown.stdout == ""
    (line,) = shown.stderr.strip().splitlines()
    assert line.startswith("error: "), shown.stderr
    return shown.exit_code, line.removeprefix("error: ")


def files(store: Path) -> list[Path]:
    return sorted(store.rglob("*.safetensors"))


# extract


def test_a_table_for_a_person(earmark, tone_set, store):
    first = earmark("extract", tone_set, PATTERN)
    lines = first.stdout.strip().splitlines()
    assert lines[0] == "Features of 54 clips: 0 from the store, 54 computed."
    assert lines[1].split()[0] == "mfcc"
    assert lines[1].split(maxsplit=1)[1].startswith(f"{store}/mfcc-")
    assert "54 of 54 clips" in first.stderr
    second = earmark("extract", tone_set, PATTERN)
    assert second.stdout.startswith("\nFeatures of 54 clips: 54 from the store, 0 computed.")
    assert "54 from the store" in second.stderr
    assert "clips/s" not in second.stderr


def test_json_for_a_program(earmark, tone_set, store):
    arguments = ("extract", tone_set, PATTERN, "--feature", "mfcc", "--feature", "log_mel", "--json")
    first, second = (json.loads(earmark(*arguments).stdout) for _ in range(2))
    assert [f["name"] for f in first["features"]] == ["mfcc", "log_mel"]
    assert all((store / f["folder"] / "feature.json").is_file() for f in first["features"])
    assert json.loads((store / first["features"][0]["folder"] / "feature.json").read_text()) == {
        key: value for key, value in first["features"][0].items() if key != "folder"
    }
    for result, counts in ((first, (0, CLIPS, 0)), (second, (CLIPS, 0, 0))):
        assert (result["from_store"], result["computed"], result["reread"]) == counts
        assert (result["clips"], result["skipped"], result["store"]) == (CLIPS, [], str(store))
    assert first["sound_seconds"] == pytest.approx(CLIPS * 0.5)
    assert second["sound_seconds"] == 0
    assert first["problems"] == []


def events(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_progress_as_events(earmark, tone_set, store):
    shown = earmark("extract", tone_set, PATTERN, "--progress", "json", "--json")
    told = events(shown.stderr)
    assert told[0] == {"event": "data", "clips": CLIPS, "classes": 3, "layout": "pattern", "problems": 0}
    features = [event for event in told if event["event"] == "features"]
    assert [event["event"] for event in told[1:]] == ["features"] * len(features)
    done = [event["done"] for event in features]
    assert done == sorted(done)
    assert features[-1]["done"] == features[-1]["total"] == CLIPS
    for event in features:
        settled = event["from_store"] + event["computed"] + event["reread"] + event["skipped"]
        assert event["done"] == settled <= event["total"]
        assert event["elapsed"] >= 0
    assert json.loads(shown.stdout)["computed"] == features[-1]["computed"] == CLIPS
    (again,) = [e for e in events(earmark("extract", tone_set, PATTERN, "--progress", "json").stderr) if e["event"] == "features"]  # fmt: skip  # noqa: E501
    assert (again["from_store"], again["computed"]) == (CLIPS, 0)


def test_a_damaged_part_is_told(earmark, tone_set, store):
    earmark("extract", tone_set, PATTERN)
    (part,) = files(store)
    part.write_bytes(part.read_bytes()[:100])
    shown = earmark("extract", tone_set, PATTERN, "--progress", "json", "--json")
    (note,) = [event for event in events(shown.stderr) if event["event"] == "note"]
    assert note["text"].endswith("was damaged and is discarded; its clips are computed again.")
    assert json.loads(shown.stdout)["computed"] == CLIPS
    part.write_bytes(b"")
    assert "was damaged and is discarded" in earmark("extract", tone_set, PATTERN).stderr


def test_other_ways_to_tell(earmark, tone_set, store):
    assert earmark("extract", tone_set, PATTERN, "--progress", "none").stderr == ""
    plain = earmark("extract", tone_set, PATTERN, "--progress", "plain").stderr
    assert "\x1b" not in plain
    assert "\r" not in plain
    assert [line.split()[0] for line in plain.splitlines()] == ["Data", "Classes", "Features"]
    bar = earmark("extract", tone_set, PATTERN, "--progress", "bar", "--feature", "stats").stderr
    assert "54 of 54 clips" in bar
    assert fails("extract", tone_set, "--progress", "loud") == (
        2, "No progress style is called 'loud'. There are: auto, bar, json, none, plain.",
    )  # fmt: skip


def test_windows_of_a_recording(earmark, store, tmp_path, write_wav):
    path = write_wav(
        tmp_path / "dawn chorus.wav", 0.1 * np.random.default_rng(0).standard_normal(16_000 * 10), 16_000
    )
    arguments = ("extract", path, "--feature", "log_mel", "--window", "2", "--json")
    whole = json.loads(earmark(*arguments).stdout)
    assert (whole["clips"], whole["computed"]) == (5, 5)
    dense = json.loads(earmark(*arguments, "--hop", "1").stdout)
    assert (dense["clips"], dense["from_store"], dense["computed"]) == (9, 5, 4)
    folder = json.loads(earmark("extract", tmp_path, "--layout", "sounds", "--json").stdout)
    assert (folder["clips"], folder["computed"]) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--hop", "1"], "--hop goes with --window."),
        (["--window", "0"], "--window is 0 s, but must be at least 0.05 s."),
        (["--window", "1", "--hop", "2"], "--hop is 2 s, but must be from 0.05 s to the window's 1 s."),
        (
            ["--feature", "mfc"],
            "No feature is called 'mfc'. There are: encoder, log_mel, mfcc, stats. Did you mean 'mfcc'?",
        ),
        (["--workers", "0"], "--workers is 0, but must be 1 or more."),
        (["--engine", "rya"], "No engine is called 'rya'. There are: local, ray. Did you mean 'ray'?"),
        (["--set", "feature.n_mels=0"], "n_mels"),
    ],
)
def test_wrong_usage(tone_set, store, arguments, said):
    code, sentence = fails("extract", tone_set, PATTERN, "--progress", "none", *arguments)
    assert code == 2
    assert said in sentence
    assert not store.exists()


def test_what_is_not_a_data_set(tmp_path, store):
    assert fails("extract", tmp_path / "absent")[0] == 2
    (tmp_path / "notes.txt").write_text("x")
    code, said = fails("extract", tmp_path / "notes.txt")
    assert code == 1
    assert said.startswith(f"{tmp_path / 'notes.txt'} is no label file that is known.")
    (tmp_path / "notes.xyz").write_text("x")
    code, said = fails("extract", tmp_path / "notes.xyz")
    assert code == 2
    assert said.startswith(f"{tmp_path / 'notes.xyz'} is a file.")


def test_to_another_place(earmark, tone_set, store, tmp_path):
    other = tmp_path / "here" / "and there"
    result = json.loads(earmark("extract", tone_set, PATTERN, "--to", other, "--json").stdout)
    assert result["store"] == str(other)
    assert len(files(other)) == 1
    assert not store.exists()
    relative = json.loads(
        earmark("extract", tone_set, PATTERN, "--to", "there", "--json", cwd=tmp_path).stdout
    )
    assert relative["store"] == str(tmp_path / "there")
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        assert fails("extract", tone_set, PATTERN, "--to", place, "--progress", "none") == (
            1, f"{tmp_path / 'file'} is a file; a feature store needs a folder.",
        )  # fmt: skip


def test_clips_that_cannot_be_read(earmark, tone_set, store, tmp_path):
    folder = tmp_path / "faulty"
    shutil.copytree(tone_set, folder)
    (folder / "hum_hum9_0.wav").write_text("this is no sound")
    for computed in (CLIPS, 0):
        done = earmark("extract", folder, PATTERN, "--strict", "--json", code=1)
        result = json.loads(done.stdout)
        assert result["computed"] == computed
        assert result["clips"] == CLIPS + 1
        (problem,) = result["skipped"]
        assert problem["path"] == "hum_hum9_0.wav"
        assert problem["reason"].startswith("not readable as sound")
    shown = earmark("extract", folder, PATTERN)
    assert "1 clip could not be used:\n  hum_hum9_0.wav: not readable as sound" in shown.stderr
    assert "1 skipped" in shown.stderr


def test_a_store_that_cannot_be_written_is_one_sentence(earmark, tone_set, store):
    store.mkdir()
    first = json.loads(earmark("extract", tone_set, PATTERN, "--json").stdout)
    folder = store / first["features"][0]["folder"]
    shutil.rmtree(folder)
    folder.write_text("a file where a folder must be")
    done = earmark("extract", tone_set, PATTERN, "--progress", "none", "--json", code=1)
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"error: {folder}")
    folder.unlink()
    assert json.loads(earmark("extract", tone_set, PATTERN, "--json").stdout)["computed"] == CLIPS


# train looks into the store


def test_a_second_training_takes_its_features_from_the_store(earmark, tone_set, store, tmp_path):
    arguments = ("train", tone_set, PATTERN, "--set", "train.epochs=3", "--runs", tmp_path / "runs", "--json")
    earmark(*arguments)
    done = earmark(*arguments, "-o", tmp_path / "m.earmark")
    assert json.loads(done.stdout)["features"] == {"from_store": CLIPS, "computed": 0, "reread": 0}
    assert "54 from the store" in done.stderr
    moved = tmp_path / "moved"
    shutil.copytree(tone_set, moved)
    done = earmark("train", moved, *arguments[2:], "-o", tmp_path / "n.earmark")
    assert json.loads(done.stdout)["features"] == {"from_store": 0, "computed": 0, "reread": CLIPS}


# store


@pytest.fixture
def filled(earmark, tone_set, store) -> Path:
    earmark("extract", tone_set, PATTERN, "--feature", "mfcc", "--feature", "log_mel")
    earmark("extract", tone_set, PATTERN, "--set", "feature.n_mfcc=13")
    for path in store.glob("log_mel-*/*.safetensors"):
        os.utime(path, (time.time() - 100 * 86_400,) * 2)
    return store


def test_list(earmark, filled):
    told = json.loads(earmark("store", "list", "--json").stdout)
    assert told["store"] == str(filled)
    by_name = {(f["feature"]["name"], f["feature"].get("n_mfcc")): f for f in told["features"]}
    assert by_name.keys() == {("mfcc", 40), ("mfcc", 13), ("log_mel", None)}
    for record in by_name.values():
        part = next((filled / record["folder"]).glob("*.safetensors"))
        assert (record["files"], record["clips"], record["bytes"]) == (1, CLIPS, part.stat().st_size)
        assert record["used"] == pytest.approx(part.stat().st_mtime)
    shown = earmark("store", "list").stdout
    assert str(filled) in shown
    (row,) = re.findall(r"^.*n_mfcc 13.*$", shown, re.MULTILINE)
    assert row.split()[:2] == [by_name["mfcc", 13]["folder"], "54"]
    (row,) = re.findall(r"^.*log_mel-.*$", shown, re.MULTILINE)
    assert "100 days ago" in row
    assert row.rstrip().endswith("defaults")


def test_size(earmark, filled):
    told = json.loads(earmark("store", "size", "--json").stdout)
    total = sum(path.stat().st_size for path in files(filled))
    assert told == {"store": str(filled), "files": 3, "bytes": total}
    shown = earmark("store", "size").stdout
    assert re.fullmatch(r"[0-9.]+ [kM]B in 3 files  .*\n", shown)
    assert shown.rstrip().endswith(str(filled))


def test_an_empty_store(earmark, store):
    assert earmark("store", "list").stdout.splitlines() == [f"Store  {store}", "It is empty."]
    assert earmark("store", "size").stdout == f"0 B in 0 files  {store}\n"
    assert json.loads(earmark("store", "list", "--json").stdout) == {"store": str(store), "features": []}
    assert json.loads(earmark("store", "prune", "--keep", "0", "--json").stdout)["deleted"] == 0
    assert not store.exists()


def test_prune(earmark, filled):
    before = files(filled)
    would = earmark("store", "prune", "--older-than", "90d", "--dry-run").stdout
    assert would.startswith("Would delete 1 file (")
    assert files(filled) == before
    told = json.loads(earmark("store", "prune", "--older-than", "90d", "--json").stdout)
    assert (told["deleted"], told["dry_run"]) == (1, False)
    left = files(filled)
    assert told["bytes_left"] == sum(path.stat().st_size for path in left)
    assert len(left) == 2
    assert not list(filled.glob("log_mel-*/*.safetensors"))
    assert earmark("store", "prune", "--keep", "0").stdout.startswith("Deleted 2 files (")
    assert files(filled) == []


def test_prune_of_the_store_that_is_named(earmark, filled, tmp_path):
    earmark("store", "prune", "--keep", "0", "--store", tmp_path / "other")
    assert len(files(filled)) == 3
    earmark("store", "prune", "--keep", "1kB", "--store", filled)
    assert files(filled) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["prune"], "Say what may go: --older-than 90d, --keep 20GB, or both."),
        (["prune", "--older-than", "90"], "--older-than is '90', but must be a number and h, d, w, m or y, such as"),
        (["prune", "--older-than", "-1d"], "--older-than is '-1d', but must be a number and h, d, w, m or y"),
        (["prune", "--keep", "many"], "--keep is 'many', but must be a size, such as 500MB, 20GB or 0."),
        (["prune", "--keep", "-5GB"], "--keep is '-5GB', but must be a size"),
        (["list", "--store", "nope://x/y"], "Nothing here opens nope://"),
        (["list", "--store", "/dev/null"], "/dev/null is a file; a feature store needs a folder."),
    ],
)  # fmt: skip
def test_wrong_usage_of_the_store(filled, arguments, said):
    code, sentence = fails("store", *arguments)
    assert sentence.startswith(said)
    assert code == (1 if "/dev/null" in said else 2)
    assert len(files(filled)) == 3


@pytest.mark.skipif(os.name == "nt", reason="this system has no SIGTERM")
def test_who_is_asked_to_end_says_so_and_leaves_nobody(tmp_path, write_wav):
    """As batch systems and clouds end a job: like Ctrl-C, with the exit code that says what it was."""
    for i in range(40):
        write_wav(
            tmp_path / "data" / f"{i}.wav",
            np.random.default_rng(i).standard_normal(20 * 96_000) * 0.1,
            96_000,
        )
    command = [sys.executable, "-m", "earmark", "extract", str(tmp_path / "data"), "--layout", "sounds"]
    process = subprocess.Popen(
        [*command, "--feature", "stats", "--to", str(tmp_path / "store"), "--progress", "json"],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    while '"features"' not in (line := process.stderr.readline()):
        assert line, "it ended before it could be ended"
    threads = Path(f"/proc/{process.pid}/task")  # a worker is a child of the thread that waits for it
    deadline, started = time.monotonic() + 60, []
    while threads.exists() and not started:
        started = [child for own in threads.glob("*/children") for child in own.read_text().split()]
        assert time.monotonic() < deadline
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert said.splitlines()[-1] == "Interrupted. Run the same command again to go on."
    if Path("/proc").exists():
        assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]


def test_a_store_that_is_none(earmark):
    assert "The store's path is empty" in earmark("store", "size", "--store", "", code=2).stderr
    said = earmark("store", "prune", "--store", "http://127.0.0.1:9/x", "--keep", "0", code=2).stderr
    assert "is on the web, where nothing can be listed" in said
    assert "Did you mean 's3://foo'?" in earmark("store", "size", "--store", "s3:/foo", code=2).stderr
    said = earmark("store", "size", "--store", "file://relative/x", code=2).stderr
    assert "names the machine 'relative'. Type: file:///relative/x" in said


def test_names_do_not_command_the_terminal(earmark, tmp_path):
    (tmp_path / "evil\x1b[2J\n.wav").write_text("no sound")
    said = earmark("extract", tmp_path, "--layout", "sounds", "--to", tmp_path / "store").stderr
    assert "evil\\x1b[2J\\n.wav: not readable as sound" in said
    assert "\x1b[2J" not in said
