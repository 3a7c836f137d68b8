"""The recipe: one small file, read strictly, and no setting in it that nobody reads."""

from __future__ import annotations

import itertools
import re
import tomllib
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_problem import courses, task
from earmark.dataset import Clips, Dataset
from earmark.decide import DecideSettings, decide
from earmark.errors import EarmarkError, PathError, SettingError, UnknownNameError
from earmark.events import Events, Merger, Windows
from earmark.features import Mfcc
from earmark.fitting import Lesson
from earmark.listener import Silent
from earmark.models import MODELS, Blend, Cnn, Dictionary, Linear, Mlp, Rocket
from earmark.pipeline import prepare
from earmark.recipe import RECIPES, DataSettings, Recipe, load_recipe
from earmark.split import Rows, SplitSettings, cross_validation, holdout
from earmark.train import Problem, Task, TrainSettings, fit
from earmark.types import Clip, Waveform

recipes = st.builds(
    Recipe,
    data=st.builds(DataSettings, path=st.text(), layout=st.text(), pattern=st.text()),
    split=st.builds(
        SplitSettings,
        rule=st.sampled_from(["auto", "official", "grouped", "random"]),
        test_fold=st.integers(0, 10),
        test_share=st.floats(0.01, 0.5),
        validation_share=st.floats(0, 0.5),
        folds=st.integers(2, 100),
        seed=st.integers(0, 2**32 - 1),
    ),
    feature=st.builds(
        Mfcc,
        resampler=st.sampled_from(["soxr_hq", "kaiser_fast"]),
        n_mfcc=st.integers(1, 128),
        fmin=st.floats(0, 100),
        fmax=st.none() | st.floats(1_000, 8_000),
        statistics=st.sampled_from([("mean",), ("std", "mean"), ("mean", "std", "delta_mean", "delta_std")]),
    ),
    model=st.builds(
        Mlp,
        hidden=st.lists(st.integers(1, 1000), max_size=4).map(tuple),
        dropout=st.floats(0, 0.99),
        standardize=st.booleans(),
    ),
    train=st.builds(
        TrainSettings,
        epochs=st.integers(1, 1000),
        learning_rate=st.floats(1e-6, 1),
        class_weights=st.sampled_from(["auto", "balanced", "none"]),
        patience=st.integers(0, 100),
    ),
    decide=st.builds(
        DecideSettings,
        folds=st.just(0) | st.integers(2, 20),
        coverage=st.floats(0.01, 0.99),
        unknown=st.sampled_from(["off", "tell"]),
    ),
    events=st.builds(
        Events,
        window=st.none() | st.floats(1, 100),
        hop=st.none() | st.floats(0.05, 1),
        median=st.sampled_from([1, 3, 99]),
        high=st.none() | st.floats(0.5, 1),
        low=st.none() | st.floats(0.01, 0.5),
        min_gap=st.floats(0, 100),
        ignore=st.lists(st.text()).map(tuple),
    ),
)


@given(recipes)
def test_round_trip(recipe):
    assert Recipe.from_dict(recipe.to_dict()) == recipe
    assert Recipe.from_dict(tomllib.loads(recipe.to_toml())) == recipe
    assert recipe.with_values({}) == recipe


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_a_file_of_its_own(name, tmp_path):
    recipe = load_recipe(name)
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.to_toml(), encoding="utf-8")
    assert load_recipe(str(path)) == recipe == RECIPES[name]


def test_an_empty_file_is_the_default(tmp_path):
    path = tmp_path / "empty.toml"
    path.write_text("")
    assert load_recipe(str(path)) == Recipe() == RECIPES["default"]


