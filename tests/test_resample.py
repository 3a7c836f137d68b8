"""Both resamplers against the packages whose names they bear, and whatever could make one call disturb another."""

import importlib
import math
import threading
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio import RESAMPLERS, resample, scratch
from earmark.errors import UnknownNameError

# The module; the package has a function of the same name.
kernel = importlib.import_module("earmark.audio.resample")

RATES = [4_000, 8_000, 11_025, 11_127, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000, 500_000]
TARGETS = [22_050, 16_000]
LENGTHS = [1, 2, 50, 1_000, 44_099, 44_100, 44_101]


@pytest.fixture(scope="module")
def librosa_resample():
    """`librosa.resample`, or None for the short sounds that resampy refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import librosa

    def call(samples, rate, target, method):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if method == "kaiser_fast" and int(len(samples) * (target / rate)) < 1:
                with pytest.raises(ValueError, match="too small to resample"):
                    librosa.resample(samples, orig_sr=rate, target_sr=target, res_type=method)
                return None
            return librosa.resample(samples, orig_sr=rate, target_sr=target, res_type=method)

    return call


def sound(length, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, length).astype(np.float32)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("method", sorted(RESAMPLERS))
def test_equals_librosa(librosa_resample, method, rate, target):
    for length in LENGTHS:
        samples = sound(length)
        ours = resample(samples, rate, target, method)
        assert ours.dtype == np.float32
        assert len(ours) == math.ceil(length * target / rate)
        assert np.isfinite(ours).all()
        theirs = librosa_resample(samples, rate, target, method)
        if theirs is None:
            continue
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("method", sorted(RESAMPLERS))
def test_a_tone_keeps_its_pitch_and_level(method):
    t = np.arange(44_100) / 44_100
    ours = resample(np.sin(2 * np.pi * 1_000 * t).astype(np.float32), 44_100, 22_050, method)
    expected = np.sin(2 * np.pi * 1_000 * np.arange(22_050) / 22_050)
    np.testing.assert_allclose(ours[200:-200], expected[200:-200], atol=2e-3)


@pytest.mark.parametrize("method", sorted(RESAMPLERS))
def test_what_the_new_rate_cannot_hold_is_removed(method):
    t = np.arange(44_100) / 44_100
    ours = resample(np.sin(2 * np.pi * 15_000 * t).astype(np.float32), 44_100, 22_050, method)
    assert np.abs(ours[200:-200]).max() < 2e-3


@pytest.mark.parametrize("method", sorted(RESAMPLERS))
def test_the_same_rate_gives_the_same_samples(method):
    samples = sound(100)
    assert resample(samples, 22_050, 22_050, method) is samples


@pytest.mark.parametrize("rate", [22_050, 44_100])
def test_unknown_method(rate):
    with pytest.raises(UnknownNameError) as caught:
        resample(sound(10), rate, 22_050, "kaiser_fats")
    assert str(caught.value) == (
        "No resampler is called 'kaiser_fats'. There are: kaiser_fast, soxr_hq. Did you mean 'kaiser_fast'?"
    )


COMMON = st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000])


@given(
    method=st.sampled_from(sorted(RESAMPLERS)),
    rate=COMMON,
    target=COMMON,
    length=st.integers(0, 3_000),
    seed=st.integers(0, 2**32 - 1),
    a=st.floats(-2, 2),
    b=st.floats(-2, 2),
)
@settings(deadline=None, max_examples=100)
def test_linear_finite_and_of_the_right_length(method, rate, target, length, seed, a, b):
    x, y = sound(length, seed), sound(length, seed + 1)
    a, b = np.float32(a), np.float32(b)
    mixed = resample(a * x + b * y, rate, target, method)
    assert len(mixed) == math.ceil(length * target / rate)
    assert np.isfinite(mixed).all()
    apart = a * resample(x, rate, target, method) + b * resample(y, rate, target, method)
    np.testing.assert_allclose(mixed, apart, rtol=0, atol=2e-5)


@given(
    method=st.sampled_from(sorted(RESAMPLERS)),
    rate=st.integers(1, 20_000) | st.sampled_from([44_101, 500_000, 768_000]),
    target=st.sampled_from([1_000, 8_000, 22_050]),
    length=st.integers(0, 300),
)
@settings(deadline=None, max_examples=25)
def test_any_rate(method, rate, target, length):
    ours = resample(sound(length), rate, target, method)
    assert len(ours) == math.ceil(length * target / rate)
    assert np.isfinite(ours).all()


@pytest.mark.parametrize(("rate", "target"), [(768_000, 1_000), (1_000_000, 1_000), (1_000_000, 1_001)])
def test_the_steepest_ratios_that_a_file_and_a_feature_allow(rate, target):
    assert len(resample(sound(20_000), rate, target, "kaiser_fast")) == math.ceil(20_000 * target / rate)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("rate", [8_000, 11_025, 11_127, 32_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("length", [1, 7, 95, 96, 97, 1_000, 20_011])
def test_blocks_equal_gathering(rate, target, length):
    samples = sound(length)
    divisor = math.gcd(rate, target)
    up, down = target // divisor, rate // divisor
    n_out = length * target // rate
    blocks = kernel._by_blocks(samples, up, down, n_out)
    gathered = kernel._by_gather(samples, up, down, n_out)
    assert len(blocks) == len(gathered) == n_out
    np.testing.assert_allclose(blocks, gathered, rtol=0, atol=2e-6)


def test_both_ways_are_used(monkeypatch):
    used = []
    for name in ("_by_blocks", "_by_gather"):
        monkeypatch.setattr(kernel, name, lambda s, u, d, n, name=name: used.append(name) or s[:n])
    resample(sound(1_000), 44_100, 22_050, "kaiser_fast")
    resample(sound(1_000), 192_001, 22_050, "kaiser_fast")
    assert used == ["_by_blocks", "_by_gather"]


def test_a_long_sound_is_resampled_in_spans_and_gives_the_same(monkeypatch):
    samples = sound(100_003)
    for rate in (44_100, 48_000, 8_000, 11_127):
        whole = resample(samples, rate, 22_050, "kaiser_fast")
        for span in (1, 5_000, 40_000):
            monkeypatch.setattr(kernel, "_SPAN", span)
            np.testing.assert_allclose(
                resample(samples, rate, 22_050, "kaiser_fast"), whole, rtol=0, atol=1e-6
            )
        monkeypatch.undo()


@pytest.mark.parametrize("limit", [8_000_000, 0])
def test_no_more_memory_than_the_sound_itself(monkeypatch, limit):
    monkeypatch.setattr(kernel, "_LIMIT", limit)
    samples = np.zeros(2_000_000 if limit else 50_000, np.float32)
    rate = 48_000 if limit else 192_001
    resample(samples[:1_000], rate, 22_050, "kaiser_fast")
    tracemalloc.start()
    try:
        made = resample(samples, rate, 22_050, "kaiser_fast")
        assert tracemalloc.get_traced_memory()[1] < made.nbytes + 16 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("rate", "target"), [(192_001, 22_050), (44_100, 22_050), (4_000, 22_050)])
def test_filters_are_the_same_whether_kept_or_made_on_the_way(monkeypatch, rate, target):
    divisor = math.gcd(rate, target)
    up, down = target // divisor, rate // divisor
    samples = sound(5_000)
    n_out = 5_000 * target // rate
    kept = kernel._by_gather(samples, up, down, n_out)
    monkeypatch.setattr(kernel, "_LIMIT", 0)
    assert np.array_equal(kernel._by_gather(samples, up, down, n_out), kept)


# ── reused memory ───────────────────────────────────────────────────────────────────────────────────────────────


def poison():
    """Fill this thread's buffers with what would show in any result."""
    for buffer in scratch._local.__dict__.get("buffers", {}).values():
        buffer.fill(np.nan if buffer.dtype.kind == "f" else 99)


