"""Every error, brought about through real code, with the whole of what it says."""

from __future__ import annotations

import ast
import json
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from earmark import audio, errors
from earmark.bundle import Bundle, Member, read_bundle, write_bundle
from earmark.cloud.azure import client
from earmark.corrections import hold_log
from earmark.dataset import Clips, Dataset
from earmark.engine import cluster, open_engine
from earmark.errors import (
    ArchiveError,
    AudioError,
    BundleFormatError,
    CloudError,
    DataError,
    EarmarkError,
    EmptyAudioError,
    EngineError,
    ExportError,
    FetchError,
    GoldenTestError,
    JobError,
    LayoutError,
    LeakageError,
    MissingDecoderError,
    MissingExtraError,
    NoChannelAudioError,
    NotFiniteAudioError,
    PathError,
    RunError,
    SettingError,
    SignInError,
    SplitError,
    StoreError,
    TableError,
    TooLongAudioError,
    TooShortAudioError,
    UnknownNameError,
    UnreadableAudioError,
    WeightsError,
)
from earmark.export.fronts import alone
from earmark.extract import extract
from earmark.features import Encoder, Mfcc, resolved
from earmark.features.landmarks import Marks
from earmark.fetch import DATASETS, fetch
from earmark.models import Mlp, Network
from earmark.predict import Predictor, with_golden
from earmark.readers import read
from earmark.recipe import Recipe
from earmark.report import write_report
from earmark.runs import open_run
from earmark.serve import Settings, serve
from earmark.split import TEST, TRAIN, Rows, Split, SplitSettings, holdout
from earmark.store import Store
from surroundings import without_av

SOURCE = Path(errors.__file__).parent


@dataclass
class Place:
    """Where a trigger works: an empty folder, and ways to fill it."""

    root: Path
    write_wav: Callable[..., Path]
    monkeypatch: pytest.MonkeyPatch

    def wav(self, name: str, samples: np.ndarray, **options: object) -> Path:
        return self.write_wav(self.root / name, samples, **options)

    def text(self, name: str, text: str) -> Path:
        (self.root / name).write_text(text)
        return self.root / name

    def without(self, package: str) -> None:
        for name in [n for n in sys.modules if n == package or n.startswith(package + ".")]:
            self.monkeypatch.delitem(sys.modules, name)
        self.monkeypatch.setitem(sys.modules, package, None)


def rows(groups: list[int], folds: list[int] | None = None) -> Rows:
    n = len(groups)
    ids = np.array(groups, np.int64)
    names = np.array([f"rec{g}" for g in groups], object)
    return Rows(
        np.arange(n) % 2, ids, names, np.arange(n), np.array(folds or [-1] * n, np.int32), ("demo", "")
    )


def network() -> bytes:
    shape = Mlp(hidden=()).shape(40, 2)
    ones = np.ones(40, np.float32)
    return Network(shape, np.ones(shape.size, np.float32), ones, ones).to_onnx()


# What brings each error about.


def unknown_name(place):
    read(place.root, layout="urbansond8k")


def setting(place):
    Recipe().with_values({"train.epoch": 5})


def path(place):
    (place.root / "recordings").mkdir()
    read(place.root / "recordins")


def layout(place):
    place.wav("dog/1.wav", np.zeros(1000))
    read(place.root, layout="folders")


def table(place):
    read(place.text("clips.csv", "path,label\na.wav,dog\nb.wav\n"))


def split(place):
    holdout(rows([0, 1], [1, 1]), SplitSettings(rule="official"))


def leakage(place):
    Split(np.array([TRAIN, TEST, TRAIN, TEST], np.int8), "grouped", 0, rows([7, 7, 8, 8]))


def data(place):
    place.wav("dog/1.wav", np.zeros(0))
    place.wav("cat/1.wav", np.zeros(0))
    extract(read(place.root), Mfcc())


def store(place):
    Store(place.text("features", "no folder"))


def unreadable(place):
    audio.load(place.text("a.wav", "no sound in here, but text of some length"), 22_050)


def empty(place):
    audio.load(place.wav("a.wav", np.zeros(0)), 22_050)


def missing_decoder(place):
    without_av(place.monkeypatch)
    audio.load(place.text("a.m4a", "\0\0\0\x1cftypM4A "), 22_050)


