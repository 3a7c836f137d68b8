"""Features against librosa, against each other, and against the contract that every one of them keeps."""

import dataclasses
import json
import sys
import types
import typing
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark import audio
from earmark.audio import decode, fourier, load, resample, scratch
from earmark.encoders import remember
from earmark.errors import AudioError, SettingError, UnknownNameError
from earmark.features import FEATURES, Mfcc, feature_from_dict, feature_to_dict
from earmark.features.mel import MelSpectrum, hz_to_mel, mel_filters, mel_to_hz
from earmark.types import Feature, Waveform
from tiny_encoder import ready, small_yamnet

RATE = 22_050
BAR = 1e-3  # what was promised for real files
TIGHT = 2e-3  # for whatever else a file may hold
FRAME = 1e-2  # for one frame, of which the power in a band may be the rounding of a louder one's


@pytest.fixture(scope="session")
def librosa():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import librosa
    return librosa


@pytest.fixture(scope="session")
def their_mfcc(librosa):
    """`librosa.feature.mfcc` as float64[frames, n_mfcc]."""

    def call(samples, rate=RATE, **settings):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # n_fft is too large for the clip; empty filters
            return librosa.feature.mfcc(y=samples, sr=rate, **{"n_mfcc": 40} | settings).T.astype(np.float64)

    return call


def our_mfcc(samples, rate=RATE, **settings):
    return Mfcc(sample_rate=rate, **settings).extract(Waveform(samples, rate))


def clips(rate=RATE):
    """Return sounds that differ in every way that matters to a logarithm of power."""
    rng = np.random.default_rng(5)
    n = rate
    t = np.arange(n) / rate
    noise = rng.standard_normal(n)
    burst = np.zeros(n)
    burst[n // 2 : n // 2 + 300] = rng.uniform(-0.9, 0.9, 300)
    click = np.zeros(n)
    click[[0, 777, n - 1]] = 1.0, -1.0, 0.5
    made = {
        "noise": 0.1 * noise,
        "loud noise": np.clip(noise, -1, 1),
        "tone": 0.5 * np.sin(2 * np.pi * 440 * t),
        "high tone": 0.5 * np.sin(2 * np.pi * 0.49 * rate * t),
        "sweep": 0.7 * np.sin(2 * np.pi * (50 + 0.2 * rate * t) * t),
        "square": np.where(np.sin(2 * np.pi * 100 * t) >= 0, 1.0, -1.0),
        "constant": np.full(n, 0.25),
        "clicks": click,
        "silence": np.zeros(n),
        "burst in digital silence": burst,
        "fading": noise * np.exp(-12 * t) * 0.5,
        "very quiet noise": 1e-6 * noise,
        "hardly there": 1e-12 * noise,
        "louder than full scale": 1e4 * noise,
        "60 ms": 0.3 * noise[: int(0.06 * rate)],
        "10 ms": 0.3 * noise[: int(0.01 * rate)],
        "shorter than a window": 0.3 * noise[:900],
        "one window": 0.3 * noise[:2_048],
        "whole hops": 0.3 * noise[: 512 * 9],
        "whole hops and one": 0.3 * noise[: 512 * 9 + 1],
        "whole hops less one": 0.3 * noise[: 512 * 9 - 1],
        "many frames": np.tile(0.3 * noise, 7)[: 512 * 128 + 5],
        "one sample": np.array([0.5]),
    }
    return {name: samples.astype(np.float32) for name, samples in made.items()}


CLIPS = sorted(clips())

SETTINGS = [
    {},
    {"n_mfcc": 13},
    {"n_mfcc": 20, "n_mels": 64},
    {"n_fft": 1_024, "hop_length": 256},
    {"n_fft": 1_024, "hop_length": 512, "n_mels": 64, "n_mfcc": 13},
    {"n_fft": 400, "hop_length": 160, "n_mels": 23, "n_mfcc": 23},
    {"n_fft": 30, "hop_length": 30, "n_mels": 4, "n_mfcc": 4},
    {"n_mfcc": 128},
    {"n_mfcc": 1, "n_mels": 1},
    {"n_mels": 3, "n_mfcc": 3},
    {"fmin": 50.0, "fmax": 3_500.0},
    {"fmin": 300.0},
    {"fmax": 2_000.0, "n_mels": 256},
]


# ── mel ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_mel_scale_equals_librosa(librosa):
    hz = np.concatenate([np.linspace(0, 24_000, 1_000), [999.999, 1_000.0, 1_000.001]])
    np.testing.assert_allclose(hz_to_mel(hz), librosa.hz_to_mel(hz), rtol=1e-12, atol=1e-12)
    mel = np.linspace(0, 70, 1_000)
    np.testing.assert_allclose(mel_to_hz(mel), librosa.mel_to_hz(mel), rtol=1e-12, atol=1e-9)


def test_mel_scale_is_inverted():
    hz = np.concatenate([np.linspace(0, 400_000, 5_000), [1e-9, 1_000.0]])
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz)), hz, rtol=1e-12, atol=1e-9)
    assert (np.diff(hz_to_mel(np.linspace(0, 400_000, 5_000))) > 0).all()


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000])
@pytest.mark.parametrize("n_fft", [512, 2_048])
@pytest.mark.parametrize(
    ("n_mels", "fmin", "fmax"), [(128, 0, None), (40, 20, 3_800), (1, 100, 200), (300, 0, None)]
)
def test_mel_filters_equal_librosa(librosa, rate, n_fft, n_mels, fmin, fmax):
    ours = mel_filters(rate, n_fft, n_mels, fmin, rate / 2 if fmax is None else fmax)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # with 300 mels some filters are empty
        theirs = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)
    assert ours.dtype == np.float32
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", CLIPS)
def test_mel_power_equals_librosa(librosa, name):
    samples = clips()[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = librosa.feature.melspectrogram(y=samples, sr=RATE).T
    ours = MelSpectrum(RATE).power(samples)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-6 * float(theirs.max()) + 1e-30)


