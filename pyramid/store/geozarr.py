"""The metadata that makes a stored dataset plain GeoZarr: groups, arrays and their attributes.

CF attributes and coordinates at every level serve xarray; the ``multiscales``, ``proj:`` and ``spatial:`` Zarr
conventions (v0.1) serve GDAL and tile servers; ``lazytile`` holds our own description.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj

from lazytile.pyramid.chunks.array_digests import misfit
from lazytile.pyramid.chunks.digest_table import ChunkDigest, Plane
from lazytile.pyramid.chunks.whole_table import encode_table, read_table
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.chunk_file import CHUNKS, ChunkFolder, read_file
from lazytile.pyramid.store.codec import DEFAULT_CODEC, Codec
from lazytile.pyramid.store.layout import CHUNK_CELLS, shard_shape
from lazytile.pyramid.store.node_metadata import consolidate, write_array, write_group
from lazytile.pyramid.tiling.crs_spellings import proj_attributes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lazytile.pyramid.core.grid import Grid
    from lazytile.pyramid.core.packing import Packing
    from lazytile.pyramid.store.dataset import Dataset, Variable

CRS_VARIABLE = "crs"
_CHUNK = (CHUNK_CELLS, CHUNK_CELLS)
RESAMPLING = {"mean": "average", "mode": "mode", "nearest": "nearest", "min": "min", "max": "max"}
"""What other programs call a reduction."""
_OWN_ATTRIBUTES = frozenset({"scale_factor", "add_offset", "missing_value", "_FillValue", "_Unsigned"})


def _convention(name: str, uuid: str, description: str) -> dict[str, str]:
    path = f"zarr-conventions/{name}"
    return {
        "uuid": uuid,
        "schema_url": f"https://raw.githubusercontent.com/{path}/refs/tags/v0.1/schema.json",
        "spec_url": f"https://github.com/{path}/blob/v0.1/README.md",
        "name": name,
        "description": description,
    }


MULTISCALES = _convention("multiscales", "d35379db-88df-4056-af3a-620245f8e347", "Multiscale layout of zarr datasets")
PROJ = _convention(
    "proj", "f17cb550-5864-4468-aeb7-f3180cfb622f", "Coordinate reference system information for geospatial data"
)
SPATIAL = _convention("spatial", "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "Spatial coordinate information")


@dataclass(frozen=True, slots=True)
class Coordinate:
    """The values of a dimension as the source stores them, for other readers."""

    name: str
    values: NDArray[Any]
    """Shape (steps,), in stored order."""
    attributes: dict[str, Any]


def write_metadata(path: Path, dataset: Dataset, coordinates: Sequence[Coordinate], attributes: dict[str, Any]) -> None:
    """Write the groups, the coordinate arrays and the metadata of every data array, without data.

    Args:
        path: Folder of the dataset.
        dataset: Its description.
        coordinates: Values of its dimensions.
        attributes: Of the source.
    """
    write_group(path, root_attributes(dataset, attributes))
    crs = crs_attributes(dataset.grid)
    for level in range(dataset.levels):
        _write_level(path / str(level), dataset, dataset.grid.coarsen(level), coordinates, crs)


def finish_metadata(path: Path, dataset: Dataset, attributes: dict[str, Any]) -> None:
    """Rewrite the root attributes with the results of the build, and consolidate all metadata in the root.

    Args:
        path: Folder of the dataset.
        dataset: Its description.
        attributes: Of the source.
    """
    consolidate(path, root_attributes(dataset, attributes))


def root_attributes(dataset: Dataset, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a dataset's root group.

    Args:
        dataset: Its description.
        attributes: Of the source.

    Returns:
        The attributes.
    """
    bounds = dataset.grid.bounds
    return {
        **attributes,
        **({"title": dataset.title} if dataset.title else {}),
        "Conventions": "CF-1.11",
        "zarr_conventions": [*([] if dataset.linked else [MULTISCALES]), PROJ, SPATIAL],
        **({} if dataset.linked else {"multiscales": _multiscales(dataset)}),
        **proj_attributes(dataset.grid.crs),
        "spatial:dimensions": list(axis_names(dataset.grid)),
        "spatial:bbox": [bounds.west, bounds.south, bounds.east, bounds.north],
        "lazytile": dataset.to_stored_json(),
    }


