"""How events are counted, against the libraries that defined it."""

from __future__ import annotations

import importlib.util
import sys
import types
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import SettingError
from earmark.evaluate.events import (
    Counts,
    Drawn,
    added,
    by_events,
    by_segments,
    commonest,
    overall,
    shuffled,
)
from earmark.evaluate.psds import Tolerance, psds
from earmark.mixer import Mix, compose
from earmark.readers import read

LABELS = ["dog", "rain", "saw"]
SECONDS = 60.0


def drawn(rng, number):
    """Events on a grid of 0.05 s, so that many are just in reach of others and many just not."""
    starts = rng.integers(0, 1_100, number) / 20
    ends = starts + rng.integers(1, 100, number) / 20
    return [Drawn(a, b, LABELS[i]) for a, b, i in zip(starts, ends, rng.integers(0, 3, number), strict=True)]


def near(real, rng):
    """What a model may say of them: some missed, most a little off, some of another label, some made up."""
    found = []
    for event in real:
        if rng.random() < 0.2:
            continue
        start = max(0.0, event.start + rng.integers(-6, 7) / 20)
        label = event.label if rng.random() < 0.8 else LABELS[rng.integers(3)]
        found.append(Drawn(start, max(start + 0.05, event.end + rng.integers(-10, 11) / 20), label))
    return found + drawn(rng, 3)


