"""What is odd about labels: overlaps, zero length, names that differ by a hair. Each is named with file and line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from earmark.labels.raven import SELECTION, VIEW
from earmark.labels.text import cut
from earmark.types import Problem, Region, Track

FEWEST = 3  # recordings in which a class should be heard
ROUNDING = 0.001  # seconds that neighbours may overlap, since editors round
BEYOND = 0.1  # seconds that a region may end after its recording, as it is decoded

_SEPARATORS = re.compile(r"[\s_\-]+")


class Spot(NamedTuple):
    """Where a label was first written."""

    file: str
    line: int


def lint(track: Track, points: bool = True) -> list[Problem]:
    """Return what is odd within one track.

    Parameters
    ----------
    track
        The regions of one recording and one file, or one tier of it.
    points
        Whether the form of the file knows points; a region of zero length is then none of its mistakes.

    Examples
    --------
    >>> bark, growl = Region(0, 2, "dog", line=1), Region(1, 3, "dog", line=2)
    >>> [(p.kind, p.path, p.detail) for p in lint(Track("a.wav", "a.txt", (bark, growl)))]
    [('overlap', 'a.txt', "line 2: 'dog' from 1 to 3 s overlaps 'dog' in line 1")]
    """
    problems = [
        Problem("empty_label", track.file, f"line {region.line}: no label {_span(region)}; left out")
        for region in track.regions
        if not region.label
    ]
    if not points:
        problems += [
            Problem("zero_length", track.file, f"line {region.line}: {_told(region)} has no length")
            for region in track.regions
            if region.start == region.end
        ]
    return problems + _overlaps(track)


def _overlaps(track: Track) -> list[Problem]:
    """Return repetitions, overlaps of a label with itself, and one problem for all overlaps of different labels.

    Regions of the same span are no overlap: they are one piece of sound with several labels.
    """
    problems = []
    last: dict[str, Region] = {}  # of each label, the one that ends last
    ends: list[Region] = []  # the same of the two labels that end last
    others: list[tuple[Region, Region]] = []
    drawn = (region for region in track.regions if region.label)
    for region in sorted(drawn, key=lambda r: (r.start, r.end)):
        before = last.get(region.label)
        if before is not None and (region.start, region.end) == (before.start, before.end):
            if not same_selection(before, region):
                detail = f"line {region.line}: {_told(region)} repeats line {before.line}"
                problems.append(Problem("duplicate_row", track.file, detail))
            continue
        if before is not None and region.start < before.end - ROUNDING:
            detail = (
                f"line {region.line}: {_told(region)} overlaps '{cut(before.label)}' in line {before.line}"
            )
            problems.append(Problem("overlap", track.file, detail))
        for other in ends:
            apart = (region.start, region.end) != (other.start, other.end)
            if other.label != region.label and apart and region.start < other.end - ROUNDING:
                others.append((region, other))
                break
        if before is None or region.end > before.end:
            last[region.label] = region
        ends = _two_last(ends, region)
    if others:
        region, other = others[0]
        n = len(others)
        detail = (
            f"line {region.line}: {_told(region)} overlaps '{cut(other.label)}' in line {other.line}"
            f" ({n:,} such overlap{'s' * (n != 1)} of different labels)"
        )
        problems.append(Problem("overlap_of_labels", track.file, detail))
    return problems


def _two_last(ends: list[Region], region: Region) -> list[Region]:
    """Return the regions that end last, of at most two labels, the later one first."""
    if not ends or (region.label == ends[0].label and region.end >= ends[0].end):
        return [region, *ends[1:]]
    if region.label == ends[0].label:
        return ends
    if region.end >= ends[0].end:
        return [region, ends[0]]
    if len(ends) == 1 or region.end >= ends[1].end:
        return [ends[0], region]
    return ends


def same_selection(one: Region, other: Region) -> bool:
    """Say whether two rows are one of Raven's selections, which has a row for each view that it was drawn in."""
    if one.start != other.start or one.end != other.end or one.label != other.label:
        return False
    here, there = dict(one.extra), dict(other.extra)
    return (
        here.get(SELECTION, "") != ""
        and here.get(SELECTION) == there.get(SELECTION)
        and here.get(VIEW) != there.get(VIEW)
    )


