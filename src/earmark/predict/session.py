"""A bundle's networks in ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.bundle import Bundle, Member
from earmark.errors import BundleFormatError
from earmark.inputs import Inputs
from earmark.types import Feature


def open_session(bundle: Bundle, member: Member) -> Any:
    """Return a session of one of a bundle's networks.

    Raises
    ------
    BundleFormatError
        When ONNX Runtime cannot load it, or it does not fit the feature and the labels.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # clips run side by side instead
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(member.network, options, providers=["CPUExecutionProvider"])
        inputs, outputs = session.get_inputs(), session.get_outputs()
        fits = (
            [i.name for i in inputs] == ["features"]
            and [o.name for o in outputs] == ["logits"]
            and _fits(inputs[0].shape, member.feature)
            and outputs[0].shape[1:] == [len(bundle.labels)]
        )
    except Exception as error:  # the same
        raise BundleFormatError(f"The bundle's network cannot be loaded: {_first_line(error)}") from None
    if not fits:
        raise BundleFormatError("The bundle's network does not fit its feature and its labels.")
    return session


def _fits(shape: list[Any], feature: Feature) -> bool:
    if not feature.course:
        return shape[1:] == [feature.dims]
    return len(shape) == 3 and shape[2] == feature.dims and not isinstance(shape[1], int)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def run(session: Any, member: Member, inputs: Inputs, labels: int) -> NDArray[np.float64]:
    """Return a network's scores, float64[n, labels].

    Raises
    ------
    BundleFormatError
        When it does not give one finite number a label.
    """
    whole = [np.asarray(inputs)] if not member.feature.course else [course[None] for course in inputs]
    try:
        found = [session.run(["logits"], {"features": values})[0] for values in whole]
    except Exception as error:  # ONNX Runtime has no common base for what it raises
        raise BundleFormatError(f"The bundle's network cannot be run: {_first_line(error)}") from None
    fits = all(part.shape == (len(own), labels) for part, own in zip(found, whole, strict=True))
    logits = np.concatenate([np.zeros((0, labels)), *found]).astype(np.float64) if fits else np.empty(0)
    if not fits or not np.isfinite(logits).all():
        raise BundleFormatError("The bundle's network does not give one finite number a label.")
    return logits
