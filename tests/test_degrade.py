"""The degradations do what their names say, alike for every model that is measured."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.types import Waveform

RATE = 22_050
CUT = "1 s of it"


@pytest.fixture(scope="module")
def degrade():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).resolve().parent.parent / "bench"))
        yield importlib.import_module("degrade")


def noise(seconds=2.0, rate=RATE, seed=0):
    samples = np.random.default_rng(seed).standard_normal(round(seconds * rate)) * 0.1
    return Waveform(samples.astype(np.float32), rate)


def power_between(samples, low, high, rate=RATE):
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / rate)
    return float(power[(hz >= low) & (hz < high)].mean())


def test_there_are_six(degrade):
    assert list(degrade.DEGRADATIONS) == [
        "12 dB quieter", "pink noise, 10 dB SNR", "MP3, 32 kbit/s", "telephone band", "reverberation, RT60 0.6 s", CUT,
    ]  # fmt: skip


@given(
    length=st.integers(1, 30_000),
    rate=st.sampled_from([8_000, 11_127, 16_000, RATE, 44_100]),
    level=st.sampled_from([0.0, 1e-4, 0.5, 3.0]),
)
@settings(deadline=None, max_examples=40)
def test_length_and_rate_are_kept_and_every_clip_hears_the_same_twice(degrade, length, rate, level):
    sound = Waveform((level * np.random.default_rng(length).uniform(-1, 1, length)).astype(np.float32), rate)
    for name in degrade.DEGRADATIONS:
        once, again = (degrade.degraded(sound, name, "fold1/a.wav") for _ in range(2))
        assert len(once.samples) == (min(length, rate) if name == CUT else length), name
        assert (once.sample_rate, once.samples.dtype) == (rate, np.float32)
        assert np.isfinite(once.samples).all()
        assert (once.samples == again.samples).all(), name


def test_quieter_by_12_db(degrade):
    before, after = noise(), degrade.degraded(noise(), "12 dB quieter", 1)
    assert 20 * np.log10(np.std(after.samples) / np.std(before.samples)) == pytest.approx(-12, abs=1e-3)


def test_noise_is_pink_and_10_db_below(degrade):
    sound = noise(4.0)
    added = degrade.degraded(sound, "pink noise, 10 dB SNR", 1).samples - sound.samples
    assert 10 * np.log10(np.mean(sound.samples**2) / np.mean(added**2)) == pytest.approx(10, abs=1e-2)
    octaves = [power_between(added, low, 2 * low) for low in (200, 400, 800, 1_600, 3_200)]
    assert np.diff(10 * np.log10(octaves)) == pytest.approx([-3.01] * 4, abs=0.6)
    other = degrade.degraded(sound, "pink noise, 10 dB SNR", 2).samples - sound.samples
    assert abs(np.corrcoef(added, other)[0, 1]) < 0.1


def test_mp3_is_the_same_sound_at_the_same_place(degrade):
    time = np.arange(2 * RATE) / RATE
    chirp = 0.5 * np.sin(2 * np.pi * (200 + 700 * time) * time).astype(np.float32)
    after = degrade.degraded(Waveform(chirp, RATE), "MP3, 32 kbit/s", 1).samples
    assert np.corrcoef(chirp, after)[0, 1] > 0.99
    assert not np.array_equal(chirp, after)
    hiss = degrade.degraded(noise(), "MP3, 32 kbit/s", 1).samples
    assert power_between(hiss, 9_500, 11_000) < 0.1 * power_between(noise().samples, 9_500, 11_000)


def test_what_is_beyond_full_scale_is_not_clipped_by_mp3(degrade):
    loud = Waveform(3 * np.sin(np.arange(RATE) / 10).astype(np.float32), RATE)
    assert np.abs(degrade.degraded(loud, "MP3, 32 kbit/s", 1).samples).max() == pytest.approx(3, abs=0.3)


@pytest.mark.parametrize("rate", [RATE, 44_100, 8_000])
def test_the_telephone_has_its_band(degrade, rate):
    sound = noise(4.0, rate)
    after = degrade.degraded(sound, "telephone band", 1).samples
    change = [
        10 * np.log10(power_between(after, *band, rate) / power_between(sound.samples, *band, rate))
        for band in ((400, 3_300), (50, 250), (3_500, 3_950))
    ]
    assert change[0] == pytest.approx(0, abs=0.3)
    assert max(change[1:]) < -30
    lag = np.fft.irfft(np.fft.rfft(after) * np.conj(np.fft.rfft(sound.samples))).argmax()
    assert lag == 0


def test_reverberation_falls_by_60_db_in_its_time(degrade):
    click = np.zeros(RATE, np.float32)
    click[100] = 1
    after = degrade.degraded(Waveform(click, RATE), "reverberation, RT60 0.6 s", 1).samples
    assert np.abs(after[:100]).max() < 1e-6
    assert after[100] == pytest.approx(1, abs=1e-5)
    tail = after[101:]
    assert float(np.sum(tail**2)) == pytest.approx(1, abs=1e-3)
    energy = np.cumsum(tail[::-1].astype(np.float64) ** 2)[::-1]  # Schroeder's backward integration
    decibels = 10 * np.log10(energy[: round(0.4 * RATE)] / energy[0])
    slope = np.polyfit(np.arange(len(decibels)) / RATE, decibels, 1)[0]
    assert -60 / slope == pytest.approx(0.6, abs=0.05)


def test_a_second_is_a_piece_of_the_sound(degrade):
    sound = Waveform(np.arange(4 * RATE, dtype=np.float32), RATE)
    begins = {float(degrade.degraded(sound, CUT, clip).samples[0]) for clip in range(5)}
    assert len(begins) == 5
    piece = degrade.degraded(sound, CUT, 0).samples
    assert (np.diff(piece) == 1).all()


def test_accuracy_is_told_clean_and_under_each(degrade):
    def model(sound):  # loud is the second class
        loud = float(np.std(sound.samples)) > 0.05
        return np.array([not loud, loud], np.float32)

    sounds = [noise(seed=1), noise(seed=2), Waveform(0.1 * noise().samples, RATE)]
    found = degrade.accuracies(model, sounds, np.array([1, 1, 0]), ["a", "b", "c"])
    assert list(found) == ["clean", *degrade.DEGRADATIONS]
    assert found["clean"] == 1
    assert found["12 dB quieter"] == pytest.approx(1 / 3)
    assert found[CUT] == 1
