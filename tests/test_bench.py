"""The benchmarks run, and tell what they measured."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from surroundings import ROOT


@pytest.fixture
def bench(monkeypatch):
    """The modules that make the table and the picture."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import ladder
    import plot
    import table

    return SimpleNamespace(ladder=ladder, plot=plot, table=table)


def test_a_section_survives_its_trip_between_processes(bench):
    row = bench.table.Row("a ÷ b", "CPU time, ratio", [2.0, 3.0, 4.0], at_least=2.5)
    section = bench.table.Section("Title", ["A note."], [row], [("Step", "ms"), ("read", "0.1")])
    again = bench.table.Section.from_dict(json.loads(json.dumps(section.to_dict())))
    assert again == section
    assert section.markdown() == (
        "## Title\n\n- A note.\n\n"
        "| What | Figure | Median | Min–max | Against the reference | Bar |\n| --- | --- | --: | --: | --: | --- |\n"
        "| a ÷ b | CPU time, ratio | 3.00 | 2.00–4.00 |  | ≥ 2.5: met |\n\n"
        "| Step | ms |\n| --- | --: |\n| read | 0.1 |\n"
    )


def test_the_picture_shows_each_ratio_that_has_a_bar(bench):
    row = bench.table.Row
    rows = [
        row("others < & > ÷ ours", "mixed: CPU time, ratio", [3.0], at_least=2),
        row("a very long name " * 9, "CPU time, ratio", [1.5], at_least=2),
        row("ours", "CPU, ms a clip", [77.0]),
    ]
    sections = [bench.table.Section("One", [], rows), bench.table.Section("Nothing to show", [], rows[2:])]
    picture = ElementTree.fromstring(bench.plot.drawing(sections))
    texts = [node.text for node in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert "mixed: others < & > ÷ ours" in texts
    assert {"3.00 ×", "1.50 ×"} <= set(texts)
    assert "Nothing to show" not in texts
    assert not any("77" in text for text in texts)
    assert ElementTree.fromstring(bench.plot.drawing([])).tag.endswith("svg")


@pytest.mark.slow
def test_a_quick_run_measures_everything():
    done = subprocess.run(
        [sys.executable, "bench/run.py", "--quick"], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    for title in (
        "Front end",
        "Breakdown of one clip",
        "Features",
        "Formats",
        "Every core, and the store",
        "The data doctor",
        "Formats of the feature store",
        "Training",
        "Cold start",
        "Serving",
        "Front end in an exported graph",
    ):
        assert f"## {title}" in done.stdout
    assert done.stdout.count("≥ ") + done.stdout.count("≤ ") >= 7


def test_the_committed_results_meet_every_bar():
    results = (ROOT / "bench" / "results.md").read_text()
    assert results.count(": met |") >= 8
    assert "not met" not in results


@pytest.mark.data
@pytest.mark.slow
def test_a_tenth_of_the_ladder(bench, data_root, yamnet_file, tmp_path, monkeypatch):
    """Every rung and both blends on one fold of real clips, and under each degradation: better than chance."""
    for name in ("EARMARK_ENCODERS", "EARMARK_STORE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    arguments = [data_root, yamnet_file.parent.parent, "--tenth", "--only", "esc10", "--folder", tmp_path]
    done = subprocess.run(
        [sys.executable, "bench/ladder.py", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True,
        timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "tenth" / "esc10-0.json").read_text())
    assert all(0.15 < folds[0] <= 1 for folds in found["scores"].values())
    assert found["scores"]["encoder:yamnet"][0] > 0.9
    lines = bench.ladder.report({name: [found] for name in bench.ladder.DATA}, {"cnn": (1.0, 2.0)})
    assert sum(line.startswith("| blend with yamnet |") for line in lines) == 3