def missing_decoder_of_what_libsndfile_refuses(place):
    without_av(place.monkeypatch)
    audio.load(place.text("a.flac", "fLaC and nothing more"), 22_050)


def no_channel(place):
    audio.load(place.wav("a.wav", np.zeros((1000, 2))), 22_050, channel=3)


def not_finite(place):
    samples = np.zeros(10_000)
    samples[3:5] = np.nan, np.inf
    audio.load(place.wav("a.wav", samples, subtype="FLOAT"), 22_050)


def too_short(place):
    audio.load(place.wav("a.wav", np.zeros(100)), 22_050)


def too_long(place):
    audio.load(place.wav("a.wav", np.zeros(3_601 * 100), rate=100), 22_050)


def bundle_format(place):
    read_bundle(place.text("m.earmark", "a model, they said"))


def golden_test(place):
    bundle = with_golden(Bundle(("cat", "dog"), (Member(Mfcc(), {"name": "mlp"}, network()),)))
    wrong = replace(bundle.golden[1], probabilities=bundle.golden[1].probabilities[::-1] + 0.25)
    bundle = replace(bundle, golden=(bundle.golden[0], wrong, bundle.golden[2]))
    write_bundle(place.root / "m.earmark", bundle)
    Predictor.open(place.root / "m.earmark")


def run(place):
    with open_run(place.root, "demo", []) as held:
        pass
    (held.folder / "run.json").write_text("[")
    with open_run(place.root, "demo", []):
        pass


def cannot_fetch(place):
    source = replace(DATASETS["fsdd"], url="http://127.0.0.1:1/fsdd.zip", bytes=1, unpacked=1, files=1)
    fetch(source, str(place.root / "digits"))


def archive(place):
    source = replace(DATASETS["fsdd"], unpacked=1, files=1)
    fetch(source, str(place.root / "digits"), mirror=str(place.text("fsdd.zip", "<html>Not Found</html>")))


def no_front_end(place):
    alone(Marks())


def engine(place):
    cluster._ask("127.0.0.1:1")


def no_ray(place):
    place.monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    open_engine("ray")


def no_tomli_w(place):
    place.without("tomli_w")
    Recipe().to_toml()


def cloud(place):
    from earmark.cloud.azure.faults import spoken

    class ServiceRequestError(Exception):  # by which name the SDK says that there is no connection
        pass

    with spoken("asking for the workspace"):
        raise ServiceRequestError("[Errno -2] Name or service not known")


def sign_in(place):
    from earmark.cloud.azure.faults import spoken

    class HttpResponseError(Exception):
        status_code = 401

    with spoken("asking for the workspace"):
        raise HttpResponseError("(ExpiredAuthenticationToken) The access token has expired.")


def job(place):
    from earmark.cloud.azure.follow import ended_well

    failed = SimpleNamespace(
        name="calm_bird", status="Failed", studio_url="https://ml.azure.com/runs/calm_bird&tid=1"
    )
    ended_well(failed, ["Features 3 of 3", "error: There is nothing at data.", ""])


def no_azure(place):
    place.without("azure")
    client.sdk()


def no_filelock(place):
    place.without("filelock")
    with open_run(place.root, "demo", []):
        pass


def no_filelock_for_corrections(place):
    place.without("filelock")
    with hold_log(place.root / "log.jsonl"):
        pass


def no_weights(place):
    place.monkeypatch.setenv("EARMARK_ENCODERS", str(place.root))
    resolved(Encoder())


def no_onnx(place):
    place.without("onnx")
    network()


def no_sklearn(place):
    place.without("sklearn")
    place.monkeypatch.setitem(sys.modules, "sklearn.model_selection", None)
    holdout(rows([0, 1, 2, 3, 4, 5]), SplitSettings(rule="grouped"))


def no_kagglehub(place):
    place.without("kagglehub")
    fetch(DATASETS["urbansound8k"], str(place.root / "us8k"), origin="kaggle")


def no_pandas(place):
    place.without("pandas")
    Dataset("d", place.root, "folders", Clips.of([]), True, None, None, "none").to_pandas()


def no_starlette(place):
    place.without("starlette")
    for name in [name for name in sys.modules if name.startswith("earmark.serve.")]:
        place.monkeypatch.delitem(sys.modules, name)
    serve(place.root / "model.earmark", Settings())


