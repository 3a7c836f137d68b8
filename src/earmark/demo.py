"""The demo's data set: 280 labelled clips in seven classes, made on the spot from a seed.

It is small and quick but not a toy: like every real collection it holds several clips of each recording, and
a recording is far easier to know again (by its microphone, its room, what hums behind it) than a class is to
know in a new one. So a random split of these clips flatters itself, and an honest one does not.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng
from numpy.typing import NDArray

from earmark.demo_sounds import KINDS
from earmark.demo_tones import (
    HZ,
    OCTAVES,
    SAMPLE_RATE,
    SIZE,
    Sound,
    Source,
    band,
    cycle,
    decibels,
    log_uniform,
    log_uniforms,
    noise,
    play,
    resonances,
    shaped,
    slope,
    turns_of,
    unit,
)
from earmark.errors import PathError, SettingError

__all__ = ["CLIPS", "DEMO_VERSION", "make_demo"]

# To be raised whenever the same seed gives other files, so that an old demo is never taken for a new one.
DEMO_VERSION = 1
RECORDINGS = 10
CLIPS_EACH = 4
CLIPS = len(KINDS) * RECORDINGS * CLIPS_EACH
FOLDS = 5
MARKER = "demo.json"


def make_demo(root: Path, seed: int = 0, progress: Callable[[int, int], None] | None = None) -> Path:
    """Write the demo data set to ``root``, or find it there.

    ``root/labels.csv`` has the columns ``path,label,group,fold``; the sounds are
    ``root/audio/RECORDING/CLIP.wav`` (16-bit mono, 22,050 Hz, 1 to 2 s). A recording lies in one fold, and
    each fold holds two recordings of each class. The same seed gives the same bytes.

    Parameters
    ----------
    root
        A folder that does not exist yet, is empty, or holds the same demo already (then nothing is written).
    seed
        Any whole number from 0 up.
    progress
        Called with (clips done, clips in all) after each clip.

    Returns
    -------
    Path
        ``root``.

    Raises
    ------
    PathError
        ``root`` holds something else, or cannot be written.
    SettingError
        A negative seed.
    """
    if seed < 0:
        raise SettingError(f"The demo's seed is {seed}, but it must be 0 or more. Type: --seed 0")
    if _complete(root, seed):
        return root
    _refuse_occupied(root, seed)
    with _told_for(root):
        root.parent.mkdir(parents=True, exist_ok=True)
        workplace = tempfile.TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent)
    # Built beside its place and renamed into it, so that an interrupted demo is never taken for a whole one.
    with workplace as beside:
        made = Path(beside) / "demo"
        with _told_for(root):
            made.mkdir()
        rows = ["path,label,group,fold"]
        for path, label, group, fold, sound in _clips(seed):
            with _told_for(root):
                _write_wav(made / path, sound)
            rows.append(f"{path},{label},{group},{fold}")
            if progress is not None:
                progress(len(rows) - 1, CLIPS)
        with _told_for(root):
            (made / "labels.csv").write_text("\n".join([*rows, ""]), encoding="utf-8", newline="\n")
            (made / MARKER).write_text(json.dumps(_marker(seed)) + "\n", encoding="utf-8", newline="\n")
            _put_in_place(made, root, seed)
    return root


# The folder


def _marker(seed: int) -> dict[str, int]:
    return {"earmark_demo": DEMO_VERSION, "seed": seed, "clips": CLIPS}


def _read_marker(root: Path) -> dict[str, int] | None:
    try:
        marker = json.loads((root / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) and "earmark_demo" in marker else None


def _complete(root: Path, seed: int) -> bool:
    """Return whether ``root`` holds this very demo with no file missing."""
    if _read_marker(root) != _marker(seed) or not (root / "labels.csv").is_file():
        return False
    return sum(1 for _ in (root / "audio").glob("*/*.wav")) == CLIPS


def _refuse_occupied(root: Path, seed: int) -> None:
    """Raise where something stands at ``root`` that the demo would have to replace."""
    if not root.exists() and not root.is_symlink():
        return
    marker = _read_marker(root)
    if not root.is_dir():
        found = "is a file" if root.is_file() else "is not a folder"
    elif marker is not None and marker != _marker(seed):
        found = f"holds another demo (version {marker['earmark_demo']}, seed {marker.get('seed')})"
    elif marker is not None:
        found = "holds a demo from which files were taken away"
    elif (held := sum(1 for _ in root.iterdir())) > 0:
        found = f"is a folder with {held} other {'thing' if held == 1 else 'things'} in it"
    elif root.resolve() == Path.cwd():
        found = "is the folder that you are in"
    else:
        return
    wanted = f"the demo (version {DEMO_VERSION}, seed {seed})"
    raise PathError(f"{root} {found}; {wanted} needs a new folder. Type: earmark demo --out OTHER")


def _put_in_place(made: Path, root: Path, seed: int) -> None:
    try:
        if root.is_dir():
            root.rmdir()  # empty, or this fails: not every system renames a folder onto another
        made.rename(root)
    except OSError:
        if not _complete(root, seed):  # else another process was making the same demo and was done first
            raise


@contextlib.contextmanager
def _told_for(root: Path) -> Iterator[None]:
    """Turn the system's refusal to write (disk full, no permission) into a sentence for a person."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise PathError(
            f"The demo cannot be written to {root}: {reason}. Type: earmark demo --out OTHER"
        ) from error


