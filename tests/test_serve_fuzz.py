"""What no good client sends: no 500, no memory kept, and the server answers afterwards as before."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from serving import serving
from surroundings import ROOT

COUNT = 300


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import serve_fuzz

    return SimpleNamespace(**vars(serve_fuzz))


@pytest.mark.slow
def test_no_request_brings_it_down(tone_model, fuzz):
    rng, files = np.random.default_rng(0), fuzz.good_files()
    with serving(tone_model, "--seconds", 60, "--body", 8, "--patience", 1, "--workers", 2) as server:
        for good in files * 2:
            assert server.predict(good).status == 200
        first = server.predict(files[0]).json
        for number in range(COUNT):
            if number == COUNT // 2:  # what is loaded for each format is loaded
                before = server.resident()
            one = fuzz.spoilt(rng, files)
            status = fuzz.send(server.port, one.data)
            assert status != 500, (number, one.kind)
        assert server.predict(files[0]).json == first
        assert server.resident() - before < 50
    assert not [line for line in server.lines if "Traceback" in line]
    made = np.random.default_rng(0)
    assert {fuzz.spoilt(made, files).kind for _ in range(COUNT)} == {kind for kind, _ in fuzz.MISCHIEF}
