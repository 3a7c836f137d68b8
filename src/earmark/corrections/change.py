"""New corrections, checked against the data set as it is now."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from earmark.corrections import Correction, Key, Undo, key_of, rows_of, standing
from earmark.corrections.log import Entry, signature
from earmark.dataset import Dataset
from earmark.errors import PathError, SettingError, TableError, nearest
from earmark.types import Clip, Problem, problem_of

_MOST_BYTES = 2**28
_NAMED = 10
_NEEDED = ("path", "suggested")


@dataclass(frozen=True, slots=True)
class Wish:
    """A label that somebody wants a clip to have.

    Parameters
    ----------
    path, start, end
        The clip; without both times, the one clip of the file.
    new
        As it was typed: a label, or for clips with several ``"a,b"``, or ``"+a,-b"``.
    old
        What it must be labelled for that; ``None`` does not ask.
    """

    path: str
    new: str
    start: float | None = None
    end: float | None = None
    old: str | None = None


@dataclass(slots=True)
class Changes:
    """What became of wishes: corrections to be written, and what was not done, each with its reason."""

    made: list[Correction] = field(default_factory=list)
    refused: list[Problem] = field(default_factory=list)


def corrections_for(
    dataset: Dataset, wishes: Sequence[Wish], author: str, new_labels: bool = False, one: bool = False
) -> Changes:
    """Return the corrections that wishes come to.

    Parameters
    ----------
    new_labels
        Whether a label may be one that no clip has.
    one
        Refuse with an error, as for a clip that was typed; otherwise each refusal is a problem.

    Raises
    ------
    PathError, SettingError
        When there is no such clip, or the label cannot be.
    """
    rows = rows_of(dataset.clips, {wish.path for wish in wishes})
    by_path: dict[str, list[Key]] = {}
    for key in rows:
        by_path.setdefault(key[0], []).append(key)
    now: dict[int, tuple[str, ...]] = {}
    changes = Changes()
    for wish in wishes:
        try:
            row = _row(dataset, wish, rows, by_path)
            clip = dataset.clips[row]
            has = now.get(row, clip.labels)
            if wish.old is not None and {wish.old} != set(has):
                raise SettingError(f"the label is {_list(has)} now, not '{wish.old}'")
            labels = _labels(dataset, wish.new, has, new_labels)
            if set(labels) == set(has):
                raise SettingError(f"{_where(clip)} is {_list(has)} already.")
        except (PathError, SettingError) as error:
            if one:
                raise
            at = Clip(wish.path, (), "", wish.start, wish.end)
            changes.refused.append(problem_of(at, "not_relabelled", str(error)))
            continue
        now[row] = labels
        said = signature(author)
        changes.made.append(
            Correction(**said, path=clip.path, start=clip.start, end=clip.end, old=has, new=labels)
        )
    return changes


def _row(
    dataset: Dataset, wish: Wish, rows: Mapping[Key, list[int]], by_path: Mapping[str, list[Key]]
) -> int:
    key = key_of(Clip(wish.path, (), "", wish.start, wish.end))
    keys = by_path.get(wish.path, [])
    if not keys:
        raise PathError(
            f"{dataset.name} has no clip '{wish.path}'.{nearest(wish.path, dataset.clips.paths.tolist())}"
        )
    if key not in rows and wish.start is None and wish.end is None and len(keys) == 1:
        key = keys[0]
    if key not in rows:
        some = ", ".join(
            f"{start or 0:g} to {'the end' if end is None else f'{end:g}'}" for _, start, end in keys[:3]
        )
        more = f" and {len(keys) - 3:,} more" if len(keys) > 3 else ""
        raise PathError(
            f"Which clip of {wish.path}? Its clips are, in seconds: {some}{more}. Give --start and --end."
        )
    return rows[key][0]


def _labels(dataset: Dataset, text: str, has: tuple[str, ...], new_labels: bool) -> tuple[str, ...]:
    labels: tuple[str, ...]
    if dataset.exclusive:
        named, labels = [text.strip()], (text.strip(),)
    else:
        parts = [part.strip() for part in text.split(",")]
        signed = [part[:1] in ("+", "-") for part in parts]
        if any(signed) and not all(signed):
            raise SettingError(
                f"The label '{text}' mixes what is added or taken away with what is not. Type +a,-b or a,b."
            )
        named = [part[1:] if part[:1] in ("+", "-") else part for part in parts]
        kept = set(has) if any(signed) else set()
        for part, name in zip(parts, named, strict=True):
            if part.startswith("-"):
                if name not in kept:
                    raise SettingError(f"'{name}' cannot be taken away: the clip is {_list(has)}.")
                kept.discard(name)
            else:
                kept.add(name)
        labels = tuple(sorted(kept))
    if not all(named) or not labels:
        raise SettingError("The new label is empty. Take the clip out of the data set instead.")
    for name in named:
        if name not in dataset.labels and not new_labels:
            known = ", ".join(dataset.labels[:_NAMED])
            more = f" and {len(dataset.labels) - _NAMED} more" if len(dataset.labels) > _NAMED else ""
            raise SettingError(
                f"No clip is labelled '{name}'. Labels are: {known}{more}.{nearest(name, dataset.labels)}"
                " To make it a new one, add --new."
            )
    return labels


def wishes_of(path: Path, least: float = 0.0) -> list[Wish]:
    """Read a table as `earmark suspects` writes it: of each row the label that is suggested.

    Parameters
    ----------
    least
        Rows with a lower score are left out.

    Raises
    ------
    PathError, TableError
        When it cannot be read or understood.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise PathError(f"{path} is too large for a table of suspects ({_MOST_BYTES >> 20} MiB at most).")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PathError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise TableError(path, None, "it is no text in UTF-8.") from None
    reader = csv.DictReader(io.StringIO(text))
    columns = reader.fieldnames or []
    needed = (*_NEEDED, "score") if least > 0 else _NEEDED
    if missing := [name for name in needed if name not in columns]:
        raise TableError(
            path, 1, f"it lacks the column {', '.join(missing)}. It has: {', '.join(columns) or 'none'}."
        )
    wishes = []
    try:
        for row in reader:
            line = reader.line_num
            if least > 0 and _number(row, "score", path, line) < least:
                continue
            if not row["path"] or not row["suggested"]:
                raise TableError(path, line, "it has no path, or no suggested label.")
            start, end = (
                _number(row, name, path, line) if row.get(name) else None for name in ("start", "end")
            )
            wishes.append(Wish(row["path"], row["suggested"], start, end, row.get("label") or None))
    except csv.Error as error:
        raise TableError(path, reader.line_num, f"it is no CSV: {error}.") from None
    return wishes


def _number(row: Mapping[str, str | None], name: str, path: Path, line: int) -> float:
    try:
        value = float(row[name] or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise TableError(path, line, f"its {name} is '{row[name] or ''}', but must be a number.")
    return value


def undo(entries: Sequence[Entry], how_many: int | None, author: str) -> tuple[list[Undo], list[Correction]]:
    """Return the entries that take back the last corrections that stand, ``None`` for all, and those corrections."""
    there = list(standing(entries))
    back = there[::-1] if how_many is None else there[::-1][:how_many]
    return [Undo(**signature(author), undo=correction.id) for correction in back], back


def _list(labels: Sequence[str]) -> str:
    return ", ".join(f"'{label}'" for label in labels) or "without a label"


def _where(clip: Clip) -> str:
    return clip.path + problem_of(clip, "", "").detail
