"""Pretrained encoders: YAMNet against its definition and its own runtime; the cache, the bundle and files that lie."""

from __future__ import annotations

import json
import re
import shutil
import struct
import warnings
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from earmark.bundle import Bundle, Member, read_bundle, write_bundle
from earmark.encoders import ENCODERS, Session, get, keep, note_of, session, weights
from earmark.encoders.convert import _pads, yamnet_to_onnx
from earmark.encoders.graph import embedding_graph
from earmark.encoders.patches import log_mel_patches
from earmark.encoders.tflite import DEPTHWISE_CONV_2D, MEAN, read_tflite
from earmark.errors import BundleFormatError, FetchError, PathError, SettingError, WeightsError
from earmark.extract import extract
from earmark.features import Encoder, feature_from_dict, feature_to_dict, resolved, weights_of
from earmark.fetch import fetch_encoder
from earmark.files import hold
from earmark.models import Linear, Network
from earmark.predict import Predictor, with_golden
from earmark.readers import read
from earmark.store import Store
from earmark.types import Waveform
from tiny_encoder import model, ready, small_yamnet, steps, write

OWN = {"encoder": "own", "sample_rate": 8_000, "window": 0.1}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty folder for weights, and a process that knows none."""
    monkeypatch.setenv("EARMARK_ENCODERS", str(tmp_path / "encoders"))
    monkeypatch.setattr(weights, "_memory", {})
    session._sessions.clear()
    return tmp_path / "encoders"


def refused(call, *arguments, error=WeightsError, **options) -> str:
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    return str(caught.value)


# The registry


@pytest.mark.parametrize("entry", ENCODERS.values(), ids=lambda e: e.name)
def test_every_entry_has_all_facts(entry):
    assert ENCODERS[entry.name] is entry
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", entry.name)
    assert 8_000 <= entry.sample_rate <= 48_000
    assert 0 < entry.hop <= entry.window <= 30
    assert (entry.window * entry.sample_rate).is_integer()
    assert entry.size > 0
    assert entry.licence in ("Apache 2.0", "MIT", "BSD 3-Clause")
    for address in (entry.licence_url, entry.homepage, *([entry.url] if entry.url else [])):
        assert address.startswith("https://")
    assert entry.title
    assert entry.citation
    if entry.checksum is not None:
        assert re.fullmatch("sha256:[0-9a-f]{64}", entry.checksum)
        assert entry.bytes
    if entry.url is None:
        assert entry.note.endswith("."), "say how to come by the file"
        assert not entry.tried
    assert Encoder(encoder=entry.name, pooled="none").dims == entry.size


def test_only_what_was_tried_is_called_tried():
    assert [entry.name for entry in ENCODERS.values() if entry.tried] == ["yamnet"]


# YAMNet's front end and its network


def their_patches(samples):
    """The definition, frame by frame in double precision."""

    def mel(hz):
        return 1127.0 * np.log(1.0 + hz / 700.0)

    bins = mel(np.arange(257) * 16_000 / 512)
    edges = np.linspace(mel(125.0), mel(7_500.0), 66)
    filters = np.zeros((257, 64))
    for band in range(64):
        low, middle, high = edges[band : band + 3]
        for i in range(1, 257):  # not what is constant
            filters[i, band] = max(
                0, min((bins[i] - low) / (middle - low), (high - bins[i]) / (high - middle))
            )
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = [
        np.log(np.abs(np.fft.rfft(samples[at : at + 400] * window, 512)) @ filters + 0.001)
        for at in range(0, len(samples) - 399, 160)
    ]
    return np.stack([frames[at : at + 96] for at in range(0, len(frames) - 95, 48)])


@pytest.mark.parametrize("windows", [1, 2, 5])
def test_patches_are_as_defined(windows):
    rng = np.random.default_rng(0)
    n = 15_600 + 7_680 * (windows - 1)
    samples = (rng.standard_normal(n) * np.linspace(0, 0.3, n)).astype(np.float32)
    patches = log_mel_patches(samples)
    assert patches.shape == (windows, 96, 64)
    assert np.abs(patches - their_patches(samples.astype(np.float64))).max() < 1e-3
    assert np.array_equal(
        log_mel_patches(np.zeros(n, np.float32)), np.full_like(patches, np.log(np.float32(0.001)))
    )


def convolved(values, graph, step):
    """One step of a TensorFlow Lite graph in NumPy, with its weights as fractions."""
    kernel, bias = graph.tensors[step.inputs[1]], graph.tensors[step.inputs[2]].values
    weight = kernel.values.astype(np.float64)
    if len(kernel.scale):
        shape = [1] * 4
        shape[kernel.axis] = -1
        weight *= kernel.scale.reshape(shape)
    deep = step.code == DEPTHWISE_CONV_2D
    strides = step.options.number(2), step.options.number(1)
    took, gave = graph.tensors[step.inputs[0]].shape, graph.tensors[step.outputs[0]].shape
    top, left, bottom, right = _pads(step.options, took[1:3], gave[1:3], kernel.shape[1:3], strides)
    padded = np.pad(values, ((0, 0), (top, bottom), (left, right), (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[1:3], axis=(1, 2))
    views = views[:, :: strides[0], :: strides[1]]
    how = "nhwcij,ijc->nhwc" if deep else "nhwcij,oijc->nhwo"
    return np.maximum(np.einsum(how, views, weight[0] if deep else weight, optimize=True) + bias, 0)


def patches_of_noise(n=2):
    rng = np.random.default_rng(3)
    return log_mel_patches((0.2 * rng.standard_normal(15_600 + 7_680 * (n - 1))).astype(np.float32))


def test_the_converted_network_is_the_network(yamnet_file):
    data = yamnet_file.read_bytes()
    graph, patches = read_tflite(data), patches_of_noise()
    values = patches[..., None].astype(np.float64)
    for step in graph.operators:
        if step.code == MEAN:
            break
        if step.options is not None and step.code in (3, 4):
            values = convolved(values, graph, step)
    found = Session(yamnet_to_onnx(data), (96, 64), 1024).run(patches)
    assert np.abs(found).max() > 1
    assert np.abs(found - values.mean(axis=(1, 2))).max() < 1e-3


def test_every_step_is_what_its_own_runtime_computes(yamnet_file):
    """The runtime rounds what goes into a layer of whole numbers to 8 bits; with that rounding we are it."""
    lite = pytest.importorskip("ai_edge_litert.interpreter")
    how = {"experimental_op_resolver_type": lite.OpResolverType.BUILTIN_REF}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # keeping all tensors is for debugging, it says
        runtime = lite.Interpreter(str(yamnet_file), experimental_preserve_all_tensors=True, **how)
    runtime.allocate_tensors()
    rng = np.random.default_rng(1)
    runtime.set_tensor(0, rng.uniform(-0.5, 0.5, 15_600).astype(np.float32))
    runtime.invoke()
    graph = read_tflite(yamnet_file.read_bytes())
    steps_seen = 0
    for step in graph.operators:
        if step.code not in (3, 4):
            continue
        took, gave = (runtime.get_tensor(i).astype(np.float64) for i in (step.inputs[0], step.outputs[0]))
        if graph.tensors[step.inputs[1]].values.dtype == np.int8:
            low, high = min(took.min(), 0), max(took.max(), 0)
            scale = (high - low) / 255
            zero = np.round(-128 - low / scale)
            took = (np.clip(np.round(took / scale) + zero, -128, 127) - zero) * scale
        assert np.abs(convolved(took, graph, step) - gave).max() < 1e-3
        steps_seen += 1
    assert steps_seen == 27


def test_a_damaged_tflite_file_is_refused(yamnet_file):
    data = yamnet_file.read_bytes()
    rng = np.random.default_rng(0)
    for cut in (8, 100, 5_000, len(data) // 2):
        assert refused(yamnet_to_onnx, data[:cut]).startswith(
            ("The TensorFlow Lite file is", "This TensorFlow")
        )
    for _ in range(60):
        broken = bytearray(data)
        for at in rng.integers(0, 4_000, 20):
            broken[len(broken) - 1 - int(at)] ^= int(rng.integers(1, 256))
        try:
            yamnet_to_onnx(bytes(broken))
        except WeightsError:
            continue


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_tflite_file_or_refused(rest):
    try:
        read_tflite(struct.pack("<I", 8) + b"TFL3" + rest)
    except WeightsError:  # and nothing else
        return


# The feature


def test_the_windows_are_those_of_the_authors():
    ready(Encoder())
    feature = ready(Encoder(pooled="none"))
    for length, windows in ((1, 1), (15_600, 1), (15_601, 2), (23_280, 2), (23_281, 3), (64_000, 8)):
        course = feature.extract(Waveform(np.ones(length, np.float32), 16_000))
        assert course.shape == (windows, 1024), length


def test_pooling():
    sound = Waveform(np.random.default_rng(0).uniform(-1, 1, 40_000).astype(np.float32), 16_000)
    course = ready(Encoder(pooled="none")).extract(sound)
    whole = ready(Encoder(pooled="mean+max+sd")).extract(sound)
    assert np.array_equal(ready(Encoder(pooled="mean")).extract(sound), course.mean(axis=0))
    assert np.array_equal(
        whole, np.concatenate([course.mean(axis=0), course.max(axis=0), course.std(axis=0)])
    )


def test_long_and_short_are_alike():
    """A window's embedding does not depend on how many others there are."""
    feature = ready(Encoder(pooled="none"))
    samples = np.random.default_rng(0).uniform(-1, 1, 15_600 + 7_680 * 40).astype(np.float32)
    course = feature.extract(Waveform(samples, 16_000))
    alone = feature.extract(Waveform(samples[7_680 * 33 : 7_680 * 33 + 15_600], 16_000))
    assert np.allclose(course[33], alone[0], rtol=1e-5, atol=1e-5)


