"""Run folders for the tests of the report: as `earmark evaluate` leaves them, without anything trained."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from earmark.evaluate import Calibration, Scored, joined, report
from earmark.recipe import Recipe
from earmark.runs import ANSWER

VOID = {"meta", "link", "img", "input", "br", "wbr", "circle", "line", "rect", "path", "polyline"}


def run_folder(
    folder: Path, labels: Sequence[str], targets: np.ndarray, likely: np.ndarray, *, paths: Sequence[str] | None = None,
    groups: np.ndarray | None = None, folds: int = 2, seeds: Sequence[int] = (0,), data: str = "", spans=None,
    problems: Sequence[Sequence[str]] = (), random: bool = True,
) -> Path:  # fmt: skip
    """Write a run about clips with int64[n] targets and float64[seeds, n, labels] probabilities."""
    folder.mkdir(parents=True)
    labels, n = tuple(labels), len(targets)
    paths = paths or [f"audio/{i}.wav" for i in range(n)]
    spans = spans or [("", "")] * n
    groups = np.arange(n) // 2 if groups is None else groups
    fold_of = groups % folds
    scored, rows = [], []
    for fold in range(folds):
        own = np.flatnonzero(fold_of == fold)
        if not len(own):
            continue
        parts = [
            Scored(own, targets[own], groups[own], likely[s][own].astype(np.float32), np.full(len(own), seed))
            for s, seed in enumerate(seeds)
        ]
        scored.append(joined(parts))
        for s, seed in enumerate(seeds):
            for i in own.tolist():
                told = labels[int(likely[s][i].argmax())]
                rows.append([paths[i], *spans[i], labels[targets[i]], told, fold + 1, seed, f"rec{groups[i]}",
                             *map(repr, likely[s][i].astype(np.float32).tolist())])  # fmt: skip
    judged = report(scored, labels)
    told = judged.to_dict()
    told["calibration"]["before"] = Calibration.of(
        np.concatenate([s.probabilities for s in scored]).astype(np.float64) * 0.9,
        np.concatenate([s.targets for s in scored]),
    ).to_dict()
    leak = {"accuracy": 0.9125, "test_clips": 40, "test_clips_sharing_a_group": 31, "test_clips_sharing_a_sound": 33,
            "oracle_accuracy": 0.825, "groups_known": True}  # fmt: skip
    told |= {
        "model": "mlp",
        "protocol": f"{len(scored)} folds, recordings held out",
        "folds": [
            {"fold": i + 1, "accuracy": s.accuracy, "sd": 0.0, "n": s.clips} for i, s in enumerate(scored)
        ],
        "random_split": leak if random else None,
        "labels": list(labels),
        "decision": None,
        "baseline": 0.3,
    }
    write = lambda name, text: (folder / name).write_text(text, encoding="utf-8")  # noqa: E731
    write("report.json", json.dumps(told))
    write(
        "run.json",
        json.dumps({"status": "done", "started": "2026-01-02T03:04:05", "finished": "2026-01-02T03:05"}),
    )
    write("environment.json", json.dumps({"python": "3.12.1", "earmark": "0.1.0", "numpy": "2.2"}))
    write("recipe.toml", Recipe().with_data(data or str(folder / "gone")).to_toml())
    table(folder / "predictions.csv", [*ANSWER, *labels], rows)
    roles = [
        [paths[i], *spans[i], labels[targets[i]], f"rec{groups[i]}",
         *("test" if fold_of[i] == f else "train" for f in range(folds)), "train"]
        for i in range(n)
    ]  # fmt: skip
    names = [f"fold_{f + 1}" for f in range(folds)]
    table(folder / "split.csv", ["path", "start", "end", "label", "group", *names, "random"], roles)
    table(folder / "problems.csv", ["kind", "path", "detail"], problems)
    metrics = [
        {"network": network, "epoch": epoch, "loss": 2 / epoch, "accuracy": 1 - 0.8 / epoch,
         "validation_loss": 2.2 / epoch, "validation_accuracy": 0.9 - 0.6 / epoch}
        for network in range((folds + 1) * len(seeds)) for epoch in range(1, 6)
    ]  # fmt: skip
    write("metrics.jsonl", "".join(json.dumps(entry) + "\n" for entry in metrics))
    return folder


def table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def chances(
    targets: np.ndarray, labels: int, right: float = 0.6, seeds: int = 1, seed: int = 0
) -> np.ndarray:
    """Return float64[seeds, n, labels] whose most likely label is the target about as often as asked."""
    rng = np.random.default_rng(seed)
    raw = rng.random((seeds, len(targets), labels)) + 0.05
    sure = rng.random((seeds, len(targets))) < right
    chosen = np.where(sure, targets, rng.integers(0, labels, (seeds, len(targets))))
    np.put_along_axis(raw, chosen[..., None], 1.2 + 4 * rng.random((seeds, len(targets), 1)), axis=2)
    return raw / raw.sum(axis=2, keepdims=True)


class Seen(HTMLParser):
    """What is on a page: its text, its elements by name, and figures as (key, value, text)."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.figures: list[tuple[str, str, str]] = []
        self._open: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._text: list[str] = []
        self.html = page.read_text(encoding="utf-8")
        self.feed(self.html)
        assert not self._open, f"never closed: {[tag for tag, _, _ in self._open]}"

    @property
    def text(self) -> str:
        return " ".join("".join(self._text).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), f"an attribute stands twice in {tag}"
        self.tags.append((tag, attributes))
        if tag not in VOID:
            self._open.append((tag, attributes, []))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        opened, attributes, text = self._open.pop()
        assert opened == tag, f"{opened} is closed by {tag}"
        if "data-key" in attributes:
            value = attributes.get("value") or attributes.get("data-value") or "".join(text)
            self.figures.append((attributes["data-key"], value, "".join(text)))
        if tag in ("td", "th", "dt", "dd", "li", "p", "h3"):
            self._text.append(" ")
        if self._open:
            self._open[-1][2].extend(text)

    def handle_data(self, data):
        self._text.append(data)
        if self._open:
            self._open[-1][2].append(data)
