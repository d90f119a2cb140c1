"""The command ``colormap fetch``."""

from __future__ import annotations

from typing import Annotated

import typer

from lazytile.service.cli.colormap.source import FolderOption  # noqa: TC001 - Typer reads annotations
from lazytile.service.cli.options.common import JsonOption, print_json


def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names as GIBS spells them.")],
    *,
    folder: FolderOption = None,
    refresh: Annotated[bool, typer.Option(help="Fetch again, even what is there already.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch colormaps from GIBS or the Sea Level Change Portal into your folder."""
    import asyncio  # noqa: PLC0415 - slow to import

    from lazytile.colormaps.library.catalog import default_user_folder  # noqa: PLC0415
    from lazytile.colormaps.library.online import OnlineColormaps  # noqa: PLC0415

    online = OnlineColormaps(folder or default_user_folder())
    made = []
    for name in names:
        fetched = asyncio.run(online.fetch(name, refresh=refresh))
        made.append({"name": name, "outcome": fetched.outcome, "file": fetched.path})
        if not as_json:
            typer.echo(f"{fetched.outcome}: {fetched.path}")
    if as_json:
        print_json(colormaps=made)