def test_an_encoder_of_ones_own(cache):
    keep("own", embedding_graph(steps(), "pooled"), {})
    feature = resolved(Encoder(**OWN, hop=0.05, pooled="none"))
    assert (feature.size, feature.dims, feature.front_end) == (4, 4, "waveform")
    samples = np.random.default_rng(0).uniform(-1, 1, 2_000).astype(np.float32)
    course = feature.extract(Waveform(samples, 8_000))
    assert course.shape == (4, 4)
    again = feature.extract(Waveform(samples[400:1_200], 8_000))
    assert np.allclose(course[1], again[0], atol=1e-6)
    assert feature_from_dict(json.loads(json.dumps(feature_to_dict(feature)))) == feature


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"encoder": "own"}, "needs the sample rate and the window that it was trained with"),
        ({**OWN, "window": 1e9}, "[feature] window is 1000000000.0, but must be from 0.01 to 120."),
        ({**OWN, "hop": 0.2}, "[feature] hop is 0.2, but must be from 0.01 to the window (0.1)."),
        ({**OWN, "sample_rate": 10}, "[feature] sample_rate is 10, but must be from 1000 to 768000."),
        ({**OWN, "size": -1}, "[feature] size is -1, but must be 0 or more."),
        (
            {**OWN, "front_end": "yamnet"},
            "[feature] front_end is 'yamnet', but one's own encoder takes 'waveform'.",
        ),
        ({"sample_rate": 8_000}, "[feature] sample_rate is 8000, but yamnet has 16000."),
        ({"channel": 0}, "[feature] channel is 0, but must be 'mean', 'first', or a number from 1."),
        ({"resampler": "best"}, "[feature] resampler is 'best', but must be 'soxr_hq' or 'kaiser_fast'."),
    ],
)
def test_settings_that_do_not_fit(given, says):
    assert says in refused(Encoder, error=SettingError, **given)


