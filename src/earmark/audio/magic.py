"""What a file is by its first bytes: its name says little, and a decoder is told what to expect, not left to guess.

FFmpeg would open much that is no sound (play lists that name other files and hosts, pictures, subtitles), so it is
only ever asked for one of these.
"""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

from earmark.audio import riff


class Container(NamedTuple):
    """A kind of file.

    Parameters
    ----------
    title
        For a person.
    demuxer
        What FFmpeg calls it.
    libsndfile
        Whether libsndfile may be able to read it, and is asked first.
    """

    title: str
    demuxer: str
    libsndfile: bool = False


_MOV = Container("m4a, mp4, mov or 3gp", "mov")
_AAC = Container("AAC", "aac")
_MP3 = Container("MP3", "mp3", True)
_WAV = Container("WAV", "wav", True)
# libsndfile drops frames of these and ends early.
MP3_IN_WAV = Container("MP3 in a wav", "wav")
_MP3_TAG = 0x55

_AT_START = {
    b"\x1aE\xdf\xa3": Container("webm or mkv", "matroska"),
    b"0&\xb2u\x8ef\xcf\x11": Container("wma or wmv", "asf"),
    b"#!AMR": Container("AMR", "amr"),
    b"ADIF": _AAC,
    b"wvpk": Container("WavPack", "wv"),
    b"MAC ": Container("Monkey's Audio", "ape"),
    b"TTA1": Container("TTA", "tta"),
    b"caff": Container("CAF", "caf", True),
    b"FORM": Container("AIFF", "aiff", True),
    b"fLaC": Container("FLAC", "flac", True),
    b"OggS": Container("Ogg", "ogg", True),
    b"RF64": _WAV,
    b"RIFF": _WAV,
    b".snd": Container("AU", "au", True),
    b"riff": Container("W64", "w64", True),
}
# What an m4a, mp4, mov or 3gp begins with, after four bytes.
BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_TAG = 10  # bytes before the content of an ID3v2 tag


def container_of(file: BinaryIO) -> Container | None:
    """Return what an open file is, or ``None`` for what nothing here is known of.

    >>> import io
    >>> container_of(io.BytesIO(b"OggS and more")).demuxer, container_of(io.BytesIO(b"#EXTM3U"))
    ('ogg', None)
    """
    file.seek(0)
    head = file.read(16)
    tagged = head[:3] == b"ID3" and len(head) >= _TAG
    if tagged:  # each byte of the tag's size carries seven bits
        size = sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(head[6:10]))
        file.seek(_TAG + size)
        head = file.read(16)
    found = next((kind for start, kind in _AT_START.items() if head.startswith(start)), None)
    if found is _WAV:
        if head[8:12] == b"AVI ":
            return Container("AVI", "avi")
        if head[8:12] != b"WAVE":
            return None
        return MP3_IN_WAV if riff.format_tag(file) == _MP3_TAG else _WAV
    if found is None and head[4:8] in BOXES:
        return _MOV
    if found is None and len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:  # eleven bits set
        return _AAC if head[1] & 0xF6 == 0xF0 else _MP3
    return _MP3 if found is None and tagged else found
