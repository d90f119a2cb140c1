"""A dataset that is replaced between resolving a request and reading chunks: every protocol resolves it once more."""

import pytest

from lazytile.pyramid.catalog.snapshot import Snapshot
from tests import data
from tests.service.harness import running

WMS = "/wms?service=WMS&version=1.3.0&layers=constant&crs=CRS:84&bbox=-90,-45,90,45&width=64&height=64&styles="
PATHS = {
    "xyz": "/xyz/constant/0/0/0.png",
    "wmts": "/wmts/constant/default/WebMercatorQuad/0/0/0.png",
    "ogcapi": "/ogc/collections/constant/map/tiles/WebMercatorQuad/0/0/0?f=png",
    "pixel": "/wmts/constant/default/WebMercatorQuad/0/0/0/100/100.json",
    "map": f"{WMS}&request=GetMap&format=image/png",
    "pixel of a map": f"{WMS}&request=GetFeatureInfo&query_layers=constant&i=3&j=3&info_format=application/json",
    "statistics": "/numbers/constant/statistics?bbox=-10,-10,10,10",
    "point": "/numbers/constant/point?lon=0&lat=0",
    "series": "/numbers/constant/series?lon=0&lat=0",
}


@pytest.fixture
def replaced(tmp_path, monkeypatch):
    """A server whose dataset is replaced right after the first look at it, each time `times` is set."""
    store = tmp_path / "store"
    data.CATALOGUE["constant"]().write(store)
    look = Snapshot.layer
    seen, left = [], [0]

    def layer(self, name):
        found = look(self, name)
        seen.append(found.dataset.generation)
        if left[0]:
            left[0] -= 1
            data.CATALOGUE["constant"]().write(store, generation=f"synthetic-{len(seen) + 1}")
        return found

    with running(store, tmp_path / "cache") as server:
        monkeypatch.setattr(Snapshot, "layer", layer)

        def get(path, times):
            left[0] = times
            return server.get(path), seen

        yield get


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_a_replaced_dataset_is_resolved_once_more(replaced, path):
    reply, seen = replaced(path, 1)
    assert reply.status == 200, reply.body
    assert seen[0] == "synthetic-1"
    assert seen[-1] == "synthetic-2"


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_one_that_is_replaced_again_and_again_is_503(replaced, path):
    reply, seen = replaced(path, 9)
    assert reply.status == 503, reply.body
    assert reply.headers["Retry-After"] == "1"
    assert len(set(seen)) == 2, "one generation for each of two attempts"
