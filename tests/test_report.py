"""The report: every figure is the run's own, and no name, size or missing thing breaks the page."""

from __future__ import annotations

import io
import json
import shlex
import struct
import zlib
from decimal import Decimal
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from earmark import pipeline
from earmark.audio.encode import mp3
from earmark.cli.app import app
from earmark.data import DataSettings, open_data
from earmark.dataset import Dataset
from earmark.errors import MissingExtraError, PathError, RunError, SettingError
from earmark.readers import read, urbansound8k
from earmark.recipe import Recipe
from earmark.report import write_report
from earmark.report.answered import Answered
from earmark.report.folder import read_folder
from earmark.report.matrix import matrix_of, mistakes_of
from earmark.report.picture import palette, spectrogram, wave
from earmark.report.png import png
from earmark.report.score import baseline
from earmark.report.slices import by_duration, by_fold, by_rate, by_salience
from earmark.report.words import spelt
from earmark.types import Waveform
from report_runs import Seen, chances, run_folder, table
from surroundings import tones

LABELS = ("cat", "dog", "rain")


@pytest.fixture(scope="module")
def simple(tmp_path_factory):
    targets = np.arange(120) % 3
    return run_folder(
        tmp_path_factory.mktemp("simple") / "run", LABELS, targets, chances(targets, 3, seeds=2), seeds=(0, 1)
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory, write_wav):
    """The folders of a real evaluation by two seeds, and of trainings by a grouped and by a random split."""
    folder = tmp_path_factory.mktemp("runs")
    data = tones(folder / "tones", write_wav, groups=8, takes=2)
    recipe = Recipe().with_data(str(data), "auto", "{label}_{group}_{take}.wav")
    recipe = recipe.with_values({"train.epochs": 4, "decide.folds": 3})
    return {
        "evaluate": pipeline.evaluate(recipe, folder / "runs", seeds=2).run,
        "train": pipeline.train(recipe, None, folder / "runs").run,
        "random": pipeline.train(recipe.with_values({"split.rule": "random"}), None, folder / "runs").run,
    }


def page(run: Path, tmp_path: Path, **options) -> Seen:
    return Seen(write_report(run, tmp_path / "report.html", **options).report)


def find(report: object, key: str) -> object:
    for part in key.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        report = (
            report[int(name)] if isinstance(report, list) else {spelt(k): v for k, v in report.items()}[name]
        )
    return report


def check_figures(seen: Seen, run: Path) -> set[str]:
    """Assert that each figure is the report's, in full, and that what is shown is it to the last digit."""
    report = json.loads((run / "report.json").read_text())
    for key, value, text in seen.figures:
        told = find(report, key)
        assert float(value) == told, key
        shown = text.replace("\xa0", "")
        exact = Decimal(told) * (100 if shown.endswith("%") else 1)
        digits = Decimal(shown.rstrip("%"))
        step = Decimal(1).scaleb(digits.as_tuple().exponent)
        # A tie may fall to either side when a share is multiplied by a hundred.
        assert abs(exact - digits) <= step / 2 + Decimal("1e-9"), f"{key}: {told} is shown as {text}"
    return {key for key, _, _ in seen.figures}


def test_every_figure_is_the_reports(trained, tmp_path):
    run = trained["evaluate"]
    keys = check_figures(page(run, tmp_path), run)
    report = json.loads((run / "report.json").read_text())
    wanted = "accuracy interval/0 interval/1 baseline random_split/accuracy random_split/oracle_accuracy macro_f1 sd"
    assert {
        f"/{key}" for key in f"{wanted} map sd_seeds seeds/1/accuracy decision/sets/coverage".split()
    } <= keys
    for name in ("ece", "ece_adaptive", "nll", "brier"):
        assert {f"/calibration/{name}", f"/calibration/before/{name}"} <= keys
    for label in report["labels"]:
        for name in ("precision", "recall", "f1", "average_precision"):
            assert f"/per_class/{label}/{name}" in keys
    cells = {
        f"/confusion/{i}/{j}" for i, row in enumerate(report["confusion"]) for j, n in enumerate(row) if n
    }
    assert {key for key in keys if key.startswith("/confusion/")} == cells


