"""`fetch_encoder`: from a name to weights on this machine that Earmark runs; tried before they are kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from earmark.encoders import ENCODERS, MOST_WEIGHTS, PREFIX, Entry, Session, keep, note_of
from earmark.encoders.convert import yamnet_to_onnx
from earmark.encoders.graph import embedding_graph
from earmark.encoders.patches import BANDS, FRAMES
from earmark.encoders.tflite import is_tflite
from earmark.encoders.weights import folder, sha256_of
from earmark.errors import (
    ArchiveError,
    FetchError,
    PathError,
    SettingError,
    UnknownNameError,
    WeightsError,
)
from earmark.fetch.download import Wanted, download
from earmark.fetch.part import Part
from earmark.fetch.plan import Plan, make_plan
from earmark.fetch.registry import Source
from earmark.fetch.told import Nobody, Told
from earmark.files import hold, size_text

OWN = "own"


@dataclass(frozen=True, slots=True)
class FetchedEncoder:
    """Weights that are on this machine.

    Parameters
    ----------
    name, entry
        Which encoder; ``None`` for one's own.
    sha256, bytes
        Of the weights as they are kept.
    source, origin
        The checksum of the file that they were converted from, and where that was.
    checked
        Whether that checksum is the one that was known before.
    there
        Whether they were there already.
    """

    name: str
    entry: Entry | None
    sha256: str
    bytes: int
    source: str
    origin: str
    checked: bool
    there: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the record as the command line's JSON shows it."""
        return {
            "name": f"{PREFIX}{self.name}", "sha256": self.sha256, "bytes": self.bytes, "source": self.source,
            "url": self.origin, "checked": self.checked, "there": self.there, "folder": str(folder()),
            "licence": self.entry.licence if self.entry else None,
            "tried": self.entry.tried if self.entry else False,
        }  # fmt: skip