def test_an_encoder_that_nobody_knows():
    said = refused(feature_from_dict, {"name": "encoder", "encoder": "yamnt"}, error=Exception)
    assert said.startswith("No encoder is called 'yamnt'. There are: ")
    assert said.endswith("Did you mean 'yamnet'?")


def test_without_weights_it_says_what_to_type(cache):
    assert refused(resolved, Encoder()) == (
        "The weights of the encoder 'yamnet' are not on this machine. Type: earmark fetch encoder:yamnet"
    )
    assert refused(resolved, Encoder(**OWN)).endswith("Type: earmark fetch encoder:own --weights FILE.onnx")
    missing = Encoder(sha256="0" * 64)
    assert "000000000000… are not on this machine" in refused(
        missing.extract, Waveform(np.ones(9, np.float32), 16_000)
    )
    assert refused(weights_of, [Encoder(sha256="../../x")]).startswith("'../../x' is no SHA-256")


# Weights


def test_weights_are_kept_by_their_hash(cache):
    data = small_yamnet()
    sha256 = keep("yamnet", data, {"origin": "here"})
    assert note_of("yamnet")["sha256"] == sha256
    assert sorted(p.name for p in cache.iterdir()) == sorted([f"{sha256}.onnx", "yamnet.json"])
    weights._memory.clear()
    assert get(sha256) == data
    weights._memory.clear()
    (cache / f"{sha256}.onnx").write_bytes(data[:-1] + b"x")
    assert "have changed since they were kept" in refused(get, sha256)
    keep("yamnet", data, {})
    assert (cache / f"{sha256}.onnx").read_bytes() == data


