"""Label files to tracks: each region with the recording that it is of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from earmark.audio.length import rate_of, seconds_of
from earmark.errors import AudioError, SettingError, TableError
from earmark.labels import FORMS, Labels, Reading, form_of, read_labels
from earmark.labels.audacity import NAME as AUDACITY
from earmark.labels.lint import lint
from earmark.labels.raven import end_file
from earmark.labels.spans import NAME as SPANS
from earmark.labels.spans import SEVERAL
from earmark.labels.textgrid import TIER
from earmark.readers.listing import Listing
from earmark.readers.pairing import Pair, Sounds, pair
from earmark.remote import Place, local_file
from earmark.types import Problem, Region, Track

# The forms for which somebody may have to say where the label is.
BY_COLUMN = ("raven", "spans", "textgrid")


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """What label files do not say themselves.

    Parameters
    ----------
    point_width
        Seconds that a clip has around a label without length; such labels are left out by default.
    unit
        What times in tables of spans are counted in.
    label_column
        The column with the labels in tables, by its name or its number from 1; in TextGrids the tier.
    """

    point_width: float | None = None
    unit: Literal["seconds", "samples"] = "seconds"
    label_column: str | None = None

    def __post_init__(self) -> None:
        if self.point_width is not None and not 0 < self.point_width < float("inf"):
            raise SettingError(f"The point width is {self.point_width:g}, but must be seconds, such as 0.5.")
        if self.unit not in ("seconds", "samples"):
            raise SettingError(f"The unit is '{self.unit}', but must be 'seconds' or 'samples'.")


@dataclass(slots=True)
class TrackReader:
    """Reads the label files of a listing.

    Parameters
    ----------
    files
        The sounds and label files.
    settings
        What label files do not say themselves.
    form
        The form that all of them have; found out for each by default.

    Attributes
    ----------
    tracks, problems
        What they say, and what is odd.
    forms
        Those that were read.
    """

    files: Listing
    settings: TrackSettings
    form: str | None = None
    tracks: list[Track] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    forms: set[str] = field(default_factory=set)
    _sounds: Sounds = field(init=False)
    _rates: dict[str, int] = field(default_factory=dict, init=False)
    _unreadable: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self._sounds = Sounds(self.files)

    def read(self, only: str | None = None) -> None:
        """Read every label file, or one of them.

        Raises
        ------
        TableError
            With file and line, when one cannot be understood.
        SettingError
            When a setting goes with none of them.
        """
        pairs = {found.label: found for found in pair(self.files)}
        wanted = self.files.beside_ordered if only is None else [only]
        known = {file: form_of(self.files.root / file) for file in wanted}
        forced = self.form is not None and not any(f and f.name == self.form for f in known.values())
        for file, form in known.items():
            paired = pairs.get(file)
            name = form.name if form else None
            if forced and paired is not None:
                name = self.form
            elif name is None and paired is not None and _is_blank(self.files.root / file):
                name = self.form or AUDACITY  # somebody listened, and heard nothing
            if name is not None and self.form in (None, name):
                try:
                    self._read(file, name, paired)
                except TableError as error:
                    if paired is not None or only is not None:
                        raise
                    # Perhaps no label file at all: it must not keep those that are from being read.
                    detail = f"no sound file goes with it, and it cannot be understood ({error.detail})"
                    self.problems.append(Problem("unlisted", file, detail))
            elif paired is not None and not paired.guess:
                what = (
                    "of no known form of label file"
                    if form is None
                    else f"of the form '{name}', and not read"
                )
                detail = f"it is called as {paired.sound} is, but is {what}"
                self.problems.append(Problem("unlisted", file, detail))
        order = {path: i for i, path in enumerate(self.files.ordered)}
        self.tracks.sort(key=lambda track: order[track.path])  # stable: a recording's files stay in order
        self._check_settings()

    def _read(self, file: str, form: str, paired: Pair | None) -> None:
        place = self.files.root / file
        labels = read_labels(place, form, self._reading(form, file, paired))
        self.forms.add(form)
        if paired is not None and paired.guess:
            self.problems.append(Problem("guessed", file, paired.guess))
        self.problems += [Problem("guessed", file, f"line {line}: {text}") for line, text in labels.notes]
        found = self._by_recording(labels, file, paired)
        for (path, _), regions in found.items():
            track = Track(path, file, tuple(regions), form)
            self.tracks.append(track)
            self.problems += lint(track, FORMS[form].points)

    def _by_recording(
        self, labels: Labels, file: str, paired: Pair | None
    ) -> dict[tuple[str, str], list[Region]]:
        """Return the regions by their recording and tier."""
        place_of = self._finder(file, paired, {region.recording for region in labels.regions})
        found: dict[tuple[str, str], list[Region]] = {}
        missing: dict[str, int] = {}
        if paired is not None and not labels.regions:
            found[paired.sound, ""] = []
        if paired is not None and not any(r.recording or r.extra for r in labels.regions):
            # Nearly always, and then quickly: all of the sound beside the file, and nothing more to look at.
            return (
                {}
                if paired.sound in self._unreadable
                else {
                    (paired.sound, ""): [
                        part for region in labels.regions for part in _single_labels(region, labels)
                    ]
                }
            )
        for region in labels.regions:
            for part in self._parts(region, file, place_of):
                path = place_of(part.recording)
                if path is None:
                    missing.setdefault(part.recording, part.line)
                elif path not in self._unreadable:
                    tier = next((text for name, text in part.extra if name == TIER), "")
                    several = _single_labels(part, labels)
                    found.setdefault((path, tier), []).extend(several)
        for name, line in missing.items():
            if name:
                self.problems.append(Problem("missing", name, f"line {line} of {file} names it"))
        if "" in missing or (paired is None and not labels.regions):
            detail = "no sound file goes with it: none is called so but for the extension"
            self.problems.append(Problem("missing", file, detail))
        return found

    def _finder(self, file: str, paired: Pair | None, names: set[str]) -> Callable[[str], str | None]:
        """Return what finds the sound that a row names; a row that names none is of the paired one."""
        folder = file.rpartition("/")[0]
        known: dict[str, str | None] = {name: self._sounds.named(name, folder) for name in names - {""}}
        known[""] = paired.sound if paired is not None else None
        if paired is not None and len(known) == 2 and None in known.values():
            name = next(iter(names - {""}))
            known[name] = paired.sound
            detail = f"it names {name}, which is not here; taken to be of {paired.sound}"
            self.problems.append(Problem("guessed", file, detail))

        def find(name: str) -> str | None:
            if name not in known:
                known[name] = self._sounds.named(name, folder)
            return known[name]

        return find

    def _parts(self, region: Region, file: str, place_of: Callable[[str], str | None]) -> list[Region]:
        """Return a region, or the two parts of one that ends in another sound file than it begins in."""
        other = end_file(region)
        path, then = place_of(region.recording), place_of(other) if other else None
        if not other or path is None or path == then:
            return [region]
        try:
            seconds = seconds_of(local_file(self.files.root / path))
        except AudioError as error:
            detail = f"line {region.line} of {file} cannot be placed: {error.reason}"
            self.problems.append(Problem(error.kind, path, detail))
            return []
        if not region.start < seconds < region.end:
            return [region]
        rest = replace(region, start=0.0, end=region.end - seconds, recording=other)
        return [replace(region, end=seconds), rest]

    def _reading(self, form: str, file: str, paired: Pair | None) -> Reading:
        column = self.settings.label_column if form in BY_COLUMN else None
        if form != SPANS or self.settings.unit == "seconds":
            return Reading(column)
        folder = file.rpartition("/")[0]

        def rate(name: str) -> int:
            path = self._sounds.named(name, folder) if name else None
            path = path or (paired.sound if paired is not None else None)
            # Without its sound a region cannot be used, and where it lies in seconds does not matter.
            return 1 if path is None else self._rate(path, file)

        return Reading(column, rate)

    def _rate(self, path: str, file: str) -> int:
        if path not in self._rates:
            try:
                self._rates[path] = rate_of(local_file(self.files.root / path))
            except AudioError as error:
                detail = f"the samples in {file} cannot be placed: {error.reason}"
                self.problems.append(Problem(error.kind, path, detail))
                self._unreadable.add(path)
                self._rates[path] = 1
        return self._rates[path]

    def _check_settings(self) -> None:
        if not self.forms:
            return
        found = ", ".join(sorted(self.forms))
        if self.settings.unit == "samples" and SPANS not in self.forms:
            raise SettingError(
                f"The unit 'samples' is for tables of spans, but these labels are {found}. Type --layout spans if they"
                " are spans, or leave it out."
            )
        if self.settings.label_column is not None and not self.forms & set(BY_COLUMN):
            raise SettingError(
                f"A label column is for {', '.join(BY_COLUMN)}, but these labels are {found}. Type --layout spans if"
                " they are spans, or leave it out."
            )


def _single_labels(region: Region, labels: Labels) -> list[Region]:
    """Return a region for each of the labels of a row, which only tables of spans have several of."""
    if labels.form != SPANS or not (SEVERAL in region.label or "," in region.label):
        return [region]
    parts = region.label.split(SEVERAL)
    columns = labels.columns
    if columns and columns.label is not None and columns.names[columns.label].casefold() == "labels":
        parts = [label for part in parts for label in part.split(",")]
    return [replace(region, label=label.strip()) for label in parts]


def _is_blank(place: Place) -> bool:
    with place.open("rb") as file:
        return not file.read(2**12).strip()
