"""The exception tree. Every error says what was got, what is allowed, and what to do next.

::

    EarmarkError                    exit code 1
    ├── UsageError                  exit code 2: the call is wrong
    │   ├── UnknownNameError        a name that is not in a registry; lists the names, guesses the meant one
    │   ├── SettingError            a setting that does not exist, or a value of the wrong kind
    │   ├── PathError               a path that is not there, or is not what the command needs
    │   └── MissingExtraError       a part that was not installed; says which extra brings it
    ├── DataError                   the data cannot be used as asked
    │   ├── LayoutError             no reader knows this folder
    │   ├── TableError              a table or label file that cannot be understood; names file and line
    │   ├── SplitError              the clips cannot be divided as asked
    │   └── LeakageError            a recording, or identical audio, stands on both sides of a split
    ├── AudioError                  one file (path, reason)
    │   ├── UnreadableAudioError
    │   │   └── MissingDecoderError  it is sound, but what reads it was not installed
    │   ├── EmptyAudioError
    │   ├── NoChannelAudioError    a channel was asked for that it does not have
    │   ├── NotFiniteAudioError     NaN or infinite samples
    │   ├── TooShortAudioError
    │   └── TooLongAudioError
    ├── BundleError                 a model file that cannot be trusted
    │   ├── BundleFormatError       not a bundle, damaged, too large, or of another version
    │   └── GoldenTestError         it opens, but does not give the scores it promises
    ├── StoreError                  a feature store that cannot be used, or a damaged file in it
    ├── FetchError                  a public data set that cannot be had: the server, the network, the disk
    │   └── ArchiveError            an archive that is not what it should be, or not safe to unpack
    ├── WeightsError                a pretrained encoder whose weights are not here, or not what they should be
    ├── ExportError                 a model that cannot be put into another form, or does not give the same there
    ├── EngineError                 a cluster that cannot be reached, or cannot do the work
    ├── CloudError                  a service in the cloud that cannot be reached, or refuses
    │   ├── SignInError             nobody is signed in there, or not any more
    │   └── JobError                a job that did not end well; shows the last lines of its log
    └── RunError                    a run folder that cannot be used
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EarmarkError(Exception):
    """Anything Earmark refuses to do, told in one sentence for a person.

    Attributes
    ----------
    exit_code
        What the command line returns for it: 1 the work found a problem, 2 wrong usage.
    """

    exit_code = 1


class UsageError(EarmarkError):
    """The call is wrong: an option, a name or a path."""

    exit_code = 2


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the allowed name closest to ``name``, or ``""``.

    >>> nearest("urbansond8k", ["urbansound8k", "esc50"])
    " Did you mean 'urbansound8k'?"
    """
    close = difflib.get_close_matches(name.lower(), list(allowed), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


class UnknownNameError(UsageError):
    """A name that is not in a registry."""

    def __init__(self, kind: str, name: str, allowed: Iterable[str]) -> None:
        names = sorted(allowed)
        super().__init__(
            f"No {kind} is called '{name}'. There are: {', '.join(names)}.{nearest(name, names)}"
        )


class SettingError(UsageError):
    """A setting that does not exist, or a value that is not allowed."""


class PathError(UsageError):
    """A path that does not exist, or is not the kind of thing the command needs."""


class MissingExtraError(UsageError):
    """A part of Earmark that was not installed."""

    def __init__(self, what: str, extra: str, missing: str) -> None:
        super().__init__(
            f"{what} needs the package '{missing}', which is not installed. Type: pip install 'earmark[{extra}]'"
        )


class DataError(EarmarkError):
    """The data cannot be used as asked."""


class LayoutError(DataError):
    """No reader recognises this folder, or the chosen reader does not fit it."""


class TableError(DataError):
    """A table or a label file that cannot be understood.

    Attributes
    ----------
    line, detail
        Where, if in a certain line, and what is wrong.
    """

    def __init__(self, path: object, line: int | None, detail: str) -> None:
        self.line, self.detail = line, detail
        where = f"{path}, line {line}" if line is not None else f"{path}"
        super().__init__(f"{where}: {detail}")


class SplitError(DataError):
    """The clips cannot be divided as asked."""


class LeakageError(DataError):
    """A recording, or identical audio, stands on both sides of a split."""


class AudioError(EarmarkError):
    """One file that cannot be used.

    Attributes
    ----------
    path, reason
        The file, and why, each fit to be shown in a list.
    kind
        One word of the vocabulary of `earmark.types.Problem`.
    """

    kind = "audio"

    def __init__(self, path: object, reason: str) -> None:
        self.path = str(path)
        self.reason = reason
        super().__init__(f"{path}: {reason}")

    def __reduce__(self) -> tuple[type[AudioError], tuple[str, str]]:
        return type(self), (self.path, self.reason)  # so that it survives a trip between processes


class UnreadableAudioError(AudioError):
    """The decoder cannot make sense of the file."""

    kind = "unreadable"


class MissingDecoderError(UnreadableAudioError):
    """The file is of a kind that only an extra of Earmark reads, which is not installed."""

    kind = "no_decoder"


class NoChannelAudioError(AudioError):
    """The channel that was asked for is not in the file."""

    kind = "no_channel"


class EmptyAudioError(AudioError):
    """The file, or the part of it that was asked for, holds no samples."""

    kind = "empty"


class NotFiniteAudioError(AudioError):
    """The file holds NaN or infinite samples."""

    kind = "not_finite"


class TooShortAudioError(AudioError):
    """There is sound, but less than a feature can say anything about."""

    kind = "too_short"


class TooLongAudioError(AudioError):
    """More sound than is read into memory at once."""

    kind = "too_long"


class BundleError(EarmarkError):
    """A model file that cannot be trusted."""


class BundleFormatError(BundleError):
    """Not a bundle, damaged, larger than allowed, or of a version this Earmark does not know."""


class GoldenTestError(BundleError):
    """The bundle opens but does not give the scores that it promises for its own test sounds."""


class StoreError(EarmarkError):
    """A feature store that cannot be used, or a file in it that is not what it was."""


class FetchError(EarmarkError):
    """A public data set that cannot be had: the server, the network or the disk does not let us."""


class ArchiveError(FetchError):
    """An archive that is damaged, is not the one it should be, or is not safe to unpack."""


class WeightsError(EarmarkError):
    """Weights of a pretrained encoder that are not on this machine, or a file that is not what it should be."""


class ExportError(EarmarkError):
    """A model cannot be put into another form, or what it became there does not give the same."""


class EngineError(EarmarkError):
    """A cluster that cannot be reached, or whose machines cannot do the work."""


class CloudError(EarmarkError):
    """A service in the cloud that cannot be reached, or refuses what it was asked for."""


class SignInError(CloudError):
    """Nobody is signed in to the cloud, or the sign-in has expired."""


class JobError(CloudError):
    """A job that failed, was cancelled, or has not ended yet."""


class RunError(EarmarkError):
    """A run folder that cannot be used: damaged, or in use by another process."""
