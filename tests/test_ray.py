"""`engine.Ray`, on a small Ray of our own and with no cluster at all."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import engine_work as work
import test_train
from earmark.engine import Local, cluster, open_engine
from earmark.engine import ray as ray_engine
from earmark.errors import EngineError, SettingError
from earmark.train import fit
from engine_contract import Contract, alive, pid_in, wait_until_gone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not find_spec("ray"), reason="Ray is not installed: pip install 'earmark[ray]'"),
]

STARTED_HERE = cluster._started_here


@pytest.fixture(scope="module")
def ray(module_monkeypatch):
    """A Ray of our own, as small as it can be, and none that runs here already."""
    engine = open_engine("ray")
    yield engine
    import ray

    ray.shutdown()


@pytest.fixture(scope="module")
def module_monkeypatch():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setattr(cluster, "_started_here", lambda: False)
        yield patch


class TestRay(Contract):
    @pytest.fixture
    def engine(self, ray):
        return ray


def test_as_on_this_machine(ray):
    for function, items in ((work.slow_first, range(40)), (work.Bulky(), range(3)), (len, ["a" * 300_000])):
        assert list(ray.map(function, items)) == list(Local(2).map(function, items))


def test_tasks_run_elsewhere_and_as_many_as_there_are_processors(ray):
    processes = set(ray.map(work.process, range(40)))
    assert os.getpid() not in processes
    assert ray.workers >= 1


def test_another_version_is_told(ray, monkeypatch):
    monkeypatch.setattr(ray_engine, "_version", lambda: "0.0.1")
    with pytest.raises(
        EngineError, match=r"The machine \S+ of the Ray cluster has Earmark \S+, this one 0\.0\.1"
    ):
        list(ray.map(abs, [1]))


def test_one_cluster_at_a_time(ray):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(EngineError, match=rf"already works with another Ray cluster than '{address}'"):
            open_engine("ray", address=address)
    assert open_engine("ray").workers == ray.workers


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


def test_nobody_at_the_address():
    address = f"127.0.0.1:{unused_port()}"
    with pytest.raises(EngineError) as caught:
        open_engine("ray", address=address)
    assert str(caught.value) == f"No Ray cluster answers at {address}: connection refused."


@pytest.mark.parametrize("address", ["", "somewhere", "ray://", "host:", "host:port"])
def test_an_address_that_is_none(address):
    with pytest.raises(SettingError, match=r"is no address of a Ray cluster: it is auto, HOST:PORT or"):
        open_engine("ray", address=address)


def test_a_note_of_a_cluster_that_is_gone(monkeypatch, tmp_path):
    """What ``ray start`` left behind before a machine went down is not believed."""
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(f"127.0.0.1:{unused_port()}")
    monkeypatch.setattr(cluster, "_started_here", STARTED_HERE)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert cluster._started_here() is False
    with pytest.raises(
        EngineError, match=r"^No Ray cluster runs on this machine\. Start one with: ray start --head"
    ):
        open_engine("ray", address="auto")
    (tmp_path / "ray" / "ray_current_cluster").unlink()
    assert cluster._started_here() is None


# What these do to the process, they do in one of their own.

START = """
import sys
sys.path.insert(0, {tests!r})
from earmark.engine import cluster, open_engine
import engine_work
cluster._started_here = lambda: False
try:
    engine = open_engine("ray", address={address!r})
    print(list(engine.map(engine_work.{function}, sys.argv[1:])))
except Exception as error:
    print(type(error).__name__, error)
"""


def start(function, *items, address=None):
    code = START.format(tests=str(Path(__file__).parent), function=function, address=address)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, items)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_nothing_is_printed_but_our_own_and_nothing_is_left(monkeypatch):
    """Also where workers die, which Ray would tell on standard output."""
    with tempfile.TemporaryDirectory() as folder:  # its name is short enough for Ray
        monkeypatch.setenv("TMPDIR", folder)
        with start("die_if_told", "a", "die", "b") as process:
            out, err = process.communicate(timeout=120)
        assert not list(Path(folder).iterdir())
    assert out.startswith("['a', Lost(reason='the process that worked on it died, or did not end")
    assert out.count("\n") == 1
    assert err == ""
    assert process.returncode == 0


def test_a_killed_parent_takes_its_ray_along(tmp_path, monkeypatch):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("TMPDIR", folder)
        with start("note_process", tmp_path / "a") as process:
            worker = pid_in(tmp_path / "a")
            # Ray's two agents look only once a minute whether they are wanted.
            rest = {pid for pid in descendants(process.pid) if b"Agent" not in command(pid)}
            assert len(rest) > 2
            process.kill()
        for pid in {worker, *rest}:
            wait_until_gone(pid)


@pytest.mark.parametrize(
    ("address", "said", "message"),
    [
        (
            "auto",
            "Could not find any running Ray instance",
            "No Ray cluster runs on this machine. Start one with:",
        ),
        (
            "h:1",
            "Failed to connect",
            "The Ray cluster at h:1 does not take this process in. Run this on one of its",
        ),
        (
            "h:1",
            "RPC error: InvalidAuthToken: it is missing",
            "does not take this process in. It wants a token: set",
        ),
    ],
)
def test_a_cluster_that_refuses(address, said, message):
    class Refusing:
        def init(self, *_, **__):
            try:
                raise RuntimeError(said)
            except RuntimeError as error:
                raise ConnectionError("Failed to connect to Ray cluster") from error

    with pytest.raises(EngineError, match=message):
        cluster._join(Refusing(), address)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_an_interrupt_ends_it(tmp_path):
    with start("note_process", tmp_path / "a") as process:
        worker = pid_in(tmp_path / "a")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert err.rstrip().endswith("KeyboardInterrupt")
    wait_until_gone(worker)


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def descendants(pid):
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(fields[1])
    found, fresh = set(), {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return {p for p in found if alive(p)}


def test_networks_are_trained_there_as_here(ray, tmp_path):
    made = test_train.problem()
    here = fit(made, test_train.tasks(), tmp_path / "here", processes=1)
    there = fit(made, test_train.tasks(), tmp_path / "there", engine=ray)
    assert all(test_train.same(a, b) for a, b in zip(here, there, strict=True))
