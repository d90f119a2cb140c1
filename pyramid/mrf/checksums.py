"""The checksums of an MRF, in ``NAME.crc`` beside it: damaged and exchanged files are told from good ones.

GDAL, OnEarth and mod_mrf never open this file; the other three are what they would be without it. It begins with 48
bytes: a signature of 20; the checksums of the .mrf file and of the index, 4 bytes each; the number of records and the
length of the data file, 8 bytes each; the checksum of these 44 bytes. Then follow 4 bytes for each record, in the order
of the index: the checksum of the .mrf file, the record's 16 bytes and its page, one after the other. So the header, the
index and the length of the data are checked when an MRF is opened, and a page with its record when the page is read,
also where all files but the .mrf have been exchanged since. Numbers are big-endian, checksums are CRC-32C (RFC 3720,
B.4).
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import google_crc32c

from lazytile.pyramid.core.errors import MrfError

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX = ".crc"
SUM_BYTES = 4
"""Of the checksum of a record and its page."""
_SIGNATURE = b"lazytile MRF CRC\n\0\0\0"
_HEAD = struct.Struct(">20sIIQQI")
HEAD_BYTES = _HEAD.size
_BLOCK_BYTES = 1 << 20


def header_checksum(mrf: bytes) -> int:
    """Return the checksum of a .mrf file.

    Args:
        mrf: Content of the file.

    Returns:
        CRC-32C (RFC 3720, B.4).
    """
    checksum: int = google_crc32c.value(mrf)
    return checksum


def page_checksum(header: int, record: bytes, page: bytes | None) -> int:
    """Return the checksum of a record of the index and its page.

    Args:
        header: Checksum of the .mrf file.
        record: Its 16 bytes.
        page: The bytes that it points to; None for an empty page.

    Returns:
        CRC-32C (RFC 3720, B.4).
    """
    checksum: int = google_crc32c.extend(header, record)
    return checksum if page is None else int(google_crc32c.extend(checksum, page))


def head_of(mrf: bytes, index: int, records: int, data_bytes: int) -> bytes:
    """Return the beginning of a file of checksums.

    Args:
        mrf: Content of the .mrf file.
        index: Descriptor of the whole index.
        records: In the index.
        data_bytes: Length of the data file.

    Returns:
        48 bytes.
    """
    head = _HEAD.pack(_SIGNATURE, header_checksum(mrf), _checksum_of_file(index), records, data_bytes, 0)
    own: int = google_crc32c.value(head[:-SUM_BYTES])
    return head[:-SUM_BYTES] + own.to_bytes(SUM_BYTES, "big")


class Checksums:
    """The checksums of an MRF that is open."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """Read from an open file.

        Args:
            path: Of the .mrf file, for messages.
            descriptor: Of the file of checksums, which ``close`` closes.
        """
        self._path = path
        self._descriptor = descriptor
        self._header = 0

    def check_files(self, mrf: bytes, index: int, records: int, data_bytes: int) -> None:
        """Check that header, index and data file are those that the checksums were made of.

        Args:
            mrf: Content of the .mrf file.
            index: Descriptor of the index.
            records: In the index.
            data_bytes: Length of the data file.

        Raises:
            MrfError: They are damaged or of another export.
        """
        self._header = header_checksum(mrf)
        head = os.pread(self._descriptor, HEAD_BYTES, 0)
        size = os.fstat(self._descriptor).st_size
        if len(head) != HEAD_BYTES or google_crc32c.value(head[:-SUM_BYTES]) != int.from_bytes(
            head[-SUM_BYTES:], "big"
        ):
            raise MrfError(f"{self._path}: its checksums in {self._path.stem}{SUFFIX} are damaged")
        signature, of_mrf, of_index, known_records, known_bytes, _ = _HEAD.unpack(head)
        if signature != _SIGNATURE or known_records != records or size != HEAD_BYTES + records * SUM_BYTES:
            raise MrfError(
                f"{self._path}: the checksums in {self._path.stem}{SUFFIX} are not those of its {records} pages"
            )
        if self._header != of_mrf:
            raise MrfError(f"{self._path} differs from its checksum: it is damaged or of another export")
        if data_bytes != known_bytes:
            raise MrfError(f"{self._path}: the data file has {data_bytes} bytes, {known_bytes} were written")
        if _checksum_of_file(index) != of_index:
            raise MrfError(f"{self._path}: the index differs from its checksum: it is damaged or of another export")

    def check_page(self, number: int, record: bytes, page: bytes | None) -> None:
        """Check a page that was read, after ``check_files``.

        Args:
            number: Of its record.
            record: The record's 16 bytes.
            page: Its bytes; None for an empty page.

        Raises:
            MrfError: The record or the page is damaged.
        """
        known = os.pread(self._descriptor, SUM_BYTES, HEAD_BYTES + number * SUM_BYTES)
        if len(known) != SUM_BYTES or page_checksum(self._header, record, page) != int.from_bytes(known, "big"):
            raise MrfError(f"{self._path}: page {number} differs from its checksum")

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _checksum_of_file(descriptor: int) -> int:
    checksum = at = 0
    while block := os.pread(descriptor, _BLOCK_BYTES, at):
        checksum = google_crc32c.extend(checksum, block)
        at += len(block)
    return checksum


def stored_sums(descriptor: int) -> int:
    """Return how many checksums of pages a file holds.

    Args:
        descriptor: Of the file.

    Returns:
        The number.
    """
    return max(0, os.fstat(descriptor).st_size - HEAD_BYTES) // SUM_BYTES
