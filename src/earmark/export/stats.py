"""The statistics of a clip as a graph."""

from __future__ import annotations

import numpy as np

from earmark.export.graph import FLOAT, WAVEFORM, SoundGraph
from earmark.export.moments import mean_of, moments, slope
from earmark.export.shape import shape
from earmark.export.spectrum import cut, frame_count, hear, padded
from earmark.features import Stats
from earmark.features.cepstrum import cosines
from earmark.features.change import LAGS, LEAST_VARIANCE, groups_of
from earmark.features.level import NO_SIGN
from earmark.features.mel import DECIBELS
from earmark.features.spectral import AMIN


def stats(graph: SoundGraph, feature: Stats) -> str:
    """Add what `Stats.summarise` does."""
    heard = hear(graph, feature)
    if feature.version == 1:
        first, last = "", ""
    else:
        first, last = _whole_frames(graph, feature.n_fft, feature.hop_length)

    def within(course: str) -> str:
        return graph.slice(course, first, last, 1) if first else course

    log_mel = within(heard.log_mel)
    decibels = graph.node("Mul", log_mel, np.array(DECIBELS))
    cepstrum = graph.node("MatMul", log_mel, cosines(feature.n_mfcc, feature.n_mels))
    sloping = moments(graph, slope(graph, cepstrum))
    over_time = (
        sloping
        if feature.version == 1
        else (sloping[1], *_changes(graph, cepstrum), _correlations(graph, decibels, feature.n_mels))
    )
    parts = (
        *moments(graph, decibels),
        *moments(graph, cepstrum),
        *over_time,
        *moments(graph, within(shape(graph, heard.power, feature.n_fft, feature.sample_rate))),
        *moments(graph, within(_loudness(graph, feature.n_fft, feature.hop_length))),
    )
    return graph.node("Concat", *parts, axis=1)


def _whole_frames(graph: SoundGraph, n_fft: int, hop: int) -> tuple[str, str]:
    """Add where the frames begin and end that `earmark.features.stats.whole_frames` names, int64[1] each."""
    samples, half, one = graph.size(WAVEFORM, 1), n_fft // 2, np.array([1])
    begin = -(-half // hop)
    last = graph.node("Div", graph.node("Sub", samples, np.array([half])), np.array([hop]))
    middle = graph.node("Div", graph.node("Add", samples, np.array([hop])), np.array([2 * hop]))
    none = graph.node("Less", last, np.array([begin]))
    first = graph.node("Where", none, middle, np.array([begin]))
    return first, graph.node("Add", graph.node("Where", none, middle, last), one)


def _changes(graph: SoundGraph, course: str) -> list[str]:
    """Add the root mean square change of each column over each lag, as `earmark.features.change.changes` has it."""
    count = graph.size(course, 1)
    longest = graph.node("Sub", count, np.array([1]))
    found = []
    for lag in LAGS:
        step = graph.node("Min", longest, np.array([lag]))
        pairs = graph.node("Sub", count, step)
        apart = graph.node("Sub", graph.slice(course, step, count, 1), graph.slice(course, 0, pairs, 1))
        found.append(
            graph.node(
                "Sqrt", graph.node("ReduceMean", graph.node("Mul", apart, apart), axes=[1], keepdims=0)
            )
        )
    return found


def _correlations(graph: SoundGraph, decibels: str, bands: int) -> str:
    """Add how groups of bands move together, as `earmark.features.change.correlations` has it."""
    groups = groups_of(bands)
    begins = np.arange(groups) * bands // groups
    group = np.searchsorted(begins, np.arange(bands), side="right") - 1
    member = group[:, None] == np.arange(groups)
    means = graph.node("MatMul", decibels, member / member.sum(axis=0))
    away = graph.node("Sub", means, mean_of(graph, means))
    count = graph.node("Cast", graph.size(decibels, 1), to=FLOAT)
    turned = graph.node("Transpose", away, perm=[0, 2, 1])
    together = graph.node("Div", graph.node("MatMul", turned, away), count)
    own = graph.node("ReduceMean", graph.node("Mul", away, away), axes=[1], keepdims=1)
    spread = graph.node("Sqrt", graph.node("Add", own, np.array(LEAST_VARIANCE)))
    scaled = graph.node(
        "Div", graph.node("Div", together, spread), graph.node("Transpose", spread, perm=[0, 2, 1])
    )
    above = np.flatnonzero(np.triu(np.ones((groups, groups), bool), 1))
    flat = graph.node("Reshape", scaled, np.array([0, groups * groups]))
    return graph.node("Gather", flat, above, axis=1)


def _loudness(graph: SoundGraph, n_fft: int, hop: int) -> str:
    """Add the level in dB and the share of samples at which the sign changes, float32[batch, frames, 2]."""
    count = frame_count(graph, hop)
    squares, at = cut(graph, padded(graph, n_fft), n_fft, hop, count)
    energy = _of_frames(graph, graph.node("Mul", squares, squares), at)
    power = graph.node("Max", graph.node("Div", energy, np.array(float(n_fft))), np.array(AMIN))
    level = graph.node("Mul", graph.node("Log", power), np.array(DECIBELS))
    below = graph.node("Cast", graph.node("Less", WAVEFORM, np.array(-NO_SIGN)), to=FLOAT)
    samples = graph.size(WAVEFORM, 1)
    others = graph.slice(below, 0, graph.node("Sub", samples, np.array([1])), 1)
    changed = graph.node("Abs", graph.node("Sub", graph.slice(below, 1, samples, 1), others))
    around = np.array([0, n_fft // 2 + 1, 0, n_fft // 2])
    pieces, _ = cut(graph, graph.node("Pad", changed, around, mode="constant"), n_fft, hop, count)
    # A frame's own first sample is compared with none.
    firsts = graph.slice(graph.node("Gather", pieces, graph.slice(at, 0, 1, 1), axis=1), 0, 1, 3)
    within = graph.node("Sub", _of_frames(graph, pieces, at), graph.node("Squeeze", firsts, np.array([2, 3])))
    share = graph.node("Div", within, np.array(float(n_fft)))
    both = [graph.node("Unsqueeze", value, np.array([2])) for value in (level, share)]
    return graph.node("Concat", *both, axis=2)


def _of_frames(graph: SoundGraph, pieces: str, at: str) -> str:
    """Add the sum of each frame's values, float32[batch, frames], of pieces summed once for all that share them."""
    sums = graph.node("ReduceSum", pieces, np.array([2]), keepdims=0)
    return graph.node("ReduceSum", graph.node("Gather", sums, at, axis=1), np.array([2]), keepdims=0)
