"""MRFs of pictures: what is refused, bounded, and kept (issue 16, item 10)."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import numpy as np
import pytest
import rasterio
from PIL import Image

from lazytile.pyramid.mrf.reader import MrfReader
from lazytile.pyramid.mrf.zdb import read_zdb
from lazytile.pyramid.mrfgen.halving import Halving
from lazytile.service.cli import main
from tests.pyramid.mrfgen import inputs

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = {
    "date_of_data": "20151202",
    "parameter_name": "P",
    "mrf_blocksize": "256",
    "mrf_compression_type": "PPNG",
    "target_x": "2048",
    "mrf_name": "{$parameter_name}%Y%j%H%M%S.mrf",
}


def configure(folder: Path, files=(), **texts) -> Path:
    """Write a configuration; a text of None leaves the element out."""
    elements = PLAIN | {"output_dir": str(folder / "out")} | texts
    body = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in elements.items() if text is not None)
    listed = "".join(f"<file>{escape(str(file))}</file>" for file in files)
    path = folder / "config.xml"
    path.write_text(f"<mrfgen_configuration>{body}<input_files>{listed}</input_files></mrfgen_configuration>")
    return path


def run(path: Path, *options: str) -> int:
    return main.run(["mrf", "from-mrfgen", str(path), "--pictures", *options])


@pytest.fixture
def granule(tmp_path):
    return inputs.make("palette granule", tmp_path / "granule", 0)


def test_the_name_follows_mrf_name(tmp_path, granule):
    assert run(configure(tmp_path, [granule], time_of_data="101112")) == 0
    assert [path.name for path in (tmp_path / "out").glob("*.mrf")] == ["P2015336101112.mrf"]
    assert not list((tmp_path / "out").glob(".*")), "no temporary file stays"


@pytest.mark.parametrize(
    ("extents", "width"), [("-20,10,60,60", "1600"), ("0,0,90,90", "1000"), ("-180,-90,180,90", "777")]
)
def test_target_extents_of_any_box_and_any_size(tmp_path, granule, extents, width):
    assert run(configure(tmp_path, [granule], target_extents=extents, target_x=width, resize_resampling="near")) == 0
    with rasterio.open(next((tmp_path / "out").glob("*.mrf"))) as file:
        assert file.width == int(width)
        assert ",".join(f"{edge:g}" for edge in file.bounds) == extents
        with rasterio.open(granule) as source:
            x, y = 30.0, 40.0
            row, col = source.index(x, y)
            around = source.read(1)[row - 6 : row + 7, col - 6 : col + 7]
        assert file.read(1)[file.index(x, y)] in around


def test_the_size_without_target_x_doubles_from_that_of_2km(tmp_path, granule):
    assert run(configure(tmp_path, [granule], target_x=None, overview_resampling="none")) == 0
    with MrfReader(next((tmp_path / "out").glob("*.mrf"))) as mrf:
        assert (mrf.header.size.cols, mrf.header.size.rows) == (20480, 10240)
        assert len(mrf.header.levels) == 1


@pytest.mark.parametrize("method", ["bilinear", "average", "cubicspline"])
def test_every_method_of_resizing(tmp_path, method):
    picture = inputs.make("rgb png", tmp_path / "globe", 0)
    changes = {"mrf_compression_type": "PNG", "target_x": "512", "resize_resampling": method}
    assert run(configure(tmp_path, [picture], **changes)) == 0
    with rasterio.open(next((tmp_path / "out").glob("*.mrf"))) as file, rasterio.open(picture) as source:
        wanted = source.read().reshape(3, 256, 4, 512, 4).mean(axis=(2, 4))
        assert np.abs(file.read() - wanted).mean() < 3


def test_values_become_pages_of_lerc_and_tiff(tmp_path):
    pytest.importorskip("lerc")
    path = tmp_path / "values.tif"
    values = np.linspace(0, 40, 180 * 360, dtype=np.float32).reshape(180, 360)
    values[:20] = -9999
    place = {"crs": "EPSG:4326", "transform": rasterio.Affine(1, 0, -180, 0, -1, 90), "nodata": -9999.0}
    with rasterio.open(path, "w", driver="GTiff", width=360, height=180, count=1, dtype="float32", **place) as file:
        file.write(values, 1)
    for kind in ("LERC", "TIF"):
        changes = {"mrf_compression_type": kind, "target_x": "720", "overview_resampling": "average"}
        assert run(configure(tmp_path, [path], **changes)) == 0
        with MrfReader(next((tmp_path / "out").glob("*.mrf"))) as mrf:
            page = mrf.pixels(0, 0, 0)[..., 0]
            assert mrf.header.nodata == (-9999.0,)
            assert (page[:40] == -9999).all()
            assert np.abs(page[40:200:2, ::2] - values[20:100, :128]).max() <= 0.001
            assert mrf.pixels(1, 0, 0)[20:90, :100, 0] == pytest.approx(values[20:90, :100], abs=0.002)


def big_png(path: Path, side: int, *, interlaced: bool = False) -> Path:
    """A PNG of many equal pixels in few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, int(interlaced))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )
    path.with_suffix(".pgw").write_text("0.001\n0\n0\n-0.001\n0\n0\n")
    return path


