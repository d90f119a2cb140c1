"""The short path gives the answers of the usual one, always."""

import shutil

import pytest

from lazytile.colormaps.library.catalog import BUNDLED
from lazytile.pyramid.ingest.append import append
from lazytile.pyramid.ingest.convert import convert
from lazytile.pyramid.store.publish import remove
from tests.pyramid.ingest.test_append import source
from tests.service.front.requests import Client, kvp, targets
from tests.service.harness import running


@pytest.fixture
def clients(servers):
    with Client(servers[0].port) as short, Client(servers[1].port) as usual:
        yield short, usual


@pytest.fixture(scope="module")
def servers(store, tmp_path_factory):
    """A server with the short path, and one without."""
    folder = tmp_path_factory.mktemp("pair")
    options = {"public_url": "http://maps.example"}  # documents contain the address of their server
    with (
        running(store, folder / "a", **options) as short,
        running(store, folder / "b", short_path=False, **options) as usual,
    ):
        yield short, usual


def is_short(client):
    return client.timing in ("cache;desc=memory, resolve;dur=0.00", "cache;desc=client, resolve;dur=0.00")


def test_every_kind_of_request_has_the_same_answer(clients):
    short, usual = clients
    asked = targets()
    assert len(set(asked)) >= 500
    differences, etags, answered_short = [], {}, 0
    for target in asked:
        expected = usual.ask(target)
        for _ in range(2):
            if short.ask(target) != expected:
                differences.append(target)
            answered_short += is_short(short)
        etag = dict(expected[1]).get("ETag")
        if etag and expected[0] == 200:
            etags[target] = etag
    assert differences == []
    assert answered_short > 150, "the short path is really taken"
    for number, (target, etag) in enumerate(etags.items()):
        for method in ("GET", "HEAD"):
            for wanted in conditions(etag)[number % 3 :: 3]:
                headers = {"If-None-Match": wanted}
                if short.ask(target, method, headers) != usual.ask(target, method, headers):
                    differences.append((method, target, wanted))
    assert differences == []


def conditions(etag):
    bare = etag.strip('"')
    return (etag, f"W/{etag}", f'"x", {etag}', "*", f'"{bare}-0123abcd"', '"nope"', bare, f'{etag},"b"', "")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "PUT", "DELETE"])
def test_other_methods_have_the_same_answer(clients, method):
    short, usual = clients
    for target in targets()[:60]:
        short.ask(target)
        assert short.ask(target, method) == usual.ask(target, method), target


TILE, OTHER = "/xyz/global_180/2/1/1.png", "/xyz/global_180/2/1/2.png"
HOST = "Host: x\r\n"
RAW = {
    "1.0": f"GET {TILE} HTTP/1.0\r\n\r\n",
    "1.0 keep-alive": f"GET {TILE} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "close": f"GET {TILE} HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n",
    "expect": f"GET {TILE} HTTP/1.1\r\n{HOST}Expect: 100-continue\r\n\r\n",
    "absolute": f"GET http://h{TILE} HTTP/1.1\r\n{HOST}\r\n",
    "body": f"GET {TILE} HTTP/1.1\r\n{HOST}Content-Length: 5\r\n\r\nhelloGET {OTHER} HTTP/1.1\r\n{HOST}\r\n",
    "chunked": f"GET {TILE} HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    f"GET {OTHER} HTTP/1.1\r\n{HOST}\r\n",
    "pipelined": f"GET {TILE} HTTP/1.1\r\n{HOST}\r\nGET {OTHER} HTTP/1.1\r\n{HOST}\r\n" * 20,
    "pipelined with others": f"GET {TILE} HTTP/1.1\r\n{HOST}\r\nGET /none HTTP/1.1\r\n{HOST}\r\n"
    f"GET {OTHER} HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n",
    "nonsense after": f"GET {TILE} HTTP/1.1\r\n{HOST}\r\nNONSENSE\r\n\r\n",
    "upgrade": f"GET {TILE} HTTP/1.1\r\n{HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "two conditions": f'GET {TILE} HTTP/1.1\r\n{HOST}If-None-Match: "a"\r\nIf-None-Match: *\r\n\r\n',
    "range": f"GET {TILE} HTTP/1.1\r\n{HOST}Range: bytes=0-9\r\nOrigin: http://a\r\n\r\n",
}


@pytest.mark.parametrize("name", RAW)
def test_every_form_of_http_has_the_same_answer(clients, name):
    short, usual = clients
    for path in (TILE, OTHER):
        short.ask(path)
        short.ask(path)
        assert is_short(short)
    data = RAW[name].encode()
    expected = usual.raw(data)
    assert b"HTTP/1." in expected
    assert short.raw(data) == expected
    assert short.raw(data[:20], data[20:45], data[45:]) == expected


