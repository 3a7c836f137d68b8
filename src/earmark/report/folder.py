"""A finished run, read back from its folder."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.errors import EarmarkError, RunError
from earmark.recipe import Recipe, load_recipe
from earmark.report.answered import Answered, read_answered
from earmark.report.words import Figures
from earmark.runs import PREDICTIONS, SUSPECTS, damaged, finished, read_object, read_text
from earmark.types import Problem

REPORT, RECIPE = "report.json", "recipe.toml"
_SUSPECT = ("path", "start", "end", "label", "suggested", "score", "reason")


@dataclass(frozen=True, slots=True, eq=False)
class Folder:
    """What a run left.

    Parameters
    ----------
    path
        The folder.
    report, figures
        ``report.json``, and the same to be asked for figures.
    state, environment
        When it ran, and with which versions.
    recipe_text, recipe, recipe_fault
        The recipe file; what it says; why this Earmark does not understand it, where it does not.
    history
        The entries of each network, by its number.
    roles
        Of ``split.csv``: for each column the role of each clip, and under ``label`` the labels.
    suspects
        Rows of ``suspects.csv`` by column; ``None`` where there is no such file.
    """

    path: Path
    report: dict[str, Any]
    figures: Figures
    state: dict[str, Any]
    environment: dict[str, Any]
    recipe_text: str
    recipe: Recipe | None
    recipe_fault: str
    tested: Answered
    history: dict[int, list[dict[str, float]]]
    problems: tuple[Problem, ...]
    roles: dict[str, list[str]]
    suspects: list[dict[str, str]] | None

    @property
    def is_training(self) -> bool:
        """Whether `earmark train` left it, and not `earmark evaluate`."""
        return isinstance(self.report.get("split"), dict)


def read_folder(path: Path) -> Folder:
    """Read a run.

    Raises
    ------
    PathError
        When the folder is no run's.
    RunError
        When the run is not finished, is of clips with several labels, or its files are damaged.
    """
    state = finished(path)
    report = read_object(path / REPORT)
    if report.get("exclusive") is False:
        raise RunError(
            f"{path} is of clips with several labels, and the page shows runs of exactly one label a clip."
            f" All its numbers are in {path / REPORT}."
        )
    recipe, fault = None, ""
    text = read_text(path / RECIPE)
    try:
        recipe = load_recipe(str(path / RECIPE))
    except EarmarkError as error:
        fault = str(error)
    labels = report.get("labels")
    tested = read_answered(path / PREDICTIONS)
    if labels is not None and labels != list(tested.labels):
        raise damaged(path / REPORT, f"its labels are not those of {PREDICTIONS}")
    return Folder(
        path,
        report,
        Figures(path / REPORT, report),
        state,
        read_object(path / "environment.json"),
        text,
        recipe,
        fault,
        tested,
        _history(path / "metrics.jsonl"),
        tuple(Problem(*row.values()) for row in _rows(path / "problems.csv", ("kind", "path", "detail"))),
        _roles(path / "split.csv"),
        _rows(path / SUSPECTS, _SUSPECT) if (path / SUSPECTS).is_file() else None,
    )


def _history(path: Path) -> dict[int, list[dict[str, float]]]:
    networks: dict[int, list[dict[str, float]]] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            own = {name: float(value) for name, value in entry.items() if name != "network"}
            if not {"epoch", "loss", "accuracy"} <= own.keys():
                raise KeyError
            networks.setdefault(int(entry["network"]), []).append(own)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise damaged(path, f"line {number} is not an epoch") from None
    return networks


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Return some columns of a table, whatever else it has."""
    try:
        table = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
        if missing := [name for name in columns if name not in (table.fieldnames or ())]:
            raise damaged(path, f"it has no column {missing[0]}")
        return [{name: row[name] or "" for name in columns} for row in table]
    except csv.Error as error:
        raise damaged(path, str(error)) from None


def _roles(path: Path) -> dict[str, list[str]]:
    try:
        lines = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
        header, *rows = lines
    except (csv.Error, ValueError):
        raise damaged(path, "it is not a table of clips") from None
    if any(len(row) != len(header) for row in rows) or "label" not in header:
        raise damaged(path, "it is not a table of clips")
    kept = ["label", *header[5:]]
    return {name: [row[header.index(name)] for row in rows] for name in kept}
