"""`submit`: a recipe becomes a job of Azure ML's."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earmark.cloud.azure.client import connect, known_compute, known_data, link, quiet, sdk, status_of
from earmark.cloud.azure.cost import Cost
from earmark.cloud.azure.faults import spoken
from earmark.cloud.azure.files import dump
from earmark.cloud.azure.job import SWEEP, Made, Order, make_job
from earmark.cloud.azure.place import Place
from earmark.cloud.azure.upload import unfit, uploads
from earmark.errors import SettingError
from earmark.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Draft:
    """A job that is not submitted: its file, what would be uploaded with it, what it may cost."""

    text: str
    uploads: tuple[str, ...]
    cost: Cost
    here: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that is: its name, its page, how it stands; and the client that knows it."""

    name: str
    studio: str
    status: str
    here: str
    client: Any = field(repr=False)


def draft(recipe: Recipe, order: Order, folder: Path, hours: float | None, price: float | None) -> Draft:
    """Return a job without submitting it; nothing is asked of any network."""
    with tempfile.TemporaryDirectory(prefix="earmark-azure-") as code:
        made = _made(recipe, order, folder, Path(code) / "code")
        sent = tuple(name for _, name in uploads(Path(code) / "code"))
        text = dump(made.job).replace(str(Path(code) / "code"), "code")
    trials = order.trials if order.kind == SWEEP else 1
    return Draft(text, sent, Cost(hours, price, order.nodes, trials), made.here)


def submit(
    recipe: Recipe, order: Order, folder: Path, place: Place, tell: Callable[[str], None]
) -> Submitted:
    """Upload the recipe, and start the job.

    Parameters
    ----------
    tell
        Is told each step.

    Raises
    ------
    EarmarkError
        Of the kinds that `connect` raises; `UnknownNameError` for a compute that is not there.
    """
    with tempfile.TemporaryDirectory(prefix="earmark-azure-") as temporary:
        code = Path(temporary) / "code"
        made = _made(recipe, order, folder, code)
        job = _loaded(made, Path(temporary))
        tell(f"Asking for the workspace {place.workspace}")
        client = connect(place)
        if made.compute:
            known_compute(client, made.compute)
        if given := dict(made.job.get("inputs") or {}).get("data"):
            known_data(client, str(given["path"]))
        tell(f"Uploading {', '.join(name for _, name in uploads(code))}")
        with spoken("submitting the job"), quiet():
            sent = client.jobs.create_or_update(job)
    return Submitted(sent.name, link(sent.studio_url), status_of(sent), made.here, client)


def _made(recipe: Recipe, order: Order, folder: Path, code: Path) -> Made:
    code.mkdir()
    made = make_job(recipe, order, folder, code)
    if wrong := next(unfit(code), ""):
        raise SettingError(wrong[:1].upper() + wrong[1:])
    return made


def _loaded(made: Made, beside: Path) -> Any:
    """Return the job as the SDK reads it."""
    ml = sdk()
    with spoken("reading the job"), quiet():
        return ml.load_job(io.StringIO(dump(made.job)), relative_origin=str(beside / "job.yml"))
