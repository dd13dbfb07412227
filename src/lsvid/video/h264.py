"""What the packets of an H.264 film tell without a decoder, by the headers of their NAL units.

As in ITU-T H.264: 7.3.1 (NAL unit), 7.3.2.1 (sequence parameter set), 7.3.3 (slice header), 7.4.1 (nal_ref_idc), 3.30
(complementary fields).
"""

from collections.abc import Iterator
from dataclasses import dataclass

_SLICE, _SLICES = 1, (1, 5)
_SEQUENCE = 7
_WITHOUT_PICTURE = (6, 9, 12)
"""NAL units that no later picture needs: further information, delimiters, filling."""

_HIGH = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Profiles whose sequence parameter sets have more values."""

_AVCC_BYTES = 7
"""An avcC without any parameter set."""

_HEAD_BYTES = 64
"""Bytes of a slice: enough for its header up to the field."""


@dataclass(frozen=True)
class _Sequence:
    frame_number_bits: int
    separate_planes: bool
    fields_allowed: bool


class _Units:
    """Splits packets into NAL units. extradata: of the container, may be empty. sequences: those that stand there."""

    def __init__(self, extradata: bytes) -> None:
        self._length_bytes = 0  # of each NAL unit's size; 0: start codes stand between them
        if extradata[:1] == b"\1" and len(extradata) >= _AVCC_BYTES:  # avcC, ISO/IEC 14496-15
            self._length_bytes = (extradata[4] & 3) + 1
            units, at = list[bytes](), 6
            for _ in range(extradata[5] & 31):
                size = int.from_bytes(extradata[at : at + 2], "big")
                units.append(extradata[at + 2 : at + 2 + size])
                at += 2 + size
        else:
            units = list(self.of(extradata))
        self.sequences = [_sequence(unit) for unit in units if _kind(unit) == _SEQUENCE]

    def of(self, data: bytes | memoryview) -> Iterator[bytes]:
        """The beginnings of the NAL units in `data`."""
        at = 0
        if self._length_bytes:
            while at + self._length_bytes < len(data):
                size = int.from_bytes(data[at : at + self._length_bytes], "big")
                at += self._length_bytes
                yield bytes(data[at : at + min(size, _HEAD_BYTES * 8)])
                at += size
            return
        data = bytes(data)
        while (at := data.find(b"\0\0\1", at)) >= 0:
            at += 3
            yield data[at : at + _HEAD_BYTES * 8]


def _kind(unit: bytes) -> int:
    return unit[0] & 31 if unit else 0


class SecondFields:
    """Finds second fields, packet by packet, in the order of decoding. extradata: of the container, may be empty."""

    def __init__(self, extradata: bytes) -> None:
        self._units = _Units(extradata)
        self._sequence = self._units.sequences[0] if self._units.sequences else None
        self._first: tuple[int, int] | None = None

    def is_second(self, packet: memoryview) -> bool:
        """Whether the packet completes the picture that the one before it began."""
        for unit in self._units.of(packet):
            kind = _kind(unit)
            if kind == _SEQUENCE:
                self._sequence = _sequence(unit)
            if kind in _SLICES and self._sequence is not None:
                field = _field(unit, self._sequence)
                first, self._first = self._first, None
                if field is None:
                    return False
                frame_number, bottom = field
                if first == (frame_number, 1 - bottom):
                    return True
                self._first = field
                return False
        return False


class Unreferenced:
    """Finds whole pictures that no other picture refers to: a decoder makes the same of the others without them.

    extradata: of the container. If it does not say that every picture is a whole frame, none is found.
    """

    def __init__(self, extradata: bytes) -> None:
        self._units = _Units(extradata)
        self._sequences = set(self._units.sequences)

    def is_one(self, packet: memoryview) -> bool:
        """Whether the packet holds such a picture, and nothing that a later one needs."""
        is_one = True
        n_slices = 0
        for unit in self._units.of(packet):
            kind = _kind(unit)
            if kind == _SEQUENCE:
                self._sequences.add(_sequence(unit))
            n_slices += kind == _SLICE
            is_one = is_one and (kind in _WITHOUT_PICTURE or (kind == _SLICE and not unit[0] & _REFERENCED))
        return is_one and n_slices > 0 and self._sequence is not None

    def frame_number(self, packet: memoryview) -> int | None:
        """The frame_num of the packet's picture; None if it is an IDR picture, which begins to count anew.

        An unreferenced picture has the same one as the next picture (7.4.3). Where it has not, the encoder counts
        unreferenced pictures, too, and a decoder would invent those that are left out.
        """
        for unit in self._units.of(packet):
            if _kind(unit) == _SLICE and self._sequence is not None:
                return _frame_number(_Bits(unit[:_HEAD_BYTES]), self._sequence)
        return None

    @property
    def _sequence(self) -> _Sequence | None:
        """The only one so far, if its pictures are whole frames."""
        if len(self._sequences) != 1:
            return None
        (one,) = self._sequences
        return None if one.fields_allowed else one


_REFERENCED = 3 << 5
"""The bits of nal_ref_idc."""


class _Bits:
    """Reads bits of a NAL unit, behind its first byte."""

    def __init__(self, unit: bytes) -> None:
        data = unit[1:].replace(b"\0\0\3", b"\0\0")  # without what keeps start codes out
        self._text = format(int.from_bytes(b"\1" + data, "big"), "b")[1:]  # the first 1 keeps the zeros behind it
        self._at = 0

    def u(self, width: int) -> int:
        self._at += width
        return int(self._text[self._at - width : self._at] or "0", 2)

    def ue(self) -> int:
        one = self._text.find("1", self._at)
        zeros = max(one, self._at) - self._at
        self._at += zeros
        return self.u(zeros + 1) - 1

    def se(self) -> int:
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -code // 2


def _sequence(unit: bytes) -> _Sequence:
    bits = _Bits(unit)
    profile = bits.u(8)
    bits.u(16)
    bits.ue()
    separate = False
    if profile in _HIGH:
        chroma = bits.ue()
        separate = chroma == 3 and bool(bits.u(1))
        bits.ue()
        bits.ue()
        bits.u(1)
        if bits.u(1):
            for number in range(12 if chroma == 3 else 8):
                if bits.u(1):
                    _skip_scaling(bits, 16 if number < 6 else 64)
    frame_number_bits = bits.ue() + 4
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.u(1)
        bits.se()
        bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()
    bits.ue()
    bits.u(1)
    bits.ue()
    bits.ue()
    return _Sequence(frame_number_bits, separate, fields_allowed=not bits.u(1))


def _skip_scaling(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _field(unit: bytes, sequence: _Sequence) -> tuple[int, int] | None:
    """(frame number of a slice, 1 for a bottom field or 0 for a top field); None for a slice of a whole frame."""
    bits = _Bits(unit[:_HEAD_BYTES])
    frame_number = _frame_number(bits, sequence)
    if not sequence.fields_allowed or not bits.u(1):
        return None
    return frame_number, bits.u(1)


def _frame_number(bits: _Bits, sequence: _Sequence) -> int:
    """The frame_num in the header of a slice, of which nothing has been read."""
    bits.ue()
    bits.ue()
    bits.ue()
    if sequence.separate_planes:
        bits.u(2)
    return bits.u(sequence.frame_number_bits)
