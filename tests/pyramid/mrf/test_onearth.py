"""Files for OnEarth, and configurations of mrfgen as input."""

import io
import json
import zlib

import numpy as np
import pytest
import rasterio
import rasterio.windows
from lxml import etree
from PIL import Image

from lazytile.colormaps.formats.gibs import read_gibs
from lazytile.colormaps.library.catalog import ColormapCatalog
from lazytile.pyramid.core.errors import MrfError
from lazytile.pyramid.mrf.check import inspect_mrf
from lazytile.pyramid.mrf.model import Compression
from lazytile.pyramid.mrf.reader import MrfReader
from lazytile.pyramid.mrf.zdb import read_zdb
from lazytile.pyramid.mrfgen.configuration import read_mrfgen
from lazytile.pyramid.render.style import Styles
from lazytile.pyramid.store.dataset import Dimension
from lazytile.service.cli import main
from tests.pyramid.mrf.stores import export, field, write_store

DAYS = Dimension("time", "time", ("2014-06-06T00:00:00Z", "2014-06-06T12:30:00Z", "2015-01-01T00:00:00Z"))


def painted(store):
    return Styles(ColormapCatalog()).style(next(iter(store.layers())), "default")


@pytest.fixture
def timed(tmp_path):
    codes = np.stack([field(180, 360, at) for at in range(3)])
    return write_store(tmp_path, codes, dimensions=(DAYS,))


def test_files_beside_the_mrfs(timed, tmp_path):
    yaml = pytest.importorskip("yaml")
    style, out = painted(timed), tmp_path / "out"
    (first, *_) = export(timed, out, style, tms="16km", by_year=True, onearth=True)
    names = {path.name for path in out.iterdir() if path.is_file()}
    assert names == {
        *("sst.yaml", "sst.xml", "sst_empty.png", "sst_H.png", "sst_H.svg", "sst_V.png", "sst_V.svg"),
    }
    layer = yaml.safe_load((out / "sst.yaml").read_text())
    assert layer["source_mrf"] == {
        "size_x": 2560,
        "size_y": 1280,
        "bands": 1,
        "tile_size_x": 512,
        "tile_size_y": 512,
        "idx_path": "/onearth/idx/epsg4326",
        "data_file_uri": "/onearth/mrf-archive/epsg4326",
        "year_dir": True,
        "bbox": "-180,-90,180,90",
        "empty_tile": "/etc/onearth/empty_tiles/sst_empty.png",
    }
    assert (layer["layer_id"], layer["tilematrixset"], layer["projection"]) == ("sst", "16km", "EPSG:4326")
    assert (layer["mime_type"], layer["static"], layer["time_config"]) == ("image/png", False, ["DETECT"])
    assert layer["metadata"][0]["xlink:href"] == "sst.xml"
    # The colormap, read back, paints as the MRF does.
    with MrfReader(first.path) as mrf:
        palette = np.array(mrf.header.palette, np.uint8)
    colours = {entry.rgba for part in read_gibs(out / "sst.xml").parts for entry in part.entries}
    assert {tuple(colour) for colour in palette[1:20].tolist()} <= colours
    with Image.open(out / "sst_empty.png") as empty:
        assert (empty.mode, empty.size) == ("P", (512, 512))
        assert not np.asarray(empty).any()
    assert etree.fromstring((out / "sst_V.svg").read_bytes()).tag.endswith("svg")


def test_a_static_layer_names_its_file(tmp_path):
    yaml = pytest.importorskip("yaml")
    store = write_store(tmp_path, field(180, 360))
    export(store, tmp_path / "out", painted(store), tms="16km", onearth=True, compression=Compression.JPEG)
    layer = yaml.safe_load((tmp_path / "out" / "sst.yaml").read_text())
    assert layer["static"] is True
    assert "time_config" not in layer
    assert layer["source_mrf"]["data_file_uri"] == "/onearth/mrf-archive/epsg4326/sst/sst.pjg"
    with Image.open(io.BytesIO((tmp_path / "out" / "sst_empty.jpg").read_bytes())) as empty:
        assert (empty.format, empty.mode) == ("JPEG", "RGB")


