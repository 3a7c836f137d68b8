"""The honest score, and what stands beside it: the random split's claim, the oracle, the baseline. All on one axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earmark.errors import RunError
from earmark.report.folder import Folder
from earmark.report.words import Number, percent, plural
from earmark.types import IntArray


@dataclass(frozen=True, slots=True)
class Track:
    """One line of the picture.

    Parameters
    ----------
    kind
        ``honest``, ``random``, ``oracle`` or ``baseline``.
    name, said
        What it is, in short and in a sentence.
    low, high
        The ends of its interval, where it has one.
    dots
        The folds, beside the honest score.
    """

    kind: str
    name: str
    said: str
    score: Number
    low: Number | None = None
    high: Number | None = None
    dots: tuple[Number, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """What is known of a run's quality in one look.

    Parameters
    ----------
    honest
        False where only a random split was tested, which is then ``main``.
    main
        What stands there large.
    tracks
        All that has a place on the axis, ``main`` first.
    protocol
        How that was tested.
    tested
        How the clips were tested that all else on the page is about.
    more
        Further scores of these clips, each with its name.
    notes
        What must be known with it.
    """

    honest: bool
    main: Track
    tracks: tuple[Track, ...]
    protocol: str
    tested: str
    more: tuple[tuple[str, Number], ...]
    notes: tuple[str, ...]


def score_of(folder: Folder) -> Score:
    """Return the score of a run of `evaluate`, or of `train` by any split."""
    if not folder.is_training:
        return _of_evaluation(folder)
    if folder.figures.text("split", "rule") == "random":
        return _of_random_training(folder)
    return _of_training(folder)


def _of_evaluation(folder: Folder) -> Score:
    figures = folder.figures
    dots = tuple(figures.number("folds", i, "accuracy") for i in range(len(figures.items("folds"))))
    main = _honest(folder, (), dots)
    tracks, notes = [main], []
    if figures.has("random_split"):
        tracks.append(
            Track(
                "random",
                "A random split claims",
                _leaks(folder, "random_split"),
                figures.number("random_split", "accuracy"),
            )
        )
        tracks.append(_oracle(folder, "random_split"))
    tracks.append(_baseline(folder))
    if figures.has("random_split") and not folder.report["random_split"].get("groups_known"):
        notes.append(_UNKNOWN)
    protocol = figures.text("protocol")
    if folder.tested.several_seeds:
        count = len({int(seed) for seed in folder.tested.seeds})
        protocol += f", {count} seeds each"
    return Score(True, main, tuple(tracks), protocol, protocol, _more(folder), tuple(notes))


_UNKNOWN = (
    "No recordings are known of this data set, so that leakage cannot be ruled out: the score may flatter."
)


def _of_training(folder: Folder) -> Score:
    fold = folder.report["split"].get("test_fold")
    where = f", fold {fold} tested" if fold is not None else ""
    main = _honest(folder, ())
    notes = ["One split was tested. Every fold in turn says more; type: earmark evaluate DATASET"]
    if not folder.report.get("leakage", {}).get("groups_known"):
        notes.append(_UNKNOWN)
    protocol = f"{folder.figures.text('split', 'rule')} split{where}"
    return Score(True, main, (main, _baseline(folder)), protocol, protocol, _more(folder), tuple(notes))


def _of_random_training(folder: Folder) -> Score:
    figures = folder.figures
    claim = Track("random", "A random split claims", _leaks(folder, "leakage"), figures.number("accuracy"))
    others = (_oracle(folder, "leakage"), _baseline(folder))
    if figures.has("honest"):
        dots = tuple(
            figures.number("honest", "folds", i, "accuracy")
            for i in range(len(figures.items("honest", "folds")))
        )
        main = _honest(folder, ("honest",), dots)
        note = "All that follows is about the model that was tested on the random split, which flatters it."
        more = (("Spread over folds (sd)", figures.number("honest", "sd")),)
        protocol = figures.text("honest", "protocol")
        return Score(True, main, (main, claim, *others), protocol, "random split", more, (note,))
    note = (
        "This is no honest score: clips were divided one by one, and no recordings are known by which to divide them"
        " better."
    )
    return Score(False, claim, (claim, *others), "random split", "random split", _more(folder), (note,))


def _more(folder: Folder) -> tuple[tuple[str, Number], ...]:
    figures = folder.figures
    more = [("Macro-F1", figures.number("macro_f1")), ("Mean average precision", figures.number("map"))]
    if not folder.is_training:
        more.append(("Spread over folds (sd)", figures.number("sd")))
    if folder.tested.several_seeds:
        more.append(("Spread over seeds (sd)", figures.number("sd_seeds")))
    return tuple(more)


def _honest(folder: Folder, keys: tuple[str, ...], dots: tuple[Number, ...] = ()) -> Track:
    figures = folder.figures
    low, high = (figures.number(*keys, "interval", i) for i in (0, 1))
    # From too few recordings to say anything the report's interval is all there is.
    known = (low.value, high.value) != (0.0, 1.0)
    said = "by recordings that it has never heard"
    return Track(
        "honest",
        "Honest score",
        said,
        figures.number(*keys, "accuracy"),
        low if known else None,
        high if known else None,
        dots,
    )


def _leaks(folder: Folder, part: str) -> str:
    report, figures = folder.report[part], folder.figures
    name = "test_clips_sharing_a_sound"
    name = name if name in report else "test_clips_sharing_a_group"
    leaks, clips = figures.whole(part, name), figures.whole(part, "test_clips")
    share = percent(leaks / max(clips, 1))
    return f"{leaks:,} of its {plural(clips, 'test clip')} ({share}) are of recordings that it was trained on"


def _oracle(folder: Folder, part: str) -> Track:
    score = folder.figures.number(part, "oracle_accuracy")
    return Track(
        "oracle", "Recognising recordings", "an oracle that knows nothing else, on that split", score
    )


def _baseline(folder: Folder) -> Track:
    given = folder.figures.has("baseline")
    score = folder.figures.number("baseline") if given else Number(baseline(folder))
    return Track("baseline", "Baseline", "always answering with the largest class", score)


def baseline(folder: Folder) -> float:
    """Return the mean accuracy over folds of always answering with the commonest learnt label, by ``split.csv``."""
    columns = dict(folder.roles)
    labels = np.unique(np.array(columns.pop("label"), object), return_inverse=True)[1].reshape(-1)
    shares = [_share(labels, np.array(roles, object)) for name, roles in columns.items() if name != "random"]
    known = [share for share in shares if share is not None]
    if not known:
        raise RunError(f"{folder.path / 'split.csv'} is damaged: it has no test part.")
    return float(np.mean(known))


def _share(labels: IntArray, roles: np.ndarray) -> float | None:
    learnt, tested = np.isin(roles, ["train", "validation"]), roles == "test"
    if not learnt.any() or not tested.any():
        return None
    return float((labels[tested] == np.bincount(labels[learnt]).argmax()).mean())
