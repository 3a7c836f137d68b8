"""The README's and the docs' examples run as written; their links and names are right."""

from __future__ import annotations

import importlib.util
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import click
import pytest
import soundfile

import earmark as package
from earmark.cli.app import app
from earmark.demo import make_demo
from earmark.encoders import ENCODERS
from earmark.features import FEATURES
from earmark.fetch import DATASETS
from earmark.files import size_text
from earmark.mixer import Mix, compose
from earmark.models import MODELS
from earmark.readers import READERS
from earmark.recipe import Recipe
from surroundings import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def test_the_readme_runs_as_written(tmp_path):
    environment = {
        **os.environ,
        "NO_COLOR": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    commands = [line for block in blocks(ROOT / "README.md", "sh") for line in block.splitlines()]
    assert {"make demo", "make test"} <= set(commands)
    for command in (c for c in commands if not c.startswith("make ")):
        words = [sys.executable, "-m", *shlex.split(command)]
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    for code in blocks(ROOT / "README.md", "python"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] in ("rain", "engine", "drill")


@pytest.fixture(scope="session")
def workplace(tmp_path_factory):
    """A folder in which the pages' commands can be typed: the demo's data, and field recordings with label tracks."""
    folder = tmp_path_factory.mktemp("pages")
    demo = make_demo(folder / "earmark-demo" / "data")
    (folder / "field").mkdir()
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    for number, day in enumerate(days, 1):  # each has sounds of its own: copies would make all one recording
        sounds = [
            (read_wav(path), kind)
            for kind in ("bird", "rain", "siren")
            for path in sorted((demo / "audio" / f"{kind}-{number:02}").glob("*.wav"))
        ]
        mixed, regions = compose(sounds, 22_050, Mix(seconds=40, events=10, seed=number))
        soundfile.write(folder / "field" / f"{day}.wav", mixed, 22_050)
        if day != "sunday":
            lines = [f"{r.start:.6f}\t{r.end:.6f}\t{r.label}" for r in regions]
            (folder / "field" / f"{day}.txt").write_text("\n".join(lines) + "\n")
    return folder


def read_wav(path):
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == 22_050
    return samples.mean(axis=1)


@pytest.mark.parametrize("page", ["start", "own-recordings"])
def test_a_pages_commands_run_as_written(page, workplace):
    commands = [line for block in blocks(ROOT / "docs" / f"{page}.md", "sh") for line in block.splitlines()]
    assert len(commands) >= 4
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(command)],
            cwd=workplace, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stderr}"


def test_examples_are_left_out_only_where_a_package_is_not_installed():
    """An error in importing a module would otherwise hide its examples."""
    found = pkgutil.walk_packages(package.__path__, "earmark.")
    wrong = []
    for name in (module.name for module in found if not module.name.endswith("__main__")):
        try:
            importlib.import_module(name)
        except ImportError as error:
            if importlib.util.find_spec((error.name or "earmark").partition(".")[0]):
                wrong.append(f"{name}: {error}")
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_recipe_in_the_docs_is_a_recipe():
    (text,) = blocks(ROOT / "docs" / "command-line.md", "toml")
    recipe = Recipe.from_dict(tomllib.loads(text))
    assert recipe.split.test_fold == 10
    assert recipe.feature == Recipe().feature


def test_every_command_and_every_layout_is_documented():
    commands = (ROOT / "docs" / "command-line.md").read_text()
    for name in app.commands:
        assert f"`earmark {name}" in commands
    layouts = (ROOT / "docs" / "data-layouts.md").read_text()
    for name in READERS:
        assert f"| `{name}` |" in layouts


def test_every_model_and_its_settings_are_documented():
    recipes = (ROOT / "docs" / "command-line.md").read_text()
    models = (ROOT / "docs" / "models.md").read_text()
    for name, model in MODELS.items():
        settings = ", ".join(f"`{f.name}`" for f in fields(model))
        assert f"| `{name}` | {settings} |" in recipes
        assert f"| `{name}` |" in models


def test_every_feature_is_documented():
    commands = (ROOT / "docs" / "command-line.md").read_text()
    for name in FEATURES:
        assert f"| `{name}` |" in commands


@pytest.mark.parametrize("name", ["train", "evaluate", "extract"])
def test_help_names_every_model_and_feature(name):
    said = {p.opts[0]: p.help for p in app.commands[name].params if isinstance(p, click.Option)}
    words = {option: set(re.findall(r"\w+", text or "")) for option, text in said.items()}
    assert words["--feature"] >= FEATURES.keys()
    assert words.get("--model", set(MODELS)) >= MODELS.keys()


def test_every_encoder_is_documented_as_it_is():
    told = (ROOT / "docs" / "encoders.md").read_text()
    for entry in ENCODERS.values():
        (row,) = re.findall(rf"^\| `{entry.name}` \| (.*) \|$", told, re.MULTILINE)
        hears, gives, where, licence, tried = row.split(" | ")
        assert hears == f"{entry.window:g} s at {entry.sample_rate:,} Hz, every {entry.hop:g} s"
        assert gives == f"{entry.size:,} numbers"
        assert where == (f"{size_text(entry.bytes)}, fetched" if entry.url else "`--weights`")
        assert licence == entry.licence
        assert tried == ("yes" if entry.tried else "no")


def test_every_public_data_set_is_documented_as_it_is():
    told = (ROOT / "docs" / "fetch.md").read_text()
    for source in DATASETS.values():
        (row,) = re.findall(rf"^\| `{source.name}` \| (.*) \|$", told, re.MULTILINE)
        size, licence, origin = row.split(" | ")
        assert size == size_text(source.bytes)
        assert licence.startswith(source.licence.partition(" (")[0])
        assert ("not for commercial use" in licence) is not source.commercial
        assert origin.lower().startswith(source.origin)
        assert ("--from kaggle" in origin) == (source.kaggle is not None)


def test_every_room_is_in_the_map():
    told = (ROOT / "docs" / "how-it-works.md").read_text()
    for path in (ROOT / "src" / "earmark").iterdir():
        name = path.stem
        if not name.startswith("_") and name not in ("py", "demo_sounds", "demo_tones"):
            assert f"`{name}`" in told, f"{name} is missing from the table of rooms"


def test_the_public_names_are_these():
    assert package.__all__ == sorted(package.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    for name in package.__all__:
        assert getattr(package, name).__doc__ or isinstance(getattr(package, name), dict)
    with pytest.raises(AttributeError, match="module 'earmark' has no attribute 'nothing'"):
        package.nothing  # noqa: B018
