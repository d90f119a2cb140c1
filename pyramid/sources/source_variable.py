"""One variable of a source: how it becomes a layer, and where its cells lie in the file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.finding import Finding
from lazytile.pyramid.core.recoding import Recoding, common_packing
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.codes import with_nodata
from lazytile.pyramid.sources.cf.dimension import FoundDimension, dimension_of
from lazytile.pyramid.sources.cf.step_packing import step_attributes
from lazytile.pyramid.sources.cf.step_times import time_beside
from lazytile.pyramid.sources.cf.variable_kind import VariableKind, kind_of
from lazytile.pyramid.sources.formats.container import NETCDF, NO_FILL
from lazytile.pyramid.store.dataset import Variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

    from lazytile.pyramid.core.packing import Packing
    from lazytile.pyramid.sources.grids.coordinate_pair import SourceGrid
    from lazytile.pyramid.store.dataset import Dimension
    from lazytile.pyramid.store.geozarr import Coordinate

_OF_CODES = frozenset(
    {"scale_factor", "add_offset", "_FillValue", "missing_value", "valid_range", "valid_min", "valid_max", "_Unsigned"}
)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the cells of a variable lie in the file. Holds plain values, so it can be sent to any process."""

    group: str
    """Path of the group in the file, ``/`` for the root."""
    name: str
    """Name of the variable in that group."""
    axes: tuple[int | None, ...]
    """The axis of the source for each leading dimension, then rows, then columns; None where the source lacks it."""
    orders: tuple[tuple[int, ...] | None, ...]
    """The source index of each step, by leading dimension; None where the order is the same."""
    chunks: tuple[int, ...]
    """Source cells compressed together, by stored axis; 1 where the source is not chunked."""
    series: tuple[int, tuple[tuple[int, int], ...]] | None = None
    """Of several files: the leading dimension that joins them, and the file and the index in it of each step."""
    recodings: tuple[Recoding | None, ...] = ()
    """How the codes of each file become those of the store; empty where all are stored as they are."""


@dataclass(frozen=True, slots=True)
class SourceVariable:
    """A variable that becomes a layer."""

    variable: Variable
    placement: Placement


@dataclass(frozen=True, slots=True)
class Member:
    """A variable of a group that becomes a layer."""

    engine: str
    group: xr.Dataset
    path: str
    name: str
    layer: str
    nodata: float | None
    """The code that the user declares as no data."""


@dataclass(frozen=True, slots=True)
class SharedDimensions:
    """The dimensions that the variables of a source share; it grows with each variable."""

    found: SourceGrid
    reserved: set[str]
    """Names that the store needs for something else."""
    steps: dict[str, tuple[str, ...]]
    """Labels of each dimension so far."""
    coordinates: dict[str, Coordinate]
    remarks: list[str] = field(default_factory=list)
    """What was left out of dimensions, one line each."""

    def add(self, found: FoundDimension) -> Dimension:
        """Add a dimension, under another name where another dimension or the store has its own.

        Args:
            found: Of one variable.

        Returns:
            The dimension under the name that it got.
        """
        dimension, coordinate, name = found.dimension, found.coordinate, found.dimension.name
        if found.remark and found.remark not in self.remarks:
            self.remarks.append(found.remark)
        while name in self.reserved or self.steps.get(name, dimension.labels) != dimension.labels:
            name += "_"
        self.steps[name] = dimension.labels
        if coordinate is not None:
            self.coordinates.setdefault(name, replace(coordinate, name=name))
        return replace(dimension, name=name)


