"""The one artifact that leaves the building: a zip of stored entries, never pickle. No inference here.

``bundle.json``
    Format number, labels, feature and model settings, how scores become answers, provenance, and the hash of every
    other entry.
``network.onnx``
    Features to logits.
``reference.npy``
    Training clips' features, to tell by what is unlike all of them; only where that was learnt.
``golden/N.npy``
    Short waveforms; the probabilities they must give stand in ``bundle.json``.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.decide import Decision, Reference
from earmark.decide.unknown import MOST_BYTES, MOST_ROWS, NEIGHBOURS
from earmark.errors import BundleFormatError, PathError, UsageError
from earmark.features import feature_to_dict, kept_feature
from earmark.files import write_atomically
from earmark.settings import from_dict, to_dict
from earmark.types import Feature, FloatArray, Waveform

FORMAT = 2
_READ = (1, FORMAT)  # 1 knows no decision
SUFFIX = ".earmark"

_MAX_FILE = 2**30
_MAX_ENTRY = {"bundle.json": 64 * 2**20, "network.onnx": 2**29}
_REFERENCE, _MAX_REFERENCE_BYTES = "reference.npy", MOST_BYTES + 2**16
_MAX_GOLDEN, _MAX_GOLDEN_BYTES = 16, 4 * 2**20
_GOLDEN_NAME = re.compile(r"golden/\d{1,2}\.npy")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same content gives the same file
_SAMPLE, _ROW = np.dtype("<f4"), np.dtype("<f2")
_LONGEST_REASON = 200


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
    decision
        How the logits become probabilities and answers.
    reference
        What familiarity is measured by; there is one where the decision has a familiarity.
    """

    labels: tuple[str, ...]
    feature: Feature
    model: dict[str, Any]
    network: bytes
    golden: tuple[Golden, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    decision: Decision = field(default_factory=Decision)
    reference: Reference | None = None


def group_hash(group: str) -> str:
    """Return what stands for a training group in a bundle: names may be private, recognising them must be possible.

    >>> group_hash("101415")
    'd3b7a7b25255789a'
    """
    return hashlib.blake2b(group.encode(), digest_size=8).hexdigest()


def write_bundle(path: Path, bundle: Bundle) -> None:
    """Write ``bundle`` to ``path`` atomically; the same bundle gives the same bytes."""
    entries = {"network.onnx": bundle.network}
    golden = []
    for i, sound in enumerate(bundle.golden):
        buffer = io.BytesIO()
        np.save(buffer, sound.waveform.samples.astype(_SAMPLE), allow_pickle=False)
        entries[f"golden/{i}.npy"] = buffer.getvalue()
        golden.append({"file": f"golden/{i}.npy", "probabilities": [float(p) for p in sound.probabilities]})
    reference = None
    if bundle.reference is not None:
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(bundle.reference.rows, _ROW), allow_pickle=False)
        entries[_REFERENCE] = buffer.getvalue()
        reference = {name: getattr(bundle.reference, name).tolist() for name in ("mean", "scale")}
    about = {
        "format": FORMAT,
        "labels": list(bundle.labels),
        "feature": feature_to_dict(bundle.feature),
        "model": bundle.model,
        "decision": to_dict(bundle.decision),
        "reference": reference,
        "golden": golden,
        "provenance": bundle.provenance,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in entries.items()},
    }
    about["seal"] = _seal(about)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False)
        for name, data in {"bundle.json": text.encode(), **entries}.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    write_atomically(path, packed.getvalue())


