"""What is measured of a sound, on sounds of which it is known."""

from __future__ import annotations

import importlib
import math
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from earmark.audio import decode, ffmpeg, limits, resample, riff, sndfile
from earmark.audio.fingerprint import sound_of
from earmark.audio.vitals import examine
from earmark.errors import AudioError, NotFiniteAudioError, TooLongAudioError
from encoders import Kind, by_av
from surroundings import ROOT

RATE = 44_100
# The name of a file, its encoding, and how near what is measured of it comes.
KINDS = {
    "wav 16": ("a.wav", "PCM_16", 1e-3), "wav 24": ("a.wav", "PCM_24", 1e-3), "wav 32": ("a.wav", "PCM_32", 1e-3),
    "wav float": ("a.wav", "FLOAT", 1e-3), "wav double": ("a.wav", "DOUBLE", 1e-3), "wav 8": ("a.wav", "PCM_U8", 8e-3),
    "flac": ("a.flac", "PCM_16", 1e-3), "ogg": ("a.ogg", "VORBIS", 0.03), "aiff": ("a.aiff", "PCM_16", 1e-3),
}  # fmt: skip
every_kind = pytest.mark.parametrize("kind", KINDS)


def tone(hertz=1000.0, seconds=2.0, rate=RATE):
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def noise(seconds=2.0, rate=RATE, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * rate))


@pytest.fixture
def look(tmp_path):
    def examined(kind, sound, rate=RATE):
        name, subtype, _ = KINDS[kind]
        soundfile.write(tmp_path / name, sound, rate, subtype=subtype)
        vitals = examine(tmp_path / name)
        wave = decode(tmp_path / name)
        assert vitals.sound == sound_of(wave)
        assert vitals.seconds == wave.seconds
        assert (vitals.rate, vitals.channels) == (rate, 1 if sound.ndim == 1 else sound.shape[1])
        assert vitals.faults == ()
        return vitals

    return examined


@every_kind
def test_level_peak_and_offset(kind, look):
    near = KINDS[kind][2]
    vitals = look(kind, 0.5 * tone())
    assert vitals.peak == pytest.approx(0.5, rel=3 * near)
    assert vitals.level == pytest.approx(-9.03, abs=10 * near)
    assert vitals.offset == pytest.approx(0.0, abs=near)
    assert (vitals.clipped, vitals.copies, vitals.dead) == (0.0, False, 0)
    vitals = look(kind, 0.1 + 0.2 * tone())
    assert vitals.offset == pytest.approx(0.1, abs=near)
    assert look(kind, -0.1 + 0.2 * tone()).offset == pytest.approx(-0.1, abs=near)


@every_kind
def test_the_loudest_channel_is_the_peak(kind, look):
    near = KINDS[kind][2]
    quiet, loud = 0.1 * tone(700), 0.8 * tone()
    assert look(kind, np.stack([quiet, loud], axis=1)).peak == pytest.approx(0.8, rel=3 * near)


@every_kind
def test_clipping(kind, look):
    sound = np.clip(1.5 * tone(440), -1, 1)
    share = float(np.mean(np.abs(1.5 * tone(440)) >= 1))
    assert look(kind, sound).clipped == pytest.approx(share, abs=0.03 if kind != "ogg" else 0.2)
    both = np.stack([sound, 0.1 * tone(300)], axis=1)
    assert look(kind, both).clipped == pytest.approx(share / 2, abs=0.03 if kind != "ogg" else 0.15)
    assert look(kind, 0.95 * tone(440)).clipped == 0.0


@every_kind
def test_silence(kind, look):
    vitals = look(kind, np.zeros((RATE, 2)))
    assert (vitals.peak, vitals.level, vitals.bandwidth, vitals.clipped) == (0.0, -math.inf, 0.0, 0.0)
    assert (vitals.copies, vitals.dead) == (True, 0)