@pytest.mark.parametrize(
    ("side", "interlaced", "options", "limit"),
    [
        (200_000, False, (), "17179869184"),
        (20_000, True, (), "268435456"),
        (2_000, False, ("--max-picture-pixels", "9"), "9"),
    ],
)
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(
    tmp_path, capsys, side, interlaced, options, limit
):
    picture = big_png(tmp_path / "bomb.png", side, interlaced=interlaced)
    assert run(configure(tmp_path, [picture], mrf_compression_type="PNG"), *options) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"has {side} x {side} pixels, more than the {limit} that are read" in line
    assert "--max-picture-pixels" in line
    assert ("interlaced" in line) == interlaced


def test_the_limit_of_pixels_is_a_setting(tmp_path, granule, monkeypatch):
    monkeypatch.setenv("LAZYTILE_MAX_PICTURE_PIXELS", "419999")
    assert run(configure(tmp_path, [granule])) == 2
    monkeypatch.setenv("LAZYTILE_MAX_PICTURE_PIXELS", "420000")
    assert run(configure(tmp_path, [granule])) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mrf_compression_type": "EPNG"}, "mrf_compression_type 'EPNG' is not supported"),
        ({"resize_resampling": "sinc"}, "resize_resampling 'sinc' is not supported"),
        ({"overview_resampling": "gauss"}, "overview_resampling 'gauss' is not supported"),
        ({"target_extents": "1,2,3"}, "is not XMIN,YMIN,XMAX,YMAX"),
        ({"target_extents": "5,2,3,9"}, "is not XMIN,YMIN,XMAX,YMAX"),
        ({"mrf_blocksize": "1"}, "mrf_blocksize 1 is not allowed"),
        ({"mrf_blocksize": None}, "needs mrf_blocksize"),
        ({"mrf_name": "../P.mrf"}, "is no file name that ends in .mrf"),
        ({"date_of_data": "2015"}, "date_of_data is YYYYMMDD"),
        ({"target_x": "-5"}, "target_x '-5' is not a whole number"),
        ({"mrf_z_levels": "0"}, "mrf_z_levels 0 is out of range"),
        ({"colormap": "https://x.example/map.xml"}, "is a URL"),
        ({"colormap": "none.xml"}, "none.xml"),
        ({"target_epsg": "99999"}, "99999"),
        ({"mrf_data_scale": "1"}, "not supported: mrf_data_scale"),
        ({"background": "pink"}, "background 'pink' is not supported"),
        ({"input_dir": "/none"}, "there is no input_dir /none"),
        ({"mrf_compression_type": "JPEG"}, "has 1 bands, pages in JPEG show three"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(tmp_path, capsys, granule, changes, message):
    assert run(configure(tmp_path, [granule], **changes)) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.glob("out/*.mrf"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.png", None, "there is no input file"),
        ("/vsicurl/https://x.example/a.tif", None, "is remote"),
        ("text.png", b"no picture", "cannot be read as a picture"),
        ("unplaced.png", "picture", "has no place on the Earth"),
    ],
)
def test_files_that_are_no_placed_pictures(tmp_path, capsys, name, content, message):
    path = name if name.startswith("/") else tmp_path / name
    if content == "picture":
        Image.fromarray(np.ones((9, 9, 3), np.uint8)).save(path)
    elif content:
        path.write_bytes(content)
    assert run(configure(tmp_path, [path], mrf_compression_type="PNG")) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("kind", ["palette png", "globe jpeg", "palette granule"])
