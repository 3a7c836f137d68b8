"""Writing: the old file or the new one, nothing between and nothing beside."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from earmark.files import write_atomically, write_json


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_makes_folders_and_replaces(tmp_path):
    path = tmp_path / "a" / "b" / "file.bin"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert names(path.parent) == ["file.bin"]


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@pytest.mark.parametrize("step", ["fsync", "replace", "write"])
@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step, failure):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*arguments):
        raise failure

    class Full:
        """A file on a full disk."""

        def __init__(self, path, mode):
            self.file = open(path, mode)  # noqa: PTH123, SIM115

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        write = fail

        def fileno(self):
            return self.file.fileno()

    with monkeypatch.context() as patch:
        if step == "fsync":
            patch.setattr(os, "fsync", fail)
        elif step == "replace":
            patch.setattr(Path, "replace", fail)
        else:
            patch.setattr(Path, "open", lambda self, mode: Full(self, mode))
        with pytest.raises(type(failure)):
            write_atomically(path, b"new" * 1000)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_the_disk_has_the_bytes_before_the_name_changes(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (steps.append("fsync"), fsync(handle)))
    monkeypatch.setattr(Path, "replace", lambda self, to: (steps.append("replace"), replace(self, to)))
    write_atomically(tmp_path / "file", b"x")
    assert steps == ["fsync", "replace"]


def test_longest_name(tmp_path):
    name = "n" * 255
    write_atomically(tmp_path / name, b"x")
    assert names(tmp_path) == [name]


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        write_atomically(tmp_path / "file" / "below", b"x")


def test_json(tmp_path):
    value = {"label": "Grünfink", "scores": [0.1, 1e-7], "nothing": None}
    write_json(tmp_path / "file.json", value)
    text = (tmp_path / "file.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert "Grünfink" in text
    assert text.endswith("}\n")