# ── MFCC ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("name", CLIPS)
def test_mean_equals_librosa(their_mfcc, name, settings):
    samples = clips()[name]
    theirs = their_mfcc(samples, **settings).mean(axis=0)
    np.testing.assert_allclose(our_mfcc(samples, **settings), theirs, rtol=0, atol=TIGHT)


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_other_rates_equal_librosa(their_mfcc, rate):
    for name, samples in clips(rate).items():
        theirs = their_mfcc(samples, rate).mean(axis=0)
        np.testing.assert_allclose(our_mfcc(samples, rate), theirs, rtol=0, atol=TIGHT, err_msg=name)


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("top_db", [80.0, 20.0, 0.5])
def test_floor_equals_librosa(librosa, name, top_db):
    samples = clips()[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        decibels = librosa.power_to_db(librosa.feature.melspectrogram(y=samples, sr=RATE), top_db=top_db)
        theirs = librosa.feature.mfcc(S=decibels, n_mfcc=40).mean(axis=1)
    np.testing.assert_allclose(our_mfcc(samples, top_db=top_db), theirs, rtol=0, atol=TIGHT)


def test_no_floor_but_the_smallest_power():
    assert np.isfinite(our_mfcc(clips()["burst in digital silence"], top_db=float("inf"))).all()
    silence = our_mfcc(clips()["silence"], top_db=float("inf"))
    np.testing.assert_allclose(silence, [-100 * 128**0.5] + [0] * 39, atol=1e-3)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("name", CLIPS)
def test_frames_and_statistics_equal_librosa(their_mfcc, name, settings):
    samples = clips()[name]
    theirs = their_mfcc(samples, **settings)
    frames = our_mfcc(samples, **settings, statistics=())
    assert frames.shape == theirs.shape
    assert frames.dtype == np.float32
    np.testing.assert_allclose(frames, theirs, rtol=0, atol=FRAME)
    both = our_mfcc(samples, **settings, statistics=("mean", "std"))
    expected = np.concatenate([theirs.mean(axis=0), theirs.std(axis=0)])
    np.testing.assert_allclose(both, expected, rtol=0, atol=TIGHT)


def slope_by_fitting(frames, reach=4):
    """Fit a straight line through nine neighbours, the first and last frame repeated at the edges."""
    last = len(frames) - 1
    offsets = np.arange(-reach, reach + 1)
    return np.array(
        [
            np.polyfit(offsets, frames[np.clip(i + offsets, 0, last)].astype(np.float64), 1)[0]
            for i in range(len(frames))
        ]
    )


@pytest.mark.parametrize("name", ["60 ms", "fading", "noise", "one sample", "one window", "silence", "sweep"])
def test_delta_is_the_slope_of_a_fitted_line(name):
    samples = clips()[name]
    slope = slope_by_fitting(our_mfcc(samples, statistics=()))
    ours = our_mfcc(samples, statistics=("delta_mean", "delta_std"))
    np.testing.assert_allclose(ours, np.concatenate([slope.mean(axis=0), slope.std(axis=0)]), atol=1e-4)


def test_delta_away_from_the_edges_equals_librosa(librosa):
    frames = our_mfcc(clips()["sweep"], statistics=())
    theirs = librosa.feature.delta(frames.T, width=9).T
    np.testing.assert_allclose(slope_by_fitting(frames)[4:-4], theirs[4:-4], atol=1e-4)


def test_statistics_stand_in_the_order_of_the_setting():
    samples = clips()["sweep"]
    names = ("mean", "std", "delta_mean", "delta_std")
    alone = {name: our_mfcc(samples, statistics=(name,)) for name in names}
    for order in (names, names[::-1], ("std", "mean"), ("delta_std", "mean")):
        together = our_mfcc(samples, statistics=order)
        assert together.shape == (Mfcc(statistics=order).dims,) == (40 * len(order),)
        np.testing.assert_allclose(together, np.concatenate([alone[n] for n in order]), rtol=0, atol=5e-4)


def test_what_was_in_the_buffers_does_not_matter():
    everything = clips()
    features = [Mfcc(), Mfcc(n_fft=512, hop_length=128, n_mels=40, n_mfcc=13, statistics=())]
    calls = [(feature, name) for name in CLIPS for feature in features]

    def one(call):
        return call[0].extract(Waveform(everything[call[1]], RATE))

    first = [one(call) for call in calls]
    for call, before in zip(reversed(calls), reversed(first), strict=True):
        for buffer in scratch._local.buffers.values():
            buffer.fill(np.nan if buffer.dtype.kind == "f" else 99)
        assert np.array_equal(one(call), before)
    with ThreadPoolExecutor(8) as pool:
        for now, before in zip(pool.map(one, calls * 3), first * 3, strict=True):
            assert np.array_equal(now, before)


def test_the_loudest_that_is_read_does_not_overflow():
    samples = np.full(200_000, audio.LOUDEST, np.float32)
    for n_fft in (2_048, 65_536):
        assert np.isfinite(our_mfcc(samples, n_fft=n_fft)).all()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts page faults as Linux does")
def test_the_steady_state_causes_no_page_faults():
    import resource

    sounds = [Waveform(s, RATE) for s in clips().values()]

    def faults(rounds):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for sound in sounds * rounds:
            Mfcc().extract(sound)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    faults(3)
    assert faults(10) < len(sounds) * 10 / 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sample_rate": 999}, "sample_rate is 999, but must be from 1000 to 768000"),
        ({"sample_rate": 768_001}, "sample_rate is 768001, but must be from 1000 to 768000"),
        ({"resampler": "linear"}, "resampler is 'linear', but must be 'soxr_hq' or 'kaiser_fast'"),
        ({"n_fft": 14}, "n_fft is 14, but must be even, from 16 to 65536"),
        ({"n_fft": 2_049}, "n_fft is 2049, but must be even, from 16 to 65536"),
        ({"n_fft": 65_538}, "n_fft is 65538, but must be even, from 16 to 65536"),
        ({"hop_length": 0}, "hop_length is 0, but must be from 1 to n_fft (2048)"),
        ({"hop_length": 2_049}, "hop_length is 2049, but must be from 1 to n_fft (2048)"),
        ({"n_mels": 0}, "n_mels is 0, but must be from 1 to 1024"),
        ({"n_mels": 1_025}, "n_mels is 1025, but must be from 1 to 1024"),
        ({"n_mfcc": 0}, "n_mfcc is 0, but must be from 1 to n_mels (128)"),
        ({"n_mfcc": 41, "n_mels": 40}, "n_mfcc is 41, but must be from 1 to n_mels (40)"),
        ({"fmax": 11_026.0}, "fmax is 11026.0, but must be above 0 and at most half the sample rate (11025)"),
        ({"fmax": -5.0}, "fmax is -5.0, but must be above 0 and at most half the sample rate (11025)"),
        ({"fmax": float("nan")}, "fmax is nan, but must be above 0 and at most half the sample rate (11025)"),
        ({"fmin": -1.0}, "fmin is -1.0, but must be from 0 to below fmax (11025)"),
        ({"fmin": 11_025.0}, "fmin is 11025.0, but must be from 0 to below fmax (11025)"),
        ({"fmin": 500.0, "fmax": 400.0}, "fmin is 500.0, but must be from 0 to below fmax (400)"),
        ({"top_db": 0.0}, "top_db is 0.0, but must be above 0"),
        ({"top_db": float("nan")}, "top_db is nan, but must be above 0"),
        (
            {"statistics": ("mean", "max")},
            "statistics is ('mean', 'max'), but must be among mean, std, delta_mean, delta_std",
        ),
        ({"statistics": ("std", "std")}, "statistics is ('std', 'std'), but must be without repetition"),
    ],
)
def test_settings_that_cannot_work(settings, message):
    with pytest.raises(SettingError) as caught:
        Mfcc(**settings)
    assert str(caught.value) == f"[feature] {message}."
    assert caught.value.exit_code == 2