@pytest.mark.parametrize("method", sorted(RESAMPLERS))
def test_what_was_in_the_buffers_does_not_matter(method):
    cases = [
        (rate, length) for length in (5_000, 10, 44_100, 1, 333) for rate in (44_100, 48_000, 8_000, 11_127)
    ]
    first = [resample(sound(length), rate, 22_050, method) for rate, length in cases]
    for _ in range(2):
        for (rate, length), before in zip(cases, first, strict=True):
            poison()
            assert np.array_equal(resample(sound(length), rate, 22_050, method), before)
    for (rate, length), before in zip(reversed(cases), reversed(first), strict=True):
        assert np.array_equal(resample(sound(length), rate, 22_050, method), before)


def test_results_do_not_share_memory():
    first = resample(sound(1_000), 44_100, 22_050, "kaiser_fast")
    kept = first.copy()
    resample(sound(1_000, seed=1), 44_100, 22_050, "kaiser_fast")
    poison()
    assert np.array_equal(first, kept)


def test_the_input_is_only_read():
    samples = sound(1_000)
    samples.flags.writeable = False
    for method in RESAMPLERS:
        resample(samples, 44_100, 22_050, method)


def test_threads():
    kernel._kept_taps.cache_clear()
    kernel._blocks.cache_clear()
    cases = [
        (rate, length) for rate in (8_000, 44_100, 48_000, 96_000) for length in (100, 44_100, 9_999)
    ] * 8
    with ThreadPoolExecutor(8) as pool:
        together = list(
            pool.map(lambda case: resample(sound(case[1]), case[0], 22_050, "kaiser_fast"), cases)
        )
    for (rate, length), samples in zip(cases, together, strict=True):
        assert np.array_equal(samples, resample(sound(length), rate, 22_050, "kaiser_fast"))


class TestBorrow:
    def test_is_reused_and_grows(self):
        first = scratch.borrow("test.grow", 100, "float32")
        assert first.shape == (100,)
        assert first.dtype == np.float32
        assert np.shares_memory(first, scratch.borrow("test.grow", 110, "float32"))
        assert scratch.borrow("test.grow", 10_000, "float32").shape == (10_000,)
        assert scratch.borrow("test.grow", 0, "float32").shape == (0,)

    def test_names_kinds_and_threads_are_apart(self):
        mine = scratch.borrow("test.apart", 100, "float32")
        assert not np.shares_memory(mine, scratch.borrow("test.apart.too", 100, "float32"))
        theirs = []
        thread = threading.Thread(target=lambda: theirs.append(scratch.borrow("test.apart", 100, "float32")))
        thread.start()
        thread.join()
        assert not np.shares_memory(mine, theirs[0])
        assert scratch.borrow("test.apart", 100, "int16").dtype == np.int16

    def test_a_very_large_one_is_not_kept(self):
        size = scratch._KEEP_BYTES // 4 + 1
        first = scratch.borrow("test.large", size, "float32")
        assert not np.shares_memory(first, scratch.borrow("test.large", size, "float32"))
        assert "test.large" not in scratch._local.buffers
