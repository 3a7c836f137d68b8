"""Long recordings as windows: nothing left out, nothing invented, nothing large in memory."""

from __future__ import annotations

import importlib
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark import cut as cutting
from earmark.audio import decode, kept
from earmark.audio.kept import kept_open
from earmark.audio.length import seconds_of
from earmark.cut import Cut
from earmark.dataset import Clips, Dataset
from earmark.engine import Lost
from earmark.errors import AudioError, SettingError, TooLongAudioError
from earmark.extract import fill
from earmark.features import LogMel
from earmark.readers import read_sounds
from earmark.store import Store
from earmark.types import Clip
from surroundings import ROOT

RATE = 16_000


class Here:
    workers = 1

    def map(self, function, items):
        return map(function, items)


def dataset(folder: Path, *clips: Clip) -> Dataset:
    return Dataset("test", folder, "sounds", Clips.of(clips), False, "file", None, "test")


def cut_up(data: Dataset, length: float, hop: float):
    return cutting.cut(data, Cut(length, hop), Here())


def noise(seconds: float, seed: int = 0, rate: int = RATE) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))


# Cuts


@given(
    st.floats(0, 1e5), st.floats(0.01, 5000), st.floats(0.05, 600), st.floats(0.05, 1),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_every_moment_is_in_a_window(begin, seconds, length, share):
    hop = max(0.05, length * share)
    if hop > length or seconds / hop > 5000:
        return
    end = begin + seconds
    cuts = list(cutting._spans(begin, end, length, hop))
    assert cuts[0][0] == begin
    assert cuts[-1][1] == pytest.approx(end, abs=2e-6)
    assert all(b <= end + 1e-6 * max(1, end) for _, b in cuts)
    starts = [a for a, _ in cuts]
    assert starts == sorted(starts)
    if end - begin <= length:
        assert cuts == [(begin, end)]
        return
    assert all(b - a == pytest.approx(length, abs=1e-6) for a, b in cuts)
    steps = np.diff(starts)
    assert (steps <= hop + 1e-6).all()
    assert np.allclose(steps[:-1], hop, atol=1e-6)
    assert len(set(cuts)) == len(cuts)


@pytest.mark.parametrize(
    ("length", "hop", "expected"),
    [
        (2.0, 2.0, [(0, 2), (2, 4), (3, 5)]),
        (2.0, 1.0, [(0, 2), (1, 3), (2, 4), (3, 5)]),
        (2.5, 2.5, [(0, 2.5), (2.5, 5)]),
        (5.0, 1.0, [(0, 5)]),
        (60.0, 60.0, [(0, 5)]),
        (4.0, 0.5, [(0, 4), (0.5, 4.5), (1, 5)]),
    ],
)
def test_windows_of_a_whole_file(length, hop, expected, write_wav, tmp_path):
    write_wav(tmp_path / "a.wav", noise(5), RATE)
    cut, problems = cut_up(dataset(tmp_path, Clip("a.wav", (), "a")), length, hop)
    assert [(c.start, c.end) for c in cut.clips] == expected
    assert problems == ()


def test_a_tenth_that_binary_does_not_know(write_wav, tmp_path):
    """0.1 + 0.2 … must make no sliver at the end."""
    write_wav(tmp_path / "a.wav", noise(3), RATE)
    for length in (0.1, 0.3, 0.6, 1.5):
        cut, _ = cut_up(dataset(tmp_path, Clip("a.wav", (), "a")), length, length)
        assert len(cut.clips) == round(3 / length)


def test_cut_clips_keep_their_bounds_and_all_else(write_wav, tmp_path):
    write_wav(tmp_path / "a.wav", noise(10), RATE)
    write_wav(tmp_path / "b.wav", noise(1), RATE)
    clips = [
        Clip("a.wav", ("dog",), "r1", 1.0, 4.5, 2),
        Clip("b.wav", ("cat", "dog"), "r2", fold=3),
        Clip("a.wav", ("cat",), "r3", 8.0),
        Clip("a.wav", (), "r4", None, 1.0),
    ]
    data = dataset(tmp_path, *clips)
    cut, _ = cut_up(data, 2.0, 2.0)
    assert [(c.path, c.labels, c.group, c.start, c.end, c.fold) for c in cut.clips] == [
        ("a.wav", ("dog",), "r1", 1.0, 3.0, 2),
        ("a.wav", ("dog",), "r1", 2.5, 4.5, 2),
        ("b.wav", ("cat", "dog"), "r2", 0.0, 1.0, 3),
        ("a.wav", ("cat",), "r3", 8.0, 10.0, None),
        ("a.wav", (), "r4", 0.0, 1.0, None),
    ]
    assert cut.labels == data.labels
    assert (cut.name, cut.root, cut.layout, cut.grouping) == (
        data.name,
        data.root,
        data.layout,
        data.grouping,
    )


@pytest.mark.parametrize(
    ("length", "hop", "said"),
    [
        (0.0, 0.0, "--window is 0 s, but must be at least 0.05 s."),
        (-1.0, 1.0, "--window is -1 s, but must be at least 0.05 s."),
        (float("nan"), 1.0, "--window is nan s, but must be at least 0.05 s."),
        (float("inf"), 1.0, "--window is inf s, but must be at least 0.05 s."),
        (1.0, 0.0, "--hop is 0 s, but must be from 0.05 s to the window's 1 s."),
        (1.0, 1.5, "--hop is 1.5 s, but must be from 0.05 s to the window's 1 s."),
        (1.0, float("nan"), "--hop is nan s, but must be from 0.05 s to the window's 1 s."),
    ],
)
def test_lengths_that_cannot_be(length, hop, said, tmp_path):
    with pytest.raises(SettingError) as caught:
        cut_up(dataset(tmp_path, Clip("absent.wav", (), "a")), length, hop)
    assert str(caught.value) == said


def test_files_whose_length_cannot_be_found_out_are_named_once(write_wav, tmp_path):
    write_wav(tmp_path / "good.wav", noise(3), RATE)
    (tmp_path / "bad.wav").write_text("no sound")
    write_wav(tmp_path / "none.wav", np.zeros(0), RATE)
    names = ["bad.wav", "good.wav", "none.wav", "absent.wav", "bad.wav"]
    cut, problems = cut_up(dataset(tmp_path, *(Clip(name, (), name) for name in names)), 2.0, 2.0)
    assert [c.path for c in cut.clips] == ["good.wav"] * 2
    assert [(p.kind, p.path) for p in problems] == [
        ("unreadable", "bad.wav"), ("empty", "none.wav"), ("unreadable", "absent.wav"),
    ]  # fmt: skip
    assert all(p.detail and "/" not in p.detail for p in problems)


def test_cuts_beyond_the_end_are_left_to_extraction_to_name(write_wav, tmp_path):
    write_wav(tmp_path / "a.wav", noise(3), RATE)
    clips = [Clip("a.wav", (), "", 5.0), Clip("a.wav", (), "", 1.0, 9.0)]
    cut, _ = cut_up(dataset(tmp_path, *clips), 2.0, 2.0)
    filled = fill(cut, [LogMel()], Store(tmp_path / "store"), Here())
    kinds = [problem.kind for problem in filled.problems(cut).values()]
    assert kinds[0] == "empty"
    assert filled.progress.so_far.computed + filled.progress.so_far.skipped == len(cut.clips)


# How long a file is

KINDS = [
    ("a.wav", "PCM_16"), ("b.wav", "PCM_U8"), ("c.wav", "PCM_24"), ("d.wav", "PCM_32"), ("e.wav", "FLOAT"),
    ("f.wav", "DOUBLE"), ("g.wav", "IMA_ADPCM"), ("h.wav", "ULAW"), ("i.flac", "PCM_16"), ("j.ogg", "VORBIS"),
    ("k.mp3", "MPEG_LAYER_III"), ("l.aiff", "PCM_16"), ("m.au", "PCM_16"), ("n.caf", "PCM_16"), ("o.wav", "GSM610"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "subtype"), KINDS)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("seconds", [0.31, 2.0])
def test_length_agrees_with_what_is_decoded(name, subtype, channels, seconds, tmp_path):
    path = tmp_path / name
    try:
        soundfile.write(path, np.stack([noise(seconds)] * channels, axis=1), RATE, subtype=subtype)
    except (soundfile.LibsndfileError, ValueError) as error:
        pytest.skip(f"this libsndfile does not write it: {error}")
    assert seconds_of(path) == pytest.approx(decode(path).seconds, abs=1e-9)


def streamed(flac: bytes) -> bytes:
    """A FLAC file as a pipe leaves it: without its length."""
    data = bytearray(flac)
    data[21] &= 0xF0  # the upper four of 36 bits
    data[22:26] = bytes(4)
    return bytes(data)


def test_length_of_a_stream_that_was_never_told_it(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(2.5), RATE)
    path.write_bytes(streamed(path.read_bytes()))
    assert seconds_of(path) == decode(path).seconds == 2.5
    cut, _ = cut_up(dataset(tmp_path, Clip("a.flac", (), "")), 1.0, 1.0)
    assert [(c.start, c.end) for c in cut.clips] == [(0.0, 1.0), (1.0, 2.0), (1.5, 2.5)]


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_length_of_what_was_cut_off(name, tmp_path):
    """The windows of a damaged file can be decoded, or each is named."""
    path = tmp_path / name
    soundfile.write(path, noise(4), RATE)
    whole = path.read_bytes()
    for share in (0.9, 0.5, 0.1, 0.01):
        path.write_bytes(whole[: int(share * len(whole))])
        cut, problems = cut_up(dataset(tmp_path, Clip(name, (), "")), 0.5, 0.5)
        filled = fill(cut, [LogMel()], Store(tmp_path / f"store {share}"), Here())
        done = filled.progress.so_far
        assert done.computed + done.skipped == len(cut.clips)
        assert len(filled.problems(cut)) == done.skipped
        assert cut.clips or problems


def test_length_refuses_what_decoding_refuses(tmp_path):
    (tmp_path / "text.wav").write_text("x")
    for path in (tmp_path / "absent.wav", tmp_path / "text.wav", tmp_path):
        with pytest.raises(AudioError) as one:
            seconds_of(path)
        with pytest.raises(AudioError) as other:
            decode(path)
        assert one.value.kind == other.value.kind == "unreadable"


# Windows of compressed sound


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.flac", "a.wav"])
@pytest.mark.parametrize("within", [kept_open, nullcontext])
def test_a_window_is_the_same_however_it_is_come_by(name, within, tmp_path, monkeypatch):
    """In order, out of order, overlapping, from several threads, and after the file was another.

    To the bit, but for an MP3, where the decoder's last bit depends on what it has read before.
    """
    monkeypatch.setattr(kept, "FAR", 2.0)
    path = tmp_path / name
    soundfile.write(path, np.stack([noise(20), noise(20, 1)], axis=1), RATE)
    rng = np.random.default_rng(0)
    cuts = [(i * 0.5, i * 0.5 + 0.5) for i in range(40)] + [(i * 0.3, i * 0.3 + 1.0) for i in range(60)]
    cuts += [(a, a + 0.7) for a in rng.uniform(0, 19, 40).tolist()]
    whole = decode(path).samples

    def look(order):
        with within():
            for cut in (cuts[i] for i in order):
                expected = whole[round(cut[0] * RATE) : round(cut[1] * RATE)]
                np.testing.assert_allclose(
                    decode(path, *cut).samples, expected, rtol=0, atol=2e-7 if name == "a.mp3" else 0
                )

    look(range(len(cuts)))
    look(rng.permutation(len(cuts)))
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(look, [rng.permutation(len(cuts)) for _ in range(3)]))
    other = tmp_path / f"other{path.suffix}"
    soundfile.write(other, np.stack([noise(20, 2), noise(20, 3)], axis=1), RATE)
    with within():
        decode(path, 3.0, 4.0)
        other.replace(path)
        new = decode(path).samples
        np.testing.assert_allclose(
            decode(path, 4.0, 5.0).samples, new[4 * RATE : 5 * RATE], rtol=0, atol=2e-7
        )
        with pytest.raises(AudioError):
            decode(path, 3.0, 2.0)
        path.unlink()
        with pytest.raises(AudioError):
            decode(path, 5.0, 6.0)