def test_a_folder_that_is_a_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_ENCODERS", str(write(tmp_path / "file", b"")))
    said = refused(keep, "yamnet", small_yamnet(), {}, error=PathError)
    assert said == f"EARMARK_ENCODERS is {tmp_path}/file, which is a file. Give it the name of a folder."


def test_workers_get_the_weights_with_their_work(cache, tmp_path, write_wav):
    """The machine that works may have none: they travel with the work."""
    for name in ("a/1.wav", "a/2.wav", "b/1.wav", "b/2.wav"):
        write_wav(tmp_path / "data" / name, np.random.default_rng(1).uniform(-1, 1, 8_000), 16_000)
    feature = ready(Encoder(pooled="mean+max+sd"))
    shutil.rmtree(cache)
    table = extract(read(tmp_path / "data"), feature, store=Store(tmp_path / "store"))
    assert table.values.shape == (4, 3072)
    assert table.skipped == ()


def test_other_weights_are_other_features(cache, tmp_path):
    store = Store(tmp_path / "store")
    keys = {store.shelf(ready(Encoder(), seed)).key for seed in (0, 1)}
    assert len(keys) == 2


# Files that lie


def loop_free(nodes, shape=("n", 800), outputs=(("embedding", ["n", 4]),), extra=()):
    return model(nodes, [("sound", list(shape)), *extra], list(outputs), {"one": np.ones(1, np.float32)})


def test_a_network_must_fit_its_windows():
    data = embedding_graph(steps(), "pooled")
    assert "takes windows of shape [800], but these settings give [900]" in refused(Session, data, (900,))
    assert refused(Session, data, (800,), 5) == "The encoder's network gives vectors of 4, where 5 belong."
    assert refused(Session, b"no onnx", (800,)).startswith("The encoder's network cannot be loaded: ")
    identity = [helper.make_node("Identity", ["sound"], ["embedding"])]
    three = loop_free(identity, ("n", "a", "b"), [("embedding", None)])
    assert "takes windows of shape" in refused(Session, three, (800,))
    two = loop_free(identity, outputs=[("embedding", None)], extra=[("more", ["n"])])
    assert "has 2 inputs and 1 outputs" in refused(Session, two, (800,))
    scalar = loop_free(
        [helper.make_node("ReduceSum", ["sound"], ["embedding"], keepdims=0)], outputs=[("embedding", None)]
    )
    assert "gives [] for 1 windows, but must give one vector a window" in refused(Session, scalar, (800,))
    nothing = loop_free([helper.make_node("Log", ["sound"], ["embedding"])], outputs=[("embedding", None)])
    assert "not finite" in refused(Session, nothing, (800,))


def test_a_network_of_one_window_at_a_time():
    nodes = [helper.make_node("Mul", ["sound", "one"], ["embedding"])]
    windows = np.random.default_rng(0).uniform(size=(5, 8)).astype(np.float32)
    for shape in ((1, 8), (8,)):
        data = loop_free(nodes, shape, [("embedding", None)])
        assert np.array_equal(Session(data, (8,)).run(windows), windows)


def external(data: bytes) -> bytes:
    made = onnx.load_model_from_string(data)
    tensor = made.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    tensor.ClearField("raw_data")
    return made.SerializeToString()


def test_weights_in_other_files_are_refused():
    assert refused(Session, external(small_yamnet()), (96, 64)).startswith(
        "The encoder's network refers to files"
    )
    said = refused(embedding_graph, external(steps()), "pooled")
    assert said == "The ONNX file has its weights in other files. Export it as one file."


