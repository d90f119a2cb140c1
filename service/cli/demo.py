"""The command ``demo``: made-up data on a map."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads annotations
from typing import Annotated

import typer

from lazytile.service.cli.options.address import HostOption, NoBrowserOption, PortOption  # noqa: TC001 - as below
from lazytile.service.cli.options.common import CacheOption, JsonOption  # noqa: TC001 - Typer reads annotations
from lazytile.service.cli.options.progress import byte_progress
from lazytile.service.cli.view import OfflineOption, show

STEP_DEGREES = 0.25
DAYS = 3
NAME = "sst"


def demo(
    *,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="FOLDER", help="Folder to keep the data in [default: a temporary one]."),
    ] = None,
    host: HostOption = "127.0.0.1",
    port: PortOption = None,
    cache: CacheOption = None,
    offline: OfflineOption = False,
    no_browser: NoBrowserOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make up three days of sea surface temperature, convert and serve them, and open the map in a browser."""
    import shutil  # noqa: PLC0415 - only here
    import tempfile  # noqa: PLC0415
    from pathlib import Path as LocalPath  # noqa: PLC0415

    from lazytile.pyramid.demo.sst_file import regular_grid, write_sst  # noqa: PLC0415 - numpy takes a moment to import
    from lazytile.pyramid.ingest.convert import convert  # noqa: PLC0415 - xarray takes a second to import
    from lazytile.pyramid.ingest.opening import StoredName  # noqa: PLC0415

    work = LocalPath(tempfile.mkdtemp(prefix="lazytile-demo-")) if folder is None else folder
    try:
        work.mkdir(parents=True, exist_ok=True)
        source = work / f"{NAME}.nc"
        if not source.exists():
            typer.echo(f"making up {DAYS} days of sea surface temperature; they are not observations", err=True)
            write_sst(source, *regular_grid(STEP_DEGREES), DAYS)
        store = work / "store"
        if not (store / f"{NAME}.zarr").exists():
            with byte_progress("converting") as progress:
                convert(source, store, NAME, progress=progress)
        show(
            [StoredName(store.resolve(), NAME)],
            host=host,
            port=port,
            cache=cache or work / "cache",
            engine="threads",
            offline=offline,
            no_browser=no_browser,
            as_json=as_json,
        )
    finally:
        if folder is None:
            shutil.rmtree(work, ignore_errors=True)