def test_what_onearth_cannot_serve(tmp_path):
    store = write_store(tmp_path, field(20, 30))
    with pytest.raises(MrfError, match="OnEarth serves no pages in ZSTD"):
        export(store, tmp_path / "out", painted(store), compression=Compression.ZSTD, onearth=True)
    with pytest.raises(MrfError, match="OnEarth serves 16km in tiles of 512 pixels, not in pages of 256"):
        export(store, tmp_path / "out", painted(store), tms="16km", page=256, onearth=True)
    assert not (tmp_path / "out").exists(), "it is refused before any work"


def config(folder, text="", *, name="sst", date="20140606"):
    path = folder / "mrfgen.xml"
    path.write_text(
        f"""<?xml version="1.0" encoding="UTF-8"?>
<mrfgen_configuration>
 <date_of_data>{date}</date_of_data>
 <parameter_name>{name}</parameter_name>
 <input_dir>/mrfgen/in</input_dir>
 <output_dir>{folder}/out</output_dir>
 <working_dir>/mrfgen/work</working_dir>
 {text}
</mrfgen_configuration>"""
    )
    return path


def run(capsys, *arguments):
    code = main.run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_configuration_of_mrfgen(timed, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LAZYTILE_ENGINE", "threads")
    path = config(
        tmp_path,
        "<mrf_empty_tile_filename>black.png</mrf_empty_tile_filename><mrf_blocksize>512</mrf_blocksize>"
        "<mrf_compression_type>PPNG</mrf_compression_type><outsize>2560,1280</outsize><quality_prec>6</quality_prec><mrf_merge>false</mrf_merge>"
        "<overview_resampling>average</overview_resampling><colormap></colormap><email_server>x</email_server>",
    )
    code, out_text, err = run(capsys, "mrf", "from-mrfgen", path, "--store", tmp_path, "--onearth")
    assert code == 0, err
    assert out_text.count("\n") == 2
    for name in ("input_dir", "working_dir", "mrf_empty_tile_filename", "mrf_merge", "email_server", "quality_prec"):
        assert f"mrfgen.xml: {name} is not used" in err
    made = sorted(file.name for file in (tmp_path / "out").glob("*.mrf"))
    assert made == ["sst-2014157000000.mrf", "sst-2014157123000.mrf"]
    assert (tmp_path / "out" / "sst.yaml").exists()
    with MrfReader(tmp_path / "out" / made[0]) as mrf:
        assert (mrf.header.size.cols, mrf.header.size.rows) == (2560, 1280)


def test_a_configuration_with_a_colormap_and_a_clock(timed, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LAZYTILE_ENGINE", "threads")
    from lazytile.colormaps.formats.gibs_writer import write_gibs

    write_gibs(ColormapCatalog().find("grey"), tmp_path / "mine.xml")
    path = config(
        tmp_path,
        f"<time_of_data>123000</time_of_data><target_x>2560</target_x><mrf_compression_type>PPNG"
        f"</mrf_compression_type><colormap>{tmp_path}/mine.xml</colormap>",
    )
    code, _, err = run(capsys, "mrf", "from-mrfgen", path, "--store", tmp_path)
    assert code == 0, err
    (made,) = (tmp_path / "out").glob("*.mrf")
    assert made.name == "sst-2014157123000.mrf"
    with MrfReader(made) as mrf:
        notes = dict(mrf.header.notes)
        assert (notes["style"], notes["overviews"]) == ("mine", "nearest")


def test_elements_of_configurations_in_the_field_that_change_nothing_here(timed, tmp_path, capsys, monkeypatch):
    """Issue 16, item 10: the globe as ``target_extents``, slices, palettes and levels of OnEarth's own tests."""
    monkeypatch.setenv("LAZYTILE_ENGINE", "threads")
    text = "".join(
        f"<{name}>{value}</{name}>"
        for name, value in {
            "target_x": "2560",
            "target_extents": "-180,-90,180,90",
            "mrf_z_levels": "3",
            "mrf_z_key": "20140606",
            "mrf_overwrite_colormap": "true",
            "mrf_noaddo": "true",
            "mrf_brunsli": "true",
        }.items()
    )
    code, _, err = run(capsys, "mrf", "from-mrfgen", config(tmp_path, text), "--store", tmp_path)
    assert code == 0, err
    for name in ("mrf_z_levels", "mrf_z_key", "mrf_overwrite_colormap", "mrf_noaddo", "mrf_brunsli"):
        assert f"{name} is not used" in err
    assert len(list((tmp_path / "out").glob("*.mrf"))) == 2


def test_a_box_is_a_set_of_ones_own(timed, tmp_path, capsys, monkeypatch):
    """``target_extents`` of a box and a size that is no GIBS set: ``LAZYTILE_TILE_MATRIX_SETS`` has the set."""
    monkeypatch.setenv("LAZYTILE_ENGINE", "threads")
    matrices = [
        {
            "id": str(zoom),
            "scaleDenominator": 8000 / 0.00028 / 2**zoom,
            "cellSize": 8000 / 2**zoom,
            "pointOfOrigin": [-1_000_000, 1_000_000],
            "tileWidth": 256,
            "tileHeight": 256,
            "matrixWidth": 2**zoom,
            "matrixHeight": 2**zoom,
        }
        for zoom in range(3)
    ]
    crs = "http://www.opengis.net/def/crs/EPSG/0/3413"
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "box.json").write_text(
        json.dumps({"id": "Box", "title": "Box", "crs": crs, "tileMatrices": matrices})
    )
    monkeypatch.setenv("LAZYTILE_TILE_MATRIX_SETS", str(tmp_path / "sets"))
    box = "<target_epsg>3413</target_epsg><target_extents>-1000000,-1048000,1048000,1000000</target_extents>"
    path = config(tmp_path, f"{box}<target_x>1024</target_x><time_of_data>123000</time_of_data>")
    code, _, err = run(capsys, "mrf", "from-mrfgen", path, "--store", tmp_path)
    assert code == 0, err
    (made,) = (tmp_path / "out").glob("*.mrf")
    with MrfReader(made) as mrf:
        assert dict(mrf.header.notes)["tms"] == "Box"


def test_pages_of_a_set_are_its_tiles_unless_a_size_is_given(timed, tmp_path):
    layer = next(iter(timed.layers()))
    for text, page in (("", None), ("<mrf_blocksize>512</mrf_blocksize>", 512)):
        job = read_mrfgen(config(tmp_path, f"<target_epsg>3857</target_epsg><target_x>2048</target_x>{text}"))
        options = job.options(layer)
        assert (options.tms, options.page) == ("GoogleMapsCompatible_Level3", page)


@pytest.mark.parametrize(("kind", "is_zen"), [("ZEN", True), ("JPG", False)])
def test_jpeg_of_mrfgen(timed, tmp_path, capsys, monkeypatch, kind, is_zen):
    monkeypatch.setenv("LAZYTILE_ENGINE", "threads")
    text = f"<target_x>2560</target_x><mrf_compression_type>{kind}</mrf_compression_type>"
    text += "<mrf_blocksize>256</mrf_blocksize>"
    path = config(tmp_path, text + "<time_of_data>123000</time_of_data><quality_prec>70</quality_prec>")
    code, _, err = run(capsys, "mrf", "from-mrfgen", path, "--store", tmp_path)
    assert code == 0, err
    (made,) = (tmp_path / "out").glob("*.mrf")
    with MrfReader(made) as mrf:
        assert (mrf.header.compression, mrf.header.quality) == (Compression.JPEG, 70)
        assert mrf.header.nodata == ((0.0,) if is_zen else ())
        assert (mrf.header.page.rows, mrf.header.levels[0].pages.cols) == (256, 10)
        pages = [mrf.page(0, row, col) for row in range(5) for col in range(10)]
        assert {b"Zen\0" in page for page in pages if page is not None} == {is_zen}


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("<mrf_compression_type>EPNG</mrf_compression_type>", {}, "mrf_compression_type 'EPNG' is not supported"),
        (
            "<mrf_data_scale>3</mrf_data_scale><mrf_data_offset>1</mrf_data_offset>",
            {},
            "elements that are not supported: mrf_data_scale, mrf_data_off",
        ),
        ("<target_extents>0,0,10,10</target_extents>", {}, "target_extents are not those of 2km"),
        ("<target_extents>0,0,10</target_extents>", {}, "is not XMIN,YMIN,XMAX,YMAX"),
        ("<nonsense>1</nonsense>", {}, "elements that are not supported: nonsense"),
        ("<target_epsg>32633</target_epsg>", {}, "target_epsg '32633' is not supported"),
        ("<target_x>1000</target_x>", {}, "target_x 1000 fits no GIBS set of EPSG:4326, allowed are 2560, 20480"),
        ("<target_x>9999999999999</target_x>", {}, "is not a whole number"),
        ("<target_x>2560</target_x><target_y>1000</target_y>", {}, "target_y 1000 is not allowed, 16km has 1280"),
        ("<outsize>2560 1000</outsize>", {}, "target_y 1000 is not allowed, 16km has 1280"),
        ("<overview_resampling>gauss</overview_resampling>", {}, "overview_resampling 'gauss' is not supported"),
        ("<mrf_blocksize>25</mrf_blocksize><target_x>2560</target_x>", {}, "pages of 25 pixels are not allowed"),
        ("<colormap>https://example.com/c.xml</colormap>", {}, "is a URL, only a file can be read"),
        ("<target_x>2560</target_x>", {"date": "20200101"}, "sst has no time 2020-01-01"),
        ("", {"date": "June"}, "date_of_data is YYYYMMDD"),
        ("", {"name": ""}, "a mrfgen configuration needs parameter_name"),
        ("<unclosed>", {}, "not well-formed XML"),
    ],
)
def test_unsupported_elements_are_named(timed, tmp_path, capsys, text, changes, message):
    path = config(tmp_path, text, **changes)
    code, _, err = run(capsys, "mrf", "from-mrfgen", path, "--store", tmp_path, "--engine", "threads")
    assert code == 2
    assert message in err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_hostile_configurations(tmp_path):
    path = tmp_path / "bomb.xml"
    path.write_text('<!DOCTYPE x [<!ENTITY a "b">]><mrfgen_configuration>&a;</mrfgen_configuration>')
    with pytest.raises(MrfError, match="no document type"):
        read_mrfgen(path)
    path.write_text(" " * (1 << 20) + "<mrfgen_configuration/>")
    with pytest.raises(MrfError, match="at most"):
        read_mrfgen(path)
    path.write_text("<mrfgen_configuration>" + "<a>" * 100_000)
    with pytest.raises(MrfError, match="not well-formed XML"):
        read_mrfgen(path)
    path.write_text('<?xml version="1.0" encoding="none-such"?><mrfgen_configuration/>')
    with pytest.raises(MrfError, match="not well-formed XML"):
        read_mrfgen(path)
    path.write_text("<other/>")
    with pytest.raises(MrfError, match="not a mrfgen configuration, it starts with 'other'"):
        read_mrfgen(path)
    with pytest.raises(MrfError, match="cannot be read"):
        read_mrfgen(tmp_path / "none.xml")


