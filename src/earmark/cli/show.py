"""Results as a person reads them, or as one JSON object."""

from __future__ import annotations

import json as json_module
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from earmark.cli.unknown import show_unknown
from earmark.cli.words import on_one_line
from earmark.decide import NEVER
from earmark.evaluate import LEAST_GROUPS, LabelReport, Report
from earmark.leakage import Leakage
from earmark.readers.listing import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earmark.outcome import EvaluateResult, Extracted, TrainResult
    from earmark.types import Problem

_NAMED = 20
_WIDEST_CONFUSION = 20


def train(result: TrainResult, as_json: bool) -> None:
    """Show what `earmark train` found."""
    if as_json:
        return print_json(result.to_dict())
    out, report = console(), result.report
    if result.split.rule == "random":
        out.print(
            f"\n{_name(report)} [bold]{report.score:.3f}[/] on {report.clips:,} clips of a random split,"
        )
        _leak_line(out, result.leakage, result.prepared.dataset.grouping is not None)
        if result.honest is not None:
            honest = result.honest.report
            each = ", ".join(f"{f[honest.main]:.3f}" for f in result.honest.folds)
            out.print(
                f"[bold]The honest score of the same recipe is {honest.score:.3f}[/] ± {honest.sd:.3f} ({each}),"
                f"\nby {escape(result.honest.protocol)}: expect that on new recordings."
            )
        else:
            out.print("No recordings are known, so that no honest score can be set beside it.")
    else:
        fold = f" of fold {result.split.test_fold}" if result.split.test_fold is not None else ""
        unit = "recording" if result.prepared.dataset.grouping else "file"
        out.print(
            f"\n{_name(report)} [bold]{report.score:.3f}[/] ({_interval(report)}), {_beside(report)},"
            f"\non {count(report.clips, 'clip')}{fold} from {count(report.groups, unit)} not heard in training."
        )
    _per_class(out, report)
    _decision(out, result)
    out.print(f"Model  {result.bundle}\nRun    {result.run}", markup=False)
    skipped(result.prepared.table.skipped)
    return None


def extract(result: Extracted, as_json: bool) -> None:
    """Show what `earmark extract` did."""
    if as_json:
        return print_json(result.to_dict())
    out, done = console(), result.done
    hours = f", {done.seconds / 3600:,.1f} h of sound" if done.seconds >= 360 else ""
    clips = count(done.stored + done.computed + done.reread, "clip")
    out.print(f"\nFeatures of {clips}: {done.stored:,} from the store, {done.computed:,} computed{hours}.")
    if done.reread:
        out.print(f"{count(done.reread, 'clip')} decoded, and known by what they sound like.")
    for feature in result.features:
        out.print(f"  {feature['name']:<8} {result.store.rstrip('/')}/{feature['folder']}", markup=False)
    skipped(result.skipped, "; --json names them all")
    return None


