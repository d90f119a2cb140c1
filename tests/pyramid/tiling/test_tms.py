"""Tile matrix sets against the numbers of GIBS, of OGC 07-057r7 and of morecantile, and the oracle's own table."""

import xml.etree.ElementTree as ET
from fractions import Fraction

import morecantile
import numpy as np
import pyproj
import pytest

from lazytile.pyramid.core.errors import InvalidParameterError, StoreError, TileOutOfRangeError
from lazytile.pyramid.core.grid import Bounds, Grid, RegularAxis, Shape
from lazytile.pyramid.core.request_field import RequestField
from lazytile.pyramid.tiling.native_set import native_set
from lazytile.pyramid.tiling.registry import find_tms, register_file
from lazytile.pyramid.tiling.tms import METRES_PER_DEGREE, REGISTERED
from tests import oracle
from tests.shared import shared

OWS = "{http://www.opengis.net/ows/1.1}"
SCALE_TOLERANCE = 1e-6
"""Absolute: what the OGC's executable test suite allows a scale denominator."""

# OGC 07-057r7, Annex E, GoogleMapsCompatible: the first and the last.
GOOGLE_MAPS_SCALES = {"0": 559082264.0287178, "1": 279541132.0143589, "18": 2132.729583849784}


POLAR = {
    "EPSG3413_1km",
    "EPSG3413_500m",
    "EPSG3413_250m",
    "EPSG3413_31.25m",
    "EPSG3413_1.5km",
    "EPSG3031_1km",
    "EPSG3031_500m",
    "EPSG3031_250m",
    "EPSG3031_1.5km",
}


def test_the_registered_sets():
    assert set(REGISTERED) == {*oracle.LAST_ZOOM, *POLAR}
    for identifier, tms in REGISTERED.items():
        assert tms.identifier == identifier
        last = oracle.LAST_ZOOM.get(identifier, len(tms.matrices) - 1)
        assert [matrix.identifier for matrix in tms.matrices] == [str(zoom) for zoom in range(last + 1)]
        scales = [matrix.scale_denominator for matrix in tms.matrices]
        assert scales == sorted(set(scales), reverse=True)
        assert tms.has_square_pixels


@pytest.mark.parametrize("identifier", oracle.LAST_ZOOM)
def test_matrices_equal_the_table_written_by_hand(identifier):
    tms = REGISTERED[identifier]
    for zoom in range(oracle.LAST_ZOOM[identifier] + 1):
        matrix, expected = tms.matrix(str(zoom)), oracle.matrix_of(identifier, zoom)
        assert tms.crs == expected.crs
        assert (matrix.matrix_width, matrix.matrix_height) == (expected.cols, expected.rows)
        assert (matrix.tile_width, matrix.tile_height) == (expected.side, expected.side)
        assert (matrix.origin_x, matrix.origin_y) == (expected.west, expected.north)
        assert matrix.cell_width == matrix.cell_height == expected.pixel
        assert matrix.scale_denominator == pytest.approx(expected.scale, rel=0, abs=SCALE_TOLERANCE)


def _gibs_documents():
    root = ET.parse(shared("reference", "gibs_tilematrixsets.xml")).getroot()
    for projection in root.iter("Projection"):
        # The polar projections' sets share names, so ours carry the code; EASE-2 sets are not served.
        prefix = {"EPSG:4326": "", "EPSG:3857": ""}.get(projection.get("id"))
        if projection.get("id").startswith(("EPSG:3413", "EPSG:3031")):
            prefix = projection.get("id").removesuffix("-Extended").replace(":", "") + "_"
        if prefix is not None:
            for element in projection.iter("TileMatrixSet"):
                yield prefix + element.findtext(f"{OWS}Identifier"), element


def test_gibs_sets_equal_its_own_document():
    seen = set()
    for identifier, element in _gibs_documents():
        seen.add(identifier)
        tms = REGISTERED[identifier]
        assert tms.supported_crs == element.findtext(f"{OWS}SupportedCRS")
        if tms.well_known_scale_set is not None:
            assert element.findtext("WellKnownScaleSet") in (None, tms.well_known_scale_set)
        matrices = element.findall("TileMatrix")
        assert len(matrices) == len(tms.matrices)
        for found, matrix in zip(matrices, tms.matrices, strict=True):
            assert found.findtext(f"{OWS}Identifier") == matrix.identifier
            scale = float(found.findtext("ScaleDenominator"))
            # The extended polar sets are printed with four decimals.
            tolerance = 5e-5 if identifier.endswith("_1.5km") else SCALE_TOLERANCE
            assert matrix.scale_denominator == pytest.approx(scale, rel=0, abs=tolerance)
            corner = [float(part) for part in found.findtext("TopLeftCorner").split()]
            assert [matrix.origin_x, matrix.origin_y] == pytest.approx(corner, rel=0, abs=1e-8)
            for name, value in (
                ("TileWidth", matrix.tile_width),
                ("TileHeight", matrix.tile_height),
                ("MatrixWidth", matrix.matrix_width),
                ("MatrixHeight", matrix.matrix_height),
            ):
                assert int(found.findtext(name)) == value
    assert seen == {*oracle.GIBS_GEOGRAPHIC_SETS, *oracle.GIBS_MERCATOR_SETS, *POLAR}