def outside(track: Track, seconds: float, beyond: float = BEYOND) -> list[Problem]:
    """Return the regions that end after their recording.

    Parameters
    ----------
    track
        The regions.
    seconds
        How long the recording is.
    beyond
        Seconds that are forgiven.

    Examples
    --------
    >>> outside(Track("a.wav", "a.txt", (Region(1, 9, "dog", line=1),)), 5.0)[0].detail
    "line 1: 'dog' from 1 to 9 s lies outside a.wav, which is 5 s long"
    """
    return [
        Problem(
            "outside",
            track.file,
            f"line {region.line}: {_told(region)} lies outside {track.path}, which is {seconds:g} s long",
        )
        for region in track.regions
        if region.end > seconds + beyond or region.start > seconds
    ]


def similar_names(labels: Iterable[str]) -> list[tuple[str, ...]]:
    """Return the labels that are likely the same: they differ in capitals, in separators or in a plural s only.

    >>> similar_names(["dog bark", "Dog_bark", "cat", "dog-barks", "car"])
    [('Dog_bark', 'dog bark', 'dog-barks')]
    """
    found: dict[str, set[str]] = {}
    for label in labels:
        folded = _fold(label)
        if len(folded) > 1 and not folded.isdigit():
            found.setdefault(folded, set()).add(label)
    return sorted(tuple(sorted(names)) for names in found.values() if len(names) > 1)


def _fold(label: str) -> str:
    words = _SEPARATORS.split(unicodedata.normalize("NFKC", label).casefold())
    return "".join(w[:-1] if len(w) > 3 and w[-1] == "s" and w[-2] != "s" else w for w in words)


def similar(tracks: Sequence[Track]) -> list[Problem]:
    """Return a problem for each set of `similar_names`, with one place of each.

    >>> tracks = [Track("a.wav", "a.txt", (Region(0, 1, "dog", line=1), Region(2, 3, "Dogs", line=2)))]
    >>> similar(tracks)[0].detail
    "line 1: 'dog' may be the same as 'Dogs' (a.txt, line 2)"
    """
    first = first_spots(tracks)
    order = {name: i for i, name in enumerate(first)}
    problems = []
    for names in similar_names(first):
        name, *others = sorted(names, key=order.__getitem__)
        told = ", ".join(f"'{cut(n)}' ({first[n].file}, line {first[n].line})" for n in others)
        detail = f"line {first[name].line}: '{cut(name)}' may be the same as {told}"
        problems.append(Problem("similar_names", first[name].file, detail))
    return problems


def rare(tracks: Sequence[Track], fewest: int = FEWEST) -> list[Problem]:
    """Return a problem for each label that is heard in fewer than ``fewest`` recordings, with its first place.

    >>> tracks = [Track("a.wav", "a.txt", (Region(0, 1, "dog", line=4),))]
    >>> rare(tracks)[0].detail
    "line 4: 'dog' is heard in 1 recording only; 3 are needed to learn it from some and test it on others"
    """
    heard: dict[str, set[str]] = {}
    for track in tracks:
        for region in track.regions:
            if region.label:
                heard.setdefault(region.label, set()).add(track.path)
    first, problems = first_spots(tracks), []
    for label, paths in sorted(heard.items()):
        n = len(paths)
        if n < fewest:
            detail = (
                f"line {first[label].line}: '{cut(label)}' is heard in {n} recording{'s' * (n != 1)} only; {fewest}"
                " are needed to learn it from some and test it on others"
            )
            problems.append(Problem("rare_class", first[label].file, detail))
    return problems


def first_spots(tracks: Sequence[Track]) -> dict[str, Spot]:
    """Return where each label is written first, in the order of the tracks."""
    found: dict[str, Spot] = {}
    for track in tracks:
        for region in track.regions:
            if region.label and region.label not in found:
                found[region.label] = Spot(track.file, region.line)
    return found


def _told(region: Region) -> str:
    return f"'{cut(region.label)}' {_span(region)}"


def _span(region: Region) -> str:
    if region.start == region.end:
        return f"at {region.start:g} s"
    return f"from {region.start:g} to {region.end:g} s"
