"""Synthetic datasets, as plain numbers and as a store on disk.

``Synthetic`` is a grid with fields. ``write`` writes it with zarr-python alone, in the format that
``lazytile.pyramid.store.dataset`` describes, with overviews computed by the oracle; ``oracle`` returns the oracle's
view of a field. ``CATALOGUE`` has a dataset for each kind of grid and packing that has caused errors.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import zarr
from zarr.codecs import BloscCodec, GzipCodec

from lazytile.pyramid.core.grid import Grid, RegularAxis, Shape
from lazytile.pyramid.core.packing import Packing
from lazytile.pyramid.store.dataset import Dataset, Dimension, Variable
from tests.oracle import GEOGRAPHIC, MERCATOR, OracleLayer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMPRESSORS: dict[str, Any] = {
    "blosc": (BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"),),
    "none": (),
    "gzip": (GzipCodec(level=1),),
}


@dataclass(frozen=True, eq=False)
class Field:
    """A variable: the codes of level 0 and their meaning."""

    name: str
    codes: np.ndarray
    """Shape (*dimensions, rows, cols), row 0 in the north."""
    scale: float = 1.0
    offset: float = 0.0
    missing: tuple[float, ...] = ()
    valid_min: float | None = None
    valid_max: float | None = None
    reduction: str = "mean"
    units: str = ""
    standard_name: str = ""
    dimensions: tuple[Dimension, ...] = ()
    colormap: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Synthetic:
    """Fields on a grid, whose outer edges and (positive) cell sizes are in units of the CRS."""

    name: str
    west: float
    north: float
    dx: float
    dy: float
    fields: tuple[Field, ...]
    crs: str = GEOGRAPHIC
    chunk: tuple[int, int] = (256, 256)
    _oracles: dict[tuple[str, tuple[int, ...]], OracleLayer] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of level 0."""
        rows, cols = self.fields[0].codes.shape[-2:]
        return rows, cols

    def oracle(self, name: str | None = None, leading: tuple[int, ...] | None = None) -> OracleLayer:
        """Return the oracle's view of a field (by default the first) at an index of its dimensions (by default 0)."""
        of = next(item for item in self.fields if name in (None, item.name))
        leading = leading if leading is not None else (0,) * len(of.dimensions)
        if (of.name, leading) not in self._oracles:
            self._oracles[of.name, leading] = OracleLayer(
                codes=of.codes[leading],
                west=self.west,
                north=self.north,
                dx=self.dx,
                dy=self.dy,
                scale=of.scale,
                offset=of.offset,
                missing=of.missing,
                valid_min=of.valid_min,
                valid_max=of.valid_max,
                reduction=of.reduction,
                crs=self.crs,
                units=of.units,
                chunk=self.chunk,
            )
        return self._oracles[of.name, leading]

    def description(self, generation: str = "synthetic-1") -> Dataset:
        """Return the description that the converter would write."""
        rows, cols = self.size
        grid = Grid(self.crs, RegularAxis(self.west, self.dx, cols), RegularAxis(self.north, -self.dy, rows))
        variables = tuple(
            Variable(
                name=of.name,
                dimensions=of.dimensions,
                packing=Packing(of.codes.dtype.name, of.scale, of.offset, of.missing, of.valid_min, of.valid_max),
                reduction=of.reduction,
                units=of.units,
                standard_name=of.standard_name,
                colormap=of.colormap,
                attributes=of.attributes,
            )
            for of in self.fields
        )
        return Dataset(
            self.name, generation, grid, self.oracle().levels, Shape(*self.chunk), variables, title=f"Test: {self.name}"
        )

    def write(self, store: Path, *, compressor: str = "blosc", generation: str = "synthetic-1") -> Dataset:
        """Write the dataset below a store's folder and return its description."""
        description = self.description(generation)
        group = zarr.create_group(
            store / f"{self.name}.zarr",
            zarr_format=3,
            overwrite=True,
            attributes={"lazytile": description.to_json()},
        )
        y_name, x_name = ("lat", "lon") if self.crs == GEOGRAPHIC else ("y", "x")
        for level in range(description.levels):
            subgroup = group.create_group(str(level))
            grid = description.grid.coarsen(level)
            for name, axis in ((y_name, grid.y), (x_name, grid.x)):
                subgroup.create_array(name, data=axis.centres(), dimension_names=(name,))
            for variable, of in zip(description.variables, self.fields, strict=True):
                leading_shape = of.codes.shape[:-2]
                fill_code = variable.packing.fill_code
                array = subgroup.create_array(
                    of.name,
                    shape=(*leading_shape, grid.shape.rows, grid.shape.cols),
                    dtype=of.codes.dtype,
                    chunks=(*(1,) * len(leading_shape), *self.chunk),
                    compressors=COMPRESSORS[compressor],
                    fill_value=0 if fill_code is None else of.codes.dtype.type(fill_code),
                    dimension_names=(*(dimension.name for dimension in of.dimensions), y_name, x_name),
                )
                for leading in np.ndindex(leading_shape):
                    array[leading] = self.oracle(of.name, leading).level(level)
        return description


