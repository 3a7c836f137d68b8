"""Learning curves: what each network's loss and accuracy did from epoch to epoch, and which epoch was kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earmark.report.folder import Folder

_POINTS = 64  # of a line
_CEILING = 98.0  # percentile of the losses at the top of the picture: the first epochs may be anywhere


@dataclass(frozen=True, slots=True)
class Line:
    """One network's course in one picture.

    Parameters
    ----------
    kind
        ``training`` or ``validation``.
    points
        Of an SVG polyline, in a square from 0 to 100 with y downwards.
    best
        Where the kept epoch is, in the same square; ``None`` on lines that do not decide.
    """

    kind: str
    points: str
    best: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: its lines, and what its edges mean.

    Parameters
    ----------
    epochs
        At the right edge.
    low, high
        At the lower and upper edge.
    """

    title: str
    lines: tuple[Line, ...]
    epochs: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Kept:
    """Which epoch of a network was kept.

    Parameters
    ----------
    validation
        Accuracy on the validation part then; ``None`` where there was none.
    """

    name: str
    best: int
    epochs: int
    training: float
    validation: float | None


@dataclass(frozen=True, slots=True)
class Curves:
    """All pictures, and the table beside them; no panels for models without epochs."""

    panels: tuple[Panel, ...]
    kept: tuple[Kept, ...]


def curves_of(folder: Folder) -> Curves:
    """Return the curves of the networks that were judged; those of a random split beside them are left out."""
    names = _names(folder)
    networks = {
        name: entries
        for number, entries in sorted(folder.history.items())
        if (name := names.get(number)) is not None
    }
    if not networks or max(map(len, networks.values())) < 2:
        return Curves((), ())
    patience = folder.recipe.train.patience if folder.recipe else 1
    best = {name: best_epoch(entries, patience) for name, entries in networks.items()}
    panels = tuple(
        _panel(title, what, networks, best) for title, what in (("Accuracy", "accuracy"), ("Loss", "loss"))
    )
    kept = tuple(
        Kept(
            name, best[name] + 1, len(entries), entries[best[name]]["accuracy"],
            entries[best[name]].get("validation_accuracy"),
        )
        for name, entries in networks.items()
    )  # fmt: skip
    return Curves(panels, kept)


def best_epoch(entries: list[dict[str, float]], patience: int) -> int:
    """Return the position of the epoch that training kept: best by validation accuracy, then loss; else the last.

    >>> told = [{"validation_accuracy": a, "validation_loss": 1.0} for a in (0.5, 0.7, 0.7)]
    >>> best_epoch(told, 50), best_epoch(told, 0)
    (1, 2)
    """
    if patience == 0 or "validation_accuracy" not in entries[0]:
        return len(entries) - 1
    scores = [(entry["validation_accuracy"], -entry["validation_loss"]) for entry in entries]
    return scores.index(max(scores))


def _names(folder: Folder) -> dict[int, str]:
    """Return what each network is called that was judged: by fold and, with several, by seed."""
    if folder.is_training:
        random = folder.figures.text("split", "rule") == "random"
        return {0: "the model, on the random split" if random else "the model"}
    folds = [fold["fold"] for fold in folder.figures.items("folds")]
    seeds = [seed["seed"] for seed in folder.figures.items("seeds")]
    several, names = len(seeds) > 1, {}
    for i, seed in enumerate(seeds):
        for j, fold in enumerate(folds):  # the random split follows the folds of each seed
            names[i * (len(folds) + 1) + j] = f"fold {fold}, seed {seed}" if several else f"fold {fold}"
    return names


def _panel(title: str, what: str, networks: dict[str, list[dict[str, float]]], best: dict[str, int]) -> Panel:
    epochs = max(map(len, networks.values()))
    values = [
        e[key] for own in networks.values() for e in own for key in (what, f"validation_{what}") if key in e
    ]
    low, high = 0.0, 1.0 if what == "accuracy" else max(float(np.percentile(values, _CEILING)), 1e-6)
    lines = []
    for kind, key in (("training", what), ("validation", f"validation_{what}")):
        for name, entries in networks.items():
            if key not in entries[0]:
                continue
            course = np.array([entry[key] for entry in entries])
            x = 100 * np.arange(len(course)) / max(epochs - 1, 1)
            y = np.clip(100 * (1 - (course - low) / (high - low)), 0, 100)
            at = np.unique(
                np.append(np.linspace(0, len(course) - 1, _POINTS).round().astype(int), best[name])
            )
            points = " ".join(f"{a:.4g},{b:.4g}" for a, b in zip(x[at].tolist(), y[at].tolist(), strict=True))
            decides = kind == "validation" or f"validation_{what}" not in entries[0]
            mark = (float(x[best[name]]), float(y[best[name]])) if decides else None
            lines.append(Line(kind, points, mark))
    return Panel(title, tuple(lines), epochs, low, high)
