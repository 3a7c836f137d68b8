"""A model over HTTP: the answers are those of the command line, the bounds hold, and an error says what to do."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import threading
import time

import numpy as np
import pytest
import soundfile

from earmark.errors import SettingError
from earmark.serve import Settings
from serving import BOUNDARY, serving, until

OPEN = "Set EARMARK_TOKEN, or type --no-auth to answer everybody."
MAKE = "Make one: python -c 'import secrets; print(secrets.token_urlsafe())'"
TOKEN = "a-token-of-many-characters"


@pytest.fixture(scope="module")
def server(tone_model):
    with serving(
        tone_model, "--seconds", 20, "--body", 4, "--files", 3, "--timeout", 20, "--workers", 2
    ) as found:
        yield found


@pytest.fixture(scope="module")
def whistle(tone_set):
    return (tone_set / "whistle_whistle1_0.wav").read_bytes()


def problem(answer, status, kind, detail):
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json
    assert answer.status == told["status"] == status
    assert told["type"] == f"urn:earmark:problem:{kind}"
    assert told["title"]
    assert told["detail"] == detail


def test_a_body_is_a_sound(server, tone_model, tone_set, earmark, whistle):
    answer = server.predict(whistle)
    done = earmark("predict", tone_model, tone_set / "whistle_whistle1_0.wav", "--format", "json")
    (expected,) = json.loads(done.stdout)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == [{**expected, "path": "-"}]
    assert answer.json[0]["label"] == "whistle"


@pytest.mark.parametrize("subtype", ["flac", "ogg", "mp3", "aiff"])
def test_every_format_is_read(server, tmp_path, subtype):
    t = np.arange(16_000) / 16_000
    soundfile.write(tmp_path / f"a.{subtype}", 0.4 * np.sin(2 * np.pi * 2_000 * t), 16_000)
    assert server.predict((tmp_path / f"a.{subtype}").read_bytes()).json[0]["label"] == "whistle"


def test_several_files_have_an_answer_each(server, whistle):
    answer = server.form(
        ("été 1.wav", whistle), ("notes.txt", b"no sound, but text of some length"), ("", whistle)
    )
    assert answer.status == 200
    first, second, third = answer.json
    assert (first["path"], first["label"]) == ("été 1.wav", "whistle")
    assert second == {"path": "notes.txt", "error": "not readable as sound (format not recognised)"}
    assert third["path"] == "file"


def test_a_name_is_only_told(server, whistle):
    assert server.form(("../../etc/passwd", whistle)).json[0]["path"] == "../../etc/passwd"


def test_what_is_no_sound_is_refused(server):
    answer = server.predict(b"no sound, but text of some length")
    problem(
        answer, 422, "not-sound", "not readable as sound (format not recognised). Send it as WAV or FLAC."
    )
    assert answer.json["errors"] == [{"path": "-", "error": "not readable as sound (format not recognised)"}]


def test_of_several_none_of_which_is_sound(server):
    answer = server.form(("a.txt", b"text text text text"), ("b.txt", b"text text text text"))
    problem(
        answer, 422, "not-sound",
        "a.txt: not readable as sound (format not recognised). None of the 2 files can be used."
        " Send it as WAV or FLAC.",
    )  # fmt: skip


@pytest.mark.parametrize("body", [b"", None])
def test_nothing_is_refused(server, body):
    problem(
        server.predict(body), 422, "not-sound",
        "No sound came. Send a file as the body, or several as multipart/form-data.",
    )  # fmt: skip


def wav_that_claims(seconds: int, there: bytes = b"\0" * 19_956) -> bytes:
    size = seconds * 16_000 * 2
    fmt = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    riff = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + struct.pack("<I", 16) + fmt
    return riff + b"data" + struct.pack("<I", size) + there


def test_ten_hours_in_twenty_kilobytes_are_refused_before_they_are_decoded(server):
    began = time.perf_counter()
    answer = server.predict(wav_that_claims(36_000))
    problem(
        answer, 422, "too-long",
        "36,000 s of sound by its header, and so more than the 20 s of sound that are taken at once."
        " Send a part of the recording.",
    )  # fmt: skip
    assert time.perf_counter() - began < 5


def test_silence_that_is_packed_into_little_is_not_decoded_to_its_end(server, tmp_path):
    soundfile.write(tmp_path / "a.flac", np.zeros(16_000 * 600, np.int16), 16_000)
    bomb = (tmp_path / "a.flac").read_bytes()
    assert len(bomb) < 500_000
    problem(
        server.predict(bomb), 422, "too-long",
        "600 s of sound by its header, and so more than the 20 s of sound that are taken at once."
        " Send a part of the recording.",
    )  # fmt: skip


def test_a_length_that_is_not_told_is_counted(server, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(16_000 * 25, np.int16), 16_000)
    data = bytearray((tmp_path / "a.wav").read_bytes())
    data[40:44] = b"\xff\xff\xff\xff"  # as a recorder writes that does not know yet
    problem(
        server.predict(bytes(data)), 422, "too-long",
        "25 s of sound by its header, and so more than the 20 s of sound that are taken at once."
        " Send a part of the recording.",
    )  # fmt: skip


def test_a_body_that_is_too_large_is_refused_at_once(server):
    said = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 999999999\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(said)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")
    problem(
        server.predict(bytes(5 * 2**20)), 413, "too-large",
        "A request may have 4 MiB, and these are 5. Send fewer files, compressed ones such as FLAC, or a part of"
        " the recording.",
    )  # fmt: skip


def test_a_body_that_does_not_tell_its_size_is_counted(server):
    def pieces():
        for _ in range(80):
            yield bytes(65_536)

    answer = server.ask("POST", "/v1/predict", pieces(), {"Transfer-Encoding": "chunked"})
    problem(
        answer, 413, "too-large",
        "A request may have 4 MiB. Send fewer files, compressed ones such as FLAC, or a part of the recording.",
    )  # fmt: skip


def test_too_many_files(server, whistle):
    problem(
        server.form(*[("a.wav", whistle)] * 4), 413, "too-large",
        "More than 3 files in one request. Send them in several.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "body", "detail"),
    [
        (
            "multipart/form-data",
            b"x",
            "'multipart/form-data' is not read; multipart/form-data with a boundary is.",
        ),
        (
            "multipart/mixed; boundary=x",
            b"x",
            "'multipart/mixed' is not read; multipart/form-data with a boundary is.",
        ),
        (
            f"multipart/form-data; boundary={BOUNDARY}",
            f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=a\r\n\r\nRIFF".encode(),
            "The multipart/form-data ends before its last boundary.",
        ),
    ],
)
def test_forms_that_cannot_be_read(server, kind, body, detail):
    problem(server.predict(body, **{"Content-Type": kind}), 415, "wrong-type", detail)


def test_a_form_that_is_no_form(server):
    answer = server.predict(
        b"no boundary in here", **{"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    )
    assert answer.status == 415
    assert answer.json["detail"].startswith("The body is no valid multipart/form-data: ")


def test_compressed_bodies_are_not_unpacked(server, whistle):
    problem(
        server.predict(whistle, **{"Content-Encoding": "gzip"}), 415, "wrong-type",
        "The body is sent as 'gzip'. Send it as it is, not compressed.",
    )  # fmt: skip


def test_where_there_is_nothing(server):
    problem(
        server.ask("GET", "/v2/predict"), 404, "not-found",
        "There is no /v2/predict. GET /openapi.json tells what there is.",
    )  # fmt: skip
    answer = server.ask("GET", "/v1/predict")
    problem(answer, 405, "wrong-method", "/v1/predict takes POST, not GET.")
    assert answer.headers["allow"] == "POST"


def test_a_parameter_that_nothing_reads(server, whistle):
    problem(
        server.ask("POST", "/v1/predict?window=2", whistle), 422, "wrong-value",
        "There is no parameter 'window' here. There are none.",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["Host", "Origin"])
def test_a_page_from_elsewhere_is_not_answered(server, name):
    problem(
        server.ask("GET", "/v1/model", headers={name: "http://evil.example"}), 403, "wrong-host",
        f"The header {name} names 'evil.example', but without a token only this machine is answered."
        " Ask for localhost or 127.0.0.1.",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1:80", "[::1]:8000"])
def test_the_names_of_this_machine_are_answered(server, name):
    assert server.ask("GET", "/v1/model", headers={"Host": name}).status == 200


def test_what_is_no_http(server):
    got = server.raw(b"\x16\x03\x01 this is TLS, or nothing\r\n\r\n")
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["detail"] == "This is not an HTTP/1.1 request that can be read."


def test_headers_without_end(server):
    got = server.raw(b"GET /healthz HTTP/1.1\r\nA: " + b"x" * 400_000)
    assert got.startswith(b"HTTP/1.1 431 ") or not got  # what was not read may be told as a reset
    assert server.ask("GET", "/healthz").status == 200


def test_the_model_is_described(server, tone_model):
    told = server.ask("GET", "/v1/model").json
    assert told["name"] == tone_model.name
    assert told["labels"] == ["hiss", "hum", "whistle"]
    assert told["limits"] == {
        "body_bytes": 4 * 2**20, "files": 3, "seconds_of_sound": 20.0, "seconds_of_work": 20.0,
    }  # fmt: skip


def test_what_an_orchestrator_asks(server):
    assert server.ask("GET", "/healthz").json == {"status": "alive"}
    assert server.ask("GET", "/readyz").json == {"status": "ready"}


def test_what_is_counted(server, whistle):
    before = server.metric("earmark_sound_seconds_total"), server.metric("earmark_requests_total")
    server.predict(whistle)
    assert server.metric("earmark_sound_seconds_total") == pytest.approx(before[0] + 0.5)
    assert server.metric("earmark_requests_total") == before[1] + 3
    assert server.metric("earmark_workers_alive") == 2
    text = server.ask("GET", "/metrics").body.decode()
    for name in (
        "earmark_queue_length",
        "earmark_worker_restarts",
        "earmark_request_seconds_bucket",
        "process_resident",
    ):
        assert f"\n{name}" in text


def test_a_worker_that_is_killed_costs_its_request(tone_model, tmp_path):
    soundfile.write(tmp_path / "long.flac", np.random.default_rng(0).uniform(-0.5, 0.5, 16_000 * 590), 16_000)
    data = (tmp_path / "long.flac").read_bytes()
    with serving(tone_model, "--workers", 1) as server:
        (worker,) = server.workers
        answers = []
        asking = threading.Thread(target=lambda: answers.append(server.predict(data)))
        asking.start()
        until(lambda: server.metric("earmark_workers_busy") == 1)
        os.kill(worker, signal.SIGKILL)
        asking.join(60)
        problem(
            answers[0], 503, "lost",
            "-: the process that read it was ended by SIGKILL, perhaps for want of memory. Send it again.",
        )  # fmt: skip
        assert answers[0].headers["retry-after"] == "1"
        assert server.predict(data).status == 200
        assert server.metric("earmark_worker_restarts") == 1
        (other,) = server.workers
        os.kill(other, signal.SIGKILL)  # while it has nothing to do: costs nothing
        until(lambda: server.metric("earmark_worker_restarts") == 2)
        until(lambda: server.metric("earmark_workers_alive") == 1)
        assert server.predict(data).status == 200


def test_a_worker_that_hangs_is_ended(tone_model, whistle):
    with serving(tone_model, "--workers", 1, "--timeout", 1) as server:
        (worker,) = server.workers
        os.kill(worker, signal.SIGSTOP)
        answer = server.predict(whistle)
        problem(
            answer, 422, "not-sound",
            "it did not end within the 1 s that one file may take. Send it as WAV or FLAC.",
        )  # fmt: skip
        assert server.predict(whistle).status == 200


def test_a_line_that_is_full(tone_model, whistle):
    with serving(tone_model, "--workers", 1, "--queue", 1) as server:
        (worker,) = server.workers
        os.kill(worker, signal.SIGSTOP)
        answers = []
        asking = [threading.Thread(target=lambda: answers.append(server.predict(whistle))) for _ in range(2)]
        for one in asking:
            one.start()
            until(lambda: server.metric("earmark_workers_busy") == 1)
        until(lambda: server.metric("earmark_queue_length") == 1)
        answer = server.predict(whistle)
        os.kill(worker, signal.SIGCONT)
        problem(answer, 503, "busy", "1 request waits already, and no more may. Send it again in a second.")
        assert answer.headers["retry-after"] == "1"
        for one in asking:
            one.join(60)
        assert [a.status for a in answers] == [200, 200]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_is_finished_and_nothing_new_begun(tone_model, whistle, number):
    with serving(tone_model, "--workers", 1) as server:
        (worker,) = server.workers
        os.kill(worker, signal.SIGSTOP)
        answers = []
        asking = threading.Thread(target=lambda: answers.append(server.predict(whistle)))
        asking.start()
        until(lambda: server.metric("earmark_workers_busy") == 1)
        server.process.send_signal(number)
        until(lambda: server.ask("GET", "/readyz").status == 503)
        problem(
            server.predict(whistle),
            503,
            "ending",
            "The server finishes what it has begun, and begins nothing new.",
        )
        os.kill(worker, signal.SIGCONT)
        asking.join(60)
        assert answers[0].status == 200
        assert server.process.wait(30) == 0
    assert not [line for line in server.lines if "Traceback" in line]


def test_what_takes_too_long_at_the_end_is_cut_off(tone_model, whistle):
    with serving(tone_model, "--workers", 1, "--grace", 1) as server:
        os.kill(server.workers[0], signal.SIGSTOP)
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as asking:
            size = len(whistle)
            asking.sendall(
                b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size + whistle
            )
            until(lambda: server.metric("earmark_workers_busy") == 1)
            assert server.end() == 1
    assert any("1 were cut off after 1 s" in line for line in server.lines)


def test_slow_clients(tone_model):
    with serving(tone_model, "--workers", 1, "--patience", 1) as server:
        head = server.raw(b"GET /healthz HTT")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert b"The headers did not come within 1 s." in head
        assert server.raw(b"").startswith(b"HTTP/1.1 408 ")
        body = server.raw(
            b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nRIFF"
        )
        assert body.startswith(b"HTTP/1.1 408 ")
        assert b"4 bytes came in 1 s, and then too little. Send it again." in body


def test_a_token(tone_model, whistle):
    with serving(tone_model, "--host", "0.0.0.0", EARMARK_TOKEN=TOKEN) as server:
        for headers, got in (({}, "none came"), ({"Authorization": "Bearer wrong"}, "another one came")):
            answer = server.predict(whistle, **headers)
            problem(answer, 401, "no-token", f"Send the header Authorization: Bearer TOKEN; {got}.")
            assert answer.headers["www-authenticate"] == "Bearer"
        assert server.predict(whistle, Authorization=f"Bearer {TOKEN}").status == 200
        assert server.ask("GET", "/readyz").status == 200
        assert server.ask("GET", "/metrics").status == 401
        assert (
            server.ask(
                "GET", "/v1/model", headers={"Authorization": f"Bearer {TOKEN}", "Host": "a.example"}
            ).status
            == 200
        )
    assert TOKEN not in "\n".join(server.lines)


def test_who_answers_everybody_is_warned(tone_model):
    with serving(tone_model, "--host", "0.0.0.0", "--no-auth") as server:
        until(lambda: len(server.lines) > 1)
        assert (
            server.lines[1] == "warning: EVERYBODY WHO REACHES 0.0.0.0 IS ANSWERED, for --no-auth was typed."
        )


def test_requests_are_logged_in_a_line(server, whistle):
    server.ask("GET", "/v1/mod%0Ael?secret=1")
    until(lambda: any("/v1/mod\\nel" in line for line in server.lines))
    (line,) = [line for line in server.lines if "/v1/mod\\nel" in line]
    assert line.split(" ", 1)[1].startswith("127.0.0.1 GET /v1/mod\\nel 404 ")
    assert "secret" not in line


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"host": "0.0.0.0"}, f"Others can reach 0.0.0.0. {OPEN}"),
        ({"host": "example.org"}, f"Others can reach example.org. {OPEN}"),
        ({"token": "short"}, f"The token has 5 characters, but needs 16 or more. {MAKE}"),
        ({"token": "with spaces in between"}, "The token may have no spaces and only ASCII characters."),
        ({"token": TOKEN, "no_auth": True}, "--no-auth and a token do not go together. Leave one of them out."),
        ({"port": 70_000}, "--port is 70000, but must be from 0 to 65535."),
        ({"body": 0}, "--body is 0 MiB, but must be from 1 to 4096 MiB."),
        ({"seconds": float("nan")}, "--seconds is nan s, but must be from 1 to 3600 s."),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(given, message):
    with pytest.raises(SettingError) as caught:
        Settings(**given)
    assert str(caught.value) == message


def test_a_port_that_is_taken(server, tone_model, earmark):
    done = earmark("serve", tone_model, "--port", server.port, code=2)
    assert done.stderr == (
        f"error: Port {server.port} of 127.0.0.1 is taken. Choose another with --port, or 0 for a free one.\n"
    )


def test_a_model_that_is_none(tmp_path, earmark):
    (tmp_path / "a.earmark").write_text("no model")
    assert "error: " in earmark("serve", tmp_path / "a.earmark", "--port", 0, code=1).stderr
    assert "error: " in earmark("serve", tmp_path / "b.earmark", "--port", 0, code=2).stderr


def test_an_address_that_is_not_here(tone_model, earmark):
    done = earmark("serve", tone_model, "--host", "192.0.2.1", "--no-auth", "--port", 0, code=2)
    assert done.stderr == "error: Nobody can listen at 192.0.2.1, port 0: cannot assign requested address.\n"
