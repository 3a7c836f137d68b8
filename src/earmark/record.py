"""What a run's folder holds when it is done: recipe, metrics, split, test predictions, report, problems."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np

from earmark.evaluate import Scored
from earmark.labels.spans import SEVERAL
from earmark.outcome import Prepared
from earmark.runs import ANSWER, PREDICTIONS, Run
from earmark.split import ROLES, Split
from earmark.train import Fitted


def write_metrics(run: Run, fitted: Sequence[Sequence[Fitted]]) -> None:
    """Write each epoch of each network once, rung after rung; an interrupted run may have told some twice."""
    networks = [network for of_a_rung in zip(*fitted, strict=True) for network in of_a_rung]
    lines = [json.dumps({"network": i, **entry}) for i, f in enumerate(networks) for entry in f.history]
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
        [c.path, c.start, c.end, SEVERAL.join(c.labels), c.group, *(ROLES[role] for role in own)]
        for c, own in zip(clips, roles, strict=True)
    )
    run.write_csv("split.csv", ["path", "start", "end", "label", "group", *splits], rows)


def write_predictions(run: Run, ready: Prepared, scored: list[Scored], folds: Sequence[int | None]) -> None:
    """Write what was said about each tested clip; probabilities in full, so that runs can be compared.

    Several labels of one clip stand side by side with a bar between them.

    The group is the recording; recordings that share an identical sound have the name of one of them, since they too
    stand and fall together.
    """
    labels, clips, index = ready.dataset.labels, ready.dataset.clips, ready.table.rows
    units, first = np.unique(ready.rows.joined, return_index=True)
    names = dict(zip(units.tolist(), ready.rows.names[first].tolist(), strict=True))

    def rows() -> Iterator[list[object]]:
        for part, fold in zip(scored, folds, strict=True):
            seeds = [0] * len(part.positions) if part.seeds is None else part.seeds.tolist()
            columns = (part.positions, part.groups, part.probabilities)
            answers = _named(part, labels)
            for position, group, likely, seed, (label, predicted) in zip(
                *(c.tolist() for c in columns), seeds, answers, strict=True
            ):
                clip = clips[int(index[position])]
                told = (clip.path, clip.start, clip.end, label, predicted, fold, seed, names[group])
                yield [*told, *map(repr, likely)]

    run.write_csv(PREDICTIONS, [*ANSWER, *labels], rows())


def _named(part: Scored, labels: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the label of each row and what was predicted."""
    if part.said is None:
        for target, likely in zip(part.targets.tolist(), part.probabilities.tolist(), strict=True):
            yield labels[target], labels[max(range(len(labels)), key=likely.__getitem__)]
        return
    names = np.array(labels, object)
    for own, said in zip(part.targets.astype(bool), part.said, strict=True):
        yield SEVERAL.join(names[own]), SEVERAL.join(names[said])
