"""What stands behind score.py: a process that may die, and is replaced."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from earmark.cloud.azure import scoring
from earmark.cloud.azure.scoring import Scorer, find_model, settings_of
from earmark.engine import Lost
from earmark.errors import EngineError, PathError, SettingError


def request(data: bytes, kind: str = "audio/wav") -> Any:
    """A request as Flask has it, as far as it is read."""
    return SimpleNamespace(
        method="POST", headers={}, content_length=len(data), mimetype=kind, stream=io.BytesIO(data)
    )


@pytest.fixture
def scorer(tone_model: Path) -> Iterator[Scorer]:
    made = Scorer(tone_model)
    yield made
    made.close()


@pytest.fixture
def clip(tone_set: Path) -> bytes:
    return (tone_set / "hum_hum0_0.wav").read_bytes()


def test_a_process_that_died_is_replaced(scorer, clip):
    before = scorer._worker.pid
    scorer._worker.kill()
    scorer._worker._process.wait()
    status, _, body = scorer.answer(request(clip))
    assert (status, json.loads(body)[0]["label"]) == (200, "hum")
    assert scorer._worker.pid != before


def test_after_a_fork_nobody_shares_a_process(scorer, clip, monkeypatch):
    before = scorer._worker
    monkeypatch.setattr(scorer, "_owner", -1)
    assert scorer.answer(request(clip))[0] == 200
    assert scorer._worker is not before
    before.close()


@pytest.mark.parametrize(
    ("lost", "late", "status", "detail"),
    [
        (
            "it was ended by SIGKILL, for want of memory", False, 503,
            "-: it was ended by SIGKILL, for want of memory. Send it again.",
        ),
        (
            "it was ended by SIGKILL", True, 422,
            "it did not end within the 30 s that one file may take. Send it as WAV or FLAC.",
        ),
        (
            "the process that read it was ended by SIGSEGV", False, 422,
            "the process that read it was ended by SIGSEGV. Send it as WAV or FLAC.",
        ),
    ],
)  # fmt: skip
def test_a_file_that_ends_its_process_is_told_so(lost, late, status, detail, scorer, clip, monkeypatch):
    monkeypatch.setattr(scoring, "_within", lambda *arguments: (Lost(lost), late))
    got, headers, body = scorer.answer(request(clip))
    assert got == status
    assert json.loads(body)["detail"] == detail
    assert headers["Content-Type"] == "application/problem+json"
    monkeypatch.undo()
    assert scorer.answer(request(clip))[0] == 200


def test_a_process_that_takes_too_long_is_ended(tone_model, clip):
    import time

    from earmark.engine import Worker, pack

    worker = Worker(watched=False)
    try:
        found, late = scoring._within(0.3, worker, pack(time.sleep), 60)
    finally:
        worker.close()
    assert isinstance(found, Lost)
    assert late


def test_a_process_that_cannot_be_started_ends_init(tone_model, monkeypatch):
    monkeypatch.setattr(scoring, "_within", lambda *arguments: (Lost("it said nothing"), False))
    with pytest.raises(EngineError) as error:
        Scorer(tone_model)
    assert str(error.value) == "A worker could not be started: it said nothing."


def test_the_model_is_found_however_deep(tone_model, tmp_path):
    deep = tmp_path / "a" / "b" / "model.earmark"
    deep.parent.mkdir(parents=True)
    deep.write_bytes(b"x")
    assert find_model(tmp_path) == find_model(deep) == deep
    (tmp_path / "other.earmark").write_bytes(b"x")
    with pytest.raises(PathError) as error:
        find_model(tmp_path)
    assert str(error.value) == (
        f"There are 2 models below {tmp_path}: a/b/model.earmark, other.earmark. The deployment needs exactly one file"
        " *.earmark."
    )


def test_limits_come_from_the_environment():
    found = settings_of({"EARMARK_SCORE_BODY": "2", "EARMARK_SCORE_TIMEOUT": "5.5", "EARMARK_OTHER": "x"})
    assert (found.body, found.timeout, found.files) == (2, 5.5, 32)
    with pytest.raises(SettingError) as error:
        settings_of({"EARMARK_SCORE_BODY": "much"})
    assert str(error.value) == "EARMARK_SCORE_BODY is 'much', but must be a number."
