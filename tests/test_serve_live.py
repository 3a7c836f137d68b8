"""Events of recordings and of live sound over HTTP are those of the command line."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress

import numpy as np
import pytest
import soundfile
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from earmark.serve.how import NUMBERS
from serving import serving, until

HOW = "window=0.5&hop=0.25"


@pytest.fixture(scope="module")
def server(tone_model):
    with serving(tone_model, "--workers", 2, "--streams", 2, "--patience", 5) as found:
        yield found


@pytest.fixture(scope="module")
def recording():
    """Two seconds of silence, of a whistle, of silence and of a hum: float32 at 16 kHz."""
    t = np.arange(32_000) / 16_000
    rng = np.random.default_rng(0)
    quiet = 0.001 * rng.standard_normal(len(t))
    whistle, hum = (
        0.4 * np.sin(2 * np.pi * f * t) + 0.02 * rng.standard_normal(len(t)) for f in (2_000, 110)
    )
    return np.concatenate([quiet, whistle, quiet, hum]).astype(np.float32)


@pytest.fixture(scope="module")
def wav(recording, tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "a.wav"
    soundfile.write(path, recording, 16_000, subtype="PCM_16")
    return path


def listen(server, data, query, pieces=3_001, end="end"):
    """Send samples in odd pieces; return the messages that come."""
    with connect(f"ws://127.0.0.1:{server.port}/v1/stream?{query}", open_timeout=30) as socket:
        for at in range(0, len(data), pieces):
            socket.send(data[at : at + pieces])
        socket.send(end)
        told = []
        with suppress(ConnectionClosed):
            while True:
                told.append(json.loads(socket.recv(timeout=30)))
        return told


def expected(earmark, tone_model, wav):
    done = earmark(
        "predict",
        tone_model,
        wav,
        "--format",
        "json",
        "--events",
        "--window",
        0.5,
        "--hop",
        0.25,
        "--progress",
        "none",
    )
    return [{**event, "path": "-"} for event in json.loads(done.stdout)]


def test_events_are_those_of_the_command_line(server, wav, earmark, tone_model):
    answer = server.ask("POST", f"/v1/events?{HOW}", wav.read_bytes())
    assert answer.status == 200, answer.body
    (told,) = answer.json
    assert (told["path"], told["seconds"]) == ("-", 8.0)
    assert told["events"] == expected(earmark, tone_model, wav)
    assert {"whistle", "hum"} <= {event["label"] for event in told["events"]}


def test_events_of_several_files(server, wav):
    told = server.form(
        ("a.wav", wav.read_bytes()), ("b.txt", b"text text text text"), path=f"/v1/events?{HOW}"
    ).json
    assert [one["path"] for one in told] == ["a.wav", "b.txt"]
    assert told[0]["events"]
    assert told[1]["error"] == "not readable as sound (format not recognised)"


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("window=a", "window is 'a', but must be a number."),
        ("median=1.5", "median is '1.5', but must be a whole number."),
        ("median=2", "median is 2, but must be an odd number from 1 to 999."),
        ("window=nan", "window is nan s, but must be from 0.05 to 3600 s."),
        ("wndow=1", f"There is no parameter 'wndow' here. There are: {', '.join(NUMBERS)}."),
    ],
)  # fmt: skip
def test_values_that_cannot_be(server, wav, query, detail):
    answer = server.ask("POST", f"/v1/events?{query}", wav.read_bytes())
    assert (answer.status, answer.json["type"]) == (422, "urn:earmark:problem:wrong-value")
    assert answer.json["detail"] == detail


def test_live_sound_has_the_events_of_its_recording(server, recording, wav, earmark, tone_model):
    samples = (np.round(recording.astype(np.float64) * 32_767)).astype("<i2").tobytes()
    written, _ = soundfile.read(wav, dtype="int16")
    samples = written.astype("<i2").tobytes()
    told = listen(server, samples, f"rate=16000&{HOW}")
    events = [{k: v for k, v in one.items() if k != "type"} for one in told if one["type"] == "event"]
    assert events == expected(earmark, tone_model, wav)
    windows = [one for one in told if one["type"] == "window"]
    assert len(windows) == 31
    assert (windows[0]["start"], windows[0]["end"], windows[-1]["end"]) == (0.0, 0.5, 8.0)
    assert any(one["labels"] == ["whistle"] for one in windows)
    assert told[-1] == {"type": "end", "seconds": 8.0}


def test_two_channels_of_floats(server, recording):
    samples = np.repeat(recording[:, None], 2, axis=1).astype("<f4").tobytes()
    told = listen(server, samples, f"rate=16000&channels=2&encoding=f32le&{HOW}", pieces=10_001)
    assert told[-1] == {"type": "end", "seconds": 8.0}


def refused(server, query):
    with pytest.raises(InvalidStatus) as caught:
        connect(f"ws://127.0.0.1:{server.port}/v1/stream?{query}", open_timeout=30)
    response = caught.value.response
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, json.loads(response.body)["detail"]


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("rate=0", "rate is 0 Hz; at most 1000000 Hz are read."),
        ("rate=much", "rate is 'much', but must be a whole number."),
        ("channels=0", "channels is 0, but must be from 1 to 64."),
        ("hop=x", "hop is 'x', but must be a number."),
    ],
)  # fmt: skip
def test_streams_that_cannot_be(server, query, detail):
    assert refused(server, query) == (422, detail)


def test_an_encoding_that_there_is_not(server):
    status, detail = refused(server, "encoding=mp3")
    assert status == 422
    assert detail.startswith("No encoding is called 'mp3'. There are: f32le, ")


def test_as_many_streams_as_are_allowed(server):
    address = f"ws://127.0.0.1:{server.port}/v1/stream?{HOW}"
    with connect(address), connect(address):
        assert refused(server, HOW) == (
            503,
            "2 streams are open, and no more may be. Connect again in a second.",
        )
    until(lambda: listen(server, b"", HOW)[-1]["type"] == "end")


def test_text_is_no_sound(server):
    (told,) = listen(server, b"", HOW, end="stop")
    assert told["problem"]["detail"] == "Send samples as binary messages, and the text 'end' after them."


def test_samples_that_are_no_numbers(server):
    told = listen(
        server, np.full(16_000, np.nan, "<f4").tobytes(), f"rate=16000&encoding=f32le&{HOW}", pieces=64_000
    )
    assert told[-1]["problem"]["detail"] == "16000 of 16000 samples are NaN or infinite."


def test_who_falls_silent_is_left(server):
    with connect(f"ws://127.0.0.1:{server.port}/v1/stream?{HOW}") as socket:
        assert json.loads(socket.recv(timeout=30))["problem"]["detail"] == "Nothing came for 5 s."
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=10)


def test_a_page_from_elsewhere_may_not_stream(server):
    with pytest.raises(InvalidStatus) as caught:
        connect(
            f"ws://127.0.0.1:{server.port}/v1/stream", additional_headers={"Origin": "https://evil.example"}
        )
    assert caught.value.response.status_code == 403


def test_a_worker_that_dies_costs_its_window(tone_model):
    with (
        serving(tone_model, "--workers", 1) as server,
        connect(f"ws://127.0.0.1:{server.port}/v1/stream?rate=16000&{HOW}") as socket,
    ):
        (worker,) = server.workers
        os.kill(worker, signal.SIGSTOP)
        socket.send(bytes(16_000))
        until(lambda: server.metric("earmark_workers_busy") == 1)
        os.kill(worker, signal.SIGKILL)
        told = json.loads(socket.recv(timeout=30))
        assert told["problem"]["detail"] == (
            "A window could not be scored: the process that read it was ended by SIGKILL, perhaps for want of memory."
            " Connect again."
        )


def test_a_stream_ends_with_the_server(tone_model, recording):
    with serving(tone_model, "--workers", 1) as server:
        with connect(f"ws://127.0.0.1:{server.port}/v1/stream?rate=16000&encoding=f32le&{HOW}") as socket:
            socket.send(recording[:64_000].tobytes())
            assert json.loads(socket.recv(timeout=30))["type"] == "window"
            server.process.send_signal(signal.SIGTERM)
            told = [json.loads(message) for message in socket]
        assert any(one["type"] == "event" and one["label"] == "whistle" for one in told)
        assert told[-1] == {"type": "end", "seconds": 4.0}
        assert server.process.wait(30) == 0
