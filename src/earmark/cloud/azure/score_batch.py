"""What Azure ML uploads and runs for a batch endpoint: `init` once a process, `run` for each part of the files."""

from __future__ import annotations

import os
from pathlib import Path

from earmark.cloud.azure.rows import Rows

_rows: Rows


def init() -> None:
    """Read the model and run its self-test; what is wrong with it ends the job, and stands in its log."""
    global _rows
    _rows = Rows.open(Path(os.environ["AZUREML_MODEL_DIR"]), Path(os.environ["AZUREML_BI_OUTPUT_PATH"]))


def run(mini_batch: list[str]) -> list[str]:
    """Write what is heard in some files; return those that could be heard, which Azure ML counts."""
    return _rows.write(mini_batch)
