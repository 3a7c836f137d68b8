"""Each part of the statistics against librosa, and what must hold for any sound."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import SettingError
from earmark.features import Mfcc, Stats, feature_from_dict, kept_feature
from earmark.features.change import LAGS, changes, correlations, groups_of
from earmark.features.spectral import hear
from earmark.features.stats import whole_frames
from earmark.types import Waveform
from test_features import CLIPS, RATE, clips

OTHERS = [
    {},
    {"n_fft": 1_024, "hop_length": 256, "n_mels": 40, "n_mfcc": 13},
    {"n_fft": 30, "hop_length": 30, "n_mels": 4, "n_mfcc": 4},
]


@pytest.fixture(scope="module")
def librosa():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import librosa
    return librosa


def parts(values, feature):
    """Return the vector by name, each part [dims]."""
    mels, mfcc = feature.n_mels, feature.n_mfcc
    sizes = {"mel_mean": mels, "mel_std": mels}
    sizes |= dict.fromkeys(("mfcc_mean", "mfcc_std"), mfcc)
    groups = groups_of(mels)
    if feature.version == 1:
        sizes |= {"delta_mean": mfcc, "delta_std": mfcc}
    else:
        sizes |= {"delta_std": mfcc, "changes": len(LAGS) * mfcc, "correlations": groups * (groups - 1) // 2}
    sizes |= {"shape_mean": 4, "shape_std": 4, "level_mean": 2, "level_std": 2}
    ends = np.cumsum(list(sizes.values()))
    assert ends[-1] == len(values) == feature.dims
    return dict(zip(sizes, np.split(values, ends[:-1]), strict=True))


def ours(samples, **settings):
    feature = Stats(**settings)
    return parts(feature.extract(Waveform(np.asarray(samples, np.float32), RATE)), feature)


def their_course(librosa, samples, n_fft=2_048, hop_length=512, n_mels=128, n_mfcc=20):
    """Return librosa's log-mel, MFCC, shape and level, each [frames, dims]."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # n_fft is too large for the clip; empty filters
        lengths = {"n_fft": n_fft, "hop_length": hop_length}
        power = np.abs(librosa.stft(samples, **lengths)) ** 2
        mel = librosa.power_to_db(librosa.feature.melspectrogram(S=power, sr=RATE, n_mels=n_mels))
        shape = [
            librosa.feature.spectral_centroid(S=power, sr=RATE),
            librosa.feature.spectral_bandwidth(S=power, sr=RATE),
            librosa.feature.spectral_rolloff(S=power, sr=RATE, roll_percent=0.85),
            librosa.feature.spectral_flatness(S=power, power=1.0),
        ]
        window = {"frame_length": n_fft, "hop_length": hop_length}
        level = [
            20 * np.log10(np.maximum(librosa.feature.rms(y=samples, **window), 1e-5)),
            librosa.feature.zero_crossing_rate(samples, **window),
        ]
    mfcc = librosa.feature.mfcc(S=mel, n_mfcc=n_mfcc)
    return [x.T.astype(np.float64) for x in (mel, mfcc, np.concatenate(shape), np.concatenate(level))]


def their_changes(course):
    """As the definition says, one pair of frames after another."""
    steps = [min(lag, len(course) - 1) for lag in LAGS]
    pairs = [[course[i + step] - course[i] for i in range(len(course) - step)] for step in steps]
    return np.concatenate([np.sqrt(np.mean(np.square(each), axis=0)) for each in pairs])


