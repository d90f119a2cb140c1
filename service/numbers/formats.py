"""Values at a point as JSON, CSV (RFC 4180) and CoverageJSON (OGC 21-069r2)."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.catalog.feature_info import clean
from lazytile.pyramid.times import lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.pyramid.numbers.statistics import PointCell
    from lazytile.pyramid.store.layer import Layer

MEDIA_TYPES = {"json": "application/json", "csv": "text/csv", "covjson": "application/prs.coverage+json"}
"""By the value of ``f``, the preferred one first."""
_CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


@dataclass(frozen=True, slots=True)
class PointValues:
    """Values of a layer at a point, at one time or several."""

    layer: Layer
    longitude: float
    """As asked for."""
    latitude: float
    cell: PointCell | None
    """None outside the data."""
    dimensions: Mapping[str, str]
    """Labels of the dimensions besides time."""
    times: tuple[str, ...]
    """Empty for a layer without times; then there is one value."""
    values: tuple[float | None, ...]

    def written(self, form: str, *, is_series: bool) -> bytes:
        """Return them in a form of ``MEDIA_TYPES``."""
        if form == "csv":
            return self._csv()
        return json.dumps(self._coverage() if form == "covjson" else self._json(is_series=is_series)).encode()

    @property
    def _clean(self) -> list[float | None]:
        dtype = self.layer.variable.packing.dtype
        return [None if value is None else clean(value, dtype) for value in self.values]

    def _json(self, *, is_series: bool) -> dict[str, Any]:
        cell = self.cell
        members: dict[str, Any] = {
            "layer": self.layer.name,
            "title": self.layer.title,
            "units": self.layer.variable.units,
            "longitude": self.longitude,
            "latitude": self.latitude,
            "cell": None
            if cell is None
            else {
                "level": 0,
                "row": cell.row,
                "col": cell.col,
                "longitude": cell.longitude,
                "latitude": cell.latitude,
            },
            "dimensions": dict(self.dimensions),
        }
        if is_series:
            return members | {"times": list(self.times), "values": self._clean}
        return members | {"time": self.times[0] if self.times else None, "value": self._clean[0]}

    def _csv(self) -> bytes:
        stream = io.StringIO()
        writer = csv.writer(stream)
        writer.writerow(["time", "longitude", "latitude", *self.dimensions, "value", "units"])
        labels = self.times or ("",)
        for label, value in zip(labels, self._clean, strict=True):
            shown = "" if value is None else repr(value)
            row = [label, self.longitude, self.latitude, *self.dimensions.values(), shown]
            writer.writerow([*row, self.layer.variable.units])
        return stream.getvalue().encode()

    def _coverage(self) -> dict[str, Any]:
        variable = self.layer.variable
        axes: dict[str, Any] = {"x": {"values": [self.longitude]}, "y": {"values": [self.latitude]}}
        referencing = [{"coordinates": ["x", "y"], "system": {"type": "GeographicCRS", "id": _CRS84}}]
        if self.times:
            axes["t"] = {"values": list(self.times)}
            gregorian = lookup.instants_of(variable.time.labels) is not None if variable.time else False
            system = {"type": "TemporalRS", "calendar": "Gregorian" if gregorian else "unknown"}
            referencing.append({"coordinates": ["t"], "system": system})
        names = ["t"] if self.times else []
        return {
            "type": "Coverage",
            "domain": {
                "type": "Domain",
                "domainType": "PointSeries" if self.times else "Point",
                "axes": axes,
                "referencing": referencing,
            },
            "parameters": {
                variable.name: {
                    "type": "Parameter",
                    "description": {"en": self.layer.title},
                    "unit": {"symbol": variable.units},
                    "observedProperty": {"label": {"en": variable.standard_name or self.layer.title}},
                }
            },
            "ranges": {
                variable.name: {
                    "type": "NdArray",
                    "dataType": "float",
                    "axisNames": names,
                    "shape": [len(self.times)] if self.times else [],
                    "values": self._clean,
                }
            },
        }