@pytest.mark.parametrize("kind", ["train", "random"])
def test_a_training_has_its_page(trained, tmp_path, kind):
    run = trained[kind]
    seen = page(run, tmp_path)
    keys = check_figures(seen, run)
    if kind == "random":
        assert {"/accuracy", "/honest/accuracy", "/honest/interval/0", "/leakage/oracle_accuracy"} <= keys
        assert "which flatters it" in seen.text
        assert "/macro_f1" not in keys  # of the random split: not beside the honest score
    else:
        assert {"/accuracy", "/interval/0", "/macro_f1"} <= keys
        assert "A random split claims" not in seen.text
        assert "type: earmark evaluate DATASET" in seen.text


def test_a_random_split_alone_is_not_called_honest(trained, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for file in trained["random"].iterdir():
        if file.is_file():
            (run / file.name).write_bytes(file.read_bytes())
    report = json.loads((run / "report.json").read_text())
    del report["honest"]
    (run / "report.json").write_text(json.dumps(report))
    seen = page(run, tmp_path)
    assert "Accuracy on a random split" in seen.text
    assert "This is no honest score" in seen.text
    assert "Honest accuracy" not in seen.text


def test_the_baseline_is_the_same_when_it_is_worked_out_again(trained):
    folder = read_folder(trained["evaluate"])
    assert baseline(folder) == pytest.approx(folder.report["baseline"], abs=1e-12)


def test_the_command_makes_the_same_run_again(trained, tmp_path, earmark):
    run = trained["evaluate"]
    html = page(run, tmp_path).html
    command = unescape(html.split('<pre class="command"', 1)[1].split("<code>", 1)[1].split("</code>", 1)[0])
    words = shlex.split(command)
    assert words[:2] == ["earmark", "evaluate"]
    (again,) = (json.loads(earmark(*words[1:], "--runs", tmp_path / "again", "--json").stdout),)
    report = json.loads((run / "report.json").read_text())
    assert again["accuracy"] == report["accuracy"]
    assert again["data"] == report["data"]
    state = json.loads((Path(again["run"]) / "run.json").read_text())
    assert state["identity"] == json.loads((run / "run.json").read_text())["identity"]


def test_what_was_trained_on_what(trained, tmp_path):
    seen = page(trained["evaluate"], tmp_path)
    assert "48 clips" in seen.text
    assert "mlp on tones" in seen.text
    assert "mfcc, 22,050 Hz" in seen.text
    assert "The data set has the same fingerprint today." in seen.text
    assert (
        read(trained["evaluate"].parent.parent / "tones", pattern="{label}_{group}_{take}.wav").fingerprint
        in seen.text
    )
    assert "[feature]" in seen.text


def test_changed_data_are_told_of(trained, tmp_path, write_wav):
    data = tones(tmp_path / "tones", write_wav, groups=7, takes=2)
    seen = page(trained["evaluate"], tmp_path, data=data)
    assert "The data set has changed since the run" in seen.text
    assert "6 tested clips cannot be found in it." in seen.text


def test_folds_are_told_as_the_report_has_them(simple, tmp_path):
    assert {"/folds/0/accuracy", "/folds/1/accuracy"} <= check_figures(page(simple, tmp_path), simple)


def test_the_clips_of_a_cell_are_its_clips(simple):
    folder = read_folder(simple)
    matrix, tested = matrix_of(folder), folder.tested
    for row in matrix.rows:
        for cell in row:
            own = (tested.targets == cell.row) & (tested.answers == cell.column)
            assert cell.count == int(own.sum())
            keys = {(tested.keys[i], int(tested.seeds[i])) for i in np.flatnonzero(own)}
            assert {(c.key, c.seed) for c in cell.clips} == keys
            sure = [c.confidence for c in cell.clips]
            assert sure == sorted(sure, reverse=cell.row != cell.column)


def test_the_most_confident_mistake_is_first(simple):
    tested = read_folder(simple).tested
    found = mistakes_of(tested)
    wrong = tested.answers != tested.targets
    assert found[0].confidence == tested.confidence[wrong].max()
    assert [m.confidence for m in found] == sorted((m.confidence for m in found), reverse=True)
    assert len({m.key for m in found}) == len(found) == len(set(tested.clips[wrong].tolist()))
    assert {m.wrong for m in found} == {1, 2}
    assert all(m.seeds == 2 and m.likely <= m.confidence for m in found)


def test_how_many_clips_are_shown(simple, tmp_path):
    assert len(page(simple, tmp_path, clips=3).html.split("<small>Answered</small>")) == 4
    with pytest.raises(SettingError, match=r"^--clips is -1, but must be from 0 to 500\.$"):
        write_report(simple, tmp_path / "a.html", clips=-1)


def test_two_thousand_mistakes_stay_a_small_page(tmp_path):
    targets = np.arange(3000) % 10
    run = run_folder(tmp_path / "run", [f"class {i}" for i in range(10)], targets, chances(targets, 10, 0.25))
    written = write_report(run, tmp_path / "report.html")
    seen = Seen(written.report)
    assert json.loads((run / "report.json").read_text())["accuracy"] < 0.35
    assert written.size < 300_000
    assert "are listed, all are in predictions.csv" in seen.text
    assert "10 of 2," in seen.text


def test_fifty_classes_of_which_one_was_tested(tmp_path):
    labels = [f"class {i}" for i in range(50)]
    run = run_folder(tmp_path / "run", labels, np.full(30, 7), chances(np.full(30, 7), 50, 0.5))
    seen = page(run, tmp_path)
    check_figures(seen, run)
    assert "A dash stands where no clip tested the class." in seen.text
    assert len([a for a in seen.of("th") if a.get("scope") == "col"]) > 50


def test_nothing_wrong(tmp_path):
    targets = np.arange(40) % 2
    run = run_folder(tmp_path / "run", ("a", "b"), targets, chances(targets, 2, 1.0))
    seen = page(run, tmp_path)
    assert "There are none: every tested clip was answered with its label." in seen.text
    assert "100.0\xa0%" in seen.html


def test_too_few_recordings_have_no_interval(tmp_path):
    targets = np.arange(20) % 2
    run = run_folder(tmp_path / "run", ("a", "b"), targets, chances(targets, 2), groups=np.arange(20) % 2)
    seen = page(run, tmp_path)
    assert "too few recordings for an interval" in seen.text
    assert "too little to say anything" in seen.text


HOSTILE = (
    "<script>alert(1)</script>", "\"'><img src=x onerror=alert(2)>", "كلب ينبح", "🐕‍🦺 {{ 7 * 7 }} & co",
    "a\u202egnp.exe", "javascript:alert(3)", "]]>--></style><b>", "x" * 900,
)  # fmt: skip


def hostile_run(folder: Path) -> Path:
    targets = np.arange(80) % len(HOSTILE)
    paths = [f"{HOSTILE[i % 8]}/{i}\n\t\u2028{HOSTILE[(i + 3) % 8]}.wav" for i in range(80)]
    problems = [(name, name, name) for name in HOSTILE]
    run = run_folder(folder, HOSTILE, targets, chances(targets, len(HOSTILE)), paths=paths, problems=problems)
    columns = ["path", "start", "end", "label", "suggested", "score", "reason", "evidence"]
    table(run / "suspects.csv", columns, [[name, name, "", name, name, name, name, "{}"] for name in HOSTILE])
    report = json.loads((run / "report.json").read_text())
    report["model"] = HOSTILE[0]
    report["protocol"] = HOSTILE[1]
    (run / "report.json").write_text(json.dumps(report))
    return run


def test_hostile_names_are_text(tmp_path):
    run = hostile_run(tmp_path / "run")
    seen = page(run, tmp_path)
    check_figures(seen, run)
    assert not seen.of("script")
    assert not seen.of("b") or "</style><b>" not in seen.html
    assert len(seen.of("style")) == 1
    assert not [tag for tag, attributes in seen.tags if any(name.startswith("on") for name in attributes)]
    assert {a["href"][0] for a in seen.of("a")} == {"#"}
    assert all((a["src"] or "").startswith("data:") for a in seen.of("img"))
    for name in HOSTILE[:4]:
        assert name in seen.text
    assert "{{ 7 * 7 }}" in seen.text
    assert "\u202e" not in seen.html
    assert "\u2028" not in seen.html
    assert r"a\u202egnp.exe" in seen.text


def test_the_page_forbids_itself_the_network(simple, tmp_path):
    seen = page(simple, tmp_path)
    (policy,) = (m["content"] for m in seen.of("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert "http:" not in seen.html.replace("http-equiv", "")
    assert "https:" not in seen.html
    assert not any("style" in attributes for _, attributes in seen.tags)


def test_where_the_data_are_gone_the_page_says_so(simple, tmp_path):
    written = write_report(simple, tmp_path / "report.html", with_audio=True)
    seen = Seen(written.report)
    gone = simple / "gone"
    assert written.missing.startswith(f"There is nothing at {gone}")
    assert (
        "Waveforms and spectrograms are missing, because the data set could not be opened: There is"
        in seen.text
    )
    assert f"Length: not known of 120 clips: There is nothing at {gone}" in seen.text.replace("\u200b", "")
    assert not seen.of("img")
    assert not seen.of("audio")


def test_a_recipe_of_another_version_does_not_stop_the_page(simple, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for file in simple.iterdir():
        (run / file.name).write_bytes(file.read_bytes())
    (run / "recipe.toml").write_text('[data]\npath = "x"\nodour = 3\n')
    seen = page(run, tmp_path)
    assert "[data] has no setting 'odour'." in seen.text
    assert "odour = 3" in seen.text


def test_sound_only_where_it_is_asked_for(trained, tmp_path):
    run = trained["evaluate"]
    quiet, loud = page(run, tmp_path, clips=4), page(run, tmp_path, clips=4, with_audio=True)
    assert not quiet.of("audio")
    if quiet.of("img"):  # there was a mistake
        assert "write the page again with --with-audio" in quiet.text
        assert len(loud.of("audio")) == len(loud.of("img")) == len(quiet.of("img"))
        assert all(a["src"].startswith("data:audio/mpeg;base64,") for a in loud.of("audio"))
        assert "recordings may be private" not in loud.text


def test_a_clip_that_cannot_be_read_costs_its_picture(tmp_path, write_wav):
    data = tones(tmp_path / "tones", write_wav, groups=8, takes=2)
    dataset = read(data, pattern="{label}_{group}_{take}.wav")
    run = fake_run_of(dataset, tmp_path / "run", {"data.pattern": "{label}_{group}_{take}.wav"})
    first = mistakes_of(read_folder(run).tested)[0].key[0]
    (data / first).write_bytes(b"no sound in here at all, but some text")
    seen = page(run, tmp_path)
    assert "Cannot be shown: not readable as sound" in seen.text
    assert len(seen.of("img")) == 9
    assert "Sample rate: 16,000 Hz, all that are known; not known of 1 clip" in seen.text


def test_another_data_set_is_not_taken_for_this_one(simple, tmp_path, write_wav):
    for label in LABELS:
        write_wav(tmp_path / "other" / label / "1.wav", np.zeros(4000))
    written = write_report(simple, tmp_path / "report.html", data=tmp_path / "other")
    assert written.missing == f"None of the tested clips is in the data set at {tmp_path / 'other'}."
    assert written.missing in Seen(written.report).text


def test_windows_are_shown_as_what_they_are(tmp_path, write_wav):
    data = tones(tmp_path / "tones", write_wav, groups=4, takes=2)
    pattern = "{label}_{group}_{take}.wav"
    dataset, _ = open_data(DataSettings(str(data), pattern=pattern, window=0.2))
    run = fake_run_of(dataset, tmp_path / "run", {"data.pattern": pattern, "data.window": 0.2})
    seen = page(run, tmp_path)
    assert len(seen.of("img")) == 10
    assert "Length: below 0.5 s, all of them." in seen.text
    assert "0.3–0.5\xa0s" in seen.html


def fake_run_of(dataset: Dataset, folder: Path, values: dict[str, object] | None = None) -> Path:
    """Write a run about the clips of a data set, whose answers nobody gave."""
    targets = dataset.targets
    likely = chances(targets, len(dataset.labels), 0.4)
    run = run_folder(
        folder,
        dataset.labels,
        targets,
        likely,
        paths=dataset.clips.paths.tolist(),
        groups=dataset.group_ids,
        spans=[("" if c.start is None else c.start, "" if c.end is None else c.end) for c in dataset.clips],
    )
    recipe = Recipe().with_data(str(dataset.root)).with_values(values or {})
    (run / "recipe.toml").write_text(recipe.to_toml())
    return run


@pytest.mark.data
def test_ten_clips_of_sound_weigh_less_than_400_kb(data_root, tmp_path):
    dataset = read(data_root / "esc10")
    run = fake_run_of(dataset, tmp_path / "run")
    written = write_report(run, tmp_path / "report.html", with_audio=True)
    seen = Seen(written.report)
    assert len(seen.of("audio")) == len(seen.of("img")) == 10
    assert written.size <= 400_000


def test_suspects_are_shown_where_they_were_looked_for(simple, tmp_path):
    assert "Labels that may be wrong" not in page(simple, tmp_path).text
    run = tmp_path / "run"
    run.mkdir()
    for file in simple.iterdir():
        (run / file.name).write_bytes(file.read_bytes())
    columns = ["path", "start", "end", "label", "suggested", "score", "reason", "evidence"]
    rows = [
        [f"{i}.wav", "", "", "cat", "dog", 0.987654 - i / 100, "it sounds like dogs", "{}"] for i in range(30)
    ]
    table(run / "suspects.csv", columns, rows)
    seen = page(run, tmp_path)
    assert "30 clips whose label the model doubts, the strongest first; 25 are shown" in seen.text
    assert "0.99 it sounds like dogs" in seen.text
    table(run / "suspects.csv", columns, [])
    assert "Looked for, and none found." in page(run, tmp_path).text
    (run / "suspects.csv").write_text("path,label\n")
    with pytest.raises(RunError, match=r"suspects\.csv is damaged: it has no column start\."):
        write_report(run, tmp_path / "report.html")


def test_problems_are_grouped(tmp_path):
    targets = np.arange(20) % 2
    problems = [("too_short", f"{i}.wav", "0.01 s") for i in range(9)] + [
        ("missing", "", "fold 3 is not here")
    ]
    run = run_folder(tmp_path / "run", ("a", "b"), targets, chances(targets, 2), problems=problems)
    seen = page(run, tmp_path)
    assert "too short 9 0.wav: 0.01 s" in seen.text
    assert "and 4 more in problems.csv" in seen.text
    assert "missing 1 fold 3 is not here" in seen.text


# The parts.


def rows_of(right: np.ndarray, groups: np.ndarray) -> Answered:
    n = len(right)
    return Answered(
        ("a", "b"), tuple((f"{i}.wav", None, None) for i in range(n)), ("1",) * n, np.zeros(n, int),
        1 - right.astype(int), np.zeros(n, int), groups, np.arange(n), np.full((n, 2), 0.5, np.float32),
    )  # fmt: skip


def test_slices_cover_all_clips_and_count_recordings():
    rng = np.random.default_rng(0)
    right, groups = rng.random(300) < 0.7, np.arange(300) // 3
    rows, seconds = rows_of(right, groups), rng.uniform(0.1, 40, 300)
    found = by_duration(rows, seconds, "")
    assert sum(s.clips for s in found.slices) == 300
    assert sum(s.right for s in found.slices) == right.sum()
    first = found.slices[0]
    assert first.name == "below 0.5\xa0s"
    assert first.clips == int((seconds < 0.5).sum())
    assert not found.note


def test_an_interval_holds_the_accuracy_and_is_by_recordings():
    right = np.repeat(np.arange(40) % 4 > 0, 5)
    both = [
        by_fold(rows_of(right, groups), [1]).slices[0] for groups in (np.arange(200) // 5, np.arange(200))
    ]
    by_recording, by_clip = (s.interval[1] - s.interval[0] for s in both)
    assert (
        by_recording > 1.8 * by_clip
    )  # clips of a recording stand and fall together: the square root of five
    assert both[0].interval[0] < both[0].accuracy == 0.75 < both[0].interval[1]


def test_all_right_is_not_certain():
    (found,) = by_fold(rows_of(np.ones(30, bool), np.arange(30)), [1]).slices
    assert found.interval[1] == 1
    assert found.interval[0] == pytest.approx(0.8843, abs=1e-4)  # Clopper-Pearson, 30 of 30
    (found,) = by_fold(rows_of(np.zeros(30, bool), np.arange(30)), [1]).slices
    assert found.interval == pytest.approx((0, 1 - 0.8843), abs=1e-4)


@pytest.mark.parametrize(("clips", "groups"), [(9, 9), (60, 2), (12, 4)])
def test_too_little_says_nothing(clips, groups):
    right = np.arange(clips) % groups > 0
    (found,) = by_fold(rows_of(right, np.arange(clips) % groups), [1]).slices
    assert found.interval is None
    assert (found.clips, found.groups) == (clips, groups)


def test_rates_that_are_rare_stand_together():
    rates = np.array([8000.0 + i for i in range(12)] * 2 + [np.nan])
    found = by_rate(rows_of(np.ones(25, bool), np.arange(25)), rates, "it is gone")
    assert [s.name for s in found.slices][-1] == "other rates"
    assert len(found.slices) == 9
    assert found.note == "not known of 1 clip: it is gone"


def test_salience_is_the_publishers(tmp_path, write_wav):
    header = "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
    text = header
    for i in range(6):
        write_wav(tmp_path / f"audio/fold{i % 2 + 1}/{i}-3-0-0.wav", np.zeros(4000))
        text += f"{i}-3-0-0.wav,{i},0,1,{1 + (i > 2)},{i % 2 + 1},3,dog_bark\n"
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata/UrbanSound8K.csv").write_text(text)
    dataset = read(tmp_path)
    told = urbansound8k.salience(dataset)
    assert sorted(told.values()) == [1, 1, 1, 2, 2, 2]
    assert told["audio/fold2/3-3-0-0.wav"] == 2
    rows = rows_of(np.ones(6, bool), np.arange(6))
    keys = tuple((path, None, None) for path in dataset.clips.paths.tolist())
    found = by_salience(Answered(rows.labels, keys, rows.folds, *(getattr(rows, n) for n in (
        "targets", "answers", "seeds", "groups", "clips", "probabilities"))), told)  # fmt: skip
    assert [(s.name, s.clips) for s in found.slices] == [("foreground", 3), ("background", 3)]


def test_a_png_is_what_went_in():
    pixels = np.random.default_rng(0).integers(0, 5, (7, 11)).astype(np.uint8)
    colours = np.arange(15, dtype=np.uint8).reshape(5, 3)
    data, at, chunks = png(pixels, colours), 8, {}
    while at < len(data):
        (size,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size]) == (zlib.crc32(kind + body),)
        chunks[kind], at = body, at + 12 + size
    assert struct.unpack(">II", chunks[b"IHDR"][:8]) == (11, 7)
    assert chunks[b"PLTE"] == colours.tobytes()
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(7, 12)
    assert not rows[:, 0].any()
    assert (rows[:, 1:] == pixels).all()


def test_the_spectrograms_colours_grow_lighter():
    red, green, blue = palette().astype(float).T
    assert (np.diff(0.2126 * red + 0.7152 * green + 0.0722 * blue) > 0).all()
    assert spectrogram(np.full((5, 4), -80.0, np.float32), 70)[1:4] == b"PNG"


@pytest.mark.parametrize("count", [1, 2, 239, 240, 10_000])
def test_a_waveform_stays_in_its_picture(count):
    drawn = wave(np.random.default_rng(0).standard_normal(count).astype(np.float32))
    points = np.array([p.split() for p in drawn[1:-1].split("L")], float)
    assert len(points) == 2 * min(count, 240)
    assert points.min() >= 0
    assert points[:, 0].max() <= 240
    assert points[:, 1].max() <= 64
    assert wave(np.zeros(count, np.float32)).startswith("M0 32")


def test_an_mp3_is_the_sound():
    t = np.arange(22_050) / 22_050
    for loud in (0.5, 4.0):  # full scale is 1
        tone = (loud * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
        heard, rate = soundfile.read(io.BytesIO(mp3(Waveform(tone, 22_050))))
        assert rate == 22_050
        assert abs(len(heard) - len(tone)) < 2500
        assert 0.4 < np.abs(heard).max() < 1.1
        strongest = np.fft.rfftfreq(len(heard), 1 / rate)[np.abs(np.fft.rfft(heard)).argmax()]
        assert strongest == pytest.approx(440, abs=2)


# What is not a run, and the command line.


def damaged(run: Path, name: str, change) -> None:
    (run / name).write_text(change((run / name).read_text()))


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("report.json", lambda t: "[]", "report.json is damaged: it is not a JSON object."),
        ("report.json", lambda t: t.replace('"accuracy"', '"precision"', 1), "'accuracy' is not what it should be."),
        ("report.json", lambda t: t.replace('"confusion": [[', '"confusion": [[null, ', 1), "'confusion' is not"),
        ("report.json", lambda t: t.replace('"ece": ', '"ece": "no", "x": ', 1), "'calibration.ece' is not"),
        ("report.json", lambda t: t.replace('"rain"', '"snow"'), "its labels are not those of predictions.csv."),
        ("predictions.csv", lambda t: t.replace(",,cat,", ",,cow,", 1), "line 2 is not a clip with its labels."),
        ("predictions.csv", lambda t: t.split("\n")[0] + "\n", "it holds no clips."),
        ("predictions.csv", lambda t: t.replace("0.", "1.", 9), "line 2 is not a clip with its labels."),
        ("metrics.jsonl", lambda t: t + "{}\n", "line 31 is not an epoch."),
        ("split.csv", lambda t: "", "it is not a table of clips."),
        ("problems.csv", lambda t: "kind\n", "it has no column path."),
        ("run.json", lambda t: t.replace("done", "running"), "is not finished. Run its command again to go on."),
        ("environment.json", lambda t: "", "environment.json is damaged: it is not a JSON object."),
    ],
)  # fmt: skip
def test_a_damaged_run_is_refused(simple, tmp_path, name, change, says):
    run = tmp_path / "run"
    run.mkdir()
    for file in simple.iterdir():
        (run / file.name).write_bytes(file.read_bytes())
    damaged(run, name, change)
    with pytest.raises(RunError) as error:
        write_report(run, tmp_path / "report.html")
    assert says in str(error.value)
    assert not (tmp_path / "report.html").exists()


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(PathError, match=r"nowhere is not there; give the folder of a run"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(PathError, match=r"is not the folder of a run: it has no run\.json\."):
        write_report(tmp_path)


def test_jinja_is_asked_for_before_anything_is_read(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(
        MissingExtraError, match=r"^A report needs the package 'jinja2', which is not installed\."
    ):
        write_report(tmp_path / "nowhere")


def test_the_command_line(simple, tmp_path, earmark):
    done = earmark("report", simple, "-o", tmp_path / "a.html", "--clips", 3)
    assert done.stdout.startswith(f"Report {tmp_path / 'a.html'} (")
    assert "Without waveforms and spectrograms: There is nothing at" in done.stdout
    told = json.loads(earmark("report", simple, "--json").stdout)
    assert told["report"] == str(simple / "report.html")
    assert told["bytes"] == (simple / "report.html").stat().st_size
    assert told["clips"] == 10
    (simple / "report.html").unlink()
    said = earmark("report", simple, "-o", tmp_path, code=2).stderr
    assert f"{tmp_path} is a folder; -o takes a file name, such as {tmp_path}/report.html." in said
    assert "is not there" in earmark("report", tmp_path / "nowhere", code=2).stderr


def test_progress_is_told(trained, tmp_path):
    out = CliRunner().invoke(
        app, ["report", str(trained["train"]), "-o", str(tmp_path / "a.html"), "--progress", "json"]
    )
    assert out.exit_code == 0, out.output
    events = [json.loads(line) for line in out.stderr.splitlines()]
    assert events[-1]["event"] == "check"
    assert events[-1]["done"] == events[-1]["total"] > 0
