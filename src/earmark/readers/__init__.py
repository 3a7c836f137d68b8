"""Readers: each maps one layout of files to a `Dataset`. They open tables, never audio, and split nothing.

A new layout is one file with ``matches`` and ``read``, and one line in `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from earmark.dataset import Dataset
from earmark.errors import LayoutError, PathError, SettingError, UnknownNameError, nearest
from earmark.labels import FORMS, SUFFIXES
from earmark.readers import esc50, folders, fsd50k, sounds, speech_commands, table, urbansound8k
from earmark.readers import pattern as file_names
from earmark.readers import tracks as label_tracks
from earmark.readers.label_files import TrackSettings
from earmark.readers.listing import Listing, count, only_child, suffix
from earmark.remote import UNFINISHED, Place, RemotePath, place

__all__ = ["READERS", "Reader", "TrackSettings", "detect", "read", "read_sounds"]


@dataclass(frozen=True, slots=True)
class Reader:
    """What knows one layout.

    Parameters
    ----------
    name
        Its key in `READERS`.
    title
        One phrase that says what it expects.
    matches
        Says, without opening audio, whether a path has this layout.
    read
        Makes the `Dataset`.
    tracks
        The same with settings, where the labels are in label tracks.
    """

    name: str
    title: str
    matches: Callable[[Place], bool]
    read: Callable[[Place], Dataset]
    tracks: Callable[[Place, TrackSettings], Dataset] | None = None


def _of_form(name: str, title: str) -> Reader:
    """Return what reads label files of one form. It is never found out: `tracks` reads all of them."""
    read = partial(label_tracks.read, layout=name, form=name)
    return Reader(name, title, lambda root: False, read, read)


# In the order in which they are tried.
READERS: dict[str, Reader] = {
    reader.name: reader
    for reader in (
        Reader(
            "urbansound8k",
            "metadata/UrbanSound8K.csv and audio/fold1 …",
            urbansound8k.matches,
            urbansound8k.read,
        ),
        Reader("esc50", "meta/esc50.csv and audio", esc50.matches, esc50.read),
        Reader("fsd50k", "FSD50K.ground_truth/dev.csv and FSD50K.dev_audio", fsd50k.matches, fsd50k.read),
        Reader(
            "speech_commands",
            "a folder for each word, and validation_list.txt and testing_list.txt",
            speech_commands.matches,
            speech_commands.read,
        ),
        Reader("table", "a CSV or TSV file with the columns path and label", table.matches, table.read),
        Reader(
            "tracks",
            "sound files with label files beside them",
            label_tracks.matches,
            label_tracks.read,
            label_tracks.read,
        ),
        *(_of_form(form.name, f"{form.title.removesuffix('s')}s only") for form in FORMS.values()),
        Reader("folders", "a folder for each class", folders.matches, folders.read),
        Reader("pattern", "labels in the file names", file_names.matches, file_names.read),
    )
}


def detect(root: Place | str) -> Reader:
    """Return the reader whose layout ``root`` has.

    Raises
    ------
    LayoutError
        When no reader knows it; says what was found there.
    PathError
        When there is nothing at ``root``, or a file that is not a table.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = Path(folder, "clips.csv")
    ...     _ = table.write_text("path,label")
    ...     detect(table).name
    'table'
    """
    root = _existing(root)
    with _reading(root):
        for reader in READERS.values():
            if reader.matches(root):
                return reader
        if not root.is_dir():
            forms = ", ".join(f"{form.title} ({form.name})" for form in FORMS.values())
            raise LayoutError(f"{root} is no label file that is known. There are: {forms}.")
        found = _found(root)
    accepted = "; ".join(f"{reader.name} ({reader.title})" for reader in READERS.values())
    raise LayoutError(
        f"{found} The layouts are: {accepted}. "
        "Choose one with --layout NAME, or give --pattern '{label}_{group}_{take}.wav'."
    )


def read(
    path: Place | str,
    layout: str = "auto",
    pattern: str | None = None,
    tracks: TrackSettings | None = None,
) -> Dataset:
    """Read a labelled data set.

    Parameters
    ----------
    path
        A folder, a table or a label file, on this machine or at a URI such as ``az://container/folder``.
    layout
        A key of `READERS`, or ``"auto"``: see `detect`.
    pattern
        How the file names are made, such as ``"{label}_{group}_{take}.wav"``; see `pattern.Template`.
    tracks
        What label files do not say themselves. Refused where there are none.

    Raises
    ------
    UsageError
        When the path, the layout's name or the pattern is wrong.
    DataError
        When what stands at the path cannot be understood.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("dog_rex.wav", "dog_lassie.wav", "cat_tom.wav"):
    ...         _ = Path(folder, name).write_bytes(b"")
    ...     dataset = read(folder, pattern="{label}_{group}.wav")
    >>> dataset.labels, len(dataset.clips), dataset.clips[0].group
    (('cat', 'dog'), 3, 'tom')
    """
    if layout != "auto" and layout not in READERS:
        raise UnknownNameError("layout", layout, ["auto", *READERS])
    if pattern is not None and layout not in ("auto", "pattern"):
        raise SettingError(f"The layout '{layout}' takes no pattern. Leave out one of the two.")
    root = _existing(path)
    if pattern is not None:
        layout = "pattern"
    reader = detect(root) if layout == "auto" else READERS[layout]
    settings = tracks or TrackSettings()
    with _reading(root):
        if not root.is_dir() and reader.name != "table" and reader.tracks is None:
            raise PathError(f"{root} is a file, but the layout '{reader.name}' needs a folder.")
        if reader.tracks is not None:
            return reader.tracks(root, settings)
        if settings != TrackSettings():
            raise SettingError(
                f"The layout '{reader.name}' has no label tracks, so that a point width, a unit or a label column would"
                " go unused. Leave them out, or choose --layout tracks or spans."
            )
        return file_names.read(root, pattern) if pattern is not None else reader.read(root)


def read_sounds(
    path: Place | str,
    layout: str = "auto",
    pattern: str | None = None,
    tracks: TrackSettings | None = None,
) -> Dataset:
    """Read a data set that needs no labels: also a single sound file, or a folder with the layout ``"sounds"``.

    Raises
    ------
    UsageError, DataError
        As `read` does.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "dawn.wav").write_bytes(b"")
    ...     read_sounds(Path(folder, "dawn.wav")).clips[0]
    Clip(path='dawn.wav', labels=(), group='dawn.wav', start=None, end=None, fold=None)
    """
    root = place(path)
    with _reading(root):
        if layout == sounds.NAME or (layout == "auto" and sounds.is_sound(root)):
            return sounds.read(root if sounds.is_sound(root) else _existing(path))
    return read(path, layout, pattern, tracks)


@contextmanager
def _reading(root: Place) -> Iterator[None]:
    """Tell what the system refuses as one sentence."""
    try:
        yield
    except OSError as error:
        raise PathError(f"{error.filename or root} cannot be read: {error.strerror}.") from error


def _existing(path: Place | str) -> Place:
    """Return the path, or refuse one that is not there and name what stands beside the part that is wrong."""
    if not str(path):
        raise PathError("The path is empty. Give a folder, or a table that ends in .csv or .tsv.")
    root = place(path)
    with _reading(root):
        if isinstance(root, RemotePath):
            root = root.listed()
            if (root / UNFINISHED).is_file():
                raise PathError(
                    f"{root} is not whole: what puts a data set there has not ended. Run the same earmark fetch again"
                    " to finish it."
                )
        if root.exists():
            if root.is_dir() or suffix(root.name) in SUFFIXES:
                return root
            raise PathError(f"{root} is a file. Give a folder, or a table that ends in .csv or .tsv.")
        ways = (part for part in (root, *root.parents) if part.parent != part and part.parent.exists())
        wrong = next(ways, None)
        if wrong is None:
            raise PathError(f"There is nothing at {root}.")
        beside = sorted(entry.name for entry in wrong.parent.iterdir())
    where = f" {wrong.parent} has no '{wrong.name}'." if wrong != root else ""
    raise PathError(f"There is nothing at {root}.{where}{nearest(wrong.name, beside)}")


def _found(root: Place) -> str:
    """Say what a folder that no reader knows holds."""
    paths = Listing.of(root).paths
    direct = sum("/" not in path for path in paths)
    classes = sorted({path.split("/")[0] for path in paths if "/" in path})
    named = f" ({classes[0]})" if len(classes) == 1 else ""
    found = [] if paths else [f"no audio files below {root}"]
    if direct:
        found.append(f"{count(direct, 'audio file')} directly in {root}")
    found.append(f"{count(len(classes), 'class folder')}{named}" if classes else "no class folders")
    tables = [file.name for file in table.all_tables_in(root)]
    usable = [file.name for file in table.tables_in(root)]
    if usable:
        found.append(f"{len(usable)} tables, of which one must be given ({', '.join(usable)})")
    elif tables:
        found.append(
            f"{count(len(tables), 'table')} without the columns path and label ({', '.join(tables)})"
        )
    inner = only_child(root)
    meant = inner and next((r.name for r in READERS.values() if r.matches(inner)), None)
    hint = f" Did you mean {inner}, which has the layout '{meant}'?" if meant else ""
    return f"No layout fits. Found: {', '.join(found)}.{hint}"
