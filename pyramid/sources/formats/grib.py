"""GRIB 1 and 2 files as variables, read message by message with ecCodes (the extra ``grib``).

Messages of one quantity, kind of level and grid are one variable; time, member and level are its dimensions. Each grid
is a group. Values are those that ecCodes decodes, in float32, which holds every packing in use; NaN is no data.

cfgrib is not used: it sorts longitudes, which shifts the map of a file whose last longitude is negative, and it leaves
index files beside its inputs. The axes here come from the points in the order of the values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from xarray.core import indexing

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.formats.grib_grid import MAPPING, grid_of
from lazytile.pyramid.sources.formats.grib_message import (
    Message,
    Messages,
    Order,
    attributes_of,
    eccodes,
    handles,
    message_of,
)

if TYPE_CHECKING:
    from pathlib import Path


GRIB = "grib"
_DIMENSIONS = ("time", "member", "level")


def open_grib(path: Path) -> dict[str, xr.Dataset]:
    """Open a GRIB file.

    Args:
        path: Of the file.

    Returns:
        Groups by path, one for each grid.

    Raises:
        SourceError: ecCodes is not installed, the file is damaged, no grid can be placed, or two messages of a variable
            have the same time, member and level.
    """
    if eccodes is None:
        raise SourceError(f"{path} is a GRIB file, which needs eccodes: pip install 'lazytile[grib]'")
    members: dict[tuple[str, tuple[str, str, str]], list[Message]] = {}
    examples: dict[tuple[str, tuple[str, str, str]], dict[str, Any]] = {}
    grids: dict[str, xr.Dataset | str] = {}
    orders: dict[str, Order] = {}
    for handle in handles(path):
        message = message_of(handle)
        key = (message.name, message.kind)
        members.setdefault(key, []).append(message)
        grid = message.kind[2]
        if grid not in grids:
            try:
                grids[grid], orders[grid] = grid_of(handle)
            except SourceError as error:
                grids[grid] = str(error)
        examples.setdefault(key, attributes_of(handle))
    known = {grid: found for grid, found in grids.items() if isinstance(found, xr.Dataset)}
    if not known:
        raise SourceError(f"{path} holds {next(iter(grids.values()), 'no GRIB message')}")
    groups: dict[str, xr.Dataset] = {}
    names = _group_names(known)
    for grid, found in known.items():
        mine = {key: messages for key, messages in members.items() if key[1][2] == grid}
        variables = [_variable(path, key, mine, orders[grid], examples[key]) for key in mine]
        groups[names[grid]] = xr.merge([found, *variables], compat="no_conflicts", join="outer").assign_attrs(
            _skipped(grids)
        )
    return groups if "/" in groups else {"/": xr.Dataset(), **groups}


def _skipped(grids: dict[str, xr.Dataset | str]) -> dict[str, str]:
    reasons = [found for found in grids.values() if isinstance(found, str)]
    return {"comment": f"left out: {'; '.join(reasons)}"} if reasons else {}


def _group_names(grids: dict[str, xr.Dataset]) -> dict[str, str]:
    if len(grids) == 1:
        return dict.fromkeys(grids, "/")
    names: dict[str, str] = {}
    for grid, found in grids.items():
        sizes = "x".join(str(found.sizes[dim]) for dim in found.attrs["axes"])
        name = f"/grid_{sizes}"
        while name in names.values():
            name += "_"
        names[grid] = name
    return names


def _variable(
    path: Path,
    key: tuple[str, tuple[str, str, str]],
    members: dict[tuple[str, tuple[str, str, str]], list[Message]],
    order: Order,
    attributes: dict[str, Any],
) -> xr.Dataset:
    """Return the messages of one quantity as a variable with the coordinates of its dimensions."""
    name, (level_kind, step_kind, _) = key
    same = [other for other in members if other[0] == name]
    if len(same) > 1:
        name = (
            f"{name}_{level_kind}"
            if len({other[1][0] for other in same}) == len(same)
            else (f"{name}_{level_kind}_{step_kind}")
        )
    messages = members[key]
    axes = [sorted({getattr(message, dim) for message in messages}) for dim in _DIMENSIONS]
    offsets = np.full([len(axis) for axis in axes], -1, np.int64)
    for message in messages:
        index = tuple(axis.index(getattr(message, dim)) for axis, dim in zip(axes, _DIMENSIONS, strict=True))
        if offsets[index] >= 0:
            raise SourceError(
                f"{path} holds {name} twice for one time, member and level (perhaps several forecasts of one hour); "
                "split it by forecast first (grib_copy -w)"
            )
        offsets[index] = message.offset
    # A dimension of one step adds nothing to the attributes, except for time.
    varying = [len(axis) > 1 or dim == "time" for axis, dim in zip(axes, _DIMENSIONS, strict=True)]
    dims, coordinates = [], {}
    for dim, axis, varies in zip(_DIMENSIONS, axes, varying, strict=True):
        if varies:
            own = (
                f"{dim}_{name}"
                if any(other != key and _differs(members[other], dim, axis) for other in members)
                else dim
            )
            dims.append(own)
            coordinates[own] = xr.Variable((own,), np.array(axis), _coordinate_attributes(dim, attributes))
    if not varying[2] and level_kind not in ("surface", "meanSea"):
        attributes = {**attributes, "level": axes[2][0]}
    data = indexing.LazilyIndexedArray(
        Messages(
            str(path), offsets.reshape([len(axis) for axis, varies in zip(axes, varying, strict=True) if varies]), order
        )
    )
    found = {key: value for key, value in attributes.items() if key != "level_units"}
    variable = xr.Variable((*dims, "row", "col"), data, {**found, "grid_mapping": MAPPING})
    variable.encoding["chunksizes"] = (*(1 for _ in dims), order.rows, order.cols)
    return xr.Dataset({name: variable, **coordinates})


def _differs(messages: list[Message], dim: str, axis: list[float]) -> bool:
    """Return whether other messages have other steps of a dimension, which then needs a name of its own."""
    other = sorted({getattr(message, dim) for message in messages})
    return other != axis and (len(other) > 1 or dim == "time")


def _coordinate_attributes(dim: str, attributes: dict[str, Any]) -> dict[str, Any]:
    if dim == "time":
        return {"standard_name": "time", "units": "seconds since 1970-01-01", "calendar": "standard"}
    return {"units": attributes.get("level_units", "")} if dim == "level" else {"standard_name": "realization"}