def test_files_that_are_too_large_are_refused(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "MOST_BYTES", 100)
    assert "larger than they may be" in refused(Session, small_yamnet(), (96, 64))


@pytest.mark.parametrize("opset", [17, 18])
def test_an_inner_tensor_becomes_the_output(opset):
    data = steps(opset=opset)
    pooled = Session(embedding_graph(data, "pooled"), (800,))
    frames = Session(embedding_graph(data, "hidden"), (800,))  # of which the mean is taken
    windows = np.random.default_rng(0).uniform(-1, 1, (3, 800)).astype(np.float32)
    assert (pooled.size, Session(embedding_graph(data), (800,)).size) == (4, 3)
    assert np.allclose(frames.run(windows), pooled.run(windows), atol=1e-6)
    small = onnx.load_model_from_string(embedding_graph(data, "pooled"))
    assert "head" not in {tensor.name for tensor in small.graph.initializer}
    assert [value.name for value in small.graph.input] == ["sound"]
    assert embedding_graph(data, "pooled") == embedding_graph(data, "pooled")


def test_what_is_no_embedding_is_told():
    said = refused(embedding_graph, steps(), "poled")
    assert said.startswith(
        "The ONNX file has no tensor 'poled'. Its outputs and last tensors: logits, frames, "
    )
    assert said.endswith("Did you mean 'pooled'?")
    assert refused(embedding_graph, b"\x00\x01 nothing") == "This is no ONNX file, or only part of one."
    assert refused(embedding_graph, b"") == "This is no ONNX file, or only part of one."
    nodes = [helper.make_node("Identity", ["one"], ["embedding"])]
    assert refused(embedding_graph, loop_free(nodes), "embedding").endswith("does not depend on the sound.")
    nodes = [helper.make_node("Add", ["sound", "more"], ["a"]), helper.make_node("Neg", ["a"], ["b"])]
    two = loop_free(nodes, outputs=[("a", None), ("b", None)], extra=[("more", ["n", 800])])
    assert refused(embedding_graph, two).endswith(
        "takes one input, the sound, but this ONNX file has: sound, more."
    )
    nodes = [helper.make_node("Neg", ["sound"], ["a"]), helper.make_node("Neg", ["a"], ["b"])]
    one = loop_free(nodes, outputs=[("a", None), ("b", None)])
    assert refused(embedding_graph, one) == (
        "Which of the outputs is the embedding? This ONNX file has: a, b. Type: --output NAME"
    )


# The bundle


@pytest.fixture
def bundle(cache):
    feature = ready(Encoder(pooled="mean+max+sd"))
    shape = Linear().shape(feature.dims, 2)
    flat = np.random.default_rng(0).standard_normal(shape.size).astype(np.float32) / 100
    net = Network(shape, flat, np.zeros(feature.dims, np.float32), np.ones(feature.dims, np.float32))
    return with_golden(Bundle(("a", "b"), (Member(feature, {"name": "linear"}, net.to_onnx()),)))


def test_the_bundle_brings_its_encoder(bundle, cache, tmp_path, monkeypatch):
    path = tmp_path / "m.earmark"
    write_bundle(path, bundle)
    sound = Waveform(np.random.default_rng(0).uniform(-1, 1, 30_000).astype(np.float32), 16_000)
    expected = Predictor(bundle).score_waveform(sound)
    shutil.rmtree(cache)
    monkeypatch.setattr(weights, "_memory", {})
    session._sessions.clear()
    predictor = Predictor.open(path)
    assert np.allclose(predictor.score_waveform(sound), expected, atol=1e-6)
    assert not cache.exists(), "what predicts leaves nothing behind"
    write_bundle(tmp_path / "again.earmark", predictor.bundle)
    assert (tmp_path / "again.earmark").read_bytes() == path.read_bytes()


def test_an_encoder_that_is_not_the_named_one_is_refused(bundle, tmp_path):
    path = tmp_path / "m.earmark"
    for wrong in (small_yamnet(1), None):
        lying = replace(bundle, encoders=(small_yamnet(1),))
        if wrong is None:
            object.__setattr__(lying, "encoders", ())
        write_bundle(path, lying)
        said = refused(read_bundle, path, error=BundleFormatError)
        assert said == f"{path}: its encoders are not those that its settings name."


