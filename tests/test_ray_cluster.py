"""`earmark extract` on a cluster of two nodes that are killed: every row exactly once, to the bit as without them."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from surroundings import ROOT

CLIPS = 640

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not find_spec("ray"), reason="Ray is not installed: pip install 'earmark[ray]'"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="a node's processes are found in /proc"),
]


@pytest.fixture(scope="module")
def proof():
    """The benchmark's modules: what it measures is what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "bench"))
        import cluster
        import cluster_nodes

        yield SimpleNamespace(extract=cluster, nodes=cluster_nodes)
        for name in ("cluster", "cluster_nodes"):
            del sys.modules[name]


def test_whatever_dies_every_row_is_there_once(proof, tmp_path):
    data = proof.extract.make(tmp_path / "data", CLIPS)
    wanted = proof.extract.rows(proof.extract.Extract(data, tmp_path / "local").finish())
    assert len(wanted) == CLIPS
    with proof.nodes.Cluster(separate=False) as cluster:
        nodes = [cluster.add(), cluster.add()]
        cluster.wait(3)
        killed = proof.extract.driver_killed(data, tmp_path / "driver", cluster)
        proof.extract.same(proof.extract.rows(killed), wanted)
        broken = proof.extract.kills(data, tmp_path / "nodes", cluster, nodes)
        proof.extract.same(proof.extract.rows(broken), wanted)
        pids = [pid for node in cluster.nodes for pid in node.processes()]
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}/exe")]  # noqa: PTH110
