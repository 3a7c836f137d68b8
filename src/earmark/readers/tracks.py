"""Recordings with label files: Audacity's tracks, Raven's tables, segments, spans and TextGrids, each region a clip."""

from __future__ import annotations

from collections.abc import Sequence

from earmark.dataset import Clips, Dataset
from earmark.errors import LayoutError, TableError
from earmark.labels import FORMS, SUFFIXES, Reading, first_lines, form_of
from earmark.readers.label_files import TrackReader, TrackSettings
from earmark.readers.listing import Listing, count, name_of, suffix
from earmark.readers.pairing import Sounds, pair
from earmark.remote import Place
from earmark.types import Clip, Problem, Region, Track

NAME = "tracks"

_LOOKED_AT = 20  # label files by which the layout is known
_FEWEST_CLASSES = 2


def matches(root: Place) -> bool:
    """Say whether there is a label file, or a folder with label files that go with sounds in it.

    Where there are class folders as well, at least half of the sounds must have one.
    """
    if not root.is_dir():
        return suffix(root.name) in SUFFIXES and form_of(root) is not None
    files = Listing.of(root)
    if not files.beside or not files.paths:
        return False
    if found := paired(files):
        classes = {path.split("/")[0] for path in files.paths if "/" in path}
        return len(classes) < _FEWEST_CLASSES or 2 * len(set(found.values())) >= len(files.paths)
    return _names_one(files)


def paired(files: Listing) -> dict[str, str]:
    """Return the sounds of label files by their names, if any of the first few is of a known form."""
    found = pair(files)
    if not any(form_of(files.root / p.label) for p in found[:_LOOKED_AT]):
        return {}
    return {p.label: p.sound for p in found}


def _names_one(files: Listing) -> bool:
    """Say whether one of the first few label files names in itself a sound that is there."""
    sounds = Sounds(files)
    for file in files.beside_ordered[:_LOOKED_AT]:
        place, folder = files.root / file, file.rpartition("/")[0]
        form = form_of(place)
        if form is not None and "recordings" in form.keeps:
            try:
                regions = form.parse(first_lines(place), place, Reading()).regions
            except TableError:
                continue
            names = dict.fromkeys(region.recording for region in regions if region.recording)
            if any(sounds.named(name, folder) for name in names):
                return True
    return False


def read(
    root: Place, settings: TrackSettings | None = None, layout: str = NAME, form: str | None = None
) -> Dataset:
    """Read recordings and their label files, or one label file. Each region is a clip, its recording the group.

    Regions of one span and several labels are one clip. Labels without length become clips of
    `TrackSettings.point_width`. Recordings without a label file are named and left out: nobody knows what is in them.

    Raises
    ------
    LayoutError
        When no label file goes with a sound, or nothing in them makes a clip.
    TableError
        With file and line, when a label file cannot be understood.
    SettingError
        When a setting goes with none of the files.
    """
    settings = settings or TrackSettings()
    folder = root if root.is_dir() else root.parent
    only = None if root.is_dir() else root.name
    reader = TrackReader(Listing.of(folder), settings, form)
    reader.read(only)
    files, tracks = reader.files, reader.tracks
    if not tracks:
        raise LayoutError(_nothing(root, reader))
    clips, problems = _clips(tracks, settings.point_width)
    if not clips:
        raise LayoutError(_no_clips(root, tracks))
    unlisted = [] if only else files.unlisted({track.path for track in tracks}, "no label file goes with it")
    columns = Clips.of(clips)
    recordings = len({track.path for track in tracks})
    exclusive = all(len(clip.labels) == 1 for clip in clips)
    title = ["label tracks" if form is None else f"{FORMS[form].title}s", f"{count(recordings, 'recording')}"]
    title += [count(len(clips), "label")]
    title += [] if exclusive else ["several labels a clip"]
    return Dataset(
        name=root.stem if only else name_of(root),
        root=folder,
        layout=layout,
        clips=columns,
        exclusive=exclusive,
        grouping="recording",
        official_folds=None,
        title=", ".join(title),
        problems=(*reader.problems, *problems, *files.problems, *unlisted),
        remote=files.remote,
        tracks=tuple(tracks),
    )


def _clips(tracks: Sequence[Track], width: float | None) -> tuple[list[Clip], list[Problem]]:
    """Return a clip for each span that has a label, in the order of the tracks, and what was left out."""
    first: dict[tuple[str, float, float], tuple[Track, Region]] = {}  # what each span is first called
    more: dict[tuple[str, float, float], dict[str, tuple[Track, Region]]] = {}
    repeated: dict[tuple[str, str], list[tuple[Region, Region]]] = {}  # by the two files
    problems = []
    for track in tracks:
        points = [region for region in track.regions if region.start == region.end and region.label]
        if points and width is None:
            detail = (
                f"line {points[0].line}: {count(len(points), 'label')} without length, left out; to make clips of them,"
                " type --point-width 0.5"
            )
            problems.append(Problem("points", track.file, detail))
        for region in track.regions:
            if not region.label:
                continue
            key = (track.path, region.start, region.end)
            if region.start == region.end:
                if width is None:
                    continue
                key = (track.path, max(0.0, region.start - width / 2), region.start + width / 2)
            known = first.setdefault(key, (track, region))
            if known[1] is region:
                continue
            if known[1].label != region.label:
                known = more.setdefault(key, {}).setdefault(region.label, (track, region))
            if known[0].file != track.file:  # within a file, it was told already
                repeated.setdefault((track.file, known[0].file), []).append((region, known[1]))
    for (file, other), pairs in repeated.items():
        here, there = pairs[0]
        more_of_them = f", and {len(pairs) - 1:,} more" if len(pairs) > 1 else ""
        detail = f"line {here.line}: the same as {other}, line {there.line}{more_of_them}"
        problems.append(Problem("duplicate_row", file, detail))
    clips = []
    for key, (_, region) in first.items():
        path, start, end = key
        labels = tuple(sorted((region.label, *more[key]))) if key in more else (region.label,)
        clips.append(Clip(path, labels, path, start, end))
    return clips, problems


def _nothing(root: Place, reader: TrackReader) -> str:
    files = reader.files
    if not root.is_dir():
        return f"No sound file goes with {root}. Put the two side by side, called alike, or give a folder with both."
    if not reader.problems or not files.beside:
        kinds = ", ".join(sorted(SUFFIXES))
        return (
            f"{root} has {count(len(files.paths), 'audio file')}, but no label file ({kinds}) that goes with one, such"
            " as dawn.txt with dawn.wav."
        )
    first = reader.problems[0]
    return f"No label file of {root} goes with a sound. The first: {first.path}: {first.detail}."


def _no_clips(root: Place, tracks: Sequence[Track]) -> str:
    regions = [region for track in tracks for region in track.regions]
    points = sum(1 for region in regions if region.label)
    if points:
        return f"Each of the {count(points, 'label')} of {root} is without length. Type: --point-width 0.5"
    if regions:
        return f"None of the {count(len(regions), 'region')} of {root} has a label."
    return f"The label {'files' if len(tracks) > 1 else 'file'} of {root} {'are' if len(tracks) > 1 else 'is'} empty."
