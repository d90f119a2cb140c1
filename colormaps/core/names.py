"""Names of colormaps, which are safe in a file name and in a URL."""

from __future__ import annotations

import re

from lazytile.colormaps.core.errors import ColormapError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}")


def is_name(name: str) -> bool:
    """Return whether a text may be the name of a colormap.

    Args:
        name: Any text.

    Returns:
        False where it could lead out of a folder or a URL.
    """
    return _NAME.fullmatch(name) is not None and ".." not in name


def check_name(name: str) -> str:
    """Return a name if it is valid.

    Args:
        name: Any text.

    Returns:
        The name.

    Raises:
        ColormapError: It could lead out of a folder or a URL.
    """
    if not is_name(name):
        raise ColormapError(
            f"{name[:140]!r} is not a colormap name; use 1 to 128 letters, digits and _ . + -, not beginning with a dot"
        )
    return name
