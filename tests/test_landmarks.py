"""Copies in disguise: found whatever was done to them, and never seen where there are none."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from earmark.audio.copies import asked_for, find_copies
from earmark.audio.landmarks import BINS, MOST_SECONDS, RATE, Ear, landmarks
from earmark.audio.vitals import examine

HZ = 22_050


def scene(seed, seconds=4.0):
    """Events of all kinds over noise: chirps, clicks, bursts, tones that come and go."""
    rng = np.random.default_rng(seed)
    n = int(seconds * HZ)
    t = np.arange(n) / HZ
    out = 0.003 * rng.standard_normal(n)
    for _ in range(int(6 * seconds)):
        begin, length = rng.uniform(0, seconds), rng.uniform(0.03, 0.5)
        envelope = np.where((t >= begin) & (t < begin + length), np.exp(-(t - begin) / length * 3), 0)
        pitch = rng.uniform(150, 3_000) + rng.uniform(-1_500, 1_500) * (t - begin)
        sound = np.sin(2 * np.pi * np.cumsum(pitch) / HZ) if rng.random() < 0.6 else rng.standard_normal(n)
        out += rng.uniform(0.05, 0.3) * envelope * sound
    return np.clip(out, -1, 1).astype(np.float32)


def coded(samples, rate, form, subtype, level, **options):
    data = io.BytesIO()
    soundfile.write(data, samples, rate, format=form, subtype=subtype, compression_level=level, **options)
    data.seek(0)
    return soundfile.read(data, dtype="float32")


def mp3(samples, kilobits):
    level = 1 - (kilobits - 8) / (160 - 8)  # of 8 to 160 kbit/s, as MPEG-2 has them
    return coded(samples, HZ, "MP3", "MPEG_LAYER_III", level, bitrate_mode="CONSTANT")


def noisy(samples):
    seed = abs(int(samples.sum() * 1e6))  # the same noise in two scenes would be the same sound, and be found
    noise = np.random.default_rng(seed).standard_normal(len(samples))
    return (samples + 0.1 * np.sqrt(np.mean(samples**2)) * noise).astype(np.float32)


EDITS = {
    "mp3 at 32 kbit/s": lambda x: mp3(x, 32),
    "mp3 at 64 kbit/s": lambda x: mp3(x, 64),
    "ogg, least quality": lambda x: coded(x, HZ, "OGG", "VORBIS", 1.0),
    "8 kHz and back": lambda x: (soxr.resample(soxr.resample(x, HZ, 8_000), 8_000, HZ), HZ),
    "44.1 kHz": lambda x: (soxr.resample(x, HZ, 44_100), 44_100),
    "20 dB softer": lambda x: (0.1 * x, HZ),
    "6 dB louder, clipped": lambda x: (np.clip(2 * x, -1, 1), HZ),
    "the other way up": lambda x: (-x, HZ),
    "the middle half": lambda x: (x[len(x) // 4 : -len(x) // 4], HZ),
    "without 0.3 s": lambda x: (x[int(0.3 * HZ) :], HZ),
    "a second, looped": lambda x: (np.resize(x[HZ : 2 * HZ], 5 * HZ), HZ),
    "noise at 20 dB": lambda x: (noisy(x), HZ),
}


def marks_of(samples, rate=HZ):
    ear = Ear(rate)
    ear.hear(np.asarray(samples, np.float32))
    return ear.landmarks()


def found_in(sounds, units=None):
    bounds = np.cumsum([0, *map(len, sounds)])
    marks = np.concatenate([np.empty(0, np.uint32), *sounds])
    return find_copies(marks, bounds, np.arange(len(sounds)) if units is None else np.asarray(units))


@pytest.fixture(scope="module")
def scenes():
    return [marks_of(scene(seed)) for seed in range(12)]


@pytest.mark.parametrize("edit", EDITS)
def test_every_disguise_is_seen_through(edit, scenes):
    copies = [marks_of(*EDITS[edit](scene(seed))) for seed in range(12)]
    found = {(c.first, c.second): c for c in found_in([*scenes, *copies])}
    assert set(found) == {(i, 12 + i) for i in range(12)}
    if edit == "without 0.3 s":
        assert [c.later for c in found.values()] == pytest.approx([-0.3] * 12, abs=0.03)


def test_nothing_is_seen_among_200_unlike_sounds():
    """Stationary noise of many colours, steady tones and hums, clicks in a rhythm, silence, and scenes."""
    rng = np.random.default_rng(1)
    t = np.arange(4 * RATE) / RATE
    sounds = []
    for i in range(200):
        kind = i % 8
        noise = rng.standard_normal(len(t))
        tone = np.sin(2 * np.pi * rng.uniform(80, 3_000) * t)
        pitch = (100, 120, 150)[i % 3]  # hums of few machines
        hum = sum(np.sin(2 * np.pi * pitch * k * t + rng.uniform(0, 6)) / k for k in range(1, 12))
        rhythm = (np.arange(len(t)) % (RATE // 2) < 40) * noise
        sound = (
            noise,
            np.cumsum(noise) / 50,
            tone,
            hum,
            0 * t,
            rhythm,
            tone + 0.01 * noise,
            hum + 0.1 * noise,
        )
        sounds.append(0.3 * sound[kind])
    marks = [landmarks(s.astype(np.float32)) for s in sounds] + [marks_of(scene(100 + i)) for i in range(30)]
    assert sum(len(m) > 0 for m in marks) > 150
    assert found_in(marks) == []


def test_sounds_of_one_unit_are_not_compared(scenes):
    assert found_in([scenes[0], scenes[0], scenes[1]], [7, 7, 8]) == []
    assert [c[:2] for c in found_in([scenes[0], scenes[0], scenes[1]], [7, 8, 8])] == [(0, 1)]


@settings(max_examples=60, deadline=None)
@given(
    npst.arrays(
        np.float32, st.integers(0, 3_000), elements=st.floats(width=32, allow_nan=True, allow_infinity=True)
    )
)
def test_any_numbers_at_all_have_landmarks(samples):
    marks = landmarks(samples)
    assert marks.dtype == np.uint32
    assert (np.diff(marks.astype(np.int64)) > 0).all()
    assert ((marks % BINS >= 6) & (marks % BINS < 224)).all()
    assert found_in([marks, marks[:0]]) == []


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 9_000), max_size=6), st.sampled_from([8_000, 11_127, 44_100]))
def test_pieces_are_heard_as_one_sound(sizes, rate):
    samples = np.resize(scene(3), 30_000).astype(np.float32)
    ear = Ear(rate)
    for piece in np.split(samples, np.minimum(np.cumsum(sizes), len(samples))):
        ear.hear(piece)
    assert ear.landmarks().tolist() == marks_of(samples, rate).tolist()


def test_long_sounds_are_heard_in_bounded_memory_and_alike():
    noise = np.random.default_rng(2).standard_normal(90 * RATE).astype(np.float32)
    whole = landmarks(noise)  # more than one span
    frames = whole // BINS
    assert 30 * 90 < len(whole) <= 32 * 90 + 16
    assert np.bincount(frames // 32).max() == 16
    shifted = landmarks(noise[128 * 32 * 5 :])
    both = np.intersect1d(shifted + 5 * 32 * BINS, whole)
    assert len(both) > 0.99 * len(shifted)
    assert landmarks(np.resize(noise, (MOST_SECONDS + 60) * RATE))[-1] // BINS < MOST_SECONDS * RATE / 128


def test_the_same_samples_in_any_file_have_the_same_landmarks(tmp_path, write_wav):
    samples = np.round(scene(5) * 2**15) / 2**15
    files = [write_wav(tmp_path / "16.wav", samples, HZ), write_wav(tmp_path / "f.wav", samples, HZ, "FLOAT")]
    files.append(write_wav(tmp_path / "24.wav", np.stack([samples] * 2, axis=1), HZ, "PCM_24"))
    first, *others = [examine(path, landmarks=True).landmarks for path in files]
    assert len(first) > 50
    for other in others:
        assert other.tolist() == first.tolist()
    assert examine(files[0]).landmarks is None
    assert marks_of(samples).tolist() == first.tolist()


def test_more_is_asked_for_among_more_sounds():
    assert [asked_for(n) for n in (0, 1, 2, 2_000, 100_000)] == [7, 7, 7, 13, 18]


def test_a_sound_that_is_everywhere_costs_no_more_than_others(scenes):
    """Its hashes are too common to look at; what else there is, is found all the same."""
    hum = marks_of(np.resize(scene(50, 1.0), 4 * HZ))
    marks = [hum] * 150 + [scenes[0], scenes[1], scenes[0]]
    assert [c[:2] for c in found_in(marks) if c.first >= 150] == [(150, 152)]
