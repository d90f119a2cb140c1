"""Groups of Zarr, opened with xarray; in Zarr 3 it knows one of the spellings of ``_FillValue`` only.

xarray writes that attribute of floats as base64 of the double, and reads nothing else. Others write a number, or the
name of one that JSON lacks, as for ``fill_value``
(https://zarr-specs.readthedocs.io/en/latest/v3/data-types/index.html).
"""

from __future__ import annotations

import base64
import json
import struct
from typing import TYPE_CHECKING, Any

import xarray as xr
from zarr.abc.store import Store
from zarr.storage import LocalStore, WrapperStore

from lazytile.pyramid.chunks.bounded_zarr import bounded_unpacking
from lazytile.pyramid.core.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

FILL = "_FillValue"
_METADATA = "zarr.json"
_FLOATS = ("float16", "float32", "float64")
_NAMED = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_DOUBLE = struct.Struct("<d")
_UNREAD = (TypeError, ValueError, struct.error)
"""What xarray raises for other spellings; ``binascii.Error`` is a ``ValueError``."""


def open_zarr_group(
    store: Path | Store, where: str, group: str | None, *, consolidated: bool, options: Mapping[str, Any]
) -> xr.Dataset:
    """Open a group with xarray.

    Args:
        store: A folder, or a store of zarr-python.
        where: Its path or URL, for errors.
        group: Path of the group; None: the root.
        consolidated: Whether to read the root's consolidated metadata.
        options: Of ``xarray.open_dataset``.

    Returns:
        Its variables.

    Raises:
        SourceError: An attribute ``_FillValue`` of floats is no number.
    """

    def opened(source: Any) -> xr.Dataset:
        return xr.open_dataset(source, engine="zarr", group=group, consolidated=consolidated, **options)

    with bounded_unpacking():
        try:
            return opened(store)
        except _UNREAD:
            whole = store if isinstance(store, Store) else LocalStore(store, read_only=True)
            return opened(_WithXarraysFill(whole, where))


class _WithXarraysFill(WrapperStore[Store]):
    """A store whose metadata spell ``_FillValue`` as xarray does."""

    def __init__(self, store: Store, where: str) -> None:
        super().__init__(store)
        self._where = where

    def _with_store(self, store: Store) -> _WithXarraysFill:
        return type(self)(store, self._where)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._store, self._where)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return the bytes of a key; those of metadata with each number spelled as xarray does."""
        found = await self._store.get(key, prototype, byte_range)
        if found is None or byte_range is not None or key.rpartition("/")[2] != _METADATA:
            return found
        document = json.loads(found.to_bytes())
        own = key.rpartition("/")[0]
        for name, array in ((own, document), *_members(document)):
            _spell(array, f"{self._where}, {name or '/'}")
        return prototype.buffer.from_bytes(json.dumps(document).encode())


def _members(document: Any) -> list[tuple[str, Any]]:
    """Return the metadata that a document consolidates, with the names of what they describe."""
    consolidated = document.get("consolidated_metadata") if isinstance(document, dict) else None
    members = consolidated.get("metadata") if isinstance(consolidated, dict) else None
    return list(members.items()) if isinstance(members, dict) else []


def _spell(array: Any, where: str) -> None:
    """Spell the attribute of an array of floats as xarray does. Raises ``SourceError`` for what is no number."""
    attributes = array.get("attributes") if isinstance(array, dict) else None
    if not isinstance(attributes, dict) or FILL not in attributes or array.get("data_type") not in _FLOATS:
        return
    value = attributes[FILL]
    if value is None:
        del attributes[FILL]
        return
    if isinstance(value, str):
        if _is_double(value):
            return
        value = _NAMED.get(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise SourceError(f"{where}: {FILL} is neither a number nor the base64 of one: {attributes[FILL]!r:.80}")
    attributes[FILL] = base64.standard_b64encode(_DOUBLE.pack(value)).decode()


def _is_double(text: str) -> bool:
    try:
        return len(base64.standard_b64decode(text)) == _DOUBLE.size
    except ValueError:
        return False
