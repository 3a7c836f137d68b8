"""The one artifact that leaves the building: a zip of stored entries, never pickle. No inference here.

``bundle.json``
    Format number, labels, feature and model settings, provenance, and the hash of every other entry.
``network.onnx``
    Features to logits.
``golden/N.npy``
    Short waveforms; the probabilities they must give stand in ``bundle.json``.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from earmark.errors import BundleFormatError, PathError, SettingError, UnknownNameError
from earmark.features import feature_from_dict, feature_to_dict
from earmark.files import write_atomically
from earmark.types import Feature, FloatArray, Waveform

FORMAT = 1
SUFFIX = ".earmark"

_MAX_FILE = 2**30
_MAX_ENTRY = {"bundle.json": 16 * 2**20, "network.onnx": 2**29, "golden": 4 * 2**20}
_MAX_GOLDEN = 16
_GOLDEN_NAME = re.compile(r"golden/\d{1,2}\.npy")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same content gives the same file


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """A test sound and what it must give.

    Parameters
    ----------
    waveform
        At the feature's rate.
    probabilities
        float32[labels].
    """

    waveform: Waveform
    probabilities: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A trained classifier and everything needed to use and to judge it.

    Parameters
    ----------
    labels
        In the order of the network's outputs.
    feature
        The settings of the front end.
    model
        Name and settings of the network, for the record.
    network
        ONNX: ``features`` float32[n, dims] to ``logits`` float32[n, labels].
    golden
        The self-test.
    provenance
        Data fingerprint, split rule, train-group hashes, versions, seed and scores.
    """

    labels: tuple[str, ...]
    feature: Feature
    model: dict[str, Any]
    network: bytes
    golden: tuple[Golden, ...]
    provenance: dict[str, Any] = field(default_factory=dict)


def group_hash(group: str) -> str:
    """Return what stands for a training group in a bundle: names may be private, recognising them must be possible.

    >>> group_hash("101415")
    '26cdbbe1d1f7bc71'
    """
    return hashlib.blake2b(group.encode(), digest_size=8).hexdigest()


def write_bundle(path: Path, bundle: Bundle) -> None:
    """Write ``bundle`` to ``path`` atomically; the same bundle gives the same bytes."""
    entries = {"network.onnx": bundle.network}
    golden = []
    for i, sound in enumerate(bundle.golden):
        buffer = io.BytesIO()
        np.save(buffer, sound.waveform.samples, allow_pickle=False)
        entries[f"golden/{i}.npy"] = buffer.getvalue()
        golden.append({"file": f"golden/{i}.npy", "probabilities": [float(p) for p in sound.probabilities]})
    about = {
        "format": FORMAT,
        "labels": list(bundle.labels),
        "feature": feature_to_dict(bundle.feature),
        "model": bundle.model,
        "golden": golden,
        "provenance": bundle.provenance,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in entries.items()},
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False)
        for name, data in {"bundle.json": text.encode(), **entries}.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    write_atomically(path, packed.getvalue())


def read_bundle(path: Path) -> Bundle:
    """Read and verify a bundle.

    Raises
    ------
    PathError
        When there is no such file.
    BundleFormatError
        When it is not a bundle, is damaged, larger than allowed, or of an unknown version.
    """
    if not path.is_file():
        raise PathError(
            f"There is no model file '{path}'. Train one with: earmark train DATASET -o {path.name}"
        )
    try:
        if path.stat().st_size > _MAX_FILE:
            raise BundleFormatError(f"{path} is larger than a bundle may be ({_MAX_FILE // 2**20} MiB).")
        with zipfile.ZipFile(path) as archive:
            entries = _entries(path, archive)
        about = json.loads(entries.pop("bundle.json"))
        if not isinstance(about, dict) or "format" not in about:
            raise BundleFormatError(f"{path} has no format number: it was not written by Earmark.")
        if about["format"] != FORMAT:
            raise BundleFormatError(
                f"{path} has format {about['format']!r}; this Earmark reads format {FORMAT}. Update Earmark."
            )
        return _bundle(path, about, entries)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
        raise BundleFormatError(f"{path} is not an Earmark bundle ({error}).") from None
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        SettingError,
        UnknownNameError,
    ) as error:
        raise BundleFormatError(f"{path} is damaged: {type(error).__name__}: {error}") from None


def _entries(path: Path, archive: zipfile.ZipFile) -> dict[str, bytes]:
    names = archive.namelist()
    if len(names) != len(set(names)) or len(names) > 2 + _MAX_GOLDEN:
        raise BundleFormatError(f"{path} has {len(names)} entries, more than a bundle has, or some twice.")
    if missing := {"bundle.json", "network.onnx"} - set(names):
        raise BundleFormatError(f"{path} is not an Earmark bundle: it lacks {', '.join(sorted(missing))}.")
    entries = {}
    for info in archive.infolist():
        known = info.filename in _MAX_ENTRY or _GOLDEN_NAME.fullmatch(info.filename)
        if not known or info.filename == "golden":
            raise BundleFormatError(f"{path} has an entry that no bundle has: {info.filename[:80]!r}.")
        limit = _MAX_ENTRY.get(info.filename, _MAX_ENTRY["golden"])
        # Stored entries only: nothing can unfold into more than the file itself.
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > limit or info.flag_bits & 1:
            raise BundleFormatError(
                f"{path}: the entry {info.filename} is compressed, encrypted or too large."
            )
        entries[info.filename] = archive.read(info)
    return entries


def _bundle(path: Path, about: dict[str, Any], entries: dict[str, bytes]) -> Bundle:
    if set(about["sha256"]) != set(entries):
        raise BundleFormatError(f"{path}: its list of hashes does not match its entries.")
    for name, data in entries.items():
        if hashlib.sha256(data).hexdigest() != about["sha256"][name]:
            raise BundleFormatError(f"{path}: the entry {name} was changed after the bundle was written.")
    network = entries["network.onnx"]
    if b"location" in network:  # how an ONNX file refers to weights in other files; ours never do
        raise BundleFormatError(f"{path}: its network refers to files outside the bundle.")
    labels = tuple(about["labels"])
    if len(labels) < 2 or len(set(labels)) != len(labels) or not all(isinstance(x, str) for x in labels):
        raise BundleFormatError(f"{path}: its labels are not two or more distinct names.")
    feature = feature_from_dict(about["feature"])
    golden = []
    for sound in about["golden"]:
        samples = np.load(io.BytesIO(entries[sound["file"]]), allow_pickle=False)
        probabilities = np.array(sound["probabilities"], np.float32)
        if samples.dtype != np.float32 or samples.ndim != 1 or probabilities.shape != (len(labels),):
            raise BundleFormatError(f"{path}: its test sound {sound['file']} is malformed.")
        golden.append(Golden(Waveform(samples, feature.sample_rate), probabilities))
    if not golden:
        raise BundleFormatError(f"{path} has no test sounds, so that nothing shows whether it works.")
    return Bundle(labels, feature, dict(about["model"]), network, tuple(golden), dict(about["provenance"]))
