"""GeoTIFF and COG files as variables, read by window with rasterio (the extra ``geotiff``).

Bands of one kind are one variable with a dimension ``band``; bands that differ in type, packing or description are
variables of their own. Cells that a mask or an alpha band hides get a code of their own in the next larger integer
type, since every code of a byte may be data. A palette becomes classes with colours (``flag_values``,
``flag_colors``). rasterio returns the outer corner of the first cell for pixel-is-area and pixel-is-point alike.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from lazytile.pyramid.core.errors import SourceError
from lazytile.pyramid.sources.cf.crs import is_lonlat, parse_crs
from lazytile.pyramid.sources.formats.exact_coordinate import exact_coordinate

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

try:
    import rasterio
    import rasterio.enums
    import rasterio.windows
except ImportError:  # the extra is not installed
    rasterio = None

_COLOURS = {"red", "green", "blue", "alpha"}
_MAPPING = "spatial_ref"
_UNNAMED = re.compile(r"(?:band|layer|channel)?[ _]?\d*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Hidden:
    """The codes of a band, and which of them mean no data."""

    dtype: np.dtype[Any]
    masked: float | None
    """The code of masked cells; None where the file has no mask."""
    nodata: float | None
    """The no-data code, in the digits that the file gives it."""


class _Bands(BackendArray):
    """Some bands of a file, read where they are indexed. Each read opens the file, since handles belong to a thread."""

    def __init__(self, path: str, bands: tuple[int, ...], shape: tuple[int, ...], hidden: _Hidden) -> None:
        self.path, self.bands, self.shape, self.dtype = path, bands, shape, hidden.dtype
        self.hidden = hidden

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[int | slice, ...]) -> NDArray[Any]:
        spans = [_span(part, size) for part, size in zip(key[-2:], self.shape[-2:], strict=True)]
        bands: int | list[int] = self.bands[0]
        if len(self.shape) == 3:
            chosen = np.asarray(self.bands)[key[0]]
            bands = int(chosen) if np.ndim(chosen) == 0 else [int(band) for band in chosen]
        with warnings.catch_warnings(), rasterio.open(self.path) as file:
            window = rasterio.windows.Window.from_slices(*spans)
            found: NDArray[Any] = file.read(bands, window=window)
            if self.hidden.masked is not None:
                found = found.astype(self.dtype, copy=False)
                found[file.read_masks(bands, window=window) == 0] = self.hidden.masked
        if self.hidden.nodata is not None and found.dtype.kind == "f":
            _mark_no_data(found, self.hidden.nodata)
        inner = tuple(0 if isinstance(part, int | np.integer) else slice(None, None, part.step) for part in key[-2:])
        return found[(..., *inner)]


def _mark_no_data(cells: NDArray[Any], nodata: float) -> None:
    """Set cells to the very no-data code where they are so close to it that GDAL takes them for it.

    The code is text in the file, often of fewer digits than the cells have. GDAL compares within two units in the last
    place of float32, for float64 too, computed in the precision of the cells (``ARE_REAL_EQUAL`` in gdal_priv.h).
    """
    code = cells.dtype.type(nodata)
    if not np.isfinite(code):
        return
    with np.errstate(over="ignore", invalid="ignore"):
        tolerance = cells.dtype.type(np.finfo(np.float32).eps) * np.abs(cells + code) * cells.dtype.type(2)
        cells[np.abs(cells - code) < tolerance] = code


def _span(part: int | slice, size: int) -> tuple[int, int]:
    if isinstance(part, slice):
        start, stop, _ = part.indices(size)
        return start, stop
    return int(part), int(part) + 1


@dataclass(frozen=True, slots=True)
class _Band:
    """What distinguishes bands."""

    number: int
    dtype: str
    scale: float
    offset: float
    nodata: float | None
    description: str
    units: str
    colour: str

    @property
    def kind(self) -> tuple[Any, ...]:
        nodata = None if self.nodata is None else repr(self.nodata)
        return self.dtype, self.scale, self.offset, nodata, self.units


def open_geotiff(path: Path) -> xr.Dataset:
    """Open a TIFF file.

    Args:
        path: Of the file.

    Returns:
        Its variables, not decoded.

    Raises:
        SourceError: rasterio is not installed, or the file has no north-up georeference.
    """
    if rasterio is None:
        raise SourceError(f"{path} is a TIFF file, which needs rasterio: pip install 'lazytile[geotiff]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NotGeoreferencedWarning: it becomes an error below
        with rasterio.open(path) as file:
            return _describe(str(path), file)


def _describe(path: str, file: Any) -> xr.Dataset:
    transform = file.transform
    if transform.is_identity and file.crs is None:
        more = "; it has ground control points, so warp it first (gdalwarp)" if file.gcps[0] else ""
        raise SourceError(f"{path} is a TIFF file without a georeference (no transform and no CRS){more}")
    if transform.b or transform.d:
        raise SourceError(f"{path} is rotated or sheared ({tuple(transform)[:6]}); make it north-up first (gdalwarp)")
    if file.dtypes[0].startswith(("complex", "c")):
        raise SourceError(f"{path} holds complex numbers; extract their amplitude or phase first")
    lonlat = file.crs is not None and is_lonlat(parse_crs(file.crs.to_wkt()))
    dims = ("lat", "lon") if lonlat else ("y", "x")
    variables: dict[str, xr.Variable] = {}
    for dim, axis, first, step, size in (
        (dims[0], "Y", transform.f, transform.e, file.height),
        (dims[1], "X", transform.c, transform.a, file.width),
    ):
        variables[dim] = exact_coordinate(dim, axis, first, step, size, lonlat=lonlat)
    if file.crs is not None:
        variables[_MAPPING] = xr.Variable((), np.int32(0), {"crs_wkt": file.crs.to_wkt()})
    variables |= _data(path, file, dims)
    attributes = {key: value for key, value in file.tags().items() if key == "TIFFTAG_IMAGEDESCRIPTION"}
    return xr.Dataset(variables, attrs={"title": next(iter(attributes.values()), "")})


def _data(path: str, file: Any, dims: tuple[str, str]) -> dict[str, xr.Variable]:
    bands = [
        _Band(
            number=number,
            dtype=file.dtypes[index],
            scale=file.scales[index],
            offset=file.offsets[index],
            nodata=file.nodatavals[index],
            description=file.descriptions[index] or "",
            units=file.units[index] or "",
            colour=file.colorinterp[index].name,
        )
        for index, number in enumerate(file.indexes)
    ]
    if any(_has_mask(file, band) for band in bands):
        bands = [band for band in bands if band.colour != "alpha"]
    shape = (file.height, file.width)
    found: dict[str, xr.Variable] = {}
    if len(bands) > 1 and len({band.kind for band in bands}) == 1 and not {b.colour for b in bands} & _COLOURS:
        found["bands"] = _variable(path, bands, ("band", *dims), (len(bands), *shape), file)
        names = [band.description for band in bands]
        labels = names if all(names) and len(set(names)) == len(names) else [band.number for band in bands]
        found["band"] = xr.Variable(("band",), np.asarray(labels), {"long_name": "band"})
        return found
    for band in bands:
        name = band.colour if band.colour in _COLOURS else band.description
        if _UNNAMED.fullmatch(name) or name in found:
            name = f"band_{band.number}"
        found[name] = _variable(path, [band], dims, shape, file)
    return found


def _variable(path: str, bands: list[_Band], dims: tuple[str, ...], shape: tuple[int, ...], file: Any) -> xr.Variable:
    first = bands[0]
    attributes: dict[str, Any] = {"grid_mapping": _MAPPING}
    dtype, masked = np.dtype(first.dtype), None
    nodata = _representable(first.nodata, dtype)
    if nodata is not None:
        attributes["_FillValue"] = nodata
    elif _has_mask(file, first):
        dtype, masked = _with_room(dtype)
        attributes["_FillValue"] = masked
    if first.scale != 1.0 or first.offset != 0.0:
        attributes |= {"scale_factor": first.scale, "add_offset": first.offset}
    if first.units:
        attributes["units"] = first.units
    if len(bands) == 1 and first.description:
        attributes["long_name"] = first.description
    if first.colour == "palette":
        attributes |= _classes(file.colormap(first.number), first.nodata)
    numbers = tuple(band.number for band in bands)
    data = indexing.LazilyIndexedArray(_Bands(path, numbers, shape, _Hidden(dtype, masked, nodata)))
    variable = xr.Variable(dims, data, attributes)
    variable.encoding["chunksizes"] = (*(1 for _ in dims[:-2]), *file.block_shapes[0])
    return variable


def _representable(nodata: float | None, dtype: np.dtype[Any]) -> float | None:
    """Return a no-data code as a band can hold it, without its fraction; GDAL ignores others, such as -1 for bytes."""
    if nodata is None or dtype.kind == "f":
        return nodata
    limits = np.iinfo(dtype)
    return int(nodata) if np.isfinite(nodata) and limits.min <= int(nodata) <= limits.max else None


def _has_mask(file: Any, band: _Band) -> bool:
    """Return whether a mask or an alpha band marks where a band holds data; a no-data code takes precedence."""
    return band.nodata is None and rasterio.enums.MaskFlags.per_dataset in file.mask_flag_enums[band.number - 1]


def _with_room(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], float]:
    """Return a type with a code of its own for masked cells, and that code."""
    if dtype.kind == "f":
        return dtype, float("nan")
    wide = np.dtype(f"i{min(8, 2 * dtype.itemsize)}")
    return wide, int(np.iinfo(wide).min)


def _classes(palette: dict[int, tuple[int, int, int, int]], nodata: float | None) -> dict[str, Any]:
    """Return a palette as CF classes, without transparent entries and the one of no data."""
    shown = {code: colour for code, colour in palette.items() if colour[3] and code != nodata}
    # Palettes are padded to 256 entries, mostly with black: entries after the last other colour are not classes.
    last = max((code for code, colour in shown.items() if colour[:3] != (0, 0, 0)), default=max(shown, default=0))
    shown = {code: colour for code, colour in shown.items() if code <= last}
    return {
        "flag_values": np.array(list(shown), np.uint16),
        "flag_colors": " ".join(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue, _ in shown.values()),
    }
