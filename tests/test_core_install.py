"""With the core install alone: prediction works, and nothing that only training needs is there."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

LIMIT_MB = 200


@pytest.fixture(scope="session")
def core_python() -> Path:
    """The interpreter of an environment that holds the core install and nothing else."""
    python = os.environ.get("EARMARK_CORE_PYTHON")
    if not python:
        pytest.skip("EARMARK_CORE_PYTHON names no environment with the core install; `make test` makes one")
    return Path(python)


def run(python: Path, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [python, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stderr
    return done


def test_it_predicts(core_python, tone_model, tone_set):
    path = tone_set / "whistle_whistle1_0.wav"
    done = run(core_python, "-m", "earmark", "predict", tone_model, path, "--format", "json")
    assert json.loads(done.stdout)[0]["label"] == "whistle"


def test_it_predicts_a_folder_and_other_formats(core_python, tone_model, tmp_path, write_wav):
    noise = 0.1 * np.random.default_rng(0).standard_normal(44_100)
    for name, subtype in (("a.wav", "PCM_24"), ("b.flac", "PCM_16"), ("c.ogg", "VORBIS")):
        write_wav(tmp_path / name, noise, 44_100, subtype)
    done = run(core_python, "-m", "earmark", "predict", tone_model, tmp_path, "--format", "json")
    assert [Path(p["path"]).name for p in json.loads(done.stdout)] == ["a.wav", "b.flac", "c.ogg"]


@pytest.mark.parametrize("package", ["torch", "sklearn", "scipy", "onnx", "pandas", "librosa", "tensorflow"])
def test_what_only_training_needs_is_not_there(core_python, package):
    assert "ModuleNotFoundError" in run(core_python, "-c", f"import {package}", code=1).stderr


@pytest.mark.parametrize(
    "command", [["train"], ["evaluate"], ["extract"], ["store", "list"], ["store", "size"], ["store", "prune"]],
    ids=" ".join,
)  # fmt: skip
def test_what_is_not_there_says_what_to_install(core_python, tone_set, command):
    more = [] if command[0] == "store" else [tone_set, "--pattern", "{label}_{group}_{take}.wav"]
    done = run(core_python, "-m", "earmark", *command, *more, code=2)
    assert "which is not installed. Type: pip install 'earmark[train]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [["compare", "a", "b"], ["evaluate-events", "a", "b"], ["report", "a", "-o", "b"]],
    ids=" ".join,
)
def test_judging_says_what_to_install(core_python, command):
    done = run(core_python, "-m", "earmark", *command, code=2)
    assert (
        "Judging needs the package 'scipy', which is not installed. Type: pip install 'earmark[train]'"
        in done.stderr
    )


def test_a_data_set_is_looked_over(core_python, tone_set):
    done = run(
        core_python, "-m", "earmark", "check", tone_set, "--pattern", "{label}_{group}_{take}.wav", "--json"
    )
    assert json.loads(done.stdout)["clips"] == 54


def test_a_public_data_set_is_fetched(core_python, tmp_path):
    with zipfile.ZipFile(tmp_path / "digits.zip", "w") as archive:
        archive.writestr("recordings/0_theo_0.wav", b"sound")
    done = run(
        core_python, "-m", "earmark", "fetch", "fsdd", tmp_path / "fsdd", "--mirror", tmp_path / "digits.zip"
    )
    assert "fsdd: 1 file, 5 B." in done.stdout
    assert "urbansound8k" in run(core_python, "-m", "earmark", "fetch").stdout


def test_many_files_are_predicted_by_processes(core_python, tone_model, tone_set):
    done = run(core_python, "-m", "earmark", "predict", tone_model, tone_set, "--format", "json")
    assert len(json.loads(done.stdout)) == 54


def test_help_works(core_python):
    assert "predict" in run(core_python, "-m", "earmark", "--help").stdout


def test_it_is_small(core_python):
    packages = run(core_python, "-c", "import numpy; print(numpy.__path__[0])").stdout.strip()
    site = Path(packages).parent
    brought = {"pip", "setuptools", "wheel", "_distutils_hack", "pkg_resources"}  # by the environment itself
    size = sum(
        f.stat().st_size
        for f in site.rglob("*")
        if f.is_file() and f.relative_to(site).parts[0].split("-")[0] not in brought
    )
    assert size / 1e6 <= LIMIT_MB, f"the core install weighs {size / 1e6:.0f} MB"
