"""What HTTP asks of every answer (RFC 9110): conditional requests, HEAD, OPTIONS, compression, headers."""

import gzip
import json

import pytest

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


def test_304_looks_at_no_cache_and_renders_nothing(server):
    path = "/wmts/global_180/default/WebMercatorQuad/6/13/17.png"
    before = server.counter("lazytile_renders_total")
    from lazytile.service.request import words_of_rest

    etag = server.site.desk.prepare(
        server.site.resolver.resolve(words_of_rest(path.removeprefix("/wmts/").split("/")))
    ).etag
    assert server.get(path, {"If-None-Match": etag}).status == 304
    assert server.counter("lazytile_renders_total") == before


def test_etags_differ_by_whatever_decides_the_bytes(server):
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


def test_every_answer_has_cors_and_a_request_id(server):
    for path in (TILE, "/wmts", "/nowhere", CAPABILITIES, "/xyz/a", "/viewer/../x", "/metrics"):
        reply = server.get(path)
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert len(reply.headers["X-Request-Id"]) == 16
    assert server.get(TILE, {"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    assert server.get(TILE, {"X-Request-Id": "a b<>"}).headers["X-Request-Id"] != "a b<>"


def test_text_is_compressed_where_the_client_takes_it(server):
    plain = server.get(CAPABILITIES)
    assert plain.headers["Content-Encoding"] is None
    small = server.get(CAPABILITIES, {"Accept-Encoding": "br, gzip;q=0.5"})
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


def test_the_page_without_a_viewer(server, monkeypatch, tmp_path):
    from lazytile.service import app

    monkeypatch.setattr(app, "VIEWER", tmp_path)
    page = server.get("/")
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert b"WMTSCapabilities.xml" in page.body
    assert server.get("/viewer/app.js").status == 404


def test_the_viewer_when_it_was_built(server, monkeypatch, tmp_path):
    from lazytile.service import app

    (tmp_path / "index.html").write_text("<h1>viewer</h1>")
    (tmp_path / "app.js").write_text("1;")
    (tmp_path.parent / "secret").write_text("no")
    monkeypatch.setattr(app, "VIEWER", tmp_path)
    assert server.get("/").body == b"<h1>viewer</h1>"
    script = server.get("/viewer/app.js?abc")
    assert script.body == b"1;"
    assert "javascript" in script.headers["Content-Type"]
    assert "immutable" in script.headers["Cache-Control"]
    assert server.get("/viewer/app.js").headers["Cache-Control"] == "no-cache"
    for path in ("/viewer/%2e%2e%2fsecret", "/viewer/..%2fsecret", "/viewer/nope.js"):
        assert server.get(path).status == 404


@pytest.mark.parametrize("host", ["evil.example/x", "a b", '"><script>', "x" * 300])
def test_a_bad_host_is_not_repeated(server, host):
    reply = server.get(CAPABILITIES, {"Host": host})
    assert reply.status in (200, 400)
    assert host.encode() not in reply.body or reply.status == 400
