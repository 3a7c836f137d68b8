"""Sound in every format that PyAV and soundfile write: the same sound, at the same place, whole and in parts."""

from __future__ import annotations

import gc
import io
import os
import socket
import struct
import weakref

import numpy as np
import pytest
import soundfile

from earmark.audio import decode, decode_bytes, ffmpeg, read_stream
from earmark.audio.kept import kept_open
from earmark.audio.length import rate_of, seconds_of
from earmark.audio.sound import open_sound
from earmark.audio.steady import Steady
from earmark.audio.vitals import examine
from earmark.dataset import Clips, Dataset
from earmark.errors import (
    AudioError,
    EmptyAudioError,
    MissingDecoderError,
    NoChannelAudioError,
    UnreadableAudioError,
)
from earmark.extract import extract
from earmark.features import Mfcc
from earmark.store import Store
from earmark.types import Clip
from encoders import BY_FFMPEG, BY_US, SECONDS, Kind, by_av, chirps, encoded
from surroundings import without_av

ALL = [*BY_FFMPEG, *BY_US]
# One of each container that only FFmpeg reads.
CONTAINERS = list({kind.container: kind for kind in reversed(BY_FFMPEG)}.values())


def named(kinds):
    return pytest.mark.parametrize("kind", kinds, ids=map(str, kinds))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Write a kind once, and return its path; not to be written to."""
    folder = tmp_path_factory.mktemp("formats")

    def path(kind):
        place = folder / f"{kind}-{kind.name}"
        if not place.exists():
            place.write_bytes(encoded(kind))
        return place

    return path


def correlation(got: np.ndarray, source: np.ndarray, lag: int) -> float:
    """Compare where ``got`` begins ``lag`` samples later."""
    got, source = got[max(0, lag) :], source[max(0, -lag) :]
    n = min(len(got), len(source))
    return float(np.corrcoef(got[:n], source[:n])[0, 1])


# ── the sound itself ────────────────────────────────────────────────────────────────────────────────────────────


@named(ALL)
def test_the_sound_is_what_was_written(kind, written):
    path, source = written(kind), chirps(kind.rate, kind.channels)
    wave = decode(path)
    assert wave.sample_rate == kind.rate
    assert wave.samples.dtype == np.float32
    assert len(wave.samples) == len(source) + kind.ends
    assert abs(wave.seconds - SECONDS) < 0.05
    lags = (
        range(kind.lag - 60, kind.lag + 61) if kind.codec in ("libopencore_amrnb", "GSM610") else [kind.lag]
    )
    found = {lag: correlation(wave.samples, source.mean(axis=1), lag) for lag in lags}
    assert max(found, key=lambda lag: found[lag]) == kind.lag
    assert found[kind.lag] >= kind.least
    assert seconds_of(path) == pytest.approx(wave.seconds, abs=1e-9)
    assert rate_of(path) == kind.rate


@named(ALL)
def test_each_channel_is_itself(kind, written):
    path, source = written(kind), chirps(kind.rate, kind.channels)
    each = [decode(path, channel=c + 1).samples for c in range(kind.channels)]
    assert np.array_equal(each[0], decode(path, channel="first").samples)
    np.testing.assert_allclose(np.mean(each, axis=0), decode(path).samples, rtol=0, atol=1e-6)
    for c, samples in enumerate(each):
        if c + 1 == kind.low:
            continue
        alike = [correlation(samples, source[:, other], kind.lag) for other in range(kind.channels)]
        assert np.argmax(alike) == c
        assert alike[c] >= min(kind.least, 0.97)
    for channel in (kind.channels + 1, 0, -1):
        with pytest.raises(
            NoChannelAudioError, match=f"^{path}: channel {channel} was asked for, but the file has"
        ):
            decode(path, channel=channel)


@named(ALL)
def test_a_cut_is_a_slice_and_memory_is_a_file(kind, written):
    path = written(kind)
    whole = decode(path).samples
    for start, end in ((0.0, 0.4), (0.5, 0.9), (1.0, None), (None, 1.2), (0.123456, 0.654321), (1.2, 1.4)):
        first, last = round((start or 0) * kind.rate), None if end is None else round(end * kind.rate)
        np.testing.assert_allclose(decode(path, start, end).samples, whole[first:last], rtol=0, atol=2e-7)
    data = path.read_bytes()
    assert np.array_equal(decode_bytes(data, "it").samples, whole)
    assert np.array_equal(read_stream(io.BytesIO(data), "it").samples, whole)
    assert np.array_equal(
        decode_bytes(data, "it", channel=kind.channels).samples, decode(path, channel=kind.channels).samples
    )


@named(BY_FFMPEG)
def test_who_reads_what(kind, written):
    with open_sound(written(kind), "it") as sound:
        assert type(sound).__name__ == "FfmpegSound"


@named(BY_US)
def test_what_needs_no_ffmpeg(kind, written, monkeypatch):
    path = written(kind)
    without_av(monkeypatch)
    assert len(decode(path).samples) > 0


@named(ALL)
def test_a_name_says_nothing(kind, written, tmp_path):
    """Files are told apart by what is in them."""
    for name in ("a.mp3", "a.m3u8", "noname"):
        (tmp_path / name).write_bytes(written(kind).read_bytes())
        assert np.array_equal(decode(tmp_path / name).samples, decode(written(kind)).samples)


# ── parts of long files ─────────────────────────────────────────────────────────────────────────────────────────

LONG = [Kind("a.m4a", 16_000, 1, "ipod", "aac"), Kind("a.mp4", 44_100, 2, "mp4", "libmp3lame"), *CONTAINERS]


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """Write twenty seconds, no two of which are alike."""
    folder, rng = tmp_path_factory.mktemp("long"), np.random.default_rng(0)

    def path(kind):
        place = folder / f"{kind}-{kind.name}"
        if not place.exists():
            n = 20 * kind.rate
            sound = chirps(kind.rate, kind.channels, 20)[:n] * 0.5 + rng.normal(0, 0.1, (n, kind.channels))
            place.write_bytes(by_av(kind, sound))
        return place

    return path


@pytest.mark.slow
@named(LONG)
@pytest.mark.parametrize("kept", [False, True], ids=["anew", "kept open"])
def test_windows_of_a_long_file_are_slices_of_it(kind, kept, long, monkeypatch):
    """In order, out of order, overlapping; far enough to be looked for, and further behind than is remembered."""
    monkeypatch.setattr(ffmpeg, "_FAR", 3.0)
    monkeypatch.setattr(ffmpeg, "_BEHIND", 4 * kind.rate * kind.channels)
    monkeypatch.setattr(ffmpeg, "BLOCK", kind.rate)
    path = long(kind)
    whole = decode(path).samples
    cuts = [(i / 2, i / 2 + 2.0) for i in range(34)] + [
        (17.5, 19.0),
        (3.0, 4.0),
        (12.0, 13.0),
        (0.0, 1.0),
        (9.0, 17.0),
    ]

    def look():
        for start, end in cuts if kept else cuts[::4]:
            wanted = whole[round(start * kind.rate) : round(end * kind.rate)]
            got = decode(path, start, end).samples
            np.testing.assert_allclose(got, wanted, rtol=0, atol=3e-4, err_msg=f"{start} to {end}")

    if kept:
        with kept_open():
            look()
    else:
        look()


@pytest.mark.slow
@named(CONTAINERS)
def test_a_file_that_is_kept_open_is_opened_once(kind, long, monkeypatch):
    """Windows that overlap do not begin from the start each time."""
    opened = []
    real = ffmpeg.FfmpegSound._begin
    monkeypatch.setattr(ffmpeg.FfmpegSound, "_begin", lambda self: opened.append(self) or real(self))
    with kept_open():
        for i in range(30):
            decode(long(kind), i / 2, i / 2 + 2.0)
    assert len(opened) == 1


def test_an_index_that_is_wrong_is_not_believed(long, tmp_path, monkeypatch):
    """Where seeking ends behind the place, the file is decoded from its beginning."""
    monkeypatch.setattr(ffmpeg, "_FAR", 3.0)
    path = long(LONG[0])
    whole = decode(path).samples
    real = ffmpeg.FfmpegSound._restart

    def late(self, find=False):
        if find:
            self._container.seek(int(19 / self._stream.time_base), stream=self._stream)
        real(self, find)

    monkeypatch.setattr(ffmpeg.FfmpegSound, "_restart", late)
    np.testing.assert_array_equal(decode(path, 10.0, 11.0).samples, whole[160_000:176_000])


def test_nothing_waits_for_the_collector(long, monkeypatch):
    """What FFmpeg knows of a long film is large, and a worker opens it for every chunk of its windows."""
    opened = []
    real = ffmpeg.FfmpegSound.__init__

    def noted(self, *arguments):
        opened.append(weakref.ref(self))
        real(self, *arguments)

    monkeypatch.setattr(ffmpeg.FfmpegSound, "__init__", noted)
    monkeypatch.setattr(ffmpeg, "BLOCK", 4_000)
    paths = [long(kind) for kind in LONG[:3]]
    gc.disable()
    try:
        for path in paths:
            decode(path, 0.0, 0.3)
            with kept_open():
                decode(path, 0.1, 0.4)
                decode(path, 0.0, 0.3)
        alive = [sound() for sound in opened]
    finally:
        gc.enable()
    assert alive == [None] * 2 * len(paths)


# ── several streams, pictures, and sound that changes ───────────────────────────────────────────────────────────


@pytest.mark.parametrize("container", ["mp4", "matroska", "avi"])
def test_the_sound_of_a_film(container, tmp_path):
    kind = Kind("film", 44_100, 2, container, "libmp3lame")
    source = chirps(44_100, 2, 3.0)
    path = tmp_path / "film"
    path.write_bytes(by_av(kind, source, picture=True))
    wave = decode(path)
    assert wave.seconds == pytest.approx(3.0, abs=0.05)
    assert max(correlation(wave.samples, source.mean(axis=1), lag) for lag in (0, 1105)) > 0.999
    assert examine(path).faults == ()
    np.testing.assert_array_equal(decode(path, 1.0, 2.0).samples, wave.samples[44_100:88_200])


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_of_several_streams_the_first_is_read_and_the_others_are_named(container, tmp_path):
    kind = Kind("a", 44_100, 2, container, "flac")
    path = tmp_path / "a"
    path.write_bytes(by_av(kind, chirps(44_100, 2), streams=3, picture=True))
    np.testing.assert_allclose(decode(path).samples, chirps(44_100, 2).mean(axis=1), rtol=0, atol=1e-4)
    assert examine(path).faults == (("several_streams", "it has 3 streams of sound; the first is read"),)


def test_pictures_without_sound(tmp_path):
    path = tmp_path / "silent.mp4"
    path.write_bytes(by_av(Kind("a", 44_100, 2, "mp4", "aac"), chirps(44_100, 2), streams=0, picture=True))
    with pytest.raises(EmptyAudioError, match=r": there is no sound in it, only other streams$"):
        decode(path)


@pytest.mark.parametrize(
    ("first", "then"), [((44_100, 2), (22_050, 2)), ((44_100, 2), (44_100, 1)), ((16_000, 1), (48_000, 2))]
)
def test_a_rate_or_channels_that_change_on_the_way(first, then, tmp_path):
    """As when two recordings are simply joined: all of it at the rate of the first, and the fact is named."""
    parts = [encoded(Kind("a.aac", rate, channels, "adts", "aac")) for rate, channels in (first, then)]
    path = tmp_path / "a.aac"
    path.write_bytes(b"".join(parts))
    (tmp_path / "first.aac").write_bytes(parts[0])
    wave, alone = decode(path), decode(tmp_path / "first.aac")
    assert wave.sample_rate == first[0]
    assert wave.seconds == pytest.approx(2 * SECONDS, abs=0.2)
    n = len(alone.samples) - 2048
    np.testing.assert_allclose(wave.samples[:n], alone.samples[:n], rtol=0, atol=1e-6)
    assert np.abs(wave.samples[n + 8_000 :]).max() > 0.1
    assert examine(path).faults == (("damaged", "its rate or its channels change on the way"),)


@pytest.mark.parametrize(("codec", "channels"), [("pcm_s16le", 12), ("pcm_f32le", 64)])
def test_many_channels(codec, channels, tmp_path):
    kind = Kind("a", 8_000, channels, "matroska", codec)
    path = tmp_path / "a"
    path.write_bytes(by_av(kind, chirps(8_000, channels, 0.5)))
    for c in (1, 9, channels):
        np.testing.assert_allclose(
            decode(path, channel=c).samples, chirps(8_000, channels, 0.5)[:, c - 1], rtol=0, atol=1e-4
        )


def test_more_channels_than_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(ffmpeg, "MOST_CHANNELS", 8)
    path = tmp_path / "a"
    path.write_bytes(by_av(Kind("a", 8_000, 12, "matroska", "pcm_s16le"), chirps(8_000, 12, 0.5)))
    with pytest.raises(UnreadableAudioError, match=r": 12 channels; at most 8 are read$"):
        decode(path)


# ── without FFmpeg ──────────────────────────────────────────────────────────────────────────────────────────────

TITLES = {
    "ipod": "m4a, mp4, mov or 3gp", "mp4": "m4a, mp4, mov or 3gp", "mov": "m4a, mp4, mov or 3gp",
    "3gp": "m4a, mp4, mov or 3gp", "asf": "wma or wmv", "webm": "webm or mkv", "matroska": "webm or mkv",
    "avi": "AVI", "wv": "WavPack", "tta": "TTA", "adts": "AAC", "amr": "AMR",
}  # fmt: skip


@named(BY_FFMPEG)
def test_what_is_said_where_ffmpeg_is_not_installed(kind, written, monkeypatch):
    path = written(kind)
    without_av(monkeypatch)
    with pytest.raises(MissingDecoderError) as caught:
        decode(path)
    ends = ". Type: pip install 'earmark[formats]'"
    if kind.container in TITLES:
        said = f"{TITLES[kind.container]} needs FFmpeg, an extra of 100 MB"
    elif kind.codec == "libmp3lame":
        said = "MP3 in a wav needs FFmpeg, an extra of 100 MB"
    else:
        said = caught.value.reason.removesuffix(ends)
        assert said.startswith("not readable as sound (")
        assert said.endswith("); FFmpeg may read it")
    assert caught.value.reason == said + ends
    assert caught.value.kind == "no_decoder"
    with pytest.raises(MissingDecoderError, match=r"^it: .*Type: pip install 'earmark\[formats\]'$"):
        decode_bytes(path.read_bytes(), "it")


def test_what_nobody_can_read_does_not_ask_for_ffmpeg(tmp_path, monkeypatch):
    without_av(monkeypatch)
    for data in (b"", b"no sound at all" * 100, bytes(1000), b"%PDF-1.7", b"\xff\xd8\xff\xe0 a picture"):
        (tmp_path / "a.wav").write_bytes(data)
        with pytest.raises(AudioError) as caught:
            decode(tmp_path / "a.wav")
        assert type(caught.value) is UnreadableAudioError


class Here:
    """An engine that works in this process, so that what is patched is seen."""

    workers = 1

    def map(self, function, items):
        return map(function, items)


def test_what_failed_for_want_of_ffmpeg_is_done_once_it_is_there(written, tmp_path):
    """Nothing is remembered of it; what is damaged is remembered."""
    store, folder = Store(tmp_path / "store"), tmp_path / "clips"
    folder.mkdir()
    for name, kind in (("a.wav", BY_US[0]), ("b.m4a", BY_FFMPEG[0]), ("c.amr", BY_FFMPEG[5])):
        (folder / name).write_bytes(written(kind).read_bytes())
    (folder / "d.wav").write_text("no sound")

    clips = Clips.of([Clip(path.name, (), path.name) for path in sorted(folder.iterdir())])
    data = Dataset("test", folder, "sounds", clips, False, "file", None, "test")

    def run():
        told = []
        table = extract(data, Mfcc(), told.append, Here(), store)
        done = told[-1].so_far
        return {p.path: p.kind for p in table.skipped}, (done.stored, done.computed, done.skipped), table

    with pytest.MonkeyPatch.context() as patch:
        without_av(patch)
        for counts in ((0, 1, 3), (1, 0, 3)):
            skipped, done, table = run()
            assert skipped == {"b.m4a": "no_decoder", "c.amr": "no_decoder", "d.wav": "unreadable"}
            assert done == counts
            assert table.skipped[0].detail == (
                "m4a, mp4, mov or 3gp needs FFmpeg, an extra of 100 MB. Type: pip install 'earmark[formats]'"
            )
    skipped, done, _ = run()
    assert skipped == {"d.wav": "unreadable"}
    assert done == (1, 2, 1)
    assert run()[1] == (3, 0, 1)


# ── a disk that fails ───────────────────────────────────────────────────────────────────────────────────────────


class Failing(io.BytesIO):
    """Fails from its second half on, as a disk may."""

    def read(self, size=-1):
        if self.tell() > len(self.getbuffer()) // 2:
            raise OSError(5, "Input/output error")
        return super().read(size)


@named(
    [kind for kind in CONTAINERS if kind.codec != "libopencore_amrnb"]
)  # which is read at once, being so small
def test_a_disk_that_fails_is_not_a_file_that_is_damaged(kind, long, monkeypatch, capfd):
    def opened(source, name, container):
        return ffmpeg.FfmpegSound(Steady(Failing(source.read_bytes())), name, container)

    path = long(kind)
    assert path.stat().st_size > 4 * 32_768 or kind.container in (
        "3gp",
        "amr",
    )  # FFmpeg reads so much at once
    monkeypatch.setattr(ffmpeg, "_open", opened)
    if path.stat().st_size <= 2 * 32_768:
        decode(path)  # all of it is read before anything fails
        return
    with pytest.raises(UnreadableAudioError, match=r": input/output error$") as caught:
        decode(path)
    assert isinstance(caught.value.__cause__, OSError)  # by which extraction knows to try again
    assert capfd.readouterr() == ("", "")


# ── files that would have others opened ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
def canary(tmp_path):
    """A sound file that nobody may touch, and a port that nobody may call."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    file = folder / "canary.wav"
    soundfile.write(file, chirps(8_000, 1), 8_000)
    os.utime(file, (0, file.stat().st_mtime))  # read before it was written: the system would note a reading
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield file, server.getsockname()[1]
        assert file.stat().st_atime == 0
        with pytest.raises(BlockingIOError):
            server.accept()
    file.read_bytes()
    if file.stat().st_atime == 0:
        pytest.skip("this file system does not note when a file is read")