def _write_wav(path: Path, sound: Sound) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.rint(sound * 32767.0).astype("<i2").tobytes())


# The recordings


def _clips(seed: int) -> Iterator[tuple[str, str, str, int, Sound]]:
    """Yield path, label, recording, fold and sound of every clip, in the order of the table."""
    for label, of_kind in zip(KINDS, SeedSequence(seed).spawn(len(KINDS)), strict=True):
        rng = default_rng(of_kind)
        # Each class gets its share of good and of bad recordings, and each fold two recordings of each class.
        distances = (rng.permutation(RECORDINGS) + 0.5) / RECORDINGS
        folds = rng.permutation(RECORDINGS) % FOLDS + 1
        for number, of_recording in enumerate(of_kind.spawn(RECORDINGS)):
            group = f"{label}-{number + 1:02d}"
            cut = recording(label, default_rng(of_recording), float(distances[number]))
            for clip, of_clip in enumerate(of_recording.spawn(CLIPS_EACH), start=1):
                chance = default_rng(of_clip)
                # Whole multiples of 20 ms between 1 and 2 s.
                length = int(chance.integers(50, 101)) * SAMPLE_RATE // 50
                path = f"audio/{group}/{group}-{clip}.wav"
                yield path, label, group, int(folds[number]), cut(chance, length)


def recording(kind: str, nature: Generator, distance: float = 0.3) -> Source:
    """Return one recording of ``kind``: a function of (generator, samples) that cuts a clip out of it.

    Parameters
    ----------
    kind
        A key of ``KINDS``.
    nature
        Where all that the recording's clips share is drawn from.
    distance
        How far the microphone stands: 0 (20 dB above what is behind the sound) to 1 (level with it).
    """
    source = KINDS[kind](nature)
    microphone = _microphone(nature)
    way = _room(nature) * microphone
    centre = log_uniforms(nature, (150, 5000))
    place = slope(nature.uniform(-5.5, -4.0)) * band(50, 11_000) * microphone
    place *= 1.5 + resonances(HZ, centre, centre * 0.6)
    mains = float(nature.choice([50.0, 60.0]))
    hum = cycle(nature, np.arange(1.0, 13.0) ** -nature.uniform(0.3, 1.5))
    hum_level = decibels(nature.uniform(-15, 0)) if nature.uniform() < 0.3 else 0.0
    # The curve is bent because people mostly hold the microphone near what they mean to record.
    behind = decibels(-20.0 * (1.0 - distance) ** 0.35)
    loudness = float(decibels(nature.uniform(-32, -16)))

    def clip(rng: Generator, length: int) -> Sound:
        near = unit(shaped(source(rng, length), way))
        far = noise(rng, length, place) + hum_level * play(hum, turns_of(rng, np.full(length, mains)))
        sound = unit(near + behind * unit(far))
        # Barks and drops peak far above their mean: such clips are turned down, as a person would.
        return np.asarray(sound * min(loudness, 0.9 / float(np.abs(sound).max())))

    return clip


def _microphone(nature: Generator) -> Sound:
    """Return a cheap microphone's response: an uneven curve and two edges."""
    knots = np.linspace(-5.5, 3.5, 9)
    curve = np.interp(OCTAVES, knots, nature.normal(0.0, 1.0, len(knots)))
    return np.asarray(decibels(curve) * band(log_uniform(nature, 30, 120), log_uniform(nature, 7000, 11_000)))


def _room(nature: Generator) -> NDArray[np.complex128]:
    """Return a room's response: the direct sound and a short, decaying reverberation."""
    t = np.arange(int(0.35 * SAMPLE_RATE)) / SAMPLE_RATE
    tail = nature.standard_normal(len(t)) * np.exp(-6.9 * t / nature.uniform(0.08, 0.6))
    tail *= decibels(nature.uniform(-22, -3)) / np.sqrt(np.sum(tail**2))
    tail[0] += 1.0
    return np.fft.rfft(tail, SIZE)
