"""The example for nginx, run by nginx: what it keeps is what Cache-Control allows."""

import contextlib
import re
import time
from pathlib import Path

import pytest

from tests.service.deploy.nginx import needs_nginx, running_nginx
from tests.service.harness import running

CONFIGURATION = Path(__file__).resolve().parents[3] / "deploy" / "nginx" / "lazytile.conf"
pytestmark = needs_nginx
TOKEN = "a-token-for-one-dataset"
TILE = "/xyz/global_180/2/1/1.png"


@contextlib.contextmanager
def proxied(folder, upstream):
    """Run nginx with the example, in front of a server."""
    text = CONFIGURATION.read_text()
    for old, new in (
        ("127.0.0.1:8080", f"127.0.0.1:{upstream}"),
        ("/var/cache/nginx/lazytile", str(folder / "cache")),
    ):
        assert old in text
        text = text.replace(old, new)
    with running_nginx(folder, text, "/healthz") as server:
        yield server


@pytest.fixture(scope="module")
def both(store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nginx")
    options = {"trusted_proxies": ("127.0.0.1",), "layer_tokens": {"odd_sizes": (TOKEN,)}, "latest_max_age_s": 1}
    with running(store, folder / "c", **options) as server, proxied(folder, server.port) as proxy:
        yield server, proxy


def test_tiles_are_kept_and_equal(both):
    server, proxy = both
    first, second = proxy.get(TILE), proxy.get(TILE)
    assert [each.headers["X-Cache-Status"] for each in (first, second)] == ["MISS", "HIT"]
    plain = server.get(TILE)
    assert first.body == second.body == plain.body
    for name in ("ETag", "Cache-Control", "Content-Type", "Access-Control-Allow-Origin", "X-Content-Type-Options"):
        assert first.headers[name] == second.headers[name] == plain.headers[name]
    assert proxy.get(TILE, {"If-None-Match": first.headers["ETag"]}).status == 304


def test_lists_are_asked_for_each_time_and_name_the_proxy(both):
    _, proxy = both
    for _ in range(2):
        reply = proxy.get("/wmts/1.0.0/WMTSCapabilities.xml", {"Host": "maps.example"})
        assert reply.status == 200
        assert reply.headers["X-Cache-Status"] in ("MISS", "REVALIDATED", "EXPIRED")
        assert re.search(rb'xlink:href="http://maps\.example/', reply.body)


def test_what_has_expired_is_revalidated(both):
    _, proxy = both
    path = "/xyz/time_steps/1/0/0.png"
    assert proxy.get(path).headers["X-Cache-Status"] == "MISS"
    time.sleep(2.1)
    seen = set()
    for _ in range(20):
        seen.add(proxy.get(path).headers["X-Cache-Status"])
        time.sleep(0.1)
    assert seen <= {"STALE", "UPDATING", "HIT", "REVALIDATED", "EXPIRED"}
    assert seen & {"STALE", "REVALIDATED"}


def test_nothing_that_a_token_opens_is_kept(both):
    _, proxy = both
    path, known = "/xyz/odd_sizes/1/0/0.png", {"Authorization": f"Bearer {TOKEN}"}
    assert proxy.get(path).status == 401
    for _ in range(2):
        reply = proxy.get(path, known)
        assert (reply.status, reply.headers["X-Cache-Status"]) == (200, "BYPASS")
    assert proxy.get(path).status == 401


def test_errors_are_not_kept_and_the_id_of_a_request_goes_through(both):
    _, proxy = both
    for _ in range(2):
        reply = proxy.get("/xyz/none/0/0/0.png")
        assert (reply.status, reply.headers["X-Cache-Status"]) == (404, "MISS")
    assert re.fullmatch("[0-9a-f]{32}", reply.headers["X-Request-Id"])


def test_monitors_inside_may_ask(both):
    _, proxy = both
    assert proxy.get("/metrics").status == 200
    assert proxy.get("/readyz").status == 200
