"""score.py under the real azmlinfsrv: what an endpoint answers is what `earmark predict` says."""

from __future__ import annotations

import base64
import http.client
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scoring_server import BOOT_FAILED, PYTHON, WHY_NOT, Answer, Server, serving, start, stop, wait

import earmark.cloud.azure as room
from earmark.bundle import read_bundle, write_bundle

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason=WHY_NOT)

SCRIPT = Path(room.__file__).parent / "score.py"
RATE = 16_000
ADVICE = (
    'Send a sound file as the body; or several as multipart/form-data; or JSON, {"audio": BASE64} or'
    ' {"input_data": {"columns": ["audio"], "data": [[BASE64]]}}.'
)


@pytest.fixture(scope="module")
def model_folder(tone_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registered model as Azure ML lays it out."""
    folder = tmp_path_factory.mktemp("azureml-models") / "tones" / "1"
    folder.mkdir(parents=True)
    shutil.copyfile(tone_model, folder / "tones.earmark")
    return folder.parent.parent


@pytest.fixture(scope="module")
def server(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("code")
    shutil.copyfile(SCRIPT, folder / "score.py")  # alone, as it is uploaded
    limits = {"EARMARK_SCORE_BODY": "1", "EARMARK_SCORE_SECONDS": "20", "EARMARK_SCORE_FILES": "3"}
    with serving(folder / "score.py", model_folder, folder / "log", limits) as running:
        yield running


def sound(kind: str = "WAV", seconds: float = 0.5, channels: int = 1, **more: Any) -> bytes:
    t = np.arange(int(seconds * RATE)) / RATE
    samples = 0.3 * np.sin(2 * np.pi * 2_050 * t)
    file = BytesIO()
    soundfile.write(file, np.stack([samples] * channels, axis=1), RATE, format=kind, **more)
    return file.getvalue()


def told(answer: Answer) -> dict[str, Any]:
    found = json.loads(answer.body)
    assert answer.headers["Content-Type"] == "application/problem+json", answer
    assert found["status"] == answer.status
    return found


def form(parts: dict[str, bytes]) -> tuple[bytes, str]:
    lines = [
        f'--xx\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for name, data in parts.items()
    ]
    return b"".join(lines) + b"--xx--\r\n", "multipart/form-data; boundary=xx"


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "AU"])
def test_scores_are_those_of_predict(kind, server, tone_model, tmp_path, earmark: Callable[..., Any]):
    path = tmp_path / f"clip.{kind.lower()}"
    path.write_bytes(sound(kind))
    here = json.loads(earmark("predict", tone_model, path, "--format", "json").stdout)
    answer = server.post(path.read_bytes(), f"audio/{kind.lower()}")
    assert answer.status == 200, answer
    there = json.loads(answer.body)
    assert len(there) == len(here) == 1
    assert there[0].pop("path") == "-"
    assert here[0].pop("path") == str(path)
    scores = here[0].pop("scores"), there[0].pop("scores")
    assert max(abs(scores[0][label] - scores[1][label]) for label in scores[0]) < 1e-6
    assert there[0].pop("score") == pytest.approx(here[0].pop("score"), abs=1e-6)
    assert there[0].pop("familiarity") == pytest.approx(here[0].pop("familiarity"), abs=1e-6)
    assert there[0] == here[0]


def test_of_what_is_long_the_events_are_told_as_predict_does(server, tone_model, tmp_path, earmark):
    path = tmp_path / "long.wav"
    path.write_bytes(sound(seconds=3))
    here = json.loads(earmark("predict", tone_model, path, "--format", "json").stdout)
    there = json.loads(server.post(path.read_bytes()).body)
    assert [event["label"] for event in there] == [event["label"] for event in here] == ["whistle"]
    for mine, yours in zip(here, there, strict=True):
        assert (yours["start"], yours["end"]) == pytest.approx((mine["start"], mine["end"]))
        assert yours["score"] == pytest.approx(mine["score"], abs=1e-6)


def test_every_way_of_sending_gives_the_same(server):
    data = sound()
    text = base64.b64encode(data).decode()
    ways: dict[str, tuple[Any, str | None]] = {
        "raw": (data, "audio/wav"),
        "bytes": (data, "application/octet-stream"),
        "curl": (data, "application/x-www-form-urlencoded"),
        "untold": (data, None),
        "form": form({"a.wav": data}),
        "json": ({"audio": text}, "application/json"),
        "lines": (
            {"audio": "\n".join(text[i : i + 76] for i in range(0, len(text), 76))},
            "application/json",
        ),
        "rows": ([{"audio": text}], "application/json"),
        "mlflow": (
            {"input_data": {"columns": ["audio"], "index": [0], "data": [[text]]}},
            "application/json; charset=utf-8",
        ),
        "mlflow rows": ({"input_data": [{"audio": text}]}, "application/json"),
        "mlflow split": ({"dataframe_split": {"columns": ["audio"], "data": [[text]]}}, "application/json"),
        "mlflow records": ({"dataframe_records": [{"audio": text}]}, "application/json"),
    }
    found = {}
    for name, (body, kind) in ways.items():
        answer = server.post(body if isinstance(body, bytes) else json.dumps(body).encode(), kind)
        assert answer.status == 200, (name, answer)
        found[name] = [{**record, "path": ""} for record in json.loads(answer.body)]
    assert all(records == found["raw"] for records in found.values())


def test_several_at_once_one_of_them_broken(server):
    answer = server.post(*form({"a.wav": sound(), "b.wav": b"RIFF and no more", "über.flac": sound("FLAC")}))
    assert answer.status == 200
    records = json.loads(answer.body)
    assert [record["path"] for record in records] == ["a.wav", "b.wav", "über.flac"]
    assert set(records[1]) == {"path", "error"}
    assert records[0]["label"] == records[2]["label"] == "whistle"


@pytest.mark.parametrize(
    ("body", "kind", "status", "detail"),
    [
        (b"", "audio/wav", 422, f"No sound came. {ADVICE}"),
        (b"", "application/json", 422, f"No sound came. {ADVICE}"),
        (b"{", "application/json", 415, None),
        (b"[" * 100_000, "application/json", 415, f"The body is no valid JSON: it is nested too deeply. {ADVICE}"),
        (b"7", "application/json", 415, f"The JSON does not say which sound is meant. {ADVICE}"),
        (b"{}", "application/json", 415, f"The JSON does not say which sound is meant. {ADVICE}"),
        (b"[1, 2]", "application/json", 415, f"The JSON does not say which sound is meant. {ADVICE}"),
        (
            b'{"input_data": {"columns": ["sound"], "data": [["x"]]}}', "application/json", 415,
            f"The table needs a column 'audio', and each row a value a column. {ADVICE}",
        ),
        (
            b'{"audio": "\xc3\xa4"}', "application/json", 422,
            "'audio' is not base64. Send it as WAV or FLAC.",
        ),
        (
            b'{"audio": 7}', "application/json", 422,
            "'audio' is missing, the bytes of a sound file as base64. Send it as WAV or FLAC.",
        ),
        (
            b'{"audio": "", "path": "a.wav"}', "application/json", 422,
            "a.wav: 'audio' is missing, the bytes of a sound file as base64. Send it as WAV or FLAC.",
        ),
        (
            json.dumps([{"audio": ""}] * 4).encode(), "application/json", 413,
            "More than 3 files in one request. Send them in several.",
        ),
        (b"x" * (2**20 + 1), "audio/wav", 413, None),
        (b"--yy\r\n", "multipart/form-data; boundary=xx", 422, f"No sound came. {ADVICE}"),
    ],
)  # fmt: skip
def test_garbage_is_refused_with_a_sentence(body, kind, status, detail, server):
    answer = server.post(body, kind)
    found = told(answer)
    assert answer.status == status
    assert found["detail"] == detail or (detail is None and found["detail"].endswith("."))


def test_noise_and_what_is_too_long_are_refused(server):
    noise = np.random.default_rng(0).bytes(50_000)
    found = told(server.post(noise))
    assert found["status"] == 422
    assert found["errors"][0]["path"] == "-"
    long = told(server.post(sound("FLAC", 21.0)))
    assert (long["status"], long["type"]) == (422, "urn:earmark:problem:too-long")
    assert long["detail"].endswith("Send a part of the recording.")
    got = told(server.post(b"", None, method="GET"))
    assert (got["status"], got["detail"]) == (405, f"/score takes POST, not GET. {ADVICE}")
    assert told(server.post(b"x", "audio/wav", **{"Content-Encoding": "gzip"}))["detail"] == (
        "The body is sent as 'gzip'. Send it as it is, not compressed."
    )
    big = told(server.post(b"x" * (3 * 2**20), "audio/wav"))
    assert big["detail"] == (
        "A request may have 1 MiB, and these are 3. Send fewer files, compressed ones such as FLAC,"
        " or a part of the recording."
    )
    assert server.post(sound()).status == 200  # after all that


def chunked(server: Server, body: bytes) -> Answer:
    """Send a body whose length is not told."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        pieces = (body[i : i + 10_000] for i in range(0, len(body), 10_000))
        connection.request("POST", "/score", pieces, {"Content-Type": "audio/wav"}, encode_chunked=True)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.headers), answer.read())
    finally:
        connection.close()


