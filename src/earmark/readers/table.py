"""A CSV or TSV file with the columns path and label, and perhaps group, fold, start and end."""

from __future__ import annotations

import math
import posixpath
import re
from pathlib import PurePath

from earmark.dataset import Clips, Dataset
from earmark.errors import LayoutError, TableError
from earmark.labels import form_of
from earmark.readers.listing import Listing, count, name_of, suffix
from earmark.readers.rows import TABLE_SUFFIXES, Kept, Sheet, has_columns, read_sheet
from earmark.remote import Place, RemotePath, is_uri, place, shown
from earmark.types import Clip, Problem

NEEDED = ("path", "label")
OPTIONAL = ("group", "fold", "start", "end", "why")  # `why` is what a doctor noted
# What else the two are called, where there is no column with the name itself.
ALIASES = {"path": ("filename", "file_name", "fname", "file"), "label": ("labels",)}
LABEL_SEPARATOR = "|"
LABELS_SEPARATOR = re.compile(r"[|,]")  # in a column `labels`
HIGHEST_FOLD = 999_999

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def matches(root: Place) -> bool:
    """Say whether ``root`` is a table, or a folder with exactly one table that has the needed columns."""
    if root.is_dir():
        return len(tables_in(root)) == 1
    if not root.is_file() or suffix(root.name) not in TABLE_SUFFIXES:
        return False
    return _is_ours(root) or form_of(root) is None


def tables_in(folder: Place) -> list[Place]:
    """Return the tables directly in the folder that have the columns path and label."""
    return [file for file in all_tables_in(folder) if _is_ours(file)]


def _is_ours(file: Place) -> bool:
    """Say whether a table has the columns, and times, if it has any, that are called as ours are."""
    if not has_columns(file, NEEDED, ALIASES):
        return False
    return has_columns(file, ("start", "end")) or form_of(file) is None


def all_tables_in(folder: Place) -> list[Place]:
    """Return every CSV and TSV file directly in the folder, hidden ones left out."""
    visible = (f for f in folder.iterdir() if not f.name.startswith("."))
    return sorted(f for f in visible if suffix(f.name) in TABLE_SUFFIXES and f.is_file())


def read(root: Place) -> Dataset:
    """Read a table, or the one table in a folder. Paths are relative to the table's folder, or URIs.

    Several labels of one clip are written ``dog|rain``; in a column called ``labels``, ``dog,rain`` as well. ``start``
    and ``end`` are seconds. Where no group is given, the file is its own group, so that all pieces of one recording
    stay together.

    Raises
    ------
    LayoutError
        When the folder has no such table, or several, or when none of the named files is there.
    TableError
        When the table cannot be understood.
    """
    file = _find(root)
    folder = file.parent
    sheet = read_sheet(folder, file.name, NEEDED, OPTIONAL, ALIASES)
    files = Listing.of(folder)
    tops = _tops(folder)
    files.look_up(_addresses(sheet, folder, tops))
    folds = _folds(sheet)
    kept, missing, nameless = Kept(sheet), list[Problem](), 0
    for i, (line, row) in enumerate(sheet.rows):
        path = _path(sheet, line, sheet.text(line, row, "path"), files, tops)
        labels = _labels(sheet, line, row)
        start, end = _seconds(sheet, line, row, "start"), _seconds(sheet, line, row, "end")
        if end is not None and end <= (start or 0.0):
            raise TableError(file, line, f"the end ({end:g} s) is not after the start ({start or 0.0:g} s).")
        if not files.has(path):
            missing.append(Problem("missing", path, f"line {line} of the table names it"))
            continue
        nameless += not row["group"]
        kept.add(line, Clip(path, labels, row["group"] or path, start, end, folds[i] if folds else None))
    clips = kept.clips
    if not clips:
        raise LayoutError(f"{file} names {count(len(sheet.rows), 'clip')}, and none of the files is there.")

    problems = [*sheet.problems, *missing, *kept.problems]
    if "group" in sheet.columns and nameless:
        detail = f"{count(nameless, 'row')} without a group; each such file is taken as its own group"
        problems.append(Problem("no_group", sheet.name, detail))
    exclusive = all(len(clip.labels) == 1 for clip in clips)
    columns = Clips.of(clips)
    title = [f"table {file.name}", count(len(columns.labels), "class", "classes")]
    title += [count(len(set(folds)), "fold")] if folds else []
    title += [] if exclusive else ["several labels a clip"]
    return Dataset(
        name=file.stem if root == file else name_of(root),
        root=folder,
        layout="table",
        clips=columns,
        exclusive=exclusive,
        grouping=_grouping(sheet, clips),
        official_folds=len(set(folds)) if folds else None,
        title=", ".join(title),
        problems=(
            *problems,
            *files.problems,
            *files.unlisted({clip.path for clip in clips}, "no row of the table names it"),
        ),
        remote=files.remote,
    )


