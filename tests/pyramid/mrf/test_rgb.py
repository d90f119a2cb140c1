"""Pictures of three variables, such as an RGB GeoTIFF, as MRF and in other files (issue 16, item 11)."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import rasterio
from PIL import Image

from lazytile.pyramid.mrf.reader import MrfReader
from lazytile.service.cli import main
from tests.service.harness import running

HEIGHT, WIDTH = 512, 1024
OPTIONS = ("--rgb", "red,green,blue")


def picture():
    """Red, green, blue and alpha, shape (4, rows, cols)."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    alpha = np.where((x - 500) ** 2 + (y - 256) ** 2 < 200**2, 255, 0)
    return np.stack([x // 5, y // 3, (x + y) % 200, alpha]).astype(np.uint8)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rgb")
    place = {
        "crs": "EPSG:4326",
        "transform": rasterio.Affine(360 / WIDTH, 0, -180, 0, -180 / HEIGHT, 90),
        "photometric": "RGB",
    }
    size = {"driver": "GTiff", "width": WIDTH, "height": HEIGHT, "dtype": "uint8"}
    for name, bands in (("rgb", picture()[:3]), ("rgba", picture())):
        extra = {"alpha": "YES"} if name == "rgba" else {}
        with rasterio.open(folder / f"{name}.tif", "w", count=len(bands), **size, **place, **extra) as file:
            file.write(bands)
        run("convert", folder / f"{name}.tif", "--store", folder / "store", "--name", name, "--engine", "threads")
    return folder / "store"


def run(*arguments):
    return main.run([str(argument) for argument in arguments])


def export(store, *arguments):
    assert run(*arguments, *OPTIONS, "--store", store, "--engine", "threads") == 0


def level(path, number=0):
    """The pixels of a level, shape (rows, cols, bands); 0 where a page is absent."""
    with MrfReader(path) as mrf:
        size, page = mrf.header.levels[number].size, mrf.header.page
        pages = mrf.header.levels[number].pages
        whole = np.zeros((pages.rows * page.rows, pages.cols * page.cols, mrf.header.bands), np.uint8)
        for row, col in np.ndindex(pages.rows, pages.cols):
            found = mrf.pixels(number, row, col)
            if found is not None:
                place = np.s_[row * page.rows : (row + 1) * page.rows, col * page.cols : (col + 1) * page.cols]
                whole[place] = found
        return whole[: size.rows, : size.cols]


def test_the_colours_of_an_rgb_geotiff_are_kept(store, tmp_path):
    export(store, "mrf", "rgb", tmp_path)
    pixels = level(tmp_path / "rgb.mrf")
    assert np.array_equal(pixels[..., :3], np.moveaxis(picture()[:3], 0, -1))
    assert (pixels[..., 3] == 255).all()
    with rasterio.open(tmp_path / "rgb.mrf") as file:
        assert np.array_equal(file.read([1, 2, 3]), picture()[:3])
        assert file.overviews(1) == [2, 4]


def test_no_data_is_transparent_and_empty_pages_are_absent(store, tmp_path):
    export(store, "mrf", "rgba", tmp_path, "--page", "64")
    pixels, wanted = level(tmp_path / "rgba.mrf"), picture()
    shown = wanted[3] == 255
    assert np.array_equal(pixels[..., 3] == 255, shown)
    assert np.array_equal(pixels[shown][:, :3], np.moveaxis(wanted[:3], 0, -1)[shown])
    assert not pixels[~shown].any()
    with MrfReader(tmp_path / "rgba.mrf") as mrf:
        assert mrf.record(0, 0, 0).is_empty


def test_overviews_of_means_are_means_of_each_variable(store, tmp_path):
    export(store, "mrf", "rgb", tmp_path)
    blocks = picture()[:3].reshape(3, HEIGHT // 2, 2, WIDTH // 2, 2).astype(np.float64)
    assert np.abs(np.moveaxis(level(tmp_path / "rgb.mrf", 1)[..., :3], -1, 0) - blocks.mean(axis=(2, 4))).max() <= 0.5


def test_overviews_of_nearest_cells(store, tmp_path):
    export(store, "mrf", "rgb", tmp_path, "--overviews", "nearest")
    assert np.array_equal(level(tmp_path / "rgb.mrf", 1)[..., :3], np.moveaxis(picture()[:3, 1::2, 1::2], 0, -1))


@pytest.mark.parametrize("options", [("--compression", "JPEG", "--zen"), ("--compression", "JPNG"), ("--bands", "3")])
def test_other_pages_hold_pictures(store, tmp_path, options):
    export(store, "mrf", "rgba", tmp_path, "--tms", "16km", "--onearth", *options)
    pixels = level(tmp_path / "rgba.mrf")
    with rasterio.open(tmp_path / "rgba.mrf") as file:
        by_gdal = np.moveaxis(file.read(), 0, -1)
    difference = np.abs(pixels.astype(int) - by_gdal)
    assert difference.max() == 0 if options[0] == "--bands" else difference.mean() < 0.5  # decoders of JPEG differ
    shown = pixels[..., :3].any(axis=-1)
    assert 0.05 < shown.mean() < 0.5
    assert not (tmp_path / "rgba.xml").exists(), "a picture of three variables has no colormap"
    text = (tmp_path / "rgba.yaml").read_text()
    assert "colormap" not in text
    with Image.open(next(tmp_path.glob("rgba_empty.*"))) as empty:
        assert empty.size == (512, 512)
        assert not np.asarray(empty.convert("RGBA"))[..., :3].any()


def test_a_page_is_the_tile_that_the_service_serves(store, tmp_path):
    export(store, "mrf", "rgb", tmp_path / "mrf", "--tms", "16km")
    with running(store, tmp_path / "cache", mrf_folder=tmp_path / "mrf") as server:
        tile = {"layer": "rgb.red", "TileMatrixSet": "16km", "TileMatrix": "2", "TileRow": "0", "TileCol": "1"}
        reply = server.kvp(**tile, rgb="red,green,blue")
        assert reply.status == 200
        plain = server.kvp(**tile)
    with MrfReader(tmp_path / "mrf" / "rgb.mrf") as mrf:
        assert mrf.page(0, 0, 1) == reply.body
    with Image.open(io.BytesIO(plain.body)) as tile:
        assert tile.mode == "P", "the layer in its style is not answered from the picture's MRF"


@pytest.mark.parametrize("to", ["cog", "pmtiles", "mbtiles"])
def test_exports_hold_pictures(store, tmp_path, to):
    export(store, "export", "rgb", tmp_path, "--to", to)
    suffix = {"cog": "tif"}.get(to, to)
    if to == "pmtiles":
        reader = pytest.importorskip("pmtiles.reader")
        with (tmp_path / "rgb.pmtiles").open("rb") as file:
            tile = reader.Reader(reader.MmapSource(file)).get(0, 0, 0)
        assert Image.open(io.BytesIO(tile)).mode == "RGBA"
        return
    with rasterio.open(tmp_path / f"rgb.{suffix}") as file:
        if to == "cog":
            assert np.array_equal(file.read([1, 2, 3]), picture()[:3])
            assert [each.name for each in file.colorinterp] == ["red", "green", "blue", "alpha"]
        else:
            assert file.read([1, 2, 3])[:, 100:150, 100:150].any()


def test_a_range_for_each_colour(store, tmp_path):
    export(store, "mrf", "rgb", tmp_path, "--rescale", "0,100;0,255;255,0")
    pixels, wanted = level(tmp_path / "rgb.mrf"), picture().astype(np.float64)
    assert np.abs(pixels[..., 0] - np.minimum(wanted[0], 100) * 2.55).max() <= 0.51
    assert np.array_equal(pixels[..., 2], 255 - picture()[2])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--rgb", "red,green"), "rgb is RED,GREEN,BLUE"),
        (("--rgb", "red,green,teal"), "teal"),
        ((*OPTIONS, "--compression", "PPNG"), "does not fit PPNG pages"),
        ((*OPTIONS, "--compression", "LERC"), "does not fit LERC pages"),
        ((*OPTIONS, "--bands", "1"), "does not fit PNG pages of 1 bands"),
    ],
)
def test_what_is_no_picture_is_refused(store, tmp_path, capsys, options, reason):
    assert run("mrf", "rgb", tmp_path / "out", "--store", store, *options) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_interrupted_picture_is_not_mixed_with_another(store, tmp_path, capsys):
    export(store, "mrf", "rgb", tmp_path)
    export(store, "mrf", "rgb", tmp_path)
    assert "was there already" in capsys.readouterr().out
    export(store, "mrf", "rgb", tmp_path, "--rescale", "0,9;0,9;0,9")
    assert "was there already" not in capsys.readouterr().out
    with MrfReader(tmp_path / "rgb.mrf") as mrf:
        assert "red" in json.dumps(dict(mrf.header.notes))
