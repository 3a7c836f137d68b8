"""Exports: a model in a form that others run. Each is compared with the model before it is there.

A new form is one file with a function that takes a `Source` and a path, and one line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import UnknownNameError
from earmark.export.mlflow import left_by_us, write_mlflow
from earmark.export.onnx import write_onnx
from earmark.export.source import Exported, Source

__all__ = ["EXPORTERS", "Exported", "Exporter", "Source", "known"]


@dataclass(frozen=True, slots=True)
class Exporter:
    """How a form is written.

    Parameters
    ----------
    write
        Takes the model and where it goes. What is there is replaced once the new one is whole, and gives what the model
        gives. Raises `ExportError`, and writes nothing, when the model cannot be put into this form, or does not give
        the same there; `MissingExtraError` when a package that it takes is not installed.
    left_by_us
        Where a folder is written, and not a file: says of one that is there whether an earlier export left it.
    """

    write: Callable[[Source, Path], Exported]
    left_by_us: Callable[[Path], bool] | None = None


EXPORTERS: dict[str, Exporter] = {
    "onnx": Exporter(write_onnx),
    "mlflow": Exporter(write_mlflow, left_by_us),
}


def known(form: str) -> Exporter:
    """Return how a form is written.

    Raises
    ------
    UnknownNameError
        When there is none of this name.
    """
    if form not in EXPORTERS:
        raise UnknownNameError("export", form, EXPORTERS)
    return EXPORTERS[form]