def test_the_id_of_a_request_is_the_clients_or_a_new_one(clients):
    client = clients[0]
    seen = set()
    for _ in range(20):
        client.ask(TILE)
        seen.add(client.request_id)
    assert is_short(client)
    assert len(seen) == 20
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in seen)
    for given, kept in (("abc-1.X_", True), ("bad id!", False), ("x" * 65, False), ("", False)):
        client.ask(TILE, headers={"X-Request-Id": given})
        assert (client.request_id == given) is kept


def test_what_is_counted_does_not_depend_on_the_path(servers, clients):
    path = "/xyz/global_180/3/2/5.png"
    etag = dict(clients[0].ask(path)[1])["ETag"]
    totals = []
    for server, client in zip(servers, clients, strict=True):
        client.ask(path)
        names = [
            ("lazytile_requests_total", {"route": "xyz", "status": "200"}),
            ("lazytile_requests_total", {"route": "xyz", "status": "304"}),
            ("lazytile_tiles_total", {"tier": "memory"}),
            ("lazytile_tiles_total", {"tier": "client"}),
            ("lazytile_request_seconds_count", {"route": "xyz"}),
        ]
        before = [server.counter(name, **labels) for name, labels in names]
        for _ in range(5):
            client.ask(path)
            client.ask(path, "HEAD")
            client.ask(path, headers={"If-None-Match": etag})
        totals.append([server.counter(name, **labels) - old for (name, labels), old in zip(names, before, strict=True)])
    assert totals == [[10, 5, 10, 5, 15]] * 2


def test_errors_of_rendering_are_the_same(store, tmp_path, monkeypatch):
    from lazytile.pyramid.core.errors import StoreError

    async def fail(task, **options):
        raise StoreError("a chunk is damaged")

    paths = ["/xyz/odd_sizes/1/1/0.png", kvp(TILEROW="1"), "/wmts/global_180/default/WebMercatorQuad/3/1/2.png"]
    answers = []
    for name, options in (("a", {}), ("b", {"short_path": False})):
        with running(store, tmp_path / name, **options) as server, Client(server.port) as client:
            for path in paths:
                assert client.ask(path)[0] == 200
            with monkeypatch.context() as patch:
                patch.setattr(server.context.broker._engine, "render_inline", lambda task: None)
                patch.setattr(server.context.broker._engine, "render", fail)
                neighbours = [
                    paths[0].replace("/1/0.png", "/0/0.png"),
                    kvp(TILEROW="2"),
                    paths[2].replace("/1/2", "/2/2"),
                ]
                answers.append([client.ask(path) for path in neighbours])
    assert answers[0] == answers[1]
    assert {status for status, _, _ in answers[0]} == {500}


def test_a_change_shows_in_every_answer_at_once(tmp_path):
    store, maps = tmp_path / "store", tmp_path / "maps"
    maps.mkdir()
    convert(source(tmp_path / "a.nc", 0, 1), store, "d")
    convert(source(tmp_path / "k.nc", 0, 1), store, "keep")
    paths = [
        "/xyz/d/2/1/1.png", "/xyz/d/3/4/2.png", "/xyz/d/3/4/2.png?time=2001-01-02", "/xyz/d/3/4/2.png?time=2001-01-03",
        "/xyz/d/3/4/2.png?style=mine", "/xyz/keep/3/4/2.png", "/wmts/d/default/default/WebMercatorQuad/3/2/4.png",
        kvp(LAYER="d", TILEMATRIX="3", TILEROW="2", TILECOL="4"),
    ]  # fmt: skip

    def copy(name, target):
        shutil.copy(BUNDLED / f"{name}.xml", maps / "part").replace(maps / f"{target}.xml")

    def replace():
        remove(store, "d")
        convert(source(tmp_path / "r.nc", 3, 4), store, "d")

    changes = {
        "append": lambda: append(source(tmp_path / "b.nc", 2), store, "d"),
        "new colormap": lambda: copy("grey", "mine"),
        "changed colormap": lambda: copy("anomaly", "mine"),
        "colormap of the layer's name": lambda: copy("grey", "d"),
        "replace": replace,
        "remove": lambda: remove(store, "d"),
        "convert": lambda: convert(source(tmp_path / "c.nc", 0, 1), store, "d"),
    }
    with (
        running(store, tmp_path / "c1", colormaps=maps) as one,
        running(store, tmp_path / "c2", colormaps=maps, short_path=False) as other,
        Client(one.port) as short,
        Client(other.port) as usual,
    ):
        before = {path: short.ask(path) for path in paths}
        for name, change in changes.items():
            for path in paths:
                short.ask(path)
            change()
            first = {path: short.ask(path) for path in paths}
            assert first == {path: usual.ask(path) for path in paths}, name
            changed = [path for path in paths if first[path] != before[path]]
            assert changed, name
            assert "/xyz/keep/3/4/2.png" not in changed
            for path in paths:
                assert short.ask(path) == first[path], (name, "what came first was already new")
            before = first
