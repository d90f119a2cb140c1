"""Converting an MRF to a cloud optimized GeoTIFF, its overviews unchanged."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from lxml import etree

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.reader import read_header

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.store.layer import Layer

LOG = logging.getLogger(__name__)
_COPY = """
import json, sys, rasterio, rasterio.shutil
with rasterio.Env(GDAL_PAM_ENABLED="YES", GDAL_DISABLE_READDIR_ON_OPEN="NO"):
    rasterio.shutil.copy(sys.argv[1], sys.argv[2], **json.loads(sys.argv[3]))
"""
"""Runs in a process of its own: GDAL's libraries write to standard error themselves, a line for each failed write."""


def write_cog(mrf: Path, path: Path, layer: Layer) -> None:
    """Write the GeoTIFF; codes keep scale, offset and units.

    Args:
        mrf: Path of the MRF.
        path: Of the GeoTIFF.
        layer: That the MRF shows.

    Raises:
        MrfError: It cannot be written.
    """
    header = read_header(mrf)
    if not header.palette and header.bands == 1:
        _note_packing(mrf, layer)
    options = {
        "driver": "COG",
        "COMPRESS": "DEFLATE",
        "PREDICTOR": "NO" if header.palette else "YES",
        "BLOCKSIZE": header.page.cols,
        "OVERVIEWS": "FORCE_USE_EXISTING" if len(header.levels) > 1 else "NONE",
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": "ALL_CPUS",
    }
    arguments = [str(mrf), str(path), json.dumps(options)]
    command = [sys.executable, "-c", _COPY, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - a program of ours
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if done.returncode:
        full = os.strerror(errno.ENOSPC)
        reason = full if any(full in line for line in lines) else lines[-1] if lines else f"exit {done.returncode}"
        raise MrfError(f"{path} cannot be written: {reason}")
    for line in lines:
        LOG.warning("%s: %s", path.name, line)


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
