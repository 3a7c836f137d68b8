"""Opening, mixing and cutting sound, and every way in which a file can refuse."""

import io
import itertools
import os
import pickle
import struct
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from earmark import audio
from earmark.audio import decode, decode_bytes, limits, load, read_stream, riff, scratch, sndfile
from earmark.errors import (
    AudioError,
    EmptyAudioError,
    NotFiniteAudioError,
    TooLongAudioError,
    TooShortAudioError,
    UnreadableAudioError,
)

RATE = 22_050


def noise(frames=6_000, channels=1, level=0.5):
    return np.random.default_rng(frames).uniform(-level, level, (frames, channels))


def encoded(samples, rate=RATE, kind="WAV", subtype=None):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def chunk(name, body, pad=True):
    return name + struct.pack("<I", len(body)) + body + (b"\0" if pad and len(body) % 2 else b"")


def fmt(tag=1, channels=1, rate=RATE, align=None, bits=16, extra=b""):
    align = channels * bits // 8 if align is None else align
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits) + extra)


def wav(*chunks, form=b"RIFF"):
    body = b"WAVE" + b"".join(chunks)
    return form + struct.pack("<I", len(body)) + body


def pcm(samples):
    return np.round(np.asarray(samples) * 32_767).astype("<i2").tobytes()


def mean_of_channels(source):
    """Return what libsndfile says, mixed in float64."""
    samples, rate = soundfile.read(source, dtype="float64", always_2d=True)
    return samples.mean(axis=1), rate


@pytest.fixture(scope="module")
def scrap(tmp_path_factory):
    """One file name to write over again and again."""
    return tmp_path_factory.mktemp("scrap") / "scrap.wav"


@pytest.fixture
def only_the_fast_path(monkeypatch):
    monkeypatch.setattr(sndfile, "opened", lambda *_: pytest.fail("left to libsndfile"))


def parse(path):
    with path.open("rb", buffering=0) as file:
        return riff.parse(file)


SIDE = chunk(b"LIST", b"INFOINAM\x05\0\0\0bark\0")
GUID = bytes.fromhex("0100000000001000800000aa00389b71")
EXTENSIBLE = struct.pack("<HHI", 22, 16, 3) + GUID
SOUND = pcm(noise(4_410))
FLOATS = chunk(b"data", noise(4_410).astype("<f4").tobytes())


