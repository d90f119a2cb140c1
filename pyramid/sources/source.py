"""What a source file holds that can be put on a map, found without reading its data.

``open_source`` gives a plain description: the grid, the variables on it with their packing and dimensions, and
where each of them lies in the file. ``pyramid.reader`` reads blocks by that description, in any process.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import SourceError, StoreError
from lazytile.pyramid.fetch.source_url import absolute_source, path_or_url
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.dimension import dimension_of, scalar_time
from lazytile.pyramid.sources.formats.container import NETCDF, Container, open_container
from lazytile.pyramid.sources.formats.grib import GRIB
from lazytile.pyramid.sources.grids.finder import find_grid
from lazytile.pyramid.sources.grids.finding import GridFinding, SourceLocation
from lazytile.pyramid.sources.overrides import Overrides
from lazytile.pyramid.store.dataset import Variable
from lazytile.pyramid.store.geozarr import CRS_VARIABLE, axis_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import xarray as xr

    from lazytile.pyramid.core.packing import Packing
    from lazytile.pyramid.store.dataset import Coordinate, Dimension

_BARRED = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the cells of a variable lie in the file. Plain values: it travels to any process."""

    group: str
    """Path of the group in the file, ``/`` for the root."""
    name: str
    """Name of the variable in that group."""
    axes: tuple[int | None, ...]
    """For each leading dimension, then rows, then columns: the axis of the source, None for one it lacks."""
    orders: tuple[tuple[int, ...] | None, ...]
    """For each leading dimension: the source index of each step, None where they agree."""
    chunks: tuple[int, ...]
    """Source cells compressed together, by stored axis; 1 where the source is not chunked."""
    series: tuple[int, tuple[tuple[int, int], ...]] | None = None
    """Of several files: the leading dimension along which they follow each other, and each step's file and index."""


@dataclass(frozen=True, slots=True)
class SourceVariable:
    """A variable that becomes a layer."""

    variable: Variable
    placement: Placement


@dataclass(frozen=True, slots=True)
class Source:
    """A source file on one grid."""

    path: str
    engine: str
    found: GridFinding
    variables: tuple[SourceVariable, ...]
    coordinates: tuple[Coordinate, ...]
    title: str
    attributes: dict[str, Any]
    """Of the file, as JSON values."""
    remarks: tuple[str, ...]
    """What was found and left out or put right, one line each."""
    files: tuple[str, ...] = ()
    """All files where there are several; ``path`` is the first."""
    version: str = ""
    """Of what is remote: tells its content from another."""


def open_source(
    path: str | Path,
    variables: Sequence[str] | None = None,
    *,
    group: str | None = None,
    overrides: Overrides | None = None,
) -> Source:
    """Find the grid of a file and the variables on it.

    variables: names to take; None takes every numeric variable on the largest grid. ``group`` keeps to one group of
    the file. ``overrides`` says what the file does not, or says wrongly. Raises ``SourceError`` with one line that
    says what was found and what is allowed.
    """
    overrides = overrides or Overrides()
    container = open_container(path_or_url(path), overrides)
    try:
        return _describe(container, variables, group, overrides)
    except StoreError as error:
        raise SourceError(f"{path}: {error}") from error
    except SourceError as error:
        raise error if str(error).startswith(str(path)) else SourceError(f"{path}: {error}") from error
    finally:
        container.close()


def _describe(container: Container, wanted: Sequence[str] | None, group: str | None, overrides: Overrides) -> Source:
    groups = _chosen_groups(container.groups, group)
    if container.engine == GRIB and not wanted and sum(bool(each.data_vars) for each in groups.values()) > 1:
        grids = "; ".join(
            f"{path} with {_listed(map(str, each.data_vars))}" for path, each in groups.items() if each.data_vars
        )
        raise SourceError(f"it holds several grids, choose one with --group or --var: {grids}")
    home = SourceLocation(absolute_source(container.path), container.engine, "/", dict(container.groups["/"].attrs))
    found, members, refusals = find_grid(groups, set(wanted) if wanted else None, overrides, home)
    taken_names = {CRS_VARIABLE, *axis_names(found.grid)}
    dims = {str(dim) for path, name in members for dim in groups[path].variables[name].dims}
    names = _layer_names(members, taken_names | dims - {found.row_dim, found.col_dim})
    taken = _taken(members, names, wanted, refusals)
    remarks = [*found.remarks, *(f"{name} is left out: {reason}" for name, reason in refusals.items())]
    shared = _Shared(found, taken_names, {}, {})
    variables = [
        _variable(_Member(container.engine, groups[path], path, name, names[path, name], overrides.nodata), shared)
        for path, name in taken
    ]
    attributes = cf.json_attributes(container.groups["/"].attrs)
    return Source(
        path=absolute_source(container.path),
        engine=container.engine,
        found=found,
        variables=tuple(variables),
        coordinates=tuple(shared.coordinates.values()),
        title=cf.text(container.groups["/"].attrs, "title"),
        attributes=attributes,
        remarks=tuple(remarks),
        version=container.version,
    )


def _chosen_groups(groups: Mapping[str, xr.Dataset], chosen: str | None) -> dict[str, xr.Dataset]:
    """Return the groups, each with the variables of its parents that give it coordinates."""
    kept = None
    if chosen is not None:
        kept = "/" + chosen.strip("/")
        if kept not in groups:
            raise SourceError(f"there is no group {chosen!r}, there are {', '.join(groups)}")
    whole: dict[str, xr.Dataset] = {}
    for path, group in groups.items():
        parent = whole.get(path.rpartition("/")[0] or "/")
        if parent is not None and path != "/":
            shared = {
                name: variable
                for name, variable in parent.variables.items()
                if name not in group.variables
                and variable.ndim <= 1
                and all(group.sizes.get(dim, size) == size for dim, size in variable.sizes.items())
            }
            group = group.assign_coords({str(name): variable for name, variable in shared.items()})  # noqa: PLW2901
        whole[path] = group
    return whole if kept is None else {kept: whole[kept]}


