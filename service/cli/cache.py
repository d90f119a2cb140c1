"""The commands ``lazytile cache``: what the tile cache on disk holds, and deleting a part of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from lazytile.service.cli.options.common import (
    CacheOption,
    JsonOption,
    SettingsOption,
    counted,
)

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.service.http.settings import Settings

MIB = 1 << 20

app = typer.Typer(help="Describe and clear the tile cache on disk.", no_args_is_help=True, rich_markup_mode=None)


@app.command("info")
def info(*, cache: CacheOption = None, settings_file: SettingsOption = None, as_json: JsonOption = False) -> None:
    """Describe what the cache holds. A server may run meanwhile."""
    from lazytile.service.tiles.cache_folder import cache_content  # noqa: PLC0415 - slow to import

    settings = _settings(cache, settings_file)
    content = cache_content(settings.cache)
    if as_json:
        typer.echo(json.dumps({**asdict(content), "limit_bytes": settings.cache_limit_bytes}, indent=2))
        return
    limit = f"of at most {settings.cache_limit_bytes / MIB:.0f} MiB"
    typer.echo(f"{content.folder}: {counted(content.tiles, 'tile')}, {content.nbytes / MIB:.1f} MiB {limit}")
    for dataset, count in content.datasets.items():
        typer.echo(f"  {dataset or '(unknown)'}: {counted(count, 'tile')}")
    if content.set_aside:
        typer.echo(f"  {counted(content.set_aside, 'damaged database')} set aside")


@app.command("clear")
def clear(
    *,
    layer: Annotated[
        str, typer.Option("--layer", metavar="LAYER", help="Only tiles of a layer, or of a dataset's layers.")
    ] = "",
    time: Annotated[
        str, typer.Option("--time", metavar="TIME", help="Only tiles of a time: a label or its beginning: 2024-01.")
    ] = "",
    cache: CacheOption = None,
    settings_file: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete tiles. A running server empties its memory within a second."""
    from lazytile.service.tiles.cache_folder import clear_cache  # noqa: PLC0415 - slow to import

    settings = _settings(cache, settings_file)
    count = clear_cache(settings.cache, settings.cache_limit_bytes, layer, time)
    typer.echo(json.dumps({"deleted": count}) if as_json else f"{counted(count, 'tile')} deleted")


def _settings(cache: Path | None, settings_file: Path | None) -> Settings:
    from lazytile.service.http.settings import Settings  # noqa: PLC0415 - slow to import

    return Settings.of(cache=cache, settings_file=settings_file)
