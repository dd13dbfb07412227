"""The boxes (parts) of MP4 and QuickTime files, found by the header of each."""

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from lsvid.errors import LsvidError
from lsvid.files import storage

_MEDIA_KEPT = 64 << 10
"""Bytes of pictures and sound that are needed."""
_PLAIN = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"udta", b"meta", b"uuid")
_MOST = 1000
"""Boxes to look at in a file. One that is damaged may seem to have millions."""


def _boxes(file: "BinaryIO | storage.S3File") -> Iterator[tuple[bytes, int, int, int]]:
    """(kind, start, length, bytes from its start to the end of the file) of each box."""
    at, size = 0, file.seek(0, 2)
    while at + 8 <= size:
        file.seek(at)
        header = file.read(16) or b""
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:  # the length follows in 64 bits
            length = int.from_bytes(header[8:16], "big")
        elif length == 0:  # it reaches to the end of the file
            length = size - at
        yield kind, at, length, size - at
        if length < 8:
            return
        at += length


def unneeded(file: storage.S3File) -> storage.Ranges:
    """The pictures and sound of an MP4 or QuickTime file, except the first few.

    The file's index, in another place, describes them all. FFmpeg reads them anyway, but needs only the first ones, for
    the pixel format. Nothing if this is not safe: for other containers, for a fragmented file, whose index lies between
    its pictures, and for a file that was cut off.
    """
    ranges = []
    for kind, at, length, left in _boxes(file):
        if kind not in _PLAIN or length < 8 or length > left:
            return []
        if kind == b"mdat":
            kept = -(-(at + _MEDIA_KEPT) // storage.BLOCK) * storage.BLOCK  # whole blocks, as they are fetched
            ranges.append((kept, max(kept, at + length)))
    return ranges


def lacks_its_index(path: str) -> bool:
    """Whether `path` is an MP4 or QuickTime file without a moov box. False if it cannot be read."""
    try:
        with storage.open_file(path) as file:
            kinds = [kind for kind, *_ in islice(_boxes(file), _MOST)]
    except (LsvidError, OSError):
        return False
    return kinds[:1] == [b"ftyp"] and b"moov" not in kinds
