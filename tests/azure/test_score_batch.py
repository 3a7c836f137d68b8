"""The batch endpoint's script, run as Azure ML's driver runs it: a process, `init` once, `run` for each part."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import earmark.cloud.azure as room

SCRIPT = Path(room.__file__).parent / "score_batch.py"
DRIVER = """
import importlib.util, json, os, resource, sys
spec = importlib.util.spec_from_file_location("entry", sys.argv[1])
entry = importlib.util.module_from_spec(spec)
spec.loader.exec_module(entry)
entry.init()
files, size = json.loads(sys.stdin.read()), int(sys.argv[2])
done, most = 0, []
for i in range(0, len(files), size):
    done += len(entry.run(files[i : i + size]))
    most.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(json.dumps({"done": done, "kilobytes": most}))
"""


def drive(model: Path, output: Path, files: list[str], size: int, tmp_path: Path, code: int = 0) -> Any:
    script = tmp_path / "score_batch.py"
    shutil.copyfile(SCRIPT, script)  # alone, as it is uploaded
    places = {"AZUREML_MODEL_DIR": str(model), "AZUREML_BI_OUTPUT_PATH": str(output)}
    found = subprocess.run(
        [sys.executable, "-c", DRIVER, script, str(size)],
        input=json.dumps(files), env={**os.environ, **places}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert found.returncode == code, found.stderr
    return json.loads(found.stdout) if code == 0 else found.stderr


def lines_of(folder: Path) -> list[dict[str, Any]]:
    assert all(path.name.startswith("predictions-") for path in folder.iterdir())
    return [json.loads(line) for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()]


def test_a_line_a_file_as_predict_says_it(tone_model, tone_set, tmp_path, earmark):
    files = sorted(map(str, tone_set.glob("*.wav")))
    found = drive(tone_model, tmp_path / "out", files, 10, tmp_path)
    assert found["done"] == len(files) == len(lines_of(tmp_path / "out"))
    here = {
        record["path"]: record
        for record in json.loads(earmark("predict", tone_model, *files, "--json").stdout)
    }
    for record in lines_of(tmp_path / "out"):
        mine = here[record["path"]]
        assert record["scores"] == pytest.approx(mine["scores"], abs=1e-6)
        assert record["label"] == mine["label"]


def test_a_broken_file_is_named_and_ends_nothing(tone_model, tone_set, tmp_path):
    files = sorted(map(str, tone_set.glob("*.wav")))[:12]
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF and no more")
    found = drive(
        tone_model,
        tmp_path / "out",
        [*files[:5], str(broken), *files[5:], "/no/such.wav"],
        7,
        tmp_path,
    )
    assert found["done"] == 12
    errors = {record["path"]: record["error"] for record in lines_of(tmp_path / "out") if "error" in record}
    assert set(errors) == {str(broken), "/no/such.wav"}
    assert errors["/no/such.wav"] == "no such file or directory"


def test_a_part_that_is_done_again_doubles_nothing(tone_model, tone_set, tmp_path):
    files = sorted(map(str, tone_set.glob("*.wav")))[:4]
    for _ in range(2):
        drive(tone_model, tmp_path / "out", files, 2, tmp_path)
    assert sorted(record["path"] for record in lines_of(tmp_path / "out")) == files


def test_memory_does_not_grow_with_the_clips(tone_model, tone_set, tmp_path):
    clips, many = sorted(tone_set.glob("*.wav")), []
    (tmp_path / "many").mkdir()
    for i in range(1_200):
        many.append(str(tmp_path / "many" / f"{i}.wav"))
        os.link(clips[i % len(clips)], many[-1])
    found = drive(tone_model, tmp_path / "out", many, 200, tmp_path)
    assert found["done"] == 1_200 == len(lines_of(tmp_path / "out"))
    assert (
        found["kilobytes"][-1] - found["kilobytes"][0] < 8_000
    )  # they were at their peak after the first part


def test_a_missing_model_ends_the_job(tmp_path):
    (tmp_path / "none").mkdir()
    words = drive(tmp_path / "none", tmp_path / "out", [], 1, tmp_path, code=1)
    assert words.rstrip().endswith(
        f"There is no model below {tmp_path / 'none'}. The deployment needs exactly one file *.earmark."
    )
