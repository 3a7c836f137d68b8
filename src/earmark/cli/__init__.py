"""The command line: parse, call, print. Machine output on stdout, everything for people on stderr."""

from __future__ import annotations

from earmark.cli.app import app
from earmark.cli.frame import start

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line."""
    start()
