"""Scores over time to events: the rules, and that pieces of any size give the same."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import SettingError
from earmark.events import Event, Events, Merger, Windows
from earmark.settings import from_dict, to_dict

LABELS = ("dog", "rain", "saw")


def run(scores, how, exclusive=True, labels=LABELS, end=None, learnt=()):
    """Events of scores that each hold for a second."""
    merger = Merger(labels, how, exclusive, learnt)
    found = [e for i, row in enumerate(scores, 1) for e in merger.add(float(i), np.array(row, np.float32))]
    return found + merger.finish(end)


def told(events):
    return [(e.start, e.end, e.label) for e in events]


def one(values, how, **more):
    return [(e.start, e.end) for e in run([[v] for v in values], how, labels=("dog",), **more)]


# An event, rule by rule


def test_hysteresis_keeps_what_is_reached_once_and_held_all_the_time():
    how = Events(median=1, high=0.8, low=0.4)
    assert one([0.1, 0.5, 0.9, 0.5, 0.1], how) == [(1.0, 4.0)]
    assert one([0.1, 0.5, 0.7, 0.5, 0.1], how) == []
    assert one([0.9, 0.3, 0.5, 0.3, 0.8], how) == [(0.0, 1.0), (4.0, 5.0)]


def test_a_score_that_equals_its_threshold_reaches_it():
    assert one([0.3, 0.8, 0.3], Events(median=1, high=0.8, low=0.8)) == [(1.0, 2.0)]


def test_median_removes_what_is_alone():
    how = Events(median=3, high=0.5, low=0.5)
    assert one([0, 0, 1, 0, 0, 1, 1, 0, 1, 1, 0], how) == [(5.0, 10.0)]
    assert one([0, 1, 0, 0, 0, 0, 1, 0], how) == []
    assert one([0, 1, 0], Events(median=1, high=0.5)) == [(1.0, 2.0)]


def test_median_takes_at_the_edges_as_many_before_as_after():
    assert one([1, 0, 0, 0, 1, 0], Events(median=3, high=0.5, low=0.5)) == [(0.0, 1.0)]
    assert one([0, 1, 1, 0, 0, 0], Events(median=5, high=0.5, low=0.5)) == [(1.0, 2.0)]
    assert one([1], Events(median=99, high=0.5, low=0.5)) == [(0.0, 1.0)]


def test_gaps_are_joined_before_short_events_are_dropped():
    values = [1, 0, 1, 0, 0, 1]
    assert one(values, Events(median=1, min_gap=1.0)) == [(0.0, 3.0), (5.0, 6.0)]
    assert one(values, Events(median=1, min_gap=1.0, min_length=2.0)) == [(0.0, 3.0)]
    assert one(values, Events(median=1, min_gap=2.0, min_length=6.0)) == [(0.0, 6.0)]


def test_events_are_cut_where_the_recording_goes_on():
    how = Events(median=1, trim=0.25, min_length=0.6)
    assert one([1, 1, 0, 1, 1, 0, 1], how) == [(0.0, 1.75), (3.25, 4.75), (6.25, 7.0)]
    assert one([0, 1, 0], how) == one([0, 1, 0], Events(median=1, trim=0.5)) == []


def test_of_exclusive_labels_the_most_probable_one_is_heard():
    scores = [[0.6, 0.7, 0.1], [0.7, 0.6, 0.1], [0.7, 0.6, 0.1]]
    how = Events(median=1, high=0.5)
    assert told(run(scores, how)) == [(0.0, 1.0, "rain"), (1.0, 3.0, "dog")]
    assert told(run(scores, how, exclusive=False)) == [(0.0, 3.0, "dog"), (0.0, 3.0, "rain")]


def test_a_gap_with_another_label_in_it_is_none():
    scores = [[1, 0, 0], [0, 1, 0], [1, 0, 0]]
    how = Events(median=1, min_gap=5.0)
    assert told(run(scores, how)) == [(0.0, 1.0, "dog"), (1.0, 2.0, "rain"), (2.0, 3.0, "dog")]
    assert told(run(scores, how, exclusive=False)) == [(1.0, 2.0, "rain"), (0.0, 3.0, "dog")]


def test_what_is_heard_at_last_lasts_to_the_end():
    assert one([0, 1], Events(median=1), end=2.75) == [(1.0, 2.75)]
    assert one([1, 0], Events(median=1), end=2.75) == [(0.0, 1.0)]


def test_silence_is_no_event_even_if_every_threshold_is_low():
    assert run([[0, 0, 0]] * 4, Events(median=1), learnt=(0.0, 0.0, 0.0)) == []


def test_background_is_no_event_and_leaves_no_room_for_others():
    scores = [[0.9, 0.1, 0], [0.5, 0.6, 0], [0.9, 0.1, 0]]
    how = Events(median=1, high=0.5, ignore=("rain",))
    assert told(run(scores, how)) == [(0.0, 1.0, "dog"), (2.0, 3.0, "dog")]


def test_each_label_has_the_threshold_that_was_learnt():
    scores = [[0.6, 0.2, 0.2], [0.2, 0.6, 0.2]]
    assert told(run(scores, Events(median=1), learnt=(0.5, 0.7, 0.5))) == [(0.0, 1.0, "dog")]
    assert told(run(scores, Events(median=1, high=0.3), learnt=(0.5, 0.7, 0.5)))[1] == (1.0, 2.0, "rain")


def test_the_score_is_the_mean_over_the_windows_in_which_it_was_heard():
    (event,) = run([[0.9, 0.1, 0], [0.1, 0.2, 0], [0.5, 0.3, 0.2]], Events(median=1, min_gap=1.0))
    assert (event.start, event.end, event.label) == (0.0, 3.0, "dog")
    assert event.score == pytest.approx(0.7)
    assert event.scores == pytest.approx({"dog": 0.7, "rain": 0.2, "saw": 0.1})


def test_an_event_is_told_as_soon_as_nothing_can_be_joined_to_it():
    merger = Merger(("dog",), Events(median=1, min_gap=1.0))
    when = {}
    for i, value in enumerate([1, 0, 0, 0, 0], 1):
        for event in merger.add(float(i), np.array([value], np.float32)):
            when[event.end] = i
    assert when == {1.0: 3}


def test_scores_of_other_labels_are_refused():
    with pytest.raises(SettingError, match=r"^There are 2 scores for 3 labels\.$"):
        Merger(LABELS).add(1.0, np.zeros(2, np.float32))


# Against the same rules, written down for a whole recording


def whole(scores, how, exclusive):
    n, labels = scores.shape
    halves = [min(how.median // 2, i, n - 1 - i) for i in range(n)]
    smooth = np.stack([np.median(scores[i - h : i + h + 1], axis=0) for i, h in enumerate(halves)])
    smooth = smooth.astype(np.float32)
    high, low = how.thresholds((), labels)
    heard = (smooth >= low) & (smooth > 0)
    if exclusive:
        heard &= smooth.argmax(axis=1)[:, None] == np.arange(labels)
    runs = []
    for k in range(labels):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], heard[:, k], [False]]).astype(int)))
        runs += [(a, b, k) for a, b in edges.reshape(-1, 2) if (smooth[a:b, k] >= high[k]).any()]
    joined = []
    for a, b, k in sorted(runs):
        last = next((j for j in reversed(joined) if j[2] == k), None)
        apart = exclusive and last is not None and joined[-1] is not last
        if last is not None and a - last[1] <= how.min_gap and not apart:
            last[1] = b
        else:
            joined.append([a, b, k])
    cut = [(a + how.trim * (a > 0), b - how.trim * (b < n), LABELS[k]) for a, b, k in joined]
    return sorted((float(a), float(b), label) for a, b, label in cut if b - a >= max(how.min_length, 1e-6))


hows = st.builds(
    Events,
    median=st.sampled_from([1, 3, 5, 9]),
    high=st.sampled_from([0.5, 0.75, 1.0]),
    low=st.sampled_from([0.25, 0.5]),
    min_gap=st.sampled_from([0.0, 1.0, 2.0, 7.0]),
    trim=st.sampled_from([0.0, 0.25, 1.0]),
    min_length=st.sampled_from([0.0, 1.0, 2.0, 4.0]),
)
levels = st.lists(st.tuples(*[st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])] * 3), min_size=1, max_size=60)


@settings(max_examples=300, deadline=None)
@given(levels, hows, st.booleans())
def test_equals_the_rules_for_a_whole_recording(rows, how, exclusive):
    scores = np.array(rows, np.float32)
    assert sorted(told(run(scores, how, exclusive))) == whole(scores, how, exclusive)


@settings(max_examples=100, deadline=None)
@given(levels, hows, st.booleans())
def test_events_come_in_the_order_in_which_they_end(rows, how, exclusive):
    found = run(rows, how, exclusive)
    assert [e.end for e in found] == sorted(e.end for e in found)
    if exclusive:
        assert all(a.end <= b.start for a, b in pairwise(found))


# Windows


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 700), st.lists(st.integers(0, 120), max_size=20), st.sampled_from([0.1, 0.37, 1.0]),
    st.sampled_from([1.0, 2.3, 5.0]),
)  # fmt: skip
def test_windows_are_the_same_whatever_the_pieces(total, sizes, hop, window):
    samples = np.arange(total, dtype=np.float32)
    rate = 50
    windows, found, at = Windows(rate, window, hop), [], 0
    for size in [*sizes, total]:
        found += [w.copy() for w in windows.feed(samples[at : at + size])]
        at += size
    found += windows.finish()
    length = round(window * rate)
    starts = [s for k in range(total) if (s := round(k * hop * rate)) + length <= total]
    expected = [samples[s : s + length] for s in starts]
    if total < length:
        expected = [samples] if total else []
    elif starts[-1] + length < total:
        expected.append(samples[-length:])
    assert len(found) == len(expected) == windows.count
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@settings(max_examples=100, deadline=None)
@given(st.integers(100, 700), st.integers(0, 60), st.sampled_from([0.1, 0.37, 1.0]))
def test_windows_go_on_where_they_stopped(total, done, hop):
    samples, rate, window = np.arange(total, dtype=np.float32), 50, 1.0
    first = Windows(rate, window, hop)
    every = [*first.feed(samples), *first.finish()]
    done = min(done, sum(len(w) == 50 and round(k * hop * rate) == w[0] for k, w in enumerate(every)))
    again = Windows(rate, window, hop, done)
    rest = [*again.feed(samples[again.begin :]), *again.finish()]
    assert len(rest) == len(every) - done
    assert all(np.array_equal(a, b) for a, b in zip(rest, every[done:], strict=True))


def test_windows_keep_no_more_than_they_need():
    windows = Windows(1000, 2.0, 0.5)
    for _ in range(200):
        windows.feed(np.zeros(777, np.float32))
    assert len(windows._tail) < 2.5 * 1000


# Settings


def test_settings_travel_as_json():
    how = Events(window=2.5, hop=0.5, median=5, high=0.7, min_gap=1.0)
    assert from_dict(Events, to_dict(how), "[events]") == how


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"window": 0.01}, "[events] window is 0.01 s, but must be from 0.05 to 3600 s."),
        ({"window": 1.0, "hop": 2.0}, "[events] hop is 2 s, but must be from 0.05 s to the window's 1 s."),
        ({"hop": 9999.0}, "[events] hop is 9999 s, but must be from 0.05 s to 3600 s."),
        ({"median": 4}, "[events] median is 4, but must be an odd number from 1 to 999."),
        ({"high": 1.5}, "[events] high is 1.5, but must be above 0 and at most 1."),
        ({"low": 0.0}, "[events] low is 0, but must be above 0 and at most 1."),
        ({"high": 0.5, "low": 0.6}, "[events] low is 0.6, but must be at most high, which is 0.5."),
        ({"min_gap": -1.0}, "[events] min_gap is -1 s, but must be 0 or more."),
        ({"trim": -0.1}, "[events] trim is -0.1 s, but must be 0 or more."),
        ({"min_length": float("nan")}, "[events] min_length is nan s, but must be 0 or more."),
    ],
)
def test_settings_that_cannot_be(values, message):
    with pytest.raises(SettingError) as caught:
        Events(**values)
    assert str(caught.value) == message


def test_without_a_window_there_is_no_hop():
    message = (
        "[events] window is not set, and the model does not say how long the clips were that it learnt from."
        " Type --window SECONDS."
    )
    with pytest.raises(SettingError) as caught:
        _ = Events().step
    assert str(caught.value) == message


def test_what_is_given_changes_what_follows_from_it():
    kept = Events(window=4.0, hop=2.0, high=0.5, low=0.4)
    assert kept.changed(window=1.0) == Events(window=1.0, high=0.5, low=0.4)
    assert kept.changed(high=0.3) == Events(window=4.0, hop=2.0, high=0.3)
    assert kept.changed(low=0.9).high == 0.9
    assert kept.changed(median=None, hop=None) == kept


def test_an_event_shows_what_matters():
    assert (
        repr(Event(0.5, 1.0, "dog", 0.9, {"dog": 0.9})) == "Event(start=0.5, end=1.0, label='dog', score=0.9)"
    )
