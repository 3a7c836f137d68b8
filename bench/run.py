"""``python bench/run.py``: measures every claim on speed and writes ``bench/results.md`` and its picture.

``run.py frontend`` measures one and prints it; ``--quick`` is a smoke test of the benchmarks, its figures mean nothing.
Each benchmark runs in a process of its own, with BLAS held to one thread before NumPy loads. Exit status 1 when a bar
was not met.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import header
from plot import drawing
from table import Section

HERE = Path(__file__).parent
BENCHMARKS = (
    "frontend",
    "breakdown",
    "features",
    "formats",
    "engine",
    "doctor",
    "stores",
    "cluster",
    "training",
    "coldstart",
    "serve",
    "export",
)
_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# Crutches for old OpenBLAS builds, set on some machines: they keep a current one from its best kernels.
_FREED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "benchmarks", nargs="*", metavar="BENCHMARK", help=f"of {', '.join(BENCHMARKS)}; default all"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="smoke test: tiny sizes, nothing written, a missed bar is no failure",
    )
    parser.add_argument("--out", type=Path, help="where the table goes; bench/results.md after a whole run")
    options = parser.parse_args()
    # A quick run leaves out the cluster, which takes its time to start; tests break one of their own.
    chosen = options.benchmarks or [name for name in BENCHMARKS if name != "cluster" or not options.quick]
    if unknown := sorted(set(chosen) - set(BENCHMARKS)):
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
    about = header()
    sections = [_measure(name, options.quick) for name in chosen]
    whole = not options.benchmarks and not options.quick
    out = options.out or (HERE / "results.md" if whole else None)
    text = _document(about, sections, options.quick, f"{out.stem}.svg" if out else None)
    if out:
        out.write_text(text, encoding="utf-8")
        out.with_suffix(".svg").write_text(drawing(sections), encoding="utf-8")
    print(text)
    return int(not options.quick and not all(row.met for section in sections for row in section.rows))


def _measure(name: str, quick: bool) -> Section:
    environment = {k: v for k, v in os.environ.items() if k not in _FREED}
    environment.update(dict.fromkeys(_ONE_THREAD, "1"))
    print(f"{name} …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, str(HERE / "child.py"), name, str(result), *(["--quick"] if quick else [])]
        # Nothing but the table on standard output.
        subprocess.run(command, check=True, env=environment, stdout=sys.stderr)
        return Section.from_dict(json.loads(result.read_text()))


def _document(about: list[str], sections: list[Section], quick: bool, picture: str | None) -> str:
    warning = ["**A smoke test on tiny sizes: these figures mean nothing.**", ""] if quick else []
    how = (
        "Made by `make bench`. Every figure is the median over interleaved rounds of one run; a ratio is the median "
        "of the rounds' ratios. OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE are unset for all contenders."
    )
    shown = [f"![How many times as fast as others]({picture})", ""] if picture else []
    return "\n".join(
        ["# Benchmarks", "", *warning, how, "", *about, "", *shown, *(s.markdown() for s in sections)]
    )


if __name__ == "__main__":
    sys.exit(main())