def _multiscales(dataset: Dataset) -> dict[str, Any]:
    return {
        "layout": [_layout(dataset, level) for level in range(dataset.levels)],
        "resampling_method": RESAMPLING[dataset.variables[0].reduction],
    }


def _layout(dataset: Dataset, level: int) -> dict[str, Any]:
    grid = dataset.grid.coarsen(level)
    entry: dict[str, Any] = {"asset": str(level)}
    if level:
        # Relative to the finer level, in cells: both have the same first edge.
        entry |= {"derived_from": str(level - 1), "transform": {"scale": [2.0, 2.0], "translation": [0.0, 0.0]}}
    else:
        entry |= {"transform": {"scale": [1.0, 1.0], "translation": [0.0, 0.0]}}
    return entry | {"spatial:shape": [grid.shape.rows, grid.shape.cols], "spatial:transform": _transform(grid)}


def _transform(grid: Grid) -> list[float]:
    return [grid.x.cell_size, 0.0, grid.x.first_edge, 0.0, grid.y.cell_size, grid.y.first_edge]


def level_attributes(grid: Grid) -> dict[str, Any]:
    """Return the attributes of a level's group.

    Args:
        grid: Of the level.

    Returns:
        The attributes.
    """
    bounds = grid.bounds
    return {
        "Conventions": "CF-1.11",
        "zarr_conventions": [PROJ, SPATIAL],
        **proj_attributes(grid.crs),
        "spatial:dimensions": list(axis_names(grid)),
        "spatial:bbox": [bounds.west, bounds.south, bounds.east, bounds.north],
        "spatial:shape": [grid.shape.rows, grid.shape.cols],
        "spatial:transform": _transform(grid),
    }


def _write_level(
    group: Path, dataset: Dataset, grid: Grid, coordinates: Sequence[Coordinate], crs: dict[str, Any]
) -> None:
    write_group(group, level_attributes(grid))
    names = axis_names(grid)
    for name, axis, attributes in zip(names, (grid.y, grid.x), axis_attributes(grid), strict=True):
        write_coordinate(group, name, axis.centres(), attributes)
    for coordinate in coordinates:
        write_coordinate(group, coordinate.name, coordinate.values, coordinate.attributes)
    write_array(group / CRS_VARIABLE, shape=(), chunks=(), dtype=np.dtype(np.int32), fill=0, codec=None, attributes=crs)
    for variable in () if int(group.name) < dataset.linked else dataset.variables:
        # Other readers would take an array without chunks for one without data.
        leading = [len(dimension.labels) for dimension in variable.dimensions]
        shard = shard_shape(dataset, variable, int(group.name))
        write_array(
            group / variable.name,
            shape=(*leading, grid.shape.rows, grid.shape.cols),
            dtype=np.dtype(variable.packing.dtype),
            chunks=(*(1 for _ in leading), *_CHUNK),
            shards=None if shard is None else shard.cells(len(leading), _CHUNK),
            codec=Codec.parse(dataset.codec) if dataset.codec else DEFAULT_CODEC,
            fill=variable.packing.fill_code or 0,
            names=[*(dimension.name for dimension in variable.dimensions), *names],
            attributes=variable_attributes(variable),
        )


_LATITUDE = {"standard_name": "latitude", "long_name": "latitude", "units": "degrees_north", "axis": "Y"}
_LONGITUDE = {"standard_name": "longitude", "long_name": "longitude", "units": "degrees_east", "axis": "X"}


def axis_names(grid: Grid) -> tuple[str, str]:
    """Return the names of the dimensions of rows and columns.

    Args:
        grid: Of the dataset.

    Returns:
        The name for rows and the name for columns.
    """
    if grid.is_geographic:
        return "lat", "lon"
    return ("rlat", "rlon") if pyproj.CRS.from_user_input(grid.crs).is_geographic else ("y", "x")


