"""What `earmark azure init` finds out and writes, what a job may cost, and that nothing else imports Azure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from earmark.cloud.azure.folder import write_folder
from earmark.cloud.azure.place import Place, find_place
from earmark.errors import PathError, SettingError
from surroundings import ROOT, installed

WITH_SDK = pytest.mark.skipif(not installed("azure.ai.ml"), reason="no azure-ai-ml; type: make test-azure")


def config(path: Path, **values: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


class TestPlace:
    def found(self, folder: Path, given: Place | None = None, **environment: str):
        environment.setdefault("AZURE_CONFIG_DIR", str(folder / "cli"))
        return find_place(given or Place(), folder / "azure", environment)

    def test_what_is_given_comes_first_then_the_environment(self, tmp_path):
        config(tmp_path / "azure/config.json", subscription_id="S", resource_group="G", workspace_name="W")
        place, sources = self.found(tmp_path, Place(workspace="mine"), AZURE_RESOURCE_GROUP="env")
        assert place == Place("S", "env", "mine")
        assert sources == {
            "workspace": "as given", "group": "the environment", "subscription": str(tmp_path / "azure/config.json"),
        }  # fmt: skip

    def test_azure_mls_own_file_above_is_found(self, tmp_path):
        config(tmp_path / ".azureml/config.json", subscription_id="S", resource_group="G", workspace_name="W")
        (tmp_path / "a/b").mkdir(parents=True)
        place, _ = find_place(Place(), tmp_path / "a/b/azure", {"AZURE_CONFIG_DIR": "/nowhere"})
        assert place == Place("S", "G", "W")

    def test_the_settings_of_az_are_found(self, tmp_path):
        (tmp_path / "cli").mkdir()
        (tmp_path / "cli/config").write_text("[defaults]\ngroup = sounds\nworkspace = ws\n")
        profile = {"subscriptions": [{"id": "A", "isDefault": False}, {"id": "B", "isDefault": True}]}
        (tmp_path / "cli/azureProfile.json").write_text(json.dumps(profile), encoding="utf-8-sig")
        assert self.found(tmp_path)[0] == Place("B", "sounds", "ws")

    def test_a_place_to_fill_in_counts_for_nothing(self, tmp_path):
        config(
            tmp_path / "azure/config.json", subscription_id="FILL-IN", resource_group="G", workspace_name="W"
        )
        assert self.found(tmp_path)[0].missing == ("subscription",)

    def test_a_damaged_file_is_named(self, tmp_path):
        (tmp_path / "config.json").write_text("{")
        with pytest.raises(SettingError, match=r"config\.json is not JSON: .* Repair or delete it\."):
            self.found(tmp_path)
        (tmp_path / "config.json").unlink()
        (tmp_path / "cli").mkdir()
        (tmp_path / "cli/config").write_text("group = sounds\n")
        with pytest.raises(SettingError, match="is not a configuration file of az: File contains no section"):
            self.found(tmp_path)


class TestFolder:
    def test_what_a_person_changed_is_left_alone(self, tmp_path):
        assert write_folder(tmp_path, {"a": "1", "b/c": "2"}).new == ("a", "b/c")
        again = write_folder(tmp_path, {"a": "1", "b/c": "3"})
        assert (again.new, again.same, again.kept) == (("b/c",), ("a",), ())
        (tmp_path / "a").write_text("mine")
        third = write_folder(tmp_path, {"a": "4", "b/c": "3"})
        assert (third.new, third.same, third.kept) == ((), ("b/c",), ("a",))
        assert (tmp_path / "a").read_text() == "mine"
        assert write_folder(tmp_path, {"a": "4"}, force=True).new == ("a",)

    def test_a_file_that_was_there_before_is_left_alone(self, tmp_path):
        (tmp_path / "job.yml").write_text("my own")
        assert write_folder(tmp_path, {"job.yml": "ours"}).kept == ("job.yml",)

    def test_a_damaged_memory_of_it_makes_it_careful(self, tmp_path):
        write_folder(tmp_path, {"a": "1"})
        (tmp_path / ".written.json").write_text("[")
        assert write_folder(tmp_path, {"a": "2"}).kept == ("a",)

    def test_a_file_in_its_place_is_refused(self, tmp_path):
        (tmp_path / "azure").write_text("")
        with pytest.raises(PathError) as caught:
            write_folder(tmp_path / "azure", {"a": "1"})
        assert str(caught.value) == (
            f"{tmp_path / 'azure'} is a file; the files for Azure need a folder. Give another with FOLDER."
        )


@WITH_SDK
class TestInit:
    def test_what_is_not_known_is_left_to_fill_in_and_said(self, tmp_path, earmark):
        hidden = {"AZURE_CONFIG_DIR": str(tmp_path / "none"), "HOME": str(tmp_path)}
        flags = ("--workspace", "ws", "--earmark", "earmark[train] @ git+https://example.org/earmark@v1")
        done = earmark("azure", "init", *flags, cwd=tmp_path, env_more=hidden)
        assert "Fill in   subscription in azure/config.json: it could not be found out\n" in done.stdout
        assert "Workspace     ws (as given)\nNext      earmark azure validate\n" in done.stdout
        assert json.loads((tmp_path / "azure/config.json").read_text()) == {
            "subscription_id": "FILL-IN", "resource_group": "FILL-IN", "workspace_name": "ws",
        }  # fmt: skip
        assert (
            "earmark[train] @ git+https://example.org/earmark@v1"
            in (tmp_path / "azure/conda.yml").read_text()
        )
        assert earmark("azure", "validate", cwd=tmp_path, code=1).stdout == (
            "azure/config.json: subscription_id is still to be filled in.\n"
            "azure/config.json: resource_group is still to be filled in.\n"
        )
        (tmp_path / "azure/job.yml").write_text("mine: true\n")
        again = earmark("azure", "init", *flags, cwd=tmp_path, env_more=hidden).stdout
        assert "Left alone azure/job.yml: you have changed it (--force writes over it)\n" in again

    def test_versions_are_those_that_work_here(self, tmp_path, earmark):
        from importlib.metadata import version

        earmark("azure", "init", cwd=tmp_path)
        said = (tmp_path / "azure/conda.yml").read_text()
        for package in ("numpy", "scipy", "scikit-learn", "onnxruntime"):
            assert f"- {package}=={version(package)}\n" in said
        assert f"python={sys.version_info[0]}.{sys.version_info[1]}\n" in said
        assert "torch" not in said
        earmark("azure", "init", "torch", "--torch", cwd=tmp_path)
        assert "torch" in (tmp_path / "torch/conda.yml").read_text()

    def test_a_dry_run_prints_the_job_and_what_it_may_cost(self, tmp_path, earmark):
        earmark("azure", "init", cwd=tmp_path)
        (tmp_path / "recipe.toml").write_text('[data]\npath = "az://sounds/birds"\n')
        dry = ("azure", "submit", "recipe.toml", "--dry-run")
        done = earmark(*dry, "--hours", "2", "--price-per-hour", "0.25", "--nodes", "2", cwd=tmp_path)
        assert done.stdout.startswith("$schema: https://azuremlschemas")
        assert "instance_count: 2" in done.stdout
        assert str(tmp_path) not in done.stdout
        assert done.stderr == (
            "Would upload  .amlignore, recipe.toml\n"
            "Would cost    2 h × 2 machines × 0.25 an hour = 1.00, in your currency; starting the machines comes on top\n"  # noqa: E501
            "The same here earmark run recipe.toml\n"
        )
        done = earmark(*dry, cwd=tmp_path)
        assert (
            "Would cost    not known: how long it takes was not said and the machine's price was not said."
            in done.stderr
        )
        assert earmark(*dry, "--hours", "-1", cwd=tmp_path, code=2).stderr == (
            "error: --hours is -1, but must be from 0 to a million.\n"
        )


_NOTHING_OF_AZURE = """
import sys
from earmark.cli import app
try:
    app({arguments!r}, prog_name="earmark")
except SystemExit as done:
    assert not done.code, done.code
found = sorted(name for name in sys.modules if name.split(".")[0] in ("azure", "msal", "adlfs"))
assert not found, found
assert "earmark.cloud" not in sys.modules
"""


@WITH_SDK
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"], ["azure", "--help"], ["azure", "submit", "--help"], ["store", "size"],
        ["check", "SOUNDS", "--pattern", "{label}_{group}_{take}.wav"],
        ["train", "SOUNDS", "--pattern", "{label}_{group}_{take}.wav", "--runs", "RUNS", "--set", "train.epochs=2"],
        ["predict", "MODEL", "SOUNDS"], ["export", "MODEL", "--to", "onnx", "-o", "RUNS/model.onnx"], ["fetch"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)  # fmt: skip
def test_no_other_command_imports_anything_of_azure(arguments, tone_set, tone_model, tmp_path):
    (tmp_path / "runs").mkdir()
    real = {"SOUNDS": str(tone_set), "MODEL": str(tone_model), "RUNS": str(tmp_path / "runs")}
    filled = [real.get(word, word.replace("RUNS", real["RUNS"])) for word in arguments]
    done = subprocess.run(
        [sys.executable, "-c", _NOTHING_OF_AZURE.format(arguments=filled)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
