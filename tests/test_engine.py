"""Order, bounds and endings of `engine.map`, `engine.processes` and `engine.Local`."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

import engine_work as work
from earmark import engine
from earmark.engine import Local, Lost, watch
from earmark.errors import MissingExtraError, RunError, SettingError, UnknownNameError
from engine_contract import Contract, alive, pid_in, wait_until_gone

WORKERS = pytest.mark.parametrize("workers", [1, 2, 5, None])


@WORKERS
def test_order_however_long_each_takes(workers):
    def slow_first(i):
        time.sleep(0.002 * (3 - i % 4))
        return i

    assert list(engine.map(slow_first, range(30), workers)) == list(range(30))


@WORKERS
def test_nothing(workers):
    assert list(engine.map(str, [], workers)) == []


@pytest.mark.parametrize("workers", [1, 3])
def test_looks_only_a_little_ahead(workers):
    """An endless source: what is taken is bounded by what was yielded."""
    taken = itertools.count()
    results = engine.map(lambda i: i, (next(taken) for _ in itertools.count()), workers)
    first = list(itertools.islice(results, 100))
    assert first == list(range(100))
    results.close()
    assert next(taken) <= 100 + workers * 8


@WORKERS
def test_an_exception_comes_at_its_place(workers):
    def fail_at_5(i):
        if i == 5:
            raise ValueError(f"item {i}")
        return i

    results = engine.map(fail_at_5, range(100), workers)
    assert list(itertools.islice(results, 5)) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="item 5"):
        next(results)
    assert list(results) == []


@WORKERS
def test_an_exception_of_the_source_is_raised_too(workers):
    def source():
        yield 1
        raise OSError("the source broke")

    with pytest.raises(OSError, match="the source broke"):
        list(engine.map(str, source(), workers))


def test_closing_early_drops_what_has_not_started():
    started = []
    gate = threading.Event()

    def work(i):
        started.append(i)
        if i:
            gate.wait(10)
        return i

    results = engine.map(work, range(1000), 2)
    closer = threading.Timer(0.05, gate.set)
    closer.start()
    assert next(results) == 0
    results.close()
    closer.join()
    assert len(started) < 2 + 2 * 8 + 1
    assert not any(t.name.startswith("ThreadPoolExecutor") and t.is_alive() for t in threading.enumerate())


def test_one_worker_stays_in_this_thread():
    assert set(engine.map(lambda _: threading.get_ident(), range(3), 1)) == {threading.get_ident()}


@WORKERS
def test_blas_has_one_thread_inside_and_its_own_again_after(workers):
    def blas(_=None):
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = blas()
    inside = list(engine.map(blas, range(2), workers))
    assert all(set(threads) == {1} for threads in inside)
    assert blas() == before


def test_cores(monkeypatch):
    assert 1 <= engine.cores() <= (os.cpu_count() or 1)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert engine.cores() == (os.cpu_count() or 1)


def python(code):
    return [sys.executable, "-c", code]


def test_lines_of_every_process(tmp_path):
    lines = engine.processes([python("print('a'); print('b')"), python("print('c')")], tmp_path / "log")
    assert sorted(lines) == ["a\n", "b\n", "c\n"]


def test_a_line_that_is_not_text_comes_through(tmp_path):
    code = "import sys; sys.stdout.buffer.write(b'\\xff\\n')"
    assert list(engine.processes([python(code)], tmp_path / "log")) == ["\ufffd\n"]


def test_processes_get_one_blas_thread_and_no_input(tmp_path):
    code = "import os, sys; print(os.environ['OPENBLAS_NUM_THREADS'], repr(sys.stdin.read()))"
    assert list(engine.processes([python(code)], tmp_path / "log")) == ["1 ''\n"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; sys.exit('first\\nthe last words.')", "ended with status 1: the last words"),
        ("import sys; sys.exit(3)", "ended with status 3: it said nothing"),
        ("import os; os.kill(os.getpid(), 9)", "was killed by signal 9: it said nothing"),
    ],
)
def test_failure_says_how_and_where(tmp_path, code, words):
    log = tmp_path / "worker.log"
    lines = engine.processes([python("print('fine')"), python(code)], log)
    with pytest.raises(RunError) as caught:
        list(lines)
    assert str(caught.value) == f"A worker process {words}. Its full log: {log}"


@pytest.mark.parametrize("deaf", [False, True])
def test_no_process_is_left_when_the_consumer_stops(tmp_path, monkeypatch, deaf):
    monkeypatch.setattr(engine.commands, "_PATIENCE", 0.2)
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)" if deaf else ""
    code = f"import os, signal, time; {ignore}\nprint(os.getpid(), flush=True)\ntime.sleep(600)"
    lines = engine.processes([python(code), python(code)], tmp_path / "log")
    pids = [int(next(lines)), int(next(lines))]
    assert all(map(alive, pids))
    lines.close()
    assert not any(map(alive, pids))


def test_no_process_is_left_when_one_cannot_start(tmp_path):
    code = "import time; time.sleep(600)"
    lines = engine.processes([python(code), [str(tmp_path / "absent")]], tmp_path / "log")
    with pytest.raises(FileNotFoundError, match="absent"):
        list(lines)


class TestLocal(Contract):
    @pytest.fixture(params=[1, 2])
    def engine(self, request):
        return Local(request.param)


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        (work.crash_at_5, "the process that read it was ended by SIGSEGV"),
        (work.die_at_5, "the process that read it was ended by SIGKILL, perhaps for want of memory"),
        (work.leave_at_5, "the process that read it ended with status 3: the last words"),
    ],
)
def test_lost_says_how(poison, reason):
    assert list(Local(2).map(poison, [5])) == [Lost(reason)]


def test_workers_are_kept_for_the_next_call():
    first = set(Local(2).map(work.process, range(4)))
    assert first & set(Local(2).map(work.process, range(4)))
    assert os.getpid() not in first


def test_a_worker_of_other_surroundings_is_not_used_again(monkeypatch):
    first = set(Local(1).map(work.process, range(2)))
    monkeypatch.setenv("EARMARK_CLIP_SECONDS", "7")
    assert not first & set(Local(1).map(work.process, range(2)))


PARENT = """
import sys
sys.path.insert(0, {tests!r})
import engine_work
from earmark.engine import Local
list(Local(2).map(engine_work.{function}, sys.argv[1:]))
"""


def parent(function, *places):
    code = PARENT.format(tests=str(Path(__file__).parent), function=function)
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, places)], stderr=subprocess.PIPE, text=True
    )


def test_no_worker_outlives_a_killed_parent(tmp_path):
    """The pipe closes, and whoever finishes its item finds nobody there; what it does not finish the watch ends."""
    with parent("note_process_briefly", tmp_path / "a", tmp_path / "b") as process:
        pids = [pid_in(tmp_path / "a"), pid_in(tmp_path / "b")]
        assert all(map(alive, pids))
        process.kill()
    for pid in pids:
        wait_until_gone(pid)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_an_interrupt_ends_parent_and_workers(tmp_path):
    with parent("note_process", tmp_path / "a", tmp_path / "b") as process:
        pids = [pid_in(tmp_path / "a"), pid_in(tmp_path / "b")]
        process.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in process.communicate(timeout=30)[1]
    for pid in pids:
        wait_until_gone(pid)


def test_engines_by_name():
    assert engine.open_engine(workers=3).workers == 3
    with pytest.raises(UnknownNameError, match="No engine is called 'rai'"):
        engine.open_engine("rai")
    with pytest.raises(SettingError, match="--workers is 0"):
        engine.open_engine(workers=0)
    with pytest.raises(SettingError, match="--address says where a cluster is"):
        engine.open_engine("local", address="auto")
    with pytest.raises(SettingError, match="--workers is for this machine"):
        engine.open_engine("ray", workers=2)


def test_ray_that_is_not_installed(monkeypatch):
    monkeypatch.setattr("earmark.engine.cluster.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'earmark\[ray\]'"):
        engine.open_engine("ray")


@pytest.mark.parametrize("told", ["soon", "0.5", "inf", "-3"])
def test_a_limit_that_is_none(monkeypatch, told):
    monkeypatch.setenv(watch.SECONDS, told)
    with pytest.raises(SettingError, match=rf"EARMARK_CLIP_SECONDS is '{told}'"):
        watch.limit()


def test_nobody_watches_this_process():
    assert watch.limit() == 60
    engine.alive()  # and nothing happens
