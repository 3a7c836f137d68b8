"""How well unknown classes are told, as a person reads it."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_NAMES = {"softmax": "probability", "knn": "distance", "joined": "both"}


def show_unknown(out: Console, found: dict[str, Any]) -> None:
    """Show what `earmark.novelty` found."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title="Each class left out in turn: how often a known clip is more familiar than one of it",
        title_justify="left",
    )
    table.add_column("class")
    columns = ("clips", *_NAMES.values(), "95 % interval", "taken for known")
    for column in columns:
        table.add_column(column, justify="right")
    for label, row in found["per_class"].items():
        table.add_row(escape(label), f"{row['clips']:,}", *_cells(row))
    table.add_section()
    table.add_row("mean", "", *_cells(found["mean"]), style="bold")
    out.print(table)
    gain, (low, high) = found["gain"]["auroc"], found["gain"]["interval"]
    out.print(
        "0.5 is chance, 1 is perfect. Taken for known: the share of unknown clips that pass where 95 % of the known do."
    )
    out.print(
        f"Both together are {gain:+.3f} ({low:+.3f} to {high:+.3f}) beside the probability alone."
        f" At a model file's threshold\n{found['threshold']['kept']:.1%} of known and"
        f" {1 - found['threshold']['told']:.1%} of unknown recordings' clips pass."
    )


def _cells(row: dict[str, Any]) -> list[str]:
    def shown(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f}"

    interval = row["joined"]["auroc_interval"]
    return [
        *(shown(row[score]["auroc"]) for score in _NAMES),
        "–" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}",
        shown(row["joined"]["fpr95"]),
    ]
