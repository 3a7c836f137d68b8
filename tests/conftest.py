"""Fixtures. Sound is synthesised; the real recordings, where there are any, are only read."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from surroundings import DATA, MODELS, tones

# Features of the tests' sounds are nobody's business later.
_STORE = tempfile.TemporaryDirectory(prefix="earmark-store-")
os.environ["EARMARK_STORE"] = _STORE.name
_ENCODERS = tempfile.TemporaryDirectory(prefix="earmark-encoders-")
os.environ["EARMARK_ENCODERS"] = _ENCODERS.name
_SCORES = tempfile.TemporaryDirectory(prefix="earmark-scores-")
os.environ["EARMARK_SCORES"] = _SCORES.name

Earmark = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real recordings."""
    if not (DATA / "us8k").is_dir():
        pytest.skip(f"no real recordings at {DATA}; set EARMARK_TEST_DATA to their folder")
    return DATA


@pytest.fixture(scope="session")
def yamnet_file() -> Path:
    """YAMNet as its authors give it away."""
    path = MODELS / "yamnet" / "yamnet.tflite"
    if not path.is_file():
        pytest.skip(f"no YAMNet at {path}; set EARMARK_TEST_MODELS to the folder with yamnet/yamnet.tflite")
    return path


@pytest.fixture(scope="session")
def write_wav() -> Callable[..., Path]:
    """Write float samples [T] or [T, channels] as a sound file and return its path."""

    def write(path: Path, samples: np.ndarray, rate: int = 22_050, subtype: str = "PCM_16") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, samples, rate, subtype=subtype)
        return path

    return write


@pytest.fixture(scope="session")
def earmark() -> Earmark:
    """Run the command line in a process of its own, as a person would."""

    def run(
        *arguments: object, cwd: Path | None = None, code: int = 0, env_more: dict[str, str] | None = None,
        **options: object,
    ):  # fmt: skip
        environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1", **(env_more or {})}
        done = subprocess.run(
            [sys.executable, "-m", "earmark", *map(str, arguments)],
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            **options,
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture(scope="session")
def tone_set(tmp_path_factory: pytest.TempPathFactory, write_wav: Callable[..., Path]) -> Path:
    """A session-wide tiny data set; do not write into it."""
    return tones(tmp_path_factory.mktemp("tones") / "tones", write_wav)


@pytest.fixture(scope="session")
def tone_model(tone_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained on `tone_set`."""
    from earmark.pipeline import train
    from earmark.recipe import RECIPES

    folder = tmp_path_factory.mktemp("model")
    recipe = RECIPES["default"].with_data(str(tone_set), "auto", "{label}_{group}_{take}.wav")
    return train(recipe.with_values({"train.epochs": 30}), folder / "tones.earmark", folder / "runs").bundle
