"""The Dockerfile, as far as it can be tested without Docker: the rules of hadolint that matter, paths, pip's line."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import subprocess
import sys
from itertools import pairwise

import pytest

from earmark.cli.app import app
from surroundings import ROOT


def instructions() -> list[tuple[str, str]]:
    """Return each instruction and its words, lines that go on joined."""
    text = (ROOT / "Dockerfile").read_text()
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ")
    return [
        (kind, rest.strip()) for kind, _, rest in (line.partition(" ") for line in lines.splitlines() if line)
    ]


def of(kind: str) -> list[str]:
    return [rest for found, rest in instructions() if found == kind]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for kind, rest in instructions():
        if kind == "FROM":
            found.append([])
        found[-1].append((kind, rest))
    return found


def test_instructions_are_known_and_in_capitals():
    known = {
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "ENV",
        "USER",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
    }
    assert {kind for kind, _ in instructions()} <= known  # DL3061, DL4000, DL3020: nor ADD, nor MAINTAINER


def test_images_are_slim_and_have_a_version():
    for image in of("FROM"):
        name, _, tag = image.split()[0].partition(":")
        assert name == "python"
        assert re.fullmatch(r"3\.\d+-slim", tag)  # DL3006, DL3007: and not "latest"


def test_it_does_not_run_as_root():
    users = [rest for kind, rest in stages()[-1] if kind == "USER"]
    assert users
    assert all(
        user.isdecimal() and int(user) > 0 for user in users
    )  # DL3002; a number, as Kubernetes checks it


def test_commands_keep_to_the_rules():
    for command in of("RUN"):
        words = shlex.split(command)
        assert not {"sudo", "cd", "wget", "curl", "apt", "apt-get"} & set(
            words
        )  # DL3003, DL3004, DL3008, DL3027
        assert "|" not in words  # DL4006: a pipe hides what fails
        for at, (word, after) in enumerate(pairwise(words)):
            if word.endswith("pip") and after == "install":
                assert "--no-cache-dir" in words[at:]  # DL3042
    runs = [kind for kind, _ in instructions()]
    assert ("RUN", "RUN") not in list(pairwise(runs))  # DL3059


def test_folders_are_absolute_and_set_before_relative_ones_are_used():
    for stage in stages():
        folder = None
        for kind, rest in stage:
            if kind == "WORKDIR":
                assert rest.startswith("/")  # DL3000
                folder = rest
            if kind == "COPY":
                assert rest.split()[-1].startswith("/") or folder  # DL3045
                if len(rest.split()) > 3:
                    assert rest.endswith("/")  # DL3021


def test_what_is_run_is_a_list():
    for kind in ("ENTRYPOINT", "HEALTHCHECK"):
        (rest,) = of(kind)
        words = json.loads(rest[rest.index("[") :])  # DL3025
        assert all(isinstance(word, str) for word in words)


def test_every_path_is_there_and_sent_to_docker():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    sent = {line[1:] for line in ignored if line.startswith("!")}
    for rest in of("COPY"):
        if "--from=" in rest:
            stage = re.findall(r"--from=(\S+)", rest)[0]
            assert f" AS {stage}" in "\n".join(of("FROM"))  # DL3022, DL3023
            continue
        for path in rest.split()[:-1]:
            assert (ROOT / path).exists()
            assert any(fnmatch.fnmatch(path, pattern) for pattern in sent)
    needed = set(
        re.findall(r'^(?:readme = |license-files = \[)"([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    )
    assert needed <= sent


def test_the_entry_point_is_a_command_with_these_options():
    (rest,) = of("ENTRYPOINT")
    program, command, model, *options = json.loads(rest)
    assert program == "earmark"
    assert model.startswith("/")
    known = {name for parameter in app.commands[command].params for name in parameter.opts}
    assert set(options[::2]) <= known
    assert options[options.index("--port") + 1] == of("EXPOSE")[0]
    assert f":{of('EXPOSE')[0]}/readyz" in of("HEALTHCHECK")[0]


@pytest.mark.slow
def test_what_pip_installs_can_be_had_and_is_no_torch():
    line = next(command for command in of("RUN") if "pip install" in command)
    words = shlex.split(line)
    at = words.index("install")
    (wanted,) = [word for word in words[at + 1 : words.index("&&", at)] if not word.startswith("-")]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-", wanted],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    if done.returncode and "No matching distribution" not in done.stderr and "conn" in done.stderr.lower():
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    names = {item["metadata"]["name"].lower() for item in json.loads(done.stdout)["install"]}
    assert {"earmark", "onnxruntime", "starlette", "uvicorn"} <= names
    assert not names & {"torch", "scikit-learn", "onnx", "pandas", "librosa"}
