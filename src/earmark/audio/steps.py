"""`Steps`: how much sound each packet of a stream holds, so that packets can be counted instead of decoded."""

from __future__ import annotations

from typing import Any

# Encodings whose packets all hold as much, by their own standards, as long as the rate is the same. Of others a packet
# does not say in a way to rely on: WMA fills packets of one size, Matroska counts milliseconds of PCM and Vorbis.
_ALIKE = frozenset({"aac", "ac3", "amrnb", "amrwb", "mp3", "mp3float", "opus"})
# Those of which two seconds before a place are enough to decode it to the last bit or two. AMR leans on all that came
# before, most of all in pure tones; AC-3 and AAC make up noise by a generator that runs from the beginning.
_FORGETTING = frozenset({"mp3", "mp3float", "opus"})
# By the first five bits of a packet of Opus, how many milliseconds each of its frames lasts. RFC 6716, section 3.1.
_OPUS = (10, 20, 40, 60) * 3 + (10, 20) * 2 + (2.5, 5, 10, 20) * 4
_CELT = 16  # from here on without the speech coder, which leans on pitches long gone


class Steps:
    """Learns from the packets that are decoded. ``frames`` is what every one of them held; 0 where that is not known.

    Parameters
    ----------
    codec
        The decoder's name in FFmpeg.
    """

    def __init__(self, codec: str) -> None:
        self.frames = 0
        self._alike, self._forgets, self._opus = codec in _ALIKE, codec in _FORGETTING, codec == "opus"
        self._first = (
            True  # nothing was decoded yet; what comes first is shorter where a decoder needs a run-up
        )
        self._like: tuple[int, float] | None = None

    def note(self, packet: Any, decoded: list[Any]) -> None:
        """Note what a packet held."""
        held = sum(frame.samples for frame in decoded)
        if self._first or not self._alike or not packet.size:  # an empty packet stands at the end
            self._first = self._first and not held
            return
        if self._like is None:
            self._like, self.frames = self._looks(packet), held
        alone = len(decoded) == 1 and decoded[0].pts == packet.pts  # and the decoder does not lag behind
        if held != self.frames or not alone or self._looks(packet) != self._like:
            self._alike, self.frames = False, 0

    @property
    def counted(self) -> bool:
        """Whether packets may be counted."""
        return self._forgets and self.frames > 0

    def fits(self, packet: Any) -> bool:
        """Say whether a packet is like those that were decoded, and need not be, as far as can be seen without."""
        if not packet.size or (self._opus and bytes(packet)[0] >> 3 < _CELT):
            return False
        return self._looks(packet) == self._like

    def _looks(self, packet: Any) -> tuple[int, float]:
        return packet.duration or 0, opus_milliseconds(bytes(packet)[:2]) if self._opus else 0


def opus_milliseconds(head: bytes) -> float:
    """Return how long a packet of Opus lasts, from its first two bytes. RFC 6716, section 3.

    >>> opus_milliseconds(bytes([0xF8])), opus_milliseconds(bytes([0x0B, 0x03]))
    (20, 60)
    """
    if not head:
        return 0
    count = (1, 2, 2, head[-1] & 0x3F)[head[0] & 3]
    return _OPUS[head[0] >> 3] * count
