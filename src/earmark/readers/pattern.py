"""Labels in the file names, told by a template such as ``{label}_{speaker}_{take}.wav``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from earmark.dataset import Clips, Dataset
from earmark.errors import LayoutError, SettingError
from earmark.readers.listing import AUDIO_SUFFIXES, Listing, count, name_of, stem, suffix
from earmark.remote import Place
from earmark.types import Clip, Problem

MEANT = ("label", "group", "fold")

_FIELD = re.compile(r"\{([^{}]*)\}")
_WHOLE = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Template:
    """A pattern for the last parts of a path.

    Fields take one character or more, but never ``/``. Where a name can be read in several ways, each field
    but the last takes as little as it can. Text between the fields stands for itself.

    Parameters
    ----------
    text
        The pattern as it was written.
    parts
        For each path part the texts around its fields, and the fields' names: one text more than names.
    suffix
        The extension in lower case; empty when the pattern has none and every audio file is meant.

    Examples
    --------
    >>> Template.parse("{label}_{group}_{take}.wav").match("recordings/7_jackson_32.wav")
    {'label': '7', 'group': 'jackson', 'take': '32'}
    """

    text: str
    parts: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    suffix: str

    @classmethod
    def parse(cls, text: str) -> Template:
        """Understand a pattern, or say what is wrong with it."""
        extension = suffix(text) if suffix(text) in AUDIO_SUFFIXES else ""
        body = stem(text) if extension else text
        parts = []
        for part in body.split("/"):
            pieces = _FIELD.split(part)
            literals, names = tuple(pieces[::2]), tuple(pieces[1::2])
            if any("{" in x or "}" in x for x in literals):
                raise _wrong(text, "has a brace that is not part of a field.")
            for name in names:
                if not name.isidentifier():
                    raise _wrong(
                        text, f"has the field '{{{name}}}', but a field's name is one word of letters."
                    )
            if "" in literals[1:-1]:
                raise _wrong(
                    text, "has two fields with nothing between them, so nobody can tell where one ends."
                )
            if not part:
                raise _wrong(text, "has an empty part. Leave out a '/' at the start, at the end, or doubled.")
            parts.append((literals, names))
        every = [name for _, names in parts for name in names]
        twice = next((name for i, name in enumerate(every) if name in every[:i]), None)
        if twice:
            raise _wrong(text, f"has the field {{{twice}}} twice.")
        if "label" not in every:
            raise _wrong(text, "has no {label}.")
        return cls(text, tuple(parts), extension)

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields."""
        return frozenset(name for _, names in self.parts for name in names)

    def match(self, path: str, *, short: bool = True) -> dict[str, str] | None:
        """Return the fields of a path, or ``None``. Not ``short`` reads from the right instead."""
        if self.suffix and suffix(path) != self.suffix:
            return None
        tail = stem(path).split("/")[-len(self.parts) :]
        if len(tail) < len(self.parts):
            return None
        found: dict[str, str] = {}
        for (literals, names), part in zip(self.parts, tail, strict=True):
            values = _cut(part, literals) if short else _cut_from_right(part, literals)
            if values is None:
                return None
            found.update(zip(names, values, strict=True))
        return found


def _wrong(text: str, what: str) -> SettingError:
    return SettingError(
        f"The pattern '{text}' {what} A pattern looks like '{{label}}_{{group}}_{{take}}.wav'."
    )


def _cut(text: str, literals: tuple[str, ...]) -> list[str] | None:
    """Return what stands between the literals, taking each of them as early as possible.

    The earliest place leaves the most for the rest, so if this fails, every other reading fails: there is no
    need to go back, and no file name can make it slow.
    """
    first, last = literals[0], literals[-1]
    if len(literals) == 1:
        return [] if text == first else None
    if not (text.startswith(first) and text.endswith(last) and len(text) > len(first) + len(last)):
        return None
    values, at, end = [], len(first), len(text) - len(last)
    for literal in literals[1:-1]:
        stop = text.find(literal, at + 1, end)
        if stop < 0:
            return None
        values.append(text[at:stop])
        at = stop + len(literal)
    return [*values, text[at:end]] if at < end else None


def _cut_from_right(text: str, literals: tuple[str, ...]) -> list[str] | None:
    values = _cut(text[::-1], tuple(literal[::-1] for literal in reversed(literals)))
    return None if values is None else [value[::-1] for value in reversed(values)]


def matches(root: Place) -> bool:
    """Say no: a pattern is given, not detected."""
    return False


def read(root: Place, pattern: str | None = None) -> Dataset:
    """Read the files whose names fit the pattern. ``{label}`` is needed; ``{group}`` and ``{fold}`` are used.

    Raises
    ------
    SettingError
        When there is no pattern, or it cannot be understood.
    LayoutError
        When no file fits it.
    """
    if pattern is None:
        raise SettingError(
            "The layout 'pattern' needs a pattern. Type: --pattern '{label}_{group}_{take}.wav'"
        )
    template = Template.parse(pattern)
    files = Listing.of(root)
    clips, problems, unclear = [], [], []
    for path in files.ordered:
        found = template.match(path)
        fold = found.get("fold") if found else None
        if found is None:
            problems.append(Problem("unlisted", path, "does not match the pattern"))
        elif fold is not None and not _WHOLE.fullmatch(fold):
            problems.append(
                Problem("unlisted", path, f"does not match the pattern: the fold '{fold}' is no number")
            )
        else:
            label = found["label"]
            clips.append(Clip(path, (label,), found.get("group", path), fold=int(fold) if fold else None))
            other = template.match(path, short=False) or found
            if any(other.get(name) != found.get(name) for name in MEANT):
                unclear.append((path, found))
    if not clips:
        example = f", for instance {files.ordered[0]}" if files.paths else ""
        number = count(len(files.paths), "audio file")
        raise LayoutError(f"None of {number} below {root} matches the pattern '{pattern}'{example}.")
    if unclear:
        path, found = unclear[0]
        chosen = ", ".join(f"{name} '{found[name]}'" for name in MEANT if name in found)
        detail = (
            f"{count(len(unclear), 'name')} can be read in more than one way; this one was read as {chosen}"
        )
        problems.append(Problem("unclear_name", path, detail))
    columns = Clips.of(clips)
    in_name = "group" in template.parts[-1][1]
    return Dataset(
        name=name_of(root),
        root=root,
        layout="pattern",
        clips=columns,
        exclusive=True,
        grouping=f"group in the {'file' if in_name else 'folder'} name"
        if "group" in template.fields
        else None,
        official_folds=len({clip.fold for clip in clips}) if "fold" in template.fields else None,
        title=f"files named {pattern}, {count(len(columns.labels), 'class', 'classes')}",
        problems=(*problems, *files.problems),
        remote=files.remote,
    )
