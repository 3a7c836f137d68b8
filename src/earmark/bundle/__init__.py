"""The one artifact that leaves the building: a zip of stored entries, never pickle. No inference here.

``bundle.json``
    Format number, labels, the networks with their features, how scores become answers, provenance, and the hash of
    every other entry.
``network.onnx``
    Features to logits.
``networks/N.onnx``
    The same of what else is heard, in a blend.
``encoders/N.onnx``
    The pretrained encoders that features are made with; only where there are some.
``reference.npy``
    Training clips' features, to tell by what is unlike all of them; only where that was learnt.
``golden/N.npy``
    Short waveforms; the probabilities they must give stand in ``bundle.json``.
"""

from earmark.bundle.content import Bundle, Golden, Member, encoder_names, group_hash
from earmark.bundle.entries import FORMAT, SUFFIX
from earmark.bundle.reading import read_bundle
from earmark.bundle.writing import write_bundle

__all__ = [
    "FORMAT",
    "SUFFIX",
    "Bundle",
    "Golden",
    "Member",
    "encoder_names",
    "group_hash",
    "read_bundle",
    "write_bundle",
]
