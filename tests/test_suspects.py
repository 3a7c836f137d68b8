"""Suspects: what is said of clips by models that did not hear them, and whether flipped labels are found."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import DataError
from earmark.split import Rows
from earmark.suspects import FLAGGED, find_suspects
from earmark.suspects.ridge import Ridge, onto

LABELS = ("cat", "dog", "owl", "wren")


def rows_of(targets, groups=None) -> Rows:
    targets = np.asarray(targets, np.int64)
    groups = np.arange(len(targets)) if groups is None else np.asarray(groups, np.int64)
    names = np.array([f"r{g}" for g in groups], object)
    sounds, folds = np.arange(len(targets)), np.full(len(targets), -1, np.int32)
    return Rows(targets, groups, names, sounds, folds, ("demo", ""))


def made_up(classes=4, recordings=6, clips=5, seed=0, spread=0.4):
    """Clips around their recordings around their classes: values, and rows."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(classes * recordings), clips)
    targets = groups % classes
    centres, own = rng.standard_normal((classes, 20)), rng.standard_normal((classes * recordings, 20))
    values = 2 * centres[targets] + spread * own[groups] + 0.2 * rng.standard_normal((len(groups), 20))
    return values.astype(np.float32), rows_of(targets, groups)


# Exact leave-one-out.


def refit(values, weights, targets, left_out):
    """Train again without some clips: what the closed form promises to equal."""
    fit = Ridge.of(values, weights)
    kept = ~left_out
    basis, w = fit.basis[kept], fit.weights[kept]
    normal = basis.T @ (w[:, None] * basis) + 0.1 * np.eye(basis.shape[1])
    return fit.basis[left_out] @ np.linalg.solve(normal, basis.T @ (w[:, None] * targets[kept]))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_what_is_said_without_a_clip_is_what_training_without_it_says(seed, low_rank):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((24, 5)).astype(np.float32)
    weights, targets = rng.uniform(0.2, 2, 24), onto(rng.integers(0, 3, 24), 3)
    groups = np.repeat([0, 1, 2, 3], [1, 2, 5, 16])  # the last is larger than the low rank below
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("earmark.suspects.ridge._LANDMARKS", 8 if low_rank else 2000)
        fit = Ridge.of(values, weights)
        alone, whole = fit.without_each(targets), fit.without_groups(targets, groups)
        for i in (0, 7, 23):
            want = refit(values, weights, targets, np.arange(24) == i)
            np.testing.assert_allclose(alone[i : i + 1], want, rtol=1e-6, atol=1e-8)
        for group in range(4):
            want = refit(values, weights, targets, groups == group)
            np.testing.assert_allclose(whole[groups == group], want, rtol=1e-5, atol=1e-7)


def test_the_same_clip_many_times_and_values_that_never_change():
    values = np.ones((40, 3), np.float32)
    values[20:, 0] = 2
    fit = Ridge.of(values, np.ones(40))
    said = fit.without_each(onto(np.repeat([0, 1], 20), 2))
    assert np.isfinite(said).all()
    assert (said.argmax(axis=1) == np.repeat([0, 1], 20)).all()


# What is found.


def test_a_single_wrong_clip_is_found_by_the_rest_of_its_recording():
    values, rows = made_up()
    rows.targets[7] = (rows.targets[7] + 1) % 4
    found = find_suspects(values, rows, LABELS)
    first = found.found[0]
    truth, wrong = LABELS[rows.targets[6]], LABELS[rows.targets[7]]
    assert (first.row, first.label, first.suggested) == (7, wrong, truth)
    assert first.reason == f"the 4 other clips of recording r1 are {truth}; this one is labelled {wrong}"
    assert first.score >= FLAGGED
    assert found.judged == len(values)
    assert found.notes == ()


def test_a_wrong_recording_is_found_by_the_others():
    values, rows = made_up(spread=0.3)
    chosen = rows.groups == 9
    truth = rows.targets[chosen][0]
    rows.targets[chosen] = (truth + 2) % 4
    found = find_suspects(values, rows, LABELS)
    told = {s.row: s for s in found.found}
    assert set(np.flatnonzero(chosen)) <= set(told)
    for row in np.flatnonzero(chosen).tolist():
        assert told[row].suggested == LABELS[truth]
    by_recording = [told[row] for row in np.flatnonzero(chosen).tolist() if told[row].evidence == "recording"]
    assert by_recording
    wrong = LABELS[(truth + 2) % 4]
    assert by_recording[0].reason.startswith(
        f"the 5 clips of recording r9 labelled {wrong} sound like {LABELS[truth]} to a model of all other recordings ("
    )


