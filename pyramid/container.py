"""Opening a source file: which groups of variables it holds, with every number as it is stored.

xarray does the opening, with all of its decoding off. What cannot be opened is refused in one line.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xarray as xr

from lazytile.pyramid.errors import SourceError
from lazytile.pyramid.netcdf3 import needed_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NETCDF = "netcdf4"
ZARR = "zarr"
ALLOWED = "netCDF-3, netCDF-4/HDF5 and Zarr are read"

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_NETCDF3_MAGICS = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_OTHER_MAGICS = {
    b"GRIB": "a GRIB file",
    b"II*\x00": "a TIFF file",
    b"MM\x00*": "a TIFF file",
    b"II+\x00": "a BigTIFF file",
    b"\x93NUMPY": "a NumPy array file, which does not say where its cells lie",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip file: unpack it first",
    b"BZh": "a bzip2 file: unpack it first",
    b"\x0e\x03\x13\x01": "an HDF4 file",
    b"\x80\x04": "a Python pickle, which may run code when it is opened and is never read",
    b"\x80\x05": "a Python pickle, which may run code when it is opened and is never read",
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

    path: Path
    engine: str
    """Name of the xarray engine that reads it."""
    groups: Mapping[str, xr.Dataset]
    """Group path (``/`` for the root) to its variables, none of them decoded or read."""

    def close(self) -> None:
        """Close the file."""
        for group in self.groups.values():
            group.close()


def open_container(path: Path) -> Container:
    """Open a file of a format that is read, or raise ``SourceError`` with what is wrong with it."""
    engine = engine_of(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # xarray's remarks on metadata; ours are in Source.remarks
            groups = dict(_groups(path, engine))
    except Exception as error:
        raise SourceError(f"{path} cannot be read, it is damaged or cut short: {_first_line(error)}") from error
    return Container(path, engine, groups)


def engine_of(path: Path) -> str:
    """Tell the xarray engine for a file by its first bytes, or raise ``SourceError``."""
    if not path.exists():
        raise SourceError(f"there is no file {path}")
    if path.is_dir():
        if any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zmetadata")):
            return ZARR
        raise SourceError(f"{path} is a folder and no Zarr group; {ALLOWED}")
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    if not magic:
        raise SourceError(f"{path} is empty (0 bytes)")
    if magic[:4] in _NETCDF3_MAGICS:
        _check_length(path)
    if magic == _HDF5_MAGIC or magic[:4] in _NETCDF3_MAGICS:
        return NETCDF
    for start, what in _OTHER_MAGICS.items():
        if magic.startswith(start):
            raise SourceError(f"{path} is {what}; {ALLOWED}")
    raise SourceError(f"{path} is of no known format (it starts with {magic!r}); {ALLOWED}")


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
    for name in _group_names(path, engine):
        group = xr.open_dataset(path, engine=engine, group=None if name == "/" else name, **UNDECODED)
        yield name, group


def _group_names(path: Path, engine: str) -> list[str]:
    """List all groups, parents before children, in the file's order."""
    if engine == ZARR:
        import zarr  # noqa: PLC0415 - the netCDF path does not need it

        root = zarr.open_group(path, mode="r")
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


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
