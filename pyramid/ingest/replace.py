"""Replacing a dataset by another source, stored and presented as before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazytile.pyramid.ingest.convert import Storage, convert
from lazytile.pyramid.ingest.shard_plan import automatic_steps
from lazytile.pyramid.storage.object_path import location
from lazytile.pyramid.store.codec import DEFAULT_CODEC, Codec
from lazytile.pyramid.store.layout import plan_levels
from lazytile.pyramid.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.ingest.build import Progress
    from lazytile.pyramid.store.dataset import Dataset


def replace(
    path: str | Path | Sequence[str | Path],
    store: str | Path,
    name: str,
    variables: Sequence[str] | None = None,
    *,
    group: str | None = None,
    x: str | None = None,
    y: str | None = None,
    crs: str | None = None,
    bounds: tuple[float, float, float, float] | None = None,
    nodata: float | None = None,
    time: str | None = None,
    time_pattern: str | None = None,
    engine: BulkEngine | str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Dataset:
    """Convert a source in place of the dataset ``STORE/NAME.zarr`` and return its new description.

    Layers, title, colormap, codec, shards and laziness are those of the old dataset. Grid, times and packing may
    differ. Until the end, and if anything fails, the old dataset stays as it is.

    Args:
        path: As for ``convert``.
        store: Folder of datasets.
        name: Of the dataset.
        variables: Names of other variables; None: those of the old dataset.
        group: As for ``convert``.
        x: As for ``convert``.
        y: As for ``convert``.
        crs: As for ``convert``.
        bounds: As for ``convert``.
        nodata: As for ``convert``.
        time: As for ``convert``.
        time_pattern: As for ``convert``.
        engine: Runs the tasks; the name of one; None: threads of this process.
        progress: Called after each task.

    Returns:
        The new description.

    Raises:
        DatasetNotFoundError: The store has no such dataset.
        SourceError: The source cannot be converted.
        StoreError: The store cannot be written.
    """
    old = Store(location(store)).dataset(name).description
    codec = Codec.parse(old.codec) if old.codec else DEFAULT_CODEC
    is_automatic = old.shard_steps == automatic_steps(plan_levels(old.grid.shape), old.variables, old.shard)
    steps = None if is_automatic else max(old.shard_steps, default=0)
    return convert(
        path,
        store,
        name,
        variables or [variable.name for variable in old.variables],
        group=group,
        x=x,
        y=y,
        crs=crs,
        bounds=bounds,
        nodata=nodata,
        time=time,
        time_pattern=time_pattern,
        title=old.title,
        colormap=old.variables[0].colormap,
        storage=Storage(codec, old.shard, old.lazy, shard_steps=None if old.lazy else steps),
        engine=engine,
        progress=progress,
    )
