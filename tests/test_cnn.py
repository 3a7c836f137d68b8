"""The convolutional network: what it learns from, what it becomes, killed, shared by processes, and as ONNX."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import cnn_problem
from cnn_problem import BANDS, CLASSES, courses, task
from earmark.errors import MissingExtraError, RunError, SettingError
from earmark.models.cnn import Cnn, CnnNetwork
from earmark.train.cnn import fit_cnn

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'earmark[torch]'")


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    return fit_cnn(courses(epochs=30), task(), tmp_path_factory.mktemp("cnn") / "a.safetensors")


def test_it_learns(fitted):
    net, history = fitted
    made = courses()
    scores = net.logits(made.values)
    assert scores.shape == (36, CLASSES)
    assert scores.dtype == np.float32
    held_out = np.arange(0, 36, 6)
    assert (scores.argmax(1) == made.targets)[held_out].mean() >= 5 / 6
    assert [entry["epoch"] for entry in history] == list(range(1, 31))
    assert history[-1]["loss"] < history[0]["loss"]
    assert set(history[0]) == {"epoch", "loss", "accuracy"}


def reference(settings: Cnn, weights: dict, course: np.ndarray) -> np.ndarray:
    """What PyTorch says of one clip, written down a second time and without the graph."""
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    course = np.maximum(course, course.max() - settings.depth)
    power = np.mean(10 ** (course.astype(np.float64) / 10))
    inputs = (course - np.float32(10 * np.log10(power)) - weights["mean"]) * weights["scale"]
    inputs = np.stack([inputs, inputs - inputs.mean(axis=0)])
    window = int(weights["window"][0])
    if len(course) < window:
        inputs = np.concatenate([inputs] * -(-window // len(course)), axis=1)
    hidden = torch.from_numpy(inputs.astype(np.float32))[None]
    for i, layer in enumerate(settings.layers(window)):
        hidden = torch.conv2d(
            hidden, tensors[f"kernel_{i}"], tensors[f"bias_{i}"], stride=layer.stride, padding=1
        ).relu()
        if layer.pooled:
            hidden = torch.max_pool2d(hidden, 2, ceil_mode=True)
    vector = torch.cat([hidden.mean((2, 3)), hidden.amax((2, 3))], 1)
    return (vector @ tensors["weight"] + tensors["bias"])[0].numpy()


@pytest.mark.parametrize("frames", [1, 2, 3, 15, 16, 17, 33, 250, 2000])
@pytest.mark.parametrize("window", [16, 63, 64])
def test_onnx_is_what_pytorch_computes(fitted, frames, window):
    net = fitted[0]
    net = CnnNetwork(net.settings, {**net.weights, "window": np.array([window], np.float32)})
    rng = np.random.default_rng(frames)
    batch = rng.normal(-50, 15, (2, frames, BANDS)).astype(np.float32)
    session = onnxruntime.InferenceSession(net.to_onnx(), providers=["CPUExecutionProvider"])
    (scores,) = session.run(["logits"], {"features": batch})
    wanted = np.stack([reference(net.settings, net.arrays(), course) for course in batch])
    np.testing.assert_allclose(scores, wanted, atol=1e-4)
    np.testing.assert_allclose(net.logits(list(batch)), wanted, atol=1e-4)


@pytest.mark.parametrize("window", [16, 64])
def test_folded_weights_are_those_that_were_trained(window):
    """The normalisation folded into the convolutions gives what it gives beside them."""
    from earmark.train.cnn import clips, network

    rng = np.random.default_rng(0)
    settings = Cnn(channels=(4, 6), window=window)
    flat = torch.from_numpy(rng.normal(0, 0.3, settings.size(CLASSES)).astype(np.float32))
    statistics = network.Statistics(
        torch.from_numpy(rng.normal(0, 1, 10).astype(np.float32)),
        torch.from_numpy(rng.uniform(0.5, 2, 10).astype(np.float32)),
    )
    mean, scale = (
        rng.normal(-20, 3, BANDS).astype(np.float32),
        rng.uniform(0.05, 0.2, BANDS).astype(np.float32),
    )
    course = rng.normal(-50, 15, (70, BANDS)).astype(np.float32)
    deep = torch.from_numpy(clips.raised(course, settings.depth))
    heard = network.views((network.levelled(deep[None]) - torch.from_numpy(mean)) * torch.from_numpy(scale))
    parameters = network.split(settings, CLASSES, flat)
    beside = network.logits(settings, parameters, heard, window, statistics, None)[0].numpy()
    weights = network.folded(settings, CLASSES, flat, statistics, mean, scale)
    net = CnnNetwork(settings, weights | {"window": np.array([window], np.float32)})
    np.testing.assert_allclose(net.logits([course])[0], beside, atol=1e-4)


def test_clips_of_any_length_in_any_company_score_the_same(fitted):
    net, values = fitted[0], courses().values
    alone = np.concatenate([net.logits([course]) for course in values])
    np.testing.assert_allclose(net.logits(values), alone, atol=1e-5)
    assert net.logits([]).shape == (0, CLASSES)


def test_loudness_does_not_matter_and_silence_has_a_score(fitted):
    net, course = fitted[0], courses().values[0]
    np.testing.assert_allclose(net.logits([course - 12]), net.logits([course]), atol=1e-4)
    assert np.isfinite(net.logits([np.full((7, BANDS), -100, np.float32)])).all()


def test_what_is_far_below_the_loudest_does_not_matter(fitted):
    net, course = fitted[0], courses().values[0]
    at = np.unravel_index(course.argmin(), course.shape)
    course[at] = course.max() - net.settings.depth
    deeper, higher = course.copy(), course.copy()
    deeper[at] -= 30
    higher[at] += 30
    np.testing.assert_allclose(net.logits([deeper]), net.logits([course]), atol=1e-4)
    assert np.abs(net.logits([higher]) - net.logits([course])).max() > 1e-3


def test_short_clips_keep_their_frames():
    made = Cnn(channels=(4, 6), window=128)
    assert [made.layers(window)[0].stride for window in (1, 63, 64, 128)] == [(1, 1)] * 2 + [(2, 1)] * 2
    assert made.layers(20)[1:] == made.layers(128)[1:]
    assert made.shapes(3)["kernel_0"] == (4, 2, 3, 3)


def test_arrays_and_pickles_give_the_network_back(fitted):
    net, course = fitted[0], courses().values[:1]
    wanted = net.logits(course)
    again = CnnNetwork.from_arrays(net.settings, net.arrays())
    assert np.array_equal(again.logits(course), wanted)
    assert np.array_equal(pickle.loads(pickle.dumps(net)).logits(course), wanted)


def test_nothing_but_the_tasks_rows_is_looked_at(tmp_path):
    made, rows = courses(), task()
    values = list(made.values)
    for i in set(range(36)) - set(rows.train.tolist()) - set(rows.validation.tolist()):
        values[i] = np.full((9, BANDS), np.nan, np.float32)
    one, _ = fit_cnn(made, rows, tmp_path / "one")
    other, _ = fit_cnn(replace(made, values=values), rows, tmp_path / "other")
    assert same(one.arrays(), other.arrays())
    # And the same without validation rows apart: both are learnt from, in this order.
    joined = replace(rows, train=np.concatenate([rows.train, rows.validation]), validation=cnn_problem.NONE)
    third, _ = fit_cnn(made, joined, tmp_path / "third")
    assert same(one.arrays(), third.arrays())


def test_seeds_decide_and_the_worlds_random_numbers_are_left_alone(tmp_path):
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, _ = fit_cnn(courses(), task(), tmp_path / "one")
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    torch.manual_seed(2)
    two, _ = fit_cnn(courses(), task(), tmp_path / "two")
    other, _ = fit_cnn(courses(), task(seed=4), tmp_path / "other")
    assert same(one.arrays(), two.arrays())
    assert not same(one.arrays(), other.arrays())


@pytest.mark.parametrize(
    "settings",
    [{"epochs": 2}, {"batch_size": 6}, {"learning_rate": 1e-2}, {"class_weights": "none"}],
    ids=lambda settings: next(iter(settings)),
)
def test_how_it_is_trained_makes_a_difference(settings, tmp_path):
    one, _ = fit_cnn(courses(), task(), tmp_path / "one")
    other, _ = fit_cnn(courses(**settings), task(), tmp_path / "other")
    assert not same(one.arrays(), other.arrays())


def test_clips_that_do_not_fit_in_memory_give_the_same(tmp_path, monkeypatch):
    from earmark.train.cnn import clips

    one, _ = fit_cnn(courses(), task(), tmp_path / "one")
    monkeypatch.setattr(clips, "MOST_BYTES", 0)
    two, _ = fit_cnn(courses(), task(), tmp_path / "two")
    assert same(one.arrays(), two.arrays())


def test_several_labels_a_clip(tmp_path):
    made = courses(n=360, several=True, epochs=20)
    made = replace(made, model=replace(made.model, channels=(8, 16)))
    net, history = fit_cnn(made, task(360), tmp_path / "a")
    held_out = np.arange(0, 360, 6)
    scores, marks = net.logits(made.values)[held_out], made.targets[held_out]
    assert ((scores > 0) == marks).mean() > 0.9
    assert set(history[0]) == {"epoch", "loss"}


def start(path: Path, epochs: int, *more: object, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, cnn_problem.__file__, str(path), str(epochs), *map(str, more)]
    told = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=told)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_and_run_again_gives_the_same(tmp_path):
    def epochs(process: subprocess.Popen[str]) -> list[int]:
        said = process.communicate(timeout=200)[0]
        assert process.returncode == 0
        return [json.loads(line)["epoch"] for line in said.splitlines()]

    whole, _ = fit_cnn(courses(epochs=40), task(), tmp_path / "whole")
    process = start(tmp_path / "cut", 40)
    for _ in range(7):
        assert process.stdout.readline()
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    went_on = epochs(start(tmp_path / "cut", 40, tmp_path / "cut.npz"))
    assert 7 < went_on[0] < 40
    assert went_on == list(range(went_on[0], 41))
    with np.load(tmp_path / "cut.npz") as cut:
        assert same(whole.arrays(), dict(cut))


@pytest.mark.slow
def test_two_processes_do_what_one_does(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def told(process: subprocess.Popen[str]) -> list[dict[str, float]]:
        said = process.communicate(timeout=200)[0]
        assert process.returncode == 0
        return [json.loads(line) for line in said.splitlines()]

    (tmp_path / "b").mkdir()
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    _, one = fit_cnn(courses(epochs=4), task(), tmp_path / "one")
    # Each has a folder of its own, as on two machines.
    first = start(tmp_path / "two", 4, tmp_path / "two.npz", RANK="0", LOCAL_RANK="0", **common)
    second = start(tmp_path / "b" / "two", 4, tmp_path / "second.npz", RANK="1", LOCAL_RANK="1", **common)
    two = told(first)
    assert told(second) == []  # the first one alone tells and writes
    assert not (tmp_path / "b" / "two").exists()
    np.testing.assert_allclose([e["loss"] for e in two], [e["loss"] for e in one], atol=1e-4)
    assert [e["accuracy"] for e in two] == [e["accuracy"] for e in one]
    with np.load(tmp_path / "two.npz") as a, np.load(tmp_path / "second.npz") as b:
        assert same(dict(a), dict(b))


def test_a_checkpoint_of_other_data_is_not_taken_and_a_damaged_one_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    fit_cnn(courses(), task(seed=1), path)
    heard = []
    fit_cnn(courses(), task(seed=2), path, heard.append)
    assert len(heard) == 3
    fit_cnn(courses(), task(seed=2), path, heard.append)
    assert len(heard) == 3  # it was finished
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(RunError, match=re.escape(f"{path}: this checkpoint is damaged (")):
        fit_cnn(courses(), task(seed=2), path)


def test_a_loss_that_is_no_number_ends_the_training(tmp_path):
    made = courses()
    values = [np.full_like(course, np.nan) for course in made.values]
    with pytest.raises(FloatingPointError, match="the loss is nan in epoch 1"):
        fit_cnn(replace(made, values=values), task(), tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_without_pytorch_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError) as raised:
        fit_cnn(courses(), task(), tmp_path / "a")
    assert str(raised.value) == (
        "Training a cnn needs the package 'torch', which is not installed. Type: pip install 'earmark[torch]'"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"channels": ()}, "channels is [], but must be 1 to 12 numbers from 1 to 4096"),
        ({"channels": (8, 0)}, "channels is [8, 0], but must be 1 to 12 numbers from 1 to 4096"),
        ({"window": 0}, "window is 0, but must be from 1 to 100000"),
        ({"depth": float("nan")}, "depth is nan, but must be from 1 to 200"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0, but must be from 0 to 10"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0, but must be from 0 to below 1"),
        ({"mixup": 1.5}, "mixup is 1.5, but must be from 0 to 1"),
        ({"background": float("nan")}, "background is nan, but must be from 0 to 1"),
        ({"band_limit": 2.0}, "band_limit is 2.0, but must be from 0 to 1"),
        ({"equalizer": 41.0}, "equalizer is 41.0, but must be from 0 to 40"),
        ({"mask": 0.6}, "mask is 0.6, but must be from 0 to 0.5"),
        ({"device": "gpu"}, "device is 'gpu', but must be 'auto', 'cuda', 'mps' or 'cpu'"),
        ({"average": 1.0}, "average is 1.0, but must be from 0 to below 1"),
    ],
)
def test_settings_are_refused_in_words(values, message):
    with pytest.raises(SettingError) as raised:
        Cnn(**values)
    assert str(raised.value) == f"[model] {message}."


def test_devices_are_refused_in_words(tmp_path, monkeypatch):
    made = courses()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(SettingError) as raised:
        fit_cnn(replace(made, model=replace(made.model, device="cuda")), task(), tmp_path / "a")
    assert str(raised.value) == "[model] device is 'cuda', but PyTorch finds none here. Take 'auto' or 'cpu'."


def test_ranks_are_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "two")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(SettingError) as raised:
        fit_cnn(courses(), task(), tmp_path / "a")
    assert str(raised.value) == (
        "The environment says RANK=0, WORLD_SIZE=two, MASTER_ADDR=, MASTER_PORT=, but WORLD_SIZE and RANK must be"
        " whole numbers. Start the processes with torchrun."
    )


def test_the_line_trains_it_and_goes_on_with_what_was_begun(tmp_path, monkeypatch):
    """`earmark.train.fit`: in processes and in this one the same, and a begun network is gone on with."""
    from earmark.train import fit

    made, both = courses(), [task(seed=1), task(seed=2)]
    monkeypatch.setenv("EARMARK_CHECKPOINT_SECONDS", "0")

    class PowerCutError(Exception):
        pass

    def cut(position: int, entry: dict[str, float]) -> None:
        if entry["epoch"] == 2:
            raise PowerCutError

    heard = []
    whole = fit(made, both, tmp_path / "whole", processes=2)
    with pytest.raises(PowerCutError):
        fit(made, both, tmp_path / "cut", cut, processes=1)
    resumed = fit(
        made, both, tmp_path / "cut", lambda i, entry: heard.append((i, entry["epoch"])), processes=1
    )
    assert heard == [(0, 3), (1, 1), (1, 2), (1, 3)]
    assert {path.name for path in (tmp_path / "cut").iterdir()} == {
        "network-0.safetensors", "network-1.safetensors",
    }  # fmt: skip
    for a, b in zip(whole, resumed, strict=True):
        assert same(a.network.arrays(), b.network.arrays())
        assert a.history == b.history
        assert a.best_epoch == 3


def test_deterministic_puts_pytorchs_switches_back(tmp_path):
    made = courses()
    made = replace(made, model=replace(made.model, deterministic=True))
    seen = []
    fit_cnn(made, task(), tmp_path / "a", lambda _: seen.append(torch.are_deterministic_algorithms_enabled()))
    assert all(seen)
    assert not torch.are_deterministic_algorithms_enabled()
