"""``python bench/unknown.py DATA``: how well classes that were never learnt are told; writes unknown.md.

DATA holds ``us8k`` and ``esc10``. How distances are taken, the number of neighbours and the joining were chosen on
ESC-10; nothing was chosen on UrbanSound8K.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from earmark.listener import Silent
from earmark.novelty import SCORES, leave_one_class_out
from earmark.pipeline import prepare
from earmark.recipe import Recipe
from earmark.split import cross_validation

SETS = {"esc10": "ESC-10", "us8k": "UrbanSound8K"}
HERE = Path(__file__).parent


def measure(folder: Path, feature: str, model: str) -> tuple[dict[str, Any], str]:
    values = {"feature.name": feature, "model.name": model}
    recipe = Recipe().with_values(values).with_data(str(folder))
    ready = prepare(recipe, Silent())
    folds = cross_validation(ready.rows, recipe.split)
    with tempfile.TemporaryDirectory() as checkpoints:
        found = leave_one_class_out(recipe, ready, folds, Path(checkpoints), lambda *epoch: None)
    return found, f"{len(ready.rows):,} clips, {len(ready.dataset.labels)} classes, {len(folds)} folds"


def shown(row: dict[str, Any], name: str) -> str:
    if row[name] is None:
        return "–"
    low, high = row[f"{name}_interval"]
    return f"{row[name]:.3f} ({low:.2f} to {high:.2f})"


def section(name: str, title: str, root: Path) -> list[str]:
    results, about = {}, ""
    for feature in ("mfcc", "stats"):
        for model in ("mlp", "linear"):
            results[feature, model], about = measure(root / name, feature, model)
            print(title, feature, model, results[feature, model]["mean"], flush=True)
    lines = [f"## {title}: {about}", ""]
    lines += ["| feature, model | score | AUROC | FPR95 |", "| --- | --- | --- | --- |"]
    for (feature, model), found in results.items():
        for score, words in zip(SCORES, ("highest probability", "distance", "both"), strict=True):
            row = found["mean"][score]
            lines.append(f"| {feature}, {model} | {words} | {shown(row, 'auroc')} | {shown(row, 'fpr95')} |")
    lines += ["", "| feature, model | AUROC, both less probability | known kept | unknown told |"]
    lines += ["| --- | --- | --: | --: |"]
    for (feature, model), found in results.items():
        gain, (low, high), at = found["gain"]["auroc"], found["gain"]["interval"], found["threshold"]
        told = f"{gain:+.3f} ({low:+.3f} to {high:+.3f}) | {at['kept']:.1%} | {at['told']:.1%}"
        lines.append(f"| {feature}, {model} | {told} |")
    lines += [
        "",
        "| class left out | AUROC, both, stats, mlp | AUROC, both, stats, linear |",
        "| --- | --- | --- |",
    ]
    for label in results["stats", "mlp"]["per_class"]:
        both = (shown(results["stats", m]["per_class"][label]["joined"], "auroc") for m in ("mlp", "linear"))
        lines.append(f"| {label} | {' | '.join(both)} |")
    return [*lines, ""]


def main() -> None:
    root = Path(sys.argv[1])
    text = [
        "# The unknown",
        "",
        "Made by `bench/unknown.py`: each class left out in turn, under the official folds.",
    ]
    text += [
        "FPR95: the share of unknown clips that are taken for known where 95 % of the known are.",
        "95 % intervals are over recordings. Known kept and unknown told: at a model file's own threshold.",
        "",
    ]
    for name, title in SETS.items():
        text += section(name, title, root)
    (HERE / "unknown.md").write_text("\n".join(text))


if __name__ == "__main__":
    main()
