"""Sweeps, pipelines, several machines: what is submitted, and that each of its commands runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from surroundings import ROOT, installed

if TYPE_CHECKING:
    from standin import StandIn

pytestmark = [
    pytest.mark.skipif(not installed("azure.ai.ml"), reason="no azure-ai-ml; type: make test-azure"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the SDK's own packages
]
Run = Callable[..., Any]


@pytest.fixture
def place(tmp_path: Path, tone_set: Path) -> Path:
    """A folder with a recipe, and what `earmark azure init` writes."""
    from earmark.cloud.azure.files import files
    from earmark.cloud.azure.folder import write_folder
    from earmark.cloud.azure.place import Place
    from earmark.recipe import Recipe

    values = {"data.pattern": "{label}_{group}_{take}.wav", "train.epochs": 5, "decide.folds": 0}
    recipe = Recipe().with_data(str(tone_set)).with_values(values).to_toml()
    (tmp_path / "recipe.toml").write_text(recipe)
    write_folder(tmp_path / "azure", files(Place("0", "g", "w"), recipe, "earmark==0"))
    return tmp_path


def order(place: Path, **asked: Any) -> dict[str, Any]:
    """Return the job that is made for an order."""
    from earmark.cloud.azure.job import Order, make_job
    from earmark.recipe import load_recipe

    (place / "code").mkdir()
    return make_job(
        load_recipe(str(place / "recipe.toml")), Order(**asked), place / "azure", place / "code"
    ).job


def earmark_in(folder: Path) -> dict[str, str]:
    """Return an environment in which `earmark` is this one."""
    (folder / "bin").mkdir(exist_ok=True)
    program = folder / "bin/earmark"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m earmark "$@"\n')
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}


def run(command: str, values: dict[str, Path | str], code: Path) -> None:
    """Run a command of a job, with its places filled in."""
    filled = re.sub(r"\$\{\{([\w.]+)\}\}", lambda found: str(values[found[1]]), command)
    done = subprocess.run(
        ["bash", "-c", filled],
        cwd=code,
        env=earmark_in(code.parent),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_steps_of_a_pipeline_run_one_after_the_other(place, tone_set):
    import json

    job = order(place, pipeline=True)
    steps = job["jobs"]
    assert list(steps) == ["check", "extract", "train", "evaluate"]
    assert all(step["component"]["is_deterministic"] for step in steps.values())
    (place / "recipe.toml").rename(place / "elsewhere.toml")  # what runs is in the code folder
    made = {name: place / "made" / name for name in ("manifest", "features", "run", "evaluation")}
    for folder in made.values():
        folder.mkdir(parents=True)
    pattern = " --pattern '{label}_{group}_{take}.wav'"
    for name, step in steps.items():
        command = step["component"]["command"]
        assert "earmark " + {"train": "run"}.get(name, name) in command
        values = {
            "inputs.data": tone_set, "inputs.features": made["features"], "outputs.manifest": made["manifest"],
            "outputs.features": made["features"],
            "outputs.run": made["evaluation" if name == "evaluate" else "run"],
        }  # fmt: skip
        assert pattern in command or name == "train"
        run(command, values, place / "code")
    (trained,), (judged,) = made["run"].iterdir(), made["evaluation"].iterdir()
    report = json.loads((trained / "report.json").read_text())
    assert report["data"]["layout"] == "pattern"
    assert (trained / "model.earmark").is_file()
    assert len(json.loads((judged / "report.json").read_text())["folds"]) > 1


def test_a_sweep_varies_the_recipe(place, tone_set):
    job = order(
        place, sweep=True, vary=("train.learning_rate=0.001..0.1:log", "model.dropout=0.1,0.3"), trials=6,
        changes=("train.epochs=3",),
    )  # fmt: skip
    assert job["objective"] == {"primary_metric": "validation_accuracy", "goal": "maximize"}
    assert job["limits"]["max_total_trials"] == 6
    space = job["search_space"]
    assert space["model__dropout"] == {"type": "choice", "values": [0.1, 0.3]}
    assert space["train__learning_rate"]["type"] == "loguniform"
    assert space["train__learning_rate"]["min_value"] == pytest.approx(-6.9078, abs=1e-3)
    (place / "run").mkdir()
    values = {
        "inputs.data": tone_set, "outputs.run": place / "run", "search_space.train__learning_rate": "0.01",
        "search_space.model__dropout": "0.3",
    }  # fmt: skip
    run(job["trial"]["command"], values, place / "code")
    (made,) = (place / "run").iterdir()
    recipe = (made / "recipe.toml").read_text()
    assert "learning_rate = 0.01\n" in recipe
    assert "dropout = 0.3\n" in recipe
    assert "epochs = 3\n" in recipe


def test_several_machines_have_pytorchs_variables_and_a_run_folder_each(place):
    job = order(place, nodes=3, processes=2)
    assert job["distribution"] == {"type": "pytorch", "process_count_per_instance": 2}
    assert job["resources"]["instance_count"] == 3
    assert job["command"].endswith("--runs ${{outputs.run}}/rank-$RANK --progress plain")


def test_the_sdk_takes_what_is_submitted(standin: StandIn, names: Path, place: Path, earmark: Run) -> None:
    from standin.resources import stored
    from standin.server import SCOPE

    data = {"dataType": "uri_folder", "dataUri": "azureml://datastores/workspaceblobstore/paths/x/"}
    stored(standin, f"{SCOPE}/data/sounds/versions/1", {"properties": data})
    path = os.pathsep.join((str(names), str(ROOT / "src")))
    for name, flags in {"swept": ["--sweep"], "stepped": ["--pipeline"]}.items():
        done = earmark(
            "azure", "submit", "recipe.toml", "--name", name, "--no-stream", *flags, cwd=place,
            env_more={**standin.environment, "PYTHONPATH": path},
        )  # fmt: skip
        assert done.stdout.startswith(f"Job       {name} (Starting)\n")
    jobs = {p.rsplit("/", 1)[1]: r["properties"] for p, r in standin.resources.items() if "/jobs/" in p}
    assert jobs["swept"]["jobType"] == "Sweep"
    assert jobs["swept"]["searchSpace"] == {
        "train__learning_rate": ["loguniform", [-9.2, -4.6]], "train__seed": ["choice", [[0, 1, 2]]],
    }  # fmt: skip
    assert jobs["stepped"]["jobType"] == "Pipeline"
    assert list(jobs["stepped"]["jobs"]) == ["check", "extract", "train", "evaluate"]
    specs = [r["properties"]["componentSpec"] for p, r in standin.resources.items() if "/components/" in p]
    assert len(specs) == 4
    assert all(str(spec["is_deterministic"]) == "True" for spec in specs)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"vary": ("a.b=1,2",)}, "--vary says what a sweep tries. Type --sweep as well."),
        (
            {"sweep": True, "pipeline": True},
            "--sweep and --pipeline do not go together: a sweep is of one training. Choose one.",
        ),
        (
            {"pipeline": True, "nodes": 2},
            "The steps of a pipeline run on one machine each: leave out --nodes and --processes.",
        ),
        ({"spot": True, "compute": "x"}, "--spot takes the cluster of azure/compute-spot.yml: leave out --compute."),
        ({"nodes": 0}, "--nodes is 0, but must be 1 or more."),
        (
            {"data": "sounds"},
            "--data is 'sounds', but must be azureml:NAME:VERSION. Upload a folder with: earmark azure data FOLDER",
        ),
        (
            {"sweep": True, "vary": ("train.epochs=5",)},
            "--vary takes TABLE.SETTING=A,B,… or TABLE.SETTING=LOW..HIGH, with :log for a scale of powers; got"
            " 'train.epochs=5'. Such as train.learning_rate=0.0001..0.01:log",
        ),
        (
            {"sweep": True, "vary": ("train.epoks=5,6",)},
            "[train] has no setting 'epoks'. There are: epochs, batch_size, learning_rate, class_weights, patience, seed."  # noqa: E501
            " Did you mean 'epochs'?",
        ),
        ({"compute": "x_1"}, "The compute's name 'x_1' is not allowed. Azure takes 3 to 32 letters, digits or '-', the first a letter and the last no '-'."),  # noqa: E501
        (
            {"changes": ("model.name=cnn",)},
            "The recipe trains a cnn, but HERE/azure/conda.yml installs no torch. Type: earmark azure init --torch --force",  # noqa: E501
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_ordered(place, asked, said):
    from earmark.errors import SettingError

    with pytest.raises(SettingError) as caught:
        order(place, **asked)
    assert str(caught.value) == said.replace("HERE", str(place))


def test_data_that_a_job_cannot_see(place):
    from earmark.errors import SettingError

    text = (place / "azure/job.yml").read_text()
    (place / "azure/job.yml").write_text(text.replace("    path: azureml:sounds:1\n", ""))
    with pytest.raises(SettingError) as caught:
        order(place)
    assert "which is on this machine; the job runs on another. Upload it with: earmark azure data " in str(
        caught.value
    )
    (place / "recipe.toml").write_text('[data]\npath = "https://me.blob.core.windows.net/a?sv=1&sig=abc"\n')
    (place / "code").rename(place / "before")
    with pytest.raises(SettingError) as caught:
        order(place)
    assert str(caught.value) == (
        "The recipe's data https://me.blob.core.windows.net/a is named with a key, which everybody who sees the job could"  # noqa: E501
        " read. Take it out; the job signs in as its compute's managed identity."
    )


def test_a_uri_in_the_recipe_is_read_by_the_job_itself(place):
    (place / "recipe.toml").write_text('[data]\npath = "az://sounds/birds"\n')
    job = order(place)
    assert job["command"] == "earmark run recipe.toml --runs ${{outputs.run}} --progress plain"
    assert job["inputs"] == {}
    assert 'path = "az://sounds/birds"' in (place / "code/recipe.toml").read_text()
