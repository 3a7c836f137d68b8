"""What MLflow loads: a model file, asked with a table, a row a sound."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from earmark.errors import AudioError, UnreadableAudioError
from earmark.predict import STDIN, Predictor

_COLUMNS = ("audio", "path")


class Served:
    """A model that answers tables.

    Parameters
    ----------
    predictor
        What answers.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    @classmethod
    def open(cls, path: Path) -> Served:
        """Read a model file, and see that it keeps its promises."""
        return cls(Predictor.open(path))

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return for each row what ``earmark predict --json`` says of a file, or why it cannot be used.

        Parameters
        ----------
        model_input
            A data frame, or a list of rows: in ``audio`` the bytes of a sound file, or these as base64; or in ``path``
            where a file is on this machine.
        params
            There are none.
        """
        return [self._answer(row) for row in _rows(model_input)]

    def _answer(self, row: Mapping[str, Any]) -> dict[str, Any]:
        audio, path = (None if _missing(row.get(name)) else row[name] for name in _COLUMNS)
        name = "" if path is None else str(path)
        try:
            if audio is not None:
                return self._predictor.predict(STDIN, io.BytesIO(_bytes(audio))).to_dict() | {"path": name}
            # No address is fetched, and no device or pipe waited for, because someone who asks says so.
            if not name or not Path(name).is_file():
                said = f"there is no file '{name}'" if name else "the row has neither 'audio' nor 'path'"
                raise UnreadableAudioError(name, said)
            return self._predictor.predict(name).to_dict()
        except AudioError as error:
            return {"path": name, "error": error.reason}


def _rows(table: Any) -> Iterator[Mapping[str, Any]]:
    return iter(table if isinstance(table, list) else table.to_dict(orient="records"))


def _missing(value: Any) -> bool:
    return value is None or value != value  # not a number, as a data frame tells what is not there


def _bytes(audio: Any) -> bytes:
    if isinstance(audio, bytes | bytearray | memoryview):
        return bytes(audio)
    try:
        return base64.b64decode(str(audio), validate=True)
    except binascii.Error:
        raise UnreadableAudioError("", "'audio' is neither bytes nor base64") from None


def _load_pyfunc(path: str) -> Served:
    """Return what MLflow asks; it looks for a function of this name."""
    return Served.open(Path(path))