def lists(file, port):
    """Yield what FFmpeg would follow, given the chance: a name, and a text with two places in it."""
    for place in (
        str(file),
        file.as_uri(),
        file.name,
        f"http://127.0.0.1:{port}/a.ts",
        f"tcp://127.0.0.1:{port}",
    ):
        head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n"
        yield "a.m3u8", f"{head}#EXTINF:10.0,\n{place}\n#EXT-X-ENDLIST\n"
        yield "a.ffconcat", f"ffconcat version 1.0\nfile '{place}'\n"
        yield "a.txt", f"file '{place}'\n"
        yield "a.pls", f"[playlist]\nFile1={place}\nNumberOfEntries=1\n"
        yield "a.mpd", f"<?xml version='1.0'?><MPD><Period><BaseURL>{place}</BaseURL></Period></MPD>"
    sdp = f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n"
    yield "a.sdp", sdp
    yield "a.rtsp", f"RTSPtext\nrtsp://127.0.0.1:{port}/a\n"


@pytest.mark.parametrize(
    "before", [b"", b"ID3\x04\0\0\0\0\0\0", b"\xef\xbb\xbf"], ids=["plain", "tagged", "marked"]
)
def test_lists_of_other_files_are_no_sound(before, canary, monkeypatch):
    file, port = canary
    monkeypatch.chdir(file.parent)
    for name, text in lists(file, port):
        for called in (name, "a.wav", "a.mp3", "a.m4a"):
            path = file.parent / called
            path.write_bytes(before + text.encode())
            with pytest.raises(AudioError):
                decode(path)
            with pytest.raises(AudioError):
                decode_bytes(path.read_bytes(), called)


