"""Packets before a window are counted, where that gives the same window as decoding them; and elsewhere decoded."""

from __future__ import annotations

import io
import random
from fractions import Fraction

import numpy as np
import pytest

from earmark.audio import decode, ffmpeg
from earmark.audio.kept import kept_open
from earmark.audio.sound import open_sound
from earmark.audio.steps import Steps, opus_milliseconds
from earmark.audio.vitals import examine
from encoders import LAYOUTS, Kind, by_av, chirps

SECONDS = 16
WEBM = Kind("a.webm", 48_000, 2, "webm", "libopus")
AMR = Kind("a.amr", 8_000, 1, "amr", "libopencore_amrnb")
AVI = Kind("a.avi", 44_100, 1, "avi", "libmp3lame")
COUNTED = [
    WEBM,
    AVI,
    Kind("a.wav", 22_050, 2, "wav", "libmp3lame"),
    Kind("a.mkv", 44_100, 1, "matroska", "libmp3lame"),
]
DECODED = [
    AMR,
    Kind("a.3gp", 8_000, 1, "3gp", "libopencore_amrnb"),
    Kind("a.aac", 44_100, 1, "adts", "aac"),
    Kind("a.wav", 44_100, 2, "wav", "ac3"),
    Kind("a.mp4", 44_100, 2, "mp4", "ac3"),
    Kind("a.wma", 44_100, 1, "asf", "wmav2"),
    Kind("a.mkv", 44_100, 2, "matroska", "vorbis"),
    Kind("a.mkv", 16_000, 1, "matroska", "pcm_s16le"),
    Kind("a.oga", 16_000, 1, "ogg", "flac"),
]


def loud(kind: Kind, seconds: int = SECONDS) -> np.ndarray:
    """Return float64[n, channels]: tones, of which decoders remember much, and from the middle on noise, too."""
    sound = 0.5 * chirps(kind.rate, kind.channels, seconds)
    half = len(sound) // 2
    sound[half:] += np.random.default_rng(0).normal(0, 0.1, sound[half:].shape)
    return sound


def opus(*stretches: tuple[int, int, int]) -> bytes:
    """Return a webm, written packet by packet; of each stretch the milliseconds of a packet, seconds, and bits/s."""
    file, written, kept = io.BytesIO(), 0, []
    import av

    with av.open(file, "w", format="webm") as out:
        stream = None
        for milliseconds, seconds, bits in stretches:
            options = {
                "frame_duration": str(milliseconds),
                "application": "voip" if bits < 20_000 else "audio",
            }
            scratch = av.open(io.BytesIO(), "w", format="webm")
            encoder = scratch.add_stream("libopus", rate=48_000, layout="mono", options=options)
            encoder.bit_rate = bits
            kept.append((scratch, encoder))
            if stream is None:
                stream = out.add_stream("libopus", rate=48_000, layout="mono", options=options)
            sound = loud(Kind("", 48_000, 1, "", ""), seconds).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), "flt", LAYOUTS[1])
            frame.rate, frame.pts = 48_000, 0
            frames = 48 * milliseconds
            for ready in av.AudioResampler("flt", "mono", 48_000, frame_size=frames).resample(frame):
                for packet in encoder.encode(ready):
                    again = av.Packet(bytes(packet))
                    again.stream, again.time_base = stream, Fraction(1, 48_000)
                    again.pts = again.dts = written
                    again.duration = frames
                    written += frames
                    out.mux(again)
    return file.getvalue()


@pytest.fixture
def near(monkeypatch):
    """What is three seconds ahead is far, and little is decoded at a time."""
    monkeypatch.setattr(ffmpeg, "_FAR", 3.0)
    monkeypatch.setattr(ffmpeg, "BLOCK", 8_000)
    monkeypatch.setattr(ffmpeg, "_BEHIND", 16_000)


def frames(path, first: int, last: int | None) -> tuple[np.ndarray, int]:
    """Return what a newly opened file gives, and how many frames were counted on the way."""
    with open_sound(path, "it") as sound:
        got = [block.copy() for block in sound.read(first, last)]
        return np.concatenate(got), getattr(sound, "_left_out", 0)


def same(path, most: float = 0.0) -> int:
    """Compare windows with slices of the whole: in the middle, across the ends of packets, the first and the last."""
    whole, _ = frames(path, 0, None)
    rate = decode(path).sample_rate
    rng, end = random.Random(0), len(whole)
    places = [
        0,
        end - rate,
        end - 4 * rate,
        end - rate // 3,
        *(rng.randrange(6 * rate, end - rate) for _ in range(3)),
    ]
    places += [9 * rate + edge + side for edge in (0, 960, 1152) for side in (-1, 0, 1)]
    counted = 0
    for first in places:
        last = min(first + rate, end)
        got, here = frames(path, first, last)
        np.testing.assert_allclose(got, whole[first:last], rtol=0, atol=most, err_msg=f"at {first}")
        counted = max(counted, here)
    return counted


