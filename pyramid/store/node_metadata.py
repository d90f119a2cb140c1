"""The metadata documents of a store's groups and arrays (Zarr v3 core specification, 2024-10: "Metadata").

zarr-python writes them through its event loop, and the root's three times with an encoder in Python: half a second of a
small conversion. Its documents and these are the same (``tests/pyramid/store/test_node_metadata.py``), but for the line
breaks and the checksum of the root.
"""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.chunks.checksum import crc32
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.core.json_text import parse_json
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.layout import level_shape

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lazytile.pyramid.store.codec import Codec
    from lazytile.pyramid.store.dataset import Dataset

NODE = "zarr.json"
METADATA_CHECKSUM = "lazytile_metadata_checksum"
"""Attribute of the root: the checksum of its document, for whoever passes the metadata on."""
_INDENT = 2
_ENDIAN = {"name": "bytes", "configuration": {"endian": "little"}}
_BYTES = {"name": "bytes"}
_KEYS = {"name": "default", "configuration": {"separator": "/"}}
_NODES = (NODE, f"*/{NODE}", f"*/*/{NODE}")
"""Of a store: the root, its levels, their arrays."""


def write_group(folder: Path, attributes: dict[str, Any]) -> None:
    """Write the document of a group, whose folder is created where there is none.

    Args:
        folder: Of the group.
        attributes: Of the group, JSON values.
    """
    folder.mkdir(exist_ok=True)
    document = {"attributes": attributes, "zarr_format": 3, "node_type": "group"}
    (folder / NODE).write_text(json.dumps(document, indent=_INDENT), encoding="utf-8")


def write_array(
    folder: Path,
    *,
    shape: Sequence[int],
    chunks: Sequence[int],
    dtype: np.dtype[Any],
    fill: float,
    codec: Codec | None,
    attributes: dict[str, Any],
    names: Sequence[str] | None = None,
    shards: Sequence[int] | None = None,
) -> None:
    """Write the document of an array, whose folder is created where there is none.

    Args:
        folder: Of the array.
        shape: Of the array.
        chunks: Cells of a chunk along each axis.
        dtype: Of the codes: integers or floats.
        fill: Code of the chunks that are not stored.
        codec: Compresses the chunks; None: nothing does.
        attributes: Of the array, JSON values.
        names: Of the dimensions.
        shards: Cells of a shard along each axis; None: each chunk has a file.
    """
    codecs: list[Any] = [_ENDIAN if dtype.itemsize > 1 else _BYTES]
    packed = None if codec is None else codec.zarr_codec(dtype)
    if packed is not None:
        codecs.append(packed.to_dict())
    if shards is not None:
        inner = {
            "chunk_shape": list(chunks),
            "codecs": codecs,
            "index_codecs": [_ENDIAN, {"name": "crc32c"}],
            "index_location": "end",
        }
        codecs = [{"name": "sharding_indexed", "configuration": inner}]
    document = {
        "shape": list(shape),
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(shards or chunks)}},
        "chunk_key_encoding": _KEYS,
        "fill_value": _fill_value(fill, dtype),
        "codecs": codecs,
        "attributes": attributes,
        **({} if names is None else {"dimension_names": list(names)}),
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }
    folder.mkdir(exist_ok=True)
    (folder / NODE).write_text(json.dumps(document, indent=_INDENT), encoding="utf-8")


def _fill_value(fill: float, dtype: np.dtype[Any]) -> int | float | str:
    """Return a fill value as the specification spells it ("Data types: permitted fill values")."""
    if dtype.kind != "f":
        return int(fill)
    number = float(dtype.type(fill))
    if np.isnan(number):
        return "NaN"
    return number if np.isfinite(number) else f"{'-' if number < 0 else ''}Infinity"