@every_kind
def test_copies_and_dead_channels(kind, look):
    one, other, nothing = noise(), noise(seed=1), np.zeros(2 * RATE)
    for channels, copies, dead in (
        ((one, one), True, 0),
        ((one, other), False, 0),
        ((one, nothing), False, 1),
        ((nothing, one, nothing, other), False, 2),
        ((one, one, one), True, 0),
        ((np.append(nothing[1:], 0.5), nothing), False, 1),  # the very last sample says it
    ):
        vitals = look(kind, np.stack(channels, axis=1))
        if (
            kind != "ogg" or len(channels) == 2
        ):  # which gives two of four equal channels' shares to the others
            assert (vitals.copies, vitals.dead) == (copies, dead), len(channels)


def test_channels_that_differ_at_the_end_only(look):
    one = noise()
    other = one.copy()
    other[-1] += 0.1
    assert not look("wav 16", np.stack([one, other], axis=1)).copies


@pytest.mark.parametrize("kind", ["wav 16", "wav 24", "wav float", "flac", "ogg"])
@pytest.mark.parametrize(
    ("was", "now"), [(8_000, 44_100), (16_000, 48_000), (8_000, 192_000), (22_050, 44_100)]
)
def test_bandwidth_tells_the_rate_that_a_file_once_had(kind, was, now, look):
    if kind == "ogg" and now > 100_000:
        pytest.skip("its encoder hears nothing so high")
    sound = 0.5 * resample(noise(rate=was).astype(np.float32), was, now, "soxr_hq")
    near = (
        0.15 if kind == "ogg" else max(0.05, 5 / 1024 * now / (was / 2))
    )  # in a spectrum of so many samples
    assert look(kind, sound, now).bandwidth == pytest.approx(was / 2, rel=near)


@pytest.mark.parametrize("seconds", [0.012, 0.02, 0.05, 0.3, 30.0])
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_bandwidth_of_short_and_long_sounds(seconds, rate, look):
    assert look("wav 16", noise(seconds, rate), rate).bandwidth > 0.45 * rate
    spread = 8 * rate / min(1024, seconds * rate)  # of a tone in so few samples
    assert look("wav 16", 0.5 * tone(rate / 8, seconds, rate), rate).bandwidth < rate / 8 + spread


def test_bandwidth_of_a_sound_among_silence(look):
    """Wherever in a recording it is, and however quiet the rest."""
    sound = np.zeros(20 * RATE)
    sound[7 * RATE : 9 * RATE] = noise()
    assert look("wav 16", sound).bandwidth > 0.45 * RATE


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.m4a"])
def test_pieces_make_no_difference(name, tmp_path, monkeypatch):
    """Files are looked at piece by piece; nothing that is found depends on where one ends."""
    path = tmp_path / name
    sound = np.stack([0.02 + 0.3 * tone(500, 9), 0.3 * tone(1200, 9)], axis=1)
    if name == "a.m4a":
        path.write_bytes(by_av(Kind(name, RATE, 2, "ipod", "aac"), sound))
    else:
        soundfile.write(path, sound, RATE)
    one = examine(path)
    monkeypatch.setattr(riff, "PIECE", 2 * 777)  # shorter than a frame that is transformed
    monkeypatch.setattr(sndfile, "BLOCK", 2 * 30_001)
    monkeypatch.setattr(ffmpeg, "BLOCK", 2 * 30_001)
    other = examine(path)
    assert other.sound == one.sound
    for name in ("seconds", "peak", "clipped", "copies", "dead"):
        assert getattr(one, name) == getattr(other, name)
    assert other.level == pytest.approx(one.level, abs=1e-4)
    assert other.offset == pytest.approx(one.offset, abs=1e-6)
    if path.suffix != ".wav":
        assert other.bandwidth == pytest.approx(one.bandwidth, rel=0.1)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("name", ["a.wav", "a.aiff"])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_no_number_is_refused_in_the_words_of_decoding(subtype, name, channels, tmp_path):
    for bad in ([np.nan], [np.inf, np.nan, -np.inf], [1e13], [-3e30]):
        sound = 0.1 * np.stack([tone()] * channels, axis=1)
        sound[1000 : 1000 + len(bad), 0] = bad
        soundfile.write(tmp_path / name, sound, RATE, subtype=subtype)
        said = []
        for call in (decode, examine):
            with pytest.raises(NotFiniteAudioError) as caught:
                call(tmp_path / name)
            said.append(caught.value.reason)
        assert said[0] == said[1]
        if np.isfinite(bad).all():
            assert said[0] == f"samples of up to {abs(bad[0]) / channels:.0e}, where full scale is 1"
        else:
            assert said[0] == f"{len(bad)} of {2 * RATE} samples are NaN or infinite"


