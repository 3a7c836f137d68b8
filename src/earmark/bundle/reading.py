"""Reads a bundle, and believes nothing of it that is not checked."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.bundle.content import Bundle, Golden, Member, encoder_names
from earmark.bundle.entries import (
    ABOUT,
    FORMAT,
    MOST_GOLDEN,
    MOST_NETWORKS,
    NETWORK,
    READ,
    REFERENCE,
    ROW,
    SAMPLE,
    is_encoder,
    is_golden,
    most_bytes,
    seal,
)
from earmark.decide import Decision, Reference
from earmark.decide.blend import Share
from earmark.decide.unknown import MOST_ROWS, NEIGHBOURS
from earmark.errors import BundleFormatError, PathError, UsageError
from earmark.events import Events
from earmark.features import kept_feature
from earmark.features.summary import summary_dims
from earmark.remote import Place
from earmark.settings import from_dict
from earmark.types import Waveform

_MAX_FILE = 2**30
_HEAVIEST = 1e9  # no weight is larger, and no temperature
_LONGEST_REASON = 200


def read_bundle(path: Place) -> Bundle:
    """Read and verify a bundle, here or at a URI (see `earmark.remote.place`).

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
        about = json.loads(entries.pop(ABOUT))
        if not isinstance(about, dict) or "format" not in about:
            raise BundleFormatError(f"{path} has no format number: it was not written by Earmark.")
        if about["format"] not in READ or isinstance(about["format"], bool):
            raise BundleFormatError(
                f"{path} has format {about['format']!r:.20}; this Earmark reads the formats {READ[0]} to {FORMAT}. "
                "Update Earmark: pip install --upgrade earmark"
            )
        _check_hashes(path, about, entries)
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


def _read_file(path: Place) -> bytes:
    try:
        if path.is_dir():
            raise PathError(f"{path} is a folder, not a model file. The model comes before the data.")
        if not path.is_file():
            raise PathError(
                f"There is no model file '{path}'. Train one with: earmark train DATASET -o {path.name}"
            )
        if path.stat().st_size > _MAX_FILE:
            raise BundleFormatError(f"{path} is larger than a bundle may be ({_MAX_FILE // 2**20} MiB).")
        with path.open("rb") as file:
            data: bytes = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise PathError(f"The model file {path} cannot be read: {error.strerror}.") from None
    if len(data) > _MAX_FILE:
        raise BundleFormatError(f"{path} is larger than a bundle may be ({_MAX_FILE // 2**20} MiB).")
    return data


def _reason(error: Exception) -> str:
    words = str(error) if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
    return words if len(words) <= _LONGEST_REASON else words[:_LONGEST_REASON] + " …"


def _entries(path: Place, archive: zipfile.ZipFile) -> dict[str, bytes]:
    names = archive.namelist()
    if len(names) != len(set(names)) or len(names) > 2 + MOST_GOLDEN + 2 * MOST_NETWORKS:
        raise BundleFormatError(f"{path} has {len(names)} entries, more than a bundle has, or some twice.")
    if missing := {ABOUT, NETWORK} - set(names):
        raise BundleFormatError(f"{path} is not an Earmark model: it lacks {', '.join(sorted(missing))}.")
    entries = {}
    for info in archive.infolist():
        limit = most_bytes(info.filename)
        if limit is None:
            raise BundleFormatError(f"{path} has an entry that no bundle has: {info.filename[:80]!r}.")
        # Stored entries only: nothing can unfold into more than the file itself.
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > limit or info.flag_bits & 1:
            raise BundleFormatError(
                f"{path}: the entry {info.filename} is compressed, encrypted or too large."
            )
        entries[info.filename] = archive.read(info)
    return entries


def _check_hashes(path: Place, about: dict[str, Any], entries: dict[str, bytes]) -> None:
    if about["seal"] != seal(about):
        raise BundleFormatError(f"{path}: its settings were changed after the bundle was written.")
    if set(about["sha256"]) != set(entries):
        raise BundleFormatError(f"{path}: its list of hashes does not match its entries.")
    for name, data in entries.items():
        if hashlib.sha256(data).hexdigest() != about["sha256"][name]:
            raise BundleFormatError(f"{path}: the entry {name} was changed after the bundle was written.")


