"""Speech Commands: a folder for each word, and two lists of the files that the publisher validates and tests with."""

from __future__ import annotations

import re
from collections import Counter

from earmark.dataset import Clips, Dataset
from earmark.errors import LayoutError, TableError
from earmark.readers.listing import Listing, count, name_of, only_child, stem
from earmark.remote import Place
from earmark.types import Clip, Problem

LISTS = ("validation_list.txt", "testing_list.txt")
NOISE = "_background_noise_"
MAX_BYTES = 64 * 2**20
_NAME = re.compile(r"([0-9A-Za-z]+)_nohash_[0-9]+")


def matches(root: Place) -> bool:
    """Say whether the folder, or the one folder in it, holds the two lists."""
    return _find(root) is not None


def _find(root: Place) -> Place | None:
    if not root.is_dir():
        return None
    places = (place for place in (root, only_child(root)) if place)
    return next((place for place in places if all((place / name).is_file() for name in LISTS)), None)


def read(root: Place) -> Dataset:
    """Read Speech Commands, or those of its words that are there. The group is the speaker.

    The lists divide the speakers once and for all, for training, validation and test. They are no folds to be tested
    in turn, so the clips have none; it is only looked whether what the lists name is there.

    Raises
    ------
    LayoutError
        When no file is named as its files are.
    TableError
        When a list cannot be read.
    """
    top = _find(root)
    if top is None:
        raise LayoutError(f"{root} is not Speech Commands: it has no {' and '.join(LISTS)}.")
    files = Listing.of(top)
    clips, problems, noise = list[Clip](), list[Problem](), 0
    for path in files.ordered:
        word, _, name = path.rpartition("/")
        found = _NAME.fullmatch(stem(name))
        if word == NOISE:
            noise += 1
        elif word and "/" not in word and found:
            clips.append(Clip(path, (word,), found[1]))
        else:
            problems.append(Problem("unlisted", path, "its name is not WORD/SPEAKER_nohash_NUMBER"))
    if not clips:
        raise LayoutError(f"{top} has no files that are named WORD/SPEAKER_nohash_NUMBER.wav.")
    if noise:
        detail = f"{count(noise, 'recording')} of noise, without a word or a speaker, left out"
        problems.append(Problem("left_out", NOISE, detail))
    made = Clips.of(clips)
    speakers = len(set(made.groups.tolist()))
    return Dataset(
        name=name_of(top),
        root=top,
        layout="speech_commands",
        clips=made,
        exclusive=True,
        grouping="speaker",
        official_folds=None,
        title=f"Speech Commands, {count(len(made.labels), 'word')} by {count(speakers, 'speaker')}",
        problems=(*_missing(top, files, set(made.labels)), *problems, *files.problems),
        remote=files.remote,
    )


def _missing(top: Place, files: Listing, words: set[str]) -> list[Problem]:
    """Return a problem for each file that a list names and that is not there, and one for all of a word's."""
    problems, absent = list[Problem](), Counter[str]()
    for name in LISTS:
        for number, path in enumerate(_lines(top / name), 1):
            if not path or files.locate(path) is not None:
                continue
            word = path.partition("/")[0]
            if word in words:
                problems.append(Problem("missing", path, f"line {number} of {name} names it"))
            else:
                absent[word] += 1
    if absent:
        counts = ", ".join(f"{word} ({count(n, 'listed clip')})" for word, n in sorted(absent.items()))
        problems.append(Problem("missing", ".", f"not here at all: {counts}"))
    return problems


def _lines(file: Place) -> list[str]:
    with file.open("rb") as handle:
        data: bytes = handle.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise TableError(
            file, None, f"it is larger than {MAX_BYTES / 2**20:,.0f} MB; is this a list of files?"
        )
    try:
        return [line.strip() for line in data.decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        raise TableError(file, data.count(b"\n", 0, error.start) + 1, "this is not UTF-8.") from None