def evaluate(result: EvaluateResult, as_json: bool) -> None:
    """Show what `earmark evaluate` found."""
    if as_json:
        return print_json(result.to_dict())
    out, report, folds = console(), result.judged.report, result.judged.folds
    several = len(report.seeds) > 1
    if folds:
        table = Table(box=box.SIMPLE_HEAD, title_justify="left")
        for column in ("fold", "clips", _name(report, "accuracy"), *(["± over seeds"] if several else [])):
            table.add_column(column, justify="right")
        for fold in folds:
            over = [f"{fold['sd']:.3f}"] if several else []
            table.add_row(str(fold["fold"]), f"{fold['n']:,}", f"{fold[report.main]:.3f}", *over)
        out.print(table)
    spread = f" ± {report.sd:.3f}" if len(folds) > 1 else ""
    if several:
        spread += f" over folds, ± {report.sd_seeds:.3f} over {len(report.seeds)} seeds"
    out.print(
        f"{_name(report)} [bold]{report.score:.3f}[/]{spread} ({_interval(report)}),"
        f" {_beside(report)}{_ranking(report)}: {escape(result.judged.protocol)}."
    )
    if several:
        each = ", ".join(f"{value:.3f}" for value in report.seeds.values())
        out.print(f"Seeds {', '.join(map(str, report.seeds))}: {each}.")
    if isinstance(report, LabelReport):
        _answers(out, report)
        if result.baseline is not None:
            out.print(f"Chance: always answering with the labels' shares has mAP {result.baseline:.3f}.")
    _calibration(out, result)
    if result.left_out:
        out.print(
            f"{count(result.left_out, 'clip')} left out of the test: the model was trained on their recordings."
        )
    if result.random is not None and result.random_leakage is not None:
        claimed, known = result.random.report.score, result.prepared.dataset.grouping is not None
        verb = "would have claimed" if claimed > report.score else "of the same clips scores"
        out.print(f"\nA random split {verb} {claimed:.3f},", style="dim")
        _leak_line(out, result.random_leakage, known, "dim")
    _per_class(out, report)
    if isinstance(report, Report):
        _confusion(out, report)
    if result.unknown is not None:
        show_unknown(out, result.unknown)
    if result.suspects and result.suspects["flagged"]:
        out.print(
            f"{result.suspects['flagged']:,} of {count(result.suspects['judged'], 'label')} may be wrong: suspects.csv"
            " of the run is a list to listen to, not to believe."
        )
    if result.run:
        out.print(f"Run    {result.run}", markup=False)
    skipped(result.prepared.table.skipped)
    return None


def _decision(out: Console, result: TrainResult) -> None:
    decision = result.decision
    if not decision.clips:
        return
    unit = "recording" if result.prepared.dataset.grouping else "file"
    out.print(
        f"Scores calibrated (temperature {decision.temperature:.2f}) on {count(decision.clips, 'clip')} of"
        f" {count(decision.groups, unit)}, each scored by a model that had not heard it."
    )
    never = [
        label
        for label, value in zip(result.prepared.dataset.labels, decision.thresholds, strict=False)
        if value >= NEVER
    ]
    if not decision.exclusive:
        out.print(f"A label is said where it reaches its own threshold, set for {decision.target}.")
    elif decision.target:
        out.print(f"Answered are clips that are sure enough for {decision.target}; the others are unknown.")
    if never:
        out.print(
            f"Never sure enough, and therefore never answered: {escape(', '.join(never))}.", style="yellow"
        )


def _calibration(out: Console, result: EvaluateResult) -> None:
    now, before = result.judged.report.calibration, result.before

    def told(name: str) -> str:
        was = f"{getattr(before, name):.3f} → " if before else ""
        return f"{was}{getattr(now, name):.3f}"

    out.print(
        f"Calibration error {told('ece')} (adaptive {told('ece_adaptive')}), negative log-likelihood"
        f" {told('nll')}, Brier score {told('brier')}."
    )
    if result.decision is None or result.decision["sets"] is None:
        return
    sets, answers = result.decision["sets"], result.decision["answers"]
    out.print(
        f"Prediction sets hold the truth for {sets['coverage']:.1%} (promised {sets['promised']:.0%}) of a new"
        f" recording's clips, with {sets['mean_size']:.1f} of {len(result.judged.report.per_class)} labels each."
    )
    if answers:
        right = f"{answers['precision']:.1%} of them rightly" if answers["precision"] is not None else "none"
        out.print(
            f"With {result.decision['target']}: {answers['share']:.1%} of the clips are answered, {right};"
            " the others are unknown."
        )


def console() -> Console:
    """Return what prints for a person on standard output."""
    return Console(highlight=False, soft_wrap=True, emoji=False)


def print_json(record: dict[str, Any]) -> None:
    """Print one JSON object on standard output."""
    print(json_module.dumps(record, indent=2, allow_nan=False))  # noqa: T201