def _bundle(path: Place, about: dict[str, Any], entries: dict[str, bytes]) -> Bundle:
    labels = about["labels"]
    members = _members(path, about, entries)
    names = isinstance(labels, list) and all(isinstance(label, str) and label for label in labels)
    if not names or len(labels) < 2 or len(set(labels)) != len(labels):
        raise BundleFormatError(f"{path}: its labels are not two or more distinct names.")
    feature = members[0].feature
    golden = _golden(path, about, entries, feature.sample_rate)
    provenance = about["provenance"]
    learnt = provenance.get("train_groups", [])
    hashes = isinstance(learnt, list) and all(isinstance(name, str) for name in learnt)
    if not isinstance(provenance, dict) or not hashes:
        raise BundleFormatError(f"{path}: its record of the training is malformed.")
    decision = Decision() if about["format"] == 1 else from_dict(Decision, about["decision"], "decision")
    if len(decision.thresholds) not in (0, len(labels)):
        raise BundleFormatError(
            f"{path}: it has {len(decision.thresholds)} thresholds for {len(labels)} labels."
        )
    reference = _reference(path, about.get("reference"), entries.get(REFERENCE), summary_dims(feature))
    if (reference is None) != (decision.familiarity is None):
        raise BundleFormatError(f"{path}: it has a familiarity without a reference, or the other way round.")
    encoders = [name for name in sorted(entries) if is_encoder(name)]
    named = encoder_names(member.feature for member in members)
    if [about["sha256"][name] for name in encoders] != named:
        raise BundleFormatError(f"{path}: its encoders are not those that its settings name.")
    weights = tuple(entries[name] for name in encoders)
    events = from_dict(Events, about.get("events", {}), "events")
    return Bundle(tuple(labels), members, golden, provenance, decision, reference, weights, events)


def _members(path: Place, about: dict[str, Any], entries: dict[str, bytes]) -> tuple[Member, ...]:
    told = about["members"] if about["format"] == FORMAT else [_only(about)]
    networks = {n: data for n, data in entries.items() if n.endswith(".onnx") and not is_encoder(n)}
    if sorted(member["file"] for member in told) != sorted(networks):
        raise BundleFormatError(f"{path}: its list of networks does not match its entries.")
    if any(b"location" in network for network in networks.values()):
        # how an ONNX file refers to weights in other files; ours never do
        raise BundleFormatError(f"{path}: its network refers to files outside the bundle.")
    for name, lowest in (("weight", 0.0), ("temperature", 1 / _HEAVIEST)):
        values = [member[name] for member in told]
        if not all(type(value) is float and lowest <= value <= _HEAVIEST for value in values):
            raise BundleFormatError(
                f"{path}: a {name} of its networks is not a number from {lowest:g} to {_HEAVIEST:g}."
            )
    if not any(member["weight"] for member in told):
        raise BundleFormatError(f"{path}: none of its networks has a weight.")
    if not all(isinstance(member["model"], dict) for member in told):
        raise BundleFormatError(f"{path}: its record of the training is malformed.")
    return tuple(
        Member(
            kept_feature(member["feature"]),
            member["model"],
            networks[member["file"]],
            Share(member["weight"], member["temperature"]),
        )
        for member in told
    )


def _only(about: dict[str, Any]) -> dict[str, Any]:
    """Return the one network of the formats 1 and 2."""
    own = {"file": NETWORK, "feature": about["feature"], "model": about["model"]}
    return own | {"weight": 1.0, "temperature": 1.0}


def _golden(
    path: Place, about: dict[str, Any], entries: dict[str, bytes], sample_rate: int
) -> tuple[Golden, ...]:
    if sorted(sound["file"] for sound in about["golden"]) != sorted(filter(is_golden, entries)):
        raise BundleFormatError(f"{path}: its list of test sounds does not match its entries.")
    golden = []
    for sound in about["golden"]:
        samples = _array(entries[sound["file"]], SAMPLE, 1)
        probabilities = np.array(sound["probabilities"], np.float32)
        fits = probabilities.shape == (len(about["labels"]),) and np.isfinite(probabilities).all()
        if samples is None or not fits:
            raise BundleFormatError(f"{path}: its test sound {sound['file']} is malformed.")
        golden.append(Golden(Waveform(samples.astype(np.float32), sample_rate), probabilities))
    if not golden:
        raise BundleFormatError(f"{path} has no test sounds, so that nothing shows whether it works.")
    return tuple(golden)


def _reference(path: Place, about: Any, data: bytes | None, dims: int) -> Reference | None:
    if about is None and data is None:
        return None
    rows = _array(data or b"", ROW, 2)
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


def _array(data: bytes, wanted: np.dtype[Any], axes: int) -> NDArray[Any] | None:
    """Read an array as `write_bundle` writes it and in no other way: `np.load` knows several, some with pickle."""
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file) != (1, 0):
        return None
    shape, columns_first, dtype = np.lib.format.read_array_header_1_0(file)
    flat = np.frombuffer(data, wanted, offset=file.tell())
    fits = dtype == wanted and len(shape) == axes and math.prod(shape) == len(flat) and len(flat)
    return flat.reshape(shape) if fits and not (columns_first and axes > 1) else None
