"""What variables, and datasets of one variable, have in common: tiles, areas, numbers and exports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lazytile.async_twin import async_method
from lazytile.pyramid.render.style import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xarray as xr

    from lazytile.pyramid.engines.protocol import BulkEngine
    from lazytile.pyramid.exports.archive import ExportedArchive
    from lazytile.pyramid.numbers.statistics import RegionStatistics
    from lazytile.pyramid.reading.tile import Tile
    from lazytile.pyramid.reading.view import LayerView
    from lazytile.pyramid.streams.progress import ExportedMrf, MrfProgress

PERCENTILES = (5.0, 25.0, 50.0, 75.0, 95.0)


class Readable(ABC):
    """What can be read as one layer. Steps that are not selected are the latest time, and the first of the others."""

    @abstractmethod
    def _view(self) -> LayerView:
        """Return the layer and its steps."""

    def tile(
        self,
        z: int | str,
        x: int,
        y: int,
        *,
        tms: str = "WebMercatorQuad",
        style: str = DEFAULT,
        **options: str,
    ) -> Tile:
        """Return a tile. Its values and its picture are computed when they are first used.

        Args:
            z: Identifier of the tile matrix: the zoom.
            x: Column, from the west.
            y: Row, from the north.
            tms: Identifier of the tile matrix set; ``native`` is the data's own grid.
            style: ``default`` or a colormap.
            options: ``colormap``, ``rescale``, ``spacing``, ``resampling``, ``filter``, ``expression``, ``rgb``,
                ``scale`` as in a request.

        Returns:
            The tile: ``array`` has its values, ``png`` and ``image`` its picture.

        Raises:
            RequestError: A part of the address or an option is invalid.
            StoreError: The dataset is gone or damaged.
        """
        from lazytile.pyramid.reading.tile import Tile  # noqa: PLC0415 - imported where it is used

        return Tile(self._view().tile_task((tms, str(z), str(y), str(x)), style=style, options=options))

    async def tile_async(
        self,
        z: int | str,
        x: int,
        y: int,
        *,
        tms: str = "WebMercatorQuad",
        style: str = DEFAULT,
        **options: str,
    ) -> Tile:
        """Return a tile whose values and picture are computed already, in a thread.

        Args:
            z: As for ``tile``.
            x: As for ``tile``.
            y: As for ``tile``.
            tms: As for ``tile``.
            style: As for ``tile``.
            options: As for ``tile``.

        Returns:
            The tile.

        Raises:
            RequestError: A part of the address or an option is invalid.
            StoreError: The dataset is gone or damaged.
        """
        from asyncio import to_thread  # noqa: PLC0415 - only here

        return await to_thread(lambda: self.tile(z, x, y, tms=tms, style=style, **options).load())

    def read(
        self,
        bounds: Sequence[float] | None = None,
        crs: object = "EPSG:4326",
        width: int | None = None,
        height: int | None = None,
        *,
        resampling: str | None = None,
        max_pixels: int = 1 << 26,
    ) -> xr.DataArray:
        """Read the values of a rectangle in any CRS, resampled as in a tile.

        Args:
            bounds: West, south, east and north in ``crs``, x (longitude, easting) first; in degrees, a west above the
                east crosses 180 degrees. None: all of the layer, in degrees.
            crs: Anything that pyproj takes.
            width: Pixels; None keeps pixels square, at 512 along the longer side where there is no height either.
            height: Pixels; None likewise.
            resampling: ``nearest``, ``average``, ``bilinear``, ``cubic``, ``mode`` ...; None: as a tile.
            max_pixels: Most pixels; more is an error.

        Returns:
            Shape (height, width), dimensions ``y`` and ``x``, float64, physical units, NaN for no data; with the
            coordinates of the pixels' centres and the CRS.

        Raises:
            InvalidParameterError: An argument is invalid.
            StoreError: The dataset is gone or damaged.
        """
        from lazytile.pyramid.reading.area import Area, read_area  # noqa: PLC0415 - imported where it is used

        view = self._view()
        if bounds is None:
            found = view.layer().geographic_bounds()
            bounds, crs = (found.west, found.south, found.east, found.north), "EPSG:4326"
        return read_area(view, Area.of(bounds, crs, width, height, max_pixels), resampling)

    def statistics(
        self,
        bounds: Sequence[float] | None = None,
        *,
        geometry: Any = None,
        percentiles: Sequence[float] = PERCENTILES,
        bins: int = 0,
        limits: tuple[float, float] | None = None,
        max_cells: int = 4_000_000,
    ) -> RegionStatistics:
        """Compute statistics of a region, weighted by the area of its cells.

        Args:
            bounds: West, south, east and north in degrees; None: all of the layer.
            geometry: Instead of bounds, a GeoJSON polygon or an object with ``__geo_interface__``.
            percentiles: 0 to 100.
            bins: Bins of a histogram; 0 for none.
            limits: Range of the histogram; None: that of the values.
            max_cells: Most cells to read: above it the statistics are those of a coarser level, which they name.

        Returns:
            The statistics.

        Raises:
            InvalidParameterError: An argument is invalid.
            StoreError: The dataset is gone or damaged.
        """
        from lazytile.pyramid.numbers.statistics import StatisticsOptions  # noqa: PLC0415 - imported where it is used
        from lazytile.pyramid.reading.numbers import region_statistics  # noqa: PLC0415

        options = StatisticsOptions(max_cells, tuple(float(each) for each in percentiles), bins, limits)
        return region_statistics(self._view(), bounds, geometry, options)

    def point(self, longitude: float, latitude: float) -> float:
        """Read the value of the cell under a point.

        Args:
            longitude: Degrees.
            latitude: Degrees.

        Returns:
            The value in physical units; NaN for no data and outside the layer.

        Raises:
            InvalidParameterError: The point is not on the Earth.
            StoreError: The dataset is gone or damaged.
        """
        from lazytile.pyramid.reading.numbers import value_at  # noqa: PLC0415 - imported where it is used

        return value_at(self._view(), longitude, latitude)

    def series(self, longitude: float, latitude: float) -> xr.DataArray:
        """Read the values of the cell under a point at all times, or at those selected.

        Args:
            longitude: Degrees.
            latitude: Degrees.

        Returns:
            One dimension, the layer's time; float64, physical units, NaN for no data and outside the layer.

        Raises:
            InvalidParameterError: The layer has no times, or the point is not on the Earth.
            StoreError: The dataset is gone or damaged.
        """
        from lazytile.pyramid.reading.numbers import series_at  # noqa: PLC0415 - imported where it is used

        return series_at(self._view(), longitude, latitude)

    def to_mrf(
        self,
        folder: str | Path,
        *,
        style: str = DEFAULT,
        tms: str = "native",
        compression: str = "PPNG",
        effort: str = "served",
        engine: str | BulkEngine | None = None,
        progress: Callable[[MrfProgress], None] | None = None,
    ) -> list[ExportedMrf]:
        """Export the selected steps as MRF, one for each; all steps where nothing is selected.

        What is finished stays where the export fails, and the next call resumes it.

        Args:
            folder: Created where there is none.
            style: ``default`` or a colormap.
            tms: Identifier of the tile matrix set; ``native`` is the data's own grid.
            compression: ``PPNG``, ``PNG``, ``JPEG``, or one for values: ``DEFLATE``, ``ZSTD``, ``LERC``, ``TIF``.
            effort: ``served`` for the bytes of the service, ``fast``, ``default`` or ``small``.
            engine: ``threads``, ``local``, ``cuda``, the address of a Dask scheduler, or an open engine.
            progress: Called after every task.

        Returns:
            The files.

        Raises:
            MrfError: They cannot be written.
            RequestError: An option is invalid.
        """
        from lazytile.pyramid.exports.exported_view import export_view_as_mrf  # noqa: PLC0415 - imported where it is used

        kinds = (compression, effort)
        return export_view_as_mrf(self._view(), Path(folder), style, tms, kinds, engine=engine, progress=progress)

    def to_cog(
        self,
        folder: str | Path,
        *,
        values: bool = False,
        style: str = DEFAULT,
        engine: str | BulkEngine | None = None,
        progress: Callable[[MrfProgress], None] | None = None,
    ) -> list[ExportedArchive]:
        """Export the selected steps as cloud optimized GeoTIFF, one for each; all steps where nothing is selected.

        Args:
            folder: Created where there is none.
            values: Whether pixels are the stored values; otherwise they are colours.
            style: ``default`` or a colormap.
            engine: As for ``to_mrf``.
            progress: Called after every task.

        Returns:
            The files.

        Raises:
            MrfError: They cannot be written, or rasterio is not installed.
            RequestError: An option is invalid.
        """
        return self._export("cog", folder, style, values=values, engine=engine, progress=progress)

    def to_pmtiles(
        self,
        folder: str | Path,
        *,
        style: str = DEFAULT,
        tms: str = "WebMercatorQuad",
        engine: str | BulkEngine | None = None,
        progress: Callable[[MrfProgress], None] | None = None,
    ) -> list[ExportedArchive]:
        """Export the selected steps as PMTiles, one archive for each; all steps where nothing is selected.

        Args:
            folder: Created where there is none.
            style: ``default`` or a colormap.
            tms: A set of Web Mercator.
            engine: As for ``to_mrf``.
            progress: Called after every task.

        Returns:
            The archives.

        Raises:
            MrfError: They cannot be written, or pmtiles is not installed.
            RequestError: An option is invalid.
        """
        return self._export("pmtiles", folder, style, tms=tms, engine=engine, progress=progress)

    def _export(self, kind: str, folder: str | Path, style: str, **options: Any) -> list[ExportedArchive]:
        """Export the selected steps as archives of a kind. ``options``: as for ``export_view``."""
        from lazytile.pyramid.exports.archive import Archive  # noqa: PLC0415 - imported where it is used
        from lazytile.pyramid.exports.exported_view import export_view  # noqa: PLC0415

        return export_view(self._view(), Path(folder), Archive.parse(kind), style, **options)

    read_async = async_method(read)
    statistics_async = async_method(statistics)
    point_async = async_method(point)
    series_async = async_method(series)
    to_mrf_async = async_method(to_mrf)
    to_cog_async = async_method(to_cog)
    to_pmtiles_async = async_method(to_pmtiles)
