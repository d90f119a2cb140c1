"""The commands ``lazytile mrf``."""

import json
import re

import numpy as np
import pytest
import rasterio
from PIL import Image

from lazytile.colormaps.formats.gibs_writer import gibs_xml
from lazytile.colormaps.synthesis.named import named_colormap
from lazytile.pyramid.mrf.reader import MrfReader
from lazytile.pyramid.store.dataset import Dimension
from lazytile.service.cli import main
from tests.pyramid.mrf.stores import field, write_store
from tests.service.app.test_startup import source


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.delenv("LAZYTILE_STORE", raising=False)
    monkeypatch.setenv("LAZYTILE_ENGINE", "threads")

    def run_command(*arguments):
        code = main.run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_command


@pytest.fixture
def store(tmp_path):
    time = Dimension("time", "time", ("2019-01-01T09:00:00Z", "2019-01-02T09:00:00Z", "2019-02-01T00:00:00Z"))
    depth = Dimension("depth", "other", ("0", "10"))
    codes = np.stack([np.stack([field(300, 520, 2 * at + deep) for deep in range(2)]) for at in range(3)])
    write_store(tmp_path, codes, dimensions=(time, depth))
    return tmp_path


def test_a_terminal_shows_rate_and_time_left(run, store, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    code, _, err = run("mrf", "sst", tmp_path / "out", "--store", store)
    assert code == 0
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", err).strip().splitlines()[-1]
    assert re.search(r"54/54 tiles \d+ tiles/s \d+:\d\d:\d\d$", last.strip()), last


def names(folder):
    return sorted(path.name for path in folder.glob("*.mrf"))


def test_export_of_some_steps(run, store, tmp_path):
    out = tmp_path / "out"
    code, out_text, _ = run("mrf", "sst", out, "--store", store, "--time", "2019-01", "--dim", "depth=10")
    assert code == 0
    assert names(out) == ["sst_depth-10-2019001090000.mrf", "sst_depth-10-2019002090000.mrf"]
    assert out_text.count(" tiles, ") == 2
    # Options may come first, and a command's name is no layer's.
    assert run("mrf", "--store", store, "--time", "2019-02", "--dim", "depth=0", "sst", out)[0] == 0
    assert "sst_depth-0-2019032000000.mrf" in names(out)
    code, _, err = run("mrf", "export", "verify", out, "--store", store)
    assert (code, "no layer 'verify'" in err) == (2, True)


def test_export_with_every_option(run, store, tmp_path):
    out = tmp_path / "out"
    one = ["--store", store, "--time", "2019-02", "--dim", "depth=0"]
    code, _, _ = run("mrf", "sst", out, *one, "--page", 512, "--compression", "jpeg", "--quality", 60, "--share-pages")
    assert code == 0
    (path,) = out.glob("*.mrf")
    with MrfReader(path) as mrf:
        assert (mrf.header.page.cols, mrf.header.compression.name, mrf.header.quality) == (512, "JPEG", 60)
        assert dict(mrf.header.notes)["shared"] == "true"
    code, _, _ = run("mrf", "sst", tmp_path / "gibs", *one, "--tms", "16km", "--finest", "1", "--effort", "small")
    assert code == 0
    (path,) = (tmp_path / "gibs").glob("*.mrf")
    with rasterio.open(path) as mrf:
        assert (mrf.width, mrf.height) == (1280, 640)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--compression", "gif"], "MRF compression 'gif' is not supported"),
        (["--effort", "much"], "compression effort 'much' is unknown, allowed are served, fast, default, small"),
        (["--dim", "depth"], "--dim 'depth' is not NAME=LABEL"),
        (["--dim", "depth=5"], "sst has no depth '5', it has 0, 10"),
        (["--page", "77"], "pages of 77 pixels are not allowed, an even number from 64 to 4096 is"),
        (["--tms", "nope"], "nope"),
        (["--time", "1999"], "1999"),
    ],
)
def test_a_refusal_is_one_line(run, store, tmp_path, arguments, message):
    code, _, err = run("mrf", "sst", tmp_path / "out", "--store", store, *arguments)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err
    assert not (tmp_path / "out").exists()


