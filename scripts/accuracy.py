"""Measure how far pixels lie from where they should: against exact pyproj, and against GDAL's warper.

Writes the tables of docs/accuracy.md to standard output, or into that file with --write. Needs rasterio.

    python scripts/accuracy.py --write
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyproj

from lazytile.pyramid.core.grid import Grid, RegularAxis
from lazytile.pyramid.tiling.mesh import MAX_ERROR_PX, map_mesh
from lazytile.pyramid.tiling.reprojection import PixelAxis, keeps_axes_apart, map_x, map_y
from lazytile.pyramid.tiling.tms import metres_per_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAGE = Path(__file__).resolve().parent.parent / "docs" / "accuracy.md"
BEGIN, END = "<!-- table: scripts/accuracy.py -->", "<!-- end of table -->"
EDGE_M = 20037508.342789244
NUDGE_PX = 0.01
"""Length of the steps that measure how a pixel moves the image."""
BORDER_CELLS = 3
"""Cells at the border of the data that GDAL is not compared in: its kernel meets the edge there."""

LAMBERT = "+proj=lcc +lat_1=25 +lat_2=25 +lat_0=25 +lon_0=-95 +R=6371200 +units=m +type=crs"
GEOSTATIONARY = "+proj=geos +h=35786023 +lon_0=-75 +sweep=x +ellps=GRS80 +units=m +type=crs"
ROTATED = pyproj.CRS.from_cf(
    {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": 198.0,
    }
).to_wkt()


@dataclass(frozen=True, slots=True)
class Case:
    """A tile of some matrix over a grid in some CRS."""

    name: str
    crs: str
    """Of the tile."""
    west: float
    north: float
    pixel: float
    size: int
    grid: Grid


def _grid(crs: str, corner: tuple[float, float], cell: float, cols: int, rows: int) -> Grid:
    """Return a grid of square cells from its north-western corner."""
    return Grid(crs, RegularAxis(corner[0], cell, cols), RegularAxis(corner[1], -cell, rows))


_GLOBE = _grid("EPSG:4326", (-180.0, 90.0), 0.1, 3600, 1800)
_DISC = _grid(GEOSTATIONARY, (-5.434895e6, 5.434895e6), 10020.0, 1085, 1085)
_ARCTIC = _grid("EPSG:3413", (-3.85e6, 5.85e6), 12500, 608, 896)
_EUROPE = _grid(ROTATED, (-28.4, 22.0), 0.11, 424, 412)
_SQUARE = _grid("EPSG:3857", (-EDGE_M, EDGE_M), 2 * EDGE_M / 1024, 1024, 1024)
CASES = (
    Case("polar N, pole inside", "EPSG:3413", -1048576, 1048576, 4096, 512, _GLOBE),
    Case("polar N, half the Arctic", "EPSG:3413", -4194304, 4194304, 8192, 512, _GLOBE),
    Case("polar N, antimeridian", "EPSG:3413", -2097152, 3145728, 2048, 512, _GLOBE),
    Case("polar S, pole at the corner", "EPSG:3031", 0, 4194304, 8192, 512, _GLOBE),
    Case("polar N data on Mercator", "EPSG:3857", -EDGE_M, EDGE_M, 2 * EDGE_M / 512, 512, _ARCTIC),
    Case("Lambert", "EPSG:3857", -14000000, 6500000, 19567.9, 256, _grid(LAMBERT, (-2.7e6, 1.6e6), 12000, 453, 280)),
    Case("rotated pole", "EPSG:3857", -2504688, 10018754, 19567.9, 512, _EUROPE),
    Case("geostationary, full disc", "EPSG:3857", -EDGE_M, EDGE_M, 2 * EDGE_M / 512, 512, _DISC),
    Case("geostationary, horizon", "EPSG:4326", -160.0, 70.0, 0.09, 512, _DISC),
    Case("UTM", "EPSG:3857", 1252344, 6261721, 1222.99, 256, _grid("EPSG:32633", (300000, 5.5e6), 900, 500, 400)),
    Case("EASE-2", "EPSG:4326", -180.0, 90.0, 0.3515625, 512, _grid("EPSG:6931", (-9.0e6, 9.0e6), 25000, 720, 720)),
    Case("Mercator tile, geographic data", "EPSG:3857", -EDGE_M, EDGE_M, 2 * EDGE_M / 512, 512, _GLOBE),
    Case("geographic tile, Mercator data", "EPSG:4326", -180.0, 90.0, 0.3515625, 512, _SQUARE),
)  # fmt: skip
"""Eight CRSs: polar north and south, Lambert, rotated pole, geostationary, UTM, EASE-2, Mercator."""


@dataclass(frozen=True, slots=True)
class Errors:
    """What was found, in pixels of the tile."""

    pixels: int
    exact_share: float
    """Share of the pixels that the map computed one by one."""
    largest: float
    """Against exact pyproj."""
    mean: float
    gdal_largest: float
    """Against GDAL's positions (interpolated too, to 0.125 px), as a bilinear warp of a ramp shows."""
    gdal_nearly: float
    """The same for all but a thousandth of the pixels."""
    gdal_mean: float
    gdal_same: float
    """Share of pixels in which GDAL's nearest cell is ours."""