@pytest.mark.usefixtures("only_the_fast_path")
class TestPlainWav:
    @pytest.mark.parametrize("channels", [1, 2, 6])
    @pytest.mark.parametrize("rate", [8_000, 44_100])
    def test_equals_libsndfile(self, tmp_path, write_wav, channels, rate):
        path = write_wav(tmp_path / "a.wav", noise(channels=channels, level=1.0), rate)
        wave = decode(path)
        expected, _ = mean_of_channels(path)
        assert wave.sample_rate == rate
        assert wave.samples.dtype == np.float32
        assert wave.samples.flags.c_contiguous
        np.testing.assert_allclose(wave.samples, expected, rtol=0, atol=1e-7)

    @pytest.mark.parametrize(
        "data",
        [
            wav(fmt(), SIDE, chunk(b"data", SOUND)),
            wav(SIDE, chunk(b"odd ", b"abc"), fmt(), chunk(b"fact", b"\0\0\0\0"), chunk(b"data", SOUND)),
            wav(fmt(), chunk(b"data", SOUND), SIDE),
            wav(fmt(), chunk(b"data", SOUND)) + b"left over",
            wav(fmt(extra=b"\0\0"), chunk(b"data", SOUND)),
            wav(fmt(0xFFFE, extra=EXTENSIBLE), chunk(b"data", SOUND)),
            wav(fmt(0xFFFE, channels=2, extra=EXTENSIBLE), chunk(b"data", SOUND)),
            wav(fmt(channels=6), chunk(b"data", SOUND)),
            wav(fmt(), chunk(b"data", SOUND + b"x")),
        ],
        ids=[
            "LIST first", "odd chunk", "LIST after", "left over", "fmt of 18 bytes", "extensible", "extensible stereo",
            "six channels", "half a sample too much",
        ],
    )  # fmt: skip
    def test_equals_libsndfile_whatever_else_the_file_holds(self, scrap, data):
        scrap.write_bytes(data)
        expected, rate = mean_of_channels(io.BytesIO(data))
        wave = decode(scrap)
        assert wave.sample_rate == rate
        np.testing.assert_allclose(wave.samples, expected, rtol=0, atol=1e-7)

    @pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
    @pytest.mark.parametrize("channels", [1, 2, 3, 6])
    @pytest.mark.parametrize("frames", [4_410, 4_411, 50_001])
    def test_every_encoding_equals_libsndfile(self, tmp_path, write_wav, subtype, channels, frames):
        path = write_wav(tmp_path / "a.wav", noise(frames, channels, level=1.0), 44_100, subtype)
        wave = decode(path)
        expected, _ = mean_of_channels(path)
        np.testing.assert_allclose(wave.samples, expected, rtol=0, atol=2e-7)
        cut = decode(path, 0.02, 0.07).samples
        np.testing.assert_allclose(cut, expected[882:3_087], rtol=0, atol=2e-7)

    @pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32"])
    def test_the_ends_of_the_scale(self, tmp_path, write_wav, subtype):
        path = write_wav(tmp_path / "a.wav", np.tile([-1.0, 0.0, 0.5, -0.5], 1_000), RATE, subtype)
        assert decode(path).samples[:4].tolist() == [-1.0, 0.0, 0.5, -0.5]

    def test_extensible_float(self, scrap):
        extra = struct.pack("<HHI", 22, 32, 4) + b"\3" + GUID[1:]
        scrap.write_bytes(wav(fmt(0xFFFE, bits=32, extra=extra), FLOATS))
        expected, _ = mean_of_channels(scrap)
        np.testing.assert_allclose(decode(scrap).samples, expected, rtol=0, atol=1e-7)

    def test_full_scale_is_one(self, scrap):
        scrap.write_bytes(wav(fmt(), chunk(b"data", struct.pack("<2h", -32_768, 32_767) * 500)))
        assert decode(scrap).samples[:2].tolist() == [-1.0, np.float32(32_767 / 32_768)]

    def test_what_was_decoded_stays_when_the_next_file_is_read(self, tmp_path, write_wav):
        one = write_wav(tmp_path / "one.wav", noise(6_000, 2))
        other = write_wav(tmp_path / "other.wav", noise(5_000, 2))
        first = decode(one).samples
        kept = first.copy()
        decode(other)
        assert np.array_equal(first, kept)
        assert np.array_equal(decode(one).samples, kept)


