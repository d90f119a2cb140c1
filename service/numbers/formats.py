"""Values at a point as JSON, CSV (RFC 4180) and CoverageJSON (OGC 21-069r2)."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazytile.pyramid.catalog.feature_info import clean
from lazytile.pyramid.times import lookup
from lazytile.service.http.json_document import JSON, json_bytes
from lazytile.service.numbers.documents import (
    CellDocument,
    CoordinateAxis,
    Coverage,
    CoverageAxes,
    CoverageDomain,
    CoverageParameter,
    HistogramDocument,
    NdArray,
    ObservedProperty,
    PointDocument,
    ReferenceSystem,
    ReferenceSystemConnection,
    SeriesDocument,
    StatisticsDocument,
    TimeAxis,
    Unit,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazytile.pyramid.numbers.statistics import PointCell, RegionStatistics, StatisticsOptions
    from lazytile.pyramid.store.layer import Layer

MEDIA_TYPES = {"json": JSON, "csv": "text/csv", "covjson": "application/prs.coverage+json"}
"""Media types by the value of ``f``, the preferred one first."""
_CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


@dataclass(frozen=True, slots=True)
class PointValues:
    """The values of a layer at a point, at one time or several."""

    layer: Layer
    longitude: float
    """As requested."""
    latitude: float
    cell: PointCell | None
    """None outside the data."""
    dimensions: Mapping[str, str]
    """Labels of the dimensions besides time."""
    times: tuple[str, ...]
    """Empty for a layer without times; then there is one value."""
    values: tuple[float | None, ...]

    def written(self, form: str, *, is_series: bool) -> bytes:
        """Return the values in a format.

        Args:
            form: A key of ``MEDIA_TYPES``.
            is_series: Whether JSON has lists of times and values, however many there are.

        Returns:
            The document, in UTF-8.
        """
        if form == "csv":
            return self._csv()
        return json_bytes(self._coverage() if form == "covjson" else self._json(is_series=is_series))

    @property
    def _clean(self) -> list[float | None]:
        dtype = self.layer.variable.packing.dtype
        return [None if value is None else clean(value, dtype) for value in self.values]

    def _json(self, *, is_series: bool) -> PointDocument | SeriesDocument:
        cell = self.cell
        members: dict[str, Any] = {
            "layer": self.layer.name,
            "title": self.layer.title,
            "units": self.layer.variable.units,
            "longitude": self.longitude,
            "latitude": self.latitude,
            "cell": None
            if cell is None
            else CellDocument(level=0, row=cell.row, col=cell.col, longitude=cell.longitude, latitude=cell.latitude),
            "dimensions": dict(self.dimensions),
        }
        if is_series:
            return SeriesDocument(**members, times=list(self.times), values=self._clean)
        return PointDocument(**members, time=self.times[0] if self.times else None, value=self._clean[0])

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

    def _coverage(self) -> Coverage:
        variable = self.layer.variable
        parameter = CoverageParameter(
            type="Parameter",
            description={"en": self.layer.title},
            unit=Unit(symbol=variable.units),
            observed_property=ObservedProperty(label={"en": variable.standard_name or self.layer.title}),
        )
        values = NdArray(
            type="NdArray",
            data_type="float",
            axis_names=["t"] if self.times else [],
            shape=[len(self.times)] if self.times else [],
            values=self._clean,
        )
        return Coverage(
            type="Coverage",
            domain=self._domain(),
            parameters={variable.name: parameter},
            ranges={variable.name: values},
        )

    def _domain(self) -> CoverageDomain:
        time = self.layer.variable.time
        geographic = ReferenceSystem(type="GeographicCRS", id=_CRS84)
        referencing = [ReferenceSystemConnection(coordinates=["x", "y"], system=geographic)]
        if self.times:
            is_gregorian = time is not None and lookup.has_instants(time.labels)
            temporal = ReferenceSystem(type="TemporalRS", calendar="Gregorian" if is_gregorian else "unknown")
            referencing.append(ReferenceSystemConnection(coordinates=["t"], system=temporal))
        return CoverageDomain(
            type="Domain",
            domain_type="PointSeries" if self.times else "Point",
            axes=CoverageAxes(
                x=CoordinateAxis(values=[self.longitude]),
                y=CoordinateAxis(values=[self.latitude]),
                t=TimeAxis(values=list(self.times)) if self.times else None,
            ),
            referencing=referencing,
        )


def statistics_document(
    layer: Layer,
    time: str | None,
    dimensions: Mapping[str, str],
    found: RegionStatistics,
    options: StatisticsOptions,
) -> StatisticsDocument:
    """Return the document of the statistics of a region.

    Args:
        layer: The layer that was read.
        time: Label of the time, None for a layer without times.
        dimensions: Labels of the other dimensions.
        found: The statistics.
        options: What was requested.

    Returns:
        The document.
    """
    histogram = found.histogram
    return StatisticsDocument(
        layer=layer.name,
        title=layer.title,
        units=layer.variable.units,
        time=time,
        dimensions=dict(dimensions),
        level=found.level,
        budget=options.budget_cells,
        cells=found.cell_count,
        valid_cells=found.valid_count,
        area_m2=found.area_m2,
        valid_area_m2=found.valid_area_m2,
        minimum=found.minimum,
        maximum=found.maximum,
        mean=found.mean,
        std=found.std,
        percentiles={f"{share:g}": value for share, value in zip(options.percentiles, found.percentiles, strict=True)},
        histogram=None
        if histogram is None
        else HistogramDocument(
            edges=list(histogram.edges), counts=list(histogram.counts), areas_m2=list(histogram.areas_m2)
        ),
    )
