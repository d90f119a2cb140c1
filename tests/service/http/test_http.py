"""HTTP semantics of every response (RFC 9110): conditional requests, HEAD, OPTIONS, compression, headers."""

import gzip
import json
import re

import pytest
from lxml import etree

from lazytile.pyramid.core.conditions import Conditions
from lazytile.service.http import reply
from lazytile.service.http.errors import SettingsError
from lazytile.service.http.settings import Settings
from tests.service.harness import NAMESPACES, running

TILE = "/wmts/global_180/default/WebMercatorQuad/2/1/1.png"
CAPABILITIES = "/wmts/1.0.0/WMTSCapabilities.xml"


def test_etags_and_304(server):
    first = server.get(TILE)
    etag = first.headers["ETag"]
    assert etag.startswith('"')
    assert etag.endswith('"')
    for value in (etag, f"W/{etag}", f'"other", {etag}', f'"a",W/{etag},"b"', "*"):
        reply = server.get(TILE, {"If-None-Match": value})
        assert (reply.status, reply.body) == (304, b""), value
        assert reply.headers["ETag"] == etag
        assert reply.headers["Cache-Control"] == first.headers["Cache-Control"]
    for value in ('"other"', etag.strip('"'), ""):
        assert server.get(TILE, {"If-None-Match": value}).status == 200


def test_304_reads_no_cache_and_renders_nothing(server):
    path = "/wmts/global_180/default/WebMercatorQuad/6/13/17.png"
    before = server.counter("lazytile_renders_total")
    from lazytile.service.protocol.tile_address import address_of_rest

    etag = server.context.broker.prepare(
        server.resolve(address_of_rest(path.removeprefix("/wmts/").split("/"))).request
    ).etag
    assert server.get(path, {"If-None-Match": etag}).status == 304
    assert server.counter("lazytile_renders_total") == before


def test_etags_differ_by_everything_that_decides_the_bytes(server):
    paths = [TILE, TILE.replace(".png", ".jpg"), TILE.replace("/2/1/1", "/2/1/2"), TILE.replace("default", "grey"),
             TILE.replace("WebMercatorQuad", "GoogleMapsCompatible_Level7")]  # fmt: skip
    tags = {server.get(path).headers["ETag"] for path in paths}
    assert len(tags) == len(paths)


def test_a_second_request_renders_nothing(server):
    path = "/wmts/global_180/default/WebMercatorQuad/5/7/9.png"
    before = server.counter("lazytile_renders_total")
    first = server.get(path)
    assert server.counter("lazytile_renders_total") == before + 1
    second = server.get(path)
    assert server.counter("lazytile_renders_total") == before + 1
    assert first.body == second.body
    assert "cache;desc=computed" in first.headers["Server-Timing"]
    assert "render;dur=" in first.headers["Server-Timing"]
    assert "cache;desc=memory" in second.headers["Server-Timing"]


def test_head_is_get_without_the_body(server):
    for path in (TILE, CAPABILITIES, "/metrics", "/healthz", "/", "/wmts?service=WMTS"):
        got, head = server.get(path), server.get(path, method="HEAD")
        assert (head.status, head.body) == (got.status, b""), path
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
        if path != "/metrics":
            assert head.headers["Content-Length"] == got.headers["Content-Length"]


def test_preflight(server):
    for path in (TILE, "/wmts", "/xyz/global_180/0/0/0.png", "/nowhere"):
        reply = server.get(path, {"Origin": "http://a.b", "Access-Control-Request-Method": "GET"}, method="OPTIONS")
        assert reply.status == 204
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert "If-None-Match" in reply.headers["Access-Control-Allow-Headers"]
        assert "HEAD" in reply.headers["Allow"]


