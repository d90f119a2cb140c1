"""Third-party clients and the warm-up over HTTP on a running server."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lazytile.service.cli import main
from tests.service.harness import running

ROOT = Path(__file__).resolve().parents[3]


def warm(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "lazytile", "warm", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_gdal_opens_the_wmts_and_reads_the_same_pixels(server, tmp_path):
    rasterio = pytest.importorskip("rasterio")
    from rasterio import Env
    from rasterio.drivers import raster_driver_extensions  # noqa: F401 - it is a whole rasterio

    with Env() as env:
        if "WMTS" not in env.drivers():
            pytest.skip("this GDAL has no WMTS driver")
    url = f"{server.url}/wmts/1.0.0/WMTSCapabilities.xml"
    with (
        Env(GDAL_HTTP_PROXY="", NO_PROXY="127.0.0.1", GDAL_DEFAULT_WMS_CACHE_PATH=str(tmp_path)),
        rasterio.open(f"WMTS:{url},layer=global_180,tilematrixset=WorldCRS84Quad,tilematrix=2") as dataset,
    ):
        assert dataset.crs.to_epsg() in (4326, None)
        assert (dataset.width, dataset.height) == (2048, 1024)
        assert tuple(dataset.bounds) == pytest.approx((-180, -90, 180, 90))
        pixels = dataset.read(window=((256, 512), (512, 768)))
    tile = server.get("/wmts/global_180/default/WorldCRS84Quad/2/1/2.png").body
    expected = np.asarray(Image.open(io.BytesIO(tile)).convert("RGBA"))
    assert np.array_equal(np.moveaxis(pixels, 0, -1)[..., : pixels.shape[0]], expected[..., : pixels.shape[0]])


def test_the_warm_up_over_http_fills_the_cache(store, tmp_path):
    with running(store, tmp_path / "c") as server:
        done = warm("time_steps", "--zoom", "0-3", "--url", server.url, "--time", "2024-01-02")
        assert done.returncode == 0, done.stderr
        assert "0 failed" in done.stdout
        requests = server.counter("lazytile_requests_total", route="wmts_rest", status="200")
        renders = server.counter("lazytile_renders_total")
        assert renders > 0
        again = warm("time_steps", "--zoom", "0-3", "--url", server.url, "--time", "2024-01-02", "--concurrency", 4)
        assert again.returncode == 0
        assert server.counter("lazytile_renders_total") == renders
        assert server.counter("lazytile_requests_total", route="wmts_rest", status="200") == 2 * requests
        assert "memory" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "no layer 'nope'"),
        (["global_180", "--tms", "nope"], "no tile matrix set 'nope', only"),
        (["global_180", "--format", "gif"], "format 'gif'"),
        (["global_180", "--format", "terrain"], "no format"),
        (["global_180", "--zoom", "29"], "zooms 0 to 24"),
        (["global_180", "--zoom", "4-2"], "zoom '4-2' is invalid"),
        (["global_180", "--concurrency", "0"], "--concurrency"),
    ],
)
def test_the_warm_up_over_http_reports_errors(server, capsys, arguments, message):
    assert main.run(["warm", *arguments, "--url", server.url]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert len(printed.err.splitlines()) == 1


def test_the_warm_up_over_http_counts_failures(server, capsys):
    assert main.run(["warm", "time_steps", "--zoom", "0-1", "--url", server.url, "--time", "1999-01-01"]) == 1
    printed = capsys.readouterr()
    assert "status 404" in printed.err
    assert "failed" in printed.out
    assert main.run(["warm", "time_steps", "--url", "http://127.0.0.1:9"]) == 2
    assert "no capabilities from http://127.0.0.1:9" in capsys.readouterr().err
