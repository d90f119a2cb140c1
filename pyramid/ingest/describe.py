"""Describing a source file or a stored dataset, for programs and as text for people."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj

from lazytile.pyramid.core.errors import SourceError, StoreUnavailableError
from lazytile.pyramid.core.grid import Shape
from lazytile.pyramid.core.json_text import parse_json
from lazytile.pyramid.fetch.source_url import is_url
from lazytile.pyramid.ingest.build import block_reader_of, stages_of
from lazytile.pyramid.sources.cf.crs import crs_name
from lazytile.pyramid.sources.formats.container import FORMATS
from lazytile.pyramid.sources.source import Source, open_source
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.protocol import StorageError
from lazytile.pyramid.store.code_statistics import CodeStatistics, statistics_of
from lazytile.pyramid.store.dataset import SUFFIX, Dataset, Dimension, Variable
from lazytile.pyramid.store.layout import CHUNK_CELLS, level_shape, plan_levels
from lazytile.pyramid.store.node_metadata import metadata_problems

if TYPE_CHECKING:
    from lazytile.pyramid.core.grid import Grid
    from lazytile.pyramid.sources.overrides import Overrides
    from lazytile.pyramid.sources.source_variable import SourceVariable

CHEAP_BYTES = 64 << 20
"""Codes of a source variable that are read for its range; a larger one is described without it."""
_METADATA = "zarr.json"


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a stored pyramid, or of the one that a source would become."""

    shape: Shape
    stored_bytes: int | None
    """Of its files; None where it is only planned."""


@dataclass(frozen=True, slots=True)
class Description:
    """The content of a source file or a stored dataset."""

    path: str
    kind: str
    """``source`` or ``dataset``."""
    format: str
    title: str
    generation: str
    """Of a dataset; empty for a source."""
    grid: Grid
    chunk: Shape
    levels: tuple[Level, ...]
    variables: tuple[Variable, ...]
    """With statistics where the dataset has them or the source is small."""
    stored_bytes: int | None
    """None where it is unknown: of remote Zarr."""
    problems: tuple[str, ...]
    """Anything wrong, left out or corrected, one line each."""
    shard_steps: tuple[int, ...] = ()
    """Time steps that one file of each level holds; nothing where each step has its own, and of a source."""


def describe(path: str | Path, *, group: str | None = None, overrides: Overrides | None = None) -> Description:
    """Describe a source file, remote Zarr, or a dataset folder ``NAME.zarr`` of lazytile.

    Args:
        path: A path or URL.
        group: Of the file, where the variables are not in the root.
        overrides: Options that override what the source says.

    Returns:
        The description.

    Raises:
        SourceError: The source cannot be read.
        StoreError: The dataset is damaged.
        StoreUnavailableError: Object storage does not answer.
    """
    if is_url(path) and not isinstance(path, ObjectPath):
        return _of_source(open_source(path, group=group, overrides=overrides))
    folder = location(path)
    root = _our_attributes(folder)
    return (
        _of_source(open_source(folder, group=group, overrides=overrides)) if root is None else _of_dataset(folder, root)
    )


def _our_attributes(folder: Path) -> Any | None:
    """Return the ``lazytile`` attribute of a dataset folder; None for anything else."""
    try:
        document = parse_json((folder / _METADATA).read_text(encoding="utf-8"))
    except StorageError as error:
        raise StoreUnavailableError(str(error)) from error
    except (OSError, ValueError):
        return None
    attributes = document.get("attributes") if isinstance(document, dict) else None
    return attributes.get("lazytile") if isinstance(attributes, dict) else None


def _of_source(source: Source) -> Description:
    grid = source.found.grid
    problems = list(source.remarks)
    variables = []
    for variable in source.variables:
        try:
            variables.append(_with_range(source, variable))
        except SourceError as error:
            problems.append(str(error))
            variables.append(variable.variable)
    return Description(
        path=source.path,
        kind="source",
        format=FORMATS[source.engine],
        title=source.title,
        generation="",
        grid=grid,
        chunk=Shape(CHUNK_CELLS, CHUNK_CELLS),
        levels=tuple(Level(shape, None) for shape in plan_levels(grid.shape)),
        variables=tuple(variables),
        stored_bytes=_source_bytes(source.path),
        problems=tuple(problems),
    )


def _with_range(source: Source, variable: SourceVariable) -> Variable:
    packing = variable.variable.packing
    cells = source.found.grid.shape.rows * source.found.grid.shape.cols
    for dimension in variable.variable.dimensions:
        cells *= len(dimension.labels)
    if cells * np.dtype(packing.dtype).itemsize > CHEAP_BYTES:
        return variable.variable
    reader = block_reader_of(source, variable)
    total = CodeStatistics()
    for block in stages_of(source, variable)[0].blocks:
        total += statistics_of(reader.read(block), packing)
    return replace(variable.variable, statistics=total.statistics(packing))


def _of_dataset(folder: Path, attribute: Any) -> Description:
    dataset = Dataset.from_json(attribute)
    problems = [*dataset.remarks, *metadata_problems(folder, dataset)]
    if not dataset.codec:
        problems.append("it has no checksums (format 1), damage is not noticed; replace records them")
    elif not dataset.checked and dataset.shard:
        problems.append("its shards have checksums, their chunks have none (format 2): only verify compares them")
    if not isinstance(folder, ObjectPath) and folder.name != f"{dataset.name}{SUFFIX}":
        problems.append(f"the folder is named {folder.name}, its dataset {dataset.name}")
    levels = tuple(
        Level(level_shape(dataset.grid.shape, level), _folder_bytes(folder / str(level)))
        for level in range(dataset.levels)
    )
    return Description(
        path=str(folder),
        kind="dataset",
        format=_linked_text(dataset.linked) if dataset.linked else "Zarr v3, GeoZarr",
        title=dataset.title,
        generation=dataset.generation,
        grid=dataset.grid,
        chunk=dataset.chunk,
        levels=levels,
        variables=dataset.variables,
        stored_bytes=_folder_bytes(folder),
        problems=tuple(problems),
        shard_steps=dataset.shard_steps,
    )


