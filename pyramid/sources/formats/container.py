"""Source files, opened as groups of variables with every number as it is stored.

xarray, rasterio, ecCodes and NumPy open them, with all decoding off. A file that cannot be opened is refused in one
line.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from lazytile.pyramid.core.errors import SourceError, first_line
from lazytile.pyramid.sources.cf.assumed_fill import without_assumed_fill
from lazytile.pyramid.sources.formats.extents import check_extents, check_length
from lazytile.pyramid.sources.formats.hdf5_filters import load_plugins
from lazytile.pyramid.sources.formats.hdf_eos import with_structure
from lazytile.pyramid.sources.formats.netcdf3 import needed_bytes
from lazytile.pyramid.sources.formats.numpy_arrays import NUMPY, open_numpy, with_coordinates
from lazytile.pyramid.sources.formats.remote_zarr import open_remote_group, remote_group_names, version_of
from lazytile.pyramid.sources.formats.virtual_zarr import ICECHUNK, KERCHUNK, own_axes, virtual_engine, virtual_store
from lazytile.pyramid.sources.formats.zarr_bounds import check_arrays, check_is_whole
from lazytile.pyramid.sources.formats.zarr_group import open_zarr_group

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lazytile.pyramid.sources.overrides import Overrides

NETCDF = "netcdf4"
ZARR = "zarr"
GRIB = "grib"
GEOTIFF = "geotiff"
NO_FILL = "no_fill"
"""Encoding of netCDF variables that were written without default fill values: then each code may be data."""
ALLOWED = "the formats are netCDF-3, netCDF-4/HDF5, Zarr, GeoTIFF, GRIB and NumPy arrays"
FORMATS = {
    NETCDF: "netCDF or HDF5",
    ZARR: "Zarr",
    ICECHUNK: "Icechunk",
    KERCHUNK: "kerchunk references",
    GEOTIFF: "GeoTIFF",
    NUMPY: "NumPy",
    GRIB: "GRIB",
}
_ZARRS = (ZARR, ICECHUNK, KERCHUNK)

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_HDF5_OFFSETS = (512, 1024, 2048, 4096)
"""Where the content of an HDF5 file may begin, after a block of its user."""
_NETCDF3_MAGICS = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_PICKLE = (
    "a Python pickle, which may run code when it is opened and is never read; if you trust it, load it in Python, "
    "save its array with numpy.save, and convert that file with --bounds"
)
_OTHER_MAGICS = {
    b"\x1f\x8b": "a gzip file; unpack it first",
    b"BZh": "a bzip2 file; unpack it first",
    b"\x0e\x03\x13\x01": "an HDF4 file",
    **{bytes((0x80, protocol)): _PICKLE for protocol in range(2, 6)},
}
_BULLETIN_BYTES = 64
"""How far into a file a GRIB message may begin: a bulletin of the WMO starts with a heading."""
_MAGICS = {
    _HDF5_MAGIC: NETCDF,
    **dict.fromkeys(_NETCDF3_MAGICS, NETCDF),
    **dict.fromkeys((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"), GEOTIFF),
    **dict.fromkeys((b"\x93NUMPY", b"PK\x03\x04"), NUMPY),
    b"GRIB": GRIB,
}
UNDECODED: dict[str, Any] = {
    "decode_cf": False,
    "mask_and_scale": False,
    "decode_times": False,
    "decode_timedelta": False,
    "decode_coords": False,
    "concat_characters": True,
    "use_cftime": None,
    "chunks": None,
    "cache": False,
}


@dataclass(frozen=True, slots=True)
class Container:
    """An open source file."""

    path: Path | str
    """A file, a folder, or the URL of remote Zarr."""
    engine: str
    """Name of the xarray engine that reads it."""
    groups: Mapping[str, xr.Dataset]
    """Variables by path of the group (``/`` for the root), neither decoded nor read."""
    version: str = ""
    """Identifies the content of a remote source; empty for a local one."""
    refusals: Mapping[str, str] = field(default_factory=dict)
    """Why variables of the file are in no group, by name."""

    def close(self) -> None:
        """Close the file."""
        for group in self.groups.values():
            group.close()


def open_container(path: Path | str, overrides: Overrides) -> Container:
    """Open a source file.

    Args:
        path: A file or folder, or the URL of remote Zarr.
        overrides: What the user states.

    Returns:
        The open file.

    Raises:
        SourceError: It is missing, damaged or of another format.
    """
    if isinstance(path, str):
        return _open_remote(path)
    engine = engine_of(path)
    if engine == NETCDF:
        load_plugins()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata; what matters is in Source.remarks
            groups, refusals = _open_grib(path) if engine == GRIB else (dict(_groups(path, engine)), {})
            check_extents(groups, path)
            check_is_whole(path, groups)
            if engine == NETCDF:
                groups = with_structure(groups)
            if engine == NUMPY:
                groups = {name: with_coordinates(group, overrides, path) for name, group in groups.items()}
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(f"{path} cannot be read: {_cause(error)}: {first_line(error)}") from error
    version = virtual_store(path, engine)[1] if engine == ICECHUNK else ""
    return Container(path, engine, groups, version, refusals)


def _open_remote(url: str) -> Container:
    version = version_of(url)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as above
            groups = {name: open_group(url, ZARR, name) for name in remote_group_names(url)}
            check_extents(groups, url)
            check_is_whole(url, groups)
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(f"{url} cannot be read: {first_line(error)}") from error
    return Container(url, ZARR, groups, version)


def engine_of(path: Path) -> str:
    """Return the xarray engine for a file, by its first bytes.

    Args:
        path: A file, or a folder of Zarr.

    Returns:
        Name of the engine.

    Raises:
        SourceError: The file is missing, empty, cut short or of another format.
    """
    if not os.path.exists(path):  # noqa: PTH110 - false for names that no file can have
        raise SourceError(f"there is no file {path}")
    virtual = virtual_engine(path)
    if virtual is not None:
        return virtual
    if path.is_dir():
        if any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zmetadata", ".zarray")):
            return ZARR
        raise SourceError(f"{path} is a folder, but not a Zarr group; name its files, as in '{path}/*.nc'; {ALLOWED}")
    return _engine_of_file(path)


def _engine_of_file(path: Path) -> str:
    magic = _first_bytes(path)
    if magic[:4] in _NETCDF3_MAGICS:
        _check_length(path)
    for start, engine in _MAGICS.items():
        if magic.startswith(start):
            return engine
    if b"GRIB" in _first_bytes(path, _BULLETIN_BYTES):
        return GRIB
    head = _first_bytes(path, _HDF5_OFFSETS[-1] + len(_HDF5_MAGIC))
    if any(head[at:].startswith(_HDF5_MAGIC) for at in _HDF5_OFFSETS):
        return NETCDF
    for start, what in _OTHER_MAGICS.items():
        if magic.startswith(start):
            raise SourceError(f"{path} is {what}; {ALLOWED}")
    text = magic.decode("latin-1").strip()
    shown = repr(text) if text.isascii() and text.isprintable() else f"the bytes {magic.hex(' ')}"
    raise SourceError(f"{path} has an unknown format (it starts with {shown}); {ALLOWED}")


def _first_bytes(path: Path, count: int = 8) -> bytes:
    try:
        with path.open("rb") as file:
            magic = file.read(count)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    if not magic:
        raise SourceError(f"{path} is empty (0 bytes)")
    return magic


def _check_length(path: Path) -> None:
    """Raise ``SourceError`` for a netCDF-3 file that is shorter than its header states."""
    try:
        with path.open("rb") as file:
            needed = needed_bytes(file)
    except (ValueError, KeyError) as error:
        raise SourceError(f"{path} is damaged or cut short: {error}") from error
    if path.stat().st_size < needed:
        raise SourceError(f"{path} is cut short: it has {path.stat().st_size} of {needed} bytes")


def _groups(path: Path, engine: str) -> Iterator[tuple[str, xr.Dataset]]:
    for name in _group_names(path, engine):
        yield name, open_group(path, engine, name)


def open_group(path: Path | str, engine: str, name: str) -> xr.Dataset:
    """Open one group of a file, or of remote Zarr, with every number as it is stored.

    Args:
        path: A file or folder, or the URL of remote Zarr.
        engine: As ``engine_of`` returns it.
        name: Path of the group, ``/`` for the root.

    Returns:
        The variables of the group.
    """
    if isinstance(path, str):
        return without_assumed_fill(open_remote_group(path, name, UNDECODED))
    if engine == GEOTIFF:
        from lazytile.pyramid.sources.formats.geotiff import open_geotiff  # noqa: PLC0415 - GDAL, as for GRIB

        return open_geotiff(path)
    if engine == NUMPY:
        return open_numpy(path)
    if engine == GRIB:
        return _open_grib(path)[0][name]
    below = None if name == "/" else name
    if engine not in _ZARRS:
        return _marked(xr.open_dataset(path, engine=engine, group=below, **UNDECODED), path, name)
    store = path if engine == ZARR else virtual_store(path, engine)[0]
    # In a folder, metadata are read as fast array by array, and consolidated metadata may be out of date.
    group = open_zarr_group(store, str(path), below, consolidated=False, options=UNDECODED)
    # A folder lists its arrays in arbitrary order.
    return own_axes(without_assumed_fill(group[sorted(map(str, group.data_vars))]))


def _open_grib(path: Path) -> tuple[dict[str, xr.Dataset], dict[str, str]]:
    """Return the groups of a GRIB file, and why some of its variables are in none."""
    from lazytile.pyramid.sources.formats.grib.file import open_grib  # noqa: PLC0415 - loads ecCodes

    return open_grib(path)


def _marked(group: xr.Dataset, path: Path, name: str) -> xr.Dataset:
    """Return a netCDF group with what xarray does not say of its variables.

    Those with rows of unequal length (NC_VLEN) have the type object, as in NumPy; xarray gives them the type of their
    items. Those that were written without default fill values are marked.
    """
    import netCDF4  # noqa: PLC0415 - other formats do not need it

    with netCDF4.Dataset(path) as file:
        root = file if name == "/" else file[name]
        ragged = [
            each
            for each, variable in root.variables.items()
            if variable.dtype is not str and isinstance(variable.datatype, netCDF4.VLType)
        ]
        for each, variable in root.variables.items():
            if each in group.variables and variable.get_fill_value() is None:
                group.variables[each].encoding[NO_FILL] = True
    empty = {each: (group[each].dims, np.broadcast_to(np.array(None, object), group[each].shape)) for each in ragged}
    return group.drop_vars(ragged).assign(empty) if ragged else group


def _group_names(path: Path, engine: str) -> list[str]:
    """Return the paths of all groups, parents before children, in the file's order."""
    if engine in (GEOTIFF, NUMPY):
        return ["/"]
    if engine in _ZARRS:
        import zarr  # noqa: PLC0415 - other formats do not need it

        # open_group would report an array at the root as a missing group of some format.
        source = path if engine == ZARR else virtual_store(path, engine)[0]
        if isinstance(root := zarr.open(source, mode="r"), zarr.Array):
            raise SourceError(f"{path} is a single Zarr array, which does not state where its cells lie; {ALLOWED}")
        members = sorted(root.members(max_depth=None))
        check_arrays(str(path), members)
        return ["/", *(f"/{name}" for name, member in members if isinstance(member, zarr.Group))]
    import netCDF4  # noqa: PLC0415 - as above

    with netCDF4.Dataset(path) as file:
        names: list[str] = []
        pending = [file]
        while pending:
            group = pending.pop(0)
            for name, dimension in group.dimensions.items():
                check_length(name, len(dimension), path)
            names.append(group.path)
            pending += group.groups.values()
        return names


def _cause(error: Exception) -> str:
    unnamed = isinstance(error, KeyError) and ("dimension_names" in str(error) or "_ARRAY_DIMENSIONS" in str(error))
    return "its arrays do not name their dimensions" if unnamed else "it may be damaged or cut short"