# The command


def test_fetch_takes_a_file_and_the_rest_is_offline(cache, tmp_path):
    data = steps()
    file = write(tmp_path / "mine.onnx", data)
    got = fetch_encoder("own", weights=str(file), output="pooled")
    assert (got.there, got.checked) == (False, False)
    assert got.sha256 == note_of("own")["sha256"]
    again = fetch_encoder("own")
    assert again == replace(got, there=True)


def test_fetch_refuses_what_is_another_encoder(cache, tmp_path):
    file = write(tmp_path / "mine.onnx", steps())
    assert "takes windows of shape [n, 800], but these settings give [96, 64]" in refused(
        fetch_encoder, "yamnet", weights=str(file), output="pooled"
    )
    lite = write(tmp_path / "mine.tflite", b"\0\0\0\0TFL3" + bytes(50))
    assert refused(fetch_encoder, "own", weights=str(lite)).startswith(
        f"{lite} is a TensorFlow Lite file, which"
    )
    assert refused(fetch_encoder, "yamnet", weights=str(lite)).startswith("Th")
    wrong = f"sha256:{'0' * 64}"
    assert f"but {wrong} is expected" in refused(fetch_encoder, "own", weights=str(file), against=wrong)
    assert not cache.exists() or not list(cache.glob("*.onnx"))


def test_the_command_line_from_weights_to_answers(earmark, tone_set, tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_ENCODERS", str(tmp_path / "cache"))
    file = write(tmp_path / "mine.onnx", steps())
    told = earmark(
        "train", tone_set, "--pattern", "{label}_{group}_{take}.wav", "--feature", "encoder", code=1
    )
    assert "Type: earmark fetch encoder:yamnet" in told.stderr
    own = ["--feature", "encoder", "--set", "feature.encoder=own", "--set", "feature.sample_rate=8000"]
    own += ["--set", "feature.window=0.1", "--model", "linear"]
    done = earmark("fetch", "encoder:own", "--weights", file, "--output", "pooled")
    assert "encoder:own is here: " in done.stdout
    assert "encoder:own is here already: " in earmark("fetch", "encoder:own").stdout
    bundle = tmp_path / "m.earmark"
    where = ["--pattern", "{label}_{group}_{take}.wav", "--runs", tmp_path / "runs"]
    earmark("train", tone_set, *where, *own, "-o", bundle)
    shutil.rmtree(tmp_path / "cache")
    sounds = sorted(tone_set.glob("*.wav"))[:12]
    answers = json.loads(earmark("predict", bundle, *sounds, "--format", "json").stdout)
    assert len(answers) == 12
    listed = json.loads(earmark("fetch", "--json").stdout)
    assert {e["name"] for e in listed["encoders"]} == {f"encoder:{name}" for name in ENCODERS}
    assert not any(e["there"] for e in listed["encoders"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["encoder:yamnt"], "No encoder is called 'yamnt'."),
        (["encoder:yamnet", "DEST"], "encoder:yamnet goes into a folder of its own: leave out DEST."),
        (["fsdd", "DEST", "--weights", "a.onnx"], "--weights and --output are for an encoder."),
        (["encoder:own", "--weights", "a.onnx"], "There is no file of weights at a.onnx."),
        (["encoder:own", "--weights", "a.onnx", "--mirror", "b"], "--weights takes a file that is here"),
    ],
)
def test_the_command_line_says_what_is_wrong(arguments, says, earmark, tmp_path):
    done = earmark("fetch", *arguments, cwd=tmp_path, code=2)
    assert done.stderr.startswith("Error: " + says) or says in done.stderr


def test_two_fetches_of_one_encoder_do_not_share_a_part(tmp_path, monkeypatch):
    monkeypatch.setenv("EARMARK_ENCODERS", str(tmp_path))
    (name,) = [name for name, entry in ENCODERS.items() if entry.url][:1]
    entry = ENCODERS[name]
    with (tmp_path / f"{name}.{entry.form}.part.lock").open("ab") as other:
        hold(other)
        with pytest.raises(FetchError) as caught:
            fetch_encoder(name, mirror="http://127.0.0.1:9/file")
    assert str(caught.value) == f"Another earmark fetch is getting encoder:{name}. Let it finish, or end it."