def no_jinja(place):
    place.without("jinja2")
    write_report(place.root)


RUN = "demo-7ebb3c7c"
TABLE: list[tuple[type[EarmarkError], Callable[[Place], object], str]] = [
    (
        UnknownNameError,
        unknown_name,
        "No layout is called 'urbansond8k'. There are: audacity, auto, esc50, folders, fsd50k, pattern, raven,"
        " segments, spans, speech_commands, table, textgrid, tracks, urbansound8k. Did you mean 'urbansound8k'?",
    ),
    (
        SettingError,
        setting,
        "[train] has no setting 'epoch'. There are: epochs, batch_size, learning_rate, class_weights, patience, seed."
        " Did you mean 'epochs'?",
    ),
    (PathError, path, "There is nothing at ROOT/recordins. Did you mean 'recordings'?"),
    (
        LayoutError,
        layout,
        "ROOT has 1 folder with audio files. At least 2 are needed, one for each class, such as dog/bark.wav and"
        " cat/meow.wav.",
    ),
    (TableError, table, "ROOT/clips.csv, line 3: 1 cell, but the header names 2 columns."),
    (SplitError, split, "demo has 1 official fold; at least 2 are needed. Use --split grouped."),
    (
        LeakageError,
        leakage,
        "2 recordings stand in both train and test: rec7, rec8. Use --split grouped.",
    ),
    (
        DataError,
        data,
        "None of the 2 clips of NAME can be read. The first: cat/1.wav: the file holds no samples.",
    ),
    (UnreadableAudioError, unreadable, "ROOT/a.wav: not readable as sound (format not recognised)"),
    (
        MissingDecoderError,
        missing_decoder,
        "ROOT/a.m4a: m4a, mp4, mov or 3gp needs FFmpeg, an extra of 100 MB. Type: pip install 'earmark[formats]'",
    ),
    (
        MissingDecoderError,
        missing_decoder_of_what_libsndfile_refuses,
        "ROOT/a.flac: not readable as sound (unknown error in flac decoder); FFmpeg may read it."
        " Type: pip install 'earmark[formats]'",
    ),
    (NoChannelAudioError, no_channel, "ROOT/a.wav: channel 3 was asked for, but the file has 2"),
    (EmptyAudioError, empty, "ROOT/a.wav: the file holds no samples"),
    (NotFiniteAudioError, not_finite, "ROOT/a.wav: 2 of 10000 samples are NaN or infinite"),
    (TooShortAudioError, too_short, "ROOT/a.wav: 4.5 ms of sound; at least 10 ms needed"),
    (
        TooLongAudioError,
        too_long,
        "ROOT/a.wav: more than 1 h of sound; cut it with start and end in a table, or with --window",
    ),
    (
        BundleFormatError,
        bundle_format,
        "ROOT/m.earmark is not an Earmark model, or only part of one (File is not a zip file). Get it anew, or train"
        " one with: earmark train DATASET -o MODEL.earmark",
    ),
    (
        GoldenTestError,
        golden_test,
        "The model's self-test failed: test sound 1 gives probabilities that differ by 0.25 from the promised ones"
        " (at most 0.0001 allowed). Do not use this file; get it anew.",
    ),
    (StoreError, store, "ROOT/features is a file; a feature store needs a folder."),
    (
        FetchError,
        cannot_fetch,
        "Cannot reach 127.0.0.1: connection refused. Take another place with --mirror URL, or try again later.",
    ),
    (ArchiveError, archive, "ROOT/fsdd.zip is neither a zip file nor a tar.gz file."),
    (
        WeightsError,
        no_weights,
        "The weights of the encoder 'yamnet' are not on this machine. Type: earmark fetch encoder:yamnet",
    ),
    (
        ExportError,
        no_front_end,
        "The feature landmarks cannot be put into a graph. Those that can: mfcc, log_mel, stats, encoder.",
    ),
    (EngineError, engine, "No Ray cluster answers at 127.0.0.1:1: connection refused."),
    (
        CloudError,
        cloud,
        "Azure cannot be reached while asking for the workspace: its name is not known here (is there a network?)."
        " Nothing was changed.",
    ),
    (SignInError, sign_in, "The sign-in to Azure has expired. Type: az login"),
    (
        JobError,
        job,
        "The job calm_bird failed. The last it said: error: There is nothing at data. More:"
        " https://ml.azure.com/runs/calm_bird",
    ),
    (RunError, run, f"ROOT/{RUN}/run.json is damaged. Delete the folder ROOT/{RUN} to start that run anew."),
    *(
        (
            MissingExtraError,
            trigger,
            f"{what} needs the package '{package}', which is not installed. Type: pip install 'earmark[{extra}]'",
        )
        for trigger, what, package, extra in (
            (no_ray, "--engine ray", "ray", "ray"),
            (no_azure, "earmark azure", "azure-ai-ml", "azure"),
            (no_tomli_w, "Writing a recipe", "tomli-w", "train"),
            (no_filelock, "Training", "filelock", "train"),
            (no_filelock_for_corrections, "Correcting labels", "filelock", "train"),
            (no_onnx, "Writing a model", "onnx", "train"),
            (no_sklearn, "Dividing a data set", "scikit-learn", "train"),
            (no_kagglehub, "--from kaggle", "kagglehub", "kaggle"),
            (no_jinja, "A report", "jinja2", "report"),
            (no_starlette, "earmark serve", "starlette", "serve"),
            (no_pandas, "Dataset.to_pandas()", "pandas", "notebook"),
        )
    ),
]