@pytest.mark.parametrize(
    "data",
    [
        encoded(noise(), subtype="ALAW"),
        encoded(noise(), subtype="IMA_ADPCM"),
        encoded(noise(), kind="RF64", subtype="PCM_16"),
        encoded(noise(), kind="FLAC"),
        wav(fmt(0xFFFE, bits=32, extra=struct.pack("<HHI", 22, 32, 4) + b"\6" + GUID[1:]), FLOATS),
        wav(fmt(0xFFFE), chunk(b"data", SOUND)),
        wav(fmt(3), chunk(b"data", SOUND)),
        wav(fmt(bits=12, align=2), chunk(b"data", SOUND)),
        wav(fmt(channels=65), chunk(b"data", SOUND * 5)),
        wav(fmt(channels=0, align=2), chunk(b"data", SOUND)),
        wav(fmt(align=4), chunk(b"data", SOUND)),
        wav(fmt(rate=0), chunk(b"data", SOUND)),
        wav(chunk(b"data", SOUND)),
        wav(fmt()),
        wav(chunk(b"fmt ", b"\1\0\1\0"), chunk(b"data", SOUND)),
        wav(fmt(), chunk(b"data", SOUND), form=b"RIFX"),
        wav(fmt(), chunk(b"data", SOUND))[:11],
        wav(fmt(), chunk(b"data", SOUND))[:20],
        wav(fmt(), chunk(b"data", SOUND))[:40],
        b"RIFF\0\0\0\0WAVE" + bytes(10_000),
        b"",
        bytes(range(256)),
    ],
    ids=[
        "A-law", "ADPCM", "RF64", "FLAC", "extensible A-law", "extensible cut short", "16-bit float", "12 bit",
        "65 channels", "no channel", "wrong alignment", "0 Hz", "no fmt", "no data", "short fmt", "big-endian",
        "cut at 11", "cut at 20", "cut at 40", "zeros", "nothing", "anything",
    ],
)  # fmt: skip
def test_anything_but_a_plain_wav_is_left_to_libsndfile(scrap, data):
    scrap.write_bytes(data)
    assert parse(scrap) is None
    try:
        expected, rate = mean_of_channels(io.BytesIO(data))
    except soundfile.LibsndfileError:
        with pytest.raises(UnreadableAudioError, match="not readable as sound"):
            decode(scrap)
        return
    if len(expected) == 0:
        with pytest.raises(EmptyAudioError):
            decode(scrap)
        return
    wave = decode(scrap)
    assert wave.sample_rate == rate
    np.testing.assert_allclose(wave.samples, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("told", [0, 0x7FFF_F000, 0xFFFF_FFFF, len(SOUND) + 2, 10 * len(SOUND)])
@pytest.mark.parametrize("whole", [8, 36 + len(SOUND), 0xFFFF_FFFF])
@pytest.mark.usefixtures("only_the_fast_path")
def test_a_wav_whose_recorder_was_cut_off_is_read_to_its_end(scrap, told, whole):
    data = bytearray(wav(fmt(), chunk(b"data", SOUND)))
    data[4:8], data[40:44] = struct.pack("<I", whole), struct.pack("<I", told)
    scrap.write_bytes(data)
    expected = np.frombuffer(SOUND, "<i2") / 2**15
    np.testing.assert_allclose(decode(scrap).samples, expected, rtol=0, atol=1e-7)
    assert parse(scrap).promised == (None if told in (0, 0x7FFF_F000, 0xFFFF_FFFF) else told // 2)


def test_an_empty_wav_is_not_taken_for_an_unfinished_one(scrap):
    scrap.write_bytes(wav(fmt(), chunk(b"data", b""), SIDE))
    assert parse(scrap).frames == 0
    refused(EmptyAudioError, "the file holds no samples", scrap)


# ── every other format ──────────────────────────────────────────────────────────────────────────────────────────


def every_format():
    for kind, channels in itertools.product(sorted(soundfile.available_formats()), (1, 2)):
        for subtype in sorted(soundfile.available_subtypes(kind)):
            rate = 24_000 if subtype == "OPUS" else RATE
            path = io.BytesIO()
            if kind in ("RAW", "SD2") or "DWVW" in subtype:
                continue  # no header; a header beside the file; libsndfile itself stumbles over it
            try:
                soundfile.write(path, noise(6_000, channels), rate, format=kind, subtype=subtype)
            except (soundfile.LibsndfileError, ValueError):
                continue  # listed, but not written by this build, or not with two channels
            yield pytest.param(path.getvalue(), id=f"{kind}-{subtype}-{channels}")


FORMATS = list(every_format())


def test_there_are_many_formats():
    assert len(FORMATS) > 120
    names = " ".join(str(p.id) for p in FORMATS)
    assert all(
        f"{name}-" in names for name in ("WAV", "FLAC", "OGG-VORBIS", "OGG-OPUS", "MP3", "AIFF", "CAF", "AU")
    )


@pytest.mark.parametrize("data", FORMATS)
def test_every_format_equals_libsndfile_and_can_be_cut(scrap, data):
    scrap.write_bytes(data)
    expected, rate = mean_of_channels(scrap)
    whole = decode(scrap)
    assert whole.sample_rate == rate
    np.testing.assert_allclose(whole.samples, expected, rtol=0, atol=2e-7)
    assert np.array_equal(decode_bytes(data, "it").samples, whole.samples)
    begin, end = round(0.05 * rate), round(0.15 * rate)
    assert np.array_equal(decode(scrap, 0.05, 0.15).samples, whole.samples[begin:end])


def test_a_flac_from_a_pipe_does_not_know_its_length(tmp_path):
    data = bytearray(encoded(noise(), kind="FLAC"))
    word = int.from_bytes(data[18:26], "big") >> 36 << 36  # the last 36 of these bits count the samples
    data[18:26] = word.to_bytes(8, "big")
    path = tmp_path / "piped.flac"
    path.write_bytes(data)
    whole = decode(path)
    assert len(whole.samples) == 6_000
    assert np.array_equal(decode_bytes(bytes(data), "it").samples, whole.samples)
    assert np.array_equal(decode(path, 0.1, 0.2).samples, whole.samples[2_205:4_410])
    with pytest.raises(EmptyAudioError, match=r"starts at 9 s, but the file is 0.272109 s long"):
        decode(path, 9)
    with pytest.raises(TooShortAudioError, match=r"ends at 9 s, but the file is 0.272109 s long"):
        decode(path, None, 9)


def test_a_long_file_is_decoded_in_blocks(tmp_path, write_wav, monkeypatch):
    path = write_wav(tmp_path / "a.flac", noise(6_001, 3))
    whole = decode(path).samples
    monkeypatch.setattr(sndfile, "BLOCK", 3_000)
    np.testing.assert_allclose(decode(path).samples, whole, rtol=0, atol=1e-7)
    np.testing.assert_allclose(decode(path, 0.03, 0.2).samples, whole[662:4_410], rtol=0, atol=1e-7)


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are text there")
def test_a_name_that_is_not_text(tmp_path):
    for data in (encoded(noise()), encoded(noise(), kind="FLAC")):
        path = tmp_path / os.fsdecode(b"b\xe4r")
        path.write_bytes(data)
        assert len(decode(path).samples) == 6_000


# ── cutting ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("start", "end"),
    [(None, None), (0.0, 0.1), (0.1, None), (None, 0.2), (0.1234567, 0.2345678), (0.2, 0.35), (0, 0.2721088)],
)
def test_cutting_equals_slicing(tmp_path, write_wav, subtype, channels, start, end):
    path = write_wav(tmp_path / "a.wav", noise(6_000, channels), RATE, subtype)
    whole = decode(path).samples
    first = round((start or 0) * RATE)
    last = 6_000 if end is None else min(round(end * RATE), 6_000)
    assert np.array_equal(decode(path, start, end).samples, whole[first:last])
    cut = load(path, 16_000, "kaiser_fast", start, end)
    assert np.array_equal(cut.samples, audio.resample(whole[first:last], RATE, 16_000, "kaiser_fast"))
    assert cut.sample_rate == 16_000


# ── what is refused, and in which words ─────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=["PCM_16", "FLOAT"])
def second(request, tmp_path, write_wav):
    """One second of noise, for either path through the code."""
    return write_wav(tmp_path / "second.wav", noise(RATE), RATE, request.param)


def refused(kind, reason, path, *cut):
    with pytest.raises(kind) as caught:
        decode(path, *cut)
    error = caught.value
    assert type(error) is kind
    assert error.reason == reason
    assert error.path == str(path)
    assert str(error) == f"{path}: {reason}"
    assert error.exit_code == 1
    for call in (load, lambda path, _rate, _method, *cut: decode(path, *cut)):
        with pytest.raises(kind) as again:
            call(path, 16_000, "kaiser_fast", *cut)
        assert str(again.value) == str(error)


class TestRefusals:
    def test_missing(self, tmp_path):
        refused(UnreadableAudioError, "no such file or directory", tmp_path / "not-there.wav")

    def test_directory(self, tmp_path):
        refused(UnreadableAudioError, "is a directory", tmp_path)

    def test_no_permission(self, tmp_path, monkeypatch):
        def denied(*_args, **_more):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("pathlib.Path.open", denied)
        refused(UnreadableAudioError, "permission denied", tmp_path / "a.wav")

    @pytest.mark.parametrize("data", [b"", b"not a sound at all" * 100, bytes(5_000)])
    def test_not_sound(self, tmp_path, data):
        path = tmp_path / "a.wav"
        path.write_bytes(data)
        refused(UnreadableAudioError, "not readable as sound (format not recognised)", path)

    def test_damaged_header(self, tmp_path):
        path = tmp_path / "a.wav"
        path.write_bytes(wav(fmt()))
        refused(
            UnreadableAudioError, "not readable as sound (error in WAV file. No 'data' chunk marker)", path
        )

    def test_raw(self, tmp_path):
        path = tmp_path / "a.RAW"
        path.write_bytes(SOUND)
        refused(UnreadableAudioError, "raw samples without a header; convert it to wav", path)

    @pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
    def test_impossible_rate(self, tmp_path, write_wav, subtype):
        path = write_wav(tmp_path / "a.wav", noise(), 1_000_001, subtype)
        refused(UnreadableAudioError, "its header says 1000001 Hz; at most 1000000 Hz are read", path)

    @pytest.mark.parametrize("name", ["a.wav", "a.caf", "a.aiff"])
    def test_empty(self, tmp_path, write_wav, name):
        path = write_wav(tmp_path / name, np.zeros(0))
        refused(EmptyAudioError, "the file holds no samples", path)
        refused(EmptyAudioError, "the file holds no samples", path, 1.0, 2.0)

    @pytest.mark.parametrize("channels", [1, 2])
    @pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
    def test_not_finite(self, tmp_path, write_wav, channels, subtype):
        sound = noise(6_000, channels)
        for i, bad in enumerate([np.nan, np.inf, -np.inf], 1):
            sound[7 * i, 0] = bad
            path = write_wav(tmp_path / "a.wav", sound, RATE, subtype)
            refused(NotFiniteAudioError, f"{i} of 6000 samples are NaN or infinite", path)

    def test_infinities_that_cancel(self, tmp_path, write_wav):
        sound = noise(6_000, 2)
        sound[5] = np.inf, -np.inf
        path = write_wav(tmp_path / "a.wav", sound, RATE, "FLOAT")
        refused(NotFiniteAudioError, "1 of 6000 samples are NaN or infinite", path)

    def test_too_large_for_single_precision(self, tmp_path, write_wav):
        path = write_wav(tmp_path / "a.wav", np.full(6_000, 1e300), RATE, "DOUBLE")
        refused(NotFiniteAudioError, "6000 of 6000 samples are NaN or infinite", path)

    def test_bytes_in_the_wrong_order(self, tmp_path, write_wav):
        sound = noise()
        sound[100] = -3e37
        path = write_wav(tmp_path / "a.wav", sound, RATE, "FLOAT")
        refused(NotFiniteAudioError, "samples of up to 3e+37, where full scale is 1", path)

    def test_loud_is_not_refused(self, tmp_path, write_wav):
        path = write_wav(tmp_path / "a.wav", noise() * 2**31, RATE, "FLOAT")
        assert np.abs(decode(path).samples).max() > 1e8

    @pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
    def test_too_short(self, tmp_path, write_wav, subtype):
        path = write_wav(tmp_path / "a.wav", noise(219), RATE, subtype)
        refused(TooShortAudioError, "9.9 ms of sound; at least 10 ms needed", path)
        path = write_wav(tmp_path / "b.wav", noise(221), RATE, subtype)
        assert len(decode(path).samples) == 221

    def test_too_long(self, second, monkeypatch):
        monkeypatch.setattr(limits, "MAX_SECONDS", 0.5)
        told = "more than 0.000138889 h of sound; cut it with start and end in a table, or with --window"
        refused(TooLongAudioError, told, second)
        refused(TooLongAudioError, told, second, 0.2)
        assert decode(second, 0.2, 0.7).seconds == 0.5

    def test_too_long_says_hours(self):
        assert limits.too_long("a.wav").reason == (
            "more than 1 h of sound; cut it with start and end in a table, or with --window"
        )

    def test_cut_outside_the_file(self, second):
        refused(EmptyAudioError, "the clip starts at 1 s, but the file is 1 s long", second, 1.0)
        refused(EmptyAudioError, "the clip starts at 2.5 s, but the file is 1 s long", second, 2.5, 3.0)
        refused(EmptyAudioError, "the clip starts at inf s, but the file is 1 s long", second, np.inf)
        refused(TooShortAudioError, "the clip ends at 1.11 s, but the file is 1 s long", second, None, 1.11)
        refused(TooShortAudioError, "the clip ends at inf s, but the file is 1 s long", second, 0.5, np.inf)

    def test_an_end_that_is_a_little_late_is_forgiven(self, second):
        assert np.array_equal(decode(second, 0.5, 1.1).samples, decode(second, 0.5).samples)

    def test_a_late_end_does_not_read_what_follows_the_sound(self, tmp_path):
        path = tmp_path / "a.wav"
        path.write_bytes(wav(fmt(), chunk(b"data", SOUND), chunk(b"LIST", b"\x7f" * 9_000)))
        assert np.array_equal(decode(path, 0.1, 0.25).samples, decode(path, 0.1).samples)

    def test_cut_that_makes_no_sense(self, second):
        early = "the clip starts at {} s, but must start at 0 s or later"
        refused(EmptyAudioError, early.format("-1"), second, -1.0)
        refused(EmptyAudioError, early.format("nan"), second, np.nan, 0.5)
        nothing = "the clip starts at {} s and ends at {} s: nothing is between"
        refused(EmptyAudioError, nothing.format("0.5", "0.5"), second, 0.5, 0.5)
        refused(EmptyAudioError, nothing.format("0.5", "0.2"), second, 0.5, 0.2)
        refused(EmptyAudioError, nothing.format("0", "-1"), second, None, -1.0)
        refused(EmptyAudioError, nothing.format("0", "nan"), second, None, np.nan)

    def test_cut_that_is_too_short(self, second):
        refused(TooShortAudioError, "5.0 ms of sound; at least 10 ms needed", second, 0.5, 0.505)
        refused(TooShortAudioError, "0.0 ms of sound; at least 10 ms needed", second, 0.99999)

    def test_a_file_that_shrinks_while_it_is_read(self, second, monkeypatch):
        monkeypatch.setattr(riff, "read", lambda *_: None)
        refused(UnreadableAudioError, "the file became shorter while it was read", second)


def test_riff_read_notices_the_end(scrap):
    scrap.write_bytes(wav(fmt(), chunk(b"data", SOUND)))
    with scrap.open("rb", buffering=0) as file:
        header = riff.parse(file)
        os.truncate(scrap, 2_000)
        assert riff.read(file, header, 0, header.frames) is None


class TestStream:
    def test_equals_the_file(self, second):
        wave = read_stream(io.BytesIO(second.read_bytes()), "standard input")
        np.testing.assert_allclose(wave.samples, decode(second).samples, rtol=0, atol=1e-7)
        assert wave.sample_rate == RATE

    def test_nothing(self):
        with pytest.raises(EmptyAudioError) as caught:
            read_stream(io.BytesIO(), "standard input")
        assert str(caught.value) == "standard input: nothing came on the stream"

    def test_too_much(self):
        data = encoded(noise(2**20))
        with pytest.raises(TooLongAudioError) as caught:
            read_stream(io.BytesIO(data), "standard input", limit=2**21)
        assert str(caught.value) == "standard input: more than 2 MiB on the stream"
        assert len(read_stream(io.BytesIO(data), "standard input", limit=len(data)).samples) == 2**20

    def test_not_sound(self):
        with pytest.raises(UnreadableAudioError) as caught:
            read_stream(io.BytesIO(b"hello"), "standard input")
        assert str(caught.value) == "standard input: not readable as sound (format not recognised)"

    def test_the_same_refusals_as_a_file(self):
        with pytest.raises(TooShortAudioError, match=r"^it: 9.9 ms of sound; at least 10 ms needed$"):
            decode_bytes(encoded(noise(219)), "it")
        with pytest.raises(EmptyAudioError, match=r"^it: the file holds no samples$"):
            decode_bytes(encoded(np.zeros(0)), "it")


@pytest.mark.parametrize("kind", [AudioError, *AudioError.__subclasses__()])
def test_errors_survive_a_trip_between_processes(kind):
    error = pickle.loads(pickle.dumps(kind("a/b.wav", "a reason")))
    assert type(error) is kind
    assert (error.path, error.reason, str(error)) == ("a/b.wav", "a reason", "a/b.wav: a reason")


# ── bytes that mean harm ────────────────────────────────────────────────────────────────────────────────────────


def outcome(call):
    try:
        return call()
    except AudioError as error:
        return error


def survives(path, data):
    """Assert that ``data`` gives sound or an AudioError, from a file and from memory alike."""
    path.write_bytes(data)
    for call in (lambda: decode(path), lambda: decode(path, 0.01, 0.05), lambda: decode_bytes(data, "it")):
        result = outcome(call)
        if isinstance(result, AudioError):
            assert result.reason
            assert "\n" not in result.reason
        else:
            assert len(result.samples) >= limits.MIN_SECONDS * result.sample_rate
            assert np.isfinite(result.samples).all()


@given(data=st.binary(max_size=300))
@settings(deadline=None, max_examples=150)
def test_any_bytes(scrap, data):
    survives(scrap, data)


@given(
    tag=st.sampled_from([0, 1, 2, 3, 6, 17, 0x55, 0xFFFE]) | st.integers(0, 2**16 - 1),
    channels=st.integers(0, 8) | st.integers(0, 2**16 - 1),
    rate=st.sampled_from([0, 1, 8_000, 44_100, 2**31, 2**32 - 1]) | st.integers(0, 2**32 - 1),
    align=st.none() | st.integers(0, 2**16 - 1),
    bits=st.sampled_from([8, 16, 24, 32, 64]) | st.integers(0, 2**16 - 1),
    length=st.sampled_from([0, 1, len(SOUND), 2**31, 2**32 - 1]) | st.integers(0, 2**32 - 1),
    extra=st.sampled_from([b"", b"\0\0", EXTENSIBLE]) | st.binary(max_size=24),
    before=st.sampled_from([b"", SIDE, b"LIST\xff\xff\xff\xff", b"LIST"]),
    form=st.sampled_from([b"RIFF", b"RIFX", b"RF64"]),
    cut=st.none() | st.integers(0, 80),
)
@settings(deadline=None, max_examples=300)
@example(1, 1, 1, None, 16, 2**32 - 1, b"", b"", b"RIFF", None)
def test_any_header(scrap, tag, channels, rate, align, bits, length, extra, before, form, cut):
    align = channels * bits // 8 % 2**16 if align is None else align
    body = struct.pack("<HHIIHH", tag, channels, rate, rate * align % 2**32, align, bits) + extra
    data = wav(before, chunk(b"fmt ", body), b"data" + struct.pack("<I", length) + SOUND[:2_000], form=form)
    survives(scrap, data[:cut])


SEEDS = [p.values[0] for p in FORMATS if str(p.id).endswith("-1")]


@given(
    data=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=6),
    cut=st.none() | st.integers(0, 3_000),
)
@settings(deadline=None, max_examples=400)
def test_any_damage_to_any_format(scrap, data, edits, cut):
    damaged = bytearray(data)
    for at, value in edits:
        if at < len(damaged):
            damaged[at] = value
    survives(scrap, bytes(damaged[:cut]))


