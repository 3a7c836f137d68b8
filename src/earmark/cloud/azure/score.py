"""What Azure ML uploads and runs behind an endpoint: its server calls `init` once, and `run` for each request."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from azureml_inference_server_http.api.aml_request import rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse

from earmark.cloud.azure.scoring import Scorer

_scorer: Scorer


def init() -> None:
    """Read the model and run its self-test; what is wrong with it ends the server, and stands in its log."""
    global _scorer
    _scorer = Scorer.open(Path(os.environ["AZUREML_MODEL_DIR"]))


@rawhttp  # type: ignore[untyped-decorator, unused-ignore]
def run(request: Any) -> AMLResponse:
    """Answer one request."""
    status, headers, body = _scorer.answer(request)
    return AMLResponse(body, status, headers)
