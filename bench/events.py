"""``python bench/events.py DATA``: how well events are found in recordings; writes events.md.

DATA holds ``us8k`` and ``label_tracks``. Recordings are composed by `earmark.mixer` of UrbanSound8K's fold 1, over pink
noise, of clips that no model heard. Each model learns from folds 2 and 3 alone: from the clips as they are, or from
recordings that are composed of them in the same way, each of other sources, cut into windows with what lies between
as background. Of the real recordings there is one each of a kind: a model learns from one half of it and is judged by
the other.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import soundfile

from earmark.audio import load
from earmark.engine.threads import cores
from earmark.evaluate.events import added, by_events, overall
from earmark.events import Events
from earmark.labels import Labels, converted, read_labels, write_labels
from earmark.mixer import Mix, compose
from earmark.pipeline import train
from earmark.predict import Predictor
from earmark.readers import read
from earmark.recipe import Recipe
from earmark.recordings.judged import EventReport, count, hear

RATE = 16_000
TEST, LEARN = 10, 30  # recordings
TEST_SECONDS, LEARN_SECONDS = 60.0, 120.0
SNR, OVERLAP = (6.0, 20.0), 0.1
WINDOW, HOP = 1.0, 0.2
MODELS = {
    "mlp": {"model.name": "mlp"},
    "linear on YAMNet": {"model.name": "linear", "feature.name": "encoder"},
}
Sounds = dict[str, list[tuple[np.ndarray, str]]]


def sounds(data: Path, folds: set[int]) -> Sounds:
    """The clips of some folds by the recording that they were cut from."""
    dataset = read(str(data / "us8k"))
    found: Sounds = {}
    for clip in dataset.clips:
        if clip.fold in folds:
            samples = load(dataset.file(clip), RATE).samples
            found.setdefault(clip.group, []).append((samples, clip.labels[0]))
    return found


def recordings(
    folder: Path, of: Sounds, number: int, seconds: float, seed: int, each: int | None = None
) -> Path:
    """Compose recordings, each of other sources, and write them with their label tracks."""
    folder.mkdir(parents=True)
    order = np.random.default_rng(seed).permutation(sorted(of))
    for i in range(number):
        clips = [clip for group in order[i::number] for clip in of[group][:each]]
        mix = Mix(seconds, round(seconds / 6), SNR, OVERLAP, 0.5, 1.0, 1_000 * seed + i)
        samples, regions = compose(clips, RATE, mix)
        soundfile.write(folder / f"{folder.name}-{i:02d}.flac", samples, RATE)
        write_labels(folder / f"{folder.name}-{i:02d}.txt", converted(Labels("", regions), "audacity"))
    return folder


def row(name: str, report: EventReport, seconds: float) -> str:
    told, chance = report.to_dict(), report.chance
    events, segments = told["events"], told["segments"]
    line = (
        f"| {name} | {events['f1']:.3f} ({events['precision']:.2f}, {events['recall']:.2f}) "
        f"| {segments['f1']:.3f} ({segments['precision']:.2f}, {segments['recall']:.2f}) "
        f"| {max(chance.shuffled[0], chance.always[0]):.3f} "
        f"| {max(chance.shuffled[1], chance.always[1]):.3f} | {report.psds:.3f} | {report.seconds / seconds:.0f} |"
    )
    print(line, flush=True)
    return line


def heard(
    predictor: Predictor, folder: Path, how: Events, name: str, tune: Path | None = None
) -> Iterator[str]:
    began = time.perf_counter()
    audition = hear(predictor, read(str(folder)), how, workers=cores())
    seconds = time.perf_counter() - began
    yield row(name, count(predictor.bundle, audition, how), seconds)
    if tune is not None:
        own = hear(predictor, read(str(tune)), how, workers=cores())

        def score(one: Events) -> float:
            parts = [by_events(r.real, r.events(predictor.bundle, one)) for r in own.recorded]
            return overall(added(parts)).f1

        best = max(grid(how), key=score)
        said = f"median {best.median}, high {best.high:g}, gap {best.min_gap:g}, trim {best.trim:g}"
        yield row(f"{name}; {said}", count(predictor.bundle, audition, best), seconds)


def grid(how: Events) -> Iterator[Events]:
    for median, high, gap, trim in product((3, 9), (0.4, 0.6, 0.8), (0.0, 0.6, 1.2), (0.0, 0.15, 0.3)):
        yield how.changed(median=median, high=high, min_gap=gap, trim=trim, min_length=0.4)


def composed(data: Path, work: Path) -> Iterator[str]:
    few = 3  # of a source: some have a hundred clips
    test = recordings(work / "test", sounds(data, {1}), TEST, TEST_SECONDS, 1, few)
    learn = recordings(work / "learn", sounds(data, {2, 3}), LEARN, LEARN_SECONDS, 2, few)
    for name, settings in MODELS.items():
        recipe = Recipe().with_values({**settings, "split.test_fold": 1}).with_data(str(data / "us8k"))
        clips = Predictor.open(train(recipe, work / "clips.earmark", work / "runs").bundle)
        how = clips.bundle.events.changed(hop=HOP)
        yield from heard(clips, test, how, f"{name}, from clips, windows of {how.window:g} s")
        yield from heard(
            clips, test, how.changed(window=WINDOW, hop=HOP), f"{name}, from clips, windows of {WINDOW:g} s"
        )
        more = {"window": WINDOW, "several": "longest", "background": "nothing"}
        recipe = Recipe().with_values(settings).with_data(str(learn), **more)
        mixed = Predictor.open(train(recipe, work / "mixed.earmark", work / "runs").bundle)
        yield from heard(
            mixed,
            test,
            mixed.bundle.events.changed(hop=HOP),
            f"{name}, from recordings, windows of {WINDOW:g} s",
            tune=learn,
        )


def halved(source: Path, track: Path, folder: Path) -> Path:
    """Make two recordings of one: its first half and its second."""
    folder.mkdir(parents=True)
    samples, rate = soundfile.read(source)
    middle = len(samples) / rate / 2
    for i, name in enumerate(("first", "second")):
        begin = i * middle
        regions = [r for r in read_labels(track).regions if begin <= (r.start + r.end) / 2 < begin + middle]
        lines = [f"{max(0.0, r.start - begin)}\t{min(middle, r.end - begin)}\t{r.label}\n" for r in regions]
        part = samples[round(begin * rate) : round((begin + middle) * rate)]
        soundfile.write(folder / f"{name}.wav", part, rate)
        (folder / f"{name}.txt").write_text("".join(lines))
    return folder


def real(data: Path, work: Path) -> Iterator[str]:
    tracks = data / "label_tracks"
    for what, source, track, background in (
        (
            "swift calls",
            "spinetail_audacity_ext/spinetail.wav",
            "spinetail_audacity_ext/spinetail.txt",
            "nothing",
        ),
        (
            "a dawn chorus",
            "raven_birds/Recording_1_Segment_07-snippet.wav",
            "raven_birds/Recording_1_Segment_07.Table.1.selections.txt",
            "",
        ),
        (
            "three speakers",
            "pyaudioanalysis_segments/diarizationExample.wav",
            "pyaudioanalysis_segments/diarizationExample.segments",
            "",
        ),
    ):
        window, folder = 0.25, halved(tracks / source, tracks / track, work / what)
        for name, settings in MODELS.items():
            more = {"window": window, "hop": window / 2, "several": "longest", "background": background}
            recipe = (
                Recipe()
                .with_values({**settings, "decide.folds": 0, "split.validation_share": 0.0})
                .with_data(str(folder), **more)
            )
            try:
                result = train(recipe, work / "real.earmark", work / "runs")
                predictor = Predictor.open(result.bundle)
                yield from heard(
                    predictor, folder, predictor.bundle.events.changed(hop=0.05), f"{what}; {name}"
                )
            except Exception as error:  # told, and not a reason to lose the rest
                print(f"{what}; {name}: {error}", flush=True)
                yield f"| {what}; {name} | {error} | | | | | |"


COLUMNS = (
    "model", "events: F1 (precision, recall)", "segments: F1 (precision, recall)", "events, no skill",
    "segments, no skill", "PSDS", "× real time",
)  # fmt: skip
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def main(data: Path) -> None:
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        first = list(composed(data, work))
        second = list(real(data, work))
    text = f"""# Events in recordings

`python bench/events.py DATA`, {(time.perf_counter() - began) / 60:.0f} minutes on {cores()} cores.
Events: start within 200 ms, end within 200 ms or 20 % of the length. Segments of 1 s. No skill: the better of the real
events at random times under each other's labels, and the commonest label all the time.

## Composed of UrbanSound8K's fold 1

{TEST} recordings of {TEST_SECONDS:g} s over pink noise, signal to noise from {SNR[0]:g} to {SNR[1]:g} dB, a tenth of
the clips over others. Models learn from folds 2 and 3: from their clips, or from {LEARN} recordings of
{LEARN_SECONDS:g} s that are composed of them alike. Hop {HOP:g} s, the rest by default. Where settings are named,
they were chosen by the recordings of folds 2 and 3 that the model was not trained on.

{HEAD}
{chr(10).join(first)}

## Real label tracks

Of each of these recordings, of 10 to 42 s, one half is learnt from and the other heard: what is told holds for that
recording alone.

{HEAD}
{chr(10).join(second)}
"""
    Path(__file__).with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
