"""Files that were cut off, or whose headers lie: the fault is named or the file refused; intact ones raise no alarm."""

from __future__ import annotations

import csv
import struct
from pathlib import Path

import numpy as np
import pytest

from earmark.audio import decode
from earmark.audio.endings import fault_at_the_end
from earmark.audio.length import seconds_of
from earmark.audio.vitals import examine
from earmark.errors import AudioError
from encoders import BY_FFMPEG, BY_US, Kind, by_av, by_soundfile, chirps, encoded

RATE, CHANNELS = 44_100, 2
TEN_HOURS = 36_000 * RATE


@pytest.fixture
def scrap(tmp_path):
    return tmp_path / "scrap"


def found(path: Path, data: bytes) -> str:
    """Return the faults that are named, or why the file is refused."""
    path.write_bytes(data)
    try:
        return " ".join(kind for kind, _ in examine(path).faults)
    except AudioError as error:
        with pytest.raises(type(error)):
            decode(path)
        return f"refused: {error.kind}"


# ── files that were cut off ─────────────────────────────────────────────────────────────────────────────────────

CUT, BROKEN, BOTH, GONE = "truncated", "damaged", "damaged truncated", "refused: unreadable"
# What becomes of 99, 60 and 10 % of a file. Most formats are read as far as they go, and that is named.
EXPECTED = {
    ("FLAC",): (GONE, GONE, GONE),
    ("OGG", "VORBIS"): (CUT, "refused: empty", GONE),
    ("OGG", "OPUS"): (CUT, GONE, GONE),
    ("ogg",): (CUT, GONE, GONE),
    ("ipod",): (GONE, GONE, GONE),  # their index is at the end
    ("ipod", "aac", "8000"): (CUT, GONE, GONE),
    ("3gp",): (GONE, GONE, GONE),
    ("mov",): (GONE, GONE, GONE),
    ("mp4",): (GONE, GONE, GONE),
    ("mp4", "flac"): ("refused: empty", GONE, GONE),
    ("asf",): (CUT, BOTH, BOTH),
    ("asf", "wmav2", "16000"): (CUT, BOTH, CUT),
    ("matroska", "vorbis"): (CUT, CUT, GONE),
    ("avi", "libmp3lame"): (CUT, CUT, GONE),
    ("OGG", "VORBIS", "48000"): (CUT, CUT, GONE),
    ("MP3", "MPEG_LAYER_III", "16000"): (CUT, CUT, GONE),
    ("MP3", "MPEG_LAYER_III", "44100"): (CUT, CUT, "refused: too_short"),
    ("wv",): (BOTH, BOTH, "refused: empty"),
    ("tta",): (BOTH, GONE, GONE),
    ("caf",): (BOTH, BOTH, BOTH),
    ("CAF", "ALAC_16"): (BOTH, BOTH, BOTH),
    ("adts",): (BROKEN, BROKEN, BROKEN),  # these have no header: their last packet tells it
    ("amr",): (BROKEN, BROKEN, BROKEN),
}


def expected(kind: Kind) -> tuple[str, str, str]:
    words = kind.container, kind.codec, str(kind.rate)
    return next((EXPECTED[words[:n]] for n in (3, 2, 1) if words[:n] in EXPECTED), (CUT, CUT, CUT))


@pytest.mark.parametrize("kind", [*BY_FFMPEG, *BY_US], ids=str)
def test_cut_off(kind, scrap):
    data = encoded(kind)
    assert found(scrap, data) == ""
    cut = [data[: int(len(data) * share)] for share in (0.99, 0.6, 0.1)]
    assert tuple(found(scrap, part) for part in cut) == expected(kind)


@pytest.mark.parametrize("kind", [*BY_FFMPEG, *BY_US], ids=str)
def test_what_is_left_is_the_beginning(kind, scrap):
    """What is read of a file that was cut off is what the whole begins with."""
    data = encoded(kind)
    scrap.write_bytes(data)
    whole = decode(scrap).samples
    for share in (0.99, 0.6, 0.1):
        if found(scrap, data[: int(len(data) * share)]).startswith("refused"):
            continue
        part = decode(scrap).samples
        assert len(part) <= len(whole)
        n = len(part) - 4 * 1152  # the last packets may be less than they were
        if n > 0:
            np.testing.assert_allclose(part[:n], whole[:n], rtol=0, atol=1e-6)