def test_every_response_has_cors_headers_and_a_request_id(server):
    for path in (TILE, "/wmts", "/nowhere", CAPABILITIES, "/xyz/a", "/viewer/../x", "/metrics"):
        reply = server.get(path)
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert len(reply.headers["X-Request-Id"]) == 16
    assert server.get(TILE, {"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    assert server.get(TILE, {"X-Request-Id": "a b<>"}).headers["X-Request-Id"] != "a b<>"


def test_text_is_compressed_if_the_client_accepts_it(server):
    plain = server.get(CAPABILITIES)
    assert plain.headers["Content-Encoding"] is None
    small = server.get(CAPABILITIES, {"Accept-Encoding": "br;q=0, gzip;q=0.5"})
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.body) == plain.body
    assert plain.headers["Vary"] == small.headers["Vary"] == "Accept-Encoding"
    assert plain.headers["ETag"] != small.headers["ETag"]
    for etag in (plain.headers["ETag"], small.headers["ETag"]):
        reply = server.get(CAPABILITIES, {"Accept-Encoding": "gzip", "If-None-Match": etag})
        assert (reply.status, reply.headers["ETag"]) == (304, etag)
    for accept in ("gzip;q=0", "identity", "gzip;q=0.0, *", ""):
        assert server.get(CAPABILITIES, {"Accept-Encoding": accept}).headers["Content-Encoding"] is None
    assert server.get(TILE, {"Accept-Encoding": "gzip"}).headers["Content-Encoding"] is None


def test_brotli_if_installed(server):
    brotli = pytest.importorskip("brotli")
    plain = server.get(CAPABILITIES)
    small = server.get(CAPABILITIES, {"Accept-Encoding": "gzip;q=0.8, br"})
    assert small.headers["Content-Encoding"] == "br"
    assert brotli.decompress(small.body) == plain.body
    gzipped = server.get(CAPABILITIES, {"Accept-Encoding": "gzip, br;q=0.8"})
    assert gzipped.headers["Content-Encoding"] == "gzip"
    assert len({reply.headers["ETag"] for reply in (plain, small, gzipped)}) == 3
    again = server.get(CAPABILITIES, {"Accept-Encoding": "br", "If-None-Match": small.headers["ETag"]})
    assert (again.status, again.headers["ETag"]) == (304, small.headers["ETag"])


def test_gzip_without_brotli(server, monkeypatch):
    monkeypatch.setattr(reply, "CODINGS", {"gzip": reply.CODINGS["gzip"]})
    assert server.get(CAPABILITIES, {"Accept-Encoding": "br, gzip;q=0.5"}).headers["Content-Encoding"] == "gzip"
    assert server.get(CAPABILITIES, {"Accept-Encoding": "br"}).headers["Content-Encoding"] is None


def test_cache_control_by_layer(store, tmp_path):
    layers = {"time_steps": 5, "global_180": 0}
    with running(store, tmp_path / "c", layer_max_age_s=layers, old_max_age_s=77) as server:
        assert server.get("/xyz/time_steps/1/0/0.png?time=2024-01-01").headers["Cache-Control"] == "public, max-age=5"
        assert server.get("/xyz/global_180/1/0/0.png").headers["Cache-Control"] == "no-cache"
        old = server.get("/xyz/extra_dimension/1/0/0.png?time=2024-01-01").headers["Cache-Control"]
        assert old == "public, max-age=77, immutable"
        assert server.get("/xyz/odd_sizes/1/0/0.png").headers["Cache-Control"] == "public, max-age=3600"


FORWARDED = [
    ({"Forwarded": 'for=9.9.9.9;proto=https;host="maps.example:8443"'}, "https://maps.example:8443"),
    ({"X-Forwarded-Proto": "https", "X-Forwarded-Host": "maps.example"}, "https://maps.example"),
    ({"X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/tiles/"}, "https://here:1/tiles"),
    # The client's elements come first; only those that the proxy appended count.
    ({"Forwarded": "host=evil.example, for=9.9.9.9;host=maps.example;proto=https"}, "https://maps.example"),
    ({"Forwarded": "for=9.9.9.9;host=a.example;proto=https, for=127.0.0.1;host=b.internal"}, "https://a.example"),
    ({"X-Forwarded-For": "9.9.9.9, 127.0.0.1", "X-Forwarded-Host": "a.example, b.internal"}, "http://a.example"),
    ({"Forwarded": 'host="<script>";proto=gopher', "X-Forwarded-Prefix": "/../<x>"}, None),
]


@pytest.mark.parametrize(("headers", "expected"), FORWARDED)
def test_forwarded_headers_count_only_from_trusted_proxies(server, store, tmp_path, headers, expected):
    headers = {"Host": "here:1", **headers}
    assert address_in(server.get(CAPABILITIES, headers)) == "http://here:1"
    with running(store, tmp_path / "c", trusted_proxies=("127.0.0.0/8",)) as trusting:
        if expected is None:
            expected = f"http://{trusting.context.settings.host}:{trusting.context.settings.port}"
        assert address_in(trusting.get(CAPABILITIES, headers)) == expected
    with running(store, tmp_path / "c", trusted_proxies=("10.1.2.3",)) as other:
        assert address_in(other.get(CAPABILITIES, headers)) == "http://here:1"


def address_in(reply):
    root = etree.fromstring(reply.body)
    href = root.find("wmts:ServiceMetadataURL", NAMESPACES).get("{http://www.w3.org/1999/xlink}href")
    return href.removesuffix("/wmts/1.0.0/WMTSCapabilities.xml")


def test_trusted_proxies_must_be_addresses(tmp_path):
    with pytest.raises(SettingsError, match="trusted_proxies"):
        Settings.of(store=tmp_path, trusted_proxies=("proxy.example",))


@pytest.mark.parametrize(
    ("headers", "envelope"),
    [
        ({"Content-Type": "application/soap+xml"}, "http://www.w3.org/2003/05/soap-envelope"),
        ({"Content-Type": "text/xml", "SOAPAction": '""'}, "http://schemas.xmlsoap.org/soap/envelope/"),
    ],
)
def test_soap_gets_a_fault(server, exception_schema, headers, envelope):
    answer = server.get("/wmts", {**headers, "Content-Length": "0"}, method="POST")
    assert answer.status == 405
    assert "GET" in answer.headers["Allow"]
    assert answer.headers["Content-Type"] == headers["Content-Type"]
    root = etree.fromstring(answer.body)
    assert root.tag == f"{{{envelope}}}Envelope"
    report = root.find(".//ows:ExceptionReport", NAMESPACES)
    exception_schema.assertValid(etree.fromstring(etree.tostring(report)))
    assert report[0].get("exceptionCode") == "OperationNotSupported"
    assert server.get("/wmts", {"Content-Length": "0"}, method="POST").exception()[0] == 405


def test_cache_control(server):
    latest = server.get("/xyz/time_steps/1/0/0.png").headers["Cache-Control"]
    old = server.get("/xyz/time_steps/1/0/0.png?time=2024-01-01").headers["Cache-Control"]
    assert latest == "public, max-age=60"
    assert old == "public, max-age=604800, immutable"


def test_unknown_addresses_are_problem_documents(server):
    reply = server.get("/nowhere")
    assert reply.status == 404
    assert json.loads(reply.body)["status"] == 404


def test_health(server):
    document = json.loads(server.get("/healthz").body)
    assert document["status"] == "ok"
    assert document["datasets"] == 7


def test_readiness(server):
    conditions = Conditions.current()
    assert conditions.all() == ()
    reply = server.get("/readyz")
    assert reply.status == 200
    assert reply.headers["Cache-Control"] == "no-store"
    state = json.loads(reply.body)
    assert state.pop("kernel").split()[0] in {"numpy", "native"}
    assert state.pop("engine").startswith("threads, ")
    assert state == {"ready": True, "conditions": []}
    try:
        conditions.report("dataset sst", "chunk 0/3.4 of level 2 is damaged", ready=True)
        reply = server.get("/readyz")
        assert reply.status == 200
        document = json.loads(reply.body)
        (condition,) = document["conditions"]
        assert document["ready"] is True
        assert re.fullmatch(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", condition.pop("since"))
        assert condition == {"key": "dataset sst", "problem": "chunk 0/3.4 of level 2 is damaged", "ready": True}
        conditions.report("scheduler", "does not answer", ready=False)
        reply = server.get("/readyz")
        assert reply.status == 503
        assert int(reply.headers["Retry-After"]) > 0
        document = json.loads(reply.body)
        assert document["ready"] is False
        assert [each["ready"] for each in document["conditions"]] == [True, False]
        assert server.get("/healthz").status == 200
    finally:
        conditions.clear("dataset sst")
        conditions.clear("scheduler")
    assert server.get("/readyz").status == 200


def test_the_page_without_a_viewer(server, monkeypatch, tmp_path):
    from lazytile.service.app import viewer_page

    monkeypatch.setattr(viewer_page, "VIEWER", tmp_path)
    page = server.get("/")
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert b"WMTSCapabilities.xml" in page.body
    assert server.get("/viewer/app.js").status == 404


def test_the_viewer_when_it_was_built(server, monkeypatch, tmp_path):
    from lazytile.service.app import viewer_page

    (tmp_path / "index.html").write_text("<h1>viewer</h1>")
    (tmp_path / "app.js").write_text("1;")
    (tmp_path.parent / "secret").write_text("no")
    monkeypatch.setattr(viewer_page, "VIEWER", tmp_path)
    assert server.get("/").body == b"<h1>viewer</h1>"
    script = server.get("/viewer/app.js?0123456789ab")
    assert script.body == b"1;"
    assert "javascript" in script.headers["Content-Type"]
    assert "immutable" in script.headers["Cache-Control"]
    # Only a hash of the content promises that the content stays.
    assert server.get("/viewer/app.js?abc").headers["Cache-Control"] == "no-cache"
    assert server.get("/viewer/app.js").headers["Cache-Control"] == "no-cache"
    for path in ("/viewer/%2e%2e%2fsecret", "/viewer/..%2fsecret", "/viewer/nope.js"):
        assert server.get(path).status == 404


@pytest.mark.parametrize("host", ["evil.example/x", "a b", '"><script>', "x" * 300])
def test_an_invalid_host_is_not_repeated(server, host):
    reply = server.get(CAPABILITIES, {"Host": host})
    assert reply.status in (200, 400)
    assert host.encode() not in reply.body or reply.status == 400
