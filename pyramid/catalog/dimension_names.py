"""The name under which a request gives the value of a dimension."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazytile.pyramid.core.request_field import RequestDimension

DimensionNaming: TypeAlias = "Callable[[RequestDimension], str]"
"""Gives the name of a dimension in requests; every protocol of the service has the same."""
TIME = "time"
PREFIX = "dim_"
"""As WMS has it for every dimension but time and elevation (OGC 06-042, C.3.2)."""


def dimension_name(dimension: RequestDimension, reserved: frozenset[str]) -> str:
    """Return the name of a dimension in requests.

    Args:
        dimension: The dimension to name.
        reserved: Lower-case names of a request's other parameters.

    Returns:
        ``time`` for a time dimension, else the source's name made safe, with ``dim_`` before a reserved one.
    """
    if dimension.kind == "time":
        return TIME
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", dimension.name)
    return f"{PREFIX}{name}" if name.lower() in reserved or not name[:1].isalpha() else name
