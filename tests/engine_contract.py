"""One contract for every engine that has processes: results in order, whatever becomes of who works."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import engine_work as work
from earmark.engine import Engine, Lost, each
from earmark.errors import UnreadableAudioError

AHEAD = 8


class Contract:
    """The tests; whoever inherits them has a fixture ``engine``."""

    def test_order_however_long_each_takes(self, engine: Engine):
        assert list(engine.map(work.slow_first, range(30))) == list(range(30))

    def test_nothing(self, engine: Engine):
        assert list(engine.map(str, [])) == []

    def test_looks_only_a_little_ahead(self, engine: Engine):
        taken = itertools.count()
        results = engine.map(abs, (next(taken) for _ in itertools.count()))
        assert list(itertools.islice(results, 50)) == list(range(50))
        results.close()
        assert next(taken) <= 50 + engine.workers * AHEAD

    def test_an_exception_comes_at_its_place_and_tells_where_it_was(self, engine: Engine):
        results = engine.map(work.fail_at_5, range(100))
        assert list(itertools.islice(results, 5)) == [0, 1, 2, 3, 4]
        with pytest.raises(ValueError, match="item 5") as caught:
            next(results)
        assert "in fail_at_5" in caught.value.__notes__[0]
        assert list(results) == []

    def test_an_exception_of_the_source_is_raised_too(self, engine: Engine):
        def source():
            yield 1
            raise OSError("the source broke")

        with pytest.raises(OSError, match="the source broke"):
            list(engine.map(abs, source()))

    def test_our_errors_arrive_as_they_are(self, engine: Engine):
        with pytest.raises(UnreadableAudioError) as caught:
            list(engine.map(work.unreadable, ["a.wav"]))
        assert (caught.value.path, caught.value.reason) == ("a.wav", "it is broken")

    def test_what_does_not_pickle_is_told(self, engine: Engine):
        with pytest.raises(TypeError, match=r"cannot pickle '_thread\.lock' object"):
            list(engine.map(work.a_lock, [1]))
        with pytest.raises(RuntimeError, match="_OddError: 1 and 2"):
            list(engine.map(work.odd_error, [1]))

    @pytest.mark.parametrize("poison", [work.die_at_5, work.crash_at_5, work.leave_at_5])
    def test_a_process_that_dies_costs_one_item(self, engine: Engine, poison):
        results = list(engine.map(poison, range(12)))
        assert [i for i, result in enumerate(results) if isinstance(result, Lost)] == [5]
        assert results[:5] + results[6:] == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]

    def test_one_that_hangs_is_ended(self, engine: Engine, monkeypatch):
        monkeypatch.setenv("EARMARK_CLIP_SECONDS", "1")
        results = list(engine.map(work.hang_at_5, range(8)))
        assert isinstance(results[5], Lost)
        assert "within the time that one clip may take" in results[5].reason
        assert results[:5] + results[6:] == [0, 1, 2, 3, 4, 6, 7]

    def test_one_poison_among_many_costs_one(self, engine: Engine):
        results = list(each(engine, work.die_at_5, range(100), size=16))
        assert [i for i, result in enumerate(results) if isinstance(result, Lost)] == [5]
        assert results[6:] == list(range(6, 100))

    def test_closing_ends_what_runs(self, engine: Engine, tmp_path: Path):
        places = [tmp_path / str(i) for i in range(min(engine.workers, 2))]
        results = engine.map(work.note_process, ["", *map(str, places)])
        assert next(results) is None
        pids = [pid_in(place) for place in places]
        results.close()
        for pid in pids:
            wait_until_gone(pid)
        assert list(engine.map(abs, [-1])) == [1]

    def test_surroundings_travel(self, engine: Engine, monkeypatch, tmp_path: Path):
        """Folder, our own settings, modules that only this process's search path has; and BLAS has one thread."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("EARMARK_OF_THIS_TEST", "yes")
        ((folder, setting, pools),) = engine.map(work.surroundings, ["EARMARK_OF_THIS_TEST"])
        assert (folder, setting, set(pools)) == (str(tmp_path), "yes", {1})
        (tmp_path / "of_this_test_only.py").write_text("def double(i):\n    return 2 * i\n")
        monkeypatch.syspath_prepend(tmp_path)
        import of_this_test_only  # type: ignore[import-not-found]

        assert list(engine.map(of_this_test_only.double, [21])) == [42]
        del sys.modules["of_this_test_only"]

    def test_a_large_function(self, engine: Engine):
        assert list(engine.map(work.Bulky(), range(3))) == [200_000, 200_001, 200_002]


def pid_in(path: Path) -> int:
    """Return the process that `engine_work.note_process` noted, as soon as it did."""
    return int(until(lambda: path.exists() and path.read_text()))


def wait_until_gone(pid: int) -> None:
    until(lambda: not alive(pid))


def alive(pid: int) -> bool:
    """Say whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        pass
    if Path("/proc/self").exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait for something, and return it."""
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)
    return value