@pytest.mark.parametrize("identifier", ["WebMercatorQuad", "WorldCRS84Quad"])
def test_quads_equal_morecantile(identifier):
    theirs = morecantile.tms.get(identifier)
    ours = REGISTERED[identifier]
    assert len(ours.matrices) == len(theirs.tileMatrices)
    for matrix, other in zip(ours.matrices, theirs.tileMatrices, strict=True):
        assert matrix.identifier == other.id
        assert (matrix.matrix_width, matrix.matrix_height) == (other.matrixWidth, other.matrixHeight)
        assert (matrix.tile_width, matrix.tile_height) == (other.tileWidth, other.tileHeight)
        assert [matrix.origin_x, matrix.origin_y] == pytest.approx(list(other.pointOfOrigin), rel=1e-14)
        assert matrix.cell_width == pytest.approx(other.cellSize, rel=1e-14)
        assert matrix.scale_denominator == pytest.approx(other.scaleDenominator, rel=0, abs=SCALE_TOLERANCE)
    for tile in (morecantile.Tile(0, 0, 0), morecantile.Tile(3, 5, 4), morecantile.Tile(100, 77, 7)):
        west, south, east, north = theirs.xy_bounds(tile)
        bounds = ours.matrix(str(tile.z)).tile_bounds(tile.y, tile.x)
        found = [bounds.west, bounds.south, bounds.east, bounds.north]
        assert found == pytest.approx([west, south, east, north], rel=1e-12, abs=1e-6)


def test_scales_of_the_standard():
    for identifier in ("WebMercatorQuad", "GoogleMapsCompatible_Level13"):
        tms = REGISTERED[identifier]
        assert tms.well_known_scale_set == "urn:ogc:def:wkss:OGC:1.0:GoogleMapsCompatible"
        for zoom, scale in GOOGLE_MAPS_SCALES.items():
            if int(zoom) < len(tms.matrices):
                found = tms.matrix(zoom).scale_denominator
                assert found == pytest.approx(scale, rel=0, abs=SCALE_TOLERANCE)
    quad = REGISTERED["WorldCRS84Quad"]
    assert quad.well_known_scale_set is None  # it starts at the second scale of GoogleCRS84Quad
    assert quad.matrix("0").scale_denominator == pytest.approx(279541132.0143589, rel=0, abs=SCALE_TOLERANCE)


def test_pixel_centres():
    matrix = REGISTERED["1km"].matrix("0")
    xs, ys = matrix.pixel_xs(1), matrix.pixel_ys(0)
    assert xs.shape == ys.shape == (512,)
    assert (xs[0], xs[-1]) == (108.0 + 0.28125, 396.0 - 0.28125)  # 288 degrees a tile: the last one reaches past 180
    assert (ys[0], ys[-1]) == (90.0 - 0.28125, -198.0 + 0.28125)
    both = matrix.pixel_xs(0, 2)
    np.testing.assert_array_equal(both, np.concatenate([matrix.pixel_xs(0), xs]))
    rows = REGISTERED["1km"].matrix("3")
    np.testing.assert_array_equal(rows.pixel_ys(1, 3)[512:1024], rows.pixel_ys(2))


@pytest.mark.parametrize("zoom", [0, 3, 11, 24])
def test_longitudes_of_web_mercator_pixels_are_exact(zoom):
    matrix = REGISTERED["WebMercatorQuad"].matrix(str(zoom))
    col = matrix.matrix_width // 3
    exact = [-180 + 360 * (col * 256 + at + Fraction(1, 2)) / (256 * 2**zoom) for at in range(256)]
    assert [Fraction(x) for x in matrix.pixel_xs(col, unit=METRES_PER_DEGREE).tolist()] == exact


def test_tile_bounds():
    assert REGISTERED["250m"].matrix("6").tile_bounds(13, 36) == Bounds(-18.0, 27.0, -13.5, 31.5)
    half = 20037508.342789244
    assert REGISTERED["WebMercatorQuad"].matrix("1").tile_bounds(1, 0) == Bounds(-half, -half, 0.0, 0.0)


def test_pixels_outside_the_world_hold_nothing():
    assert not any(tms.is_native for tms in REGISTERED.values())
    assert REGISTERED["16km"].bounds == Bounds(-180.0, -90.0, 180.0, 90.0)
    half = 20037508.342789244
    assert REGISTERED["WebMercatorQuad"].bounds == Bounds(-half, -half, half, half)


@pytest.mark.parametrize(
    ("row", "col", "field"),
    [
        (-1, 0, RequestField.ROW),
        (5, 0, RequestField.ROW),
        (0, 10, RequestField.COLUMN),
        (0, -1, RequestField.COLUMN),
    ],
)
def test_a_tile_outside_its_matrix_is_named(row, col, field):
    matrix = REGISTERED["1km"].matrix("3")
    matrix.check(4, 9)
    with pytest.raises(TileOutOfRangeError, match=f"{field} .* is out of range, it may be 0 to") as caught:
        matrix.check(row, col)
    assert caught.value.field is field


