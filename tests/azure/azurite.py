"""Azurite, which answers as Azure's Blob storage does, on this machine and over TLS."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from certificates import ACCOUNT, Certificates

from surroundings import ROOT

# Known to everybody: the account of every Azurite.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
# `make test-azure` installs it there.
SCRIPT = Path(os.environ.get("EARMARK_AZURITE", ROOT / ".azurite/node_modules/azurite/dist/src/blob/main.js"))
_PATIENCE = 60.0  # seconds for it to listen
_LISTENS = re.compile(r"successfully listens on https://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class Azurite:
    """A running one.

    Parameters
    ----------
    port
        Of 127.0.0.1.
    certificates
        By which it proves itself.
    """

    port: int
    certificates: Certificates

    @property
    def endpoint(self) -> str:
        """The account's address, with the account in its path."""
        return f"https://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def suffix(self) -> str:
        """What stands after ``ACCOUNT.blob.`` in the account's address as Azure writes it; see `names`."""
        return f"core.localhost:{self.port}"

    @property
    def connection_string(self) -> str:
        """What users copy from the portal."""
        return self.connection_string_with(KEY)

    def connection_string_with(self, key: str, endpoint: str | None = None) -> str:
        """Return a connection string with another key, or by way of another address."""
        return (
            f"DefaultEndpointsProtocol=https;AccountName={ACCOUNT};AccountKey={key};"
            f"BlobEndpoint={endpoint or self.endpoint};"
        )

    @property
    def environment(self) -> dict[str, str]:
        """What a process must know to use it."""
        return {
            **self.certificates.environment,
            "AZURE_STORAGE_CONNECTION_STRING": self.connection_string,
        }


def missing() -> str:
    """Say what is missing for an Azurite to run; empty when nothing is."""
    if shutil.which("node") is None:
        return "no Node.js on this machine, which Azurite runs on"
    return "" if SCRIPT.is_file() else f"no Azurite at {SCRIPT}. Type: make test-azure"


@contextmanager
def running(certificates: Certificates, folder: Path) -> Iterator[Azurite]:
    """Start one on a port of its choice; it keeps all in memory, and is gone at the end."""
    node = shutil.which("node")
    assert node is not None, missing()
    log = folder / "azurite.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                node, SCRIPT, "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--silent",
                "--disableTelemetry", "--skipApiVersionCheck", "--oauth", "basic",
                "--cert", certificates.certificate, "--key", certificates.key,
            ],
            cwd=folder, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        yield Azurite(_port(process, log), certificates)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    until = time.monotonic() + _PATIENCE
    pause = threading.Event()
    while time.monotonic() < until and process.poll() is None:
        if found := _LISTENS.search(log.read_text(errors="replace")):
            return int(found[1])
        pause.wait(0.05)
    raise AssertionError(f"Azurite does not listen: {log.read_text(errors='replace')[-2_000:]}")