def test_a_place_before_the_start_of_memory_is_not_found():
    memory = sndfile._Memory(b"abcdef")
    assert memory.seek(3) == 3
    assert memory.seek(-1) == 3  # an exception would be printed by the callback that libsndfile calls
    assert memory.seek(2**63 - 1, os.SEEK_CUR) == 3
    assert memory.read() == b"def"


def claims(hours):
    """Tiny files whose headers claim much more."""
    frames = hours * 3_600 * 44_100
    length = min(frames * 2, 2**32 - 1)
    plain = wav(fmt(rate=44_100), b"data" + struct.pack("<I", length) + SOUND)
    wide = wav(fmt(rate=44_100, channels=1_024), b"data" + struct.pack("<I", length) + SOUND)
    flac = bytearray(encoded(noise(), 44_100, "FLAC"))
    flac[18:26] = (int.from_bytes(flac[18:26], "big") >> 36 << 36 | frames).to_bytes(8, "big")
    au = bytearray(encoded(noise(), 44_100, "AU", "FLOAT"))
    au[8:12] = struct.pack(">I", length)
    aiff = bytearray(encoded(noise(), 44_100, "AIFF", "PCM_16"))
    at = aiff.index(b"COMM") + 10
    aiff[at : at + 4] = struct.pack(">I", frames)
    return {"wav": plain, "1024 channels": wide, "flac": flac, "au": au, "aiff": aiff}


