"""The renderer equals the slow oracle: every pixel of any tile of any grid, packing, fill and style.

The oracle (``tests/oracle.py``) shares no code with the renderer. Where the two differ, one of them is wrong.
"""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import netCDF4
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lazytile.colormaps.compiled.palette import compile_colormap
from lazytile.colormaps.formats.gibs import read_gibs
from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.core import process
from lazytile.pyramid.core.caches import CacheBudget
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.render.image import ImageFormat
from lazytile.pyramid.render.location import TileBlock
from lazytile.pyramid.render.renderer import render
from lazytile.pyramid.render.style import Style
from lazytile.pyramid.render.tile_request import PixelOptions, TileRequest
from lazytile.pyramid.resampling.method import Resampling
from lazytile.pyramid.store.layer import Layer
from lazytile.pyramid.store.reduce import reduce_level
from tests import oracle, strategies
from tests.data import CATALOGUE, COMPRESSORS, Field, Synthetic
from tests.oracle import LAST_ZOOM, OracleLayer, matrix_of
from tests.shared import shared
from tests.strategies import Address, tile_over

if TYPE_CHECKING:
    from pathlib import Path

    from lazytile.pyramid.store.dataset import Dataset

pytestmark = pytest.mark.usefixtures("each_kernel")

RAMP = (-2e4, -5000.0, -300.0, -9.5, -1.0, -0.25, 0.0, 0.1, 0.5, 1.0, 1.5, 3.0, 7.0, 12.0, 20.0, 33.3, 50.0, 75.0, 99.0)
RAMP = (*RAMP, 120.0, 200.0, 250.0, 260.0, 272.5, 273.15, 280.0, 290.0, 295.0, 300.0, 310.0, 1000.0, 4e4, 7e4, 1e5)


@dataclass(frozen=True)
class Shown:
    """A layer on disk and its style, as input of the renderer and of the oracle."""

    store: Path
    description: Dataset
    field: Field
    colormap: Path

    def request(self, address: Address, leading: tuple[int, ...] = (), image_format: ImageFormat = ImageFormat.PNG):
        layer = Layer(self.description, self.description.variable(self.field.name))
        colormap = read_gibs(self.colormap)
        palette = compile_colormap(colormap, data_units=self.field.units)
        tms = layer.tile_matrix_set(address.tms)
        matrix = tms.matrix(str(address.zoom))
        style = Style("any", colormap, palette, "the test's")
        pixels = PixelOptions(Resampling.NEAREST)  # what else there is, ``test_render_maps`` compares
        return TileRequest(layer, style, leading, tms, matrix, address.row, address.col, image_format, pixels)

    def tile(self, address: Address, leading: tuple[int, ...] = (), image_format: ImageFormat = ImageFormat.PNG):
        (data,) = render(self.request(address, leading, image_format).task(self.store))
        return data


def _expected(layer: OracleLayer, colormap: Path, address: Address) -> np.ndarray:
    if address.tms == "native":
        return oracle.render_native(layer, colormap, address.zoom, address.row, address.col)
    return oracle.render(layer, colormap, address.tms, address.zoom, address.row, address.col)


