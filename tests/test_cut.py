"""Labelled recordings as windows, what is between the labels, and the rule by which a window has a label."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.cut import Cut, _Recording
from earmark.data import DataSettings, open_data
from earmark.dataset import Clips
from earmark.errors import SettingError
from earmark.types import Clip

RATE = 8_000


class Here:
    workers = 1

    def map(self, function, items):
        return map(function, items)


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


@pytest.fixture
def field(tmp_path, write_wav) -> Path:
    """Two recordings with Audacity tracks, one with an empty track, and one without."""
    for i, (name, seconds) in enumerate((("dawn", 20), ("dusk", 10), ("night", 8), ("noon", 5))):
        write_wav(tmp_path / f"{name}.wav", noise(seconds, i), RATE)
    (tmp_path / "dawn.txt").write_text("2.0\t4.0\twren\n3.5\t6.0\trobin\n12.0\t12.4\twren\n")
    (tmp_path / "dusk.txt").write_text("0.0\t5.0\trobin\n7.0\t7.0\twren\n")
    (tmp_path / "night.txt").write_text("")
    return tmp_path


def shown(dataset):
    return [(c.path, c.start, c.end, c.labels) for c in dataset.clips]


def opened(field, **settings):
    return open_data(DataSettings(str(field), **settings), Here())[0]


def test_without_a_window_each_region_is_a_clip(field):
    data = opened(field)
    assert shown(data) == [
        ("dawn.wav", 2.0, 4.0, ("wren",)),
        ("dawn.wav", 3.5, 6.0, ("robin",)),
        ("dawn.wav", 12.0, 12.4, ("wren",)),
        ("dusk.wav", 0.0, 5.0, ("robin",)),
    ]
    assert data.clips.groups.tolist() == ["dawn.wav"] * 3 + ["dusk.wav"]
    assert data.grouping == "recording"


def test_windows_are_named_by_what_they_hold(field):
    data = opened(field, window=2.0)
    assert shown(data) == [
        ("dawn.wav", 2.0, 4.0, ("wren",)),  # 0.5 s of the robin is a quarter of the window: too little
        ("dawn.wav", 4.0, 6.0, ("robin",)),
        ("dawn.wav", 12.0, 14.0, ("wren",)),  # all of a short call
        ("dusk.wav", 0.0, 2.0, ("robin",)),
        ("dusk.wav", 2.0, 4.0, ("robin",)),
        ("dusk.wav", 4.0, 6.0, ("robin",)),  # half of the window
    ]
    assert data.exclusive
    assert data.clips.groups.tolist() == ["dawn.wav"] * 3 + ["dusk.wav"] * 3


def test_windows_may_overlap_and_hold_several_labels(field):
    data = opened(field, window=2.0, hop=1.0, min_overlap=0.2)
    assert ("dawn.wav", 3.0, 5.0, ("robin", "wren")) in shown(data)
    assert not data.exclusive
    one = opened(field, window=2.0, hop=1.0, min_overlap=0.2, several="longest")
    assert one.exclusive
    assert ("dawn.wav", 3.0, 5.0, ("robin",)) in shown(one)  # 1.5 s of it, and 1 s of the wren
    assert ("dawn.wav", 2.0, 4.0, ("wren",)) in shown(one)


def test_background_is_where_nothing_is_labelled_not_where_too_little_is(field):
    data = opened(field, window=2.0, background="nothing", min_overlap=0.6)
    quiet = [(c.path, c.start) for c in data.clips if c.labels == ("nothing",)]
    assert quiet == [
        ("dawn.wav", 0.0), *(("dawn.wav", float(t)) for t in (6, 8, 10, 14, 16, 18)),
        ("dusk.wav", 6.0), ("dusk.wav", 8.0), ("night.wav", 0.0), ("night.wav", 2.0), ("night.wav", 4.0),
        ("night.wav", 6.0),
    ]  # fmt: skip
    # 4 to 6 s of dusk holds 1 s of the robin, half of the window and less of the region: neither the one nor the other.
    assert not any(c.path == "dusk.wav" and c.start == 4.0 for c in data.clips)
    assert "1 with too little of a label left out" in data.title
    assert data.labels == ("nothing", "robin", "wren")


def test_background_beside_regions_is_as_long_and_at_most_as_many(field):
    data = opened(field, background="nothing")
    quiet = [(c.path, c.start, c.end) for c in data.clips if c.labels == ("nothing",)]
    length = np.median([2.0, 2.5, 0.4, 5.0])
    assert [end - start for _, start, end in quiet] == pytest.approx([length] * len(quiet))
    assert {path: sum(p == path for p, _, _ in quiet) for path, _, _ in quiet} == {
        "dawn.wav": 3, "dusk.wav": 1, "night.wav": 1,
    }  # fmt: skip
    for path, start, end in quiet:
        assert not any(
            c.path == path and c.labels != ("nothing",) and c.start < end - 1e-9 and c.end > start + 1e-9
            for c in data.clips
        )


def test_points_have_the_width_that_was_chosen(field):
    data = opened(field, point_width=1.0)
    assert ("dusk.wav", 6.5, 7.5, ("wren",)) in shown(data)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hop": 1.0}, "--hop goes with --window."),
        ({"window": 0.01}, "--window is 0.01 s, but must be at least 0.05 s."),
        ({"window": 2.0, "min_overlap": 0.0}, "--min-overlap is 0, but must be above 0 and at most 1."),
        ({"window": 2.0, "min_overlap": 1.5}, "--min-overlap is 1.5, but must be above 0 and at most 1."),
        ({"background": "wren"}, "--background is 'wren', which is a label already. Take another name."),
        ({"several": "most"}, "[data] several is 'most', but must be 'all' or 'longest'."),
    ],
)
def test_settings_that_cannot_be(field, settings, said):
    with pytest.raises(SettingError) as caught:
        opened(field, **settings)
    assert str(caught.value) == said


def test_background_needs_label_files(tone_set):
    with pytest.raises(SettingError) as caught:
        open_data(
            DataSettings(str(tone_set), pattern="{label}_{group}_{take}.wav", background="none"), Here()
        )
    assert str(caught.value) == (
        "--background needs recordings with label files; tones has the layout 'pattern'."
    )


def test_a_recording_that_cannot_be_opened_is_named(field):
    (field / "dawn.wav").write_text("no sound")
    data, problems = open_data(DataSettings(str(field), window=2.0), Here())
    assert {c.path for c in data.clips} == {"dusk.wav"}
    assert [(p.kind, p.path) for p in problems] == [("unreadable", "dawn.wav")]


regions = st.lists(st.tuples(st.floats(0, 50), st.floats(0.01, 20), st.sampled_from("abc")), max_size=25).map(
    lambda found: [Clip("r.wav", (label,), "r", start, start + length) for start, length, label in found]
)


@given(regions, st.floats(0.1, 8), st.floats(0.2, 1), st.floats(0.05, 1))
@settings(max_examples=200, deadline=None)
def test_every_window_is_as_a_plain_look_at_every_region_says(marks, window, hop, least):
    seconds = 60.0
    how = Cut(window, max(0.05, window * hop), least, background="none")
    made, unclear = _Recording("r.wav", "r", seconds, marks).windows(how)
    assert unclear >= 0
    for clip in made:
        labels, touched = set(), False
        for mark in marks:
            end = min(mark.end, seconds)
            shared = min(clip.end, end) - max(clip.start, mark.start)
            touched |= shared > 0
            shorter = min(end - mark.start, clip.end - clip.start)
            if shared > 0 and shared / shorter >= least - 1e-9:
                labels.add(mark.labels[0])
        assert clip.labels == tuple(sorted(labels)) if touched else clip.labels == ("none",)


def test_a_hundred_thousand_regions_are_cut_in_seconds():
    starts = np.sort(np.random.default_rng(0).uniform(0, 36_000, 100_000))
    marks = [Clip("r.wav", ("a",), "r", a, a + 0.2) for a in starts.tolist()]
    made, _ = _Recording("r.wav", "r", 36_000.0, marks).windows(Cut(1.0, background="none"))
    assert len(made) > 30_000


def test_a_clip_list_without_times_is_whole():
    clips = Clips.of([Clip("a.wav", ("x",), "a")])
    assert clips[0].start is None


def test_the_whole_line_from_a_track_to_a_prediction(tmp_path, write_wav, earmark):
    """Recordings labelled in Audacity, to a model, by the commands that a person types."""
    rng, t = np.random.default_rng(0), np.arange(RATE) / RATE
    for i in range(10):
        pitch = 500 + 20 * i
        parts, labels = [], []
        for j in range(12):
            kind = ("tone", "hiss", "")[j % 3]
            sound = {
                "tone": 0.3 * np.sin(2 * np.pi * pitch * t),
                "hiss": 0.2 * np.diff(rng.standard_normal(RATE + 1)),
                "": 0 * t,
            }
            parts.append(sound[kind] + 0.003 * rng.standard_normal(RATE))
            if kind:
                labels.append(f"{j}.000000\t{j + 1}.000000\t{kind}\n")
        write_wav(tmp_path / "field" / f"day{i}.wav", np.concatenate(parts), RATE)
        (tmp_path / "field" / f"day{i}.txt").write_text("".join(labels))
    shape = ("--window", 1, "--background", "quiet")
    checked = json.loads(earmark("check", "field", *shape, "--json", cwd=tmp_path).stdout)
    assert checked["classes"] == {"hiss": 40, "quiet": 40, "tone": 40}
    assert checked["groups"] == 10
    trained = earmark("train", "field", *shape, "-o", "m.earmark", "--json", cwd=tmp_path)
    result = json.loads(trained.stdout)
    assert result["test"]["accuracy"] > 0.9
    recipe = (tmp_path / result["run"] / "recipe.toml").read_text()
    assert "window = 1.0" in recipe
    assert 'background = "quiet"' in recipe
    again = earmark("run", Path(result["run"]) / "recipe.toml", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["test"] == result["test"]
