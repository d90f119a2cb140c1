"""A box of cells as GeoTIFF 1.1 (OGC 19-008r4): a band for each step, codes with scale and offset as GDAL has them."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
from lxml import etree
from PIL import Image

from lazytile.pyramid.core.errors import InvalidParameterError
from lazytile.pyramid.core.grid import GEOGRAPHIC_CODES
from lazytile.pyramid.core.request_field import RequestField

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lazytile.pyramid.subsets.subset import Subset

_SHORT, _LONG, _ASCII, _DOUBLE = 3, 4, 2, 12
_FORMATS = {_SHORT: "H", _LONG: "I", _DOUBLE: "d"}
_SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}
_DEFLATE, _MIN_IS_BLACK, _BANDS_APART = 8, 1, 2
_PROJECTED, _GEOGRAPHIC, _PIXEL_IS_AREA = 1, 2, 1
_KEYS, _DOUBLES, _TEXTS = 34735, 34736, 34737
STRIP_BYTES = 1 << 18
"""Bytes of a strip before compression, about."""


def geotiff_file(subset: Subset) -> bytes:
    """Write cells as GeoTIFF.

    Args:
        subset: The cells.

    Returns:
        The file. It holds all cells of the window's rows and columns.

    Raises:
        InvalidParameterError: A GeoTIFF cannot hold the columns or the CRS.
    """
    window = subset.window
    if window.has_gap:
        raise InvalidParameterError(
            RequestField.BOX, "box has columns without data in the middle, which f=tif cannot leave out"
        )
    codes, no_data = _with_one_code_of_no_data(subset)
    bands, height, width = codes.shape
    rows = max(1, STRIP_BYTES // (width * codes.itemsize))
    little = codes.astype(codes.dtype.newbyteorder("<"), copy=False)
    strips = [
        zlib.compress(little[band, top : top + rows].tobytes(), 6)
        for band in range(bands)
        for top in range(0, height, rows)
    ]
    offsets = np.cumsum([8, *(len(strip) + len(strip) % 2 for strip in strips)]).tolist()
    grid = window.grid
    width_of, height_of = grid.x.cell_size, -grid.y.cell_size
    corner = (window.x[0] - width_of / 2, window.y[0] + height_of / 2)
    tags: dict[int, tuple[int, Any]] = {
        256: (_LONG, [width]),
        257: (_LONG, [height]),
        258: (_SHORT, [codes.itemsize * 8] * bands),
        259: (_SHORT, [_DEFLATE]),
        262: (_SHORT, [_MIN_IS_BLACK]),
        273: (_LONG, offsets[:-1]),
        277: (_SHORT, [bands]),
        278: (_LONG, [rows]),
        279: (_LONG, [len(strip) for strip in strips]),
        284: (_SHORT, [_BANDS_APART if bands > 1 else 1]),
        339: (_SHORT, [_SAMPLE_FORMATS[codes.dtype.kind]] * bands),
        33550: (_DOUBLE, [width_of, height_of, 0.0]),
        33922: (_DOUBLE, [0.0, 0.0, 0.0, *corner, 0.0]),
        **_geo_keys(grid.crs),
        42112: (_ASCII, _metadata(subset, codes.dtype)),
    }
    if bands > 1:
        tags[338] = (_SHORT, [0] * (bands - 1))
    if no_data is not None:
        tags[42113] = (_ASCII, no_data)
    body = b"".join(strip + b"\0" * (len(strip) % 2) for strip in strips)
    return struct.pack("<2sHI", b"II", 42, offsets[-1]) + body + _directory(tags, offsets[-1])


def _directory(tags: dict[int, tuple[int, Any]], start: int) -> bytes:
    """Return the directory of tags, which begins at an even offset of the file, and what does not fit into it."""
    entries, rest = [], b""
    after = start + 2 + 12 * len(tags) + 4
    for tag, (kind, value) in sorted(tags.items()):
        count = len(value) + 1 if kind == _ASCII else len(value)
        data = value.encode() + b"\0" if kind == _ASCII else struct.pack(f"<{count}{_FORMATS[kind]}", *value)
        if kind == _ASCII:
            count = len(data)
        if len(data) > 4:
            place = struct.pack("<I", after + len(rest))
            rest += data + b"\0" * (len(data) % 2)
        else:
            place = data.ljust(4, b"\0")
        entries.append(struct.pack("<HHI", tag, kind, count) + place)
    return struct.pack("<H", len(entries)) + b"".join(entries) + b"\0" * 4 + rest


def _with_one_code_of_no_data(subset: Subset) -> tuple[NDArray[Any], str | None]:
    """Return the codes, with one for no data as GeoTIFF has it, and that one as text; float64 where no code is free."""
    packing, codes = subset.variable.packing, subset.codes
    missing = packing.is_missing(codes)
    if packing.fill_code is None:
        return (packing.decode(codes), "nan") if missing.any() else (codes, None)
    if codes.dtype == np.float16:
        codes = codes.astype(np.float32)
    fill = codes.dtype.type(packing.fill_code)
    text = str(int(fill)) if codes.dtype.kind in "iu" else repr(float(fill))
    return np.where(missing, fill, codes), text


def _metadata(subset: Subset, dtype: np.dtype[Any]) -> str:
    """Return GDAL's metadata: scale, offset and units of each band, and what it shows."""
    variable, root = subset.variable, etree.Element("GDALMetadata")
    packing = variable.packing
    is_packed = dtype == np.dtype(packing.dtype) and (packing.scale_factor, packing.add_offset) != (1.0, 0.0)
    for band, _ in enumerate(subset.indices):
        steps = [f"{each.name}={subset.labels(each)[band]}" for each in variable.dimensions]
        items = {"description": " ".join([variable.name, *steps]), "unittype": variable.units}
        if is_packed:
            items |= {"scale": repr(packing.scale_factor), "offset": repr(packing.add_offset)}
        for role, text in items.items():
            item = etree.SubElement(root, "Item", name=role.upper(), sample=str(band), role=role)
            item.text = text
    found: str = etree.tostring(root, encoding="unicode")
    return found


