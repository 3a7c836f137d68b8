"""The demo's data set: its promises about files, folds and folders, and that it is as hard as it says."""

from __future__ import annotations

import csv
import json
import re
import wave
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from earmark import demo
from earmark.demo import CLIPS, DEMO_VERSION, make_demo, recording
from earmark.demo_sounds import KINDS
from earmark.demo_tones import SAMPLE_RATE, shaped, unit
from earmark.errors import PathError, SettingError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("whole") / "demo")


@pytest.fixture
def small(monkeypatch):
    """Make demos of two kinds only, for tests that look at folders and not at sounds."""
    monkeypatch.setattr(demo, "KINDS", {kind: KINDS[kind] for kind in ("siren", "bird")})
    monkeypatch.setattr(demo, "CLIPS", 2 * 10 * 4)


def table(root: Path) -> list[dict[str, str]]:
    with (root / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def samples(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_the_table_lists_every_file_once(made):
    head = (made / "labels.csv").read_text(encoding="utf-8").splitlines()[0]
    assert head == "path,label,group,fold"
    rows = table(made)
    assert len(rows) == CLIPS == 280
    assert {row["path"] for row in rows} == {p for p in files(made) if p.endswith(".wav")}
    assert Counter(row["label"] for row in rows) == dict.fromkeys(KINDS, 40)
    assert set(Counter(row["group"] for row in rows).values()) == {4}
    assert all(row["path"].startswith(f"audio/{row['group']}/") for row in rows)


def test_folds_keep_recordings_whole_and_hold_every_class(made):
    folds, classes = defaultdict(set), defaultdict(set)
    for row in table(made):
        folds[row["group"]].add(row["fold"])
        classes[row["fold"], row["label"]].add(row["group"])
    assert all(len(of_recording) == 1 for of_recording in folds.values())
    assert len(folds) == 70
    assert set(classes) == {(str(fold), kind) for fold in range(1, 6) for kind in KINDS}
    assert {len(groups) for groups in classes.values()} == {2}


def test_every_file_is_a_sound_wav(made):
    contents = set()
    for row in table(made):
        with wave.open(str(made / row["path"])) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, SAMPLE_RATE)
            assert 1.0 <= file.getnframes() / SAMPLE_RATE <= 2.0
        sound = samples(made / row["path"])
        assert np.abs(sound).max() < 0.91, row
        assert np.sqrt(np.mean(sound**2)) > 0.01, row
        assert abs(sound.mean()) < 0.02, row
        contents.add(sound.tobytes())
    assert len(contents) == CLIPS, "two clips hold identical audio"


def test_the_same_seed_gives_the_same_bytes(made, tmp_path):
    assert files(make_demo(tmp_path / "again")) == files(made)


def test_another_seed_gives_other_sounds(small, tmp_path):
    one, two = files(make_demo(tmp_path / "one", seed=1)), files(make_demo(tmp_path / "two", seed=2))
    assert set(one) == set(two)
    assert not [path for path in one if path.endswith(".wav") and one[path] == two[path]]


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_recording_is_finite_and_loud_at_any_distance_and_length(kind):
    for number, distance in enumerate([0.0, 0.5, 1.0]):
        cut = recording(kind, np.random.default_rng(number), distance)
        for length in (SAMPLE_RATE // 2, SAMPLE_RATE, 2 * SAMPLE_RATE):
            sound = cut(np.random.default_rng(7), length)
            assert sound.shape == (length,)
            assert np.isfinite(sound).all()
            assert np.abs(sound).max() <= 0.9 + 1e-9
            assert np.sqrt(np.mean(sound**2)) > 0.01


def spectrum(sound: np.ndarray) -> np.ndarray:
    """Return the level in dB of 40 bands of equal ratio."""
    power = np.abs(np.fft.rfft(sound, 65_536)) ** 2
    edges = np.geomspace(60, 10_000, 41) / SAMPLE_RATE * 65_536
    bands = [power[int(a) : int(b) + 1].mean() for a, b in pairwise(edges)]
    return 10 * np.log10(np.array(bands) + 1e-12)


@pytest.mark.parametrize("kind", ["engine", "drill", "rain", "siren", "dog_bark"])
def test_clips_of_one_recording_are_nearer_than_other_recordings(kind):
    curves = []
    for number in range(6):
        cut = recording(kind, np.random.default_rng([9, number]))
        both = [unit(cut(np.random.default_rng([number, clip]), 2 * SAMPLE_RATE)) for clip in (1, 2)]
        curves.append([spectrum(sound) for sound in both])
    same = [np.abs(a - b).mean() for a, b in curves]
    other = [np.abs(curves[i][0] - curves[j][1]).mean() for i in range(6) for j in range(6) if i != j]
    assert np.median(same) < 0.75 * np.median(other)


def test_a_flat_filter_changes_nothing():
    sound = np.random.default_rng(0).standard_normal(1000)
    np.testing.assert_allclose(shaped(sound, np.ones(32_769)), sound, atol=1e-12)


def test_progress_counts_every_clip(small, tmp_path):
    seen = []
    make_demo(tmp_path / "demo", progress=lambda done, of: seen.append((done, of)))
    assert seen == [(n, 80) for n in range(1, 81)]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_demo_leaves_nothing(tmp_path, error):
    def stop(done: int, of: int) -> None:
        if done == 5:
            raise error

    with pytest.raises(error):
        make_demo(tmp_path / "deep" / "demo", progress=stop)
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(path: Path, sound: np.ndarray) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(demo, "_write_wav", full)
    with pytest.raises(
        PathError, match=re.escape("demo: No space left on device. Type: earmark demo --out OTHER")
    ):
        make_demo(tmp_path / "demo")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_the_parent_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PathError, match=r"cannot be written to .*Type: earmark demo --out OTHER"):
        make_demo(tmp_path / "file" / "demo")


def test_the_same_demo_is_found_and_not_made_again(small, tmp_path):
    root = make_demo(tmp_path / "demo", seed=3)
    assert json.loads((root / "demo.json").read_text()) == {
        "earmark_demo": DEMO_VERSION,
        "seed": 3,
        "clips": 80,
    }
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert make_demo(root, seed=3, progress=lambda done, of: pytest.fail("made again")) == root
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_an_empty_folder_is_filled(small, tmp_path):
    (tmp_path / "demo").mkdir()
    assert len(table(make_demo(tmp_path / "demo"))) == 80
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_what_is_there_is_never_replaced(small, tmp_path, monkeypatch):
    def refused(root: Path, found: str, seed: int = 0) -> None:
        was = files(root) if root.is_dir() else root.read_bytes()
        wanted = f"the demo (version {DEMO_VERSION}, seed {seed}) needs a new folder"
        with pytest.raises(PathError) as caught:
            make_demo(root, seed)
        assert str(caught.value) == f"{root} {found}; {wanted}. Type: earmark demo --out OTHER"
        assert (files(root) if root.is_dir() else root.read_bytes()) == was

    (tmp_path / "file").write_text("mine")
    refused(tmp_path / "file", "is a file")

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    refused(tmp_path / "mine", "is a folder with 1 other thing in it")
    (tmp_path / "mine" / "demo.json").write_text("[]")
    refused(tmp_path / "mine", "is a folder with 2 other things in it")

    root = make_demo(tmp_path / "demo")
    refused(root, f"holds another demo (version {DEMO_VERSION}, seed 0)", seed=1)
    next(root.glob("audio/*/*.wav")).unlink()
    refused(root, "holds a demo from which files were taken away")

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    refused(Path(), "is the folder that you are in")


def test_two_makers_of_one_demo_agree(small, tmp_path):
    root = tmp_path / "demo"
    started = []

    def overtaken(done: int, of: int) -> None:
        if not started:
            started.append(make_demo(root))

    assert make_demo(root, progress=overtaken) == root
    assert len(table(root)) == 80
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(SettingError, match=re.escape("seed is -1, but it must be 0 or more. Type: --seed 0")):
        make_demo(tmp_path / "demo", seed=-1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_random_split_flatters_itself(made):
    librosa = pytest.importorskip("librosa")
    from sklearn.model_selection import PredefinedSplit, StratifiedKFold, cross_val_predict
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = table(made)
    labels = np.array([row["label"] for row in rows])
    means = [
        librosa.feature.mfcc(y=samples(made / row["path"]).astype(np.float32), sr=SAMPLE_RATE, n_mfcc=40)
        for row in rows
    ]
    X = np.array([mfcc.mean(axis=1) for mfcc in means])
    model = make_pipeline(StandardScaler(), MLPClassifier((100,), max_iter=200, random_state=0))
    whole = PredefinedSplit([int(row["fold"]) for row in rows])
    mixed = StratifiedKFold(5, shuffle=True, random_state=0)
    honest = np.mean(cross_val_predict(model, X, labels, cv=whole) == labels)
    flattering = np.mean(cross_val_predict(model, X, labels, cv=mixed) == labels)
    assert flattering > 0.95
    assert 0.6 < honest < 0.9
    assert flattering - honest > 0.1