def test_verify_info_and_extract(run, store, tmp_path):
    out = tmp_path / "out"
    run("mrf", "sst", out, "--store", store, "--time", "2019-02", "--dim", "depth=0")
    (path,) = out.glob("*.mrf")
    code, out_text, _ = run("mrf", "verify", path, "--decode", "--onearth")
    assert code == 0
    assert "9 pages" in out_text
    assert out_text.splitlines()[1].startswith("no tile matrix set of GIBS")
    described = json.loads(run("mrf", "info", path, "--json")[1])
    assert described["size"] == "520 x 300"
    assert described["layer"] == "sst"
    assert "compression   PPNG" in run("mrf", "info", path)[1]
    page = tmp_path / "page.png"
    code, _, _ = run("mrf", "extract", path, page, "--row", 1, "--col", 1)
    assert code == 0
    with MrfReader(path) as mrf:
        assert page.read_bytes() == mrf.page(0, 1, 1)
    with Image.open(page) as image:
        assert image.size == (256, 256)
    code, _, err = run("mrf", "extract", path, page)
    assert (code, "is empty" in err) == (1, True)
    code, _, err = run("mrf", "extract", path, page, "--row", 9)
    assert (code, "row 9 is out of range" in err) == (2, True)


def test_verify_finds_what_is_wrong(run, store, tmp_path):
    out = tmp_path / "out"
    run("mrf", "sst", out, "--store", store, "--time", "2019-02", "--dim", "depth=0")
    (path,) = out.glob("*.mrf")
    data = path.with_suffix(".ppg")
    data.write_bytes(data.read_bytes()[:-100])
    code, _, err = run("mrf", "verify", path)
    assert (code, "ends at byte" in err, "were written" in err) == (1, True, True)
    code, out_text, _ = run("mrf", "verify", path, "--json")
    assert (code, len(json.loads(out_text)["problems"]), json.loads(out_text)["checksums"]) == (1, 2, True)
    code, _, err = run("mrf", "verify", out)
    assert (code, "ends at byte" in err) == (1, True)
    path.write_bytes(b"no header")
    code, _, err = run("mrf", "verify", out)
    assert (code, err.count("\n")) == (1, 1)
    path.unlink()
    code, _, err = run("mrf", "verify", out)
    assert (code, "holds no .mrf file" in err) == (2, True)
    code, _, err = run("mrf", "verify", tmp_path / "none.mrf")
    assert (code, err.count("\n")) == (2, 1)


ODD_SET = {
    "id": "Odd",
    "crs": "http://www.opengis.net/def/crs/EPSG/0/4326",
    "orderedAxes": ["Lat", "Lon"],
    "tileMatrices": [
        {
            "id": str(level),
            "scaleDenominator": 139770566.0 / (1 << level),
            "cellSize": 0.3515625 / (1 << level),
            "pointOfOrigin": [90.0, -180.0],
            "tileWidth": 128,
            "tileHeight": 128,
            "matrixWidth": 8 << level,
            "matrixHeight": 4 << level,
        }
        for level in range(2)
    ],
}


def test_a_custom_set_in_every_command(run, store, tmp_path, monkeypatch, fresh_process):
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "odd.json").write_text(json.dumps(ODD_SET))
    one = ["--store", store, "--time", "2019-02", "--dim", "depth=0", "--tms", "Odd"]
    code, _, err = run("mrf", "sst", tmp_path / "none", *one)
    assert (code, "Odd" in err) == (2, True)
    code, _, err = run("mrf", "sst", tmp_path / "out", *one, "--tile-matrix-sets", tmp_path / "sets")
    assert code == 0, err
    with rasterio.open(tmp_path / "out" / "sst_depth-0-2019032000000.mrf") as mrf:
        assert (mrf.width, mrf.height, mrf.block_shapes) == (2048, 1024, [(128, 128)])
    monkeypatch.setenv("LAZYTILE_TILE_MATRIX_SETS", str(tmp_path / "sets"))
    assert run("export", "sst", tmp_path / "cog", "--to", "cog", *one)[0] == 0
    warm = ("warm", "sst", "--store", store, "--cache", tmp_path / "cache", "--tms", "Odd", "--zoom", "0")
    code, out, err = run(*warm)
    assert (code, out.partition(" ")[0]) == (0, "32"), err


def test_another_range_of_colours(run, store, tmp_path):
    one = ["--store", store, "--time", "2019-02", "--dim", "depth=0", "--style", "grey"]
    stem = "sst_depth-0-2019032000000.mrf"
    pixels = {}
    for name, options in (
        ("own", []),
        ("wide", ["--rescale", "0,2000"]),
        ("log", ["--rescale", "1,999", "--spacing", "log"]),
    ):
        assert run("mrf", "sst", tmp_path / name, *one, *options)[0] == 0
        with MrfReader(tmp_path / name / stem) as mrf:
            palette = np.array(mrf.header.palette, np.uint8)
            pixels[name] = palette[mrf.pixels(0, 1, 2)[..., 0]]
    assert not np.array_equal(pixels["own"], pixels["wide"])
    assert not np.array_equal(pixels["log"], pixels["wide"])
    code, _, err = run("mrf", "sst", tmp_path / "bad", *one, "--rescale", "5,1")
    assert (code, "MIN < MAX" in err) == (2, True)
    assert run("export", "sst", tmp_path / "cog", "--to", "cog", *one, "--rescale", "0,2000")[0] == 0


