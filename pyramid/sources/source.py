"""What a source file holds that can be shown on a map, found without reading its data.

``open_source`` returns a plain description: the grid, the variables on it with their packing and dimensions, and where
each of them lies in the file. ``block_reader`` reads blocks by that description, in any process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.core.errors import SourceError, StoreError, first_line
from lazytile.pyramid.fetch.source_url import absolute_source, path_or_url
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.formats.container import GRIB, Container, open_container
from lazytile.pyramid.sources.grids.coordinate_pair import SourceLocation
from lazytile.pyramid.sources.grids.finder import find_grid
from lazytile.pyramid.sources.groups import chosen_groups
from lazytile.pyramid.sources.layer_names import layer_names, listed, selected_members
from lazytile.pyramid.sources.meshes.finder import find_meshes, helper_names, mesh_grid
from lazytile.pyramid.sources.open_files import release_changed
from lazytile.pyramid.sources.overrides import Overrides
from lazytile.pyramid.sources.source_variable import Member, SharedDimensions, describe_variable
from lazytile.pyramid.sources.stated_time import stated_time, with_time
from lazytile.pyramid.store.geozarr import CRS_VARIABLE, axis_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import xarray as xr

    from lazytile.pyramid.sources.grids.coordinate_pair import SourceGrid
    from lazytile.pyramid.sources.source_variable import SourceVariable
    from lazytile.pyramid.sources.stated_time import StatedTime
    from lazytile.pyramid.store.geozarr import Coordinate

_ON_MESH = "it lies on another mesh"


@dataclass(frozen=True, slots=True)
class Source:
    """A source file on one grid."""

    path: str
    engine: str
    found: SourceGrid
    variables: tuple[SourceVariable, ...]
    coordinates: tuple[Coordinate, ...]
    title: str
    attributes: dict[str, Any]
    """Of the file, as JSON values."""
    remarks: tuple[str, ...]
    """What was left out or corrected, one line each."""
    files: tuple[str, ...] = ()
    """All files where there are several; ``path`` is the first."""
    version: str = ""
    """Identifies the content of a remote source; empty for a local one."""


def open_source(
    path: str | Path,
    variables: Sequence[str] | None = None,
    *,
    group: str | None = None,
    overrides: Overrides | None = None,
) -> Source:
    """Find the grid of a file and the variables on it.

    Args:
        path: A file, a folder of Zarr, or the URL of remote Zarr.
        variables: Names of the variables to use; None for every numeric variable on the largest grid.
        group: Path of the only group to use; None for all.
        overrides: What the file leaves out or states wrongly.

    Returns:
        The description of the file.

    Raises:
        SourceError: The file cannot be read or placed on the Earth. One line says what was found and what is allowed.
    """
    overrides = overrides or Overrides()
    release_changed(absolute_source(path))
    container = open_container(path_or_url(path), overrides)
    try:
        return _describe(container, variables, group, overrides)
    except StoreError as error:
        raise SourceError(f"{path}: {error}") from error
    except (RuntimeError, OSError) as error:
        # Of the libraries, where they read coordinates.
        raise SourceError(f"{path} cannot be read: {first_line(error)}") from error
    except SourceError as error:
        raise error if str(error).startswith(str(path)) else SourceError(f"{path}: {error}") from error
    finally:
        container.close()


def _describe(container: Container, wanted: Sequence[str] | None, group: str | None, overrides: Overrides) -> Source:
    groups = chosen_groups(container.groups, group, [each for each in (overrides.x, overrides.y) if each is not None])
    if container.engine == GRIB and not wanted and sum(bool(each.data_vars) for each in groups.values()) > 1:
        grids = "; ".join(
            f"{path} with {listed(map(str, each.data_vars))}" for path, each in groups.items() if each.data_vars
        )
        raise SourceError(f"it holds several grids; choose one with --group or --var: {grids}")
    location = SourceLocation(
        absolute_source(container.path), container.engine, "/", dict(container.groups["/"].attrs), container.groups
    )
    found, members, refusals = _placed(groups, wanted, overrides, location)
    refusals = {**container.refusals, **refusals}
    taken_names = {CRS_VARIABLE, *axis_names(found.grid)}
    dims = {str(dim) for path, name in members for dim in groups[path].variables[name].dims}
    names = layer_names(members, taken_names | dims - {found.row_dim, found.col_dim})
    taken = selected_members(members, names, wanted, refusals)
    remarks = [*found.remarks, *(f"{name} is left out: {reason}" for name, reason in refusals.items())]
    shared = SharedDimensions(found, taken_names, {}, {})
    variables: list[SourceVariable] = []
    for path, name in taken:
        member = Member(container.engine, groups[path], path, name, names[path, name], overrides.nodata)
        try:
            variables.append(describe_variable(member, shared))
        except SourceError as error:
            if wanted or len(taken) == 1:
                raise SourceError(f"{name}: {error}") from error
            remarks.append(f"{name} is left out: {error}")
    if not variables:
        raise SourceError(f"nothing to convert: {'; '.join(remarks[-3:])}")
    remarks += shared.remarks
    coordinates = dict(shared.coordinates)
    if not any(each.variable.time for each in variables):
        variables, remark = _dated(
            variables, coordinates, stated_time(str(container.path), container.groups, overrides)
        )
        remarks += remark
    elif overrides.time is not None or overrides.time_pattern is not None:
        raise SourceError("it has times of its own; --time and --time-pattern are for files that have none")
    attributes = cf.json_attributes(container.groups["/"].attrs)
    return Source(
        path=absolute_source(container.path),
        engine=container.engine,
        found=found,
        variables=tuple(variables),
        coordinates=tuple(coordinates.values()),
        title=cf.text(container.groups["/"].attrs, "title"),
        attributes=attributes,
        remarks=tuple(remarks),
        version=container.version,
    )


def _placed(
    groups: dict[str, xr.Dataset], wanted: Sequence[str] | None, overrides: Overrides, location: SourceLocation
) -> tuple[SourceGrid, list[tuple[str, str]], dict[str, str]]:
    """Return the grid of a file, the variables on it, and why others are left out: of a grid or of a mesh."""
    names = set(wanted) if wanted else None
    meshes = find_meshes(groups, names)
    if not meshes or overrides.x is not None:
        return find_grid(groups, names, overrides, location)
    mesh = meshes[0]
    on_meshes = {name for each in meshes for _, name in each.members}
    if names is None or len(on_meshes) < len(names):
        try:
            found, members, refusals = find_grid(groups, names, overrides, location)
            members = [member for member in members if member[1] not in on_meshes]
            if members and (mesh.mesh.problem or found.grid.shape.rows * found.grid.shape.cols >= mesh.mesh.cells):
                return found, members, refusals | dict.fromkeys(on_meshes, mesh.mesh.problem or _ON_MESH)
        except SourceError:
            pass  # nothing lies on a grid, so the mesh is what the file holds
    if mesh.mesh.problem:
        raise SourceError(f"nothing to convert: {mesh.members[0][1]}: {mesh.mesh.problem}")
    found = mesh_grid(groups[mesh.path], mesh, location)
    others = {
        str(name): _ON_MESH if str(name) in on_meshes else "it does not lie on the cells of the mesh"
        for path, group in groups.items()
        for name, variable in group.data_vars.items()
        if variable.ndim > 1 and (path, str(name)) not in mesh.members and str(name) not in helper_names(group)
    }
    return found, list(mesh.members), others


def _dated(
    variables: list[SourceVariable], coordinates: dict[str, Coordinate], found: tuple[StatedTime | None, str]
) -> tuple[list[SourceVariable], list[str]]:
    """Return variables with the time of their file, whose coordinate is added, and what there is to say about it."""
    stated, problem = found
    if stated is None:
        return variables, [problem] if problem else []
    dated: list[SourceVariable] = []
    taken = {each.variable.name for each in variables}
    for each in variables:
        try:
            variable, coordinate = with_time(each, stated, taken)
        except SourceError as error:
            if stated.is_user_s:
                raise
            return variables, [str(error)]
        dated.append(variable)
        coordinates[coordinate.name] = coordinate
    return dated, [f"the time {stated.label} is stated by {stated.evidence}"]