def test_a_mark_that_windows_puts_before_the_text(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("[train]\nepochs = 7\n", encoding="utf-8-sig")
    assert load_recipe(str(path)).train.epochs == 7


def test_what_is_not_named_keeps_its_default():
    recipe = Recipe.from_dict({"feature": {"n_mfcc": 13}, "model": {"dropout": 0.1}})
    assert recipe == replace(Recipe(), feature=replace(Recipe().feature, n_mfcc=13), model=Mlp(dropout=0.1))


def test_with_data():
    assert Recipe().with_data("here", "table", "").data == DataSettings("here", "table", "")


def test_with_values():
    recipe = RECIPES["tutorial"].with_values(
        {"train.epochs": 3, "model.name": "mlp", "feature.fmax": 4_000, "split.rule": "grouped"}
    )
    assert (recipe.train.epochs, recipe.feature.fmax, recipe.split.rule) == (3, 4_000.0, "grouped")
    assert recipe.model == Mlp(standardize=False)  # the same name again changes nothing
    assert recipe.feature.resampler == "kaiser_fast"
    assert RECIPES["tutorial"].train.epochs == 200


def test_another_name_starts_from_its_own_defaults(monkeypatch):
    from earmark.models import MODELS

    monkeypatch.setitem(MODELS, "other", Mlp)
    assert RECIPES["tutorial"].with_values({"model.name": "other"}).model.standardize is True
    assert Recipe.from_dict({"model": {"name": "other", "dropout": 0.25}}).model == Mlp(dropout=0.25)


SECTIONS = "data, split, feature, model, train, decide, events"
CONSISTS = f"consists of the tables: {SECTIONS}."
MODEL_NAMES = "blend, cnn, dictionary, linear, mlp, rocket"


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"training": {}}, f"The recipe has 'training', but a recipe {CONSISTS}"),
        ({"train": 5}, f"The recipe has 'train', but a recipe {CONSISTS}"),
        ({"model": {"name": "tree"}}, f"No model is called 'tree'. There are: {MODEL_NAMES}."),
        ({"model": {"name": ["mlp"]}}, f"No model is called '['mlp']'. There are: {MODEL_NAMES}. Did you mean 'mlp'?"),
        (
            {"feature": {"name": "mfc"}},
            "No feature is called 'mfc'. There are: encoder, log_mel, mfcc, stats. Did you mean 'mfcc'?",
        ),
        ({"data": {"pat": 1}}, "[data] has no setting 'pat'. There are: path, layout, pattern, window, hop,"
            " min_overlap, several, background, point_width, unit, label_column, corrections. Did you mean 'path'?"),
        ({"data": {"path": 5}}, "[data] path is 5, but must be text."),
        ({"train": {"epochs": True}}, "[train] epochs is True, but must be a whole number."),
        ({"train": {"epochs": 0}}, "[train] epochs is 0, but must be from 1 to 100000."),
        ({"train": {"learning_rate": 0}}, "[train] learning_rate is 0.0, but must be above 0, at most 10."),
        ({"model": {"dropout": 1}}, "[model] dropout is 1, but must be from 0 to below 1."),
        ({"model": {"hidden": [0]}}, "[model] hidden is [0], but every layer must have 1 to 100000 units."),
        ({"split": {"test_share": 0}}, "[split] test_share is 0, but must be above 0 and at most 0.5."),
        ({"split": {"folds": 1}}, "[split] folds is 1, but must be from 2 to 100."),
        ({"split": {"seed": -1}}, "[split] seed is -1, but must be from 0 to 4294967295."),
        (
            {"split": {"rule": "speaker"}},

            "[split] rule is 'speaker'. Allowed: 'auto', 'official', 'grouped', 'random'.",
        ),
        ({"feature": {"n_mfcc": 200}}, "[feature] n_mfcc is 200, but must be from 1 to n_mels (128)."),
        ({"feature": {"top_db": float("inf")}}, "[feature] top_db is not a finite number."),
    ],
)  # fmt: skip
def test_refusals(tables, message):
    with pytest.raises((SettingError, UnknownNameError)) as caught:
        Recipe.from_dict(tables)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["epochs", "training.epochs", "", ".", "model"])
def test_values_that_name_no_setting(name):
    with pytest.raises(
        SettingError,
        match=re.escape(f"'{name}' is no setting. Name it TABLE.SETTING, TABLE one of {SECTIONS}."),
    ):
        Recipe().with_values({name: 1})


def test_values_of_no_such_setting():
    with pytest.raises(
        SettingError, match=r"^\[train\] has no setting 'epoch'\. .* Did you mean 'epochs'\?$"
    ):
        Recipe().with_values({"train.epoch": 1})


