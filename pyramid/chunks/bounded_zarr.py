"""Bounded unpacking for arrays that zarr-python reads: sources, and datasets that other software wrote.

zarr-python has one codec pipeline class for all arrays, chosen when an array is opened. Within ``bounded_unpacking`` it
is one that replaces each codec by a bounded one, also inside shards. Codecs that are neither bounded here nor keep the
size of their data are refused: ``pickle`` would run code, others would allocate what the data say.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec, Codec
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, TransposeCodec, VLenBytesCodec, VLenUTF8Codec
from zarr.core.codec_pipeline import BatchedCodecPipeline
from zarr.registry import register_pipeline

from lazytile.pyramid.chunks.unpacking import UNPACKERS, unpack, unpack_lzma
from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.core.memory_size import max_chunk_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self

    from zarr.abc.codec import CodecPipeline
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer

_TEXT_BYTES = 4096
"""Bytes that an item of variable length may take on average, where a chunk has at least ``_TEXT_ITEMS``."""
_TEXT_ITEMS = 4096
_SAME_SIZE = frozenset(
    {
        *("delta", "fixedscaleoffset", "quantize", "bitround", "shuffle", "astype", "packbits", "categorize"),
        *("crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3", "base64"),
    }
)
"""Filters whose output is at most a few times their input, by numcodecs' names."""
_COMPRESSORS = frozenset({*UNPACKERS, "lzma"}) - {"none"}
_ITEMS = frozenset({"vlen-utf8", "vlen-bytes"})
"""Filters of text, which state the number of their items first."""
_PIPELINE = "codec_pipeline.path"


def chunk_limit(spec: ArraySpec) -> int:
    """Return the most bytes that a chunk may hold before the last codec gives it shape and type.

    Args:
        spec: Of the chunk.

    Returns:
        The size of its codes; for items of variable length, a size that is ample for names and labels.
    """
    items = int(np.prod(spec.shape, dtype=object))
    dtype = spec.dtype.to_native_dtype()
    if dtype.hasobject or dtype.kind == "T":
        return min(max_chunk_bytes(), max(items, _TEXT_ITEMS) * _TEXT_BYTES)
    return items * dtype.itemsize


def _check_items(data: Any, spec: ArraySpec) -> None:
    """Raise ``StoreError`` where text states more items than a chunk has (numcodecs, vlen.pyx: uint32, then items)."""
    stated, items = int.from_bytes(bytes(memoryview(data)[:4]), "little"), int(np.prod(spec.shape, dtype=object))
    if stated > items:
        raise StoreError(f"it states {stated} items of text, a chunk has {items}")


def unpack_by(configuration: dict[str, Any], data: Any, limit: int, *, exact: bool) -> Any:
    """Decompress by the configuration of a codec of numcodecs.

    Args:
        configuration: With its name as ``id``.
        data: The compressed bytes.
        limit: Bytes that they may hold.
        exact: Whether they must hold as many.

    Returns:
        The content.

    Raises:
        StoreError: They are damaged, hold more, or the codec is not one of those that can be bounded.
    """
    name = str(configuration.get("id"))
    if name == "lzma":
        return unpack_lzma(data, limit, configuration)
    if name not in UNPACKERS:
        raise StoreError(f"codec {name} is not read; the codecs of Zarr that are read are {', '.join(_readable())}")
    return unpack(name, data, limit, exact=exact)


def _readable() -> list[str]:
    return sorted((set(UNPACKERS) | _SAME_SIZE | _ITEMS) - {"none"})


