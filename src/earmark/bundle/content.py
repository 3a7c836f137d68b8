"""What a bundle holds, as nouns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from earmark.decide import Decision, Reference
from earmark.decide.blend import Share
from earmark.encoders import get, remember
from earmark.events import Events
from earmark.features import Encoder
from earmark.types import Feature, FloatArray, Waveform


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """A test sound and what it must give.

    Parameters
    ----------
    waveform
        At the feature's rate.
    probabilities
        float32[labels].
    """

    waveform: Waveform
    probabilities: FloatArray


@dataclass(frozen=True, slots=True)
class Member:
    """One network of a classifier.

    Parameters
    ----------
    feature
        The settings of its front end.
    model
        Name and settings of the network, for the record.
    network
        ONNX: ``features`` float32[n, dims], or float32[n, frames, dims] where the feature keeps time, to ``logits``
        float32[n, labels].
    share
        What its scores count in a blend.
    """

    feature: Feature
    model: dict[str, Any] = field(hash=False)
    network: bytes
    share: Share = field(default_factory=Share)


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A trained classifier and everything needed to use and to judge it.

    Parameters
    ----------
    labels
        In the order of the networks' outputs.
    members
        Its networks: one, or those of a blend.
    golden
        The self-test.
    provenance
        Data fingerprint, split rule, train-group hashes, versions, seed and scores.
    decision
        How the scores become probabilities and answers.
    reference
        What familiarity is measured by; there is one where the decision has a familiarity.
    encoders
        The weights of the features' encoders, each once, in their order; by default those of this machine.
    events
        How long recordings are heard.
    """

    labels: tuple[str, ...]
    members: tuple[Member, ...]
    golden: tuple[Golden, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    decision: Decision = field(default_factory=Decision)
    reference: Reference | None = None
    encoders: tuple[bytes, ...] = ()
    events: Events = field(default_factory=Events)

    def __post_init__(self) -> None:
        if not self.encoders:
            object.__setattr__(self, "encoders", tuple(get(name) for name in encoder_names(self.features)))
        for weights in self.encoders:
            remember(weights)

    @property
    def features(self) -> tuple[Feature, ...]:
        """What each network hears."""
        return tuple(member.feature for member in self.members)

    @property
    def feature(self) -> Feature:
        """What the first network hears; clips are compared by it."""
        return self.members[0].feature


def group_hash(group: str) -> str:
    """Return what stands for a training group in a bundle: names may be private, recognising them must be possible.

    >>> group_hash("101415")
    'd3b7a7b25255789a'
    """
    return hashlib.blake2b(group.encode(), digest_size=8).hexdigest()


def encoder_names(features: Iterable[Feature]) -> list[str]:
    """Return the hashes of the weights that features are made with, each once.

    >>> from earmark.features import Mfcc
    >>> encoder_names([Mfcc(), Encoder(sha256="ab"), Encoder(sha256="ab", pooled="mean")])
    ['ab']
    """
    return list(dict.fromkeys(feature.sha256 for feature in features if isinstance(feature, Encoder)))
