"""A report as one HTML page, which asks for nothing from anywhere and runs no script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.errors import MissingExtraError
from earmark.report import again
from earmark.report.curves import Curves
from earmark.report.folder import Folder
from earmark.report.matrix import Matrix, Mistake
from earmark.report.score import Score
from earmark.report.slices import Slicing
from earmark.report.sound import Look, Sounds
from earmark.report.trust import MEASURES, Trust
from earmark.report.words import (
    LONGEST_NAME,
    LONGEST_PATH,
    Number,
    decimals,
    legible,
    percent,
    plural,
    span,
    spelt,
)

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
_NAMED = 5  # problems of a kind
_SUSPECTS = 25


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """Everything that the page shows.

    Parameters
    ----------
    mistakes, wrong
        Those that are shown, each with what it looks and sounds like; how many there are in all.
    """

    folder: Folder
    score: Score
    curves: Curves
    matrix: Matrix
    mistakes: list[tuple[Mistake, Look]]
    wrong: int
    trust: Trust
    slicings: list[Slicing]
    sounds: Sounds
    with_audio: bool


def templates() -> Environment:
    """Return what renders the page.

    Raises
    ------
    MissingExtraError
        When Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise MissingExtraError("A report", "report", "jinja2") from None
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_filters())
    environment.globals.update(plural=plural)
    return environment


def render(page: Page, environment: Environment) -> bytes:
    """Return the page as UTF-8."""
    from markupsafe import Markup

    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    values = {
        "page": page,
        "folder": page.folder,
        "figures": page.folder.figures,
        "facts": _facts(page),
        "style": Markup(style),  # noqa: S704  (our own file)
        "style_hash": digest,
        "title": f"{_model(page.folder)} on {_data_name(page.folder)}",
        "classes": _classes(page.folder),
        "measures": MEASURES,
        "problems": _problems(page.folder),
        "suspects": (page.folder.suspects or [])[:_SUSPECTS],
        "command": again.command(page.folder),
        "seeds": again.seeds(page.folder),
        "versions": again.versions(page.folder),
    }
    text = str(environment.get_template("page.html").render(values))
    # A half of a surrogate pair, as a name in no encoding has it, was spelt out; what is left must not stop the page.
    return text.encode("utf-8", "backslashreplace")


def _filters() -> dict[str, Callable[..., Any]]:
    from markupsafe import Markup, escape

    def name(text: object) -> Markup:
        # Isolated, so that writing from right to left stays inside.
        return Markup("<bdi>{}</bdi>").format(broken(str(text), LONGEST_NAME))

    def shown(text: str, number: Number) -> Markup:
        if number.value is None:
            return escape(text)
        where = Markup(' data-key="{}"').format(spelt(number.key)) if number.key else Markup("")
        return Markup('<data value="{}"{}>{}</data>').format(repr(number.value), where, text)

    def broken(text: str, longest: int = LONGEST_PATH) -> Markup:
        """Let a long path break after its separators."""
        return escape(legible(text, longest)).replace("/", Markup("/<wbr>")).replace("_", Markup("_<wbr>"))

    def score(text: str) -> str:
        try:
            return decimals(float(text), 2)
        except ValueError:
            return legible(text)

    return {
        "name": name,
        "path": lambda text: Markup('<bdi dir="ltr">{}</bdi>').format(broken(str(text))),
        "legible": lambda text, longest=LONGEST_PATH: legible(str(text), longest),
        "spelt": lambda text: "\n".join(map(spelt, text.split("\n"))),
        "span": lambda key: span(key[1], key[2]),
        "percent": lambda number: shown(percent(number.value), number),
        "two": lambda number: shown(decimals(number.value, 2), number),
        "three": lambda number: shown(decimals(number.value, 3), number),
        "share": percent,
        "place": lambda value: f"{100 * min(max(value, 0.0), 1.0):.4g}%",
        "score": score,
        "seconds": lambda value: f"{value:.3g}\u00a0s",
    }


def _model(folder: Folder) -> str:
    return legible(folder.figures.text("model") or "a model")


def _data_name(folder: Folder) -> str:
    where = folder.recipe.data.path if folder.recipe else ""
    return legible(folder.figures.text("data", "name") or Path(where).name or "a data set")


def _facts(page: Page) -> list[tuple[str, str]]:
    """Return what was trained on what, each with its name."""
    folder, figures, recipe = page.folder, page.folder.figures, page.folder.recipe
    clips, groups = figures.whole("clips"), figures.whole("groups")
    facts = [("Data set", figures.text("data", "title") or _data_name(folder))]
    if figures.has("data"):
        unit = figures.text("data", "grouping")
        known = (
            f"{plural(figures.whole('data', 'groups'), 'recording')} ({unit})"
            if unit
            else "recordings not known"
        )
        facts.append(("In it", f"{plural(figures.whole('data', 'clips'), 'clip')}, {known}"))
    facts.append(("Classes", f"{len(folder.tested.labels):,}"))
    facts.append(("Tested", f"{plural(clips, 'clip')} of {plural(groups, 'recording')}"))
    facts.append(("Model", _model(folder)))
    if recipe is not None:
        facts.append(("Feature", f"{recipe.feature.name}, {recipe.feature.sample_rate:,} Hz"))
    facts.append(("Protocol", page.score.tested))
    facts.append(("Date", str(folder.state.get("finished", ""))[:10] or "not known"))
    versions = again.versions(folder)
    facts.append(
        ("Made with", f"Earmark {versions.get('earmark', '?')}, Python {versions.get('python', '?')}")
    )
    return facts


def _classes(folder: Folder) -> list[tuple[str, int, list[Number]]]:
    """Return each class with its clips and its precision, recall, F1 and average precision."""
    scores = ("precision", "recall", "f1", "average_precision")
    return [
        (
            label,
            folder.figures.whole("per_class", label, "clips"),
            [folder.figures.perhaps("per_class", label, score) for score in scores],
        )
        for label in folder.tested.labels
    ]


def _problems(folder: Folder) -> list[tuple[str, int, list[Any]]]:
    """Return the kinds of problems, the most frequent first, each with its count and the first few."""
    kinds: dict[str, list[Any]] = {}
    for problem in folder.problems:
        kinds.setdefault(problem.kind, []).append(problem)
    ordered = sorted(kinds.items(), key=lambda item: -len(item[1]))
    return [(kind.replace("_", " "), len(found), found[:_NAMED]) for kind, found in ordered]
