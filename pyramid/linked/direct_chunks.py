"""Chunks of a folder of Zarr read without zarr-python, whose calls from all threads take turns on one event loop.

Only arrays with the plainest layout are read so: one file a chunk, numbers in C order, at most one compressor (Zarr v3
core; Zarr v2). All others, and all sources that are no folder, are read through zarr-python, with the same result.
"""

from __future__ import annotations

import math
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.chunks.unpacking import UNPACKERS, unpack
from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.core.json_text import parse_json
from lazytile.pyramid.core.memory_size import max_chunk_bytes

if TYPE_CHECKING:
    import zarr
    from numpy.typing import NDArray

    from lazytile.pyramid.linked.dated_stores import DatedFolder

PACKED_GROWTH_BYTES = 1 << 20
"""Bytes by which packing may enlarge a chunk that does not shrink, at most."""
SCRATCH_BYTES = 4 << 20
"""Chunks of so many bytes at most are unpacked into memory that their thread keeps."""


@dataclass(frozen=True, slots=True)
class DirectChunks:
    """The chunks of one array, one file each."""

    folder: DatedFolder
    prefix: str
    """Of the name of a file, before the indices."""
    separator: str
    """Between indices."""
    stored: np.dtype[Any]
    """Type of the numbers with their order of bytes."""
    chunks: tuple[int, ...]
    fill: Any
    """What an absent chunk is full of."""
    compressor: str
    """Name of the codec, ``none`` without one."""

    def read(self, index: tuple[int, ...]) -> NDArray[Any]:
        """Return the numbers of a chunk.

        Args:
            index: Along each axis.

        Returns:
            Shape ``chunks``, also at the ends of the array; native order of bytes, read-only for the caller.

        Raises:
            GenerationChangedError: The file was changed.
            StoreError: It is damaged, or the source is not there.
        """
        return self._native(index, None)

    def passing(self, index: tuple[int, ...]) -> NDArray[Any]:
        """Return the numbers of a chunk until this thread asks for another one: in memory that is used again.

        Args:
            index: Along each axis.

        Returns:
            As ``read`` returns them.

        Raises:
            GenerationChangedError: The file was changed.
            StoreError: It is damaged, or the source is not there.
        """
        return self._native(index, _scratch(self.nbytes) if self.nbytes <= SCRATCH_BYTES else None)

    def copy(self, index: tuple[int, ...], out: NDArray[Any]) -> None:
        """Write the numbers of a chunk to an array, through memory that is used again.

        Args:
            index: Along each axis.
            out: For its first numbers along each axis: a chunk at the end of the array holds more than it shows.

        Raises:
            GenerationChangedError: The file was changed.
            StoreError: It is damaged, or the source is not there.
        """
        out[...] = self.passing(index)[tuple(map(slice, out.shape))]

    @property
    def nbytes(self) -> int:
        """Bytes of an unpacked chunk."""
        return math.prod(self.chunks) * self.stored.itemsize

    def _native(self, index: tuple[int, ...], into: bytearray | None) -> NDArray[Any]:
        """Return the numbers of a chunk in this machine's order of bytes, in ``into`` where that is possible."""
        native = self.stored.newbyteorder("=")
        found = self._unpacked(index, into)
        return np.full(self.chunks, self.fill, native) if found is None else found.astype(native, copy=False)

    def _unpacked(self, index: tuple[int, ...], into: bytearray | None) -> NDArray[Any] | None:
        """Return the numbers of a chunk as they are stored, in ``into`` where that is possible; None where absent."""
        name = self.prefix + self.separator.join(map(str, index))
        data = self._bytes(name, self.nbytes)
        if data is None:
            return None
        try:
            unpacked = unpack(self.compressor, data, self.nbytes, into=into)
        except StoreError as error:
            raise StoreError(f"{name}: {error}") from error
        return np.frombuffer(unpacked, self.stored).reshape(self.chunks)

    def _bytes(self, name: str, nbytes: int) -> bytes | None:
        """Return the bytes of a file as it was, None where there was none."""
        limit = nbytes + max(nbytes // 16, PACKED_GROWTH_BYTES)
        try:
            descriptor = os.open(f"{self.folder.root}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            self.folder.check(name, is_absent=True)
            return None
        except OSError as error:
            raise StoreError(f"{name} cannot be read: {error.strerror}") from error
        try:
            size = os.fstat(descriptor).st_size
            if size > limit:
                raise StoreError(f"{name} has {size} bytes, a packed chunk of {nbytes} at most {limit}")
            data = os.read(descriptor, size)
            # Afterwards: it may be written to at the same time.
            self.folder.check_changed(name, os.fstat(descriptor))
        except OSError as error:
            raise StoreError(f"{name} cannot be read: {error.strerror}") from error
        finally:
            os.close(descriptor)
        return data


def _scratch(nbytes: int) -> bytearray:
    """Return memory of this thread."""
    here = process.current().resource("scratch of foreign chunks", threading.local)
    found: bytearray | None = getattr(here, "scratch", None)
    if found is None or len(found) != nbytes:
        found = here.scratch = bytearray(nbytes)
    return found


def direct_chunks(folder: DatedFolder, name: str, array: zarr.Array[Any]) -> DirectChunks | None:
    """Find out whether the chunks of an array can be read directly.

    Args:
        folder: That holds it.
        name: Path of the array in it.
        array: As zarr-python opened it.

    Returns:
        The reader of its chunks; None where its layout is another one.
    """
    if array.dtype.kind not in "iuf" or array.fill_value is None or array.shards is not None:
        return None
    if math.prod(array.chunks) * array.dtype.itemsize > max_chunk_bytes():
        return None
    base = f"{name.strip('/')}/" if name.strip("/") else ""
    try:
        if array.metadata.zarr_format == 3:
            found = _version_3(parse_json((folder.root / base / "zarr.json").read_bytes()))
        else:
            found = _version_2(parse_json((folder.root / base / ".zarray").read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None  # zarr-python understood it; it may be read through that
    if found is None:
        return None
    prefix, separator, endian, compressor = found
    if compressor not in UNPACKERS or not array.chunks:
        return None
    stored = np.dtype(f"{'<' if endian == '<' else '>'}{array.dtype.kind}{array.dtype.itemsize}")
    return DirectChunks(folder, base + prefix, separator, stored, array.chunks, array.fill_value, compressor)


def _version_3(document: Any) -> tuple[str, str, str, str] | None:
    """Return prefix, separator, order of bytes and compressor by the metadata of Zarr v3 (core, 9 and 11)."""
    encoding, codecs = document["chunk_key_encoding"], document["codecs"]
    separators = {"default": "/", "v2": "."}
    name = encoding["name"]
    if document["chunk_grid"]["name"] != "regular" or name not in separators or document.get("storage_transformers"):
        return None
    separator = encoding.get("configuration", {}).get("separator", separators[name])
    if codecs[0]["name"] != "bytes" or len(codecs) > 2:
        return None
    endian = codecs[0].get("configuration", {}).get("endian", "little")
    prefix = f"c{separator}" if name == "default" else ""
    return prefix, separator, "<" if endian == "little" else ">", codecs[1]["name"] if len(codecs) == 2 else "none"


def _version_2(document: Any) -> tuple[str, str, str, str] | None:
    """Return the same by the metadata of Zarr v2."""
    if document["order"] != "C" or document.get("filters"):
        return None
    compressor = document["compressor"]
    endian = document["dtype"][0]
    return (
        "",
        document.get("dimension_separator", "."),
        "<" if endian == "|" else endian,
        "none" if compressor is None else compressor["id"],
    )