@pytest.mark.parametrize("how", ["clip", "recording"])
def test_the_bar_on_made_up_sounds(how):
    """Recall of the flagged set, and its size, where classes are far apart."""
    recalls, shares = [], []
    for seed in range(5):
        values, rows = made_up(recordings=10, seed=seed)
        rng = np.random.default_rng(seed)
        truth = rows.targets.copy()
        if how == "clip":
            chosen = np.isin(np.arange(len(values)), rng.choice(len(values), 10, replace=False))
        else:
            chosen = np.isin(rows.groups, rng.choice(40, 2, replace=False))
        rows.targets[chosen] = (truth[chosen] + 1) % 4
        flagged = np.isin(np.arange(len(values)), [s.row for s in find_suspects(values, rows, LABELS).found])
        recalls.append(flagged[chosen].mean())
        shares.append(flagged.mean())
    assert np.mean(recalls) >= 0.95
    assert np.mean(shares) <= 0.10


def test_clean_labels_far_apart_are_not_suspected():
    values, rows = made_up(spread=0.2)
    assert find_suspects(values, rows, LABELS).found == ()


def test_without_recordings_a_wrong_clip_is_found_and_the_limit_said():
    values, rows = made_up()
    rows = rows_of(rows.targets)
    rows.targets[7] = (rows.targets[7] + 1) % 4
    found = find_suspects(values, rows, LABELS)
    assert found.found[0].row == 7
    assert "other clips: " not in found.found[0].reason
    assert found.notes == (
        "No recordings are known: each file counts as one, so that a recording that is wrong as a whole hides behind"
        " its own clips.",
    )


def test_what_cannot_be_judged_is_said():
    values, rows = made_up(classes=3)
    targets, groups = rows.targets.copy(), rows.groups.copy()
    targets[0] = 3  # a class of one clip
    groups[targets == 2] = groups[targets == 2][0]  # a class of one recording
    found = find_suspects(values, rows_of(targets, groups), LABELS)
    assert np.isnan(found.scores[0])
    assert found.judged == len(values) - 1
    assert found.notes == (
        "A class of one clip cannot be judged, for nothing else sounds as it should: wren.",
        "A class with one recording cannot be judged against other recordings; only clips that differ from the rest of"
        " theirs are found in: owl.",
    )
    assert not any(s.label == "owl" and s.evidence == "recording" for s in found.found)


@pytest.mark.parametrize("targets", [[0, 1, 0], [0, 0, 1, 1], [0, 1, 2, 3], [0, 0, 0, 1]])
def test_a_handful_of_clips(targets):
    values = np.random.default_rng(0).standard_normal((len(targets), 3)).astype(np.float32)
    found = find_suspects(values, rows_of(targets), LABELS)
    assert len(found.scores) == len(targets)
    counts = np.bincount(targets)[targets]
    assert np.isnan(found.scores[counts == 1]).all()
    assert np.isfinite(found.scores[counts > 1]).all()


@pytest.mark.parametrize(
    ("targets", "told"),
    [([0, 0, 0], "3 clips of 1 class"), ([0, 1], "2 clips of 2 classes"), ([0], "1 clip of 1 class")],
)
def test_too_little_to_judge_by(targets, told):
    with pytest.raises(DataError) as caught:
        find_suspects(np.ones((len(targets), 2), np.float32), rows_of(targets), LABELS)
    assert str(caught.value) == (
        f"demo has {told}; labels are judged against each other, which takes two classes and three clips at least."
    )


def test_one_recording_for_everything():
    values, rows = made_up()
    rows.targets[7] = (rows.targets[7] + 1) % 4
    found = find_suspects(values, rows_of(rows.targets, np.zeros(len(values), int)), LABELS)
    assert found.found[0].row == 7
    assert {s.evidence for s in found.found} == {"clip"}


def test_the_same_twice_and_in_any_order():
    values, rows = made_up(spread=1.0)
    order = np.random.default_rng(1).permutation(len(values))
    once = find_suspects(values, rows, LABELS)
    other = find_suspects(values[order], rows_of(rows.targets[order], rows.groups[order]), LABELS)
    np.testing.assert_array_equal(once.scores, find_suspects(values, rows, LABELS).scores)
    np.testing.assert_allclose(once.scores[order], other.scores, atol=1e-4)
    assert list(np.diff([s.score for s in once.found]) <= 0) == [True] * (len(once.found) - 1)


