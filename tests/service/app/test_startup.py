"""What a server does once it answers: it fetches the colormaps that layers lack, unless it is offline."""

import contextlib
import http.server
import logging
import threading
import time

import numpy as np
import pytest
import xarray as xr

from lazytile.colormaps.formats.gibs_writer import gibs_xml
from lazytile.colormaps.synthesis.named import named_colormap
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.render import style as style_module
from lazytile.service.http.errors import SettingsError
from lazytile.service.http.settings import Settings
from tests import data
from tests.service.harness import running


@contextlib.contextmanager
def source(files, *, pause_s=0.0):
    """Run a local server with some files; yield its address and the paths that were requested."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            time.sleep(pause_s)
            body = files.get(self.path)
            with contextlib.suppress(ConnectionError):
                self.answer(body)

        def answer(self, body):
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def small_store(tmp_path):
    for name in ("constant", "odd_sizes"):
        data.CATALOGUE[name]().write(tmp_path / "store")
    return tmp_path / "store"


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_missing_colormaps_are_fetched_in_the_background(small_store, tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "lazytile.service.app.startup")
    folder = tmp_path / "maps"
    wanted = gibs_xml(named_colormap("random") or pytest.fail("there is no such colormap"))
    files = {"/constant.xml": wanted, "/odd_sizes.xml": b"not a colormap"}
    with source(files) as (base, asked):
        options = {"offline": False, "colormap_urls": (f"{base}/{{name}}.xml",), "colormaps": folder}
        with running(small_store, tmp_path / "c", **options) as server:
            assert server.get("/xyz/constant/0/0/0.png").status == 200
            until(lambda: any("default one" in record.message for record in caplog.records))
            assert (folder / "constant.xml").read_bytes() == wanted
            assert not (folder / "odd_sizes.xml").exists()
            assert server.context.snapshot.styles.style(
                server.context.snapshot.layer("constant"), "default"
            ).reason.startswith("it has")
    assert sorted(asked) == ["/constant.xml", "/odd_sizes.xml"]
    fetched = [record.message for record in caplog.records if "colormaps fetched" in record.message]
    assert len(fetched) == 1
    assert fetched[0].startswith("1 of 2 colormaps fetched: constant; not fetched: ")
    logged = [record.message for record in caplog.records if "default one" in record.message]
    assert logged == ["layers without a colormap of their name have a default one: odd_sizes"]
    told = [record for record in caplog.records if record.levelno >= logging.INFO]
    assert [each.message for each in told if "startup" in each.name] == [
        "asking 127.0.0.1 for the colormaps constant, odd_sizes; --offline switches this off"
    ]


def test_offline_nothing_is_asked(small_store, tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "lazytile.service.app.startup")
    with source({}) as (base, asked):
        options = {"offline": True, "colormap_urls": (f"{base}/{{name}}.xml",), "colormaps": tmp_path / "maps"}
        with running(small_store, tmp_path / "c", **options) as server:
            until(lambda: any("have a default one: constant, odd_sizes" in record.message for record in caplog.records))
            document = server.get("/wmts/1.0.0/WMTSCapabilities.xml").body
            assert document.count(b"A default: no colormap has the name of this layer") == 2
    assert not asked


def test_a_chosen_colormap_that_does_not_exist_is_named(small_store, tmp_path, caplog):
    """That a layer has no colormap of its own name is usual; one that was chosen is missed."""
    field = xr.DataArray(np.zeros((4, 8)), {"lat": [60.0, 20, -20, -60], "lon": np.arange(8) * 45.0}, name="field")
    field.to_netcdf(tmp_path / "field.nc")
    for name, colormap in (("misspelt", "themral"), ("known", "random")):
        convert(tmp_path / "field.nc", small_store, name, colormap=colormap)
    with running(small_store, tmp_path / "c", offline=True):
        until(lambda: any("there is no colormap" in record.message for record in caplog.records))
    told = [record.message for record in caplog.records if record.name == "lazytile.service.app.startup"]
    assert told == ["there is no colormap themral, which was chosen for misspelt: a default one is shown"]


@pytest.mark.parametrize("url", ["http://192.0.2.1/{name}.xml", "https://127.0.0.1:1/{name}.exe"])
def test_sources_that_may_not_be_asked_do_not_stop_the_server(small_store, tmp_path, caplog, url):
    options = {"offline": False, "colormap_urls": (url,), "colormaps": tmp_path / "maps"}
    with running(small_store, tmp_path / "c", **options) as server:
        until(lambda: any("cannot look up the colormaps" in record.message for record in caplog.records))
        assert server.get("/xyz/constant/0/0/0.png").status == 200


def test_a_slow_source_delays_neither_start_nor_end(small_store, tmp_path):
    with source({}, pause_s=1.0) as (base, asked):
        options = {"offline": False, "colormap_urls": (f"{base}/{{name}}.xml",), "colormaps": tmp_path / "maps"}
        with running(small_store, tmp_path / "c", **options) as server:
            until(lambda: asked)
            assert server.get("/healthz").status == 200
    assert not (tmp_path / "maps").exists()


@pytest.mark.parametrize("url", ["https://x.example/maps/", "ftp://x.example/{name}.xml"])
def test_addresses_are_checked(tmp_path, url):
    with pytest.raises(SettingsError, match=r"colormap_urls.*\{name\}"):
        Settings.of(store=tmp_path, colormap_urls=(url,))


def test_default_styles_are_compiled_before_the_first_request(small_store, tmp_path, monkeypatch):
    with running(small_store, tmp_path / "cache") as server:
        compiled, compile_colormap = [], style_module.compile_colormap

        def noting(colormap, **options):
            compiled.append(colormap.name)
            return compile_colormap(colormap, **options)

        monkeypatch.setattr(style_module, "compile_colormap", noting)
        assert server.get("/xyz/constant/0/0/0.png").status == 200
        assert compiled == []
        assert server.get("/xyz/constant/0/0/0.png?colormap=grey").status == 200
        assert compiled
