"""Compression filters of HDF5 that are not part of the library (the extra ``hdf5plugin``).

Files name a filter by its number in the registry of the HDF Group. The plug-ins of the package ``hdf5plugin`` are
registered with the HDF5 library that netCDF4 brings, which is not the one that h5py brings.
"""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path
from typing import Any

from lazytile.pyramid.core import process

_BUILT_IN = frozenset({1, 2, 3, 5, 6})
"""Deflate, shuffle, Fletcher's checksum, n bits, scale and offset."""
_NAMES = {
    4: "szip",
    307: "bzip2",
    32000: "lzf",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32017: "sz",
    32018: "fcidecomp",
    32019: "jpeg",
    32024: "sz3",
    32026: "blosc2",
    32028: "sperr",
    32029: "jpeg2000",
}
_PLUGINS = frozenset({307, 32001, 32004, 32008, 32013, 32015, 32017, 32018, 32024, 32026, 32028})
"""Those that the package brings."""


def load_plugins() -> None:
    """Register the filters of the package hdf5plugin, if it is installed, once in this process."""
    process.current().resource("HDF5 filters", _load)


def _load() -> bool:
    folder = _folder()
    library = _library()
    if folder is None or library is None:
        return False
    return bool(library.H5PLappend(str(folder).encode()) >= 0)


def _folder() -> Path | None:
    """Return the folder of the plug-ins, without importing the package, which imports h5py and its own HDF5."""
    found = importlib.util.find_spec("hdf5plugin")
    places = found.submodule_search_locations if found is not None else None
    return Path(places[0]) / "plugins" if places else None


def _library() -> Any | None:
    """Return the libraries of netCDF4: netCDF, and the HDF5 that it uses."""
    import netCDF4._netCDF4 as module  # noqa: PLC0415 - other formats do not need it

    try:
        library = ctypes.CDLL(module.__file__)
        library.H5PLappend.argtypes = [ctypes.c_char_p]
        library.H5PLappend.restype = ctypes.c_int
    except (OSError, AttributeError):
        return None  # linked otherwise: the user sets HDF5_PLUGIN_PATH
    return library


def filters_of(variable: Any) -> tuple[int, ...]:
    """Return the numbers of a variable's filters that are no part of HDF5.

    Args:
        variable: Of netCDF4.

    Returns:
        The numbers; none where they are not known.
    """
    library = _library()
    if library is None:
        return ()
    # netCDF4 has no function for this, but gives its handles to those who call the library itself.
    group, number = getattr(variable, "_grpid", None), getattr(variable, "_varid", None)
    count = ctypes.c_size_t(0)
    if group is None or number is None:
        return ()
    try:
        if library.nc_inq_var_filter_ids(group, number, ctypes.byref(count), None) != 0 or not count.value:
            return ()
        ids = (ctypes.c_uint * count.value)()
        library.nc_inq_var_filter_ids(group, number, ctypes.byref(count), ids)
    except AttributeError:
        return ()
    return tuple(int(each) for each in ids if each not in _BUILT_IN)


def advice(filters: tuple[int, ...]) -> str:
    """Return what to do about filters that cannot be read.

    Args:
        filters: Their numbers.

    Returns:
        The filters by name, and the package that brings them; empty without filters.
    """
    if not filters:
        return ""
    names = ", ".join(f"{_NAMES.get(number, 'unknown')} ({number})" for number in filters)
    if set(filters) <= _PLUGINS and _folder() is None:
        return f"its HDF5 filter is {names}, which needs hdf5plugin: pip install 'lazytile[hdf5plugin]'"
    return f"its HDF5 filter is {names}, which no installed package reads; unpack it first (h5repack -f NONE)"
