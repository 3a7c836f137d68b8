"""SIGKILL in the middle of training, run again: the same test predictions as without the kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EPOCHS = {"train": 800, "evaluate": 300}


def start(tone_set: Path, folder: Path, command: str) -> subprocess.Popen[bytes]:
    arguments = [
        sys.executable, "-m", "earmark", command, str(tone_set), "--pattern", "{label}_{group}_{take}.wav",
        "--runs", str(folder), "--set", f"train.epochs={EPOCHS[command]}", "--set", "train.patience=0",
        "--set", "model.hidden=[64, 64]",
    ]  # fmt: skip
    environment = {**os.environ, "EARMARK_CHECKPOINT_SECONDS": "0.1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(arguments, env=environment, start_new_session=True, **quiet)


def finish(process: subprocess.Popen[bytes]) -> None:
    assert process.wait(timeout=200) == 0


def predictions(folder: Path) -> bytes:
    (path,) = folder.glob("*/predictions.csv")
    return path.read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_killed_and_run_again_gives_the_same(tone_set, tmp_path, command):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(tone_set, whole, command))
    for wait in (0.0, 0.3):  # once just after a checkpoint, once somewhere in between
        process = start(tone_set, killed, command)
        known = {p: p.stat().st_mtime_ns for p in killed.glob("*/checkpoints/network-*.safetensors")}
        deadline = time.monotonic() + 120
        while not any(
            p.stat().st_mtime_ns != known.get(p) for p in killed.glob("*/checkpoints/network-*.safetensors")
        ):
            assert process.poll() is None, "it ended before it could be killed: make EPOCHS larger"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(wait)
        assert process.poll() is None, "it ended before it could be killed: make EPOCHS larger"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finish(start(tone_set, killed, command))
    assert len(list(killed.iterdir())) == 1  # the same run, carried on twice
    assert predictions(killed) == predictions(whole)
