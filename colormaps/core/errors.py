"""The root of the project's one exception tree, and its colormap branch.

It stands in this package because the other two import this one, and this one imports neither. The pyramid's branches
are in ``lazytile.pyramid.core.errors``; ``lazytile.service`` maps classes to HTTP statuses in one table.
"""

from __future__ import annotations


class LazytileError(Exception):
    """Any error that the project itself detects. The text is one line: what, where, and what is allowed."""


class ColormapError(LazytileError):
    """A colormap cannot be read, written or compiled."""


class ColormapNotFoundError(ColormapError):
    """No colormap has the requested name."""
