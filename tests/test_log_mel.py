"""Log-mel against librosa, and the rounding that lets stored and fresh values agree."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from earmark.errors import SettingError
from earmark.features import LogMel
from earmark.features.log_mel import halved
from earmark.types import Waveform
from test_features import CLIPS, RATE, SETTINGS, clips

CLOSE = 1e-2  # of librosa, before the rounding
HALF = 2.0**-5  # dB: half a step of float16 from 64 to 128


@pytest.fixture(scope="module")
def librosa():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import librosa
    return librosa


def theirs(librosa, samples, top_db=80.0, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # n_fft is too large for the clip; empty filters
        power = librosa.feature.melspectrogram(y=samples, sr=RATE, **settings)
        return librosa.power_to_db(power, ref=1.0, top_db=top_db).T


@pytest.mark.parametrize("settings", [s for s in SETTINGS if "n_mfcc" not in s], ids=str)
@pytest.mark.parametrize("name", CLIPS)
def test_equals_librosa(librosa, name, settings):
    samples = clips()[name]
    ours = LogMel(**settings).extract(Waveform(samples, RATE))
    expected = theirs(librosa, samples, **settings)
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours, expected, rtol=0, atol=CLOSE + HALF)


@pytest.mark.parametrize("top_db", [20.0, 120.0])
def test_the_floor_equals_librosa(librosa, top_db):
    samples = clips()["fading"]
    ours = LogMel(top_db=top_db).extract(Waveform(samples, RATE))
    expected = theirs(librosa, samples, top_db=top_db)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=CLOSE + HALF)
    assert ours.max() - ours.min() <= top_db + 2 * HALF


def test_ten_times_the_pressure_is_twenty_decibels():
    samples = clips()["noise"]
    quiet, loud = (LogMel().extract(Waveform(np.float32(g) * samples, RATE)) for g in (0.1, 1))
    np.testing.assert_allclose(loud - quiet, 20, rtol=0, atol=2 * HALF)


@pytest.mark.parametrize("name", CLIPS)
def test_half_precision_loses_nothing(name):
    values = LogMel().extract(Waveform(clips()[name], RATE))
    assert np.array_equal(values.astype(np.float16).astype(np.float32), values)


def there_and_back(values):
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


@given(arrays.arrays(np.float32, st.integers(0, 40), elements=st.floats(-1e5, 1e5, width=32)))
@settings(deadline=None)
def test_rounding_is_that_of_float16(values):
    assert np.array_equal(halved(values.copy()), there_and_back(values))


@pytest.mark.parametrize("value", [0, 1e-8, -1e-7, 6e-5, 65_503, 65_520, 7e4, np.inf, -np.inf])
def test_rounding_at_the_ends_of_the_range(value):
    values = np.array([value, 1.0, -1 / 3], np.float32)
    assert np.array_equal(halved(values.copy()), there_and_back(values))


def test_rounding_of_everything_that_lies_half_way():
    near = np.arange(2**10, 2**11, dtype=np.float32)
    for values in (near, near + np.float32(0.5), -near / 64, (near + np.float32(0.5)) / 64):
        assert np.array_equal(halved(values.copy()), there_and_back(values))


def test_keeps_time():
    feature = LogMel(n_mels=40)
    assert (feature.course, feature.storage, feature.dims) == (True, "float16", 40)
    assert feature.extract(Waveform(np.ones(1, np.float32), RATE)).shape == (1, 40)


def test_settings_that_cannot_work():
    with pytest.raises(SettingError, match=r"^\[feature\] n_mels is 0, but must be from 1 to 1024\.$"):
        LogMel(n_mels=0)
    with pytest.raises(SettingError, match=r"^\[feature\] top_db is -1.0, but must be above 0\.$"):
        LogMel(top_db=-1.0)