def _smooth(rows: int, cols: int, seed: int) -> np.ndarray:
    """A field between 0 and 1 with structure at all scales and no symmetry, float64."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : cols * 1j] if rows > 1 and cols > 1 else np.zeros((2, rows, cols))
    waves = np.zeros((rows, cols))
    for _ in range(6):
        ky, kx, phase = random.uniform(0.5, 9, 3)
        waves += np.sin(2 * np.pi * (ky * y + kx * x) + phase) / (ky + kx)
    waves += 0.05 * random.standard_normal((rows, cols))
    rescale_to = np.ptp(waves)
    return (waves - waves.min()) / rescale_to if rescale_to else np.full((rows, cols), 0.5)


def _packed(rows: int, cols: int, seed: int, dtype: str, low: float, high: float, fill: float | None) -> np.ndarray:
    """Return codes from ``low`` to ``high``; with ``fill``, patches of a quarter of the cells have that code."""
    codes = low + _smooth(rows, cols, seed) * (high - low)
    codes = (np.rint(codes) if np.dtype(dtype).kind in "iu" else codes).astype(dtype)
    if fill is not None:
        codes[_smooth(rows, cols, seed + 1) > 0.62] = fill
    return codes


def _days(count: int) -> Dimension:
    return Dimension("time", "time", tuple(f"2024-01-{day:02d}T00:00:00Z" for day in range(1, count + 1)))


def _one(name: str, west: float, north: float, dx: float, dy: float, of: Field, crs: str = GEOGRAPHIC) -> Synthetic:
    return Synthetic(name, west, north, dx, dy, (of,), crs)


def _global_180() -> Synthetic:
    """A daily sea-surface temperature as MUR packs it, -180 to 180."""
    codes = _packed(300, 600, 1, "int16", -26000, 8000, -32768)
    of = Field("sst", codes, 0.001, 298.15, (-32768,), units="kelvin", standard_name="sea_surface_temperature")
    return _one("global_180", -180.0, 90.0, 0.6, 0.6, of)


def _global_360() -> Synthetic:
    """Longitudes 0 to 360, unsigned, and levels that end ragged (361 rows)."""
    codes = _packed(361, 720, 2, "uint16", 0, 1000, 65535)
    return _one("global_360", 0.0, 90.25, 0.5, 0.5, Field("wind", codes, 0.05, 0.0, (65535,), units="m s-1"))


def _seam_centred() -> Synthetic:
    """The first column is centred on -180 and the outer rows on the poles, as in MERRA-2."""
    codes = _packed(361, 576, 3, "float32", 50000, 104000, 1e15)
    of = Field("PS", codes, missing=(1e15,), units="Pa")
    return _one("seam_centred", -180.3125, 90.25, 0.625, 0.5, of)


def _antimeridian() -> Synthetic:
    """A region from 165 E to 155 W with an east above 180."""
    codes = _packed(97, 400, 4, "int16", -3000, 3000, -9999)
    return _one("antimeridian", 165.0, -5.0, 0.1, 0.1, Field("ssha", codes, 0.0001, 0.0, (-9999,), units="m"))


def _antimeridian_negative() -> Synthetic:
    """A region whose longitudes begin below -180."""
    codes = _packed(64, 128, 5, "float64", -2, 2, None)
    return _one("antimeridian_negative", -195.5, 40.0, 0.25, 0.25, Field("anomaly", codes, units="kelvin"))


def _odd_sizes() -> Synthetic:
    """Sizes that are ragged at every level, and a scale that is negative."""
    codes = _packed(517, 301, 6, "int16", -500, 3000, -32767)
    return _one("odd_sizes", 3.0, 47.0, 1 / 60, 1 / 60, Field("elevation", codes, -0.5, 10.0, (-32767,), units="m"))


def _one_cell() -> Synthetic:
    return _one("one_cell", 10.0, 20.0, 5.0, 5.0, Field("value", np.array([[7]], "int8")))


def _no_fill() -> Synthetic:
    """Every one of the 256 codes is data."""
    codes = np.arange(300 * 512, dtype=np.int64).reshape(300, 512).astype("uint8")
    return _one("no_fill", -180.0, 90.0, 360 / 512, 0.6, Field("count", codes, reduction="max"))


def _valid_range() -> Synthetic:
    """Flags above the valid range, as in SSMIS: no fill value, and the flags must not be drawn."""
    codes = _packed(180, 360, 7, "int16", 0, 250, None)
    codes[_smooth(180, 360, 8) > 0.7] = 253
    codes[::17, ::19] = -3
    of = Field("wind", codes, 0.2, 0.0, (), valid_min=0, valid_max=250, units="m s-1", reduction="nearest")
    return _one("valid_range", 0.0, 90.0, 1.0, 1.0, of)


def _int8_fraction() -> Synthetic:
    """A fraction as a percentage in a byte, as GHRSST packs sea ice."""
    codes = _packed(120, 240, 9, "int8", 0, 100, -128)
    of = Field("ice", codes, 0.01, 0.0, (-128,), valid_min=0, valid_max=100, units="1")
    return _one("int8_fraction", -180.0, 90.0, 1.5, 1.5, of)


def _constant() -> Synthetic:
    codes = np.full((90, 180), 1.5, "float32")
    return _one("constant", -180.0, 90.0, 2.0, 2.0, Field("precipitation", codes, units="mm"))


def _all_missing() -> Synthetic:
    return _one("all_missing", -180.0, 90.0, 2.0, 2.0, Field("nothing", np.full((90, 180), np.nan, "float32")))


def _classes() -> Synthetic:
    """Land cover: codes are names, so overviews show the most frequent one."""
    codes = _packed(280, 560, 10, "uint8", 0, 16, 255)
    of = Field("cover", codes, missing=(255,), reduction="mode", attributes={"flag_values": list(range(17))})
    return _one("classes", -180.0, 70.0, 360 / 560, 0.5, of)


def _time_steps() -> Synthetic:
    codes = np.stack([_packed(150, 300, 20 + step, "int16", 22000, 31000, -32768) for step in range(3)])
    of = Field("air", codes, 0.01, 0.0, (-32768,), units="K", dimensions=(_days(3),))
    return _one("time_steps", -130.0, 75.0, 0.25, 0.25, of)


def _extra_dimension() -> Synthetic:
    """Time and level before rows and columns."""
    level = Dimension("level", "other", ("200", "500", "850"), "hPa")
    codes = np.stack([_packed(40, 80, 30 + step, "float32", -20, 80, None) for step in range(6)]).reshape(2, 3, 40, 80)
    codes[:, 1, 3:9, 5:50] = np.nan
    of = Field("u", codes, units="m s-1", dimensions=(_days(2), level))
    return _one("extra_dimension", -20.0, 60.0, 0.75, 0.75, of)


def _two_variables() -> Synthetic:
    """Two layers of one dataset, of different types."""
    fields = (
        Field("u", _packed(60, 120, 40, "int16", -400, 400, -32768), 0.05, 0.0, (-32768,), units="m s-1"),
        Field("rain", _packed(60, 120, 41, "float32", 0, 90, -9999.0), missing=(-9999.0,), units="mm", reduction="max"),
    )
    return Synthetic("two_variables", -180.0, 90.0, 3.0, 3.0, fields)


def _past_360() -> Synthetic:
    """More than a full circle: the first column is repeated at the end, as in ETOPO 20."""
    codes = _packed(90, 181, 11, "float32", -9000, 6000, -1e34)
    codes[:, -1] = codes[:, 0]
    return _one("past_360", 19.0, 90.0, 2.0, 2.0, Field("ROSE", codes, missing=(-1e34,), units="m"))


def _polar_rows() -> Synthetic:
    """A whole circle between 60 and 90 degrees south only."""
    codes = _packed(60, 720, 12, "uint8", 0, 250, 255)
    return _one("polar_rows", -180.0, -60.0, 0.5, 0.5, Field("concentration", codes, 0.4, 0.0, (255,), units="%"))


def _binary_edges() -> Synthetic:
    """Cells of 360/1024 degree, so that pixel centres of the quads lie exactly on edges of cells."""
    codes = _packed(120, 200, 13, "int16", 0, 4000, None)
    return _one("binary_edges", -45.0, 33.75, 360 / 1024, 360 / 1024, Field("depth", codes, units="m", reduction="min"))


def _mercator() -> Synthetic:
    """A grid in Web Mercator metres."""
    codes = _packed(300, 260, 14, "int16", 0, 20000, -1)
    return _one("mercator", -2.0e6, 7.5e6, 10000.0, 10000.0, Field("t", codes, 0.002, 0.0, (-1,), units="°C"), MERCATOR)


CATALOGUE: dict[str, Callable[[], Synthetic]] = {
    make.__name__.removeprefix("_"): functools.cache(make)
    for make in (
        _global_180,
        _global_360,
        _seam_centred,
        _antimeridian,
        _antimeridian_negative,
        _odd_sizes,
        _one_cell,
        _no_fill,
        _valid_range,
        _int8_fraction,
        _constant,
        _all_missing,
        _classes,
        _time_steps,
        _extra_dimension,
        _two_variables,
        _past_360,
        _polar_rows,
        _binary_edges,
        _mercator,
    )
}
"""Every synthetic dataset by name, created once on first use."""


# --- Grids in other coordinate reference systems -----------------------------------------------------------------

ROTATED_POLE = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": 198.0,
    "north_pole_grid_longitude": 0.0,
}
LAMBERT = "+proj=lcc +lat_1=25 +lat_2=25 +lat_0=25 +lon_0=-95 +R=6371200 +units=m +type=crs"
GEOSTATIONARY = "+proj=geos +h=35786023 +lon_0=-75 +sweep=x +ellps=GRS80 +units=m +type=crs"


def rotated_pole() -> str:
    """The CRS of a regional climate model (EURO-CORDEX), which has no code, as WKT."""
    return pyproj.CRS.from_cf(ROTATED_POLE).to_wkt()


def _arctic() -> Synthetic:
    """Sea ice round the north pole (NSIDC's polar stereographic grid, coarser)."""
    codes = _packed(224, 152, 50, "uint8", 0, 250, 255)
    return _one("arctic", -3.85e6, 5.85e6, 5e4, 5e4, Field("ice", codes, 0.004, 0.0, (255,), units="1"), "EPSG:3413")


def _antarctic() -> Synthetic:
    """The south pole on a corner of four cells."""
    codes = _packed(128, 128, 52, "int16", -9000, 4000, None)
    return _one("antarctic", -4.0e6, 4.0e6, 62500.0, 62500.0, Field("bed", codes, units="m"), "EPSG:3031")


def _lambert() -> Synthetic:
    """A weather model over North America on a sphere, CRS as PROJ text."""
    codes = _packed(105, 170, 54, "float32", 240, 310, 1e20)
    return _one("lambert", -2.7e6, 1.6e6, 32000.0, 32000.0, Field("t", codes, missing=(1e20,), units="K"), LAMBERT)


def _rotated() -> Synthetic:
    """Europe in rotated longitudes and latitudes, CRS as WKT."""
    codes = _packed(103, 106, 56, "int16", 0, 3000, -1)
    of = Field("pr", codes, 0.01, 0.0, (-1,), units="mm")
    return _one("rotated", -28.4, 22.0, 0.44, 0.44, of, rotated_pole())


def _rotated_world() -> Synthetic:
    """A full circle round a rotated pole, rotated longitudes from 0 to 360."""
    codes = _packed(90, 180, 58, "uint16", 0, 3000, 65535)
    of = Field("tas", codes, 0.1, 0.0, (65535,), units="K")
    return _one("rotated_world", 0.0, 90.0, 2.0, 2.0, of, rotated_pole())


def _utm() -> Synthetic:
    codes = _packed(140, 90, 60, "int16", 0, 2500, None)
    return _one("utm", 390000.0, 5.33e6, 2000.0, 3000.0, Field("height", codes, units="m"), "EPSG:32633")


def _geostationary() -> Synthetic:
    """A full disc; the corners look past the Earth."""
    codes = _packed(180, 180, 62, "int16", 0, 4000, -1)
    half = 5.434895e6
    of = Field("rad", codes, 0.1, 0.0, (-1,), units="K")
    return _one("geostationary", -half, half, half / 90, half / 90, of, GEOSTATIONARY)


def _ease2() -> Synthetic:
    codes = _packed(144, 144, 64, "uint8", 0, 100, 255)
    return _one("ease2", -9.0e6, 9.0e6, 125e3, 125e3, Field("swe", codes, missing=(255,), units="mm"), "EPSG:6931")


PROJECTED: dict[str, Callable[[], Synthetic]] = {
    make.__name__.removeprefix("_"): functools.cache(make)
    for make in (_arctic, _antarctic, _lambert, _rotated, _rotated_world, _utm, _geostationary, _ease2)
}
"""Datasets that most tile matrix sets show through a control grid; by name, created once on first use."""