def test_lerc_is_deflated_as_onearth_announces_it(timed, tmp_path):
    """oe2_wmts_configure adds ``Content-Encoding: deflate`` to the responses of LERC layers."""
    pytest.importorskip("lerc")
    options = {"tms": "16km", "compression": Compression.LERC, "select": {"time": ["2014-06-06T00"]}}
    (plain,) = export(timed, tmp_path / "plain", **options)
    (packed,) = export(timed, tmp_path / "packed", onearth=True, **options)
    with MrfReader(plain.path) as one, MrfReader(packed.path) as other, rasterio.open(packed.path) as foreign:
        assert other.header.options == (("DEFLATE", "ON"),)
        assert zlib.decompress(other.page(0, 1, 2)) == one.page(0, 1, 2)
        np.testing.assert_array_equal(other.pixels(0, 1, 2), one.pixels(0, 1, 2))
        window = rasterio.windows.Window(1024, 512, 512, 512)
        np.testing.assert_array_equal(foreign.read(1, window=window), one.pixels(0, 1, 2)[..., 0])
    assert inspect_mrf(packed.path, decode=True, onearth=True).problems == ()
    (problem,) = inspect_mrf(plain.path, onearth=True).problems
    assert "announces LERC pages as deflated, these are not" in problem


@pytest.mark.parametrize(
    ("compression", "extension"), [("PPNG", "ppg"), ("PNG", "ppg"), ("JPNG", "ppg"), ("JPEG", "pjg"), ("TIF", "ptf")]
)
def test_data_files_end_as_oe_scrape_time_takes_them(timed, tmp_path, compression, extension):
    options = {"tms": "16km", "compression": Compression[compression], "select": {"time": ["2015"]}}
    (summary,) = export(timed, tmp_path / "out", painted(timed), onearth=True, **options)
    assert [path.suffix for path in (tmp_path / "out").glob("sst-*.p*")] == [f".{extension}"]
    assert inspect_mrf(summary.path, decode=True, onearth=True).problems == ()
    with rasterio.open(summary.path) as foreign, MrfReader(summary.path) as ours:
        assert foreign.read(1, window=rasterio.windows.Window(0, 0, 512, 512)).shape == (512, 512)
        assert ours.page(0, 1, 3) is not None
    again = export(timed, tmp_path / "out", painted(timed), onearth=True, **options)
    assert again[0].was_complete


