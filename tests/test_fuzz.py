"""Damaged files of every kind are read or refused, in time and in words; `bench/fuzz.py` does ten times as many."""

from __future__ import annotations

import importlib
import os

import pytest

from conftest import ROOT
from earmark.engine import local as engine_local


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    monkeypatch.setenv("EARMARK_CLIP_SECONDS", "20")
    engine_local._idle.close()
    yield importlib.import_module("fuzz")
    engine_local._idle.close()


def survive(fuzz, paths, seed):
    attempt = fuzz.Attempt.of(paths, seed)
    assert attempt.data(7) == attempt.data(7) != attempt.data(8)
    tally = fuzz.fuzz(attempt, 300)
    assert tally.wrong == []
    assert set(tally.outcomes) == {"decode", "window", "examine", "length", "memory"}
    for counts in tally.outcomes.values():
        assert counts.total() == 300
        assert counts["read"] > 60
        assert counts["unreadable"] > 30
    assert tally.slowest[0] < fuzz.BOUND


@pytest.mark.slow
def test_damaged_files_made_of_made_ones(fuzz, tmp_path):
    survive(fuzz, fuzz.made(tmp_path), seed=1)


@pytest.mark.slow
@pytest.mark.data
def test_damaged_files_made_of_real_ones(fuzz, data_root):
    survive(fuzz, fuzz.real(data_root), seed=2)


@pytest.mark.slow
def test_what_goes_wrong_is_counted(fuzz, tmp_path):
    """A decoder that dies, and an error of another kind, do not pass for refusals."""
    paths = fuzz.made(tmp_path)
    tally = fuzz.fuzz(Fatal(fuzz.Attempt.of(paths, 0)), 40)
    assert len(tally.wrong) == 2
    assert tally.wrong[0] == "file 3: LOST, the process that read it ended with status 9: it said nothing"
    assert tally.wrong[1] == "file 5, decode: UNTYPED ZeroDivisionError: integer division or modulo by zero"


class Fatal:
    """Dies of one file, and stumbles over another."""

    def __init__(self, attempt):
        self.attempt = attempt

    def __call__(self, number):
        if number == 3:
            os._exit(9)
        if number == 5:
            return [("decode", *importlib.import_module("fuzz").outcome(lambda: 1 // 0))]
        return self.attempt(number)
