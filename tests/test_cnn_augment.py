"""What is done to a clip before the network sees it, and what each of these things must leave as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from earmark.models.cnn import Cnn

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'earmark[torch]'")

from earmark.train.cnn import augment, clips, network  # noqa: E402

CPU = torch.device("cpu")
PLAIN = Cnn(window=16, mixup=0, background=0, equalizer=0, band_limit=0, mask=0)


def drawn(settings=PLAIN, n=400, bands=20, seed=1):
    frames = np.full(n, 50)
    return augment.draw(settings, [seed, 3, 0, 0], frames, frames, 16, bands)


def some(n=3, frames=16, bands=20):
    return torch.from_numpy(np.random.default_rng(0).normal(-50, 10, (n, frames, bands)).astype(np.float32))


@pytest.mark.parametrize("kind", [clips.Bank, clips.Gathered])
def test_a_window_is_a_rotation_of_the_clip(kind):
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(frames, 4)).astype(np.float16).astype(np.float32) for frames in (1, 5, 9)]
    rows, frames = np.array([2, 0, 1]), np.array([9, 1, 5])
    held = kind(values, rows, frames, 100, CPU)
    windows = held.windows(np.array([0, 1, 2, 2]), np.array([4, 0, 3, 0]), 9).numpy()
    assert np.array_equal(windows[0], np.roll(values[2], -4, axis=0))
    assert np.array_equal(windows[1], np.repeat(values[0], 9, axis=0))
    assert np.array_equal(windows[2], np.concatenate([values[1][3:], values[1], values[1]])[:9])
    assert np.array_equal(windows[3, :5], values[1])


def test_plain_settings_change_nothing():
    draws, inputs = drawn(), some()
    assert (draws.share == 1).all()
    assert (draws.curve == 0).all()
    assert (draws.hidden_frames[:, 0] == draws.hidden_frames[:, 1]).all()
    untouched = augment.filtered(inputs, torch.from_numpy(draws.curve[:3]))
    assert torch.equal(untouched, inputs)
    assert torch.equal(
        augment.hidden(
            inputs[:, None], *(torch.from_numpy(s[:3]) for s in (draws.hidden_frames, draws.hidden_bands))
        ),
        inputs[:, None],
    )
    blended = augment.blend(inputs, some() + 5, torch.from_numpy(draws.below[:3]))
    torch.testing.assert_close(blended, inputs)


@pytest.mark.parametrize("kind", [clips.Bank, clips.Gathered])
def test_clips_are_no_deeper_than_they_are_to_be(kind):
    values = [np.array([[-10, -90], [-75, -30]], np.float32), np.array([[-70, -120]], np.float32)]
    held = kind(values, np.arange(2), np.array([2, 1]), 50, CPU)
    assert held.windows(np.array([0]), np.array([0]), 2)[0].tolist() == [[-10, -60], [-60, -30]]
    assert held.windows(np.array([1]), np.array([0]), 1)[0].tolist() == [[-70, -120]]
    level = values[0].clip(-60)
    level = level - 10 * np.log10(np.mean(10 ** (level / 10)))
    mean, scale = clips.band_statistics(values, np.array([0]), 50)
    np.testing.assert_allclose(mean, level.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(scale, 1 / level.std(axis=0), atol=1e-4)


def test_the_second_view_has_no_colour():
    inputs = some()
    coloured = inputs + torch.linspace(-20, 20, 20)
    own = network.views(inputs)
    assert torch.equal(own[:, 0], inputs)
    torch.testing.assert_close(own[:, 1].mean(1), torch.zeros(3, 20), atol=1e-4, rtol=0)
    torch.testing.assert_close(network.views(coloured)[:, 1], own[:, 1], atol=1e-4, rtol=0)


def test_windows_begin_anywhere():
    starts = drawn().starts
    assert starts.min() < 5
    assert starts.max() >= 45
    assert starts.max() < 50


def test_levelled_has_no_loudness_and_keeps_everything_else():
    inputs = some()
    level = network.levelled(inputs)
    torch.testing.assert_close((10 ** (level / 10)).mean((1, 2)), torch.ones(3))
    offset = inputs - level
    torch.testing.assert_close(offset, offset[:, :1, :1].expand_as(offset))  # one gain a clip
    torch.testing.assert_close(network.levelled(inputs - 12), level, atol=1e-4, rtol=0)


def test_a_blend_is_the_sum_of_the_powers():
    one, other = some(), some().flip(0)
    below = torch.tensor([0.0, 6.0, 20.0])
    power = 10 ** (one / 10) + 10 ** ((other - below[:, None, None]) / 10)
    torch.testing.assert_close(augment.blend(one, other, below), 10 * power.log10())


def test_the_louder_clip_keeps_the_larger_share_of_the_label():
    draws = drawn(replace(PLAIN, mixup=1.0))
    assert (draws.share >= 0.5).all()
    amplitudes = 10 ** (-draws.below / 20)
    np.testing.assert_allclose(draws.share, 1 / (1 + amplitudes), atol=1e-4)
    assert 0.6 < draws.share.mean() < 1


def test_background_leaves_the_label_alone():
    draws = drawn(replace(PLAIN, background=0.5))
    assert (draws.share == 1).all()
    heard = draws.below < 100
    assert 0.4 < heard.mean() < 0.6
    assert draws.below[heard].min() >= 5
    assert draws.below[heard].max() <= 20


def test_the_equalizer_is_smooth_of_the_strength_asked_for_and_constant_over_time():
    curve = drawn(replace(PLAIN, equalizer=4.0), n=2000, bands=64).curve
    assert 2.5 < curve.std() < 4.5
    assert np.abs(np.diff(curve, axis=1)).max() < 4  # neighbouring bands, of ±12 dB in all
    inputs = some()
    change = augment.filtered(inputs, torch.from_numpy(curve[:3, :20])) - inputs
    quiet = inputs < inputs.amin((1, 2), keepdim=True) + 15  # what the floor may have held
    spread = torch.where(quiet, change[:, :1], change)
    assert (change.std(dim=1) < 8).all()
    torch.testing.assert_close(
        spread[~quiet], torch.from_numpy(curve[:3, None, :20]).expand_as(change)[~quiet], atol=1e-4, rtol=0
    )


def test_a_band_limit_takes_both_ends_and_never_the_middle():
    curve = drawn(replace(PLAIN, band_limit=1.0), bands=64).curve
    assert (curve <= 0).all()
    assert (curve[:, 13:28] == 0).all()  # 0.2 to 0.45 of the bands
    assert (curve[:, 0] < -20).mean() > 0.8
    assert (curve[:, -1] < -20).mean() > 0.8
    assert curve.min() == -80
    assert (drawn(replace(PLAIN, band_limit=0.3), bands=64).curve.any(axis=1).mean() - 0.3) < 0.1


def test_filters_do_not_reach_below_what_the_clip_has():
    inputs = some()
    floor = inputs.amin((1, 2))
    assert torch.equal(augment.filtered(inputs, torch.full((3, 20), -200.0)).amax((1, 2)), floor)


def test_masks_hide_one_span_of_frames_and_one_of_bands():
    inputs = torch.ones(1, 2, 16, 20)
    both = augment.hidden(inputs, torch.tensor([[3, 5]]), torch.tensor([[0, 1]]))[0]
    shown = both[0]
    assert torch.equal(both[1], shown)
    assert (shown[3:5] == 0).all()
    assert (shown[:, 0] == 0).all()
    assert shown.sum() == 14 * 19
    draws = drawn(replace(PLAIN, mask=0.25))
    for spans, length in ((draws.hidden_frames, 16), (draws.hidden_bands, 20)):
        sizes = spans[:, 1] - spans[:, 0]
        assert sizes.min() == 0
        assert sizes.max() == length // 4
        assert spans.min() >= 0
        assert spans.max() <= length


def test_what_is_drawn_follows_from_the_seeds_alone():
    settings = Cnn()
    one, two, other = drawn(settings), drawn(settings), drawn(settings, seed=2)
    for name in augment.Draws.__slots__:
        assert np.array_equal(getattr(one, name), getattr(two, name))
        assert not np.array_equal(getattr(one, name), getattr(other, name))


def test_bands_come_to_mean_0_and_deviation_1_and_one_that_never_changes_to_0():
    rng = np.random.default_rng(0)
    values = [rng.normal(-50, 4, (30, 6)).astype(np.float32) for _ in range(20)]
    mean, scale = clips.band_statistics(values, np.arange(20), 100)
    level = network.levelled(torch.from_numpy(np.stack(values))).numpy()
    seen = (level - mean) * scale
    np.testing.assert_allclose(seen.mean((0, 1)), 0, atol=1e-3)
    np.testing.assert_allclose(seen.std((0, 1)), 1, atol=1e-3)
    silent = [np.full((30, 6), -100, np.float32)] * 4
    assert (clips.band_statistics(silent, np.arange(4), 100)[1] == 0).all()
