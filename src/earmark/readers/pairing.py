"""Which label file goes with which sound file, by their names."""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property

from earmark.readers.listing import AUDIO_SUFFIXES, Listing, stem, suffix

# What programs and people put behind the name of the sound.
_TRAILERS = (
    re.compile(r"(?:\.table\.[0-9]+)?\.selections$", re.IGNORECASE),
    re.compile(r"(?:\.birdnet)?\.(?:selection\.table|results)$", re.IGNORECASE),
    re.compile(
        r"[._ -](?:audacity|raven|labels?|annotations?|events?|regions?|segments?|spans?)$", re.IGNORECASE
    ),
)
_NUMBER = re.compile(r"[._ -][0-9]{1,2}$")


@dataclass(frozen=True, slots=True)
class Pair:
    """A label file and its sound file.

    Parameters
    ----------
    label, sound
        Their paths.
    guess
        Why they may belong together although they are not called alike; empty where they are.
    """

    label: str
    sound: str
    guess: str = ""


def stems(name: str) -> list[str]:
    """Return what the sound of a label file may be called, without extension, the likeliest first.

    >>> stems("dawn.txt"), stems("dawn.wav.csv"), stems("dawn.Table.1.selections.txt")
    (['dawn'], ['dawn.wav', 'dawn'], ['dawn.Table.1.selections', 'dawn'])
    """
    found = [stem(name)]
    for text in found:  # which grows
        shorter = [stem(text)] if suffix(text) in AUDIO_SUFFIXES else []
        shorter += [trailer.sub("", text) for trailer in _TRAILERS]
        found += [s for s in dict.fromkeys(shorter) if s and s not in found]
    return found


class Sounds:
    """The sound files of a listing, by whatever a label file may call them.

    Parameters
    ----------
    files
        The listing.
    """

    def __init__(self, files: Listing) -> None:
        self._paths = files.paths
        self._ordered = files.ordered

    @cached_property
    def beside(self) -> dict[tuple[str, str], str]:
        """The first sound of each folder and name, in small letters and without its extension."""
        return {(_folder(p), _bare(p)): p for p in reversed(self._ordered)}

    @cached_property
    def by_stem(self) -> dict[str, list[str]]:
        """All sounds of a name, in any folder."""
        return _grouped((_bare(path), path) for path in self._ordered)

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """All sounds of a name with its extension, in any folder."""
        return _grouped((_base(path).casefold(), path) for path in self._ordered)

    @cached_property
    def sorted_in(self) -> dict[str, list[tuple[str, str]]]:
        """The names and paths of each folder's sounds, sorted."""
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for path in self._ordered:
            found[_folder(path)].append((_bare(path), path))
        return {folder: sorted(names) for folder, names in found.items()}

    def named(self, name: str, folder: str) -> str | None:
        """Return the sound that a label file in ``folder`` names: a path from it or from the root, or a file's name.

        A path of another machine is told by its end. Of several sounds with the name, none is meant.
        """
        text = name.replace("\\", "/")
        for path in (posixpath.normpath(posixpath.join(folder, text)), posixpath.normpath(text)):
            if path in self._paths:
                return path
        for found in (self.by_name.get(_base(text).casefold(), []), self.by_stem.get(_bare(text), [])):
            if len(found) > 1:
                found = _longest_common_end(text, found)
            if len(found) == 1:
                return found[0]
        return None


def pair(files: Listing) -> list[Pair]:
    """Return the label files that go with a sound, in natural order.

    In turn: those called as a sound beside them; those in a folder without sounds that are called as one elsewhere,
    such as ``labels/dawn.txt`` and ``audio/dawn.wav``; numbered ones; and those whose name begins that of one sound.
    What is no more than likely is told as a guess. A sound with a label file beside it gets no other by any but its
    number.
    """
    sounds = Sounds(files)
    near = {label: _beside(label, sounds) for label in files.beside_ordered}
    taken = set(near.values())
    found = []
    for label, sound in near.items():
        if sound:
            found.append(Pair(label, sound))
        elif made := (
            _afar(label, sounds, taken) or _numbered(label, sounds) or _begun(label, sounds, taken)
        ):
            found.append(made)
    return found


def _beside(label: str, sounds: Sounds) -> str | None:
    folder = _folder(label)
    if sound := sounds.beside.get((folder, _bare(label))):
        return sound  # nearly always
    names = stems(_base(label))
    return next((s for name in names if (s := sounds.beside.get((folder, name.casefold())))), None)


def _afar(label: str, sounds: Sounds, taken: Collection[str | None]) -> Pair | None:
    """Return a sound in another folder, for a label file in a folder without any."""
    folder = _folder(label)
    if folder in sounds.sorted_in:
        return None  # the sounds of this folder are here, and its own is not among them
    here = folder.split("/")
    for name in stems(_base(label)):
        others = [p for p in sounds.by_stem.get(name.casefold(), []) if p not in taken]
        parallel = [p for p in others if _parallel(here, _folder(p).split("/"))]
        if len(parallel) == 1:
            return Pair(label, parallel[0])
        if len(others) == 1:
            return Pair(label, others[0], f"taken to be of {others[0]}, the only sound that is called so")
    return None


def _parallel(here: list[str], there: list[str]) -> bool:
    """Say whether two folders differ in the name of one part."""
    return len(here) == len(there) and sum(a != b for a, b in zip(here, there, strict=True)) == 1


def _numbered(label: str, sounds: Sounds) -> Pair | None:
    folder = _folder(label)
    for name in stems(_base(label)):
        if _NUMBER.search(name):
            for shorter in stems(_NUMBER.sub("", name) + ".txt"):
                if sound := sounds.beside.get((folder, shorter.casefold())):
                    return Pair(label, sound, f"taken as one of several tracks of {sound}")
    return None


def _begun(label: str, sounds: Sounds, taken: Collection[str | None]) -> Pair | None:
    """Return the one sound of the folder whose name goes on where the label file's ends."""
    names = sounds.sorted_in.get(_folder(label), [])
    for name in map(str.casefold, stems(_base(label))):
        first = bisect_left(names, (name, ""))
        last = bisect_left(names, (name + "\U0010ffff", ""))
        found = [p for bare, p in names[first:last] if p not in taken and not bare[len(name) :][:1].isalnum()]
        if len(found) == 1:
            return Pair(label, found[0], f"taken to be of {found[0]}, whose name begins alike")
    return None


def _longest_common_end(text: str, paths: list[str]) -> list[str]:
    """Return those of the paths that have the most last parts in common with ``text``."""
    wanted = [part.casefold() for part in text.split("/")[:-1][::-1]]

    def common(path: str) -> int:
        parts = [part.casefold() for part in path.split("/")[:-1][::-1]]
        same = [a == b for a, b in zip(wanted, parts, strict=False)]
        return same.index(False) if False in same else len(same)

    most = max(map(common, paths))
    return [path for path in paths if common(path) == most]


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for key, path in pairs:
        found[key].append(path)
    return dict(found)


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _bare(path: str) -> str:
    return stem(_base(path)).casefold()
