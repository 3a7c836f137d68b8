"""How well unknown classes are told, as a person reads it."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_SCORES = {"softmax": "sure", "knn": "near", "joined": "both"}


def show_unknown(out: Console, found: dict[str, Any]) -> None:
    """Show what `earmark.novelty` found."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title="Each class left out in turn: how often a known clip is more familiar than one of it",
        title_justify="left",
    )
    table.add_column("class")
    for column in ("clips", *_SCORES.values(), "interval", "passing"):
        table.add_column(column, justify="right", no_wrap=True)
    for label, row in found["per_class"].items():
        table.add_row(escape(label), f"{row['clips']:,}", *_cells(row))
    table.add_section()
    table.add_row("mean", "", *_cells(found["mean"]), style="bold")
    out.print(table)
    gain, (low, high), at = found["gain"]["auroc"], found["gain"]["interval"], found["threshold"]
    out.print(
        "AUROC by how sure the model is, by how near training clips are, and by both: 0.5 is chance, 1 is perfect."
        "\nPassing are the unknown clips that are taken for known where 95 % of the known are."
        f"\nBoth is {gain:+.3f} beside sure alone (95 % interval {low:+.3f} to {high:+.3f})."
        f"\nA model file's own threshold keeps {at['kept']:.1%} of a known recording's clips, and tells"
        f" {at['told']:.1%} of an unknown one's."
    )


def _cells(row: dict[str, Any]) -> list[str]:
    def shown(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f}"

    interval = row["joined"]["auroc_interval"]
    return [
        *(shown(row[score]["auroc"]) for score in _SCORES),
        "–" if interval is None else f"{interval[0]:.2f} {interval[1]:.2f}",
        shown(row["joined"]["fpr95"]),
    ]
