"""Converting an MRF to a cloud optimized GeoTIFF, its overviews unchanged."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lxml import etree

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.reader import read_header

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.store.layer import Layer


def write_cog(mrf: Path, path: Path, layer: Layer) -> None:
    """Write the GeoTIFF; codes keep scale, offset and units.

    Args:
        mrf: Path of the MRF.
        path: Of the GeoTIFF.
        layer: That the MRF shows.

    Raises:
        MrfError: It cannot be written.
    """
    rasterio: Any = importlib.import_module("rasterio")
    shutil: Any = importlib.import_module("rasterio.shutil")
    header = read_header(mrf)
    if not header.palette and header.bands == 1:
        _note_packing(mrf, layer)
    try:
        with rasterio.Env(GDAL_PAM_ENABLED="YES", GDAL_DISABLE_READDIR_ON_OPEN="NO"):
            shutil.copy(
                str(mrf),
                str(path),
                driver="COG",
                COMPRESS="DEFLATE",
                PREDICTOR="NO" if header.palette else "YES",
                BLOCKSIZE=header.page.cols,
                OVERVIEWS="FORCE_USE_EXISTING" if len(header.levels) > 1 else "NONE",
                BIGTIFF="IF_SAFER",
                NUM_THREADS="ALL_CPUS",
            )
    except rasterio.errors.RasterioError as error:
        raise MrfError(f"{path} cannot be written: {' '.join(str(error).split())}") from error


def _note_packing(mrf: Path, layer: Layer) -> None:
    """Write the packing, for which an MRF has no field, into the file beside it that GDAL reads."""
    packing = layer.variable.packing
    root = etree.Element("PAMDataset")
    band = etree.SubElement(root, "PAMRasterBand", band="1")
    for name, value in (("Offset", repr(packing.add_offset)), ("Scale", repr(packing.scale_factor))):
        etree.SubElement(band, name).text = value
    if layer.variable.units:
        etree.SubElement(band, "UnitType").text = layer.variable.units
    mrf.with_name(f"{mrf.name}.aux.xml").write_bytes(etree.tostring(root))