def _seal(about: dict[str, Any]) -> str:
    """Return a hash over all of ``bundle.json`` but the seal itself: settings, labels, promises, other hashes."""
    rest = {key: value for key, value in about.items() if key != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def read_bundle(path: Path) -> Bundle:
    """Read and verify a bundle.

    Raises
    ------
    PathError
        When there is no such file, or it cannot be read.
    BundleFormatError
        When it is not a bundle, is damaged, larger than allowed, or of an unknown version.
    """
    data = _read_file(path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = _entries(path, archive)
        about = json.loads(entries.pop("bundle.json"))
        if not isinstance(about, dict) or "format" not in about:
            raise BundleFormatError(f"{path} has no format number: it was not written by Earmark.")
        if about["format"] not in _READ or isinstance(about["format"], bool):
            raise BundleFormatError(
                f"{path} has format {about['format']!r:.20}; this Earmark reads the formats {_READ[0]} to {FORMAT}. "
                "Update Earmark: pip install --upgrade earmark"
            )
        return _bundle(path, about, entries)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
        raise BundleFormatError(
            f"{path} is not an Earmark model, or only part of one ({error}). "
            "Get it anew, or train one with: earmark train DATASET -o MODEL.earmark"
        ) from None
    except (UsageError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise BundleFormatError(f"{path} is damaged: {_reason(error)}") from None
    except (RecursionError, OverflowError, MemoryError):  # numbers and nesting that no bundle has
        raise BundleFormatError(f"{path} is damaged: it holds values beyond all measure.") from None


def _read_file(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise PathError(f"{path} is a folder, not a model file. The model comes before the data.")
        if not path.is_file():
            raise PathError(
                f"There is no model file '{path}'. Train one with: earmark train DATASET -o {path.name}"
            )
        with path.open("rb") as file:
            data = file.read(min(path.stat().st_size, _MAX_FILE) + 1)
    except OSError as error:
        raise PathError(f"The model file {path} cannot be read: {error.strerror}.") from None
    if len(data) > _MAX_FILE:
        raise BundleFormatError(f"{path} is larger than a bundle may be ({_MAX_FILE // 2**20} MiB).")
    return data


def _reason(error: Exception) -> str:
    words = str(error) if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
    return words if len(words) <= _LONGEST_REASON else words[:_LONGEST_REASON] + " …"


def _entries(path: Path, archive: zipfile.ZipFile) -> dict[str, bytes]:
    names = archive.namelist()
    if len(names) != len(set(names)) or len(names) > len(_MAX_ENTRY) + 1 + _MAX_GOLDEN:
        raise BundleFormatError(f"{path} has {len(names)} entries, more than a bundle has, or some twice.")
    if missing := _MAX_ENTRY.keys() - set(names):
        raise BundleFormatError(f"{path} is not an Earmark model: it lacks {', '.join(sorted(missing))}.")
    entries = {}
    for info in archive.infolist():
        known = info.filename in _MAX_ENTRY or info.filename == _REFERENCE
        if not known and not _GOLDEN_NAME.fullmatch(info.filename):
            raise BundleFormatError(f"{path} has an entry that no bundle has: {info.filename[:80]!r}.")
        limit = _MAX_ENTRY.get(info.filename, _MAX_GOLDEN_BYTES)
        limit = _MAX_REFERENCE_BYTES if info.filename == _REFERENCE else limit
        # Stored entries only: nothing can unfold into more than the file itself.
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > limit or info.flag_bits & 1:
            raise BundleFormatError(
                f"{path}: the entry {info.filename} is compressed, encrypted or too large."
            )
        entries[info.filename] = archive.read(info)
    return entries


def _bundle(path: Path, about: dict[str, Any], entries: dict[str, bytes]) -> Bundle:
    if about["seal"] != _seal(about):
        raise BundleFormatError(f"{path}: its settings were changed after the bundle was written.")
    if set(about["sha256"]) != set(entries):
        raise BundleFormatError(f"{path}: its list of hashes does not match its entries.")
    for name, data in entries.items():
        if hashlib.sha256(data).hexdigest() != about["sha256"][name]:
            raise BundleFormatError(f"{path}: the entry {name} was changed after the bundle was written.")
    network = entries["network.onnx"]
    if b"location" in network:  # how an ONNX file refers to weights in other files; ours never do
        raise BundleFormatError(f"{path}: its network refers to files outside the bundle.")
    labels = about["labels"]
    names = isinstance(labels, list) and all(isinstance(label, str) and label for label in labels)
    if not names or len(labels) < 2 or len(set(labels)) != len(labels):
        raise BundleFormatError(f"{path}: its labels are not two or more distinct names.")
    feature = kept_feature(about["feature"])
    if sorted(sound["file"] for sound in about["golden"]) != sorted(
        entries.keys() - _MAX_ENTRY.keys() - {_REFERENCE}
    ):
        raise BundleFormatError(f"{path}: its list of test sounds does not match its entries.")
    golden = []
    for sound in about["golden"]:
        samples = _samples(entries[sound["file"]])
        probabilities = np.array(sound["probabilities"], np.float32)
        if samples is None or probabilities.shape != (len(labels),) or not np.isfinite(probabilities).all():
            raise BundleFormatError(f"{path}: its test sound {sound['file']} is malformed.")
        golden.append(Golden(Waveform(samples, feature.sample_rate), probabilities))
    if not golden:
        raise BundleFormatError(f"{path} has no test sounds, so that nothing shows whether it works.")
    model, provenance = about["model"], about["provenance"]
    learnt = provenance.get("train_groups", [])
    hashes = isinstance(learnt, list) and all(isinstance(name, str) for name in learnt)
    if not isinstance(model, dict) or not isinstance(provenance, dict) or not hashes:
        raise BundleFormatError(f"{path}: its record of the training is malformed.")
    decision = Decision() if about["format"] == 1 else from_dict(Decision, about["decision"], "decision")
    if len(decision.thresholds) not in (0, len(labels)):
        raise BundleFormatError(
            f"{path}: it has {len(decision.thresholds)} thresholds for {len(labels)} labels."
        )
    reference = _reference(path, about.get("reference"), entries.get(_REFERENCE), feature.dims)
    if (reference is None) != (decision.familiarity is None):
        raise BundleFormatError(f"{path}: it has a familiarity without a reference, or the other way round.")
    return Bundle(tuple(labels), feature, model, network, tuple(golden), provenance, decision, reference)


def _reference(path: Path, about: Any, data: bytes | None, dims: int) -> Reference | None:
    if about is None and data is None:
        return None
    rows = _array(data or b"", _ROW, 2)
    with np.errstate(over="ignore"):  # told of below
        mean, scale = (np.array((about or {})[name], np.float32) for name in ("mean", "scale"))
    fits = (
        rows is not None
        and NEIGHBOURS <= len(rows) <= MOST_ROWS
        and (rows.shape[1:] == mean.shape == scale.shape == (dims,))
        and all(np.isfinite(values).all() for values in (rows, mean, scale))
    )
    if rows is None or not fits:
        raise BundleFormatError(f"{path}: its reference of known clips is malformed.")
    return Reference(mean, scale, rows.astype(np.float16))


def _samples(data: bytes) -> FloatArray | None:
    samples = _array(data, _SAMPLE, 1)
    return None if samples is None else samples.astype(np.float32)


def _array(data: bytes, wanted: np.dtype[Any], axes: int) -> NDArray[Any] | None:
    """Read an array as `write_bundle` writes it and in no other way: `np.load` knows several, some with pickle."""
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file) != (1, 0):
        return None
    shape, columns_first, dtype = np.lib.format.read_array_header_1_0(file)
    flat = np.frombuffer(data, wanted, offset=file.tell())
    fits = dtype == wanted and len(shape) == axes and math.prod(shape) == len(flat) and len(flat)
    return flat.reshape(shape) if fits and not (columns_first and axes > 1) else None
