"""GRIB 1 and 2 files as variables, read message by message with ecCodes (the extra ``grib``).

Messages of one identity (``identity``) on one grid are one variable; time, member and level are its dimensions.
Each grid is a group. Values are those that ecCodes decodes, in float32, or in float64 where a message packs more than
24 bits; NaN is no data. A message that cannot be read costs its variable, not the file.

cfgrib is not used: it sorts longitudes, which shifts the map of a file whose last longitude is negative, and it leaves
index files beside its inputs. The axes here come from the points in the order of the values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import xarray as xr

from lazytile.pyramid.core.errors import SourceError, first_line
from lazytile.pyramid.sources.formats.grib.grid import grid_of
from lazytile.pyramid.sources.formats.grib.handle import eccodes, key_of
from lazytile.pyramid.sources.formats.grib.message import Message, Order, attributes_of, handles, message_of
from lazytile.pyramid.sources.formats.grib.variable import FieldError, GribVariable, named, refined, variable_of

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(slots=True)
class _Scan:
    """What a pass over the messages of a file found."""

    variables: dict[tuple[str, object], GribVariable] = field(default_factory=dict)
    """By grid and identity."""
    grids: dict[str, xr.Dataset | str] = field(default_factory=dict)
    """The coordinates of each grid, or why it cannot be placed."""
    orders: dict[str, Order] = field(default_factory=dict)
    odd: dict[str, str] = field(default_factory=dict)
    """Why messages cannot be read, by the name of their variable."""

    def add(self, handle: Any, message: Message) -> None:
        """Add a message."""
        grid = message.grid
        if grid not in self.grids:
            try:
                self.grids[grid], self.orders[grid] = grid_of(handle)
            except SourceError as error:
                self.grids[grid] = str(error)
        key = (grid, message.identity)
        if key not in self.variables:
            self.variables[key] = GribVariable(attributes_of(handle, message), [])
        self.variables[key].messages.append(message)


def open_grib(path: Path) -> tuple[dict[str, xr.Dataset], dict[str, str]]:
    """Open a GRIB file.

    Args:
        path: Of the file.

    Returns:
        Groups by path, one for each grid, and why other variables are left out, by name.

    Raises:
        SourceError: ecCodes is not installed, the file is damaged, or it has no variable that can be placed.
    """
    if eccodes is None:
        raise SourceError(f"{path} is a GRIB file, which needs eccodes: pip install 'lazytile[grib]'")
    scan = _scanned(path)
    known = {grid: found for grid, found in scan.grids.items() if isinstance(found, xr.Dataset)}
    refusals: dict[str, str] = {}
    for (grid, _), variable in scan.variables.items():
        if grid not in known:
            refusals[variable.messages[0].labels.name] = f"it has {scan.grids[grid]}"
    names = _group_names(known)
    groups: dict[str, xr.Dataset] = {}
    for grid, found in known.items():
        parts: list[xr.Dataset] = []
        mine = [part for key, each in scan.variables.items() if key[0] == grid for part in refined(each)]
        for name, variable in named(mine).items():
            if variable.messages[0].labels.name in scan.odd:
                continue
            try:
                parts.append(variable_of(str(path), name, variable, mine, scan.orders[grid]))
            except FieldError as error:
                refusals[name] = str(error)
        if parts:
            groups[names[grid]] = xr.merge([found, *parts], compat="no_conflicts", join="outer")
    refusals |= scan.odd
    if not groups:
        reasons = [f"{name}: {reason}" for name, reason in refusals.items()]
        more = f" (and {len(reasons) - 1} more variables)" if len(reasons) > 1 else ""
        raise SourceError(f"{path} holds {f'nothing to convert: {reasons[0]}{more}' if reasons else 'no GRIB message'}")
    return (groups if "/" in groups else {"/": xr.Dataset(), **groups}), refusals


def _scanned(path: Path) -> _Scan:
    scan = _Scan()
    for number, (handle, place) in enumerate(handles(path), start=1):
        try:
            scan.add(handle, message_of(handle, place))
        except (ValueError, KeyError, eccodes.CodesInternalError) as error:
            name = str(key_of(handle, "shortName", "unknown"))
            name = f"message_{number}" if name in ("unknown", "~") else name
            scan.odd[name] = f"message {number} cannot be read: {first_line(error)}"
    return scan


def _group_names(grids: dict[str, xr.Dataset]) -> dict[str, str]:
    if len(grids) == 1:
        return dict.fromkeys(grids, "/")
    names: dict[str, str] = {}
    for grid, found in grids.items():
        sizes = "x".join(str(found.sizes.get(dim, 0)) for dim in found.attrs["axes"])
        name = f"/grid_{sizes}"
        while name in names.values():
            name += "_"
        names[grid] = name
    return names
