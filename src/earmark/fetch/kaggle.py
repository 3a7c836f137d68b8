"""`--from kaggle`: kagglehub fetches, goes on and checks by itself; here it is given its folder and watched."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from earmark.errors import FetchError, MissingExtraError
from earmark.fetch.plan import Plan
from earmark.fetch.told import Told
from earmark.fetch.tree import take_over
from earmark.fetch.unpack import Unpacked

CACHE = "kaggle"
_INTERVAL = 0.25  # seconds between two looks at how much is there
# Its own words go to standard output, where only results belong, and its bar would draw over ours.
_QUIET = {"KAGGLEHUB_VERBOSITY": "error", "TQDM_DISABLE": "1"}


def check_installed() -> None:
    """Refuse to begin without kagglehub.

    Raises
    ------
    MissingExtraError
        How to get it.
    """
    if find_spec("kagglehub") is None:
        raise MissingExtraError("--from kaggle", "kaggle", "kagglehub")


def fetch(plan: Plan, folder: Path, tree: Path, told: Told) -> tuple[Unpacked, str]:
    """Fetch a data set from Kaggle into ``tree``; return what it holds, and which version it is.

    kagglehub keeps its download in ``folder`` until it is whole, so that an interrupted one goes on.

    Raises
    ------
    FetchError
        When it could not do its work; in its own words.
    ArchiveError
        When something came that no data set needs: links, devices, or more than announced.
    """
    cache = folder / CACHE
    said = io.StringIO()
    with _surroundings(cache, said), _watched(cache, plan, told):
        try:
            import kagglehub

            got = Path(kagglehub.dataset_download(plan.source.kaggle))
        except Exception as error:
            if (
                isinstance(error, OSError) and error.errno is not None
            ):  # the disk's: requests' own have no number
                raise
            raise _failed(error) from None
    version = (
        f"{plan.source.kaggle}/versions/{got.name}" if got.parent.name == "versions" else plan.source.kaggle
    )
    ours = cache.resolve() in got.resolve().parents
    found = take_over(got, tree, plan.most_bytes, plan.most_files, move=ours)
    return found, str(version)


def _failed(error: Exception) -> FetchError:
    words = " ".join(str(error).split()) or type(error).__name__
    return FetchError(
        f"Kaggle gives no data: {words.rstrip('.')}. Leave out --from kaggle to ask the publisher."
    )


@contextlib.contextmanager
def _surroundings(cache: Path, said: io.StringIO) -> Iterator[None]:
    """Give kagglehub its folder and keep it quiet; leave all as it was."""
    new = {"KAGGLEHUB_CACHE": str(cache), **_QUIET}
    before = {name: os.environ.get(name) for name in new}
    os.environ.update(new)
    try:
        with contextlib.redirect_stdout(said):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _watched(cache: Path, plan: Plan, told: Told) -> Iterator[None]:
    """Tell how much is there while kagglehub works, which tells nobody but a terminal."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(_INTERVAL):
            told.fetching("Kaggle", _bytes_below(cache), None)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _bytes_below(folder: Path) -> int:
    total = 0
    with contextlib.suppress(OSError):  # files come and go meanwhile
        for file in folder.rglob("*"):
            total += file.lstat().st_size
    return total