def test_an_ending_that_onearth_does_not_look_for_is_reported(timed, tmp_path):
    options = {"tms": "16km", "compression": Compression.JPNG, "select": {"time": ["2015"]}}
    (summary,) = export(timed, tmp_path / "out", painted(timed), **options)
    (problem,) = inspect_mrf(summary.path, onearth=True).problems
    assert "a data file that ends in .ppg, this one ends in .pjp" in problem


@pytest.mark.parametrize("tms", ["native", "WebMercatorQuad"])
def test_a_set_that_onearth_lacks_is_a_warning(timed, tmp_path, caplog, tms):
    export(timed, tmp_path / "out", painted(timed), tms=tms, onearth=True, select={"time": ["2015"]})
    (line,) = [each.getMessage() for each in caplog.records if "tilematrixsets.xml" in each.getMessage()]
    assert ("native_sst" if tms == "native" else tms) in line
    assert ("16km, 2km" if tms == "native" else "GoogleMapsCompatible_Level3") in line


def test_times_below_a_second(tmp_path, caplog):
    """mrfgen looks a slice up by its key, so keys differ; oe_scrape_time reads whole seconds."""
    labels = ("2014-06-06T00:00:00Z", "2014-06-06T00:00:00.250Z", "2014-06-06T00:00:00.500Z", "2014-06-06T00:00:01Z")
    codes = np.stack([field(90, 180, at) for at in range(4)])
    store = write_store(tmp_path, codes, dimensions=(Dimension("time", "time", labels),))
    (sliced,) = export(store, tmp_path / "sliced", as_slices=True)
    keys = ["20140606000000", "20140606000000250", "20140606000000500", "20140606000001"]
    assert list(read_zdb(sliced.path.with_suffix(".zdb"))) == keys
    export(store, tmp_path / "out", painted(store), tms="16km", onearth=True)
    (line,) = [each.getMessage() for each in caplog.records if "oe_scrape_time" in each.getMessage()]
    assert "ignores 2 files, such as sst-2014157000000250.mrf" in line
    report = inspect_mrf(tmp_path / "out" / "sst-2014157000000250.mrf", onearth=True)
    assert "takes times of 13 digits" in report.problems[0]
