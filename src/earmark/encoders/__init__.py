"""Pretrained encoders: which there are, where their weights are, how they are run. No training, no network access."""

from __future__ import annotations

from earmark.encoders.registry import ENCODERS, Entry
from earmark.encoders.session import Session, session_of
from earmark.encoders.weights import MOST_BYTES as MOST_WEIGHTS
from earmark.encoders.weights import get, keep, note_of, remember

PREFIX = "encoder:"  # of an encoder's name among data sets and rungs

__all__ = [
    "ENCODERS",
    "MOST_WEIGHTS",
    "PREFIX",
    "Entry",
    "Session",
    "get",
    "keep",
    "note_of",
    "remember",
    "session_of",
]
