"""`suspects.csv`: a list to listen to, which `earmark relabel --from` reads."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from earmark.dataset import Dataset
from earmark.files import write_atomically
from earmark.suspects import Suspect
from earmark.types import IntArray

COLUMNS = ("path", "start", "end", "label", "suggested", "score", "reason", "evidence")


def write_suspects(path: Path, dataset: Dataset, rows: IntArray, found: Sequence[Suspect]) -> None:
    """Write a row for each suspect; ``rows``, int64[n], are the clips of the rows that were judged.

    Raises
    ------
    OSError
        As the system says it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for suspect in found:
        clip = dataset.clips[int(rows[suspect.row])]
        start, end = ("" if at is None else repr(at) for at in (clip.start, clip.end))
        writer.writerow([clip.path, start, end, *suspect.to_dict().values()])
    write_atomically(path, text.getvalue().encode())
