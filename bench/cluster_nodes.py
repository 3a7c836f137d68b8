"""A Ray cluster on this machine, to be broken on purpose: each node in a network of its own, where that is allowed."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from earmark.engine.cluster import SETTINGS

_OBJECTS = 80 * 2**20
_BIN = Path(sys.executable).parent
_COUNT = """
import logging, sys, time, ray
ray.init(sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
while sum(node["Alive"] for node in ray.nodes()) != int(sys.argv[2]):
    time.sleep(0.1)
"""


class Node:
    """A machine of the cluster: ``ray start`` and all that it started."""

    def __init__(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self.name, self.process = name, process

    def processes(self) -> dict[int, bytes]:
        """Return the command of each of its processes."""
        return {pid: command for pid, command in _descendants(self.process.pid).items() if command}

    def kill(self) -> None:
        """End every process of it at once, as a machine does whose power fails."""
        for pid in [*self.processes(), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def kill_worker(self) -> bool:
        """End one process that works on a task; say whether there was one."""
        for pid, command in self.processes().items():
            if command.startswith(b"ray::task"):
                os.kill(pid, signal.SIGKILL)
                return True
        return False


class Cluster:
    """A head without processors, and nodes with one each.

    Attributes
    ----------
    address
        Where it is.
    separate
        Whether each node has a network of its own, which a node can be cut off from.
    environment
        What its processes, and those that talk to it, run under.
    """

    def __init__(self, separate: bool | None = None) -> None:
        self.nodes: list[Node] = []
        self._tag = f"em{os.getpid() % 10_000}"
        self._count = 0
        self.separate = may_separate() if separate is None else separate
        host = "10.213.77.1" if self.separate else "127.0.0.1"
        with socket.create_server(("", 0)) as free:
            self.address = f"{host}:{free.getsockname()[1]}"
        self._folder = tempfile.TemporaryDirectory(prefix="em-", ignore_cleanup_errors=True)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("RAY_")},
            **SETTINGS,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
        }

    def __enter__(self) -> Cluster:
        try:
            if self.separate:
                _ip("link", "add", self._tag, "type", "bridge")
                _ip("link", "set", self._tag, "up")
            self.add(head=True)
            self._wait_for_head()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, head: bool = False) -> Node:
        """Start a node; see `wait`."""
        number, self._count = self._count, self._count + 1
        name = f"{self._tag}n{number}"
        host, _, port = self.address.rpartition(":")
        if self.separate:
            host = f"10.213.77.{number + 1}"
            self._network(name, host)
        where = (
            ["--head", "--port", port, "--include-dashboard", "false"]
            if head
            else ["--address", self.address]
        )
        command = [
            str(_BIN / "ray"), "start", *where, "--temp-dir", f"{self._folder.name}/{number}",
            "--node-ip-address", host, "--num-cpus", "0" if head else "1",
            "--object-store-memory", str(_OBJECTS), "--disable-usage-stats", "--block",
        ]  # fmt: skip
        log = (Path(self._folder.name) / f"{name}.log").open("wb")
        with log:
            process = self.start(command, name, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        node = Node(name, process)
        self.nodes.append(node)
        return node

    def wait(self, nodes: int) -> None:
        """Wait until so many nodes, with the head, belong to it."""
        probe = self.start([sys.executable, "-c", _COUNT, self.address, str(nodes)])
        try:
            if probe.wait(90):
                raise RuntimeError("the nodes do not come up")
        finally:
            probe.kill()

    def _wait_for_head(self) -> None:
        """Wait until somebody listens: a node that comes earlier tries again only after long."""
        host, _, port = self.address.rpartition(":")
        code = f"import socket; socket.create_connection(('{host}', {port}), 1)"
        end = time.monotonic() + 60
        while self.start([sys.executable, "-c", code], stderr=subprocess.DEVNULL).wait():
            if time.monotonic() > end:
                raise TimeoutError("the head does not come up")
            time.sleep(0.1)

    def start(
        self, command: Sequence[str], node: str | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start a command on a node, by itself on the head."""
        inside = ["ip", "netns", "exec", node or self.nodes[0].name] if self.separate else []
        return subprocess.Popen([*inside, *command], env=self.environment, start_new_session=True, **options)

    def cut_off(self, node: Node) -> None:
        """Let a node fall silent: nobody hears of it again, and no connection is closed."""
        _ip("link", "set", f"{node.name}h", "down")

    def close(self) -> None:
        """End everything at once; a graceful end of Ray takes half a minute."""
        for node in reversed(self.nodes):
            node.kill()
        if self.separate:
            for number in range(self._count):
                _ip("link", "del", f"{self._tag}n{number}h", check=False)
                _ip("netns", "del", f"{self._tag}n{number}", check=False)
            _ip("link", "del", self._tag, check=False)
        self._folder.cleanup()

    def _network(self, name: str, host: str) -> None:
        _ip("netns", "add", name)
        _ip("link", "add", f"{name}h", "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", f"{name}h", "master", self._tag, "up")
        inside = ("-n", name)
        _ip(*inside, "addr", "add", f"{host}/24", "dev", "eth0")
        _ip(*inside, "link", "set", "eth0", "up")
        _ip(*inside, "link", "set", "lo", "up")
        # A way out that leads nowhere: by it, Ray finds out which address is the node's own.
        _ip(*inside, "route", "add", "default", "via", "10.213.77.254")


def may_separate() -> bool:
    """Say whether networks can be made here."""
    name = f"em{os.getpid() % 10_000}try"
    try:
        _ip("netns", "add", name)
        _ip("netns", "del", name)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True)


def _descendants(root: int) -> dict[int, bytes]:
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found: dict[int, bytes] = {}
    fresh = {root}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - found.keys()
        for pid in fresh:
            found[pid] = b""
            with contextlib.suppress(OSError):
                found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes()
    return found
