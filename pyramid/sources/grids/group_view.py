"""The coordinates and coordinate reference systems of one group of a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.conventions import conventional_crs, conventional_transform
from lazytile.pyramid.sources.cf.coordinate_units import Quantity, coordinate_unit
from lazytile.pyramid.sources.cf.crs import is_lonlat, parse_crs
from lazytile.pyramid.sources.cf.grid_mapping import stated_crs, states_crs
from lazytile.pyramid.sources.cf.mapping_form import MappingUse, mapping_uses
from lazytile.pyramid.sources.formats.exact_coordinate import exact_coordinate
from lazytile.pyramid.sources.grids.cell_coordinates import CellPair, find_cell_coordinates
from lazytile.pyramid.sources.grids.role import Evidence, Kind, Role, roles_of
from lazytile.pyramid.sources.grids.stored_coordinate import decoded
from lazytile.pyramid.sources.grids.units_of_places import numbers_fit

if TYPE_CHECKING:
    import pyproj
    import xarray as xr

_MAPPING_KEYS = ("grid_mapping_name", "crs_wkt", "spatial_ref", "GeoTransform")
_LEAST_INDICES = 3


@dataclass(slots=True)
class GroupView:
    """What the variables of a group say of places."""

    group: xr.Dataset
    roles: dict[str, Role]
    cells: list[CellPair]
    _crs: dict[str, pyproj.CRS | None] = field(default_factory=dict)
    _of_group: tuple[str, str] | None = None
    _indices: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, group: xr.Dataset) -> GroupView:
        """Return the view of a group.

        Args:
            group: Variables, not decoded.

        Returns:
            The view; axes that only an affine transform states are among its variables.
        """
        view = cls(group, roles_of(group), [])
        view._add_transforms()
        view.cells = find_cell_coordinates(view.group, view.roles)
        return view

    def along(self, variable: xr.Variable, kind: Kind) -> list[tuple[str, str]]:
        """Return the one-dimensional coordinates of a kind along dimensions of a variable.

        Args:
            variable: Of the group.
            kind: What they count.

        Returns:
            Names with their dimensions, the one with the strongest evidence first, then those that the variable names.
        """
        dims = {str(dim) for dim in variable.dims}
        named = self.named_coordinates(variable)
        found = []
        for name, role in self.roles.items():
            coordinate = self.group.variables[name]
            if role.kind is not kind or role.problem or coordinate.ndim != 1 or str(coordinate.dims[0]) not in dims:
                continue
            if role.is_flat and role.quantity is Quantity.NONE and self.is_index(name):
                continue
            dim = str(coordinate.dims[0])
            found.append(((role.evidence, name not in named, name != dim), name, dim))
        return [(name, dim) for _, name, dim in sorted(found, key=lambda each: each[0])]

    @staticmethod
    def named_coordinates(variable: xr.Variable) -> list[str]:
        """Return the names in a variable's attribute ``coordinates``, without paths.

        Args:
            variable: Of a group.

        Returns:
            The names.
        """
        return [word.rpartition("/")[2] for word in cf.text(variable.attrs, "coordinates").split()]

    def is_index(self, name: str) -> bool:
        """Return whether the numbers of a coordinate only count cells.

        Args:
            name: Of a one-dimensional variable.

        Returns:
            Whether they are 0, 1, 2 ... or 1, 2, 3 ...
        """
        if name not in self._indices:
            values = np.asarray(self.group.variables[name].values)
            count = np.arange(values.size)
            counts = any(np.array_equal(values, count + first) for first in (0, 1))
            self._indices[name] = values.size >= _LEAST_INDICES and counts
        return self._indices[name]

    def misfit(self, y: str, x: str) -> str:
        """Return why the numbers of two coordinates cannot be latitudes and longitudes.

        Args:
            y: Name of a coordinate of rows.
            x: Name of a coordinate of columns.

        Returns:
            The reason; empty where they can.
        """
        lat, lon = (
            np.asarray(decoded(np.atleast_1d(variable.values), variable.attrs)) * unit.factor
            for variable in (self.group.variables[name] for name in (y, x))
            for unit in [coordinate_unit(cf.text(variable.attrs, "units"))]
        )
        return numbers_fit(lat, lon)

    def uses(self, variable: xr.Variable) -> tuple[MappingUse, ...]:
        """Return the grid mappings that a variable names and that exist.

        Args:
            variable: Of the group.

        Returns:
            Grid mappings and their coordinates, without paths.
        """
        uses = mapping_uses(cf.text(variable.attrs, "grid_mapping"))
        plain = [
            MappingUse(use.name.rpartition("/")[2], tuple(word.rpartition("/")[2] for word in use.coordinates))
            for use in uses
        ]
        return tuple(use for use in plain if use.name in self.group.variables)

    def only_mapping(self, variable: xr.Variable) -> str:
        """Return the only grid mapping variable of the group, for a variable that names none.

        Args:
            variable: Of the group.

        Returns:
            Its name; empty where there are none or several, or where the variable names one.
        """
        if cf.text(variable.attrs, "grid_mapping"):
            return ""
        found = [
            str(name)
            for name, other in self.group.variables.items()
            if any(cf.text(other.attrs, key) for key in _MAPPING_KEYS)
        ]
        return found[0] if len(found) == 1 else ""

    def any_mapping(self, variable: xr.Variable) -> str:
        """Return the first grid mapping that a variable names, else the only one of the group.

        Args:
            variable: Of the group.

        Returns:
            Its name; empty where there is none.
        """
        return next((use.name for use in self.uses(variable)), self.only_mapping(variable))

    def crs_of(self, mapping: str) -> pyproj.CRS | None:
        """Return the first coordinate reference system that a grid mapping variable states.

        Args:
            mapping: Its name.

        Returns:
            The coordinate reference system; None where it states none that can be read.
        """
        if mapping not in self._crs:
            found = stated_crs(self.group.variables[mapping].attrs) if mapping in self.group.variables else iter(())
            try:
                self._crs[mapping] = next(found, None)
            except SourceError:
                self._crs[mapping] = None
        return self._crs[mapping]

    def is_projection(self, mapping: str) -> bool:
        """Return whether a grid mapping is another one than true longitudes and latitudes.

        Args:
            mapping: Name of its variable.

        Returns:
            False also where nothing is known of it.
        """
        if mapping not in self.group.variables:
            return False
        name = cf.text(self.group.variables[mapping].attrs, "grid_mapping_name")
        if name:
            return name != "latitude_longitude"
        crs = self.crs_of(mapping)
        return crs is not None and not (is_lonlat(crs) or (crs.is_geographic and not crs.is_derived))

    def states_crs(self, mapping: str) -> bool:
        """Return whether a grid mapping variable states a coordinate reference system.

        Args:
            mapping: Its name.

        Returns:
            Whether it exists and has attributes that state one.
        """
        return mapping in self.group.variables and states_crs(self.group.variables[mapping].attrs)

    def conventional(self, variable: xr.Variable) -> tuple[str, str]:
        """Return the coordinate reference system that a variable or its group state by a convention.

        Args:
            variable: Of the group.

        Returns:
            Its text, and the attribute that holds it; both empty where there is none.
        """
        text, name = conventional_crs(variable.attrs)
        if text:
            return text, name
        if self._of_group is None:
            crs = next(stated_crs(self.group.attrs), None)
            of_file = ("", "") if crs is None else (crs.to_wkt(), "attributes of the file")
            stated = conventional_crs(self.group.attrs)
            self._of_group = stated if stated[0] else of_file
        return self._of_group

    def _add_transforms(self) -> None:
        """Add the axes of variables whose places only an affine transform states."""
        for variable in [self.group.variables[name] for name in self.group.data_vars]:
            if variable.ndim < 2:
                continue
            row_dim, col_dim = (str(dim) for dim in variable.dims[-2:])
            known = [name for kind in Kind for name, dim in self.along(variable, kind) if dim in (row_dim, col_dim)]
            if known or f"{row_dim}_by_transform" in self.group.variables:
                continue
            mapping = self.any_mapping(variable)
            transforms = [self.group.variables[mapping].attrs] if mapping else []
            transform = next(
                filter(None, map(conventional_transform, (*transforms, variable.attrs, self.group.attrs))), None
            )
            text, _ = self.conventional(variable)
            crs = self.crs_of(mapping) if mapping else parse_crs(text) if text else None
            if transform is None or crs is None:
                continue
            first_x, step_x, first_y, step_y = transform
            lonlat = is_lonlat(crs)
            for dim, axis, first, step in ((row_dim, "Y", first_y, step_y), (col_dim, "X", first_x, step_x)):
                name = f"{dim}_by_transform"
                added = exact_coordinate(dim, axis, first, step, self.group.sizes[dim], lonlat=lonlat)
                self.group = self.group.assign_coords({name: added})
                kinds = (Kind.LATITUDE, Kind.LONGITUDE) if lonlat else (Kind.Y, Kind.X)
                self.roles[name] = Role(kinds[axis == "X"], Evidence.CONVENTION, "an affine transform", Quantity.NONE)
