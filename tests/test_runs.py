"""Run folders: an unfinished one is found again, a finished one is left alone, and two runs never meet."""

from __future__ import annotations

import json

import numpy as np
import pytest

from earmark import runs
from earmark.errors import RunError
from earmark.runs import open_run


def state(run):
    return json.loads((run.folder / "run.json").read_text())


def test_from_start_to_finish(tmp_path):
    with open_run(tmp_path / "deep" / "runs", "demo", {"epochs": 1}) as run:
        assert not run.resumed
        assert state(run)["status"] == "running"
        environment = json.loads((run.folder / "environment.json").read_text())
        assert environment["numpy"] == np.__version__
        run.checkpoints.mkdir()
        run.write_text("a.txt", "Grün")
        run.write_json("b.json", {"a": [1]})
        run.write_csv("c.csv", ["x", "y"], iter([["1,5", None], ['"', 2]]))
        run.finish()
        assert not run.checkpoints.exists()
    assert (run.folder / "a.txt").read_text(encoding="utf-8") == "Grün"
    assert (run.folder / "c.csv").read_text() == 'x,y\n"1,5",\n"""",2\n'
    assert state(run)["status"] == "done"
    assert state(run)["started"] <= state(run)["finished"]


def test_an_unfinished_run_is_carried_on_and_a_finished_one_is_not(tmp_path):
    with open_run(tmp_path, "demo", [1]) as first:
        pass
    with open_run(tmp_path, "demo", [1]) as again:
        assert again.resumed
        assert again.folder == first.folder
        again.finish()
    with open_run(tmp_path, "demo", [1]) as third:
        assert not third.resumed
        assert third.folder.name == f"{first.folder.name}-2"


def test_other_settings_have_another_folder(tmp_path):
    with open_run(tmp_path, "demo", [1]) as one, open_run(tmp_path, "demo", [2]) as other:
        assert one.folder != other.folder
        assert not other.resumed


def test_two_at_once_do_not_meet(tmp_path):
    with open_run(tmp_path, "demo", [1]) as one, open_run(tmp_path, "demo", [1]) as other:
        assert one.folder != other.folder
        assert not other.resumed
    with open_run(tmp_path, "demo", [1]) as next_one:
        assert next_one.folder == one.folder


def test_an_error_lets_the_folder_go(tmp_path):
    with pytest.raises(ValueError, match="inside"), open_run(tmp_path, "demo", [1]) as run:
        raise ValueError("inside")
    with open_run(tmp_path, "demo", [1]) as again:
        assert (again.folder, again.resumed) == (run.folder, True)


@pytest.mark.parametrize("name", ["鳥の声", "a b/c", "..", "-x", "n" * 300, "x" * 250 + "-train-mlp"])
def test_any_name_makes_a_plain_folder(tmp_path, name):
    with open_run(tmp_path, name, []) as run:
        assert run.folder.parent == tmp_path
        assert run.folder.name.isascii()
        assert len(run.folder.name) < 120
        assert not run.folder.name.startswith((".", "/"))


def test_no_end_of_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "_state", lambda folder: {"identity": "", "status": "done"})
    monkeypatch.setattr(runs, "range", lambda *bounds: [1, 2], raising=False)
    with (
        pytest.raises(
            RunError,
            match=r"holds 10,000 runs of demo-\w+\. Delete some, or give another folder with --runs\.",
        ),
        open_run(tmp_path, "demo", []),
    ):
        pass
