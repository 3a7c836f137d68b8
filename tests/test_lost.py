"""A lost chunk: who is blamed, how often it is tried, and that the others are done."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from earmark.engine import Lost
from earmark.extract.lost import without_the_lost
from earmark.extract.work import Chunk, Done, Work
from earmark.features import Mfcc

HANGS = "it did not end within the time that one clip may take"
KILLED = "the process that read it was ended by SIGKILL, perhaps for want of memory"


def chunk(*addresses: str) -> Chunk:
    count = len(addresses)
    keys = np.arange(2 * count, dtype=np.uint64).reshape(count, 2)
    return Chunk(addresses, (None,) * count, (None,) * count, keys, np.ones((count, 1), bool), ())


class Deadly:
    """Loses every task that holds a bad clip; counts the tasks."""

    workers = 2

    def __init__(self, bad: dict[str, str], published_dies: int = 0, times: int = 10**6) -> None:
        self.bad, self.left, self.times = bad, published_dies, times
        self.tried: list[tuple[str, ...]] = []

    def map(self, function, items):
        for item in items:
            self.tried.append(item.addresses)
            died = [a for a in item.addresses if a.split("#")[0] in self.bad]
            if died and self.times:
                self.times -= 1
                yield Lost(self.bad[died[0].split("#")[0]])
            elif function.publish and self.left:
                self.left -= 1
                yield Lost(KILLED)
            else:
                yield Done(computed=len(item.addresses))


@pytest.fixture
def work(tmp_path) -> Work:
    return Work((Mfcc(),), str(tmp_path))


def test_one_bad_clip_costs_itself(work):
    engine = Deadly({"bad": HANGS})
    done = without_the_lost(chunk("a", "b", "bad", "c"), work, engine, Counter())
    assert done == Done(computed=3, failed={2: ("crashed", HANGS)})
    assert engine.tried[-1] == ("a", "b", "c")


def test_a_file_whose_cuts_hang_is_given_up_after_two(work):
    """Else a recording of an hour in windows would cost its limit hundreds of times."""
    engine, losses = Deadly({"long": HANGS}), Counter()
    first = without_the_lost(chunk(*["long"] * 5, "a"), work, engine, losses)
    assert (first.computed, sorted(first.failed)) == (1, [0, 1, 2, 3, 4])
    assert first.failed[4] == (
        "crashed", "not tried, since other cuts of the file crashed its decoder or never ended",
    )  # fmt: skip
    assert engine.tried.count(("long",)) == 2
    again = without_the_lost(chunk("long", "b"), work, engine, losses)
    assert (again.computed, sorted(again.failed)) == (1, [0])
    assert engine.tried.count(("long",)) == 2


def test_who_was_killed_from_outside_is_tried_once_more(work):
    engine = Deadly({"a": KILLED}, times=1)
    done = without_the_lost(chunk("a", "b"), work, engine, Counter())
    assert done == Done(computed=2)


def test_clips_that_are_only_lost_together_are_halved(work):
    engine = Deadly({}, published_dies=1)
    assert without_the_lost(chunk(*"abcd"), work, engine, Counter()) == Done(computed=4)
    assert engine.tried[-1] == ("c", "d")


def test_what_is_always_lost_is_named(work):
    engine = Deadly({}, published_dies=10**6)
    done = without_the_lost(chunk(*"abcd"), work, engine, Counter())
    assert done == Done(failed=dict.fromkeys(range(4), ("crashed", KILLED)))