@pytest.mark.parametrize("name", claims(10))
def test_memory_follows_the_file_not_its_header(scrap, name):
    data = bytes(claims(10)[name])
    survives(scrap, data)
    tracemalloc.start()
    try:
        survives(scrap, data)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


def test_a_file_of_zeros_is_refused_at_once(scrap):
    scrap.write_bytes(b"RIFF\0\0\0\0WAVE" + bytes(50 * 2**20))
    with scrap.open("rb", buffering=0) as file:
        assert riff.parse(file) is None
        assert file.tell() < 1_000


# ── threads, and memory in the steady state ─────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def assortment(tmp_path_factory, write_wav):
    """Files of different lengths, channels, rates and encodings."""
    folder = tmp_path_factory.mktemp("assortment")
    cases = itertools.product((1_000, 30_000, 7_777), (1, 2), (11_025, 44_100), ("PCM_16", "FLOAT"))
    return [
        write_wav(folder / f"{i}.wav", noise(frames + i, channels), rate, subtype)
        for i, (frames, channels, rate, subtype) in enumerate(cases)
    ]


def test_what_was_in_the_buffers_does_not_matter(assortment):
    before = [decode(path).samples for path in assortment]
    for path, samples in zip(reversed(assortment), reversed(before), strict=True):
        for buffer in scratch._local.buffers.values():
            buffer.fill(np.nan if buffer.dtype.kind == "f" else 99)
        assert np.array_equal(decode(path).samples, samples)


