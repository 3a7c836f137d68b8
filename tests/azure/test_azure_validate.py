"""`earmark azure validate`: for each rule a file that breaks it, and the whole of what is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from surroundings import installed

pytestmark = [
    pytest.mark.skipif(not installed("azure.ai.ml"), reason="no azure-ai-ml; type: make test-azure"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the SDK's own packages
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What `earmark azure init` writes, which nothing is wrong with."""
    from earmark.cloud.azure.files import files
    from earmark.cloud.azure.folder import write_folder
    from earmark.cloud.azure.place import Place
    from earmark.recipe import Recipe

    write_folder(
        tmp_path / "azure", files(Place("0", "sounds", "ws"), Recipe().to_toml(), "earmark[train]==0.1.0")
    )
    return tmp_path / "azure"


def said(folder: Path) -> list[str]:
    """Each problem, without the path of the temporary folder."""
    from earmark.cloud.azure.validate import validate

    found = validate(folder).problems
    return [
        f"{p.path}: {p.detail}".replace(f"{folder}/", "").replace(str(folder.parent), "HERE") for p in found
    ]


def change(path: Path, *pairs: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def test_what_init_writes_is_as_azure_takes_it(folder):
    assert said(folder) == []


RULES: list[tuple[str, str, tuple[str, str], list[str]]] = [
    (
        "an unknown input", "job.yml", ("${{inputs.data}}", "${{inputs.nope}}"),
        ["job.yml: the command has ${{inputs.nope}}, but the inputs are: data."],
    ),
    (
        "an unknown output", "job.yml", ("${{outputs.run}}", "${{outputs.model}}"),
        ["job.yml: the command has ${{outputs.model}}, but the outputs are: run."],
    ),
    (
        "an unknown search space", "sweep.yml", ("${{search_space.train__seed}}", "${{search_space.seed}}"),
        ["sweep.yml: the command has ${{search_space.seed}}, but the search_space are: train__learning_rate, train__seed."],  # noqa: E501
    ),
    (
        "what is no table", "job.yml", ("${{inputs.data}}", "${{input.data}}"),
        ["job.yml: the command has ${{input.data}}, but only inputs, outputs and search_space can stand there."],
    ),
    (
        "a bare compute", "job.yml", ("compute: azureml:cpu-cluster", "compute: cpu-cluster"),
        ["job.yml: the compute 'cpu-cluster' must be written azureml:cpu-cluster."],
    ),
    (
        "a bare default compute", "pipeline.yml", ("default_compute: azureml:cpu-cluster", "default_compute: cpu-cluster"),  # noqa: E501
        ["pipeline.yml: the compute 'cpu-cluster' must be written azureml:cpu-cluster."],
    ),
    (
        "data without a version", "job.yml", ("azureml:sounds:1", "azureml:sounds"),
        ["job.yml: the input 'data' azureml:sounds has no version. Write azureml:sounds:1, or azureml:sounds@latest."],
    ),
    (
        "a model without a version", "deployment.yml", ("azureml:earmark-model:1", "azureml:earmark-model"),
        ["deployment.yml: the model azureml:earmark-model has no version. Write azureml:earmark-model:1, or"
         " azureml:earmark-model@latest."],
    ),
    (
        "an environment without an image", "environment.yml", ("image: mcr", "description: mcr"),
        ["environment.yml: the environment has no image beside its conda_file; Azure has nothing to build it from. Write"  # noqa: E501
         " image: or build:."],
    ),
    (
        "a conda file that is not there", "environment.yml", ("conda.yml", "condo.yml"),
        ["environment.yml: the environment's conda_file condo.yml is not there."],
    ),
    (
        "a scoring script that is not there", "deployment.yml", ("score.py", "scores.py"),
        ["deployment.yml: the scoring script scores.py is not in the folder score. Type: earmark azure init"],
    ),
    (
        "no scoring script", "deployment.yml", ("  scoring_script: score.py\n", ""),
        ["deployment.yml: code_configuration has no scoring_script. Write scoring_script: score.py."],
    ),
    (
        "an endpoint's name", "endpoint.yml", ("earmark-sounds", "my_sounds"),
        ["endpoint.yml: the endpoint's name 'my_sounds' is not allowed. Azure takes 3 to 32 letters, digits or '-', the"
         " first a letter and the last no '-'."],
    ),
    (
        "a deployment's endpoint", "deployment.yml", ("endpoint_name: earmark-sounds", "endpoint_name: '2'"),
        ["deployment.yml: the endpoint's name '2' is not allowed. Azure takes 3 to 32 letters, digits or '-', the first a"  # noqa: E501
         " letter and the last no '-'."],
    ),
    (
        "a data asset's name", "data.yml", ("name: sounds", "name: my sounds"),
        ["data.yml: the data asset's name 'my sounds' is not allowed. Azure takes 1 to 255 letters, digits, '-', '_' or"
         " '.', the first a letter or a digit."],
    ),
    (
        "something to fill in", "config.json", ('"ws"', '"FILL-IN"'),
        ["config.json: workspace_name is still to be filled in."],
    ),
    (
        "no schema", "endpoint.yml", ("$schema", "schema"),
        ["endpoint.yml: it does not say what it is. Begin it with $schema: https://azuremlschemas.azureedge.net/latest/…"],
    ),
    ("no YAML", "endpoint.yml", ("name: earmark-sounds", "name: [earmark"), []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "pair", "expected"), [r[1:] for r in RULES if r[3]], ids=[r[0] for r in RULES if r[3]]
)
def test_rule(folder, file, pair, expected):
    change(folder / file, pair)
    found = said(folder)
    assert [line for line in found if "Azure's own check" not in line] == expected


def test_what_is_no_yaml_names_the_line(folder):
    change(folder / "endpoint.yml", ("name: earmark-sounds", "name: [earmark"))
    (found,) = said(folder)
    assert found.startswith("endpoint.yml: is not YAML: while parsing a flow sequence")
    assert "line 3" in found


def test_what_the_loaders_say_is_passed_on(folder):
    change(folder / "job.yml", ("instance_count: 1", "instance_count: several"))
    (found,) = said(folder)
    assert found.startswith("job.yml: Azure's own check: ")
    assert "instance_count" in found


CODE: list[tuple[str, Any, str]] = [
    (
        "no ignore file", lambda code: (code / ".amlignore").unlink(),
        "the folder azure/code has no .amlignore, so that whatever is in it is uploaded. Type: earmark azure init",
    ),
    (
        "the ignore file outside", lambda code: (code / ".amlignore").rename(code.parent / ".amlignore"),
        "the folder azure/code has no .amlignore, so that whatever is in it is uploaded; azure/.amlignore holds for"
        " nothing, because it is outside the folder. Type: earmark azure init",
    ),
    (
        "a secret by its name", lambda code: (code / "credentials.json").write_text("{}") and ignore_nothing(code),
        "credentials.json would be uploaded from azure/code, and its name is that of a secret. Move it away, or name it in"  # noqa: E501
        " azure/code/.amlignore.",
    ),
    (
        "a secret by what it says",
        lambda code: (code / "notes.txt").write_text("AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUz"),
        "notes.txt would be uploaded from azure/code, and it holds what looks like a key. Move it away, or name it in"
        " azure/code/.amlignore.",
    ),
    (
        "a folder of others", lambda code: ignore_nothing(code) or folder_in(code, ".git/config"),
        ".git/config would be uploaded from azure/code, and it lies in a folder that is nobody else's business. Move it"
        " away, or name it in azure/code/.amlignore.",
    ),
    (
        "too many files", lambda code: [(code / f"{i}.txt").touch() for i in range(2_000)],
        "2,002 files of 1.4 kB would be uploaded from azure/code; Azure takes 2,000 files of 300 MB. Data goes there with:"  # noqa: E501
        " earmark azure data FOLDER",
    ),
    (
        "a recipe that does not load", lambda code: change(code / "recipe.toml", ("epochs", "epoks")),
        "the recipe does not load: azure/code/recipe.toml: no",
    ),
    (
        "no recipe", lambda code: (code / "recipe.toml").unlink(),
        "the command needs recipe.toml, which is not in azure/code. Type: earmark azure init",
    ),
]  # fmt: skip


def ignore_nothing(code: Path) -> None:
    (code / ".amlignore").write_text("# nothing\n")


def folder_in(code: Path, name: str) -> None:
    (code / name).parent.mkdir()
    (code / name).write_text("[core]")


@pytest.mark.parametrize(("breaks", "expected"), [c[1:] for c in CODE], ids=[c[0] for c in CODE])
def test_rule_of_the_code_folder(folder, breaks, expected, monkeypatch):
    import re

    breaks(folder / "code")
    monkeypatch.chdir(folder.parent)
    from earmark.cloud.azure.validate import validate

    for file in ("job.yml", "sweep.yml", "pipeline.yml"):
        details = [p.detail for p in validate(Path("azure")).problems if p.path == f"azure/{file}"]
        assert len(details) == 1
        if "does not load" in expected:
            assert details[0].startswith(
                "the recipe does not load: [train] has no setting 'epoks'. There are: epochs"
            )
        else:
            assert re.sub(r"[\d.]+ [kM]?B would", "1.4 kB would", details[0]) == expected


def test_a_recipe_whose_data_is_on_this_machine(folder):
    change(folder / "code/recipe.toml", ('path = ""', 'path = "/home/me/sounds"'))
    change(folder / "job.yml", (" --set data.path=${{inputs.data}}", ""))
    assert said(folder) == [
        "job.yml: the recipe's data is /home/me/sounds, which the job cannot see. Give the job an input 'data' and the"
        " command --set data.path=${{inputs.data}}."
    ]


def test_the_command_says_it_and_exits_with_1(folder, earmark):
    change(folder / "job.yml", ("azureml:cpu-cluster", "cpu-cluster"))
    done = earmark("azure", "validate", cwd=folder.parent, code=1)
    assert done.stdout == "azure/job.yml: the compute 'cpu-cluster' must be written azureml:cpu-cluster.\n"
    assert done.stderr == "1 found in 17 files.\n"
    told = json.loads(earmark("azure", "validate", "--json", cwd=folder.parent, code=1).stdout)
    assert [p["path"] for p in told["problems"]] == ["azure/job.yml"]
    assert earmark("azure", "validate", "nowhere", cwd=folder.parent, code=2).stderr == (
        "error: There are no files for Azure in nowhere. Write them with: earmark azure init\n"
    )
