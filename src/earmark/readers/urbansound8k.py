"""UrbanSound8K: ``metadata/UrbanSound8K.csv`` and ``audio/fold1`` to ``audio/fold10``."""

from __future__ import annotations

from collections import Counter, defaultdict

from earmark.dataset import Clips, Dataset
from earmark.errors import LayoutError
from earmark.readers.listing import Listing, count, name_of, natural, only_child
from earmark.readers.rows import Kept, Sheet, read_sheet
from earmark.remote import Place
from earmark.types import Clip, Problem

FOLDS = 10
NEEDED = ("slice_file_name", "fsID", "fold", "class")
# `start` and `end` say where the slice lay in the Freesound recording, not where it lies in its own file.
UNUSED = ("start", "end", "salience", "classID")
TABLES = ("metadata/UrbanSound8K.csv", "UrbanSound8K.csv")


def matches(root: Place) -> bool:
    """Say whether the folder, or the one folder in it, holds ``UrbanSound8K.csv``."""
    return _find(root) is not None


def _find(root: Place) -> tuple[Place, str] | None:
    if not root.is_dir():
        return None
    inner = only_child(root)
    places = [root] if inner is None or inner.name != "UrbanSound8K" else [root, inner]
    return next(((place, name) for place in places for name in TABLES if (place / name).is_file()), None)


def read(root: Place) -> Dataset:
    """Read UrbanSound8K, or those of its folds that are there.

    The group is the Freesound id. An id under which the table has several classes gives a group for each of
    them, as the publisher treats them as separate sounds and put them into different folds.

    Raises
    ------
    LayoutError
        When the table, or every file that it names, is not there.
    TableError
        When the table cannot be understood.
    """
    found = _find(root)
    if found is None:
        raise LayoutError(f"{root} is not UrbanSound8K: it has no metadata/UrbanSound8K.csv.")
    top, name = found
    sheet = read_sheet(top, name, NEEDED, UNUSED)
    files = Listing.of(top)
    audio = "audio/" if (top / "audio").is_dir() else ""
    present = {p.removeprefix(audio).split("/")[0] for p in files.paths if p.startswith(audio)}

    shared = _several_classes(sheet)
    kept, problems, absent = Kept(sheet), list[Problem](), Counter[int]()
    renamed = 0
    for line, row in sheet.rows:
        fold = sheet.whole(line, row, "fold", 1, FOLDS)
        label, source = sheet.text(line, row, "class"), sheet.text(line, row, "fsID")
        wanted = f"{audio}fold{fold}/{sheet.text(line, row, 'slice_file_name')}"
        if f"fold{fold}" not in present:
            absent[fold] += 1
        elif (path := files.locate(wanted)) is None:
            problems.append(Problem("missing", wanted, f"line {line} of the table names it"))
        else:
            renamed += path != wanted
            group = f"{source}/{label}" if source in shared else source
            kept.add(line, Clip(path, (label,), group, fold=fold))
    if not kept.clips:
        raise LayoutError(
            f"{sheet.file} names {count(len(sheet.rows), 'file')}, and none of them is below {top}."
        )

    if absent:
        counts = ", ".join(f"fold {fold} ({count(n, 'clip')})" for fold, n in sorted(absent.items()))
        problems.append(Problem("missing", audio.rstrip("/") or ".", f"not here at all: {counts}"))
    if renamed:
        detail = f"{count(renamed, 'file')} found under another extension than the table gives"
        problems.append(Problem("renamed", name, detail))
    problems += shared.values()
    unlisted = files.unlisted({clip.path for clip in kept.clips}, "no row of the table names it")
    folds = len({clip.fold for clip in kept.clips})
    parts = f"all {FOLDS} official folds" if folds == FOLDS else f"{folds} of {FOLDS} official folds present"
    return Dataset(
        name=name_of(top),
        root=top,
        layout="urbansound8k",
        clips=Clips.of(kept.clips),
        exclusive=True,
        grouping="Freesound id",
        official_folds=FOLDS,
        title=f"UrbanSound8K, {parts}",
        problems=(*sheet.problems, *problems, *kept.problems, *files.problems, *unlisted),
        remote=files.remote,
    )


def salience(dataset: Dataset) -> dict[str, int]:
    """Return for each clip's path whether the publisher heard it in front of other sounds, 1, or behind them, 2.

    What the table does not say is left out.

    Raises
    ------
    TableError
        When the table cannot be understood.
    """
    found = _find(dataset.root)
    if found is None:
        return {}
    told = {
        (row["fold"], _stem(row["slice_file_name"])): row["salience"]
        for _, row in read_sheet(*found, NEEDED, UNUSED).rows
    }
    said = {clip.path: told.get((str(clip.fold), _stem(clip.path)), "") for clip in dataset.clips}
    return {path: int(value) for path, value in said.items() if value in ("1", "2")}


def _stem(name: str) -> str:
    return name.rsplit("/", 1)[-1].rpartition(".")[0]


def _several_classes(sheet: Sheet) -> dict[str, Problem]:
    """Return a problem for each Freesound id that has more than one class."""
    classes: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for _, row in sheet.rows:
        classes[row["fsID"]][row["class"]].add(row["fold"])
    problems = {}
    for source, folds in sorted(classes.items()):
        if len(folds) > 1:
            each = ", ".join(
                f"{c} (fold {' and '.join(sorted(f, key=natural))})" for c, f in sorted(folds.items())
            )
            detail = f"Freesound id {source} has {len(folds)} classes, each its own group: {each}"
            problems[source] = Problem("two_classes", sheet.name, detail)
    return problems
