"""No cliffs: every rate, encoding and number of channels around 44.1 kHz stereo 16-bit wav, one axis at a time."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from clips import SECONDS, make_one
from contenders import LIBROSA, timed, with_earmark, with_librosa
from earmark.engine import one_blas_thread
from earmark.features import Mfcc
from interleave import one_core, ratios
from table import Section, number

USUAL = (44_100, 2, "16-bit wav")
ENCODINGS = {
    "16-bit wav": ("wav", "PCM_16"),
    "8-bit wav": ("wav", "PCM_U8"),
    "24-bit wav": ("wav", "PCM_24"),
    "32-bit wav": ("wav", "PCM_32"),
    "float wav": ("wav", "FLOAT"),
    "FLAC": ("flac", "PCM_16"),
    "Ogg Vorbis": ("ogg", "VORBIS"),
    "MP3": ("mp3", "MPEG_LAYER_III"),
}
RATES = (8_000, 11_025, 11_127, 16_000, 22_050, 32_000, 44_101, 48_000, 96_000, 192_000)
CHANNELS = (1, 6, 8)

KAISER, SOXR = "Earmark, kaiser_fast", "Earmark, soxr_hq"
COLUMNS = (
    "File of 4 s",
    *(f"{name}{figure}" for name in (KAISER, SOXR) for figure in (", ms", ", × real time")),
    f"{LIBROSA}, ms",
    f"{LIBROSA} ÷ {SOXR}",
)


def measure(quick: bool) -> Section:
    rounds, repeats = (1, 1) if quick else (7, 5)
    cases = [USUAL, *((44_100, 2, encoding) for encoding in list(ENCODINGS)[1:])]
    cases += [(rate, 2, "16-bit wav") for rate in RATES]
    cases += [(44_100, channels, "16-bit wav") for channels in CHANNELS]
    contenders = {
        KAISER: with_earmark(Mfcc(resampler="kaiser_fast")),
        SOXR: with_earmark(Mfcc(resampler="soxr_hq")),
        LIBROSA: with_librosa("soxr_hq"),
    }
    grid = [COLUMNS]
    with tempfile.TemporaryDirectory() as folder, one_core() as pinned, one_blas_thread():
        for rate, channels, encoding in cases:
            ending, subtype = ENCODINGS[encoding]
            path = make_one(Path(folder) / f"{rate}-{channels}-{subtype}.{ending}", rate, channels, subtype)
            _, cpu, _ = timed(contenders, [path] * repeats, rounds)
            kaiser, soxr, theirs = (statistics.median(cpu[name]) for name in contenders)
            quotient = statistics.median(ratios(cpu[LIBROSA], cpu[SOXR]))
            speeds = (number(kaiser), _speed(kaiser), number(soxr), _speed(soxr))
            grid.append((_told(rate, channels, encoding), *speeds, number(theirs), number(quotient)))
    notes = [
        "CPU time, file to 40 MFCC means at 22.05 kHz; four made-up seconds; page cache warm.",
        f"{rounds} interleaved rounds of {repeats}; {'one core' if pinned else 'not pinned'}, one BLAS thread for all.",
        "FLAC, Ogg and MP3 are decoded by libsndfile for all contenders; most of their time is spent there.",
    ]
    return Section("Formats", notes, [], grid)


def _told(rate: int, channels: int, encoding: str) -> str:
    width = {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
    return f"{rate / 1000:g} kHz, {width}, {encoding}"


def _speed(ms: float) -> str:
    return number(1000 * SECONDS / ms)
