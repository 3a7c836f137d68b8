"""Two runs beside each other, as a person reads it or as JSON."""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table

from earmark.cli.show import console, print_json
from earmark.cli.words import on_one_line
from earmark.compare import Comparison, McNemar, Side
from earmark.readers.listing import count

_MOST_SETTINGS = 12


def show(found: Comparison, as_json: bool) -> None:
    """Show what `earmark compare` found."""
    if as_json:
        print_json(found.to_dict())
    else:
        _show(found)


def _show(found: Comparison) -> None:
    out = console()
    out.print()
    for name, side in (("A", found.a), ("B", found.b)):
        out.print(f"{name}  [bold]{side.score:.3f}[/]  {_named(side)}")
    _differences(found)
    out.print(f"\n[bold]{escape(found.verdict)}[/]")
    out.print(
        f"Over {count(found.clips, 'clip')} of {count(found.groups, 'recording')}, drawn recording by recording."
    )
    if found.mcnemar is None:
        out.print("The scores are micro-F1, over all labels of all clips.")
    else:
        _second_opinion(found, found.mcnemar)
    for note in found.notes:
        out.print(f"Note: {note}", markup=False, style="dim")
    score = "recall" if found.mcnemar else "F1"
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("class")
    for column in ("clips", f"{score} A", f"{score} B", "B less A"):
        table.add_column(column, justify="right")
    for label, row in found.per_class.items():
        scores = (f"{row['a']:.2f}", f"{row['b']:.2f}", f"{row['difference']:+.2f}")
        table.add_row(escape(on_one_line(label)), f"{row['clips']:,}", *scores)
    out.print(table)


def _second_opinion(found: Comparison, test: McNemar) -> None:
    alone = len(found.a.seeds) == len(found.b.seeds) == 1
    clips = count(test.only_a, "clip")
    told = (
        f"A alone is right on {clips}, B alone on {test.only_b:,}: McNemar's"
        if alone
        else f"A is right more often on {clips}, B on {test.only_b:,}: McNemar's"
    )
    console().print(f"{told} exact p = {test.p:.2g}.")


def _named(side: Side) -> str:
    seeds = ", ".join(map(str, side.seeds))
    return escape(on_one_line(f"{side.run} ({side.model}, seed{'s' * (len(side.seeds) > 1)} {seeds})"))


def _differences(found: Comparison) -> None:
    out = console()
    if not found.differs:
        out.print("Their recipes are the same.")
        return
    out.print("Their recipes differ in:")
    for name, (a, b) in list(found.differs.items())[:_MOST_SETTINGS]:
        out.print(on_one_line(f"   {name}: {_value(a)} in A, {_value(b)} in B"), markup=False)
    if len(found.differs) > _MOST_SETTINGS:
        out.print(f"   … and {len(found.differs) - _MOST_SETTINGS} more")


def _value(value: object) -> str:
    return "none" if value is None else str(value)