def test_a_colormap_that_colours_nothing_is_said_so(run, store, tmp_path, caplog):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "far.xml").write_text('<ColorMap><ColorMapEntry rgb="1,2,3" value="[5000,6000)"/></ColorMap>')
    one = ["--store", store, "--time", "2019-02", "--dim", "depth=0", "--colormaps", tmp_path / "maps"]
    assert run("mrf", "sst", tmp_path / "out", *one, "--style", "far")[0] == 0
    assert any("style far colours none of the exported values" in each.getMessage() for each in caplog.records)
    caplog.clear()
    assert run("mrf", "sst", tmp_path / "grey", *one, "--style", "grey")[0] == 0
    assert not any("colours none" in each.getMessage() for each in caplog.records)


@pytest.mark.parametrize("command", [("mrf",), ("export", "--to", "cog")])
def test_the_colormap_of_a_layer_is_fetched_as_a_server_does_it(run, store, tmp_path, monkeypatch, command):
    one = ["--store", store, "--time", "2019-02", "--dim", "depth=0"]
    name, *options = command
    wanted = gibs_xml(named_colormap("random"))
    with source({"/sst.xml": wanted}) as (base, asked):
        monkeypatch.setenv("LAZYTILE_COLORMAP_URLS", json.dumps([f"{base}/{{name}}.xml"]))
        run(name, "sst", tmp_path / "a", *options, *one, "--offline", "--colormaps", tmp_path / "maps")
        assert not asked
        monkeypatch.setenv("LAZYTILE_OFFLINE", "false")
        for _ in range(2):
            assert run(name, "sst", tmp_path / "b", *options, *one, "--colormaps", tmp_path / "maps")[0] == 0
        assert asked == ["/sst.xml"]
        assert (tmp_path / "maps" / "sst.xml").read_bytes() == wanted
        monkeypatch.setenv("LAZYTILE_COLORMAP_URLS", json.dumps([f"{base}/absent/{{name}}.xml"]))
        assert run(name, "sst", tmp_path / "c", *options, *one, "--colormaps", tmp_path / "none")[0] == 0
        assert (
            run(name, "sst", tmp_path / "d", *options, *one, "--colormaps", tmp_path / "none", "--style", "grey")[0]
            == 0
        )
        assert asked == ["/sst.xml", "/absent/sst.xml"]


def test_export_to_other_files(run, store, tmp_path):
    out = tmp_path / "out"
    one = ["--store", store, "--time", "2019-02", "--dim", "depth=0"]
    stem = "sst_depth-0-2019032000000"
    for kind, extension in (("mbtiles", "mbtiles"), ("cog", "tif"), ("pmtiles", "pmtiles")):
        if kind == "pmtiles":
            pytest.importorskip("pmtiles")
        code, out_text, _ = run("export", "sst", out, "--to", kind, *one)
        assert (code, out_text.count("\n")) == (0, 1)
        assert (out / f"{stem}.{extension}").stat().st_size > 1000
    code, _, _ = run("export", "sst", out, "--to", "cog", "--values", *one)
    with rasterio.open(out / f"{stem}.tif") as tif:
        assert (code, tif.dtypes) == (0, ("int16",))
    assert run("export", "sst", out, "--to", "mbtiles", "--values", *one)[0] == 2
    code, _, err = run("export", "sst", out, "--to", "zip", *one)
    assert (code, err) == (2, "lazytile: export format 'zip' is unknown, allowed are pmtiles, mbtiles, cog\n")


def test_the_check_of_a_dataset_looks_at_its_exports_too(run, store, tmp_path):
    out = tmp_path / "out"
    run("mrf", "sst", out, "--store", store, "--time", "2019-02", "--dim", "depth=0")
    code, text, _ = run("verify", "sst", "--store", store, "--mrf", out)
    assert code == 0, text
    assert "all is well" in text
    assert "9 pages" in text
    (index,) = out.glob("*.idx")
    content = bytearray(index.read_bytes())
    content[7] ^= 1
    index.write_bytes(content)
    code, text, err = run("verify", "sst", "--store", store, "--mrf", out)
    assert (code, "all is well" in text, index.stem in err) == (2, True, True)
    assert run("verify", "sst", "--store", store)[0] == 0
