"""What a person sees while it works, on stderr: a bar with rates, or a line now and then where it is no terminal."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from earmark.cli.words import on_one_line
from earmark.dataset import Dataset
from earmark.files import size_text
from earmark.readers.listing import count
from earmark.runs import Run
from earmark.split import Split
from earmark.types import Problem

if TYPE_CHECKING:
    from earmark.extract import Progress
    from earmark.fetch import Plan
    from earmark.ladder import LeftOut, Point, Step, Trial
    from earmark.outcome import EvaluateResult, TrainResult
    from earmark.recordings import Heard

_REFRESH = 10  # a second
_CLASSES = 12  # named before "and so many more"
_BAR, _SHORT_BAR = 28, 8  # columns
_PLAIN_SECONDS = 10.0  # between two lines where there is no bar


class Terminal:
    """Tells a person how a run goes. A `pipeline.Listener`.

    Parameters
    ----------
    bar
        Whether there is a bar; ``None``: where a person watches.
    """

    def __init__(self, bar: bool | None = None) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = self.console.is_terminal if bar is None else bar
        self._live: Live | None = None
        self._stage = ""
        self._text: Callable[[], str] | None = None
        self._began = self._now = self._drawn = self._told = 0.0
        self._known: int | None = None
        self._epochs: dict[int, int] = {}
        self._rows = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *error: object) -> None:
        self._end_stage()

    def found(self, dataset: Dataset) -> None:
        """Say what was read."""
        if not dataset.labels:
            self.say("Data", dataset.title)
            return
        groups = len(set(dataset.clips.groups.tolist()))
        known = f"{count(groups, 'recording')} ({dataset.grouping})"
        what = known if dataset.grouping else "no recordings known"
        self.say("Data", f"{dataset.title}: {len(dataset.clips):,} clips, {what}")
        named = ", ".join(dataset.labels[:_CLASSES])
        more = f" and {len(dataset.labels) - _CLASSES:,} more" if len(dataset.labels) > _CLASSES else ""
        for i, line in enumerate(textwrap.wrap(named + more, max(self.console.width - 12, 20))):
            self.say("" if i else "Classes", line)
        if dataset.grouping is None:
            self.say("", "Each file counts as its own recording: leakage cannot be ruled out.", "yellow")
        kinds: dict[str, list[Problem]] = {}
        for problem in dataset.problems:
            kinds.setdefault(problem.kind, []).append(problem)
        for kind, problems in kinds.items():
            first = "; ".join(f"{p.path}: {p.detail}" if p.path else p.detail for p in problems[:3])
            more = f"; and {len(problems) - 3:,} more" if len(problems) > 3 else ""
            self.say("", f"{len(problems):,} {kind.replace('_', ' ')}: {first}{more}", "yellow")

    def making(self, done: int, total: int) -> None:
        """Show how much of the demo is made."""
        self._clips("Sounds", done, total, 0.0)

    def checking(self, done: int, total: int, seconds: float) -> None:
        """Show how far the doctor is."""
        self._clips("Check", done, total, seconds)

    def extracting(self, progress: Progress) -> None:
        """Show how far the features are."""
        done, total = progress.so_far, progress.total
        self._begin_stage("Features")
        if self._known is None:  # what the store has is there at once, and says nothing about the speed
            self._known = done.clips if not (done.computed or done.reread) else 0
        new = done.clips - self._known

        def text() -> str:
            if not new:
                whole = done.clips == total
                parts = [f"{done.stored:,} from the store" if whole else f"{done.clips:,} of {total:,} clips"]
            else:
                stored = f" · {done.stored:,} from the store" if done.stored else ""
                again = f" · {done.reread:,} known by their sound" if done.reread else ""
                left = self._elapsed / new * (total - done.clips)
                parts = [f"{done.clips:,} of {count(total, 'clip')}{stored}{again}"]
                parts += [_time(left)] if left >= 1 else []
                parts += [_rate(new / self._elapsed), f"{done.seconds / self._elapsed:,.0f} × real time"]
            if done.skipped:
                parts.append(f"{done.skipped:,} skipped")
            return " · ".join(parts)

        self._draw(text, done.clips / max(total, 1))

    def measuring(self, done: int, total: int) -> None:
        """Show of how many files the length is known."""
        self._clips("Lengths", done, total, 0.0, "file")

    def offered(self, plan: Plan) -> None:
        """Say what will be fetched, before it is."""
        source = plan.source
        self.say("Data", source.title)
        self.say("Licence", f"{source.licence}, {source.licence_url}")
        if not source.commercial:
            self.say("", "Not for commercial use.", "yellow")
        self.say("From", plan.address)
        self.say("To", str(plan.dest))
        size = f"{size_text(plan.download)} to download, " if plan.download else ""
        free = f"; {size_text(plan.free)} are free" if plan.free is not None else ""
        self.say("Size", f"{size}about {size_text(source.unpacked)} unpacked{free}")

    def fetching(self, stage: str, done: int, total: int | None) -> None:
        """Show how many bytes are there, how quickly they come, and how long it will take."""
        self._begin_stage(stage)
        if self._known is None or done < self._known:
            self._known, self._began = done, time.perf_counter()
        known = self._known

        def text() -> str:
            rate = (done - known) / self._elapsed
            left = (total - done) / rate if rate and total is not None else 0
            parts = [f"{size_text(done)} of {size_text(total)}" if total is not None else size_text(done)]
            parts += [_time(left)] if left >= 1 else []
            parts += [f"{size_text(int(rate))}/s"] if rate else []
            return " · ".join([*parts, *([f"went on at {size_text(known)}"] if known else [])])

        self._draw(text, None if total is None else done / max(total, 1))

    def noted(self, text: str) -> None:
        """Say what was odd."""
        self.say("", text, "yellow")

    def divided(self, splits: Sequence[Split], dataset: Dataset, random: bool = True) -> None:
        """Say how the clips were divided, and what is odd about it."""
        one = splits[0]
        if len(splits) == 1:
            counts = ", ".join(f"{n:,} {role}" for role, n in one.counts.items())
            fold = f", fold {one.test_fold} tested" if one.test_fold is not None else ""
            self.say("Split", f"{one.rule}{fold}: {counts}")
        else:
            beside = "; and one random split beside them" if random else ""
            self.say("Split", f"{one.rule}, {len(splits)} folds, each tested once{beside}")
        unused = sum(s.counts.get("unused", 0) for s in splits)
        if unused:
            why = "a copy of a test clip, or without a fold"
            self.say("", f"{count(unused, 'clip')} not used: {why}.", "yellow")
        if one.rule != "random" and not all(s.counts["validation"] for s in splits):
            self.say("", "No validation part, so that training runs all its epochs.", "yellow")
        unlearnt = {
            dataset.labels[c]
            for s in splits
            for c in set(s.rows.labels_of().tolist()) - set(s.learnt_classes)
        }
        if unlearnt:
            names = ", ".join(sorted(unlearnt))
            self.say("", f"Without a single clip to learn from: {names}.", "yellow")

    def run(self, run: Run) -> None:
        """Say where the run's files are."""
        again = " (going on where an interrupted run stopped)" if run.resumed else ""
        self.say("Run", f"{run.folder}{again}")
        self._begin_stage("Training")

    def epoch(self, task: int, tasks: int, rows: int, epochs: int, entry: dict[str, float]) -> None:
        """Show how far training is."""
        self._begin_stage("Training")
        self._epochs[task] = int(entry["epoch"])
        self._rows += rows

        def text() -> str:
            parts = [f"epoch {max(self._epochs.values())}/{epochs}"]
            if tasks > 1:
                parts.append(f"{tasks} networks")
            parts.append(f"loss {entry['loss']:.2f}")
            if tasks == 1:  # of several networks one accuracy would say nothing about the others
                validated = entry.get("validation_accuracy")
                beside = f" (validation {validated:.2f})" if validated is not None else ""
                if "accuracy" in entry:
                    parts.append(f"accuracy {entry['accuracy']:.2f}{beside}")
                if "validation_map" in entry:
                    parts.append(f"validation mAP {entry['validation_map']:.2f}")
            return " · ".join([*parts, f"{self._rows / self._elapsed:,.0f} clips/s"])

        self._draw(text)

    def finished(self, run: Run, result: TrainResult | EvaluateResult) -> None:
        """Leave it to who shows the result."""

    def tracked(self, where: str) -> None:
        """Say where else the run can be looked at."""
        self.say("Tracked", where)

    def aside(self) -> None:
        """Take the bar away while a result is written, which may go to the same screen."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def heard(self) -> None:
        """Leave a line about a recording that is over."""
        self._end_stage()

    def hearing(self, name: str, heard: Heard) -> None:
        """Show how far a long recording was heard."""
        self._begin_stage("Listening")
        if self._bar and self._live is None:
            self._start_live()

        def text() -> str:
            new = heard.done - heard.known
            speed = new / self._elapsed
            left = (heard.total - heard.done) / speed if heard.total and speed else 0.0
            of = f" of {_length(heard.total)}" if heard.total else ""
            known = f", {_length(heard.known)} of it known from before" if heard.known else ""
            ahead = f" · {_time(left)}" if left >= 1 else ""
            return f"{on_one_line(name)}: {_length(heard.done)}{of}{known}{ahead} · {speed:,.3g} × real time"

        self._draw(text, heard.done / heard.total if heard.total else None)

    def step(self, tried: Step | LeftOut | Point | Trial) -> None:
        """Say what came of a rung of a comparison, of a part of the recordings, or of settings."""
        from earmark.cli.compared import in_a_line

        self.say(*in_a_line(tried))

    def say(self, stage: str, text: str, style: str = "") -> None:
        """Print one line that stays."""
        self._end_stage()
        line = Text(f"{stage:<10}", style="bold")
        line.append(on_one_line(text), style=style or "not bold")
        self.console.print(line)

    def _clips(self, stage: str, done: int, total: int, seconds: float, what: str = "clip") -> None:
        self._begin_stage(stage)

        def text() -> str:
            left = self._elapsed / done * (total - done) if done else 0
            speed = f" · {seconds / self._elapsed:,.0f} × real time" if seconds else ""
            ahead = f" · {_time(left)}" if left >= 1 else ""
            return f"{done:,} of {count(total, what)}{ahead} · {_rate(done / self._elapsed, what)}{speed}"

        self._draw(text, done / max(total, 1))

    def _begin_stage(self, stage: str) -> None:
        if self._stage == stage:
            return
        self._end_stage()
        self._stage, self._began = stage, time.perf_counter()
        self._drawn = self._told = self._began
        self._text = None
        self._known = None
        self._epochs, self._rows = {}, 0
        if self._bar:
            self._start_live()

    def _start_live(self) -> None:
        self._drawn = 0.0
        self._live = Live(console=self.console, refresh_per_second=_REFRESH, transient=True)
        self._live.start()

    def _end_stage(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._text is not None:
            self.console.print(self._line().append(f" · {self._elapsed:.1f} s", style="not bold"))
        self._stage, self._text = "", None

    @property
    def _elapsed(self) -> float:
        """Seconds from the stage's start to the last news of it."""
        return max(self._now - self._began, 1e-9)

    def _line(self) -> Text:
        return Text(f"{self._stage:<10}", style="bold").append(self._text() if self._text else "", "not bold")

    def _draw(self, text: Callable[[], str], share: float | None = None) -> None:
        """Keep the news; put them into words no more often than a person can read."""
        self._text, self._now = text, time.perf_counter()
        if self._live is not None and self._now - self._drawn >= 1 / _REFRESH:
            self._drawn = self._now
            self._live.update(self._with_bar(share))
        elif self._live is None and self._now - self._told >= _PLAIN_SECONDS:
            self._told = self._now
            self.console.print(self._line())

    def _with_bar(self, share: float | None) -> Table:
        text = Text(self._text() if self._text else "", no_wrap=True, overflow="ellipsis")
        stage = Text(f"{self._stage:<10}", style="bold")
        room = self.console.width - 2 - len(stage)  # a ^C that the terminal echoes must find a place
        grid = Table.grid()
        grid.add_column(no_wrap=True, width=len(stage))
        bar = (
            _BAR if room > 3 * _BAR else _SHORT_BAR
        )  # by the screen and not by the words, so that it stands still
        if share is None or room < 5 * _SHORT_BAR:
            grid.add_column(no_wrap=True, overflow="ellipsis", width=room)
            grid.add_row(stage, text)
            return grid
        grid.add_column(no_wrap=True, width=bar + 2)
        grid.add_column(no_wrap=True, overflow="ellipsis", width=room - bar - 2)
        grid.add_row(stage, ProgressBar(1.0, share, bar, complete_style="cyan", finished_style="cyan"), text)
        return grid


def _length(seconds: float) -> str:
    """Return a length of sound.

    >>> _length(12.3), _length(29_000)
    ('0:00:12', '8:03:20')
    """
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _rate(rate: float, what: str = "clip") -> str:
    """Return a speed.

    >>> _rate(912.3), _rate(0.42)
    ('912 clips/s', '0.42 clips/s')
    """
    return f"{rate:,.0f} {what}s/s" if rate >= 10 else f"{rate:.2g} {what}s/s"


def _time(seconds: float) -> str:
    """Return a time to wait as a person says it.

    >>> _time(7.4), _time(200), _time(8_000)
    ('7 s left', '3 min left', '2 h 13 min left')
    """
    if seconds < 100:
        return f"{seconds:.0f} s left"
    minutes = round(seconds / 60)
    return f"{minutes} min left" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min left"
