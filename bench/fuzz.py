"""``python bench/fuzz.py``: damaged sound files through the decoders, in the worker processes that everything runs in.

Real files (``EARMARK_TEST_DATA``), or made-up ones of many formats, are cut off, have bits flipped, parts swapped with
those of another file, or another file's header; from a fixed seed. Each must be read, or be refused in a sentence
within 20 s, and cost no other file anything. Exit status 1 when one is lost or refused in any other way.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from damage import ENDINGS, damaged, look, sources
from earmark.engine import Local, Lost, each

SECONDS = "20"  # that a file may take


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ["EARMARK_CLIP_SECONDS"] = SECONDS
    rng = random.Random(options.seed)
    files = sources(Path(os.environ.get("EARMARK_TEST_DATA", "no such folder")))
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        paths = []
        for i in range(options.files):
            path = Path(name) / f"{i:05}{rng.choice(sorted(ENDINGS))}"
            path.write_bytes(damaged(files, rng))
            paths.append(str(path))
        for path, outcome in zip(paths, each(Local(), look, paths), strict=True):
            lost = isinstance(outcome, Lost)
            found[f"lost: {outcome.reason}" if lost else outcome] += 1
            if lost or "unt" in outcome or " and " in outcome:
                print(f"{Path(path).name}: {outcome}", file=sys.stderr)
    print(f"{options.files} files damaged from {len(files)}, seed {options.seed}")
    for outcome, n in found.most_common():
        print(f"{n:6}  {outcome}")
    return int(any(outcome.startswith("lost") or "unt" in outcome or " and " in outcome for outcome in found))


if __name__ == "__main__":
    sys.exit(main())