@pytest.mark.parametrize("how", ["faststart", "frag_keyframe+empty_moov+default_base_moof"])
def test_a_film_whose_index_is_not_at_the_end_is_read_as_far_as_it_goes(how, scrap):
    data = by_av(Kind("a.m4a", RATE, 2, "ipod", "aac"), chirps(RATE, 2, 2.0), movflags=how)
    assert found(scrap, data) == ""
    whole = decode(scrap).samples
    assert len(whole) / RATE == pytest.approx(2.0, abs=0.05)
    for share in (0.9, 0.6, 0.3):
        assert found(scrap, data[: int(len(data) * share)]) == BOTH
        assert np.array_equal(decode(scrap).samples[: int(share * RATE)], whole[: int(share * RATE)])


def test_an_index_that_was_never_written_is_missed_by_name(scrap):
    data = encoded(BY_FFMPEG[0])
    scrap.write_bytes(data[: data.index(b"moov") - 4])
    with pytest.raises(AudioError) as caught:
        decode(scrap)
    assert caught.value.reason == (
        "not readable as sound (it has no index, as when a recorder or a copy is cut off)"
    )


# Formats that do not say how long they are: nothing can be missed in them.
SILENT_ABOUT_IT = ("IRCAM", "PAF", "PVF")


@pytest.mark.parametrize("container", SILENT_ABOUT_IT)
def test_formats_that_do_not_say_how_long_they_are(container, scrap):
    data = by_soundfile(Kind("a", RATE, 2, container, "PCM_16", "soundfile"), chirps(RATE, 2))
    assert found(scrap, data) == found(scrap, data[: len(data) // 2]) == ""


# ── headers that lie ────────────────────────────────────────────────────────────────────────────────────────────


def short(container: str, codec: str = "PCM_16") -> bytearray:
    """Return a small file, a ninth of a second."""
    sound = chirps(RATE, CHANNELS, 0.1134)
    if container.isupper() or container == "W64":
        return bytearray(by_soundfile(Kind("a", RATE, CHANNELS, container, codec, "soundfile"), sound))
    return bytearray(by_av(Kind("a", RATE, CHANNELS, container, codec), sound))


def put(data: bytearray, at: int, *values: tuple[str, int]) -> bytes:
    """Write numbers into a header, one after the other."""
    data = bytearray(data)
    for form, value in values:
        size = struct.calcsize(form)
        data[at : at + size] = struct.pack(form, value % (1 << 8 * size))
        at += size
    return bytes(data)


def lies():
    """Yield a name, a file, and what is to be found."""
    for codec in ("PCM_16", "PCM_24", "FLOAT", "ALAW", "IMA_ADPCM"):
        data = short("WAV", codec)
        at = data.index(b"data") + 4
        yield f"wav {codec}, three hours", put(data, at, ("<I", 0x7000_0000)), "truncated"
        for told in (0x7FFF_FFFF, 0xFFFF_FFFF):
            yield f"wav {codec}, {told:x}", put(data, at, ("<I", told)), "unfinished"
        plain = codec in ("PCM_16", "PCM_24", "FLOAT")
        yield f"wav {codec}, 0", put(data, at, ("<I", 0)), "unfinished" if plain else "refused: empty"
    data = short("wav", "libmp3lame")
    yield "mp3 in a wav, ten hours", put(data, data.index(b"fact") + 8, ("<I", TEN_HOURS)), "truncated"
    data = short("RF64")
    at = data.index(b"ds64") + 8
    length = 4 * TEN_HOURS
    yield (
        "rf64, ten hours",
        put(data, at, ("<Q", length + 80), ("<Q", length), ("<Q", TEN_HOURS)),
        "truncated",
    )
    yield "rf64, 0", put(data, at, ("<Q", 0), ("<Q", 0)), "refused: empty"
    yield "rf64, 7f…", put(data, at, ("<Q", 2**63 - 1), ("<Q", 2**63 - 1)), "truncated"
    yield "rf64, ff…", put(data, at, ("<Q", 2**64 - 1), ("<Q", 2**64 - 1)), "refused: unreadable"
    data = short("W64")
    at = data.index(b"data\xf3\xac\xd3\x11") + 16
    yield "w64, ten hours", put(data, at, ("<Q", length + 24)), "truncated"
    for told in (0, 24, 2**63 - 1, 2**64 - 1):
        yield f"w64, {told:x}", put(data, at, ("<Q", told)), "unfinished"
    data = short("AIFF")
    comm, ssnd = data.index(b"COMM") + 10, data.index(b"SSND") + 4
    for told in (TEN_HOURS, 0x7FFF_FFFF, 0xFFFF_FFFF):
        yield f"aiff, {told:x} frames", put(data, comm, (">I", told)), "truncated"
        yield f"aiff, {told:x} bytes", put(data, ssnd, (">I", told)), "truncated"
    yield "aiff, 0 frames", put(data, comm, (">I", 0)), "unfinished"
    yield "aiff, 0 bytes", put(data, ssnd, (">I", 8)), "refused: empty"
    data = short("AU")
    yield "au, an hour", put(data, 8, (">I", 3_600 * 4 * RATE)), "truncated"
    yield "au, 7fffffff", put(data, 8, (">I", 0x7FFF_FFFF)), "refused: empty"
    yield "au, ffffffff", put(data, 8, (">I", 0xFFFF_FFFF)), "unfinished"
    yield "au, 0", put(data, 8, (">I", 0)), "refused: empty"
    data = short("FLAC")
    rest = int.from_bytes(data[18:26], "big") >> 36 << 36  # the last 36 of these bits count the samples
    yield "flac, ten hours", put(data, 18, (">Q", rest | TEN_HOURS)), "truncated"
    yield "flac, fff…", put(data, 18, (">Q", rest | (1 << 36) - 1)), "truncated"
    yield "flac, 0", put(data, 18, (">Q", rest)), "unfinished"
    data = short("CAF")
    at = data.index(b"data") + 4
    yield "caf, ten hours", put(data, at, (">Q", length + 4)), "truncated"
    yield "caf, 0", put(data, at, (">Q", 0)), "unfinished"
    yield "caf, -1", put(data, at, (">Q", -1)), "unfinished"
    yield "caf, 7f…", put(data, at, (">Q", 2**63 - 1)), "refused: unreadable"
    data = short("MP3", "MPEG_LAYER_III")
    at = max(data.find(b"Xing"), data.find(b"Info")) + 8
    yield "mp3, ten hours", put(data, at, (">I", TEN_HOURS // 1152)), "truncated"
    yield "mp3, ffffffff", put(data, at, (">I", 0xFFFF_FFFF)), "truncated"
    data = short("matroska", "flac")
    yield (
        "mkv, ten hours",
        put(data, data.index(b"\x44\x89\x88") + 3, (">Q", 0x4181_2A88_0000_0000)),
        "truncated",
    )
    data = short("asf", "wmav2")
    at = data.index(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    yield "wma, ten hours", put(data, at + 64, ("<Q", 36_000 * 10**7)), "truncated"
    yield "wma, a gigabyte", put(data, at + 40, ("<Q", 10**9)), "truncated"
    data = short("wv", "wavpack")
    yield "wavpack, ten hours", put(data, 12, ("<I", TEN_HOURS)), "truncated"
    data = short("tta", "tta")
    yield "tta, ten hours", put(data, 14, ("<I", TEN_HOURS)), "refused: unreadable"
    data = short("avi", "pcm_s16le")
    yield "avi, a gigabyte", put(data, 4, ("<I", 2**30)), "truncated"
    data = short("mov", "pcm_s16be")
    count, times = data.index(b"stsz") + 12, data.index(b"stts") + 12
    ten = put(put(data, count, (">I", TEN_HOURS)), times, (">I", TEN_HOURS))
    # Of these FFmpeg believes neither the duration nor a table of samples that are not there: they are read right.
    yield "mov, a table of ten hours", put(ten, data.index(b"stsc") + 16, (">I", TEN_HOURS)), ""
    data = short("ipod", "aac")
    header, media = data.index(b"mvhd") + 20, data.index(b"mdhd") + 20
    yield "m4a, ten hours", put(put(data, header, (">I", 36_000_000)), media, (">I", TEN_HOURS)), ""


LIES = list(lies())


@pytest.mark.parametrize(("name", "data", "what"), LIES, ids=[name for name, _, _ in LIES])
def test_a_header_that_lies(name, data, what, scrap):
    assert len(data) < 60_000
    assert found(scrap, data) == what
    if not what.startswith("refused"):
        assert decode(scrap).seconds < 0.3
        assert seconds_of(scrap) < 0.3


def test_what_is_said_of_ten_hours(scrap):
    said = {name: data for name, data, _ in LIES}
    for name, words in {
        "flac, ten hours": "by its header it lasts for 10.0 h, but 0.11 s are there",
        "wav PCM_16, three hours": "by its header it lasts for 3.0 h, but 0.11 s are there",
        "wav ALAW, three hours": "by its header it has 1,879,048,250 bytes, but 10,060 are there",
        "wav PCM_16, ffffffff": (
            "its header was never finished, as when a recorder is cut off; it was read to its end"
        ),
    }.items():
        scrap.write_bytes(said[name])
        assert [told for _, told in examine(scrap).faults] == [words]


# ── no false alarm ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_part_of_a_file_says_nothing_of_its_end(scrap):
    data = encoded(BY_US[0])
    scrap.write_bytes(data[: len(data) // 2])
    assert examine(scrap).faults[0][0] == "truncated"
    assert examine(scrap, 0.1, 0.3).faults == ()


def test_a_stream_that_no_recorder_ever_finishes(scrap):
    """As browsers write it: of unknown size. What cannot be known is not complained about."""
    data = bytearray(encoded(Kind("a.webm", 48_000, 1, "webm", "libopus")))
    at = data.index(b"\x18\x53\x80\x67") + 4
    data[at : at + 8] = b"\x01" + b"\xff" * 7
    assert found(scrap, bytes(data)) == ""


def test_sound_that_costs_more_at_its_end_than_at_its_beginning(scrap):
    """From the bytes of its beginning FFmpeg guesses that an AAC stream lasts for a quarter of an hour."""
    rng = np.random.default_rng(0)
    sound = np.concatenate([np.zeros((5 * RATE, 2)), rng.uniform(-0.6, 0.6, (5 * RATE, 2))])
    assert found(scrap, by_av(Kind("a.aac", RATE, 2, "adts", "aac"), sound)) == ""


def test_a_gigabyte_of_nothing_is_soon_walked_through(scrap):
    for head in (
        b"caff\0\1\0\0",
        b"riff.\x91\xcf\x11\xa5\xd6(\xdb" + bytes(24),
        b"\0\0\0\x08ftyp" + b"\0\0\0\x08free" * 9,
    ):
        with scrap.open("wb") as file:
            file.write(head)
            file.truncate(1 << 30)
        assert fault_at_the_end(scrap) is None


@pytest.mark.parametrize(
    ("head", "truncated"),
    [
        (b"caff\0\1\0\0desc" + (2**62).to_bytes(8, "big"), True),
        (b"caff\0\1\0\0desc" + b"\xff" * 8, False),
        (b"riff.\x91\xcf\x11\xa5\xd6(\xdb" + bytes(24) + b"fmt " + bytes(12) + b"\xff" * 8, True),
        (b"\x1aE\xdf\xa3\x01" + b"\x7f" * 7, False),
        (b"\x1aE\xdf\xa3\x80\x18\x53\x80\x67\x01" + b"\x7f" * 7, True),
        (b"\0\0\0\x01ftyp" + b"\x7f" * 8, True),
        (b"\0\0\0\x01ftyp" + b"\xff" * 8, True),
    ],
)
def test_places_that_no_disk_has(head, truncated, scrap):
    scrap.write_bytes(head + bytes(100))
    found = fault_at_the_end(scrap)
    assert (found is not None and found[0] == "truncated") == truncated


@pytest.mark.data
def test_real_files_raise_no_alarm(data_root):
    with (Path(__file__).parent / "format_zoo.csv").open(newline="") as table:
        zoo = [data_root / row["path"] for row in csv.DictReader(table) if row["outcome"] == "read"]
    sets = (sorted((data_root / where).rglob(f"*.{ending}"))[::step] for where, ending, step in SAMPLES)
    paths = [*zoo, *(path for paths in sets for path in paths)]
    assert len(paths) > 500
    alarms = {path.name: examine(path).faults for path in paths}
    assert {name: faults for name, faults in alarms.items() if faults} == {}


SAMPLES = (("us8k", "ogg", 11), ("esc10", "flac", 7), ("fsdd", "wav", 31))
