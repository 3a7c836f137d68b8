"""Writes a bundle."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.bundle.content import Bundle
from earmark.bundle.entries import ABOUT, FORMAT, REFERENCE, ROW, SAMPLE, network_name, seal
from earmark.features import feature_to_dict
from earmark.files import write_atomically
from earmark.remote import Place, RemotePath
from earmark.settings import to_dict

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same content gives the same file


def write_bundle(path: Place, bundle: Bundle) -> None:
    """Write ``bundle`` to ``path``, here or at a URI, atomically; the same bundle gives the same bytes."""
    entries, members, golden = {}, [], []
    for i, member in enumerate(bundle.members):
        entries[network_name(i)] = member.network
        members.append(
            {
                "file": network_name(i),
                "feature": feature_to_dict(member.feature),
                "model": member.model,
                **to_dict(member.share),
            }
        )
    for i, weights in enumerate(bundle.encoders, start=1):
        entries[f"encoders/{i}.onnx"] = weights
    for i, sound in enumerate(bundle.golden):
        entries[f"golden/{i}.npy"] = _packed(sound.waveform.samples, SAMPLE)
        golden.append({"file": f"golden/{i}.npy", "probabilities": [float(p) for p in sound.probabilities]})
    reference = None
    if bundle.reference is not None:
        entries[REFERENCE] = _packed(bundle.reference.rows, ROW)
        reference = {name: getattr(bundle.reference, name).tolist() for name in ("mean", "scale")}
    about: dict[str, Any] = {
        "format": FORMAT,
        "labels": list(bundle.labels),
        "members": members,
        "decision": to_dict(bundle.decision),
        "events": to_dict(bundle.events),
        "reference": reference,
        "golden": golden,
        "provenance": bundle.provenance,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in entries.items()},
    }
    about["seal"] = seal(about)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False)
        for name, data in {ABOUT: text.encode(), **entries}.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    if isinstance(path, RemotePath):
        path.put(packed.getvalue())
    else:
        write_atomically(path, packed.getvalue())


def _packed(array: NDArray[Any], dtype: np.dtype[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array, dtype), allow_pickle=False)
    return buffer.getvalue()
