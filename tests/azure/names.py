"""Names below localhost, such as ACCOUNT.blob.core.localhost: not every system's resolver leads them here."""

from __future__ import annotations

from pathlib import Path

_MODULE = '''\
"""Python runs this first: every name below localhost leads to this machine."""

import socket

_asked = socket.getaddrinfo


def _answered(host, *arguments, **options):
    name = host.decode() if isinstance(host, bytes) else host
    return _asked("127.0.0.1" if name and name.endswith(".localhost") else host, *arguments, **options)


socket.getaddrinfo = _answered
'''


def write_names(folder: Path) -> Path:
    """Write what a process must have on its PYTHONPATH for such names to lead here; return the folder."""
    (folder / "sitecustomize.py").write_text(_MODULE)
    return folder