def test_neither_a_name_nor_a_file(tmp_path):
    with pytest.raises(UnknownNameError) as caught:
        load_recipe("tutrial")
    assert (
        str(caught.value)
        == "No recipe is called 'tutrial'. There are: default, tutorial. Did you mean 'tutorial'?"
    )
    with pytest.raises(PathError, match=r"absent\.toml cannot be read: No such file or directory\.$"):
        load_recipe(str(tmp_path / "absent.toml"))
    with pytest.raises(PathError, match=r"cannot be read: Is a directory\.$"):
        load_recipe(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"epochs: 5", "is not a TOML file: "),
        (b"\xff\xfe", "is not a TOML file: "),
        (b"a = " + b"[" * 50_000, "is not a TOML file: "),
        (b"[train]\nepochs = 1\nepochs = 2\n", "is not a TOML file: "),
        (b"#" * (2**20 + 1), "is too large for a recipe."),
        (b"epochs = 5", f"has 'epochs', but a recipe consists of the tables: {SECTIONS}."),
    ],
)
def test_files_that_are_no_recipe(tmp_path, content, message):
    path = tmp_path / "r.toml"
    path.write_bytes(content)
    with pytest.raises(SettingError) as caught:
        load_recipe(str(path))
    assert str(caught.value).startswith(f"{path} {message}")


# Every setting is read by something. For each section: another value of every setting, and what must come out
# differently for it.


class HeardError(Exception):
    """Carries what a function was called with."""


def data_outcome(settings, monkeypatch):
    """What reading and cutting are told."""
    heard = []

    clips = Clips.of([Clip("a.wav", ("x",), "g")])
    dataset = Dataset("d", Path(), "table", clips, True, "recording", None, "made up")

    def listen(*arguments):
        heard.append(arguments)
        return dataset

    def stop(dataset, how, *more):
        heard.append(how)
        raise HeardError

    monkeypatch.setattr("earmark.data.read", listen)
    monkeypatch.setattr("earmark.data.find_log", lambda root, told: heard.append(told))
    monkeypatch.setattr("earmark.data.cut", stop)
    with pytest.raises(HeardError):
        prepare(Recipe(data=settings), Silent())
    return heard


def prepared_with(settings, monkeypatch):
    """What is asked of the store before features are read: whether copies are to be found."""
    clips = Clips.of([Clip("a.wav", ("x",), "g"), Clip("b.wav", ("y",), "h")])
    dataset = Dataset("d", Path(), "table", clips, True, "recording", None, "made up")
    asked = []

    def stop(*arguments, **options):
        raise HeardError

    monkeypatch.setattr("earmark.pipeline.open_data", lambda *arguments: (dataset, ()))
    monkeypatch.setattr("earmark.pipeline.fill", lambda *arguments: asked.append(arguments[1]))
    monkeypatch.setattr("earmark.pipeline.extract_tables", stop)
    with pytest.raises(HeardError):
        prepare(Recipe(split=settings), Silent())
    return [[feature.name for feature in features] for features in asked]