def _leak_line(out: Console, found: Leakage, known: bool, style: str = "yellow") -> None:
    if not known:
        out.print(
            "whose test clips may share recordings with training: no recordings are known.", style=style
        )
        return
    more = found.test_clips_sharing_a_sound > found.test_clips_sharing_a_group
    out.print(
        f"but {found.test_clips_sharing_a_sound:,} of its {found.test_clips:,} test clips ({found.share:.1%}) share"
        f" a recording{', or a copy,' * more} with training;\nan oracle that only recognises recordings would score"
        f" {found.oracle:.3f}.",
        style=style,
    )


def _name(report: Report | LabelReport, accuracy: str = "Accuracy") -> str:
    return accuracy if isinstance(report, Report) else "mAP"


def _beside(report: Report | LabelReport) -> str:
    if isinstance(report, Report):
        return f"macro-F1 {report.macro_f1:.3f}"
    return f"micro-F1 {report.micro['f1']:.3f}, macro-F1 {report.macro['f1']:.3f}"


def _ranking(report: Report | LabelReport) -> str:
    if isinstance(report, Report):
        return f", mAP {report.mean_average_precision:.3f}"
    return f", lwlrap {report.lwlrap:.3f}"


def _answers(out: Console, report: LabelReport) -> None:
    micro, (low, high) = report.micro, report.interval_micro_f1
    sure = f" (95 % interval {low:.3f} to {high:.3f})" if report.groups >= LEAST_GROUPS else ""
    out.print(
        f"Of the labels that are said {micro['precision']:.1%} are true, of those that are true {micro['recall']:.1%}"
        f" are said: micro-F1 {micro['f1']:.3f}{sure}."
    )


def _interval(report: Report | LabelReport) -> str:
    if report.groups < LEAST_GROUPS:
        return f"no interval from {count(report.groups, 'recording')}"
    return f"95 % interval {report.interval[0]:.3f} to {report.interval[1]:.3f}"


def _per_class(out: Console, report: Report | LabelReport) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("class" if isinstance(report, Report) else "label")
    columns = {"precision": "precision", "recall": "recall", "f1": "F1", "average_precision": "AP"}
    if isinstance(report, LabelReport):
        columns |= {"auroc": "AUROC", "threshold": "threshold"}
    for column in ("clips", *columns.values()):
        table.add_column(column, justify="right")
    for label, row in report.per_class.items():
        values = (row[k] for k in columns)
        shown = ("–" if value is None else f"{value:.2f}" for value in values)
        table.add_row(escape(label), f"{int(row['clips'] or 0):,}", *shown)
    out.print(table)


def _confusion(out: Console, report: Report) -> None:
    labels = list(report.per_class)
    if len(labels) > _WIDEST_CONFUSION:
        out.print(f"The confusion matrix of {len(labels)} classes is in report.json of the run.")
        return
    title = "Confusion: rows are the truth, columns the answer"
    if len(report.seeds) > 1:
        title += f"; each clip counts {len(report.seeds)} times, once a seed"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    table.add_column("", justify="right")
    table.add_column("")
    for i in range(len(labels)):
        table.add_column(str(i + 1), justify="right")
    for i, label in enumerate(labels):
        total = max(int(report.confusion[i].sum()), 1)
        cells = []
        for j, n in enumerate(report.confusion[i].tolist()):
            style = "bold green" if i == j else "yellow" if n > 0.2 * total else ""
            cells.append(f"[{style}]{n}[/]" if style else str(n) if n else "[dim]·[/]")
        table.add_row(str(i + 1), escape(label), *cells)
    out.print(table)


def skipped(problems: Sequence[Problem], where: str = ", all in problems.csv of the run") -> None:
    """Name the clips that could not be used, on standard error."""
    if not problems:
        return
    err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
    err.print(f"[yellow]{count(len(problems), 'clip')} could not be used:[/]")
    for problem in problems[:_NAMED]:
        err.print(on_one_line(f"  {problem.path}: {problem.detail}"), markup=False)
    if len(problems) > _NAMED:
        err.print(f"  … and {len(problems) - _NAMED:,} more{where}", markup=False)
