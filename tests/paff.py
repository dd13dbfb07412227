"""An H.264 stream of fields, each in a packet of its own, as camcorders write it and no free encoder does.

One row of 2 x 2 macroblocks a frame, all I_PCM: a picture is one grey, which tells its number.
"""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy.typing as npt

_ROWS = 1  # of macroblocks in a field
_COLUMNS = 2


def write_fields(path: Path, n_pictures: int) -> Path:
    """A transport stream of `n_pictures` of 25 a second, two packets each."""
    with av.open(str(path), "w", format="mpegts") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 16 * _COLUMNS, 32 * _ROWS, "yuv420p"
        for number in range(n_pictures):
            for bottom in (0, 1):
                packet = av.Packet(_field(number, bottom))
                packet.stream, packet.time_base = stream, Fraction(1, 90000)
                packet.pts = packet.dts = 90000 + number * 3600 + bottom * 1800
                packet.is_keyframe = number == 0 and not bottom
                container.mux_one(packet)
    return path


def read_grey_number(image: npt.NDArray[Any]) -> int:
    """The number of a picture of `write_fields`."""
    return round((float(image.mean()) * 219 / 255 + 16 - 20) / 4)


class _Bits:
    """A writer of bits, with H.264's exponential Golomb codes."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, width: int, value: int) -> "_Bits":
        self.text += f"{value:0{width}b}"
        return self

    def ue(self, *values: int) -> "_Bits":
        for value in values:
            code = f"{value + 1:b}"
            self.text += "0" * (len(code) - 1) + code
        return self

    def align(self, fill: str = "0") -> "_Bits":
        self.text += fill * (-len(self.text) % 8)
        return self

    def raw(self, data: bytes) -> "_Bits":
        self.text += "".join(f"{byte:08b}" for byte in data)
        return self

    def nal(self, head: int) -> bytes:
        """A NAL unit with its start code: a stop bit at the end, and no start code within."""
        self.text += "1"
        self.align()
        payload = int(self.text, 2).to_bytes(len(self.text) // 8, "big")
        escaped = bytearray()
        for byte in payload:
            if byte <= 3 and escaped[-2:] == b"\0\0":
                escaped.append(3)
            escaped.append(byte)
        return b"\0\0\0\1" + bytes([head]) + bytes(escaped)


def _parameters() -> bytes:
    sequence = _Bits().u(8, 77).u(8, 0).u(8, 30)  # main profile, level 3
    sequence.ue(0, 0, 2, 1).u(1, 0)  # id, frame numbers of 4 bits, output in the order of decoding, one reference
    sequence.ue(_COLUMNS - 1, _ROWS - 1).u(1, 0).u(1, 0).u(1, 1).u(1, 0).u(1, 0)  # fields allowed; no cropping, no VUI
    picture = _Bits().ue(0, 0).u(1, 0).u(1, 0).ue(0, 0, 0).u(1, 0).u(2, 0).ue(0, 0, 0).u(1, 0).u(1, 0).u(1, 0)
    return sequence.nal(0x67) + picture.nal(0x68)


def _field(number: int, bottom: int) -> bytes:
    first = number == 0 and not bottom
    bits = _Bits().ue(0, 7, 0).u(4, number % 16).u(1, 1).u(1, bottom)  # an I slice of a field
    if first:
        bits.ue(0).u(1, 0).u(1, 0)  # an IDR picture's id, and how it marks references
    else:
        bits.u(1, 0)
    bits.ue(0)  # no change of the quantiser
    pcm = bytes([20 + 4 * number]) * 256 + bytes([128]) * 128
    for _ in range(_ROWS * _COLUMNS):
        bits.ue(25).align().raw(pcm)
    start = b"\0\0\0\1\x09\xf0" + (_parameters() if first else b"")
    return start + bits.nal(0x65 if first else 0x61)
