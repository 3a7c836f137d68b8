"""``--to onnx``: one file, waveform in, probabilities out, which any ONNX runtime runs."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from earmark.errors import ExportError
from earmark.export.classifier import classifier
from earmark.export.graph import PROBABILITIES, WAVEFORM
from earmark.export.source import Exported, Source
from earmark.export.trial import compare
from earmark.features import feature_to_dict
from earmark.files import write_atomically
from earmark.settings import to_dict
from earmark.types import FloatArray

_MOST_BYTES = 2**31 - 1  # that a protobuf message may have


def write_onnx(source: Source, out: Path) -> Exported:
    """Write ``waveform`` float32[batch, samples] to ``probabilities`` float32[batch, labels].

    See `earmark.export.export`.
    """
    data = onnx_of(source)
    trial = compare(source.bundle, runner(data))
    write_atomically(out, data)
    return Exported(out, "onnx", len(data), trial.difference, trial.tried)


def onnx_of(source: Source) -> bytes:
    """Return the file's bytes, not yet compared with anything.

    Raises
    ------
    ExportError
        When the model cannot be put into a graph.
    MissingExtraError
        When onnx is not installed.
    """
    try:
        shape: list[str | int] = ["batch", len(source.bundle.labels)]
        data = classifier(source.bundle).to_file(PROBABILITIES, shape, metadata(source))
    except ValueError as error:  # protobuf's, of what is too large
        raise ExportError(f"The model cannot be written as one ONNX file: {error}.") from None
    if len(data) > _MOST_BYTES:
        raise ExportError("The model cannot be written as one ONNX file: it would be larger than 2 GiB.")
    return data


def metadata(source: Source) -> dict[str, str]:
    """Return what stands in the file's ``metadata_props``; all but texts and numbers are JSON."""
    bundle = source.bundle
    feature = bundle.feature
    decision = to_dict(bundle.decision)
    decision.pop("familiarity")  # its yardstick, the reference clips, stays in the bundle
    found: dict[str, Any] = {
        "labels": list(bundle.labels),
        "sample_rate": feature.sample_rate,
        "channel": feature.channel,
        "resampler": feature.resampler,
        "exclusive": bundle.decision.exclusive,
        "decision": decision,
        "members": [
            {"feature": feature_to_dict(m.feature), "model": m.model, "share": to_dict(m.share)}
            for m in bundle.members
        ],
        "earmark_version": version("earmark"),
        "bundle_sha256": source.sha256,
        "data": bundle.provenance.get("data", {}),
    }
    if source.quantized:
        found["quantized"] = source.quantized
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in found.items()
    }


class Runner:
    """An exported file, run by ONNX Runtime on one thread.

    Parameters
    ----------
    data
        The file: one input ``waveform``, one output.
    """

    def __init__(self, data: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])

    def __call__(self, waveforms: FloatArray) -> FloatArray:
        """Return the output, such as probabilities float32[batch, labels], for float32[batch, samples].

        Raises
        ------
        ExportError
            When ONNX Runtime cannot do that, for want of memory for example.
        """
        try:
            found: FloatArray = self._session.run(None, {WAVEFORM: waveforms})[0]
        except Exception as error:  # it has no common base for what it raises
            raise ExportError(f"ONNX Runtime cannot run what was exported: {_first_line(error)}") from None
        return found


def runner(data: bytes) -> Runner:
    """Return what runs an exported file.

    Raises
    ------
    ExportError
        When ONNX Runtime cannot load it.
    """
    try:
        return Runner(data)
    except Exception as error:  # the same
        raise ExportError(f"ONNX Runtime cannot load what was exported: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