def fetch_encoder(
    name: str, told: Told | None = None, *, weights: str | None = None, output: str = "",
    origin: str | None = None, mirror: str | None = None, against: str | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> FetchedEncoder:  # fmt: skip
    """Fetch an encoder's weights, or take a file; convert them to ONNX, try them, and keep them by their hash.

    Parameters
    ----------
    name
        A key of `ENCODERS`, or ``"own"``.
    told
        Who is told how it goes.
    weights
        A file on this machine to take instead of the published one.
    output
        Of an ONNX file: the tensor that is the embedding; empty for what the registry says, or the only output.
    origin, mirror, against
        From where, and which checksum it must have: see `earmark.fetch.plan.make_plan`.
    pause
        Waits for so many seconds before the next try.

    Raises
    ------
    UsageError
        When there is no such encoder or file, or the settings do not fit together.
    WeightsError
        When nobody can fetch the encoder for you, or a file is not what it should be.
    FetchError
        When it cannot be had, or there is no room for it.
    """
    if name not in ENCODERS and name != OWN:
        raise UnknownNameError("encoder", name, [*ENCODERS, OWN])
    entry = ENCODERS.get(name)
    if weights is not None:
        if origin is not None or mirror is not None:
            raise SettingError("--weights takes a file that is here: leave out --from and --mirror.")
        return _kept(name, entry, _read(Path(weights)), output, weights, against)
    if (note := note_of(name)) is not None and mirror is None and not output:
        known = {key: note.get(key) for key in ("sha256", "bytes", "source", "origin", "checked")}
        return FetchedEncoder(name, entry, **known, there=True)  # type: ignore[arg-type]
    if entry is None:
        raise WeightsError(
            f"Nobody publishes your own encoder. Type: earmark fetch {PREFIX}{OWN} --weights FILE.onnx"
        )
    if entry.url is None:
        raise WeightsError(
            f"{entry.name} is not published as a file that Earmark runs. {entry.note}"
            f" Then type: earmark fetch {PREFIX}{name} --weights FILE.onnx"
        )
    plan = make_plan(_source(entry), folder(), origin, mirror, against)
    return _downloaded(entry, plan, output, told or Nobody(), pause)


def _source(entry: Entry) -> Source:
    """Return an encoder as what a plan is made of."""
    size = entry.bytes or 0
    return Source(
        name=f"{PREFIX}{entry.name}", title=entry.title, origin="publisher", url=entry.url or "",
        file=f"{entry.name}.{entry.form}", bytes=entry.bytes, unpacked=size or MOST_WEIGHTS // 2, files=1,
        checksum=entry.checksum, licence=entry.licence, licence_url=entry.licence_url, commercial=True,
        homepage=entry.homepage, citation=entry.citation,
    )  # fmt: skip


def _downloaded(
    entry: Entry, plan: Plan, output: str, told: Told, pause: Callable[[float], None]
) -> FetchedEncoder:
    told.offered(plan)
    if plan.archive is not None:
        return _kept(entry.name, entry, _read(plan.archive), output, str(plan.archive), plan.checksum)
    plan.check_room(0)
    with _alone(entry, folder() / f"{plan.source.file}.part.lock"):
        return _got(entry, plan, Part(folder() / f"{plan.source.file}.part"), output, told, pause)


@contextmanager
def _alone(entry: Entry, lock: Path) -> Iterator[None]:
    """Keep other processes off a file that is on its way."""
    lock.parent.mkdir(0o700, parents=True, exist_ok=True)
    with lock.open("ab") as file:
        try:
            hold(file)
        except BlockingIOError:
            raise FetchError(
                f"Another earmark fetch is getting {PREFIX}{entry.name}. Let it finish, or end it."
            ) from None
        except OSError:  # a file system without locks
            pass
        yield


def _got(
    entry: Entry, plan: Plan, part: Part, output: str, told: Told, pause: Callable[[float], None]
) -> FetchedEncoder:
    wanted = Wanted(plan.url, plan.total, plan.checksum, min(plan.most_archive, MOST_WEIGHTS))
    for last in (False, True):
        got = download(wanted, part, told, lambda missing: None, pause)
        if plan.checksum in (None, got):
            break
        part.remove()
        if last:
            raise ArchiveError(
                f"{plan.address} is not the file that it should be: it has {got}, but {plan.checksum} is expected."
                " Nothing of it was kept. Take another place with --mirror URL."
            )
        told.noted(f"The file is not what it should be ({got}). Fetched once more, from its beginning.")
    fetched = _kept(entry.name, entry, _read(part.path), output, plan.address, plan.checksum)
    part.remove()
    return fetched


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise PathError(f"There is no file of weights at {path}.")
    try:
        with path.open("rb") as file:
            data = file.read(MOST_WEIGHTS + 1)
    except OSError as error:
        raise PathError(f"The weights {path} cannot be read: {error.strerror}.") from None
    if len(data) > MOST_WEIGHTS:
        raise WeightsError(f"{path} is larger than weights may be ({size_text(MOST_WEIGHTS)}).")
    return data


def _kept(
    name: str, entry: Entry | None, data: bytes, output: str, origin: str, expected: str | None
) -> FetchedEncoder:
    """Convert a file, try it, and keep what came of it."""
    source = f"sha256:{sha256_of(data)}"
    if expected is not None and expected != source:
        raise WeightsError(f"{origin} is another file: it has {source}, but {expected} is expected.")
    if is_tflite(data):
        if entry is None or entry.front_end != "yamnet":
            raise WeightsError(
                f"{origin} is a TensorFlow Lite file, which Earmark reads for yamnet only. Export it to ONNX."
            )
        if output:
            raise SettingError("--output names a tensor of an ONNX file; this is a TensorFlow Lite file.")
        network = yamnet_to_onnx(data)
    else:
        network = embedding_graph(data, output or (entry.output if entry else ""))
    if entry is not None:
        shape = (FRAMES, BANDS) if entry.front_end == "yamnet" else (round(entry.window * entry.sample_rate),)
        Session(network, shape, entry.size)
    note = {
        "source": source, "origin": origin, "checked": expected is not None,
        "kept": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    sha256 = keep(name, network, note)
    return FetchedEncoder(
        name, entry, sha256, len(network), source, origin, expected is not None, there=False
    )