@pytest.mark.parametrize("identifier", ["7", "-1", "00", "", "1.0", "\u0660", "0 "])
def test_an_unknown_matrix_is_refused(identifier):
    with pytest.raises(InvalidParameterError, match="is not in 1km, it may be 0 to 6") as caught:
        REGISTERED["1km"].matrix(identifier)
    assert caught.value.field is RequestField.TILE_MATRIX


def test_the_native_set_of_a_global_grid():
    grid = Grid("EPSG:4326", RegularAxis(-180.0, 0.25, 1440), RegularAxis(90.0, -0.25, 720))
    tms = native_set("sst", grid, 4, Shape(256, 256))
    assert tms.identifier == "native_sst"
    assert tms.crs == "EPSG:4326"
    assert tms.supported_crs == "urn:ogc:def:crs:OGC:1.3:CRS84"
    assert tms.is_native
    assert [(m.identifier, m.matrix_width, m.matrix_height) for m in tms.matrices] == [
        ("0", 1, 1),
        ("1", 2, 1),
        ("2", 3, 2),
        ("3", 6, 3),
    ]
    finest = tms.matrix("3")
    assert (finest.cell_width, finest.cell_height, finest.origin_x, finest.origin_y) == (0.25, 0.25, -180.0, 90.0)
    assert tms.matrix("0").cell_width == 2.0
    scale = 0.25 * 111319.49079327358 / 0.00028
    assert finest.scale_denominator == pytest.approx(scale, rel=0, abs=SCALE_TOLERANCE)
    assert tms.has_square_pixels
    np.testing.assert_array_equal(tms.matrix("1").pixel_xs(1)[:3], -180.0 + (256 + np.arange(3) + 0.5))


def test_a_native_set_may_have_oblong_pixels_and_tiles():
    grid = Grid("EPSG:4326", RegularAxis(-180.3125, 0.625, 576), RegularAxis(90.25, -0.5, 361))
    tms = native_set("merra", grid, 2, Shape(rows=128, cols=512))
    assert not tms.has_square_pixels
    finest = tms.matrix("1")
    assert (finest.cell_width, finest.cell_height) == (0.625, 0.5)
    assert (finest.tile_width, finest.tile_height) == (512, 128)
    assert (finest.matrix_width, finest.matrix_height) == (2, 3)


def test_the_native_set_of_a_projected_grid():
    grid = Grid("EPSG:3413", RegularAxis(-4194304.0, 1000.0, 300), RegularAxis(4194304.0, -1000.0, 300))
    tms = native_set("ice", grid, 2, Shape(256, 256))
    assert tms.supported_crs == "urn:ogc:def:crs:EPSG::3413"
    assert tms.matrix("1").scale_denominator == pytest.approx(1000.0 / 0.00028)


@pytest.mark.parametrize("identifier", [name for name in morecantile.tms.list() if name not in REGISTERED])
def test_sets_of_the_ogc_registry_equal_morecantile(identifier):
    theirs = morecantile.tms.get(identifier)
    ours = find_tms(identifier)
    if theirs.is_variable:
        assert ours is None
        return
    assert len(ours.matrices) == len(theirs.tileMatrices)
    for matrix in ours.matrices[:6]:
        zoom = int(matrix.identifier)
        col, row = matrix.matrix_width // 3, matrix.matrix_height // 2
        bounds, expected = matrix.tile_bounds(row, col), theirs.xy_bounds(morecantile.Tile(col, row, zoom))
        found = [bounds.west, bounds.south, bounds.east, bounds.north]
        assert found == pytest.approx(list(expected), abs=1e-6 * matrix.cell_width)


def test_a_custom_set_is_registered_once_and_by_name(tmp_path, fresh_process):
    document = morecantile.TileMatrixSet.custom([-1e6, -1e6, 1e6, 1e6], pyproj.CRS.from_epsg(3035), id="MyEurope")
    path = tmp_path / "my.json"
    path.write_text(document.model_dump_json())
    tms = register_file(path)
    assert find_tms("MyEurope") is tms
    assert tms.crs == "EPSG:3035"
    assert tms.matrix("0").tile_bounds(0, 0) == Bounds(-1e6, -1e6, 1e6, 1e6)
    assert register_file(path) == tms, "the same set again"
    path.write_text(document.model_copy(update={"title": "another"}).model_dump_json())
    with pytest.raises(StoreError, match="there is a tile matrix set 'MyEurope' already"):
        register_file(path)


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", "nonsense", '{"id": "x", "crs": "EPSG:99999999", "tileMatrices": []}']
)
def test_a_file_that_is_no_set_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(StoreError, match="is no tile matrix set") as caught:
        register_file(path)
    assert "\n" not in str(caught.value)