def their_correlations(decibels):
    groups = groups_of(decibels.shape[1])
    begins = [g * decibels.shape[1] // groups for g in range(groups + 1)]
    level = [decibels[:, a:b].mean(axis=1) for a, b in itertools.pairwise(begins)]
    return [
        np.mean((x - x.mean()) * (y - y.mean())) / np.sqrt((x.var() + 1) * (y.var() + 1))
        for x, y in itertools.combinations(level, 2)
    ]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("settings", OTHERS, ids=str)
@pytest.mark.parametrize("name", CLIPS)
def test_every_part_equals_librosa(librosa, name, settings, version):
    samples = clips()[name]
    found = ours(samples, version=version, **settings)
    frames = slice(None)
    if version == 2:
        frames = whole_frames(len(samples), settings.get("n_fft", 2_048), settings.get("hop_length", 512))
    mel, mfcc, shape, level = (course[frames] for course in their_course(librosa, samples, **settings))
    # Hz and shares: the roll-off may fall into the bin beside, where the sum just meets its share.
    bin_width = RATE / settings.get("n_fft", 2_048)
    places = np.array([0.2, 0.5, 0.5 * bin_width, 1e-3])
    expected = {
        "mel_mean": (mel.mean(axis=0), 1e-2),
        "mel_std": (mel.std(axis=0), 1e-2),
        "mfcc_mean": (mfcc.mean(axis=0), 1e-2),
        "mfcc_std": (mfcc.std(axis=0), 1e-2),
        "shape_mean": (shape.mean(axis=0), places),
        "shape_std": (shape.std(axis=0), places),
        "level_mean": (level.mean(axis=0), 1e-3),
        "level_std": (level.std(axis=0), 1e-3),
    }
    if version == 2:
        expected["changes"] = (their_changes(mfcc), 1e-2)
        expected["correlations"] = (their_correlations(mel), 1e-3)
    for part, (values, allowed) in expected.items():
        assert (np.abs(found[part] - values) <= allowed).all(), (part, found[part], values)


@pytest.mark.parametrize("name", CLIPS)
def test_the_cepstrum_is_that_of_mfcc(name):
    samples = clips()[name]
    found = ours(samples, version=1)
    each = ("mean", "std", "delta_mean", "delta_std")
    mfcc = Mfcc(n_mfcc=20, statistics=each).extract(Waveform(samples, RATE))
    together = np.concatenate([found[n] for n in ("mfcc_mean", "mfcc_std", "delta_mean", "delta_std")])
    np.testing.assert_allclose(together, mfcc, rtol=0, atol=1e-4)


def test_silence_has_the_values_that_are_promised():
    found = ours(np.zeros(RATE))
    assert found["mel_mean"].tolist() == pytest.approx([-100] * 128)
    assert found["shape_mean"].tolist() == [0, 0, 0, 1]
    assert found["level_mean"].tolist() == pytest.approx([-100, 0])
    for part in ("mel_std", "mfcc_std", "delta_std", "changes", "correlations", "shape_std", "level_std"):
        assert np.allclose(found[part], 0, atol=1e-3), part


def test_a_tone_lies_where_it_is():
    tone = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(4 * RATE) / RATE)
    found = ours(tone)
    centroid, bandwidth, rolloff, flatness = found["shape_mean"]
    assert centroid == pytest.approx(1_000, abs=2)
    assert bandwidth < 20
    assert rolloff == pytest.approx(1_000, abs=RATE / 2_048)
    assert flatness < 1e-3
    assert found["level_mean"][0] == pytest.approx(20 * np.log10(0.5 / 2**0.5), abs=0.1)
    assert found["level_mean"][1] == pytest.approx(2 * 1_000 / RATE, rel=0.01)


def test_noise_is_flat_and_a_tone_is_not():
    sounds = clips()
    assert ours(sounds["noise"])["shape_mean"][3] > 0.4 > 0.01 > ours(sounds["tone"])["shape_mean"][3]


def test_a_frame_of_silence_inside_a_sound_counts_as_promised():
    samples = clips()["burst in digital silence"]
    heard = hear(samples, Stats().spectrum, 80.0, needs_shape=True)
    silent = heard.shape[0]
    assert silent.tolist() == [0, 0, 0, 1]


@given(
    length=st.integers(1, 5_000),
    level=st.sampled_from([0.0, 1e-30, 1e-12, 1e-3, 1.0, 1e6, 1e12]),
    offset=st.sampled_from([0.0, 1e-6, 1.0]),
    zeros=st.integers(0, 3_000),
    seed=st.integers(0, 2**31),
    version=st.sampled_from([1, 2]),
)
@settings(deadline=None, max_examples=200)
def test_finite_for_any_sound(length, level, offset, zeros, seed, version):
    samples = level * (offset + np.random.default_rng(seed).uniform(-1, 1, length))
    samples[:zeros] = 0
    feature = Stats(version=version)
    values = feature.extract(Waveform(samples.astype(np.float32), RATE))
    assert np.isfinite(values).all()
    found = parts(values, feature)
    assert (found["shape_mean"][:3] >= 0).all()
    assert (found["shape_mean"][:3] <= RATE / 2 + 1e-2).all()
    assert 0 <= found["shape_mean"][3] <= 1
    assert 0 <= found["level_mean"][1] <= 1
    for part in ("mel_std", "mfcc_std", "delta_std", "shape_std", "level_std"):
        assert (found[part] >= 0).all()
    if version == 2:
        assert (found["changes"] >= 0).all()
        assert (np.abs(found["correlations"]) <= 1 + 1e-6).all()