@dataclass(frozen=True)
class _BoundedBytes(BytesBytesCodec):
    """A compressor of Zarr v3 that unpacks no more than its chunk holds."""

    inner: BytesBytesCodec
    is_last: bool
    """Whether its output is the codes themselves."""
    is_fixed_size = False

    def to_dict(self) -> dict[str, Any]:
        return self.inner.to_dict()

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        return type(self)(self.inner.evolve_from_array_spec(array_spec), self.is_last)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        return self.inner.compute_encoded_size(input_byte_length, chunk_spec)

    def _unpack(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        document = self.inner.to_dict()
        name = str(document["name"]).removeprefix("numcodecs.")
        configuration: Any = document.get("configuration") or {}
        limit = chunk_limit(chunk_spec)
        is_exact = self.is_last and not chunk_spec.dtype.to_native_dtype().hasobject
        if not self.is_last:
            limit += limit // 8 + 4096  # compressed twice, or followed by checksums
        found = unpack_by({**configuration, "id": name}, chunk_bytes.as_numpy_array(), limit, exact=is_exact)
        return chunk_spec.prototype.buffer.from_bytes(bytes(found))

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        return await asyncio.to_thread(self._unpack, chunk_bytes, chunk_spec)


@dataclass(frozen=True)
class _BoundedText(ArrayBytesCodec):
    """Text of Zarr v3, whose number of items is compared first."""

    inner: ArrayBytesCodec
    is_fixed_size = False

    def to_dict(self) -> dict[str, Any]:
        return self.inner.to_dict()

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        return self.inner.compute_encoded_size(input_byte_length, chunk_spec)

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        _check_items(chunk_bytes.as_numpy_array(), chunk_spec)
        return next(iter(await self.inner.decode([(chunk_bytes, chunk_spec)])))  # type: ignore[return-value]


class _BoundedSharding(ShardingCodec):
    """Shards whose chunks are unpacked by the bounded pipeline."""

    @property
    def codec_pipeline(self) -> CodecPipeline:
        return BoundedPipeline.from_codecs(self.codecs)


@dataclass(frozen=True)
class _BoundedV2(ArrayBytesCodec):
    """The filters and the compressor of Zarr v2."""

    inner: Any
    """zarr-python's own codec of them."""
    is_fixed_size = False

    def to_dict(self) -> dict[str, Any]:
        return dict(self.inner.to_dict())

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        return int(self.inner.compute_encoded_size(input_byte_length, chunk_spec))

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        filters = list(self.inner.filters or ())
        packed = next((at for at, each in enumerate(filters) if _is_compressor(each)), len(filters))
        data = await asyncio.to_thread(self._unpack, chunk_bytes, chunk_spec, filters[packed:])
        plain = type(self.inner)(filters=filters[:packed] or None, compressor=None)
        prepared = chunk_spec.prototype.buffer.from_bytes(bytes(data))
        return next(iter(await plain.decode([(prepared, chunk_spec)])))  # type: ignore[no-any-return]

    def _unpack(self, chunk_bytes: Buffer, chunk_spec: ArraySpec, packed: list[Any]) -> Any:
        """Undo the compressor, and the filters from the first one that compresses: HDF5 has compression among them."""
        filters = [each.get_config() for each in self.inner.filters or ()]
        for each in filters:
            if each["id"] not in _SAME_SIZE | _ITEMS | _COMPRESSORS:
                unpack_by(each, b"", 0, exact=False)
        limit = chunk_limit(chunk_spec)
        if filters:
            # A filter may store wider numbers, and add checksums.
            limit = 8 * limit + 4096
        data: Any = chunk_bytes.as_numpy_array()
        if self.inner.compressor is not None:
            data = unpack_by(self.inner.compressor.get_config(), data, limit, exact=not filters)
        for codec in reversed(packed):
            data = (
                unpack_by(codec.get_config(), data, limit, exact=False) if _is_compressor(codec) else codec.decode(data)
            )
        if any(each["id"] in _ITEMS for each in filters):
            _check_items(data, chunk_spec)
        return data


def _is_compressor(codec: Any) -> bool:
    """Return whether a codec of numcodecs may make much of few bytes."""
    return codec.get_config()["id"] in _COMPRESSORS


def _bounded(codecs: Iterable[Codec]) -> Iterator[Codec]:
    """Replace codecs, which come in the order of encoding, by bounded ones."""
    is_last = True
    for codec in codecs:
        if isinstance(codec, BytesBytesCodec) and not isinstance(codec, (Crc32cCodec, _BoundedBytes)):
            name = str(codec.to_dict()["name"]).removeprefix("numcodecs.")
            yield codec if name in _SAME_SIZE else _BoundedBytes(codec, is_last)
            is_last = False
        elif isinstance(codec, ShardingCodec) and not isinstance(codec, _BoundedSharding):
            yield _BoundedSharding(
                chunk_shape=codec.chunk_shape,
                codecs=codec.codecs,
                index_codecs=codec.index_codecs,
                index_location=codec.index_location,
            )
        elif isinstance(codec, (VLenUTF8Codec, VLenBytesCodec)):
            yield _BoundedText(codec)
        elif type(codec).__name__ == "V2Codec":
            yield _BoundedV2(codec)
        else:
            is_last = is_last and isinstance(codec, (ArrayArrayCodec, ArrayBytesCodec))
            yield _known(codec)


def _known(codec: Codec) -> Codec:
    """Return a codec that keeps the size of its data; raise ``StoreError`` for any other."""
    ours = (BytesCodec, Crc32cCodec, TransposeCodec, _BoundedBytes, _BoundedText, _BoundedSharding, _BoundedV2)
    name = str(codec.to_dict()["name"]).removeprefix("numcodecs.")
    if not isinstance(codec, ours) and name not in _SAME_SIZE:
        unpack_by({"id": name}, b"", 0, exact=False)
    return codec


class BoundedPipeline(BatchedCodecPipeline):
    """zarr-python's pipeline, with bounded codecs."""

    @classmethod
    def from_codecs(cls, codecs: Iterable[Codec], *, batch_size: int | None = None) -> Self:
        """Create a pipeline of bounded codecs.

        Args:
            codecs: As the metadata of an array list them.
            batch_size: Chunks at a time.

        Returns:
            The pipeline.

        Raises:
            StoreError: A codec cannot be bounded.
        """
        return super().from_codecs(tuple(_bounded(codecs)), batch_size=batch_size)


@contextmanager
def bounded_unpacking() -> Iterator[None]:
    """Have every array that is opened in the block unpack no more than its chunks hold, for as long as it is open.

    Yields:
        Nothing. One thread at a time: the choice of a pipeline is zarr-python's own global setting.
    """
    lock = process.current().resource("choice of zarr-python's codec pipeline", threading.RLock)
    with lock:
        register_pipeline(BoundedPipeline)
        name = f"{BoundedPipeline.__module__}.{BoundedPipeline.__qualname__}"
        with zarr.config.set({_PIPELINE: name}):
            yield
