"""A tenth of what ``bench/fuzz.py`` does: damaged files cost themselves only, and are refused in words."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from surroundings import DATA, ROOT


@pytest.mark.slow
@pytest.mark.parametrize("source", ["real", "made up"])
def test_damaged_files_are_read_or_refused(source, tmp_path):
    data = DATA if source == "real" else tmp_path
    if not data.is_dir():
        pytest.skip(f"no real recordings at {data}; set EARMARK_TEST_DATA to their folder")
    done = subprocess.run(
        [sys.executable, "bench/fuzz.py", "--files", "300", "--seed", "7"],
        cwd=ROOT,
        env={**os.environ, "EARMARK_TEST_DATA": str(data)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    counts = {line.split(None, 1)[1]: int(line.split()[0]) for line in done.stdout.splitlines()[1:]}
    assert sum(counts.values()) == 300
    assert counts["read"] > 50
    assert counts["unreadable"] > 50
