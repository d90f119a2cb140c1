"""The length that a netCDF-3 file must have (classic, 64-bit offset and CDF-5 formats).

The netCDF library silently reads zeros from a classic file that was cut short, so its header is read here (NetCDF
User's Guide, appendix "file format specifications"). HDF5 detects this by itself.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Sequence

_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
_STREAMING = {4: 0xFFFFFFFF, 8: 0xFFFFFFFFFFFFFFFF}
"""Number of records of a file that was never closed: its records must be counted."""


class _Header:
    """Reads the numbers of the header one after the other."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        version = self._bytes(4)[3]
        self.count_bytes = 8 if version == 5 else 4
        self.offset_bytes = 4 if version == 1 else 8

    def _bytes(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise ValueError("the header is cut short")
        return data

    def number(self, size: int) -> int:
        """Read one unsigned big-endian number of 4 or 8 bytes."""
        value: int = struct.unpack(">I" if size == 4 else ">Q", self._bytes(size))[0]
        return value

    def count(self) -> int:
        """Read a count, whose size depends on the format."""
        return self.number(self.count_bytes)

    def skip(self, count: int) -> None:
        """Skip some bytes and the padding to a multiple of 4."""
        self._bytes(count + -count % 4)

    def list_length(self) -> int:
        """Read the tag and the length of a list."""
        self.number(4)
        return self.count()

    def skip_attributes(self) -> None:
        """Skip a list of attributes."""
        for _ in range(self.list_length()):
            self.skip(self.count())
            size = _TYPE_BYTES[self.number(4)]
            self.skip(self.count() * size)


def needed_bytes(file: BinaryIO) -> int:
    """Return how many bytes a netCDF-3 file has if it is complete.

    Args:
        file: At its first byte.

    Returns:
        Where the last variable ends.

    Raises:
        ValueError: The header is cut short.
    """
    header = _Header(file)
    records = header.count()
    sizes = []
    for _ in range(header.list_length()):
        header.skip(header.count())
        sizes.append(header.count())
    header.skip_attributes()
    variables = []
    for _ in range(header.list_length()):
        header.skip(header.count())
        dims = [header.count() for _ in range(header.count())]
        header.skip_attributes()
        item_bytes = _TYPE_BYTES[header.number(4)]
        header.count()  # vsize overflows for large variables, so it is computed instead
        variables.append((header.number(header.offset_bytes), [sizes[dim] for dim in dims], item_bytes))
    return _end(variables, 0 if records == _STREAMING[header.count_bytes] else records)


def _end(variables: Sequence[tuple[int, list[int], int]], records: int) -> int:
    """Return where the last variable ends, given first byte, sizes and item bytes of each.

    The size 0 is the record dimension.
    """
    in_records = [variable for variable in variables if variable[1][:1] == [0]]
    # Records of a single record variable are not padded.
    pad = 4 if len(in_records) > 1 else 1
    record_bytes = sum(_padded(_bytes(sizes[1:], item), pad) for _, sizes, item in in_records)
    ends = [0]
    for begin, sizes, item in variables:
        if sizes[:1] == [0]:
            ends.append(begin + (records - 1) * record_bytes + _bytes(sizes[1:], item) if records else 0)
        else:
            ends.append(begin + _bytes(sizes, item))
    return max(ends)


def _bytes(sizes: Sequence[int], item_bytes: int) -> int:
    total = item_bytes
    for size in sizes:
        total *= size
    return total


def _padded(count: int, multiple: int) -> int:
    return count + -count % multiple