def measure(case: Case, *, gdal: bool = True) -> Errors:
    """Compare a tile's map with pyproj, point by point, and (for people) with GDAL's warper."""
    cols = PixelAxis(case.west, case.pixel, 0, case.size)
    rows = PixelAxis(case.north, -case.pixel, 0, case.size)
    x, y, share = _mapped(case, cols, rows)
    transformer = pyproj.Transformer.from_crs(case.crs, case.grid.crs, always_xy=True)

    def exact(right: float, down: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        points = np.meshgrid(cols.centres() + right * case.pixel, rows.centres() - down * case.pixel)
        return transformer.transform(*points, errcheck=False)  # type: ignore[no-any-return]

    with np.errstate(all="ignore"):
        exact_x, exact_y = exact(0, 0)
        steps = [
            (_around(case, there[0] - exact_x) / NUDGE_PX, (there[1] - exact_y) / NUDGE_PX)
            for there in (exact(NUDGE_PX, 0), exact(0, NUDGE_PX))
        ]
        errors = _in_pixels(_around(case, x - exact_x), y - exact_y, steps)
    on_grid = np.isfinite(case.grid.col_positions(exact_x)) & np.isfinite(case.grid.row_positions(exact_y))
    known = on_grid & np.isfinite(errors)
    if not gdal:
        return Errors(
            int(known.sum()), share, float(errors[known].max()), float(errors[known].mean()), 0.0, 0.0, 0.0, 0.0
        )
    ramps, cells = _warped(case)
    at_cols, at_rows = case.grid.col_positions(x), case.grid.row_positions(y)
    border = BORDER_CELLS + 1
    high, wide = case.grid.shape.rows, case.grid.shape.cols
    with np.errstate(all="ignore"):
        inside = known & (at_cols > border) & (at_cols < wide - border) & (at_rows > border) & (at_rows < high - border)
        miss_x, miss_y = (at_cols - ramps[0]) * case.grid.x.cell_size, (at_rows - ramps[1]) * case.grid.y.cell_size
        against = _in_pixels(miss_x, miss_y, steps)
        same = (np.floor(at_cols) == cells[0]) & (np.floor(at_rows) == cells[1])
        compared = inside & np.isfinite(against)
        # GDAL interpolates across the seam's jump of longitudes and over the rows of the poles; these few are excluded.
        sane = compared & (np.abs(at_cols - ramps[0]) < wide / 4)
    return Errors(
        int(known.sum()),
        share,
        float(errors[known].max()),
        float(errors[known].mean()),
        float(against[sane].max()),
        float(np.quantile(against[sane], 0.999)),
        float(against[sane].mean()),
        float(same[compared].mean()),
    )


def _mapped(case: Case, cols: PixelAxis, rows: PixelAxis) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    if keeps_axes_apart(case.crs, case.grid.crs):
        x = map_x(case.crs, case.grid.crs, cols.centres())
        return (*np.meshgrid(x, map_y(case.crs, case.grid.crs, rows.centres())), 0.0)
    mesh = map_mesh(case.crs, case.grid.crs, cols, rows, wraps=case.grid.is_angular)
    return mesh.x, mesh.y, mesh.exact_share


def _around(case: Case, difference: NDArray[np.float64]) -> NDArray[np.float64]:
    return difference - 360.0 * np.round(difference / 360.0) if case.grid.is_angular else difference


def _in_pixels(
    miss_x: NDArray[np.float64],
    miss_y: NDArray[np.float64],
    steps: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> NDArray[np.float64]:
    """Turn a miss in the CRS of the data into pixels of the tile, by what a step of one pixel does there."""
    (a, c), (b, d) = steps
    determinant = a * d - b * c
    return np.hypot((d * miss_x - b * miss_y) / determinant, (a * miss_y - c * miss_x) / determinant)


def _warped(case: Case) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Let GDAL warp two ramps (column and row of each cell): bilinear positions, and nearest cells."""
    from rasterio import Affine  # noqa: PLC0415 - of the test environment
    from rasterio.warp import Resampling, reproject  # noqa: PLC0415

    grid = case.grid
    source = np.stack(np.meshgrid(np.arange(grid.shape.cols) + 0.5, np.arange(grid.shape.rows) + 0.5))
    found = []
    for method in (Resampling.bilinear, Resampling.nearest):
        out = np.full((2, case.size, case.size), np.nan)
        reproject(
            source,
            out,
            src_transform=Affine(grid.x.cell_size, 0.0, grid.x.first_edge, 0.0, grid.y.cell_size, grid.y.first_edge),
            src_crs=pyproj.CRS(grid.crs).to_wkt(),
            dst_transform=Affine(case.pixel, 0.0, case.west, 0.0, -case.pixel, case.north),
            dst_crs=case.crs,
            dst_nodata=np.nan,
            resampling=method,
            init_dest_nodata=True,
        )
        found.append(out)
    return found[0], np.floor(found[1])


def table() -> str:
    """Return the results as a Markdown table."""
    heads = ("case", "tile px (m)", "by pyproj", "max px", "mean px", "GDAL max px", "GDAL 99.9 % px", "GDAL mean px")
    lines = [
        f"| {' | '.join(heads)} | same nearest cell |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for case in CASES:
        found = measure(case)
        size_m = case.pixel * metres_per_unit(case.crs)
        lines.append(
            f"| {case.name} | {size_m:.0f} | {found.exact_share:.1%} | {found.largest:.4f} | {found.mean:.5f} | "
            f"{found.gdal_largest:.3f} | {found.gdal_nearly:.3f} | {found.gdal_mean:.4f} | {found.gdal_same:.2%} |"
        )
    return "\n".join([*lines, "", f"The bound is {MAX_ERROR_PX} px."])


def main() -> None:
    """Print the table, or put it into the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--write", action="store_true", help="put the table into docs/accuracy.md")
    arguments = parser.parse_args()
    found = table()
    if not arguments.write:
        print(found)
        return
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{found}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
