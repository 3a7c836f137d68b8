"""Where the tests run: the project's folder, that of the real recordings, and what is installed."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

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
