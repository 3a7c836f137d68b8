"""Settings of one rung, chosen by successive halving inside the training part of the holdout split."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from earmark.errors import DataError, SettingError
from earmark.evaluate import LabelReport, Report, report, report_of_labels
from earmark.ladder.board import Board
from earmark.ladder.climb import Climb, Reached
from earmark.ladder.parts import fewer_recordings
from earmark.models import Blend
from earmark.recipe import Recipe
from earmark.rungs import Rung, reads
from earmark.runs import Run, damaged, read_text
from earmark.split import Split, holdout, inner_folds

TRIALS = "trials.jsonl"
SHARES = (1 / 4, 1 / 2, 1.0)  # of the recordings and the epochs, round by round
_MOST, _KEEP, _FOLDS = 16, 2, 3

Settings = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of settings in one round.

    Parameters
    ----------
    number
        Of the settings; 0 are the usual ones.
    share
        Of the training recordings, and of the epochs.
    score
        On the inner parts that the networks did not hear.
    """

    round: int
    number: int
    share: float
    settings: Settings
    score: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Tuned:
    """What tuning found.

    Parameters
    ----------
    settings
        Of the recipe, that are better than the usual ones; empty where none are by more than one standard error.
    best
        The best, whatever that is worth.
    gain, error, interval
        What the best score on the inner parts more than the usual settings, its standard error and 95 % interval, by
        drawing recordings anew. The best of several is too high by chance.
    tried
        How many sets of settings.
    main, test, test_interval
        The score of ``settings`` on the test part of the split, which nothing else has seen.
    """

    rung: str
    settings: Settings
    best: Settings
    gain: float
    error: float
    interval: tuple[float, float]
    tried: int
    main: str
    test: float
    test_interval: tuple[float, float]

    @property
    def words(self) -> list[str]:
        """Return the settings as they are typed."""
        return [
            word for key, value in self.settings.items() for word in ("--set", f"{key}={json.dumps(value)}")
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the record ready for JSON."""
        return {**asdict(self), "words": self.words}


def candidates(rung: Rung, seed: int) -> list[Settings]:
    """Return sets of settings to try: none first, which are the usual ones, then others in a drawn order.

    Raises
    ------
    SettingError
        When the model has nothing to search.
    """
    search = rung.model.search
    if not search:
        raise SettingError(
            "--tune searches the settings of one model, and a blend has none of its own."
            " Tune one of its rungs: --rungs linear --tune"
        )
    usual = {"model": rung.model, "train": rung.train}

    def other(key: str, value: Any) -> bool:
        table, _, name = key.partition(".")
        return bool(getattr(usual[table], name) != value)

    whole = [
        {key: value for key, value in zip(search, values, strict=True) if other(key, value)}
        for values in itertools.product(*search.values())
    ]
    others = [settings for settings in whole if settings]
    order = np.random.default_rng([seed, 21]).permutation(len(others))
    return [{}, *(others[i] for i in order[: _MOST - 1].tolist())]


def tune(climb: Climb, tried: Reached, run: Run, tell: Callable[[Trial], None]) -> Tuned:
    """Search settings of a rung in rounds: each keeps the better half and gives it more recordings and epochs.

    Networks are scored on whole recordings that they did not hear, all of the training part of the split that
    `earmark train` makes. Its test part is heard once, at the end, by networks of the settings that were chosen. Each
    trial is kept, so that the same call goes on where it was.

    Source: Jamieson, Talwalkar, *Non-stochastic best arm identification and hyperparameter optimization*, 2016.

    Parameters
    ----------
    tell
        Told of each trial.

    Raises
    ------
    OutOfTime
        When the budget does not suffice.
    SettingError, DataError
        When there is nothing to search, or too few recordings to search by.
    """
    base = climb.recipe_of(tried.name, tried.members)
    seed = base.train.seed
    split = holdout(climb.ready.rows, base.split)
    inner = inner_folds(split, base.split, _FOLDS)
    if isinstance(base.model, Blend) or len(inner) > 1:
        all_settings = candidates(Rung(base.feature, base.model, base.train), seed)
    else:
        raise DataError(
            "There are too few recordings to tune by: the training part cannot be divided once more."
        )
    log = _Log(run, tell)
    alive = list(range(len(all_settings)))
    last: dict[int, Reached] = {}
    for number, share in enumerate(SHARES):
        own = sorted({0, *alive})  # the usual settings are always there to be compared with
        parts = [fewer_recordings(one, share, seed) for one in inner]
        last, scores = {}, dict[int, float]()
        for i in own:
            last[i] = _try(climb, number, i, _with(base, all_settings[i], share), parts)
            scores[i] = float(Board([last[i].parts]).whole[0])
            log.add(Trial(number, i, share, all_settings[i], scores[i], last[i].fit_seconds))
        alive = sorted(alive, key=lambda i: (-scores[i], i))[: max(1, len(alive) // _KEEP)]
    return _chosen(climb, tried.name, base, split, all_settings, last)


def _with(base: Recipe, settings: Settings, share: float) -> Recipe:
    changed = base.with_values(settings) if settings else base
    train = changed.train
    if reads(changed.model, "epochs"):
        train = replace(train, epochs=max(1, round(share * train.epochs)))
    return replace(changed, decide=base.decide, train=train)


def _try(climb: Climb, number: int, i: int, recipe: Recipe, parts: Sequence[Split]) -> Reached:
    cells = tuple((part, recipe.train.seed) for part in parts)
    folder = climb.folder / "tune" / f"round-{number}"
    trial = replace(climb, cells=cells, folder=folder, measured=False, given=recipe)
    return trial.reach(f"settings-{i}")


def _chosen(
    climb: Climb, name: str, base: Recipe, split: Split, settings: list[Settings], last: dict[int, Reached]
) -> Tuned:
    order = sorted(last)  # the usual settings stand first
    board = Board([last[i].parts for i in order], base.split.seed)
    best = int(board.whole.argmax())
    gain = float(board.whole[best] - board.whole[0])
    drawn = board.drawn[:, best] - board.drawn[:, 0]
    drawn = drawn[np.isfinite(drawn)]
    error = float(drawn.std(ddof=1))
    low, high = np.percentile(drawn, [2.5, 97.5])
    better = settings[order[best]] if gain > error else {}
    found = _tested(climb, _with(base, better, 1.0), split)
    return Tuned(
        name, better, settings[order[best]], gain, error, (float(low), float(high)), len(settings),
        found.main, found.score, found.interval,
    )  # fmt: skip


def _tested(climb: Climb, recipe: Recipe, split: Split) -> Report | LabelReport:
    """Return how good the chosen settings are on the test part, which is heard here and nowhere before."""
    cells = ((split, recipe.train.seed),)
    folder = climb.folder / "tune" / "test"
    reached = replace(climb, cells=cells, folder=folder, measured=False, given=recipe).reach("chosen")
    labels = climb.ready.dataset.labels
    judge = report if reached.parts[0].exclusive else report_of_labels
    return judge(list(reached.parts), labels, seed=recipe.split.seed)


class _Log:
    """All trials in a file, a line each, that is whole at any time. What an earlier attempt wrote stays."""

    def __init__(self, run: Run, tell: Callable[[Trial], None]) -> None:
        self._run, self._tell, self._lines = run, tell, dict[tuple[int, int], str]()
        if (run.folder / TRIALS).exists():
            for line in read_text(run.folder / TRIALS).splitlines():
                try:
                    told = json.loads(line)
                    self._lines[told["round"], told["number"]] = line
                except (ValueError, KeyError, TypeError):
                    raise damaged(run.folder / TRIALS, "a line is no trial") from None

    def add(self, trial: Trial) -> None:
        """Write a trial, unless it is there."""
        where = trial.round, trial.number
        if where not in self._lines:
            self._lines[where] = json.dumps(asdict(trial))
            self._run.write_text(TRIALS, "\n".join(self._lines.values()) + "\n")
        self._tell(trial)
