"""A coordinate reference system as the Zarr convention ``proj:`` spells it."""

from __future__ import annotations

from typing import Any

import pyproj

from lazytile.pyramid.core import process


def proj_attributes(crs: str) -> dict[str, Any]:
    """Return a CRS in every spelling of the convention: readers in browsers know few codes.

    Args:
        crs: An authority code, WKT or PROJ text.

    Returns:
        ``proj:code`` where the CRS has one, ``proj:wkt2`` and ``proj:projjson``.
    """
    authority, _, code = crs.partition(":")
    has_code = code.isdigit() and authority.isupper()
    return {**({"proj:code": crs} if has_code else {}), **_spelled_out(crs)}


@process.slow_memo
def _spelled_out(crs: str) -> dict[str, Any]:
    known = pyproj.CRS.from_user_input(crs)
    return {"proj:wkt2": known.to_wkt("WKT2_2019"), "proj:projjson": known.to_json_dict()}
