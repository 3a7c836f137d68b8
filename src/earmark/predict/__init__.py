"""The one path from sound to scores: the command line, evaluation and everything later go through `Predictor`."""

from earmark.predict.golden import golden_waveforms, with_golden
from earmark.predict.paths import STDIN, expand
from earmark.predict.predictor import SILENCE, TOLERANCE, UNKNOWN, Long, Predictor

LONG = 2  # windows: of a recording that is longer, events are told

__all__ = [
    "LONG",
    "SILENCE",
    "STDIN",
    "TOLERANCE",
    "UNKNOWN",
    "Long",
    "Predictor",
    "expand",
    "golden_waveforms",
    "with_golden",
]
