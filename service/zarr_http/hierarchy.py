"""The metadata of a dataset's Zarr as it is served: consolidated at the root and at each level.

A reader over HTTP cannot list folders, so every group that holds arrays names them. What earlier versions did not write
is added: the conventions ``multiscales``, ``proj:`` and ``spatial:``, and the packing of each variable.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import StoreError, StoreUnavailableError
from lazytile.pyramid.core.json_text import parse_json
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.generation_attempts import check_opened
from lazytile.pyramid.store.geozarr import CRS_VARIABLE, level_attributes, root_attributes, variable_attributes
from lazytile.pyramid.store.node_metadata import METADATA_CHECKSUM, check_metadata
from lazytile.service.zarr_http.address import NODE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.pyramid.store.store import StoredDataset

_CONSOLIDATED = "consolidated_metadata"


@dataclass(frozen=True, slots=True)
class Node:
    """The document of a group or array."""

    body: bytes
    digest: str
    """For its entity tag."""
    chunk_counts: tuple[int, ...] | None = None
    """Chunks, or shards, along each axis of an array."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """All groups and arrays of a dataset, by their paths; the root's is empty."""

    nodes: Mapping[str, Node]

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about."""
        return sum(len(node.body) + 500 for node in self.nodes.values())


def hierarchy_of(stored: StoredDataset) -> Hierarchy:
    """Return the metadata of a dataset, read once for each state of it. It blocks.

    Args:
        stored: The dataset.

    Returns:
        The metadata.

    Raises:
        StoreError: A document is missing or damaged.
        GenerationChangedError: The dataset was replaced meanwhile.
    """
    key = ("zarr", stored.path, stored.stamp)
    found: Hierarchy = process.cache("documents").get(key, lambda: _read(stored))
    return found


def _read(stored: StoredDataset) -> Hierarchy:
    try:
        root, documents = _stored_documents(stored)
        check_metadata(root)
        documents = _completed(stored, documents)
        attributes = {**root_attributes(stored.description, {}), **root.get("attributes", {})}
        attributes.pop(METADATA_CHECKSUM, None)  # of the document as it is stored, not as it is sent
        attributes["zarr_conventions"] = _merged(attributes, root_attributes(stored.description, {}))
        nodes = {path: _node(_with_children(path, document, documents)) for path, document in documents.items()}
    except StorageError as error:
        raise StoreUnavailableError(str(error)) from error
    except (OSError, KeyError, TypeError, ValueError, StoreError) as error:
        check_opened(stored)
        name = stored.description.name
        raise StoreError(f"the metadata of dataset {name} is damaged: {type(error).__name__}: {error}") from error
    check_opened(stored)
    nodes[""] = _node({**root, "attributes": attributes, _CONSOLIDATED: _inline(_plain(documents))})
    return Hierarchy(nodes)


def _stored_documents(stored: StoredDataset) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the document of the root as it is stored, and those of all other nodes."""
    root = parse_json((stored.path / NODE).read_bytes())
    consolidated = root.get(_CONSOLIDATED)
    if consolidated:
        return root, dict(consolidated["metadata"])
    documents: dict[str, dict[str, Any]] = {}
    for level in range(stored.description.levels):
        group = stored.path / str(level)
        files = [group / NODE, *sorted(group.glob(f"*/{NODE}"))]
        documents |= {file.parent.relative_to(stored.path).as_posix(): parse_json(file.read_bytes()) for file in files}
    return root, documents


def _completed(stored: StoredDataset, documents: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return documents with the attributes that an earlier version did not write."""
    description = stored.description
    found = dict(documents)
    for level in range(description.levels):
        group = found[str(level)]
        attributes = level_attributes(description.grid.coarsen(level))
        ours = {**attributes, **group.get("attributes", {})}
        ours["zarr_conventions"] = _merged(ours, attributes)
        found[str(level)] = {**group, "attributes": ours}
        for variable in () if level < description.linked else description.variables:
            path = f"{level}/{variable.name}"
            known = variable_attributes(variable)
            if f"{level}/{CRS_VARIABLE}" not in found:
                del known["grid_mapping"]
            found[path] = {**found[path], "attributes": {**known, **found[path].get("attributes", {})}}
    return found


def _merged(attributes: dict[str, Any], ours: dict[str, Any]) -> list[Any]:
    """Return the conventions that attributes name, and ours."""
    names = [each["name"] for each in attributes["zarr_conventions"]]
    return [*attributes["zarr_conventions"], *(each for each in ours["zarr_conventions"] if each["name"] not in names)]


def _with_children(path: str, document: dict[str, Any], documents: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    if document["node_type"] != "group":
        return document
    start = f"{path}/"
    children = {name.removeprefix(start): each for name, each in documents.items() if name.startswith(start)}
    return {**document, _CONSOLIDATED: _inline(_plain(children))}


def _plain(documents: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return documents as consolidated ones hold them: a group in them has no children of its own."""
    return {
        path: {**document, _CONSOLIDATED: _inline({})} if document["node_type"] == "group" else document
        for path, document in documents.items()
    }


def _inline(documents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {"kind": "inline", "must_understand": False, "metadata": documents}


def _node(document: dict[str, Any]) -> Node:
    body = _encoded(document)
    counts = None
    if document["node_type"] == "array":
        lengths = document["chunk_grid"]["configuration"]["chunk_shape"]
        counts = tuple(-(-size // length) for size, length in zip(document["shape"], lengths, strict=True))
    return Node(body, hashlib.sha256(body).hexdigest(), counts)


def _encoded(document: dict[str, Any]) -> bytes:
    try:
        return json.dumps(document, allow_nan=False).encode()
    except ValueError:
        # Python writes and reads NaN; JSON has none, and no browser reads it (RFC 8259, 6).
        return json.dumps(_finite(document), allow_nan=False).encode()


def _finite(value: Any) -> Any:
    """Return JSON values with each number that is not finite as Zarr spells it: ``NaN``, ``Infinity``, in quotes."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list) else value
