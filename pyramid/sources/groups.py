"""The groups of a source file, each with the coordinates that other groups hold for it (CF conventions, 2.7).

A group has the coordinates of its parents, and those that its variables name by a path. Without places of its own it
has those of the nearest group whose dimensions fit: products of satellites keep them in a group beside the data.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

import xarray as xr

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.grids.coordinate_pair import EQUALLY_NEAR, HOME
from lazytile.pyramid.sources.grids.role import roles_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAMING = ("coordinates", "grid_mapping")
_UNNAMED = re.compile(r"phony_dim_\d+")
"""Dimensions that the netCDF library invents for HDF5 files without names of dimensions; each group has its own."""


def chosen_groups(
    groups: Mapping[str, xr.Dataset], chosen: str | None, named: Sequence[str] = ()
) -> dict[str, xr.Dataset]:
    """Return groups, each with the coordinates that other groups hold for it.

    Args:
        groups: Of the file, by path, parents before children.
        chosen: Path of the only group to use; None for all.
        named: Paths of coordinates that the user names.

    Returns:
        Groups by path.

    Raises:
        SourceError: The file has no group of that path.
    """
    only = None
    if chosen is not None:
        only = "/" + chosen.strip("/")
        if only not in groups:
            raise SourceError(f"there is no group {chosen!r}; the file has {', '.join(groups)}")
    whole: dict[str, xr.Dataset] = {}
    for path, group in groups.items():
        parent = whole.get(path.rpartition("/")[0] or "/")
        own = group if parent is None or path == "/" else _with_inherited(group, parent, path)
        whole[path] = _with_named(own, groups, path, named)
    whole = {path: _with_nearest_places(group, groups, path) for path, group in whole.items()}
    return whole if only is None else {only: whole[only]}


def _with_inherited(group: xr.Dataset, parent: xr.Dataset, path: str) -> xr.Dataset:
    """Return a group with the coordinates of its parent: all along one dimension or none, and the places of cells."""
    places = _places_of(parent)
    shared = {
        str(name): _from(variable, path.rpartition("/")[0] or "/", str(name))
        for name, variable in parent.variables.items()
        if name not in group.variables
        and (variable.ndim <= 1 or str(name) in places)
        and all(group.sizes.get(dim, size) == size for dim, size in variable.sizes.items())
    }
    return group.assign_coords(shared)


def _places_of(group: xr.Dataset) -> set[str]:
    """Return latitudes and longitudes, with the variables that hold the bounds of their cells."""
    names = {name for name, role in roles_of(group).items() if not role.is_flat}
    return names | {cf.text(group.variables[name].attrs, "bounds") for name in names}


def _from(variable: xr.Variable, path: str, name: str) -> xr.Variable:
    """Return a variable that another group holds, which says so."""
    taken = variable.copy(deep=False)
    taken.encoding = {HOME: (path, name), **variable.encoding}
    return taken


def _with_named(group: xr.Dataset, groups: Mapping[str, xr.Dataset], path: str, named: Sequence[str]) -> xr.Dataset:
    """Return a group with the variables that its own name by their paths."""
    words = [
        word.rstrip(":")
        for name in group.data_vars
        for attribute in _NAMING
        for word in cf.text(group.variables[name].attrs, attribute).split()
    ]
    taken: dict[str, xr.Variable] = {}
    for word in dict.fromkeys([*words, *named]):
        if "/" not in word:
            continue
        home, _, name = posixpath.normpath(posixpath.join(path, word)).rpartition("/")
        home = home or "/"
        if home not in groups or name not in groups[home].variables:
            home, _, name = posixpath.normpath(f"/{word}").rpartition("/")
            home = home or "/"
        source = groups.get(home)
        if source is None or name not in source.variables or home == path:
            continue
        taken |= _fitting(group, source, home, [name])
    return group.assign_coords(taken) if taken else group


def _with_nearest_places(group: xr.Dataset, groups: Mapping[str, xr.Dataset], path: str) -> xr.Dataset:
    """Return a group that has data but no places with those of the nearest group whose dimensions fit."""
    data = [group.variables[name] for name in group.data_vars if group.variables[name].ndim >= 2]
    if not data or any(group.variables[name].ndim for name in _places_of(group) if name in group.variables):
        return group
    if any(role.is_flat for role in roles_of(group).values()):
        return group
    found: dict[int, dict[str, dict[str, xr.Variable]]] = {}
    for home, source in groups.items():
        if home == path:
            continue
        names = [name for name in sorted(_places_of(source)) if name in source.variables]
        taken = _fitting(group, source, home, names)
        roles = {role.kind for role in roles_of(xr.Dataset(taken)).values()} if taken else set()
        if len(roles) > 1:
            found.setdefault(len(posixpath.commonpath([path, home])), {})[home] = taken
    nearest = found[max(found)] if found else {}
    if len(nearest) > 1:
        # Either may be meant.
        group = group.copy()
        group.encoding = {**group.encoding, EQUALLY_NEAR: tuple(nearest)}
        return group
    return group.assign_coords(next(iter(nearest.values()))) if nearest else group


def _fitting(group: xr.Dataset, source: xr.Dataset, home: str, names: Sequence[str]) -> dict[str, xr.Variable]:
    """Return variables of another group whose dimensions are those of a group."""
    taken: dict[str, xr.Variable] = {}
    for name in names:
        variable = source.variables[name]
        dims = _dims_in(group, variable)
        if dims is None:
            continue
        bounds = cf.text(variable.attrs, "bounds")
        moved = xr.Variable(dims, variable._data, variable.attrs, variable.encoding)  # noqa: SLF001 - unread
        if name in group.variables or (name in group.sizes and dims != (name,)):
            continue
        taken[name] = _from(moved, home, name)
        if bounds in source.variables and bounds not in group.variables and bounds not in names:
            taken[bounds] = _from(source.variables[bounds], home, bounds)
    return taken


def _dims_in(group: xr.Dataset, variable: xr.Variable) -> tuple[str, ...] | None:
    """Return the dimensions of a variable as a group names them; None where its sizes do not fit."""
    dims = tuple(map(str, variable.dims))
    if all(group.sizes.get(dim) == size for dim, size in variable.sizes.items()):
        return dims
    if not all(_UNNAMED.fullmatch(dim) for dim in dims):
        used = [group.sizes.get(dim) for dim in dims]
        single = all(size in (None, variable.sizes[dim]) for size, dim in zip(used, dims, strict=True))
        lacking = [dim for size, dim in zip(used, dims, strict=True) if size is None]
        return dims if single and all(variable.sizes[dim] == 1 for dim in lacking) else None
    for data in group.data_vars.values():
        if data.shape[-variable.ndim :] == variable.shape and all(_UNNAMED.fullmatch(str(dim)) for dim in data.dims):
            return tuple(map(str, data.dims[-variable.ndim :]))
    return None
