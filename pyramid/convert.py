"""From a source file to a dataset in a store: the one public function of the converter."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lazytile.pyramid.build import Mapper, Progress, ThreadMapper, build_arrays
from lazytile.pyramid.conventions import finish_metadata, write_metadata
from lazytile.pyramid.dataset import Dataset
from lazytile.pyramid.errors import SourceError
from lazytile.pyramid.grid import Shape
from lazytile.pyramid.layout import CHUNK_CELLS, plan_levels
from lazytile.pyramid.publish import replacing
from lazytile.pyramid.source import Source, open_source
from lazytile.pyramid.source_grid import Overrides

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


def convert(
    path: str | Path,
    store: str | Path,
    name: str | None = None,
    variables: Sequence[str] | None = None,
    *,
    group: str | None = None,
    x: str | None = None,
    y: str | None = None,
    crs: str | None = None,
    bounds: tuple[float, float, float, float] | None = None,
    nodata: float | None = None,
    title: str | None = None,
    colormap: str | None = None,
    engine: Mapper | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Dataset:
    """Convert a gridded file to the dataset ``STORE/NAME.zarr`` and return its description.

    name: letters, digits, ``_`` and ``-``; None makes it from the file's name. ``variables`` picks layers, None takes
    all on the largest grid. ``group``, ``x``, ``y`` (names of coordinate variables) and ``crs`` (``EPSG:n``, WKT or
    PROJ) say what the file does not; ``bounds`` (west, south, east, north: outer edges) places a NumPy array, and
    ``nodata`` is the code of no data where the file names none. ``engine`` runs the tasks, None runs them in threads
    of this process. A dataset of the same name is replaced in one step; until then, and if anything fails, it stays
    as it is.

    Raises ``SourceError`` for a file that cannot be converted and ``StoreError`` where the store cannot be written.
    """
    chosen = dataset_name(path) if name is None else _checked_name(name)
    source = open_source(path, variables, group=group, overrides=Overrides(x, y, crs, bounds, nodata))
    dataset = describe_dataset(source, chosen, title=title, colormap=colormap)
    with replacing(Path(store), chosen) as partial:
        write_metadata(partial, dataset, source.coordinates, source.attributes)
        summaries = build_arrays(source, partial, engine or ThreadMapper(), progress)
        dataset = replace(
            dataset,
            variables=tuple(
                replace(variable, statistics=summaries[variable.name].statistics(variable.packing))
                for variable in dataset.variables
            ),
        )
        finish_metadata(partial, dataset, source.attributes)
    return dataset


def describe_dataset(source: Source, name: str, *, title: str | None, colormap: str | None) -> Dataset:
    """Return the description of the dataset that a source becomes, with a new generation and no statistics yet."""
    grid = source.found.grid
    return Dataset(
        name=name,
        generation=secrets.token_hex(16),
        grid=grid,
        levels=len(plan_levels(grid.shape)),
        chunk=Shape(CHUNK_CELLS, CHUNK_CELLS),
        variables=tuple(replace(each.variable, colormap=colormap) for each in source.variables),
        title=source.title if title is None else title,
        source=Path(source.path).name,
    )


def dataset_name(path: str | Path) -> str:
    """Return a dataset name made of a file's: its stem in letters, digits, ``_`` and ``-``."""
    stem = re.sub(
        r"(?:\.(?:nc4?|cdf|hdf5?|h5|he5|zarr|tiff?|npy|npz|grib2?|grb2?))+$", "", Path(path).name, flags=re.IGNORECASE
    )
    return re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_-")[:128] or "dataset"


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SourceError(
            f"a dataset's name has letters, digits, _ and -, 128 at most and a letter or digit first; not {name!r}"
        )
    return name
