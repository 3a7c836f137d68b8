"""`Rows`: what is heard in many files, a line each, for a batch endpoint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from earmark.cloud.azure.scoring import find_model
from earmark.engine import Engine, Local
from earmark.errors import AudioError
from earmark.files import written_atomically
from earmark.predict import LONG, Long, Predictor


class Rows:
    """Scores files with one model, on every core, and writes lines as ``earmark predict --format jsonl`` does.

    Parameters
    ----------
    predictor
        What scores.
    folder
        Where the files of lines go.
    engine
        Where the work is done; a file that its decoder dies of costs its own line only.
    """

    def __init__(self, predictor: Predictor, folder: Path, engine: Engine | None = None) -> None:
        self._predictor, self._folder, self._engine = predictor, folder, engine or Local()

    @classmethod
    def open(cls, model: Path, folder: Path) -> Rows:
        """Make the one model below a folder ready.

        Raises
        ------
        PathError
            When there is none, or more than one.
        BundleError
            When it cannot be trusted.
        """
        return cls(Predictor.open(find_model(model)), folder)

    def write(self, paths: Sequence[str]) -> list[str]:
        """Write a file of lines about some sounds, ``{"path", "error"}`` where one cannot be used; return the rest.

        The file's name depends on the sounds alone: a part that Azure ML gives out once more, since a machine was
        taken away, replaces its lines and does not double them. Nothing but one line is in memory at a time.
        """
        name = hashlib.blake2b("\n".join(paths).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
        good = []
        with written_atomically(self._folder / f"predictions-{name}.jsonl") as file:
            for path, records in self._each(paths):
                for record in records:
                    file.write(json.dumps(record).encode() + b"\n")
                if not any("error" in record for record in records):
                    good.append(path)
        return good

    def _each(self, paths: Sequence[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        how = self._predictor.bundle.events
        longest = None if how.window is None else LONG * how.window
        answers = self._predictor.answers(paths, engine=self._engine, longest=longest)
        for path, answer in zip(paths, answers, strict=True):
            if isinstance(answer, AudioError):
                yield path, [{"path": path, "error": answer.reason}]
            elif isinstance(answer, Long):
                yield path, self._events(path)
            else:
                yield path, [answer.to_dict()]

    def _events(self, path: str) -> list[dict[str, Any]]:
        from earmark.recordings import events_in
        from earmark.serve.work import event_record

        try:
            return [
                event_record(path, event)
                for event in events_in(self._predictor, Path(path), self._predictor.bundle.events)
            ]
        except AudioError as error:
            return [{"path": path, "error": error.reason}]