def _linked_text(levels: int) -> str:
    return f"linked: {'level 0 is' if levels == 1 else f'levels 0 to {levels - 1} are'} in its source"


def _source_bytes(source: str) -> int | None:
    if is_url(source):
        return None
    path = Path(source)
    return _folder_bytes(path) if path.is_dir() else path.stat().st_size


def _folder_bytes(folder: Path) -> int | None:
    if isinstance(folder, ObjectPath):
        return folder.size_below()
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def format_description(description: Description) -> str:
    """Return a description as lines of plain text.

    Args:
        description: Of a source or dataset.

    Returns:
        The text.
    """
    grid, bounds = description.grid, description.grid.bounds
    stored = "" if description.stored_bytes is None else f", {_size(description.stored_bytes)} on disk"
    lines = [
        f"{description.kind} {description.path}",
        f"  format      {description.format}{stored}",
    ]
    if description.title:
        lines.append(f"  title       {description.title}")
    if description.generation:
        lines.append(f"  generation  {description.generation}")
    around = ", full circle" if grid.is_full_circle else ""
    crs = crs_name(pyproj.CRS.from_user_input(grid.crs))
    lines += [
        f"  grid        {grid.shape.rows} rows x {grid.shape.cols} columns, {crs}",
        f"  cell        {grid.x.cell_size:.10g} x {-grid.y.cell_size:.10g} {grid_units(grid)}{around}",
        (
            f"  bounds      west {bounds.west:.10g}, south {bounds.south:.10g}, "
            f"east {bounds.east:.10g}, north {bounds.north:.10g}"
        ),
        (
            f"  levels      {len(description.levels)}, in chunks of {description.chunk.rows} x {description.chunk.cols}"
            f"{'' if description.kind == 'dataset' else ' (after conversion)'}"
        ),
    ]
    for number, level in enumerate(description.levels):
        stored = "" if level.stored_bytes is None else f"  {_size(level.stored_bytes)}"
        steps = f", {description.shard_steps[number]} steps a file" if description.shard_steps else ""
        lines.append(f"    {number:<2} {level.shape.rows} x {level.shape.cols}{stored}{steps}")
    lines.append(f"  variables   {len(description.variables)}")
    for variable in description.variables:
        lines += _variable_lines(variable)
    if description.problems:
        lines.append("  remarks")
        lines += [f"    {problem}" for problem in description.problems]
    return "\n".join(lines)


def grid_units(grid: Grid) -> str:
    """Return the units of a grid's coordinates.

    Args:
        grid: Any grid.

    Returns:
        ``degrees``, ``m`` or PROJ's name of the unit.
    """
    if grid.is_geographic:
        return "degrees"
    axes = pyproj.CRS.from_user_input(grid.crs).axis_info
    unit = axes[0].unit_name if axes else "metre"
    return {"metre": "m", "degree": "degrees"}.get(unit, unit)


def _variable_lines(variable: Variable) -> list[str]:
    packing = variable.packing
    names = ", ".join(part for part in (variable.title, variable.standard_name) if part)
    lines = [f"    {variable.name}{f'  {names}' if names else ''}"]
    stored = packing.dtype
    if packing.scale_factor != 1.0 or packing.add_offset != 0.0:
        stored += f" x {packing.scale_factor:.10g} + {packing.add_offset:.10g}"
    if packing.missing:
        stored += f", no data {', '.join(f'{code:.10g}' for code in packing.missing)}"
    if packing.valid_min is not None or packing.valid_max is not None:
        ends = ("" if end is None else f"{end:.10g}" for end in (packing.valid_min, packing.valid_max))
        stored += f", valid codes {'..'.join(ends)}"
    lines.append(f"      stored    {stored}")
    lines.append(f"      overviews {variable.reduction}")
    lines += [f"      {finding.topic:<9} {finding.text}" for finding in variable.understanding]
    lines += [f"      {dimension.name:<9} {_steps(dimension)}" for dimension in variable.dimensions]
    statistics = variable.statistics
    if statistics is not None:
        share = 100 * statistics.valid_count / max(1, statistics.cell_count)
        units = f" {variable.units}" if variable.units else ""
        if statistics.minimum is None or statistics.maximum is None or statistics.mean is None:
            lines.append("      values    none, every cell is no data")
        else:
            ends_text = f"{statistics.minimum:.7g} to {statistics.maximum:.7g}{units}, mean {statistics.mean:.7g}"
            lines.append(f"      values    {ends_text}, {share:.1f} % of the cells hold data")
    return lines


def _steps(dimension: Dimension) -> str:
    labels = dimension.labels
    units = f" {dimension.units}" if dimension.units else ""
    if len(labels) <= 6:
        return f"{', '.join(labels)}{units}"
    return f"{len(labels)} steps, {labels[0]} to {labels[-1]}{units}"


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} bytes"
    power = min(3, (len(str(count)) - 1) // 3)
    return f"{count / 1000**power:.1f} {('kB', 'MB', 'GB')[power - 1]}"
