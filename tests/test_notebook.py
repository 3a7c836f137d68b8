"""The notebook that goes through all of it: run as it is, cell by cell, on the demo's sounds."""

from __future__ import annotations

import json
import os

import pytest

from surroundings import ROOT, installed

NOTEBOOK = ROOT / "examples" / "azure_audio_classification.ipynb"

pytestmark = pytest.mark.skipif(
    not all(map(installed, ("nbclient", "ipykernel", "pandas"))), reason="no nbclient, ipykernel or pandas"
)


def executed(folder, **environment: str) -> list[str]:
    """Run the notebook in a folder; return what each cell of code shows, as text."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}})
    source = os.pathsep.join(part for part in (str(ROOT / "src"), os.environ.get("PYTHONPATH", "")) if part)
    client.execute(
        env={
            **os.environ,
            "PYTHONPATH": source,
            "EARMARK_EPOCHS": "30",
            "JUPYTER_PLATFORM_DIRS": "1",
            **environment,
        }
    )
    return ["".join(map(_text, cell.outputs)) for cell in notebook.cells if cell.cell_type == "code"]


def _text(output) -> str:
    return output.get("text") or output.get("data", {}).get("text/plain", "")


@pytest.mark.slow
def test_it_runs_here(tmp_path):
    shown = executed(tmp_path, EARMARK_DATA="none-here")
    text = "\n".join(shown)
    assert shown[0] == "earmark-demo, trained here\n"
    assert "280 clips, 70 recordings, layout table" in text
    assert "test clips with a recording in training" in text
    assert "With 95% certainty the accuracy on new recordings is between 0." in text
    assert " is labelled " in shown[-1]
    reports = [json.loads(file.read_text()) for file in sorted((tmp_path / "runs").glob("*/report.json"))]
    assert len(reports) == 2, "one evaluation, one training"
    assert (tmp_path / "recipe.toml").is_file()


def test_no_output_and_no_path_is_kept_in_it():
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    assert "/home/" not in NOTEBOOK.read_text(encoding="utf-8")
