"""Finding a tile matrix set by name: the sets of ``tms``, of the OGC registry and of the operator's files.

``tms`` has the exact numbers of the sets that matter most. The other sets that the OGC has registered come from
morecantile's definitions, read and frozen once; an operator's sets are OGC 17-083r4 JSON documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import morecantile
import pyproj
from pydantic import ValidationError

from lazytile.pyramid.core import process
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.core.grid import Bounds
from lazytile.pyramid.core.json_text import parse_json
from lazytile.pyramid.tiling.crs_axes import is_ordered_y_first
from lazytile.pyramid.tiling.tms import GLOBE, REGISTERED, TileMatrix, TileMatrixSet

if TYPE_CHECKING:
    from pathlib import Path

MAX_DOCUMENT_BYTES = 1 << 20
MAX_TILE_SIDE = 1024
MAX_MATRICES = 100
MAX_MATRIX_SIDE = 1 << 31
"""Tiles along a side of a matrix."""
MAX_COORDINATE = 1e12
"""Largest coordinate of a corner, in units of the CRS."""
MAX_FILES = 1000
"""Documents in a folder of tile matrix sets."""


def _custom() -> dict[str, TileMatrixSet]:
    """Return the operator's sets by identifier, one mapping per process."""
    return process.current().resource("custom tile matrix sets", dict)


def find_tms(identifier: str) -> TileMatrixSet | None:
    """Return the set of a name.

    Args:
        identifier: Name in ``tms.REGISTERED``, the operator's files or the OGC registry.

    Returns:
        The set, or None.
    """
    found = REGISTERED.get(identifier) or _custom().get(identifier)
    return _from_ogc_registry(identifier) if found is None and identifier in morecantile.tms.list() else found


def custom_sets() -> tuple[TileMatrixSet, ...]:
    """Return every set that ``register_file`` added."""
    return tuple(_custom().values())


def register_file(path: Path) -> TileMatrixSet:
    """Add the set of an OGC 17-083r4 JSON document, at start-up.

    Args:
        path: The document.

    Returns:
        The set.

    Raises:
        StoreError: The file is no tile matrix set that can be served, or another set has its name.
    """
    try:
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            raise StoreError(f"{path} is larger than {MAX_DOCUMENT_BYTES} bytes, no tile matrix set is")
        document = morecantile.TileMatrixSet.model_validate(parse_json(path.read_bytes()))
        frozen = _freeze(document)
    except (OSError, ValueError, ValidationError, pyproj.exceptions.ProjError) as error:
        reason = " ".join(str(error).split())
        raise StoreError(f"{path} is no tile matrix set (OGC 17-083r4 JSON): {reason[:300]}") from error
    if find_tms(frozen.identifier) not in (None, frozen):
        raise StoreError(f"{path}: there is a tile matrix set {frozen.identifier!r} already; use another id")
    _custom()[frozen.identifier] = frozen
    return frozen


def register_folder(folder: Path) -> tuple[TileMatrixSet, ...]:
    """Add the set of every ``*.json`` of a folder, in order of the names.

    Args:
        folder: The folder.

    Returns:
        The sets.

    Raises:
        StoreError: There is no such folder, or as for ``register_file``.
    """
    if not folder.is_dir():
        raise StoreError(f"there is no folder {folder} of tile matrix sets")
    paths = sorted(folder.glob("*.json"))
    if len(paths) > MAX_FILES:
        raise StoreError(f"{folder} holds {len(paths)} tile matrix sets, at most {MAX_FILES} are read")
    return tuple(register_file(path) for path in paths)


@process.slow_memo
def _from_ogc_registry(identifier: str) -> TileMatrixSet | None:
    document = morecantile.tms.get(identifier)
    return None if document.is_variable else _freeze(document)


def _freeze(document: morecantile.TileMatrixSet) -> TileMatrixSet:
    """Return the numbers of a document. Raises ``ValueError`` where its tiles cannot be rendered."""
    if document.is_variable:
        raise ValueError("sets of variable width are not supported")
    if not 1 <= len(document.tileMatrices) <= MAX_MATRICES:
        raise ValueError(f"it has {len(document.tileMatrices)} tile matrices, 1 to {MAX_MATRICES} are allowed")
    authority = document.crs.to_authority(min_confidence=20) if hasattr(document.crs, "to_authority") else None
    crs = pyproj.CRS.from_user_input(authority or document.crs._pyproj_crs)  # noqa: SLF001 - there is no public way
    name = crs.to_authority()
    is_lonlat = crs.is_geographic and name in (("EPSG", "4326"), ("OGC", "CRS84"))
    if name is None:
        raise ValueError("its CRS has no authority code")
    north_first = is_ordered_y_first(crs, document.orderedAxes)
    matrices = []
    for matrix in sorted(document.tileMatrices, key=lambda item: -item.cellSize):
        x, y = matrix.pointOfOrigin[::-1] if north_first else matrix.pointOfOrigin
        if matrix.cornerOfOrigin == "bottomLeft":
            y += matrix.cellSize * matrix.tileHeight * matrix.matrixHeight
        if max(matrix.tileWidth, matrix.tileHeight) > MAX_TILE_SIDE:
            raise ValueError(f"tiles are {MAX_TILE_SIDE} pixels wide and high at most")
        cell = float(matrix.cellSize)
        extents = (cell * matrix.tileWidth * matrix.matrixWidth, cell * matrix.tileHeight * matrix.matrixHeight)
        if max(matrix.matrixWidth, matrix.matrixHeight) > MAX_MATRIX_SIDE:
            raise ValueError(f"tile matrices are {MAX_MATRIX_SIDE} tiles wide and high at most")
        if not (cell > 0 and matrix.scaleDenominator > 0):
            raise ValueError(f"cellSize and scaleDenominator of tile matrix {matrix.id[:40]!r} must be above 0")
        if not all(abs(float(number)) <= MAX_COORDINATE for number in (x, y, *extents, matrix.scaleDenominator)):
            raise ValueError(f"numbers of tile matrix {matrix.id[:40]!r} exceed {MAX_COORDINATE:g}")
        matrices.append(
            TileMatrix(
                matrix.id,
                cell,
                cell,
                float(x),
                float(y),
                matrix.tileWidth,
                matrix.tileHeight,
                matrix.matrixWidth,
                matrix.matrixHeight,
                float(matrix.scaleDenominator),
            )
        )
    return TileMatrixSet(
        str(document.id),
        str(document.title or document.id),
        "EPSG:4326" if is_lonlat else ":".join(name),
        f"urn:ogc:def:crs:{name[0]}:{'1.3' if name[0] == 'OGC' else ''}:{name[1]}",
        None,
        tuple(matrices),
        GLOBE if is_lonlat else _extent(matrices),
    )


def _extent(matrices: list[TileMatrix]) -> Bounds:
    corners = [matrix.tile_bounds(matrix.matrix_height - 1, matrix.matrix_width - 1) for matrix in matrices]
    return Bounds(
        min(matrix.origin_x for matrix in matrices),
        min(corner.south for corner in corners),
        max(corner.east for corner in corners),
        max(matrix.origin_y for matrix in matrices),
    )
