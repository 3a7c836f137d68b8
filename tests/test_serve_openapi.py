"""The OpenAPI document is right: schemathesis asks what it describes, and the answers are as it says."""

from __future__ import annotations

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from earmark.bundle import read_bundle
from earmark.serve import Settings
from earmark.serve.openapi import openapi
from serving import serving

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance, unsupported_method,
]  # fmt: skip
TOKEN = "a-token-of-many-characters"


@pytest.fixture(scope="module")
def server(tone_model):
    with serving(tone_model, "--workers", 1, "--body", 1) as found:
        yield found


@pytest.fixture(scope="module")
def document(server):
    return server.ask("GET", "/openapi.json").json


def operations(document):
    return [
        (path, method)
        for path, methods in document["paths"].items()
        for method in methods
        if path != "/v1/stream"  # a WebSocket
    ]


def test_every_route_is_described(document, tone_model):
    assert set(document["paths"]) == {
        "/v1/predict", "/v1/events", "/v1/stream", "/v1/model", "/healthz", "/readyz", "/metrics", "/openapi.json",
    }  # fmt: skip
    secured = openapi(read_bundle(tone_model), Settings(token=TOKEN))
    assert secured["security"] == [{"token": []}]
    assert secured["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_the_answers_are_as_described(server, document):
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=f"http://127.0.0.1:{server.port}")
    asked = []
    for path, method in operations(document):
        operation = schema[path][method.upper()]

        @settings(
            max_examples=15,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case):
            case.call_and_validate(checks=CHECKS)
            asked.append(case.path)

        ask()
    assert len(set(asked)) == len(operations(document))


def test_the_examples_are_as_described(document, server, tone_set):
    for path in ("/v1/predict", "/v1/events"):
        answer = document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]
        (example,) = answer["examples"]["one"]["value"]
        sound = (tone_set / "whistle_whistle1_0.wav").read_bytes()
        query = "?window=0.5" if path == "/v1/events" else ""
        (real,) = json.loads(server.ask("POST", path + query, sound).body)
        assert example.keys() == real.keys()
