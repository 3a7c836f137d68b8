"""MFCC means on one core: the tutorial's function, librosa with soxr, and Earmark, on four corpora."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from clips import COMPRESSED, WAVS, make_clips, make_long, make_mixture, seconds_of
from contenders import (
    LIBROSA,
    TORCHAUDIO,
    TUTORIAL,
    Extractor,
    timed,
    with_earmark,
    with_librosa,
    with_torchaudio,
)
from earmark.engine import one_blas_thread
from earmark.features import Mfcc
from earmark.recipe import Recipe
from interleave import one_core, ratios
from table import Row, Section

KAISER = "Earmark, kaiser_fast"
SOXR = "Earmark, soxr_hq"
DEFAULT = "Earmark, the default recipe (soxr_hq, four statistics)"

# Which quotient must be how large, by corpus.
BARS = {
    "": ((TUTORIAL, KAISER, 20.0), (LIBROSA, KAISER, 5.5), (LIBROSA, SOXR, 4.5)),
    "mixed wavs: ": ((TUTORIAL, KAISER, 18.0), (LIBROSA, SOXR, None)),
    "mixed with FLAC and Ogg: ": ((TUTORIAL, KAISER, None), (LIBROSA, SOXR, None)),
    "clips of 0.2 s: ": ((TUTORIAL, KAISER, None), (LIBROSA, SOXR, None)),
    "long file: ": ((TUTORIAL, KAISER, None), (LIBROSA, SOXR, None)),
}


def measure(quick: bool) -> Section:
    count, mixed, rounds, fewer = (4, 6, 2, 2) if quick else (100, 60, 9, 5)
    contenders = {
        TUTORIAL: with_librosa("kaiser_fast"),
        LIBROSA: with_librosa("soxr_hq"),
        KAISER: with_earmark(Mfcc(resampler="kaiser_fast")),
        SOXR: with_earmark(Mfcc(resampler="soxr_hq")),
    }
    torchaudio = with_torchaudio()
    if torchaudio:
        contenders[TORCHAUDIO] = torchaudio
    rows, notes = [], []
    with tempfile.TemporaryDirectory() as name, one_core() as pinned, one_blas_thread():
        folder = Path(name)
        made = {
            "": (make_clips(folder, count), rounds, {DEFAULT: with_earmark(Recipe().feature)}),
            "mixed wavs: ": (make_mixture(_sub(folder, "wavs"), mixed, WAVS), fewer, {}),
            "mixed with FLAC and Ogg: ": (
                make_mixture(_sub(folder, "all"), mixed, WAVS | COMPRESSED),
                fewer,
                {},
            ),
            "clips of 0.2 s: ": (make_clips(_sub(folder, "short"), count, 0.2), fewer, {}),
            "long file: ": (make_long(folder, 0.2 if quick else 10), min(3, fewer), {}),
        }
        for corpus, ((paths, told), turns, more) in made.items():
            notes.append(f"{corpus.capitalize()}{told}.")
            rows += _compare(corpus, paths, contenders | more, turns)
    notes += [
        "FLAC and Ogg are decoded by libsndfile for all contenders, which is most of their time.",
        "Page cache warm; file to 40 MFCC means. "
        f"{rounds} interleaved rounds over the clips, {fewer} over the other corpora, {min(3, fewer)} over the "
        f"long file; {'one core' if pinned else 'not pinned'}, one BLAS thread for all.",
        f"Reference: {KAISER}.",
    ]
    if not torchaudio:
        notes.append("torchaudio is not installed here and took no part.")
    return Section("Front end", notes, rows)


def _compare(corpus: str, paths: list[Path], contenders: dict[str, Extractor], rounds: int) -> list[Row]:
    found, cpu, wall = timed(contenders, paths, rounds)
    each = "clip" if not corpus else "file"
    rows = [
        Row(name, f"{corpus}{clock}, ms a {each}", spent[name], ratios(spent[name], spent[KAISER]))
        for clock, spent in (("CPU", cpu), ("wall", wall))
        for name in contenders
        if clock == "CPU" or not corpus
    ]
    seconds = seconds_of(paths) / len(paths)
    rows.append(Row(KAISER, f"{corpus}× real time", [1000 * seconds / ms for ms in cpu[KAISER]]))
    for above, below, bar in BARS[corpus]:
        quotient = ratios(cpu[above], cpu[below])
        rows.append(Row(f"{above} ÷ {below}", f"{corpus}CPU time, ratio", quotient, at_least=bar))
    for ours, theirs in ((KAISER, TUTORIAL), (SOXR, LIBROSA)):
        worst = max(float(np.abs(a - b).max()) for a, b in zip(found[ours], found[theirs], strict=True))
        what = f"{corpus}largest difference of any mean"
        rows.append(Row(f"{ours}, from {theirs}", what, [worst], at_most=None if corpus else 1e-3))
    return rows


def _sub(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name