def test_one_is_told_what_takes_time():
    values, rows = made_up(recordings=2)
    told: list[str] = []
    find_suspects(values, rows, LABELS, tell=told.append)
    assert told == [
        "asking all other clips about each clip",
        "asking all other recordings about each recording",
    ]


# From end to end.

SHAPE = ("--pattern", "{label}_{group}_{take}.wav")


@pytest.fixture
def mislabelled(tone_set, tmp_path):
    """Tones of which one is called by another name."""
    shutil.copytree(tone_set, tmp_path / "tones")
    (tmp_path / "tones" / "hum_hum0_1.wav").rename(tmp_path / "tones" / "whistle_hum0_1.wav")
    return tmp_path / "tones"


def test_suspects_and_back(earmark, mislabelled, tmp_path):
    table = tmp_path / "s.csv"
    done = earmark("suspects", mislabelled, *SHAPE, "-o", table, "--progress", "none")
    assert " of 54 labels " in done.stdout
    assert "This is a list to listen to, not to believe:" in done.stdout
    assert "whistle_hum0_1.wav" in done.stdout
    assert f"earmark relabel {mislabelled} --pattern '{SHAPE[1]}' --from {table}" in done.stdout
    with table.open(newline="") as file:
        first, *_ = rows = list(csv.DictReader(file))
    assert list(first) == ["path", "start", "end", "label", "suggested", "score", "reason", "evidence"]
    assert (first["path"], first["label"], first["suggested"]) == ("whistle_hum0_1.wav", "whistle", "hum")
    assert first["reason"] == "the 2 other clips of recording hum0 are hum; this one is labelled whistle"
    earmark("relabel", mislabelled, *SHAPE, "--from", table, "--min-score", first["score"])
    again = json.loads(earmark("suspects", mislabelled, *SHAPE, "--json").stdout)
    assert again["corrected"] >= 1
    assert (again["clips"], again["judged"], again["flagged"]) == (54, 54, len(again["suspects"]))
    assert "whistle_hum0_1.wav" not in {one["path"] for one in again["suspects"]}
    assert len(rows) >= len(again["suspects"])


def test_top_and_a_single_feature(earmark, mislabelled):
    done = earmark("suspects", mislabelled, *SHAPE, "--feature", "stats", "--top", "0")
    assert "whistle_hum0_1.wav" not in done.stdout
    assert "more; -o FILE.csv writes them all." in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--top", "-1"], 2, "--top is -1, but must be 0 or more."),
        (["--feature", "log_mel"], 2,
            "'log_mel' gives a course over time, but sounds are compared by one vector a clip."
            " Take --feature stats, --feature mfcc, or both."),
        (["--feature", "mfc"], 2,
            "No feature is called 'mfc'. There are: encoder, log_mel, mfcc, stats. Did you mean 'mfcc'?"),
        (["-o", "/nowhere/s.csv"], 2, "There is no folder '/nowhere' to write s.csv into. Make it first."),
    ],
)  # fmt: skip
def test_refusals(arguments, code, message, earmark, tone_set):
    done = earmark("suspects", tone_set, *SHAPE, *arguments, "--progress", "none", code=code)
    assert done.stderr.strip() == f"error: {message}"


def test_clips_with_several_labels_are_refused(earmark, write_wav, tmp_path):
    for name in "abc":
        write_wav(tmp_path / f"{name}.wav", np.random.default_rng(0).standard_normal(9_000) * 0.1)
    (tmp_path / "clips.csv").write_text("path,label\na.wav,cat|dog\nb.wav,cat\nc.wav,dog\n")
    done = earmark("suspects", tmp_path / "clips.csv", "--progress", "none", code=1)
    assert done.stderr.endswith("has clips with several labels; suspects are found where a clip has one.\n")


@pytest.mark.data
@pytest.mark.parametrize("how", ["clip", "recording"])
def test_the_bar_on_real_recordings(how, data_root, monkeypatch):
    """5 % of UrbanSound8K's labels flipped with one seed: `bench/suspects.py` has ten."""
    from conftest import ROOT

    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import suspects as bench

    values, rows, labels = bench.features_of(data_root / "us8k", None)
    found = bench.judged(values, rows, labels, how, seed=0)
    assert found["recall"] >= 0.80
    assert found["flagged"] <= 0.30
    assert found["auroc"] >= (0.98 if how == "clip" else 0.85)
