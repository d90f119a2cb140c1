"""Coordinate reference systems and affine transforms by the conventions of GDAL, GeoZarr, EOPF and rioxarray.

GDAL's Zarr driver has ``_CRS`` with a URL, WKT or PROJJSON; the ``proj:`` convention of Zarr (v0.1) and STAC have
``proj:code``, ``proj:epsg``, ``proj:wkt2`` and ``proj:projjson``; ``GeoTransform`` is GDAL's, ``spatial:transform``
that of the ``spatial:`` convention of Zarr.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf import attributes as cf
from lazytile.pyramid.sources.cf.crs import parse_crs

if TYPE_CHECKING:
    Attributes = Mapping[str, Any]

_GDAL = "_CRS"
_PROJ_KEYS = ("code", "epsg", "wkt2", "projjson")
_URL = re.compile(r".*/def/crs/([A-Za-z_0-9]+)/[^/]*/([A-Za-z0-9_]+)/?")


def conventional_crs(attributes: Attributes) -> tuple[str, str]:
    """Return the coordinate reference system that attributes state by a convention other than CF.

    Args:
        attributes: Of a variable or a group.

    Returns:
        A text that ``parse_crs`` reads, and the attribute that holds it; both empty where they state none.

    Raises:
        SourceError: What they state is no coordinate reference system.
    """
    for text, name in _stated(attributes):
        parse_crs(text)
        return text, name
    return "", ""


def _stated(attributes: Attributes) -> Iterator[tuple[str, str]]:
    nested = attributes.get("proj")
    for key in _PROJ_KEYS:
        value = attributes.get(f"proj:{key}")
        if value is None and isinstance(nested, Mapping):
            value = nested.get(key)
        for text in _texts(key, value):
            yield text, f"proj:{key}"
    gdal = attributes.get(_GDAL)
    if isinstance(gdal, str) and gdal.lstrip().startswith("{"):
        gdal = _json(gdal)
    stated = [(key, gdal.get(key)) for key in ("projjson", "wkt", "url")] if isinstance(gdal, Mapping) else [("", gdal)]
    for key, value in stated:
        for text in _texts(key, value):
            yield text, _GDAL
    text = cf.text(attributes, "crs")
    if re.match(r"(?:\+init=)?epsg:\d+$|\+proj=", text, re.IGNORECASE):
        # rasterio and xarray wrote this one until 2019.
        code = re.sub(r"^\+init=", "", text, flags=re.IGNORECASE).upper()
        yield (code if code.startswith("EPSG") else text), "crs"


def _texts(key: str, value: Any) -> list[str]:
    if isinstance(value, np.ndarray | list | tuple) and np.size(value) == 1:
        value = np.asarray(value, object).ravel()[0]
    if value is None or value == "":
        return []
    if key == "epsg" or isinstance(value, int | float | np.number):
        return [f"EPSG:{int(float(str(value).upper().removeprefix('EPSG:')))}"]
    if isinstance(value, Mapping):
        return [json.dumps(value)]
    url = _URL.fullmatch(str(value))
    return [f"{url[1]}:{url[2]}" if url else str(value)]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise SourceError(f"its attribute {_GDAL} is damaged: {error}") from error


def conventional_transform(attributes: Attributes) -> tuple[float, float, float, float] | None:
    """Return the affine transform that attributes state.

    Args:
        attributes: Of a grid mapping variable, a variable or a group.

    Returns:
        First edge and step of columns, first edge and step of rows; None where there is none.

    Raises:
        SourceError: The rows and columns are rotated or sheared.
    """
    stated = attributes.get("spatial:transform")
    gdal = attributes.get("GeoTransform")
    numbers = _numbers(stated if stated is not None else gdal)
    if len(numbers) < 6:
        return None
    if stated is not None:
        step_x, shear_x, first_x, shear_y, step_y, first_y = numbers[:6]
    else:
        first_x, step_x, shear_x, first_y, shear_y, step_y = numbers[:6]
    if shear_x or shear_y:
        raise SourceError(f"its rows and columns are rotated or sheared ({numbers[:6]}); make them north-up first")
    if str(attributes.get("spatial:registration", "pixel")).lower() == "node":
        first_x, first_y = first_x - step_x / 2, first_y - step_y / 2
    return (first_x, step_x, first_y, step_y) if step_x and step_y else None


def _numbers(value: Any) -> list[float]:
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if value is None or np.ndim(value) != 1:
        return []
    try:
        return [float(each) for each in value]
    except (TypeError, ValueError):
        return []