def test_no_samples():
    with pytest.raises(ValueError, match=r"^the waveform has no samples$"):
        Mfcc().extract(Waveform(np.zeros(0, np.float32), RATE))


# ── the Fourier transform ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def fresh_transform():
    fourier._transform.cache_clear()
    yield
    fourier._transform.cache_clear()


@pytest.fixture
def no_private_module(monkeypatch):
    """Make the search for SciPy's compiled module find nothing that is already loaded."""
    monkeypatch.delitem(sys.modules, "scipy.fft._pocketfft.pypocketfft", raising=False)


@pytest.mark.parametrize("transform", [fourier.rfft, fourier._of_numpy])
@pytest.mark.parametrize("length", [16, 30, 400, 512, 1_024, 2_048, 65_536])
def test_rfft_equals_numpy(length, transform):
    rows = np.random.default_rng(0).standard_normal((5, length)).astype(np.float32)
    kept = rows.copy()
    ours = transform(rows)
    assert ours.dtype == np.complex64
    assert ours.shape == (5, length // 2 + 1)
    np.testing.assert_allclose(ours, np.fft.rfft(rows), rtol=0, atol=2e-6 * length)
    assert np.array_equal(rows, kept)


@pytest.mark.usefixtures("fresh_transform", "no_private_module")
def test_the_compiled_module_is_found_alone():
    assert fourier._pocketfft_alone() is not None


@pytest.mark.usefixtures("fresh_transform", "no_private_module")
class TestWithoutThePrivateModule:
    def check(self):
        assert fourier._transform() is fourier._of_numpy
        rows = np.random.default_rng(1).standard_normal((3, 512)).astype(np.float32)
        ours = fourier.rfft(rows)
        assert ours.dtype == np.complex64
        np.testing.assert_allclose(ours, np.fft.rfft(rows), atol=1e-3)

    def test_moved(self, monkeypatch):
        monkeypatch.setattr(fourier.importlib.machinery, "EXTENSION_SUFFIXES", [".gone"])
        self.check()

    def test_not_importable(self, monkeypatch):
        monkeypatch.setattr(fourier.importlib.util, "find_spec", lambda _: None)
        self.check()

    @pytest.mark.parametrize(
        "r2c",
        [
            lambda rows, *_: np.fft.rfft(rows.astype(np.float64)),
            lambda rows, *_: np.fft.rfft(rows) * np.complex64(2),
            lambda rows: None,  # other arguments
            lambda *_: None,
        ],
        ids=["double", "scaled", "other arguments", "nothing"],
    )
    def test_answers_differently(self, monkeypatch, r2c):
        import scipy.fft  # noqa: F401  (before its module is replaced)

        impostor = types.SimpleNamespace(r2c=r2c)
        monkeypatch.setitem(sys.modules, "scipy.fft._pocketfft.pypocketfft", impostor)
        self.check()

    def test_has_no_such_function(self, monkeypatch):
        import scipy.fft  # noqa: F401

        monkeypatch.setitem(sys.modules, "scipy.fft._pocketfft.pypocketfft", types.SimpleNamespace())
        self.check()

    def test_features_are_the_same(self, monkeypatch):
        samples = clips()["noise"]
        before = our_mfcc(samples)
        fourier._transform.cache_clear()
        monkeypatch.setattr(fourier, "_pocketfft_alone", lambda: None)
        np.testing.assert_allclose(our_mfcc(samples), before, atol=2e-3)


# ── the contract of every feature ───────────────────────────────────────────────────────────────────────────────

# One other allowed value for each setting of each feature. A new setting without one fails the test below.
OTHER_VALUES = {
    "mfcc": {
        "sample_rate": 16_000,
        "resampler": "kaiser_fast",
        "n_mfcc": 13,
        "n_fft": 1_024,
        "hop_length": 256,
        "n_mels": 64,
        "fmin": 200.0,
        "fmax": 5_000.0,
        "top_db": 30.0,
        "statistics": ("mean", "std"),
    },
    "log_mel": {
        "sample_rate": 16_000,
        "resampler": "kaiser_fast",
        "n_fft": 1_024,
        "hop_length": 256,
        "n_mels": 64,
        "fmin": 200.0,
        "fmax": 5_000.0,
        "top_db": 30.0,
    },
    "stats": {
        "sample_rate": 16_000,
        "resampler": "kaiser_fast",
        "n_mfcc": 13,
        "n_fft": 1_024,
        "hop_length": 256,
        "n_mels": 64,
        "fmin": 200.0,
        "fmax": 5_000.0,
        "top_db": 30.0,
        "version": 1,
    },
}


OTHER_VALUES["encoder"] = {"sha256": remember(small_yamnet(1)), "pooled": "mean", "resampler": "kaiser_fast"}
# What an encoder is decides the rest of these.
FIXED = {"encoder": ("encoder", "sample_rate", "window", "hop", "size", "front_end")}


@pytest.fixture(params=sorted(FEATURES))
def feature(request):
    return ready(FEATURES[request.param]())


def waveform(feature, samples=None):
    if samples is None:
        samples = np.random.default_rng(2).uniform(-0.5, 0.5, feature.sample_rate).astype(np.float32)
        samples[: len(samples) // 4] *= np.float32(1e-3)
    return Waveform(samples, feature.sample_rate)


class TestEveryFeature:
    def test_is_a_frozen_dataclass_under_its_own_name(self, feature):
        assert isinstance(feature, Feature)
        assert FEATURES[feature.name] is type(feature)
        assert dataclasses.is_dataclass(feature)
        with pytest.raises(dataclasses.FrozenInstanceError):
            feature.sample_rate = 1

    def test_is_hashable_and_equal_by_value(self, feature):
        again = dataclasses.replace(feature)
        assert again == feature
        assert hash(again) == hash(feature)

    def test_survives_json(self, feature):
        variants = [feature]
        for name, value in OTHER_VALUES[feature.name].items():
            variants.append(dataclasses.replace(feature, **{name: value}))
        for variant in variants:
            stored = json.dumps(feature_to_dict(variant))
            again = feature_from_dict(json.loads(stored))
            assert again == variant
            assert hash(again) == hash(variant)
            assert type(again) is type(variant)
        assert len(set(variants)) == len(variants)

    @pytest.mark.parametrize("seconds", [1e-9, 0.01, 0.5, 1.0, 3.3])
    @pytest.mark.parametrize("level", [0.0, 1e-9, 1.0, 1e12])
    def test_gives_finite_numbers_of_the_promised_shape(self, feature, seconds, level):
        length = max(1, int(seconds * feature.sample_rate))
        samples = level * np.random.default_rng(0).uniform(-1, 1, length)
        values = feature.extract(waveform(feature, samples.astype(np.float32)))
        assert values.dtype == np.float32
        assert values.shape[-1] == feature.dims
        assert values.ndim in (1, 2)
        assert np.isfinite(values).all()

    def test_is_the_same_to_the_last_bit_each_time(self, feature):
        sound = waveform(feature)
        first = feature.extract(sound)
        kept = first.copy()
        feature.extract(waveform(feature, np.ones(500, np.float32)))
        assert np.array_equal(feature.extract(sound), kept)
        assert np.array_equal(first, kept)

    def test_only_reads_its_input(self, feature):
        sound = waveform(feature)
        kept = sound.samples.copy()
        sound.samples.flags.writeable = False
        feature.extract(sound)
        assert np.array_equal(sound.samples, kept)

    def test_takes_samples_that_are_not_contiguous(self, feature):
        sound = waveform(feature)
        wide = np.repeat(sound.samples, 2)[::2]
        assert np.array_equal(feature.extract(Waveform(wide, sound.sample_rate)), feature.extract(sound))

    def test_refuses_another_sample_rate(self, feature):
        wrong = Waveform(np.zeros(8_000, np.float32), 8_000)
        expected = rf"^the waveform has 8000 Hz, the feature needs {feature.sample_rate} Hz$"
        with pytest.raises(ValueError, match=expected):
            feature.extract(wrong)

    def test_reads_every_setting(self, feature):
        others = OTHER_VALUES[feature.name]
        settings = {f.name for f in dataclasses.fields(feature)}
        settings -= {"channel", *FIXED.get(feature.name, ())}  # the channel is of the file, not of its sound
        assert settings == set(others), "give each setting another value"
        source = Waveform(waveform(feature).samples, 44_100)

        def values(feature):
            samples = resample(source.samples, source.sample_rate, feature.sample_rate, feature.resampler)
            return feature.extract(Waveform(samples, feature.sample_rate))

        usual = values(feature)
        for name, value in others.items():
            assert getattr(feature, name) != value
            changed = values(dataclasses.replace(feature, **{name: value}))
            assert changed.shape != usual.shape or not np.allclose(changed, usual, atol=1e-3), name

    def test_settings_of_the_wrong_kind_are_refused(self, feature):
        hints = typing.get_type_hints(type(feature))
        for field in dataclasses.fields(feature):
            with pytest.raises(SettingError, match=rf"\[feature\] {field.name} is "):
                feature_from_dict({"name": feature.name, field.name: {"a": 1}})
            assert field.name in hints

    def test_unknown_settings_are_refused(self, feature):
        with pytest.raises(SettingError, match=r"^\[feature\] has no setting 'colour'\. There are: "):
            feature_from_dict({"name": feature.name, "colour": "red"})


@pytest.mark.parametrize("values", [{"name": "mfc"}, {}, {"name": None}])
def test_unknown_feature(values):
    with pytest.raises(UnknownNameError) as caught:
        feature_from_dict(values)
    name = values.get("name", "")
    guess = " Did you mean 'mfcc'?" if name == "mfc" else ""
    assert (
        str(caught.value)
        == f"No feature is called '{name}'. There are: encoder, log_mel, mfcc, stats.{guess}"
    )


# ── real recordings ─────────────────────────────────────────────────────────────────────────────────────────────


def tutorial(librosa, path, method):
    """The function that older tutorials teach, word for word."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y, sr = librosa.load(path, res_type=method)
        return np.mean(librosa.feature.mfcc(y=y, sr=sr, n_mfcc=40).T, axis=0)


@pytest.mark.data
@pytest.mark.parametrize("method", ["kaiser_fast", "soxr_hq"])
def test_the_bar(librosa, data_root, tmp_path, method):
    paths = sorted((data_root / "us8k").rglob("*.ogg"))
    feature = Mfcc(resampler=method)
    rng = np.random.default_rng(0)
    for path in [paths[i] for i in rng.choice(len(paths), 40, replace=False)]:
        wave = decode(path)
        left = resample(wave.samples, wave.sample_rate, 44_100, "soxr_hq")
        right = np.roll(left, 11) * rng.uniform(0.3, 1)
        wav = tmp_path / "clip.wav"
        soundfile.write(wav, np.stack([left, right], axis=1), 44_100, subtype="PCM_16")
        ours = feature.extract(load(wav, feature.sample_rate, feature.resampler))
        np.testing.assert_allclose(ours, tutorial(librosa, wav, method), rtol=0, atol=BAR, err_msg=path.name)


def real_files(root: Path):
    folders = {"us8k": 12, "esc10": 8, "fsdd": 12, "format_zoo": 40}
    rng = np.random.default_rng(1)
    kinds = {".wav", ".flac", ".ogg", ".mp3", ".caf"}
    for folder, count in folders.items():
        paths = sorted(p for p in (root / folder).rglob("*") if p.suffix.lower() in kinds)
        chosen = rng.choice(len(paths), min(count, len(paths)), replace=False)
        yield from (paths[i] for i in sorted(chosen))


@pytest.mark.data
@pytest.mark.parametrize("method", ["kaiser_fast", "soxr_hq"])
def test_real_files_of_every_kind(librosa, data_root, method):
    feature = Mfcc(resampler=method)
    compared = 0
    for path in real_files(data_root):
        if soundfile.info(path).subtype == "MPEG_LAYER_III" and path.suffix == ".wav":
            continue  # which libsndfile ends early, and librosa with it
        try:
            ours = feature.extract(load(path, feature.sample_rate, method, 0.0))
        except AudioError:
            continue
        theirs = tutorial(librosa, path, method)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TIGHT, err_msg=str(path))
        compared += 1
    assert compared > 50
