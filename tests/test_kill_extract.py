"""SIGKILL in the middle of an extraction, of any process of it, of two runs at once: the store is what it would be."""

from __future__ import annotations

import importlib
import os
import random
import shutil
import signal
import sys
import time

import pytest

from surroundings import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found by /proc"),
]


@pytest.fixture(scope="module")
def kills():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "bench"))
        yield importlib.import_module("kills")


@pytest.fixture(scope="module")
def scene(kills, tmp_path_factory):
    """The clips, what an undisturbed run makes of them, and how long that takes."""
    folder = tmp_path_factory.mktemp("kills")
    clips = kills.make_clips(folder / "clips")
    return clips, folder / "clean", kills.measure(clips, folder / "clean")


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment_and_run_again_gives_the_same_store(kills, scene, tmp_path, seed):
    clips, clean, seconds = scene
    tally = kills.Tally()
    moments = [
        [(victim, random.Random(f"{seed} {victim}").uniform(0.2, 1.0) * seconds)] for victim in kills.VICTIMS
    ]
    random.Random(seed).shuffle(moments)
    if seed % 2:  # two at once
        moments = [moments[0] + moments[1], moments[2]]
    kills.one_round(clips, clean, tmp_path / "störe, killed", moments, tally)
    assert tally.kills >= 1


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_ctrl_c_ends_the_whole_family_and_the_next_run_goes_on(kills, scene, tmp_path):
    clips, clean, _ = scene
    store = tmp_path / "store"
    run = kills.start(clips, store, "--workers", "1")
    wait_for(lambda: kills.content(store))
    workers = [pid for pid in kills.family(run.pid) if pid != run.pid]
    os.killpg(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert (run.returncode, errors) == (130, "Interrupted. Run the same command again to go on.\n")
    assert workers
    wait_for(lambda: not kills.family(run.pid))
    before = len(kills.content(store))
    result = kills.finish(kills.start(clips, store))
    assert 0 < before < 15
    assert result["from_store"] + result["computed"] == kills.CLIPS
    assert kills.content(store) == kills.content(clean)


def test_a_store_deleted_in_the_middle_of_a_run(kills, scene, tmp_path):
    clips, clean, _ = scene
    store = tmp_path / "store"
    run = kills.start(clips, store, "--workers", "1")
    wait_for(lambda: len(kills.content(store)) >= 3)
    shutil.rmtree(store, ignore_errors=True)
    result = kills.finish(run)
    assert result["computed"] == kills.CLIPS
    kills.settle(run)
    assert kills.content(store) == kills.content(clean)
