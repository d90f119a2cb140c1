"""Exports to PMTiles, MBTiles and cloud optimized GeoTIFF: the same tiles in other containers."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest
import rasterio

from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.engines.threads import ThreadsBulkEngine
from lazytile.pyramid.exports.archive import Archive, export_archives
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.options import ExportOptions
from lazytile.pyramid.mrf.reader import MrfReader
from lazytile.pyramid.store.dataset import Dimension
from tests.pyramid.mrf.stores import FILL, export, field, halve, served_bytes, served_index, style, write_store

WEB = "WebMercatorQuad"


def pack(store, out, archive, **options):
    (layer,) = store.layers()
    with ThreadsBulkEngine(2) as engine:
        return export_archives(
            store.folder, layer, style(), out, archive, engine=engine, options=ExportOptions(**options)
        )


def served_tiles(store, zooms):
    """Every tile with data, by zoom, row and column."""
    painted = style()
    return {
        (zoom, row, col): served_bytes(store, painted, WEB, str(zoom), row, col)
        for zoom in range(zooms)
        for row, col in np.ndindex(1 << zoom, 1 << zoom)
        if served_index(store, painted, WEB, str(zoom), row, col).any()
    }


def test_mbtiles(tmp_path):
    store = write_store(tmp_path, field(400, 800))
    (summary,) = pack(store, tmp_path / "out", Archive.MBTILES, tms=WEB)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sst.mbtiles"]
    with closing(sqlite3.connect(summary.path)) as database:
        tiles = {
            (zoom, (1 << zoom) - 1 - row, col): data for zoom, col, row, data in database.execute("SELECT * FROM tiles")
        }
        described = dict(database.execute("SELECT * FROM metadata"))
    assert tiles == served_tiles(store, 3)
    assert summary.tiles == len(tiles) < 21
    assert described["format"] == "png"
    assert (described["minzoom"], described["maxzoom"]) == ("0", "2")
    assert described["bounds"] == "-180,-85.05113,180,85.05113"
    with rasterio.open(summary.path) as gdal:
        assert gdal.crs.to_epsg() == 3857
        assert gdal.width == 1024


def test_pmtiles(tmp_path):
    reader = pytest.importorskip("pmtiles.reader")
    store = write_store(tmp_path, field(400, 800))
    (summary,) = pack(store, tmp_path / "out", Archive.PMTILES, tms=WEB)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sst.pmtiles"]
    with summary.path.open("rb") as file:
        archive = reader.Reader(reader.MmapSource(file))
        header = archive.header()
        assert header["clustered"]
        assert (header["min_zoom"], header["max_zoom"]) == (0, 2)
        assert (header["min_lon_e7"], header["max_lon_e7"]) == (-1800000000, 1800000000)
        tiles = {
            (zoom, row, col): archive.get(zoom, col, row)
            for zoom in range(3)
            for row, col in np.ndindex(1 << zoom, 1 << zoom)
        }
        assert archive.metadata()["name"] == "sst"
    assert {address: data for address, data in tiles.items() if data} == served_tiles(store, 3)


def test_jpeg_tiles(tmp_path):
    store = write_store(tmp_path, field(200, 400))
    (summary,) = pack(store, tmp_path / "out", Archive.MBTILES, tms=WEB, compression=Compression.JPEG)
    with closing(sqlite3.connect(summary.path)) as database:
        assert dict(database.execute("SELECT * FROM metadata"))["format"] == "jpg"
        assert all(data.startswith(b"\xff\xd8\xff") for (data,) in database.execute("SELECT tile_data FROM tiles"))


def test_geotiff_of_colours(tmp_path):
    store = write_store(tmp_path, field(700, 900))
    (summary,) = pack(store, tmp_path / "out", Archive.COG, page=512)
    (mrf,) = export(store, tmp_path / "mrf", page=512)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sst.tif"]
    with rasterio.open(summary.path) as tif, rasterio.open(mrf.path) as same:
        assert tif.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert tif.overviews(1) == same.overviews(1) == [2]
        assert (tif.nodata, tif.crs, tif.bounds) == (0, same.crs, same.bounds)
        np.testing.assert_array_equal(tif.read(1), same.read(1))
        assert tif.colormap(1)[5][:3] == tuple(style().palette.rgba[5, :3].tolist())
    with rasterio.open(summary.path, overview_level=0) as tif, MrfReader(mrf.path) as reader:
        np.testing.assert_array_equal(tif.read(1), reader.pixels(1, 0, 0)[:350, :450, 0])


def test_geotiff_of_values(tmp_path):
    codes = field(700, 900)
    store = write_store(tmp_path, codes)
    (summary,) = pack(store, tmp_path / "out", Archive.COG, compression=Compression.DEFLATE)
    with rasterio.open(summary.path) as tif:
        assert (tif.nodata, tif.dtypes, tif.overviews(1)) == (FILL, ("int16",), [2, 4])
        np.testing.assert_array_equal(tif.read(1), codes)
        assert tif.scales == (1.0,)
    with rasterio.open(summary.path, overview_level=1) as tif:
        np.testing.assert_array_equal(tif.read(1), halve(halve(codes)))


def test_values_keep_their_scale(tmp_path):
    from tests import data

    dataset = data.CATALOGUE["odd_sizes"]()
    dataset.write(tmp_path)
    from lazytile.pyramid.store.store import Store

    store = Store(tmp_path)
    packing = next(iter(store.layers())).variable.packing
    assert packing.scale_factor != 1.0
    (summary,) = pack(store, tmp_path / "out", Archive.COG, compression=Compression.DEFLATE)
    with rasterio.open(summary.path) as tif:
        assert (tif.scales, tif.offsets) == ((packing.scale_factor,), (packing.add_offset,))


def test_one_file_for_each_step_and_again(tmp_path):
    days = Dimension("time", "time", ("2019-01-01T09:00:00Z", "2019-01-02T09:00:00Z"))
    store = write_store(tmp_path, np.stack([field(200, 400, 1), field(200, 400, 2)]), dimensions=(days,))
    names = ["sst-2019001090000.mbtiles", "sst-2019002090000.mbtiles"]
    for _ in range(2):
        summaries = pack(store, tmp_path / "out", Archive.MBTILES, tms=WEB)
        assert [summary.path.name for summary in summaries] == names
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names


@pytest.mark.parametrize(
    ("archive", "options", "message"),
    [
        (Archive.MBTILES, {}, "MBTILES takes tiles of Web Mercator, not of native_sst: --tms WebMercatorQuad"),
        (Archive.MBTILES, {"tms": "16km"}, "not of 16km"),
        (Archive.PMTILES, {"tms": WEB, "page": 512}, "PMTILES takes the tiles of the set, not pages of 512 pixels"),
        (Archive.MBTILES, {"tms": WEB, "compression": Compression.LERC}, "takes tiles in PPNG, PNG or JPEG, not LERC"),
    ],
)
def test_impossible_options_are_refused(tmp_path, archive, options, message):
    store = write_store(tmp_path, field(20, 30))
    with pytest.raises(MrfError, match=message):
        pack(store, tmp_path / "out", archive, **options)
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pmtiles", None)
    store = write_store(tmp_path, field(20, 30))
    with pytest.raises(MrfError, match=r"PMTILES needs the package pmtiles: pip install 'lazytile\[export\]'"):
        pack(store, tmp_path / "out", Archive.PMTILES, tms=WEB)
    with pytest.raises(MrfError, match="export format 'zip' is unknown, allowed are pmtiles, mbtiles, cog"):
        Archive.parse("zip")