def boxes(data: bytes, path: tuple[bytes, ...], change) -> bytes:
    """Return an mp4 in which ``change`` was made to the content of one box, and the sizes of those around it."""
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        name, content = data[position + 4 : position + 8], data[position + 8 : position + size]
        if name == path[0]:
            content = change(content) if len(path) == 1 else boxes(content, path[1:], change)
            new = (8 + len(content)).to_bytes(4, "big") + name + content
            return data[:position] + new + data[position + size :]
        position += size
    raise AssertionError(f"no box {path[0]!r}")


def box(name: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + name + content


def alias(file) -> bytes:
    """Return what QuickTime keeps of another file: an alias with its whole path."""
    name = file.name.encode()
    where = str(file).encode()
    where += b"\0" * (len(where) % 2)
    fixed = bytes(4) + bytes(6) + bytes([4]) + b"disk".ljust(27, b"\0") + bytes(12)
    fixed += bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16) + struct.pack(">HH", 1, 1) + bytes(16)
    paths = struct.pack(">HH", 2, len(where)) + where + struct.pack(">HH", 18, len(where)) + where
    return fixed + paths + struct.pack(">HH", 0xFFFF, 0)


@pytest.mark.parametrize("how", ["url", "http", "alias"])
def test_a_film_whose_sound_lies_in_another_file_opens_none(how, canary, tmp_path):
    file, port = canary
    entries = {
        "url": box(b"url ", bytes(4) + file.as_uri().encode() + b"\0"),
        "http": box(b"url ", bytes(4) + f"http://127.0.0.1:{port}/a.wav\0".encode()),
        "alias": box(b"alis", alias(file)),
    }
    entry = entries[how]
    source = by_av(
        Kind("a.mov", 8_000, 1, "mov", "pcm_s16be"), chirps(8_000, 1) / 2
    )  # its index is at its end
    place = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref")
    path = tmp_path / "a.mov"
    path.write_bytes(boxes(source, place, lambda _: bytes(4) + (1).to_bytes(4, "big") + entry))
    try:
        samples = decode(path).samples
    except AudioError:
        return
    assert np.abs(samples).max() < 0.4  # its own, not the other's


def test_an_mkv_that_names_its_neighbours_opens_none(canary, tmp_path):
    """Linked segments: the files before and after, and a chapter that is of another."""
    file, _ = canary

    def element(name: str, content: bytes) -> bytes:
        return bytes.fromhex(name) + (1 << 28 | len(content)).to_bytes(4, "big") + content

    other = bytes(range(16))
    names = element("3cb923", other) + element("3c83ab", b"canary.wav") + element("3eb923", other)
    info = element("1549a966", names + element("3e83bb", str(file).encode()))
    atom = element("b6", element("73c4", b"\1") + element("91", b"\0") + element("6e67", other))
    chapters = element("1043a770", element("45b9", element("45dd", b"\1") + atom))
    data = by_av(Kind("a.mkv", 8_000, 1, "matroska", "flac"), chirps(8_000, 1) / 2)
    at = data.index(bytes.fromhex("1654ae6b"))  # before its tracks
    path = file.parent / "a.mkv"
    path.write_bytes(data[:at] + info + chapters + data[at:])
    assert np.abs(decode(path).samples).max() < 0.4