def test_a_body_of_unknown_length_is_read_and_bounded(server):
    assert chunked(server, sound()).status == 200
    assert told(chunked(server, b"x" * (2**20 + 100_000)))["detail"] == (
        "A request may have 1 MiB. Send fewer files, compressed ones such as FLAC, or a part of the recording."
    )


def test_a_path_is_a_name_and_no_file_is_read_for_it(server, tmp_path):
    text = base64.b64encode(sound()).decode()
    answer = server.post(json.dumps({"audio": text, "path": "/etc/passwd"}).encode(), "application/json")
    assert json.loads(answer.body)[0]["path"] == "/etc/passwd"
    (tmp_path / "a.wav").write_bytes(sound())
    found = told(
        server.post(
            json.dumps([{"path": str(tmp_path / "a.wav"), "audio": None}]).encode(), "application/json"
        )
    )
    assert found["status"] == 422


def lying(model: Path, out: Path) -> None:
    """Copy a bundle with other scores promised for its test sounds."""
    bundle = read_bundle(model)
    golden = tuple(replace(each, probabilities=each.probabilities[::-1].copy()) for each in bundle.golden)
    write_bundle(out, replace(bundle, golden=golden))


@pytest.mark.parametrize("kind", ["missing", "two", "damaged", "lying"])
def test_a_model_that_cannot_be_trusted_ends_the_server(kind, tone_model, tmp_path):
    models, folder = tmp_path / "models", tmp_path / "code"
    models.mkdir(), folder.mkdir()
    words = {
        "missing": f"There is no model below {models}. The deployment needs exactly one file *.earmark.",
        "two": f"There are 2 models below {models}: a.earmark, b.earmark. The deployment needs exactly one file",
        "damaged": "a.earmark is not an Earmark model, or only part of one",
        "lying": "The model's self-test failed: test sound 0 gives probabilities that differ by",
    }[kind]
    if kind == "two":
        shutil.copyfile(tone_model, models / "a.earmark")
        shutil.copyfile(tone_model, models / "b.earmark")
    elif kind == "damaged":
        (models / "a.earmark").write_bytes(b"PK and nothing more")
    elif kind == "lying":
        lying(tone_model, models / "a.earmark")
    shutil.copyfile(SCRIPT, folder / "score.py")
    server = start(folder / "score.py", models, tmp_path / "log")
    try:
        assert not wait(server)
        assert server.process.wait(30) == BOOT_FAILED
        assert words in server.words()
    finally:
        stop(server)
