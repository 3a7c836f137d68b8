"""FSD50K: ``FSD50K.ground_truth/dev.csv`` and ``eval.csv``, ``FSD50K.dev_audio`` and ``FSD50K.eval_audio``."""

from __future__ import annotations

import json
from typing import Any

from earmark.dataset import Clips, Dataset
from earmark.errors import LayoutError, TableError
from earmark.readers.listing import Listing, count, name_of, only_child
from earmark.readers.rows import Kept, Sheet, read_sheet
from earmark.remote import Place
from earmark.types import Clip, Problem

PARTS = {"dev": "development", "eval": "evaluation"}
TABLE = "FSD50K.ground_truth/{}.csv"
AUDIO = "FSD50K.{}_audio"
INFO = "FSD50K.metadata/{}_clips_info_FSD50K.json"
NEEDED = ("fname", "labels")
UNUSED = ("mids", "split")
SEPARATOR = ","
MAX_INFO_BYTES = 256 * 2**20


def matches(root: Place) -> bool:
    """Say whether the folder, or the one folder in it, holds one of the two tables."""
    return _find(root) is not None


def _find(root: Place) -> Place | None:
    if not root.is_dir():
        return None
    places = (place for place in (root, only_child(root)) if place)
    return next((place for place in places if _tables(place)), None)


def _tables(top: Place) -> list[str]:
    return [part for part in PARTS if (top / TABLE.format(part)).is_file()]


def read(root: Place) -> Dataset:
    """Read FSD50K, or that part of it that is there. Clips have several labels; the group is who uploaded a clip.

    Raises
    ------
    LayoutError
        When no table, or no file that one names, is there.
    TableError
        When a table, or what is said about the clips, cannot be understood.
    """
    top = _find(root)
    if top is None:
        raise LayoutError(f"{root} is not FSD50K: it has no {TABLE.format('dev')}.")
    files = Listing.of(top)
    clips, problems, present = list[Clip](), list[Problem](), list[str]()
    nameless = rows = 0
    known = False
    for part in _tables(top):
        sheet = read_sheet(top, TABLE.format(part), NEEDED, UNUSED)
        uploaders = _uploaders(top, part)
        known |= uploaders is not None
        kept, missing = Kept(sheet), list[Problem]()
        renamed = 0
        for line, row in sheet.rows:
            name = sheet.text(line, row, "fname")
            wanted = f"{AUDIO.format(part)}/{name}.wav"
            labels = _labels(sheet, line, row)
            if (path := files.locate(wanted)) is None:
                missing.append(Problem("missing", wanted, f"line {line} of {sheet.name} names it"))
                continue
            renamed += path != wanted
            uploader = (uploaders or {}).get(name, "")
            nameless += not uploader
            kept.add(line, Clip(path, labels, uploader or path))
        if kept.clips:
            present.append(f"{PARTS[part]} ({count(len(kept.clips), 'clip')})")
        elif missing:
            detail = f"not here at all: {count(len(missing), 'clip')} of {sheet.name}"
            missing = [Problem("missing", AUDIO.format(part), detail)]
        if renamed:
            detail = f"{count(renamed, 'file')} found under another extension than .wav"
            problems.append(Problem("renamed", sheet.name, detail))
        clips += kept.clips
        problems += [*sheet.problems, *missing, *kept.problems]
        rows += len(sheet.rows)
    if not clips:
        raise LayoutError(f"The tables of {top} name {count(rows, 'clip')}, and none of the files is there.")
    if known and nameless:
        detail = f"the uploader of {count(nameless, 'clip')} is not known; each such clip is taken as its own group"
        problems.append(Problem("no_group", INFO.format("dev"), detail))
    columns = Clips.of(clips)
    unlisted = files.unlisted({clip.path for clip in clips}, "no row of the tables names it")
    return Dataset(
        name=name_of(top),
        root=top,
        layout="fsd50k",
        clips=columns,
        exclusive=False,
        grouping="uploader" if known else None,
        official_folds=None,
        title=f"FSD50K, {' and '.join(present)}, {count(len(columns.labels), 'class', 'classes')}",
        problems=(*problems, *files.problems, *unlisted),
        remote=files.remote,
    )


def _labels(sheet: Sheet, line: int, row: dict[str, str]) -> tuple[str, ...]:
    labels = {label.strip() for label in sheet.text(line, row, "labels").split(SEPARATOR)}
    if "" in labels:
        raise TableError(sheet.file, line, f"'{row['labels']}' has an empty label.")
    return tuple(sorted(labels))


def _uploaders(top: Place, part: str) -> dict[str, str] | None:
    """Return who uploaded each clip, by its name; ``None`` where the file that tells is not there."""
    file = top / INFO.format(part)
    if not file.is_file():
        return None
    if file.stat().st_size > MAX_INFO_BYTES:
        raise TableError(file, None, f"it is larger than {MAX_INFO_BYTES / 2**20:.0f} MB; is this FSD50K's?")
    with file.open("rb") as handle:
        data = handle.read(MAX_INFO_BYTES)
    try:
        told: Any = json.loads(data)
    except json.JSONDecodeError as error:
        raise TableError(file, error.lineno, f"this is not JSON ({error.msg}). Get the file anew.") from None
    except (UnicodeDecodeError, RecursionError):
        raise TableError(file, None, "this is not JSON. Get the file anew.") from None
    if not isinstance(told, dict):
        raise TableError(file, None, "this is not a record for each clip. Get the file anew.")
    return {
        str(name): str(about["uploader"])
        for name, about in told.items()
        if isinstance(about, dict) and about.get("uploader")
    }
