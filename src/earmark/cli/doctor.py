"""What `earmark check` shows: the verdict, then tables, then what to look at, then what to type."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from earmark.check import UNFIT, Checkup
from earmark.cli.show import print_json
from earmark.cli.words import on_one_line
from earmark.readers.listing import count

if TYPE_CHECKING:
    from earmark.check.manifest import Manifest

_EXAMPLES = 3  # of each kind of problem
_BAR = 16  # columns
_MOST_CLASSES = 60
# What stands above the examples of each kind; any other kind is its own name.
_TITLES = {
    "torn": "lines of the log of corrections that are not whole",
    "correction": "corrections that do not fit the data",
    "clipped": "clipped: the loudest parts are cut flat",
    "offset": "with a constant (DC) offset",
    "narrow_band": "holding nothing in the upper three quarters of their band",
    "channel_copies": "whose channels are copies of each other",
    "dead_channel": "with a silent channel",
    "odd_rate": "of an unusual sample rate",
    "truncated": "shorter than their header says",
    "unfinished": "whose header was never finished",
    "duplicate": "the same sound as another clip",
    "label_conflict": "the same sound under different labels",
    "overlap": "labels that overlap the same label",
    "overlap_of_labels": "label files in which different labels overlap",
    "outside": "labels beyond the end of their recording",
    "rare_class": "labels heard in few recordings",
    "guessed": "readings that are a guess",
    "points": "label files with labels without length",
    "few_groups": "classes with few recordings",
    "unequal_classes": "classes with far fewer clips than others",
    "similar_names": "class names that look alike",
    "shared_group": "recordings in several folds",
    "no_group": "recordings are not known",
    "unlisted": "sound files that nothing names",
    "no_decoder": "needing a decoder that is not installed",
    "near_duplicate": "nearly the same sound as another clip: re-encoded, trimmed, looped",
    "overlapping_cuts": "overlapping stretches of one file under different recordings",
    "leak": "the same sound on both sides of the folds",
    "shortcut": "ways to tell the class without listening",
    "rate_tells_class": "classes that their sample rate gives away",
}


def show(found: Checkup, dataset: str, written: Manifest | None, as_json: bool) -> None:
    """Show what the doctor found; ``dataset`` is what was typed for it, with its options."""
    if as_json:
        return print_json({**found.to_dict(), "manifest": written.to_dict() if written else None})
    out = Console(highlight=False, soft_wrap=True, emoji=False)
    style = "red" if found.unfit else "yellow" if found.problems else "green"
    out.print(f"\n[bold {style}]{escape(on_one_line(found.verdict))}[/]")
    _classes(out, found)
    _sound(out, found)
    _leak(out, found)
    _folds(out, found)
    _things(out, found)
    if written:
        out.print(
            f"\n[bold]Written[/]  {escape(str(written.table))} ({count(written.kept, 'clip')}) and"
            f" {escape(str(written.left_out))} ({written.dropped:,} left out, each with the reason)"
        )
    _next(out, found, dataset, written)
    return None


def _classes(out: Console, found: Checkup) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("class")
    for name in ("clips", "recordings" if found.groups_known else "files", "time"):
        table.add_column(name, justify="right")
    table.add_column("", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    total = max(sum(int(of["clips"]) for of in found.per_class.values()), 1)
    most = max((int(of["clips"]) for of in found.per_class.values()), default=1) or 1
    for label, of in list(found.per_class.items())[:_MOST_CLASSES]:
        n = int(of["clips"])
        bar = f"[cyan]{'█' * round(_BAR * n / most)}[/]"
        name = escape(on_one_line(label))
        table.add_row(
            name, f"{n:,}", f"{int(of['recordings']):,}", _time(of["seconds"]), bar, f"{n / total:.0%}"
        )
    out.print(table)
    if len(found.per_class) > _MOST_CLASSES:
        out.print(f"… and {len(found.per_class) - _MOST_CLASSES:,} more classes; --json lists all.\n")


def _sound(out: Console, found: Checkup) -> None:
    if not found.sound:
        return
    sound, n = found.sound, found.clips
    seconds, level, band = sound["seconds"], sound["level"], sound["bandwidth"]
    folds = f" in folds {', '.join(map(str, found.folds))}" if found.folds else ""
    lines = {
        "Sound": f"{_time(3600 * found.hours)} in all{folds}; a clip {_range(seconds, _short)}",
        "Rates": _shares(sound["rates"], n, lambda rate: f"{int(rate):,} Hz"),
        "Channels": _shares(
            sound["channels"], n, lambda c: {"1": "mono", "2": "stereo"}.get(c, f"{c} channels")
        ),
        "Formats": _shares(sound["encodings"], n, str),
        "Level": f"{_range(level, lambda v: f'{v:.0f} dBFS')}, root mean square",
        "Bandwidth": f"{_range(band, lambda v: f'{v / 1000:.1f} kHz')}",
    }
    for name, text in lines.items():
        out.print(f"[bold]{name:<11}[/]{escape(text)}")


def _leak(out: Console, found: Checkup) -> None:
    if not found.leakage or not found.leakage["groups_known"]:
        return
    leak = found.leakage["random_split"]
    share = leak["test_clips_sharing_a_sound"] / max(leak["test_clips"], 1)
    out.print(
        f"[bold]{'Leakage':<11}[/]a random split would leak {share:.0%} of its test clips; an oracle that only"
        f" recognises recordings would score {leak['oracle_accuracy']:.3f}"
    )


def _folds(out: Console, found: Checkup) -> None:
    folds = (found.leakage or {}).get("folds")
    if not folds:
        return
    if folds["passes"]:
        told = "no fold shares a recording or a sound with another"
        told += (
            ""
            if found.leakage and found.leakage["copies_looked_for"]
            else " (copies in disguise not looked for)"
        )
    else:
        sharing = sum(of["sharing"] for of in folds["each"].values())
        total = sum(of["test_clips"] for of in folds["each"].values())
        share = f"{sharing:,} of {count(total, 'clip')} ({sharing / max(total, 1):.1%})"
        told = f"{share} share a recording, or a copy, with another fold"
    out.print(f"[bold]{'Folds':<11}[/]{told}")
    for known in folds["known_exceptions"]:
        one, other = known["recordings"]
        pairs = count(len(known["clips"]), "pair of clips", "pairs of clips")
        out.print(
            f"{'':<11}but for a known exception: recordings {one} and {other} are alike ({pairs})",
            style="dim", markup=False,
        )  # fmt: skip


def _things(out: Console, found: Checkup) -> None:
    if not found.problems:
        out.print("\n[green]No problems found.[/]")
        return
    out.print("\n[bold]To look at[/]")
    for kind, problems in found.kinds.items():
        title = _TITLES.get(kind, kind.replace("_", " "))
        mark = "[red]✗[/]" if kind in UNFIT else "[yellow]![/]"
        out.print(f" {mark} {len(problems):,} {title}  [dim]({kind})[/]")
        for p in problems[:_EXAMPLES]:  # a line each, never folded, so that paths can be copied
            out.print(on_one_line(f"     {f'{p.path}: ' if p.path else ''}{p.detail}"), markup=False)
        if len(problems) > _EXAMPLES:
            out.print(f"     … and {len(problems) - _EXAMPLES:,} more; --json lists all", style="dim")


def _next(out: Console, found: Checkup, dataset: str, written: Manifest | None) -> None:
    unfit = any(problem.kind in UNFIT for problems in found.rows.values() for problem in problems)
    commands = []
    if unfit and not written:
        commands.append(f"earmark check {dataset} --fix-manifest clean.csv")
    if any(kind == "no_decoder" for kind in found.kinds):
        commands.append("pip install 'earmark[formats]'")
    if not found.unfit:
        what = shlex.quote(str(written.table)) if written else "clean.csv" if unfit else dataset
        commands.append(f"earmark train {what} -o model.earmark")
    if commands:
        out.print("\n[bold]Next[/]")
        for command in commands:
            out.print(f"     {on_one_line(command)}", markup=False)


def _range(of: dict[str, float], words: Callable[[float], str]) -> str:
    """Return a quantity's spread: its median, and what nine in ten clips lie between."""
    if of["least"] == of["most"]:
        return f"{words(of['median'])}"
    return f"{words(of['median'])} (nine in ten: {words(of['low'])} to {words(of['high'])})"


def _shares(counts: dict[str, int], total: int, words: Callable[[str], str]) -> str:
    shown = [f"{words(value)}{f' ({n / total:.0%})' if n < total else ''}" for value, n in counts.items()]
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")


def _short(seconds: float) -> str:
    return f"{seconds:.3g} s"


def _time(seconds: float) -> str:
    """Return a duration for a person.

    >>> _time(12.3), _time(600), _time(9_000)
    ('12.3 s', '10.0 min', '2.50 h')
    """
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.2f} h"