def consolidate(path: Path, attributes: dict[str, Any] | None = None) -> None:
    """Write into the root's document all others of the store, for readers that open one file.

    Args:
        path: Folder of the dataset.
        attributes: New ones of the root; None: they stay.

    Raises:
        StoreError: The document of a group or array is damaged.
    """
    documents: dict[str, dict[str, Any]] = {}
    for pattern in _NODES:
        for file in path.glob(pattern):
            try:
                # Our own, just written; one of 100,000 times is larger than what untrusted documents may be.
                documents[file.parent.relative_to(path).as_posix()] = json.loads(file.read_bytes())
            except ValueError as error:
                raise StoreError(f"{file}: it is not JSON") from error
    root = documents.pop(".")
    for document in documents.values():
        if document["node_type"] == "group":
            document["consolidated_metadata"] = _consolidated({})
    document = {
        "attributes": root["attributes"] if attributes is None else attributes,
        "zarr_format": 3,
        "consolidated_metadata": _consolidated({name: documents[name] for name in sorted(documents, key=_order)}),
        "node_type": "group",
    }
    document["attributes"] = {**document["attributes"], METADATA_CHECKSUM: metadata_checksum(document)}
    # Without line breaks: only then is the encoder in C, and statistics have thousands of numbers.
    (path / NODE).write_text(json.dumps(document), encoding="utf-8")


def metadata_checksum(root: dict[str, Any]) -> int:
    """Return the checksum of a root's document, which holds all others.

    Args:
        root: The document, with the checksum among its attributes or without it.

    Returns:
        The CRC-32 of one spelling of its JSON.
    """
    attributes = {name: value for name, value in root["attributes"].items() if name != METADATA_CHECKSUM}
    return crc32(json.dumps({**root, "attributes": attributes}, sort_keys=True, separators=(",", ":")).encode())


def check_metadata(root: dict[str, Any]) -> None:
    """Compare the document of a root with its checksum. Earlier versions wrote none.

    Args:
        root: The document.

    Raises:
        StoreError: They differ.
    """
    if root["attributes"].get(METADATA_CHECKSUM) not in (None, metadata_checksum(root)):
        raise StoreError(
            f"zarr.json differs from its checksum; if you edited it, remove {METADATA_CHECKSUM!r} from its attributes"
        )


def metadata_problems(folder: Path, dataset: Dataset) -> list[str]:
    """Compare the metadata of every array with the description and with the copy in the root.

    Args:
        folder: Of the dataset.
        dataset: Its description.

    Returns:
        What differs, one line each, the path first.

    Raises:
        StorageError: Object storage does not answer.
    """
    problems = []
    consolidated: dict[str, Any] = {}
    try:
        root = parse_json((folder / NODE).read_bytes())
        consolidated = (root.get("consolidated_metadata") or {}).get("metadata", {})
        check_metadata(root)
    except StorageError:
        raise
    except (OSError, ValueError, StoreError) as error:
        problems.append(f"{folder / NODE}: {error}")
    for level in range(dataset.levels):
        shape = level_shape(dataset.grid.shape, level)
        for variable in () if level < dataset.linked else dataset.variables:
            path = folder / str(level) / variable.name / NODE
            wanted = [*(len(dimension.labels) for dimension in variable.dimensions), shape.rows, shape.cols]
            try:
                document = parse_json(path.read_bytes())
            except StorageError:
                raise
            except (OSError, ValueError) as error:
                problems.append(f"{path}: missing or damaged: {type(error).__name__}")
                continue
            copy = consolidated.get(f"{level}/{variable.name}", document)
            if document.get("shape") != wanted or document.get("data_type") != variable.packing.dtype:
                found = f"{document.get('shape')} of {document.get('data_type')}"
                problems.append(f"{path}: it is {found}, expected {wanted} of {variable.packing.dtype}")
            elif (copy.get("shape"), copy.get("codecs")) != (document.get("shape"), document.get("codecs")):
                problems.append(f"{path}: its copy in the root's zarr.json differs")
    return problems


def _consolidated(documents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {"kind": "inline", "must_understand": False, "metadata": documents}


def _order(name: str) -> tuple[int, str]:
    return name.count("/"), unicodedata.normalize("NFKC", name).casefold()
