"""What a run's folder holds when it is done: recipe, metrics, split, test predictions, report, problems."""

from __future__ import annotations

import json

from earmark.evaluate import Scored
from earmark.outcome import Prepared
from earmark.runs import Run
from earmark.split import ROLES, Split
from earmark.train import Fitted


def write_metrics(run: Run, fitted: list[Fitted]) -> None:
    """Write each epoch of each network once; an interrupted run may have told some twice."""
    lines = [json.dumps({"network": i, **entry}) for i, f in enumerate(fitted) for entry in f.history]
    run.write_text("metrics.jsonl", "\n".join(lines) + "\n")


def write_problems(run: Run, ready: Prepared) -> None:
    """Write everything that was noticed or skipped."""
    rows = ([p.kind, p.path, p.detail] for p in ready.problems)
    run.write_csv("problems.csv", ["kind", "path", "detail"], rows)


def write_splits(run: Run, ready: Prepared, splits: dict[str, Split]) -> None:
    """Write the roles of each readable clip, a column for each split."""
    clips = (ready.dataset.clips[int(row)] for row in ready.table.rows)
    roles = zip(*(split.roles.tolist() for split in splits.values()), strict=True)
    rows = (
        [c.path, c.start, c.end, c.labels[0], c.group, *(ROLES[role] for role in own)]
        for c, own in zip(clips, roles, strict=True)
    )
    run.write_csv("split.csv", ["path", "start", "end", "label", "group", *splits], rows)


def write_predictions(run: Run, ready: Prepared, scored: list[Scored]) -> None:
    """Write what was said about each tested clip; probabilities in full, so that runs can be compared."""
    labels, clips, index = ready.dataset.labels, ready.dataset.clips, ready.table.rows

    def row(position: int, target: int, probabilities: list[float]) -> list[object]:
        clip = clips[int(index[position])]
        predicted = labels[max(range(len(labels)), key=probabilities.__getitem__)]
        return [clip.path, clip.start, clip.end, labels[target], predicted, *map(repr, probabilities)]

    rows = (
        row(p, t, q)
        for s in scored
        for p, t, q in zip(s.positions.tolist(), s.targets.tolist(), s.probabilities.tolist(), strict=True)
    )
    run.write_csv("predictions.csv", ["path", "start", "end", "label", "predicted", *labels], rows)
