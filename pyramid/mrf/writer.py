"""Writing one MRF: pages in the order of the index, to hidden files that are renamed at the end, resumed after a kill.

While it is written an MRF is four hidden files: ``.NAME.mrf.part`` with the final header, ``.NAME.EXT.part``,
``.NAME.crc.part`` and ``.NAME.idx.part``. Data and checksums are on disk before the records that they belong to, so
whatever a kill or a full disk leaves, the existing records are good, and writing resumes after the last of them. The
same pages give the same bytes, killed or not. The .mrf file is renamed last: where it exists, the whole MRF does.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from typing import TYPE_CHECKING, Self

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.core.file_lock import LockHeldError, acquire
from lazytile.pyramid.mrf.checksums import (
    HEAD_BYTES,
    SUFFIX,
    SUM_BYTES,
    Checksums,
    head_of,
    header_checksum,
    page_checksum,
    stored_sums,
)
from lazytile.pyramid.mrf.model import RECORD_BYTES
from lazytile.pyramid.mrf.reader import read_header, read_records
from lazytile.pyramid.mrf.xml import format_header
from lazytile.pyramid.storage.writeback import Writeback

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from lazytile.pyramid.mrf.model import MrfHeader

CHECKPOINT_BYTES = 64 << 20
CHECKPOINT_S = 5.0
"""The work that a kill may cost: bytes of data, or seconds."""
PENDING_BYTES = 64 << 20
"""Records that wait to be written, where pages are empty."""
SHARED_PAGES = 1 << 18
"""Pages whose digests are held to find equal ones; the oldest are dropped (60 MB of memory at most)."""


class MrfWriter:
    """An MRF being written. A context manager: leaving it early preserves the written pages for the next attempt."""

    def __init__(self, path: Path, header: MrfHeader, *, share_pages: bool = False) -> None:
        """Begin an MRF, or resume one that an earlier attempt with the same header and path left unfinished.

        Args:
            path: Of the .mrf file.
            header: Of the MRF.
            share_pages: Whether equal pages are stored once.

        Raises:
            MrfError: The folder cannot be written, or another process is writing the same MRF.
        """
        self.path = path
        self.header = header
        self.written = 0
        """Records written so far, those of an earlier attempt included: the number of the next page."""
        self.empty_pages = 0
        self.shared_pages = 0
        self.data_bytes = 0
        self._head = format_header(header)
        self._header_sum = header_checksum(self._head)
        self._known: dict[bytes, tuple[int, int]] | None = {} if share_pages else None
        self._pending = bytearray()
        self._pending_sums = bytearray()
        self._is_published = False
        self._lock = self._index = self._data = self._sums = -1
        extension = header.data_extension
        self._final_data = path.with_name(header.data_file or f"{path.stem}.{extension}")
        self._final_index = path.with_suffix(".idx")
        self._final_sums = path.with_suffix(SUFFIX)
        self._part_head, self._part_data, self._part_index, self._part_sums = (
            path.with_name(f".{path.stem}.{kind}.part") for kind in ("mrf", extension, "idx", SUFFIX[1:])
        )
        try:
            self._open()
        except LockHeldError as error:
            raise MrfError(f"{path} is being written by another process") from error
        except OSError as error:
            self.close()
            raise self._failure(error) from error
        except BaseException:
            self.close()
            raise
        self._synced_bytes, self._synced_at = self.data_bytes, time.monotonic()
        self._writeback = Writeback(self.data_bytes)

    def add(self, *pages: bytes | None) -> None:
        """Write the next pages in the order of the index.

        Args:
            pages: Their bytes, written in one call; None for a page without data, which takes no space.

        Raises:
            MrfError: Not so many pages are left to write, or the disk is full.
        """
        if self.written + len(pages) > self.header.records:
            raise MrfError(f"{self.path} has {self.header.records} pages, no other can be added")
        try:
            begin, new = self.data_bytes, list[bytes]()
            places = [self._place(page, new) for page in pages]
            self._write_at(self._data, begin, b"".join(new))
            self._writeback.grown(self._data, self.data_bytes)
            for place, page in zip(places, pages, strict=True):
                self._append(place, page)
            now = time.monotonic()
            if self.data_bytes - self._synced_bytes >= CHECKPOINT_BYTES or now - self._synced_at >= CHECKPOINT_S:
                self._checkpoint()
        except OSError as error:
            raise self._failure(error) from error

    def add_empty(self, count: int) -> None:
        """Write pages without data.

        Args:
            count: Of the pages.

        Raises:
            MrfError: Not so many pages are left to write, or the disk is full.
        """
        if self.written + count > self.header.records:
            raise MrfError(f"{self.path} has {self.header.records} pages, {count} more cannot be added")
        record = bytes(RECORD_BYTES)
        self._pending += record * count
        self._pending_sums += page_checksum(self._header_sum, record, None).to_bytes(SUM_BYTES, "big") * count
        self.written += count
        self.empty_pages += count
        if len(self._pending) >= PENDING_BYTES:
            try:
                self._checkpoint()
            except OSError as error:
                raise self._failure(error) from error

    def finish(self) -> None:
        """Rename the files to their final names.

        Raises:
            MrfError: Pages are missing, or the disk is full.
        """
        if self.written != self.header.records:
            raise MrfError(f"{self.path} has {self.header.records} pages, only {self.written} were written")
        try:
            if not self._is_published:
                self._checkpoint()
                self._write_at(self._sums, 0, head_of(self._head, self._index, self.written, self.data_bytes))
                os.fsync(self._sums)
                self._publish()
        except OSError as error:
            raise self._failure(error) from error
        self.close()

    def close(self) -> None:
        """Close the files; parts stay for the next attempt. Safe to call twice."""
        for descriptor in (self._data, self._sums, self._index, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._data = self._sums = self._index = self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if self._index >= 0:
                self._checkpoint()
        except OSError as failure:
            if error is None:
                raise self._failure(failure) from failure
        finally:
            self.close()

    def _failure(self, error: OSError) -> MrfError:
        return MrfError(f"{self.path} cannot be written: {error.strerror or error}")

    def _open(self) -> None:
        self._lock = acquire(self._part_head, wait=False)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        if os.pread(self._lock, len(self._head) + 1, 0) == self._head:
            if not self._part_data.exists() and self._is_all_written():
                # The header is renamed last, so the kill came between the renames.
                self._publish()
                return
            self._index = os.open(self._part_index, flags, 0o644)
            self._sums = os.open(self._part_sums, flags, 0o644)
            self._data = os.open(self._part_data, flags, 0o644)
            self._resume()
            return
        os.ftruncate(self._lock, 0)
        self._index = os.open(self._part_index, flags | os.O_TRUNC, 0o644)
        self._sums = os.open(self._part_sums, flags | os.O_TRUNC, 0o644)
        self._data = os.open(self._part_data, flags | os.O_TRUNC, 0o644)
        self._write_at(self._lock, 0, self._head)

    def _is_all_written(self) -> bool:
        """Return whether the data has its final name and the whole index, under either name, points into it."""
        index, sums = (
            part if part.exists() else final
            for part, final in ((self._part_index, self._final_index), (self._part_sums, self._final_sums))
        )
        descriptors: list[int] = []
        try:
            data_bytes = self._final_data.stat().st_size
            descriptors += (os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in (index, sums))
            if os.fstat(descriptors[0]).st_size != self.header.records * RECORD_BYTES:
                return False
            if max((offset + size for offset, size in read_records(descriptors[0])), default=0) != data_bytes:
                return False
            checksums = Checksums(self.path, descriptors[1])
            checksums.check_files(self._head, descriptors[0], self.header.records, data_bytes)
            self._count(read_records(descriptors[0]))
        except (OSError, MrfError):
            return False
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _resume(self) -> None:
        """Take over the records of an earlier attempt, and drop data that none of them points to."""
        data_bytes = os.fstat(self._data).st_size
        known = itertools.islice(read_records(self._index), min(self.header.records, stored_sums(self._sums)))
        self._count(itertools.takewhile(lambda record: sum(record) <= data_bytes, known))
        os.ftruncate(self._index, self.written * RECORD_BYTES)
        os.ftruncate(self._sums, HEAD_BYTES + self.written * SUM_BYTES)
        os.ftruncate(self._data, self.data_bytes)

    def _count(self, records: Iterable[tuple[int, int]]) -> None:
        """Restore the counts, and the digests of pages, to their state after these records."""
        for offset, size in records:
            self.written += 1
            if size == 0:
                self.empty_pages += 1
            elif offset < self.data_bytes:
                self.shared_pages += 1
            else:
                self.data_bytes = offset + size
                if self._known is not None and self._data >= 0:
                    self._remember(hashlib.sha256(os.pread(self._data, size, offset)).digest(), (offset, size))

    def _place(self, page: bytes | None, new: list[bytes]) -> tuple[int, int]:
        """Return the record of a page, which joins those to write unless an equal one is stored."""
        if page is None:
            self.empty_pages += 1
            return 0, 0
        digest = hashlib.sha256(page).digest() if self._known is not None else b""
        if self._known is not None and digest in self._known:
            self.shared_pages += 1
            return self._known[digest]
        record = (self.data_bytes, len(page))
        new.append(page)
        self.data_bytes += len(page)
        if self._known is not None:
            self._remember(digest, record)
        return record

    def _remember(self, digest: bytes, record: tuple[int, int]) -> None:
        assert self._known is not None
        if len(self._known) >= SHARED_PAGES:
            del self._known[next(iter(self._known))]
        self._known[digest] = record

    def _append(self, place: tuple[int, int], page: bytes | None) -> None:
        record = place[0].to_bytes(8, "big") + place[1].to_bytes(8, "big")
        self._pending += record
        self._pending_sums += page_checksum(self._header_sum, record, page).to_bytes(SUM_BYTES, "big")
        self.written += 1

    def _checkpoint(self) -> None:
        """Flush everything to disk; header, data and checksums before the records."""
        os.fsync(self._lock)
        begun = self.written - len(self._pending) // RECORD_BYTES
        os.fsync(self._data)
        self._write_at(self._sums, HEAD_BYTES + begun * SUM_BYTES, self._pending_sums)
        os.fsync(self._sums)
        self._write_at(self._index, begun * RECORD_BYTES, self._pending)
        os.fsync(self._index)
        self._pending.clear()
        self._pending_sums.clear()
        self._synced_bytes, self._synced_at = self.data_bytes, time.monotonic()

    @staticmethod
    def _write_at(descriptor: int, offset: int, data: bytes | bytearray) -> None:
        """Write at a position: a write that a full disk has cut short is repeated at the same one."""
        left = memoryview(data)
        while left:
            count = os.pwrite(descriptor, left, offset)
            left, offset = left[count:], offset + count

    def _publish(self) -> None:
        stale = self._stale_files()
        # The old header is removed first: it must never refer to new data.
        self.path.unlink(missing_ok=True)
        for part, final in (
            (self._part_data, self._final_data),
            (self._part_index, self._final_index),
            (self._part_sums, self._final_sums),
        ):
            if part.exists():
                part.replace(final)
        self._part_head.replace(self.path)
        for path in stale:
            path.unlink(missing_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._is_published = True

    def _stale_files(self) -> list[Path]:
        """Return files of the MRF that is replaced which belong to nothing afterwards."""
        stale = [self.path.with_name(f"{self.path.name}.aux.xml")]
        try:
            old = self.path.with_suffix(f".{read_header(self.path).data_extension}")
        except MrfError:
            return stale
        return stale if old == self._final_data else [*stale, old]