def _geo_keys(crs: str) -> dict[int, tuple[int, Any]]:
    """Return the tags of a CRS (OGC 19-008r4, 7.1.2)."""
    code = "4326" if crs in GEOGRAPHIC_CODES else crs.removeprefix("EPSG:")
    if not code.isdecimal():
        return _keys_without_code(crs)
    geographic = pyproj.CRS.from_user_input(crs).is_geographic
    model, key = (_GEOGRAPHIC, 2048) if geographic else (_PROJECTED, 3072)
    keys = ((1024, 0, 1, model), (1025, 0, 1, _PIXEL_IS_AREA), (key, 0, 1, int(code)))
    return {_KEYS: (_SHORT, [1, 1, 1, len(keys), *(number for entry in keys for number in entry)])}


def _keys_without_code(crs: str) -> dict[int, tuple[int, Any]]:
    """Return the tags that GDAL writes for a CRS without a code."""
    refusal = InvalidParameterError(
        RequestField.FORMAT, "f=tif cannot express the CRS of this layer, f=nc and f=csv can"
    )
    try:
        import rasterio  # noqa: PLC0415 - an optional extra, needed for such CRSs only
    except ImportError as error:
        raise refusal from error
    try:
        with rasterio.MemoryFile() as memory:
            shape = {"width": 1, "height": 1, "count": 1, "dtype": "uint8"}
            with memory.open(driver="GTiff", crs=crs, transform=rasterio.Affine(1, 0, 9, 0, -1, 9), **shape):
                pass
            with memory.open() as file:
                is_kept = file.crs is not None and pyproj.CRS.from_wkt(file.crs.to_wkt()).is_projected
            memory.seek(0)
            picture: Any = Image.open(memory)
            found = picture.tag_v2
            tags = {tag: found[tag] for tag in (_KEYS, _DOUBLES, _TEXTS) if tag in found}
    except rasterio.errors.RasterioError as error:
        raise refusal from error
    if not is_kept or _KEYS not in tags:
        raise refusal
    kinds = {_KEYS: _SHORT, _DOUBLES: _DOUBLE, _TEXTS: _ASCII}
    return {tag: (kinds[tag], value if tag == _TEXTS else list(value)) for tag, value in tags.items()}
