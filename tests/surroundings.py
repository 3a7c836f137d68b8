"""Where the tests run: the project's folder, that of the real recordings, what is installed; and a tiny data set."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("EARMARK_TEST_DATA", ROOT.parent / "shared" / "data"))
MODELS = Path(os.environ.get("EARMARK_TEST_MODELS", ROOT.parent / "shared" / "models"))


def installed(name: str) -> bool:
    """Say whether a module can be imported here."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # the package above it is not there
        return False


def without_av(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process be one in which FFmpeg is not installed."""
    import earmark.audio

    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "earmark.audio.ffmpeg", raising=False)
    monkeypatch.delattr(earmark.audio, "ffmpeg", raising=False)


def tones(folder: Path, write: Callable[..., Path], groups: int = 6, takes: int = 3) -> Path:
    """Make a tiny data set, `{label}_{group}_{take}.wav`, that a small network learns at once."""
    rng = np.random.default_rng(0)
    t = np.arange(8_000) / 16_000
    for i, label in enumerate(("hum", "whistle", "hiss")):
        for group in range(groups):
            pitch = (110, 2_000, 0)[i] * (1 + 0.05 * group)
            for take in range(takes):
                tone = np.sin(2 * np.pi * pitch * t + take) if pitch else rng.standard_normal(len(t)) * 0.3
                noise = 0.01 * (1 + group) * rng.standard_normal(len(t))
                write(folder / f"{label}_{label}{group}_{take}.wav", 0.4 * tone + noise, 16_000)
    return folder