def split_outcome(settings, monkeypatch):
    n = 240
    groups = np.arange(n) // 4
    rows = Rows(
        (groups % 3).astype(np.int64), groups.astype(np.int64), np.array([f"g{g}" for g in groups], object),
        np.arange(n), (groups // 3 % 4 + 1).astype(np.int32), ("d", ""),
    )  # fmt: skip
    grouped = settings if settings.rule == "grouped" else None
    parts = [holdout(rows, settings), *(cross_validation(rows, grouped) if grouped else [])]
    return [s.roles.tolist() for s in parts], prepared_with(settings, monkeypatch)


def feature_outcome(feature, monkeypatch):
    noise = np.random.default_rng(0).standard_normal(8_000).astype(np.float32)
    tail = np.concatenate([noise, 1e-6 * noise])
    # The first two are for what loads the file; see test_how_a_file_is_heard_is_passed_on.
    return feature.resampler, feature.channel, feature.extract(Waveform(tail, feature.sample_rate)).tolist()


def fit_outcome(model, train, folder):
    rng = np.random.default_rng(0)
    targets = (rng.random(60) < 0.3).astype(np.int64)
    values = (3 + targets[:, None] + rng.standard_normal((60, 4))).astype(np.float32)
    problem = Problem(values, targets, 2, model, train)
    (fitted,) = fit(problem, [Task(np.arange(40), np.arange(40, 60), train.seed)], folder)
    network = fitted.network
    return len(fitted.history), network.parameters.tolist(), network.mean.tolist()


def fit_courses_outcome(model, folder):
    if isinstance(model, Cnn):
        pytest.importorskip("torch")
    own = task()
    (fitted,) = fit(replace(courses(), model=model), [own], folder)
    return {name: array.tolist() for name, array in fitted.network.arrays().items()}


def decide_outcome(settings):
    rng = np.random.default_rng(0)
    rows = Rows(
        np.arange(60) % 2, np.arange(60) // 2, np.array([f"g{i // 2}" for i in range(60)], object),
        np.arange(60), np.zeros(60, np.int32), ("d", ""),
    )  # fmt: skip
    lesson = Lesson.of(holdout(rows, SplitSettings()), 0, Recipe(decide=settings))
    logits = rng.standard_normal((60, 2)) + np.eye(2)[rows.targets]
    far = rng.random(60).astype(np.float32)
    return len(lesson.inner), decide(logits, rows.targets, rows.groups, settings, distances=far)


OTHER_VALUES = {
    DataSettings(path="a", window=2.0): {
        "path": "b", "layout": "table", "pattern": "{label}.wav", "window": 3.0, "hop": 1.0, "min_overlap": 0.3,
        "several": "longest", "background": "none", "point_width": 0.5, "unit": "samples", "label_column": "3",
        "corrections": "none",
    },
    SplitSettings(rule="grouped"): {
        "rule": "official", "test_share": 0.4, "validation_share": 0.3, "folds": 4, "seed": 1,
        "copies": False,
    },
    SplitSettings(rule="official"): {"test_fold": 2},
    Mfcc(statistics=("mean", "std")): {
        "sample_rate": 16_000, "resampler": "kaiser_fast", "channel": 2, "n_mfcc": 20, "n_fft": 1024, "hop_length": 256,
        "n_mels": 64, "fmin": 300.0, "fmax": 4_000.0, "top_db": 20.0, "statistics": ("mean",),
    },
    Mlp(hidden=(6,)): {"hidden": (7,), "dropout": 0.0, "standardize": False},
    TrainSettings(epochs=4): {
        "epochs": 1, "batch_size": 8, "learning_rate": 0.1, "class_weights": "none", "seed": 1,
    },
    TrainSettings(learning_rate=0.5, patience=2): {"patience": 0},
    Linear(): {"penalty": 1.0, "standardize": False},
    Dictionary(words=8, components=6): {"words": 9, "frames": 3, "components": 5, "penalty": 1.0},
    Rocket(kernels=8): {"kernels": 16, "thresholds": 3, "penalty": 1.0},
    Cnn(channels=(4, 6), window=16, device="cpu"): {
        "channels": (5, 6), "window": 8, "depth": 15.0, "weight_decay": 1.0, "label_smoothing": 0.3, "mixup": 0.1,
        "background": 0.9, "equalizer": 0.0, "band_limit": 0.9, "mask": 0.0, "average": 0.0,
    },
    Blend(("linear", "rocket")): {"rungs": ("linear", "dictionary")},
    DecideSettings(): {"folds": 3, "target": "recall=0.5", "coverage": 0.5, "unknown": "reject"},
    Events(window=2.0, hop=0.5): {
        "window": 3.0, "hop": 0.25, "median": 5, "high": 0.9, "low": 0.1, "min_gap": 1.0, "trim": 0.1,
        "min_length": 2.0, "ignore": ("a",),
    },
}  # fmt: skip
# Where a network is trained, and by which operations, is not to make a difference: on a CPU it makes none. That they
# are read is tried in tests/test_cnn.py.
NO_DIFFERENCE = {Cnn: {"device", "deterministic"}}
MODEL_SETTINGS = tuple(MODELS.values())
CASES = [
    pytest.param(base, name, value, id=f"{type(base).__name__}.{name}")
    for base, values in OTHER_VALUES.items()
    for name, value in values.items()
]


def outcome(settings, monkeypatch, folder: Path):
    match settings:
        case DataSettings():
            return data_outcome(settings, monkeypatch)
        case SplitSettings():
            return split_outcome(settings, monkeypatch)
        case Mfcc():
            return feature_outcome(settings, monkeypatch)
        case Mlp():
            return fit_outcome(settings, TrainSettings(epochs=3), folder)
        case Linear():
            return fit_outcome(settings, TrainSettings(), folder)
        case Dictionary() | Rocket() | Cnn():
            return fit_courses_outcome(settings, folder)
        case Blend():
            return [rung.model.name for rung in Recipe(model=settings).rungs()]
        case DecideSettings():
            return decide_outcome(settings)
        case Events():
            return events_outcome(settings)
        case _:
            return fit_outcome(Mlp(hidden=(6,)), settings, folder)


def events_outcome(how):
    merger = Merger(("a", "b"), how)
    scores = np.random.default_rng(0).random((200, 2), np.float32)
    found = [event for i, row in enumerate(scores) for event in merger.add(i * how.step, row)]
    return found, len(Windows(100, how.window, how.step).feed(np.zeros(1_000, np.float32)))


@pytest.mark.parametrize(("base", "name", "value"), CASES)
def test_every_setting_makes_a_difference(base, name, value, monkeypatch, tmp_path):
    changed = replace(base, **{name: value})
    section = {
        DataSettings: "data", SplitSettings: "split", Mfcc: "feature", DecideSettings: "decide",
        Events: "events",
        **dict.fromkeys(MODEL_SETTINGS, "model"),
    }.get(type(base), "train")  # fmt: skip
    usual = Recipe().with_values({"model.name": base.name}) if section == "model" else Recipe()
    whole = replace(usual, **{section: base})
    plain = list(value) if isinstance(value, tuple) else value
    assert whole.with_values({f"{section}.{name}": plain}) == replace(usual, **{section: changed})
    assert outcome(changed, monkeypatch, tmp_path / "changed") != outcome(
        base, monkeypatch, tmp_path / "base"
    )


def test_no_setting_is_left_out_above():
    sections = {type(getattr(Recipe(), section.name)) for section in fields(Recipe)}
    for kind in sections | set(MODEL_SETTINGS):
        tried = {name for base, values in OTHER_VALUES.items() if type(base) is kind for name in values}
        assert tried | NO_DIFFERENCE.get(kind, set()) == {f.name for f in fields(kind)}, kind


def test_how_a_file_is_heard_is_passed_on(write_wav, tmp_path):
    """`Mfcc.resampler` and `Mfcc.channel` are not used by `extract` itself, but by what loads the file for it."""
    from earmark.extract import extract
    from earmark.readers import read

    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (8_000, 2))
    for name in ("a_1_0", "b_1_0"):
        write_wav(tmp_path / f"{name}.wav", noise, 16_000)
    dataset = read(tmp_path, pattern="{label}_{group}_{take}.wav")

    def values(**settings):
        return extract(dataset, Mfcc(**settings)).values

    assert not np.array_equal(values(), values(resampler="kaiser_fast"))
    heard = [values(channel=channel) for channel in ("mean", "first", 2)]
    assert not any(np.array_equal(one, other) for one, other in itertools.combinations(heard, 2))
    np.testing.assert_array_equal(heard[1], values(channel=1))


def test_a_feature_that_keeps_time_is_refused_before_anything_breaks(tone_set):
    recipe = Recipe().with_values({"feature.statistics": []})
    recipe = recipe.with_data(str(tone_set), "auto", "{label}_{group}_{take}.wav")

    with pytest.raises(EarmarkError) as caught:
        prepare(recipe, Silent())
    assert str(caught.value) == (
        "[feature] mfcc with these settings gives a course over time, but one vector a clip is needed."
        " Name at least one of its statistics, such as --set 'feature.statistics=[\"mean\"]'."
    )