@given(gain=st.floats(0.05, 20), seed=st.integers(0, 1_000))
@settings(deadline=None, max_examples=40)
def test_a_gain_moves_levels_and_nothing_else(gain, seed):
    samples = 0.1 * np.random.default_rng(seed).standard_normal(20_000)
    before, after = ours(samples), ours(gain * samples)
    step = 20 * np.log10(gain)
    np.testing.assert_allclose(after["mel_mean"], before["mel_mean"] + step, rtol=0, atol=1e-3)
    np.testing.assert_allclose(after["level_mean"], before["level_mean"] + [step, 0], rtol=0, atol=1e-3)
    np.testing.assert_allclose(after["mfcc_mean"][1:], before["mfcc_mean"][1:], rtol=0, atol=1e-3)
    np.testing.assert_allclose(after["shape_mean"], before["shape_mean"], rtol=1e-3)
    for part in ("mel_std", "mfcc_std", "delta_std", "changes", "correlations", "level_std"):
        np.testing.assert_allclose(after[part], before[part], rtol=0, atol=1e-3, err_msg=part)


def test_keeps_no_time():
    feature = Stats(n_mels=40, n_mfcc=13)
    assert (feature.course, feature.storage, feature.dims) == (False, "float32", 80 + 9 * 13 + 120 + 12)
    assert Stats(n_mels=40, n_mfcc=13, version=1).dims == 80 + 52 + 12


@pytest.mark.parametrize("seconds", [0.7, 1.0, 2.0])
def test_a_part_of_a_steady_sound_looks_like_the_whole(seconds):
    """Nothing grows or shrinks with length: noise that goes on is the same kind of sound for a second as for eight."""
    samples = 0.1 * np.random.default_rng(3).standard_normal(8 * RATE)
    whole, part = ours(samples), ours(samples[RATE : RATE + round(seconds * RATE)])
    for name in ("mel_mean", "mel_std", "mfcc_mean", "mfcc_std", "delta_std", "changes", "level_mean"):
        spread = {"mel_mean": 1.5, "mel_std": 1.5, "changes": 2.5, "mfcc_mean": 2, "mfcc_std": 1.5}.get(
            name, 0.6
        )
        near = np.abs(part[name] - whole[name]).mean()
        assert near < spread / np.sqrt(seconds), (name, near)


@given(samples=st.integers(1, 9_000), half=st.integers(8, 1_500), hop=st.integers(1, 3_000))
def test_whole_frames_are_those_that_lie_within(samples, half, hop):
    n_fft = 2 * half
    hop = min(hop, n_fft)
    centres = np.arange(1 + samples // hop) * hop
    within = np.flatnonzero((centres >= half) & (centres + half <= samples))
    found = np.arange(len(centres))[whole_frames(samples, n_fft, hop)]
    if len(within):
        assert found.tolist() == within.tolist()
    else:
        assert len(found) == 1
        assert np.abs(centres - samples / 2).min() == np.abs(centres[found[0]] - samples / 2)


def test_changes_and_correlations_of_one_frame_are_nothing():
    one = np.ones((1, 40), np.float32)
    assert not changes(one).any()
    assert not correlations(one).any()


def test_a_sound_that_repeats_does_not_change_over_its_period():
    course = np.tile([[0.0], [1.0], [2.0], [3.0]], (20, 1)).astype(np.float32)
    by_lag = dict(zip(LAGS, changes(course).tolist(), strict=True))
    assert [by_lag[lag] for lag in (4, 8, 16, 32)] == [0, 0, 0, 0]
    assert by_lag[2] == 2


def test_settings_kept_without_a_version_mean_the_first():
    old = {"name": "stats", "n_mels": 40, "n_mfcc": 13}
    assert kept_feature(old) == Stats(n_mels=40, n_mfcc=13, version=1)
    assert kept_feature({**old, "version": 2}) == feature_from_dict(old) == Stats(n_mels=40, n_mfcc=13)
    assert kept_feature({"name": "mfcc"}) == Mfcc()


def test_settings_that_cannot_work():
    told = r"^\[feature\] n_mfcc is 41, but must be from 1 to n_mels \(40\)\.$"
    with pytest.raises(SettingError, match=told):
        Stats(n_mfcc=41, n_mels=40)


def test_without_the_shape_it_cannot_work():
    feature = Stats()
    heard = hear(np.ones(100, np.float32), feature.spectrum, 80.0, needs_shape=False)
    with pytest.raises(ValueError, match=r"^stats needs the shape of the spectrum$"):
        feature.summarise(heard)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (0, "Allowed: 1, 2."),
        (3, "Allowed: 1, 2."),
        ("2", "Allowed: 1, 2."),
        (1.0, "but must be 1 or 2."),
        (True, "Allowed: 1, 2."),
    ],
)
def test_versions_that_there_are_none_of(version, said):
    with pytest.raises(SettingError) as caught:
        feature_from_dict({"name": "stats", "version": version})
    told = str(caught.value)
    assert told.startswith(f"[feature] version is {version!r}")
    assert said in told
