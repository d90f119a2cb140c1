"""Reading MRFs of any origin: a header, and pages by position in two reads.

Files are untrusted: only the .mrf file and three plain files beside it are opened, nothing is mapped (a file that is
truncated while mapped kills the process), and every number is compared with the files' lengths before it is used. Where
checksums lie beside an MRF (``checksums``), nothing is returned that differs from them.
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.checksums import SUFFIX, Checksums
from lazytile.pyramid.mrf.codecs import decode_page
from lazytile.pyramid.mrf.model import RECORD_BYTES
from lazytile.pyramid.mrf.xml import LIMIT_BYTES, file_names, parse_header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from numpy.typing import NDArray

    from lazytile.pyramid.mrf.model import MrfHeader

_INDEX_READ_BYTES = RECORD_BYTES << 16
MAX_EXPANSION = 2
"""Limit of a page's bytes, as a multiple of its pixels' bytes: GDAL refuses more."""


@dataclass(frozen=True, slots=True)
class PageRecord:
    """Position of a page's bytes in the data file. Size 0: the page was never written, or is known to be empty."""

    offset: int
    size: int

    @property
    def is_empty(self) -> bool:
        """Whether there is no page."""
        return self.size == 0


class MrfReader:
    """An MRF open for reading. Thread-safe; a context manager."""

    def __init__(self, path: Path, *, needs_checksums: bool = False, inspects: bool = False) -> None:
        """Open the .mrf file and those beside it.

        Args:
            path: Of the .mrf file.
            needs_checksums: Whether an MRF without checksums is refused.
            inspects: Whether files that differ from their checksums are opened all the same, and ``damage`` says so.

        Raises:
            MrfError: The files are not a whole MRF, or differ from their checksums.
        """
        self.path = Path(path)
        self._data = self._index = -1
        self._checksums: Checksums | None = None
        self.damage = ""
        """How the files differ from their checksums; empty where they do not, or have none."""
        try:
            self._open(needs_checksums=needs_checksums)
            self._refuse_damage(inspects=inspects)
        except BaseException:
            self.close()
            raise

    @property
    def has_checksums(self) -> bool:
        """Whether every page that is read is compared with its checksum."""
        return self._checksums is not None

    def _open(self, *, needs_checksums: bool) -> None:
        content = _read_head(self.path)
        self.header: MrfHeader = parse_header(content, str(self.path))
        data_name, index_name = file_names(content, self.path.name, self.header.compression)
        self._index, index_bytes = _open(self.path.with_name(index_name))
        wanted = self.header.records * RECORD_BYTES
        if index_bytes != wanted:
            raise MrfError(f"{self.path}: the index has {index_bytes} bytes, its pages need {wanted}")
        self._data, self.data_bytes = _open(self.path.with_name(data_name))
        sums = self.path.with_suffix(SUFFIX)
        if not sums.exists():
            if needs_checksums:
                raise MrfError(f"{self.path} has no checksums, {sums.name} is missing")
            return
        self._checksums = Checksums(self.path, _open(sums)[0])
        try:
            self._checksums.check_files(content, self._index, self.header.records, self.data_bytes)
        except MrfError as error:
            self.damage = str(error)

    def _refuse_damage(self, *, inspects: bool) -> None:
        if self.damage and not inspects:
            raise MrfError(self.damage)

    def record(self, level: int, row: int, col: int, *, z: int = 0, band: int = 0) -> PageRecord:
        """Return the record of a page.

        Args:
            level: Of the MRF, 0 is full resolution.
            row: Of the page.
            col: Of the page.
            z: Slice.
            band: Where pages hold one band.

        Returns:
            The record. ``MrfError`` is raised as ``record_at`` does.
        """
        return self.record_at(self.header.record(level, row, col, z=z, band=band))

    def record_at(self, number: int) -> PageRecord:
        """Return a record of the index.

        Args:
            number: Of the record.

        Returns:
            The record.

        Raises:
            MrfError: The number is out of range or the record is damaged.
        """
        return self._parsed(number, self._raw_record(number))

    def _raw_record(self, number: int) -> bytes:
        if not 0 <= number < self.header.records:
            raise MrfError(f"{self.path}: record {number} is out of range, it may be 0 to {self.header.records - 1}")
        raw = os.pread(self._index, RECORD_BYTES, number * RECORD_BYTES)
        if len(raw) != RECORD_BYTES:
            raise MrfError(f"{self.path}: the index ends before record {number}")
        return raw

    def _parsed(self, number: int, raw: bytes) -> PageRecord:
        record = PageRecord(int.from_bytes(raw[:8], "big"), int.from_bytes(raw[8:], "big"))
        if record.is_empty:
            return record
        if record.offset + record.size > self.data_bytes:
            raise MrfError(
                f"{self.path}: record {number} ends at byte {record.offset + record.size}, "
                f"the data file has {self.data_bytes}"
            )
        if record.size > MAX_EXPANSION * self.header.page_bytes:
            raise MrfError(
                f"{self.path}: record {number} has {record.size} bytes, a page of {self.header.page_bytes} "
                f"has at most {MAX_EXPANSION} times as many"
            )
        return record

    def count_pages(self) -> tuple[int, int]:
        """Count the pages that take no space of their own.

        Returns:
            The pages without data, and those stored as the bytes of another.

        Raises:
            MrfError: The index cannot be read.
        """
        empty = shared = end = 0
        for block in self.index_blocks():
            offsets, sizes = block.astype(np.int64).T
            ends = np.maximum.accumulate(np.append(end, offsets + sizes))
            empty += int((sizes == 0).sum())
            # Pages lie in the order of the index: one that does not follow the last is shared.
            shared += int(((sizes > 0) & (offsets < ends[:-1])).sum())
            end = int(ends[-1])
        return empty, shared

    def index_blocks(self) -> Iterator[NDArray[np.uint64]]:
        """Yield the whole index in blocks, as it is stored: shape (records, 2), offset and size."""
        at = 0
        while block := os.pread(self._index, _INDEX_READ_BYTES, at):
            at += len(block)
            yield np.frombuffer(block, ">u8").reshape(-1, 2).astype(np.uint64)

    def page(self, level: int, row: int, col: int, *, z: int = 0, band: int = 0) -> bytes | None:
        """Return the stored bytes of a page.

        Args:
            level: Of the MRF, 0 is full resolution.
            row: Of the page.
            col: Of the page.
            z: Slice.
            band: Where pages hold one band.

        Returns:
            The bytes; None for an empty page.

        Raises:
            MrfError: There is no such page, or it is damaged.
        """
        number = self.header.record(level, row, col, z=z, band=band)
        raw = self._raw_record(number)
        record = self._parsed(number, raw)
        data = None
        if not record.is_empty:
            data = os.pread(self._data, record.size, record.offset)
            if len(data) != record.size:
                raise MrfError(f"{self.path}: the data file ends within a page at byte {record.offset}")
        if self._checksums is not None:
            self._checksums.check_page(number, raw, data)
        return data

    def pixels(self, level: int, row: int, col: int, *, z: int = 0, band: int = 0) -> NDArray[Any] | None:
        """Return a decoded page.

        Args:
            level: Of the MRF, 0 is full resolution.
            row: Of the page.
            col: Of the page.
            z: Slice.
            band: Where pages hold one band.

        Returns:
            Shape (rows, cols, bands of a page); None for an empty page.

        Raises:
            MrfError: There is no such page, or it is damaged.
        """
        data = self.page(level, row, col, z=z, band=band)
        if data is None:
            return None
        try:
            return decode_page(data, self.header)
        except MrfError as error:
            raise MrfError(f"{self.path}: level {level} row {row} column {col}: {error}") from error

    def close(self) -> None:
        """Close the files. Safe to call twice."""
        for descriptor in (self._data, self._index):
            if descriptor >= 0:
                os.close(descriptor)
        self._data = self._index = -1
        if self._checksums is not None:
            self._checksums.close()
            self._checksums = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def read_header(path: Path) -> MrfHeader:
    """Read the header of a .mrf file without opening its data.

    Args:
        path: Of the file.

    Returns:
        The header. ``MrfError`` is raised where the file is no MRF.
    """
    return parse_header(_read_head(path), str(path))


def read_records(index: int) -> Iterator[tuple[int, int]]:
    """Read an index.

    Args:
        index: Descriptor of the file.

    Yields:
        Offset and size of each whole record.
    """
    at = 0
    while block := os.pread(index, _INDEX_READ_BYTES, at):
        whole = len(block) // RECORD_BYTES * RECORD_BYTES
        if not whole:
            return
        yield from struct.iter_unpack(">QQ", block[:whole])
        at += whole


def _read_head(path: Path) -> bytes:
    if path.suffix != ".mrf":
        raise MrfError(f"{path}: the name of an MRF ends in .mrf")
    descriptor, _ = _open(path)
    try:
        return os.pread(descriptor, LIMIT_BYTES + 1, 0)
    finally:
        os.close(descriptor)


def _open(path: Path) -> tuple[int, int]:
    """Return a descriptor and the length of a plain file; a pipe or a device might block or never end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise MrfError(f"{path} cannot be opened: {error.strerror}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise MrfError(f"{path} is not a plain file")
    return descriptor, status.st_size
