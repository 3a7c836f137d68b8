"""`earmark fetch NAME az://…`: the command, against Azurite, from a server that cuts; killed, and gone on with."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time

import pytest

from test_fetch import packed, sha256
from web_site import PIECE, Site, cut, serving

fsspec = pytest.importorskip("fsspec")

MARKER, NOTE = ".earmark-fetch.json", ".earmark-unfinished.json"
FILES = {f"audio/fold{n % 3 + 1}/{n}.wav": random.Random(n).randbytes(40_000) for n in range(60)} | {
    "metadata/UrbanSound8K.csv": b"slice_file_name\n",
    "README": b"",
}
TAR, ZIP = packed("x.tar.gz", FILES, "UrbanSound8K/"), packed("x.zip", FILES, "set/")


def below(container: str) -> dict[str, bytes]:
    system = fsspec.filesystem("az")
    system.invalidate_cache()
    top = f"{container}/us8k"
    return {path.removeprefix(f"{top}/"): system.cat_file(path) for path in system.find(top)}


def data_in(container: str) -> dict[str, bytes]:
    return {path: data for path, data in below(container).items() if path not in (MARKER, NOTE)}


@pytest.mark.parametrize("body", [TAR, ZIP], ids=["tar.gz", "zip"])
def test_a_data_set_goes_there_without_this_disk(earmark, container, body, tmp_path):
    with serving(Site(body, moods=[cut(300_000)] if body is TAR else [])) as site:
        arguments = (
            "fetch", "urbansound8k", f"az://{container}/us8k", "--mirror", f"{site.url}/x", "--checksum", sha256(body),
        )  # fmt: skip
        done = earmark(*arguments, cwd=tmp_path, env_more={"TMPDIR": str(tmp_path)})
        assert data_in(container) == FILES
        assert f"urbansound8k is in az://{container}/us8k: 62 files, 2.4 MB." in done.stdout
        assert f"Next     earmark check az://{container}/us8k" in done.stdout
        assert ("Trying again in 1 s." in done.stderr) is (body is TAR)
        assert "went on at 4 B" not in done.stderr
        assert "are free" not in done.stderr
        asked = len(site.asked)
        again = json.loads(earmark(*arguments, "--json", cwd=tmp_path).stdout)
        assert (again["there"], again["path"], again["checked"]) == (True, f"az://{container}/us8k", True)
        assert len(site.asked) == asked
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_and_gone_on_with(earmark, container, between):
    """What was there before the kill is not put a second time; readers know that it is not whole."""
    with serving(Site(TAR, pace=PIECE / 1.5e6)) as site:
        arguments = (
            "fetch", "urbansound8k", f"az://{container}/us8k", "--mirror", f"{site.url}/x", "--checksum", sha256(TAR),
            "--progress", "none",
        )  # fmt: skip
        environment = {**between.environment, "AZURE_STORAGE_CONNECTION_STRING": between.connection_string}
        run = subprocess.Popen(
            [sys.executable, "-m", "earmark", *arguments], env={**os.environ, **environment}
        )
        deadline = time.monotonic() + 60
        while len(below(container)) < 15:
            assert time.monotonic() < deadline
            assert run.poll() is None
        run.kill()
        run.wait()
        there = data_in(container)
        assert 0 < len(there) < len(FILES)
        assert MARKER not in below(container)
        refused = earmark("check", f"az://{container}/us8k", code=2)
        assert refused.stderr.strip().endswith(
            "is not whole: what puts a data set there has not ended. Run the same earmark fetch again to finish it."
        )
        site.pace = 0
        between.asked.clear()
        done = earmark(*arguments, env_more=environment)
        assert data_in(container) == FILES
        assert NOTE not in below(container)
        puts = [path.partition("/us8k/")[2] for path in between.asked if path.startswith("PUT ")]
        assert not set(puts) & there.keys()
        assert len([path for path in puts if path in FILES]) == len(FILES) - len(there)
        assert "urbansound8k is in" in done.stdout


def test_a_key_that_may_only_read_is_refused_before_anything_is_fetched(earmark, container, read_only):
    with serving(Site(TAR)) as site:
        done = earmark(
            "fetch", "urbansound8k", f"az://{container}/us8k", "--mirror", f"{site.url}/x",
            "--checksum", sha256(TAR), code=1, env_more=read_only(container),
        )  # fmt: skip
        assert site.asked == []
    assert done.stderr.strip().endswith(
        f"az://{container}/us8k cannot be written: Permission denied (the key or token that we have does not allow it:"
        " AuthorizationPermissionMismatch)."
    )


def test_a_container_that_is_not_there(earmark, storage):
    with serving(Site(TAR)) as site:
        done = earmark(
            "fetch", "urbansound8k", "az://not-there-yet/us8k", "--mirror", f"{site.url}/x", "--checksum", sha256(TAR),
            code=1,
        )  # fmt: skip
        assert site.asked == []
    assert done.stderr.strip().endswith(
        "az://not-there-yet/us8k cannot be written: there is no such container or bucket. Make it first, or give"
        " another DEST."
    )
