"""The benchmarks run, and tell what they measured."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import ROOT


@pytest.mark.slow
def test_a_quick_run_measures_everything():
    done = subprocess.run(
        [sys.executable, "bench/run.py", "--quick"], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    for heading in ("## Front end", "## Training", "## Cold start"):
        assert heading in done.stdout
    assert done.stdout.count("≥ ") + done.stdout.count("≤ ") >= 7


def test_the_committed_results_meet_every_bar():
    results = (ROOT / "bench" / "results.md").read_text()
    assert results.count(": met |") >= 8
    assert "not met" not in results
