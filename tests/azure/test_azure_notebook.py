"""The notebook with `EARMARK_ON_AZURE` set: the training is a job, and all other cells stay as they are."""

from __future__ import annotations

import os

import pytest

from surroundings import ROOT, installed
from test_notebook import executed

pytestmark = pytest.mark.skipif(
    not all(map(installed, ("azure.ai.ml", "nbclient", "ipykernel"))), reason="type: make test-azure"
)


def test_the_training_is_a_job(standin, names, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(names), str(ROOT / "src"))))
    shown = executed(
        tmp_path, **standin.environment, EARMARK_DATA="none-here", EARMARK_ON_AZURE="sounds-ws",
        AZURE_CONFIG_DIR="/nowhere", EARMARK_EPOCHS="5",
    )  # fmt: skip
    text = "\n".join(shown)
    assert shown[0] == "earmark-demo, trained in the workspace sounds-ws\n"
    assert "Data      azureml:earmark-demo:1" in text
    assert " is completed." in text
    assert "and heard as" in shown[-1]
    assert (tmp_path / "azure" / "config.json").is_file()
