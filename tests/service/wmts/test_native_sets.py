"""The native set of data around the globe begins at -180, wherever the data does.

GDAL, QGIS and OpenLayers clip a set by the layer's box in longitude and latitude, -180 to 180: of a set from 0 to 360
they show one half.
"""

from __future__ import annotations

import io
import shutil
import subprocess

import numpy as np
import pytest
from lxml import etree
from PIL import Image

from tests import data
from tests.service.harness import NAMESPACES, running

GRIDS = {
    # name: west, cell, columns, chunk
    "from_0": (0.0, 0.5, 720, 256),
    "whole_chunks": (0.0, 1.0, 360, 60),
    "from_20": (20.0, 1 / 3, 1080, 256),
    "centred": (-1.5, 3.0, 120, 32),
    "odd": (0.0, 3.6, 100, 16),
    "from_180": (180.0, 1.0, 360, 64),
    "at_180": (-180.5, 1.0, 360, 64),
    "plain": (-180.0, 1.0, 360, 64),
}


def dataset(name: str) -> data.Synthetic:
    west, cell, columns, chunk = GRIDS[name]
    # Each column has its own number, so that a shift by one shows.
    codes = (np.arange(columns)[None, :] + np.arange(round(180 / cell))[:, None] * 2000).astype("int32")
    field = data.Field("v", codes, reduction="nearest", units="1")
    return data.Synthetic(name, west, 90.0, cell, cell, (field,), chunk=(chunk, chunk))


@pytest.fixture(scope="module")
def native_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("native")
    for name in GRIDS:
        dataset(name).write(folder / "store")
    with running(folder / "store", folder / "cache") as server:
        yield server


def matrix_values(server, name, matrix):
    """Return the values of a whole matrix and the longitudes of its pixels."""
    rows = [
        np.concatenate(
            [
                np.load(io.BytesIO(server.get(
                    f"/wmts/{name}/default/native/{matrix.identifier}/{row}/{col}.npy"
                ).body))
                for col in range(matrix.matrix_width)
            ],
            axis=-1,
        )
        for row in range(matrix.matrix_height)
    ]  # fmt: skip
    values = np.concatenate(rows, axis=-2)
    longitudes = matrix.origin_x + (np.arange(values.shape[-1]) + 0.5) * matrix.cell_width
    return values.reshape(values.shape[-2:]) if values.ndim > 2 else values, longitudes


@pytest.mark.parametrize("name", GRIDS)
def test_every_pixel_is_the_cell_at_its_place(native_server, name):
    west, cell, columns, _ = GRIDS[name]
    layer = native_server.context.snapshot.layer(name)
    tms = layer.native_set
    assert abs(tms.bounds.west + 180.0) < cell
    assert tms.bounds.east - tms.bounds.west == pytest.approx(360.0)
    made = dataset(name)
    for zoom, matrix in enumerate(tms.matrices):
        level = layer.dataset.levels - 1 - zoom
        values, longitudes = matrix_values(native_server, name, matrix)
        inside = longitudes < tms.bounds.east
        stored = made.oracle().level(level)
        at = np.floor(np.round((longitudes[inside] - west) % 360.0 / (cell * (1 << level)), 6)).astype(int)
        rows = stored.shape[0]
        np.testing.assert_array_equal(values[:rows, : inside.sum()], stored[:, np.minimum(at, stored.shape[1] - 1)])
        beyond = values[:rows, inside.sum() :]
        # What a ragged last cell covers past the circle is shown once.
        assert np.isnan(beyond[:, 1:]).all() or beyond.shape[1] <= 1
    assert columns == layer.dataset.grid.shape.cols


def test_tiles_stay_whole_chunks_where_the_roll_is(native_server):
    """A roll of 180 columns is three chunks of 60: no tile reads two."""
    layer = native_server.context.snapshot.layer("whole_chunks")
    assert layer.native_set.bounds.west == -180.0
    matrix = layer.native_set.matrices[-1]
    tile = np.load(io.BytesIO(native_server.get(f"/wmts/whole_chunks/default/native/{matrix.identifier}/0/0.npy").body))
    np.testing.assert_array_equal(np.squeeze(tile), dataset("whole_chunks").fields[0].codes[:60, 180:240])


@pytest.mark.parametrize("name", ["from_0", "whole_chunks", "from_20"])
def test_gdal_shows_the_whole_globe(native_server, name, tmp_path):
    if shutil.which("gdal_translate") is None:
        pytest.skip("GDAL's programs are not here: apt-get install gdal-bin")
    url = f"WMTS:{native_server.url}/wmts/1.0.0/WMTSCapabilities.xml,layer={name},tilematrixset=native_{name}"
    command = ["gdal_translate", "-q", "-of", "PNG", "-r", "nearest", url, str(tmp_path / "out.png")]
    environment = {"PATH": "/usr/bin:/bin", "GDAL_DEFAULT_WMS_CACHE_PATH": str(tmp_path / "cache")}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    pixels = np.asarray(Image.open(tmp_path / "out.png").convert("RGBA"))
    _, cell, columns, _ = GRIDS[name]
    assert abs(pixels.shape[1] - columns) <= 1
    assert (pixels[: columns // 2, : columns - 1, 3] == 255).all()
    assert cell * columns == pytest.approx(360.0)


def test_the_boxes_of_a_layer_agree(native_server):
    """A client that clips the set by any box of the layer keeps all of it (OGC 07-057r7, Table 6)."""
    document = etree.fromstring(native_server.get("/wmts/1.0.0/WMTSCapabilities.xml").body)
    for name in ("from_0", "whole_chunks", "from_180", "plain"):
        [layer] = document.xpath(f"//wmts:Layer[ows:Identifier='{name}']", namespaces=NAMESPACES)
        corners = layer.xpath("ows:*/ows:LowerCorner/text()", namespaces=NAMESPACES)
        assert {float(corner.split()[0]) for corner in corners if abs(float(corner.split()[0])) < 1000} == {-180.0}
        [set_] = document.xpath(f"//wmts:TileMatrixSet[ows:Identifier='native_{name}']", namespaces=NAMESPACES) or [
            None
        ]
        if set_ is not None:
            corner = set_.xpath("wmts:TileMatrix/wmts:TopLeftCorner/text()", namespaces=NAMESPACES)
            assert {float(each.split()[0]) for each in corner} == {-180.0}


def test_feature_info_names_the_stored_cell(native_server):
    """The cell is where the store has it, not where the set shows it."""
    import json

    layer = native_server.context.snapshot.layer("from_0")
    last = layer.native_set.matrices[-1].identifier
    info = json.loads(native_server.get(f"/wmts/from_0/default/native/{last}/0/0/0/0.json").body)
    assert info["value"] == 360
    assert info["cell"]["col"] == 360
    assert info["position"]["longitude"] == -179.75