def describe_variable(member: Member, shared: SharedDimensions) -> SourceVariable:
    """Describe a variable, and add its dimensions to those that the variables share.

    Args:
        member: The variable and its group.
        shared: Grows by the dimensions of the variable.

    Returns:
        The layer that it becomes, and where its cells lie.

    Raises:
        StoreError: Its packing is invalid.
        SourceError: A dimension has values that cannot be read or that repeat.
    """
    group, name, found = member.group, member.name, shared.found
    stored = group.variables[name]
    dims = [str(dim) for dim in stored.dims]
    leading = [dim for dim in dims if dim not in (found.row_dim, found.col_dim)]
    axes: list[int | None] = [dims.index(dim) for dim in leading]
    found_dimensions = [dimension_of(group, dim) for dim in leading]
    if not any(each.dimension.kind == "time" for each in found_dimensions):
        beside = time_beside(group, stored)
        single = None if beside is None else dimension_of(group, beside)
        if single is not None and single.dimension.kind == "time":
            found_dimensions.insert(0, single)
            axes.insert(0, None)
    dimensions = tuple(shared.add(each) for each in found_dimensions)
    axes += [dims.index(dim) if dim in dims else None for dim in (found.row_dim, found.col_dim)]
    attributes = {**stored.attrs, **cf.time_attributes(stored.dtype)}
    if member.nodata is not None:
        attributes = with_nodata(attributes, member.nodata)
    packing, recoding = _packing(member, stored, attributes, leading, axes)
    source_chunks = list(_source_chunks(stored))
    if found.has_gaps:
        packing = _with_missing(packing)
    if found.resampling is not None:
        for axis in axes[-2:]:
            if axis is not None:
                source_chunks[axis] = 1
    kind = kind_of(name, stored.dtype, attributes)
    times = [each.finding for each in found_dimensions if each.finding is not None]
    variable = Variable(
        name=member.layer,
        dimensions=dimensions,
        packing=packing,
        reduction=kind.reduction,
        title=cf.text(attributes, "long_name"),
        units=cf.text(attributes, "units"),
        standard_name=cf.text(attributes, "standard_name"),
        attributes=cf.json_attributes(without_packing(attributes) if recoding else attributes),
        understanding=(*found.findings, *_findings(packing, recoding, kind, attributes), *times),
    )
    placement = Placement(
        group=member.path,
        name=name,
        axes=tuple(axes),
        orders=tuple(None if axis is None else each.order for each, axis in zip(found_dimensions, axes, strict=False)),
        chunks=tuple(1 if axis is None else source_chunks[axis] for axis in axes),
        recodings=() if recoding is None else (recoding,),
    )
    return SourceVariable(variable, placement)


def _findings(
    packing: Packing, recoding: Recoding | None, kind: VariableKind, attributes: Mapping[str, Any]
) -> tuple[Finding, ...]:
    """Return how the numbers of a variable were understood."""
    scale = f"value = code x {packing.scale_factor:.10g} + {packing.add_offset:.10g}"
    if recoding is not None:
        meaning = f"a packing for each of {len(recoding.steps)} steps, stored as {packing.dtype}"
    else:
        meaning = scale if (packing.scale_factor, packing.add_offset) != (1.0, 0.0) else "values as they are"
    named = [name for name in _OF_CODES if name in attributes]
    evidence = ", ".join(sorted(named)) or "the type of the numbers"
    return (
        Finding("packing", meaning, evidence),
        Finding("kind", kind.text, kind.evidence, guessed=kind.guessed),
    )


def _packing(
    member: Member,
    stored: xr.Variable,
    attributes: dict[str, Any],
    leading: list[str],
    axes: list[int | None],
) -> tuple[Packing, Recoding | None]:
    """Return the packing in which a variable is stored, and how its codes get it where each step has its own."""
    netcdf = member.engine == NETCDF and not stored.encoding.get(NO_FILL, False)
    steps = step_attributes(attributes, {dim: stored.sizes[dim] for dim in leading})
    if steps is None:
        return cf.packing_of(stored.dtype, attributes, netcdf=netcdf), None
    dim, each = steps
    packings = [cf.packing_of(stored.dtype, one, netcdf=netcdf) for one in each]
    axis = axes.index([str(other) for other in stored.dims].index(dim))
    target = common_packing(packings)
    if target == packings[0]:
        return target, None
    return target, Recoding(target, tuple(packings), axis)


def without_packing(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes without those that describe codes, which recoded numbers no longer have.

    Args:
        attributes: Of a variable.

    Returns:
        The others.
    """
    return {name: value for name, value in attributes.items() if name not in _OF_CODES}


def _with_missing(packing: Packing) -> Packing:
    """Return the packing with a code for cells that no source cell reaches."""
    if packing.fill_code is not None:
        return packing
    limits = np.iinfo(packing.dtype)
    return replace(packing, missing=(int(limits.max if limits.min == 0 else limits.min),))


def _source_chunks(stored: xr.Variable) -> tuple[int, ...]:
    chunks = stored.encoding.get("chunksizes") or stored.encoding.get("chunks")
    return tuple(int(size) for size in chunks) if chunks else (1,) * stored.ndim