@pytest.mark.parametrize("kind", COUNTED, ids=map(str, COUNTED))
def test_what_is_counted_gives_the_same_window(kind, near, tmp_path):
    path = tmp_path / kind.name
    path.write_bytes(by_av(kind, loud(kind)))
    assert same(path, 1e-7) > 8 * kind.rate


@pytest.mark.parametrize("kind", DECODED, ids=map(str, DECODED))
def test_what_leans_on_all_before_is_decoded_from_the_beginning(kind, near, tmp_path):
    path = tmp_path / kind.name
    path.write_bytes(by_av(kind, loud(kind)))
    assert same(path) == 0


@pytest.mark.parametrize("lengths", [[(20, 8), (60, 8)], [(60, 7), (10, 2), (20, 7)]])
def test_packets_of_other_lengths_are_not_taken_for_the_same(lengths, near, tmp_path):
    path = tmp_path / "a.webm"
    path.write_bytes(opus(*((milliseconds, seconds, 64_000) for milliseconds, seconds in lengths)))
    assert same(path, 1e-7) > 0


def test_speech_in_opus_is_decoded(near, tmp_path):
    """Its pitch leans on what is long gone; also where it comes after music."""
    path = tmp_path / "a.webm"
    path.write_bytes(opus((20, 16, 12_000)))
    assert same(path) == 0
    path.write_bytes(opus((20, 8, 96_000), (20, 8, 12_000)))
    assert 0 < same(path, 1e-7) < 9 * 48_000


@pytest.mark.parametrize("kept", [False, True])
def test_broken_packets_are_silent_and_all_else_stays_where_it_is(kept, near, tmp_path):
    """As where a recorder of speech writes nothing into pauses, which FFmpeg cannot decode."""
    path = tmp_path / "a.amr"
    data = by_av(AMR, loud(AMR))
    path.write_bytes(data)
    whole = decode(path).samples
    size, begin = 32, 6  # bytes of a packet, of 20 ms, and of the header
    at, n = begin + 400 * size, 100
    path.write_bytes(data[:at] + b"\x7c" * n + data[at + n * size :])
    got = decode(path).samples
    assert len(got) == len(whole)
    np.testing.assert_array_equal(got[: 400 * 160], whole[: 400 * 160])
    assert not got[400 * 160 : 500 * 160].any()
    np.testing.assert_allclose(got[550 * 160 :], whole[550 * 160 :], rtol=0, atol=0.1)
    assert examine(path).faults == (("damaged", "100 packets cannot be decoded and are silent or left out"),)
    path.write_bytes(data + b"\x7c" * 30)  # nothing is put behind the end
    assert len(decode(path).samples) == len(whole)


@pytest.mark.parametrize("kind", [WEBM, AVI, DECODED[2], AMR], ids=str)
def test_windows_of_damaged_files_are_slices_of_them(kind, near, tmp_path):
    data, rng = bytearray(by_av(kind, loud(kind))), random.Random(1)
    for _ in range(25):
        data[rng.randrange(len(data) // 3, len(data) * 9 // 10)] ^= 1 << rng.randrange(8)
    path = tmp_path / kind.name
    path.write_bytes(bytes(data))
    same(path, 1e-7)


def test_windows_in_any_order_of_a_file_kept_open(near, tmp_path):
    path = tmp_path / "a.webm"
    path.write_bytes(by_av(WEBM, loud(WEBM)))
    whole = decode(path).samples
    with kept_open():
        for start in (11, 12, 4, 15, 0, 9):
            got = decode(path, start, start + 1).samples
            np.testing.assert_allclose(got, whole[start * 48_000 : (start + 1) * 48_000], rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("head", "milliseconds"),
    [
        ("00", 10),
        ("18", 60),
        ("60", 10),
        ("78", 20),
        ("80", 2.5),
        ("f9", 40),
        ("fa", 40),
        ("fb03", 60),
        ("", 0),
    ],
)
def test_how_long_a_packet_of_opus_is(head, milliseconds):
    assert opus_milliseconds(bytes.fromhex(head)) == milliseconds


def test_nothing_is_known_before_something_was_decoded():
    steps = Steps("opus")
    assert steps.frames == 0
    assert not steps.counted