def axis_attributes(grid: Grid) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the CF attributes of the coordinates of rows and columns.

    Args:
        grid: Of the dataset.

    Returns:
        Those of rows and those of columns.
    """
    if grid.is_geographic:
        return _LATITUDE, _LONGITUDE
    crs = pyproj.CRS.from_user_input(grid.crs)
    unit = crs.axis_info[0].unit_name if crs.axis_info else "metre"
    units = {"metre": "m", "degree": "degrees"}.get(unit, unit)
    kinds = ("grid_latitude", "grid_longitude") if crs.is_geographic else _PROJECTED_KINDS
    rows, cols = ({"standard_name": kind, "units": units, "axis": axis} for kind, axis in zip(kinds, "YX", strict=True))
    return rows, cols


_PROJECTED_KINDS = ("projection_y_coordinate", "projection_x_coordinate")


def write_coordinate(group: Path, name: str, values: NDArray[Any], attributes: dict[str, Any]) -> None:
    """Write a one-dimensional coordinate array and its checksum, replacing an existing one.

    Args:
        group: Folder of the level.
        name: Of the dimension.
        values: Shape (steps,), integers or floats.
        attributes: CF attributes.
    """
    array, dtype = group / name, values.dtype.newbyteorder("=")
    write_array(
        array,
        shape=values.shape,
        chunks=values.shape,
        dtype=dtype,
        fill=0,
        codec=DEFAULT_CODEC,
        names=[name],
        attributes=attributes,
    )
    chunk = ChunkFolder(str(array / CHUNKS), dtype.name, values.shape, 0, DEFAULT_CODEC)
    chunk.file((0,)).unlink(missing_ok=True)
    digest = chunk.write((0,), values.astype(dtype, copy=False))
    table = _coordinate_table(group, name)
    table.file.parent.mkdir(exist_ok=True)
    table.file.write_bytes(encode_table(table, np.array([[digest]], np.uint32)))


def coordinate_problem(group: Path, name: str) -> str | None:
    """Compare the numbers of a coordinate with their checksum.

    Args:
        group: Folder of the level.
        name: Of the dimension.

    Returns:
        What is wrong, in a few words; None where they fit, or where an older version recorded no checksum.
    """
    table = _coordinate_table(group, name)
    if not table.file.exists():
        return None
    found = read_table(table)
    if found is None or not found[1].all():
        return "its checksum is damaged"
    try:
        return misfit(ChunkDigest(*found[0][0, 0].tolist()), read_file(group / name / CHUNKS / "0"))
    except StorageError:
        raise
    except OSError as error:
        return f"it cannot be read: {error.strerror}"


def _coordinate_table(group: Path, name: str) -> Plane:
    """Return the table of checksums of a coordinate, which has one chunk and stays when time steps are appended."""
    return Plane(str(group / name), int(group.name), name, (), "", (1, 1))


def crs_attributes(grid: Grid) -> dict[str, Any]:
    """Return the CF attributes of the grid mapping.

    Args:
        grid: Of the dataset.

    Returns:
        Texts, numbers and lists of numbers.
    """
    crs = pyproj.CRS.from_user_input(grid.crs)
    found: dict[str, Any] = crs.to_cf()
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}
    return {key: value for key, value in plain.items() if isinstance(value, (str, float, int, list))}


def variable_attributes(variable: Variable) -> dict[str, Any]:
    """Return the CF attributes of a data array: the source's, with the packing as it is stored.

    Args:
        variable: Of the dataset.

    Returns:
        The attributes.
    """
    packing = variable.packing
    attributes = {key: value for key, value in variable.attributes.items() if key not in _OWN_ATTRIBUTES}
    if packing.scale_factor != 1.0 or packing.add_offset != 0.0:
        attributes |= {"scale_factor": packing.scale_factor, "add_offset": packing.add_offset}
    return attributes | _missing(packing) | {"grid_mapping": CRS_VARIABLE}


def _missing(packing: Packing) -> dict[str, Any]:
    """Return ``_FillValue`` as xarray spells it for Zarr v3 (base64 of the double for floats), and further codes."""
    kind = np.dtype(packing.dtype).kind
    if packing.fill_code is None:
        return {}
    others = [code for code in packing.missing if code != packing.fill_code]
    further = {"missing_value": [float(code) if kind == "f" else int(code) for code in others]} if others else {}
    if kind == "f":
        return {"_FillValue": base64.standard_b64encode(struct.pack("<d", packing.fill_code)).decode(), **further}
    return {"_FillValue": int(packing.fill_code), **further}
