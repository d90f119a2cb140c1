"""The axis order of every CRS that there is, against PROJ's and GDAL's own."""

import ctypes.util
import math
import os
import subprocess
import sys
import warnings

import morecantile
import numpy as np
import pyproj
import pytest
from pyproj.database import query_crs_info
from pyproj.enums import PJType

from lazytile.pyramid.tiling.crs_axes import has_y_first, is_ordered_y_first, is_y_first
from lazytile.pyramid.tiling.registry import find_tms

AUTHORITIES = ("EPSG", "ESRI", "IGNF", "OGC")


def known(authority, kinds=(PJType.GEOGRAPHIC_2D_CRS, PJType.PROJECTED_CRS)):
    return query_crs_info(auth_name=authority, pj_types=list(kinds), allow_deprecated=True)


def place(info):
    """Return a longitude and a latitude in the area of use that are not equal in any projection."""
    area = info.area_of_use
    west, south, east, north = area.bounds if area is not None else (-10, 20, 30, 60)
    east += 360 if east < west else 0
    return west + 0.61 * (east - west), south + 0.37 * (north - south)


@pytest.mark.parametrize("authority", AUTHORITIES)
def test_every_crs_as_proj_normalizes_it(authority):
    """PROJ swaps the coordinates of ``always_xy`` exactly where the definition has y first."""
    wrong, compared = [], 0
    # A sample of the projected ones, which differ in little but numbers; every kind of axes is in it.
    infos, seen = known(authority), {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for info in infos:
            crs = pyproj.CRS.from_authority(info.auth_name, info.code)
            kind = (crs.is_geographic, *((axis.name, axis.direction, axis.abbrev) for axis in crs.axis_info))
            seen[kind] = seen.get(kind, 0) + 1
            if seen[kind] > 3 or crs.geodetic_crs is None:
                continue
            longitude, latitude = place(info)
            # From degrees on the CRS's own ellipsoid, by a CRS with longitude first: no datum shifts are looked for.
            plain = pyproj.CRS.from_dict({"proj": "longlat", "a": crs.ellipsoid.semi_major_metre,
                                          "b": crs.ellipsoid.semi_minor_metre})  # fmt: skip
            try:
                swaps = [
                    np.array(pyproj.Transformer.from_crs(plain, crs, always_xy=always).transform(longitude, latitude))
                    for always in (True, False)
                ]
            except pyproj.exceptions.ProjError:
                continue  # of another celestial body
            if not np.isfinite(swaps).all() or math.isclose(*swaps[0], rel_tol=1e-6):
                continue
            compared += 1
            is_swapped = np.allclose(swaps[0], swaps[1][::-1], rtol=1e-9) and not np.allclose(*swaps, rtol=1e-9)
            if is_swapped != is_y_first(crs):
                wrong.append((info.code, crs.name))
    assert wrong == []
    assert compared >= {"EPSG": 50, "ESRI": 12, "IGNF": 5, "OGC": 3}[authority]


GDAL = """
import ctypes, ctypes.util, sys
gdal = ctypes.CDLL(ctypes.util.find_library("gdal"))
gdal.OSRNewSpatialReference.restype = ctypes.c_void_p
treats = ("OSREPSGTreatsAsLatLong", "OSREPSGTreatsAsNorthingEasting")
for name in (*treats, "OSRDestroySpatialReference", "OSRIsGeographic"):
    getattr(gdal, name).argtypes = [ctypes.c_void_p]
gdal.OSRGetAxis.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
gdal.OSRImportFromEPSGA.argtypes = [ctypes.c_void_p, ctypes.c_int]
for code in map(int, sys.stdin.read().split()):
    crs = gdal.OSRNewSpatialReference(None)
    if gdal.OSRImportFromEPSGA(crs, code) == 0:
        kind = b"GEOGCS" if gdal.OSRIsGeographic(crs) else b"PROJCS"
        way, ways = ctypes.c_int(), []
        for axis in (0, 1):
            gdal.OSRGetAxis(crs, kind, axis, ctypes.byref(way))
            ways.append(("other", "north", "south", "east", "west")[way.value] if way.value < 5 else "other")
        print(code, bool(gdal.OSREPSGTreatsAsLatLong(crs) or gdal.OSREPSGTreatsAsNorthingEasting(crs)), *ways)
    gdal.OSRDestroySpatialReference(crs)
"""
"""In a process of its own: GDAL has another PROJ than pyproj."""


def test_every_crs_of_epsg_as_gdal_treats_it():
    """GDAL's WMS and WMTS drivers swap where ``EPSGTreatsAsLatLong`` or ``EPSGTreatsAsNorthingEasting``."""
    if ctypes.util.find_library("gdal") is None:
        pytest.skip("libgdal is not here: apt-get install gdal-bin")
    codes = " ".join(info.code for info in known("EPSG"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PROJ_")}
    done = subprocess.run(
        [sys.executable, "-c", GDAL], input=codes, capture_output=True, text=True, timeout=120, check=True,
        env=environment,
    )  # fmt: skip
    answers = [line.split() for line in done.stdout.splitlines()]
    wrong = []
    for code, theirs, *ways in answers:
        axes = [axis.direction for axis in pyproj.CRS.from_epsg(int(code)).axis_info[:2]]
        # Registers differ between releases: only equal definitions can be compared.
        if axes == ways and str(has_y_first(f"urn:ogc:def:crs:EPSG::{code}")) != theirs:
            wrong.append((code, theirs, ways))
    assert wrong == []
    assert len(answers) > 5000


@pytest.mark.parametrize(
    ("name", "y_first"),
    [
        ("urn:ogc:def:crs:EPSG::4326", True), ("urn:ogc:def:crs:OGC:1.3:CRS84", False),
        ("urn:ogc:def:crs:EPSG:6.18:3:3857", False), ("urn:ogc:def:crs:EPSG::3031", False),
        # WGS 84 / UPS North (N,E) and (E,N): both axes point to the south in both.
        ("urn:ogc:def:crs:EPSG::32661", True), ("urn:ogc:def:crs:EPSG::5041", False),
        ("urn:ogc:def:crs:EPSG::32761", True), ("urn:ogc:def:crs:EPSG::3035", True),
        ("urn:ogc:def:crs:EPSG::2193", True), ("urn:ogc:def:crs:EPSG::31468", True),
        ("urn:ogc:def:crs:ESRI::102001", False), ("urn:ogc:def:crs:IAU_2015::30100", True),
        ("+proj=lcc +lat_1=25 +lat_0=25 +lon_0=-95 +R=6371200 +type=crs", False),
    ],
)  # fmt: skip
def test_by_name(name, y_first):
    assert has_y_first(name) == y_first


@pytest.mark.parametrize(
    ("code", "axes", "y_first"),
    [
        (4326, None, True), (4326, ["Lat", "Lon"], True), (4326, ["Lon", "Lat"], False), (4326, ["x", "y"], False),
        (3857, ["X", "Y"], False), (32661, None, True), (32661, ["E", "N"], False), (32661, ["N", "E"], True),
        (5041, ["E", "N"], False), (3035, ["Y", "X"], True), (31468, ["X", "Y"], True), (31468, ["Y", "X"], False),
        (31468, None, True), (3857, ["a", "b"], False),
    ],
)  # fmt: skip
def test_ordered_axes(code, axes, y_first):
    """The X of DHDN / Gauss-Kruger (EPSG:31468) is its northing: names mean what the CRS says."""
    assert is_ordered_y_first(pyproj.CRS.from_epsg(code), axes) == y_first


@pytest.mark.parametrize("name", [name for name in morecantile.tms.list() if not morecantile.tms.get(name).is_variable])
def test_corners_of_the_registered_sets_are_where_morecantile_has_them(name):
    theirs, ours = morecantile.tms.get(name), find_tms(name)
    bounds = theirs.xy_bounds(morecantile.Tile(0, 0, theirs.minzoom))
    assert (ours.matrices[0].origin_x, ours.matrices[0].origin_y) == pytest.approx((bounds.left, bounds.top), rel=1e-9)
