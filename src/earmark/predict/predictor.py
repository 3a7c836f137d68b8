"""`Predictor`: from sound to scores, and from scores to what is said."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from earmark.audio import decode, read_stream
from earmark.audio.condition import clipped, is_silent
from earmark.audio.length import seconds_of
from earmark.bundle import Bundle, read_bundle
from earmark.decide.blend import blended
from earmark.encoders import remember
from earmark.errors import AudioError, GoldenTestError, UnreadableAudioError
from earmark.features import extract_each
from earmark.features.summary import summary
from earmark.inputs import Inputs
from earmark.predict.paths import STDIN, here
from earmark.predict.session import open_session, run
from earmark.remote import Place
from earmark.types import FloatArray, Prediction, Waveform

if TYPE_CHECKING:
    from earmark.engine import Engine

TOLERANCE = 1e-4
UNKNOWN, SILENCE = "unlike anything heard in training", "silence"
_MANY = 9  # files that are worth processes of their own


@dataclass(frozen=True, slots=True, eq=False)
class Long:
    """A recording that is too long to be one clip.

    Parameters
    ----------
    path
        As it was given.
    seconds
        How long it is.
    waveform
        The sound, where it came in a way in which it cannot be had again.
    """

    path: str
    seconds: float
    waveform: Waveform | None = None


class Predictor:
    """A bundle, ready to score.

    Parameters
    ----------
    bundle
        As `read_bundle` or training gives it.
    self_test
        Run the golden sounds first, and refuse a bundle that does not keep its promises.

    Raises
    ------
    BundleFormatError
        When ONNX Runtime cannot load the network, or it does not fit the feature and the labels.
    GoldenTestError
        When the self-test fails.
    """

    def __init__(self, bundle: Bundle, self_test: bool = True) -> None:
        self.bundle = bundle
        for weights in bundle.encoders:  # in a worker too, to which it came by way of the engine
            remember(weights)
        self._sessions = [open_session(bundle, member) for member in bundle.members]
        if self_test:
            for i, golden in enumerate(bundle.golden):
                got = self.score_waveform(golden.waveform)
                worst = float(np.abs(got - golden.probabilities).max())
                if not worst <= TOLERANCE:
                    raise GoldenTestError(
                        f"The model's self-test failed: test sound {i} gives probabilities that differ by {worst:.2g} "
                        f"from the promised ones (at most {TOLERANCE:g} allowed). Do not use this file; get it anew."
                    )

    @classmethod
    def open(cls, path: Place) -> Predictor:
        """Read a bundle, here or at a URI, and make it ready."""
        return cls(read_bundle(path))

    def score(self, *inputs: Inputs) -> FloatArray:
        """Return calibrated probabilities float32[n, labels] for features; see `logits`.

        Raises
        ------
        BundleFormatError
            As `logits`.
        """
        return self.bundle.decision.probabilities(self.logits(*inputs))

    def logits(self, *inputs: Inputs) -> NDArray[np.float64]:
        """Return scores float64[n, labels] for what each network of the bundle is fed.

        Parameters
        ----------
        inputs
            For each of the bundle's `Bundle.features`: float32[n, dims], or a float32[frames, dims] a clip where
            the feature keeps time.

        Raises
        ------
        BundleFormatError
            When a network does not give one finite number a label.
        """
        members = self.bundle.members
        labels = len(self.bundle.labels)
        each = [run(*own, labels) for own in zip(self._sessions, members, inputs, strict=True)]
        if len(each) == 1:
            return each[0]
        return blended(each, [member.share for member in members], self.bundle.decision.exclusive)

    def familiarity(self, values: FloatArray, probabilities: FloatArray) -> NDArray[np.float64] | None:
        """Return how familiar clips with these features and probabilities are, float64[n], 0 to 1.

        ``values`` are summaries, float32[n, dims], of what the first network hears. ``None`` where the bundle cannot
        tell.
        """
        known, reference = self.bundle.decision.familiarity, self.bundle.reference
        if known is None or reference is None:
            return None
        return known.of(probabilities.max(axis=1), reference.distances(values))

    def score_waveform(self, waveform: Waveform) -> FloatArray:
        """Return probabilities float32[labels] for a mono waveform at any rate."""
        probabilities: FloatArray = self.score(*self._heard(waveform))[0]
        return probabilities

    def hear(self, name: str, waveform: Waveform) -> Prediction:
        """Score a sound that is in memory; ``name`` is the path in what is told of it."""
        return self._prediction(name, waveform)

    def activity(self, waveform: Waveform) -> FloatArray:
        """Return probabilities float32[labels] for a window of a recording; zeros where no label is to be said.

        That is so in silence, and where what is unlike anything heard in training is rejected.
        """
        decision = self.bundle.decision
        nothing = np.zeros(len(self.bundle.labels), np.float32)
        if is_silent(waveform.samples) and not decision.knows_silence:
            return nothing
        heard = self._heard(waveform)
        scores: FloatArray = self.score(*heard)
        known = decision.familiarity
        if known is not None and known.reject:
            familiar = self.familiarity(summary(heard[0][0])[None], scores)
            if familiar is not None and known.unknown(familiar)[0]:
                return nothing
        one: FloatArray = scores[0]
        return one

    def _heard(self, waveform: Waveform) -> list[FloatArray]:
        """Return what each network is fed, a batch of one."""
        return [values[None] for values in extract_each(self.bundle.features, waveform)]

    def predict(self, path: str, stdin: BinaryIO | None = None) -> Prediction:
        """Score one whole file; ``"-"`` reads a sound file from ``stdin``.

        Raises
        ------
        AudioError
            When the file cannot be used.
        """
        found = self._answer(path, stdin)
        assert isinstance(found, Prediction)  # noqa: S101  (without a limit nothing is too long)
        return found

    def _answer(
        self, path: str, stdin: BinaryIO | None = None, longest: float | None = None
    ) -> Prediction | Long:
        feature = self.bundle.feature
        piped = path == STDIN or ("://" not in path and Path(path).is_fifo())
        if longest is not None and not piped:
            seconds = seconds_of(here(path))
            if seconds > longest:
                return Long(path, seconds)
        if path == STDIN:
            waveform = read_stream(stdin or sys.stdin.buffer, STDIN, channel=feature.channel)
        elif Path(path).is_fifo():  # as a shell's <(...) gives it
            with Path(path).open("rb") as pipe:
                waveform = read_stream(pipe, path, channel=feature.channel)
        else:
            waveform = decode(here(path), channel=feature.channel)
        if longest is not None and waveform.seconds > longest:
            return Long(path, waveform.seconds, waveform)
        return self._prediction(path, waveform)

    def predict_all(
        self, paths: Sequence[str], stdin: BinaryIO | None = None, engine: Engine | None = None
    ) -> Iterator[Prediction | AudioError]:
        """Yield a prediction, or the reason why there is none, for each path, in order; see `answers`."""
        for answer in self.answers(paths, stdin, engine):
            assert not isinstance(answer, Long)  # noqa: S101  (without a limit nothing is too long)
            yield answer

    def answers(
        self,
        paths: Sequence[str],
        stdin: BinaryIO | None = None,
        engine: Engine | None = None,
        longest: float | None = None,
    ) -> Iterator[Prediction | Long | AudioError]:
        """Yield a prediction, or the reason why there is none, for each path, in order.

        What is longer than ``longest`` seconds is not scored: a `Long` stands in its place.

        Many files are worked on by an engine, this machine's by default, so that a file that its decoder dies of costs
        itself only.
        """

        def one(path: str) -> Prediction | Long | AudioError:
            try:
                return self._answer(path, stdin, longest)
            except AudioError as error:
                return error

        if len(paths) == 1:
            yield one(paths[0])
        elif STDIN in paths or (len(paths) < _MANY and engine is None):
            from earmark import engine as engines  # one file needs none

            # A thread that waits for standard input could not be interrupted; this one can.
            yield from engines.map(one, paths, 1 if STDIN in paths else None)
        else:
            from earmark.engine import Local, Lost, each

            # A worker may stand in another folder, and the answer is to name the path as it was given.
            places = (path if "://" in path else str(Path(path).absolute()) for path in paths)
            found = each(engine or Local(), _Score(self.bundle, longest), places)
            for path, result in zip(paths, found, strict=True):
                if isinstance(result, Prediction | Long):
                    yield result if "://" in path else replace(result, path=path)
                else:
                    kind = UnreadableAudioError if isinstance(result, Lost) else type(result)
                    yield kind(path, result.reason)

    def _prediction(self, path: str, waveform: Waveform) -> Prediction:
        labels, decision = self.bundle.labels, self.bundle.decision
        heard = self._heard(waveform)
        scores = self.score(*heard)[0]
        said = np.flatnonzero(decision.said(scores[None])[0])
        said = said[np.argsort(-scores[said], kind="stable")]  # the most probable first
        best = int(said[0]) if len(said) else int(scores.argmax())
        if "://" in path:
            from earmark.remote import shown

            path = shown(path)  # without a key that it may hold
        by_label = {label: float(p) for label, p in zip(labels, scores, strict=True)}
        view = summary(heard[0][0])[None]
        familiar, known = self.familiarity(view, scores[None]), decision.familiarity
        unlike = known is not None and familiar is not None and bool(known.unknown(familiar)[0])
        why, notes = "", []
        if is_silent(waveform.samples) and not decision.knows_silence:
            why = SILENCE
        elif unlike and known is not None and known.reject:
            why = UNKNOWN
        elif not len(said):
            why = f"not sure enough of {labels[best]}"
        if unlike and why not in (SILENCE, UNKNOWN):
            notes.append(UNKNOWN)
        if share := clipped(waveform.samples):
            notes.append(f"clipped: {100 * share:.1f} % of the samples are at full scale")
        possible = tuple(labels[i] for i in np.flatnonzero(decision.sets(scores[None])[0]))
        answer = None if why else labels[best]
        told = None if familiar is None else float(familiar[0])
        return Prediction(
            path,
            0.0,
            waveform.seconds,
            answer,
            float(scores[best]),
            by_label,
            possible,
            why,
            told,
            tuple(notes),
            () if why else tuple(labels[i] for i in said),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Score:
    """Scores one path in a worker, which keeps the network from one to the next."""

    bundle: Bundle
    longest: float | None = None

    def __call__(self, path: str) -> Prediction | Long | AudioError:
        network = hash((self.bundle.members, self.bundle.labels, self.bundle.decision))
        if _kept.get("network") != network:
            _kept.update(network=network, predictor=Predictor(self.bundle, self_test=False))
        try:
            prediction: Prediction | Long = _kept["predictor"]._answer(path, longest=self.longest)
        except AudioError as error:
            return error
        return prediction


_kept: dict[str, Any] = {}
