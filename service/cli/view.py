"""The command ``view``, which is also ``lazytile FILE``: from a file to a map in one step."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.storage.object_path import ObjectPath
from lazytile.service.cli.options.address import HostOption, NoBrowserOption, PortOption, free_port, has_display
from lazytile.service.cli.options.common import (
    DEFAULT_STORE,
    CacheOption,
    EngineOption,
    JsonOption,
    StoreOption,
    print_json_line,
)
from lazytile.service.cli.options.fetching import FetchOptions  # noqa: TC001 - Typer reads annotations
from lazytile.service.cli.options.groups import with_option_groups
from lazytile.service.cli.options.progress import byte_progress, progress_bar
from lazytile.service.cli.options.replacement import OverwriteOption, check_replacement
from lazytile.service.cli.options.source import SourceOptions  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lazytile.pyramid.ingest.opening import StoredName
    from lazytile.pyramid.sources.overrides import Overrides

WHOLE_PLANES = 2
"""Steps of all variables together up to which all overviews are made at once: of more, the first picture would wait."""
LONG_S = 60.0
"""A source that takes longer to read than this is announced."""
MANY_FILES = 50
"""Files up to which it is found out which of them form a series."""
DataFiles = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Files, URLs and patterns, each a time series or a layer of its own; or STORE/NAME.zarr, or a store.",
    ),
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Never fetch colormaps from the network.")]


@with_option_groups
def view(
    files: DataFiles,
    *,
    store: StoreOption = DEFAULT_STORE,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the dataset [default: derived from the file name].")
    ] = None,
    overwrite: OverwriteOption = False,
    source: SourceOptions,
    colormap: Annotated[
        str | None, typer.Option(metavar="COLORMAP", help="Colormap of the default style [default: found by name].")
    ] = None,
    fetch: FetchOptions,
    host: HostOption = "127.0.0.1",
    port: PortOption = None,
    cache: CacheOption = None,
    engine: EngineOption = "auto",
    offline: OfflineOption = False,
    no_browser: NoBrowserOption = False,
    as_json: JsonOption = False,
) -> None:
    """Convert files as far as a map needs, serve them, and open the map in a browser: the same as lazytile FILE.

    A large file is shown where it is, as by lazytile link, where that is quicker. One that has not changed since is
    served at once. Overviews of more than a few time steps are
    made when they are first shown; lazytile convert makes them all. Files that are no series become datasets of their
    own, and layers of one map.
    """
    from lazytile.pyramid.ingest.opening import stored_name  # noqa: PLC0415 - numpy takes a moment to import

    stored = [found for found in map(stored_name, files) if found is not None]
    if stored and len(files) > 1:
        raise SourceError(
            f"{stored[0].store / stored[0].name}.zarr is a stored dataset, which is shown alone; name its store"
        )
    if not stored:
        stored = converted(files, store, name, source, fetch, colormap=colormap, overwrite=overwrite)
    show(
        stored,
        host=host,
        port=port,
        cache=cache,
        engine=engine,
        offline=offline,
        no_browser=no_browser,
        as_json=as_json,
    )


def converted(
    files: Sequence[str],
    store: Path,
    name: str | None,
    source: SourceOptions,
    fetch: FetchOptions,
    *,
    colormap: str | None,
    overwrite: bool,
) -> list[StoredName]:
    """Convert sources as far as a map needs, unless that was done before.

    Args:
        files: Files, URLs and patterns.
        store: Folder of the datasets.
        name: Of the dataset; None derives it.
        source: What the sources leave out.
        fetch: How remote sources are fetched.
        colormap: Of the default style.
        overwrite: Whether a dataset of another source may be replaced without asking.

    Returns:
        The datasets: one for each series, and for each file that belongs to none.

    Raises:
        SourceError: A source cannot be converted.
        StoreError: The store cannot be written, or a dataset must not be replaced.
    """
    from lazytile.pyramid.fetch.source_url import base_name, is_url  # noqa: PLC0415 - as above
    from lazytile.pyramid.ingest.convert import Storage, convert  # noqa: PLC0415 - xarray takes a second to import
    from lazytile.pyramid.ingest.opening import StoredName  # noqa: PLC0415
    from lazytile.pyramid.ingest.proposed_name import dataset_name  # noqa: PLC0415
    from lazytile.pyramid.linked.link import link  # noqa: PLC0415
    from lazytile.pyramid.sources.series import files_of  # noqa: PLC0415

    given = files_of(files)
    local = fetch.local_files(fetch.requests(given), store)
    arguments = source.arguments()
    is_plain = not any(value is not None for value in (*arguments.values(), fetch.time, colormap))
    groups = _series_among(local, arguments)
    if name is not None and len(groups) > 1:
        raise SourceError(f"--name names one dataset, and the files form {len(groups)}")
    made: list[StoredName] = []
    for group in groups:
        chosen = _unique(name or dataset_name(group[0]), [each.name for each in made])
        found = StoredName(store.resolve(), chosen)
        made.append(found)
        if is_plain and not overwrite and _is_current(store, chosen, group):
            typer.echo(f"{store / chosen}.zarr is up to date", err=True)
            continue
        check_replacement(store, chosen, base_name(group[0]), overwrite=overwrite)
        # Other hosts that read a store in object storage have no files of this one.
        is_seen = not isinstance(store, ObjectPath) or all(map(is_url, group))
        if is_seen and set(group) <= set(given) and _links(group, arguments):
            with progress_bar(f"reading {base_name(group[0])} for its range", "bytes") as bar:
                linked = link(
                    group,
                    store,
                    chosen,
                    **arguments,
                    time=fetch.time_of(given),
                    colormap=colormap,
                    exact=True,
                    progress=bar,
                )
            for remark in linked.dataset.remarks:
                typer.echo(f"note: {remark}", err=True)
            typer.echo(f"note: {base_name(group[0])} is shown where it is; lazytile convert copies it", err=True)
            continue
        with byte_progress(f"converting {base_name(group[0])}") as progress:
            dataset = convert(
                group,
                store,
                chosen,
                **arguments,
                time=fetch.time_of(given),
                colormap=colormap,
                storage=Storage(lazy=not isinstance(store, ObjectPath), lazy_above=WHOLE_PLANES),
                progress=progress,
            )
        for remark in dataset.remarks:
            typer.echo(f"note: {remark}", err=True)
    return made


def _series_among(files: list[str], arguments: dict[str, Any]) -> list[list[str]]:
    """Return the files of each dataset. Many files are taken for one series: all would be opened twice."""
    from lazytile.pyramid.sources.series import series_among  # noqa: PLC0415 - as above

    if not 1 < len(files) <= MANY_FILES:
        return [files]
    return series_among(files, arguments["variables"], group=arguments["group"], overrides=_overrides(arguments))


def _links(files: Sequence[str], arguments: dict[str, Any]) -> bool:
    """Return whether linking files is the quicker way to their first map. Converts what it cannot tell."""
    from lazytile.pyramid.linked.first_map import first_map  # noqa: PLC0415 - as above

    found = first_map(
        files,
        arguments["variables"],
        group=arguments["group"],
        overrides=_overrides(arguments),
        whole_planes=WHOLE_PLANES,
    )
    if found is None or not found.is_linked:
        return False
    if found.reading_s > LONG_S:
        typer.echo(
            f"note: all of it is read for the range of its colours, in about {found.reading_s / 60:.0f} min; "
            f"lazytile link shows it from a sample at once",
            err=True,
        )
    return True


def _overrides(arguments: dict[str, Any]) -> Overrides:
    from lazytile.pyramid.sources.overrides import Overrides  # noqa: PLC0415 - as above

    return Overrides(**{each: arguments[each] for each in ("x", "y", "crs", "bounds", "nodata", "time_pattern")})


def _unique(name: str, taken: Sequence[str]) -> str:
    """Return a name, with a number where another dataset of this run has it: of a.nc and a.tif."""
    names = (name, *(f"{name}-{number}" for number in range(2, len(taken) + 2)))
    return next(each for each in names if each not in taken)


def _is_current(store: Path, name: str, files: Sequence[str]) -> bool:
    """Return whether a dataset was made of these files, and none of them has changed since."""
    from lazytile.pyramid.core.errors import StoreError  # noqa: PLC0415 - as above
    from lazytile.pyramid.fetch.source_url import absolute_source  # noqa: PLC0415
    from lazytile.pyramid.linked.record import read_record  # noqa: PLC0415
    from lazytile.pyramid.linked.source_version import version_of  # noqa: PLC0415
    from lazytile.pyramid.storage.pointer import dataset_folder  # noqa: PLC0415
    from lazytile.pyramid.store.store import Store  # noqa: PLC0415

    if not isinstance(store, ObjectPath) and not (store / f"{name}.zarr").exists():
        return False
    paths = [Path(file) for file in files]
    try:
        opened = Store(store)
        if opened.dataset(name).description.linked:
            record = read_record(dataset_folder(opened.folder, name))
            sources = tuple(map(absolute_source, files))
            return record.is_plain and record.paths == sources and version_of(sources) == record.version
        if isinstance(store, ObjectPath) or len(paths) != 1 or not paths[0].is_file():
            return False  # the description names one file; folders and URLs state no time of change
        stamp = opened.stamp_of(name)
        if stamp is None or paths[0].stat().st_mtime_ns >= stamp[0]:
            return False
        return opened.dataset(name).description.source == paths[0].name
    except (OSError, StoreError, SourceError):
        return False


def show(
    shown: Sequence[StoredName],
    *,
    host: str,
    port: int | None,
    cache: Path | None,
    engine: str,
    offline: bool,
    no_browser: bool,
    as_json: bool,
) -> None:
    """Serve a store until Ctrl-C, and open the map of datasets in a browser.

    Args:
        shown: The datasets, all of one store.
        host: Address to listen on.
        port: Port to listen on; None for the usual one, or a free one if that is used.
        cache: Folder of the tile cache.
        engine: Where tiles are computed.
        offline: Whether no colormaps are fetched.
        no_browser: Whether to print the address only.
        as_json: Whether to print it as JSON.

    Raises:
        LazytileError: The server cannot start.
    """
    from lazytile.pyramid.store.store import Store  # noqa: PLC0415 - numpy takes a moment to import
    from lazytile.service.app.processes import run_server  # noqa: PLC0415 - slow to import
    from lazytile.service.http.settings import Settings  # noqa: PLC0415

    store = Store(shown[0].store)
    descriptions = [store.dataset(found.name).description for found in shown]
    layers = [description.layer_name(description.variables[0]) for description in descriptions]
    # One person looks at one map: a process that is running already is there sooner than several that start.
    is_sized = engine != "auto" or any(name in os.environ for name in ("LAZYTILE_WORKERS", "LAZYTILE_SETTINGS_FILE"))
    settings = Settings.of(
        store=shown[0].store,
        workers=None if is_sized else 1,
        host=host,
        port=free_port(host) if port is None else port,
        cache=cache,
        engine=engine,
        offline=offline or None,
        log_level="debug" if logging.getLogger("lazytile").isEnabledFor(logging.DEBUG) else None,
        # Somebody looks at one map: a line for each tile would be in the way.
        access_log=None if "LAZYTILE_ACCESS_LOG" in os.environ else "off",
    )

    def announce(address: str, description: str) -> None:
        url = f"{address.rstrip('/')}/#{'&'.join(f'layer={layer}' for layer in layers)}"
        if as_json:
            print_json_line(url=url, address=address, layers=layers, engine=description)
        else:
            typer.echo(f"the map is at {url}\nengine: {description}; Ctrl-C stops the server")
        if not no_browser and has_display():
            import webbrowser  # noqa: PLC0415 - only here

            webbrowser.open(url)

    run_server(settings, announce, lambda: settings)