def test_an_mp3_is_opened_once_far_into_it(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "FAR", 2.0)
    opened = []
    real = soundfile.SoundFile
    monkeypatch.setattr(soundfile, "SoundFile", lambda path: opened.append(real(path)) or opened[-1])
    for name, times in (("a.mp3", 3), ("a.flac", 10)):
        path = tmp_path / name
        with real(path, "w", RATE, 1) as file:
            file.write(noise(10))
        with kept_open():
            for i in range(10):
                decode(path, float(i), float(i + 1))
        assert len(opened) == times  # two before it is far, and one that stays
        assert all(file.closed for file in opened)
        opened.clear()


def test_windows_are_found_again(write_wav, tmp_path):
    path = write_wav(tmp_path / "d" / "long.wav", noise(20), RATE)
    store = Store(tmp_path / "store")
    whole, _ = cut_up(read_sounds(path), 1.0, 1.0)
    fill(whole, [LogMel()], store, Here())
    # Twice as many windows: those that were there are not computed again.
    half, _ = cut_up(read_sounds(path), 1.0, 0.5)
    done = fill(half, [LogMel()], store, Here()).progress.so_far
    assert (done.stored, done.computed) == (20, 19)


# Memory


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_long_recording_and_a_long_table_stay_small(monkeypatch, tmp_path, capsys):
    """The bars of the benchmark, on sizes that a test can take: what grows with the length would show."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    memory = importlib.import_module("memory")
    path = tmp_path / "recording.wav"
    memory.recording(path, 720, 0)
    assert memory.measure("recording", path, tmp_path, 300, "--window", "4")
    path.unlink()
    cuts = memory.table(tmp_path, 4000, 0.5, 60)
    assert memory.measure("table", cuts, tmp_path, 300, "--layout", "table"), capsys.readouterr().out
    assert memory.measure_check("doctor", cuts, 300, "--layout", "table"), capsys.readouterr().out
    shutil.rmtree(tmp_path)


def test_a_stream_longer_than_memory_takes_is_cut_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("earmark.audio.limits.MAX_SECONDS", 2.0)
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(5), RATE)
    path.write_bytes(streamed(path.read_bytes()))
    cut, problems = cut_up(dataset(tmp_path, Clip("a.flac", (), "")), 1.0, 1.0)
    assert not problems
    assert [(c.start, c.end) for c in cut.clips] == [(float(i), i + 1.0) for i in range(5)]
    assert decode(path, 3.0, 4.0).seconds == 1.0
    with pytest.raises(TooLongAudioError):
        decode(path)


def test_a_file_that_kills_whoever_opens_it_is_named(write_wav, tmp_path, monkeypatch):
    """Its length is asked by a worker, so the command outlives it."""
    write_wav(tmp_path / "good.wav", noise(3), RATE)
    write_wav(tmp_path / "bad.wav", noise(3), RATE)

    class Mortal(Here):
        def map(self, function, items):
            for item in items:
                died = any("bad" in address for address in item)
                yield Lost("the process that read it was ended by SIGSEGV") if died else function(item)

    told = []
    data = dataset(tmp_path, *(Clip(name, (), name) for name in ("bad.wav", "good.wav")))
    cut, problems = cutting.cut(data, Cut(2.0), Mortal(), lambda *of: told.append(of))
    assert [clip.path for clip in cut.clips] == ["good.wav"] * 2
    assert [(p.kind, p.path) for p in problems] == [("crashed", "bad.wav")]
    assert told == [(0, 2), (1, 2), (2, 2)]
