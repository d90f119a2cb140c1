"""Opening what there is: a stored dataset, a file, a URL, an xarray object; and converting it to stay."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from lazytile.async_twin import async_function
from lazytile.dataset import Dataset
from lazytile.pyramid.core.errors import StoreError
from lazytile.pyramid.ingest.opening import stored_name
from lazytile.pyramid.storage.object_path import ObjectPath, location
from lazytile.pyramid.storage.pointer import current_pointers
from lazytile.pyramid.store.store import Store, store_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import xarray as xr

    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.fetch.http_client import HttpOptions
    from lazytile.pyramid.ingest.build import Progress
    from lazytile.pyramid.ingest.convert import Storage

    Source: TypeAlias = "str | Path | Sequence[str | Path] | xr.Dataset | xr.DataArray"


def open(  # noqa: A001 - lazytile.open
    source: Source,
    name: str | None = None,
    *,
    store: str | Path | None = None,
    colormaps: str | Path | None = None,
    engine: str | BulkEngine | None = None,
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Dataset:
    """Open a dataset.

    A stored dataset is opened in place. Anything else is converted first, without overviews, which are made when they
    are first read: to ``store``, or to a temporary one that is removed when the dataset is closed or the program ends.

    Args:
        source: ``STORE/NAME.zarr``; the folder of a store (with ``name`` where it has several datasets); a file, URL or
            pattern, or a list of them; an xarray ``Dataset`` or ``DataArray``.
        name: Of the dataset; for a source that is converted, None derives it from the file's name.
        store: Folder of datasets to convert to. A dataset of the same name there is replaced.
        colormaps: Folder of further colormaps.
        engine: Converts: ``threads``, ``local``, the address of a Dask scheduler, or an open engine.
        progress: Called after each task of a conversion.
        options: For a source that is converted, as for ``convert``: ``variables``, ``group``, ``x``, ``y``, ``crs``,
            ``bounds``, ``nodata``, ``time``, ``time_pattern``, ``title``, ``colormap``, ``storage``, ``fetching``.

    Returns:
        The dataset.

    Raises:
        SourceError: The source cannot be read or placed on the Earth.
        StoreError: The store is missing, damaged or cannot be written.
    """
    folder = None if colormaps is None else str(colormaps)
    if isinstance(source, str | Path):
        found = _stored(source, name)
        if found is not None:
            if options or store is not None:
                given = ", ".join([*options, *(["store"] if store is not None else [])])
                raise StoreError(f"{source} is a stored dataset already; {given} are for sources that are converted")
            return Dataset(*found, colormaps=folder)
    from lazytile.pyramid.ingest.convert import Storage  # noqa: PLC0415 - imports xarray

    options.setdefault("storage", Storage(lazy=True))
    release = None
    if store is None:
        store = Path(tempfile.mkdtemp(prefix="lazytile-"))
        release = _remover(store)
    try:
        made = convert(source, store, name, engine=engine, progress=progress, **options)
    except BaseException:
        if release is not None:
            release()
        raise
    return Dataset(made.store, made.name, colormaps=folder, release=release)


def _stored(source: str | Path, name: str | None) -> tuple[Store, str] | None:
    """Return the store and the name of a stored dataset, if that is what a source is."""
    place = location(source)
    if isinstance(place, ObjectPath) and name is not None and current_pointers(place).get().datasets:
        return store_at(str(place)), name
    if name is not None and Path(source).is_dir() and (Path(source) / f"{name}.zarr").is_dir():
        return store_at(str(Path(source).resolve())), name
    found = stored_name(source)
    return None if found is None else (store_at(str(found.store)), found.name)


def _remover(folder: Path) -> Callable[[], None]:
    def remove() -> None:
        atexit.unregister(remove)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return remove


def convert(
    path: Source,
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
    time: str | None = None,
    time_pattern: str | None = None,
    title: str | None = None,
    colormap: str | None = None,
    storage: Storage | None = None,
    fetching: HttpOptions | None = None,
    engine: str | BulkEngine | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Dataset:
    """Convert a source to ``STORE/NAME.zarr`` with all its overviews, and open it.

    A dataset of the same name is replaced in one step; until then, and if anything fails, it stays as it is. A run that
    was killed is resumed by one with the same source and options.

    Args:
        path: A file, a URL, a pattern (``sst-*.nc``) or a list of them, which form one time series; or an xarray
            ``Dataset`` or ``DataArray``.
        store: Folder of datasets, created where there is none.
        name: Letters, digits, ``_`` and ``-``; None derives it from the file's name.
        variables: Names of variables; None: all on the largest grid.
        group: Of the file, where the variables are not in the root.
        x: Name of the coordinate variable of columns, where the file does not say.
        y: Name of the coordinate variable of rows, where the file does not say.
        crs: ``EPSG:n``, WKT or PROJ, where the file does not say.
        bounds: West, south, east and north, the outer edges, for a NumPy array.
        nodata: The code of no data, where the file names none.
        time: Of a file that states none, ISO 8601.
        time_pattern: Where the names of files that state no times hold them: ``sst-%Y%m%d.nc``.
        title: Of the dataset; None: the source's.
        colormap: Name of a colormap; None: one is found by name, units and range.
        storage: Codec, shards, lazy overviews.
        fetching: How remote sources are downloaded.
        engine: ``threads``, ``local``, ``cuda``, the address of a Dask scheduler, or an open engine.
        progress: Called after each task.

    Returns:
        The dataset.

    Raises:
        SourceError: The source cannot be converted.
        StoreError: The store cannot be written.
    """
    from lazytile.pyramid.ingest.convert import DEFAULT_STORAGE  # noqa: PLC0415 - imports xarray
    from lazytile.pyramid.ingest.convert import convert as run  # noqa: PLC0415

    with _files(path) as files:
        made = run(
            files,
            store,
            name,
            variables,
            group=group,
            x=x,
            y=y,
            crs=crs,
            bounds=bounds,
            nodata=nodata,
            time=time,
            time_pattern=time_pattern,
            title=title,
            colormap=colormap,
            storage=storage or DEFAULT_STORAGE,
            fetching=fetching,
            engine=engine,
            progress=progress,
        )
    return Dataset(store_at(str(location(store).resolve())), made.name)


def link(
    path: str | Path | Sequence[str | Path],
    store: str | Path,
    name: str | None = None,
    variables: Sequence[str] | None = None,
    **options: Any,
) -> Dataset:
    """Register a source as ``STORE/NAME.zarr`` without copying its data, and open it.

    Tiles are those of the converted source; overviews are made when they are first read, and kept in the store.

    Args:
        path: A file, a folder of Zarr, a URL of Zarr, a pattern, or a list of them, which form one time series.
        store: Folder of datasets, created where there is none.
        name: Letters, digits, ``_`` and ``-``; None derives it from the file's name.
        variables: Names of variables; None: all on the largest grid.
        options: As for ``convert``: ``group``, ``x``, ``y``, ``crs``, ``bounds``, ``nodata``, ``time``,
            ``time_pattern``, ``title``, ``colormap``; and ``exact``, whether to read all of a large source for its
            range.

    Returns:
        The dataset.

    Raises:
        SourceError: The source cannot be read where it is, or cannot be placed on the Earth.
        StoreError: The store cannot be written.
    """
    from lazytile.pyramid.linked.link import link as run  # noqa: PLC0415 - imports xarray

    made = run(path, store, name, variables, **options)
    return Dataset(store_at(str(Path(store).resolve())), made.dataset.name)


@contextmanager
def _files(source: Source) -> Iterator[str | Path | Sequence[str | Path]]:
    """Yield a source as files; an xarray object is written to a temporary one."""
    if "xarray" in sys.modules:  # otherwise nobody can have an object of it
        from lazytile.pyramid.ingest.xarray_object import is_xarray, write_object  # noqa: PLC0415 - imports xarray

        if is_xarray(source):
            with tempfile.TemporaryDirectory(prefix="lazytile-") as folder:
                yield write_object(cast("xr.Dataset", source), Path(folder))
            return
    files = cast("str | Path | Sequence[str | Path]", source)
    yield files
    from lazytile.pyramid.ingest.opened_files import release_files  # noqa: PLC0415 - imports xarray

    release_files(files)


open_async = async_function(open)
convert_async = async_function(convert)
link_async = async_function(link)
