"""Names of colormaps: what may stand in a file name and in a URL without leading anywhere else."""

from __future__ import annotations

import re

from lazytile.colormaps.core.errors import ColormapError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}")


def is_name(name: str) -> bool:
    """Tell whether a text may be a colormap's name."""
    return _NAME.fullmatch(name) is not None and ".." not in name


def check_name(name: str) -> str:
    """Return the name, or raise ``ColormapError`` where it is not one: it may not lead out of a folder or a URL."""
    if not is_name(name):
        raise ColormapError(
            f"{name[:140]!r} is no colormap name: 1 to 128 letters, digits and _ . + -, not beginning with a dot"
        )
    return name
