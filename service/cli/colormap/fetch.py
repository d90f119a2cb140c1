"""The command ``colormap fetch``."""

from __future__ import annotations

from typing import Annotated

import typer

from lazytile.service.cli.colormap.source import FolderOption  # noqa: TC001 - Typer reads annotations


def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names as GIBS spells them.")],
    *,
    folder: FolderOption = None,
    refresh: Annotated[bool, typer.Option(help="Fetch again, even what is there already.")] = False,
) -> None:
    """Fetch colormaps from GIBS or the Sea Level Change Portal into your folder."""
    import asyncio  # noqa: PLC0415 - slow to import

    from lazytile.colormaps.library.catalog import default_user_folder  # noqa: PLC0415
    from lazytile.colormaps.library.online import OnlineColormaps  # noqa: PLC0415

    online = OnlineColormaps(folder or default_user_folder())
    for name in names:
        fetched = asyncio.run(online.fetch(name, refresh=refresh))
        typer.echo(f"{fetched.outcome}: {fetched.path}")
