"""SIGKILL of `earmark fetch`, ten times at random moments: the file is right, and no byte that was written comes twice.

What a server has handed to the network when its client dies is lost to both; how much that is, the systems' buffers
decide. So the server here sends no faster than the client reads, from a small buffer, and every byte that it sends is
counted: what is in the client's hands, and not yet in its file, is all that a kill may cost.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time

import pytest

from earmark.fetch import DATASETS
from earmark.fetch.download import CHUNK
from earmark.fetch.place import Workplace
from test_fetch import below, packed, sha256
from web_site import PIECE, Site, serving

KILLS = 10
SIZE = 8 * 2**20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL"),
]


@pytest.mark.parametrize("seed", [0])
def test_killed_ten_times_at_random_moments(earmark, tmp_path, seed):
    rng = random.Random(seed)
    files = {"recordings/0_theo_0.wav": rng.randbytes(SIZE), "README.md": b"read me"}
    body, dest = packed("x.zip", files), tmp_path / "set"
    part = Workplace(dest).folder / f"{DATASETS['fsdd'].file}.part"
    with serving(Site(body, pace=PIECE / 4e6)) as site:  # 4 MB/s
        arguments = ["fetch", "fsdd", dest, "--mirror", f"{site.url}/x", "--checksum", sha256(body)]
        kept = [0]
        for _ in range(KILLS):
            asked = len(site.asked)
            run = subprocess.Popen(
                [sys.executable, "-m", "earmark", *map(str, arguments), "--progress", "none"]
            )
            deadline = time.monotonic() + 60
            while (
                len(site.asked) == asked
            ):  # moments before it has asked for anything would be nothing to survive
                assert time.monotonic() < deadline
                time.sleep(0.001)
            time.sleep(rng.uniform(0.0, 0.15))
            run.kill()
            run.wait()
            assert not dest.exists()
            kept.append(part.stat().st_size if part.exists() else 0)
        done = earmark(*arguments)
    assert below(dest) == files
    assert f"Archive  {sha256(body)} (as expected)" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["set"]
    assert site.starts == kept, "each run goes on with the very byte after the last one that was written"
    assert len(set(kept)) > KILLS / 2, "the kills met it at different places"
    assert kept[-1] < len(body)
    assert len(body) <= site.sent <= len(body) + KILLS * CHUNK


def test_killed_while_it_unpacks(earmark, tmp_path):
    files = {f"recordings/{i % 10}_theo_{i // 10}.wav": bytes(100) for i in range(3000)}
    body, dest = packed("x.zip", files), tmp_path / "set"
    tree = Workplace(dest).tree
    with serving(Site(body)) as site:
        arguments = ["fetch", "fsdd", dest, "--mirror", f"{site.url}/x"]
        run = subprocess.Popen([sys.executable, "-m", "earmark", *map(str, arguments), "--progress", "none"])
        deadline = time.monotonic() + 60
        while not (tree / "some-folder" / "recordings" / "9_theo_9.wav").exists():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        run.kill()
        run.wait()
        assert not dest.exists()
        assert tree.exists()
        earmark(*arguments)
        assert site.starts == [0]
    assert below(dest) == files
    assert [p.name for p in tmp_path.iterdir()] == ["set"]
