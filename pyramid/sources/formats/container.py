"""Opening a source file: which groups of variables it holds, with every number as it is stored.

xarray, rasterio, ecCodes and NumPy do the opening, with all of their decoding off. What cannot be opened is refused in
one line.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from lazytile.pyramid.core.errors import SourceError, first_line
from lazytile.pyramid.sources.formats.geotiff import GEOTIFF, open_geotiff
from lazytile.pyramid.sources.formats.grib import GRIB, open_grib
from lazytile.pyramid.sources.formats.netcdf3 import needed_bytes
from lazytile.pyramid.sources.formats.numpy_arrays import NUMPY, open_numpy, placed
from lazytile.pyramid.sources.formats.remote_zarr import open_remote_group, remote_group_names, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from lazytile.pyramid.sources.overrides import Overrides

NETCDF = "netcdf4"
ZARR = "zarr"
ALLOWED = "netCDF-3, netCDF-4/HDF5, Zarr, GeoTIFF, GRIB and NumPy arrays are read"
FORMATS = {NETCDF: "netCDF or HDF5", ZARR: "Zarr", GEOTIFF: "GeoTIFF", NUMPY: "NumPy", GRIB: "GRIB"}

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_NETCDF3_MAGICS = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_PICKLE = (
    "a Python pickle, which may run code when it is opened and is never read; where you trust it, load it in Python "
    "and keep its array with numpy.save, then give that file with --bounds"
)
_OTHER_MAGICS = {
    b"\x1f\x8b": "a gzip file: unpack it first",
    b"BZh": "a bzip2 file: unpack it first",
    b"\x0e\x03\x13\x01": "an HDF4 file",
    **{bytes((0x80, protocol)): _PICKLE for protocol in range(2, 6)},
}
_BULLETIN_BYTES = 64
"""How far into a file a GRIB message may begin: a bulletin of the WMO has a heading first."""
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
    """A folder or file, or the URL of remote Zarr."""
    engine: str
    """Name of the xarray engine that reads it."""
    groups: Mapping[str, xr.Dataset]
    """Group path (``/`` for the root) to its variables, none of them decoded or read."""
    version: str = ""
    """Of what is remote: tells its content from another."""

    def close(self) -> None:
        """Close the file."""
        for group in self.groups.values():
            group.close()


def open_container(path: Path | str, overrides: Overrides) -> Container:
    """Open a file of a format that is read, or remote Zarr, or raise ``SourceError`` with what is wrong with it."""
    if isinstance(path, str):
        return _open_remote(path)
    engine = engine_of(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # xarray's remarks on metadata; ours are in Source.remarks
            groups = dict(_groups(path, engine))
            if engine == NUMPY:
                groups = {name: placed(group, overrides, path) for name, group in groups.items()}
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(f"{path} cannot be read, {_blamed(error)}: {first_line(error)}") from error
    return Container(path, engine, groups)


def _open_remote(url: str) -> Container:
    version = version_of(url)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as above
            groups = {name: open_group(url, ZARR, name) for name in remote_group_names(url)}
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(f"{url} cannot be read: {first_line(error)}") from error
    return Container(url, ZARR, groups, version)


def engine_of(path: Path) -> str:
    """Tell the xarray engine for a file by its first bytes, or raise ``SourceError``."""
    if not path.exists():
        raise SourceError(f"there is no file {path}")
    if path.is_dir():
        if any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zmetadata", ".zarray")):
            return ZARR
        raise SourceError(f"{path} is a folder and no Zarr group; {ALLOWED}")
    magic = _first_bytes(path)
    if magic[:4] in _NETCDF3_MAGICS:
        _check_length(path)
    for start, engine in _MAGICS.items():
        if magic.startswith(start):
            return engine
    if b"GRIB" in _first_bytes(path, _BULLETIN_BYTES):
        return GRIB
    for start, what in _OTHER_MAGICS.items():
        if magic.startswith(start):
            raise SourceError(f"{path} is {what}; {ALLOWED}")
    raise SourceError(f"{path} is of no known format (it starts with {magic!r}); {ALLOWED}")


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
    """Raise ``SourceError`` for a netCDF-3 file that is shorter than its header says."""
    try:
        with path.open("rb") as file:
            needed = needed_bytes(file)
    except (ValueError, KeyError) as error:
        raise SourceError(f"{path} cannot be read, it is damaged or cut short: {error}") from error
    if path.stat().st_size < needed:
        raise SourceError(f"{path} is cut short: it has {path.stat().st_size} bytes, its header says {needed}")


def _groups(path: Path, engine: str) -> Iterator[tuple[str, xr.Dataset]]:
    if engine == GRIB:
        yield from open_grib(path).items()
        return
    for name in _group_names(path, engine):
        yield name, open_group(path, engine, name)


def open_group(path: Path | str, engine: str, name: str) -> xr.Dataset:
    """Open one group of a file, or of remote Zarr, with every number as it is stored."""
    if isinstance(path, str):
        return open_remote_group(path, name, UNDECODED)
    if engine == GEOTIFF:
        return open_geotiff(path)
    if engine == NUMPY:
        return open_numpy(path)
    if engine == GRIB:
        return open_grib(path)[name]
    options = dict(UNDECODED)
    if engine == ZARR:
        # Metadata of a folder is read as quickly array by array, and consolidated metadata may be out of date.
        options["consolidated"] = False
    group = xr.open_dataset(path, engine=engine, group=None if name == "/" else name, **options)
    if engine == ZARR:
        # A folder lists its arrays in no order of its own.
        return group[sorted(map(str, group.data_vars))]
    return _marked(group, path, name)


def _marked(group: xr.Dataset, path: Path, name: str) -> xr.Dataset:
    """Return a netCDF group with variables of rows of unequal length (NC_VLEN) of type object, as NumPy has them.

    xarray gives them the type of their items.
    """
    import netCDF4  # noqa: PLC0415 - the other formats do not need it

    with netCDF4.Dataset(path) as file:
        home = file if name == "/" else file[name]
        ragged = [
            each
            for each, variable in home.variables.items()
            if variable.dtype is not str and isinstance(variable.datatype, netCDF4.VLType)
        ]
    empty = {each: (group[each].dims, np.broadcast_to(np.array(None, object), group[each].shape)) for each in ragged}
    return group.drop_vars(ragged).assign(empty) if ragged else group


def _group_names(path: Path, engine: str) -> list[str]:
    """List all groups, parents before children, in the file's order."""
    if engine in (GEOTIFF, NUMPY):
        return ["/"]
    if engine == ZARR:
        import zarr  # noqa: PLC0415 - the netCDF path does not need it

        # zarr-python says that a group is missing, or that an array is in its place, by format.
        if isinstance(root := zarr.open(path, mode="r"), zarr.Array):
            raise SourceError(f"{path} is a single Zarr array, which does not say where its cells lie; {ALLOWED}")
        members = sorted(root.members(max_depth=None))
        return ["/", *(f"/{name}" for name, member in members if isinstance(member, zarr.Group))]
    import netCDF4  # noqa: PLC0415 - as above

    with netCDF4.Dataset(path) as file:
        names: list[str] = []
        waiting = [file]
        while waiting:
            group = waiting.pop(0)
            names.append(group.path)
            waiting += group.groups.values()
        return names


def _blamed(error: Exception) -> str:
    unnamed = isinstance(error, KeyError) and ("dimension_names" in str(error) or "_ARRAY_DIMENSIONS" in str(error))
    return "its arrays do not name their dimensions" if unnamed else "it is damaged or cut short"
