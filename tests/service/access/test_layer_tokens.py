"""Bearer tokens: a protected dataset is seen by no protocol without one, and by no shared cache."""

import hashlib
from pathlib import Path

import pytest

from lazytile.pyramid.core.errors import DatasetNotFoundError
from lazytile.service.http.errors import SettingsError
from lazytile.service.http.settings import Settings
from tests.service.front.requests import Client
from tests.service.harness import running

TOKEN, OTHER = "correct-horse-battery", "another-token-of-mine"
KNOWS = {"Authorization": f"Bearer {TOKEN}"}
BOX = "crs=CRS:84&bbox=-90,-45,90,45&width=64&height=64&format=image/png"
PIXEL = "styles=&i=1&j=1&infoformat=application/json&info_format=application/json"
KVP = "service=WMTS&version=1.0.0&layer=global_180&style=default&tilematrixset=WebMercatorQuad"
TILE = "/xyz/global_180/2/1/1.png"
ADDRESSES = (
    TILE, "/xyz/global_180.json", "/wmts/global_180/default/WebMercatorQuad/2/1/1.png",
    f"/wmts?{KVP}&request=GetTile&format=image/png&tilematrix=2&tilerow=1&tilecol=1",
    f"/wmts?{KVP}&request=GetFeatureInfo&format=image/png&tilematrix=2&tilerow=1&tilecol=1&{PIXEL}",
    f"/wmts?{KVP}&request=DescribeDomains",
    f"/wms?service=WMS&version=1.3.0&request=GetMap&layers=global_180&styles=&{BOX}",
    f"/wms?service=WMS&version=1.3.0&request=GetFeatureInfo&layers=global_180&query_layers=global_180&{BOX}&{PIXEL}",
    "/wms?service=WMS&version=1.3.0&request=GetLegendGraphic&layer=global_180&style=default&format=image/png",
    "/legends/global_180/default_H.svg", "/colormaps/global_180/default.xml",
    "/ogc/collections/global_180", "/ogc/collections/global_180/styles",
    "/ogc/collections/global_180/map/tiles/WebMercatorQuad/2/1/1",
    "/catalogue/global_180", "/catalogue/global_180/styles/default",
    "/numbers/global_180/statistics?bbox=-30,-20,60,50", "/numbers/global_180/point?lon=10&lat=20",
    "/numbers/global_180/subset?bbox=-30,-20,60,50",
)  # fmt: skip
LISTINGS = (
    "/wmts/1.0.0/WMTSCapabilities.xml", "/wms?service=WMS&request=GetCapabilities", "/ogc/collections", "/catalogue",
    "/wmts/epsg3857/best/1.0.0/WMTSCapabilities.xml",
)  # fmt: skip


@pytest.fixture(scope="module")
def protected(store, tmp_path_factory):
    tokens = {"global_180": (TOKEN,), "two_variables": (OTHER, f"sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}"),
              "odd_sizes": (OTHER,)}  # fmt: skip
    with running(store, tmp_path_factory.mktemp("tokens") / "c", layer_tokens=tokens) as server:
        yield server


def test_what_a_token_sees_is_made_of_the_same_layers(protected):
    """With a thousand datasets, to make them anew took three milliseconds of the event loop after each change."""
    whole = protected.context.catalogue.snapshot
    hidden = frozenset({"global_180", "odd_sizes"})
    view = whole.without(hidden, LookupError)
    names = [layer.name for layer in view.layers()]
    assert names == [layer.name for layer in whole.layers() if layer.dataset.name not in hidden]
    assert names
    assert all(view.layer(name) is whole.layer(name) for name in names)
    for name in hidden:
        with pytest.raises(LookupError):
            view.layer(name)
    with pytest.raises(DatasetNotFoundError) as raised:
        view.layer("nowhere")
    assert not any(name in str(raised.value) for name in hidden)
    assert all(name in str(raised.value) for name in names)


