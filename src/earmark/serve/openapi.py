"""The OpenAPI document of one model's server, with examples from its own labels."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from earmark.audio.stream import ENCODINGS
from earmark.bundle import Bundle
from earmark.serve.how import NUMBERS
from earmark.serve.problems import KINDS, MEDIA, ProblemError
from earmark.serve.settings import Settings

_NUMBER: dict[str, Any] = {"type": "number"}
_TEXT: dict[str, Any] = {"type": "string"}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}
_BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
_EXAMPLES = {
    "bad-request": "This is not an HTTP/1.1 request that can be read.",
    "no-token": "Send the header Authorization: Bearer TOKEN; none came.",
    "too-slow": "1,024 bytes came in 30 s, and then too little. Send it again.",
    "too-large": "A request may have 64 MiB. Send fewer files, or compressed ones.",
    "wrong-type": "The body is sent as 'gzip'. Send it as it is, not compressed.",
    "not-sound": "notes.txt: not readable as sound (format not recognised). Send it as WAV or FLAC.",
    "wrong-host": "The header Host names 'example.org', but without a token only this machine is answered.",
    "not-found": "There is no /v2. GET /openapi.json tells what there is.",
    "wrong-method": "/v1/predict takes POST, not GET.",
    "wrong-value": "There is no parameter 'window' here. There are none.",
    "failed": "This is a mistake of the server, and in its log.",
    "busy": "64 requests wait already, and no more may. Send it again in a second.",
}


def openapi(bundle: Bundle, settings: Settings) -> dict[str, Any]:
    """Return the document of ``GET /openapi.json``."""
    secured: list[dict[str, list[str]]] = [{"token": []}] if settings.token else []
    paths = {
        "/v1/predict": {"post": _predict(bundle, settings)},
        "/v1/events": {"post": _events(bundle, settings)},
        "/v1/stream": {"get": _stream(bundle)},
        "/v1/model": {"get": _get("What the model is", _json("Model"), "no-token", "wrong-host")},
        "/openapi.json": {
            "get": _get("This document", {"schema": {"type": "object"}}, "no-token", "wrong-host")
        },
        "/metrics": {"get": _metrics()},
        "/healthz": {"get": _open(_get("Whether the process is alive", _json("Status")))},
        "/readyz": {"get": _open(_get("Whether a request would be answered now", _json("Status"), "busy"))},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Earmark",
            "version": metadata.version("earmark"),
            "summary": f"Tells {', '.join(bundle.labels[:8])}{' and others' if len(bundle.labels) > 8 else ''} by ear.",
        },
        "paths": paths,
        "security": secured,
        "components": {
            "schemas": _schemas(bundle),
            "responses": {kind: _problem(kind) for kind in _EXAMPLES},
            **(
                {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}} if settings.token else {}
            ),
        },
    }


def _predict(bundle: Bundle, settings: Settings) -> dict[str, Any]:
    return {
        "operationId": "predict",
        "summary": "What is heard in one file or several",
        "description": (
            "The body is a sound file, of any format that is read (WAV, FLAC, Ogg, MP3, AIFF and others), or a form of"
            f" several. At most {settings.body} MiB and {settings.files} files, each of at most {settings.seconds:g} s"
            " of sound. A single file that cannot be used is a problem; of several, each has its record or its error."
        ),
        "requestBody": _sound(),
        "responses": {
            "200": {
                "description": "A record for each file, in the order in which they came.",
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "array",
                            "items": {"anyOf": [_ref("Prediction"), _ref("Unusable")]},
                        },
                        "examples": {"one": {"value": [_example(bundle)]}},
                    }
                },
            },
            **_problems(
                "bad-request",
                "no-token",
                "wrong-host",
                "too-slow",
                "too-large",
                "wrong-type",
                "not-sound",
                "busy",
            ),
        },
    }


def _events(bundle: Bundle, settings: Settings) -> dict[str, Any]:
    predict = _predict(bundle, settings)
    example = {
        "path": "dawn.flac",
        "seconds": 60.0,
        "events": [{**_example(bundle), "path": "dawn.flac", "end": 2.5}],
    }
    answer = {
        "description": "What is heard in each file, from when to when.",
        "content": {
            "application/json": {
                "schema": {"type": "array", "items": {"anyOf": [_ref("Recording"), _ref("Unusable")]}},
                "examples": {"one": {"value": [example]}},
            }
        },
    }
    return {
        **predict,
        "operationId": "events",
        "summary": "What is heard in a recording, from when to when",
        "parameters": _parameters(NUMBERS),
        "responses": {**predict["responses"], "200": answer},
    }


def _stream(bundle: Bundle) -> dict[str, Any]:
    more = {
        "rate": f"Hz; {bundle.feature.sample_rate} where it is left out.",
        "channels": "How many, interleaved; 1 where it is left out.",
    }
    encoding = {
        "name": "encoding",
        "in": "query",
        "description": "Of the samples.",
        "schema": {"type": "string", "enum": list(ENCODINGS), "default": "s16le"},
    }
    upgrade = {
        "description": "A WebSocket: binary messages of samples in, JSON messages out; the text end ends it."
    }
    return {
        "operationId": "stream",
        "summary": "What is heard while it is heard (a WebSocket)",
        "parameters": [*_parameters({**more, **NUMBERS}), encoding],
        "responses": {"101": upgrade, **_problems("bad-request", "no-token", "wrong-host", "not-found")},
    }


def _parameters(told: dict[str, str]) -> list[dict[str, Any]]:
    whole = ("median", "rate", "channels")
    return [
        {
            "name": name,
            "in": "query",
            "description": description,
            "schema": {"type": "integer" if name in whole else "number"},
        }
        for name, description in told.items()
    ]


def _sound() -> dict[str, Any]:
    form = {
        "schema": {
            "type": "object",
            "properties": {"file": {"type": "array", "items": _BINARY, "minItems": 1}},
            "required": ["file"],
        }
    }
    raw = {"schema": _BINARY}
    return {
        "required": True,
        "content": {"application/octet-stream": raw, "audio/*": raw, "multipart/form-data": form},
    }


def _get(summary: str, content: dict[str, Any], *kinds: str) -> dict[str, Any]:
    answer = {"description": f"{summary}.", "content": {"application/json": content}}
    return {"summary": summary, "responses": {"200": answer, **_problems("bad-request", *kinds)}}


def _metrics() -> dict[str, Any]:
    told = _get("Counters for Prometheus", {}, "no-token", "wrong-host")
    told["responses"]["200"]["content"] = {"text/plain": {"schema": _TEXT}}
    return told


def _open(operation: dict[str, Any]) -> dict[str, Any]:
    return {**operation, "security": []}


def _problems(*kinds: str) -> dict[str, Any]:
    return {
        str(KINDS[kind][0]): {"$ref": f"#/components/responses/{kind}"}
        for kind in (*kinds, "wrong-value", "failed")
        if kind != "wrong-value" or "not-sound" not in kinds
    }


def _problem(kind: str) -> dict[str, Any]:
    problem = ProblemError(kind, _EXAMPLES[kind])
    told: dict[str, Any] = {
        "description": f"{problem.title}.",
        "content": {MEDIA: {"schema": _ref("Problem"), "example": problem.to_dict()}},
    }
    if problem.headers:
        told["headers"] = {name: {"schema": _TEXT} for name in problem.headers}
    return told


def _schemas(bundle: Bundle) -> dict[str, Any]:
    labels = {"type": "string", "enum": list(bundle.labels)}
    scores = {
        "type": "object",
        "properties": {label: {"type": "number", "minimum": 0, "maximum": 1} for label in bundle.labels},
        "required": list(bundle.labels),
    }
    return {
        "Prediction": _object(
            path=_TEXT | {"description": "The file as the client called it; - for a body without a name."},
            start=_NUMBER,
            end=_NUMBER,
            label={"anyOf": [labels, {"type": "null"}], "description": "null: unknown."},
            score=_NUMBER,
            scores=scores,
            possible={"type": "array", "items": labels},
            why=_TEXT | {"description": "Why there is no answer; empty where there is one."},
            familiarity={"type": ["number", "null"]},
            notes=_TEXTS,
            labels={"type": "array", "items": labels},
        ),
        "Recording": _object(
            path=_TEXT, seconds=_NUMBER, events={"type": "array", "items": _ref("Prediction")}
        ),
        "Unusable": _object(path=_TEXT, error=_TEXT),
        "Model": _object(
            name=_TEXT,
            labels=_TEXTS,
            exclusive={"type": "boolean"},
            sample_rate={"type": "integer"},
            networks={"type": "array", "items": {"type": "object"}},
            sha256=_TEXT,
            trained={"type": "object"},
            earmark=_TEXT,
            limits={"type": "object"},
        ),
        "Status": _object(status={"type": "string", "enum": ["alive", "ready"]}),
        "Problem": _object(type=_TEXT, title=_TEXT, status={"type": "integer"}, detail=_TEXT),
    }


def _example(bundle: Bundle) -> dict[str, Any]:
    first, *others = bundle.labels
    share = 0.06 / max(1, len(others))
    return {
        "path": "recording.wav",
        "start": 0.0,
        "end": 4.0,
        "label": first,
        "score": 0.94,
        "scores": {first: 0.94, **dict.fromkeys(others, round(share, 4))},
        "possible": [first],
        "why": "",
        "familiarity": 0.61,
        "notes": [],
        "labels": [first],
    }


def _json(schema: str) -> dict[str, Any]:
    return {"schema": _ref(schema)}


def _ref(schema: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{schema}"}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