def _pixels(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGBA"))


def _colours(rgba: np.ndarray) -> set[int]:
    """The different colours of a picture, each as one number."""
    return set(np.unique(np.ascontiguousarray(rgba).view(np.uint32)).tolist())


def _assert_equal(found: np.ndarray, expected: np.ndarray, what: object) -> None:
    assert found.shape == expected.shape, what
    wrong = np.argwhere((found != expected).any(axis=-1))
    if len(wrong):
        row, col = wrong[0].tolist()
        raise AssertionError(
            f"{what}: {len(wrong)} of {found.shape[0] * found.shape[1]} pixels differ, the first in row {row}, column "
            f"{col}: {found[row, col].tolist()} is not the oracle's {expected[row, col].tolist()}"
        )


@pytest.fixture(scope="module")
def ramp(tmp_path_factory):
    """A colormap that gives most values of the catalogue a colour, with a gap and a coloured no-data entry."""
    path = tmp_path_factory.mktemp("colormaps") / "ramp.xml"
    entries = [
        f'<ColorMapEntry rgb="{(7 * at) % 256},{(91 * at) % 256},{255 - 5 * at}" '
        f'transparent="{"true" if at == 3 else "false"}" value="[{lower!r},{upper!r})" ref="{at}"/>'
        for at, (lower, upper) in enumerate(itertools.pairwise(RAMP), start=1)
        if at != 7
    ]
    path.write_text(
        '<ColorMaps><ColorMap title="No Data"><Entries><ColorMapEntry rgb="220,220,255" transparent="true" '
        f'nodata="true" ref="0"/></Entries></ColorMap><ColorMap title="Ramp"><Entries>{"".join(entries)}'
        "</Entries></ColorMap></ColorMaps>",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def catalogue_store(tmp_path_factory):
    """A store with every dataset of the catalogue, their chunks compressed in turn in each way."""
    store = tmp_path_factory.mktemp("store")
    for make, compressor in zip(CATALOGUE.values(), itertools.cycle(COMPRESSORS)):
        make().write(store, compressor=compressor)
    return store


def _shown(catalogue_store: Path, name: str, colormap: Path, field: int = 0) -> tuple[Synthetic, Shown]:
    synthetic = CATALOGUE[name]()
    return synthetic, Shown(catalogue_store, synthetic.description(), synthetic.fields[field], colormap)


def _all_tiles(tms: str, zoom: int) -> list[Address]:
    matrix = matrix_of(tms, zoom)
    return [Address(tms, zoom, row, col) for row in range(matrix.rows) for col in range(matrix.cols)]


def _native_tiles(layer: OracleLayer) -> list[Address]:
    tiles = []
    for zoom in range(layer.levels):
        rows, cols = layer.level(layer.levels - 1 - zoom).shape
        tiles += [
            Address("native", zoom, row, col)
            for row in range(-(-rows // layer.chunk[0]))
            for col in range(-(-cols // layer.chunk[1]))
        ]
    return tiles


@settings(max_examples=150)
@given(data=st.data())
def test_any_tile_equals_the_oracle(tmp_path_factory, data):
    synthetic = data.draw(strategies.datasets())
    layer = synthetic.oracle()
    address = data.draw(strategies.addresses(layer))
    folder = tmp_path_factory.mktemp("any")
    colormap = folder / "any.xml"
    colormap.write_text(data.draw(strategies.colormaps(layer)), encoding="utf-8")
    compressor = data.draw(st.sampled_from(tuple(COMPRESSORS)))
    shown = Shown(folder, synthetic.write(folder, compressor=compressor), synthetic.fields[0], colormap)
    png = shown.tile(address)
    _assert_equal(_pixels(png), _expected(layer, colormap, address), address)
    if len(oracle.parse_colormap(colormap)[0]) < 256:  # and the slot of no data
        assert Image.open(io.BytesIO(png)).mode == "P"


@settings(max_examples=200)
@given(data=st.data())
def test_overviews_equal_the_oracle(data):
    place = data.draw(strategies.places())
    field = data.draw(strategies.fields((place.rows, place.cols)))
    synthetic = Synthetic("any", place.west, place.north, place.dx, place.dy, (field,), place.crs, (1, 1))
    layer = synthetic.oracle()
    packing = synthetic.description().variables[0].packing
    found = reduce_level(field.codes, packing, field.reduction)
    if layer.levels == 1:
        return
    expected = layer.level(1)
    assert found.dtype == expected.dtype
    if field.codes.dtype.kind == "f" and field.reduction == "mean":
        # The order of four float64 additions is free; the oracle's sum is exact.
        np.testing.assert_allclose(found, expected, rtol=4 * np.finfo(field.codes.dtype).eps, atol=1e-13)
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", CATALOGUE)
def test_whole_worlds_of_the_catalogue(catalogue_store, ramp, name):
    """Every tile of the first zooms of three sets, and every tile of the data's own grid."""
    synthetic, shown = _shown(catalogue_store, name, ramp)
    layer = synthetic.oracle()
    leading = (0,) * len(shown.field.dimensions)
    addresses = [
        *_all_tiles("WebMercatorQuad", 0),
        *_all_tiles("WebMercatorQuad", 1),
        *_all_tiles("WorldCRS84Quad", 0),
        *_all_tiles("16km", 0),
        *_native_tiles(layer),
    ]
    seen: set[int] = set()
    for address in addresses:
        expected = _expected(layer, ramp, address)
        _assert_equal(_pixels(shown.tile(address, leading)), expected, (name, address))
        seen |= _colours(expected)
    assert len(seen) > (0 if name == "all_missing" else 1), "nothing is seen of this dataset"


@pytest.mark.parametrize("tms", LAST_ZOOM)
def test_every_set_at_every_zoom(catalogue_store, ramp, tms):
    """One tile over the data at each zoom, down to cells of many tiles."""
    names = ("global_180", "seam_centred", "antimeridian", "odd_sizes", "mercator", "int8_fraction", "one_cell")
    for name, zoom in zip(itertools.cycle(names), range(LAST_ZOOM[tms] + 1)):
        synthetic, shown = _shown(catalogue_store, name, ramp)
        layer = synthetic.oracle()
        address = tile_over(layer, tms, zoom)
        _assert_equal(_pixels(shown.tile(address)), _expected(layer, ramp, address), (name, address))


@pytest.mark.parametrize("name", ["extra_dimension", "time_steps"])
def test_every_index_of_the_dimensions(catalogue_store, ramp, name):
    synthetic, shown = _shown(catalogue_store, name, ramp)
    images = set()
    for leading in np.ndindex(*(len(dimension.labels) for dimension in shown.field.dimensions)):
        layer = synthetic.oracle(leading=leading)
        address = tile_over(layer, "WebMercatorQuad", 3)
        png = shown.tile(address, leading)
        _assert_equal(_pixels(png), _expected(layer, ramp, address), (leading, address))
        images.add(png)
    assert len(images) == np.prod([len(dimension.labels) for dimension in shown.field.dimensions])


def test_every_variable(catalogue_store, ramp):
    for field in (0, 1):
        synthetic, shown = _shown(catalogue_store, "two_variables", ramp, field)
        layer = synthetic.oracle(shown.field.name)
        for address in _all_tiles("WorldCRS84Quad", 1):
            _assert_equal(_pixels(shown.tile(address)), _expected(layer, ramp, address), (shown.field.name, address))


@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize("tms", ["WebMercatorQuad", "WorldCRS84Quad", "1km"])
def test_a_centre_on_an_edge_belongs_to_the_eastern_cell(tmp_path, tms, shift):
    """Cells that are binary fractions of the circle: the centres of pixels lie exactly on their edges."""
    cols = 512
    size = 360.0 / cols
    codes = np.tile(np.arange(cols, dtype=np.int16) % 251, (8, 1))
    synthetic = Synthetic("edges", -180.0 - shift * size, 4 * size, size, size, (Field("v", codes),), chunk=(8, 512))
    colormap = tmp_path / "codes.xml"
    entries = "".join(
        f'<ColorMapEntry rgb="{code},{255 - code},7" transparent="false" value="{code}" ref="{code}"/>'
        for code in range(251)
    )
    colormap.write_text(f'<ColorMaps><ColorMap title="Codes"><Entries>{entries}</Entries></ColorMap></ColorMaps>')
    layer = synthetic.oracle()
    assert layer.levels == 1
    shown = Shown(tmp_path, synthetic.write(tmp_path), synthetic.fields[0], colormap)
    for zoom in range(3):
        middle = matrix_of(tms, zoom).rows // 2
        rows = {max(0, middle - 1), middle}
        for address in _all_tiles(tms, zoom):
            if address.row in rows:
                _assert_equal(_pixels(shown.tile(address)), _expected(layer, colormap, address), address)


@pytest.mark.parametrize("metatile", [2, 3, 4, 8])
@pytest.mark.parametrize(("name", "tms", "zoom"), [("global_180", "1km", 3), ("antimeridian", "WebMercatorQuad", 3)])
def test_a_metatile_is_its_tiles(catalogue_store, ramp, name, tms, zoom, metatile):
    _, shown = _shown(catalogue_store, name, ramp)
    matrix = matrix_of(tms, zoom)
    corner = Address(tms, zoom, matrix.rows - 1, matrix.cols - 1)
    for address in (Address(tms, zoom, 0, 0), corner, Address(tms, zoom, 3, 1)):
        request = shown.request(address)
        task = request.task(shown.store, metatile=metatile)
        tiles = dict(zip(task.block.addresses(), render(task), strict=True))
        assert (address.row, address.col) in tiles
        assert len(tiles) <= metatile**2
        for (row, col), data in tiles.items():
            assert data == shown.tile(Address(tms, zoom, row, col)), (row, col)
        assert task.tile_key(TileBlock(address.row, address.col)) == request.task(shown.store).key


@pytest.mark.parametrize("image_format", ImageFormat)
@pytest.mark.parametrize("name", ["global_180", "classes", "all_missing"])
def test_a_tile_is_the_same_bytes_each_time(catalogue_store, ramp, name, image_format):
    if image_format is ImageFormat.LERC:
        pytest.importorskip("lerc", reason="the optional package lerc is not installed")
    _, shown = _shown(catalogue_store, name, ramp)
    address = Address("1km", 1, 0, 1)
    first = shown.tile(address, (), image_format)
    assert shown.tile(address, (), image_format) == first
    process.install(CacheBudget.renderer(64 << 20))
    assert shown.tile(address, (), image_format) == first


@pytest.mark.parametrize("name", ["global_180", "classes", "all_missing", "seam_centred"])
def test_jpeg_shows_the_oracles_picture_on_white(catalogue_store, ramp, name):
    synthetic, shown = _shown(catalogue_store, name, ramp)
    for address in (Address("WebMercatorQuad", 1, 0, 1), Address("1km", 0, 0, 1)):
        data = shown.tile(address, (), ImageFormat.JPEG)
        image = Image.open(io.BytesIO(data))
        expected = oracle.flatten(_expected(synthetic.oracle(), ramp, address))
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", expected.shape[1::-1])
        stream = io.BytesIO()
        Image.fromarray(expected).save(stream, "JPEG", quality=85)
        reference = np.asarray(Image.open(stream), np.int16)
        assert np.abs(np.asarray(image, np.int16) - reference).mean() < 0.5


def test_a_mercator_grid_on_the_tile_grid_shows_each_cell_as_a_pixel(tmp_path, ramp):
    half = 20037508.342789244
    size = 2 * half / 2048
    codes = np.arange(300 * 260, dtype=np.int32).reshape(300, 260)
    place = (-half + 700 * size, half - 900 * size, size, size)
    synthetic = Synthetic("aligned", *place, (Field("v", codes, scale=0.01),), "EPSG:3857")
    layer = synthetic.oracle()
    shown = Shown(tmp_path, synthetic.write(tmp_path), synthetic.fields[0], ramp)
    here = layer.tile_codes("WebMercatorQuad", 3, 4, 3)
    assert np.array_equal(here[0][:176, :192], codes[124:300, 68:260])
    assert here[1].sum() == 176 * 192
    for zoom, row, col in ((3, 4, 3), (3, 3, 2), (2, 2, 1), (1, 1, 0), (4, 8, 6), (9, 260, 200)):
        address = Address("WebMercatorQuad", zoom, row, col)
        _assert_equal(_pixels(shown.tile(address)), _expected(layer, ramp, address), address)


def test_more_than_256_colours(tmp_path):
    codes = np.arange(400, dtype=np.int16).reshape(20, 20)
    synthetic = Synthetic("many", 0.0, 20.0, 1.0, 1.0, (Field("v", codes),))
    colormap = tmp_path / "many.xml"
    entries = "".join(
        f'<ColorMapEntry rgb="{code % 256},{code // 256},9" transparent="false" value="[{code},{code + 1})" ref="1"/>'
        for code in range(400)
    )
    colormap.write_text(f'<ColorMaps><ColorMap title="Many"><Entries>{entries}</Entries></ColorMap></ColorMaps>')
    shown = Shown(tmp_path, synthetic.write(tmp_path), synthetic.fields[0], colormap)
    address = tile_over(synthetic.oracle(), "WorldCRS84Quad", 3)
    pixels = _pixels(shown.tile(address))
    _assert_equal(pixels, _expected(synthetic.oracle(), colormap, address), address)
    assert len(_colours(pixels)) > 256


# --- A real file, through the converter --------------------------------------------------------------------------

GAMSSA = "20241011120000-ABOM-L4_GHRSST-SSTfnd-GAMSSA_28km-GLOB-v02.0-fv01.0.nc"


@pytest.fixture(scope="module")
def gamssa(tmp_path_factory):
    """The converted file's description and store, and the oracle's view of the file itself."""
    path = shared("realdata", GAMSSA)
    with netCDF4.Dataset(path) as source:
        source.set_auto_maskandscale(False)
        sst = source["analysed_sst"]
        codes = sst[0][::-1].copy()  # the file runs from south to north
        assert (source["lat"][0], source["lon"][0]) == (-89.875, -179.875)
        layer = OracleLayer(
            codes,
            west=-180.0,
            north=90.0,
            dx=0.25,
            dy=0.25,
            scale=float(sst.scale_factor),
            offset=float(sst.add_offset),
            missing=(float(sst._FillValue),),
            valid_min=float(sst.valid_min),
            valid_max=float(sst.valid_max),
            units=sst.units,
        )
    store = tmp_path_factory.mktemp("gamssa")
    return convert(path, store, "gamssa", ["analysed_sst"]), store, layer


def test_levels_of_the_real_file_equal_the_oracle(gamssa):
    description, store, layer = gamssa
    assert description.levels == layer.levels == 4
    assert description.grid.shape.rows == 720
    group = zarr.open_group(store / "gamssa.zarr", mode="r")
    for level in range(layer.levels):
        stored = group[f"{level}/analysed_sst"][0]
        np.testing.assert_array_equal(stored, layer.level(level), err_msg=f"level {level}")


@pytest.mark.parametrize("tms", ["WebMercatorQuad", "1km"])
def test_tiles_of_the_real_file_equal_the_oracle(gamssa, tms):
    """Every tile of zooms 0 to 3 in the colours of GIBS, in degrees Celsius, and in the bundled ones."""
    description, store, layer = gamssa
    bundled = ColormapCatalog().path_of("sea_surface_temperature")
    colormaps = (shared("colormaps", "GHRSST_Sea_Surface_Temperature.xml"), bundled)
    field = Field("analysed_sst", layer.codes, units=layer.units)
    colours: set[int] = set()
    for address in itertools.chain.from_iterable(_all_tiles(tms, zoom) for zoom in range(4)):
        codes, here = layer.tile_codes(tms, address.zoom, address.row, address.col)
        for colormap in colormaps:
            expected = oracle.paint(layer, colormap, codes, here)
            found = _pixels(Shown(store, description, field, colormap).tile(address, (0,)))
            _assert_equal(found, expected, (colormap.name, address))
            if address.zoom == 0:
                colours |= _colours(expected)
    assert len(colours) > 100
