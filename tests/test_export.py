"""A model in other forms: each front end and each kind of decision as a graph, what is refused, and the command."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio import decode
from earmark.audio.resample import resample
from earmark.bundle import Bundle, read_bundle, write_bundle
from earmark.decide import Decision
from earmark.encoders import remember
from earmark.errors import ExportError, UnknownNameError
from earmark.export import EXPORTERS, Source, known
from earmark.export import onnx as onnx_file
from earmark.export.fronts import FRONT_ENDS, alone
from earmark.export.graph import SoundGraph
from earmark.export.mlflow import MODEL
from earmark.export.onnx import onnx_of, runner
from earmark.export.quantize import in_8_bits, quantize
from earmark.export.served import Served
from earmark.export.spectrum import bins, factors
from earmark.export.trial import sounds
from earmark.features import FEATURES, Encoder, LogMel, Mfcc, Stats
from earmark.features.landmarks import Marks
from earmark.models.network import OPSET
from earmark.predict import Predictor, with_golden
from earmark.types import Waveform
from export_models import bundle as bundle_of
from export_models import network, operators, waveforms, yamnet
from tiny_encoder import steps

RATE = 8_000
SMALL = {"sample_rate": RATE, "n_fft": 256, "hop_length": 100, "n_mels": 24}
EVERY_STATISTIC = ("mean", "std", "delta_mean", "delta_std")


def own_encoder() -> Encoder:
    """An encoder of waveforms, as a user brings one: 0.1 s at 8 kHz, new windows every 0.07 s."""
    weights = remember(steps_to_embedding())
    return Encoder("own", weights, sample_rate=RATE, window=0.1, hop=0.07, size=3)


def steps_to_embedding() -> bytes:
    return steps(length=800)


def features():
    yield Mfcc(**SMALL, n_mfcc=12)
    yield Mfcc(**SMALL, n_mfcc=12, statistics=EVERY_STATISTIC)
    yield Mfcc(**SMALL, n_mfcc=5, statistics=())
    yield Mfcc(
        sample_rate=RATE, n_fft=250, hop_length=97, n_mels=20, n_mfcc=20, fmin=300, fmax=3_000, top_db=40
    )
    yield LogMel(**SMALL)
    yield LogMel(sample_rate=RATE, n_fft=62, hop_length=62, n_mels=8)  # twice a prime
    yield Stats(**SMALL, n_mfcc=8)
    yield Stats(**SMALL, n_mfcc=8, version=1)
    yield Stats(sample_rate=RATE, n_fft=1024, hop_length=256, n_mels=10, n_mfcc=4)
    yield yamnet()
    yield yamnet(pooled="mean")
    yield yamnet(pooled="mean+max+sd")
    yield own_encoder()


# Front ends


def test_every_feature_has_a_front_end():
    assert FRONT_ENDS.keys() == FEATURES.keys()
    assert {feature.name for feature in features()} == FEATURES.keys()


@pytest.mark.parametrize("feature", list(features()), ids=str)
def test_a_front_end_hears_what_the_feature_hears(feature):
    graph, rate = runner(alone(feature)), feature.sample_rate
    noise = feature.extract(Waveform(waveforms(rate)["noise"], rate))
    usual = 1 + np.abs(noise).mean(axis=tuple(range(noise.ndim - 1)))
    for name, samples in waveforms(rate).items():
        wanted = feature.extract(Waveform(samples, rate))
        (found,) = graph(samples[None])
        assert found.shape == wanted.shape, name
        off = np.abs(found - wanted)
        if feature.storage == "float16":  # by rounding a value may be the one beside it, one step of 2⁻⁴
            assert off.max() <= 2**-4, name
            assert (off > 1e-3).mean() < 2e-3, name
        else:
            assert (off / usual).max() < 1e-3, name


@pytest.mark.parametrize(
    "feature", [Mfcc(**SMALL, n_mfcc=12), Stats(**SMALL, n_mfcc=8), own_encoder()], ids=str
)
def test_sounds_in_a_batch_do_not_hear_each_other(feature):
    graph = runner(alone(feature))
    some = [samples for samples in waveforms(RATE).values() if len(samples) == 2 * RATE]
    together = graph(np.stack(some))
    for own, samples in zip(together, some, strict=True):
        np.testing.assert_allclose(own, graph(samples[None])[0], rtol=1e-5, atol=1e-4)


@given(st.integers(1, 3000), st.integers(16, 200), st.integers(1, 200))
@settings(max_examples=25, deadline=None)
def test_any_length_has_the_frames_that_it_has(length, half, hop):
    n_fft = 2 * half
    feature = LogMel(sample_rate=RATE, n_fft=n_fft, hop_length=min(hop, n_fft), n_mels=4)
    samples = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    found = runner(alone(feature))(samples[None])[0]
    np.testing.assert_allclose(found, feature.extract(Waveform(samples, RATE)), atol=0.07)


@given(st.integers(8, 3000))
def test_the_transform_has_every_bin_once(half):
    n_fft = 2 * half
    p, q = factors(n_fft)
    order = bins(n_fft)
    assert p * q == n_fft
    assert sorted(order[order >= 0].tolist()) == list(range(n_fft // 2 + 1))


def test_an_hour_of_sound_keeps_its_means():
    # A sum of single numbers, one after the other, would be off by whole dB.
    feature = Mfcc(sample_rate=1_000, n_fft=16, hop_length=16, n_mels=2, n_mfcc=2, statistics=EVERY_STATISTIC)
    samples = np.random.default_rng(0).standard_normal(3_600_000).astype(np.float32)
    found = runner(alone(feature))(samples[None])[0]
    np.testing.assert_allclose(found, feature.extract(Waveform(samples, 1_000)), rtol=1e-4, atol=1e-4)


# Decisions


def bundle(*members, several=False, temperature=1.0) -> Bundle:
    over = "windows of several" if several else "windows of one"
    made = []
    for i, (feature, *share) in enumerate(members):
        dense = network(feature, seed=i)
        made.append((feature, dense.graph(over) if feature.course else dense.to_onnx(), *share))
    return bundle_of(*made, several=several, temperature=temperature)


def source(tmp_path, made) -> Source:
    write_bundle(tmp_path / "m.earmark", made)
    return Source.read(tmp_path / "m.earmark")


@pytest.fixture
def plain(tmp_path) -> Source:
    return source(tmp_path, bundle((Mfcc(**SMALL, n_mfcc=12),)))


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("temperature", [0.2, 1.0, 7.0])
@pytest.mark.parametrize("heard", ["vectors", "windows", "blend"])
def test_the_probabilities_are_the_models(heard, temperature, several, tmp_path):
    mfcc = Mfcc(**SMALL, n_mfcc=12)
    members = {
        "vectors": [(Stats(**SMALL, n_mfcc=8),)],
        "windows": [(own_encoder(),)],
        "blend": [(mfcc, 0.7, 1.4), (own_encoder(), 0.05, 0.3), (mfcc, 0.25, 1.0)],
    }[heard]
    made = source(tmp_path, bundle(*members, several=several, temperature=temperature))
    written = EXPORTERS["onnx"].write(made, tmp_path / "m.onnx")
    assert written.difference <= 2e-5
    graph, predictor = runner((tmp_path / "m.onnx").read_bytes()), Predictor(made.bundle)
    for samples in waveforms(RATE).values():
        wanted = predictor.score_waveform(Waveform(samples, RATE))
        np.testing.assert_allclose(graph(samples[None])[0], wanted, atol=1e-4)


def test_rungs_that_hear_the_same_share_it(tmp_path):
    one = bundle((Stats(),))
    two = bundle((Stats(), 0.5, 1.0), (Mfcc(), 0.5, 1.0))
    sizes = [len(onnx_of(source(tmp_path, made))) for made in (one, two)]
    assert sizes[1] < 1.1 * sizes[0]


def test_sounds_that_it_is_tried_with(plain):
    lengths = [len(samples) / RATE for samples in sounds(plain.bundle)]
    assert (min(lengths), max(lengths)) == (0.1, 60.0)
    assert any(not samples.any() for samples in sounds(plain.bundle))


# What stands in the file


def test_the_file_says_what_it_is(plain, tmp_path):
    written = EXPORTERS["onnx"].write(plain, tmp_path / "m.onnx")
    model = onnx.load(written.path)
    onnx.checker.check_model(model, full_check=True)
    assert [(known.domain, known.version) for known in model.opset_import] == [("", OPSET)]
    assert OPSET <= 18
    session = onnxruntime.InferenceSession(written.path, providers=["CPUExecutionProvider"])
    (given_,), (gives,) = session.get_inputs(), session.get_outputs()
    assert (given_.name, given_.type, given_.shape) == ("waveform", "tensor(float)", ["batch", "samples"])
    assert (gives.name, gives.type, gives.shape) == ("probabilities", "tensor(float)", ["batch", 3])
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["labels"]) == ["a", "b", "c"]
    assert (about["sample_rate"], about["channel"], about["exclusive"]) == (str(RATE), "mean", "true")
    assert json.loads(about["members"])[0]["feature"]["n_fft"] == 256
    assert json.loads(about["decision"])["temperature"] == 1.0
    assert about["bundle_sha256"] == plain.sha256
    assert "quantized" not in about


def test_the_same_model_gives_the_same_bytes(plain):
    assert onnx_of(plain) == onnx_of(plain)


# Nothing is written that does not give the same


def test_what_does_not_give_the_same_is_not_written(plain, tmp_path, monkeypatch):
    real = onnx_file.classifier

    def warmer(made):
        return real(replace(made, decision=replace(made.decision, temperature=1.1)))

    monkeypatch.setattr(onnx_file, "classifier", warmer)
    (tmp_path / "m.onnx").write_text("as it was")
    with pytest.raises(
        ExportError, match=r"^What was exported does not give what the model gives: of a test sound of"
    ):
        EXPORTERS["onnx"].write(plain, tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.earmark", "m.onnx"]


def refused(made: Bundle) -> str:
    with pytest.raises(ExportError) as error:
        onnx_of(Source(made, None, ""))
    return str(error.value)


def test_networks_at_different_rates_are_refused():
    made = bundle((Mfcc(**SMALL, n_mfcc=12), 1.0, 1.0), (Mfcc(), 1.0, 1.0))
    assert refused(made) == (
        "The networks of this blend hear at 8,000 and 22,050 Hz, but a graph takes sound at one rate. Blend rungs that"
        " hear at the same rate."
    )


def test_a_feature_without_a_front_end_is_refused():
    with pytest.raises(ExportError) as error:
        alone(Marks())
    assert str(error.value) == (
        "The feature landmarks cannot be put into a graph. Those that can: mfcc, log_mel, stats, encoder."
    )


def test_a_transform_of_a_large_prime_is_refused():
    with pytest.raises(
        ExportError, match=r"^A Fourier transform of 65498 samples is too large for a graph, because"
    ):
        alone(LogMel(sample_rate=RATE, n_fft=65_498, n_mels=4))


def test_an_encoder_of_one_window_at_a_time_is_refused():
    model = onnx.load_model_from_string(steps_to_embedding())
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    feature = replace(own_encoder(), sha256=remember(model.SerializeToString()))
    with pytest.raises(
        ExportError, match=r"^The encoder's network takes one window at a time, which one graph"
    ):
        alone(feature)


def test_an_encoder_of_a_newer_operator_set_is_brought_to_ours():
    feature = replace(own_encoder(), sha256=remember(steps(length=800, opset=18)))
    samples = waveforms(RATE)["odd"]
    np.testing.assert_allclose(
        runner(alone(feature))(samples[None])[0], feature.extract(Waveform(samples, RATE)), atol=1e-5
    )


def changed(change) -> bytes:
    model = onnx.load_model_from_string(steps_to_embedding())
    change(model)
    return model.SerializeToString()


def foreign(model):
    model.graph.node[1].domain = "com.example"
    model.opset_import.append(onnx.helper.make_opsetid("com.example", 1))


def unheard_of(model):
    model.opset_import[0].version = 10_000


def looping(model):
    body = onnx.helper.make_graph([], "b", [], [])
    model.graph.node[1].attribute.append(onnx.helper.make_attribute("body", body))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (foreign, "A network of this model has operators of com.example, which not every runtime has."),
        (
            unheard_of,
            "A network of this model is of ONNX's operator set 10000, and cannot be brought to 17: ",
        ),
        (
            looping,
            "A network of this model has a loop or a branch (MatMul), which is not taken into one graph.",
        ),
    ],
)
def test_networks_that_are_not_taken_in(change, message):
    with pytest.raises(ExportError) as error:
        SoundGraph().include(changed(change), "waveform")
    assert str(error.value).startswith(message)


def test_a_form_that_is_none():
    with pytest.raises(UnknownNameError) as error:
        known("onx")
    assert str(error.value) == "No export is called 'onx'. There are: mlflow, onnx. Did you mean 'onnx'?"


# Eight bits


@given(st.integers(0, 2**32 - 1), st.integers(0, 1))
def test_eight_bits_are_off_by_a_step_at_most_and_keep_sums(seed, axis):
    weights = np.random.default_rng(seed).standard_normal((5, 7)).astype(np.float32) * 10
    weights[2] = 0
    levels, scale = in_8_bits(weights, axis)
    shape = (-1, 1) if axis == 0 else (1, -1)
    assert levels.dtype == np.int8
    off = (levels * scale.reshape(shape) - weights) / scale.reshape(shape)
    assert np.abs(off).max() <= 1.001
    assert np.abs(off.sum(axis=1 - axis)).max() <= 0.501


def test_weights_of_whole_ratios_stay_as_they_are():
    weights = np.array([[2.0, -1.0, -1.0], [1 / 3, -2 / 9, -1 / 9]], np.float32)
    levels, scale = in_8_bits(weights, 0)
    np.testing.assert_allclose(levels * scale[:, None], weights, rtol=1e-6)


def test_eight_bits_give_nearly_the_same(tmp_path):
    made = bundle((Stats(**SMALL, n_mfcc=8),))
    small = quantize(made)
    assert len(small.members[0].network) < 0.5 * len(made.members[0].network)
    whole, less = Predictor(made), Predictor(small, self_test=False)
    for samples in waveforms(RATE).values():
        sound = Waveform(samples, RATE)
        np.testing.assert_allclose(less.score_waveform(sound), whole.score_waveform(sound), atol=0.05)
    told = {"weights": "int8", "before": 0.5, "after": 0.5}
    data = onnx_of(replace(source(tmp_path, made), bundle=small, quantized=told))
    assert {"Cast", "Mul"} < operators(data)
    assert {p.key: p.value for p in onnx.load_model_from_string(data).metadata_props}[
        "quantized"
    ] == json.dumps(told)


# MLflow's folder; that MLflow takes it is tried in test_export_mlflow.py


def test_the_folder_is_whole_and_replaced_as_a_whole(plain, tmp_path):
    for _ in range(2):
        written = EXPORTERS["mlflow"].write(plain, tmp_path / "served")
        names = sorted(path.name for path in (tmp_path / "served").iterdir())
        assert names == ["MLmodel", MODEL, "python_env.yaml", "requirements.txt"]
        assert written.difference <= 1e-6
        assert sorted(path.name for path in tmp_path.iterdir()) == ["m.earmark", "served"]
    assert (tmp_path / "served" / MODEL).read_bytes() == plain.path.read_bytes()
    assert "pickle" not in (tmp_path / "served" / "MLmodel").read_text()


def test_a_folder_of_others_is_not_ours(plain, tmp_path):
    ours = EXPORTERS["mlflow"].left_by_us
    EXPORTERS["mlflow"].write(plain, tmp_path / "served")
    (tmp_path / "link").symlink_to("served")
    EXPORTERS["mlflow"].write(plain, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert ours(tmp_path / "link")
    (tmp_path / "served" / "MLmodel").write_text("flavors:\n  sklearn: {}\n")
    assert not ours(tmp_path / "served")
    assert not ours(tmp_path / "nothing")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "m.earmark", "served"]


def test_what_cannot_be_run_or_loaded_is_told(plain):
    with pytest.raises(ExportError, match=r"^ONNX Runtime cannot load what was exported: "):
        runner(onnx_of(plain)[:1000])
    with pytest.raises(ExportError, match=r"^ONNX Runtime cannot run what was exported: "):
        runner(onnx_of(plain))(np.zeros((1, 2, 3), np.float32))


def test_a_model_that_changes_meanwhile_is_not_exported(plain, tmp_path):
    plain.path.write_bytes(plain.path.read_bytes() + b"x")
    with pytest.raises(
        ExportError, match=r"m\.earmark was changed while it was exported\. Export it again\.$"
    ):
        EXPORTERS["mlflow"].write(plain, tmp_path / "served")
    assert [path.name for path in tmp_path.iterdir()] == ["m.earmark"]


def test_rows_that_cannot_be_used_are_answered_as_well(tone_model, tone_set):
    served, path = Served.open(tone_model), tone_set / "hum_hum0_0.wav"
    rows = [
        {"path": str(path)},
        {"audio": path.read_bytes()},
        {"audio": "no base64!"},
        {"path": "/dev/zero"},
        {"path": "http://127.0.0.1:1/x.wav", "audio": None},
        {"path": float("nan")},
        {"audio": b"no sound"},
    ]
    by_path, by_bytes, *others = served.predict(rows)
    assert by_bytes == {**by_path, "path": ""}
    assert by_path == Predictor.open(tone_model).predict(str(path)).to_dict()
    assert [other["error"] for other in others[:4]] == [
        "'audio' is neither bytes nor base64",
        "there is no file '/dev/zero'",
        "there is no file 'http://127.0.0.1:1/x.wav'",
        "the row has neither 'audio' nor 'path'",
    ]
    assert set(others[4]) == {"path", "error"}


# The command


def test_the_command_writes_a_file(earmark, tone_model, tone_set, tmp_path):
    done = earmark("export", tone_model, "-o", "m.onnx", cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Wrote  m.onnx (")
    assert lines[1] == "Takes sound at 22,050 Hz, gives the probabilities of 3 labels."
    assert lines[2].startswith(
        "Compared with the model on 13 sounds of 0.1 to 60 s, silence among them: probabilities"
    )
    told = json.loads(
        earmark("export", tone_model, "--to", "onnx", "-o", "m.onnx", "--json", cwd=tmp_path).stdout
    )
    assert told["difference"] <= 1e-4
    assert (told["to"], told["seconds"], told["quantized"]) == ("onnx", [0.1, 60.0], None)
    assert told["bytes"] == (tmp_path / "m.onnx").stat().st_size
    sound = decode(tone_set / "hiss_hiss0_0.wav")
    samples = resample(sound.samples, sound.sample_rate, 22_050, "soxr_hq")
    wanted = Predictor.open(tone_model).score_waveform(sound)
    np.testing.assert_allclose(
        runner((tmp_path / "m.onnx").read_bytes())(samples[None])[0], wanted, atol=1e-4
    )


def test_what_eight_bits_cost_is_measured_on_unheard_recordings(earmark, tone_model, tone_set, tmp_path):
    how = ["--quantize", "--data", tone_set, "--pattern", "{label}_{group}_{take}.wav"]
    told = json.loads(earmark("export", tone_model, "-o", "m.onnx", *how, "--json", cwd=tmp_path).stdout)
    cost = told["quantized"]
    judged = earmark("evaluate", tone_model, tone_set, *how[3:], "--json", cwd=tmp_path)
    honest = json.loads(judged.stdout)
    assert (cost["clips"], cost["before"]) == (honest["clips"], honest["accuracy"])
    assert abs(cost["after"] - cost["before"]) <= 0.2
    about = onnxruntime.InferenceSession(tmp_path / "m.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(about["quantized"]) == cost
    done = earmark("export", tone_model, "-o", "m.onnx", *how, cwd=tmp_path)
    assert done.stdout.splitlines()[-1].startswith(f"8-bit weights: accuracy {cost['before']:.4f} before, ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["-o", "m.onnx", "--to", "onx"],
            "No export is called 'onx'. There are: mlflow, onnx. Did you mean 'onnx'?",
        ),
        (["-o", "."], ". is a folder; -o takes a file name, such as model.onnx."),
        (["-o", "no/m.onnx"], "There is no folder 'no' to write m.onnx into. Make it first."),
        (
            ["-o", "m.onnx", "--quantize"],
            "--quantize measures what it costs, on clips that the model has not learnt from. Say where they are: --data"
            " DATASET",
        ),
        (["-o", "m.onnx", "--data", "x"], "--data is for --quantize, which was not given."),
        (["-o", "m.onnx", "--layout", "esc50"], "--layout is for --quantize, which was not given."),
        (
            ["-o", "m", "--to", "mlflow", "--quantize", "--data", "x"],
            "--quantize is for --to onnx, not for --to mlflow. Leave it out.",
        ),
        (
            ["-o", "full", "--to", "mlflow"],
            "full is there, and was not left by an earlier export. Give -o the name of a new folder.",
        ),
        (["-o", "no/m", "--to", "mlflow"], "There is no folder 'no' to make m in. Make it first."),
    ],
)
def test_wrong_usage(arguments, message, earmark, tone_model, tmp_path):
    (tmp_path / "full").mkdir()
    done = earmark("export", tone_model, *arguments, cwd=tmp_path, code=2)
    assert done.stderr.strip() == f"error: {message}"
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_a_bundle_of_several_labels(tmp_path, tone_model):
    made = replace(read_bundle(tone_model), decision=Decision(0.5, exclusive=False), reference=None)
    written = EXPORTERS["onnx"].write(source(tmp_path, with_golden(made)), tmp_path / "m.onnx")
    assert written.difference <= 1e-4
    found = runner(written.path.read_bytes())(np.zeros((1, 2_205), np.float32))
    assert found.sum() != pytest.approx(1, abs=1e-3)
