"""A dictionary of short sounds, learnt without labels, and logistic regression on how each is found in a clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from earmark.errors import SettingError
from earmark.inputs import Inputs
from earmark.models.graph import Graph
from earmark.models.network import Network
from earmark.models.trained import Takes
from earmark.types import FloatArray

_PIECE = 1024  # patches at a time, so that an hour needs no more memory than seconds


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Spherical k-means on whitened patches of a log-mel spectrogram, pooled over time; then a linear layer.

    A patch's own mean level is taken from it, so that a louder or quieter copy of a sound is the same sound. Nothing
    is kept aside to stop by, so that it learns from the validation rows as well.

    Sources: Salamon and Bello, *Unsupervised feature learning for urban sound classification*, 2015; Coates and Ng,
    *Learning feature representations with k-means*, 2012 (spherical, whitened, and rectified above a threshold).

    Parameters
    ----------
    words
        How many patches are learnt.
    frames
        Length of a patch.
    components
        Principal components that are kept of a patch.
    penalty
        As `Linear` has it.

    Examples
    --------
    >>> Dictionary(words=256).words
    256
    """

    name: ClassVar[str] = "dictionary"
    takes: ClassVar[Takes] = "course"
    default_feature: ClassVar[dict[str, Any]] = {"name": "log_mel", "n_mels": 64, "n_fft": 1024}
    train_defaults: ClassVar[dict[str, Any]] = {}
    train_reads: ClassVar[tuple[str, ...]] = ("class_weights",)
    inner_folds: ClassVar[int] = 5  # for calibration
    search: ClassVar[dict[str, tuple[Any, ...]]] = {
        "model.words": (256, 512, 1024),
        "model.frames": (8, 16, 32),
        "model.penalty": (0.03, 0.1, 0.3),
    }

    words: int = 512
    frames: int = 16
    components: int = 96
    penalty: float = 0.1

    def __post_init__(self) -> None:
        rules = (
            (2 <= self.words <= 16_384, "words", "from 2 to 16384"),
            (1 <= self.frames <= 256, "frames", "from 1 to 256"),
            (1 <= self.components <= 4_096, "components", "from 1 to 4096"),
            (1e-9 <= self.penalty <= 1e6, "penalty", "from 1e-09 to 1e+06"),
        )
        for good, name, allowed in rules:
            if not good:
                raise SettingError(f"[model] {name} is {getattr(self, name)!r}, but must be {allowed}.")


@dataclass(frozen=True, slots=True, eq=False)
class Codebook:
    """The learnt patches, and how a clip is told in them.

    Parameters
    ----------
    whitening
        float32[frames * n_mels, components], frame after frame. Each column's sum is 0.
    offset
        float32[components], what the mean patch gives.
    words
        float32[components, words], each column of length 1.
    frames
        Length of a patch.
    """

    whitening: FloatArray
    offset: FloatArray
    words: FloatArray
    frames: int

    # A word is found where a patch lies this far along it: more than one standard deviation, as patches are whitened.
    THRESHOLD: ClassVar[float] = 1.0

    def pooled(self, courses: Inputs) -> FloatArray:
        """Return float32[n, 3 * words]: each word's mean, standard deviation and maximum over a clip's patches."""
        pooled = [self._of_one(courses[i]) for i in range(len(courses))]
        return np.stack(pooled) if pooled else np.empty((0, 3 * self.words.shape[1]), np.float32)

    def whitened(self, patches: FloatArray) -> FloatArray:
        """Return float32[n, components] for float32[n, frames * n_mels]."""
        result: FloatArray = patches @ self.whitening - self.offset
        return result

    def _of_one(self, course: FloatArray) -> FloatArray:
        patches = patches_of(course, self.frames)
        words = self.words.shape[1]
        seen, mean, squares, most = 0, np.zeros(words), np.zeros(words), np.zeros(words, np.float32)
        for start in range(0, len(patches), _PIECE):
            piece = patches[start : start + _PIECE].reshape(-1, len(self.whitening))
            found = self.whitened(piece) @ self.words
            found -= np.float32(self.THRESHOLD)
            np.maximum(found, 0, out=found)
            np.maximum(most, found.max(axis=0), out=most)
            # Squares are taken of what is away from the mean (Chan, Golub and LeVeque 1979): from squares of the whole
            # a clip of one patch would get a spread, of nothing but rounding.
            own = found.mean(axis=0)
            found -= own
            away, share = own - mean, len(found) / (seen + len(found))
            squares += np.einsum("nw,nw->w", found, found) + away**2 * seen * share
            mean += away * share
            seen += len(found)
        return np.concatenate([mean, np.sqrt(squares / seen), most]).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class TrainedDictionary:
    """A codebook, and the linear layer on what it tells."""

    codebook: Codebook
    head: Network

    def logits(self, inputs: Inputs) -> FloatArray:
        """Return float32[n, classes] for n courses, float32[frames, n_mels] each."""
        return self.head.logits(self.codebook.pooled(inputs))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what `from_arrays` makes the network of again."""
        book = self.codebook
        own = {"whitening": book.whitening, "offset": book.offset, "words": book.words}
        return own | {f"head.{name}": array for name, array in self.head.arrays().items()}

    @classmethod
    def from_arrays(cls, settings: Dictionary, arrays: Mapping[str, NDArray[Any]]) -> TrainedDictionary:
        """Invert `arrays`."""
        codebook = Codebook(arrays["whitening"], arrays["offset"], arrays["words"], settings.frames)
        own = {name[5:]: array for name, array in arrays.items() if name.startswith("head.")}
        return cls(codebook, Network.from_arrays(None, own))

    def to_onnx(self) -> bytes:
        """Return the network as ONNX: ``features`` float32[n, frames, n_mels] to ``logits`` float32[n, classes].

        Raises
        ------
        MissingExtraError
            When onnx is not installed.
        """
        book = self.codebook
        mels, components = len(book.whitening) // book.frames, book.whitening.shape[1]
        graph = Graph(mels)
        # Patches are whitened by a convolution, and compared with the words by one of size 1.
        kernel = book.whitening.T.reshape(components, 1, book.frames, mels)
        white = graph.node("Conv", graph.image(book.frames), kernel, -book.offset)
        least = np.full(book.words.shape[1], -book.THRESHOLD)
        found = graph.node("Relu", graph.node("Conv", white, book.words.T[:, :, None, None], least))
        mean = graph.node("ReduceMean", found, axes=[2, 3], keepdims=1)
        away = graph.node("Sub", found, mean)
        squares = graph.node("ReduceMean", graph.node("Mul", away, away), axes=[2, 3], keepdims=1)
        most = graph.node("ReduceMax", found, axes=[2, 3], keepdims=1)
        pooled = graph.node("Concat", mean, graph.node("Sqrt", squares), most, axis=1)
        graph.head(graph.node("Flatten", pooled), self.head)
        return graph.to_bytes(self.head.shape.widths[-1])


def patches_of(course: FloatArray, frames: int) -> FloatArray:
    """Return a view float32[patches, frames, n_mels] of a course float32[frames, n_mels], at least one patch.

    The last frame of a course that is too short is repeated.

    >>> patches_of(np.array([[1.0], [2.0]], np.float32), 3)[..., 0].tolist()
    [[1.0, 2.0, 2.0]]
    """
    if len(course) < frames:
        course = np.concatenate([course, np.repeat(course[-1:], frames - len(course), axis=0)])
    view = np.lib.stride_tricks.sliding_window_view(course, frames, axis=0)
    return view.swapaxes(1, 2)
