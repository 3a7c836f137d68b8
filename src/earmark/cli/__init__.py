"""The command line: parse, call, print. Machine output on stdout, everything for people on stderr."""

from __future__ import annotations

from earmark.cli.app import main

__all__ = ["main"]
