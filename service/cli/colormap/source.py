"""The colormap that a command works on: by name or from a file, and rescaled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lazytile.colormaps.core.errors import ColormapError

if TYPE_CHECKING:
    from lazytile.colormaps.core.model import Colormap
    from lazytile.colormaps.library.catalog import ColormapCatalog

FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--folder", metavar="DIR", help="Folder of your own colormaps [default: ~/.config/lazytile/colormaps]."
    ),
]
SourceArgument = Annotated[str, typer.Argument(metavar="NAME_OR_FILE", help="Name of a colormap, or a file.")]
RescaleOption = Annotated[
    str | None, typer.Option(metavar="MIN,MAX", help="Rescale a continuous colormap to this range, in its own units.")
]
SpacingOption = Annotated[str, typer.Option(metavar="KIND", help="Widths of the bins: keep, even or log.")]


def open_catalog(folder: Path | None) -> ColormapCatalog:
    """Return the colormaps of this machine.

    Args:
        folder: The user's own colormaps; None for the default folder.

    Returns:
        Bundled colormaps and those of the folder.
    """
    from lazytile.colormaps.library.catalog import ColormapCatalog, default_user_folder  # noqa: PLC0415

    return ColormapCatalog(folder or default_user_folder())


def read_source(source: str, folder: Path | None, rescale: str | None, spacing: str) -> Colormap:
    """Return a colormap, rescaled if requested.

    Args:
        source: Name of a colormap, or a file.
        folder: The user's own colormaps; None for the default folder.
        rescale: ``MIN,MAX``, or None for the range as it is.
        spacing: ``keep``, ``even`` or ``log``.

    Returns:
        The colormap.

    Raises:
        ColormapError: There is no such colormap, it cannot be read, or it cannot be rescaled so.
    """
    return _rescaled(_load(source, folder), rescale, spacing)


def _load(source: str, folder: Path | None) -> Colormap:
    from lazytile.colormaps.formats.readers import SUFFIXES, read_colormap  # noqa: PLC0415

    path = Path(source)
    if path.is_file():
        return read_colormap(path)
    if path.suffix in SUFFIXES or path.parent != Path():
        raise ColormapError(f"{source}: there is no such file")
    return open_catalog(folder).find(source)


def _rescaled(colormap: Colormap, rescale: str | None, spacing: str) -> Colormap:
    from lazytile.colormaps.synthesis.rescale import rescaled  # noqa: PLC0415

    if rescale is None:
        return colormap if spacing == "keep" else rescaled(colormap, spacing=spacing)
    try:
        minimum, maximum = (float(number) for number in rescale.split(","))
    except ValueError as error:
        raise ColormapError(f"--rescale is MIN,MAX, two numbers, not {rescale!r}") from error
    return rescaled(colormap, minimum, maximum, spacing=spacing)


def print_warnings(colormap: Colormap) -> None:
    """Print the flaws of a colormap on standard error.

    Args:
        colormap: The colormap.
    """
    for flaw in colormap.warnings:
        typer.echo(f"warning: {flaw}", err=True)
