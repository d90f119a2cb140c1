"""The recipe for nginx in docs/how-to/hosts.md, run by nginx before hosts that only say who they are."""

import collections
import contextlib
import http.server
import re
import threading
from pathlib import Path

import pytest

from tests.service.deploy.nginx import needs_nginx, running_nginx
from tests.service.harness import running

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "hosts.md"
TILES = [f"/xyz/sst/8/{x}/{y}.png" for x in range(20) for y in range(15)]
QUERIES = [f"/wmts?REQUEST=GetTile&TileRow={row}&TileCol={col}" for row in range(8) for col in range(8)]


class Host:
    """A host that answers each request with its name, or refuses all of them."""

    def __init__(self, name):
        host = self
        self.status = 200

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are sent apart: the second would wait 40 ms for the first

            def do_GET(self):
                body = name.encode() if host.status == 200 else b"busy"
                self.send_response(host.status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Host", self.headers["Host"])
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Log nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)


@contextlib.contextmanager
def proxied(folder, hosts):
    """Run nginx with the recipe, before hosts at the addresses of the recipe's hosts."""
    folder.mkdir()
    recipe = re.search(r"```nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    named = re.findall(r"server (10\.[0-9.]+:8080) ", recipe)
    assert len(named) == 3
    lines = recipe.splitlines()
    for address, host in zip(named, (*hosts, *[None] * (3 - len(hosts))), strict=True):
        where = next(number for number, line in enumerate(lines) if address in line)
        if host is None:
            del lines[where]
        else:
            # nginx puts hosts on its ring by their names: a host keeps its place where it has its address.
            lines[where] = lines[where].replace(address, f"127.0.0.1:{host.port}")
    with running_nginx(folder, "\n".join(lines), "/") as server:
        yield server


@pytest.fixture
def hosts():
    made = [Host(name) for name in ("one", "two", "three")]
    yield made
    for host in made:
        host.close()


def owners(proxy, paths):
    found = {}
    for path in paths:
        reply = proxy.get(path)
        assert reply.status == 200
        found[path] = reply.body.decode()
    return found


@needs_nginx
def test_each_tile_has_its_host_and_only_those_of_a_host_that_goes_move(hosts, tmp_path):
    paths = TILES + QUERIES
    with proxied(tmp_path / "three", hosts) as proxy:
        before = owners(proxy, paths)
        assert owners(proxy, paths) == before
        for some in (TILES, QUERIES):
            shares = collections.Counter(before[path] for path in some)
            assert set(shares) == {"one", "two", "three"}
            assert min(shares.values()) > len(some) / 8
    with proxied(tmp_path / "two", hosts[:2]) as proxy:
        after = owners(proxy, paths)
    moved = {path for path in paths if after[path] != before[path]}
    assert moved == {path for path in paths if before[path] == "three"}


@needs_nginx
def test_a_host_that_is_busy_or_gone_costs_no_tile(hosts, tmp_path):
    with proxied(tmp_path / "nginx", hosts) as proxy:
        before = owners(proxy, TILES)
        hosts[2].status = 503
        busy = owners(proxy, TILES)
        assert "three" not in busy.values()
        assert all(busy[path] == before[path] for path in TILES if before[path] != "three")
        hosts[2].status = 200
        hosts[2].close()
        gone = owners(proxy, TILES)
        assert all(gone[path] == before[path] for path in TILES if before[path] != "three")
        reply = proxy.get("/", {"Host": "maps.example:8443"})
        assert reply.headers["X-Host"] == "maps.example:8443"


def test_what_a_cdn_may_keep_is_what_the_page_says(store, tmp_path):
    rows = dict(re.findall(r"^\| ([^|]*) \| `([^`|]*)`", PAGE.read_text(), re.MULTILINE))
    paths = {
        "tile of an earlier time": "/xyz/time_steps/1/0/0.png?time=2024-01-01",
        "tile of the latest time": "/xyz/time_steps/1/0/0.png",
        "tile of a layer without times": "/xyz/global_180/1/0/0.png",
        "documents": "/wmts/1.0.0/WMTSCapabilities.xml",
        "errors": "/xyz/none/0/0/0.png",
    }
    with running(store, tmp_path / "cache") as server:
        found = {what: server.get(path).headers["Cache-Control"] for what, path in paths.items()}
        assert "ETag" in server.get(paths["documents"]).headers
    assert found == {what: rows[what] for what in paths}