@pytest.mark.parametrize(
    ("error", "trigger", "message"), TABLE, ids=[f"{e.__name__}-{t.__name__}" for e, t, _ in TABLE]
)
def test_says(error, trigger, message, tmp_path, write_wav, monkeypatch):
    with pytest.raises(EarmarkError) as caught:
        trigger(Place(tmp_path, write_wav, monkeypatch))
    assert type(caught.value) is error
    said = str(caught.value)
    assert said == message.replace("ROOT", str(tmp_path)).replace("NAME", tmp_path.name)
    assert "\n" not in said
    assert caught.value.exit_code == (2 if isinstance(caught.value, errors.UsageError) else 1)


def defined() -> dict[str, type[EarmarkError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, EarmarkError)
    }


def made_in_code() -> set[str]:
    """Return the names of the errors that any module makes."""
    calls = (
        node.func.id
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    )
    return set(calls) & defined().keys()


def test_the_table_has_every_error():
    leaves = {name for name, error in defined().items() if not error.__subclasses__()}
    assert {error.__name__ for error, _, _ in TABLE} == leaves | made_in_code()
    assert leaves <= made_in_code(), "an error that nothing raises"


def test_the_tree_is_drawn_as_it_is():
    """The drawing at the top of the module names every class, each below its parent."""
    drawn: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.lstrip(" │├└─").split()[:1]
        if name and name[0] in defined():
            drawn.append((line.index(name[0]), name[0]))
    parents = {}
    for i, (depth, name) in enumerate(drawn):
        above = [other for d, other in drawn[:i] if d < depth]
        nearer = [d for d, _ in drawn[:i] if d < depth]
        parents[name] = above[len(nearer) - 1 - nearer[::-1].index(max(nearer))] if above else "Exception"
    assert parents == {name: error.__base__.__name__ for name, error in defined().items()}


@pytest.mark.parametrize("error", AudioError.__subclasses__())
def test_audio_errors_travel_between_processes(error):
    made = error(Path("a.wav"), "it is broken")
    again = pickle.loads(pickle.dumps(made))
    assert type(again) is error
    assert (again.path, again.reason, str(again)) == ("a.wav", "it is broken", "a.wav: it is broken")


def test_nearest_names_nothing_far_away():
    assert errors.nearest("zzz", ["mfcc"]) == ""
    assert errors.nearest("MFCC", ["mfcc"]) == " Did you mean 'mfcc'?"


def test_run_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunError, match=r"^The run folder .*/file/demo-\w+ cannot be used: Not a directory\.$"),
        open_run(tmp_path / "file", "demo", []),
    ):
        pass


def test_run_state_of_another_kind(tmp_path):
    with open_run(tmp_path, "demo", []) as held:
        state = json.loads((held.folder / "run.json").read_text())
    assert state["status"] == "running"
    (held.folder / "run.json").write_text("[]")
    with pytest.raises(RunError, match=r"is damaged\. Delete the folder"), open_run(tmp_path, "demo", []):
        pass
