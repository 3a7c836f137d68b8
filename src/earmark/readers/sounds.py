"""Recordings without labels: a sound file, or every sound file below a folder. For extraction only."""

from __future__ import annotations

from earmark.dataset import Clips, Dataset
from earmark.errors import LayoutError
from earmark.readers.listing import AUDIO_SUFFIXES, Listing, count, name_of, suffix
from earmark.remote import Place
from earmark.types import Clip

NAME = "sounds"


def is_sound(root: Place) -> bool:
    """Say whether there is a single sound file, by its name."""
    return suffix(root.name) in AUDIO_SUFFIXES and root.is_file()


def read(root: Place) -> Dataset:
    """Read recordings that nobody has labelled; each is its own group.

    Raises
    ------
    LayoutError
        When there are none.
    """
    folder = root.parent if is_sound(root) else root
    files = Listing.of(folder)
    paths = [root.name] if is_sound(root) else files.ordered
    if not paths:
        raise LayoutError(f"There are no audio files below {root}.")
    return Dataset(
        name=root.stem if is_sound(root) else name_of(root),
        root=folder,
        layout=NAME,
        clips=Clips.of(Clip(path, (), path) for path in paths),
        exclusive=False,
        grouping="file",
        official_folds=None,
        title=f"{count(len(paths), 'recording')} without labels",
        problems=() if is_sound(root) else files.problems,
        remote=files.remote,
    )