def _find(root: Place) -> Place:
    if not root.is_dir():
        return root
    tables = tables_in(root)
    if len(tables) == 1:
        return tables[0]
    if tables:
        names = ", ".join(f.name for f in tables)
        raise LayoutError(f"{root} has {len(tables)} tables: {names}. Give one of them, such as {tables[0]}.")
    raise LayoutError(f"{root} has no CSV or TSV file with the columns path and label.")


def _tops(folder: Place) -> tuple[str, ...]:
    """Return what the whole paths of the files in a folder begin with."""
    if isinstance(folder, RemotePath):
        return (f"{folder}/",) if folder.listable else ()
    return tuple(f"{top.as_posix().rstrip('/')}/" for top in (folder.absolute(), folder.resolve()))


def _addresses(sheet: Sheet, folder: Place, tops: tuple[str, ...]) -> dict[str, str]:
    """Return the URIs of the files that the folder's listing cannot tell of, by the paths of their clips.

    Such a path is the URI without its key, for it is shown in many places.
    """
    found: dict[str, tuple[int, str]] = {}
    for line, row in sheet.rows:
        text = row["path"]
        if is_uri(text) and not text.startswith(tops):
            path, address = shown(text), text
        elif text and isinstance(folder, RemotePath) and not folder.listable:
            path = posixpath.normpath(text)
            address = (folder / path).address
        else:
            continue
        first, other = found.setdefault(path, (line, address))
        if other != address:
            detail = (
                f"'{path}' has another key than in line {first}. Files must differ in what precedes the '?'."
            )
            raise TableError(sheet.file, line, detail)
    return {path: address for path, (_, address) in found.items()}


def _path(sheet: Sheet, line: int, text: str, files: Listing, tops: tuple[str, ...]) -> str:
    """Return the path relative to the table's folder, or an absolute one or a URI that leads elsewhere."""
    if is_uri(text):
        return next((shown(text).removeprefix(top) for top in tops if text.startswith(top)), shown(text))
    if text.startswith("file://"):
        text = str(place(text))
    if "\\" in text and not files.has(text):
        text = text.replace("\\", "/")  # written on Windows
    path = posixpath.normpath(text)
    if PurePath(path).is_absolute():
        return next((path.removeprefix(top) for top in tops if path.startswith(top)), path)
    if path == ".." or path.startswith("../"):
        raise TableError(
            sheet.file, line, f"'{text}' leads out of the table's folder. Move the table up, or the file in."
        )
    return path


def _labels(sheet: Sheet, line: int, row: dict[str, str]) -> tuple[str, ...]:
    text = sheet.text(line, row, "label")
    several = LABELS_SEPARATOR.split(text) if "label" in sheet.called else text.split(LABEL_SEPARATOR)
    labels = {label.strip() for label in several}
    if "" in labels:
        raise TableError(sheet.file, line, f"the label '{row['label']}' has an empty part.")
    return tuple(sorted(labels))


def _seconds(sheet: Sheet, line: int, row: dict[str, str], column: str) -> float | None:
    text = row[column]
    if not text:
        return None
    plain = text if sheet.delimiter == "," else text.replace(",", ".")
    value = float(plain) if _NUMBER.fullmatch(plain) else math.nan
    if not (math.isfinite(value) and value >= 0):
        raise TableError(sheet.file, line, f"the {column} is '{text}', but must be seconds, such as 1.5.")
    return value


def _folds(sheet: Sheet) -> list[int] | None:
    """Return the fold of every row; a fold for some rows only is refused."""
    blank = next((line for line, row in sheet.rows if not row["fold"]), None)
    if blank is None:
        return [sheet.whole(line, row, "fold", 0, HIGHEST_FOLD) for line, row in sheet.rows]
    filled = next((line for line, row in sheet.rows if row["fold"]), None)
    if filled is not None:
        raise TableError(
            sheet.file, blank, f"the fold is empty, but line {filled} has one. Fill all or none."
        )
    return None


def _grouping(sheet: Sheet, clips: list[Clip]) -> str | None:
    if any(row["group"] for _, row in sheet.rows):
        return "group column"
    return "recording" if any(c.start is not None or c.end is not None for c in clips) else None
