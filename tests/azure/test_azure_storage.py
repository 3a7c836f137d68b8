"""az:// by the real client, against Azurite over TLS."""

from __future__ import annotations

import pytest

fsspec = pytest.importorskip("fsspec")


class TestReading:
    def test_what_is_put_comes_back(self, container):
        system, top = fsspec.core.url_to_fs(f"az://{container}/sounds")
        content = bytes(range(256)) * 1_000
        system.pipe_file(f"{top}/dog 1.wav", content)
        assert system.cat_file(f"{top}/dog 1.wav") == content
        assert system.find(top) == [f"{container}/sounds/dog 1.wav"]
