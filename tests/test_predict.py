"""From sound to scores: the numbers, the order, every way in and every way out."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import threading

import numpy as np
import pytest
import soundfile
from scipy.special import softmax

from earmark.audio import load
from earmark.bundle import Bundle, Member, read_bundle
from earmark.cli import predictions
from earmark.cli.app import FORMATS
from earmark.cli.hearing import TRACKS
from earmark.engine import Local
from earmark.errors import (
    EmptyAudioError,
    NotFiniteAudioError,
    PathError,
    TooShortAudioError,
    UnreadableAudioError,
)
from earmark.features import Mfcc
from earmark.models import Mlp, Network
from earmark.models.dense import glorot
from earmark.predict import Predictor, expand, golden_waveforms, with_golden
from earmark.types import Prediction, Waveform


@pytest.fixture(scope="module")
def predictor(tone_model):
    return Predictor.open(tone_model)


@pytest.fixture(scope="module")
def clips(tone_set):
    return sorted(map(str, tone_set.glob("*_0.wav")))


def tone(rate, seconds=1.0, pitch=2_000.0):
    return 0.4 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)


# The numbers


def test_equals_numpy():
    """The network in ONNX Runtime and the network in NumPy give the same probabilities."""
    model, feature = Mlp(hidden=(16, 8)), Mfcc(n_mfcc=13)
    shape = model.shape(13, 4)
    rng = np.random.default_rng(0)
    mean, scale = rng.standard_normal(13).astype(np.float32), rng.uniform(0.5, 2, 13).astype(np.float32)
    network = Network(shape, glorot(shape, 3), mean, scale)
    predictor = Predictor(
        with_golden(Bundle(("a", "b", "c", "d"), (Member(feature, {"name": "mlp"}, network.to_onnx()),)))
    )
    values = rng.standard_normal((50, 13)).astype(np.float32)
    np.testing.assert_allclose(predictor.score(values), softmax(network.logits(values), axis=1), atol=1e-6)


def test_a_batch_is_its_rows(predictor):
    values = np.random.default_rng(0).standard_normal((7, predictor.bundle.feature.dims)).astype(np.float32)
    rows = np.concatenate([predictor.score(row[None]) for row in values])
    np.testing.assert_allclose(predictor.score(values), rows, atol=1e-6)
    assert predictor.score(values[:0]).shape == (0, 3)


def test_probabilities_of_every_label(predictor, clips):
    for prediction in predictor.predict_all(clips):
        assert tuple(prediction.scores) == predictor.bundle.labels
        assert sum(prediction.scores.values()) == pytest.approx(1, abs=1e-6)
        assert prediction.scores[prediction.label] == prediction.score == max(prediction.scores.values())
        assert (prediction.start, prediction.end) == (0.0, pytest.approx(0.5))


def test_most_are_right(predictor, clips):
    hits = [os.path.basename(p.path).startswith(p.label) for p in predictor.predict_all(clips)]  # noqa: PTH119
    assert np.mean(hits) > 0.9


def test_wild_logits_are_no_trouble(predictor):
    """Softmax of huge scores neither overflows nor warns."""
    huge = np.full((1, predictor.bundle.feature.dims), 1e30, np.float32)
    assert predictor.score(huge).sum() == pytest.approx(1)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000])
def test_any_rate_gives_nearly_the_same(predictor, write_wav, tmp_path, rate):
    """The same tone at another rate is converted. Taken as it is, it would be another tone."""
    band = predictor.bundle.feature
    reference = predictor.score_waveform(Waveform(tone(22_050).astype(np.float32), 22_050))
    got = predictor.score_waveform(Waveform(tone(rate).astype(np.float32), rate))
    assert got.argmax() == reference.argmax()
    assert np.abs(got - reference).max() < 0.1
    path = str(write_wav(tmp_path / "tone.wav", tone(rate), rate))
    assert list(predictor.predict(path).scores.values()) == pytest.approx(got.tolist(), abs=0.01)
    with pytest.raises(ValueError, match=f"the waveform has {rate} Hz, the feature needs 22050 Hz"):
        band.extract(Waveform(tone(rate).astype(np.float32), rate))


def test_a_wrong_rate_would_be_heard(predictor):
    samples = tone(44_100).astype(np.float32)
    honest = predictor.score_waveform(Waveform(samples, 44_100))
    mistaken = predictor.score_waveform(Waveform(samples, 8_000))
    assert np.abs(np.log(honest / mistaken)).max() > 0.5


def test_stereo_is_mixed(predictor, write_wav, tmp_path):
    one = write_wav(tmp_path / "mono.wav", tone(22_050), 22_050)
    two = write_wav(tmp_path / "stereo.wav", np.stack([tone(22_050)] * 2, axis=1), 22_050)
    a, b = predictor.predict(str(one)), predictor.predict(str(two))
    assert list(a.scores.values()) == pytest.approx(list(b.scores.values()), abs=1e-5)


@pytest.mark.parametrize("level", [0.0, 1e-30, 1e-7, 1.0, 1e6])
def test_silence_and_din(predictor, level):
    for samples in (np.full(22_050, level), level * tone(22_050)):
        scores = predictor.score_waveform(Waveform(samples.astype(np.float32), 22_050))
        assert np.isfinite(scores).all()
        assert scores.sum() == pytest.approx(1)


def test_golden_sounds_are_the_same_everywhere():
    for rate in (8_000, 22_050, 48_000):
        for sound in golden_waveforms(rate):
            assert sound.samples.dtype == np.float32
            assert sound.seconds == pytest.approx(0.5)
            assert 0.1 < np.abs(sound.samples).max() <= 1


# The files


def test_order_and_any_number_of_workers(predictor, clips):
    one = list(predictor.predict_all(clips))
    assert [p.path for p in one] == clips
    for workers in (1, 3):
        assert list(predictor.predict_all(clips, engine=Local(workers))) == one
    assert list(predictor.predict_all(clips * 4)) == one * 4  # many enough for processes
    assert [predictor.predict(path) for path in clips] == one


def test_what_cannot_be_read_keeps_its_place(predictor, clips, write_wav, tmp_path):
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    nan = tmp_path / "nan.wav"
    soundfile.write(nan, np.full(9_000, np.nan), 22_050, subtype="FLOAT")
    bad = {
        str(tmp_path / "absent.wav"): (UnreadableAudioError, "no such file or directory"),
        str(tmp_path): (UnreadableAudioError, "is a directory"),
        str(text): (UnreadableAudioError, "not readable as sound (format not recognised)"),
        str(write_wav(tmp_path / "empty.wav", np.zeros(0))): (EmptyAudioError, "the file holds no samples"),
        str(write_wav(tmp_path / "short.wav", np.zeros(50))): (
            TooShortAudioError,
            "2.3 ms of sound; at least 10 ms needed",
        ),
        str(nan): (NotFiniteAudioError, "9000 of 9000 samples are NaN or infinite"),
    }
    for engine in (None, Local(2)):
        results = list(predictor.predict_all([clips[0], *bad, clips[1]], engine=engine))
        assert isinstance(results[0], Prediction)
        assert isinstance(results[-1], Prediction)
        for result, (path, (error, reason)) in zip(results[1:-1], bad.items(), strict=True):
            assert type(result) is error
            assert (result.path, result.reason) == (path, reason)


def test_standard_input(predictor, clips):
    with open(clips[0], "rb") as stream:  # noqa: PTH123
        (heard,) = predictor.predict_all(["-"], stream)
    read = predictor.predict(clips[0])
    assert heard.path == "-"
    assert list(heard.scores.values()) == pytest.approx(list(read.scores.values()), abs=0.02)
    (nothing,) = predictor.predict_all(["-"], io.BytesIO())
    assert (nothing.path, nothing.reason) == ("-", "nothing came on the stream")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe(predictor, clips, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with open(clips[0], "rb") as file:  # noqa: PTH123
        writer = threading.Thread(target=lambda: pipe.write_bytes(file.read()))
        writer.start()
        assert expand([str(pipe)]) == [str(pipe)]
        heard = predictor.predict(str(pipe))
        writer.join()
    assert heard.label == predictor.predict(clips[0]).label


def test_expand(tmp_path, write_wav, monkeypatch):
    for name in ("s10.wav", "s2.wav", "sub/b.flac", ".hidden.wav"):
        write_wav(tmp_path / "sounds" / name, np.zeros(1000))
    (tmp_path / "sounds" / "notes.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    below = ["sounds/s2.wav", "sounds/s10.wav", "sounds/sub/b.flac"]
    assert expand(["sounds"]) == below
    assert expand(["sounds/notes.txt", "-", "sounds", "sounds/s2.wav"]) == [
        "sounds/notes.txt",  # named on purpose: it is tried, whatever it is called
        "-",
        *below,
        "sounds/s2.wav",
    ]
    (tmp_path / "empty").mkdir()
    for path, message in (
        ("empty", "There are no sound files below 'empty'."),
        ("absent", "There is no file or folder 'absent'."),
        ("n" * 300, f"{'n' * 300} cannot be read: File name too long."),
    ):
        with pytest.raises(PathError) as caught:
            expand([path])
        assert str(caught.value) == message


def test_what_a_folder_hides_is_not_skipped_in_silence(predictor, tmp_path, write_wav, monkeypatch):
    write_wav(tmp_path / "a.wav", tone(22_050), 22_050)
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def guarded(path):
        if str(path).rstrip("/").endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    results = list(predictor.predict_all(expand([str(tmp_path)])))
    assert isinstance(results[0], Prediction)
    assert isinstance(results[1], UnreadableAudioError)
    assert results[1].path == str(tmp_path / "closed")


# The formats


RESULTS = [
    Prediction(
        'a,"b"\n.wav',
        0.0,
        1.25,
        "dog",
        0.75,
        {"cat": 0.25, "dog": 0.75},
        ("dog", "cat"),
        "",
        0.25,
        ("loud", "odd"),
    ),
    UnreadableAudioError("Grün.wav", "not readable as sound"),
    Prediction(
        "c.wav", 0.5, 3600.0, None, 0.5, {"cat": 0.5, "dog": 0.5}, ("cat", "dog"), "not sure enough of cat"
    ),
]


def written(style, results):
    out, errors = io.StringIO(), io.StringIO()
    code = predictions.write(style, results, ("cat", "dog"), out, errors)
    return code, out.getvalue(), errors.getvalue()


KEYS = [
    "path", "start", "end", "label", "score", "scores", "possible", "why", "familiarity", "notes", "labels",
]  # fmt: skip


def test_json():
    code, out, errors = written("json", RESULTS)
    first, second, third = json.loads(out)
    assert list(first) == list(third) == KEYS
    assert second == {"path": "Grün.wav", "error": "not readable as sound"}
    assert first == RESULTS[0].to_dict()
    assert third["label"] is None
    assert (code, errors) == (1, "error: Grün.wav: not readable as sound\n")
    assert written("json", []) == (0, "[]\n", "")
    assert json.loads(written("json", RESULTS[:1])[1]) == [RESULTS[0].to_dict()]


def test_jsonl():
    code, out, _ = written("jsonl", RESULTS)
    assert [json.loads(line) for line in out.splitlines()] == json.loads(written("json", RESULTS)[1])
    assert code == 1
    assert written("jsonl", []) == (0, "", "")


def test_json_is_ascii_and_so_the_same_in_every_encoding():
    strange = Prediction("b\udcffad \x1b[31m.wav", 0, 1, "Grün", 1.0, {"Grün": 1.0})
    for style in ("json", "jsonl"):
        out = written(style, [strange])[1]
        assert out.isascii()
        assert out.replace("\n", "").isprintable()
        (read,) = json.loads(out) if style == "json" else [json.loads(out)]
        assert read == strange.to_dict()


def test_csv():
    code, out, _ = written("csv", RESULTS)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == [
        "path",
        "start",
        "end",
        "label",
        "score",
        "cat",
        "dog",
        "possible",
        "why",
        "familiarity",
        "notes",
        "labels",
        "error",
    ]
    assert rows[0] == {
        "path": 'a,"b"\n.wav', "start": "0", "end": "1.250", "label": "dog", "score": "0.750000",
        "cat": "0.250000", "dog": "0.750000", "possible": "dog|cat", "why": "",
        "familiarity": "0.2500", "notes": "loud; odd", "labels": "", "error": "",
    }  # fmt: skip
    assert rows[1]["error"] == "not readable as sound"
    assert {rows[1][k] for k in rows[1]} == {"Grün.wav", "not readable as sound", ""}
    assert rows[2]["label"] == ""
    assert code == 1


def test_table():
    code, out, errors = written(
        "table", [*RESULTS[1:], Prediction("d.wav", 0, 1, "cat", 1.0, {"cat": 1.0, "dog": 0.0})]
    )
    assert (
        out
        == "unknown  0.50  c.wav  (not sure enough of cat; cat 0.50  dog 0.50)\ncat  1.00  d.wav  (dog 0.00)\n"
    )
    assert "Grün.wav" in errors
    assert code == 1


def test_a_name_cannot_command_the_terminal():
    name = "a\n\x1b[31m\udcff Grün.wav"
    shown = "a\\n\\x1b[31m\\udcff Grün.wav"
    results = [
        Prediction(name, 0, 1, "cat", 1.0, {"cat": 1.0, "dog": 0.0}),
        UnreadableAudioError(name, "odd"),
    ]
    assert written("table", results)[1:] == (f"cat  1.00  {shown}  (dog 0.00)\n", f"error: {shown}: odd\n")


@pytest.mark.parametrize("style", [style for style in FORMATS if style not in TRACKS])
def test_every_format_says_when_all_went_well(style):
    assert written(style, RESULTS[:1])[0] == 0


@pytest.mark.parametrize("style", ["jsonl", "table"])
def test_results_come_as_they_are_found(style):
    """Nothing is held back until the end: a long folder tells as it goes."""
    out = io.StringIO()
    seen = []

    def slowly():
        for result in RESULTS:
            seen.append(out.getvalue().count("\n"))
            yield result

    predictions.write(style, slowly(), ("cat", "dog"), out, io.StringIO())
    assert seen[1] == 1


# The command


def test_one_file_or_a_folder(earmark, tone_model, tone_set, tmp_path):
    folder = tmp_path / "some sounds"
    folder.mkdir()
    for name in ("hum_hum0_0.wav", "whistle_whistle1_0.wav"):
        shutil.copy(tone_set / name, folder)
    (folder / "broken.wav").write_bytes(b"RIFF")
    both = json.loads(earmark("predict", tone_model, folder, "--json", code=1).stdout)
    assert [r["path"] for r in both] == [
        str(folder / n) for n in ("broken.wav", "hum_hum0_0.wav", "whistle_whistle1_0.wav")
    ]
    assert list(both[0]) == ["path", "error"]
    alone = earmark("predict", tone_model, folder / "hum_hum0_0.wav", "--format", "json")
    assert json.loads(alone.stdout) == both[1:2]
    assert alone.stderr == ""
    table = earmark("predict", tone_model, folder, code=1)
    assert [line.split()[0] for line in table.stdout.splitlines()] == ["hum", "whistle"]
    assert table.stderr == f"error: {folder}/broken.wav: {both[0]['error']}\n"
    rows = list(
        csv.DictReader(io.StringIO(earmark("predict", tone_model, folder, "--format", "csv", code=1).stdout))
    )
    assert float(rows[1]["hum"]) == pytest.approx(both[1]["scores"]["hum"], abs=1e-6)


def test_sound_through_a_pipe(earmark, tone_model, tone_set):
    with (tone_set / "hum_hum0_0.wav").open("rb") as stream:
        done = earmark("predict", tone_model, "-", "--format", "jsonl", stdin=stream)
    record = json.loads(done.stdout)
    assert list(record) == KEYS
    assert (record["path"], record["label"]) == ("-", "hum")
    nothing = earmark("predict", tone_model, "-", "--format", "jsonl", code=1, input="")
    assert json.loads(nothing.stdout) == {"path": "-", "error": "nothing came on the stream"}
    assert nothing.stderr == "error: -: nothing came on the stream\n"


def test_command_and_library_agree(earmark, tone_model, tone_set, predictor):
    path = tone_set / "hiss_hiss2_1.wav"
    (record,) = json.loads(earmark("predict", tone_model, path, "--json").stdout)
    feature = read_bundle(tone_model).feature
    waveform = load(path, feature.sample_rate, feature.resampler)
    by_hand = predictor.score(feature.extract(waveform)[None])[0]
    assert record == predictor.predict(str(path)).to_dict()
    assert list(record["scores"].values()) == pytest.approx(by_hand.tolist(), abs=1e-6)