@pytest.fixture(scope="module")
def sed_eval() -> Iterator[types.ModuleType]:
    """The reference; of pkg_resources, which setuptools gave up, it needs the names only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stand_in = importlib.util.find_spec("pkg_resources") is None
        if stand_in:
            sys.modules["pkg_resources"] = types.ModuleType("pkg_resources")
        try:
            module = pytest.importorskip("sed_eval")
        finally:
            if stand_in:  # pytest would take it for the real one
                del sys.modules["pkg_resources"]
        yield module


def as_dicts(events):
    return [
        {"filename": "a", "event_onset": e.start, "event_offset": e.end, "event_label": e.label}
        for e in events
    ]


# Against sed_eval


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("collar", "share", "offset"), [(0.2, 0.2, True), (0.2, 0.5, True), (0.5, 0.2, False)]
)
def test_events_are_counted_as_by_sed_eval(sed_eval, seed, collar, share, offset):
    rng = np.random.default_rng(seed)
    reference = sed_eval.sound_event.EventBasedMetrics(
        LABELS, evaluate_offset=offset, t_collar=collar + 1e-9, percentage_of_length=share + 1e-9
    )
    parts = []
    for _ in range(3):
        real = drawn(rng, 15)
        found = near(real, rng)
        reference.evaluate(as_dicts(real), as_dicts(found))
        parts.append(by_events(real, found, collar + 1e-9, share + 1e-9, offset))
    own = added(parts)
    told = reference.results_overall_metrics()["f_measure"]
    assert overall(own).f1 == pytest.approx(told["f_measure"])
    assert overall(own).precision == pytest.approx(told["precision"])
    assert overall(own).recall == pytest.approx(told["recall"])
    for label, one in reference.results_class_wise_metrics().items():
        assert own[label].f1 == pytest.approx(one["f_measure"]["f_measure"])
    assert 0.1 < overall(own).f1 < 0.9


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("length", [1.0, 0.1])
def test_segments_are_counted_as_by_sed_eval(sed_eval, seed, length):
    rng = np.random.default_rng(seed)
    reference = sed_eval.sound_event.SegmentBasedMetrics(LABELS, time_resolution=length)
    parts = []
    for _ in range(3):
        real = drawn(rng, 12)
        found = near(real, rng)
        reference.evaluate(as_dicts(real), as_dicts(found), evaluated_length_seconds=SECONDS)
        parts.append(by_segments(real, found, SECONDS, length))
    own = added(parts)
    told = reference.results_overall_metrics()["f_measure"]
    assert overall(own).f1 == pytest.approx(told["f_measure"])
    assert overall(own).recall == pytest.approx(told["recall"])
    for label, one in reference.results_class_wise_metrics().items():
        assert own[label].f1 == pytest.approx(one["f_measure"]["f_measure"])


# By hand


def test_an_event_serves_one_other_and_as_many_as_possible_are_matched():
    real = [Drawn(1.0, 2.0, "dog"), Drawn(1.3, 2.3, "dog")]
    found = [Drawn(1.15, 2.15, "dog"), Drawn(0.9, 1.9, "dog")]
    assert by_events(real, found) == {"dog": Counts(2, 2, 2)}
    assert by_events(real, found[:1]) == {"dog": Counts(1, 2, 1)}


def test_the_end_of_a_long_event_may_be_further_off():
    real = [Drawn(0.0, 10.0, "dog")]
    assert overall(by_events(real, [Drawn(0.0, 8.1, "dog")])).hits == 1
    assert overall(by_events(real, [Drawn(0.0, 7.9, "dog")])).hits == 0
    assert overall(by_events(real, [Drawn(0.0, 7.9, "dog")], offset=False)).hits == 1


def test_nothing_is_no_hit_and_no_error():
    assert by_events([], []) == {}
    assert overall(by_events([], [Drawn(0, 1, "dog")])) == Counts(0, 0, 1)
    assert Counts().f1 == Counts().precision == Counts().recall == 0.0
    assert by_segments([Drawn(0, 1, "dog")], [], 0.0) == {"dog": Counts(0, 0, 0)}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 12), st.integers(0, 12))
def test_hits_are_never_more_than_there_are(seed, real, found):
    rng = np.random.default_rng(seed)
    for counts in by_events(drawn(rng, real), drawn(rng, found)).values():
        assert counts.hits <= min(counts.real, counts.found)
        assert 0 <= counts.f1 <= 1


# No skill


def test_shuffled_events_are_as_many_and_as_long():
    rng = np.random.default_rng(0)
    real = drawn(rng, 30)
    chance = shuffled(real, SECONDS, rng)
    assert sorted(e.label for e in chance) == sorted(e.label for e in real)
    assert sorted(e.end - e.start for e in chance) == pytest.approx(sorted(e.end - e.start for e in real))
    assert all(0 <= e.start < e.end <= SECONDS + 1e-9 for e in chance)
    assert shuffled([], SECONDS, rng) == []


def test_the_commonest_label_is_the_one_heard_longest():
    assert commonest([[Drawn(0, 1, "dog"), Drawn(2, 3, "dog")], [Drawn(0, 3, "rain")]]) == "rain"
    assert commonest([[]]) == ""


# The mixer

RATE = 8_000


def clips():
    t = np.arange(RATE) / RATE
    return [
        (np.sin(2 * np.pi * f * t).astype(np.float32), label) for f, label in ((440, "low"), (1_900, "high"))
    ]


def test_a_mix_follows_from_its_seed():
    one, other = (compose(clips(), RATE, Mix(seconds=30.0, events=8, seed=s)) for s in (1, 2))
    again = compose(clips(), RATE, Mix(seconds=30.0, events=8, seed=1))
    assert np.array_equal(one[0], again[0])
    assert one[1] == again[1] != other[1]


def test_a_clip_is_where_it_is_said_to_be_and_as_loud():
    snr = 20.0
    samples, regions = compose(clips(), RATE, Mix(seconds=60.0, events=10, snr=(snr, snr), seed=3))
    assert len(regions) == 10
    heard = np.zeros(len(samples), bool)
    for region in regions:
        heard[round(region.start * RATE) : round(region.end * RATE)] = True
    floor = np.sqrt(np.mean(samples[~heard] ** 2))
    for region in regions:
        part = samples[round(region.start * RATE) : round(region.end * RATE)]
        assert 20 * np.log10(np.sqrt(np.mean(part**2)) / floor) == pytest.approx(snr, abs=1.0)
        spectrum = np.abs(np.fft.rfft(part))
        pitch = np.argmax(spectrum) * RATE / len(part)
        assert abs(pitch - (440 if region.label == "low" else 1_900)) < 3


@pytest.mark.parametrize(("overlap", "most"), [(0.0, 1), (1.0, 8)])
def test_clips_overlap_only_where_they_may(overlap, most):
    _, regions = compose(clips(), RATE, Mix(seconds=20.0, events=12, overlap=overlap, seed=0))
    at = np.arange(0, 20, 0.01)
    deep = max(sum(r.start <= t < r.end for r in regions) for t in at)
    assert deep == 1 if overlap == 0 else 1 < deep <= most


def test_where_there_is_no_room_there_are_fewer():
    _, regions = compose(clips(), RATE, Mix(seconds=5.0, events=50, gap=0.2, seed=0))
    assert 0 < len(regions) < 6
    assert compose([], RATE, Mix(seconds=1.0))[1] == ()


def test_a_background_of_ones_own_is_repeated():
    hum = 0.1 * np.sin(np.arange(100, dtype=np.float32))
    samples, _ = compose([], RATE, Mix(seconds=1.0), hum)
    assert np.allclose(samples, np.resize(hum, RATE))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seconds": 0.0}, "seconds of a mix is 0.0, but must be above 0 and at most 36000."),
        ({"events": -1}, "events of a mix is -1, but must be from 0 to 100000."),
        ({"overlap": 2.0}, "overlap of a mix is 2.0, but must be from 0 to 1."),
        ({"gap": -1.0}, "gap of a mix is -1.0, but must be 0 or more."),
        ({"snr": (5.0, 1.0)}, "snr of a mix is (5.0, 1.0), but must be the lowest and then the highest."),
    ],
)
def test_a_mix_that_cannot_be(values, message):
    with pytest.raises(SettingError) as caught:
        Mix(**values)
    assert str(caught.value) == message


# PSDS, against psds_eval


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "how",
    [Tolerance(), Tolerance(0.1, 0.1, 0.3, 0.5, 1.0, 500.0), Tolerance(0.5, 0.5, 0.3, 1.0, 0.0, 2_000.0)],
)
def test_psds_is_that_of_psds_eval(monkeypatch, seed, how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = pytest.importorskip("psds_eval")
        import pandas as pd

        # What it asks for is called otherwise in pandas 3 and NumPy 2.4.
        monkeypatch.setattr(np, "argwhere", lambda found: np.flatnonzero(found)[0])
        fill = pd.DataFrame.fillna
        monkeypatch.setattr(
            pd.DataFrame,
            "fillna",
            lambda self, value=None, method=None: self.ffill() if method else fill(self, value),
        )
        rng = np.random.default_rng(seed)
        real = [drawn(rng, 12) for _ in range(3)]
        points = [[near(events, rng)[:most] for events in real] for most in (3, 6, 9, 12, 40)]

        def table(recordings):
            rows = [
                {"filename": f"{i}.wav", "onset": e.start, "offset": e.end, "event_label": e.label}
                for i, events in enumerate(recordings)
                for e in events
            ]
            return pd.DataFrame(rows, columns=["filename", "onset", "offset", "event_label"])

        names = pd.DataFrame([{"filename": f"{i}.wav", "duration": SECONDS} for i in range(3)])
        reference = library.PSDSEval(
            how.detection, how.event, how.other, ground_truth=apart(table(real)), metadata=names
        )
        tables = [apart(table(point)) for point in points]
        real, *points = [
            [
                [
                    Drawn(r.onset, r.offset, r.event_label)
                    for r in kept[kept.filename == f"{i}.wav"].itertuples()
                ]
                for i in range(3)
            ]
            for kept in (apart(table(real)), *tables)
        ]
        for kept in tables:
            reference.add_operating_point(kept)
        told = reference.psds(alpha_ct=how.confusion, alpha_st=how.unevenness, max_efpr=how.most).value
    assert psds(points, real, [SECONDS] * 3, how) == pytest.approx(told, abs=1e-9)


def apart(events):
    """Without events that overlap another of their label, which the library refuses."""
    kept, last = [], {}
    for row in events.sort_values("onset").itertuples():
        key = row.filename, row.event_label
        if row.onset >= last.get(key, 0.0):
            kept.append(row.Index)
            last[key] = row.offset
    return events.loc[kept].reset_index(drop=True)


def test_psds_of_nothing():
    assert psds([], [[]], [1.0]) == 0.0
    assert psds([[[]]], [[]], [1.0]) == 0.0
    assert psds([[[Drawn(5, 6, "rain")]]], [[Drawn(1, 2, "dog")]], [10.0]) == 0.0


@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["spinetail_audacity_ext", "raven_birds", "pyaudioanalysis_segments", "taps_m4a_audacity"]
)
def test_real_tracks_are_found_by_themselves_and_not_by_chance(data_root, name):
    dataset = read(str(data_root / "label_tracks" / name))
    for track in dataset.tracks:
        real = [region for region in track.regions if region.end > region.start and region.label]
        assert overall(by_events(real, real)).f1 == 1.0
        chance = shuffled(real, max(region.end for region in real), np.random.default_rng(0))
        assert overall(by_events(real, chance)).f1 < 0.4
        late = [Drawn(region.start + 0.3, region.end + 0.3, region.label) for region in real]
        assert overall(by_events(real, late)).f1 < 0.7
