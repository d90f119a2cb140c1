"""The path of a tile request: resolved once, its generation checked before and after reading chunks."""

from collections import Counter

import pytest

from lazytile.pyramid.catalog import resolver
from lazytile.pyramid.render import renderer, tile_request
from lazytile.pyramid.store.dataset import Dataset
from tests.service.harness import running

PATHS = (
    "/wmts/time_steps/default/2024-01-02/WebMercatorQuad/3/3/2.png",
    "/wmts/time_steps/default/2024-01-02/WebMercatorQuad/3/3/2.png?resampling=bilinear",
    "/xyz/time_steps/3/1/3.png?time=2024-01-02",
)


@pytest.fixture(params=[False])
def counted(request, store, tmp_path, monkeypatch):
    """A server whose steps are counted."""
    calls = Counter()

    def count(owner, name):
        original = getattr(owner, name)

        def counting(*arguments, **options):
            calls[name] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, counting)

    count(resolver, "select_steps")
    count(resolver, "check_limits")
    count(tile_request, "default_resampling")
    count(renderer, "default_resampling")
    count(renderer, "check_generation")
    count(tile_request.TileRequest, "__post_init__")
    count(Dataset, "content_generation")
    with running(store, tmp_path / "cache", short_path=request.param) as server:
        # The first style takes a sample of values; the first tile opens arrays, and its address needs a time axis.
        server.get("/wmts/time_steps/default/2024-01-01/WebMercatorQuad/3/3/2.png")

        def steps_of(path):
            calls.clear()
            reply = server.get(path)
            assert reply.status == 200
            return Counter(calls), reply.headers["Server-Timing"].partition(",")[0]

        yield steps_of


@pytest.mark.parametrize("path", PATHS)
def test_a_request_is_resolved_once(counted, path):
    resolved = Counter({"select_steps": 1, "__post_init__": 1, "default_resampling": 1, "content_generation": 1})
    if path.startswith("/wmts"):
        resolved["check_limits"] = 1
    # The generation is computed again for each check, and once for the key of the chunks.
    cold = resolved + Counter({"check_generation": 2, "content_generation": 3})
    assert counted(path) == (cold, "cache;desc=computed")
    assert counted(path) == (resolved, "cache;desc=memory")


@pytest.mark.parametrize("counted", [True], indirect=True)
def test_a_tile_of_a_known_family_is_not_resolved_at_all(counted):
    first, second = PATHS[0], PATHS[0].replace("/3/3/2.png", "/3/3/1.png")
    assert counted(first)[0]["select_steps"] == 1
    assert counted(first) == (Counter(), "cache;desc=memory")
    assert counted(second) == (Counter({"check_generation": 2, "content_generation": 3}), "cache;desc=computed")
    assert counted(second) == (Counter(), "cache;desc=memory")