def test_what_is_loud_in_one_channel_is_not_refused_by_one_and_read_by_the_other(tmp_path):
    path = tmp_path / "a.wav"
    sound = 0.1 * np.stack([tone(), tone()], axis=1)
    sound[5] = 1.5e12, 0.0
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    assert decode(path).samples[5] == np.float32(0.75e12)
    assert examine(path).peak == pytest.approx(1.5e12)


def test_a_part_of_a_file(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.concatenate([np.zeros(RATE), 0.5 * tone(), np.zeros(RATE)]), RATE)
    assert examine(path, 0.0, 1.0).level == -math.inf
    middle = examine(path, 1.0, 3.0)
    assert middle.level == pytest.approx(-9.03, abs=0.01)
    assert (middle.seconds, middle.sound) == (2.0, sound_of(decode(path, 1.0, 3.0)))
    for cut in ((5.0, None), (1.0, 9.0), (2.0, 1.0), (0.0, 0.001)):
        with pytest.raises(AudioError) as one:
            decode(path, *cut)
        with pytest.raises(AudioError) as other:
            examine(path, *cut)
        assert (type(one.value), one.value.reason) == (type(other.value), other.value.reason)


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_more_than_is_read_at_once(name, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_SECONDS", 1.0)
    soundfile.write(tmp_path / name, tone(), RATE)
    with pytest.raises(TooLongAudioError):
        examine(tmp_path / name)
    assert examine(tmp_path / name, 0.5, 1.5).seconds == 1.0


@pytest.mark.parametrize(
    ("name", "subtype", "said"),
    [
        ("a.wav", "PCM_16", "WAV, 16-bit"), ("a.wav", "PCM_U8", "WAV, 8-bit"), ("a.wav", "FLOAT", "WAV, 32-bit float"),
        ("a.wav", "ALAW", "WAV, ALAW"), ("a.flac", "PCM_24", "FLAC, PCM 24"), ("a.ogg", "VORBIS", "OGG, VORBIS"),
    ],
)  # fmt: skip
def test_encodings_have_names(name, subtype, said, tmp_path):
    soundfile.write(tmp_path / name, tone(), RATE, subtype=subtype)
    assert examine(tmp_path / name).encoding == said


def test_the_encoding_of_a_film_has_a_name(tmp_path):
    path = tmp_path / "a.m4a"
    path.write_bytes(by_av(Kind("a.m4a", RATE, 1, "ipod", "aac"), tone()[:, None]))
    assert examine(path).encoding == "m4a, mp4, mov or 3gp, aac"


# Memory

PEAK = """
import resource, sys
from pathlib import Path
from earmark.audio import decode
from earmark.audio.kept import kept_open
from earmark.audio.length import seconds_of
from earmark.audio.vitals import examine

path = Path(sys.argv[1])
seconds = seconds_of(path)
examine(path)
with kept_open():
    for i in range(int(seconds) // 10):
        decode(path, 10.0 * i, 10.0 * i + 4)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units elsewhere")
@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3", "m4a", "webm"])
def test_memory_does_not_grow_with_the_file(kind, tmp_path, monkeypatch):
    """Looked at whole, and cut into windows. The samples of the longer file alone would be 22 MiB or more."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    memory = importlib.import_module("memory")
    monkeypatch.setattr(memory, "RATE", 8_000)
    peaks = []
    for minutes in (1, 4) if kind == "webm" else (3, 12):  # for Opus knows high rates only
        path = tmp_path / f"{minutes}.{kind}"
        memory.recording(path, 60 * minutes, 0)
        done = subprocess.run([sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True)
        peaks.append(float(done.stdout))
    assert peaks[1] - peaks[0] < 12, peaks
