"""A folder for each class, with its audio files anywhere below."""

from __future__ import annotations

from earmark.dataset import Clips, Dataset
from earmark.errors import LayoutError
from earmark.readers.listing import Listing, count, name_of, subfolders, walk
from earmark.readers.tracks import paired
from earmark.remote import Place
from earmark.types import Clip, Problem

FEWEST = 2


def matches(root: Place) -> bool:
    """Say whether at least two folders in ``root`` have audio files below them."""
    if not root.is_dir():
        return False
    classes: set[str] = set()
    for path in walk(root, []):
        if "/" in path:
            classes.add(path.split("/")[0])
            if len(classes) == FEWEST:
                return True
    return False


def read(root: Place) -> Dataset:
    """Read one class from each folder in ``root``. Nothing is known about groups: each file is its own.

    Raises
    ------
    LayoutError
        When fewer than two folders have audio files below them.
    """
    files = Listing.of(root)
    clips = [Clip(path, (path.split("/")[0],), path) for path in files.ordered if "/" in path]
    classes = {label for clip in clips for label in clip.labels}
    if len(classes) < FEWEST:
        raise LayoutError(
            f"{root} has {count(len(classes), 'folder')} with audio files. "
            f"At least {FEWEST} are needed, one for each class, such as dog/bark.wav and cat/meow.wav."
        )
    empty = [
        Problem("empty_class", name, "there are no audio files in this folder")
        for name in subfolders(root)
        if name not in classes
    ]
    unlisted = files.unlisted({clip.path for clip in clips}, "it is not in a class folder")
    tracks = paired(files)
    if tracks:
        detail = f"{count(len(tracks), 'label file')} such as this not read; --layout tracks reads them"
        unlisted.insert(0, Problem("unlisted", next(iter(tracks)), detail))
    return Dataset(
        name=name_of(root),
        root=root,
        layout="folders",
        clips=Clips.of(clips),
        exclusive=True,
        grouping=None,
        official_folds=None,
        title=f"folders, {count(len(classes), 'class', 'classes')}",
        problems=(*empty, *files.problems, *unlisted),
        remote=files.remote,
    )
