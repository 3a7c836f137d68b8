"""``python bench/near.py DATA``: how well copies in disguise are found, on pairs of real recordings; writes near.md.

DATA holds ``us8k``, ``esc10`` and ``fsdd``. How landmarks are taken and how many must agree was chosen with copies of
120 clips of ESC-10 and of UrbanSound8K in view, and with their unrelated pairs. So recall is told of copies of other
clips, and false alarms also of the spoken digits, which nothing was chosen by. Each copy is looked for among all clips
of its data set, beside its own original, as the data doctor does.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr

from earmark.audio import decode
from earmark.audio.copies import Copy, asked_for, find_copies
from earmark.audio.landmarks import Ear, Landmarks
from earmark.readers import read

SETS = {"esc10": "ESC-10", "us8k": "UrbanSound8K, folds 1 to 3"}
SEEN, COPIES = (
    120,
    200,
)  # clips of a fixed order: those that things were chosen by, and those that are told of
SHORTEST = 0.35  # seconds: of less, a cut leaves nothing
Sound = tuple[np.ndarray, int]


def coded(samples: np.ndarray, rate: int, form: str, subtype: str, level: float, **options: str) -> Sound:
    data = io.BytesIO()
    soundfile.write(data, samples, rate, format=form, subtype=subtype, compression_level=level, **options)
    data.seek(0)
    return soundfile.read(data, dtype="float32")


def mp3(samples: np.ndarray, rate: int, kilobits: int) -> Sound:
    low, high = (8, 160) if rate < 32_000 else (32, 320)  # kbit/s, of MPEG-2 and of MPEG-1
    level = min(1 - (kilobits - low) / (high - low), 0.999)
    return coded(samples, rate, "MP3", "MPEG_LAYER_III", level, bitrate_mode="CONSTANT")


def louder(samples: np.ndarray, rate: int, rng: np.random.Generator) -> Sound:
    return np.clip(samples * np.float32(10 ** (rng.uniform(-20, 6) / 20)), -1, 1), rate


def looped(samples: np.ndarray, rate: int, rng: np.random.Generator) -> Sound:
    """The loudest of four stretches of a second, again and again for five."""
    length = min(len(samples), rate)
    begins = rng.integers(0, len(samples) - length + 1, 4)
    parts = [samples[i : i + length] for i in begins]
    return np.resize(max(parts, key=lambda part: float(np.sum(part**2))), 5 * rate), rate


def noisy(samples: np.ndarray, rate: int, rng: np.random.Generator) -> Sound:
    noise = rng.standard_normal(len(samples)) * np.sqrt(np.mean(samples**2)) * 0.1
    return (samples + noise).astype(np.float32), rate


def other_rate(samples: np.ndarray, rate: int) -> Sound:
    target = 16_000 if rate != 16_000 else 22_050
    return soxr.resample(samples, rate, target), target


EDITS: dict[str, Callable[[np.ndarray, int, np.random.Generator], Sound]] = {
    "MP3, 32 kbit/s": lambda x, r, _: mp3(x, r, 32),
    "MP3, 64 kbit/s": lambda x, r, _: mp3(x, r, 64),
    "Ogg Vorbis, lowest quality": lambda x, r, _: coded(x, r, "OGG", "VORBIS", 1.0),
    "to 8 kHz and back": lambda x, r, _: (soxr.resample(soxr.resample(x, r, 8_000), 8_000, r), r),
    "to 16 kHz (of 16 kHz: 22.05)": lambda x, r, _: other_rate(x, r),
    "gain of -20 to +6 dB, clipped": louder,
    "the middle half": lambda x, r, _: (x[len(x) // 4 : len(x) - len(x) // 4], r),
    "without the first 0.3 s": lambda x, r, _: (x[int(0.3 * r) :], r),
    "a second, looped for 5 s": looped,
    "noise at 20 dB": noisy,
    "10 dB softer, without 0.2 s, MP3 32": lambda x, r, _: mp3(0.3 * x[int(0.2 * r) :], r, 32),
}


def landmarks_of(samples: np.ndarray, rate: int) -> Landmarks:
    ear = Ear(rate)
    ear.hear(np.asarray(samples, np.float32))
    return ear.landmarks()


def copies_in(marks: list[Landmarks], units: np.ndarray) -> list[Copy]:
    return find_copies(np.concatenate(marks), np.cumsum([0, *map(len, marks)]), units)


def confirmed(one: np.ndarray, other: np.ndarray, later: float) -> float:
    """Return the highest correlation of two sounds at 8 kHz, 150 to 3,500 Hz, within 50 ms of a distance in time."""
    from scipy.signal import butter, sosfilt

    band = butter(4, [150, 3_500], "band", fs=8_000, output="sos")
    a, b = sosfilt(band, one), sosfilt(band, other)
    best = 0.0
    for lag in range(round(8_000 * (later - 0.05)), round(8_000 * (later + 0.05)) + 1):
        x, y = (a, b[lag:]) if lag >= 0 else (a[-lag:], b)
        n = min(len(x), len(y))
        power = float(np.sqrt(np.sum(x[:n] ** 2) * np.sum(y[:n] ** 2)))
        if n > 800 and power > 0:
            best = max(best, abs(float(np.dot(x[:n], y[:n]))) / power)
    return best


def main(data: Path) -> None:
    lines = ["# Copies in disguise", "", f"Made by `{Path(__file__).parent.name}/{Path(__file__).name}`.", ""]
    for name, title in SETS.items():
        lines += report(data / name, title)
    lines += untouched(data / "fsdd" / "recordings")
    Path(__file__).with_name("near.md").write_text("\n".join(lines) + "\n")


def untouched(folder: Path) -> list[str]:
    """Tell of false alarms among takes of the same words by the same speakers, each pair being of different takes."""
    waves = [decode(path) for path in sorted(folder.glob("*.wav"))]
    marks = [landmarks_of(wave.samples, wave.sample_rate) for wave in waves]
    found = copies_in(marks, np.arange(len(marks)))
    pairs = len(marks) * (len(marks) - 1) // 2
    told = f"{len(marks):,} takes, {pairs:,} pairs, those of one word and speaker too"
    return ["## Free Spoken Digit Dataset", "", f"- {told}; {len(found)} are said to be copies."]


def report(folder: Path, title: str) -> list[str]:
    dataset = read(folder)
    clips = dataset.clips
    waves = [decode(folder / clip.path) for clip in clips]
    began = time.perf_counter()
    marks = [landmarks_of(wave.samples, wave.sample_rate) for wave in waves]
    each = 1000 * (time.perf_counter() - began) / len(marks)
    began = time.perf_counter()
    found = copies_in(marks, dataset.group_ids)
    took = time.perf_counter() - began
    group = dataset.group_ids
    total = len(group) * (len(group) - 1) // 2 - sum(n * (n - 1) // 2 for n in np.bincount(group).tolist())
    size = np.mean([mark.nbytes for mark in marks])
    lines = [
        f"## {title}", "",
        f"- {len(clips):,} clips; {size:.0f} bytes of landmarks and {each:.2f} ms a clip; the index took {took:.2f} s.",
        f"- {asked_for(len(clips))} pairs of landmarks are asked for.",
        "- Beside the copies, a false alarm is what is of another recording and not in the first table.",
        f"- {total:,} pairs of clips of different recordings; {len(found)} of them are said to be copies:", "",
        "| first | second | pairs that agree | later, s | correlation there |", "| --- | --- | --: | --: | --: |",
    ]  # fmt: skip
    for copy in found:
        heard = [
            soxr.resample(w.samples, w.sample_rate, 8_000) for w in (waves[copy.first], waves[copy.second])
        ]
        names = clips[copy.first].path, clips[copy.second].path
        sure = confirmed(heard[0], heard[1], copy.later)
        lines.append(f"| {names[0]} | {names[1]} | {copy.shared} | {copy.later:.2f} | {sure:.2f} |")
    known = {frozenset((copy.first, copy.second)) for copy in found}
    lines += [
        "", "| edit | copies | found | recall | recall, clips of 1 s and more | of another recording | precision |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    chosen = [
        i for i in rng.permutation(len(clips))[SEEN : SEEN + COPIES].tolist()
        if waves[i].seconds >= SHORTEST and np.abs(waves[i].samples).max() >= 1e-3
    ]  # fmt: skip
    for edit, change in EDITS.items():
        made = [landmarks_of(*change(waves[i].samples, waves[i].sample_rate, rng)) for i in chosen]
        units = np.concatenate([group, group.max() + 1 + np.arange(len(made))])
        pairs = {
            (c.first, c.second - len(clips)) for c in copies_in(marks + made, units) if c.second >= len(clips)
        }
        pairs = {(a, b) for a, b in pairs if a < len(clips)}
        hits = [(i, j) in pairs for j, i in enumerate(chosen)]
        long = [hit for hit, i in zip(hits, chosen, strict=True) if waves[i].seconds >= 1]
        # What is a copy of a copy's original, the table above has it.
        wrong = sum(group[a] != group[chosen[b]] and frozenset((a, chosen[b])) not in known for a, b in pairs)
        lines.append(
            f"| {edit} | {len(hits)} | {sum(hits)} | {np.mean(hits):.3f} | {np.mean(long):.3f} | {wrong}"
            f" | {sum(hits) / max(sum(hits) + wrong, 1):.3f} |"
        )
    return [*lines, ""]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