def test_a_picture_that_ends_early_is_an_error_of_one_line(tmp_path, capsys, kind):
    path = inputs.make(kind, tmp_path / "cut", 0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    changes = {"mrf_compression_type": "JPEG"} if kind == "globe jpeg" else {}
    assert run(configure(tmp_path, [path], **changes)) == 2
    assert "cannot be" in capsys.readouterr().err.splitlines()[-1]
    assert not list((tmp_path / "out").glob("*.mrf"))
    assert not list((tmp_path / "out").glob(".P*/*"))


def test_colours_that_a_strict_palette_lacks_end_in_a_failure_and_an_mrf_as_in_mrfgen(tmp_path, capsys):
    picture = inputs.make("flood png", tmp_path / "flood", 0)
    (tmp_path / "map.xml").write_text('<ColorMap><ColorMapEntry rgb="1,2,3" value="[1]"/></ColorMap>')
    changes = {"colormap": str(tmp_path / "map.xml"), "target_x": "512"}
    assert run(configure(tmp_path, [picture], **changes)) == 0
    assert run(configure(tmp_path, [picture], **changes, mrf_strict_palette="true")) == 1
    assert "mrf_strict_palette forbids it" in capsys.readouterr().err.splitlines()[-1]
    assert len(list((tmp_path / "out").glob("*.mrf"))) == 1


def test_a_key_that_exists_is_replaced_and_one_too_many_refused(tmp_path, capsys, granule):
    for key in ("a", "b", "a"):
        assert run(configure(tmp_path, [granule], mrf_z_levels="2", mrf_z_key=key)) == 0
    (mrf,) = (tmp_path / "out").glob("*.mrf")
    assert read_zdb(mrf.with_suffix(".zdb")) == {"a": 0, "b": 1}
    assert run(configure(tmp_path, [granule], mrf_z_levels="2", mrf_z_key="c")) == 2
    assert "has 2 keys already" in capsys.readouterr().err.splitlines()[-1]
    assert run(configure(tmp_path, [granule], mrf_z_levels="2", mrf_z_key="a", target_x="1024")) == 2
    assert "exists with another size" in capsys.readouterr().err.splitlines()[-1]


def test_pictures_are_laid_on_an_mrf_that_exists(tmp_path):
    first = inputs.make("palette granule", tmp_path / "one", 0)
    assert run(configure(tmp_path, [first], vrtnodata="0")) == 0
    (mrf,) = (tmp_path / "out").glob("*.mrf")
    with rasterio.open(mrf) as file:
        before = file.read(1)
    second = inputs.make("palette granule 2", tmp_path / "two", 1)
    assert run(configure(tmp_path, [mrf, second], vrtnodata="0")) == 0
    with rasterio.open(mrf) as file:
        after = file.read(1)
    assert (after > 0).sum() > (before > 0).sum()
    assert ((after == before) | (before == 0)).mean() > 0.99


@pytest.mark.parametrize("method", ["nearest", "nnb", "mean"])
def test_halving_by_hand(method):
    pixels = np.array([[0, 1, 5, 7], [2, 3, 9, 0]], np.uint8)[..., None]
    halved = Halving(method, nodata=0.0).apply(pixels)[..., 0].tolist()
    assert halved == {"nearest": [[0, 5]], "nnb": [[1, 5]], "mean": [[2, 7]]}[method]


def test_means_of_a_palette_are_its_nearest_colours():
    palette = np.array([[0, 0, 0, 0], [0, 0, 0, 255], [100, 0, 0, 255], [48, 0, 0, 255]], np.uint8)
    index = np.array([[1, 2, 0, 0], [1, 2, 0, 2]], np.uint8)[..., None]
    assert Halving("mean", palette).apply(index)[..., 0].tolist() == [[3, 2]]


def test_without_pictures_and_without_a_layer_nothing_is_made(tmp_path, capsys):
    assert main.run(["mrf", "from-mrfgen", str(configure(tmp_path)), "--store", str(tmp_path / "none")]) == 2
    assert "there is no store" in capsys.readouterr().err