def _layer_names(members: Sequence[tuple[str, str]], reserved: set[str]) -> dict[tuple[str, str], str]:
    """Name each variable: its own name in letters, digits, ``_`` and ``-``, with its groups where that is taken.

    ``reserved`` are the names of what lies beside the layers in the store; a layer called so gets a ``_`` behind.
    """
    names: dict[tuple[str, str], str] = {}
    for path, name in members:
        parts = [*path.strip("/").split("/"), name]
        candidate = ""
        for start in range(len(parts) - 1, -1, -1):
            candidate = _BARRED.sub("_", "_".join(part for part in parts[start:] if part)).strip("_") or "variable"
            if candidate not in names.values():
                break
        while candidate in names.values() or candidate in reserved:
            candidate += "_"
        names[path, name] = candidate
    return names


def _taken(
    members: Sequence[tuple[str, str]],
    names: Mapping[tuple[str, str], str],
    wanted: Sequence[str] | None,
    refusals: Mapping[str, str],
) -> list[tuple[str, str]]:
    if not wanted:
        return list(members)
    taken: list[tuple[str, str]] = []
    for name in dict.fromkeys(wanted):
        match = [
            member for member in members if name in (member[1], names[member], f"{member[0].rstrip('/')}/{member[1]}")
        ]
        if not match:
            reason = f" ({refusals[name]})" if name in refusals else ""
            raise SourceError(
                f"there is no layer {name!r}{reason}; the variables on the grid are {_listed(names.values())}"
            )
        taken.append(match[0])
    return taken


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


@dataclass(frozen=True, slots=True)
class _Member:
    """A variable of a group that becomes a layer."""

    engine: str
    group: xr.Dataset
    path: str
    name: str
    layer: str
    nodata: float | None
    """What the user says means no data."""


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the variables of a source have in common; it grows with each."""

    found: GridFinding
    reserved: set[str]
    """Names that no dimension may have."""
    steps: dict[str, tuple[str, ...]]
    """Labels of each dimension so far."""
    coordinates: dict[str, Coordinate]

    def add(self, dimension: Dimension, coordinate: Coordinate | None) -> Dimension:
        """Take a dimension in, under another name where its own means something else already; returns it."""
        name = dimension.name
        while name in self.reserved or self.steps.get(name, dimension.labels) != dimension.labels:
            name += "_"
        self.steps[name] = dimension.labels
        if coordinate is not None:
            self.coordinates.setdefault(name, replace(coordinate, name=name))
        return replace(dimension, name=name)


def _variable(member: _Member, shared: _Shared) -> SourceVariable:
    """Describe a variable, and add its dimensions to those that it shares with others."""
    group, name, found = member.group, member.name, shared.found
    stored = group.variables[name]
    dims = [str(dim) for dim in stored.dims]
    leading = [dim for dim in dims if dim not in (found.row_dim, found.col_dim)]
    axes: list[int | None] = [dims.index(dim) for dim in leading]
    dimensions: list[Dimension] = []
    orders: list[tuple[int, ...] | None] = []
    for dim in leading:
        dimension, order, coordinate = dimension_of(group, dim)
        dimensions.append(shared.add(dimension, coordinate))
        orders.append(order)
    scalar = None if any(dimension.kind == "time" for dimension in dimensions) else scalar_time(group, stored)
    if scalar is not None:
        dimension, _, coordinate = dimension_of(group, scalar)
        dimensions.insert(0, shared.add(dimension, coordinate))
        orders.insert(0, None)
        axes.insert(0, None)
    axes += [dims.index(found.row_dim), dims.index(found.col_dim)]
    attributes = {**stored.attrs, **cf.time_attributes(stored.dtype)}
    if member.nodata is not None and "_FillValue" not in attributes:
        attributes["_FillValue"] = member.nodata
    packing = cf.packing_of(stored.dtype, attributes, netcdf=member.engine == NETCDF)
    source_chunks = list(_source_chunks(stored))
    if found.resampling is not None:
        packing = _with_missing(packing)
        source_chunks[axes[-2] or 0] = source_chunks[axes[-1] or 0] = 1
    variable = Variable(
        name=member.layer,
        dimensions=tuple(dimensions),
        packing=packing,
        reduction=cf.reduction_of(name, np.dtype(packing.dtype), attributes),
        title=cf.text(attributes, "long_name"),
        units=cf.text(attributes, "units"),
        standard_name=cf.text(attributes, "standard_name"),
        attributes=cf.json_attributes(attributes),
    )
    placement = Placement(
        group=member.path,
        name=name,
        axes=tuple(axes),
        orders=tuple(orders),
        chunks=tuple(1 if axis is None else source_chunks[axis] for axis in axes),
    )
    return SourceVariable(variable, placement)


def _with_missing(packing: Packing) -> Packing:
    """Return the packing with a code for cells that no source cell reaches."""
    if packing.fill_code is not None:
        return packing
    limits = np.iinfo(packing.dtype)
    return replace(packing, missing=(int(limits.max if limits.min == 0 else limits.min),))


def _source_chunks(stored: xr.Variable) -> tuple[int, ...]:
    chunks = stored.encoding.get("chunksizes") or stored.encoding.get("chunks")
    return tuple(int(size) for size in chunks) if chunks else (1,) * stored.ndim