@pytest.mark.parametrize("path", ADDRESSES)
def test_without_a_token_nothing_of_the_dataset_is_answered(protected, path):
    opened = protected.get(path, KNOWS)
    assert opened.status == 200, opened.body
    for _ in range(2):
        refused = protected.get(path)
        assert refused.status == 401, path
        assert refused.headers["WWW-Authenticate"] == 'Bearer realm="lazytile"'
        assert refused.headers["Cache-Control"] == "no-store"
    wrong = protected.get(path, {"Authorization": "Bearer nonsense-nonsense"})
    assert (wrong.status, 'error="invalid_token"' in wrong.headers["WWW-Authenticate"]) == (401, True)
    other = protected.get(path, {"Authorization": f"bearer {OTHER}"})
    assert (other.status, "insufficient_scope" in other.headers["WWW-Authenticate"]) == (403, True)
    conditional = {"If-None-Match": opened.headers["ETag"] or "*"}
    assert protected.get(path, conditional).status == 401


@pytest.mark.parametrize("path", ADDRESSES)
def test_no_shared_cache_keeps_what_needs_a_token(protected, path):
    reply = protected.get(path, KNOWS)
    assert "public" not in reply.headers["Cache-Control"]
    assert {"private", "no-store"} & {part.strip() for part in reply.headers["Cache-Control"].split(",")}
    assert "Authorization" in reply.headers["Vary"]


@pytest.mark.parametrize("path", LISTINGS)
def test_listings_hold_what_the_token_sees(protected, path):
    def listed(headers):
        reply = protected.get(path, headers)
        assert reply.status == 200
        assert "Authorization" in reply.headers["Vary"]
        return {
            name for name in ("global_180", "two_variables", "odd_sizes", "mercator") if name.encode() in reply.body
        }

    anonymous, known, other = listed({}), listed(KNOWS), listed({"Authorization": f"Bearer {OTHER}"})
    assert "mercator" in anonymous or "epsg3857" in path
    assert anonymous <= {"mercator"}
    assert known - anonymous == {"global_180", "two_variables"}
    assert other - anonymous == {"two_variables", "odd_sizes"}
    assert listed({}) == anonymous, "what others saw changes nothing"


def test_the_short_path_opens_nothing(protected):
    with Client(protected.port) as client:
        assert [client.ask(TILE, "GET", KNOWS)[0] for _ in range(3)] == [200] * 3
        assert [client.ask(TILE)[0] for _ in range(3)] == [401] * 3
        assert client.ask(TILE.replace("/1.png", "/2.png"))[0] == 401


def test_public_datasets_are_as_before(protected, server):
    path = "/xyz/mercator/1/0/0.png"
    for _ in range(2):
        reply, plain = protected.get(path), server.get(path)
        ignored = {"X-Request-Id", "Date", "Server-Timing"}
        assert (reply.status, reply.body) == (200, plain.body)
        assert {k: v for k, v in reply.headers.items() if k not in ignored} == {
            k: v for k, v in plain.headers.items() if k not in ignored
        }
    assert "memory" in protected.get(path).headers["Server-Timing"]
    assert protected.get(path, {"Authorization": "Basic eDp5"}).status == 200


def test_a_missing_layer_names_no_hidden_one(protected):
    reply = protected.get("/xyz/none/0/0/0.png")
    assert reply.status == 404
    assert b"global_180" not in reply.body
    assert b"mercator" in reply.body


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        ({"sst": ("short",)}, "at least 16"), ({"sst": ()}, "at least 16"), ({"a.b": (TOKEN,)}, "must name datasets"),
        ({"sst": ("with spaces in the token",)}, "at least 16"), ({"sst": ("ünicode-token-here",)}, "at least 16"),
    ],
)  # fmt: skip
def test_weak_tokens_are_refused_and_not_repeated(tokens, says):
    with pytest.raises(SettingsError, match=says) as raised:
        Settings.of(layer_tokens=tokens)
    assert TOKEN not in str(raised.value)


def test_every_handler_asks_for_what_its_request_may_see():
    root = Path(__file__).resolve().parents[3] / "service"
    protocols = [path for path in root.rglob("*.py") if path.relative_to(root).parts[0] not in ("app", "viewer")]
    direct = {str(path.relative_to(root)) for path in protocols if "request.app[APP_CONTEXT]" in path.read_text()}
    assert direct == {"protocol/middleware.py"} | {
        path for path in direct if "return request.get(VIEW)" in (root / path).read_text()
    }
