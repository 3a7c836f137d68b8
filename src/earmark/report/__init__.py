"""A finished run as one HTML file: for whoever must decide whether to trust the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earmark.errors import EarmarkError, SettingError
from earmark.files import write_atomically
from earmark.readers import urbansound8k
from earmark.report import slices
from earmark.report.curves import curves_of
from earmark.report.folder import Folder, read_folder
from earmark.report.matrix import matrix_of, mistakes_of
from earmark.report.page import Page, render, templates
from earmark.report.score import score_of
from earmark.report.slices import Slicing
from earmark.report.sound import Sounds, listen, look
from earmark.report.trust import trust_of

__all__ = ["CLIPS", "Written", "write_report"]

CLIPS = 10
_MOST_CLIPS = 500

OnProgress = Callable[[int, int, float], None]


@dataclass(frozen=True, slots=True)
class Written:
    """What `write_report` wrote.

    Parameters
    ----------
    report
        The file.
    size
        Bytes.
    clips
        How many mistakes are shown with their sound's picture.
    missing
        Why the sound could not be looked at; empty where it could.
    """

    report: Path
    size: int
    clips: int
    missing: str

    def to_dict(self) -> dict[str, Any]:
        """Return the record as `earmark report --json` prints it."""
        return {
            "report": str(self.report),
            "bytes": self.size,
            "clips": self.clips,
            "missing": self.missing or None,
        }


def write_report(
    run: Path,
    output: Path | None = None,
    clips: int = CLIPS,
    with_audio: bool = False,
    data: Path | str | None = None,
    on_progress: OnProgress | None = None,
) -> Written:
    """Write the report of a run of `earmark evaluate` or `earmark train`.

    Where the data set is not there any more, the page is made all the same and says in its place what is missing.

    Parameters
    ----------
    run
        Its folder.
    output
        The page; by default ``report.html`` in the run's folder.
    clips
        How many of the most confident mistakes are shown.
    with_audio
        Whether they can be played: whoever has the page then has these recordings.
    data
        Where the data set lies now, if it was moved.
    on_progress
        Told of how many of how many clips are measured, and how many seconds of sound that is.

    Raises
    ------
    PathError, RunError
        When the folder is no finished run, or damaged.
    SettingError
        When ``clips`` is not allowed.
    MissingExtraError
        When Jinja2 is not installed.
    """
    if not 0 <= clips <= _MOST_CLIPS:
        raise SettingError(f"--clips is {clips}, but must be from 0 to {_MOST_CLIPS}.")
    environment = templates()
    folder = read_folder(run)
    score, matrix, trust = score_of(folder), matrix_of(folder), trust_of(folder)
    sounds = listen(folder, data, on_progress or (lambda done, total, seconds: None))
    mistakes = mistakes_of(folder.tested)
    shown = [(mistake, look(sounds, mistake.key, with_audio)) for mistake in mistakes[:clips]]
    page = Page(
        folder,
        score,
        curves_of(folder),
        matrix,
        shown,
        len(mistakes),
        trust,
        _slicings(folder, sounds),
        sounds,
        with_audio,
    )
    whole, file = render(page, environment), output or run / "report.html"
    write_atomically(file, whole)
    return Written(file, len(whole), len(shown), sounds.why)


def _slicings(folder: Folder, sounds: Sounds) -> list[Slicing]:
    tested = folder.tested
    lengths = np.array(
        [np.nan if start is None or end is None else end - start for _, start, end in tested.keys]
    )
    measured = sounds.column("seconds", tested.keys)
    seconds = np.where(np.isnan(measured), lengths, measured)
    why = sounds.why.rstrip(".")
    found = [
        slices.by_duration(tested, seconds, why),
        slices.by_level(tested, sounds.column("level", tested.keys), why),
        slices.by_rate(tested, sounds.column("rate", tested.keys), why),
    ]
    if not folder.is_training:
        found.insert(0, slices.by_fold(tested, [fold["fold"] for fold in folder.figures.items("folds")]))
    if sounds.dataset is not None and sounds.dataset.layout == "urbansound8k":
        try:
            found.append(slices.by_salience(tested, urbansound8k.salience(sounds.dataset)))
        except EarmarkError as error:  # the table was changed since
            found.append(Slicing("Salience, by the publisher", (), str(error)))
    return found