@pytest.mark.parametrize("method", sorted(audio.RESAMPLERS))
def test_eight_threads_give_what_one_gives(assortment, method):
    def one(path):
        return load(path, RATE, method).samples

    alone = [one(path) for path in assortment]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(one, assortment * 12))
    for i, samples in enumerate(together):
        assert np.array_equal(samples, alone[i % len(alone)])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts page faults as Linux does")
def test_the_steady_state_causes_no_page_faults(tmp_path, write_wav):
    import resource

    kinds = {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS"}
    paths = [write_wav(tmp_path / f"a.{kind}", noise(88_200, 2), RATE, kinds[kind]) for kind in kinds]

    def faults(rounds):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for path in paths * rounds:
            load(path, 16_000, "kaiser_fast")
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    faults(5)
    assert faults(20) < 60  # fewer than one a clip, where fresh memory costs several hundred


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_a_wav_is_mixed_piece_by_piece_and_reads_the_same(tmp_path, write_wav, monkeypatch, subtype):
    samples = 0.5 * np.random.default_rng(0).uniform(-1, 1, (50_000, 2))
    path = write_wav(tmp_path / "long.wav", samples, 44_100, subtype)
    whole, cut = audio.decode(path).samples, audio.decode(path, 0.2, 0.9).samples
    for piece in (1, 1_000, 4_097):
        monkeypatch.setattr(riff, "PIECE", piece)
        if piece > 1:
            assert np.abs(audio.decode(path).samples - whole).max() <= 1e-7
        assert np.abs(audio.decode(path, 0.2, 0.9).samples - cut).max() <= 1e-7
