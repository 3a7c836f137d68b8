"""ESC-50 and its subset ESC-10: ``meta/esc50.csv`` and ``audio``."""

from __future__ import annotations

from collections import Counter

from earmark.dataset import Clips, Dataset
from earmark.errors import LayoutError
from earmark.readers.listing import Listing, count, name_of, only_child
from earmark.readers.rows import Kept, read_sheet
from earmark.remote import Place
from earmark.types import Clip, Problem

FOLDS = 5
TABLE = "meta/esc50.csv"
NEEDED = ("filename", "fold", "category", "src_file")
UNUSED = ("target", "esc10", "take")
# fmt: off
ESC10 = frozenset({
    "chainsaw", "clock_tick", "crackling_fire", "crying_baby", "dog",
    "helicopter", "rain", "rooster", "sea_waves", "sneezing",
})
# fmt: on


def matches(root: Place) -> bool:
    """Say whether the folder, or the one folder in it, holds ``meta/esc50.csv``."""
    return _find(root) is not None


def _find(root: Place) -> Place | None:
    if not root.is_dir():
        return None
    return next((place for place in (root, only_child(root)) if place and (place / TABLE).is_file()), None)


def read(root: Place) -> Dataset:
    """Read ESC-50 or ESC-10. The group is the Freesound clip that a file was cut from.

    Raises
    ------
    LayoutError
        When the table, or every file that it names, is not there.
    TableError
        When the table cannot be understood.
    """
    top = _find(root)
    if top is None:
        raise LayoutError(f"{root} is not ESC-50: it has no {TABLE}.")
    sheet = read_sheet(top, TABLE, NEEDED, UNUSED)
    files = Listing.of(top)
    kept, problems = Kept(sheet), list[Problem]()
    gone: list[tuple[str, int, str, Problem]] = []
    renamed = 0
    for line, row in sheet.rows:
        wanted = f"audio/{sheet.text(line, row, 'filename')}"
        fold = sheet.whole(line, row, "fold", 1, FOLDS)
        label, source = sheet.text(line, row, "category"), sheet.text(line, row, "src_file")
        if (path := files.locate(wanted)) is None:
            gone.append(
                (wanted, fold, label, Problem("missing", wanted, f"line {line} of the table names it"))
            )
        else:
            renamed += path != wanted
            kept.add(line, Clip(path, (label,), source, fold=fold))
    if not kept.clips:
        raise LayoutError(
            f"{sheet.file} names {count(len(sheet.rows), 'file')}, and none of them is below {top}."
        )

    clips = Clips.of(kept.clips)
    folds = {clip.fold for clip in kept.clips}
    absent: Counter[str] = Counter()
    for (
        _,
        fold,
        label,
        problem,
    ) in gone:  # a fold or a class that was not downloaded is one problem, not hundreds
        if fold not in folds:
            absent[f"fold {fold}"] += 1
        elif label not in clips.labels:
            absent[label] += 1
        else:
            problems.append(problem)
    if absent:
        counts = ", ".join(f"{what} ({count(n, 'clip')})" for what, n in sorted(absent.items()))
        problems.append(Problem("missing", "audio", f"not here at all: {counts}"))
    if renamed:
        detail = f"{count(renamed, 'file')} found under another extension than the table gives"
        problems.append(Problem("renamed", TABLE, detail))
    unlisted = files.unlisted({clip.path for clip in kept.clips}, "no row of the table names it")
    known = "ESC-10" if set(clips.labels) == ESC10 else "ESC-50"
    parts = (
        f"{FOLDS} official folds"
        if len(folds) == FOLDS
        else f"{len(folds)} of {FOLDS} official folds present"
    )
    return Dataset(
        name=name_of(top),
        root=top,
        layout="esc50",
        clips=clips,
        exclusive=True,
        grouping="Freesound clip (src_file)",
        official_folds=FOLDS,
        title=f"{known}, {parts}, {count(len(clips.labels), 'class', 'classes')}",
        problems=(*sheet.problems, *problems, *kept.problems, *files.problems, *unlisted),
        remote=files.remote,
    )
