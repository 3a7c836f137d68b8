"""``--to mlflow``: a folder that MLflow loads and serves. It holds the model file as it is, and nothing is pickled.

The format is a text, ``MLmodel``, that names a module of Earmark and the model file. It is written without MLflow.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from earmark.audio.encode import wav
from earmark.errors import ExportError
from earmark.export.served import Served
from earmark.export.source import Exported, Source
from earmark.export.trial import compare
from earmark.files import write_atomically
from earmark.remote import local_file
from earmark.types import FloatArray, Waveform

MODEL = "model.earmark"
_MOST_READ = 2**16  # characters of an MLmodel
# Either a path or a file's bytes; in JSON these are base64, which MLflow decodes by this.
_COLUMNS = [
    {"type": "string", "name": "path", "required": False},
    {"type": "binary", "name": "audio", "required": False},
]


def write_mlflow(source: Source, out: Path) -> Exported:
    """Write a folder for ``mlflow models serve``. See `earmark.export.Exporter`."""
    there = Path(os.path.realpath(out))  # a link stays a link
    place = there.with_name(f".{secrets.token_hex(8)}.part")
    try:
        for name, data in _files(source).items():
            write_atomically(place / name, data)
        labels, rate = source.bundle.labels, source.bundle.feature.sample_rate
        served = Served.open(place / MODEL)

        def run(waveforms: FloatArray) -> FloatArray:
            found = served.predict([{"audio": wav(Waveform(samples, rate))} for samples in waveforms])
            return np.array([[record["scores"][label] for label in labels] for record in found], np.float32)

        trial = compare(source.bundle, run)
        size = sum(file.stat().st_size for file in place.iterdir())
        _into_place(place, there)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return Exported(out, "mlflow", size, trial.difference, trial.tried)


def left_by_us(folder: Path) -> bool:
    """Return whether a folder is what `write_mlflow` left."""
    try:
        with (folder / "MLmodel").open(encoding="utf-8") as file:
            return f"loader_module: {Served.__module__}\n" in file.read(_MOST_READ)
    except (OSError, UnicodeDecodeError):
        return False


def _into_place(place: Path, out: Path) -> None:
    """Rename the new folder to what it is to be called; a folder that is there already makes way."""
    if not out.exists():
        place.rename(out)
        return
    old = place.with_suffix(".old")
    out.rename(old)
    try:
        place.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _files(source: Source) -> dict[str, bytes]:
    data = local_file(source.path).read_bytes()
    if source.sha256 != Source.hash_of(data):
        raise ExportError(f"{source.path} was changed while it was exported. Export it again.")
    ours = version("earmark")
    python = platform.python_version()
    inputs = json.dumps(json.dumps(_COLUMNS))  # JSON within YAML
    model = f"""\
flavors:
  python_function:
    data: {MODEL}
    env:
      virtualenv: python_env.yaml
    loader_module: {Served.__module__}
    python_version: {python}
  earmark:
    version: {ours}
    labels: {json.dumps(list(source.bundle.labels), ensure_ascii=False)}
    sample_rate: {source.bundle.feature.sample_rate}
    sha256: {source.sha256}
signature:
  inputs: {inputs}
  outputs: null
  params: null
utc_time_created: '{time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())}'
"""
    environment = f"python: {python}\ndependencies:\n- -r requirements.txt\n"
    return {
        "MLmodel": model.encode(),
        "python_env.yaml": environment.encode(),
        "requirements.txt": f"earmark[mlflow]=={ours}\n".encode(),
        MODEL: data,
    }
