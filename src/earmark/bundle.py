"""The one artifact that leaves the building: a zip of stored entries, never pickle. No inference here.

``bundle.json``
    Format number, labels, feature and model settings, how scores become answers, provenance, and the hash of every
    other entry.
``network.onnx``
    Features to logits.
``networks/N.onnx``
    The same of what else is heard, in a blend.
``encoders/N.onnx``
    The pretrained encoders that features are made with; only where there are some.
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
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.decide import Decision, Reference
from earmark.decide.unknown import MOST_BYTES, MOST_ROWS, NEIGHBOURS
from earmark.encoders import MOST_WEIGHTS, get, remember
from earmark.errors import BundleFormatError, PathError, UsageError
from earmark.events import Events
from earmark.features import Encoder, feature_to_dict, kept_feature
from earmark.features.summary import summary_dims
from earmark.files import write_atomically
from earmark.settings import from_dict, to_dict
from earmark.types import Feature, FloatArray, Waveform

FORMAT = 3
_READ = (1, 2, FORMAT)  # 1 knows no decision, 2 one network only
SUFFIX = ".earmark"

_MAX_FILE = 2**30
_MAX_ENTRY = {"bundle.json": 64 * 2**20, "network.onnx": 2**29}
_REFERENCE, _MAX_REFERENCE_BYTES = "reference.npy", MOST_BYTES + 2**16
_ENCODER_NAME = re.compile(r"encoders/[1-8]\.onnx")
_MAX_GOLDEN, _MAX_GOLDEN_BYTES = 16, 4 * 2**20
_GOLDEN_NAME = re.compile(r"golden/\d{1,2}\.npy")
_MOST_OTHERS, _OTHER_NAME = 7, re.compile(r"networks/[1-7]\.onnx")
_HEAVIEST = 1e9  # no weight is larger
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


@dataclass(frozen=True, slots=True)
class Member:
    """One network of a classifier.

    Parameters
    ----------
    feature
        The settings of its front end.
    model
        Name and settings of the network, for the record.
    network
        ONNX: ``features`` float32[n, dims], or float32[n, frames, dims] where the feature keeps time, to ``logits``
        float32[n, labels].
    weight
        What its logits count in their sum.
    """

    feature: Feature
    model: dict[str, Any] = field(hash=False)
    network: bytes
    weight: float = 1.0


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
        ONNX: ``features`` float32[n, dims], or float32[n, frames, dims] where the feature keeps time, to ``logits``
        float32[n, labels].
    golden
        The self-test.
    provenance
        Data fingerprint, split rule, train-group hashes, versions, seed and scores.
    decision
        How the logits become probabilities and answers.
    reference
        What familiarity is measured by; there is one where the decision has a familiarity.
    weight, others
        Of a blend: what the network's logits count, and the other networks.
    encoders
        The weights of the features' encoders, each once, in their order; by default those of this machine.
    events
        How long recordings are heard.
    """

    labels: tuple[str, ...]
    feature: Feature
    model: dict[str, Any]
    network: bytes
    golden: tuple[Golden, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    decision: Decision = field(default_factory=Decision)
    reference: Reference | None = None
    weight: float = 1.0
    others: tuple[Member, ...] = ()

    encoders: tuple[bytes, ...] = ()
    events: Events = field(default_factory=Events)

    def __post_init__(self) -> None:
        if not self.encoders:
            object.__setattr__(self, "encoders", tuple(get(name) for name in encoder_names(self.features)))
        for weights in self.encoders:
            remember(weights)

    @property
    def members(self) -> tuple[Member, ...]:
        """All networks; clips are compared by what the first one hears."""
        return (Member(self.feature, self.model, self.network, self.weight), *self.others)

    @property
    def features(self) -> tuple[Feature, ...]:
        """What each network hears."""
        return tuple(member.feature for member in self.members)


def group_hash(group: str) -> str:
    """Return what stands for a training group in a bundle: names may be private, recognising them must be possible.

    >>> group_hash("101415")
    'd3b7a7b25255789a'
    """
    return hashlib.blake2b(group.encode(), digest_size=8).hexdigest()


def write_bundle(path: Path, bundle: Bundle) -> None:
    """Write ``bundle`` to ``path`` atomically; the same bundle gives the same bytes."""
    entries = {"network.onnx": bundle.network}
    others = []
    for i, member in enumerate(bundle.others, start=1):
        entries[f"networks/{i}.onnx"] = member.network
        about_it = {
            "feature": feature_to_dict(member.feature),
            "model": member.model,
            "weight": member.weight,
        }
        others.append({"file": f"networks/{i}.onnx", **about_it})
    for i, weights in enumerate(bundle.encoders, start=1):
        entries[f"encoders/{i}.onnx"] = weights
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
        "weight": bundle.weight,
        "others": others,
        "decision": to_dict(bundle.decision),
        "events": to_dict(bundle.events),
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
    if len(names) != len(set(names)) or len(names) > len(_MAX_ENTRY) + 1 + _MAX_GOLDEN + 2 * _MOST_OTHERS + 1:
        raise BundleFormatError(f"{path} has {len(names)} entries, more than a bundle has, or some twice.")
    if missing := _MAX_ENTRY.keys() - set(names):
        raise BundleFormatError(f"{path} is not an Earmark model: it lacks {', '.join(sorted(missing))}.")
    entries = {}
    for info in archive.infolist():
        limit = _limit(info.filename)
        if limit is None:
            raise BundleFormatError(f"{path} has an entry that no bundle has: {info.filename[:80]!r}.")
        # Stored entries only: nothing can unfold into more than the file itself.
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > limit or info.flag_bits & 1:
            raise BundleFormatError(
                f"{path}: the entry {info.filename} is compressed, encrypted or too large."
            )
        entries[info.filename] = archive.read(info)
    return entries


def _limit(name: str) -> int | None:
    """Return how many bytes an entry may have; ``None`` for one that no bundle has."""
    if name == _REFERENCE:
        return _MAX_REFERENCE_BYTES
    if _ENCODER_NAME.fullmatch(name):
        return MOST_WEIGHTS
    if _OTHER_NAME.fullmatch(name):
        return _MAX_ENTRY["network.onnx"]
    return _MAX_ENTRY.get(name, _MAX_GOLDEN_BYTES if _GOLDEN_NAME.fullmatch(name) else None)


def _bundle(path: Path, about: dict[str, Any], entries: dict[str, bytes]) -> Bundle:
    if about["seal"] != _seal(about):
        raise BundleFormatError(f"{path}: its settings were changed after the bundle was written.")
    if set(about["sha256"]) != set(entries):
        raise BundleFormatError(f"{path}: its list of hashes does not match its entries.")
    for name, data in entries.items():
        if hashlib.sha256(data).hexdigest() != about["sha256"][name]:
            raise BundleFormatError(f"{path}: the entry {name} was changed after the bundle was written.")
    encoders = {name: entries[name] for name in sorted(entries) if _ENCODER_NAME.fullmatch(name)}
    networks = {n: data for n, data in entries.items() if n.endswith(".onnx") and n not in encoders}
    if any(b"location" in network for network in networks.values()):
        # how an ONNX file refers to weights in other files; ours never do
        raise BundleFormatError(f"{path}: its network refers to files outside the bundle.")
    labels = about["labels"]
    names = isinstance(labels, list) and all(isinstance(label, str) and label for label in labels)
    if not names or len(labels) < 2 or len(set(labels)) != len(labels):
        raise BundleFormatError(f"{path}: its labels are not two or more distinct names.")
    feature = kept_feature(about["feature"])
    if sorted(sound["file"] for sound in about["golden"]) != sorted(
        entries.keys() - networks.keys() - encoders.keys() - {_REFERENCE}
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
    dims = summary_dims(feature)
    reference = _reference(path, about.get("reference"), entries.get(_REFERENCE), dims)
    if (reference is None) != (decision.familiarity is None):
        raise BundleFormatError(f"{path}: it has a familiarity without a reference, or the other way round.")
    weight, others = _others(path, about, networks)
    named = encoder_names([feature, *(member.feature for member in others)])
    if [about["sha256"][name] for name in encoders] != named:
        raise BundleFormatError(f"{path}: its encoders are not those that its settings name.")
    network = networks["network.onnx"]
    return Bundle(
        tuple(labels),
        feature,
        model,
        network,
        tuple(golden),
        provenance,
        decision,
        reference,
        weight,
        others,
        tuple(encoders.values()),
        from_dict(Events, about.get("events", {}), "events"),
    )


def encoder_names(features: Iterable[Feature]) -> list[str]:
    """Return the hashes of the weights that features are made with, each once.

    >>> from earmark.features import Mfcc
    >>> encoder_names([Mfcc(), Encoder(sha256="ab"), Encoder(sha256="ab", pooled="mean")])
    ['ab']
    """
    return list(dict.fromkeys(feature.sha256 for feature in features if isinstance(feature, Encoder)))


def _others(
    path: Path, about: dict[str, Any], networks: dict[str, bytes]
) -> tuple[float, tuple[Member, ...]]:
    told = about["others"] if about["format"] >= 3 else []
    weights = [about["weight"] if about["format"] >= 3 else 1.0, *(member["weight"] for member in told)]
    files = ["network.onnx", *(member["file"] for member in told)]
    if sorted(files) != sorted(networks):
        raise BundleFormatError(f"{path}: its list of networks does not match its entries.")
    if not all(type(w) is float and 0 <= w <= _HEAVIEST for w in weights) or not any(weights):
        raise BundleFormatError(f"{path}: the weights of its networks are not numbers from 0 on.")
    if not all(isinstance(member["model"], dict) for member in told):
        raise BundleFormatError(f"{path}: its record of the training is malformed.")
    members = (
        Member(kept_feature(member["feature"]), member["model"], networks[member["file"]], weight)
        for member, weight in zip(told, weights[1:], strict=True)
    )
    return weights[0], tuple(members)


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
