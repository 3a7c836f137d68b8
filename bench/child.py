"""``python bench/child.py NAME RESULT.json [--quick]``: one benchmark in a process of its own."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from machine import kernels


def main(name: str, result: Path, quick: bool) -> None:
    section = importlib.import_module(name).measure(quick)
    if loaded := kernels():
        section.notes.append(f"Libraries at work: {loaded}.")
    result.write_text(json.dumps(section.to_dict()))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), "--quick" in sys.argv[3:])
